// SPDX-FileCopyrightText: The Maru authors
// SPDX-License-Identifier: Apache-2.0

/* Operators whose result is a table once their sizes are known: windows, the mel scale, the points of AffineGrid. */

#include "import/onnx/compose.h"

#include <math.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "base/fail.h"

enum { LARGEST_TABLE = 1 << 28 };  // elements

/* The table as a constant, rounded once to `dtype`. Takes `data`, which is NULL where there was no memory. */
static maru_status add_table(onnx_node *n, double *data, const int64_t *dims, uint32_t rank, maru_dtype dtype,
                             maru_value *out)
{
    size_t bytes = sizeof *data;
    maru_value wide = MARU_NO_VALUE;
    for (uint32_t d = 0; d < rank; d++)
        bytes *= (size_t)dims[d];
    const maru_constant_source source = {.data = data, .bytes = bytes};
    maru_status status = data ? maru_graph_constant(n->import->graph, "", MARU_F64, dims, rank, &source, &wide)
                              : maru_fail_oom("a table");
    free(data);
    if (status != MARU_OK || dtype == MARU_F64) {
        *out = wide;
        return status;
    }
    return onnx_cast(n, wide, dtype, out);
}

static double *new_table(int64_t count)
{
    return calloc((size_t)count + 1, sizeof(double));
}

static maru_status read_size(const onnx_node *n, size_t index, const char *what, int64_t *out)
{
    double size = 0;
    MARU_TRY(onnx_number(n, index, what, &size));
    if (!(size >= 0 && size <= LARGEST_TABLE))
        return maru_fail(MARU_OUT_OF_RANGE, "%s is %g", what, size);
    *out = (int64_t)size;
    return MARU_OK;
}

/* ---- windows: a - b cos(t) + c cos(2t) ---- */

static maru_status add_window(onnx_node *n, double a, double b, double c)
{
    int64_t size = 0;
    MARU_TRY(read_size(n, 0, "the size", &size));
    const int64_t period = onnx_attr_int(n, "periodic", 1) ? size : size - 1;
    const maru_dtype dtype = (maru_dtype)onnx_attr_int(n, "output_datatype", MARU_F32);
    const double turn = 2 * acos(-1.0);
    double *table = new_table(size);
    for (int64_t i = 0; table && i < size; i++) {
        const double t = period ? turn * (double)i / (double)period : 0;
        table[i] = a - b * cos(t) + c * cos(2 * t);
    }
    return add_table(n, table, &size, 1, dtype, &n->outputs[0]);
}

static maru_status hann_window(onnx_node *n)
{
    return add_window(n, 0.5, 0.5, 0);
}

static maru_status hamming_window(onnx_node *n)
{
    return add_window(n, 25.0 / 46, 21.0 / 46, 0);
}

static maru_status blackman_window(onnx_node *n)
{
    return add_window(n, 0.42, 0.5, 0.08);
}

/* ---- MelWeightMatrix ---- */

typedef struct mel {
    int64_t n_bands, length, n_bins;
    double rate, low, high;
} mel;

/* The bin of edge `i` of n_bands + 2, which are evenly spaced in mel from the lower edge on. */
static int64_t edge_bin(const mel *m, int64_t i)
{
    const double low = 2595 * log10(1 + m->low / 700);
    const double high = 2595 * log10(1 + m->high / 700);
    const double at = low + (double)i * (high - low) / (double)(m->n_bands + 2);
    const double hertz = 700 * (pow(10, at / 2595) - 1);
    return (int64_t)floor((double)(m->length + 1) * hertz / m->rate);
}

static void put(const mel *m, double *table, int64_t bin, int64_t band, double weight)
{
    if (bin >= 0 && bin < m->n_bins)
        table[bin * m->n_bands + band] = weight;
}

static void fill_band(const mel *m, double *table, int64_t band)
{
    const int64_t low = edge_bin(m, band);
    const int64_t centre = edge_bin(m, band + 1);
    const int64_t high = edge_bin(m, band + 2);
    if (low == centre)
        put(m, table, centre, band, 1);
    for (int64_t bin = low < 0 ? 0 : low; low < centre && bin <= centre && bin < m->n_bins; bin++)
        put(m, table, bin, band, (double)(bin - low) / (double)(centre - low));
    for (int64_t bin = centre < 0 ? 0 : centre; centre < high && bin < high && bin < m->n_bins; bin++)
        put(m, table, bin, band, (double)(high - bin) / (double)(high - centre));
}

static maru_status mel_weight_matrix(onnx_node *n)
{
    mel m = {0};
    MARU_TRY(read_size(n, 0, "num_mel_bins", &m.n_bands));
    MARU_TRY(read_size(n, 1, "dft_length", &m.length));
    MARU_TRY(onnx_number(n, 2, "sample_rate", &m.rate));
    MARU_TRY(onnx_number(n, 3, "lower_edge_hertz", &m.low));
    MARU_TRY(onnx_number(n, 4, "upper_edge_hertz", &m.high));
    m.n_bins = m.length / 2 + 1;
    if (!(m.rate >= 1 && m.low >= 0 && m.high >= m.low && m.high <= 1e9))
        return maru_fail(MARU_INVALID_ARGUMENT, "edges of %g to %g Hz at a rate of %g make no sense", m.low, m.high,
                         m.rate);
    if (m.n_bands > 0 && m.n_bins > LARGEST_TABLE / m.n_bands)
        return maru_fail(MARU_OUT_OF_RANGE, "%lld bins and %lld bands are too many", (long long)m.n_bins,
                         (long long)m.n_bands);
    const int64_t dims[] = {m.n_bins, m.n_bands};
    double *table = new_table(m.n_bins * m.n_bands);
    for (int64_t band = 0; table && band < m.n_bands; band++)
        fill_band(&m, table, band);
    return add_table(n, table, dims, 2, (maru_dtype)onnx_attr_int(n, "output_datatype", MARU_F32), &n->outputs[0]);
}

/* ---- AffineGrid ---- */

/* In [-1, 1]: the centres of the outermost pixels there, or their outer borders. */
static double coordinate(int64_t i, int64_t size, bool aligns)
{
    if (!aligns)
        return (2 * (double)i + 1) / (double)size - 1;
    return size > 1 ? 2 * (double)i / (double)(size - 1) - 1 : 0;
}

/* Rows of (x, y, 1) or (x, y, z, 1), one for each point of the image. */
static maru_status add_points(onnx_node *n, const int64_t *size, size_t axes, maru_dtype dtype, maru_value *out)
{
    const bool aligns = onnx_attr_int(n, "align_corners", 0) != 0;
    int64_t dims[] = {1, (int64_t)axes + 1};
    for (size_t d = 0; d < axes; d++) {
        if (size[d] < 0 || size[d] > LARGEST_TABLE / (dims[0] ? dims[0] : 1))
            return maru_fail(MARU_OUT_OF_RANGE, "a grid with an axis of %lld is too large", (long long)size[d]);
        dims[0] *= size[d];
    }
    double *table = new_table(dims[0] * dims[1]);
    for (int64_t i = 0; table && i < dims[0]; i++) {
        int64_t rest = i;
        for (size_t k = 0; k < axes; k++) {  // the last axis is x
            const int64_t length = size[axes - 1 - k];
            table[i * dims[1] + (int64_t)k] = coordinate(rest % length, length, aligns);
            rest /= length;
        }
        table[i * dims[1] + (int64_t)axes] = 1;
    }
    return add_table(n, table, dims, 2, dtype, out);
}

static maru_status affine_grid(onnx_node *n)
{
    const maru_value_record *theta = onnx_record(n, n->inputs[0]);
    const maru_value_record *shape = onnx_record(n, n->inputs[1]);
    const maru_dtype dtype = theta->dtype;
    const size_t axes = shape->n_elems - 2;
    int64_t size[3] = {0, 0, 0};
    maru_dim dims[5] = {0};
    static const int64_t perm[] = {0, 2, 1};
    const maru_attribute turned = MARU_ATTR_IS("perm", perm, 3);
    maru_value product[2] = {MARU_NO_VALUE, MARU_NO_VALUE};
    if (!shape->elems || (axes != 2 && axes != 3) || theta->rank != 3)
        return maru_fail(MARU_INVALID_ARGUMENT, "the size must be 4 or 5 numbers that are known when the model is "
                         "loaded, and theta have rank 3");
    dims[0] = theta->dims[0];
    for (size_t d = 0; d < axes; d++) {
        if (!maru_expr_is_const(&n->import->graph->exprs, shape->elems[d + 2], &size[d]))
            return maru_fail(MARU_INVALID_ARGUMENT, "axis %zu of the size must be known when the model is loaded", d);
        dims[d + 1] = size[d] < 0 ? 0 : size[d];
    }
    dims[axes + 1] = (maru_dim)axes;
    MARU_TRY(add_points(n, size, axes, dtype, &product[0]));
    MARU_TRY(onnx_add(n, "Transpose", n->inputs, 1, &turned, 1, &product[1]));
    MARU_TRY(onnx_add(n, "MatMul", product, 2, NULL, 0, &product[0]));
    return onnx_reshape(n, product[0], dims, axes + 2, &n->outputs[0]);
}

const onnx_form onnx_forms_table[] = {
    {"", "HannWindow", 17, INT16_MAX, hann_window},
    {"", "HammingWindow", 17, INT16_MAX, hamming_window},
    {"", "BlackmanWindow", 17, INT16_MAX, blackman_window},
    {"", "MelWeightMatrix", 17, INT16_MAX, mel_weight_matrix},
    {"", "AffineGrid", 20, INT16_MAX, affine_grid},
    {.op = NULL},
};
