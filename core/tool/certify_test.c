// SPDX-FileCopyrightText: The Maru authors
// SPDX-License-Identifier: Apache-2.0
#include "tool/certify_test.h"

#include <maru/flow.h>
#include <maru/onnx.h>
#include <maru/session.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "tool/certify_rules.h"
#include "tool/tool.h"

enum { MAX_PATH = 2048, MAX_SETS = 64 };

/* What is alike. */
typedef struct measure {
    double least;        // absolute difference of floats that is allowed
    double whole;        // of whole numbers
    bool is_type_alone;  // dtype and dims are compared, values are not
} measure;

/* ---- comparing, as onnx/backend/test/runner does ---- */

static bool is_near(double got, double want, double absolute, double relative)
{
    return got == want || (isnan(got) && isnan(want)) || fabs(got - want) <= absolute + relative * fabs(want);
}

/* Two steps of a dtype whose steps are larger than ONNX's tolerance: the tests' numbers were rounded on the way. */
static double relative_tolerance(maru_dtype dtype)
{
    return dtype == MARU_BF16 ? 1.6e-2 : dtype == MARU_F16 ? 2e-3 : 1e-3;
}

/* What deep networks round off is small beside their largest output, not beside each. */
static double absolute_tolerance(const maru_tensor *want, double least)
{
    double largest = 0;
    for (int64_t i = 0; i < maru_tensor_count(want); i++) {
        const double x = fabs(maru_tensor_get_f64(want, i));
        largest = isfinite(x) && x > largest ? x : largest;
    }
    return least + 1e-6 * largest;
}

/* Values count too, unless the dtype and dims alone do. */
static bool are_tensors_alike(const maru_tensor *got, const maru_tensor *want, const char *name, const measure *m,
                              onnx_test *out)
{
    bool same = got->dtype == want->dtype && got->rank == want->rank;
    for (uint32_t i = 0; same && i < got->rank; i++)
        same = got->dims[i] == want->dims[i];
    if (!same) {
        snprintf(out->note, sizeof out->note, "output '%s' is %s of rank %u, the test has %s of rank %u, or other dims",
                 name, maru_dtype_name(got->dtype), got->rank, maru_dtype_name(want->dtype), want->rank);
        return false;
    }
    const bool is_float = maru_dtype_get_info(want->dtype)->kind == MARU_CLASS_FLOAT;
    const double relative = relative_tolerance(want->dtype);
    const double absolute = is_float ? absolute_tolerance(want, m->least) : m->whole;
    for (int64_t i = 0; !m->is_type_alone && i < maru_tensor_count(want); i++) {
        const double x = maru_tensor_get_f64(got, i);
        const double y = maru_tensor_get_f64(want, i);
        if (is_near(x, y, absolute, is_float ? relative : 0))
            continue;
        snprintf(out->note, sizeof out->note, "output '%s'[%lld] is %.9g, the test has %.9g", name, (long long)i, x, y);
        return false;
    }
    return true;
}

static bool are_texts_alike(const maru_strings *got, const maru_strings *want, const char *name, onnx_test *out)
{
    bool same = got->count == want->count && got->rank == want->rank;
    for (uint32_t i = 0; same && i < got->rank; i++)
        same = got->dims[i] == want->dims[i];
    for (size_t i = 0; same && i < got->count; i++)
        same = strcmp(got->items[i], want->items[i]) == 0;
    if (!same)
        snprintf(out->note, sizeof out->note, "output '%s' is other text, or of other dims", name);
    return same;
}

static bool are_alike(const maru_item *got, const maru_item *want, const char *name, const measure *m, onnx_test *out)
{
    bool same = maru_item_get_kind(got) == maru_item_get_kind(want) && maru_item_count(got) == maru_item_count(want);
    if (!same)
        snprintf(out->note, sizeof out->note, "output '%s' is %s, the test has %s, or of another length", name,
                 maru_item_kind_name(maru_item_get_kind(got)), maru_item_kind_name(maru_item_get_kind(want)));
    if (same && maru_item_get_tensor(got))
        return are_tensors_alike(maru_item_get_tensor(got), maru_item_get_tensor(want), name, m, out);
    if (same && maru_item_get_text(got))
        return are_texts_alike(maru_item_get_text(got), maru_item_get_text(want), name, out);
    for (size_t i = 0; same && i < maru_item_count(got); i++)
        same = are_alike(maru_item_at(got, i), maru_item_at(want, i), name, m, out);
    return same;
}

/* ---- a test's data ---- */

typedef struct data_set {
    const onnx_test *test;
    int index;
    measure measure;
    maru_onnx_file *file;
    maru_item **inputs;  // by the model's order
    char (*names)[256];
    size_t n;
} data_set;

static bool path_in(const onnx_test *t, int set, const char *kind, size_t i, char out[MAX_PATH])
{
    snprintf(out, MAX_PATH, "%s/test_data_set_%d/%s_%zu.pb", t->folder, set, kind, i);
    return maru_path_exists(out);
}

static void data_set_fini(data_set *set)
{
    for (size_t i = 0; i < set->n; i++)
        maru_item_release(&set->inputs[i]);
    free(set->inputs);
    free(set->names);
    maru_onnx_close(&set->file);
}

/* Tests of ONNX 1.12 and older hold the bits of bf16 as u16. */
static maru_status read_as(maru_dtype dtype, maru_item **item)
{
    const maru_tensor *t = maru_item_get_tensor(*item);
    maru_item *cast = NULL;
    if (!t || dtype != MARU_BF16 || t->dtype != MARU_U16)
        return MARU_OK;
    maru_tensor view = *t;
    view.dtype = MARU_BF16;
    const maru_status status = maru_item_copy(&view, &cast);
    if (status != MARU_OK)
        return status;
    maru_item_release(item);
    *item = cast;
    return MARU_OK;
}

/* A file's own name says which input it is of; without one, its place. */
static maru_status read_input(data_set *set, size_t i)
{
    char path[MAX_PATH];
    maru_onnx_port port = {.name = ""};
    maru_onnx_input_at(set->file, i, &port);
    path_in(set->test, set->index, "input", i, path);
    const maru_status status = maru_onnx_read_item(set->file, port.name, path, &set->inputs[i]);
    if (status != MARU_OK)
        return status;
    const maru_file_value *value = maru_item_get_value(set->inputs[i]);
    const bool is_named = value && value->name && *value->name;
    snprintf(set->names[i], sizeof set->names[i], "%s", is_named ? value->name : port.name);
    return read_as(port.dtype, &set->inputs[i]);
}

static maru_status read_inputs(data_set *set)
{
    char path[MAX_PATH];
    size_t n = 0;
    while (path_in(set->test, set->index, "input", n, path))
        n++;
    set->inputs = calloc(n + 1, sizeof *set->inputs);
    set->names = calloc(n + 1, sizeof *set->names);
    if (!set->inputs || !set->names)
        return MARU_RESOURCE_EXHAUSTED;
    set->n = n;
    maru_status status = maru_onnx_open(set->test->model, &set->file);
    for (size_t i = 0; status == MARU_OK && i < n; i++)
        status = read_input(set, i);
    return status;
}

static maru_status compare_output(const data_set *set, size_t index, const char *name, const maru_item *got,
                                  onnx_test *out)
{
    char path[MAX_PATH];
    maru_item *want = NULL;
    const maru_tensor *t = maru_item_get_tensor(got);
    path_in(set->test, set->index, "output", index, path);
    maru_status status = maru_onnx_read_item(set->file, name, path, &want);
    if (status == MARU_OK)
        status = read_as(t ? t->dtype : MARU_DTYPE_NONE, &want);
    if (status == MARU_OK && !are_alike(got, want, name, &set->measure, out))
        out->verdict = WRONG;
    maru_item_release(&want);
    return status;
}

/* ---- as one graph ---- */

/* By name; inputs that became constants are not there any more. */
static maru_status set_inputs(maru_session *session, const maru_graph *graph, const data_set *set)
{
    const size_t n = maru_graph_input_count(graph);
    for (size_t i = 0; i < n; i++) {
        maru_value_info info;
        maru_status status = maru_graph_value_info(graph, maru_graph_input_at(graph, i), &info);
        for (size_t k = 0; status == MARU_OK && k < set->n; k++)
            if (strcmp(set->names[k], info.name) == 0)
                status = maru_session_set_input(session, info.name, maru_item_get_tensor(set->inputs[k]));
        if (status != MARU_OK)
            return status;
    }
    return MARU_OK;
}

static maru_status compare_outputs(maru_session *session, const maru_graph *graph, const data_set *set, onnx_test *out)
{
    const char *name = NULL;
    maru_status status = MARU_OK;
    for (size_t i = 0; status == MARU_OK && maru_graph_output_at(graph, i, &name) != MARU_NO_VALUE; i++) {
        maru_tensor view;
        maru_item *got = NULL;
        status = maru_session_get_output(session, name, &view);
        if (status == MARU_OK)
            status = maru_item_copy(&view, &got);
        if (status == MARU_OK)
            status = compare_output(set, i, name, got, out);
        maru_item_release(&got);
    }
    return status;
}

/* A test may give as an input what real models have as a constant. */
static maru_status load(const data_set *set, maru_graph **out)
{
    maru_onnx_known *known = calloc(set->n + 1, sizeof *known);
    maru_onnx_params params = {.known = known, .as_needed = true};
    if (!known)
        return MARU_RESOURCE_EXHAUSTED;
    for (size_t i = 0; i < set->n; i++)
        if (maru_item_get_tensor(set->inputs[i]))
            known[params.n_known++] =
                (maru_onnx_known){.name = set->names[i], .tensor = maru_item_get_tensor(set->inputs[i])};
    const maru_status status = maru_onnx_load(set->test->model, &params, out);
    free(known);
    return status;
}

static maru_model_params params_of(const certify_report *r)
{
    return (maru_model_params){
        .devices = r->device,
        .device_options = r->device_options,
        .placement = MARU_PLACE_STRICT,
        .numerics = MARU_NUMERICS_EXACT,
    };
}

static maru_status open_model(const certify_report *r, data_set *set, onnx_test *out, maru_model **out_model)
{
    const maru_model_params params = params_of(r);
    maru_graph *graph = NULL;
    maru_status status = load(set, &graph);
    const char *reason = certify_reason(CERTIFY_TYPE_ALONE, &(certify_facts){.graph = graph});
    set->measure.is_type_alone = reason != NULL;
    snprintf(out->note, sizeof out->note, "%s", reason ? reason : "");
    if (status == MARU_OK)
        status = maru_model_create(r->runtime, &graph, &params, out_model);
    maru_graph_destroy(&graph);
    return status;
}

/* *out_is_graph: the model is one; otherwise nothing was compared. */
static maru_status run_graph(const certify_report *r, data_set *set, onnx_test *out, bool *out_is_graph)
{
    maru_model *model = NULL;
    maru_session *session = NULL;
    maru_status status = open_model(r, set, out, &model);
    *out_is_graph = status == MARU_OK;
    if (status == MARU_OK)
        status = maru_session_create(model, &session);
    if (status == MARU_OK)
        status = set_inputs(session, maru_model_graph(model), set);
    if (status == MARU_OK)
        status = maru_session_run(session, NULL);
    if (status == MARU_OK)
        status = compare_outputs(session, maru_model_graph(model), set, out);
    maru_session_destroy(&session);
    maru_model_destroy(&model);
    return status;
}

/* ---- in stages, where the data decides ---- */

static void set_measure(data_set *set, onnx_test *out)
{
    const certify_facts facts = {
        .model = set->file,
        .first_input = set->n ? maru_item_get_tensor(set->inputs[0]) : NULL,
    };
    const char *reason = certify_reason(CERTIFY_ROUNDED, &facts);
    set->measure.whole = reason ? 2 : 0;
    snprintf(out->note, sizeof out->note, "%s", reason ? reason : "");
}

static maru_status run_flow(const certify_report *r, data_set *set, onnx_test *out)
{
    const maru_model_params params = params_of(r);
    const char *name = NULL;
    maru_flow *flow = NULL;
    maru_item *got = NULL;
    set_measure(set, out);
    maru_status status = maru_flow_create(r->runtime, set->file, &params, &flow);
    for (size_t i = 0; status == MARU_OK && i < set->n; i++)
        status = maru_flow_set_input(flow, set->names[i], set->inputs[i]);
    if (status == MARU_OK)
        status = maru_flow_run(flow, NULL);
    for (size_t i = 0; status == MARU_OK && (got = maru_flow_output_at(flow, i, &name)) != NULL; i++)
        status = compare_output(set, i, name, got, out);
    maru_flow_destroy(&flow);
    return status;
}

static maru_status run_set(const certify_report *r, int index, double least, onnx_test *out)
{
    data_set set = {.test = out, .index = index, .measure = {.least = least}};
    bool is_graph = false;
    maru_status status = read_inputs(&set);
    if (status == MARU_OK)
        status = run_graph(r, &set, out, &is_graph);
    if (set.file && !is_graph && (status == MARU_UNSUPPORTED || status == MARU_INVALID_ARGUMENT))
        status = run_flow(r, &set, out);
    data_set_fini(&set);
    return status;
}

/* ---- a test ---- */

static bool has_set(const onnx_test *t, int index)
{
    char path[MAX_PATH];
    return index < MAX_SETS && path_in(t, index, "output", 0, path);
}

static void try_test(const certify_report *r, double least, onnx_test *out)
{
    maru_status status = MARU_OK;
    for (int i = 0; status == MARU_OK && has_set(out, i) && out->verdict == PASSED; i++)
        status = run_set(r, i, least, out);
    if (status == MARU_OK)
        return;
    const char *message = maru_error_message();
    const size_t n = strlen(out->model);
    const bool is_named = strncmp(message, out->model, n) == 0 && message[n] == ':';
    out->verdict = status == MARU_UNSUPPORTED ? UNSUPPORTED : FAILED;
    snprintf(out->note, sizeof out->note, "%s", is_named ? message + n + 2 : message);
}

static const char *reason_to_exclude(const onnx_test *t)
{
    certify_facts facts = {.model = NULL};
    maru_onnx_file *file = NULL;
    maru_file_value input = {0};
    char path[MAX_PATH];
    if (maru_onnx_open(t->model, &file) == MARU_OK)
        facts.model = file;
    if (path_in(t, 0, "input", 0, path) && maru_tensor_file_read(path, MARU_DTYPE_NONE, &input) == MARU_OK)
        facts.first_input = input.is_strings ? NULL : &input.tensor;
    const char *reason = certify_reason(CERTIFY_EXCLUDED, &facts);
    maru_file_value_fini(&input);
    maru_onnx_close(&file);
    return reason;
}

void certify_test(const certify_report *r, double least, onnx_test *out)
{
    const char *reason = reason_to_exclude(out);
    try_test(r, least, out);
    if (!reason)
        return;
    out->verdict = out->verdict == PASSED ? UNEXPECTED : EXCLUDED;
    snprintf(out->note, sizeof out->note, "%s", reason);
}
