// SPDX-FileCopyrightText: The Maru authors
// SPDX-License-Identifier: Apache-2.0

/* Reading and writing one element of any dtype. */

#include "ref/element.h"

#include <math.h>
#include <string.h>

/* A binary float of at most 16 bits. */
typedef struct small_float {
    int mantissa_bits;
    int bias;
    uint16_t sign;
    uint16_t largest;  // the largest finite magnitude
    uint16_t beyond;   // what is beyond it: infinity, or NaN in a format without
    uint16_t nan;
    int is_fnuz;       // no negative zero: its pattern is the NaN
} small_float;

static const small_float formats[] = {
    [MARU_ABI_F16] = {10, 15, 0x8000, 0x7bff, 0x7c00, 0x7e00, 0},
    [MARU_ABI_BF16] = {7, 127, 0x8000, 0x7f7f, 0x7f80, 0x7fc0, 0},
    [MARU_ABI_F8E4M3FN] = {3, 7, 0x80, 0x7e, 0x7f, 0x7f, 0},
    [MARU_ABI_F8E4M3FNUZ] = {3, 8, 0x80, 0x7f, 0x80, 0x80, 1},
    [MARU_ABI_F8E5M2] = {2, 15, 0x80, 0x7b, 0x7c, 0x7f, 0},
    [MARU_ABI_F8E5M2FNUZ] = {2, 16, 0x80, 0x7f, 0x80, 0x80, 1},
    [MARU_ABI_F4E2M1] = {1, 1, 0x8, 0x7, 0x7, 0x8, 0},
};

static double decode(const small_float *f, uint16_t bits)
{
    uint16_t magnitude = bits & (uint16_t)(f->sign - 1);
    const int is_number = magnitude <= f->largest;
    if (f->is_fnuz ? bits == f->nan : !is_number && (magnitude != f->beyond || f->beyond == f->nan))
        return NAN;
    double sign = bits & f->sign ? -1 : 1;
    if (!is_number)
        return sign * INFINITY;
    int exponent = magnitude >> f->mantissa_bits;
    int mantissa = magnitude & ((1 << f->mantissa_bits) - 1);
    mantissa |= exponent ? 1 << f->mantissa_bits : 0;
    return sign * ldexp(mantissa, (exponent ? exponent : 1) - f->bias - f->mantissa_bits);
}

static uint16_t encode(const small_float *f, double value, int saturate)
{
    uint16_t sign = signbit(value) ? f->sign : 0;
    if (isnan(value))
        return f->is_fnuz ? f->nan : sign | f->nan;
    uint16_t beyond = saturate ? f->largest : f->beyond;
    beyond = f->is_fnuz && !saturate ? f->nan : sign | beyond;
    if (isinf(value))
        return beyond;
    // Patterns without sign grow with their values: count units in the last place of the value's binade.
    int exponent = 0;
    (void)frexp(value, &exponent);
    exponent += f->bias - 1; // the stored exponent
    if (exponent < 1 || value == 0)
        exponent = 1;
    if (exponent > 2 * f->bias + 2)
        return beyond;
    double units = rint(ldexp(fabs(value), f->bias + f->mantissa_bits - exponent));
    int pattern = ((exponent - 1) << f->mantissa_bits) + (int)units;
    if (pattern > f->largest)
        return beyond;
    return pattern == 0 && f->is_fnuz ? 0 : sign | (uint16_t)pattern;
}

/* A bare exponent; the format has no sign and no zero. */
static double decode_e8m0(uint8_t bits)
{
    return bits == 0xff ? NAN : ldexp(1, bits - 127);
}

/* What is between two powers goes to the higher (up), the lower (down) or the nearer, ties up. */
static uint8_t encode_e8m0(double value, char mode, int saturate)
{
    int exponent = 0;
    if (isnan(value) || (!saturate && (value == 0 || isinf(value))))
        return 0xff;
    if (isinf(value))
        return 0xfe;
    const double fraction = frexp(fabs(value), &exponent);  // in [0.5, 1)
    if (value == 0 || exponent < -126)
        return 0;
    const int goes_up = mode == 'u' ? fraction > 0.5 : mode == 'n' && fraction >= 0.75;
    exponent += 126 + goes_up;
    return (uint8_t)(exponent < 0xff ? exponent : saturate ? 0xfe : 0xff);
}

/* ---- kinds of dtypes ------------------------------------------------------------- */

int cpu_is_f8(uint32_t dtype)
{
    return dtype >= MARU_ABI_F8E4M3FN && dtype <= MARU_ABI_F8E5M2FNUZ;
}

int cpu_element_bits(uint32_t dtype)
{
    switch (dtype) {
    case MARU_ABI_U4:
    case MARU_ABI_I4:
    case MARU_ABI_F4E2M1: return 4;
    case MARU_ABI_U2:
    case MARU_ABI_I2: return 2;
    default: return 8 * (int)cpu_element_bytes(dtype);
    }
}

int cpu_is_float(uint32_t dtype)
{
    return dtype == MARU_ABI_F32 || dtype == MARU_ABI_F64 || dtype == MARU_ABI_F16 || dtype == MARU_ABI_BF16 ||
           cpu_is_f8(dtype) || dtype == MARU_ABI_F8E8M0 || dtype == MARU_ABI_F4E2M1;
}

int cpu_is_signed(uint32_t dtype)
{
    return dtype == MARU_ABI_I8 || dtype == MARU_ABI_I16 || dtype == MARU_ABI_I32 || dtype == MARU_ABI_I64 ||
           dtype == MARU_ABI_I4 || dtype == MARU_ABI_I2;
}

int cpu_is_unsigned(uint32_t dtype)
{
    return dtype == MARU_ABI_U8 || dtype == MARU_ABI_U16 || dtype == MARU_ABI_U32 || dtype == MARU_ABI_U64 ||
           dtype == MARU_ABI_U4 || dtype == MARU_ABI_U2;
}

size_t cpu_element_bytes(uint32_t dtype)
{
    switch (dtype) {
    case MARU_ABI_F64:
    case MARU_ABI_I64:
    case MARU_ABI_U64: return 8;
    case MARU_ABI_F32:
    case MARU_ABI_I32:
    case MARU_ABI_U32: return 4;
    case MARU_ABI_F16:
    case MARU_ABI_BF16:
    case MARU_ABI_I16:
    case MARU_ABI_U16: return 2;
    case MARU_ABI_U4:
    case MARU_ABI_I4:
    case MARU_ABI_F4E2M1:
    case MARU_ABI_U2:
    case MARU_ABI_I2: return 0;
    default: return 1;
    }
}

/* ---- load and store ----------------------------------------------------------------- */

/* Of dtypes that share a byte: the bits of one element. */
static unsigned load_part(const cpu_tensor *t, int64_t index)
{
    const int bits = cpu_element_bits(t->dtype);
    const int each = 8 / bits;
    return ((const uint8_t *)t->data)[index / each] >> index % each * bits & ((1u << bits) - 1);
}

static void store_part(cpu_tensor *t, int64_t index, unsigned value)
{
    const int bits = cpu_element_bits(t->dtype);
    const int each = 8 / bits;
    const int shift = (int)(index % each) * bits;
    const unsigned mask = ((1u << bits) - 1) << shift;
    uint8_t *byte = (uint8_t *)t->data + index / each;
    *byte = (uint8_t)((*byte & ~mask) | (value << shift & mask));
}

static int64_t load_small_int(const cpu_tensor *t, int64_t index)
{
    const unsigned value = load_part(t, index);
    const unsigned sign = 1u << (cpu_element_bits(t->dtype) - 1);
    return cpu_is_signed(t->dtype) && value & sign ? (int64_t)value - 2 * (int64_t)sign : (int64_t)value;
}

int64_t cpu_truncate(double value)
{
    if (isnan(value))
        return 0;
    if (value >= 0x1p63)
        return INT64_MAX;
    return value <= -0x1p63 ? INT64_MIN : (int64_t)value;
}

double cpu_load(const cpu_tensor *t, int64_t index)
{
    switch (t->dtype) {
    case MARU_ABI_F32: return ((const float *)t->data)[index];
    case MARU_ABI_F64: return ((const double *)t->data)[index];
    case MARU_ABI_U64: return (double)((const uint64_t *)t->data)[index];
    case MARU_ABI_F16:
    case MARU_ABI_BF16: return decode(&formats[t->dtype], ((const uint16_t *)t->data)[index]);
    case MARU_ABI_F4E2M1: return decode(&formats[t->dtype], (uint16_t)load_part(t, index));
    case MARU_ABI_F8E8M0: return decode_e8m0(((const uint8_t *)t->data)[index]);
    default: break;
    }
    if (cpu_is_f8(t->dtype))
        return decode(&formats[t->dtype], ((const uint8_t *)t->data)[index]);
    return (double)cpu_load_int(t, index);
}

int64_t cpu_load_int(const cpu_tensor *t, int64_t index)
{
    switch (t->dtype) {
    case MARU_ABI_I64: return ((const int64_t *)t->data)[index];
    case MARU_ABI_I32: return ((const int32_t *)t->data)[index];
    case MARU_ABI_I16: return ((const int16_t *)t->data)[index];
    case MARU_ABI_I8: return ((const int8_t *)t->data)[index];
    case MARU_ABI_U64: return (int64_t)((const uint64_t *)t->data)[index];
    case MARU_ABI_U32: return ((const uint32_t *)t->data)[index];
    case MARU_ABI_U16: return ((const uint16_t *)t->data)[index];
    case MARU_ABI_U8: return ((const uint8_t *)t->data)[index];
    case MARU_ABI_BOOL: return ((const uint8_t *)t->data)[index] != 0;
    case MARU_ABI_U4:
    case MARU_ABI_I4:
    case MARU_ABI_U2:
    case MARU_ABI_I2: return load_small_int(t, index);
    default: return cpu_truncate(cpu_load(t, index));
    }
}

static void store_narrow(cpu_tensor *t, int64_t index, double value)
{
    ((uint16_t *)t->data)[index] = encode(&formats[t->dtype], value, 0);
}

void cpu_store_f8(cpu_tensor *t, int64_t index, double value, int saturate)
{
    ((uint8_t *)t->data)[index] = (uint8_t)encode(&formats[t->dtype], value, saturate);
}

void cpu_store_e8m0(cpu_tensor *t, int64_t index, double value, char mode, int saturate)
{
    ((uint8_t *)t->data)[index] = encode_e8m0(value, mode, saturate);
}

void cpu_store(cpu_tensor *t, int64_t index, double value)
{
    switch (t->dtype) {
    case MARU_ABI_F32: ((float *)t->data)[index] = (float)value; return;
    case MARU_ABI_F64: ((double *)t->data)[index] = value; return;
    case MARU_ABI_F16:
    case MARU_ABI_BF16: store_narrow(t, index, value); return;
    case MARU_ABI_BOOL: ((uint8_t *)t->data)[index] = value != 0; return;
    case MARU_ABI_F4E2M1: store_part(t, index, isnan(value) ? 8 : encode(&formats[t->dtype], value, 1)); return;
    case MARU_ABI_F8E8M0: cpu_store_e8m0(t, index, value, 'n', 1); return;
    default: break;
    }
    if (cpu_is_f8(t->dtype))
        cpu_store_f8(t, index, value, 1);
    else if (t->dtype == MARU_ABI_U64 && value >= 0x1p63)
        ((uint64_t *)t->data)[index] = value < 0x1p64 ? (uint64_t)rint(value) : UINT64_MAX;
    else
        cpu_store_int(t, index, cpu_truncate(rint(value)));
}

void cpu_store_int(cpu_tensor *t, int64_t index, int64_t value)
{
    switch (t->dtype) {
    case MARU_ABI_I64:
    case MARU_ABI_U64: ((uint64_t *)t->data)[index] = (uint64_t)value; return;
    case MARU_ABI_I32:
    case MARU_ABI_U32: ((uint32_t *)t->data)[index] = (uint32_t)value; return;
    case MARU_ABI_I16:
    case MARU_ABI_U16: ((uint16_t *)t->data)[index] = (uint16_t)value; return;
    case MARU_ABI_I8:
    case MARU_ABI_U8: ((uint8_t *)t->data)[index] = (uint8_t)value; return;
    case MARU_ABI_BOOL: ((uint8_t *)t->data)[index] = value != 0; return;
    case MARU_ABI_U4:
    case MARU_ABI_I4:
    case MARU_ABI_U2:
    case MARU_ABI_I2: store_part(t, index, (unsigned)value); return;
    case MARU_ABI_F32: ((float *)t->data)[index] = (float)value; return; // one rounding, not two
    default: cpu_store(t, index, (double)value); return;
    }
}

/* ---- copies --------------------------------------------------------------------------- */

void cpu_copy_element(cpu_tensor *to, int64_t to_index, const cpu_tensor *from, int64_t from_index)
{
    cpu_copy_elements(to, to_index, from, from_index, 1);
}

void cpu_copy_elements(cpu_tensor *to, int64_t to_index, const cpu_tensor *from, int64_t from_index, int64_t count)
{
    size_t bytes = cpu_element_bytes(to->dtype);
    if (count <= 0)
        return;
    if (bytes) {
        memmove((char *)to->data + (size_t)to_index * bytes, (const char *)from->data + (size_t)from_index * bytes,
                (size_t)count * bytes);
        return;
    }
    for (int64_t i = 0; i < count; i++)
        store_part(to, to_index + i, load_part(from, from_index + i));
}

int64_t cpu_read_ints(const cpu_tensor *t, int64_t *out, int64_t room)
{
    int64_t n = t->count < room ? t->count : room;
    for (int64_t i = 0; i < n; i++)
        out[i] = cpu_load_int(t, i);
    return n;
}
