// SPDX-FileCopyrightText: The Maru authors
// SPDX-License-Identifier: Apache-2.0
#ifndef MARU_TOOL_SHOW_H
#define MARU_TOOL_SHOW_H

/* Showing: colour and progress only on a terminal, tables, numbers with units, JSON. */

#include <maru/file.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

typedef enum tint {
    TINT_NONE,
    TINT_BOLD,
    TINT_DIM,
    TINT_GREEN,
    TINT_YELLOW,
    TINT_RED,
    TINT_CYAN,
} tint;

/* Whether `stream` is a terminal that takes colours (NO_COLOR is respected). */
bool is_coloured(FILE *stream);
/* Prints text in a colour where the stream takes colours. */
void print_tinted(FILE *stream, tint colour, const char *text);

/* "1.2 MB", "340 us"; into `room`, which it returns. */
const char *show_bytes(uint64_t bytes, char *room, size_t n);
const char *show_ns(double ns, char *room, size_t n);

/* A bar on stderr that is redrawn in place; nothing where stderr is no terminal. maru_progress_fn. */
void show_progress(void *ctx, const char *phase, size_t done, size_t total);
void clear_progress(void);

/* A table with right-aligned numbers; cells are copied. Rows beyond memory are dropped. */
typedef struct table table;
table *table_create(const char *const *headings, size_t n_columns);
/* Cells of the next row; a NULL cell is empty. */
void table_row(table *t, const char *const *cells);
/* Of a whole column, and of one cell of the last row. */
void table_tint(table *t, size_t column, tint colour);
void table_tint_cell(table *t, size_t column, tint colour);
void table_print(table *t, FILE *to);
void table_destroy(table **t);

/* Text as a JSON string. */
void print_json_string(FILE *to, const char *text);
/* A value as JSON: {"dtype": ..., "dims": [...], "data": [...]}, or a list of strings. */
void print_json_value(FILE *to, const maru_file_value *value);
/* A value for people: strings as lines, small tensors whole, large ones by their ends. */
void print_value(FILE *to, const char *name, const maru_file_value *value);

#endif
