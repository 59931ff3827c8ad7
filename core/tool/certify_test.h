// SPDX-FileCopyrightText: The Maru authors
// SPDX-License-Identifier: Apache-2.0
#ifndef MARU_TOOL_CERTIFY_TEST_H
#define MARU_TOOL_CERTIFY_TEST_H

/* One test in the layout of ONNX's backend tests: a model, and folders test_data_set_N with input_N.pb, output_N.pb. */

#include "tool/certify_report.h"

typedef enum verdict { PASSED, WRONG, UNSUPPORTED, FAILED, EXCLUDED, UNEXPECTED, N_VERDICTS } verdict;

typedef struct onnx_test {
    char *folder;
    char *model;    // its file
    verdict verdict;
    char note[480];
} onnx_test;

/* Runs every data set. `least`: the absolute difference that is allowed. */
void certify_test(const certify_report *report, double least, onnx_test *test);

#endif
