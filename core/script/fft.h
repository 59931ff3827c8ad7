// SPDX-FileCopyrightText: The Maru authors
// SPDX-License-Identifier: Apache-2.0
#ifndef MARU_SCRIPT_FFT_H
#define MARU_SCRIPT_FFT_H

/*
 * Discrete Fourier transforms of any length, in double. Powers of two by
 * decimation in time (Cooley and Tukey, "An algorithm for the machine
 * calculation of complex Fourier series", 1965); other lengths as a
 * convolution of such a length (Bluestein, "A linear filtering approach to the
 * computation of discrete Fourier transform", 1970). Complex numbers are pairs
 * of doubles, the real part first. Nothing here allocates.
 */

#include <stdbool.h>
#include <stddef.h>

enum { MARU_FFT_MAX = 1 << 22 };

typedef struct maru_fft {
    size_t n;
    size_t n_inner;   // the power of two that is computed: n, or at least 2n - 1
    double *twiddles;  // exp(-2 pi i k / n_inner), k < n_inner / 2
    double *chirp;     // exp(-pi i k^2 / n); NULL for a power of two
    double *filter;    // the transform of the chirp's conjugate
    double *work;      // n_inner complex numbers
} maru_fft;

/* Doubles that a plan for `n` (1 to MARU_FFT_MAX) lives in. */
size_t maru_fft_room(size_t n);
/* `room` must outlive the plan. */
void maru_fft_init(maru_fft *fft, size_t n, double *room);
/* In place, n complex numbers; the inverse is divided by n. One thread at a time, for `work`. */
void maru_fft_run(const maru_fft *fft, double *data, bool is_inverse);

#endif
