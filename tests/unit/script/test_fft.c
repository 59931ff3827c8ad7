// SPDX-FileCopyrightText: The Maru authors
// SPDX-License-Identifier: Apache-2.0

/* Transforms of every kind of length against the sum that defines them. */

#include "unit.h"

#include <math.h>

#include "script/fft.h"

static double noise(size_t i)
{
    return (double)((i * 2654435761u + 12345u) % 1000u) / 500 - 1;
}

/* The largest difference to sum x_j exp(-2 pi i jk / n), at some of the k. */
static double difference(const double *x, const double *y, size_t n)
{
    double most = 0;
    for (size_t k = 0; k < n; k += n / 16 + 1) {
        double re = 0;
        double im = 0;
        for (size_t j = 0; j < n; j++) {
            const double angle = -2 * 3.14159265358979323846 * (double)(j * k % n) / (double)n;
            re += x[2 * j] * cos(angle) - x[2 * j + 1] * sin(angle);
            im += x[2 * j] * sin(angle) + x[2 * j + 1] * cos(angle);
        }
        most = fmax(most, hypot(re - y[2 * k], im - y[2 * k + 1]));
    }
    return most;
}

static void check(size_t n)
{
    maru_fft fft;
    double *room = calloc(maru_fft_room(n), sizeof *room);
    double *x = calloc(2 * n, sizeof *x);
    double *y = calloc(2 * n, sizeof *y);
    assert_true(room && x && y);
    for (size_t i = 0; i < 2 * n; i++)
        x[i] = y[i] = noise(i);
    maru_fft_init(&fft, n, room);
    maru_fft_run(&fft, y, false);
    if (!(difference(x, y, n) < 1e-10 * sqrt((double)n)))
        fail_msg("n = %zu: off by %g", n, difference(x, y, n));
    maru_fft_run(&fft, y, true);
    for (size_t i = 0; i < 2 * n; i++)
        if (!(fabs(x[i] - y[i]) < 1e-12 * (double)(n + 10)))
            fail_msg("n = %zu: the inverse gives %g for %g", n, y[i], x[i]);
    free(room);
    free(x);
    free(y);
}

static void every_small_length(void **state)
{
    (void)state;
    for (size_t n = 1; n <= 70; n++)
        check(n);
}

static void lengths_of_all_kinds(void **state)
{
    (void)state;
    static const size_t lengths[] = {97, 128, 243, 400, 480, 512, 1000, 1023, 1024, 1025, 2048, 4001, 65536, 44100};
    for (size_t i = 0; i < sizeof lengths / sizeof *lengths; i++)
        check(lengths[i]);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_small_length),
        cmocka_unit_test(lengths_of_all_kinds),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
