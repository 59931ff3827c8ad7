// SPDX-FileCopyrightText: The Maru authors
// SPDX-License-Identifier: Apache-2.0
#ifndef CPU_VECTOR_TAIL_H
#define CPU_VECTOR_TAIL_H

/* What is done to the elements of a product before they are stored. */

#include "vector/vec.h"

/* Up to VL of the `n` > 0 elements that are left. */
static ALWAYS_INLINE vf load_some(const float *p, int64_t n)
{
    return n >= VL ? v_load(p) : v_load_n(p, n);
}

static ALWAYS_INLINE void store_some(float *p, vf v, int64_t n)
{
    if (n >= VL)
        v_store(p, v);
    else
        v_store_n(p, v, n);
}

/* One step of a tail for the elements from flat index `element` on, which stand at `column` of their row. */
static ALWAYS_INLINE vf tail_step(const cpu_tail_step *step, vf v, int64_t element, int64_t column, int64_t left)
{
    switch (step->kind) {
    case CPU_TAIL_ADD: return v + load_some(step->addend + element, left);
    case CPU_TAIL_ADD_ROW: return v + load_some(step->addend + column, left);
    case CPU_TAIL_RELU: return v_max(v_set(0), v);
    case CPU_TAIL_GELU: return v_gelu(v);
    case CPU_TAIL_GELU_TANH: return v_gelu_tanh(v);
    case CPU_TAIL_SWISH: return v * v_sigmoid(v * step->alpha);
    case CPU_TAIL_SIGMOID: return v_sigmoid(v);
    case CPU_TAIL_TANH: return v_tanh(v);
    default: return v;
    }
}

#endif
