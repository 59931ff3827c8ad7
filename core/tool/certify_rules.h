// SPDX-FileCopyrightText: The Maru authors
// SPDX-License-Identifier: Apache-2.0
#ifndef MARU_TOOL_CERTIFY_RULES_H
#define MARU_TOOL_CERTIFY_RULES_H

/*
 * ONNX backend tests that are not held to their outputs, each for a reason
 * that is shown. An excluded test runs all the same: one that passes is a rule
 * that is wrong.
 */

#include <maru/graph.h>
#include <maru/onnx.h>
#include <maru/tensor.h>

typedef enum certify_effect {
    CERTIFY_EXCLUDED,    // its outputs are not asked for
    CERTIFY_TYPE_ALONE,  // dtype and dims are compared, values are not
    CERTIFY_ROUNDED,     // whole numbers may differ by 2
} certify_effect;

/* What a rule may look at; NULL where it is not known. */
typedef struct certify_facts {
    const maru_onnx_file *model;
    const maru_tensor *first_input;
    const maru_graph *graph;
} certify_facts;

/* Why the test is treated so, as a sentence; NULL: it is not. */
const char *certify_reason(certify_effect effect, const certify_facts *facts);

#endif
