// SPDX-FileCopyrightText: The Maru authors
// SPDX-License-Identifier: Apache-2.0
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tool/inputs.h"
#include "tool/profile.h"
#include "tool/run_flow.h"
#include "tool/show.h"
#include "tool/tool.h"

static const option options[] = {
    {"input", 'i', "NAME=VALUE|@FILE", "an input: text, a number, a JSON list, or a file by its ending; may be "
    "repeated"},
    {"save", 'o', "NAME=FILE", "write an output to a file by its ending; may be repeated"},
    {"draw", 0, "FILE", "draw the outputs on the picture or sound that came in (.png, .svg); - prints bars"},
    {"save-state", 0, "FILE", "write the states after the run (.safetensors)"},
    {"load-state", 0, "FILE", "read the states before the run"},
    {"profile", 0, NULL, "a table of the time per op"},
    {"trace", 0, "FILE", "a trace that Perfetto opens"},
    {"timeout", 0, "MS", "end the run after so many milliseconds"},
    {0},
};

/* ---- inputs ---- */

static bool is_constant(const inputs *in, const char *name)
{
    for (size_t i = 0; i < in->n_known; i++)
        if (in->known[i].is_constant && strcmp(in->known[i].name, name) == 0)
            return true;
    return false;
}

static maru_status set_inputs(const inputs *in, maru_script *script)
{
    maru_status status = MARU_OK;
    for (size_t i = 0; status == MARU_OK && i < in->n; i++)
        if (!is_constant(in, in->items[i].name))
            status = maru_script_set_input(script, in->items[i].name, &in->items[i].value);
    return status;
}

/* ---- outputs ---- */

static maru_status save_output(const maru_script *script, const char *word)
{
    const char *equals = strchr(word, '=');
    const char *name = NULL;
    const maru_file_value *value = NULL;
    if (!equals || equals == word) {
        fprintf(stderr, "maru: --save %s: NAME=FILE is needed\n", word);
        exit(EXIT_USAGE);
    }
    for (size_t i = 0; maru_script_output(script, i, &name, &value); i++)
        if (strlen(name) == (size_t)(equals - word) && strncmp(name, word, (size_t)(equals - word)) == 0)
            return maru_tensor_file_write(equals + 1, value);
    fprintf(stderr, "maru: --save %s: the model has no output of that name\n", word);
    exit(EXIT_INPUT);
}

static void print_outputs(const maru_script *script, bool as_json)
{
    const char *name = NULL;
    const maru_file_value *value = NULL;
    fputs(as_json ? "{" : "", stdout);
    for (size_t i = 0; maru_script_output(script, i, &name, &value); i++) {
        if (!as_json) {
            print_value(stdout, name, value);
            continue;
        }
        fputs(i ? ", " : "", stdout);
        print_json_string(stdout, name);
        fputs(": ", stdout);
        print_json_value(stdout, value);
    }
    fputs(as_json ? "}\n" : "", stdout);
}

static maru_status draw(const parsed *args, const opened *o, const inputs *in)
{
    const maru_file_value *on = NULL;
    for (size_t i = 0; !on && i < in->n; i++)
        on = can_draw_on(&in->items[i].value) ? &in->items[i].value : NULL;
    return has_flag(args, "draw") ? draw_outputs(o->script, on, get_option(args, "draw", "-")) : MARU_OK;
}

static maru_status finish(const parsed *args, const opened *o, const inputs *in)
{
    maru_status status = draw(args, o, in);
    size_t n = 0;
    for (; status == MARU_OK && get_nth(args, "save", n); n++)
        status = save_output(o->script, get_nth(args, "save", n));
    if (status == MARU_OK && has_flag(args, "save-state"))
        status = maru_script_save_state(o->script, get_option(args, "save-state", NULL));
    // What was saved or shown already is not shown again, unless asked for.
    const bool is_shown = n > 0 || o->has_streamed || strcmp(get_option(args, "draw", ""), "-") == 0;
    const bool as_json = has_flag(args, "json");
    if (status == MARU_OK && (!is_shown || as_json || has_flag(args, "verbose")))
        print_outputs(o->script, as_json);
    return status;
}

/* ---- the run ---- */

static maru_script *running;  // for the signal handler alone
static maru_flow *running_flow;

static void on_interrupt(int number)
{
    signal(number, SIG_DFL);  // the second one ends the process
    if (running)
        maru_script_cancel(running);
    if (running_flow)
        maru_flow_cancel(running_flow);
}

static maru_run_params run_params_of(const parsed *args, profile *p, long long timeout_ms)
{
    const bool traced = has_flag(args, "profile") || has_flag(args, "trace");
    return (maru_run_params){
        .timeout_ns = timeout_ms < INT64_MAX / 4000000 ? timeout_ms * 1000000 : INT64_MAX / 4,
        .trace = traced ? profile_add : NULL,
        .trace_ctx = p,
    };
}

static maru_status run_in_stages(const parsed *args, const inputs *in, opened *o, const maru_run_params *params)
{
    maru_flow *flow = NULL;
    maru_status status = open_flow(args, in, o->runtime, &flow);
    clear_progress();
    running_flow = flow;
    signal(SIGINT, on_interrupt);
    if (status == MARU_OK)
        status = maru_flow_run(flow, params);
    signal(SIGINT, SIG_DFL);
    running_flow = NULL;
    if (status == MARU_OK)
        status = finish_flow(args, flow);
    maru_flow_destroy(&flow);
    return status;
}

static maru_status run_script(const parsed *args, opened *o, const maru_run_params *params)
{
    maru_status status = maru_script_prepare(o->script);
    clear_progress();
    if (status == MARU_OK && has_flag(args, "load-state"))
        status = maru_script_load_state(o->script, get_option(args, "load-state", NULL));
    running = o->script;
    signal(SIGINT, on_interrupt);
    if (status == MARU_OK)
        status = maru_script_run(o->script, params);
    signal(SIGINT, SIG_DFL);
    running = NULL;
    return status;
}

/* States are safetensors files, and those are known by their ending. */
static bool is_state_file(const parsed *args, const char *name)
{
    static const char ending[] = ".safetensors";
    const char *path = get_option(args, name, ending);
    const size_t n = strlen(path);
    if (n >= sizeof ending - 1 && strcmp(path + n - (sizeof ending - 1), ending) == 0)
        return true;
    fprintf(stderr, "maru: --%s %s: the name must end in %s\n", name, path, ending);
    return false;
}

/* An ONNX model that is no single graph runs in stages. */
static maru_status open_and_run(const parsed *args, inputs *in, opened *o, const maru_run_params *params)
{
    maru_status status = has_files_of_items(in) ? MARU_UNSUPPORTED : open_script(args, o);
    if (status == MARU_OK && is_onnx_model(args))
        status = maru_script_prepare(o->script);
    if ((status == MARU_UNSUPPORTED || status == MARU_INVALID_ARGUMENT) && is_onnx_model(args)) {
        if (!o->runtime)
            status = open_runtime(args, &o->runtime);
        return o->runtime ? run_in_stages(args, in, o, params) : status;
    }
    if (status == MARU_OK)
        status = set_inputs(in, o->script);
    if (status == MARU_OK)
        status = run_script(args, o, params);
    return status == MARU_OK ? finish(args, o, in) : status;
}

static int run(const parsed *args)
{
    opened o = {0};
    long long timeout_ms = 0;
    if (!get_number(args, "timeout", 0, 1, &timeout_ms) || !is_state_file(args, "save-state") ||
        !is_state_file(args, "load-state") || !is_drawing(get_option(args, "draw", "-")))
        return EXIT_USAGE;
    profile *p = profile_create();
    const maru_run_params params = run_params_of(args, p, timeout_ms);
    inputs in = {0};
    maru_status status = p ? read_inputs(args, &in) : MARU_RESOURCE_EXHAUSTED;
    o.known = in.known;
    o.n_known = in.n_known;
    if (status == MARU_OK)
        status = open_and_run(args, &in, &o, &params);
    if (status == MARU_OK && has_flag(args, "profile"))
        profile_print(p, has_flag(args, "json"));
    int code = status == MARU_OK ? EXIT_OK : report_failure(status);
    if (status == MARU_OK && has_flag(args, "trace") && !profile_write_trace(p, get_option(args, "trace", NULL))) {
        fprintf(stderr, "maru: cannot write %s\n", get_option(args, "trace", NULL));
        code = EXIT_FAILED;
    }
    close_script(&o);
    inputs_fini(&in);
    profile_destroy(&p);
    return code;
}

const command command_run = {
    .name = "run",
    .usage = "run MODEL [--input NAME=VALUE|@FILE]... [--save NAME=FILE]... [options]",
    .summary = "run a model script or a graph",
    .details = "MODEL is a .lua script, an .onnx model or a .maru graph. Inputs are text, numbers and JSON lists,\n"
               "or files known by their ending: .npy, .pb (ONNX TensorProto), .txt (one string a line), .json, .wav,\n"
               ".png, .jpg. So are outputs. An ONNX model whose shapes do not follow from its dims alone is made for\n"
               "the inputs that are given; one whose data decides what is computed (Loop, Scan, sequences, text) runs\n"
               "in stages. A sequence or an optional is a .pb file, as the model declares it.\n"
               "\n"
               "    maru run scripts/models/minilm.lua --weights DIR --input text='A cat sat.' --save embedding=e.npy\n"
               "    maru run scripts/models/llama.lua --weights DIR --input prompt='Once upon' --set n=50\n"
               "    maru run model.onnx --input x=@x.npy --save y=y.npy",
    .n_words = 1,
    .has_model = true,
    .options = options,
    .run = run,
};
