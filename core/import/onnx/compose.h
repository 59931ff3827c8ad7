// SPDX-FileCopyrightText: The Maru authors
// SPDX-License-Identifier: Apache-2.0
#ifndef MARU_IMPORT_ONNX_COMPOSE_H
#define MARU_IMPORT_ONNX_COMPOSE_H

/* Short ways to say what forms of composed operators say often. forms_compose.c */

#include "import/onnx/onnx.h"

MARU_NODISCARD maru_status onnx_op1(onnx_node *n, const char *op, maru_value x, maru_value *out);
MARU_NODISCARD maru_status onnx_op2(onnx_node *n, const char *op, maru_value x, maru_value y, maru_value *out);
MARU_NODISCARD maru_status onnx_op3(onnx_node *n, const char *op, maru_value x, maru_value y, maru_value z,
                                    maru_value *out);
/* `op` of x and a scalar of its dtype. */
MARU_NODISCARD maru_status onnx_op_number(onnx_node *n, const char *op, maru_value x, double number, maru_value *out);
/* To dims, of which a 0 is a 0. */
MARU_NODISCARD maru_status onnx_reshape(onnx_node *n, maru_value x, const maru_dim *dims, size_t rank,
                                        maru_value *out);
MARU_NODISCARD maru_status onnx_unsqueeze(onnx_node *n, maru_value x, int64_t axis, maru_value *out);
MARU_NODISCARD maru_status onnx_cast(onnx_node *n, maru_value x, maru_dtype dtype, maru_value *out);
/* 0, 1, 2, ... as an i64 vector. */
MARU_NODISCARD maru_status onnx_count_up(onnx_node *n, maru_dim count, maru_value *out);
/* Elements [start, end) of an axis. */
MARU_NODISCARD maru_status onnx_cut(onnx_node *n, maru_value x, int64_t axis, int64_t start, int64_t end,
                                    maru_value *out);
/* Valid until the next value is added. */
const maru_value_record *onnx_record(const onnx_node *n, maru_value value);
/* The one element of an input, or INVALID_ARGUMENT: it is not known when the model is loaded. */
MARU_NODISCARD maru_status onnx_number(const onnx_node *n, size_t index, const char *what, double *out);
/* An axis from the end made one from the start. */
MARU_NODISCARD maru_status onnx_axis(const onnx_node *n, maru_value x, int64_t axis, int64_t *out);

#endif
