// SPDX-FileCopyrightText: The Maru authors
// SPDX-License-Identifier: Apache-2.0
#include "base/dtype.h"

#include "base/f8.h"
#include "base/fail.h"
#include "base/half.h"
#include "base/size.h"

#include <inttypes.h>
#include <math.h>
#include <string.h>

#define ROW(id_, name_, kind_, elements, bytes)                                                             \
    [id_] = {.id = id_, .name = name_, .kind = MARU_CLASS_##kind_, .block_elements = elements, .block_bytes = bytes}

/* A row for each dtype at its number; the numbers between have no name. */
static const maru_dtype_info dtypes[] = {
    ROW(MARU_F32, "f32", FLOAT, 1, 4),
    ROW(MARU_U8, "u8", UINT, 1, 1),
    ROW(MARU_I8, "i8", INT, 1, 1),
    ROW(MARU_U16, "u16", UINT, 1, 2),
    ROW(MARU_I16, "i16", INT, 1, 2),
    ROW(MARU_I32, "i32", INT, 1, 4),
    ROW(MARU_I64, "i64", INT, 1, 8),
    ROW(MARU_STRING, "string", STRING, 1, 0),
    ROW(MARU_BOOL, "bool", BOOL, 1, 1),
    ROW(MARU_F16, "f16", FLOAT, 1, 2),
    ROW(MARU_F64, "f64", FLOAT, 1, 8),
    ROW(MARU_U32, "u32", UINT, 1, 4),
    ROW(MARU_U64, "u64", UINT, 1, 8),
    ROW(MARU_BF16, "bf16", FLOAT, 1, 2),
    ROW(MARU_F8E4M3FN, "f8e4m3fn", FLOAT, 1, 1),
    ROW(MARU_F8E4M3FNUZ, "f8e4m3fnuz", FLOAT, 1, 1),
    ROW(MARU_F8E5M2, "f8e5m2", FLOAT, 1, 1),
    ROW(MARU_F8E5M2FNUZ, "f8e5m2fnuz", FLOAT, 1, 1),
    ROW(MARU_U4, "u4", UINT, 2, 1),
    ROW(MARU_I4, "i4", INT, 2, 1),
    ROW(MARU_F4E2M1, "f4e2m1", FLOAT, 2, 1),
    ROW(MARU_F8E8M0, "f8e8m0", FLOAT, 1, 1),
    ROW(MARU_U2, "u2", UINT, 4, 1),
    ROW(MARU_I2, "i2", INT, 4, 1),
    ROW(MARU_Q4_0, "q4_0", BLOCK, 32, 18),
    ROW(MARU_Q4_1, "q4_1", BLOCK, 32, 20),
    ROW(MARU_Q5_0, "q5_0", BLOCK, 32, 22),
    ROW(MARU_Q5_1, "q5_1", BLOCK, 32, 24),
    ROW(MARU_Q8_0, "q8_0", BLOCK, 32, 34),
    ROW(MARU_Q2_K, "q2_k", BLOCK, 256, 84),
    ROW(MARU_Q3_K, "q3_k", BLOCK, 256, 110),
    ROW(MARU_Q4_K, "q4_k", BLOCK, 256, 144),
    ROW(MARU_Q5_K, "q5_k", BLOCK, 256, 176),
    ROW(MARU_Q6_K, "q6_k", BLOCK, 256, 210),
    ROW(MARU_MXFP4, "mxfp4", BLOCK, 32, 17),
};

#undef ROW

enum { N_DTYPES = sizeof dtypes / sizeof *dtypes };

const maru_dtype_info *maru_dtype_get_info(maru_dtype dtype)
{
    size_t i = (size_t)dtype;  // a negative id becomes a large one
    return i < N_DTYPES && dtypes[i].name ? &dtypes[i] : NULL;
}

const char *maru_dtype_name(maru_dtype dtype)
{
    const maru_dtype_info *info = maru_dtype_get_info(dtype);
    return info ? info->name : "?";
}

maru_dtype maru_dtype_from_name(const char *name)
{
    for (size_t i = 0; i < N_DTYPES; i++) {
        if (dtypes[i].name && strcmp(dtypes[i].name, name) == 0)
            return dtypes[i].id;
    }
    return MARU_DTYPE_NONE;
}

maru_status maru_dims_count(const int64_t *dims, size_t rank, int64_t *out_count)
{
    bool has_zero = false;
    for (size_t i = 0; i < rank; i++) {
        if (dims[i] < 0)
            return maru_fail(MARU_INVALID_ARGUMENT, "dim %zu is negative: %" PRId64, i, dims[i]);
        has_zero |= dims[i] == 0;
    }
    int64_t count = has_zero ? 0 : 1;
    for (size_t i = 0; i < rank && !has_zero; i++) {
        if (!maru_mul_i64(count, dims[i], &count))
            return maru_fail(MARU_INVALID_ARGUMENT, "the product of %zu dims overflows at dim %zu (%" PRId64 ")", rank,
                             i, dims[i]);
    }
    *out_count = count;
    return MARU_OK;
}

maru_status maru_dtype_tensor_bytes(maru_dtype dtype, const int64_t *dims, size_t rank, size_t *out_bytes)
{
    const maru_dtype_info *info = maru_dtype_get_info(dtype);
    if (!info || info->kind == MARU_CLASS_STRING)
        return maru_fail(MARU_INVALID_ARGUMENT, "dtype %s (%d) has no size in bytes", maru_dtype_name(dtype),
                         (int)dtype);
    int64_t count = 0;
    MARU_TRY(maru_dims_count(dims, rank, &count));
    if (info->kind == MARU_CLASS_BLOCK && (rank == 0 || dims[rank - 1] % info->block_elements != 0))
        return maru_fail(MARU_INVALID_ARGUMENT, "dtype %s needs a last dim that %" PRIu32 " divides, not %" PRId64,
                         info->name, info->block_elements, rank ? dims[rank - 1] : 1);
    uint64_t blocks = (uint64_t)count / info->block_elements + ((uint64_t)count % info->block_elements != 0);
    size_t bytes = 0;
    if (blocks > SIZE_MAX || !maru_mul_size((size_t)blocks, info->block_bytes, &bytes))
        return maru_fail(MARU_INVALID_ARGUMENT, "%" PRId64 " elements of dtype %s overflow a size", count, info->name);
    *out_bytes = bytes;
    return MARU_OK;
}

/* ---- single elements ---- */

static int element_bits(const maru_dtype_info *info)
{
    return (int)(info->block_bytes * 8 / info->block_elements);
}

/* Bits of one element, zero-extended. Tensors are little-endian, as is every host so far. */
static uint64_t load_bits(const maru_dtype_info *info, const void *data, int64_t index)
{
    const char *bytes = data;
    uint64_t bits = 0;
    if (info->block_elements > 1) {
        const int width = element_bits(info);
        const int shift = (int)(index % info->block_elements) * width;
        return (uint8_t)bytes[index / info->block_elements] >> shift & ((1u << width) - 1);
    }
    switch (info->block_bytes) {
    case 1: memcpy(&bits, bytes + index, 1); break;
    case 2: memcpy(&bits, bytes + index * 2, 2); break;
    case 4: memcpy(&bits, bytes + index * 4, 4); break;
    case 8: memcpy(&bits, bytes + index * 8, 8); break;
    }
    return bits;
}

static void store_bits(const maru_dtype_info *info, void *data, int64_t index, uint64_t bits)
{
    char *bytes = data;
    if (info->block_elements > 1) {
        const int width = element_bits(info);
        const int shift = (int)(index % info->block_elements) * width;
        const unsigned mask = ((1u << width) - 1) << shift;
        char *byte = bytes + index / info->block_elements;
        *byte = (char)(((uint8_t)*byte & ~mask) | ((unsigned)bits << shift & mask));
        return;
    }
    switch (info->block_bytes) {
    case 1: memcpy(bytes + index, &bits, 1); break;
    case 2: memcpy(bytes + index * 2, &bits, 2); break;
    case 4: memcpy(bytes + index * 4, &bits, 4); break;
    case 8: memcpy(bytes + index * 8, &bits, 8); break;
    }
}

static int64_t sign_extend(uint64_t bits, int width)
{
    uint64_t sign = UINT64_C(1) << (width - 1);
    return (int64_t)((bits ^ sign) - sign);
}

static double float_of_bits(maru_dtype dtype, uint64_t bits)
{
    float narrow = 0;
    double wide = 0;
    switch (dtype) {
    case MARU_F16: return maru_f16_to_f32((uint16_t)bits);
    case MARU_BF16: return maru_bf16_to_f32((uint16_t)bits);
    case MARU_F32: memcpy(&narrow, &bits, sizeof narrow); return narrow;
    case MARU_F64: memcpy(&wide, &bits, sizeof wide); return wide;
    default: return maru_f8_to_f32(dtype, (uint8_t)bits);
    }
}

/*
 * The float next to `value` towards zero, its last bit set when inexact:
 * rounding that once more to fewer bits gives what rounding `value` at once
 * would have given.
 */
static float round_to_odd(double value)
{
    float f = (float)value;
    if (isnan(value) || (double)f == value)
        return f;
    uint32_t bits = 0;
    memcpy(&bits, &f, sizeof bits);
    if (fabs((double)f) > fabs(value))
        bits--;
    bits |= 1;
    memcpy(&f, &bits, sizeof f);
    return f;
}

static uint64_t bits_of_float(maru_dtype dtype, double value)
{
    uint64_t bits = 0;
    float narrow = (float)value;
    switch (dtype) {
    case MARU_F16: return maru_f32_to_f16(round_to_odd(value));
    case MARU_BF16: return maru_f32_to_bf16(round_to_odd(value));
    case MARU_F32: memcpy(&bits, &narrow, sizeof narrow); return bits;
    case MARU_F64: memcpy(&bits, &value, sizeof value); return bits;
    default: return maru_f32_to_f8(dtype, round_to_odd(value), true);
    }
}

/* A 64-bit integer rounded once; beyond 2^53 the way through a double would round twice. */
static uint64_t bits_of_integer(maru_dtype dtype, int64_t value)
{
    if (dtype != MARU_F32)
        return bits_of_float(dtype, (double)value);
    uint64_t bits = 0;
    float narrow = (float)value;
    memcpy(&bits, &narrow, sizeof narrow);
    return bits;
}

/* Towards zero; what does not fit becomes the nearest that does, NaN becomes 0. */
static int64_t clamp_to_i64(double value)
{
    if (isnan(value))
        return 0;
    if (value >= 0x1p63)
        return INT64_MAX;
    return value < -0x1p63 ? INT64_MIN : (int64_t)value;
}

static uint64_t clamp_to_int(const maru_dtype_info *info, double value)
{
    int width = element_bits(info);
    if (info->kind == MARU_CLASS_UINT) {
        uint64_t largest = UINT64_MAX >> (64 - width);
        if (!(value > 0))
            return 0;
        return value >= ldexp(1.0, width) ? largest : (uint64_t)value;
    }
    int64_t largest = INT64_MAX >> (64 - width);
    int64_t clamped = clamp_to_i64(value);
    if (clamped > largest)
        clamped = largest;
    return (uint64_t)(clamped < -largest - 1 ? -largest - 1 : clamped);
}

double maru_dtype_load_f64(maru_dtype dtype, const void *data, int64_t index)
{
    const maru_dtype_info *info = maru_dtype_get_info(dtype);
    maru_assert(info && info->kind <= MARU_CLASS_BOOL);
    uint64_t bits = load_bits(info, data, index);
    if (info->kind == MARU_CLASS_FLOAT)
        return float_of_bits(dtype, bits);
    if (info->kind == MARU_CLASS_INT)
        return (double)sign_extend(bits, element_bits(info));
    return info->kind == MARU_CLASS_BOOL ? bits != 0 : (double)bits;
}

void maru_dtype_store_f64(maru_dtype dtype, void *data, int64_t index, double value)
{
    const maru_dtype_info *info = maru_dtype_get_info(dtype);
    maru_assert(info && info->kind <= MARU_CLASS_BOOL);
    uint64_t bits = value != 0;
    if (info->kind == MARU_CLASS_FLOAT)
        bits = bits_of_float(dtype, value);
    else if (info->kind != MARU_CLASS_BOOL)
        bits = clamp_to_int(info, value);
    store_bits(info, data, index, bits);
}

int64_t maru_dtype_load_i64(maru_dtype dtype, const void *data, int64_t index)
{
    const maru_dtype_info *info = maru_dtype_get_info(dtype);
    maru_assert(info && info->kind <= MARU_CLASS_BOOL);
    uint64_t bits = load_bits(info, data, index);
    if (info->kind == MARU_CLASS_FLOAT)
        return clamp_to_i64(float_of_bits(dtype, bits));
    if (info->kind == MARU_CLASS_INT)
        return sign_extend(bits, element_bits(info));
    return info->kind == MARU_CLASS_BOOL ? bits != 0 : (int64_t)bits;
}

void maru_dtype_store_i64(maru_dtype dtype, void *data, int64_t index, int64_t value)
{
    const maru_dtype_info *info = maru_dtype_get_info(dtype);
    maru_assert(info && info->kind <= MARU_CLASS_BOOL);
    uint64_t bits = (uint64_t)value;
    if (info->kind == MARU_CLASS_FLOAT)
        bits = bits_of_integer(dtype, value);
    else if (info->kind == MARU_CLASS_BOOL)
        bits = value != 0;
    store_bits(info, data, index, bits);
}
