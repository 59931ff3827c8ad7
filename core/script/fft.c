// SPDX-FileCopyrightText: The Maru authors
// SPDX-License-Identifier: Apache-2.0
#include "script/fft.h"

#include <math.h>
#include <stdint.h>
#include <string.h>

static const double pi = 3.14159265358979323846;

static size_t inner_length(size_t n)
{
    size_t inner = 1;
    if ((n & (n - 1)) == 0)
        return n;
    while (inner < 2 * n - 1)
        inner *= 2;
    return inner;
}

size_t maru_fft_room(size_t n)
{
    const size_t inner = inner_length(n);
    return inner == n ? inner + 2 : inner + 2 + 2 * n + 4 * inner;
}

/* ---- powers of two ---- */

static void put_in_order(double *data, size_t n)
{
    size_t to = 0;
    for (size_t from = 0; from < n; from++) {
        if (from < to) {
            for (size_t part = 0; part < 2; part++) {
                const double kept = data[2 * from + part];
                data[2 * from + part] = data[2 * to + part];
                data[2 * to + part] = kept;
            }
        }
        size_t bit = n / 2;
        for (; bit && (to & bit); bit /= 2)
            to ^= bit;
        to |= bit;
    }
}

static void forward(const double *twiddles, double *data, size_t n)
{
    put_in_order(data, n);
    for (size_t half = 1; half < n; half *= 2) {
        const size_t step = n / (2 * half);
        for (size_t first = 0; first < n; first += 2 * half) {
            for (size_t k = 0; k < half; k++) {
                const double *w = &twiddles[2 * k * step];
                double *a = &data[2 * (first + k)];
                double *b = a + 2 * half;
                const double re = b[0] * w[0] - b[1] * w[1];
                const double im = b[0] * w[1] + b[1] * w[0];
                b[0] = a[0] - re;
                b[1] = a[1] - im;
                a[0] += re;
                a[1] += im;
            }
        }
    }
}

/* ---- other lengths ---- */

/* to = a * b; to may be either. */
static void multiply(double *to, const double *a, const double *b, size_t n)
{
    for (size_t k = 0; k < n; k++) {
        const double re = a[2 * k] * b[2 * k] - a[2 * k + 1] * b[2 * k + 1];
        const double im = a[2 * k] * b[2 * k + 1] + a[2 * k + 1] * b[2 * k];
        to[2 * k] = re;
        to[2 * k + 1] = im;
    }
}

static void conjugate(double *data, size_t n)
{
    for (size_t k = 0; k < n; k++)
        data[2 * k + 1] = -data[2 * k + 1];
}

/* jk = (j^2 + k^2 - (k - j)^2) / 2: the transform is a chirp times the convolution of chirps. */
static void forward_any(const maru_fft *fft, double *data)
{
    double *work = fft->work;
    memset(work, 0, 2 * fft->n_inner * sizeof *work);
    multiply(work, data, fft->chirp, fft->n);
    forward(fft->twiddles, work, fft->n_inner);
    multiply(work, work, fft->filter, fft->n_inner);
    conjugate(work, fft->n_inner);
    forward(fft->twiddles, work, fft->n_inner);
    for (size_t k = 0; k < 2 * fft->n; k++)
        work[k] /= (double)fft->n_inner;
    conjugate(work, fft->n);
    multiply(data, work, fft->chirp, fft->n);
}

static void init_chirp(maru_fft *fft)
{
    const size_t n = fft->n;
    memset(fft->filter, 0, 2 * fft->n_inner * sizeof *fft->filter);
    for (size_t k = 0; k < n; k++) {
        // Of k^2 only the rest by 2n matters, and only that keeps its digits.
        const double angle = pi * (double)((uint64_t)k * k % (2 * n)) / (double)n;
        double *c = &fft->chirp[2 * k];
        c[0] = cos(angle);
        c[1] = -sin(angle);
        for (int side = 0; side < 2; side++) {
            const size_t at = side == 0 ? k : (fft->n_inner - k) % fft->n_inner;
            fft->filter[2 * at] = c[0];
            fft->filter[2 * at + 1] = -c[1];
        }
    }
    forward(fft->twiddles, fft->filter, fft->n_inner);
}

void maru_fft_init(maru_fft *fft, size_t n, double *room)
{
    const size_t inner = inner_length(n);
    *fft = (maru_fft){.n = n, .n_inner = inner, .twiddles = room};
    for (size_t k = 0; k < inner / 2; k++) {
        const double angle = 2 * pi * (double)k / (double)inner;
        fft->twiddles[2 * k] = cos(angle);
        fft->twiddles[2 * k + 1] = -sin(angle);
    }
    if (inner == n)
        return;
    fft->chirp = room + inner + 2;
    fft->filter = fft->chirp + 2 * n;
    fft->work = fft->filter + 2 * inner;
    init_chirp(fft);
}

void maru_fft_run(const maru_fft *fft, double *data, bool is_inverse)
{
    if (is_inverse)
        conjugate(data, fft->n);
    if (fft->chirp)
        forward_any(fft, data);
    else
        forward(fft->twiddles, data, fft->n);
    for (size_t k = 0; is_inverse && k < fft->n; k++) {
        data[2 * k] /= (double)fft->n;
        data[2 * k + 1] /= -(double)fft->n;
    }
}
