// SPDX-FileCopyrightText: The Maru authors
// SPDX-License-Identifier: Apache-2.0
#include "flow/flow_impl.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "base/fail.h"

typedef struct scan {
    flow_node *node;
    const onnx_graph *body;
    size_t n_state, n_scans;     // inputs of either kind
    size_t n_kept;               // outputs of which every step's is kept
    int64_t length;              // of the axis that is scanned
    maru_item *const *sources;   // the scanned inputs
    const int64_t *axes, *directions, *out_axes, *out_directions;  // NULL: 0 for all
    maru_item *inputs[ONNX_MAX_OPERANDS];
    maru_item *outputs[ONNX_MAX_OPERANDS];
    maru_item **kept[ONNX_MAX_OPERANDS];  // [n_kept][length]
} scan;

static void scan_fini(scan *s)
{
    for (size_t i = 0; i < ONNX_MAX_OPERANDS; i++) {
        maru_item_release(&s->inputs[i]);
        for (int64_t t = 0; s->kept[i] && t < s->length; t++)
            maru_item_release(&s->kept[i][t]);
        free(s->kept[i]);
    }
    free(s);
}

static maru_status take_list(const flow_node *n, const char *name, size_t count, const int64_t **out)
{
    size_t n_ints = 0;
    *out = onnx_attr_ints(&n->attrs, name, &n_ints);
    if (!*out || n_ints == count)
        return MARU_OK;
    return maru_fail(MARU_INVALID_ARGUMENT, "%s has %zu values, %zu are needed", name, n_ints, count);
}

static maru_status axis_of(const scan *s, size_t i, const int64_t **out_dims, uint32_t *out_axis)
{
    uint32_t rank = 0;
    if (!s->sources[i] || !flow_dims(s->sources[i], out_dims, &rank))
        return maru_fail(MARU_INVALID_ARGUMENT, "scanned input %zu is no tensor", i);
    return flow_axis(s->axes ? s->axes[i] : 0, rank, out_axis);
}

static maru_status find_length(scan *s)
{
    s->length = -1;
    for (size_t i = 0; i < s->n_scans; i++) {
        uint32_t axis = 0;
        const int64_t *dims = NULL;
        MARU_TRY(axis_of(s, i, &dims, &axis));
        if (s->length >= 0 && s->length != dims[axis])
            return maru_fail(MARU_INVALID_ARGUMENT, "scanned inputs have %" PRId64 " and %" PRId64 " steps", s->length,
                             dims[axis]);
        s->length = dims[axis];
    }
    return MARU_OK;
}

static maru_status make_room(scan *s)
{
    for (size_t i = 0; i < s->n_kept; i++) {
        s->kept[i] = calloc((size_t)s->length + 1, sizeof *s->kept[i]);
        if (!s->kept[i])
            return maru_fail_oom("a scan");
    }
    return MARU_OK;
}

/* Body, counts and lists; `state` and `sources` are the inputs. */
static maru_status scan_init(scan *s, flow_node *n, maru_item *const *state, size_t n_state, maru_item *const *sources,
                             size_t n_scans)
{
    s->node = n;
    s->n_state = n_state;
    s->n_scans = n_scans;
    s->sources = sources;
    MARU_TRY(flow_need_graph(n, "body", &s->body));
    if (s->body->n_input != n_state + n_scans || s->body->n_output < n_state || s->body->n_output > ONNX_MAX_OPERANDS)
        return maru_fail(MARU_DATA_LOSS, "its body has %zu inputs and %zu outputs, %zu and at least %zu are needed",
                         s->body->n_input, s->body->n_output, n_state + n_scans, n_state);
    s->n_kept = s->body->n_output - n_state;
    MARU_TRY(take_list(n, n->attrs.version < 9 ? "directions" : "scan_input_directions", n_scans, &s->directions));
    if (n->attrs.version >= 9) {
        MARU_TRY(take_list(n, "scan_input_axes", n_scans, &s->axes));
        MARU_TRY(take_list(n, "scan_output_axes", s->n_kept, &s->out_axes));
        MARU_TRY(take_list(n, "scan_output_directions", s->n_kept, &s->out_directions));
    }
    for (size_t i = 0; i < n_state; i++) {
        if (!state[i])
            return maru_fail(MARU_INVALID_ARGUMENT, "initial state %zu is left out", i);
        s->inputs[i] = maru_item_hold(state[i]);
    }
    MARU_TRY(find_length(s));
    return make_room(s);
}

static maru_status run_step(scan *s, int64_t step)
{
    for (size_t i = 0; i < s->n_scans; i++) {
        uint32_t axis = 0;
        const int64_t *dims = NULL;
        const bool is_reverse = s->directions && s->directions[i];
        MARU_TRY(axis_of(s, i, &dims, &axis));
        maru_item_release(&s->inputs[s->n_state + i]);
        MARU_TRY(flow_slice(s->sources[i], axis, is_reverse ? s->length - 1 - step : step, 1, true,
                            &s->inputs[s->n_state + i]));
    }
    MARU_TRY(flow_run_graph(s->node, s->body, s->inputs, s->n_state + s->n_scans, s->outputs, s->body->n_output));
    for (size_t i = 0; i < s->n_state; i++) {
        maru_item_release(&s->inputs[i]);
        s->inputs[i] = s->outputs[i];
    }
    for (size_t i = 0; i < s->n_kept; i++) {
        const bool is_reverse = s->out_directions && s->out_directions[i];
        s->kept[i][is_reverse ? s->length - 1 - step : step] = s->outputs[s->n_state + i];
    }
    return MARU_OK;
}

static maru_status run_steps(scan *s, int64_t n_steps)
{
    for (int64_t step = 0; step < n_steps; step++) {
        MARU_TRY(flow_check(s->node->frame->flow));
        MARU_TRY(run_step(s, step));
    }
    return MARU_OK;
}

static maru_status give(scan *s, size_t n_wanted, maru_item **out_items)
{
    for (size_t i = 0; i < s->n_state && i < n_wanted; i++)
        out_items[i] = maru_item_hold(s->inputs[i]);
    for (size_t i = 0; i < s->n_kept && s->n_state + i < n_wanted; i++) {
        const int64_t *dims = NULL;
        uint32_t rank = 0;
        uint32_t axis = 0;
        if (s->length == 0)
            return maru_fail(MARU_UNSUPPORTED, "a scan of no steps is not supported");
        if (!flow_dims(s->kept[i][0], &dims, &rank))
            return maru_fail(MARU_INVALID_ARGUMENT, "scanned output %zu is no tensor", i);
        MARU_TRY(flow_axis(s->out_axes ? s->out_axes[i] : 0, rank + 1, &axis));
        MARU_TRY(flow_join(s->kept[i], (size_t)s->length, axis, true, &out_items[s->n_state + i]));
    }
    return MARU_OK;
}

static maru_status run_scan(flow_node *n, maru_item *const *state, size_t n_state, maru_item *const *sources,
                            size_t n_scans, maru_item **out_items)
{
    scan *s = calloc(1, sizeof *s);
    if (!s)
        return maru_fail_oom("a scan");
    maru_status status = scan_init(s, n, state, n_state, sources, n_scans);
    if (status == MARU_OK)
        status = run_steps(s, s->length);
    if (status == MARU_OK)
        status = give(s, n->n_outputs, out_items);
    scan_fini(s);
    return status;
}

/* ---- opset 8: a batch of them ---- */

/* One entry of the batch from each input. */
static maru_status take_entry(const flow_node *n, int64_t entry, maru_item **inputs)
{
    for (size_t i = 1; i < n->n_inputs; i++) {
        const int64_t *dims = NULL;
        uint32_t rank = 0;
        if (!n->inputs[i] || !flow_dims(n->inputs[i], &dims, &rank) || rank == 0 || entry >= dims[0])
            return maru_fail(MARU_INVALID_ARGUMENT, "input %zu has no entry %" PRId64 " of the batch", i, entry);
        MARU_TRY(flow_slice(n->inputs[i], 0, entry, 1, true, &inputs[i - 1]));
    }
    return MARU_OK;
}

static maru_status run_entry(flow_node *n, size_t n_state, size_t n_scans, int64_t entry, maru_item **out_items)
{
    maru_item *inputs[ONNX_MAX_OPERANDS] = {0};
    maru_status status = take_entry(n, entry, inputs);
    if (status == MARU_OK)
        status = run_scan(n, inputs, n_state, inputs + n_state, n_scans, out_items);
    for (size_t i = 0; i < ONNX_MAX_OPERANDS; i++)
        maru_item_release(&inputs[i]);
    return status;
}

static maru_status run_entries(flow_node *n, size_t n_state, size_t n_scans, int64_t batch, maru_item **items)
{
    maru_item *column[ONNX_MAX_OPERANDS];
    for (int64_t b = 0; b < batch; b++)
        MARU_TRY(run_entry(n, n_state, n_scans, b, items + (size_t)b * n->n_outputs));
    for (size_t i = 0; i < n->n_outputs; i++) {
        for (int64_t b = 0; b < batch; b++)
            column[b] = items[(size_t)b * n->n_outputs + i];
        MARU_TRY(flow_join(column, (size_t)batch, 0, true, &n->outputs[i]));
    }
    return MARU_OK;
}

static maru_status run_batch(flow_node *n, size_t n_scans)
{
    const int64_t *dims = NULL;
    uint32_t rank = 0;
    if (flow_has(n, 0))
        return maru_fail(MARU_UNSUPPORTED, "sequence_lens of opset 8 is not supported");
    const size_t n_state = n->n_inputs - 1 - n_scans;
    if (!flow_has(n, 1) || !flow_dims(n->inputs[1], &dims, &rank) || rank == 0 || dims[0] < 1 ||
        dims[0] > ONNX_MAX_OPERANDS)
        return maru_fail(MARU_INVALID_ARGUMENT, "input 1 must have 1 to %d entries of a batch", ONNX_MAX_OPERANDS);
    const size_t count = (size_t)dims[0] * (n->n_outputs + 1);
    maru_item **items = calloc(count, sizeof *items);
    if (!items)
        return maru_fail_oom("a scan");
    const maru_status status = run_entries(n, n_state, n_scans, dims[0], items);
    for (size_t i = 0; i < count; i++)
        maru_item_release(&items[i]);
    free(items);
    return status;
}

static maru_status run(flow_node *n)
{
    const int64_t n_scans = onnx_attr_int(&n->attrs, "num_scan_inputs", 0);
    const size_t first = n->attrs.version < 9;
    if (n_scans < 1 || n->n_inputs < first + (size_t)n_scans)
        return maru_fail(MARU_INVALID_ARGUMENT, "num_scan_inputs is %" PRId64 ", it has %zu inputs", n_scans,
                         n->n_inputs);
    if (first)
        return run_batch(n, (size_t)n_scans);
    const size_t n_state = n->n_inputs - (size_t)n_scans;
    return run_scan(n, n->inputs, n_state, n->inputs + n_state, (size_t)n_scans, n->outputs);
}

const flow_host_op flow_scan_ops[] = {
    {"", "Scan", run},
    {0},
};
