// SPDX-FileCopyrightText: The Maru authors
// SPDX-License-Identifier: Apache-2.0
#include "text/spm_merge.h"

#include "base/fail.h"

#include <stdint.h>

#define NONE SIZE_MAX

/* A stretch of the text in a list of neighbours. Once joined to its left neighbour its length is 0. */
typedef struct symbol {
    size_t begin;
    size_t length;
    size_t prev;
    size_t next;
} symbol;

/* Two neighbours that would be a piece. It is stale if one of them has changed, which their length together tells. */
typedef struct pair {
    float score;
    size_t left;
    size_t right;
    size_t length;
} pair;

typedef struct merger {
    const char *text;
    maru_spm_score_fn score;
    void *ctx;
    MARU_ARRAY(symbol) symbols;
    MARU_ARRAY(pair) heap;  // the best first
} merger;

static bool is_better(const pair *a, const pair *b)
{
    return a->score > b->score || (a->score == b->score && a->left < b->left);
}

static maru_status heap_push(merger *m, pair p)
{
    MARU_TRY(maru_array_push(&m->heap, p));
    pair *heap = m->heap.data;
    size_t i = m->heap.count - 1;
    for (; i > 0 && is_better(&p, &heap[(i - 1) / 2]); i = (i - 1) / 2)
        heap[i] = heap[(i - 1) / 2];
    heap[i] = p;
    return MARU_OK;
}

static pair heap_pop(merger *m)
{
    pair *heap = m->heap.data;
    pair best = heap[0];
    pair last = heap[--m->heap.count];
    size_t count = m->heap.count;
    size_t i = 0;
    for (size_t child = 1; child < count; child = 2 * i + 1) {
        if (child + 1 < count && is_better(&heap[child + 1], &heap[child]))
            child++;
        if (!is_better(&heap[child], &last))
            break;
        heap[i] = heap[child];
        i = child;
    }
    heap[i] = last;
    return best;
}

static maru_status consider(merger *m, size_t left, size_t right)
{
    if (left == NONE || right == NONE)
        return MARU_OK;
    const symbol *l = &m->symbols.data[left];
    pair p = {.left = left, .right = right, .length = l->length + m->symbols.data[right].length};
    if (!m->score(m->ctx, m->text + l->begin, p.length, &p.score))
        return MARU_OK;
    return heap_push(m, p);
}

/* One symbol a character. */
static maru_status split(merger *m, size_t bytes)
{
    for (size_t at = 0; at < bytes;) {
        size_t end = at + 1;
        while (end < bytes && ((uint8_t)m->text[end] & 0xc0) == 0x80)
            end++;
        size_t i = m->symbols.count;
        symbol s = {.begin = at, .length = end - at, .prev = i ? i - 1 : NONE, .next = end < bytes ? i + 1 : NONE};
        MARU_TRY(maru_array_push(&m->symbols, s));
        at = end;
    }
    for (size_t i = 1; i < m->symbols.count; i++)
        MARU_TRY(consider(m, i - 1, i));
    return MARU_OK;
}

static maru_status join(merger *m, const pair *p)
{
    symbol *symbols = m->symbols.data;
    symbol *left = &symbols[p->left];
    symbol *right = &symbols[p->right];
    if (!left->length || !right->length || left->length + right->length != p->length)
        return MARU_OK;
    left->length = p->length;
    right->length = 0;
    left->next = right->next;
    if (left->next != NONE)
        symbols[left->next].prev = p->left;
    MARU_TRY(consider(m, left->prev, p->left));
    return consider(m, p->left, left->next);
}

static maru_status merge(merger *m, size_t bytes, maru_spm_spans *out)
{
    MARU_TRY(split(m, bytes));
    while (m->heap.count) {
        pair best = heap_pop(m);
        MARU_TRY(join(m, &best));
    }
    for (size_t i = m->symbols.count ? 0 : NONE; i != NONE; i = m->symbols.data[i].next) {
        const symbol *s = &m->symbols.data[i];
        MARU_TRY(maru_array_push(out, ((maru_spm_span){.begin = s->begin, .length = s->length})));
    }
    return MARU_OK;
}

maru_status maru_spm_merge(const char *text, size_t bytes, maru_spm_score_fn score, void *ctx,
                           maru_spm_spans *out_spans)
{
    merger m = {.text = text, .score = score, .ctx = ctx};
    maru_status status = merge(&m, bytes, out_spans);
    maru_array_fini(&m.symbols);
    maru_array_fini(&m.heap);
    return status;
}
