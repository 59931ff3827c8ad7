// SPDX-FileCopyrightText: The Maru authors
// SPDX-License-Identifier: Apache-2.0

/* LSTM, GRU and RNN: inputs X, W, R, B, sequence_lens, initial_h, and for an LSTM initial_c and P. */

#include "ref/element.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

/* ---- activations ---- */

typedef struct activation {
    const char *name;
    double (*fn)(double x, double alpha, double beta);
    double alpha, beta;
    int takes_alpha, takes_beta;
} activation;

static double relu(double x, double alpha, double beta)
{
    (void)alpha;
    (void)beta;
    return x > 0 ? x : 0;
}

static double tangent(double x, double alpha, double beta)
{
    (void)alpha;
    (void)beta;
    return tanh(x);
}

static double sigmoid(double x, double alpha, double beta)
{
    (void)alpha;
    (void)beta;
    return 1 / (1 + exp(-x));
}

static double affine(double x, double alpha, double beta)
{
    return alpha * x + beta;
}

static double leaky_relu(double x, double alpha, double beta)
{
    (void)beta;
    return x < 0 ? alpha * x : x;
}

static double thresholded_relu(double x, double alpha, double beta)
{
    (void)beta;
    return x >= alpha ? x : 0;
}

static double scaled_tangent(double x, double alpha, double beta)
{
    return alpha * tanh(beta * x);
}

static double hard_sigmoid(double x, double alpha, double beta)
{
    return fmin(fmax(alpha * x + beta, 0), 1);
}

static double elu(double x, double alpha, double beta)
{
    (void)beta;
    return x < 0 ? alpha * expm1(x) : x;
}

static double softsign(double x, double alpha, double beta)
{
    (void)alpha;
    (void)beta;
    return x / (1 + fabs(x));
}

static double softplus(double x, double alpha, double beta)
{
    (void)alpha;
    (void)beta;
    return fmax(x, 0) + log1p(exp(-fabs(x)));
}

/* With the defaults of the operators of the same names; Affine and ScaledTanh have none of their own. */
static const activation activations[] = {
    {"Relu", relu, 0, 0, 0, 0},
    {"Tanh", tangent, 0, 0, 0, 0},
    {"Sigmoid", sigmoid, 0, 0, 0, 0},
    {"Affine", affine, 1, 0, 1, 1},
    {"LeakyRelu", leaky_relu, 0.01, 0, 1, 0},
    {"ThresholdedRelu", thresholded_relu, 1, 0, 1, 0},
    {"ScaledTanh", scaled_tangent, 1, 1, 1, 1},
    {"HardSigmoid", hard_sigmoid, 0.2, 0.5, 1, 1},
    {"Elu", elu, 1, 0, 1, 0},
    {"Softsign", softsign, 0, 0, 0, 0},
    {"Softplus", softplus, 0, 0, 0, 0},
};

static int find_activation(const char *name, activation *out)
{
    for (size_t i = 0; i < sizeof activations / sizeof *activations; i++) {
        if (strcmp(activations[i].name, name) == 0) {
            *out = activations[i];
            return 1;
        }
    }
    return 0;
}

/* alpha and beta are lists for those functions that take one, in their order. */
static maru_abi_status read_activations(cpu_call *c, const char *const *defaults, uint32_t n, uint32_t directions,
                                        activation *out)
{
    uint32_t n_names = 0, n_alphas = 0, n_betas = 0;
    uint32_t alpha = 0, beta = 0;
    const char *const *names = cpu_attr_strings(&c->attrs, "activations", &n_names);
    const double *alphas = cpu_attr_floats(&c->attrs, "activation_alpha", &n_alphas);
    const double *betas = cpu_attr_floats(&c->attrs, "activation_beta", &n_betas);
    for (uint32_t i = 0; i < n * directions; i++) {
        const char *name = names && i < n_names ? names[i] : defaults[i % n];
        if (!find_activation(name, &out[i]))
            return cpu_bad_value(c, "activation '%.60s' is not known", name);
        if (out[i].takes_alpha && alpha < n_alphas)
            out[i].alpha = alphas[alpha++];
        if (out[i].takes_beta && beta < n_betas)
            out[i].beta = betas[beta++];
    }
    return MARU_ABI_OK;
}

/* ---- one sequence in one direction ---- */

enum { MAX_FUNCTIONS = 3 };

typedef struct recurrent {
    cpu_call *c;
    int64_t gates, directions, steps, batch, inputs, hidden;
    int batch_first;
    int is_coupled;       // LSTM: input_forget
    int resets_after;     // GRU: linear_before_reset
    double clip;
    activation functions[2 * MAX_FUNCTIONS];
    void (*step)(const struct recurrent *r, int64_t direction, const activation *f);
    double *h, *cell;     // the state, and the one after
    double *next_h;
    double *from_x;       // gates x hidden: W x
    double *from_h;       // R h
} recurrent;

static double clipped(const recurrent *r, double x)
{
    return r->clip > 0 ? fmin(fmax(x, -r->clip), r->clip) : x;
}

static double call(const recurrent *r, const activation *f, double x)
{
    return f->fn(clipped(r, x), f->alpha, f->beta);
}

static double bias(const recurrent *r, int64_t direction, int64_t row)
{
    return cpu_has(r->c, 3) ? cpu_load(&r->c->in[3], direction * 2 * r->gates * r->hidden + row) : 0;
}

static double peephole(const recurrent *r, int64_t direction, int64_t which, int64_t unit)
{
    return cpu_has(r->c, 7) ? cpu_load(&r->c->in[7], (direction * 3 + which) * r->hidden + unit) : 0;
}

/* R h + its bias for one row. */
static double recur(const recurrent *r, int64_t direction, int64_t row, const double *h)
{
    const int64_t rows = r->gates * r->hidden;
    double sum = bias(r, direction, rows + row);
    for (int64_t i = 0; i < r->hidden; i++)
        sum += h[i] * cpu_load(&r->c->in[2], (direction * rows + row) * r->hidden + i);
    return sum;
}

static void products(const recurrent *r, int64_t direction, int64_t x_at)
{
    const int64_t rows = r->gates * r->hidden;
    for (int64_t row = 0; row < rows; row++) {
        double sum = bias(r, direction, row);
        for (int64_t i = 0; i < r->inputs; i++)
            sum += cpu_load(&r->c->in[0], x_at + i) * cpu_load(&r->c->in[1], (direction * rows + row) * r->inputs + i);
        r->from_x[row] = sum;
        r->from_h[row] = recur(r, direction, row, r->h);
    }
}

static double gate(const recurrent *r, int64_t which, int64_t unit)
{
    const int64_t row = which * r->hidden + unit;
    return r->from_x[row] + r->from_h[row];
}

/* Gates i, o, f, c; peepholes i, o, f. */
static void step_lstm(const recurrent *r, int64_t d, const activation *f)
{
    for (int64_t u = 0; u < r->hidden; u++) {
        const double old = r->cell[u];
        const double in = call(r, &f[0], gate(r, 0, u) + peephole(r, d, 0, u) * old);
        const double keep = r->is_coupled ? 1 - in : call(r, &f[0], gate(r, 2, u) + peephole(r, d, 2, u) * old);
        r->cell[u] = keep * old + in * call(r, &f[1], gate(r, 3, u));
        const double out = call(r, &f[0], gate(r, 1, u) + peephole(r, d, 1, u) * r->cell[u]);
        r->next_h[u] = out * f[2].fn(r->cell[u], f[2].alpha, f[2].beta);
    }
}

/* Gates z, r, h. */
static void step_gru(const recurrent *r, int64_t d, const activation *f)
{
    for (int64_t u = 0; u < r->hidden; u++)
        r->next_h[u] = call(r, &f[0], gate(r, 1, u)) * r->h[u];  // the reset state
    for (int64_t u = 0; u < r->hidden; u++) {
        const int64_t row = 2 * r->hidden + u;
        r->from_h[row] = r->resets_after ? call(r, &f[0], gate(r, 1, u)) * r->from_h[row]
                                         : recur(r, d, row, r->next_h);
    }
    for (int64_t u = 0; u < r->hidden; u++) {
        const double z = call(r, &f[0], gate(r, 0, u));
        r->next_h[u] = (1 - z) * call(r, &f[1], gate(r, 2, u)) + z * r->h[u];
    }
}

static void step_rnn(const recurrent *r, int64_t d, const activation *f)
{
    (void)d;
    for (int64_t u = 0; u < r->hidden; u++)
        r->next_h[u] = call(r, &f[0], gate(r, 0, u));
}

static int64_t state_at(const recurrent *r, int64_t d, int64_t b)
{
    return (r->batch_first ? b * r->directions + d : d * r->batch + b) * r->hidden;
}

static void store(const recurrent *r, uint32_t output, int64_t at, const double *from)
{
    if (output >= r->c->n_out || !r->c->out[output].dtype)
        return;
    for (int64_t u = 0; u < r->hidden; u++)
        cpu_store(&r->c->out[output], at + u, from ? from[u] : 0);
}

static void load(const recurrent *r, uint32_t input, int64_t at, double *to)
{
    for (int64_t u = 0; u < r->hidden; u++)
        to[u] = cpu_has(r->c, input) ? cpu_load(&r->c->in[input], at + u) : 0;
}

static void run_sequence(const recurrent *r, int64_t d, int64_t b, int is_reverse, int64_t length)
{
    load(r, 5, state_at(r, d, b), r->h);
    load(r, 6, state_at(r, d, b), r->cell);
    for (int64_t i = 0; i < r->steps; i++) {
        const int64_t t = is_reverse && i < length ? length - 1 - i : i;
        const int64_t x_row = r->batch_first ? b * r->steps + t : t * r->batch + b;
        const int64_t y_row = r->batch_first ? (b * r->steps + t) * r->directions + d
                                             : (t * r->directions + d) * r->batch + b;
        if (i < length) {
            products(r, d, x_row * r->inputs);
            r->step(r, d, r->functions + d * MAX_FUNCTIONS);
            memcpy(r->h, r->next_h, (size_t)r->hidden * sizeof *r->h);
        }
        store(r, 0, y_row * r->hidden, i < length ? r->h : NULL);
    }
    store(r, 1, state_at(r, d, b), r->h);
    store(r, 2, state_at(r, d, b), r->cell);
}

/* ---- all ---- */

static maru_abi_status run_directions(recurrent *r)
{
    const char *direction = cpu_attr_string(&r->c->attrs, "direction", "forward");
    for (int64_t b = 0; b < r->batch; b++) {
        const int64_t length = cpu_has(r->c, 4) ? cpu_load_int(&r->c->in[4], b) : r->steps;
        if (length < 0 || length > r->steps)
            return cpu_bad_value(r->c, "sequence %lld has length %lld, there are %lld steps", (long long)b,
                                 (long long)length, (long long)r->steps);
        for (int64_t d = 0; d < r->directions; d++)
            run_sequence(r, d, b, d == 1 || strcmp(direction, "reverse") == 0, length);
    }
    return MARU_ABI_OK;
}

static maru_abi_status run(recurrent *r, cpu_call *c, const char *const *defaults, uint32_t n_functions)
{
    activation read[2 * MAX_FUNCTIONS];
    r->c = c;
    r->directions = c->in[2].dims[0];
    r->hidden = c->in[2].dims[2];
    r->batch_first = cpu_attr_int(&c->attrs, "layout", 0) != 0;
    r->steps = c->in[0].dims[r->batch_first ? 1 : 0];
    r->batch = c->in[0].dims[r->batch_first ? 0 : 1];
    r->inputs = c->in[0].dims[2];
    r->clip = cpu_attr_float(&c->attrs, "clip", 0);
    maru_abi_status status = read_activations(c, defaults, n_functions, (uint32_t)r->directions, read);
    if (status != MARU_ABI_OK)
        return status;
    for (uint32_t i = 0; i < n_functions * (uint32_t)r->directions; i++)
        r->functions[i / n_functions * MAX_FUNCTIONS + i % n_functions] = read[i];
    const size_t n = (size_t)r->hidden;
    double *room = calloc(3 + 2 * (size_t)r->gates, n * sizeof *room);
    if (!room)
        return MARU_ABI_RESOURCE_EXHAUSTED;
    r->h = room;
    r->cell = room + n;
    r->next_h = room + 2 * n;
    r->from_x = room + 3 * n;
    r->from_h = room + (3 + (size_t)r->gates) * n;
    status = run_directions(r);
    free(room);
    return status;
}

static maru_abi_status ref_lstm(cpu_call *c)
{
    static const char *const defaults[] = {"Sigmoid", "Tanh", "Tanh"};
    recurrent r = {.gates = 4, .step = step_lstm, .is_coupled = cpu_attr_int(&c->attrs, "input_forget", 0) != 0};
    return run(&r, c, defaults, 3);
}

static maru_abi_status ref_gru(cpu_call *c)
{
    static const char *const defaults[] = {"Sigmoid", "Tanh"};
    recurrent r = {.gates = 3, .step = step_gru,
                   .resets_after = cpu_attr_int(&c->attrs, "linear_before_reset", 0) != 0};
    return run(&r, c, defaults, 2);
}

static maru_abi_status ref_rnn(cpu_call *c)
{
    static const char *const defaults[] = {"Tanh"};
    recurrent r = {.gates = 1, .step = step_rnn};
    return run(&r, c, defaults, 1);
}

/* ---- LinearAttention: a state of keys x values per head, updated step by step ---- */

typedef struct linear {
    cpu_call *c;
    int64_t steps, q_heads, heads, keys, values;
    double scale;
    int is_gated, is_delta, decay_per_key;
    double *state;  // keys x values
} linear;

static void update_state(const linear *l, int64_t row, int64_t head)
{
    const cpu_tensor *in = l->c->in;
    const double beta = !l->is_delta ? 1
                      : cpu_load(&in[5], in[5].dims[2] == 1 ? row : row * l->heads + head);
    for (int64_t k = 0; l->is_gated && k < l->keys; k++) {
        const int64_t at = row * l->heads + head;
        const double kept = exp(cpu_load(&in[4], l->decay_per_key ? at * l->keys + k : at));
        for (int64_t v = 0; v < l->values; v++)
            l->state[k * l->values + v] *= kept;
    }
    for (int64_t v = 0; v < l->values; v++) {
        double value = cpu_load(&in[2], (row * l->heads + head) * l->values + v);
        for (int64_t k = 0; l->is_delta && k < l->keys; k++)
            value -= l->state[k * l->values + v] * cpu_load(&in[1], (row * l->heads + head) * l->keys + k);
        for (int64_t k = 0; k < l->keys; k++)
            l->state[k * l->values + v] += beta * value * cpu_load(&in[1], (row * l->heads + head) * l->keys + k);
    }
}

static void read_out(const linear *l, int64_t row, int64_t q_head)
{
    if (!l->c->out[0].dtype)
        return;
    for (int64_t v = 0; v < l->values; v++) {
        double sum = 0;
        for (int64_t k = 0; k < l->keys; k++)
            sum += cpu_load(&l->c->in[0], (row * l->q_heads + q_head) * l->keys + k) * l->state[k * l->values + v];
        cpu_store(&l->c->out[0], (row * l->q_heads + q_head) * l->values + v, l->scale * sum);
    }
}

static void run_head(const linear *l, int64_t b, int64_t head)
{
    const int64_t group = l->q_heads / l->heads;
    const int64_t size = l->keys * l->values;
    const int64_t first = (b * l->heads + head) * size;
    for (int64_t i = 0; i < size; i++)
        l->state[i] = cpu_has(l->c, 3) ? cpu_load(&l->c->in[3], first + i) : 0;
    for (int64_t t = 0; t < l->steps; t++) {
        update_state(l, b * l->steps + t, head);
        for (int64_t q = head * group; q < (head + 1) * group; q++)
            read_out(l, b * l->steps + t, q);
    }
    for (int64_t i = 0; l->c->n_out > 1 && l->c->out[1].dtype && i < size; i++)
        cpu_store(&l->c->out[1], first + i, l->state[i]);
}

static maru_abi_status ref_linear_attention(cpu_call *c)
{
    const char *rule = cpu_attr_string(&c->attrs, "update_rule", "gated_delta");
    linear l = {.c = c, .steps = c->in[0].dims[1], .scale = cpu_attr_float(&c->attrs, "scale", 0)};
    l.q_heads = cpu_attr_int(&c->attrs, "q_num_heads", 1);
    l.heads = cpu_attr_int(&c->attrs, "kv_num_heads", 1);
    l.keys = c->in[0].dims[2] / l.q_heads;
    l.values = c->in[2].dims[2] / l.heads;
    l.is_gated = strncmp(rule, "gated", 5) == 0;
    l.is_delta = strstr(rule, "delta") != NULL;
    l.decay_per_key = l.is_gated && c->in[4].dims[2] != l.heads;
    l.scale = l.scale == 0 ? 1 / sqrt((double)l.keys) : l.scale;
    l.state = calloc((size_t)(l.keys * l.values) + 1, sizeof *l.state);
    if (!l.state)
        return MARU_ABI_RESOURCE_EXHAUSTED;
    for (int64_t b = 0; b < c->in[0].dims[0]; b++)
        for (int64_t head = 0; head < l.heads; head++)
            run_head(&l, b, head);
    free(l.state);
    return MARU_ABI_OK;
}

const cpu_ref_op cpu_ref_recurrent[] = {
    {"LSTM", "", 22, ref_lstm, "f f f f i f", 0},
    {"GRU", "", 22, ref_gru, "f f f f i f", 0},
    {"RNN", "", 22, ref_rnn, "f f f f i f", 0},
    {"LinearAttention", "", 27, ref_linear_attention, "f", 0},
    {.name = NULL},
};
