// SPDX-FileCopyrightText: The Maru authors
// SPDX-License-Identifier: Apache-2.0

/* Ops whose every output element is one input element by a rule of positions, or a constant. */

#include "ref/data.h"

#include <string.h>

/* Sets one element to 0 of any dtype. */
static void clear(cpu_tensor *t, int64_t index)
{
    cpu_store_int(t, index, 0);
}

/* ---- Pad ------------------------------------------------------------------------------ */

enum { CONSTANT, REFLECT, EDGE, WRAP };

/* The place in [0, n) that a place outside stands for; -1: the constant. */
static int64_t inside(int64_t at, int64_t n, int mode)
{
    if (at >= 0 && at < n)
        return at;
    if (mode == CONSTANT || n == 0)
        return -1;
    if (mode == EDGE)
        return at < 0 ? 0 : n - 1;
    int64_t period = mode == WRAP ? n : 2 * (n - 1);
    if (period == 0)
        return 0;
    at = (at % period + period) % period;
    return at < n ? at : period - at;
}

/* How much stands before each axis; negative cuts. */
static maru_abi_status read_pads(cpu_call *c, int64_t *out_begin)
{
    const cpu_tensor *pads = &c->in[1];
    int has_axes = cpu_has(c, 3);
    int64_t n = has_axes ? c->in[3].count : c->in[0].rank;
    memset(out_begin, 0, CPU_MAX_RANK * sizeof *out_begin);
    if (pads->count != 2 * n)
        return cpu_bad_value(c, "pads has %lld elements for %lld axes", (long long)pads->count, (long long)n);
    for (int64_t i = 0; i < n; i++) {
        int64_t axis = cpu_axis(has_axes ? cpu_load_int(&c->in[3], i) : i, c->in[0].rank);
        if (axis < 0 || axis >= c->in[0].rank)
            return cpu_bad_value(c, "axis %lld is out of range for rank %u", (long long)axis, c->in[0].rank);
        out_begin[axis] = cpu_load_int(pads, i);
    }
    return MARU_ABI_OK;
}

static int pad_mode(const cpu_call *c)
{
    const char *mode = cpu_attr_string(&c->attrs, "mode", "constant");
    if (strcmp(mode, "reflect") == 0)
        return REFLECT;
    if (strcmp(mode, "edge") == 0)
        return EDGE;
    return strcmp(mode, "wrap") == 0 ? WRAP : CONSTANT;
}

maru_abi_status cpu_ref_pad(cpu_call *c)
{
    const cpu_tensor *in = &c->in[0];
    int64_t begin[CPU_MAX_RANK];
    int64_t strides[CPU_MAX_RANK];
    int64_t position[CPU_MAX_RANK];
    int mode = pad_mode(c);
    maru_abi_status status = read_pads(c, begin);
    if (status != MARU_ABI_OK)
        return status;
    cpu_strides(in, strides);
    for (int64_t i = 0; i < c->out[0].count; i++) {
        int64_t at = 0;
        cpu_position(&c->out[0], i, position);
        for (uint32_t d = 0; d < in->rank && at >= 0; d++) {
            int64_t place = inside(position[d] - begin[d], in->dims[d], mode);
            at = place < 0 ? -1 : at + place * strides[d];
        }
        if (at >= 0)
            cpu_copy_element(&c->out[0], i, in, at);
        else if (cpu_has(c, 2) && c->in[2].count > 0)
            cpu_copy_element(&c->out[0], i, &c->in[2], 0);
        else
            clear(&c->out[0], i);
    }
    return MARU_ABI_OK;
}

/* ---- Slice ------------------------------------------------------------------------------ */

/* Starts are clamped into the axis, from where the output's dims count. */
static int64_t clamp_start(int64_t start, int64_t step, int64_t dim)
{
    start += start < 0 ? dim : 0;
    int64_t last = step > 0 ? dim : dim - 1;
    return start < 0 ? 0 : start > last ? last : start;
}

static maru_abi_status read_slices(cpu_call *c, int64_t *out_start, int64_t *out_step)
{
    const cpu_tensor *in = &c->in[0];
    for (uint32_t d = 0; d < in->rank; d++) {
        out_start[d] = 0;
        out_step[d] = 1;
    }
    for (int64_t i = 0; i < c->in[1].count; i++) {
        int64_t given = cpu_has(c, 3) ? cpu_load_int(&c->in[3], i) : i;
        int64_t axis = cpu_axis(given, in->rank);
        if (axis < 0 || axis >= in->rank)
            return cpu_bad_value(c, "axis %lld is out of range for rank %u", (long long)given, in->rank);
        out_step[axis] = cpu_has(c, 4) ? cpu_load_int(&c->in[4], i) : 1;
        if (out_step[axis] == 0)
            return cpu_bad_value(c, "the step of axis %lld is 0", (long long)axis);
        out_start[axis] = clamp_start(cpu_load_int(&c->in[1], i), out_step[axis], in->dims[axis]);
    }
    return MARU_ABI_OK;
}

maru_abi_status cpu_ref_slice(cpu_call *c)
{
    const cpu_tensor *in = &c->in[0];
    int64_t start[CPU_MAX_RANK];
    int64_t step[CPU_MAX_RANK];
    int64_t strides[CPU_MAX_RANK];
    int64_t position[CPU_MAX_RANK];
    maru_abi_status status = read_slices(c, start, step);
    if (status != MARU_ABI_OK)
        return status;
    cpu_strides(in, strides);
    for (int64_t i = 0; i < c->out[0].count; i++) {
        int64_t at = 0;
        cpu_position(&c->out[0], i, position);
        for (uint32_t d = 0; d < in->rank; d++) {
            int64_t place = start[d] + position[d] * step[d];
            if (place < 0 || place >= in->dims[d])
                return cpu_bad_value(c, "place %lld of axis %u is out of range for %lld elements", (long long)place, d,
                                     (long long)in->dims[d]);
            at += place * strides[d];
        }
        cpu_copy_element(&c->out[0], i, in, at);
    }
    return MARU_ABI_OK;
}

/* ---- others --------------------------------------------------------------------------------- */

maru_abi_status cpu_ref_tile(cpu_call *c)
{
    const cpu_tensor *in = &c->in[0];
    int64_t strides[CPU_MAX_RANK];
    int64_t position[CPU_MAX_RANK];
    cpu_strides(in, strides);
    for (int64_t i = 0; i < c->out[0].count; i++) {
        int64_t at = 0;
        cpu_position(&c->out[0], i, position);
        for (uint32_t d = 0; d < in->rank; d++)
            at += position[d] % in->dims[d] * strides[d];
        cpu_copy_element(&c->out[0], i, in, at);
    }
    return MARU_ABI_OK;
}

maru_abi_status cpu_ref_trilu(cpu_call *c)
{
    const cpu_tensor *in = &c->in[0];
    int64_t k = cpu_has(c, 1) && c->in[1].count ? cpu_load_int(&c->in[1], 0) : 0;
    int is_upper = cpu_attr_int(&c->attrs, "upper", 1) != 0;
    int64_t rows = in->dims[in->rank - 2];
    int64_t columns = in->dims[in->rank - 1];
    for (int64_t i = 0; i < c->out[0].count; i++) {
        int64_t column = i % columns;
        int64_t row = i / columns % rows;
        if (is_upper ? column - row >= k : column - row <= k)
            cpu_copy_element(&c->out[0], i, in, i);
        else
            clear(&c->out[0], i);
    }
    return MARU_ABI_OK;
}

/* The channel of a deep tensor that holds the element (i, j) of a block of channel `channel`. */
static int64_t deep_channel(const cpu_call *c, int64_t channel, int64_t n_channels, int64_t i, int64_t j)
{
    int64_t block = cpu_attr_int(&c->attrs, "blocksize", 1);
    int is_crd = strcmp(cpu_attr_string(&c->attrs, "mode", "DCR"), "CRD") == 0;
    int64_t within = i * block + j;
    return is_crd ? channel * block * block + within : within * n_channels + channel;
}

/* For each element of the tensor with wide planes, the one of the tensor with deep channels. */
static int64_t deep_index(const cpu_call *c, const cpu_tensor *wide, const cpu_tensor *deep, int64_t index)
{
    int64_t block = cpu_attr_int(&c->attrs, "blocksize", 1);
    int64_t at[CPU_MAX_RANK];
    cpu_position(wide, index, at);
    int64_t channel = deep_channel(c, at[1], wide->dims[1], at[2] % block, at[3] % block);
    return ((at[0] * deep->dims[1] + channel) * deep->dims[2] + at[2] / block) * deep->dims[3] + at[3] / block;
}

static maru_abi_status check_blocks(cpu_call *c, const cpu_tensor *wide, const cpu_tensor *deep)
{
    int64_t block = cpu_attr_int(&c->attrs, "blocksize", 1);
    if (wide->rank != 4 || deep->rank != 4 || block < 1 || deep->dims[1] != wide->dims[1] * block * block ||
        wide->dims[2] != deep->dims[2] * block || wide->dims[3] != deep->dims[3] * block)
        return cpu_bad_value(c, "the dims do not fit blocks of %lld", (long long)block);
    return MARU_ABI_OK;
}

maru_abi_status cpu_ref_depth_to_space(cpu_call *c)
{
    maru_abi_status status = check_blocks(c, &c->out[0], &c->in[0]);
    for (int64_t i = 0; status == MARU_ABI_OK && i < c->out[0].count; i++)
        cpu_copy_element(&c->out[0], i, &c->in[0], deep_index(c, &c->out[0], &c->in[0], i));
    return status;
}

maru_abi_status cpu_ref_space_to_depth(cpu_call *c)
{
    maru_abi_status status = check_blocks(c, &c->in[0], &c->out[0]);
    for (int64_t i = 0; status == MARU_ABI_OK && i < c->in[0].count; i++)
        cpu_copy_element(&c->out[0], deep_index(c, &c->in[0], &c->out[0], i), &c->in[0], i);
    return status;
}
