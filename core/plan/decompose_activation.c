// SPDX-FileCopyrightText: The Maru authors
// SPDX-License-Identifier: Apache-2.0
#include "plan/decompose.h"

#include <math.h>
#include <string.h>

/* Short names for this file: bodies read like their formulas. */
#define ADD(x, y) maru_body_op2(b, "Add", x, y)
#define SUB(x, y) maru_body_op2(b, "Sub", x, y)
#define MUL(x, y) maru_body_op2(b, "Mul", x, y)
#define DIV(x, y) maru_body_op2(b, "Div", x, y)
#define MAX(x, y) maru_body_op2(b, "Max", x, y)
#define MIN(x, y) maru_body_op2(b, "Min", x, y)
#define EXP(x) maru_body_op1(b, "Exp", x)
#define C(value) maru_body_scalar(b, x, value)
#define ATTR(name) maru_node_float(b->node, name, 0)

static maru_value sigmoid_of(maru_body *b, maru_value x)
{
    return maru_body_op1(b, "Reciprocal", ADD(C(1), EXP(maru_body_op1(b, "Neg", x))));
}

/* ln(1 + e^x) = max(x, 0) + ln(1 + e^-|x|), which does not overflow. */
static maru_value softplus_of(maru_body *b, maru_value x)
{
    const maru_value small = EXP(maru_body_op1(b, "Neg", maru_body_op1(b, "Abs", x)));
    return ADD(MAX(x, C(0)), maru_body_op1(b, "Log", ADD(C(1), small)));
}

static maru_value where(maru_body *b, const char *compare, maru_value x, double bound, maru_value yes, maru_value no)
{
    return maru_body_op3(b, "Where", maru_body_op2s(b, compare, x, bound), yes, no);
}

MARU_BODY(cast_like)
{
    b->out[0] = maru_body_cast(b, b->in[0], maru_body_dtype(b, b->in[1]));
}

MARU_BODY(sum)
{
    maru_value x = b->in[0];
    for (uint32_t i = 1; i < b->node->n_inputs; i++)
        x = ADD(x, b->in[i]);
    b->out[0] = x;
}

MARU_BODY(mean)
{
    maru_body_sum(b);
    const maru_value x = b->out[0];
    b->out[0] = DIV(x, C(b->node->n_inputs));
}

MARU_BODY(relu)
{
    const maru_value x = b->in[0];
    b->out[0] = MAX(x, C(0));
}

MARU_BODY(sigmoid)
{
    b->out[0] = sigmoid_of(b, b->in[0]);
}

MARU_BODY(hard_sigmoid)
{
    const maru_value x = b->in[0];
    b->out[0] = MAX(C(0), MIN(C(1), ADD(MUL(x, C(ATTR("alpha"))), C(ATTR("beta")))));
}

MARU_BODY(hard_swish)
{
    const maru_value x = b->in[0];
    b->out[0] = MUL(x, MAX(C(0), MIN(C(1), ADD(MUL(x, C(1.0 / 6)), C(0.5)))));
}

MARU_BODY(swish)
{
    const maru_value x = b->in[0];
    b->out[0] = MUL(x, sigmoid_of(b, MUL(x, C(ATTR("alpha")))));
}

MARU_BODY(swiglu)
{
    const maru_attribute alpha = MARU_ATTR_F("alpha", ATTR("alpha"));
    b->out[0] = MUL(maru_body_node(b, "Swish", b->in, 1, &alpha, 1), b->in[1]);
}

MARU_BODY(gelu)
{
    const maru_value x = b->in[0];
    const maru_value half = MUL(x, C(0.5));
    if (strcmp(maru_node_string(b->node, "approximate", "none"), "tanh") == 0) {
        const maru_value cube = MUL(MUL(x, x), x);
        const maru_value inner = MUL(C(0.79788456080286535588), ADD(x, MUL(C(0.044715), cube)));
        b->out[0] = MUL(half, ADD(C(1), maru_body_op1(b, "Tanh", inner)));
        return;
    }
    b->out[0] = MUL(half, ADD(C(1), maru_body_op1(b, "Erf", MUL(x, C(0.70710678118654752440)))));
}

MARU_BODY(leaky_relu)
{
    const maru_value x = b->in[0];
    b->out[0] = where(b, "Less", x, 0, MUL(x, C(ATTR("alpha"))), x);
}

MARU_BODY(prelu)
{
    const maru_value x = b->in[0];
    b->out[0] = where(b, "Less", x, 0, MUL(x, b->in[1]), x);
}

MARU_BODY(elu)
{
    const maru_value x = b->in[0];
    b->out[0] = where(b, "Less", x, 0, MUL(C(ATTR("alpha")), SUB(EXP(x), C(1))), x);
}

MARU_BODY(selu)
{
    const maru_value x = b->in[0];
    const maru_value low = MUL(C(ATTR("alpha")), SUB(EXP(x), C(1)));
    b->out[0] = MUL(C(ATTR("gamma")), where(b, "Greater", x, 0, x, low));
}

MARU_BODY(celu)
{
    const maru_value x = b->in[0];
    const double alpha = ATTR("alpha");
    const maru_value low = MUL(C(alpha), SUB(EXP(DIV(x, C(alpha))), C(1)));
    b->out[0] = ADD(MAX(C(0), x), MIN(C(0), low));
}

MARU_BODY(softplus)
{
    b->out[0] = softplus_of(b, b->in[0]);
}

MARU_BODY(softsign)
{
    const maru_value x = b->in[0];
    b->out[0] = DIV(x, ADD(C(1), maru_body_op1(b, "Abs", x)));
}

MARU_BODY(mish)
{
    const maru_value x = b->in[0];
    b->out[0] = MUL(x, maru_body_op1(b, "Tanh", softplus_of(b, x)));
}

MARU_BODY(thresholded_relu)
{
    const maru_value x = b->in[0];
    b->out[0] = where(b, "Greater", x, ATTR("alpha"), x, C(0));
}

/* min(max(x, low), high): where low > high the result is high. */
MARU_BODY(clip)
{
    maru_value x = b->in[0];
    if (maru_body_has(b, 1))
        x = MAX(x, b->in[1]);
    if (maru_body_has(b, 2))
        x = MIN(x, b->in[2]);
    b->out[0] = x == b->in[0] ? maru_body_op1(b, "Identity", x) : x;
}
