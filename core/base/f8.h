// SPDX-FileCopyrightText: The Maru authors
// SPDX-License-Identifier: Apache-2.0
#ifndef MARU_BASE_F8_H
#define MARU_BASE_F8_H

/* The four 8-bit floats of ONNX as storage: conversion to and from f32, round to nearest even. */

#include <maru/tensor.h>

/* `dtype` is one of MARU_F8E4M3FN, MARU_F8E4M3FNUZ, MARU_F8E5M2, MARU_F8E5M2FNUZ. */
float maru_f8_to_f32(maru_dtype dtype, uint8_t bits);

/*
 * What is beyond the largest finite value becomes that value when `saturate`,
 * else infinity where the format has one and NaN where not (ONNX's Cast).
 */
uint8_t maru_f32_to_f8(maru_dtype dtype, float value, bool saturate);

#endif
