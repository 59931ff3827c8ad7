// SPDX-FileCopyrightText: The Maru authors
// SPDX-License-Identifier: Apache-2.0
#ifndef MARU_TOOL_CERTIFY_CASES_H
#define MARU_TOOL_CERTIFY_CASES_H

/*
 * What certify runs: for each operator one or more graphs in text form, in
 * which T stands for a dtype and OP for the operator's name.
 */

#include <stddef.h>

typedef struct certify_case {
    const char *op;
    const char *dtypes;  // blank-separated; each is put in place of T
    const char *text;    // without the first line
    /*
     * Numbers the inputs are filled with, from low to high; integers are
     * rounded. 0 and 0: -3 to 3 (0 to 3 for unsigned ones).
     */
    double low;
    double high;
} certify_case;

/* The case's graph for a dtype, whole. */
void certify_write_text(const certify_case *c, const char *dtype, char *out, size_t room);

extern const certify_case certify_cases[];
extern const size_t n_certify_cases;

#endif
