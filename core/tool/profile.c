// SPDX-FileCopyrightText: The Maru authors
// SPDX-License-Identifier: Apache-2.0
#include "tool/profile.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tool/show.h"

typedef struct row {
    const char *op;
    const char *kernel;
    const char *device;
    long long n;
    double ns;
} row;

struct profile {
    maru_trace_event *events;
    size_t n;
    size_t capacity;
};

profile *profile_create(void)
{
    return calloc(1, sizeof(profile));
}

void profile_destroy(profile **p)
{
    if (*p)
        free((*p)->events);
    free(*p);
    *p = NULL;
}

void profile_add(void *ctx, const maru_trace_event *event)
{
    profile *p = ctx;
    if (p->n == p->capacity) {
        const size_t capacity = p->capacity ? p->capacity * 2 : 1024;
        maru_trace_event *grown = realloc(p->events, capacity * sizeof *grown);
        if (!grown)
            return;
        p->events = grown;
        p->capacity = capacity;
    }
    p->events[p->n++] = *event;
}

static int by_time(const void *a, const void *b)
{
    const double x = ((const row *)a)->ns;
    const double y = ((const row *)b)->ns;
    return x > y ? -1 : x < y;
}

/* Rows by op, kernel and device, longest first. */
static row *sum_up(const profile *p, size_t *out_n, double *out_total)
{
    row *rows = calloc(p->n + 1, sizeof *rows);
    *out_n = 0;
    *out_total = 0;
    for (size_t i = 0; rows && i < p->n; i++) {
        const maru_trace_event *e = &p->events[i];
        size_t at = 0;
        while (at < *out_n && (strcmp(rows[at].op, e->op) != 0 || strcmp(rows[at].kernel, e->kernel) != 0 ||
                               strcmp(rows[at].device, e->device) != 0))
            at++;
        if (at == *out_n)
            rows[(*out_n)++] = (row){.op = e->op, .kernel = e->kernel, .device = e->device};
        rows[at].n++;
        rows[at].ns += (double)(e->end_ns - e->begin_ns);
        *out_total += (double)(e->end_ns - e->begin_ns);
    }
    if (rows)
        qsort(rows, *out_n, sizeof *rows, by_time);
    return rows;
}

static void print_rows(const row *rows, size_t n, double total)
{
    static const char *const headings[] = {"op", "kernel", "device", "calls", "time", "each", "%"};
    table *t = table_create(headings, 7);
    table_tint(t, 6, TINT_YELLOW);
    for (size_t i = 0; i < n; i++) {
        char calls[24], time[24], each[24], share[24];
        snprintf(calls, sizeof calls, "%lld", rows[i].n);
        snprintf(share, sizeof share, "%.1f", total > 0 ? 100 * rows[i].ns / total : 0);
        const char *cells[] = {rows[i].op, rows[i].kernel, rows[i].device, calls,
                               show_ns(rows[i].ns, time, sizeof time),
                               show_ns(rows[i].ns / (double)rows[i].n, each, sizeof each), share};
        table_row(t, cells);
    }
    table_print(t, stdout);
    table_destroy(&t);
    char text[24];
    printf("in all: %s\n", show_ns(total, text, sizeof text));
}

static void print_rows_json(const row *rows, size_t n, double total)
{
    printf("{\"total_ms\": %.6f, \"ops\": [", total / 1e6);
    for (size_t i = 0; i < n; i++) {
        fputs(i ? ", {\"op\": " : "{\"op\": ", stdout);
        print_json_string(stdout, rows[i].op);
        fputs(", \"kernel\": ", stdout);
        print_json_string(stdout, rows[i].kernel);
        fputs(", \"device\": ", stdout);
        print_json_string(stdout, rows[i].device);
        printf(", \"calls\": %lld, \"ms\": %.6f}", rows[i].n, rows[i].ns / 1e6);
    }
    fputs("]}\n", stdout);
}

void profile_print(const profile *p, bool as_json)
{
    size_t n = 0;
    double total = 0;
    row *rows = sum_up(p, &n, &total);
    if (rows && as_json)
        print_rows_json(rows, n, total);
    else if (rows)
        print_rows(rows, n, total);
    free(rows);
}

/* The format wants numbers for threads: a device's is where it comes first. */
static size_t track_of(const profile *p, size_t index)
{
    size_t i = 0;
    while (strcmp(p->events[i].device, p->events[index].device) != 0)
        i++;
    return i;
}

bool profile_write_trace(const profile *p, const char *path)
{
    FILE *f = fopen(path, "w");
    if (!f)
        return false;
    fputs("{\"displayTimeUnit\": \"ns\", \"traceEvents\": [\n"
          "{\"ph\": \"M\", \"pid\": 1, \"tid\": 0, \"name\": \"process_name\", \"args\": {\"name\": \"maru\"}}", f);
    for (size_t i = 0; i < p->n; i++) {
        const maru_trace_event *e = &p->events[i];
        const size_t track = track_of(p, i);
        if (track == i) {
            fprintf(f, ",\n{\"ph\": \"M\", \"pid\": 1, \"tid\": %zu, \"name\": \"thread_name\", ", i);
            fputs("\"args\": {\"name\": ", f);
            print_json_string(f, e->device);
            fputs("}}", f);
        }
        fprintf(f, ",\n{\"ph\": \"X\", \"pid\": 1, \"tid\": %zu, \"name\": ", track);
        print_json_string(f, e->op);
        fprintf(f, ", \"ts\": %.3f, \"dur\": %.3f, \"args\": {\"scope\": ",
                (double)(e->begin_ns - p->events[0].begin_ns) / 1e3, (double)(e->end_ns - e->begin_ns) / 1e3);
        print_json_string(f, e->scope);
        fputs(", \"kernel\": ", f);
        print_json_string(f, e->kernel);
        fputs("}}", f);
    }
    fputs("\n]}\n", f);
    const bool is_written = !ferror(f);
    return fclose(f) == 0 && is_written;
}
