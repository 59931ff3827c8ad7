// SPDX-FileCopyrightText: The Maru authors
// SPDX-License-Identifier: Apache-2.0
#include "text/added_tokens.h"

#include "base/fail.h"

#include <stdlib.h>
#include <string.h>

typedef struct token {
    int32_t *spelling;
    size_t length;
    int32_t id;
    bool single_word;
    bool strip_left;
    bool strip_right;
} token;

struct maru_added_tokens {
    token *tokens;     // by first code point, then the longest first
    size_t count;
    maru_map by_first; // first code point -> index of the first token with it
};

static int compare_tokens(const void *pa, const void *pb)
{
    const token *a = pa;
    const token *b = pb;
    if (a->spelling[0] != b->spelling[0])
        return a->spelling[0] < b->spelling[0] ? -1 : 1;
    if (a->length != b->length)
        return a->length > b->length ? -1 : 1;
    return a->id < b->id ? -1 : a->id > b->id;
}

static maru_status fill(maru_added_tokens *set, const maru_added_token *tokens, const maru_codepoints *spellings,
                        size_t count)
{
    for (size_t i = 0; i < count; i++) {
        size_t length = spellings[i].count;
        if (length == 0)
            continue;
        token *t = &set->tokens[set->count];
        *t = (token){
            .spelling = malloc(length * sizeof *t->spelling),
            .length = length,
            .id = tokens[i].id,
            .single_word = tokens[i].single_word,
            .strip_left = tokens[i].strip_left,
            .strip_right = tokens[i].strip_right,
        };
        if (!t->spelling)
            return maru_fail_oom("added tokens");
        memcpy(t->spelling, spellings[i].data, length * sizeof *t->spelling);
        set->count++;
    }
    qsort(set->tokens, set->count, sizeof *set->tokens, compare_tokens);
    for (size_t i = set->count; i-- > 0;)
        MARU_TRY(maru_map_set_u64(&set->by_first, (uint64_t)set->tokens[i].spelling[0], i));
    return MARU_OK;
}

maru_status maru_added_tokens_create(const maru_added_token *tokens, const maru_codepoints *spellings, size_t count,
                                     maru_added_tokens **out)
{
    *out = NULL;
    maru_added_tokens *set = calloc(1, sizeof *set);
    maru_status status = MARU_OK;
    if (set)
        set->tokens = calloc(count + 1, sizeof *set->tokens);
    if (!set || !set->tokens)
        status = maru_fail_oom("added tokens");
    else
        status = fill(set, tokens, spellings, count);
    if (status != MARU_OK) {
        maru_added_tokens_destroy(&set);
        return status;
    }
    *out = set;
    return MARU_OK;
}

void maru_added_tokens_destroy(maru_added_tokens **tokens)
{
    maru_added_tokens *set = *tokens;
    *tokens = NULL;
    if (!set)
        return;
    for (size_t i = 0; i < set->count; i++)
        free(set->tokens[i].spelling);
    free(set->tokens);
    maru_map_fini(&set->by_first);
    free(set);
}

/* The longest token that begins at `at`, or NULL. */
static const token *match(const maru_added_tokens *set, const int32_t *text, size_t count, size_t at)
{
    uint64_t first = 0;
    if (!maru_map_get_u64(&set->by_first, (uint64_t)text[at], &first))
        return NULL;
    for (size_t i = (size_t)first; i < set->count && set->tokens[i].spelling[0] == text[at]; i++) {
        const token *t = &set->tokens[i];
        if (t->length <= count - at && memcmp(t->spelling, text + at, t->length * sizeof *text) == 0)
            return t;
    }
    return NULL;
}

static bool is_within_word(const int32_t *text, size_t count, size_t begin, size_t end)
{
    return (begin > 0 && maru_codepoint_is_word(text[begin - 1])) || (end < count && maru_codepoint_is_word(text[end]));
}

/* Finds the next token at or after scan->searched. Its span may take blanks, but none before `from`. */
static bool find(const maru_added_tokens *set, const int32_t *text, size_t count, size_t from, maru_added_scan *scan,
                 maru_text_span *out)
{
    while (scan->searched < count) {
        size_t begin = scan->searched;
        const token *t = match(set, text, count, begin);
        if (!t) {
            scan->searched++;
            continue;
        }
        size_t end = begin + t->length;
        scan->searched = end;  // a match that is refused is passed over whole
        if (t->single_word && is_within_word(text, count, begin, end))
            continue;
        while (t->strip_left && begin > from && maru_codepoint_is_space(text[begin - 1]))
            begin--;
        while (t->strip_right && end < count && maru_codepoint_is_space(text[end]))
            end++;
        scan->searched = end;
        *out = (maru_text_span){.begin = begin, .end = end, .id = t->id};
        return true;
    }
    return false;
}

bool maru_added_tokens_next(const maru_added_tokens *set, const int32_t *text, size_t count, maru_added_scan *scan,
                            size_t *at, maru_text_span *out)
{
    if (scan->has_pending) {
        scan->has_pending = false;
        *out = scan->pending;
        *at = out->end;
        return true;
    }
    size_t from = *at;
    if (from == count)
        return false;
    maru_text_span found = {.begin = count, .end = count, .id = -1};
    bool is_found = set->count > 0 && find(set, text, count, from, scan, &found);
    if (is_found && found.begin == from) {
        *out = found;
        *at = found.end;
        return true;
    }
    *out = (maru_text_span){.begin = from, .end = found.begin, .id = -1};
    *at = found.begin;
    scan->pending = found;
    scan->has_pending = is_found;
    return true;
}
