// SPDX-FileCopyrightText: The Maru authors
// SPDX-License-Identifier: Apache-2.0
#ifndef MARU_BASE_HALF_H
#define MARU_BASE_HALF_H

/* IEEE 754 binary16 and bfloat16 as storage: conversion to and from f32, round to nearest even, NaN kept quiet. */

#include <stdint.h>

float maru_f16_to_f32(uint16_t bits);
uint16_t maru_f32_to_f16(float value);
float maru_bf16_to_f32(uint16_t bits);
uint16_t maru_f32_to_bf16(float value);

#endif
