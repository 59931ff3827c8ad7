// SPDX-FileCopyrightText: The Maru authors
// SPDX-License-Identifier: Apache-2.0
#include <maru/tensor.h>

#include "base/dtype.h"
#include "base/fail.h"
#include "base/size.h"

#include <stdlib.h>
#include <string.h>

enum { DATA_ALIGNMENT = 64 };

/* Everything but the data. */
static maru_status describe(maru_dtype dtype, const int64_t *dims, uint32_t rank, maru_tensor *out)
{
    *out = (maru_tensor){0};
    if (rank > MARU_MAX_RANK)
        return maru_fail(MARU_INVALID_ARGUMENT, "rank %u is beyond the largest, %d", (unsigned)rank, MARU_MAX_RANK);
    size_t bytes = 0;
    MARU_TRY(maru_dtype_tensor_bytes(dtype, dims, rank, &bytes));
    out->dtype = dtype;
    out->rank = rank;
    out->bytes = bytes;
    if (rank)
        memcpy(out->dims, dims, rank * sizeof *dims);
    return MARU_OK;
}

maru_status maru_tensor_create(maru_dtype dtype, const int64_t *dims, uint32_t rank, maru_tensor *out_tensor)
{
    maru_tensor tensor;
    *out_tensor = (maru_tensor){0};
    MARU_TRY(describe(dtype, dims, rank, &tensor));
    size_t padded = 0;
    // calloc and not aligned_alloc: large tensors are then fresh pages, zero without being touched.
    tensor.owner = maru_add_size(tensor.bytes, DATA_ALIGNMENT, &padded) ? calloc(1, padded) : NULL;
    if (!tensor.owner)
        return maru_fail(MARU_RESOURCE_EXHAUSTED, "out of memory: tensor of %zu bytes", tensor.bytes);
    uintptr_t address = (uintptr_t)tensor.owner;
    tensor.data = (char *)tensor.owner + (DATA_ALIGNMENT - address % DATA_ALIGNMENT) % DATA_ALIGNMENT;
    *out_tensor = tensor;
    return MARU_OK;
}

maru_status maru_tensor_wrap(maru_dtype dtype, const int64_t *dims, uint32_t rank, void *data, size_t bytes,
                             maru_tensor *out_tensor)
{
    maru_tensor tensor;
    *out_tensor = (maru_tensor){0};
    MARU_TRY(describe(dtype, dims, rank, &tensor));
    if (bytes != tensor.bytes)
        return maru_fail(MARU_INVALID_ARGUMENT, "a %s tensor of these dims has %zu bytes, not %zu",
                         maru_dtype_name(dtype), tensor.bytes, bytes);
    if (!data && bytes)
        return maru_fail(MARU_INVALID_ARGUMENT, "a tensor of %zu bytes cannot wrap NULL", bytes);
    tensor.data = data;
    *out_tensor = tensor;
    return MARU_OK;
}

void maru_tensor_destroy(maru_tensor *tensor)
{
    free(tensor->owner);
    *tensor = (maru_tensor){0};
}

int64_t maru_tensor_count(const maru_tensor *tensor)
{
    if (tensor->dtype == MARU_DTYPE_NONE)
        return 0;
    int64_t count = 1;
    for (uint32_t i = 0; i < tensor->rank; i++)
        count *= tensor->dims[i];
    return count;
}

double maru_tensor_get_f64(const maru_tensor *tensor, int64_t index)
{
    return maru_dtype_load_f64(tensor->dtype, tensor->data, index);
}

void maru_tensor_set_f64(maru_tensor *tensor, int64_t index, double value)
{
    maru_dtype_store_f64(tensor->dtype, tensor->data, index, value);
}
