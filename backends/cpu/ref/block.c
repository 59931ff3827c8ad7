// SPDX-FileCopyrightText: The Maru authors
// SPDX-License-Identifier: Apache-2.0
#include "ref/block.h"

#include <math.h>
#include <string.h>

#include "ref/ref.h"

static double half_at(const uint8_t *p)
{
    uint16_t bits;
    memcpy(&bits, p, sizeof bits);
    const cpu_tensor t = {.dtype = MARU_ABI_F16, .data = &bits};
    return cpu_load(&t, 0);
}

/* ---- blocks of 32 ---- */

/* d * (q - 8): low nibbles are the first half of the block. */
static void decode_q4_0(const uint8_t *b, double *out)
{
    const double d = half_at(b);
    for (int i = 0; i < 16; i++) {
        out[i] = d * ((b[2 + i] & 15) - 8);
        out[i + 16] = d * ((b[2 + i] >> 4) - 8);
    }
}

static void decode_q4_1(const uint8_t *b, double *out)
{
    const double d = half_at(b);
    const double m = half_at(b + 2);
    for (int i = 0; i < 16; i++) {
        out[i] = d * (b[4 + i] & 15) + m;
        out[i + 16] = d * (b[4 + i] >> 4) + m;
    }
}

/* The fifth bits of all elements stand together in 32 bits. */
static void decode_five(const uint8_t *high, const uint8_t *low, double d, double m, int bias, double *out)
{
    uint32_t bits;
    memcpy(&bits, high, sizeof bits);
    for (int i = 0; i < 16; i++) {
        const int x = (low[i] & 15) | (int)((bits >> i & 1) << 4);
        const int y = (low[i] >> 4) | (int)((bits >> (i + 16) & 1) << 4);
        out[i] = d * (x - bias) + m;
        out[i + 16] = d * (y - bias) + m;
    }
}

static void decode_q5_0(const uint8_t *b, double *out)
{
    decode_five(b + 2, b + 6, half_at(b), 0, 16, out);
}

static void decode_q5_1(const uint8_t *b, double *out)
{
    decode_five(b + 4, b + 8, half_at(b), half_at(b + 2), 0, out);
}

static void decode_q8_0(const uint8_t *b, double *out)
{
    const double d = half_at(b);
    for (int i = 0; i < 32; i++)
        out[i] = d * (int8_t)b[2 + i];
}

/* A shared power of two and 32 values of E2M1. */
static void decode_mxfp4(const uint8_t *b, double *out)
{
    static const double values[16] = {0, 0.5, 1, 1.5, 2, 3, 4, 6, -0.0, -0.5, -1, -1.5, -2, -3, -4, -6};
    const double d = ldexp(1, b[0] - 127);
    for (int i = 0; i < 16; i++) {
        out[i] = d * values[b[1 + i] & 15];
        out[i + 16] = d * values[b[1 + i] >> 4];
    }
}

/* ---- blocks of 256 ---- */

/* Six-bit scales and minima of eight sub-blocks, packed in 12 bytes. */
static void scale_min(const uint8_t *s, int j, int *scale, int *min)
{
    if (j < 4) {
        *scale = s[j] & 63;
        *min = s[j + 4] & 63;
        return;
    }
    *scale = (s[j + 4] & 15) | (s[j - 4] >> 6) << 4;
    *min = (s[j + 4] >> 4) | (s[j] >> 6) << 4;
}

static void decode_q2_k(const uint8_t *b, double *out)
{
    const uint8_t *scales = b;
    const uint8_t *q = b + 16;
    const double d = half_at(b + 80);
    const double dmin = half_at(b + 82);
    for (int i = 0; i < 256; i++) {
        const int group = i / 16;
        const int bits = q[i / 128 * 32 + i % 32] >> (i % 128 / 32 * 2) & 3;
        out[i] = d * (scales[group] & 15) * bits - dmin * (scales[group] >> 4);
    }
}

static int q3_scale(const uint8_t *s, int j)
{
    const int low = j < 8 ? s[j] & 15 : s[j - 8] >> 4;
    const int high = s[8 + j % 4] >> (j / 4 * 2) & 3;
    return (low | high << 4) - 32;
}

static void decode_q3_k(const uint8_t *b, double *out)
{
    const uint8_t *mask = b;
    const uint8_t *q = b + 32;
    const uint8_t *scales = b + 96;
    const double d = half_at(b + 108);
    for (int i = 0; i < 256; i++) {
        const int low = q[i / 128 * 32 + i % 32] >> (i % 128 / 32 * 2) & 3;
        const int has_high = mask[i % 32] >> (i / 32) & 1;
        out[i] = d * q3_scale(scales, i / 16) * (low - (has_high ? 0 : 4));
    }
}

static void decode_q4_k(const uint8_t *b, double *out)
{
    const double d = half_at(b);
    const double dmin = half_at(b + 2);
    const uint8_t *q = b + 16;
    for (int i = 0; i < 256; i++) {
        int scale = 0;
        int min = 0;
        scale_min(b + 4, i / 32, &scale, &min);
        const int nibble = q[i / 64 * 32 + i % 32] >> (i % 64 / 32 * 4) & 15;
        out[i] = d * scale * nibble - dmin * min;
    }
}

static void decode_q5_k(const uint8_t *b, double *out)
{
    const double d = half_at(b);
    const double dmin = half_at(b + 2);
    const uint8_t *high = b + 16;
    const uint8_t *q = b + 48;
    for (int i = 0; i < 256; i++) {
        int scale = 0;
        int min = 0;
        scale_min(b + 4, i / 32, &scale, &min);
        const int low = q[i / 64 * 32 + i % 32] >> (i % 64 / 32 * 4) & 15;
        const int fifth = high[i % 32] >> (i / 32) & 1;
        out[i] = d * scale * (low | fifth << 4) - dmin * min;
    }
}

static void decode_q6_k(const uint8_t *b, double *out)
{
    const uint8_t *low = b;
    const uint8_t *high = b + 128;
    const int8_t *scales = (const int8_t *)(b + 192);
    const double d = half_at(b + 208);
    for (int i = 0; i < 256; i++) {
        const int half = i / 128;
        const int at = i % 128;
        const int nibble = low[half * 64 + at % 64] >> (at / 64 * 4) & 15;
        const int top = high[half * 32 + at % 32] >> (at / 32 * 2) & 3;
        out[i] = d * scales[i / 16] * ((nibble | top << 4) - 32);
    }
}

/* ---- the table ---- */

static const struct {
    uint32_t dtype;
    int32_t elements;
    int32_t bytes;
    void (*decode)(const uint8_t *block, double *out);
} formats[] = {
    {MARU_ABI_Q4_0, 32, 18, decode_q4_0},   {MARU_ABI_Q4_1, 32, 20, decode_q4_1},
    {MARU_ABI_Q5_0, 32, 22, decode_q5_0},   {MARU_ABI_Q5_1, 32, 24, decode_q5_1},
    {MARU_ABI_Q8_0, 32, 34, decode_q8_0},   {MARU_ABI_Q2_K, 256, 84, decode_q2_k},
    {MARU_ABI_Q3_K, 256, 110, decode_q3_k}, {MARU_ABI_Q4_K, 256, 144, decode_q4_k},
    {MARU_ABI_Q5_K, 256, 176, decode_q5_k}, {MARU_ABI_Q6_K, 256, 210, decode_q6_k},
    {MARU_ABI_MXFP4, 32, 17, decode_mxfp4},
};

int64_t cpu_block_elements(uint32_t dtype)
{
    for (size_t i = 0; i < sizeof formats / sizeof *formats; i++)
        if (formats[i].dtype == dtype)
            return formats[i].elements;
    return 0;
}

void cpu_block_decode(uint32_t dtype, const void *data, int64_t index, double *out)
{
    for (size_t i = 0; i < sizeof formats / sizeof *formats; i++)
        if (formats[i].dtype == dtype)
            formats[i].decode((const uint8_t *)data + index * formats[i].bytes, out);
}
