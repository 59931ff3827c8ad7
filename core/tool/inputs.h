// SPDX-FileCopyrightText: The Maru authors
// SPDX-License-Identifier: Apache-2.0
#ifndef MARU_TOOL_INPUTS_H
#define MARU_TOOL_INPUTS_H

/* The --input options of a command: NAME=VALUE or NAME=@FILE. */

#include <maru/file.h>
#include <maru/onnx.h>

#include "tool/options.h"

typedef struct given_input {
    char name[256];
    maru_file_value value;
    const char *path;   // of a .pb file that holds no tensor: what it is, the model says; else NULL
    bool is_inline;     // its numbers have the dtype that fits them, not one that was meant
} given_input;

typedef struct inputs {
    given_input *items;
    maru_onnx_known *known;  // the numbers among them
    size_t n, n_known;
} inputs;

/* A word that is neither ends the command. */
MARU_NODISCARD maru_status read_inputs(const parsed *args, inputs *out);
void inputs_fini(inputs *in);

#endif
