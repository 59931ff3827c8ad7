// SPDX-FileCopyrightText: The Maru authors
// SPDX-License-Identifier: Apache-2.0

/* Ops whose result's size, or order, the data decides: NonMaxSuppression, Compress, Unique, ReverseSequence. */

#include "ref/element.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

/* ---- NonMaxSuppression ---- */

typedef struct box {
    double low[2], high[2];
} box;

static box read_box(const cpu_tensor *boxes, int64_t index, int is_centred)
{
    double v[4];
    box b;
    for (int i = 0; i < 4; i++)
        v[i] = cpu_load(boxes, index * 4 + i);
    for (int d = 0; d < 2; d++) {
        b.low[d] = is_centred ? v[d] - v[2 + d] / 2 : fmin(v[d], v[2 + d]);
        b.high[d] = is_centred ? v[d] + v[2 + d] / 2 : fmax(v[d], v[2 + d]);
    }
    return b;
}

/* Intersection over union, in the precision of the boxes: a tie with the threshold is decided there. */
static float overlap(const box *a, const box *b)
{
    double shared = 1, first = 1, second = 1;
    for (int d = 0; d < 2; d++) {
        shared *= fmax(fmin(a->high[d], b->high[d]) - fmax(a->low[d], b->low[d]), 0);
        first *= a->high[d] - a->low[d];
        second *= b->high[d] - b->low[d];
    }
    return shared > 0 && first > 0 && second > 0 ? (float)(shared / (first + second - shared)) : 0;
}

typedef struct suppression {
    cpu_call *c;
    int64_t n_boxes, n_selected, most, room;
    double score;    // those not above it are not candidates
    float threshold;
    int is_centred;
    unsigned char *is_out;  // of a class: taken or suppressed
} suppression;

static int64_t best_box(const suppression *s, int64_t scores)
{
    int64_t best = -1;
    for (int64_t i = 0; i < s->n_boxes; i++) {
        const double score = cpu_load(&s->c->in[1], scores + i);
        if (!s->is_out[i] && score > s->score && (best < 0 || score > cpu_load(&s->c->in[1], scores + best)))
            best = i;
    }
    return best;
}

static maru_abi_status select_in_class(suppression *s, int64_t image, int64_t class)
{
    const int64_t scores = (image * s->c->in[1].dims[1] + class) * s->n_boxes;
    memset(s->is_out, 0, (size_t)s->n_boxes);
    for (int64_t n = 0; n < s->most; n++) {
        const int64_t best = best_box(s, scores);
        if (best < 0)
            return MARU_ABI_OK;
        if (s->n_selected == s->room)
            return cpu_bad_value(s->c, "more than %lld boxes are selected", (long long)s->room);
        const box taken = read_box(&s->c->in[0], image * s->n_boxes + best, s->is_centred);
        s->is_out[best] = 1;
        for (int64_t i = 0; i < s->n_boxes; i++) {
            const box other = read_box(&s->c->in[0], image * s->n_boxes + i, s->is_centred);
            s->is_out[i] |= overlap(&taken, &other) > s->threshold;
        }
        cpu_store_int(&s->c->out[0], s->n_selected * 3, image);
        cpu_store_int(&s->c->out[0], s->n_selected * 3 + 1, class);
        cpu_store_int(&s->c->out[0], s->n_selected * 3 + 2, best);
        s->n_selected++;
    }
    return MARU_ABI_OK;
}

static maru_abi_status ref_non_max_suppression(cpu_call *c)
{
    suppression s = {.c = c, .n_boxes = c->in[1].dims[2], .score = -INFINITY};
    s.most = cpu_has(c, 2) && c->in[2].count > 0 ? cpu_load_int(&c->in[2], 0) : 0;
    s.threshold = cpu_has(c, 3) && c->in[3].count > 0 ? (float)cpu_load(&c->in[3], 0) : 0;
    if (cpu_has(c, 4) && c->in[4].count > 0)
        s.score = cpu_load(&c->in[4], 0);
    s.is_centred = cpu_attr_int(&c->attrs, "center_point_box", 0) != 0;
    const int64_t lists = c->in[1].dims[0] * c->in[1].dims[1];
    maru_abi_status status = MARU_ABI_OK;
    s.room = c->out[0].dims[0];
    s.is_out = malloc((size_t)s.n_boxes + 1);
    if (!s.is_out)
        return MARU_ABI_RESOURCE_EXHAUSTED;
    for (int64_t i = 0; status == MARU_ABI_OK && i < lists; i++)
        status = select_in_class(&s, i / c->in[1].dims[1], i % c->in[1].dims[1]);
    free(s.is_out);
    if (c->true_dims) {
        c->true_dims[0] = s.n_selected;
        c->true_dims[1] = 3;
    }
    return status;
}

/* ---- Compress ---- */

/* Without an axis the input is taken as one list. */
static maru_abi_status ref_compress(cpu_call *c)
{
    const cpu_tensor *in = &c->in[0];
    const cpu_tensor *condition = &c->in[1];
    cpu_tensor *out = &c->out[0];
    const int has_axis = cpu_attr_has(&c->attrs, "axis");
    const uint32_t axis = (uint32_t)cpu_axis(cpu_attr_int(&c->attrs, "axis", 0), in->rank);
    const int64_t length = has_axis ? in->dims[axis] : in->count;
    const int64_t outer = has_axis ? cpu_product(in, 0, axis) : 1;
    const int64_t inner = has_axis ? cpu_product(in, axis + 1, in->rank) : 1;
    const int64_t n = condition->count < length ? condition->count : length;
    int64_t kept = 0;
    for (int64_t i = 0; i < n; i++)
        kept += cpu_load_int(condition, i) != 0;
    if (kept * outer * inner > out->count)
        return cpu_bad_value(c, "%lld slices are kept, there is no room for them", (long long)kept);
    for (int64_t o = 0; o < outer; o++) {
        int64_t to = o * kept;
        for (int64_t i = 0; i < n; i++)
            if (cpu_load_int(condition, i))
                cpu_copy_elements(out, to++ * inner, in, (o * length + i) * inner, inner);
    }
    if (c->true_dims)
        c->true_dims[has_axis ? axis : 0] = kept;
    return MARU_ABI_OK;
}

/* ---- Unique ---- */

typedef struct unique {
    const cpu_tensor *in;
    int64_t outer, length, inner;  // `length` items of outer x inner elements
    int64_t *first;    // of each unique item: where it is first
    int64_t *counts;
    int64_t *inverse;  // of each item: which unique one it is
    int64_t n;
} unique;

static int compare_elements(const cpu_tensor *t, int64_t a, int64_t b)
{
    if (cpu_is_float(t->dtype)) {
        const double x = cpu_load(t, a);
        const double y = cpu_load(t, b);
        return isnan(x) || isnan(y) ? isnan(x) - isnan(y) : (x > y) - (x < y);
    }
    const int64_t x = cpu_load_int(t, a);
    const int64_t y = cpu_load_int(t, b);
    if (cpu_is_unsigned(t->dtype))
        return ((uint64_t)x > (uint64_t)y) - ((uint64_t)x < (uint64_t)y);
    return (x > y) - (x < y);
}

static int compare_items(const unique *u, int64_t a, int64_t b)
{
    int order = 0;
    for (int64_t i = 0; order == 0 && i < u->outer * u->inner; i++) {
        const int64_t row = i / u->inner * u->length;
        order = compare_elements(u->in, (row + a) * u->inner + i % u->inner, (row + b) * u->inner + i % u->inner);
    }
    return order;
}

/* Where the item is, or belongs: among sorted ones by halving, else after all. */
static int64_t find_item(const unique *u, int64_t item, int is_sorted, int *out_found)
{
    int64_t low = 0;
    int64_t high = u->n;
    *out_found = 0;
    for (int64_t i = 0; !is_sorted && i < u->n; i++) {
        if (compare_items(u, u->first[i], item) == 0) {
            *out_found = 1;
            return i;
        }
    }
    while (is_sorted && low < high) {
        const int64_t middle = low + (high - low) / 2;
        const int order = compare_items(u, u->first[middle], item);
        *out_found = order == 0;
        if (order == 0)
            return middle;
        low = order < 0 ? middle + 1 : low;
        high = order < 0 ? high : middle;
    }
    return is_sorted ? low : u->n;
}

static void find_unique(unique *u, int is_sorted)
{
    for (int64_t item = 0; item < u->length; item++) {
        int found = 0;
        const int64_t at = find_item(u, item, is_sorted, &found);
        if (!found) {
            memmove(u->first + at + 1, u->first + at, (size_t)(u->n - at) * sizeof *u->first);
            memmove(u->counts + at + 1, u->counts + at, (size_t)(u->n - at) * sizeof *u->counts);
            for (int64_t i = 0; i < item; i++)
                u->inverse[i] += u->inverse[i] >= at;
            u->first[at] = item;
            u->counts[at] = 0;
            u->n++;
        }
        u->counts[at]++;
        u->inverse[item] = at;
    }
}

static void store_list(cpu_call *c, uint32_t output, const int64_t *list, int64_t n)
{
    for (int64_t i = 0; output < c->n_out && c->out[output].dtype && i < n; i++)
        cpu_store_int(&c->out[output], i, list[i]);
}

/* The true dims of Y, indices and counts, of those that are wanted, one after the other. */
static void store_unique(cpu_call *c, const unique *u, int has_axis, uint32_t axis)
{
    int64_t *dims = c->true_dims;
    if (c->out[0].dtype) {
        for (int64_t i = 0; i < u->outer * u->n; i++)
            cpu_copy_elements(&c->out[0], i * u->inner, u->in,
                              (i / u->n * u->length + u->first[i % u->n]) * u->inner, u->inner);
        if (dims)
            dims[has_axis ? axis : 0] = u->n;
        dims = dims ? dims + c->out[0].rank : NULL;
    }
    store_list(c, 1, u->first, u->n);
    store_list(c, 2, u->inverse, u->length);
    store_list(c, 3, u->counts, u->n);
    for (uint32_t i = 1; dims && i < c->n_out; i += 2)
        if (c->out[i].dtype)
            *dims++ = u->n;
}

static maru_abi_status ref_unique(cpu_call *c)
{
    const cpu_tensor *in = &c->in[0];
    const int has_axis = cpu_attr_has(&c->attrs, "axis");
    const uint32_t axis = (uint32_t)cpu_axis(cpu_attr_int(&c->attrs, "axis", 0), in->rank);
    unique u = {.in = in, .outer = 1, .length = in->count, .inner = 1};
    if (has_axis) {
        u.outer = cpu_product(in, 0, axis);
        u.length = in->dims[axis];
        u.inner = cpu_product(in, axis + 1, in->rank);
    }
    int64_t *room = calloc((size_t)u.length + 1, 3 * sizeof *room);
    if (!room)
        return MARU_ABI_RESOURCE_EXHAUSTED;
    u.first = room;
    u.counts = room + u.length;
    u.inverse = room + 2 * u.length;
    find_unique(&u, cpu_attr_int(&c->attrs, "sorted", 1) != 0);
    store_unique(c, &u, has_axis, axis);
    free(room);
    return MARU_ABI_OK;
}

/* ---- ReverseSequence ---- */

static maru_abi_status ref_reverse_sequence(cpu_call *c)
{
    const cpu_tensor *in = &c->in[0];
    const uint32_t batch = (uint32_t)cpu_axis(cpu_attr_int(&c->attrs, "batch_axis", 1), in->rank);
    const uint32_t time = (uint32_t)cpu_axis(cpu_attr_int(&c->attrs, "time_axis", 0), in->rank);
    int64_t strides[CPU_MAX_RANK];
    int64_t position[CPU_MAX_RANK];
    cpu_strides(in, strides);
    for (int64_t b = 0; b < c->in[1].count; b++)
        if (cpu_load_int(&c->in[1], b) < 0 || cpu_load_int(&c->in[1], b) > in->dims[time])
            return cpu_bad_value(c, "sequence %lld has length %lld, the axis has %lld", (long long)b,
                                 (long long)cpu_load_int(&c->in[1], b), (long long)in->dims[time]);
    for (int64_t i = 0; i < in->count; i++) {
        cpu_position(in, i, position);
        const int64_t length = cpu_load_int(&c->in[1], position[batch]);
        const int64_t t = position[time];
        const int64_t from = t < length ? length - 1 - t : t;
        cpu_copy_element(&c->out[0], i, in, i + (from - t) * strides[time]);
    }
    return MARU_ABI_OK;
}

const cpu_ref_op cpu_ref_select[] = {
    {"NonMaxSuppression", "", 11, ref_non_max_suppression, "f f i f", 0},
    {"Compress", "", 28, ref_compress, "* b", 0},
    {"Unique", "", 28, ref_unique, "fiub", 0},
    {"ReverseSequence", "", 28, ref_reverse_sequence, "* i", 0},
    {.name = NULL},
};
