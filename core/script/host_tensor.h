// SPDX-FileCopyrightText: The Maru authors
// SPDX-License-Identifier: Apache-2.0
#ifndef MARU_SCRIPT_HOST_TENSOR_H
#define MARU_SCRIPT_HOST_TENSOR_H

/*
 * Tensors in host memory as Lua sees them: what goes into a session and comes
 * out. Axes and positions of elements count from 0, as the operators' do;
 * Lua's tables count from 1. Arithmetic is in doubles.
 */

#include <lua.h>
#include <maru/file.h>
#include <maru/tensor.h>

#define MARU_CLASS_TENSOR "maru.tensor"

typedef struct maru_host_tensor {
    maru_tensor tensor;
    size_t counted_bytes;  // at the sandbox
    uint32_t sample_rate;  // of sound that a file gave or that a file will get, else 0
} maru_host_tensor;

void maru_tensor_open(lua_State *L);
/* tensor, zeros, ... put into the table on top. */
void maru_tensor_functions(lua_State *L);
/* Methods of computation (tensor_math.c) put into the table on top. */
void maru_tensor_math_methods(lua_State *L);
void maru_tensor_math_functions(lua_State *L);
/* Transforms, products and decoding (signal.c), likewise. */
void maru_tensor_signal_methods(lua_State *L);
void maru_tensor_signal_functions(lua_State *L);
/* Metamethods put into the metatable on top. */
void maru_tensor_arithmetic(lua_State *L);

/* Pushes a zeroed tensor. */
maru_tensor *maru_push_tensor(lua_State *L, maru_dtype dtype, const int64_t *dims, uint32_t rank);
/* Pushes a copy. */
maru_tensor *maru_push_tensor_copy(lua_State *L, const maru_tensor *from);
/* Pushes an empty tensor, to be filled by a call that cannot raise and then counted. */
maru_host_tensor *maru_push_empty_tensor(lua_State *L);
void maru_count_tensor(lua_State *L, maru_host_tensor *host);
maru_host_tensor *maru_test_tensor(lua_State *L, int index);
maru_tensor *maru_check_tensor(lua_State *L, int index);

/*
 * Pushes the tensor made of a number, a nested table or a tensor at `index`. MARU_DTYPE_NONE: i64 for whole numbers,
 * else f32.
 */
maru_tensor *maru_push_as_tensor(lua_State *L, int index, maru_dtype dtype);
/* Pushes element `i` as a number: an integer for integer dtypes, a boolean for bool. */
void maru_push_element(lua_State *L, const maru_tensor *t, int64_t i);
void maru_set_element(lua_State *L, maru_tensor *t, int64_t i, int value_index);
/* An axis that may count from the end. */
uint32_t maru_check_axis(lua_State *L, int64_t axis, uint32_t rank);
/* Dims from a table of numbers. */
uint32_t maru_check_dims(lua_State *L, int index, int64_t dims[MARU_MAX_RANK]);

/* Pushes what a file or an input holds: a tensor, a table of texts, or one text for rank 0. */
void maru_push_file_value(lua_State *L, const maru_file_value *value);
/* Fills a value, empty before and in a box or userdata's care, with what is at `index`. */
void maru_read_file_value(lua_State *L, int index, maru_file_value *out);

#endif
