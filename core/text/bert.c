// SPDX-FileCopyrightText: The Maru authors
// SPDX-License-Identifier: Apache-2.0
#include "text/bert.h"

#include "base/fail.h"

#include <stdlib.h>
#include <utf8proc.h>

typedef struct range {
    int32_t first;
    int32_t last;
} range;

/*
 * The library `tokenizers` asks the crate unicode_categories, which knows
 * Unicode 8. These ranges hold what later versions added to the categories
 * Mn, Cf and P: it takes such a character for one of no category. (Found by
 * asking it about every code point.)
 */
static const range newer_than_unicode_8[] = {
    {0x61d, 0x61d},     {0x7fd, 0x7fd},     {0x890, 0x8e2},     {0x9fd, 0x9fe},     {0xa76, 0xa76},
    {0xafa, 0xaff},     {0xb55, 0xb55},     {0xc04, 0xc3c},     {0xc77, 0xc77},     {0xc84, 0xc84},
    {0xd00, 0xd00},     {0xd3b, 0xd3c},     {0xd81, 0xd81},     {0xeba, 0xeba},     {0xece, 0xece},
    {0x180f, 0x1886},   {0x1abf, 0x1ace},   {0x1b7d, 0x1b7e},   {0x1df6, 0x1dfb},   {0x2e43, 0x2e5d},
    {0xa82c, 0xa82c},   {0xa8c5, 0xa8c5},   {0xa8ff, 0xa8ff},   {0xa9bd, 0xa9bd},   {0x10d24, 0x10f89},
    {0x11070, 0x11074}, {0x110c2, 0x110cd}, {0x111c9, 0x111c9}, {0x111cf, 0x111cf}, {0x1123e, 0x11241},
    {0x1133b, 0x1133b}, {0x11438, 0x1145e}, {0x11660, 0x1166c}, {0x116b9, 0x116b9}, {0x1182f, 0x11fff},
    {0x12ff1, 0x13455}, {0x16e97, 0x16f4f}, {0x16fe2, 0x16fe4}, {0x1cf00, 0x1cf46}, {0x1e000, 0x1e4ef},
    {0x1e944, 0x1e95f},
};

/* The ranges of the library, with its slip in the sixth (Unicode's block begins at 0x2b820). */
static const range chinese[] = {
    {0x3400, 0x4dbf},   {0x4e00, 0x9fff},   {0xf900, 0xfaff},   {0x20000, 0x2a6df},
    {0x2a700, 0x2b73f}, {0x2b740, 0x2b81f}, {0x2b920, 0x2ceaf}, {0x2f800, 0x2fa1f},
};

enum {
    PHILIPPINE_MARK = 0x1734,    // a non-spacing mark in Unicode 8, now a spacing one
    CANADIAN_CHI = 0x166d,       // punctuation in Unicode 8, now a symbol
    SHARADA_SANDHI = 0x111c9,    // punctuation in Unicode 8, now a mark
    REPLACEMENT = 0xfffd,
    CAPITAL_I_DOTTED = 0x130,    // the one character whose lower case is two
    COMBINING_DOT_ABOVE = 0x307,
    MAX_DECOMPOSED = 32,
};

#define COUNT_OF(a) (sizeof(a) / sizeof *(a))

static bool is_within(int32_t c, const range *ranges, size_t count)
{
    size_t low = 0;
    while (count) {
        size_t middle = low + count / 2;
        if (c > ranges[middle].last) {
            count -= count / 2 + 1;
            low = middle + 1;
        } else {
            count /= 2;
        }
        if (c >= ranges[middle].first && c <= ranges[middle].last)
            return true;
    }
    return false;
}

/* utf8proc's category, or CN for what Unicode 8 did not have. */
static utf8proc_category_t category_of(int32_t c)
{
    if (c >= newer_than_unicode_8[0].first && is_within(c, newer_than_unicode_8, COUNT_OF(newer_than_unicode_8)))
        return UTF8PROC_CATEGORY_CN;
    return utf8proc_category(c);
}

static bool is_mark(int32_t c)
{
    return category_of(c) == UTF8PROC_CATEGORY_MN || c == PHILIPPINE_MARK;
}

static bool is_punctuation(int32_t c)
{
    if (c < 0x80)
        return (c >= '!' && c <= '/') || (c >= ':' && c <= '@') || (c >= '[' && c <= '`') || (c >= '{' && c <= '~');
    utf8proc_category_t category = category_of(c);
    return (category >= UTF8PROC_CATEGORY_PC && category <= UTF8PROC_CATEGORY_PO) || c == CANADIAN_CHI ||
           c == SHARADA_SANDHI;
}

/* Of the category "other" (control, format, private use), except the three that count as blanks. */
static bool is_control(int32_t c)
{
    if (c == '\t' || c == '\n' || c == '\r')
        return false;
    utf8proc_category_t category = category_of(c);
    return category == UTF8PROC_CATEGORY_CC || category == UTF8PROC_CATEGORY_CF || category == UTF8PROC_CATEGORY_CO;
}

/* ---- stages of normalisation: each reads one array and appends to another ---- */

static maru_status clean(const int32_t *in, size_t count, maru_codepoints *out)
{
    for (size_t i = 0; i < count; i++) {
        int32_t c = in[i];
        if (c == 0 || c == REPLACEMENT || is_control(c))
            continue;
        MARU_TRY(maru_array_push(out, maru_codepoint_is_space(c) ? ' ' : c));
    }
    return MARU_OK;
}

static maru_status space_chinese(const int32_t *in, size_t count, maru_codepoints *out)
{
    for (size_t i = 0; i < count; i++) {
        bool is_chinese = in[i] >= chinese[0].first && is_within(in[i], chinese, COUNT_OF(chinese));
        if (is_chinese)
            MARU_TRY(maru_array_push(out, ' '));
        MARU_TRY(maru_array_push(out, in[i]));
        if (is_chinese)
            MARU_TRY(maru_array_push(out, ' '));
    }
    return MARU_OK;
}

static maru_status decompose(int32_t c, maru_codepoints *out)
{
    int32_t parts[MAX_DECOMPOSED] = {c};
    utf8proc_ssize_t n = 1;
    int boundary = 0;
    if (c >= 0x80 && category_of(c) != UTF8PROC_CATEGORY_CN)
        n = utf8proc_decompose_char(c, parts, MAX_DECOMPOSED, UTF8PROC_DECOMPOSE, &boundary);
    if (n < 1 || n > MAX_DECOMPOSED) {
        parts[0] = c;
        n = 1;
    }
    for (utf8proc_ssize_t i = 0; i < n; i++)
        MARU_TRY(maru_array_push(out, parts[i]));
    return MARU_OK;
}

static int combining_class(int32_t c)
{
    return c < 0x300 ? 0 : utf8proc_get_property(c)->combining_class;
}

/* A character in a run of combining ones; `order` keeps the sort stable. */
typedef struct combining {
    int32_t codepoint;
    int class;
    size_t order;
} combining;

static int compare_combining(const void *pa, const void *pb)
{
    const combining *a = pa;
    const combining *b = pb;
    if (a->class != b->class)
        return a->class < b->class ? -1 : 1;
    return a->order < b->order ? -1 : a->order > b->order;
}

static maru_status sort_run(int32_t *run, size_t count)
{
    combining *items = calloc(count, sizeof *items);
    if (!items)
        return maru_fail_oom("combining characters");
    for (size_t i = 0; i < count; i++)
        items[i] = (combining){.codepoint = run[i], .class = combining_class(run[i]), .order = i};
    qsort(items, count, sizeof *items, compare_combining);
    for (size_t i = 0; i < count; i++)
        run[i] = items[i].codepoint;
    free(items);
    return MARU_OK;
}

/* Canonical order: runs of combining characters by class. utf8proc's own sort is quadratic in the length of a run. */
static maru_status order_marks(int32_t *text, size_t count)
{
    for (size_t i = 0; i < count;) {
        size_t end = i;
        while (end < count && combining_class(text[end]) != 0)
            end++;
        if (end - i > 1)
            MARU_TRY(sort_run(text + i, end - i));
        i = end + 1;
    }
    return MARU_OK;
}

static maru_status strip_accents(const int32_t *in, size_t count, maru_codepoints *out)
{
    size_t start = out->count;
    if (count == 0)
        return MARU_OK;
    for (size_t i = 0; i < count; i++)
        MARU_TRY(decompose(in[i], out));
    MARU_TRY(order_marks(out->data + start, out->count - start));
    size_t kept = start;
    for (size_t i = start; i < out->count; i++) {
        if (!is_mark(out->data[i]))
            out->data[kept++] = out->data[i];
    }
    out->count = kept;
    return MARU_OK;
}

static maru_status lower(const int32_t *in, size_t count, maru_codepoints *out)
{
    for (size_t i = 0; i < count; i++) {
        int32_t c = in[i];
        MARU_TRY(maru_array_push(out, c == CAPITAL_I_DOTTED ? 'i' : utf8proc_tolower(c)));
        if (c == CAPITAL_I_DOTTED)
            MARU_TRY(maru_array_push(out, COMBINING_DOT_ABOVE));
    }
    return MARU_OK;
}

typedef maru_status (*stage_fn)(const int32_t *in, size_t count, maru_codepoints *out);

maru_status maru_bert_normalize(const maru_bert_normalizer *n, const int32_t *in, size_t count, maru_codepoints *out)
{
    const struct {
        bool is_on;
        stage_fn run;
    } stages[] = {
        {n->is_on && n->clean_text, clean},
        {n->is_on && n->handle_chinese_chars, space_chinese},
        {n->is_on && n->strip_accents, strip_accents},
        {n->is_on && n->lowercase, lower},
    };
    maru_codepoints buffers[2] = {0};
    maru_status status = MARU_OK;
    unsigned turn = 0;
    for (size_t s = 0; s < COUNT_OF(stages); s++) {
        if (!stages[s].is_on)
            continue;
        maru_codepoints *to = &buffers[turn];
        to->count = 0;
        MARU_TRY_GOTO(stages[s].run(in, count, to));
        in = to->data;
        count = to->count;
        turn ^= 1;
    }
    for (size_t i = 0; i < count; i++)
        MARU_TRY_GOTO(maru_array_push(out, in[i]));
fail:
    maru_array_fini(&buffers[0]);
    maru_array_fini(&buffers[1]);
    return status;
}

bool maru_bert_next_word(const int32_t *text, size_t count, size_t *at, size_t *out_begin, size_t *out_end)
{
    size_t i = *at;
    while (i < count && maru_codepoint_is_space(text[i]))
        i++;
    *out_begin = i;
    if (i < count && is_punctuation(text[i])) {
        i++;
    } else {
        while (i < count && !maru_codepoint_is_space(text[i]) && !is_punctuation(text[i]))
            i++;
    }
    *out_end = i;
    *at = i;
    return *out_begin < *out_end;
}
