// SPDX-FileCopyrightText: The Maru authors
// SPDX-License-Identifier: Apache-2.0

/* The text functions of base: bytes up to the first NUL are a pattern, a name or a number, the rest is text. */

#include "fuzz.h"

#include "base/str.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

static void must(bool holds)
{
    if (!holds)
        abort();
}

static void check_numbers(const char *text)
{
    int64_t i = 0;
    double f = 0;
    maru_str s = {0};
    if (maru_parse_i64(text, &i)) {
        int64_t back = 0;
        maru_str_printf(&s, "%lld", (long long)i);
        must(maru_parse_i64(maru_str_get(&s), &back) && back == i);
        must(maru_parse_f64(text, &f) || strlen(text) > 300);
    }
    if (maru_parse_f64(text, &f)) {
        double back = 0;
        maru_str_clear(&s);
        maru_str_append_f64(&s, f);
        must(maru_parse_f64(maru_str_get(&s), &back) && (back == f || isnan(f)));
    }
    maru_str_fini(&s);
}

static void check_text(const char *pattern, const char *text)
{
    static const char *const names[] = {"Relu", "Softmax", "MatMul", "layers.3.mlp"};
    maru_str s = {0};
    must(maru_glob_match("*", text));
    must(strpbrk(text, "*?") || maru_glob_match(text, text));
    (void)maru_glob_match(pattern, text);
    (void)maru_nearest_name(text, names, 4);
    must(maru_starts_with(text, "") && maru_ends_with(text, ""));
    maru_str_append_quoted(&s, text, strlen(text));
    for (const char *p = maru_str_get(&s); *p; p++)
        must((unsigned char)*p >= 0x20);
    maru_str_fini(&s);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size > 4096)
        return 0;
    char *pattern = calloc(1, size + 2);
    if (!pattern)
        return 0;
    if (size)
        memcpy(pattern, data, size);
    const char *text = pattern + strlen(pattern) + 1;  // within the two zeros at the end
    check_numbers(pattern);
    check_text(pattern, text);
    free(pattern);
    return 0;
}
