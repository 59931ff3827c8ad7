// SPDX-FileCopyrightText: The Maru authors
// SPDX-License-Identifier: Apache-2.0
#include <lauxlib.h>
#include <stdlib.h>
#include <string.h>

#include "script/fft.h"
#include "script/host_tensor.h"
#include "script/protect.h"
#include "script/sandbox.h"

/* What is too slow in Lua of features and their like: transforms and products of host tensors. Sums in double. */

/* Pushes `n` doubles, and one more so that there is always an address. A tensor: the sandbox counts them. */
static double *push_doubles(lua_State *L, size_t n)
{
    const int64_t dim = (int64_t)n + 1;
    return maru_push_tensor(L, MARU_F64, &dim, 1)->data;
}

/* Gives back the doubles of the last `count` tensors at once, not when they are collected, and pops them. */
static void pop_doubles(lua_State *L, int count)
{
    for (; count; count--) {
        maru_host_tensor *host = maru_test_tensor(L, -1);
        maru_tensor_destroy(&host->tensor);
        maru_sandbox_drop_tensor(L, host->counted_bytes);
        host->counted_bytes = 0;
        lua_pop(L, 1);
    }
}

static void load(const maru_tensor *t, int64_t first, int64_t n, double *to)
{
    if (t->dtype == MARU_F32) {
        const float *from = (const float *)t->data + first;
        for (int64_t i = 0; i < n; i++)
            to[i] = (double)from[i];
        return;
    }
    for (int64_t i = 0; i < n; i++)
        to[i] = maru_tensor_get_f64(t, first + i);
}

static void store(maru_tensor *t, int64_t first, int64_t n, const double *from)
{
    if (t->dtype == MARU_F32) {
        float *to = (float *)t->data + first;
        for (int64_t i = 0; i < n; i++)
            to[i] = (float)from[i];
        return;
    }
    for (int64_t i = 0; i < n; i++)
        maru_tensor_set_f64(t, first + i, from[i]);
}

static const maru_tensor *check_float(lua_State *L, const char *what)
{
    const maru_tensor *t = maru_check_tensor(L, 1);
    const maru_dtype_info *info = maru_dtype_get_info(t->dtype);
    if (!info || info->kind != MARU_CLASS_FLOAT)
        maru_raise_text(L, MARU_INVALID_ARGUMENT, "%s: a tensor of floats is needed, not of %s", what,
                        maru_dtype_name(t->dtype));
    return t;
}

/* ---- transforms ---- */

static size_t check_length(lua_State *L, const char *what, lua_Integer n)
{
    if (n < 1 || n > MARU_FFT_MAX)
        maru_raise_text(L, MARU_OUT_OF_RANGE, "%s: a length of %I is not within 1 to %d", what, n, MARU_FFT_MAX);
    return (size_t)n;
}

/* The steps of one transform. */
static void charge(lua_State *L, size_t n)
{
    uint64_t steps = 1;
    for (size_t k = 1; k < n; k *= 2)
        steps++;
    maru_sandbox_charge(L, steps * n);
}

/* Pushes a plan and room for n complex numbers. */
static double *push_plan(lua_State *L, size_t n, maru_fft *out)
{
    charge(L, n);
    maru_fft_init(out, n, push_doubles(L, maru_fft_room(n)));
    return push_doubles(L, 2 * n);
}

/* x:rfft(n): [..., any] to [..., n // 2 + 1, 2], real and imaginary parts; rows are cut or padded with zeros to n. */
static int tensor_rfft(lua_State *L)
{
    lua_settop(L, 2);
    const maru_tensor *t = check_float(L, "rfft");
    if (t->rank < 1 || t->rank >= MARU_MAX_RANK)
        return maru_raise_text(L, MARU_INVALID_ARGUMENT, "rfft: a tensor of rank %d", (int)t->rank);
    const int64_t have = t->dims[t->rank - 1];
    const size_t n = check_length(L, "rfft", luaL_optinteger(L, 2, have));
    const int64_t used = have < (int64_t)n ? have : (int64_t)n;
    const int64_t bins = (int64_t)n / 2 + 1;
    int64_t dims[MARU_MAX_RANK];
    memcpy(dims, t->dims, sizeof dims);
    dims[t->rank - 1] = bins;
    dims[t->rank] = 2;
    maru_tensor *out = maru_push_tensor(L, t->dtype, dims, t->rank + 1);
    const int64_t rows = maru_tensor_count(out) / (2 * bins);
    maru_fft fft;
    double *row = push_plan(L, n, &fft);
    for (int64_t r = 0; r < rows; r++) {
        charge(L, n);
        memset(row, 0, 2 * n * sizeof *row);
        // The reals are loaded to the front and then spread, from the last to the first.
        load(t, r * have, used, row);
        for (int64_t i = used; i-- > 0;) {
            row[2 * i] = row[i];
            row[2 * i + 1] = 0;
        }
        maru_fft_run(&fft, row, false);
        store(out, r * 2 * bins, 2 * bins, row);
    }
    pop_doubles(L, 2);
    return 1;
}

/* x:irfft(n): the inverse, [..., n // 2 + 1, 2] to [..., n]. n nil: 2 (bins - 1). */
static int tensor_irfft(lua_State *L)
{
    lua_settop(L, 2);
    const maru_tensor *t = check_float(L, "irfft");
    if (t->rank < 2 || t->dims[t->rank - 1] != 2)
        return maru_raise_text(L, MARU_INVALID_ARGUMENT, "irfft: %s given, [..., bins, 2] is needed",
                               luaL_tolstring(L, 1, NULL));
    const int64_t bins = t->dims[t->rank - 2];
    const size_t n = check_length(L, "irfft", luaL_optinteger(L, 2, 2 * (bins - 1)));
    if (bins != (int64_t)n / 2 + 1)
        return maru_raise_text(L, MARU_INVALID_ARGUMENT, "irfft: a length of %I has %I bins, there are %I",
                               (lua_Integer)n, (lua_Integer)(n / 2 + 1), (lua_Integer)bins);
    int64_t dims[MARU_MAX_RANK];
    memcpy(dims, t->dims, sizeof dims);
    dims[t->rank - 2] = (int64_t)n;
    maru_tensor *out = maru_push_tensor(L, t->dtype, dims, t->rank - 1);
    const int64_t rows = maru_tensor_count(out) / (int64_t)n;
    maru_fft fft;
    double *row = push_plan(L, n, &fft);
    for (int64_t r = 0; r < rows; r++) {
        charge(L, n);
        load(t, r * 2 * bins, 2 * bins, row);
        for (size_t k = (size_t)bins; k < n; k++) {
            row[2 * k] = row[2 * (n - k)];
            row[2 * k + 1] = -row[2 * (n - k) + 1];
        }
        maru_fft_run(&fft, row, true);
        for (size_t i = 0; i < n; i++)
            row[i] = row[2 * i];
        store(out, r * (int64_t)n, (int64_t)n, row);
    }
    pop_doubles(L, 2);
    return 1;
}

/* ---- products ---- */

/* x:matmul(y): [..., m, k] times [k, n]. */
static int tensor_matmul(lua_State *L)
{
    lua_settop(L, 2);
    const maru_tensor *a = maru_check_tensor(L, 1);
    const maru_tensor *b = maru_push_as_tensor(L, 2, a->dtype);
    if (a->rank < 1 || b->rank != 2 || a->dims[a->rank - 1] != b->dims[0]) {
        const char *left = luaL_tolstring(L, 1, NULL);
        const char *right = luaL_tolstring(L, 3, NULL);
        return maru_raise_text(L, MARU_INVALID_ARGUMENT, "matmul: %s times %s: [..., m, k] times [k, n] would fit",
                               left, right);
    }
    const int64_t k = b->dims[0];
    const int64_t n = b->dims[1];
    int64_t dims[MARU_MAX_RANK];
    memcpy(dims, a->dims, sizeof dims);
    dims[a->rank - 1] = n;
    maru_tensor *out = maru_push_tensor(L, a->dtype, dims, a->rank);
    const int64_t rows = n ? maru_tensor_count(out) / n : 0;
    maru_sandbox_charge(L, (uint64_t)maru_tensor_count(out) / 4 + 1);
    double *right = push_doubles(L, (size_t)(k * n));
    double *left = push_doubles(L, (size_t)k);
    double *sums = push_doubles(L, (size_t)n);
    load(b, 0, k * n, right);
    for (int64_t r = 0; r < rows; r++) {
        maru_sandbox_charge(L, (uint64_t)(k * n) / 4);
        load(a, r * k, k, left);
        memset(sums, 0, (size_t)n * sizeof *sums);
        for (int64_t i = 0; i < k; i++)
            for (int64_t c = 0; c < n; c++)
                sums[c] += left[i] * right[i * n + c];
        store(out, r * n, n, sums);
    }
    pop_doubles(L, 3);
    return 1;
}

/* ---- files in memory ---- */

static void clear_value(void *held)
{
    maru_file_value_fini(held);
    free(held);
}

/*
 * maru.decode(bytes, what): the picture, u8[height, width, channels], or the sound, f32[channels, frames] with its
 * sample_rate, of a file's bytes.
 */
static int module_decode(lua_State *L)
{
    size_t bytes = 0;
    lua_settop(L, 2);
    if (lua_type(L, 1) != LUA_TSTRING)
        return maru_raise_text(L, MARU_INVALID_ARGUMENT, "decode: the bytes of a file were expected, not %s",
                               luaL_typename(L, 1));
    const char *data = lua_tolstring(L, 1, &bytes);
    maru_sandbox_charge(L, bytes);
    maru_box *box = maru_box_push(L, clear_value);
    box->held = calloc(1, sizeof(maru_file_value));
    if (!box->held)
        return maru_raise_text(L, MARU_RESOURCE_EXHAUSTED, "out of memory: decode");
    maru_file_value *value = box->held;
    MARU_LUA_TRY(L, maru_tensor_file_parse(data, bytes, luaL_optstring(L, 2, "the text"), value));
    maru_sandbox_charge(L, value->tensor.bytes);
    maru_push_file_value(L, value);
    maru_box_clear(box);
    return 1;
}

void maru_tensor_signal_functions(lua_State *L)
{
    static const luaL_Reg functions[] = {{"decode", module_decode}, {NULL, NULL}};
    luaL_setfuncs(L, functions, 0);
}

void maru_tensor_signal_methods(lua_State *L)
{
    static const luaL_Reg methods[] = {
        {"rfft", tensor_rfft}, {"irfft", tensor_irfft}, {"matmul", tensor_matmul}, {NULL, NULL},
    };
    luaL_setfuncs(L, methods, 0);
}
