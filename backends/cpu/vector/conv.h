// SPDX-FileCopyrightText: The Maru authors
// SPDX-License-Identifier: Apache-2.0
#ifndef CPU_VECTOR_CONV_H
#define CPU_VECTOR_CONV_H

/* What the ways to a convolution of f32 share. */

#include "vector/tail.h"

enum { ACT_NONE, ACT_RELU, ACT_SIGMOID, ACT_TANH, ACT_LEAKY_RELU, ACT_HARD_SIGMOID, ACT_HARD_SWISH, N_ACTS };

/* Height 1 for one spatial axis. */
typedef struct conv {
    const cpu_team *team;
    const float *x, *w, *bias;
    float *y;
    int64_t images, groups;
    int64_t in, out;                // channels of a group
    int64_t height, width;          // of the input
    int64_t out_height, out_width;
    int64_t kernel_h, kernel_w;
    int64_t stride_h, stride_w, dilation_h, dilation_w, begin_h, begin_w;
    int64_t pixels;                 // of an output plane
    int64_t depth;                  // elements of a kernel
    int64_t n_parts;                // of the output channels
    int64_t block_rows, n_blocks;   // of an output plane, where each channel has its own kernel
    int act;
    float alpha, beta;
    float *room;
} conv;

static ALWAYS_INLINE vf activate(const conv *c, vf v)
{
    switch (c->act) {
    case ACT_RELU: return v_max(v_set(0), v);
    case ACT_SIGMOID: return v_sigmoid(v);
    case ACT_TANH: return v_tanh(v);
    case ACT_LEAKY_RELU: return v_select(v < 0.0f, v * c->alpha, v);
    case ACT_HARD_SIGMOID: return v_min(v_set(1), v_max(v_set(0), v * c->alpha + c->beta));
    case ACT_HARD_SWISH: return v * v_min(v_set(1), v_max(v_set(0), v * (1.0f / 6) + 0.5f));
    default: return v;
    }
}

static ALWAYS_INLINE vf finish(const conv *c, vf v, int64_t element, int64_t left)
{
    const cpu_tail *tail = c->team->tail;
    v = activate(c, v);
    for (uint32_t s = 0; tail && s < tail->n_steps; s++)
        v = tail_step(&tail->steps[s], v, element, 0, left);
    return v;
}

/* Where each channel of the input has kernels of its own: depthwise.c. Chooses the blocks of rows. */
void VARIANT(cpu_depthwise_plan)(conv *c);
/* Floats of room for a worker. */
int64_t VARIANT(cpu_depthwise_room)(const conv *c);
void VARIANT(cpu_depthwise_run)(const conv *c);

#endif
