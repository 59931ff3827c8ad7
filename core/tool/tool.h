// SPDX-FileCopyrightText: The Maru authors
// SPDX-License-Identifier: Apache-2.0
#ifndef MARU_TOOL_TOOL_H
#define MARU_TOOL_TOOL_H

/* What the subcommands share: the table of commands, exit codes, and the run of a model script. */

#include <maru/maru.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include "script/script.h"
#include "tool/options.h"

/* Documented in the man page. */
enum {
    EXIT_OK = 0,
    EXIT_FAILED = 1,       // the work failed in a way that none of the others names
    EXIT_USAGE = 2,        // the command line
    EXIT_INPUT = 3,        // a file, script, weight or value is missing or wrong
    EXIT_DEVICE = 4,       // a device or plugin is missing, lost or hung
    EXIT_UNSUPPORTED = 5,  // no device can run it, or not as asked (strict placement); a file of an unknown kind
    EXIT_MEMORY = 6,       // memory, or a limit of the sandbox
    EXIT_DIFFERENT = 7,    // certify: results differ from the reference
    EXIT_STOPPED = 130,    // interrupted
};

typedef struct command {
    const char *name;
    const char *usage;      // "run MODEL [options]"
    const char *summary;    // one line
    const char *details;    // paragraphs with examples
    size_t n_words;         // arguments that are no options, at most
    bool has_model;         // takes compute_options, else host_options or none
    bool has_host;
    const option *options;  // ended by one without a name
    int (*run)(const parsed *args);
} command;

extern const command command_run, command_bench, command_devices, command_plan, command_dump, command_probe,
    command_certify, command_export, command_quantize, command_fetch, command_version;

/* Prints "maru: sentence" to stderr and gives the exit code for the status. */
int report_failure(maru_status status);

/* ---- options that every computing command has ---- */

extern const option host_options[];     // of the runtime alone
extern const option compute_options[];  // those, and how a model is compiled

/* A runtime as --threads, --plugins and the like ask for. */
MARU_NODISCARD maru_status open_runtime(const parsed *args, maru_runtime **out_runtime);
/* A line with a plugin's refusal; most of them name the file already. */
void print_refusal(FILE *to, const char *before, const char *path, const char *why);
/*
 * Whether --device names something. UNAVAILABLE otherwise, after saying to
 * stderr which plugins were refused, so that a missing device and a missing
 * file have exit codes of their own.
 */
MARU_NODISCARD maru_status check_devices(const parsed *args, maru_runtime *runtime);

/* A script loaded with --set, --weights, --config, --device, --placement and --numerics. */
typedef struct opened {
    maru_runtime *runtime;
    maru_script *script;
    bool to_stderr;     // what scripts print: with --json stdout is for the JSON alone
    bool has_streamed;  // the script printed while it ran
    maru_onnx_known *known;  // set before opening: inputs that an ONNX model may be made for
    size_t n_known;
} opened;

/* --device, --placement, --numerics and --no-fuse; device options are left to the caller. */
maru_model_params get_model_params(const parsed *args);
/* `out` stays where it is until it is closed: the script prints through it. */
MARU_NODISCARD maru_status open_script(const parsed *args, opened *out);
void close_script(opened *o);
/* Prints what the model says of its inputs, options and outputs; its main chunk runs, nothing is compiled. */
int describe_model(const parsed *args);

/* The --bind of a symbol; false without one. The command ends where its value is no number of at least 0. */
bool get_binding(const parsed *args, const char *symbol, int64_t *out_value);
/* "batch=1 seq=128" of all --bind options, free() it; NULL without any. */
MARU_NODISCARD maru_status join_bindings(const parsed *args, char **out_text);

/* All --device-option values, each ended by a newline, free() it; NULL without any. */
MARU_NODISCARD maru_status join_device_options(const parsed *args, char **out_text);

/*
 * What the last run of the script gave, drawn as the script says: on `input`, a picture or sound, into a .png or .svg
 * file; with the path "-" as text to stdout. NULL: no input can be drawn on.
 */
MARU_NODISCARD maru_status draw_outputs(maru_script *script, const maru_file_value *input, const char *path);
/* Whether that can be drawn on. */
bool can_draw_on(const maru_file_value *input);
/* Whether draw_outputs takes that path; says so to stderr otherwise. */
bool is_drawing(const char *path);

bool ends_with(const char *text, const char *end);
/* Whether MODEL is an .onnx file. */
bool is_onnx_model(const parsed *args);

/* The time in nanoseconds of a monotonic clock. */
long long clock_ns(void);

#endif
