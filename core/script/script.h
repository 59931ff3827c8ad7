// SPDX-FileCopyrightText: The Maru authors
// SPDX-License-Identifier: Apache-2.0
#ifndef MARU_SCRIPT_SCRIPT_H
#define MARU_SCRIPT_SCRIPT_H

/*
 * A model script from the outside: load it, give it inputs, run it, take its
 * outputs. Stands on the public headers alone. One thread at a time per
 * script; scripts are independent of each other.
 */

#include <maru/file.h>
#include <maru/model.h>
#include <maru/onnx.h>
#include <maru/runtime.h>
#include <maru/session.h>

typedef struct maru_script maru_script;

/* One --set: read as a number or boolean where it is one, else a string. */
typedef struct maru_script_setting {
    const char *key;
    const char *value;
} maru_script_setting;

/* What the sandbox allows; 0 means the default. Tensors in host memory may take four times memory_bytes. */
typedef struct maru_script_limits {
    size_t memory_bytes;     // of Lua's own heap; default 1 GiB
    uint64_t instructions;   // of the script's main chunk and of its graph function; default 500 million
    uint64_t run_instructions; // of each run; default 50 billion
    uint64_t fail_allocation;  // for tests: this allocation of Lua and every later one fails; 0: none
} maru_script_limits;

typedef struct maru_script_params {
    const char *weights;     // file or folder; NULL: the script's own folder, then what the script names
    const char *config;      // NULL: config.json beside the weights, if there is one
    const maru_script_setting *settings;
    size_t n_settings;
    const char *part;        // of several graphs, the one whose graph, model and session are meant; NULL: its own
    const char *library;     // folder that holds the Lua library maru/; NULL: $MARU_LIBRARY, else near the program
    maru_model_params model;
    maru_script_limits limits;
    /* Text that a script prints or streams while it runs; NULL: dropped. On the calling thread. */
    void (*print)(void *ctx, const char *text, size_t bytes);
    void *print_ctx;
    /* Of an ONNX model, inputs whose dims or values may be taken as known; they stay valid as long as the script. */
    maru_onnx_known *known;
    size_t n_known;
} maru_script_params;

/* Whether a file begins as a graph in text form does, whatever it is called. False if it cannot be read. */
bool maru_script_is_graph(const char *path);

/*
 * Runs the main chunk of a Lua file, or wraps a graph in text form (known by
 * its content, or the ending .maru) so that it runs the same way. Nothing is compiled yet. Errors say
 * "script.lua:12: ...".
 */
MARU_NODISCARD maru_status maru_script_load(maru_runtime *runtime, const char *path, const maru_script_params *params,
                                            maru_script **out_script);
void maru_script_destroy(maru_script **script);

const char *maru_script_name(const maru_script *script);
/* What the script says of itself: one line, "" if nothing. */
const char *maru_script_doc(const maru_script *script);

/* Names of inputs, options (--set) and outputs, with their line of help; false past the last. */
typedef enum maru_script_list {
    MARU_SCRIPT_INPUTS,
    MARU_SCRIPT_OPTIONS,
    MARU_SCRIPT_OUTPUTS,
} maru_script_list;
bool maru_script_describe(const maru_script *script, maru_script_list list, size_t index, const char **out_name,
                          const char **out_doc);

/* How an output is drawn, on the picture or the sound that came in. */
typedef enum maru_script_layer_kind {
    MARU_LAYER_BOXES,     // f32[n, 4]: x1, y1, x2, y2 in pixels
    MARU_LAYER_CORNERS,   // f32[n, 4, 2]: x, y
    MARU_LAYER_POINTS,    // f32[..., 2]
    MARU_LAYER_MASK,      // [height, width], of any size: what is not 0, or above a half
    MARU_LAYER_BARS,      // f32[n], 0 to 1
    MARU_LAYER_SOUND,     // f32[n] or f32[channels, n]
    MARU_LAYER_SEGMENTS,  // f32[n, 2]: from and to, in seconds
    MARU_LAYER_CURVE,     // f32[n], 0 to 1, over time
    MARU_LAYER_KINDS,
} maru_script_layer_kind;

typedef struct maru_script_layer {
    maru_script_layer_kind kind;
    const char *output;  // names of outputs; texts of the script
    const char *labels;  // texts or numbers for each item; NULL: none
    const char *scores;  // numbers for each item; NULL: none
    double every;        // of a curve: seconds between its numbers; 0: it is as long as the sound
} maru_script_layer;

/* In the order in which they are drawn; false past the last. */
bool maru_script_layer_at(maru_script *script, size_t index, maru_script_layer *out_layer);

/* The script's graph, or that of the part that was named; the script makes it at first use. The caller's to destroy. */
MARU_NODISCARD maru_status maru_script_graph(maru_script *script, maru_graph **out_graph);
/* The compiled model and the session, made at first use; borrowed. */
MARU_NODISCARD maru_status maru_script_model(maru_script *script, maru_model **out_model);
MARU_NODISCARD maru_status maru_script_session(maru_script *script, maru_session **out_session);

/* Compiles what the model and its parts compute, and makes their sessions; a run does so, too. */
MARU_NODISCARD maru_status maru_script_prepare(maru_script *script);
/* Ends the run under way with CANCELLED, as maru_session_cancel does; from any thread once it is prepared. */
void maru_script_cancel(maru_script *script);

/* Inputs of the next runs; copied. NOT_FOUND lists the script's inputs. */
MARU_NODISCARD maru_status maru_script_set_input(maru_script *script, const char *name, const maru_file_value *value);
/* `params` as for a session's run; may be NULL. */
MARU_NODISCARD maru_status maru_script_run(maru_script *script, const maru_run_params *params);
/* Outputs of the last run, in the script's order; borrowed until the next run. False past the last. */
bool maru_script_output(const maru_script *script, size_t index, const char **out_name,
                        const maru_file_value **out_value);

/*
 * The session's states, and what the script itself keeps between runs
 * (position, text so far: its `state` table of numbers and strings), as one
 * safetensors file. Those of a part begin with its name and a dot.
 */
MARU_NODISCARD maru_status maru_script_save_state(maru_script *script, const char *path);
MARU_NODISCARD maru_status maru_script_load_state(maru_script *script, const char *path);

#endif
