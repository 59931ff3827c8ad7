// SPDX-FileCopyrightText: The Maru authors
// SPDX-License-Identifier: Apache-2.0
#include "flow/flow_impl.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "base/fail.h"

/* ---- making and taking apart ---- */

/* Sequences of sequences are in no type of ONNX's operators. */
static maru_status check_element(const maru_item *item, size_t index)
{
    const maru_item_kind kind = maru_item_get_kind(item);
    if (kind == MARU_ITEM_TENSOR || kind == MARU_ITEM_TEXT)
        return MARU_OK;
    return maru_fail(MARU_INVALID_ARGUMENT, "input %zu is %s: a sequence has tensors", index,
                     maru_item_kind_name(kind));
}

static maru_status run_construct(flow_node *n)
{
    for (size_t i = 0; i < n->n_inputs; i++) {
        if (!flow_has(n, i))
            return maru_fail(MARU_INVALID_ARGUMENT, "it has no input %zu", i);
        MARU_TRY(check_element(n->inputs[i], i));
    }
    return maru_item_sequence(n->inputs, n->n_inputs, &n->outputs[0]);
}

static maru_status run_empty(flow_node *n)
{
    return maru_item_sequence(NULL, 0, &n->outputs[0]);
}

static maru_status run_length(flow_node *n)
{
    maru_item *sequence = NULL;
    MARU_TRY(flow_need(n, 0, MARU_ITEM_SEQUENCE, &sequence));
    return flow_integer_item(MARU_I64, (int64_t)maru_item_count(sequence), &n->outputs[0]);
}

/* From the end where it is negative; `n` is one past the last that is allowed. */
static maru_status find_position(const flow_node *node, size_t input, size_t n, int64_t from_end, size_t *out)
{
    int64_t position = 0;
    MARU_TRY(flow_need_integer(node, input, &position));
    const int64_t at = position < 0 ? position + from_end : position;
    if (at < 0 || (uint64_t)at >= n)
        return maru_fail(MARU_INVALID_ARGUMENT, "position %" PRId64 " is outside of a sequence of %" PRId64, position,
                         from_end);
    *out = (size_t)at;
    return MARU_OK;
}

static maru_status run_at(flow_node *n)
{
    maru_item *sequence = NULL;
    size_t at = 0;
    MARU_TRY(flow_need(n, 0, MARU_ITEM_SEQUENCE, &sequence));
    const size_t count = maru_item_count(sequence);
    MARU_TRY(find_position(n, 1, count, (int64_t)count, &at));
    n->outputs[0] = maru_item_hold(maru_item_at(sequence, at));
    return MARU_OK;
}

/* `count` items of the sequence without the `removed` ones at `at`, with `added` in their place. */
static maru_status splice(const maru_item *sequence, size_t at, size_t removed, maru_item *added, maru_item **out_item)
{
    const size_t count = maru_item_count(sequence);
    maru_item **items = calloc(count + 2, sizeof *items);
    size_t k = 0;
    if (!items)
        return maru_fail_oom("a sequence");
    for (size_t i = 0; i <= count; i++) {
        if (i == at && added)
            items[k++] = added;
        if (i < count && (i < at || i >= at + removed))
            items[k++] = maru_item_at(sequence, i);
    }
    const maru_status status = maru_item_sequence(items, k, out_item);
    free(items);
    return status;
}

static maru_status run_insert(flow_node *n)
{
    maru_item *sequence = NULL;
    MARU_TRY(flow_need(n, 0, MARU_ITEM_SEQUENCE, &sequence));
    const size_t count = maru_item_count(sequence);
    size_t at = count;
    if (!flow_has(n, 1))
        return maru_fail(MARU_INVALID_ARGUMENT, "it has no input 1");
    MARU_TRY(check_element(n->inputs[1], 1));
    if (flow_has(n, 2))
        MARU_TRY(find_position(n, 2, count + 1, (int64_t)count, &at));
    return splice(sequence, at, 0, n->inputs[1], &n->outputs[0]);
}

static maru_status run_erase(flow_node *n)
{
    maru_item *sequence = NULL;
    MARU_TRY(flow_need(n, 0, MARU_ITEM_SEQUENCE, &sequence));
    const size_t count = maru_item_count(sequence);
    size_t at = count ? count - 1 : 0;
    if (flow_has(n, 1))
        MARU_TRY(find_position(n, 1, count, (int64_t)count, &at));
    else if (count == 0)
        return maru_fail(MARU_INVALID_ARGUMENT, "an empty sequence has nothing to erase");
    return splice(sequence, at, 1, NULL, &n->outputs[0]);
}

/* ---- tensors into sequences, and back ---- */

typedef struct split {
    const maru_item *item;
    uint32_t axis;
    int64_t length;            // of the axis
    const maru_tensor *sizes;  // NULL: one each
    bool keeps;                // the axis
} split;

/* The size of piece `i` that begins at `begin`; a scalar is the size of all but the last. */
static int64_t piece_size(const split *s, size_t i, int64_t begin)
{
    if (!s->sizes)
        return 1;
    const int64_t size = (int64_t)maru_tensor_get_f64(s->sizes, s->sizes->rank ? (int64_t)i : 0);
    const int64_t left = s->length - begin;
    return s->sizes->rank == 0 && size > left ? left : size;
}

static maru_status init_split(const flow_node *n, split *s)
{
    const int64_t *dims = NULL;
    uint32_t rank = 0;
    int64_t total = 0;
    if (!flow_has(n, 0) || !flow_dims(n->inputs[0], &dims, &rank))
        return maru_fail(MARU_INVALID_ARGUMENT, "input 0 must be a tensor");
    s->item = n->inputs[0];
    MARU_TRY(flow_axis(onnx_attr_int(&n->attrs, "axis", 0), rank, &s->axis));
    s->length = dims[s->axis];
    s->keeps = onnx_attr_int(&n->attrs, "keepdims", 1) != 0 || flow_has(n, 1);
    if (!flow_has(n, 1))
        return MARU_OK;
    MARU_TRY(flow_need_tensor(n, 1, &s->sizes));
    if ((s->sizes->dtype != MARU_I64 && s->sizes->dtype != MARU_I32) || s->sizes->rank > 1)
        return maru_fail(MARU_INVALID_ARGUMENT, "split must be integers of rank 0 or 1, it is %s of rank %u",
                         maru_dtype_name(s->sizes->dtype), s->sizes->rank);
    for (int64_t i = 0; i < maru_tensor_count(s->sizes); i++) {
        const double size = maru_tensor_get_f64(s->sizes, i);
        if (size < (s->sizes->rank ? 0 : 1) || size > (double)s->length + (s->sizes->rank ? 0 : 9e15))
            return maru_fail(MARU_INVALID_ARGUMENT, "split has a piece of %.0f, the axis has %" PRId64, size,
                             s->length);
        total += (int64_t)size;
    }
    if (s->sizes->rank && total != s->length)
        return maru_fail(MARU_INVALID_ARGUMENT, "split adds up to %" PRId64 ", the axis has %" PRId64, total,
                         s->length);
    return MARU_OK;
}

static maru_status cut_pieces(const split *s, maru_item **items, size_t n)
{
    int64_t begin = 0;
    for (size_t i = 0; i < n; i++) {
        const int64_t size = piece_size(s, i, begin);
        MARU_TRY(flow_slice(s->item, s->axis, begin, size, !s->keeps, &items[i]));
        begin += size;
    }
    return MARU_OK;
}

static size_t count_pieces(const split *s)
{
    if (!s->sizes)
        return (size_t)s->length;
    if (s->sizes->rank)
        return (size_t)s->sizes->dims[0];
    const int64_t size = (int64_t)maru_tensor_get_f64(s->sizes, 0);
    return (size_t)(s->length / size + (s->length % size != 0));
}

static maru_status run_split(flow_node *n)
{
    split s = {0};
    MARU_TRY(init_split(n, &s));
    const size_t count = count_pieces(&s);
    maru_item **items = calloc(count + 1, sizeof *items);
    if (!items)
        return maru_fail_oom("a sequence");
    maru_status status = cut_pieces(&s, items, count);
    if (status == MARU_OK)
        status = maru_item_sequence(items, count, &n->outputs[0]);
    for (size_t i = 0; i < count; i++)
        maru_item_release(&items[i]);
    free(items);
    return status;
}

static maru_status run_concat(flow_node *n)
{
    maru_item *sequence = NULL;
    const int64_t *dims = NULL;
    uint32_t rank = 0;
    uint32_t axis = 0;
    const bool is_new = onnx_attr_int(&n->attrs, "new_axis", 0) != 0;
    MARU_TRY(flow_need(n, 0, MARU_ITEM_SEQUENCE, &sequence));
    const size_t count = maru_item_count(sequence);
    if (count == 0 || !flow_dims(maru_item_at(sequence, 0), &dims, &rank))
        return maru_fail(MARU_INVALID_ARGUMENT, "an empty sequence cannot be joined");
    if (!onnx_attr_find(&n->attrs, "axis"))
        return maru_fail(MARU_DATA_LOSS, "it has no axis");
    MARU_TRY(flow_axis(onnx_attr_int(&n->attrs, "axis", 0), rank + is_new, &axis));
    maru_item **items = calloc(count, sizeof *items);
    if (!items)
        return maru_fail_oom("a sequence");
    for (size_t i = 0; i < count; i++)
        items[i] = maru_item_at(sequence, i);
    const maru_status status = flow_join(items, count, axis, is_new, &n->outputs[0]);
    free(items);
    return status;
}

/* ---- SequenceMap ---- */

typedef struct sequence_map {
    flow_node *node;
    const onnx_graph *body;
    size_t length;
    maru_item **results;  // [length][n_output]
} sequence_map;

static maru_status init_map(sequence_map *m, flow_node *n)
{
    maru_item *first = NULL;
    m->node = n;
    MARU_TRY(flow_need_graph(n, "body", &m->body));
    MARU_TRY(flow_need(n, 0, MARU_ITEM_SEQUENCE, &first));
    m->length = maru_item_count(first);
    for (size_t i = 0; i < n->n_inputs; i++) {
        if (!flow_has(n, i))
            return maru_fail(MARU_INVALID_ARGUMENT, "it has no input %zu", i);
        const bool is_sequence = maru_item_get_kind(n->inputs[i]) == MARU_ITEM_SEQUENCE;
        if (is_sequence && maru_item_count(n->inputs[i]) != m->length)
            return maru_fail(MARU_INVALID_ARGUMENT, "input %zu is a sequence of %zu, the first of %zu", i,
                             maru_item_count(n->inputs[i]), m->length);
    }
    if (m->body->n_output > ONNX_MAX_OPERANDS || n->n_outputs > m->body->n_output)
        return maru_fail(MARU_DATA_LOSS, "its body has %zu outputs, %zu are read", m->body->n_output, n->n_outputs);
    m->results = calloc(m->length * m->body->n_output + 1, sizeof *m->results);
    return m->results ? MARU_OK : maru_fail_oom("a sequence");
}

static maru_status map_element(sequence_map *m, size_t at)
{
    const flow_node *n = m->node;
    maru_item *inputs[ONNX_MAX_OPERANDS];
    for (size_t i = 0; i < n->n_inputs; i++) {
        const bool is_sequence = maru_item_get_kind(n->inputs[i]) == MARU_ITEM_SEQUENCE;
        inputs[i] = is_sequence ? maru_item_at(n->inputs[i], at) : n->inputs[i];
    }
    MARU_TRY(flow_check(n->frame->flow));
    return flow_run_graph(n, m->body, inputs, n->n_inputs, m->results + at * m->body->n_output, m->body->n_output);
}

static maru_status gather_output(sequence_map *m, size_t output)
{
    maru_item **items = calloc(m->length + 1, sizeof *items);
    if (!items)
        return maru_fail_oom("a sequence");
    for (size_t i = 0; i < m->length; i++)
        items[i] = m->results[i * m->body->n_output + output];
    const maru_status status = maru_item_sequence(items, m->length, &m->node->outputs[output]);
    free(items);
    return status;
}

static maru_status run_map(flow_node *n)
{
    sequence_map m = {0};
    maru_status status = init_map(&m, n);
    for (size_t i = 0; status == MARU_OK && i < m.length; i++)
        status = map_element(&m, i);
    for (size_t o = 0; status == MARU_OK && o < n->n_outputs; o++)
        status = gather_output(&m, o);
    for (size_t i = 0; m.results && i < m.length * m.body->n_output; i++)
        maru_item_release(&m.results[i]);
    free(m.results);
    return status;
}

/* ---- optionals: a value, or nothing ---- */

static maru_status run_optional(flow_node *n)
{
    if (!flow_has(n, 0))
        return maru_item_none(&n->outputs[0]);
    n->outputs[0] = maru_item_hold(n->inputs[0]);
    return MARU_OK;
}

static maru_status run_has_element(flow_node *n)
{
    const bool has = flow_has(n, 0) && maru_item_get_kind(n->inputs[0]) != MARU_ITEM_NONE;
    return flow_integer_item(MARU_BOOL, has, &n->outputs[0]);
}

static maru_status run_get_element(flow_node *n)
{
    if (!flow_has(n, 0) || maru_item_get_kind(n->inputs[0]) == MARU_ITEM_NONE)
        return maru_fail(MARU_INVALID_ARGUMENT, "the optional has no value");
    n->outputs[0] = maru_item_hold(n->inputs[0]);
    return MARU_OK;
}

const flow_host_op flow_sequence_ops[] = {
    {"", "SequenceConstruct", run_construct},
    {"", "SequenceEmpty", run_empty},
    {"", "SequenceLength", run_length},
    {"", "SequenceAt", run_at},
    {"", "SequenceInsert", run_insert},
    {"", "SequenceErase", run_erase},
    {"", "SplitToSequence", run_split},
    {"", "ConcatFromSequence", run_concat},
    {"", "SequenceMap", run_map},
    {"", "Optional", run_optional},
    {"", "OptionalHasElement", run_has_element},
    {"", "OptionalGetElement", run_get_element},
    {0},
};
