// SPDX-FileCopyrightText: The Maru authors
// SPDX-License-Identifier: Apache-2.0
#include <maru/onnx.h>
#include <maru/quantize.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tool/samples.h"
#include "tool/show.h"
#include "tool/tool.h"

static const option options[] = {
    {"calibrate", 0, "DIR", "inputs: .npy and .pb files, or folders of them such as test_data_set_0"},
    {"output", 'o', "FILE", "the model to write, FILE.onnx"},
    {"method", 0, "NAME", "minmax (default) or entropy"},
    {"activations", 0, "DTYPE", "u8 (default), i8, or i8-symmetric"},
    {"per-tensor", 0, NULL, "one scale for each weight, not for each output channel"},
    {"samples", 0, "N", "of the inputs, at most (default: all)"},
    {"opset", 0, "N", "17 to 28 (default: the newest at which least is taken apart)"},
    {"external", 0, NULL, "weights in a file of their own, FILE.onnx.data"},
    {"part", 0, "NAME", "of a model of several graphs, that part (default: its own graph)"},
    {0},
};

/* How far a value of the quantised model is from the float model's, over all samples. */
typedef struct deviation {
    double signal;  // sum of squares
    double noise;
    double largest;
} deviation;

typedef struct job {
    const parsed *args;
    opened o;
    maru_calibration *calibration;
    samples *samples;
    size_t n_samples, n_done;
    const char *phase;
    maru_model *models[2];       // float, quantised
    maru_session *sessions[2];
    deviation *deviations;       // of the values, then of the outputs
    size_t n_values, n_outputs;
    maru_onnx_saved saved, plain;
} job;

enum { FLOAT, QUANTIZED };

/* ---- running ---- */

static maru_status open_session(job *j, int which, maru_calibration_form form)
{
    maru_graph *graph = NULL;
    const maru_model_params params = {.devices = get_option(j->args, "device", NULL), .progress = show_progress};
    maru_status status = maru_calibration_graph(j->calibration, form, &graph);
    if (status == MARU_OK)
        status = maru_model_create(j->o.runtime, &graph, &params, &j->models[which]);
    maru_graph_destroy(&graph);
    return status == MARU_OK ? maru_session_create(j->models[which], &j->sessions[which]) : status;
}

static maru_status run_session(job *j, int which, const maru_tensor *inputs)
{
    const maru_graph *graph = maru_model_graph(j->models[which]);
    maru_status status = MARU_OK;
    for (size_t i = 0; status == MARU_OK && i < maru_graph_input_count(graph); i++) {
        maru_value_info info;
        status = maru_graph_value_info(graph, maru_graph_input_at(graph, i), &info);
        if (status == MARU_OK)
            status = maru_session_set_input(j->sessions[which], info.name, &inputs[i]);
    }
    return status == MARU_OK ? maru_session_run(j->sessions[which], NULL) : status;
}

static const char *output_name(const job *j, size_t index, char *room, size_t n)
{
    const char *name = "";
    if (index < j->n_values) {
        snprintf(room, n, "calibration.%zu", index);
        return room;
    }
    maru_graph_output_at(maru_model_graph(j->models[FLOAT]), index - j->n_values, &name);
    return name;
}

/* ---- the first pass: ranges ---- */

static maru_status gather(void *ctx, const maru_tensor *inputs)
{
    job *j = ctx;
    char room[64];
    maru_status status = run_session(j, FLOAT, inputs);
    for (size_t i = 0; status == MARU_OK && i < j->n_values; i++) {
        maru_tensor t;
        status = maru_session_get_output(j->sessions[FLOAT], output_name(j, i, room, sizeof room), &t);
        if (status == MARU_OK)
            status = maru_calibration_add(j->calibration, i, &t);
    }
    return status;
}

/* ---- the second pass: differences ---- */

static void compare(const maru_tensor *want, const maru_tensor *got, deviation *out)
{
    const int64_t n = maru_tensor_count(want);
    for (int64_t i = 0; i < n && got->bytes == want->bytes; i++) {
        const double x = maru_tensor_get_f64(want, i);
        const double off = fabs(maru_tensor_get_f64(got, i) - x);
        if (!isfinite(x) || !isfinite(off))
            continue;
        out->signal += x * x;
        out->noise += off * off;
        out->largest = off > out->largest ? off : out->largest;
    }
}

static maru_status deviate(void *ctx, const maru_tensor *inputs)
{
    job *j = ctx;
    char room[64];
    maru_status status = run_session(j, FLOAT, inputs);
    if (status == MARU_OK)
        status = run_session(j, QUANTIZED, inputs);
    for (size_t i = 0; status == MARU_OK && i < j->n_values + j->n_outputs; i++) {
        maru_tensor want, got;
        const char *name = output_name(j, i, room, sizeof room);
        status = maru_session_get_output(j->sessions[FLOAT], name, &want);
        if (status == MARU_OK)
            status = maru_session_get_output(j->sessions[QUANTIZED], name, &got);
        if (status == MARU_OK)
            compare(&want, &got, &j->deviations[i]);
    }
    return status;
}

static maru_status each_sample(job *j, const char *phase, sample_fn fn)
{
    maru_status status = MARU_OK;
    for (size_t i = 0; status == MARU_OK && i < j->n_samples; i++) {
        show_progress(NULL, phase, i, j->n_samples);
        status = samples_each(j->samples, i, fn, j);
        if (status != MARU_OK)
            fprintf(stderr, "maru: sample %s\n", samples_name(j->samples, i));
    }
    clear_progress();
    return status;
}

/* ---- the report ---- */

/* Signal to noise in dB; what is exact has as much as f32 could. */
static double ratio_of(const deviation *d)
{
    const double db = d->noise > 0 ? 10 * log10(d->signal / d->noise) : 144;
    return d->signal > 0 ? fmin(db, 144) : 0;
}

static tint tint_of(double db)
{
    return db >= 30 ? TINT_GREEN : db >= 15 ? TINT_YELLOW : TINT_RED;
}

static void print_row(table *t, const maru_calibration_value *v, const deviation *d)
{
    char range[48], kept[48], scale[24], zero[16], db[16], largest[24];
    snprintf(range, sizeof range, "%.4g to %.4g", v->min, v->max);
    snprintf(kept, sizeof kept, "%.4g to %.4g", v->low, v->high);
    snprintf(scale, sizeof scale, "%.4g%s", v->scale, v->is_shared ? " (shared)" : "");
    snprintf(zero, sizeof zero, "%d", v->zero);
    snprintf(db, sizeof db, "%.1f", ratio_of(d));
    snprintf(largest, sizeof largest, "%.3g", d->largest);
    const char *cells[] = {*v->scope ? v->scope : v->name, *v->op ? v->op : "input", range, kept, scale, zero, db,
                           largest};
    table_row(t, cells);
    table_tint_cell(t, 6, tint_of(ratio_of(d)));
}

static void print_table(const job *j)
{
    static const char *const headings[] = {"layer", "op", "seen", "kept", "scale", "zero", "SNR, dB", "largest error"};
    maru_calibration_value v;
    table *t = table_create(headings, 8);
    for (size_t i = 0; maru_calibration_at(j->calibration, i, &v); i++)
        print_row(t, &v, &j->deviations[i]);
    table_print(t, stdout);
    table_destroy(&t);
}

static void print_summary(const job *j, const char *path)
{
    char before[32], after[32], room[64];
    size_t n = 0, old = 0, packed = 0;
    maru_calibration_weights(j->calibration, &n, &old, &packed);
    for (size_t i = 0; i < j->n_outputs; i++) {
        const deviation *d = &j->deviations[j->n_values + i];
        printf("output ");
        print_tinted(stdout, TINT_CYAN, output_name(j, j->n_values + i, room, sizeof room));
        printf(": SNR %.1f dB, largest error %.3g\n", ratio_of(d), d->largest);
    }
    printf("%zu products: weights %s before, %s after; %zu samples\n", n, show_bytes(old, before, sizeof before),
           show_bytes(packed, after, sizeof after), j->n_samples);
    print_tinted(stdout, TINT_BOLD, path);
    printf(": opset %d, %s\n", j->saved.opset,
           show_bytes(j->saved.model_bytes + j->saved.data_bytes, after, sizeof after));
}

static void print_number(const char *key, double value)
{
    printf(", \"%s\": %.9g", key, isfinite(value) ? value : 0);
}

static void print_json(const job *j, const char *path)
{
    char room[64];
    size_t n = 0, old = 0, packed = 0;
    maru_calibration_value v;
    maru_calibration_weights(j->calibration, &n, &old, &packed);
    fputs("{\"file\": ", stdout);
    print_json_string(stdout, path);
    printf(", \"opset\": %d, \"model_bytes\": %llu, \"data_bytes\": %llu, \"products\": %zu, \"weight_bytes\": %zu, "
           "\"quantized_weight_bytes\": %zu, \"samples\": %zu, \"values\": [",
           j->saved.opset, (unsigned long long)j->saved.model_bytes, (unsigned long long)j->saved.data_bytes, n, old,
           packed, j->n_samples);
    for (size_t i = 0; maru_calibration_at(j->calibration, i, &v); i++) {
        fputs(i ? ",\n {\"name\": " : "\n {\"name\": ", stdout);
        print_json_string(stdout, v.name);
        fputs(", \"op\": ", stdout);
        print_json_string(stdout, v.op);
        fputs(", \"scope\": ", stdout);
        print_json_string(stdout, v.scope);
        print_number("min", v.min);
        print_number("max", v.max);
        print_number("low", v.low);
        print_number("high", v.high);
        print_number("scale", v.scale);
        printf(", \"zero\": %d, \"shared\": %s", v.zero, v.is_shared ? "true" : "false");
        print_number("snr_db", ratio_of(&j->deviations[i]));
        print_number("largest_error", j->deviations[i].largest);
        fputc('}', stdout);
    }
    fputs("\n], \"outputs\": [", stdout);
    for (size_t i = 0; i < j->n_outputs; i++) {
        fputs(i ? ", {\"name\": " : "{\"name\": ", stdout);
        print_json_string(stdout, output_name(j, j->n_values + i, room, sizeof room));
        print_number("snr_db", ratio_of(&j->deviations[j->n_values + i]));
        print_number("largest_error", j->deviations[j->n_values + i].largest);
        fputc('}', stdout);
    }
    fputs("]}\n", stdout);
}

/* ---- the whole ---- */

static maru_status prepare(job *j, const char *folder, long long most, const maru_quantize_params *params)
{
    maru_graph *graph = NULL;
    maru_calibration_value v;
    maru_status status = open_script(j->args, &j->o);
    if (status == MARU_OK)
        status = maru_script_graph(j->o.script, &graph);
    if (status == MARU_OK)
        j->n_outputs = maru_graph_output_count(graph);
    if (status == MARU_OK)
        status = maru_calibration_create(graph, params, &j->calibration);
    maru_graph_destroy(&graph);
    if (status == MARU_OK)
        status = open_session(j, FLOAT, MARU_CALIBRATION_FLOAT);
    if (status == MARU_OK)
        status = samples_open(folder, maru_model_graph(j->models[FLOAT]), &j->samples);
    if (status != MARU_OK)
        return status;
    while (maru_calibration_at(j->calibration, j->n_values, &v))
        j->n_values++;
    j->n_samples = samples_count(j->samples);
    if ((unsigned long long)most < j->n_samples)
        j->n_samples = (size_t)most;
    j->deviations = calloc(j->n_values + j->n_outputs + 1, sizeof *j->deviations);
    return j->deviations ? MARU_OK : maru_error_set(MARU_RESOURCE_EXHAUSTED, "out of memory: a calibration");
}

static maru_status save(job *j, const char *path, long long opset)
{
    maru_graph *graph = NULL;
    const maru_onnx_save_params params = {.opset = (int)opset, .external = has_flag(j->args, "external")};
    maru_status status = maru_calibration_graph(j->calibration, MARU_CALIBRATION_QUANTIZED, &graph);
    if (status == MARU_OK)
        status = maru_onnx_save(graph, path, &params, &j->saved);
    maru_graph_destroy(&graph);
    return status;
}

static maru_status quantize(job *j, const char *folder, const char *path, long long most, long long opset,
                            const maru_quantize_params *params)
{
    maru_status status = prepare(j, folder, most, params);
    if (status == MARU_OK)
        status = each_sample(j, "calibrate", gather);
    if (status == MARU_OK)
        status = maru_calibration_end(j->calibration);
    if (status == MARU_OK)
        status = save(j, path, opset);
    if (status == MARU_OK)
        status = open_session(j, QUANTIZED, MARU_CALIBRATION_QUANTIZED_WATCHED);
    if (status == MARU_OK)
        status = each_sample(j, "compare", deviate);
    if (status != MARU_OK)
        return status;
    if (has_flag(j->args, "json")) {
        print_json(j, path);
        return MARU_OK;
    }
    print_table(j);
    print_summary(j, path);
    return MARU_OK;
}

static void fini(job *j)
{
    for (int i = 0; i < 2; i++) {
        maru_session_destroy(&j->sessions[i]);
        maru_model_destroy(&j->models[i]);
    }
    samples_close(&j->samples);
    maru_calibration_destroy(&j->calibration);
    free(j->deviations);
    close_script(&j->o);
}

/* The index of a word among some; false after saying which there are. */
static bool choose(const parsed *args, const char *name, const char *const *words, int *out)
{
    const char *word = get_option(args, name, words[0]);
    for (*out = 0; words[*out]; ++*out)
        if (strcmp(words[*out], word) == 0)
            return true;
    fprintf(stderr, "maru: --%s %s: one of", name, word);
    for (int i = 0; words[i]; i++)
        fprintf(stderr, "%s %s", i ? "," : "", words[i]);
    fputs(" is needed\n", stderr);
    return false;
}

static int run(const parsed *args)
{
    static const char *const methods[] = {"minmax", "entropy", NULL};
    static const char *const dtypes[] = {"u8", "i8", "i8-symmetric", NULL};
    const char *folder = get_option(args, "calibrate", NULL);
    const char *path = get_option(args, "output", NULL);
    long long most = 0, opset = 0;
    int method = 0, dtype = 0;
    if (!choose(args, "method", methods, &method) || !choose(args, "activations", dtypes, &dtype) ||
        !get_number(args, "samples", 1000000000, 1, &most) || !get_number(args, "opset", 0, 17, &opset))
        return EXIT_USAGE;
    if (!folder || !path || opset > 28) {
        fprintf(stderr, "maru: quantize: %s\n",
                opset > 28 ? "--opset is 17 to 28" : "--calibrate DIR and -o FILE.onnx are needed");
        return EXIT_USAGE;
    }
    const maru_quantize_params params = {
        .method = (maru_quantize_method)method,
        .activations = (maru_quantize_activations)dtype,
        .per_tensor = has_flag(args, "per-tensor"),
    };
    job j = {.args = args};
    const maru_status status = quantize(&j, folder, path, most, opset, &params);
    const int code = status == MARU_OK ? EXIT_OK : report_failure(status);
    fini(&j);
    return code;
}

const command command_quantize = {
    .name = "quantize",
    .usage = "quantize MODEL --calibrate DIR -o FILE.onnx [options]",
    .summary = "write a model whose products are of 8-bit integers",
    .details = "Runs the model on the inputs in DIR, notes the range of each value, and writes an ONNX model with\n"
               "QuantizeLinear and DequantizeLinear around Conv, ConvTranspose, Gemm and MatMul and what lies\n"
               "between them: weights of i8 with a scale for each output channel, biases of i32. Shows the ranges,\n"
               "and how far each value and output is from the float model's on the same inputs.\n"
               "\n"
               "    maru quantize model.onnx --calibrate inputs -o model.int8.onnx\n"
               "    maru quantize model.onnx --calibrate inputs -o model.int8.onnx --method entropy --json",
    .n_words = 1,
    .has_model = true,
    .options = options,
    .run = run,
};
