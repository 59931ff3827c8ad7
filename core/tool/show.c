// SPDX-FileCopyrightText: The Maru authors
// SPDX-License-Identifier: Apache-2.0
#include "tool/show.h"

#include <maru/system.h>
#include <stdlib.h>
#include <string.h>

/* ---- colours ---- */

bool is_coloured(FILE *stream)
{
    const char *never = getenv("NO_COLOR");
    const char *term = getenv("TERM");
    return maru_is_terminal(stream == stderr ? 2 : 1) && !(never && *never) && term && strcmp(term, "dumb") != 0;
}

static const char *code(tint colour)
{
    static const char *const codes[] = {"", "\033[1m", "\033[2m", "\033[32m", "\033[33m", "\033[31m", "\033[36m"};
    return codes[colour];
}

void print_tinted(FILE *stream, tint colour, const char *text)
{
    const bool on = colour != TINT_NONE && is_coloured(stream);
    fprintf(stream, "%s%s%s", on ? code(colour) : "", text, on ? "\033[0m" : "");
}

/* ---- numbers ---- */

const char *show_bytes(uint64_t bytes, char *room, size_t n)
{
    static const char *const units[] = {"B", "kB", "MB", "GB", "TB"};
    double value = (double)bytes;
    size_t unit = 0;
    while (value >= 1000 && unit + 1 < sizeof units / sizeof *units) {
        value /= 1000;
        unit++;
    }
    snprintf(room, n, unit ? "%.1f %s" : "%.0f %s", value, units[unit]);
    return room;
}

const char *show_ns(double ns, char *room, size_t n)
{
    if (ns < 1e3)
        snprintf(room, n, "%.0f ns", ns);
    else if (ns < 1e6)
        snprintf(room, n, "%.1f us", ns / 1e3);
    else if (ns < 1e9)
        snprintf(room, n, "%.2f ms", ns / 1e6);
    else
        snprintf(room, n, "%.2f s", ns / 1e9);
    return room;
}

/* ---- progress ---- */

enum { BAR_WIDTH = 30 };

void show_progress(void *ctx, const char *phase, size_t done, size_t total)
{
    (void)ctx;
    if (!maru_is_terminal(2))
        return;
    // A hundred steps are seen; more would slow down what they count.
    if (done > 0 && done < total && done * 100 / total == (done - 1) * 100 / total)
        return;
    char bar[BAR_WIDTH + 1];
    const size_t filled = total ? done * BAR_WIDTH / total : 0;
    for (size_t i = 0; i < BAR_WIDTH; i++)
        bar[i] = i < filled ? '#' : '.';
    bar[BAR_WIDTH] = 0;
    fprintf(stderr, "\r\033[K%-8s [%s] %zu/%zu", phase, bar, done, total);
    fflush(stderr);
}

void clear_progress(void)
{
    if (maru_is_terminal(2))
        fputs("\r\033[K", stderr);
}

/* ---- tables ---- */

enum { MAX_COLUMNS = 12 };

struct table {
    size_t n_columns;
    size_t n_rows;
    size_t capacity;
    struct table_cell {
        char *text;
        tint colour;
    } *cells;  // n_rows * n_columns; row 0 holds the headings
    tint tints[MAX_COLUMNS];
};

static char *copy_text(const char *text)
{
    const size_t n = strlen(text) + 1;
    char *copy = malloc(n);
    if (copy)
        memcpy(copy, text, n);
    return copy;
}

table *table_create(const char *const *headings, size_t n_columns)
{
    table *t = calloc(1, sizeof *t);
    if (!t)
        return NULL;
    t->n_columns = n_columns < MAX_COLUMNS ? n_columns : MAX_COLUMNS;
    table_row(t, headings);
    return t;
}

void table_row(table *t, const char *const *cells)
{
    if (!t)
        return;
    if (t->n_rows == t->capacity) {
        const size_t capacity = t->capacity ? t->capacity * 2 : 16;
        struct table_cell *grown = realloc(t->cells, capacity * t->n_columns * sizeof *grown);
        if (!grown)
            return;
        t->cells = grown;
        t->capacity = capacity;
    }
    for (size_t i = 0; i < t->n_columns; i++)
        t->cells[t->n_rows * t->n_columns + i] = (struct table_cell){copy_text(cells[i] ? cells[i] : ""), TINT_NONE};
    t->n_rows++;
}

void table_tint(table *t, size_t column, tint colour)
{
    if (t && column < t->n_columns)
        t->tints[column] = colour;
}

void table_tint_cell(table *t, size_t column, tint colour)
{
    if (t && column < t->n_columns && t->n_rows > 0)
        t->cells[(t->n_rows - 1) * t->n_columns + column].colour = colour;
}

static tint tint_of(const table *t, size_t row, size_t column)
{
    const tint own = t->cells[row * t->n_columns + column].colour;
    return row == 0 ? TINT_BOLD : own != TINT_NONE ? own : t->tints[column];
}

static const char *cell(const table *t, size_t row, size_t column)
{
    const char *text = t->cells[row * t->n_columns + column].text;
    return text ? text : "";
}

/* Characters, not bytes: continuation bytes of UTF-8 take no room. */
static size_t width_of(const char *text)
{
    size_t n = 0;
    for (; *text; text++)
        n += ((unsigned char)*text & 0xC0) != 0x80;
    return n;
}

static bool is_numeric(const table *t, size_t column)
{
    for (size_t row = 1; row < t->n_rows; row++) {
        const char c = cell(t, row, column)[0];
        if (c && !(c >= '0' && c <= '9') && c != '-' && c != '.')
            return false;
    }
    return t->n_rows > 1;
}

void table_print(table *t, FILE *to)
{
    size_t widths[MAX_COLUMNS] = {0};
    for (size_t i = 0; t && i < t->n_rows * t->n_columns; i++) {
        const size_t w = width_of(cell(t, i / t->n_columns, i % t->n_columns));
        widths[i % t->n_columns] = w > widths[i % t->n_columns] ? w : widths[i % t->n_columns];
    }
    for (size_t row = 0; t && row < t->n_rows; row++) {
        for (size_t column = 0; column < t->n_columns; column++) {
            const char *text = cell(t, row, column);
            const int pad = (int)(widths[column] - width_of(text));
            const bool right = is_numeric(t, column);
            fprintf(to, "%s%*s", column ? "  " : "", right ? pad : 0, "");
            print_tinted(to, tint_of(t, row, column), text);
            if (!right && column + 1 < t->n_columns)
                fprintf(to, "%*s", pad, "");
        }
        fputc('\n', to);
    }
}

void table_destroy(table **t)
{
    if (!*t)
        return;
    for (size_t i = 0; i < (*t)->n_rows * (*t)->n_columns; i++)
        free((*t)->cells[i].text);
    free((*t)->cells);
    free(*t);
    *t = NULL;
}
