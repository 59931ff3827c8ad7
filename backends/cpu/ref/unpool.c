// SPDX-FileCopyrightText: The Maru authors
// SPDX-License-Identifier: Apache-2.0

/* What puts windows back where they came from: MaxUnpool, Col2Im; and TfIdfVectorizer, whose windows are n-grams. */

#include "ref/window.h"

#include <math.h>
#include <string.h>

static void fill_zero(cpu_tensor *y)
{
    for (int64_t i = 0; i < y->count; i++) {
        if (cpu_is_float(y->dtype))
            cpu_store(y, i, 0);
        else
            cpu_store_int(y, i, 0);
    }
}

static void read_ints(const cpu_attrs *attrs, const char *name, uint32_t n, int64_t fallback, int64_t *out)
{
    uint32_t given = 0;
    const int64_t *list = cpu_attr_ints(attrs, name, &given);
    for (uint32_t i = 0; i < n; i++)
        out[i] = list && i < given ? list[i] : fallback;
}

/* ---- MaxUnpool ---- */

/* Indices count in the size that the window makes; output_shape may be larger, or smaller. */
static maru_abi_status ref_max_unpool(cpu_call *c)
{
    const cpu_tensor *x = &c->in[0];
    cpu_tensor *y = &c->out[0];
    const uint32_t n = x->rank - 2;
    int64_t kernel[CPU_MAX_SPATIAL], stride[CPU_MAX_SPATIAL], pads[2 * CPU_MAX_SPATIAL], dims[CPU_MAX_SPATIAL];
    read_ints(&c->attrs, "kernel_shape", n, 1, kernel);
    read_ints(&c->attrs, "strides", n, 1, stride);
    read_ints(&c->attrs, "pads", 2 * n, 0, pads);
    for (uint32_t d = 0; d < n; d++)
        dims[d] = (x->dims[d + 2] - 1) * stride[d] - pads[d] - pads[d + n] + kernel[d];
    double elements = (double)(x->dims[0] * x->dims[1]);
    for (uint32_t d = 0; d < n; d++)
        elements *= (double)dims[d];
    if (elements > 1e18)
        return cpu_bad_value(c, "the unpooled tensor would have %g elements", elements);
    const int64_t size = cpu_box_size(dims, n);
    fill_zero(y);
    for (int64_t i = 0; i < x->count; i++) {
        int64_t rest = cpu_load_int(&c->in[1], i);
        if (rest < 0 || size < 1 || rest / size >= x->dims[0] * x->dims[1])
            return cpu_bad_value(c, "index %lld is outside the unpooled tensor", (long long)rest);
        int64_t at = rest / size;
        int64_t block = size;
        int is_inside = 1;
        for (uint32_t d = 0; d < n; d++) {
            rest %= block;
            block /= dims[d];
            is_inside = is_inside && rest / block < y->dims[d + 2];
            at = at * y->dims[d + 2] + rest / block;
        }
        if (is_inside)
            cpu_store(y, at, cpu_load(x, i));
    }
    return MARU_ABI_OK;
}

/* ---- Col2Im ---- */

typedef struct columns {
    uint32_t n;
    int64_t block[CPU_MAX_SPATIAL], stride[CPU_MAX_SPATIAL], dilation[CPU_MAX_SPATIAL];
    int64_t pads[2 * CPU_MAX_SPATIAL], count[CPU_MAX_SPATIAL];  // of block positions
} columns;

/* The position whose block has its element k at p, or -1. */
static int64_t block_at(const columns *v, const int64_t *p, const int64_t *k)
{
    int64_t at = 0;
    for (uint32_t d = 0; d < v->n; d++) {
        const int64_t q = p[d] + v->pads[d] - k[d] * v->dilation[d];
        if (q < 0 || q % v->stride[d] != 0 || q / v->stride[d] >= v->count[d])
            return -1;
        at = at * v->count[d] + q / v->stride[d];
    }
    return at;
}

static maru_abi_status ref_col2im(cpu_call *c)
{
    const cpu_tensor *x = &c->in[0];
    cpu_tensor *y = &c->out[0];
    columns v = {.n = y->rank - 2};
    read_ints(&c->attrs, "strides", v.n, 1, v.stride);
    read_ints(&c->attrs, "dilations", v.n, 1, v.dilation);
    read_ints(&c->attrs, "pads", 2 * v.n, 0, v.pads);
    for (uint32_t d = 0; d < v.n; d++) {
        v.block[d] = cpu_load_int(&c->in[2], d);
        const int64_t extent = (v.block[d] - 1) * v.dilation[d] + 1;
        v.count[d] = (y->dims[d + 2] + v.pads[d] + v.pads[d + v.n] - extent) / v.stride[d] + 1;
    }
    if (cpu_box_size(v.count, v.n) != x->dims[2])
        return cpu_bad_value(c, "the input has %lld blocks, the image has room for %lld", (long long)x->dims[2],
                             (long long)cpu_box_size(v.count, v.n));
    const int64_t size = cpu_box_size(y->dims + 2, v.n);
    const int64_t block = cpu_box_size(v.block, v.n);
    for (int64_t plane = 0; size && plane < y->dims[0] * y->dims[1]; plane++) {
        int64_t p[CPU_MAX_SPATIAL] = {0};
        int64_t to = plane * size;
        do {
            double sum = 0;
            int64_t k[CPU_MAX_SPATIAL] = {0};
            int64_t row = plane * block;
            do {
                const int64_t at = block_at(&v, p, k);
                sum += at < 0 ? 0 : cpu_load(x, row * x->dims[2] + at);
                row++;
            } while (cpu_next(k, v.block, v.n));
            cpu_store(y, to++, sum);
        } while (cpu_next(p, y->dims + 2, v.n));
    }
    return MARU_ABI_OK;
}

/* ---- TfIdfVectorizer ---- */

typedef struct ngrams {
    const cpu_tensor *x;
    int64_t first, length;  // the row
    const int64_t *pool, *starts, *indexes;
    uint32_t n_pool, n_starts, n_indexes;
    int64_t max_skip;
} ngrams;

/* How often the n-gram of `size` at `gram` is in the row, with `skip` elements between its own. */
static int64_t count_gram(const ngrams *g, const int64_t *gram, int64_t size, int64_t skip)
{
    int64_t count = 0;
    for (int64_t i = 0; i + (size - 1) * (skip + 1) < g->length; i++) {
        int64_t k = 0;
        while (k < size && cpu_load_int(g->x, g->first + i + k * (skip + 1)) == gram[k])
            k++;
        count += k == size;
    }
    return count;
}

/* The counts of the n-grams of one size into `row` of y; a single element has nothing to skip. */
static void count_size(const ngrams *g, int64_t size, cpu_tensor *y, int64_t row, uint32_t first_gram)
{
    const int64_t end = size < g->n_starts ? g->starts[size] : g->n_pool;
    uint32_t gram = first_gram;
    for (int64_t at = g->starts[size - 1]; at + size <= end && gram < g->n_indexes; at += size, gram++) {
        int64_t count = 0;
        for (int64_t skip = 0; skip <= (size > 1 ? g->max_skip : 0); skip++)
            count += count_gram(g, g->pool + at, size, skip);
        const int64_t to = row * y->dims[y->rank - 1] + g->indexes[gram];
        cpu_store(y, to, cpu_load(y, to) + (double)count);
    }
}

static uint32_t grams_below(const ngrams *g, int64_t size)
{
    uint32_t n = 0;
    for (int64_t s = 1; s < size && s < g->n_starts; s++)
        n += (uint32_t)((g->starts[s] - g->starts[s - 1]) / s);
    return n;
}

static void weigh(cpu_call *c, const ngrams *g)
{
    uint32_t n = 0;
    cpu_tensor *y = &c->out[0];
    const char *mode = cpu_attr_string(&c->attrs, "mode", "TF");
    const double *weights = cpu_attr_floats(&c->attrs, "weights", &n);
    const int64_t width = y->dims[y->rank - 1];
    for (uint32_t k = 0; strcmp(mode, "TF") != 0 && k < g->n_indexes; k++) {
        const double weight = weights && k < n ? weights[k] : 1;
        for (int64_t at = g->indexes[k]; at < y->count; at += width) {
            const double count = cpu_load(y, at);
            cpu_store(y, at, weight * (strcmp(mode, "IDF") == 0 ? fmin(count, 1) : count));
        }
    }
}

static maru_abi_status ref_tf_idf_vectorizer(cpu_call *c)
{
    ngrams g = {.x = &c->in[0], .max_skip = cpu_attr_int(&c->attrs, "max_skip_count", 0)};
    g.pool = cpu_attr_ints(&c->attrs, "pool_int64s", &g.n_pool);
    g.starts = cpu_attr_ints(&c->attrs, "ngram_counts", &g.n_starts);
    g.indexes = cpu_attr_ints(&c->attrs, "ngram_indexes", &g.n_indexes);
    const int64_t least = cpu_attr_int(&c->attrs, "min_gram_length", 1);
    const int64_t most = cpu_attr_int(&c->attrs, "max_gram_length", 1);
    g.length = g.x->dims[g.x->rank - 1];
    fill_zero(&c->out[0]);
    for (int64_t row = 0; g.length && row < g.x->count / g.length; row++) {
        g.first = row * g.length;
        for (int64_t size = least; size <= most && size <= g.n_starts; size++)
            count_size(&g, size, &c->out[0], row, grams_below(&g, size));
    }
    weigh(c, &g);
    return MARU_ABI_OK;
}

const cpu_ref_op cpu_ref_unpool[] = {
    {"MaxUnpool", "", 22, ref_max_unpool, "f i", 0},
    {"Col2Im", "", 18, ref_col2im, "f i i", 0},
    {"TfIdfVectorizer", "", 9, ref_tf_idf_vectorizer, "i", 0},
    {.name = NULL},
};
