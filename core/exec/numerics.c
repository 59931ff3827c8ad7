// SPDX-FileCopyrightText: The Maru authors
// SPDX-License-Identifier: Apache-2.0
#include "exec/model_impl.h"

/* Anything below the graph's own precision has to be allowed by name; flags say what may be used on top. */
static const maru_abi_numeric exact[] = {
    {MARU_ABI_F64, MARU_ABI_F64, MARU_ABI_F64, 0},   {MARU_ABI_F32, MARU_ABI_F32, MARU_ABI_F32, 0},
    {MARU_ABI_F16, MARU_ABI_F16, MARU_ABI_F32, 0},   {MARU_ABI_BF16, MARU_ABI_BF16, MARU_ABI_F32, 0},
};
static const maru_abi_numeric fast[] = {
    {MARU_ABI_F64, MARU_ABI_F64, MARU_ABI_F64, 0},
    {MARU_ABI_F32, MARU_ABI_BF16, MARU_ABI_F32, MARU_ABI_NUMERIC_TF32},
    {MARU_ABI_F16, MARU_ABI_BF16, MARU_ABI_F32, 0},
    {MARU_ABI_BF16, MARU_ABI_BF16, MARU_ABI_F32, 0},
};

maru_abi_array maru_model_numerics(maru_numerics numerics)
{
    const maru_abi_numeric *list = numerics == MARU_NUMERICS_FAST ? fast : exact;
    return (maru_abi_array){.data = list, .count = 4, .stride = sizeof *list};
}

/* Bits of the mantissa, with the hidden one, and of the exponent; 0 of what is no float. */
typedef struct width {
    uint32_t dtype;
    uint32_t mantissa;
    uint32_t exponent;
} width;

static width width_of(uint32_t dtype)
{
    static const width widths[] = {
        {MARU_ABI_F64, 53, 11},   {MARU_ABI_F32, 24, 8},        {MARU_ABI_F16, 11, 5},   {MARU_ABI_BF16, 8, 8},
        {MARU_ABI_F8E4M3FN, 4, 4}, {MARU_ABI_F8E4M3FNUZ, 4, 4}, {MARU_ABI_F8E5M2, 3, 5}, {MARU_ABI_F8E5M2FNUZ, 3, 5},
        {MARU_ABI_F8E8M0, 1, 8},  {MARU_ABI_F4E2M1, 2, 2},
    };
    for (size_t i = 0; i < sizeof widths / sizeof *widths; i++)
        if (widths[i].dtype == dtype)
            return widths[i];
    return (width){.dtype = dtype};
}

static bool is_as_wide(uint32_t dtype, uint32_t least)
{
    const width a = width_of(dtype);
    const width b = width_of(least);
    return dtype == least || (a.mantissa >= b.mantissa && a.exponent >= b.exponent && a.mantissa);
}

/* What a dtype that no list names is asked for: its own, and sums in f32. */
static maru_abi_numeric least_of(maru_numerics numerics, uint32_t dtype)
{
    const maru_abi_array list = maru_model_numerics(numerics);
    for (uint32_t i = 0; i < list.count; i++)
        if (MARU_ABI_AT(maru_abi_numeric, list, i)->dtype == dtype)
            return *MARU_ABI_AT(maru_abi_numeric, list, i);
    return (maru_abi_numeric){dtype, dtype, MARU_ABI_F32, 0};
}

bool maru_numeric_is_enough(maru_numerics numerics, const maru_abi_numeric *claim)
{
    const uint32_t lowers = MARU_ABI_NUMERIC_TF32 | MARU_ABI_NUMERIC_FAST_MATH;
    if (width_of(claim->dtype).mantissa == 0)
        return true; // nothing said, or integers, which have no less precise form
    const maru_abi_numeric least = least_of(numerics, claim->dtype);
    if (claim->flags & lowers & ~least.flags)
        return false;
    if (claim->compute != claim->dtype && !is_as_wide(claim->compute, least.compute))
        return false;
    return is_as_wide(claim->accumulator, least.accumulator);
}
