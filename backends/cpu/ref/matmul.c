// SPDX-FileCopyrightText: The Maru authors
// SPDX-License-Identifier: Apache-2.0
#include "ref/matmul.h"

#include <math.h>
#include <stdlib.h>

#include "ref/block.h"

/* MatMul, Gemm and the product with block-quantised weights: one dot product after the other. */

/* Integer products wrap as two's complement does, which unsigned arithmetic gives. */
static void dot(const cpu_tensor *a, int64_t a_at, int64_t a_step, const cpu_tensor *b, int64_t b_at, int64_t b_step,
                int64_t n, double *out_real, int64_t *out_int)
{
    if (cpu_is_float(a->dtype)) {
        double sum = 0;
        for (int64_t k = 0; k < n; k++)
            sum += cpu_load(a, a_at + k * a_step) * cpu_load(b, b_at + k * b_step);
        *out_real = sum;
        return;
    }
    uint64_t sum = 0;
    for (int64_t k = 0; k < n; k++)
        sum += (uint64_t)cpu_load_int(a, a_at + k * a_step) * (uint64_t)cpu_load_int(b, b_at + k * b_step);
    *out_int = (int64_t)sum;
}

int64_t cpu_batch_offset(const cpu_tensor *y, uint32_t n_batch, const cpu_tensor *t, int64_t index)
{
    const uint32_t own = t->rank > 2 ? t->rank - 2 : 0;
    int64_t offset = 0;
    int64_t stride = t->rank > 1 ? t->dims[t->rank - 1] * t->dims[t->rank - 2] : t->count;
    for (uint32_t d = 0; d < n_batch; d++) {
        const int64_t size = y->dims[n_batch - 1 - d];
        const int64_t at = index % size;
        index /= size;
        if (d >= own)
            continue;
        const int64_t dim = t->dims[own - 1 - d];
        offset += dim == 1 ? 0 : at * stride;
        stride *= dim;
    }
    return offset;
}

cpu_matmul_dims cpu_read_matmul_dims(const cpu_tensor *a, const cpu_tensor *b, const cpu_tensor *y)
{
    cpu_matmul_dims d = {
        .m = a->rank > 1 ? a->dims[a->rank - 2] : 1,
        .n = b->rank > 1 ? b->dims[b->rank - 1] : 1,
        .k = a->dims[a->rank - 1],
        .n_batch = y->rank - (a->rank > 1) - (b->rank > 1),
    };
    d.batches = d.m > 0 && d.n > 0 ? y->count / (d.m * d.n) : 0;
    return d;
}

int64_t cpu_side_index(const cpu_tensor *y, uint32_t n_batch, const cpu_tensor *t, int64_t index, int64_t at)
{
    if (!t || t->count == 1)
        return 0;
    if (t->rank == 1)
        return at;
    const int64_t side = t->dims[t->rank - 1] * t->dims[t->rank - 2];
    return cpu_batch_offset(y, n_batch, t, index) + (side == 1 ? 0 : at);
}

static maru_abi_status ref_matmul(cpu_call *c)
{
    const cpu_tensor *a = &c->in[0];
    const cpu_tensor *b = &c->in[1];
    cpu_tensor *y = &c->out[0];
    const cpu_matmul_dims d = cpu_read_matmul_dims(a, b, y);
    for (int64_t i = 0; i < d.batches; i++) {
        const int64_t a_at = cpu_batch_offset(y, d.n_batch, a, i);
        const int64_t b_at = cpu_batch_offset(y, d.n_batch, b, i);
        for (int64_t row = 0; row < d.m; row++) {
            for (int64_t column = 0; column < d.n; column++) {
                double real = 0;
                int64_t whole = 0;
                dot(a, a_at + row * d.k, 1, b, b_at + column, d.n, d.k, &real, &whole);
                const int64_t at = (i * d.m + row) * d.n + column;
                if (cpu_is_float(a->dtype))
                    cpu_store(y, at, real);
                else
                    cpu_store_int(y, at, whole);
            }
        }
    }
    return MARU_ABI_OK;
}

/* alpha * A' * B' + beta * C, rounded once. */
static maru_abi_status ref_gemm(cpu_call *c)
{
    const cpu_tensor *a = &c->in[0];
    const cpu_tensor *b = &c->in[1];
    cpu_tensor *y = &c->out[0];
    const int ta = cpu_attr_int(&c->attrs, "transA", 0) != 0;
    const int tb = cpu_attr_int(&c->attrs, "transB", 0) != 0;
    const double alpha = cpu_attr_float(&c->attrs, "alpha", 1);
    const double beta = cpu_attr_float(&c->attrs, "beta", 1);
    const int64_t m = y->dims[0];
    const int64_t n = y->dims[1];
    const int64_t k = a->dims[!ta];
    for (int64_t row = 0; row < m; row++) {
        for (int64_t column = 0; column < n; column++) {
            double real = 0;
            int64_t whole = 0;
            dot(a, ta ? row : row * k, ta ? m : 1, b, tb ? column * k : column, tb ? 1 : n, k, &real, &whole);
            double value = alpha * (cpu_is_float(a->dtype) ? real : (double)whole);
            if (cpu_has(c, 2)) {
                const cpu_tensor *bias = &c->in[2];
                const int64_t rows = bias->rank > 1 ? bias->dims[0] : 1;
                const int64_t columns = bias->rank ? bias->dims[bias->rank - 1] : 1;
                value += beta * cpu_load(bias, (rows == 1 ? 0 : row) * columns + (columns == 1 ? 0 : column));
            }
            if (cpu_is_float(y->dtype))
                cpu_store(y, row * n + column, value);
            else
                cpu_store_int(y, row * n + column, (int64_t)value);
        }
    }
    return MARU_ABI_OK;
}

/* x (..., k) times the rows of W (n, k), each row a run of blocks. */
static maru_abi_status ref_block_matmul(cpu_call *c)
{
    const cpu_tensor *x = &c->in[0];
    const cpu_tensor *w = &c->in[1];
    cpu_tensor *y = &c->out[0];
    const int64_t n = w->dims[0];
    const int64_t k = w->dims[1];
    const int64_t rows = k ? x->count / k : 0;
    double block[CPU_MAX_BLOCK];
    const int64_t size = cpu_block_elements(w->dtype);
    for (int64_t row = 0; row < rows; row++) {
        for (int64_t column = 0; column < n; column++) {
            double sum = 0;
            for (int64_t first = 0; first < k; first += size) {
                cpu_block_decode(w->dtype, w->data, (column * k + first) / size, block);
                for (int64_t i = 0; i < size; i++)
                    sum += cpu_load(x, row * k + first + i) * block[i];
            }
            cpu_store(y, row * n + column, sum);
        }
    }
    return MARU_ABI_OK;
}

/* By elimination with the largest pivot of each column; `a` is overwritten. */
static double determinant(double *a, int64_t n)
{
    double det = 1;
    for (int64_t k = 0; k < n && det != 0; k++) {
        int64_t pivot = k;
        for (int64_t row = k + 1; row < n; row++)
            pivot = fabs(a[row * n + k]) > fabs(a[pivot * n + k]) ? row : pivot;
        for (int64_t i = k; pivot != k && i < n; i++) {
            const double swapped = a[k * n + i];
            a[k * n + i] = a[pivot * n + i];
            a[pivot * n + i] = -swapped;  // an exchange of rows turns the sign
        }
        det *= a[k * n + k];
        for (int64_t row = k + 1; det != 0 && row < n; row++)
            for (int64_t i = n; i-- > k;)
                a[row * n + i] -= a[row * n + k] / a[k * n + k] * a[k * n + i];
    }
    return det;
}

static maru_abi_status ref_det(cpu_call *c)
{
    const cpu_tensor *x = &c->in[0];
    const int64_t n = x->dims[x->rank - 1];
    double *room = malloc((size_t)(n * n + 1) * sizeof *room);
    if (!room)
        return MARU_ABI_RESOURCE_EXHAUSTED;
    for (int64_t i = 0; i < c->out[0].count; i++) {
        for (int64_t k = 0; k < n * n; k++)
            room[k] = cpu_load(x, i * n * n + k);
        cpu_store(&c->out[0], i, determinant(room, n));
    }
    free(room);
    return MARU_ABI_OK;
}

const cpu_ref_op cpu_ref_matmul[] = {
    {.name = "MatMul", .domain = "", .since_version = 13, .fn = ref_matmul, .dtypes = "fiu fiu"},
    {.name = "Gemm", .domain = "", .since_version = 13, .fn = ref_gemm, .dtypes = "fiu fiu fiu"},
    {.name = "Det", .domain = "", .since_version = 22, .fn = ref_det, .dtypes = "f"},
    {.name = "BlockMatMul", .domain = "maru", .since_version = 1, .fn = ref_block_matmul, .dtypes = "f q"},
    {0},
};
