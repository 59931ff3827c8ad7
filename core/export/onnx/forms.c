// SPDX-FileCopyrightText: The Maru authors
// SPDX-License-Identifier: Apache-2.0

/* How older opsets wrote what the newest writes otherwise; each function is named by rows of rules.c. */

#include "export/onnx/writer.h"

#include <string.h>

#include "base/dtype.h"
#include "base/fail.h"

/* ---- lists that are inputs now and were attributes ---- */

bool onnx_list_is_known(const maru_graph *graph, maru_value value)
{
    const maru_value_record *v = maru_graph_get(graph, value);
    int64_t number = 0;
    bool is_known = value != MARU_NO_VALUE && v->elems;
    for (uint32_t i = 0; is_known && i < v->n_elems; i++)
        is_known = maru_expr_is_const(&graph->exprs, v->elems[i], &number);
    return is_known;
}

size_t onnx_read_list(const maru_graph *graph, maru_value value, int64_t *out, size_t room)
{
    size_t n = 0;
    if (!onnx_list_is_known(graph, value))
        return 0;
    const maru_value_record *v = maru_graph_get(graph, value);
    for (; n < v->n_elems && n < room; n++)
        if (!maru_expr_is_const(&graph->exprs, v->elems[n], &out[n]))
            return 0;
    return n;
}

static maru_value input_of(const onnx_draft *d, uint32_t index)
{
    return index < d->node->n_inputs ? d->node->inputs[index] : MARU_NO_VALUE;
}

static const maru_value_record *record_of(const onnx_writer *w, maru_value value)
{
    return maru_graph_get(w->graph, value);
}

void onnx_form_axes_attr(onnx_writer *w, onnx_draft *d)
{
    int64_t axes[MARU_MAX_RANK];
    const size_t n = onnx_read_list(w->graph, input_of(d, 1), axes, MARU_MAX_RANK);
    d->n_inputs = 1;
    onnx_draft_drop(d, "noop_with_empty_axes");
    if (n)
        onnx_draft_ints(w, d, "axes", axes, n);
    onnx_put_draft(w, d);
}

/* ---- by way of another dtype ---- */

/* A small constant in another dtype; what follows from its value still does. */
static const char *put_converted(onnx_writer *w, maru_value value, maru_dtype to)
{
    int64_t count = 0;
    size_t bytes = 0;
    const maru_value_record *v = record_of(w, value);
    const void *from = maru_graph_constant_data(w->graph, value);
    if (!from || w->status != MARU_OK || maru_dims_count(v->dims, v->rank, &count) != MARU_OK || count > 64)
        return NULL;
    w->status = maru_dtype_tensor_bytes(to, v->dims, v->rank, &bytes);
    void *data = w->status == MARU_OK ? maru_arena_alloc(&w->arena, bytes) : NULL;
    if (!data && w->status == MARU_OK)
        w->status = maru_fail_oom("a constant");
    for (int64_t i = 0; data && i < count; i++)
        maru_dtype_store_f64(to, data, i, maru_dtype_load_f64(v->dtype, from, i));
    const onnx_weight weight = {.dtype = to, .dims = v->dims, .rank = v->rank, .data = data, .bytes = bytes};
    return onnx_put_weight(w, "c", &weight);
}

/* Inputs of the dtype, from the first one on, are cast, and so are, back, the outputs. */
static void through(onnx_writer *w, onnx_draft *d, uint32_t first, maru_dtype from, maru_dtype to)
{
    const char *wanted[8];
    const size_t n = d->n_outputs < 8 ? d->n_outputs : 8;
    for (uint32_t i = first; i < d->node->n_inputs; i++) {
        if (!d->node->inputs[i] || record_of(w, d->node->inputs[i])->dtype != from)
            continue;
        const char *converted = put_converted(w, d->node->inputs[i], to);
        d->inputs[i] = converted ? converted : onnx_put_cast(w, d->inputs[i], to, NULL);
    }
    for (size_t i = 0; i < n; i++) {
        wanted[i] = d->outputs[i];
        if (record_of(w, d->node->outputs[i])->dtype == from)
            d->outputs[i] = onnx_fresh_name(w, "v");
    }
    onnx_put_draft(w, d);
    for (size_t i = 0; i < n; i++)
        if (d->outputs[i] != wanted[i])
            onnx_put_cast(w, d->outputs[i], from, wanted[i]);
}

static maru_dtype main_dtype(const onnx_writer *w, const onnx_draft *d)
{
    return record_of(w, d->node->inputs[0])->dtype;
}

void onnx_form_through_f32(onnx_writer *w, onnx_draft *d)
{
    through(w, d, 0, main_dtype(w, d), MARU_F32);
}

/* The current ONNX Runtime chooses neither among truth values nor among bf16. */
void onnx_form_where(onnx_writer *w, onnx_draft *d)
{
    const maru_dtype dtype = record_of(w, d->node->inputs[1])->dtype;
    through(w, d, 1, dtype, dtype == MARU_BOOL ? MARU_U8 : MARU_F32);
}

/* Of truth values the larger is Or and the smaller is And, for bytes as well. */
void onnx_form_through_u8(onnx_writer *w, onnx_draft *d)
{
    if (w->opset < 18) {
        int64_t axes[MARU_MAX_RANK];
        const size_t n = onnx_read_list(w->graph, input_of(d, 1), axes, MARU_MAX_RANK);
        d->n_inputs = 1;
        onnx_draft_drop(d, "noop_with_empty_axes");
        if (n)
            onnx_draft_ints(w, d, "axes", axes, n);
    }
    through(w, d, 0, main_dtype(w, d), MARU_U8);
}

/* ---- attributes that were not there ---- */

/* What they say is of dtypes that came with them. */
void onnx_form_cast(onnx_writer *w, onnx_draft *d)
{
    onnx_draft_drop(d, "round_mode");
    if (w->opset < 19)
        onnx_draft_drop(d, "saturate");
    onnx_put_draft(w, d);
}

void onnx_form_no_dilations(onnx_writer *w, onnx_draft *d)
{
    onnx_draft_drop(d, "dilations");
    if (strcmp(d->op, "LpPool") == 0)
        onnx_draft_drop(d, "ceil_mode");
    onnx_put_draft(w, d);
}

void onnx_form_without_mode(onnx_writer *w, onnx_draft *d)
{
    onnx_draft_drop(d, "mode");
    onnx_put_draft(w, d);
}

void onnx_form_no_window(onnx_writer *w, onnx_draft *d)
{
    onnx_draft_drop(d, "left_window_size");
    onnx_draft_drop(d, "right_window_size");
    onnx_put_draft(w, d);
}

/* As many as are named; where they are not alike their sizes are said. */
void onnx_form_split(onnx_writer *w, onnx_draft *d)
{
    int64_t sizes[64];
    const size_t n = d->n_outputs;
    const maru_value_record *x = record_of(w, d->node->inputs[0]);
    int64_t axis = maru_node_int(d->node, "axis", 0);
    axis += axis < 0 ? x->rank : 0;
    bool is_known = n <= 64 && !input_of(d, 1);
    for (size_t i = 0; is_known && i < n; i++)
        is_known = maru_expr_is_const(&w->graph->exprs, record_of(w, d->node->outputs[i])->dims[axis], &sizes[i]);
    onnx_draft_drop(d, "num_outputs");
    if (is_known) {
        d->inputs[1] = onnx_put_ints(w, sizes, n);
        d->n_inputs = 2;
    }
    onnx_put_draft(w, d);
}

/* ---- axes that were all of them ---- */

void onnx_form_pad(onnx_writer *w, onnx_draft *d)
{
    int64_t axes[MARU_MAX_RANK];
    int64_t pads[2 * MARU_MAX_RANK];
    int64_t whole[2 * MARU_MAX_RANK] = {0};
    const uint32_t rank = record_of(w, d->node->inputs[0])->rank;
    const size_t n = onnx_read_list(w->graph, input_of(d, 3), axes, MARU_MAX_RANK);
    if (!input_of(d, 3)) {
        onnx_put_draft(w, d);
        return;
    }
    onnx_read_list(w->graph, input_of(d, 1), pads, 2 * MARU_MAX_RANK);
    for (size_t i = 0; i < n; i++) {
        const int64_t axis = axes[i] < 0 ? axes[i] + rank : axes[i];
        whole[axis] = pads[i];
        whole[axis + rank] = pads[i + n];
    }
    d->inputs[1] = onnx_put_ints(w, whole, 2 * (size_t)rank);
    d->n_inputs = 3;
    onnx_put_draft(w, d);
}

static const char *whole_scales(onnx_writer *w, const int64_t *axes, size_t n, uint32_t rank, const void *data)
{
    float *whole = maru_arena_alloc_array(&w->arena, rank + 1, sizeof *whole);
    int64_t *dims = maru_arena_alloc_array(&w->arena, 1, sizeof *dims);
    if (!whole || !dims) {
        w->status = maru_fail_oom("scales");
        return "";
    }
    dims[0] = rank;
    for (uint32_t i = 0; i < rank; i++)
        whole[i] = 1;
    for (size_t i = 0; i < n; i++)
        memcpy(&whole[axes[i]], (const char *)data + i * sizeof *whole, sizeof *whole);
    const onnx_weight weight = {
        .dtype = MARU_F32, .dims = dims, .rank = 1, .data = whole, .bytes = rank * sizeof *whole};
    return onnx_put_weight(w, "scales", &weight);
}

static void widen_resize(onnx_writer *w, onnx_draft *d, const maru_attribute *attr)
{
    int64_t axes[MARU_MAX_RANK];
    maru_dim sizes[MARU_MAX_RANK];
    const maru_value_record *x = record_of(w, d->node->inputs[0]);
    for (size_t i = 0; i < attr->n; i++)
        axes[i] = attr->ints[i] + (attr->ints[i] < 0 ? x->rank : 0);
    if (input_of(d, 2))
        d->inputs[2] = whole_scales(w, axes, attr->n, x->rank, maru_graph_constant_data(w->graph, input_of(d, 2)));
    if (!input_of(d, 3))
        return;
    memcpy(sizes, x->dims, x->rank * sizeof *sizes);
    for (size_t i = 0; i < attr->n; i++)
        sizes[axes[i]] = record_of(w, input_of(d, 3))->elems[i];
    d->inputs[3] = onnx_put_dims(w, sizes, x->rank);
}

void onnx_form_resize(onnx_writer *w, onnx_draft *d)
{
    const maru_attribute *axes = maru_node_attr(d->node, "axes");
    onnx_draft_drop(d, "axes");
    onnx_draft_drop(d, "antialias");
    onnx_draft_drop(d, "keep_aspect_ratio_policy");
    if (axes && axes->n && axes->n <= MARU_MAX_RANK)
        widen_resize(w, d, axes);
    onnx_put_draft(w, d);
}

/* ---- operators of fewer dtypes ---- */

void onnx_form_range(onnx_writer *w, onnx_draft *d)
{
    const maru_dtype dtype = main_dtype(w, d);
    onnx_draft_drop(d, "stash_type");
    if (dtype == MARU_F16 || dtype == MARU_BF16)
        through(w, d, 0, dtype, MARU_F32);
    else
        onnx_put_draft(w, d);
}

/* ConstantOfShape: the value, as large as is asked. */
void onnx_form_filled(onnx_writer *w, onnx_draft *d)
{
    const maru_attribute *value = maru_node_attr(d->node, "value");
    const char *inputs[2] = {onnx_name(w, value->tensor), d->inputs[0]};
    const onnx_draft expand = {
        .op = "Expand", .inputs = inputs, .n_inputs = 2, .outputs = d->outputs, .n_outputs = 1, .attrs = NULL};
    onnx_put_draft(w, &expand);
}

/* a - floor(a / b) * b, which is Mod of floats since 28. */
void onnx_form_floor_mod(onnx_writer *w, onnx_draft *d)
{
    const char *whole = onnx_put(w, "Floor", onnx_put(w, "Div", d->inputs[0], d->inputs[1]), NULL);
    onnx_put_into(w, "Sub", d->inputs[0], onnx_put(w, "Mul", whole, d->inputs[1]), d->outputs[0]);
}

void onnx_form_identity(onnx_writer *w, onnx_draft *d)
{
    onnx_put_into(w, "Identity", d->inputs[0], NULL, d->outputs[0]);
}

/* ---- other names, other places ---- */

void onnx_form_grid_sample(onnx_writer *w, onnx_draft *d)
{
    const char *mode = maru_node_string(d->node, "mode", "linear");
    const bool is_linear = strcmp(mode, "linear") == 0;
    onnx_draft_text(w, d, "mode", is_linear ? "bilinear" : strcmp(mode, "cubic") == 0 ? "bicubic" : mode);
    onnx_put_draft(w, d);
}

void onnx_form_dft(onnx_writer *w, onnx_draft *d)
{
    int64_t axis = -2;
    const int64_t rank = record_of(w, d->node->inputs[0])->rank;
    onnx_read_list(w->graph, input_of(d, 2), &axis, 1);
    d->n_inputs = d->n_inputs < 2 ? d->n_inputs : 2;
    onnx_draft_int(w, d, "axis", axis < 0 ? axis + rank : axis);
    onnx_put_draft(w, d);
}

/* Said even where it is the default: ONNX's own inference of shapes takes another one (1.23). */
void onnx_form_stft(onnx_writer *w, onnx_draft *d)
{
    onnx_draft_int(w, d, "onesided", maru_node_int(d->node, "onesided", 1));
    onnx_put_draft(w, d);
}

/* ---- quantisation ---- */

/* A zero point says the dtype where output_dtype cannot. */
static const char *put_zero(onnx_writer *w, const maru_value_record *scale, maru_dtype dtype)
{
    int64_t count = 1;
    size_t bytes = 0;
    w->status = maru_dims_count(scale->dims, scale->rank, &count);
    if (w->status == MARU_OK)
        w->status = maru_dtype_tensor_bytes(dtype, scale->dims, scale->rank, &bytes);
    void *zeros = maru_arena_alloc(&w->arena, bytes);
    if (!zeros && w->status == MARU_OK)
        w->status = maru_fail_oom("a zero point");
    const onnx_weight weight = {
        .dtype = dtype, .dims = scale->dims, .rank = scale->rank, .data = zeros, .bytes = bytes};
    return onnx_put_weight(w, "zero", &weight);
}

void onnx_form_quantise(onnx_writer *w, onnx_draft *d)
{
    const maru_dtype to = record_of(w, d->node->outputs[0])->dtype;
    const bool is_quantising = d->node->op->id == MARU_OP_QUANTIZE_LINEAR;
    onnx_draft_drop(d, "precision");
    if (w->opset < 23 && !is_quantising)
        onnx_draft_drop(d, "output_dtype");
    if (w->opset < 21) {
        onnx_draft_drop(d, "block_size");
        onnx_draft_drop(d, "output_dtype");
        if (is_quantising && !input_of(d, 2) && to != MARU_U8) {
            d->inputs[2] = put_zero(w, record_of(w, d->node->inputs[1]), to);
            d->n_inputs = 3;
        }
    }
    if (w->opset < 19)
        onnx_draft_drop(d, "saturate");
    onnx_put_draft(w, d);
}
