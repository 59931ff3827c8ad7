// SPDX-FileCopyrightText: The Maru authors
// SPDX-License-Identifier: Apache-2.0

/*
 * Random numbers: the bits of maru.Random, made into a distribution. Its
 * counter is a state that every run of a session increases. A node with a seed
 * draws what the seed, the counter and the element's place give; nodes
 * without one draw from streams of their own.
 */

#include "import/onnx/compose.h"

#include <math.h>
#include <stdint.h>
#include <string.h>

#include "base/dtype.h"
#include "base/fail.h"

#define COUNTER "random.counter"
enum { FIRST_STREAM = 4 };  // those below are the parts of nodes with a seed

/* What one node draws from. */
typedef struct source {
    maru_value shape;
    maru_value counter;
    int64_t seed;
    int64_t part;      // the next stream of a node with a seed
    bool is_seeded;
    bool is_double;    // 53 bits, not 24
} source;

/* ---- the counter ---- */

static bool has_state(const maru_graph *graph, const char *name, maru_value *out)
{
    for (size_t i = 0; i < graph->states.count; i++)
        if (strcmp(graph->states.data[i].name, name) == 0)
            *out = graph->states.data[i].input;
    return *out != MARU_NO_VALUE;
}

/* One for all nodes of the graph; it is 0 in the first run. */
static maru_status find_counter(onnx_node *n, maru_value *out)
{
    maru_graph *graph = n->import->graph;
    maru_value next = MARU_NO_VALUE;
    *out = MARU_NO_VALUE;
    if (has_state(graph, COUNTER, out)) {
        const maru_value_record *v = maru_graph_get(graph, *out);
        if (v->dtype == MARU_I64 && v->rank == 0)
            return MARU_OK;
        return maru_fail(MARU_ALREADY_EXISTS, "state '" COUNTER "' is not one i64");
    }
    MARU_TRY(maru_graph_state(graph, COUNTER, MARU_I64, NULL, 0, NULL, out));
    MARU_TRY(onnx_op_number(n, "Add", *out, 1, &next));
    return maru_graph_set_state(graph, COUNTER, next);
}

/* A seed is a float, or an integer of Dropout: its bits are the key. */
static int64_t seed_of(const onnx_attr *attr)
{
    uint32_t bits = 0;
    if (!attr->has_f)
        return (int64_t)((uint64_t)attr->i & UINT32_MAX);
    memcpy(&bits, &attr->f, sizeof bits);
    return bits;
}

static maru_status open_source(onnx_node *n, maru_value shape, bool is_double, source *out)
{
    const onnx_attr *seed = onnx_attr_find(n, "seed");
    *out = (source){.shape = shape, .is_double = is_double, .is_seeded = seed && (seed->has_f || seed->has_i)};
    out->seed = out->is_seeded ? seed_of(seed) : 0;
    return find_counter(n, &out->counter);
}

/* ---- bits to numbers ---- */

static maru_status draw_bits(onnx_node *n, source *s, maru_value *out)
{
    const maru_value inputs[] = {s->shape, s->counter};
    const int64_t own = (int64_t)n->import->graph->nodes.count + FIRST_STREAM;
    const maru_attribute attrs[] = {MARU_ATTR_I("seed", s->seed), MARU_ATTR_I("stream", s->is_seeded ? s->part : own)};
    s->part++;
    return onnx_add(n, "maru.Random", inputs, 2, attrs, 2, out);
}

/* The upper bits of a word as a number. */
static maru_status draw_upper(onnx_node *n, source *s, unsigned bits, maru_value *out)
{
    const maru_attribute right = MARU_ATTR_S("direction", "RIGHT");
    maru_value pair[2] = {MARU_NO_VALUE, MARU_NO_VALUE};
    MARU_TRY(draw_bits(n, s, &pair[0]));
    MARU_TRY(onnx_scalar_like(n, pair[0], 32 - bits, &pair[1]));
    MARU_TRY(onnx_add(n, "BitShift", pair, 2, &right, 1, out));
    return onnx_cast(n, *out, s->is_double ? MARU_F64 : MARU_F32, out);
}

/* In [0, 1): a whole number of steps of 2^-24, or of 2^-53. */
static maru_status draw_unit(onnx_node *n, source *s, maru_value *out)
{
    maru_value low = MARU_NO_VALUE;
    MARU_TRY(draw_upper(n, s, s->is_double ? 27 : 24, out));
    if (!s->is_double)
        return onnx_op_number(n, "Mul", *out, 0x1p-24, out);
    MARU_TRY(draw_upper(n, s, 26, &low));
    MARU_TRY(onnx_op_number(n, "Mul", *out, 0x1p26, out));
    MARU_TRY(onnx_op2(n, "Add", *out, low, out));
    return onnx_op_number(n, "Mul", *out, 0x1p-53, out);
}

/* In (0, 1]: all 32 bits, so that small numbers, whose logarithms are large, are near each other; or 53. */
static maru_status draw_positive(onnx_node *n, source *s, maru_value *out)
{
    if (s->is_double) {
        MARU_TRY(draw_unit(n, s, out));
        return onnx_op_number(n, "Add", *out, 0x1p-53, out);
    }
    MARU_TRY(draw_upper(n, s, 32, out));
    MARU_TRY(onnx_op_number(n, "Add", *out, 1, out));
    return onnx_op_number(n, "Mul", *out, 0x1p-32, out);
}

/* Box and Muller: sqrt(-2 ln u) cos(2 pi v). */
static maru_status draw_normal(onnx_node *n, source *s, maru_value *out)
{
    maru_value turn = MARU_NO_VALUE;
    MARU_TRY(draw_positive(n, s, out));
    MARU_TRY(draw_unit(n, s, &turn));
    MARU_TRY(onnx_op1(n, "Log", *out, out));
    MARU_TRY(onnx_op_number(n, "Mul", *out, -2, out));
    MARU_TRY(onnx_op1(n, "Sqrt", *out, out));
    MARU_TRY(onnx_op_number(n, "Mul", turn, 2 * acos(-1.0), &turn));
    MARU_TRY(onnx_op1(n, "Cos", turn, &turn));
    return onnx_op2(n, "Mul", *out, turn, out);
}

/* ---- RandomUniform, RandomNormal and their Like ---- */

static maru_status affine(onnx_node *n, maru_value x, double factor, double offset, maru_dtype dtype, maru_value *out)
{
    if (factor != 1)
        MARU_TRY(onnx_op_number(n, "Mul", x, factor, &x));
    if (offset != 0)
        MARU_TRY(onnx_op_number(n, "Add", x, offset, &x));
    return onnx_cast(n, x, dtype, out);
}

static maru_status fill(onnx_node *n, maru_value shape, maru_dtype dtype)
{
    source s;
    maru_value x = MARU_NO_VALUE;
    const bool is_normal = strncmp(n->op, "RandomNormal", 12) == 0;
    const maru_dtype_info *info = maru_dtype_get_info(dtype);
    if (!info || info->kind != MARU_CLASS_FLOAT)
        return maru_fail(MARU_INVALID_ARGUMENT, "%s: dtype %d is no float", n->op, (int)dtype);
    MARU_TRY(open_source(n, shape, dtype == MARU_F64, &s));
    if (is_normal) {
        MARU_TRY(draw_normal(n, &s, &x));
        return affine(n, x, onnx_attr_float(n, "scale", 1), onnx_attr_float(n, "mean", 0), dtype, &n->outputs[0]);
    }
    const double low = onnx_attr_float(n, "low", 0);
    MARU_TRY(draw_unit(n, &s, &x));
    return affine(n, x, onnx_attr_float(n, "high", 1) - low, low, dtype, &n->outputs[0]);
}

static maru_status random_of_shape(onnx_node *n)
{
    size_t rank = 0;
    const int64_t *dims = onnx_attr_ints(n, "shape", &rank);
    maru_value shape = MARU_NO_VALUE;
    MARU_TRY(onnx_ints(n, dims, rank, &shape));
    return fill(n, shape, (maru_dtype)onnx_attr_int(n, "dtype", MARU_F32));
}

static maru_status need_inputs(const onnx_node *n, size_t count)
{
    for (size_t i = 0; i < count; i++)
        if (!onnx_has(n, i))
            return maru_fail(MARU_DATA_LOSS, "input %zu is missing", i);
    return MARU_OK;
}

/* Without a dtype, the input's, if it is one of floats. */
static maru_status random_like(onnx_node *n)
{
    maru_value shape = MARU_NO_VALUE;
    MARU_TRY(need_inputs(n, 1));
    const maru_dtype dtype = onnx_record(n, n->inputs[0])->dtype;
    MARU_TRY(onnx_op1(n, "Shape", n->inputs[0], &shape));
    return fill(n, shape, (maru_dtype)onnx_attr_int(n, "dtype", dtype));
}

/* ---- Bernoulli, Multinomial ---- */

/* A number in [0, 1) for each element of x, in its precision. */
static maru_status draw_like(onnx_node *n, maru_value x, maru_value *out)
{
    source s;
    maru_value shape = MARU_NO_VALUE;
    const bool is_double = onnx_record(n, x)->dtype == MARU_F64;
    MARU_TRY(onnx_op1(n, "Shape", x, &shape));
    MARU_TRY(open_source(n, shape, is_double, &s));
    return draw_unit(n, &s, out);
}

static maru_status bernoulli(onnx_node *n)
{
    maru_value u = MARU_NO_VALUE, p = MARU_NO_VALUE;
    MARU_TRY(need_inputs(n, 1));
    const maru_dtype dtype = onnx_record(n, n->inputs[0])->dtype;
    MARU_TRY(draw_like(n, n->inputs[0], &u));
    MARU_TRY(onnx_cast(n, n->inputs[0], dtype == MARU_F64 ? MARU_F64 : MARU_F32, &p));
    MARU_TRY(onnx_op2(n, "Less", u, p, &u));
    return onnx_cast(n, u, (maru_dtype)onnx_attr_int(n, "dtype", dtype), &n->outputs[0]);
}

/* exp(x - max), added up along the classes. */
static maru_status add_up(onnx_node *n, maru_value x, maru_value *out)
{
    const int64_t last = 1;
    maru_value axes = MARU_NO_VALUE, largest = MARU_NO_VALUE, axis = MARU_NO_VALUE;
    MARU_TRY(onnx_ints(n, &last, 1, &axes));
    MARU_TRY(maru_graph_scalar(n->import->graph, MARU_I64, 1, &axis));
    MARU_TRY(onnx_op2(n, "ReduceMax", x, axes, &largest));
    MARU_TRY(onnx_op2(n, "Sub", x, largest, out));
    MARU_TRY(onnx_op1(n, "Exp", *out, out));
    return onnx_op2(n, "CumSum", *out, axis, out);
}

/* The class drawn is the number of sums that do not lie above u times the last. */
static maru_status multinomial(onnx_node *n)
{
    const maru_dtype dtype = (maru_dtype)onnx_attr_int(n, "dtype", MARU_I32);
    const int64_t samples = onnx_attr_int(n, "sample_size", 1);
    const int64_t last = -1, end = INT64_MAX, axis = 1;
    const maru_attribute flat = MARU_ATTR_I("keepdims", 0);
    maru_value x = MARU_NO_VALUE, total[4] = {MARU_NO_VALUE}, u = MARU_NO_VALUE, shape = MARU_NO_VALUE;
    source s;
    MARU_TRY(need_inputs(n, 1));
    const maru_value_record *v = onnx_record(n, n->inputs[0]);
    if (v->rank != 2 || samples < 0 || (dtype != MARU_I32 && dtype != MARU_I64))
        return maru_fail(MARU_INVALID_ARGUMENT, "Multinomial: rank %u, sample_size %lld or dtype %d makes no sense",
                         v->rank, (long long)samples, (int)dtype);
    const maru_dim dims[] = {v->dims[0], samples};
    const bool is_double = v->dtype == MARU_F64;
    MARU_TRY(maru_graph_shape(n->import->graph, dims, 2, &shape));
    MARU_TRY(onnx_cast(n, n->inputs[0], is_double ? MARU_F64 : MARU_F32, &x));
    MARU_TRY(add_up(n, x, &x));
    total[0] = x;
    MARU_TRY(onnx_ints(n, &last, 1, &total[1]));
    MARU_TRY(onnx_ints(n, &end, 1, &total[2]));
    MARU_TRY(onnx_ints(n, &axis, 1, &total[3]));
    MARU_TRY(onnx_add(n, "Slice", total, 4, NULL, 0, &total[0]));
    MARU_TRY(open_source(n, shape, is_double, &s));
    MARU_TRY(draw_unit(n, &s, &u));
    MARU_TRY(onnx_op2(n, "Mul", u, total[0], &u));
    MARU_TRY(onnx_unsqueeze(n, u, 2, &u));
    MARU_TRY(onnx_unsqueeze(n, x, 1, &x));
    MARU_TRY(onnx_op2(n, "LessOrEqual", x, u, &u));
    MARU_TRY(onnx_cast(n, u, dtype, &u));
    const maru_value reduce[] = {u, total[1]};
    return onnx_add(n, "ReduceSum", reduce, 2, &flat, 1, &n->outputs[0]);
}

/* ---- Dropout ---- */

/* All true, as large as x. */
static maru_status mask_like(onnx_node *n, maru_value x, maru_value *out)
{
    const uint8_t one = 1;
    const int64_t dims[] = {1};
    const maru_constant_source bytes = {.data = &one, .bytes = 1};
    maru_value shape = MARU_NO_VALUE;
    maru_attribute value = {.name = "value", .kind = MARU_ATTR_TENSOR};
    MARU_TRY(maru_graph_constant(n->import->graph, "", MARU_BOOL, dims, 1, &bytes, &value.tensor));
    MARU_TRY(onnx_add(n, "Shape", &x, 1, NULL, 0, &shape));
    return onnx_add(n, "ConstantOfShape", &shape, 1, &value, 1, out);
}

/* A network that is run, not trained, drops nothing. */
static maru_status drop_nothing(onnx_node *n)
{
    MARU_TRY(onnx_add(n, "Identity", n->inputs, 1, NULL, 0, &n->outputs[0]));
    if (n->n_outputs < 2)
        return MARU_OK;
    MARU_TRY(mask_like(n, n->inputs[0], &n->outputs[1]));
    // Before 10 the mask has the dtype of the data.
    const maru_dtype dtype = onnx_record(n, n->inputs[0])->dtype;
    return n->version < 10 ? onnx_cast(n, n->outputs[1], dtype, &n->outputs[1]) : MARU_OK;
}

static maru_status ratio_of(onnx_node *n, maru_dtype dtype, maru_value *out)
{
    if (!onnx_has(n, 1))
        return maru_graph_scalar(n->import->graph, dtype, 0.5, out);
    MARU_TRY(onnx_cast(n, n->inputs[1], dtype, out));
    return onnx_record(n, *out)->rank ? onnx_op1(n, "Squeeze", *out, out) : MARU_OK;
}

/* What is kept is divided by the share that is kept: (y, mask). */
static maru_status drop(onnx_node *n, maru_value *out)
{
    const maru_value x = n->inputs[0];
    const maru_dtype dtype = onnx_record(n, x)->dtype;
    maru_value ratio = MARU_NO_VALUE, keep = MARU_NO_VALUE, one = MARU_NO_VALUE, zero = MARU_NO_VALUE;
    MARU_TRY(draw_like(n, x, &keep));
    MARU_TRY(ratio_of(n, onnx_record(n, keep)->dtype, &ratio));
    MARU_TRY(onnx_op2(n, "GreaterOrEqual", keep, ratio, &out[1]));
    MARU_TRY(onnx_scalar_like(n, ratio, 1, &one));
    MARU_TRY(onnx_op2(n, "Sub", one, ratio, &ratio));
    MARU_TRY(onnx_op2(n, "Div", one, ratio, &ratio));
    MARU_TRY(onnx_cast(n, ratio, dtype, &ratio));
    MARU_TRY(onnx_op2(n, "Mul", x, ratio, &out[0]));
    MARU_TRY(onnx_scalar_like(n, x, 0, &zero));
    return onnx_op3(n, "Where", out[1], out[0], zero, &out[0]);
}

/* Before 7 an attribute says whether it drops. */
static maru_status dropout_1(onnx_node *n)
{
    MARU_TRY(need_inputs(n, 1));
    if (onnx_attr_int(n, "is_test", 0))
        return drop_nothing(n);
    n->n_inputs = 2;
    MARU_TRY(maru_graph_scalar(n->import->graph, MARU_F32, onnx_attr_float(n, "ratio", 0.5), &n->inputs[1]));
    MARU_TRY(drop(n, n->outputs));
    return onnx_cast(n, n->outputs[1], onnx_record(n, n->inputs[0])->dtype, &n->outputs[1]);
}

/* Since 12 an input says whether it drops; it may be computed in the run. */
static maru_status dropout(onnx_node *n)
{
    double is_training = 0;
    maru_value dropped[2] = {MARU_NO_VALUE, MARU_NO_VALUE}, training = MARU_NO_VALUE;
    MARU_TRY(need_inputs(n, 1));
    if (n->version < 12 || !onnx_has(n, 2))
        return drop_nothing(n);
    const bool is_known = onnx_number(n, 2, "training_mode", &is_training) == MARU_OK;
    if (is_known && is_training == 0)
        return drop_nothing(n);
    MARU_TRY(drop(n, dropped));
    n->outputs[0] = dropped[0];
    n->outputs[1] = dropped[1];
    if (is_known)
        return MARU_OK;
    training = n->inputs[2];
    if (onnx_record(n, training)->rank)
        MARU_TRY(onnx_op1(n, "Squeeze", training, &training));
    MARU_TRY(onnx_op3(n, "Where", training, dropped[0], n->inputs[0], &n->outputs[0]));
    MARU_TRY(onnx_op1(n, "Not", training, &training));
    return onnx_op2(n, "Or", training, dropped[1], &n->outputs[1]);
}

const onnx_form onnx_forms_random[] = {
    {"", "RandomUniform", 1, INT16_MAX, random_of_shape},
    {"", "RandomNormal", 1, INT16_MAX, random_of_shape},
    {"", "RandomUniformLike", 1, INT16_MAX, random_like},
    {"", "RandomNormalLike", 1, INT16_MAX, random_like},
    {"", "Bernoulli", 15, INT16_MAX, bernoulli},
    {"", "Multinomial", 7, INT16_MAX, multinomial},
    {"", "Dropout", 1, 6, dropout_1},
    {"", "Dropout", 7, INT16_MAX, dropout},
    {.op = NULL},
};
