// SPDX-FileCopyrightText: The Maru authors
// SPDX-License-Identifier: Apache-2.0

/*
 * Every kernel of the CPU backend that is better than the reference, against
 * the reference: odd sizes, odd alignments, every instruction set that the
 * machine has and MARU_CPU_MASK leaves. check [--bench [--json]] [--threads N]
 * [TEXT]: only lines that hold TEXT; --bench times the lines of the second
 * table instead.
 */

#include "kernels.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/os.h"

static const char *const cases[] = {
    "Add : 1 1 -> 1",
    "Add : 7x31 7x31 -> 7x31",
    "Add : 3x5x97 97 -> 3x5x97",
    "Add : 3x5x17 3x1x17 -> 3x5x17",
    "Add : s 5x33 -> 5x33",
    "Sub : 5x33 s -> 5x33",
    "Sub : 4x1x65 1x3x65 -> 4x3x65",
    "Mul : 2x19x5 2x19x1 -> 2x19x5",
    "Mul : 300x131 300x131 -> 300x131",
    "Div : 9x1 1x9 -> 9x9",
    "Div : 3x40 3x1 -> 3x40",
    "Add : 0x3 0x3 -> 0x3",
    "SwiGLU : 11x37 11x37 -> 11x37",
    "SwiGLU alpha=f1.7 : 1x1000 1x1000 -> 1x1000",
    "Relu : 1003 -> 1003",
    "Sigmoid : 1003 -> 1003",
    "Tanh : 1003 -> 1003",
    "Exp : 1003 -> 1003",
    "Erf : 1003 -> 1003",
    "Gelu : 1003 -> 1003",
    "Gelu approximate=stanh : 1003 -> 1003",
    "Swish : 1003 -> 1003",
    "Swish alpha=f0.5 : 77 -> 77",
    "Clip : 1003 s s -> 1003",
    "Clip : 1003 - s -> 1003",
    "Clip : 5x7 s -> 5x7",
    "LeakyRelu : 1003 -> 1003",
    "LeakyRelu alpha=f0.3 : 77 -> 77",
    "HardSigmoid : 1003 -> 1003",
    "HardSigmoid alpha=f0.16 beta=f0.4 : 1003 -> 1003",
    "HardSwish : 1003 -> 1003",
    "Sqrt : 1003 -> 1003",
    "Neg : 1003 -> 1003",
    "Abs : 1003 -> 1003",
    "Reciprocal : 1003 -> 1003",
    "Softmax : 3x1 -> 3x1",
    "Softmax : 5x7x33 -> 5x7x33",
    "Softmax axis=1 : 19x128 -> 19x128",
    "LogSoftmax : 5x97 -> 5x97",
    "LayerNormalization : 7x384 384 384 -> 7x384",
    "LayerNormalization epsilon=f1e-12 : 3x5x37 37 37 -> 3x5x37",
    "LayerNormalization axis=1 : 3x5x7 5x7 -> 3x5x7 3x1x1 3x1x1",
    "RMSNormalization : 7x130 130 -> 7x130",
    "RMSNormalization : 1x2048 2048 -> 1x2048",
    "BatchNormalization : 3x7 7 7 7 7 -> 3x7",
    "BatchNormalization epsilon=f1e-3 : 2x5x9x11 5 5 5 5 -> 2x5x9x11",
    "BatchNormalization : 1x130x4x5x3 130 130 130 130 -> 1x130x4x5x3",
    "MaxPool kernel_shape=3,3 strides=2,2 pads=1,1,1,1 : 2x5x17x37 -> 2x5x9x19",
    "MaxPool kernel_shape=3,3 pads=1,1,1,1 : 1x40x14x33 -> 1x40x14x33",
    "MaxPool kernel_shape=2,5 strides=3,1 dilations=2,3 pads=1,4,0,7 : 1x3x11x40 -> 1x3x4x39",
    "MaxPool kernel_shape=3,3 strides=2,2 ceil_mode=1 : 1x3x14x16 -> 1x3x7x8",
    "MaxPool kernel_shape=4 strides=2 pads=1,2 : 2x3x51 -> 2x3x26",
    "MaxPool kernel_shape=2,2 auto_pad=sSAME_UPPER : 1x3x9x10 -> 1x3x9x10",
    "AveragePool kernel_shape=3,3 strides=1,1 pads=1,1,1,1 : 2x5x17x37 -> 2x5x17x37",
    "AveragePool kernel_shape=3,3 strides=2,2 pads=1,1,1,1 count_include_pad=1 : 1x9x15x33 -> 1x9x8x17",
    "AveragePool kernel_shape=3,2 strides=2,3 ceil_mode=1 count_include_pad=1 pads=0,1,1,0 : 1x3x14x16 -> 1x3x7x6",
    "AveragePool kernel_shape=3,3 strides=2,2 ceil_mode=1 : 1x3x14x16 -> 1x3x7x8",
    "AveragePool kernel_shape=2,3 dilations=3,2 : 1x3x11x19 -> 1x3x8x15",
    "AveragePool kernel_shape=7 pads=3,3 : 2x3x50 -> 2x3x50",
    "GlobalAveragePool : 3x37x7x7 -> 3x37x1x1",
    "GlobalAveragePool : 1x5x131x129 -> 1x5x1x1",
    "GlobalAveragePool : 2x5x3 -> 2x5x1",
    "ReduceSum axes=1 keepdims=0 : 3x17x35 1:i64 -> 3x35",
    "ReduceSum axes=-1 keepdims=0 : 3x17x35 1:i64 -> 3x17",
    "ReduceSum axes=0,2 keepdims=0 : 3x17x35 2:i64 -> 17",
    "ReduceMean axes=0 keepdims=0 : 101x3 1:i64 -> 3",
    "ReduceMean axes=1,2 keepdims=0 : 3x17x35 2:i64 -> 3",
    "ReduceMax axes=1 keepdims=0 : 3x17x35 1:i64 -> 3x35",
    "ReduceMax axes=2 keepdims=0 : 3x17x35 1:i64 -> 3x17",
    "ReduceSumSquare axes=1 keepdims=0 : 3x1000 1:i64 -> 3",
    "MatMul : 1x1 1x1 -> 1x1",
    "MatMul : 13x37 37x41 -> 13x41",
    "MatMul : 1x384 384x97 -> 1x97",
    "MatMul : 5 5x7 -> 7",
    "MatMul : 3x5 5 -> 3",
    "MatMul : 2x3x19x33 33x65 -> 2x3x19x65",
    "MatMul : 2x3x19x33 2x3x33x5 -> 2x3x19x5",
    "MatMul : 3x19x33 2x1x33x5 -> 2x3x19x5",
    "MatMul : 129x1024 1024x33 -> 129x33",
    "MatMul : 4x0 0x3 -> 4x3",
    "Gemm : 15x31 31x32 -> 15x32",
    "Gemm transB=1 : 128x384 100x384 100 -> 128x100",
    "Gemm transA=1 transB=1 alpha=f0.5 beta=f2 : 37x13 41x37 13x41 -> 13x41",
    "Gemm transA=1 : 37x29 37x41 29x1 -> 29x41",
    "Gemm transB=1 : 1x513 130x513 s -> 1x130",
    "Gemm transB=1 : 7x2048 66x2048 66 -> 7x66",
    "Conv : 2x3x9x11 8x3x3x3 8 -> 2x8x7x9",
    "Conv pads=1,1,1,1 : 1x5x14x14 33x5x3x3 33 -> 1x33x14x14",
    "Conv pads=3,3,3,3 strides=2,2 : 1x3x33x31 16x3x7x7 -> 1x16x17x16",
    "Conv pads=2,1,0,3 dilations=2,1 strides=1,2 group=2 : 2x6x10x12 10x3x3x3 10 -> 2x10x8x7",
    "Conv : 1x64x7x7 130x64x1x1 130 -> 1x130x7x7",
    "Conv group=9 pads=1,1,1,1 : 2x9x15x35 9x1x3x3 9 -> 2x9x15x35",
    "Conv group=4 pads=1,1,1,1 strides=2,2 : 1x4x15x17 4x1x3x3 -> 1x4x8x9",
    "Conv pads=2,2 strides=1 : 2x3x50 7x3x5 7 -> 2x7x50",
    "Conv pads=40,40 : 1x2x5 3x2x3 -> 1x3x83",
    "Conv pads=1,1,1,1 : 2x32x14x15 40x32x3x3 40 -> 2x40x14x15",
    "Conv pads=2,1,0,3 dilations=2,1 strides=1,2 group=2 : 2x32x15x17 64x16x3x3 64 -> 2x64x13x10",
    "Conv : 1x64x17x17 130x64x1x1 -> 1x130x17x17",
    "Conv group=72 pads=1,1,1,1 : 2x72x35x33 72x1x3x3 72 -> 2x72x35x33",
    "Conv group=5 pads=2,1,0,3 dilations=2,3 strides=1,2 : 2x5x15x37 10x1x3x3 10 -> 2x10x13x18",
    "Conv group=3 pads=2,2,2,2 strides=3,3 : 1x3x31x200 3x1x5x5 3 -> 1x3x11x67",
    "Conv group=6 pads=0,9 : 2x6x50 6x1x5 6 -> 2x6x55",
    "Conv group=4 pads=1,1,1,1 : 1x4x300x301 4x1x3x3 4 -> 1x4x300x301",
    "FusedConv activation=sRelu group=33 pads=1,1,1,1 : 1x33x7x7 33x1x3x3 33 -> 1x33x7x7",
    "Conv pads=2,2 : 2x33x250 70x33x5 70 -> 2x70x250",
    "Conv : 1x8x9x10x11 24x8x3x3x3 24 -> 1x24x7x8x9",
    "FusedConv activation=sHardSigmoid alpha=f0.2 beta=f0.5 pads=1,1,1,1 : 1x32x14x15 40x32x3x3 40 -> 1x40x14x15",
    "FusedConv activation=sLeakyRelu alpha=f0.1 pads=1,1,1,1 : 1x32x14x15 40x32x3x3 -> 1x40x14x15",
    "FusedConv activation=sRelu : 1x3x7x7 4x3x3x3 -> 1x4x5x5",
    "FusedConv activation=sTanh : 1x3x7x7:bf16 4x3x3x3:bf16 4:bf16 -> 1x4x5x5:bf16",
    "ConvTranspose kernel_shape=2,2 strides=2,2 : 1x24x17x33 24x8x2x2 8 -> 1x8x34x66",
    "ConvTranspose kernel_shape=3,3 : 2x3x9x11 3x5x3x3 -> 2x5x11x13",
    "ConvTranspose kernel_shape=4,3 strides=2,3 pads=1,1,2,0 output_padding=1,2 : 1x6x7x9 6x4x4x3 4 -> 1x4x14x28",
    "ConvTranspose kernel_shape=3,3 dilations=2,1 group=2 strides=1,2 : 2x6x5x7 6x4x3x3 8 -> 2x8x9x15",
    "ConvTranspose auto_pad=sSAME_UPPER strides=3,2 : 1x2x4x5 2x3x5x3 -> 1x3x12x10",
    "ConvTranspose output_shape=10,8 strides=3,2 : 1x1x3x3 1x2x3x3 -> 1x2x10x8",
    "ConvTranspose kernel_shape=5 strides=4 pads=2,1 : 2x3x700 3x2x5 2 -> 2x2x2798",
    "MatMul : 2x64x1024 1024x800 -> 2x64x800",
    "Gemm transB=1 alpha=f0.5 beta=f2 : 128x1024 800x1024 128x1 -> 128x800",
    "MatMul : 13x37:bf16 37x41:bf16 -> 13x41:bf16",
    "MatMul : 2x3x19x33:bf16 33x65:bf16 -> 2x3x19x65:bf16",
    "MatMul : 3x19x33:bf16 2x1x33x5:bf16 -> 2x3x19x5:bf16",
    "Gemm transB=1 : 128x384:bf16 100x384:bf16 100:bf16 -> 128x100:bf16",
    "Gemm transA=1 : 37x29:bf16 37x41:bf16 -> 29x41:bf16",
    "Gemm alpha=f0.5 beta=f-2 : 15x31:bf16 31x32:bf16 15x32:bf16 -> 15x32:bf16",
    "Gemm : 15x31:bf16 31x32:bf16 1x32:bf16 -> 15x32:bf16",
    "Conv pads=1,1,1,1 : 1x5x14x14:bf16 33x5x3x3:bf16 33:bf16 -> 1x33x14x14:bf16",
    "Conv pads=2,1,0,3 dilations=2,1 strides=1,2 group=2 : 2x6x10x12:bf16 10x3x3x3:bf16 10:bf16 -> 2x10x8x7:bf16",
    "Conv group=9 pads=1,1,1,1 : 2x9x15x35:bf16 9x1x3x3:bf16 9:bf16 -> 2x9x15x35:bf16",
    "Conv pads=2,2 strides=1 : 2x3x50:bf16 7x3x5:bf16 7:bf16 -> 2x7x50:bf16",
    "Conv : 1x2x5x6x7:bf16 3x2x2x2x2:bf16 -> 1x3x4x5x6:bf16",
    "MatMulInteger : 13x37:u8 37x41:i8 -> 13x41:i32",
    "MatMulInteger : 13x37:i8 37x41:i8 -> 13x41:i32",
    "MatMulInteger : 13x37:u8 37x41:u8 -> 13x41:i32",
    "MatMulInteger : 37:u8 37x41:i8 -> 41:i32",
    "MatMulInteger : 2x3x19x33:u8 33x65:i8 s:u8 s:i8 -> 2x3x19x65:i32",
    "MatMulInteger : 19x33:i8 33x65:u8 19:i8 65:u8 -> 19x65:i32",
    "MatMulInteger : 2x3x19x33:i8 33x65:i8 2x3x19x1:i8 1x65:i8 -> 2x3x19x65:i32",
    "MatMulInteger : 2x3x19x33:u8 33x65:i8 2x1x19x1:u8 - -> 2x3x19x65:i32",
    "MatMulInteger : 2x19x33:u8 33x65:i8 19:u8 - -> 2x19x65:i32",
    "MatMulInteger : 1x384:u8 384x1200:i8 s:u8 -> 1x1200:i32",
    "MatMulInteger : 7x4096:u8 4096x33:i8 s:u8 33:i8 -> 7x33:i32",
    "MatMulInteger : 7x4096:i8 4096x33:u8 s:i8 s:u8 -> 7x33:i32",
    "MatMulInteger : 0x37:u8 37x41:i8 -> 0x41:i32",
    "ConvInteger : 2x3x9x11:u8 8x3x3x3:i8 -> 2x8x7x9:i32",
    "ConvInteger pads=1,1,1,1 : 1x5x14x14:u8 33x5x3x3:i8 s:u8 -> 1x33x14x14:i32",
    "ConvInteger pads=1,1,1,1 : 1x5x14x14:i8 33x5x3x3:u8 s:i8 33:u8 -> 1x33x14x14:i32",
    "ConvInteger pads=3,3,3,3 strides=2,2 : 1x3x33x31:u8 16x3x7x7:i8 s:u8 s:i8 -> 1x16x17x16:i32",
    "ConvInteger pads=2,1,0,3 dilations=2,1 strides=1,2 group=2 : 1x6x10x12:i8 10x3x3x3:i8 s:i8 10:i8 -> 1x10x8x7:i32",
    "ConvInteger : 1x64x7x7:u8 130x64x1x1:i8 s:u8 -> 1x130x7x7:i32",
    "ConvInteger group=9 pads=1,1,1,1 : 2x9x15x35:u8 9x1x3x3:i8 s:u8 9:i8 -> 2x9x15x35:i32",
    "ConvInteger group=4 strides=3,3 : 1x4x15x17:i8 4x1x2x2:i8 -> 1x4x5x6:i32",
    "ConvInteger auto_pad=sSAME_UPPER strides=2,2 : 1x4x15x17:u8 4x4x3x3:i8 s:u8 -> 1x4x8x9:i32",
    "ConvInteger pads=2,2 strides=1 : 2x3x50:u8 7x3x5:i8 s:u8 -> 2x7x50:i32",
    "ConvInteger pads=40,40 : 1x2x5:u8 3x2x3:i8 s:u8 s:i8 -> 1x3x83:i32",
    "ConvInteger pads=9,0 strides=20 : 1x2x5:u8 3x2x3:i8 s:u8 -> 1x3x1:i32",
    "ConvInteger : 1x2x5x6x7:u8 3x2x2x2x2:i8 s:u8 -> 1x3x4x5x6:i32",
    "ConvInteger : 1x512x5x5:i8 33x512x3x3:i8 s:i8 -> 1x33x3x3:i32",
    "QLinearMatMul : 13x37:u8 s s:u8 37x41:i8 s s:i8 s s:u8 -> 13x41:u8",
    "QLinearMatMul : 2x13x37:i8 1 1:i8 37x41:u8 41 41:u8 1 1:i8 -> 2x13x41:i8",
    "QLinearMatMul : 13x37:i8 13 13:i8 37x641:i8 1x641 s:i8 s s:u8 -> 13x641:u8",
    "QLinearMatMul : 7x4096:u8 s s:u8 4096x33:i8 s s:i8 s s:u8 -> 7x33:u8",
    "QLinearMatMul : 1x384:i8 s s:i8 384x1200:i8 1200 s:i8 s s:u8 -> 1x1200:u8",
    "QLinearMatMul : 2x3x19x33:u8 s s:u8 33x65:i8 1x65 s:i8 s s:i8 -> 2x3x19x65:i8",
    "QLinearMatMul : 7x8192:i8 s s:i8 8192x33:i8 s s:i8 s s:i8 -> 7x33:i8",
    "QLinearConv pads=1,1,1,1 : 1x5x14x14:u8 s s:u8 33x5x3x3:i8 33 33:i8 s s:u8 33:i32 -> 1x33x14x14:u8",
    "QLinearConv group=2 strides=2,2 : 2x6x15x14:i8 s s:i8 10x3x3x3:i8 1 1:i8 s s:i8 -> 2x10x7x6:i8",
    "QLinearConv group=72 pads=1,1,1,1 : 2x72x15x13:u8 s s:u8 72x1x3x3:u8 s s:u8 s s:i8 72:i32 -> 2x72x15x13:i8",
    "QLinearConv pads=1,1,1,1 : 1x5x14x14:i8 s s:i8 33x5x3x3:i8 33 s:i8 s s:u8 33:i32 -> 1x33x14x14:u8",
    "QLinearConv pads=3,3,3,3 strides=2,2 : 1x3x33x31:u8 s s:u8 16x3x7x7:i8 s s:i8 s s:i8 -> 1x16x17x16:i8",
    "QLinearConv pads=1,1 : 2x3x50:u8 s s:u8 7x3x5:i8 7 s:i8 s s:u8 7:i32 -> 2x7x48:u8",
    "QLinearConv group=72 pads=1,1,1,1 : 2x72x15x13:u8 s s:u8 72x1x3x3:i8 s s:i8 s s:i8 72:i32 -> 2x72x15x13:i8",
    "QLinearConv : 1x2x5x6x7:u8 s s:u8 3x2x2x2x2:i8 3 s:i8 s s:u8 3:i32 -> 1x3x4x5x6:u8",
    "QLinearConv : 1x64x9x9:u8 s s:u8 130x64x1x1:i8 130 s:i8 s s:u8 130:i32 -> 1x130x9x9:u8",
    "Attention q_num_heads=3 kv_num_heads=3 : 2x37x96 2x37x96 2x37x96 -> 2x37x96",
    "Attention q_num_heads=2 kv_num_heads=2 : 2x300x64 2x300x64 2x300x64 2x1x1x300 -> 2x300x64",
    "Attention q_num_heads=2 kv_num_heads=2 is_causal=1 : 1x290x64 1x290x64 1x290x64 -> 1x290x64",
    "Attention q_num_heads=4 kv_num_heads=2 : 2x5x28 2x9x14 2x9x10 5x8 -> 2x5x20",
    "Attention q_num_heads=2 kv_num_heads=2 : 1x20x64 1x23x64 1x23x64 20x23:bool -> 1x20x64",
    "Attention q_num_heads=8 kv_num_heads=2 is_causal=1 : 2x1x128 2x700x32 2x700x32 - - - 2:i64 -> 2x1x128",
    "Attention is_causal=1 scale=f0.3 softcap=f5 : 2x4x17x8 2x2x40x8 2x2x40x24 - - - 2:i64 -> 2x4x17x24",
    "Attention left_window_size=20 right_window_size=3 : 1x2x300x16 1x2x300x16 1x2x300x16 -> 1x2x300x16",
    "RotaryEmbedding num_heads=3 : 2x5x48 64x8 64x8 2x5:i64 -> 2x5x48",
    "RotaryEmbedding : 2x3x5x16 2x5x8 2x5x8 -> 2x3x5x16",
    "RotaryEmbedding rotary_embedding_dim=6 : 1x2x3x10 9x3 9x3 1x3:i64 -> 1x2x3x10",
    "Cast : 1003:f32 -> 1003:bf16",
    "Cast : 1003:bf16 -> 1003:f32",
    "Cast : 1003:f32 -> 1003:f16",
    "Cast : 1003:f16 -> 1003:f32",
    "Cast : 1003:i32 -> 1003:f32",
    "QuantizeLinear : 1003 s s:u8 -> 1003:u8",
    "QuantizeLinear : 17x59 1 1:i8 -> 17x59:i8",
    "QuantizeLinear : 40000 s -> 40000:u8",
    "DequantizeLinear : 1003:u8 s s:u8 -> 1003",
    "DequantizeLinear : 3x5x67:i8 s s:i8 -> 3x5x67",
    "DequantizeLinear : 40000:i8 1 -> 40000",
    "Expand : 3x1x5 3:i64 -> 2x3x4x5",
    "Expand : 1:u8 1:i64 -> 37:u8",
    "Slice starts=1,2 : 4x9x5 2:i64 2:i64 -> 3x6x5",
    "Slice starts=-1,8,0 axes=0,1,2 steps=-2,-3,2 : 7x9x5 3:i64 3:i64 3:i64 3:i64 -> 4x3x3",
    "Slice starts=0 : 512x38 1:i64 1:i64 -> 128x38",
    "Transpose perm=0,2,1,3 : 2x7x3x32 -> 2x3x7x32",
    "Transpose perm=1,0 : 33x65 -> 65x33",
    "Transpose : 2x3x5:u8 -> 5x3x2:u8",
    "Transpose perm=2,0,1 : 4x5x6:i64 -> 6x4x5:i64",
    "Resize : 2x3x7x9 - - 4:i64 -> 2x3x14x27",
    "Resize coordinate_transformation_mode=sasymmetric nearest_mode=sfloor : 1x5x13x80 - - 4:i64 -> 1x5x26x160",
    "Resize nearest_mode=sceil : 3x40x21 - - 3:i64 -> 3x17x50",
    "Resize coordinate_transformation_mode=stf_half_pixel_for_nn nearest_mode=sround_prefer_ceil : 5x33 - - 2:i64 "
    "-> 7x12",
    "Resize mode=slinear : 1x4x20x30 - - 4:i64 -> 1x4x40x60",
    "Resize mode=slinear : 2x3x37x41 - - 4:i64 -> 2x3x19x100",
    "Resize mode=slinear : 1x2x300x70 - - 4:i64 -> 1x2x640x70",
    "Resize mode=slinear : 1x2x1x5 - - 4:i64 -> 1x2x3x1",
    "Resize mode=slinear coordinate_transformation_mode=salign_corners : 1x4x20x30 - - 4:i64 -> 1x4x39x59",
    "Resize mode=slinear coordinate_transformation_mode=spytorch_half_pixel : 1x4x20x30 - - 4:i64 -> 1x4x1x47",
    "Resize mode=slinear coordinate_transformation_mode=shalf_pixel_symmetric : 1x1x20x30 - - 4:i64 "
    "-> 1x1x33x17",
    "Resize mode=slinear exclude_outside=1 : 1x1x20x30 - - 4:i64 -> 1x1x33x17",
    "Resize mode=slinear coordinate_transformation_mode=stf_crop_and_resize extrapolation_value=f7 : 1x3x20x30 8 - "
    "4:i64 -> 1x3x33x37",
    "Resize coordinate_transformation_mode=stf_crop_and_resize extrapolation_value=f7 : 1x3x20x30 8 - 4:i64 "
    "-> 1x3x33x37",
    "Resize mode=scubic : 1x3x20x30 - - 4:i64 -> 1x3x45x77",
    "Resize mode=scubic cubic_coeff_a=f-0.5 exclude_outside=1 : 1x3x20x30 - - 4:i64 -> 1x3x11x95",
};

static const char *const benches[] = {
    "BatchNormalization : 1x256x56x56 256 256 256 256 -> 1x256x56x56",
    "ConvTranspose kernel_shape=2,2 strides=2,2 : 1x24x184x184 24x24x2x2 24 -> 1x24x368x368",
    "Resize mode=slinear : 1x32x80x80 - - 4:i64 -> 1x32x160x160",
    "Resize coordinate_transformation_mode=sasymmetric nearest_mode=sfloor : 1x32x80x80 - - 4:i64 -> 1x32x160x160",
    "MaxPool kernel_shape=3,3 strides=2,2 pads=1,1,1,1 : 1x64x112x112 -> 1x64x56x56",
    "AveragePool kernel_shape=3,3 pads=1,1,1,1 : 1x192x28x28 -> 1x192x28x28",
    "MatMulInteger : 128x384:u8 384x1536:i8 s:u8 -> 128x1536:i32",
    "QLinearMatMul : 128x384:u8 s s:u8 384x1536:i8 1536 1536:i8 s s:u8 -> 128x1536:u8",
    "ConvInteger pads=1,1,1,1 : 1x64x56x56:u8 64x64x3x3:i8 s:u8 -> 1x64x56x56:i32",
    "QLinearConv pads=1,1,1,1 : 1x64x56x56:u8 s s:u8 64x64x3x3:i8 64 64:i8 s s:u8 64:i32 -> 1x64x56x56:u8",
    "MatMul : 128x384:bf16 384x1536:bf16 -> 128x1536:bf16",
    "MatMul : 1x2048:bf16 2048x2048:bf16 -> 1x2048:bf16",
    "Conv pads=1,1,1,1 : 1x64x56x56:bf16 64x64x3x3:bf16 64:bf16 -> 1x64x56x56:bf16",
    "Gemm transB=1 : 128x384 384x384 384 -> 128x384",
    "Gemm transB=1 : 128x384 1536x384 1536 -> 128x1536",
    "Gemm transB=1 : 128x1536 384x1536 384 -> 128x384",
    "Gemm transB=1 : 1x2048 2048x2048 -> 1x2048",
    "Gemm transB=1 : 512x1024 1024x1024 1024 -> 512x1024",
    "Conv pads=1,1,1,1 : 1x64x56x56 64x64x3x3 64 -> 1x64x56x56",
    "Conv : 1x256x14x14 1024x256x1x1 1024 -> 1x1024x14x14",
    "Conv group=128 pads=1,1,1,1 : 1x128x56x56 128x1x3x3 128 -> 1x128x56x56",
    "Conv group=32 pads=1,1,1,1 : 1x32x112x112 32x1x3x3 32 -> 1x32x112x112",
    "Conv group=64 pads=1,1,1,1 strides=2,2 : 1x64x112x112 64x1x3x3 64 -> 1x64x56x56",
    "Conv group=384 pads=1,1,1,1 : 1x384x14x14 384x1x3x3 384 -> 1x384x14x14",
    "Conv group=384 pads=1,1,1,1 strides=2,2 : 1x384x14x14 384x1x3x3 384 -> 1x384x7x7",
    "Conv group=960 pads=1,1,1,1 : 1x960x7x7 960x1x3x3 960 -> 1x960x7x7",
    "Conv group=240 pads=2,2,2,2 : 1x240x14x14 240x1x5x5 240 -> 1x240x14x14",
    "Conv group=96 pads=2,2,2,2 strides=2,2 : 1x96x28x28 96x1x5x5 96 -> 1x96x14x14",
    "Conv : 1x16x28x28 16x16x1x1 16 -> 1x16x28x28",
    "Conv : 1x64x7x7 64x64x1x1 64 -> 1x64x7x7",
    "Conv : 1x64x25x5 64x64x1x1 64 -> 1x64x25x5",
    "Conv : 1x24x56x56 24x24x1x1 24 -> 1x24x56x56",
    "Conv group=4 : 1x136x14x14 136x34x1x1 136 -> 1x136x14x14",
    "Conv group=4 : 1x272x28x28 272x68x1x1 272 -> 1x272x28x28",
    "Conv pads=1,1,1,1 : 1x8x14x14 16x8x3x3 16 -> 1x16x14x14",
    "Conv pads=1,1,1,1 strides=2,2 : 1x3x32x32 16x3x3x3 16 -> 1x16x16x16",
    "Attention q_num_heads=12 kv_num_heads=12 : 1x128x384 1x128x384 1x128x384 1x1x1x128 -> 1x128x384",
    "Attention q_num_heads=32 kv_num_heads=8 is_causal=1 : 1x1x2048 1x1024x512 1x1024x512 - - - 1:i64 -> 1x1x2048",
    "Add : 128x384 128x384 -> 128x384",
    "Gelu : 128x1536 -> 128x1536",
    "LayerNormalization : 128x384 384 384 -> 128x384",
    "RMSNormalization : 128x2048 2048 -> 128x2048",
    "Softmax : 1536x128 -> 1536x128",
    "SwiGLU : 128x5632 128x5632 -> 128x5632",
    "Exp : 1000000 -> 1000000",
    "Tanh : 1000000 -> 1000000",
    "Erf : 1000000 -> 1000000",
    "ReduceSum axes=1 keepdims=0 : 1x128x384 1:i64 -> 1x384",
    "Transpose perm=0,2,1,3 : 1x128x12x32 -> 1x12x128x32",
    "Cast : 1000000:f32 -> 1000000:bf16",
    "QuantizeLinear : 1000000 s s:u8 -> 1000000:u8",
    "DequantizeLinear : 1000000:u8 s s:u8 -> 1000000",
};

static const char *filter;
static int n_threads = 2;
static int n_checks;
static int n_wrong;

/* ---- inputs that are not just numbers ---- */

static const attr_store *attr_named(const one_call *c, const char *name, uint32_t *out_n)
{
    for (uint32_t i = 0; i < c->graph.attrs.count; i++) {
        if (strcmp(c->attrs[i].name, name) == 0) {
            *out_n = c->attrs[i].count;
            return &c->stores[i];
        }
    }
    return NULL;
}

static void spread_values(cpu_tensor *x)
{
    static const double edges[] = {0,    -0.0, 1e-40, -1e-30, 0.25, -0.9, 0.9,  3,    -3,  -5.5,
                                   -9,   9,    20,    -20,    87,   -87,  88.5, -100, 103, -104,
                                   -150, 1e9,  -1e9,  1e30,   -1e30, NAN, INFINITY, -INFINITY};
    for (int64_t i = 0; i < x->count; i++)
        cpu_store(x, i, cpu_load(x, i) * (i % 3 == 0 ? 1 : i % 3 == 1 ? 4 : 20));
    for (size_t i = 0; i < sizeof edges / sizeof *edges && (int64_t)i < x->count; i++)
        cpu_store(x, (int64_t)i * (x->count / (int64_t)(sizeof edges / sizeof *edges)) % x->count, edges[i]);
}

/* Its starts, axes and steps are operands; ends follow from the output. */
static void fill_slice(one_call *c)
{
    static const char *const names[] = {"starts", "ends", "axes", "steps"};
    for (uint32_t k = 0; strcmp(c->op, "Slice") == 0 && k < 4 && k + 1 < c->node.n_inputs; k++) {
        uint32_t n = 0;
        const attr_store *list = attr_named(c, names[k], &n);
        for (uint32_t i = 0; list && i < n; i++)
            cpu_store_int(&c->in[k + 1], i, list->ints[i]);
    }
}

/* The sizes of the result; a part of the picture and beyond of it, all of what is not a picture. */
static void fill_resize(one_call *c)
{
    const uint32_t rank = c->in[0].rank;
    for (uint32_t d = 0; d < rank; d++)
        cpu_store_int(&c->in[3], d, c->out[0].dims[d]);
    for (uint32_t d = 0; c->in[1].count == 2 * rank && d < rank; d++) {
        cpu_store(&c->in[1], d, d + 2 < rank ? 0 : d + 1 < rank ? -0.21 : 0.13);
        cpu_store(&c->in[1], rank + d, d + 2 < rank ? 1 : d + 1 < rank ? 0.9 : 1.17);
    }
}

static int is_byte_product(const one_call *c)
{
    return strstr(c->op, "Integer") || strncmp(c->op, "QLinear", 7) == 0;
}

/* Sums that are beyond f32's 24 bits where there are many terms; scales that make use of all steps. */
static void fill_integer(one_call *c)
{
    const int is_quantised = c->op[0] == 'Q';
    const int b = is_quantised ? 3 : 1;
    const int64_t columns = c->in[b].dims[c->in[b].rank == 2 ? 1 : 0];
    const double k = (double)(c->in[b].count / columns);
    for (int i = 0; k >= 4096 && i <= b; i += b)
        for (int64_t e = 0; e < c->in[i].count; e++)
            cpu_store_int(&c->in[i], e, (c->in[i].dtype == MARU_ABI_U8 ? 255 : 127) - (e % 5 == 0));
    // Small sums of large terms, of which each unit is a step.
    for (int64_t e = 0; k >= 8192 && e < c->in[0].count; e++)
        cpu_store_int(&c->in[0], e, e % 2 ? 3 : -3);
    if (!is_quantised)
        return;
    if (k >= 8192)
        cpu_store_int(&c->in[2], 0, 0);
    for (int i = 1; i < 5; i += 3)
        for (int64_t e = 0; e < c->in[i].count; e++)
            cpu_store(&c->in[i], e, 0.01 + 0.003 * (double)(e % 7));
    if (c->in[5].count == 1 && c->in[5].dtype == MARU_ABI_I8)
        cpu_store_int(&c->in[5], 0, 0);  // as it usually is; kernels have a shorter way then
    cpu_store(&c->in[6], 0, k >= 8192 ? 1e-4 : (k >= 4096 ? 5e5 : 1e2) * sqrt(k) * 1e-4);
    for (int64_t e = 0; c->node.n_inputs > 8 && e < c->in[8].count; e++)
        cpu_store_int(&c->in[8], e, e % 11 * 7919 - 40000);
}

/* As weights usually are: their zero points are 0. */
static void fill_symmetric(one_call *c)
{
    const int zero = c->op[0] == 'Q' ? 5 : 3;
    fill_integer(c);
    for (int64_t e = 0; zero < (int)c->node.n_inputs && e < c->in[zero].count; e++)
        cpu_store_int(&c->in[zero], e, 0);
}

static void fill(one_call *c, uint64_t seed)
{
    static const char *const over_all[] = {"Sigmoid", "Tanh", "Exp", "Erf", "Gelu", "Relu", "Neg", "Abs", "Cast"};
    uint32_t n = 0;
    one_call_fill(c, seed);
    for (size_t i = 0; i < sizeof over_all / sizeof *over_all; i++)
        if (strcmp(c->op, over_all[i]) == 0)
            spread_values(&c->in[0]);
    for (int64_t i = 0; strcmp(c->op, "Gelu") == 0 && i < c->in[0].count; i++)
        if (cpu_load(&c->in[0], i) < -1e35)
            cpu_store(&c->in[0], i, -1e35);  // the reference's formula gives NaN at minus infinity, kernels the limit
    const attr_store *axes = attr_named(c, "axes", &n);
    for (uint32_t i = 0; axes && c->op[0] == 'R' && i < n; i++)
        cpu_store_int(&c->in[1], i, axes->ints[i]);
    fill_slice(c);
    if (is_byte_product(c))
        fill_integer(c);
    if (strcmp(c->op, "Resize") == 0)
        fill_resize(c);
    if (strcmp(c->op, "Sqrt") == 0)
        for (int64_t i = 0; i < c->in[0].count; i++)
            cpu_store(&c->in[0], i, fabs(cpu_load(&c->in[0], i)));
    if (strcmp(c->op, "Attention") == 0 && c->node.n_inputs > 3 && c->in[3].dtype == MARU_ABI_F32)
        for (int64_t i = 0; i < c->in[3].count; i += 5)
            cpu_store(&c->in[3], i, i % 2 ? -INFINITY : -3e38);
    if (strcmp(c->op, "Attention") == 0 && c->node.n_inputs > 3 && c->in[3].dtype == MARU_ABI_BOOL)
        for (int64_t i = 0; i < c->in[3].count; i++)
            cpu_store_int(&c->in[3], i, (i * 7 / 3) % 4 != 0 && i / c->in[3].dims[1] != 2);
    if (strcmp(c->op, "Attention") == 0 && c->node.n_inputs > 6)
        for (int64_t i = 0; i < c->in[6].count; i++)
            cpu_store_int(&c->in[6], i, c->in[1].dims[c->in[1].rank == 4 ? 2 : 1] - 7 * i);
    if (strcmp(c->op, "RotaryEmbedding") == 0 && c->node.n_inputs > 3)
        for (int64_t i = 0; i < c->in[3].count; i++)
            cpu_store_int(&c->in[3], i, (i * 5 + 1) % c->in[1].dims[0]);
}

/* ---- checks ---- */

static const char *tolerance_name(const one_call *c)
{
    uint32_t n = 0;
    const attr_store *a = attr_named(c, "approximate", &n);
    return a && strcmp(a->text, "tanh") == 0 ? "Gelu tanh" : c->op;
}

static void report(const char *line, const char *kernel, const char *how, double ratio)
{
    n_checks++;
    if (ratio <= 1)
        return;
    n_wrong++;
    printf("WRONG %s, %s%s: %.3g times what docs/numerics.md allows\n", line, kernel, how, ratio);
}

typedef struct tolerance {
    double relative, share;
} tolerance;

static double compare_outputs(const one_call *got, const one_call *want, tolerance t)
{
    double worst = 0;
    for (uint32_t i = 0; i < want->node.n_outputs; i++) {
        const double ratio = compare(&got->out[i], &want->out[i], t.relative, t.share);
        worst = ratio > worst ? ratio : worst;
    }
    return worst;
}

static int can_run(const cpu_kernel *k, const one_call *c)
{
    return (k->isa & ~kernel_isa()) == 0 && strcmp(k->op, c->op) == 0 &&
           strcmp(k->domain, c->node.domain) == 0 &&
           (!k->takes || k->takes(&c->call));
}

static void spoil(one_call *c)
{
    for (uint32_t i = 0; i < c->node.n_outputs; i++)
        memset(c->out[i].data, 0xff, cpu_tensor_bytes(&c->out[i]));
}

/* The right side in each form in which constants are packed. */
static void check_packed(const char *line, const cpu_kernel *k, one_call *c, const one_call *want, tolerance t)
{
    for (size_t table = 0; cpu_packing_tables[table]; table++) {
        for (const cpu_packing *p = cpu_packing_tables[table]; p->op; p++) {
            if (p->isa != k->isa || strcmp(p->op, c->op) != 0)
                continue;
            const uint32_t layout = p->layout(&c->call, 2);
            if (!layout)
                continue;
            const cpu_tensor dense = c->in[p->input];
            room packed = {0};
            room_init(&packed, p->bytes(&dense, layout));
            p->pack(&dense, layout, packed.data);
            c->in[p->input].data = packed.data;
            c->in[p->input].layout = layout;
            if (!k->takes || k->takes(&c->call)) {
                spoil(c);
                const maru_abi_status status = run_kernel(k, &c->call, NULL, -3);
                report(line, k->name, " packed", status ? INFINITY : compare_outputs(c, want, t));
            }
            c->in[p->input] = dense;
            room_fini(&packed);
        }
    }
}

static void check_line(const char *line)
{
    one_call c;
    one_call want;
    tolerance t = {0, 0};
    one_call_init(&c, line);
    one_call_init(&want, line);
    fill(&c, 42);
    fill(&want, 42);
    const cpu_ref_op *ref = cpu_ref_find(c.node.domain, c.op);
    const char *dtype = cpu_dtype_name(c.out[0].dtype);
    if (!ref || ref->fn(&want.call) != MARU_ABI_OK ||
        !find_tolerance(tolerance_name(&c), dtype, &t.relative, &t.share)) {
        printf("WRONG %s: no reference, or no line of docs/numerics.md\n", line);
        n_wrong++;
    }
    for (size_t table = 0; cpu_vector_tables[table]; table++) {
        for (const cpu_kernel *k = cpu_vector_tables[table]; k->name; k++) {
            if (!can_run(k, &c))
                continue;
            spoil(&c);
            const maru_abi_status status = run_kernel(k, &c.call, NULL, -3);
            report(line, k->name, "", status ? INFINITY : compare_outputs(&c, &want, t));
            check_packed(line, k, &c, &want, t);
        }
    }
    one_call_fini(&c);
    one_call_fini(&want);
}

/* ---- packing ---- */

/* As a program would, for that kernel; `out` is room for it. */
static void pack_right_side(const cpu_kernel *k, one_call *c, room *out)
{
    for (size_t table = 0; cpu_packing_tables[table]; table++) {
        for (const cpu_packing *p = cpu_packing_tables[table]; p->op; p++) {
            const uint32_t layout = p->isa == k->isa && strcmp(p->op, c->op) == 0 ? p->layout(&c->call, 2) : 0;
            if (!layout)
                continue;
            room_init(out, p->bytes(&c->in[p->input], layout));
            p->pack(&c->in[p->input], layout, out->data);
            c->in[p->input].data = out->data;
            c->in[p->input].layout = layout;
            return;
        }
    }
}

/* Weights that were packed for sizes that are typical, and a call of others. */
static const char *const size_cases[][2] = {
    {"MatMul : 512x1024 1024x800 -> 512x800", "MatMul : 3x1024 1024x800 -> 3x800"},
    {"MatMul : 96x48:bf16 48x80:bf16 -> 96x80:bf16", "MatMul : 2x1x48:bf16 48x80:bf16 -> 2x1x80:bf16"},
    {"Gemm transB=1 : 96x48:bf16 80x48:bf16 1x80:bf16 -> 96x80:bf16",
     "Gemm transB=1 : 1x48:bf16 80x48:bf16 1x1:bf16 -> 1x80:bf16"},
    {"Conv pads=1,1,1,1 : 4x64x56x56 64x64x3x3 64 -> 4x64x56x56",
     "Conv pads=1,1,1,1 : 1x64x2x1 64x64x3x3 64 -> 1x64x2x1"},
    {"MatMulInteger : 96x48:u8 48x80:u8 s:u8 s:u8 -> 96x80:i32",
     "MatMulInteger : 2x1x48:i8 48x80:u8 s:i8 80:u8 -> 2x1x80:i32"},
    {"MatMulInteger : 96x48:u8 48x80:i8 -> 96x80:i32", "MatMulInteger : 0x48:u8 48x80:i8 -> 0x80:i32"},
    {"QLinearMatMul : 96x48:u8 s s:u8 48x80:i8 s s:i8 s s:u8 -> 96x80:u8",
     "QLinearMatMul : 3x48:i8 s s:i8 48x80:i8 s s:i8 s s:i8 -> 3x80:i8"},
    {"ConvInteger pads=1,1,1,1 : 4x64x56x56:u8 64x64x3x3:i8 -> 4x64x56x56:i32",
     "ConvInteger pads=1,1,1,1 : 1x64x2x1:i8 64x64x3x3:i8 s:i8 64:i8 -> 1x64x2x1:i32"},
    {"QLinearConv group=9 pads=1,1,1,1 : 2x9x15x35:u8 s s:u8 9x1x3x3:i8 s s:i8 s s:u8 -> 2x9x15x35:u8",
     "QLinearConv group=9 : 1x9x3x4:u8 s s:u8 9x1x3x3:i8 9 s:i8 s s:u8 9:i32 -> 1x9x1x2:u8"},
    {"Conv : 1x16x5x5:bf16 24x16x1x1:bf16 -> 1x24x5x5:bf16", "Conv : 3x16x1x40:bf16 24x16x1x1:bf16 -> 3x24x1x40:bf16"},
};

static void check_other_size(const cpu_packing *p, const char *typical_line, const char *line)
{
    one_call typical, c, want;
    tolerance t = {0, 0};
    room packed = {0};
    one_call_init(&typical, typical_line);
    one_call_init(&c, line);
    one_call_init(&want, line);
    fill(&c, 5);
    fill(&want, 5);
    const uint32_t layout = strcmp(p->op, c.op) == 0 && !*p->domain ? p->layout(&typical.call, 2) : 0;
    if (layout && find_tolerance(c.op, cpu_dtype_name(c.out[0].dtype), &t.relative, &t.share)) {
        cpu_ref_find("", c.op)->fn(&want.call);
        room_init(&packed, p->bytes(&c.in[p->input], layout));
        p->pack(&c.in[p->input], layout, packed.data);
        c.in[p->input].data = packed.data;
        c.in[p->input].layout = layout;
        for (size_t table = 0; cpu_vector_tables[table]; table++) {
            for (const cpu_kernel *k = cpu_vector_tables[table]; k->name; k++) {
                if (!can_run(k, &c))
                    continue;
                spoil(&c);
                const maru_abi_status status = run_kernel(k, &c.call, NULL, -3);
                report(line, k->name, " packed for another size", status ? INFINITY : compare_outputs(&c, &want, t));
            }
        }
    }
    room_fini(&packed);
    one_call_fini(&typical);
    one_call_fini(&c);
    one_call_fini(&want);
}

static void check_sizes(void)
{
    for (size_t i = 0; i < sizeof size_cases / sizeof *size_cases; i++)
        for (size_t table = 0; cpu_packing_tables[table]; table++)
            for (const cpu_packing *p = cpu_packing_tables[table]; p->op; p++)
                if ((p->isa & ~kernel_isa()) == 0)
                    check_other_size(p, size_cases[i][0], size_cases[i][1]);
}

/* ---- chains ---- */

static void apply_reference(const char *line, cpu_tensor *y, const cpu_tensor *addend)
{
    one_call c;
    one_call_init(&c, line);
    memcpy(c.in[0].data, y->data, cpu_tensor_bytes(y));
    if (addend)
        memcpy(c.in[1].data, addend->data, cpu_tensor_bytes(addend));
    cpu_ref_find("", c.op)->fn(&c.call);
    memcpy(y->data, c.out[0].data, cpu_tensor_bytes(y));
    one_call_fini(&c);
}

/* A product, at whose end stand a bias row if it is a matrix, an activation and a residual. */
typedef struct tail_case {
    const char *line, *row;  // row: the bias of a matrix; NULL: none
    const char *same;        // Add of two outputs
    const char *shape;       // of an activation
} tail_case;

static const tail_case tail_cases[] = {
    {"Gemm transB=1 : 29x70 43x70 43 -> 29x43", "Add : 29x43 43 -> 29x43", "Add : 29x43 29x43 -> 29x43",
     "29x43 -> 29x43"},
    {"MatMul : 128x1024 1024x800 -> 128x800", "Add : 128x800 800 -> 128x800", "Add : 128x800 128x800 -> 128x800",
     "128x800 -> 128x800"},
    {"MatMul : 3x29x70 3x70x43 -> 3x29x43", "Add : 3x29x43 43 -> 3x29x43", "Add : 3x29x43 3x29x43 -> 3x29x43",
     "3x29x43 -> 3x29x43"},
    {"Conv pads=1,1,1,1 : 1x32x14x15 40x32x3x3 40 -> 1x40x14x15", NULL, "Add : 1x40x14x15 1x40x14x15 -> 1x40x14x15",
     "1x40x14x15 -> 1x40x14x15"},
};

static void run_with_tail(const cpu_kernel *k, one_call *c, const one_call *want, const cpu_tail *tail,
                          const char *label)
{
    const tolerance t = {3e-6, 1e-5};  // an activation narrows the range by which a product is off
    const cpu_tensor dense = c->in[1];
    room packed = {0};
    pack_right_side(k, c, &packed);
    if (!k->takes || k->takes(&c->call)) {
        spoil(c);
        const maru_abi_status status = run_kernel(k, &c->call, tail, -2);
        report(label, k->name, " at the end of a product", status ? INFINITY : compare_outputs(c, want, t));
    }
    c->in[1] = dense;
    room_fini(&packed);
}

static void check_tail(const tail_case *from, uint32_t kind, const char *activation)
{
    char label[96];
    one_call c, want, row, same;
    snprintf(label, sizeof label, "%s : %s", activation, from->shape);
    one_call_init(&c, from->line);
    one_call_init(&want, from->line);
    one_call_init(&row, from->row ? from->row : from->same);
    one_call_init(&same, from->same);
    fill(&c, 7);
    fill(&want, 7);
    fill(&row, 8);
    fill(&same, 9);
    cpu_tail tail = {.n_steps = 0};
    if (from->row)
        tail.steps[tail.n_steps++] = (cpu_tail_step){.kind = CPU_TAIL_ADD_ROW, .addend = row.in[1].data};
    tail.steps[tail.n_steps++] = (cpu_tail_step){.kind = kind, .alpha = 1};
    tail.steps[tail.n_steps++] = (cpu_tail_step){.kind = CPU_TAIL_ADD, .addend = same.in[0].data};
    cpu_ref_find("", c.op)->fn(&want.call);
    if (from->row)
        apply_reference(from->row, &want.out[0], &row.in[1]);
    apply_reference(label, &want.out[0], NULL);
    apply_reference(from->same, &want.out[0], &same.in[0]);
    for (size_t table = 0; cpu_vector_tables[table]; table++)
        for (const cpu_kernel *k = cpu_vector_tables[table]; k->name; k++)
            if ((k->flags & CPU_KERNEL_TAKES_TAIL) && (k->isa & ~kernel_isa()) == 0 && strcmp(k->op, c.op) == 0)
                run_with_tail(k, &c, &want, &tail, label);
    one_call_fini(&c);
    one_call_fini(&want);
    one_call_fini(&row);
    one_call_fini(&same);
}

static void check_tails(void)
{
    for (size_t i = 0; i < sizeof tail_cases / sizeof *tail_cases; i++) {
        const tail_case *from = &tail_cases[i];
        check_tail(from, CPU_TAIL_RELU, "Relu");
        check_tail(from, CPU_TAIL_GELU, "Gelu");
        check_tail(from, CPU_TAIL_GELU_TANH, "Gelu approximate=stanh");
        check_tail(from, CPU_TAIL_SWISH, "Swish");
        check_tail(from, CPU_TAIL_SIGMOID, "Sigmoid");
        check_tail(from, CPU_TAIL_TANH, "Tanh");
    }
}

/* ---- bench ---- */

static double operations_of(const one_call *c)
{
    const double out = (double)c->out[0].count;
    if (strcmp(c->op, "Gemm") == 0)
        return 2 * out * (double)c->in[0].dims[1];
    if (strcmp(c->op, "Conv") == 0)
        return 2 * out * (double)c->in[1].count / (double)c->in[1].dims[0];
    if (is_byte_product(c)) {
        const cpu_tensor *w = &c->in[c->op[0] == 'Q' ? 3 : 1];
        return 2 * out * (double)w->count / (double)w->dims[w->rank == 2 ? 1 : 0];
    }
    if (strcmp(c->op, "Attention") == 0)
        return 4 * out * (double)c->in[1].dims[1];
    return 0;
}

static double seconds_of(const cpu_kernel *k, one_call *c)
{
    double best = INFINITY;
    double spent = 0;
    const cpu_team team = k ? prepare_kernel(k, &c->call, NULL, n_threads) : (cpu_team){0};
    for (int i = 0; i < 3 || (spent < 0.2 && i < 2000); i++) {
        const int64_t begin = maru_os_now_ns();
        if (k)
            k->fn(&c->call, &team);
        else
            cpu_ref_find("", c->op)->fn(&c->call);
        const double seconds = (double)(maru_os_now_ns() - begin) * 1e-9;
        best = seconds < best ? seconds : best;
        spent += seconds;
        if (!k && i == 0)
            break;
    }
    if (k)
        release_kernel(k, &team);
    return best;
}

static void print_time(const char *line, const char *kernel, const one_call *c, double seconds, int is_json)
{
    double bytes = 0;
    for (uint32_t i = 0; i < c->node.n_inputs; i++)
        bytes += (double)cpu_tensor_bytes(&c->in[i]);
    for (uint32_t i = 0; i < c->node.n_outputs; i++)
        bytes += (double)cpu_tensor_bytes(&c->out[i]);
    const double gflops = operations_of(c) / seconds * 1e-9;
    if (is_json)
        printf("{\"case\": \"%s\", \"kernel\": \"%s\", \"us\": %.3f, \"gflops\": %.2f, \"gbs\": %.2f}\n", line, kernel,
               seconds * 1e6, gflops, bytes / seconds * 1e-9);
    else
        printf("  %-22s %12.2f us %9.1f GFLOP/s %8.1f GB/s\n", kernel, seconds * 1e6, gflops, bytes / seconds * 1e-9);
}

static void bench_line(const char *line, int is_json)
{
    one_call c;
    one_call_init(&c, line);
    one_call_fill(&c, 1);
    uint32_t n_axes = 0;
    const attr_store *axes = attr_named(&c, "axes", &n_axes);
    for (uint32_t i = 0; axes && i < n_axes; i++)
        cpu_store_int(&c.in[1], i, axes->ints[i]);
    if (is_byte_product(&c))
        fill_symmetric(&c);
    else if (strcmp(c.op, "Resize") == 0)
        fill_resize(&c);
    else if (c.node.n_inputs > 6)
        cpu_store_int(&c.in[6], 0, c.in[1].dims[1]);
    if (!is_json)
        printf("%s\n", line);
    print_time(line, "reference", &c, seconds_of(NULL, &c), is_json);
    for (size_t table = 0; cpu_vector_tables[table]; table++) {
        for (const cpu_kernel *k = cpu_vector_tables[table]; k->name; k++) {
            room packed = {0};
            cpu_tensor dense[MAX_OPERANDS];
            memcpy(dense, c.in, sizeof dense);
            pack_right_side(k, &c, &packed);
            if (can_run(k, &c))
                print_time(line, k->name, &c, seconds_of(k, &c), is_json);
            memcpy(c.in, dense, sizeof dense);
            room_fini(&packed);
        }
    }
    one_call_fini(&c);
}

int main(int argc, char **argv)
{
    int is_bench = 0;
    int is_json = 0;
    for (int i = 1; i < argc; i++) {
        if (strcmp(argv[i], "--bench") == 0)
            is_bench = 1;
        else if (strcmp(argv[i], "--json") == 0)
            is_json = 1;
        else if (strcmp(argv[i], "--threads") == 0 && i + 1 < argc)
            n_threads = atoi(argv[++i]);
        else
            filter = argv[i];
    }
    const char *const *lines = is_bench ? benches : cases;
    const size_t n = is_bench ? sizeof benches / sizeof *benches : sizeof cases / sizeof *cases;
    for (size_t i = 0; i < n; i++) {
        if (filter && !strstr(lines[i], filter))
            continue;
        if (is_bench)
            bench_line(lines[i], is_json);
        else
            check_line(lines[i]);
    }
    if (is_bench)
        return 0;
    if (!filter) {
        check_sizes();
        check_tails();
    }
    printf("%d checks, %d wrong\n", n_checks, n_wrong);
    return n_wrong || n_checks == 0;
}
