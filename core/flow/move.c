// SPDX-FileCopyrightText: The Maru authors
// SPDX-License-Identifier: Apache-2.0
#include "flow/flow_impl.h"

#include <inttypes.h>
#include <string.h>

#include "base/dtype.h"
#include "base/fail.h"
#include "import/strings.h"

bool flow_dims(const maru_item *item, const int64_t **out_dims, uint32_t *out_rank)
{
    const maru_tensor *t = maru_item_get_tensor(item);
    const maru_strings *s = maru_item_get_text(item);
    if (!t && !s)
        return false;
    *out_dims = t ? t->dims : s->dims;
    *out_rank = t ? t->rank : s->rank;
    return true;
}

maru_status flow_axis(int64_t axis, uint32_t rank, uint32_t *out_axis)
{
    const int64_t at = axis < 0 ? axis + (int64_t)rank : axis;
    if (at < 0 || at >= (int64_t)rank)
        return maru_fail(MARU_INVALID_ARGUMENT, "axis %" PRId64 " is outside of rank %u", axis, rank);
    *out_axis = (uint32_t)at;
    return MARU_OK;
}

static int64_t product(const int64_t *dims, uint32_t first, uint32_t end)
{
    int64_t n = 1;
    for (uint32_t d = first; d < end; d++)
        n *= dims[d];
    return n;
}

/* Bytes of `count` elements that follow each other; formats that share bytes must share none at the border. */
static maru_status bytes_of(maru_dtype dtype, int64_t count, size_t *out)
{
    const maru_dtype_info *info = maru_dtype_get_info(dtype);
    if (count % info->block_elements)
        return maru_fail(MARU_UNSUPPORTED, "%" PRId64 " elements of %s begin or end within a byte", count,
                         info->name);
    *out = (size_t)(count / info->block_elements) * info->block_bytes;
    return MARU_OK;
}

/* ---- slices ---- */

static maru_status slice_tensor(const maru_tensor *from, uint32_t axis, int64_t begin, maru_file_value *to,
                                const int64_t *dims, uint32_t rank, int64_t length)
{
    const int64_t inner = product(from->dims, axis + 1, from->rank);
    const int64_t outer = product(from->dims, 0, axis);
    size_t unit = 0;
    size_t run = 0;
    size_t stride = 0;
    MARU_TRY(bytes_of(from->dtype, inner * begin, &unit));
    MARU_TRY(bytes_of(from->dtype, inner * length, &run));
    MARU_TRY(bytes_of(from->dtype, inner * from->dims[axis], &stride));
    MARU_TRY(maru_tensor_create(from->dtype, dims, rank, &to->tensor));
    for (int64_t o = 0; run && o < outer; o++)
        memcpy((char *)to->tensor.data + (size_t)o * run, (const char *)from->data + (size_t)o * stride + unit, run);
    return MARU_OK;
}

static maru_status slice_text(const maru_strings *from, uint32_t axis, int64_t begin, maru_file_value *to,
                              const int64_t *dims, uint32_t rank, int64_t length)
{
    const int64_t inner = product(from->dims, axis + 1, from->rank);
    const int64_t outer = product(from->dims, 0, axis);
    to->is_strings = true;
    for (int64_t o = 0; o < outer; o++) {
        for (int64_t i = 0; i < length * inner; i++) {
            const char *text = from->items[(o * from->dims[axis] + begin) * inner + i];
            MARU_TRY(maru_strings_add(&to->strings, text, strlen(text), "text"));
        }
    }
    to->strings.rank = rank;
    memcpy(to->strings.dims, dims, rank * sizeof *dims);
    return MARU_OK;
}

maru_status flow_slice(const maru_item *item, uint32_t axis, int64_t begin, int64_t length, bool squeeze,
                       maru_item **out_item)
{
    const int64_t *from = NULL;
    uint32_t rank = 0;
    uint32_t n = 0;
    int64_t dims[MARU_MAX_RANK];
    maru_file_value value = {0};
    if (!flow_dims(item, &from, &rank) || axis >= rank || begin < 0 || length > from[axis] - begin)
        return maru_fail(MARU_INVALID_ARGUMENT, "elements %" PRId64 " to %" PRId64 " of axis %u are not there", begin,
                         begin + length, axis);
    for (uint32_t d = 0; d < rank; d++)
        if (d != axis || !squeeze)
            dims[n++] = d == axis ? length : from[d];
    const maru_tensor *t = maru_item_get_tensor(item);
    const maru_status status = t ? slice_tensor(t, axis, begin, &value, dims, n, length)
                                 : slice_text(maru_item_get_text(item), axis, begin, &value, dims, n, length);
    if (status == MARU_OK)
        return maru_item_take(&value, out_item);
    maru_file_value_fini(&value);
    return status;
}

/* ---- joining ---- */

static maru_status fail_unlike(size_t index)
{
    return maru_fail(MARU_INVALID_ARGUMENT, "item %zu is of another kind, dtype, rank or size than the first", index);
}

/* The axis within each item, 1 where they are stacked; *out_total is the sum. */
static maru_status check_alike(maru_item *const *items, size_t n, uint32_t axis, bool stack, int64_t *out_total)
{
    const int64_t *first = NULL;
    const int64_t *dims = NULL;
    uint32_t first_rank = 0;
    uint32_t rank = 0;
    const maru_tensor *t = maru_item_get_tensor(items[0]);
    *out_total = 0;
    if (!flow_dims(items[0], &first, &first_rank))
        return fail_unlike(0);
    for (size_t i = 0; i < n; i++) {
        const maru_tensor *x = maru_item_get_tensor(items[i]);
        if (!flow_dims(items[i], &dims, &rank) || rank != first_rank || (x == NULL) != (t == NULL) ||
            (x && x->dtype != t->dtype))
            return fail_unlike(i);
        for (uint32_t d = 0; d < rank; d++)
            if (dims[d] != first[d] && (stack || d != axis))
                return fail_unlike(i);
        *out_total += stack ? 1 : dims[axis];
    }
    return MARU_OK;
}

static maru_status join_tensors(maru_item *const *items, size_t n, uint32_t axis, const int64_t *dims, uint32_t rank,
                                maru_file_value *to)
{
    const maru_dtype dtype = maru_item_get_tensor(items[0])->dtype;
    const int64_t outer = product(dims, 0, axis);
    size_t stride = 0;
    size_t at = 0;
    MARU_TRY(bytes_of(dtype, product(dims, axis, rank), &stride));
    MARU_TRY(maru_tensor_create(dtype, dims, rank, &to->tensor));
    for (size_t i = 0; i < n; i++) {
        const maru_tensor *t = maru_item_get_tensor(items[i]);
        size_t run = 0;
        MARU_TRY(bytes_of(dtype, product(t->dims, axis, t->rank), &run));
        for (int64_t o = 0; run && o < outer; o++)
            memcpy((char *)to->tensor.data + (size_t)o * stride + at, (const char *)t->data + (size_t)o * run, run);
        at += run;
    }
    return MARU_OK;
}

static maru_status join_text(maru_item *const *items, size_t n, uint32_t axis, const int64_t *dims, uint32_t rank,
                             maru_file_value *to)
{
    const int64_t outer = product(dims, 0, axis);
    to->is_strings = true;
    for (int64_t o = 0; o < outer; o++) {
        for (size_t i = 0; i < n; i++) {
            const maru_strings *s = maru_item_get_text(items[i]);
            const int64_t run = product(s->dims, axis, s->rank);
            for (int64_t k = 0; k < run; k++)
                MARU_TRY(maru_strings_add(&to->strings, s->items[o * run + k], strlen(s->items[o * run + k]), "text"));
        }
    }
    to->strings.rank = rank;
    memcpy(to->strings.dims, dims, rank * sizeof *dims);
    return MARU_OK;
}

/* What lies behind `axis` in an item follows itself in the result, whether the axis is a new one or not. */
maru_status flow_join(maru_item *const *items, size_t n, uint32_t axis, bool stack, maru_item **out_item)
{
    const int64_t *first = NULL;
    uint32_t first_rank = 0;
    uint32_t rank = 0;
    int64_t total = 0;
    int64_t dims[MARU_MAX_RANK];
    maru_file_value value = {0};
    if (n == 0)
        return maru_fail(MARU_INVALID_ARGUMENT, "there is nothing to join");
    if (!flow_dims(items[0], &first, &first_rank) || first_rank + stack > MARU_MAX_RANK || axis >= first_rank + stack)
        return maru_fail(MARU_INVALID_ARGUMENT, "items of rank %u cannot be joined along axis %u", first_rank, axis);
    MARU_TRY(check_alike(items, n, axis, stack, &total));
    for (uint32_t d = 0; d < first_rank; d++) {
        if (d == axis && stack)
            dims[rank++] = total;
        dims[rank++] = d == axis && !stack ? total : first[d];
    }
    if (stack && axis == first_rank)
        dims[rank++] = total;
    const maru_status status = maru_item_get_tensor(items[0]) ? join_tensors(items, n, axis, dims, rank, &value)
                                                              : join_text(items, n, axis, dims, rank, &value);
    if (status == MARU_OK)
        return maru_item_take(&value, out_item);
    maru_file_value_fini(&value);
    return status;
}
