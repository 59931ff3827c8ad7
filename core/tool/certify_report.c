// SPDX-FileCopyrightText: The Maru authors
// SPDX-License-Identifier: Apache-2.0
#include "tool/certify_report.h"

#include <maru/system.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "tool/show.h"

certify_totals certify_count(const certify_report *r)
{
    certify_totals t = {.total = r->n};
    for (size_t i = 0; i < r->n; i++) {
        t.claimed += r->rows[i].is_claimed;
        t.right += r->rows[i].is_claimed && r->rows[i].is_right;
        t.steady += r->rows[i].is_claimed && r->rows[i].is_steady;
    }
    return t;
}

static const char *verdict(const certify_row *r)
{
    return !r->is_claimed ? "refused" : !r->is_right ? "WRONG" : !r->is_steady ? "unsteady" : "ok";
}

static tint tint_of(const certify_row *r)
{
    return !r->is_claimed ? TINT_DIM : !r->is_right ? TINT_RED : !r->is_steady ? TINT_YELLOW : TINT_GREEN;
}

void certify_print_text(const certify_report *r, bool verbose)
{
    static const char *const headings[] = {"operator", "dtype", "result", "ulp", "relative", "note"};
    table *t = table_create(headings, 6);
    for (size_t i = 0; i < r->n; i++) {
        const certify_row *x = &r->rows[i];
        if (!verbose && x->is_claimed && x->is_right && x->is_steady)
            continue;
        char ulp[24], relative[24];
        snprintf(ulp, sizeof ulp, "%.2f", x->worst_ulp);
        snprintf(relative, sizeof relative, "%.1e", x->worst_relative);
        const bool has_numbers = x->is_claimed;
        const char *cells[] = {x->op, x->dtype, verdict(x), has_numbers ? ulp : "", has_numbers ? relative : "",
                               x->note};
        table_row(t, cells);
        table_tint_cell(t, 2, tint_of(x));
    }
    const certify_totals n = certify_count(r);
    if (verbose || n.right < n.total || n.steady < n.total)
        table_print(t, stdout);
    table_destroy(&t);
    printf("%s (%s): %zu of %zu claimed, %zu right, %zu the same twice\n", r->info.id, r->info.name, n.claimed, n.total,
           n.right, n.steady);
}

void certify_print_json(const certify_report *r)
{
    const certify_totals n = certify_count(r);
    fputs("{\"device\": ", stdout);
    print_json_string(stdout, r->info.id);
    fputs(", \"name\": ", stdout);
    print_json_string(stdout, r->info.name);
    fputs(", \"driver\": ", stdout);
    print_json_string(stdout, r->info.driver);
    fputs(", \"plugin\": ", stdout);
    print_json_string(stdout, r->info.plugin_path);
    char hex[65] = "";
    if (*r->info.plugin_path && maru_file_sha256(r->info.plugin_path, hex) != MARU_OK)
        hex[0] = 0;
    printf(", \"plugin_sha256\": \"%s\", \"total\": %zu, \"claimed\": %zu, \"right\": %zu, \"steady\": %zu, "
    "\"rows\": [",
           hex, n.total, n.claimed, n.right, n.steady);
    for (size_t i = 0; i < r->n; i++) {
        const certify_row *x = &r->rows[i];
        printf("%s\n  {\"op\": \"%s\", \"dtype\": \"%s\", \"result\": \"%s\", \"ulp\": %.3g, \"relative\": "
        "%.3g, \"note\": ",
               i ? "," : "", x->op, x->dtype, verdict(x), isfinite(x->worst_ulp) ? x->worst_ulp : -1,
               isfinite(x->worst_relative) ? x->worst_relative : -1);
        print_json_string(stdout, x->note);
        fputs("}", stdout);
    }
    fputs("\n]}\n", stdout);
}

/* ---- the page ---- */

static void print_escaped(FILE *f, const char *text)
{
    for (; *text; text++) {
        const char *entity = *text == '<'   ? "&lt;"
                             : *text == '&' ? "&amp;"
                             : *text == '>' ? "&gt;"
                             : *text == '"' ? "&quot;"
                                            : NULL;
        if (entity)
            fputs(entity, f);
        else
            fputc(*text, f);
    }
}

static const char style[] =
    "<style>\n"
    "body{font:14px/1.4 system-ui,sans-serif;margin:2em auto;max-width:76em;padding:0 1em;color:#222}\n"
    "h1{margin-bottom:0}h2{margin:1.6em 0 .4em;font-size:1.1em}.dim{color:#777}\n"
    "table{border-collapse:collapse}td,th{padding:.2em .6em;text-align:left;border-bottom:1px solid #e4e4e4}\n"
    ".map td,.map th{padding:.15em .4em;text-align:center;border:1px solid #fff;font-size:12px}\n"
    ".map th:first-child{text-align:left}thead th{position:sticky;top:0;background:#fff}\n"
    ".ok{background:#cdebd3;color:#14552a}.refused{background:#eee;color:#777}\n"
    ".WRONG{background:#b00020;color:#fff;font-weight:bold}.unsteady{background:#ffe0a8;color:#7a4a00}\n"
    ".n{text-align:right;font-variant-numeric:tabular-nums}\n"
    "</style>\n";

static const certify_row *find_row(const certify_report *r, const char *op, const char *dtype)
{
    for (size_t i = 0; i < r->n; i++)
        if (strcmp(r->rows[i].op, op) == 0 && strcmp(r->rows[i].dtype, dtype) == 0)
            return &r->rows[i];
    return NULL;
}

static void write_cell(FILE *f, const certify_row *x)
{
    if (!x) {
        fputs("<td>", f);
        return;
    }
    fprintf(f, "<td class=\"%s\" title=\"%s %s: ", verdict(x), x->op, x->dtype);
    if (*x->note)
        print_escaped(f, x->note);
    else
        fprintf(f, "%.2f ulp", x->worst_ulp);
    fprintf(f, "\">%s", !x->is_claimed ? "-" : verdict(x));
}

/* Operators down, dtypes across; operators and dtypes in the order in which they come first. */
static void write_map(FILE *f, const certify_report *r)
{
    enum { MAX_DTYPES = 40 };
    const char *dtypes[MAX_DTYPES];
    size_t n_dtypes = 0;
    for (size_t i = 0; i < r->n; i++) {
        size_t at = 0;
        while (at < n_dtypes && strcmp(dtypes[at], r->rows[i].dtype) != 0)
            at++;
        if (at == n_dtypes && n_dtypes < MAX_DTYPES)
            dtypes[n_dtypes++] = r->rows[i].dtype;
    }
    fputs("<table class=\"map\"><thead><tr><th>operator", f);
    for (size_t d = 0; d < n_dtypes; d++)
        fprintf(f, "<th>%s", dtypes[d]);
    fputs("\n</thead>\n", f);
    for (size_t i = 0; i < r->n; i++) {
        size_t first = 0;
        while (strcmp(r->rows[first].op, r->rows[i].op) != 0)
            first++;
        if (first != i)
            continue;
        fprintf(f, "<tr><th>%s", r->rows[i].op);
        for (size_t d = 0; d < n_dtypes; d++)
            write_cell(f, find_row(r, r->rows[i].op, dtypes[d]));
        fputc('\n', f);
    }
    fputs("</table>\n", f);
}

static void write_list(FILE *f, const certify_report *r, bool of_right_ones)
{
    fputs("<table><tr><th>operator<th>dtype<th>result<th class=\"n\">ulp<th class=\"n\">relative<th>note\n", f);
    for (size_t i = 0; i < r->n; i++) {
        const certify_row *x = &r->rows[i];
        if ((strcmp(verdict(x), "ok") == 0) != of_right_ones)
            continue;
        fprintf(f, "<tr><td>%s<td>%s<td class=\"%s\">%s", x->op, x->dtype, verdict(x), verdict(x));
        if (x->is_claimed)
            fprintf(f, "<td class=\"n\">%.2f<td class=\"n\">%.1e<td>", x->worst_ulp, x->worst_relative);
        else
            fputs("<td><td><td>", f);
        print_escaped(f, x->note);
        fputc('\n', f);
    }
    fputs("</table>\n", f);
}

static void write_head(FILE *f, const certify_report *r, const certify_totals *n)
{
    fputs("<!doctype html>\n<html lang=\"en\"><meta charset=\"utf-8\"><title>maru certify: ", f);
    print_escaped(f, r->info.id);
    fprintf(f, "</title>\n%s<h1>", style);
    print_escaped(f, r->info.id);
    fputs("</h1>\n<p class=\"dim\">", f);
    print_escaped(f, r->info.name);
    fputs("; driver ", f);
    print_escaped(f, r->info.driver);
    fputs("; plugin ", f);
    print_escaped(f, r->info.plugin);
    fputc(' ', f);
    print_escaped(f, r->info.plugin_version);
    fprintf(f, "\n<p><b>%zu</b> of %zu pairs of operator and dtype claimed, <b>%zu</b> right, <b>%zu</b> the same bits "
            "twice.\n", n->claimed, n->total, n->right, n->steady);
}

bool certify_write_page(const certify_report *r, const char *path)
{
    FILE *f = fopen(path, "w");
    if (!f)
        return false;
    const certify_totals n = certify_count(r);
    write_head(f, r, &n);
    write_map(f, r);
    const size_t n_ok = n.right < n.steady ? n.right : n.steady;
    if (n_ok < n.total) {
        fputs("<h2>What is refused or not right</h2>\n", f);
        write_list(f, r, false);
    }
    if (n.right) {
        fputs("<h2>How near the others are</h2>\n", f);
        write_list(f, r, true);
    }
    fputs("</html>\n", f);
    const bool is_written = !ferror(f);
    return fclose(f) == 0 && is_written;
}
