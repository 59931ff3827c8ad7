// SPDX-FileCopyrightText: The Maru authors
// SPDX-License-Identifier: Apache-2.0

/* Cast and CastLike. The output's dtype says what to: `to` and the second input were read by who made the graph. */

#include "ref/elementwise.h"

#include <math.h>

/* Towards zero; numbers beyond the integer have no meaning and give the nearest. */
static void store_truncated(cpu_tensor *out, int64_t i, double value)
{
    if (out->dtype == MARU_ABI_U64 && value >= 0x1p63)
        cpu_store_int(out, i, (int64_t)(value < 0x1p64 ? (uint64_t)value : UINT64_MAX));
    else
        cpu_store_int(out, i, cpu_truncate(value));
}

typedef struct rounding {
    int saturate;
    char mode;  // of f8e8m0
} rounding;

static void store_f8(cpu_tensor *out, int64_t i, double value, const rounding *r)
{
    if (out->dtype == MARU_ABI_F8E8M0)
        cpu_store_e8m0(out, i, value, r->mode, r->saturate);
    else
        cpu_store_f8(out, i, value, r->saturate);
}

static int is_f8(uint32_t dtype)
{
    return cpu_is_f8(dtype) || dtype == MARU_ABI_F8E8M0;
}

static void cast_float(const cpu_tensor *in, cpu_tensor *out, int64_t i, const rounding *r)
{
    double value = cpu_load(in, i);
    if (is_f8(out->dtype))
        store_f8(out, i, value, r);
    else if (cpu_is_float(out->dtype) || out->dtype == MARU_ABI_BOOL)
        cpu_store(out, i, value);
    else
        store_truncated(out, i, value);
}

/* Integers lose their high bits; one that is not signed must not look negative to a float. */
static void cast_int(const cpu_tensor *in, cpu_tensor *out, int64_t i, const rounding *r)
{
    int64_t value = cpu_load_int(in, i);
    if (is_f8(out->dtype))
        store_f8(out, i, cpu_load(in, i), r);
    else if (in->dtype == MARU_ABI_U64 && out->dtype == MARU_ABI_F32)
        ((float *)out->data)[i] = (float)(uint64_t)value;
    else if (in->dtype == MARU_ABI_U64 && cpu_is_float(out->dtype))
        cpu_store(out, i, cpu_load(in, i));
    else
        cpu_store_int(out, i, value);
}

maru_abi_status cpu_ref_cast(cpu_call *c)
{
    const rounding r = {
        .saturate = cpu_attr_int(&c->attrs, "saturate", 1) != 0,
        .mode = cpu_attr_string(&c->attrs, "round_mode", "up")[0],
    };
    for (int64_t i = 0; i < c->out[0].count; i++) {
        if (cpu_is_float(c->in[0].dtype))
            cast_float(&c->in[0], &c->out[0], i, &r);
        else
            cast_int(&c->in[0], &c->out[0], i, &r);
    }
    return MARU_ABI_OK;
}
