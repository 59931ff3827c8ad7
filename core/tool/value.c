// SPDX-FileCopyrightText: The Maru authors
// SPDX-License-Identifier: Apache-2.0
#include <math.h>
#include <string.h>

#include "tool/show.h"

enum { SHOWN_WHOLE = 16, SHOWN_ENDS = 4 };

void print_json_string(FILE *to, const char *text)
{
    fputc('"', to);
    for (; *text; text++) {
        const unsigned char c = (unsigned char)*text;
        if (c == '"' || c == '\\')
            fprintf(to, "\\%c", c);
        else if (c < 0x20)
            fprintf(to, "\\u%04x", c);
        else
            fputc(c, to);
    }
    fputc('"', to);
}

static bool is_float(const maru_tensor *t)
{
    const maru_dtype_info *info = maru_dtype_get_info(t->dtype);
    return info && info->kind == MARU_CLASS_FLOAT;
}

/* Nine digits tell every f32 apart, seventeen every f64; what JSON has no word for is null. */
static void print_number(FILE *to, const maru_tensor *t, int64_t index, bool is_json)
{
    const double value = maru_tensor_get_f64(t, index);
    if (is_json && !isfinite(value))
        fputs("null", to);
    else if (is_float(t))
        fprintf(to, "%.*g", !is_json ? 6 : t->dtype == MARU_F64 ? 17 : 9, value);
    else if (t->dtype == MARU_I64)
        fprintf(to, "%lld", (long long)((const int64_t *)t->data)[index]);
    else if (t->dtype == MARU_U64)
        fprintf(to, "%llu", (unsigned long long)((const uint64_t *)t->data)[index]);
    else
        fprintf(to, "%.0f", value);
}

static void print_dims(FILE *to, const int64_t *dims, uint32_t rank)
{
    fputc('[', to);
    for (uint32_t d = 0; d < rank; d++)
        fprintf(to, "%s%lld", d ? ", " : "", (long long)dims[d]);
    fputc(']', to);
}

void print_json_value(FILE *to, const maru_file_value *value)
{
    if (value->is_strings) {
        fputc('[', to);
        for (size_t i = 0; i < value->strings.count; i++) {
            fputs(i ? ", " : "", to);
            print_json_string(to, value->strings.items[i]);
        }
        fputc(']', to);
        return;
    }
    const maru_tensor *t = &value->tensor;
    fprintf(to, "{\"dtype\": \"%s\", \"dims\": ", maru_dtype_name(t->dtype));
    print_dims(to, t->dims, t->rank);
    fputs(", \"data\": [", to);
    const int64_t n = maru_tensor_count(t);
    for (int64_t i = 0; i < n; i++) {
        fputs(i ? ", " : "", to);
        print_number(to, t, i, true);
    }
    fputs("]}", to);
}

static void print_strings(FILE *to, const char *name, const maru_strings *s)
{
    for (size_t i = 0; i < s->count; i++) {
        print_tinted(to, TINT_CYAN, name);
        fprintf(to, ": %s\n", s->items[i]);
    }
}

void print_value(FILE *to, const char *name, const maru_file_value *value)
{
    if (value->is_strings) {
        print_strings(to, name, &value->strings);
        return;
    }
    const maru_tensor *t = &value->tensor;
    const int64_t n = maru_tensor_count(t);
    print_tinted(to, TINT_CYAN, name);
    fprintf(to, ": %s", maru_dtype_name(t->dtype));
    print_dims(to, t->dims, t->rank);
    for (int64_t i = 0; i < n; i++) {
        if (n > SHOWN_WHOLE && i == SHOWN_ENDS) {
            fputs(" ...", to);
            i = n - SHOWN_ENDS;
        }
        fputc(' ', to);
        print_number(to, t, i, false);
    }
    fputc('\n', to);
}
