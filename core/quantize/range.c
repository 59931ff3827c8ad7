// SPDX-FileCopyrightText: The Maru authors
// SPDX-License-Identifier: Apache-2.0

/*
 * From the numbers that a value takes to a scale. The entropy method is that
 * of S. Migacz, "8-bit Inference with TensorRT" (GTC 2017): of all thresholds
 * the one whose 128 levels tell the distribution of magnitudes with the least
 * relative entropy (Kullback-Leibler divergence).
 */

#include "quantize/quantize.h"

#include <float.h>
#include <math.h>
#include <string.h>

#include "base/fail.h"

enum {
    N_BINS = QUANTIZE_N_BINS,
    N_LEVELS = 128,
    LEAST_COUNT = 16 * N_BINS,  // fewer numbers than that leave bins empty by chance, and no distribution to keep
};

/* ---- gathering ---- */

/* Bins twice as wide, until the magnitude has one. */
static void widen(quantize_histogram *h, double magnitude)
{
    if (h->width == 0)
        h->width = magnitude / (N_BINS / 2);
    while (magnitude >= h->width * N_BINS) {
        for (size_t i = 0; i < N_BINS / 2; i++)
            h->bins[i] = h->bins[2 * i] + h->bins[2 * i + 1];
        memset(h->bins + N_BINS / 2, 0, N_BINS / 2 * sizeof *h->bins);
        h->width *= 2;
    }
}

static void count(quantize_histogram *h, const float *numbers, int64_t n)
{
    for (int64_t i = 0; i < n; i++) {
        const double magnitude = fabs((double)numbers[i]);
        if (magnitude < FLT_MIN || !isfinite(magnitude))
            continue;
        if (h->width == 0 || magnitude >= h->width * N_BINS)
            widen(h, magnitude);
        h->bins[(size_t)(magnitude / h->width)]++;
    }
}

maru_status quantize_note(quantize_item *item, const float *numbers, int64_t n)
{
    for (int64_t i = 0; i < n; i++) {
        const double x = (double)numbers[i];
        if (!isfinite(x))
            continue;
        item->min = x < item->min ? x : item->min;
        item->max = x > item->max ? x : item->max;
    }
    if (item->histogram)
        count(item->histogram, numbers, n);
    return MARU_OK;
}

/* ---- the least relative entropy ---- */

/* What the first `n` bins are after N_LEVELS levels: each level's sum, spread over its bins that hold anything. */
static void quantise_bins(const double *bins, size_t n, double *out)
{
    memset(out, 0, n * sizeof *out);
    for (size_t level = 0; level < N_LEVELS; level++) {
        const size_t begin = level * n / N_LEVELS;
        const size_t end = (level + 1) * n / N_LEVELS;
        double sum = 0;
        size_t n_held = 0;
        for (size_t i = begin; i < end; i++) {
            sum += bins[i];
            n_held += bins[i] > 0;
        }
        for (size_t i = begin; i < end; i++)
            if (bins[i] > 0)
                out[i] = sum / (double)n_held;
    }
}

/* Of the first `n` bins, the last of which holds all that lies beyond, against what their levels tell. */
static double divergence(const double *bins, size_t n, double beyond, double total, double *room)
{
    double sum = 0;
    double kept = 0;
    quantise_bins(bins, n, room);
    for (size_t i = 0; i < n; i++)
        kept += room[i];
    for (size_t i = 0; i < n && kept > 0; i++) {
        const double p = (bins[i] + (i + 1 == n ? beyond : 0)) / total;
        // A level that tells nothing of what is there is as bad as one that tells very little.
        const double q = room[i] > 0 ? room[i] / kept : 1e-9;
        if (p > 0)
            sum += p * log(p / q);
    }
    return kept > 0 ? sum : HUGE_VAL;
}

static double best_threshold(const quantize_histogram *h)
{
    double room[N_BINS];
    double total = 0;
    double below = 0;
    double least = HUGE_VAL;
    size_t best = N_BINS;
    for (size_t i = 0; i < N_BINS; i++)
        total += h->bins[i];
    if (total < LEAST_COUNT)
        return HUGE_VAL;
    for (size_t i = 0; i < N_LEVELS - 1; i++)
        below += h->bins[i];
    for (size_t n = N_LEVELS; n <= N_BINS; n++) {
        below += h->bins[n - 1];
        const double d = divergence(h->bins, n, total - below, total, room);
        if (d < least) {
            least = d;
            best = n;
        }
    }
    return (double)best * h->width;
}

/* ---- the scale ---- */

void quantize_find_range(quantize_item *item, maru_quantize_activations activations)
{
    const bool is_symmetric = activations == MARU_QUANTIZE_I8_SYMMETRIC;
    const int lowest = activations == MARU_QUANTIZE_U8 ? 0 : -128;
    item->low = item->min;
    item->high = item->max;
    if (item->histogram && item->histogram->width > 0) {
        const double threshold = best_threshold(item->histogram);
        item->low = item->low < -threshold ? -threshold : item->low;
        item->high = item->high > threshold ? threshold : item->high;
    }
    const double largest = -item->low > item->high ? -item->low : item->high;
    const double scale = is_symmetric ? largest / 127 : (item->high - item->low) / 255;
    item->scale = scale > (double)FLT_MIN ? (float)scale : 1;
    item->zero = is_symmetric ? 0 : (int)lround(lowest - item->low / (double)item->scale);
}
