// SPDX-FileCopyrightText: The Maru authors
// SPDX-License-Identifier: Apache-2.0
#include "plan/place.h"

#include <stdlib.h>
#include <string.h>

#include "base/fail.h"

/*
 * Offsets in the arena, as a rule instead of numbers. With the symbols at
 * their typical values, items are placed largest first into the tightest gap
 * among those alive at the same time (Pisarchyk and Lee, "Efficient memory
 * management for deep neural net inference", 2020). What is kept is which
 * item lies below which: each offset is then the largest end among the items
 * below, for whatever the sizes really are. Workspaces, whose sizes are known
 * only when the symbols are bound, lie on top of what is alive with them.
 */

/* Beyond this many pairs alive at the same time, items are stacked without reuse: linear, and never wrong. */
enum { MAX_PAIRS = 1 << 24 };

typedef struct place {
    uint64_t offset;
    uint64_t bytes;
    uint32_t item;
    bool is_placed;
} place;

typedef struct layouter {
    maru_plan *plan;
    place *places;          // per item
    uint32_t *active;
    size_t *first_conflict; // per item, n + 1 entries
    uint32_t *conflicts;
    place *room;            // conflicts of one item, sorted by offset
} layouter;

static const maru_arena_item *item_at(const layouter *l, uint32_t index)
{
    return &l->plan->items.data[index];
}

/* ---- who is alive with whom ---- */

typedef void (*pair_fn)(layouter *l, uint32_t a, uint32_t b);

/* Calls `fn` for each pair of one device that is alive at the same time; stops counting at MAX_PAIRS. */
static size_t each_pair(layouter *l, pair_fn fn)
{
    size_t pairs = 0;
    size_t n_active = 0;
    // Items were made in step order.
    for (uint32_t b = 0; b < l->plan->items.count; b++) {
        size_t kept = 0;
        for (size_t i = 0; i < n_active; i++) {
            const uint32_t a = l->active[i];
            if (item_at(l, a)->last < item_at(l, b)->first)
                continue;
            l->active[kept++] = a;
            if (item_at(l, a)->device != item_at(l, b)->device)
                continue;
            fn(l, a, b);
            if (++pairs > MAX_PAIRS)
                return pairs;
        }
        n_active = kept;
        l->active[n_active++] = b;
    }
    return pairs;
}

static void count_pair(layouter *l, uint32_t a, uint32_t b)
{
    l->first_conflict[a + 1]++;
    l->first_conflict[b + 1]++;
}

static void store_pair(layouter *l, uint32_t a, uint32_t b)
{
    l->conflicts[l->first_conflict[a]++] = b;
    l->conflicts[l->first_conflict[b]++] = a;
}

static maru_status find_conflicts(layouter *l, size_t pairs)
{
    const size_t n = l->plan->items.count;
    for (size_t i = 0; i < n; i++)
        l->first_conflict[i + 1] += l->first_conflict[i];
    l->conflicts = malloc((2 * pairs + 1) * sizeof *l->conflicts);
    if (!l->conflicts)
        return maru_fail_oom("a memory layout");
    each_pair(l, store_pair);
    memmove(l->first_conflict + 1, l->first_conflict, n * sizeof *l->first_conflict);
    l->first_conflict[0] = 0;
    return MARU_OK;
}

/* ---- placing ---- */

static int by_size(const void *a, const void *b)
{
    const place *x = a;
    const place *y = b;
    if (x->bytes != y->bytes)
        return x->bytes > y->bytes ? -1 : 1;
    return x->item < y->item ? -1 : x->item > y->item;
}

static int by_offset(const void *a, const void *b)
{
    const place *x = a;
    const place *y = b;
    if (x->offset != y->offset)
        return x->offset < y->offset ? -1 : 1;
    return x->item < y->item ? -1 : x->item > y->item;
}

static void place_item(layouter *l, uint32_t index)
{
    size_t n = 0;
    for (size_t i = l->first_conflict[index]; i < l->first_conflict[index + 1]; i++)
        if (l->places[l->conflicts[i]].is_placed)
            l->room[n++] = l->places[l->conflicts[i]];
    qsort(l->room, n, sizeof *l->room, by_offset);
    const uint64_t need = l->places[index].bytes;
    uint64_t end = 0;
    uint64_t best = UINT64_MAX;
    uint64_t tightest = UINT64_MAX;
    for (size_t i = 0; i < n; i++) {
        const uint64_t gap = l->room[i].offset > end ? l->room[i].offset - end : 0;
        if (gap >= need && gap < tightest) {
            best = end;
            tightest = gap;
        }
        const uint64_t own_end = l->room[i].offset + l->room[i].bytes;
        end = own_end > end ? own_end : end;
    }
    l->places[index].offset = best == UINT64_MAX ? end : best;
    l->places[index].is_placed = true;
}

static maru_status place_items(layouter *l)
{
    const size_t n = l->plan->items.count;
    place *order = malloc((n + 1) * sizeof *order);
    if (!order)
        return maru_fail_oom("a memory layout");
    memcpy(order, l->places, n * sizeof *order);
    qsort(order, n, sizeof *order, by_size);
    for (size_t i = 0; i < n; i++)
        if (item_at(l, order[i].item)->workspace == MARU_PLAN_NONE)
            place_item(l, order[i].item);
    free(order);
    return MARU_OK;
}

/* ---- the rule ---- */

/* Whether `a` must end before `b` starts, given that they conflict. */
static bool lies_below(const layouter *l, uint32_t a, uint32_t b)
{
    const bool a_is_workspace = item_at(l, a)->workspace != MARU_PLAN_NONE;
    const bool b_is_workspace = item_at(l, b)->workspace != MARU_PLAN_NONE;
    if (a_is_workspace != b_is_workspace)
        return b_is_workspace;
    return by_offset(&l->places[a], &l->places[b]) < 0;
}

static maru_status record_below(layouter *l)
{
    for (uint32_t b = 0; b < l->plan->items.count; b++) {
        maru_arena_item *item = &l->plan->items.data[b];
        item->first_below = (uint32_t)l->plan->below.count;
        for (size_t i = l->first_conflict[b]; i < l->first_conflict[b + 1]; i++)
            if (lies_below(l, l->conflicts[i], b))
                MARU_TRY(maru_array_push(&l->plan->below, l->conflicts[i]));
        item->n_below = (uint32_t)l->plan->below.count - item->first_below;
    }
    return MARU_OK;
}

/* Items in an order in which those below come first. */
static maru_status record_order(layouter *l)
{
    const size_t n = l->plan->items.count;
    l->plan->item_order = maru_arena_alloc_array(&l->plan->arena, n + 1, sizeof *l->plan->item_order);
    place *order = malloc((n + 1) * sizeof *order);
    if (!l->plan->item_order || !order) {
        free(order);
        return maru_fail_oom("a memory layout");
    }
    memcpy(order, l->places, n * sizeof *order);
    for (size_t i = 0; i < n; i++)
        if (item_at(l, order[i].item)->workspace != MARU_PLAN_NONE)
            order[i].offset = UINT64_MAX;
    qsort(order, n, sizeof *order, by_offset);
    for (size_t i = 0; i < n; i++)
        l->plan->item_order[i] = order[i].item;
    free(order);
    return MARU_OK;
}

static maru_status stack_items(layouter *l)
{
    uint32_t last[MARU_PLAN_MAX_DEVICES];
    memset(last, 0xff, sizeof last);
    for (uint32_t i = 0; i < l->plan->items.count; i++) {
        maru_arena_item *item = &l->plan->items.data[i];
        item->first_below = (uint32_t)l->plan->below.count;
        if (last[item->device] != MARU_PLAN_NONE)
            MARU_TRY(maru_array_push(&l->plan->below, last[item->device]));
        item->n_below = (uint32_t)l->plan->below.count - item->first_below;
        l->places[i].offset = i;
        last[item->device] = i;
    }
    l->plan->item_order = maru_arena_alloc_array(&l->plan->arena, l->plan->items.count + 1, sizeof(uint32_t));
    if (!l->plan->item_order)
        return maru_fail_oom("a memory layout");
    for (uint32_t i = 0; i < l->plan->items.count; i++)
        l->plan->item_order[i] = i;
    return MARU_OK;
}

static maru_status layout_all(layouter *l)
{
    int64_t *typical = maru_plan_typical_exprs(l->plan->graph);
    if (!typical)
        return maru_fail_oom("a memory layout");
    for (uint32_t i = 0; i < l->plan->items.count; i++) {
        const maru_arena_item *item = item_at(l, i);
        l->places[i] = (place){.item = i};
        if (item->workspace == MARU_PLAN_NONE)
            l->places[i].bytes = (maru_plan_typical_bytes(l->plan->graph, typical, item->value) + 63) & ~63ull;
    }
    free(typical);
    const size_t pairs = each_pair(l, count_pair);
    if (pairs > MAX_PAIRS)
        return stack_items(l);
    MARU_TRY(find_conflicts(l, pairs));
    MARU_TRY(place_items(l));
    MARU_TRY(record_below(l));
    return record_order(l);
}

maru_status maru_plan_layout(maru_plan *plan)
{
    const size_t n = plan->items.count;
    layouter l = {.plan = plan};
    l.places = calloc(n + 1, sizeof *l.places);
    l.active = calloc(n + 1, sizeof *l.active);
    l.first_conflict = calloc(n + 2, sizeof *l.first_conflict);
    l.room = calloc(n + 1, sizeof *l.room);
    maru_status status = l.places && l.active && l.first_conflict && l.room
                             ? layout_all(&l)
                             : maru_fail_oom("a memory layout");
    free(l.places);
    free(l.active);
    free(l.first_conflict);
    free(l.conflicts);
    free(l.room);
    return status;
}
