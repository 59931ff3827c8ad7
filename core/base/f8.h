// SPDX-FileCopyrightText: The Maru authors
// SPDX-License-Identifier: Apache-2.0
#ifndef MARU_BASE_F8_H
#define MARU_BASE_F8_H

/* The 8-bit floats of ONNX, and its 4-bit one, as storage: conversion to and from f32, round to nearest even. */

#include <maru/tensor.h>

/* `dtype` is one of MARU_F8E4M3FN, MARU_F8E4M3FNUZ, MARU_F8E5M2, MARU_F8E5M2FNUZ, MARU_F8E8M0, MARU_F4E2M1. */
float maru_f8_to_f32(maru_dtype dtype, uint8_t bits);

/*
 * What is beyond the largest finite value becomes that value when `saturate`,
 * else infinity where the format has one and NaN where not (ONNX's Cast).
 * F4E2M1 has neither: it always saturates, and NaN becomes -0. F8E8M0 has no
 * sign and no 0: what is below becomes its smallest value.
 */
uint8_t maru_f32_to_f8(maru_dtype dtype, float value, bool saturate);

#endif
