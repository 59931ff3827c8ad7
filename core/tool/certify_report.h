// SPDX-FileCopyrightText: The Maru authors
// SPDX-License-Identifier: Apache-2.0
#ifndef MARU_TOOL_CERTIFY_REPORT_H
#define MARU_TOOL_CERTIFY_REPORT_H

/* What certify found, and how it is told: as lines, as JSON, as a page. */

#include <maru/runtime.h>
#include <stdbool.h>
#include <stddef.h>

enum { CERTIFY_MAX_ROWS = 1024 };

/* One operator and dtype. */
typedef struct certify_row {
    const char *op;
    char dtype[16];
    bool is_claimed;
    bool is_right;
    bool is_steady;         // the same bits twice
    double worst_ulp;       // of the dtype, largest over all outputs
    double worst_relative;
    char note[256];
} certify_row;

typedef struct certify_report {
    maru_runtime *runtime;
    const char *device;
    char *device_options;  // or NULL
    maru_device_info info;
    certify_row rows[CERTIFY_MAX_ROWS];
    size_t n;
} certify_report;

typedef struct certify_totals {
    size_t total;
    size_t claimed;
    size_t right;
    size_t steady;
} certify_totals;

certify_totals certify_count(const certify_report *r);
/* One line in all, after a table of what is not right; of everything when `verbose`. To stdout. */
void certify_print_text(const certify_report *r, bool verbose);
void certify_print_json(const certify_report *r);
/* An HTML page that needs nothing else. False when it cannot be written. */
bool certify_write_page(const certify_report *r, const char *path);

#endif
