// SPDX-FileCopyrightText: The Maru authors
// SPDX-License-Identifier: Apache-2.0
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tool/certify_cases.h"
#include "tool/certify_onnx.h"
#include "tool/certify_report.h"
#include "tool/show.h"
#include "tool/tool.h"

static const option options[] = {
    {"op", 0, "NAME", "only this operator; may be repeated"},
    {"device", 'd', "PATTERN", "the device (default cpu:0)"},
    {"device-option", 0, "KEY=VALUE", "an option for it; may be repeated"},
    {"html", 0, "FILE", "write the report as a page"},
    {"onnx", 0, "DIR", "run the ONNX backend tests below a folder instead"},
    {"absolute", 0, "X", "with --onnx: difference that is allowed whatever the value (default 1e-7)"},
    {"test", 0, "PATTERN", "with --onnx: only tests whose name it matches (* and ?); may be repeated"},
    {0},
};

enum { MAX_TEXT = 4096, MAX_OUTPUTS = 16 };

/* ---- what is allowed (docs/numerics.md) ---- */

typedef struct tolerance {
    double absolute;
    double relative;
    double epsilon;  // spacing of the dtype at 1, for ULP
} tolerance;

static tolerance tolerance_of(maru_dtype dtype)
{
    switch ((int)dtype) {
    case MARU_F64: return (tolerance){1e-13, 1e-12, 0x1p-52};
    case MARU_F32: return (tolerance){2e-6, 1e-5, 0x1p-23};
    case MARU_F16: return (tolerance){1e-3, 2e-3, 0x1p-10};
    case MARU_BF16: return (tolerance){1e-2, 1.6e-2, 0x1p-7};
    default: return (tolerance){0, 0, 1};
    }
}

/* ---- a case ---- */

static void fill(const certify_case *c, maru_tensor *t, unsigned *seed)
{
    const maru_dtype_info *info = maru_dtype_get_info(t->dtype);
    const bool is_signed = info->kind == MARU_CLASS_FLOAT || info->kind == MARU_CLASS_INT;
    const bool is_default = c->low == 0 && c->high == 0;
    const double low = is_default ? (is_signed ? -3 : 0) : c->low;
    const double high = is_default ? 3 : c->high;
    if (info->kind == MARU_CLASS_BLOCK) {
        // Any bytes are a block; the exponents of halves are kept small by clearing high bits of each block's start.
        for (size_t i = 0; i < t->bytes; i++) {
            *seed = *seed * 1664525u + 1013904223u;
            ((unsigned char *)t->data)[i] = (unsigned char)(*seed >> 24);
        }
        for (size_t i = 0; i + info->block_bytes <= t->bytes; i += info->block_bytes)
            ((unsigned char *)t->data)[i + 1] = 0x20;
        return;
    }
    for (int64_t i = 0; i < maru_tensor_count(t); i++) {
        *seed = *seed * 1664525u + 1013904223u;
        const double x = low + (high - low) * (*seed >> 8) / 16777216.0;
        maru_tensor_set_f64(t, i, info->kind == MARU_CLASS_FLOAT ? x : floor(x + 0.5));
    }
}

/* A model on a device with its inputs set. */
typedef struct side {
    maru_model *model;
    maru_session *session;
    maru_tensor inputs[MAX_OUTPUTS];
    size_t n_inputs;
} side;

static void close_side(side *s)
{
    maru_session_destroy(&s->session);
    maru_model_destroy(&s->model);
    for (size_t i = 0; i < s->n_inputs; i++)
        maru_tensor_destroy(&s->inputs[i]);
}

static maru_status set_inputs(const certify_case *c, const maru_graph *graph, side *s)
{
    unsigned seed = 42;
    for (size_t i = 0; i < maru_graph_input_count(graph) && i < MAX_OUTPUTS; i++) {
        maru_value_info info;
        maru_status status = maru_graph_value_info(graph, maru_graph_input_at(graph, i), &info);
        if (status == MARU_OK)
            status = maru_tensor_create(info.dtype, info.dims, info.rank, &s->inputs[i]);
        if (status != MARU_OK)
            return status;
        s->n_inputs = i + 1;
        fill(c, &s->inputs[i], &seed);
        status = maru_session_set_input(s->session, info.name, &s->inputs[i]);
        if (status != MARU_OK)
            return status;
    }
    return MARU_OK;
}

static maru_status open_side(certify_report *r, const certify_case *c, const char *text, const char *device,
                             const char *device_options, side *out)
{
    maru_graph *graph = NULL;
    const maru_model_params params = {
        .devices = device,
        .device_options = device_options,
        .placement = MARU_PLACE_STRICT,
        .numerics = MARU_NUMERICS_EXACT,
        .no_fold = 1,
        .no_fuse = 1,
    };
    maru_status status = maru_graph_read(text, strlen(text), c->op, &graph);
    if (status == MARU_OK)
        status = maru_model_create(r->runtime, &graph, &params, &out->model);
    if (status == MARU_OK)
        status = maru_session_create(out->model, &out->session);
    if (status == MARU_OK)
        status = set_inputs(c, maru_model_graph(out->model), out);
    if (status == MARU_OK)
        status = maru_session_run(out->session, NULL);
    maru_graph_destroy(&graph);
    return status;
}

/* ---- comparing ---- */

static bool compare_element(const tolerance *t, double got, double want, certify_row *out)
{
    if (got == want || (isnan(got) && isnan(want)))
        return true;
    const double difference = fabs(got - want);
    const double scale = fabs(want) > 0x1p-14 ? fabs(want) : 0x1p-14;
    const double spacing = t->epsilon == 1 ? 1 : ldexp(t->epsilon, ilogb(scale));
    const double ulp = difference / spacing;
    const double relative = difference / scale;
    out->worst_ulp = ulp > out->worst_ulp || isnan(ulp) ? ulp : out->worst_ulp;
    out->worst_relative = relative > out->worst_relative || isnan(relative) ? relative : out->worst_relative;
    return difference <= t->absolute + t->relative * fabs(want);
}

static bool compare_tensors(const maru_tensor *got, const maru_tensor *want, const char *name, certify_row *out)
{
    const tolerance t = tolerance_of(want->dtype);
    const int64_t n = maru_tensor_count(want);
    if (got->dtype != want->dtype || maru_tensor_count(got) != n) {
        snprintf(out->note, sizeof out->note, "output '%s' has another type", name);
        return false;
    }
    for (int64_t i = 0; i < n; i++) {
        const double x = maru_tensor_get_f64(got, i);
        const double y = maru_tensor_get_f64(want, i);
        if (!compare_element(&t, x, y, out)) {
            snprintf(out->note, sizeof out->note, "output '%s'[%lld] is %.9g, the reference says %.9g", name,
                     (long long)i, x, y);
            return false;
        }
    }
    return true;
}

static bool compare_sides(side *got, side *want, certify_row *out)
{
    const maru_graph *graph = maru_model_graph(want->model);
    const char *name = NULL;
    bool right = true;
    for (size_t i = 0; maru_graph_output_at(graph, i, &name) != MARU_NO_VALUE; i++) {
        maru_tensor x, y;
        if (maru_session_get_output(got->session, name, &x) != MARU_OK ||
            maru_session_get_output(want->session, name, &y) != MARU_OK)
            return false;
        right = right && compare_tensors(&x, &y, name, out);
    }
    return right;
}

/* Runs once more and looks whether every bit is the same. */
static bool is_steady(side *s)
{
    const maru_graph *graph = maru_model_graph(s->model);
    const char *name = NULL;
    bool same = true;
    for (size_t i = 0; maru_graph_output_at(graph, i, &name) != MARU_NO_VALUE && same; i++) {
        maru_tensor t;
        if (maru_session_get_output(s->session, name, &t) != MARU_OK)
            return false;
        void *before = malloc(t.bytes + 1);
        if (!before)
            return false;
        memcpy(before, t.data, t.bytes);
        same = maru_session_run(s->session, NULL) == MARU_OK &&
               maru_session_get_output(s->session, name, &t) == MARU_OK && memcmp(before, t.data, t.bytes) == 0;
        free(before);
    }
    return same;
}

/* Of "placement is strict, and Add would run on cpu:0: why" the reader of a list wants the reason. */
static const char *reason_of(const char *message)
{
    const char *colon = strncmp(message, "placement is strict", 19) == 0 ? strstr(message, ": ") : NULL;
    return colon ? colon + 2 : message;
}

static void run_case(certify_report *r, const certify_case *c, const char *dtype, certify_row *out)
{
    char text[MAX_TEXT];
    side got = {0};
    side want = {0};
    certify_write_text(c, dtype, text, sizeof text);
    maru_status status = open_side(r, c, text, "cpu:0", "kernels=ref", &want);
    if (status != MARU_OK) {
        snprintf(out->note, sizeof out->note, "the reference: %s", maru_error_message());
    } else {
        status = open_side(r, c, text, r->device, r->device_options, &got);
        out->is_claimed = status != MARU_UNSUPPORTED;
        if (status != MARU_OK)
            snprintf(out->note, sizeof out->note, "%s", reason_of(maru_error_message()));
        out->is_right = out->is_right && status == MARU_OK && compare_sides(&got, &want, out);
        out->is_steady = out->is_steady && status == MARU_OK && is_steady(&got);
    }
    if (status != MARU_OK)
        out->is_right = false;
    close_side(&got);
    close_side(&want);
}

/* ---- all cases ---- */

static bool is_wanted(const parsed *args, const char *op)
{
    if (!has_flag(args, "op"))
        return true;
    for (size_t i = 0; get_nth(args, "op", i); i++)
        if (strcmp(get_nth(args, "op", i), op) == 0)
            return true;
    return false;
}

static certify_row *row_for(certify_report *r, const char *op, const char *dtype)
{
    for (size_t i = 0; i < r->n; i++)
        if (strcmp(r->rows[i].op, op) == 0 && strcmp(r->rows[i].dtype, dtype) == 0)
            return &r->rows[i];
    if (r->n == CERTIFY_MAX_ROWS)
        return NULL;
    certify_row *out = &r->rows[r->n++];
    *out = (certify_row){.op = op, .is_right = true, .is_steady = true};
    snprintf(out->dtype, sizeof out->dtype, "%s", dtype);
    return out;
}

static void run_all(const parsed *args, certify_report *r)
{
    for (size_t i = 0; i < n_certify_cases; i++) {
        const certify_case *c = &certify_cases[i];
        if (!is_wanted(args, c->op))
            continue;
        show_progress(NULL, c->op, i, n_certify_cases);
        for (const char *at = c->dtypes; *at;) {
            char dtype[16];
            const size_t length = strcspn(at, " ");
            snprintf(dtype, sizeof dtype, "%.*s", (int)length, at);
            certify_row *out = row_for(r, c->op, dtype);
            if (out)
                run_case(r, c, dtype, out);
            at += length + (at[length] == ' ');
        }
    }
    clear_progress();
}

/* ---- the command ---- */

static bool is_operator(const char *name)
{
    for (size_t i = 0; i < n_certify_cases; i++)
        if (strcmp(certify_cases[i].op, name) == 0)
            return true;
    return false;
}

static int certify(const parsed *args, certify_report *r)
{
    for (size_t i = 0; get_nth(args, "op", i); i++) {
        if (!is_operator(get_nth(args, "op", i))) {
            fprintf(stderr, "maru: --op %s: there is no operator of that name\n", get_nth(args, "op", i));
            return EXIT_INPUT;
        }
    }
    size_t index = 0;
    size_t n = 0;
    r->device = get_option(args, "device", "cpu:0");
    maru_status status = open_runtime(args, &r->runtime);
    if (status == MARU_OK)
        status = check_devices(args, r->runtime);
    if (status == MARU_OK)
        status = join_device_options(args, &r->device_options);
    if (status == MARU_OK)
        status = maru_runtime_find_devices(r->runtime, r->device, &index, 1, &n);
    if (status == MARU_OK)
        status = maru_runtime_device_info(r->runtime, index, &r->info);
    if (status != MARU_OK)
        return report_failure(status);
    r->device = r->info.id;
    if (has_flag(args, "onnx"))
        return certify_onnx(args, r);
    run_all(args, r);
    if (has_flag(args, "json"))
        certify_print_json(r);
    else
        certify_print_text(r, has_flag(args, "verbose"));
    if (has_flag(args, "html") && !certify_write_page(r, get_option(args, "html", NULL))) {
        fprintf(stderr, "maru: cannot write %s\n", get_option(args, "html", NULL));
        return EXIT_FAILED;
    }
    const certify_totals t = certify_count(r);
    // A device that refuses everything passes nothing.
    return t.claimed && t.right == t.claimed && t.steady == t.claimed ? EXIT_OK : EXIT_DIFFERENT;
}

static int run(const parsed *args)
{
    certify_report *r = calloc(1, sizeof *r);
    if (!r)
        return EXIT_MEMORY;
    const int code = certify(args, r);
    maru_runtime_destroy(&r->runtime);
    free(r->device_options);
    free(r);
    return code;
}

const command command_certify = {
    .name = "certify",
    .usage = "certify [--device PATTERN] [--op NAME]... [--onnx DIR] [--html FILE] [--json]",
    .summary = "compare a device with the plain C reference, operator by operator and dtype by dtype",
    .details = "Runs every operator on the device and on the reference, under strict placement, and compares "
    "within the\n"
               "tolerances of docs/numerics.md; runs each twice and compares the bits.\n"
               "\n"
               "    maru certify --device cpu\n"
               "    maru certify --device mychip:0 --html report.html\n"
    "\n"
    "With --onnx DIR it runs the tests below a folder that has the layout of ONNX's own backend tests\n"
    "(model.onnx, test_data_set_N/input_I.pb and output_I.pb) and compares as ONNX does: relative 1e-3\n"
    "(f16 2e-3, bf16 1.6e-2), "
    "absolute 1e-7 and 1e-6 of the largest element, integers exactly.\n"
    "\n"
    "    maru certify --onnx node_tests --test 'test_conv_*'",
    .has_host = true,
    .options = options,
    .run = run,
};
