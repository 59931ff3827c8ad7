// SPDX-FileCopyrightText: The Maru authors
// SPDX-License-Identifier: Apache-2.0
#include "tool/certify_cases.h"

#include <stdbool.h>
#include <stdio.h>
#include <string.h>

#define FLOATS "f32 f16 bf16 f64"
#define INTS "i32 i64 i16 i8 u8 u16 u32 u64"
#define SIGNED "i32 i64 i16 i8"
#define UNSIGNED "u8 u16 u32 u64"
#define BYTES "u8 i8"
#define NUMBERS FLOATS " " INTS

/* Odd sizes, so that tails of vector loops are met; a scalar and an empty tensor. */
#define UNARY \
    "%1 = input \"x\" T[3, 37]\n%2 = OP(%1)\noutput \"y\" %2\n" \
    "%3 = input \"s\" T[]\n%4 = OP(%3)\noutput \"t\" %4\n" \
    "%5 = input \"e\" T[0, 4]\n%6 = OP(%5)\noutput \"u\" %6\n"
#define BINARY \
    "%1 = input \"a\" T[3, 1, 37]\n%2 = input \"b\" T[5, 37]\n%3 = OP(%1, %2)\noutput \"y\" %3\n" \
    "%4 = input \"c\" T[]\n%5 = OP(%2, %4)\noutput \"z\" %5\n%6 = OP(%2, %2)\noutput \"w\" %6\n"
#define VARIADIC \
    "%1 = input \"a\" T[5, 37]\n%2 = input \"b\" T[37]\n%3 = input \"c\" T[5, 1]\n%4 = OP(%1, %2, %3)\n" \
    "output \"y\" %4\n%5 = OP(%1)\noutput \"z\" %5\n"
#define REDUCE \
    "%1 = input \"x\" T[3, 5, 37]\n%2 = const \"\" i64[1] {-1}\n%3 = OP(%1, %2)\noutput \"last\" %3\n" \
    "%4 = const \"\" i64[2] {0, 2}\n%5 = OP(%1, %4) {keepdims=0}\noutput \"outer\" %5\n" \
    "%6 = OP(%1)\noutput \"all\" %6\n"
#define ARG \
    "%1 = input \"x\" T[5, 37]\n%2 = OP(%1) {axis=-1}\noutput \"last\" %2\n" \
    "%3 = OP(%1) {axis=0, keepdims=0, select_last_index=1}\noutput \"first\" %3\n"
#define GLOBAL "%1 = input \"x\" T[2, 3, 5, 7]\n%2 = OP(%1)\noutput \"y\" %2\n"

const certify_case certify_cases[] = {
    // one input
    {"Abs", FLOATS " " INTS, UNARY, 0, 0},
    {"Neg", FLOATS " " SIGNED, UNARY, 0, 0},
    {"Sign", NUMBERS, UNARY, 0, 0},
    {"Exp", FLOATS, UNARY, 0, 0},
    {"Log", FLOATS, UNARY, 0.01, 10},
    {"Sqrt", FLOATS, UNARY, 0, 10},
    {"Reciprocal", FLOATS, UNARY, 0.5, 4},
    {"Floor", FLOATS, UNARY, 0, 0},
    {"Ceil", FLOATS, UNARY, 0, 0},
    {"Round", FLOATS, UNARY, 0, 0},
    {"Sin", FLOATS, UNARY, 0, 0},
    {"Cos", FLOATS, UNARY, 0, 0},
    {"Tan", FLOATS, UNARY, -1, 1},
    {"Asin", FLOATS, UNARY, -1, 1},
    {"Acos", FLOATS, UNARY, -1, 1},
    {"Atan", FLOATS, UNARY, 0, 0},
    {"Sinh", FLOATS, UNARY, 0, 0},
    {"Cosh", FLOATS, UNARY, 0, 0},
    {"Tanh", FLOATS, UNARY, 0, 0},
    {"Asinh", FLOATS, UNARY, 0, 0},
    {"Acosh", FLOATS, UNARY, 1.1, 4},
    {"Atanh", FLOATS, UNARY, -0.9, 0.9},
    {"Erf", FLOATS, UNARY, 0, 0},
    {"Not", "bool", UNARY, 0, 1},
    {"BitwiseNot", INTS, UNARY, 0, 0},
    {"IsNaN", FLOATS, UNARY, 0, 0},
    {"IsInf", FLOATS, UNARY, 0, 0},
    {"Identity", NUMBERS " bool", UNARY, 0, 1},
    {"Cast", NUMBERS " bool",
     "%1 = input \"x\" T[3, 37]\n%2 = Cast(%1) {to=1}\noutput \"f32\" %2\n%3 = Cast(%1) {to=7}\noutput \"i64\" %3\n"
     "%4 = Cast(%1) {to=10}\noutput \"f16\" %4\n%5 = Cast(%1) {to=9}\noutput \"bool\" %5\n"
     "%6 = Cast(%1) {to=16}\noutput \"bf16\" %6\n", 0, 1},
    {"CastLike", FLOATS " i32",
     "%1 = input \"x\" f32[3, 37]\n%2 = input \"like\" T[1]\n%3 = CastLike(%1, %2)\noutput \"y\" %3\n", 0, 0},
    // several inputs
    {"Add", NUMBERS, BINARY, 0, 0},
    {"Sub", NUMBERS, BINARY, 0, 0},
    {"Mul", NUMBERS, BINARY, 0, 0},
    {"Div", NUMBERS, BINARY, 1, 9},
    {"Mod", "i32 i64 i16 i8 u8 u16 u32 u64", BINARY, 1, 9},
    {"Mod", FLOATS,
     "%1 = input \"a\" T[5, 37]\n%2 = input \"b\" T[37]\n%3 = Mod(%1, %2) {fmod=1}\noutput \"y\" %3\n", 1, 9},
    {"Pow", FLOATS, BINARY, 0.5, 2},
    {"Min", NUMBERS, VARIADIC, 0, 0},
    {"Max", NUMBERS, VARIADIC, 0, 0},
    {"And", "bool", BINARY, 0, 1},
    {"Or", "bool", BINARY, 0, 1},
    {"Xor", "bool", BINARY, 0, 1},
    {"BitwiseAnd", INTS, BINARY, 0, 0},
    {"BitwiseOr", INTS, BINARY, 0, 0},
    {"BitwiseXor", INTS, BINARY, 0, 0},
    {"BitShift", UNSIGNED,
     "%1 = input \"a\" T[5, 37]\n%2 = input \"b\" T[37]\n%3 = BitShift(%1, %2) {direction=\"LEFT\"}\n"
     "output \"y\" %3\n", 0, 7},
    {"Equal", NUMBERS " bool", BINARY, 0, 2},
    {"Less", NUMBERS, BINARY, 0, 2},
    {"LessOrEqual", NUMBERS, BINARY, 0, 2},
    {"Greater", NUMBERS, BINARY, 0, 2},
    {"GreaterOrEqual", NUMBERS, BINARY, 0, 2},
    {"Where", NUMBERS " bool",
     "%1 = input \"c\" bool[5, 1]\n%2 = input \"a\" T[37]\n%3 = input \"b\" T[3, 5, 1]\n%4 = Where(%1, %2, %3)\n"
     "output \"y\" %4\n", 0, 1},
    {"Sum", FLOATS, VARIADIC, 0, 0},
    {"Mean", FLOATS, VARIADIC, 0, 0},
    // reductions
    {"ReduceSum", FLOATS " i32 i64", REDUCE, 0, 0},
    {"ReduceMax", NUMBERS, REDUCE, 0, 0},
    {"ReduceMin", NUMBERS, REDUCE, 0, 0},
    {"ReduceProd", FLOATS " i32 i64", REDUCE, 0.9, 1.1},
    {"ReduceMean", FLOATS, REDUCE, 0, 0},
    {"ReduceSumSquare", FLOATS, REDUCE, -1, 1},
    {"ReduceL1", FLOATS, REDUCE, -1, 1},
    {"ReduceL2", FLOATS, REDUCE, -1, 1},
    {"ReduceLogSum", FLOATS, REDUCE, 0.5, 1},
    {"ReduceLogSumExp", FLOATS, REDUCE, -1, 1},
    {"ArgMax", NUMBERS, ARG, 0, 0},
    {"ArgMin", NUMBERS, ARG, 0, 0},
    {"CumSum", FLOATS " i32 i64",
     "%1 = input \"x\" T[5, 37]\n%2 = const \"\" i64[] {1}\n%3 = CumSum(%1, %2)\noutput \"y\" %3\n"
     "%4 = CumSum(%1, %2) {exclusive=1, reverse=1}\noutput \"z\" %4\n", -1, 1},
    {"CumProd", FLOATS " i32 i64",
     "%1 = input \"x\" T[5, 37]\n%2 = const \"\" i64[] {1}\n%3 = CumProd(%1, %2)\noutput \"y\" %3\n"
     "%4 = CumProd(%1, %2) {exclusive=1, reverse=1}\noutput \"z\" %4\n", 0.9, 1.1},
    {"TopK", FLOATS " i32 i64",
     "%1 = input \"x\" T[5, 37]\n%2 = const \"\" i64[1] {7}\n%3, %4 = TopK(%1, %2)\noutput \"v\" %3\noutput \"i\" %4\n",
     0, 0},
    // products
    {"MatMul", FLOATS " i32 i64 u32 u64",
     "%1 = input \"a\" T[3, 17, 37]\n%2 = input \"b\" T[37, 11]\n%3 = MatMul(%1, %2)\noutput \"y\" %3\n"
     "%4 = input \"v\" T[37]\n%5 = MatMul(%1, %4)\noutput \"z\" %5\n%6 = MatMul(%4, %2)\noutput \"w\" %6\n", -1, 1},
    {"Gemm", FLOATS " i32 i64",
     "%1 = input \"a\" T[17, 37]\n%2 = input \"b\" T[11, 37]\n%3 = input \"c\" T[11]\n"
     "%4 = Gemm(%1, %2, %3) {transB=1}\n"
     "output \"y\" %4\n%5 = input \"d\" T[37, 17]\n%6 = Gemm(%5, %2) {transA=1, transB=1, alpha=2.0}\n"
     "output \"z\" %6\n",
     -1, 1},
    {"BlockMatMul", FLOATS,
     "%1 = input \"x\" T[3, 64]\n%2 = input \"w\" q8_0[5, 64]\n%3 = maru.BlockMatMul(%1, %2)\noutput \"y\" %3\n"
     "", -1, 1},
    {"Conv", FLOATS,
     "%1 = input \"x\" T[2, 4, 9, 11]\n%2 = input \"w\" T[6, 2, 3, 3]\n%3 = input \"b\" T[6]\n"
     "%4 = Conv(%1, %2, %3) {group=2, pads=ints[1, 0, 1, 2], strides=ints[2, 1]}\noutput \"y\" %4\n"
     "%5 = input \"d\" T[4, 1, 3, 3]\n%6 = Conv(%1, %5) {group=4, dilations=ints[2, 2], auto_pad=\"SAME_UPPER\"}\n"
     "output \"z\" %6\n", -1, 1},
    {"FusedConv", FLOATS,
     "%1 = input \"x\" T[1, 4, 9, 11]\n%2 = input \"w\" T[6, 4, 3, 3]\n"
     "%3 = maru.FusedConv(%1, %2) {activation=\"Relu\"}\noutput \"y\" %3\n", -1, 1},
    {"MatMulInteger", BYTES,
     "%1 = input \"a\" T[3, 17, 37]\n%2 = input \"b\" i8[37, 11]\n%3 = MatMulInteger(%1, %2)\noutput \"y\" %3\n"
     "%4 = input \"za\" T[]\n%5 = const \"\" i8[11] {1, -2, 3, -4, 5, -6, 7, -8, 9, -10, 11}\n"
     "%6 = MatMulInteger(%1, %2, %4, %5)\noutput \"z\" %6\n"
     "%7 = input \"d\" u8[37]\n%8 = input \"rows\" T[3, 17, 1]\n%9 = const \"\" u8[1] {128}\n"
     "%10 = MatMulInteger(%1, %7, %8, %9)\noutput \"w\" %10\n", 0, 100},
    {"ConvInteger", BYTES,
     "%1 = input \"x\" T[2, 4, 9, 11]\n%2 = input \"w\" i8[6, 2, 3, 3]\n%3 = const \"\" T[] {7}\n"
     "%4 = ConvInteger(%1, %2, %3) {group=2, pads=ints[1, 0, 1, 2], strides=ints[2, 1]}\noutput \"y\" %4\n"
     "%5 = input \"d\" u8[4, 1, 3, 3]\n%6 = const \"\" u8[4] {128, 127, 0, 255}\n"
     "%7 = ConvInteger(%1, %5, _, %6) {group=4, dilations=ints[2, 2], auto_pad=\"SAME_UPPER\"}\noutput \"z\" %7\n",
     0, 100},
    {"ConvTranspose", FLOATS,
     "%1 = input \"x\" T[2, 4, 5, 7]\n%2 = input \"w\" T[4, 3, 3, 3]\n"
     "%3 = ConvTranspose(%1, %2) {strides=ints[2, 2], pads=ints[1, 1, 1, 1], output_padding=ints[1, 0]}\n"
     "output \"y\" %3\n", -1, 1},
    {"AveragePool", FLOATS,
     "%1 = input \"x\" T[2, 3, 9, 11]\n%2 = AveragePool(%1) {kernel_shape=ints[3, 3], pads=ints[1, 1, 1, 1], "
     "strides=ints[2, 2]}\noutput \"y\" %2\n%3 = AveragePool(%1) {kernel_shape=ints[2, 4], ceil_mode=1, "
     "strides=ints[2, 3], count_include_pad=1}\noutput \"z\" %3\n", 0, 0},
    {"MaxPool", FLOATS " i8 u8",
     "%1 = input \"x\" T[2, 3, 9, 11]\n%2, %3 = MaxPool(%1) {kernel_shape=ints[3, 3], strides=ints[2, 2]}\n"
     "output \"y\" %2\noutput \"i\" %3\n", 0, 0},
    {"GlobalAveragePool", FLOATS, GLOBAL, 0, 0},
    {"GlobalMaxPool", FLOATS, GLOBAL, 0, 0},
    {"LpPool", FLOATS,
     "%1 = input \"x\" T[2, 3, 9, 11]\n%2 = LpPool(%1) {kernel_shape=ints[3, 3], pads=ints[1, 1, 1, 1], "
     "strides=ints[2, 2]}\noutput \"y\" %2\n%3 = LpPool(%1) {kernel_shape=ints[2, 4], ceil_mode=1, p=3}\n"
     "output \"z\" %3\n", -1, 1},
    {"MaxUnpool", FLOATS,
     "%1 = input \"x\" T[1, 2, 2, 3]\n%2 = const \"\" i64[1, 2, 2, 3] {1, 2, 10, 13, 21, 22, 24, 26, 34, 36, 45, 47}\n"
     "%3 = MaxUnpool(%1, %2) {kernel_shape=ints[2, 2], strides=ints[2, 2]}\noutput \"y\" %3\n"
     "%4 = shape [1, 2, 5, 7]\n%5 = MaxUnpool(%1, %2, %4) {kernel_shape=ints[2, 2], strides=ints[2, 2]}\n"
     "output \"z\" %5\n", 0, 0},
    {"Col2Im", FLOATS,
     "%1 = input \"x\" T[2, 12, 20]\n%2 = shape [5, 6]\n%3 = const \"\" i64[2] {2, 3}\n%4 = Col2Im(%1, %2, %3) "
     "{dilations=ints[1, 1], pads=ints[0, 1, 0, 0]}\noutput \"y\" %4\n", -1, 1},
    {"DeformConv", FLOATS,
     "%1 = input \"x\" T[2, 4, 5, 6]\n%2 = input \"w\" T[6, 2, 2, 3]\n%3 = input \"o\" T[2, 24, 4, 4]\n"
     "%4 = input \"b\" T[6]\n%5 = input \"m\" T[2, 12, 4, 4]\n%6 = DeformConv(%1, %2, %3, %4, %5) "
     "{group=2, offset_group=2}\noutput \"y\" %6\n", -1, 1},
    {"Det", FLOATS,
     "%1 = input \"x\" T[3, 4, 4]\n%2 = Det(%1)\noutput \"y\" %2\n%3 = input \"s\" T[1, 1]\n%4 = Det(%3)\n"
     "output \"z\" %4\n", -1, 1},
    // moving data
    {"Reshape", NUMBERS " bool",
     "%1 = input \"x\" T[3, 8]\n%2 = shape [6, 4]\n%3 = Reshape(%1, %2)\noutput \"y\" %3\n", 0, 1},
    {"Transpose", NUMBERS " bool",
     "%1 = input \"x\" T[3, 5, 7]\n%2 = Transpose(%1) {perm=ints[2, 0, 1]}\noutput \"y\" %2\n", 0, 1},
    {"Expand", NUMBERS " bool",
     "%1 = input \"x\" T[3, 1]\n%2 = shape [2, 3, 7]\n%3 = Expand(%1, %2)\noutput \"y\" %3\n", 0, 1},
    {"Concat", NUMBERS " bool",
     "%1 = input \"a\" T[3, 5]\n%2 = input \"b\" T[3, 2]\n%3 = Concat(%1, %2, %1) {axis=-1}\noutput \"y\" %3\n", 0, 1},
    {"Split", NUMBERS " bool",
     "%1 = input \"x\" T[3, 7]\n%2 = const \"\" i64[2] {2, 5}\n%3, %4 = Split(%1, %2) {axis=1}\noutput \"a\" %3\n"
     "output \"b\" %4\n", 0, 1},
    {"Slice", NUMBERS " bool",
     "%1 = input \"x\" T[9, 7]\n%2 = const \"\" i64[2] {1, 6}\n%3 = const \"\" i64[2] {8, 0}\n"
     "%4 = const \"\" i64[2] {0, 1}\n%5 = const \"\" i64[2] {2, -1}\n%6 = Slice(%1, %2, %3, %4, %5)\noutput \"y\" %6\n",
     0, 1},
    {"Gather", NUMBERS " bool",
     "%1 = input \"x\" T[9, 7]\n%2 = const \"\" i64[2, 2] {0, -1, 4, 8}\n%3 = Gather(%1, %2)\noutput \"y\" %3\n"
     "%4 = Gather(%1, %2) {axis=0}\noutput \"z\" %4\n", 0, 1},
    {"GatherElements", NUMBERS,
     "%1 = input \"x\" T[3, 4]\n%2 = const \"\" i64[2, 4] {0, 1, 2, -1, 2, 1, 0, 0}\n"
     "%3 = GatherElements(%1, %2) {axis=0}\noutput \"y\" %3\n", 0, 0},
    {"GatherND", NUMBERS,
     "%1 = input \"x\" T[3, 4, 5]\n%2 = const \"\" i64[2, 2] {0, 1, 2, -1}\n%3 = GatherND(%1, %2)\n"
     "output \"y\" %3\n", 0,
     0},
    {"ScatterElements", NUMBERS,
     "%1 = input \"x\" T[3, 4]\n%2 = const \"\" i64[2, 4] {0, 1, 2, 1, 2, 0, 0, 2}\n%3 = input \"u\" T[2, 4]\n"
     "%4 = ScatterElements(%1, %2, %3) {axis=0}\noutput \"y\" %4\n"
     "%5 = ScatterElements(%1, %2, %3) {axis=0, reduction=\"add\"}\noutput \"z\" %5\n", 0, 0},
    {"ScatterND", NUMBERS,
     "%1 = input \"x\" T[5, 4]\n%2 = const \"\" i64[2, 1] {3, 1}\n%3 = input \"u\" T[2, 4]\n"
     "%4 = ScatterND(%1, %2, %3)\noutput \"y\" %4\n", 0, 0},
    {"Pad", NUMBERS,
     "%1 = input \"x\" T[3, 5]\n%2 = const \"\" i64[4] {1, 2, 0, 3}\n%3 = Pad(%1, %2)\noutput \"y\" %3\n"
     "%4 = Pad(%1, %2) {mode=\"reflect\"}\noutput \"r\" %4\n%5 = Pad(%1, %2) {mode=\"edge\"}\noutput \"e\" %5\n"
     "%6 = Pad(%1, %2) {mode=\"wrap\"}\noutput \"w\" %6\n", 0, 0},
    {"Tile", NUMBERS " bool",
     "%1 = input \"x\" T[3, 5]\n%2 = const \"\" i64[2] {2, 3}\n%3 = Tile(%1, %2)\noutput \"y\" %3\n", 0, 1},
    {"Shape", NUMBERS, "%1 = input \"x\" T[3, 5]\n%2 = Shape(%1) {start=1}\noutput \"y\" %2\n", 0, 0},
    {"Size", NUMBERS, "%1 = input \"x\" T[3, 5]\n%2 = Size(%1)\noutput \"y\" %2\n", 0, 0},
    {"Range", "f32 f64 i32 i64",
     "%1 = const \"\" T[] {2}\n%2 = const \"\" T[] {20}\n%3 = const \"\" T[] {3}\n%4 = Range(%1, %2, %3)\n"
     "output \"y\" %4\n", 0, 0},
    {"ConstantOfShape", NUMBERS,
     "%1 = const \"\" T[1] {3}\n%2 = shape [3, 5]\n%3 = ConstantOfShape(%2) {value=%1}\noutput \"y\" %3\n", 0, 0},
    {"Trilu", NUMBERS " bool",
     "%1 = input \"x\" T[2, 5, 7]\n%2 = Trilu(%1)\noutput \"y\" %2\n%3 = const \"\" i64[] {-1}\n"
     "%4 = Trilu(%1, %3) {upper=0}\noutput \"z\" %4\n", 0, 1},
    {"Random", "i64",
     "%1 = const \"\" i64[2] {5, 37}\n%2 = input \"counter\" T[]\n%3 = maru.Random(%1, %2) {seed=7, stream=9}\n"
     "output \"y\" %3\n%4 = const \"\" i64[] {5000000000}\n%5 = maru.Random(%1, %4) {seed=4294967295}\n"
     "output \"z\" %5\n%6 = maru.Random(%1)\noutput \"w\" %6\n", 0, 0},
    {"NonZero", NUMBERS " bool", "%1 = input \"x\" T[3, 5]\n%2 = NonZero(%1)\noutput \"y\" %2\n", 0, 1},
    {"Resize", "f32 f16 bf16 f64",
     "%1 = input \"x\" T[1, 2, 4, 5]\n%2 = shape [1, 2, 7, 9]\n%3 = Resize(%1, _, _, %2) {mode=\"linear\"}\n"
     "output \"l\" %3\n%4 = Resize(%1, _, _, %2) {mode=\"nearest\"}\noutput \"n\" %4\n"
     "%5 = Resize(%1, _, _, %2) {mode=\"cubic\", coordinate_transformation_mode=\"align_corners\"}\n"
     "output \"c\" %5\n", 0,
     0},
    {"Squeeze", NUMBERS, "%1 = input \"x\" T[3, 1, 5]\n%2 = Squeeze(%1)\noutput \"y\" %2\n", 0, 0},
    {"Unsqueeze", NUMBERS,
     "%1 = input \"x\" T[3, 5]\n%2 = const \"\" i64[1] {1}\n%3 = Unsqueeze(%1, %2)\noutput \"y\" %3\n", 0, 0},
    {"Flatten", NUMBERS, "%1 = input \"x\" T[3, 5, 2]\n%2 = Flatten(%1)\noutput \"y\" %2\n", 0, 0},
    {"DepthToSpace", NUMBERS,
     "%1 = input \"x\" T[1, 8, 2, 3]\n%2 = DepthToSpace(%1) {blocksize=2}\noutput \"d\" %2\n"
     "%3 = DepthToSpace(%1) {blocksize=2, mode=\"CRD\"}\noutput \"c\" %3\n", 0, 0},
    {"SpaceToDepth", NUMBERS,
     "%1 = input \"x\" T[1, 2, 4, 6]\n%2 = SpaceToDepth(%1) {blocksize=2}\noutput \"y\" %2\n", 0, 0},
    {"OneHot", "i32 i64",
     "%1 = input \"x\" T[3, 5]\n%2 = const \"\" i64[1] {4}\n%3 = const \"\" f32[2] {0.5, 2.0}\n"
     "%4 = OneHot(%1, %2, %3)\n"
     "output \"y\" %4\n", 0, 3},
    {"BitCast", "f32 i32 u32",
     "%1 = input \"x\" T[3, 5]\n%2 = BitCast(%1) {to=6}\noutput \"i\" %2\n%3 = BitCast(%1) {to=12}\n"
     "output \"u\" %3\n", 0, 0},
    {"Compress", NUMBERS " bool",
     "%1 = input \"x\" T[3, 5]\n%2 = const \"\" bool[4] {0, 1, 0, 1}\n%3 = Compress(%1, %2) {axis=1}\n"
     "output \"y\" %3\n%4 = input \"c\" bool[15]\n%5 = Compress(%1, %4)\noutput \"z\" %5\n", 0, 1},
    {"ReverseSequence", NUMBERS " bool",
     "%1 = input \"x\" T[3, 5, 2]\n%2 = const \"\" i64[3] {2, 5, 0}\n"
     "%3 = ReverseSequence(%1, %2) {batch_axis=0, time_axis=1}\noutput \"y\" %3\n", 0, 1},
    {"Unique", NUMBERS " bool",
     "%1 = input \"x\" T[3, 5]\n%2, %3, %4, %5 = Unique(%1)\noutput \"y\" %2\noutput \"i\" %3\noutput \"n\" %4\n"
     "output \"c\" %5\n%6 = Unique(%1) {axis=1, sorted=0}\noutput \"z\" %6\n", 0, 1},
    {"TfIdfVectorizer", "i32 i64",
     "%1 = input \"x\" T[2, 9]\n%2 = TfIdfVectorizer(%1) {max_gram_length=2, max_skip_count=1, min_gram_length=1, "
     "mode=\"TFIDF\", ngram_counts=ints[0, 2], ngram_indexes=ints[3, 1, 0, 2], pool_int64s=ints[1, 2, 0, 1, 2, 2], "
     "weights=floats[0.5, 2.0, 3.0, 0.25]}\noutput \"y\" %2\n", 0, 3},
    // between pixels
    {"GridSample", FLOATS,
     "%1 = input \"x\" T[2, 3, 4, 5]\n%2 = input \"g\" T[2, 6, 7, 2]\n%3 = GridSample(%1, %2)\noutput \"y\" %3\n"
     "%4 = GridSample(%1, %2) {mode=\"cubic\", padding_mode=\"reflection\", align_corners=1}\noutput \"z\" %4\n"
     "%5 = GridSample(%1, %2) {mode=\"nearest\", padding_mode=\"border\"}\noutput \"w\" %5\n", -1.5, 1.5},
    {"RoiAlign", FLOATS,
     "%1 = input \"x\" T[2, 3, 8, 9]\n%2 = const \"\" T[2, 4] {1, 0.5, 6, 5, 2, 2, 7.5, 8}\n"
     "%3 = const \"\" i64[2] {1, 0}\n%4 = RoiAlign(%1, %2, %3) {output_height=3, output_width=2}\noutput \"y\" %4\n"
     "%5 = RoiAlign(%1, %2, %3) {mode=\"max\", sampling_ratio=2, spatial_scale=0.5, "
     "coordinate_transformation_mode=\"output_half_pixel\"}\noutput \"z\" %5\n", -1, 1},
    {"NonMaxSuppression", "f32",
     "%1 = input \"b\" T[2, 9, 4]\n%2 = input \"s\" T[2, 3, 9]\n%3 = const \"\" i64[] {4}\n"
     "%4 = const \"\" f32[] {0.4}\n%5 = const \"\" f32[] {0.2}\n"
     "%6 = NonMaxSuppression(%1, %2, %3, %4, %5)\noutput \"y\" %6\n", 0, 1},
    // signals
    {"DFT", FLOATS,
     "%1 = input \"x\" T[2, 9, 1]\n%2 = DFT(%1) {onesided=1}\noutput \"y\" %2\n%3 = input \"c\" T[8, 3, 2]\n"
     "%4 = const \"\" i64[] {6}\n%5 = const \"\" i64[] {0}\n%6 = DFT(%3, %4, %5) {inverse=1}\noutput \"z\" %6\n"
     "%7 = DFT(%3, _, %5) {inverse=1, onesided=1}\noutput \"w\" %7\n", -1, 1},
    {"STFT", FLOATS,
     "%1 = input \"x\" T[2, 37, 1]\n%2 = const \"\" i64[] {5}\n%3 = input \"w\" T[8]\n%4 = STFT(%1, %2, %3)\n"
     "output \"y\" %4\n%5 = const \"\" i64[] {12}\n%6 = STFT(%1, %2, _, %5) {onesided=0}\noutput \"z\" %6\n", -1, 1},
    // activations
    {"Relu", FLOATS " " SIGNED, UNARY, 0, 0},
    {"Sigmoid", FLOATS, UNARY, 0, 0},
    {"HardSigmoid", FLOATS, UNARY, 0, 0},
    {"HardSwish", FLOATS, UNARY, -5, 5},
    {"Swish", FLOATS, UNARY, 0, 0},
    {"SwiGLU", FLOATS,
     "%1 = input \"a\" T[5, 37]\n%2 = input \"b\" T[5, 37]\n%3 = SwiGLU(%1, %2)\noutput \"y\" %3\n", 0, 0},
    {"Gelu", FLOATS,
     "%1 = input \"x\" T[5, 37]\n%2 = Gelu(%1)\noutput \"e\" %2\n%3 = Gelu(%1) {approximate=\"tanh\"}\n"
     "output \"t\" %3\n",
     0, 0},
    {"LeakyRelu", FLOATS, UNARY, 0, 0},
    {"PRelu", FLOATS,
     "%1 = input \"x\" T[5, 37]\n%2 = input \"s\" T[37]\n%3 = PRelu(%1, %2)\noutput \"y\" %3\n", 0, 0},
    {"Elu", FLOATS, UNARY, 0, 0},
    {"Selu", FLOATS, UNARY, 0, 0},
    {"Celu", FLOATS, UNARY, 0, 0},
    {"Softplus", FLOATS, UNARY, 0, 0},
    {"Softsign", FLOATS, UNARY, 0, 0},
    {"Mish", FLOATS, UNARY, 0, 0},
    {"ThresholdedRelu", FLOATS, UNARY, 0, 0},
    {"Clip", NUMBERS,
     "%1 = input \"x\" T[5, 37]\n%2 = const \"\" T[] {1}\n%3 = const \"\" T[] {2}\n%4 = Clip(%1, %2, %3)\n"
     "output \"y\" %4\n%5 = Clip(%1, _, %3)\noutput \"z\" %5\n", 0, 0},
    {"Softmax", FLOATS,
     "%1 = input \"x\" T[3, 5, 37]\n%2 = Softmax(%1)\noutput \"l\" %2\n%3 = Softmax(%1) {axis=1}\noutput \"m\" %3\n", 0,
     0},
    {"LogSoftmax", FLOATS, "%1 = input \"x\" T[3, 5, 37]\n%2 = LogSoftmax(%1)\noutput \"y\" %2\n", 0, 0},
    // normalisation
    {"LayerNormalization", FLOATS,
     "%1 = input \"x\" T[3, 5, 37]\n%2 = input \"s\" T[37]\n%3 = input \"b\" T[37]\n"
     "%4 = LayerNormalization(%1, %2, %3)\n"
     "output \"y\" %4\n", 0, 0},
    {"RMSNormalization", FLOATS,
     "%1 = input \"x\" T[3, 5, 37]\n%2 = input \"s\" T[37]\n%3 = RMSNormalization(%1, %2)\noutput \"y\" %3\n", 0, 0},
    {"BatchNormalization", FLOATS,
     "%1 = input \"x\" T[2, 3, 5, 7]\n%2 = input \"s\" T[3]\n%3 = input \"b\" T[3]\n%4 = input \"m\" T[3]\n"
     "%5 = input \"v\" T[3]\n%6 = BatchNormalization(%1, %2, %3, %4, %5)\noutput \"y\" %6\n", 0.5, 2},
    {"InstanceNormalization", FLOATS,
     "%1 = input \"x\" T[2, 3, 5, 7]\n%2 = input \"s\" T[3]\n%3 = input \"b\" T[3]\n"
     "%4 = InstanceNormalization(%1, %2, %3)\noutput \"y\" %4\n", 0, 0},
    {"GroupNormalization", FLOATS,
     "%1 = input \"x\" T[2, 6, 5, 7]\n%2 = input \"s\" T[6]\n%3 = input \"b\" T[6]\n"
     "%4 = GroupNormalization(%1, %2, %3) {num_groups=3}\noutput \"y\" %4\n", 0, 0},
    // sequences and states
    {"Attention", FLOATS,
     "%1 = input \"q\" T[2, 4, 5, 8]\n%2 = input \"k\" T[2, 2, 9, 8]\n%3 = input \"v\" T[2, 2, 9, 8]\n"
     "%4 = Attention(%1, %2, %3)\noutput \"y\" %4\n%5 = const \"\" i64[2] {9, 6}\n"
     "%6 = Attention(%1, %2, %3, _, _, _, %5) {is_causal=1, left_window_size=3}\noutput \"z\" %6\n"
     "%7 = input \"m\" bool[2, 1, 5, 9]\n%8 = Attention(%1, %2, %3, %7) {scale=0.3}\noutput \"w\" %8\n", -1, 1},
    {"Attention", FLOATS,
     "%1 = input \"q\" T[2, 5, 32]\n%2 = input \"k\" T[2, 3, 16]\n%3 = input \"v\" T[2, 3, 16]\n"
     "%4 = input \"pk\" T[2, 2, 4, 8]\n%5 = input \"pv\" T[2, 2, 4, 8]\n"
     "%6, %7, %8 = Attention(%1, %2, %3, _, %4, %5) {q_num_heads=4, kv_num_heads=2, is_causal=1, softcap=2.0}\n"
     "output \"y\" %6\noutput \"k\" %7\noutput \"v\" %8\n", -1, 1},
    {"RotaryEmbedding", FLOATS,
     "%1 = input \"x\" T[2, 3, 5, 8]\n%2 = input \"c\" T[9, 4]\n%3 = input \"s\" T[9, 4]\n"
     "%4 = const \"\" i64[2, 5] {0, 1, 2, 3, 4, 4, 5, 6, 7, 8}\n%5 = RotaryEmbedding(%1, %2, %3, %4)\noutput \"y\" %5\n"
     "%6 = RotaryEmbedding(%1, %2, %3, %4) {interleaved=1}\noutput \"z\" %6\n", -1, 1},
    {"TensorScatter", NUMBERS,
     "%1 = input \"p\" T[2, 3, 9, 4]\n%2 = input \"u\" T[2, 3, 2, 4]\n%3 = const \"\" i64[2] {1, 7}\n"
     "%4 = TensorScatter(%1, %2, %3)\noutput \"y\" %4\n%5 = const \"\" i64[2] {8, 3}\n"
     "%6 = TensorScatter(%1, %2, %5) {mode=\"circular\"}\noutput \"z\" %6\n", 0, 0},
    {"LSTM", FLOATS,
     "%1 = input \"x\" T[5, 2, 7]\n%2 = input \"w\" T[2, 12, 7]\n%3 = input \"r\" T[2, 12, 3]\n"
     "%4 = input \"b\" T[2, 24]\n%5 = const \"\" i32[2] {5, 2}\n%6 = input \"h\" T[2, 2, 3]\n"
     "%7 = input \"c\" T[2, 2, 3]\n%8 = input \"p\" T[2, 9]\n%9, %10, %11 = LSTM(%1, %2, %3, %4, %5, %6, %7, %8) "
     "{direction=\"bidirectional\", hidden_size=3}\noutput \"y\" %9\noutput \"yh\" %10\noutput \"yc\" %11\n"
     "%12, %13, %14 = LSTM(%1, %2, %3) {direction=\"bidirectional\", input_forget=1, clip=0.5}\n"
     "output \"z\" %12\noutput \"zh\" %13\noutput \"zc\" %14\n", -1, 1},
    {"GRU", FLOATS,
     "%1 = input \"x\" T[2, 5, 7]\n%2 = input \"w\" T[1, 9, 7]\n%3 = input \"r\" T[1, 9, 3]\n"
     "%4 = input \"b\" T[1, 18]\n%5, %6 = GRU(%1, %2, %3, %4) {layout=1, direction=\"reverse\"}\n"
     "output \"y\" %5\noutput \"yh\" %6\n%7, %8 = GRU(%1, %2, %3, %4) {layout=1, linear_before_reset=1}\n"
     "output \"z\" %7\noutput \"zh\" %8\n", -1, 1},
    {"RNN", FLOATS,
     "%1 = input \"x\" T[5, 2, 7]\n%2 = input \"w\" T[1, 3, 7]\n%3 = input \"r\" T[1, 3, 3]\n"
     "%4, %5 = RNN(%1, %2, %3) {activations=strings[\"Softsign\"]}\noutput \"y\" %4\noutput \"yh\" %5\n", -1, 1},
    {"LinearAttention", FLOATS,
     "%1 = input \"q\" T[2, 5, 12]\n%2 = input \"k\" T[2, 5, 6]\n%3 = input \"v\" T[2, 5, 10]\n"
     "%4 = input \"s\" T[2, 2, 3, 5]\n%5 = input \"g\" T[2, 5, 2]\n%6 = input \"b\" T[2, 5, 2]\n"
     "%7, %8 = LinearAttention(%1, %2, %3, %4, %5, %6) {q_num_heads=4, kv_num_heads=2}\noutput \"y\" %7\n"
     "output \"n\" %8\n%9, %10 = LinearAttention(%1, %2, %3) {q_num_heads=4, kv_num_heads=2, "
     "update_rule=\"linear\"}\noutput \"z\" %9\noutput \"zn\" %10\n", -1, 1},
    // quantisation
    {"QuantizeLinear", "f32 f16",
     "%1 = input \"x\" T[3, 8]\n%2 = const \"\" T[] {0.5}\n%3 = const \"\" u8[] {3}\n%4 = QuantizeLinear(%1, %2, %3)\n"
     "output \"y\" %4\n%5 = const \"\" T[8] {1, 2, 3, 4, 5, 6, 7, 8}\n%6 = const \"\" i8[8] {0, 1, 2, 3, 4, 5, 6, 7}\n"
     "%7 = QuantizeLinear(%1, %5, %6)\noutput \"z\" %7\n", 0, 0},
    {"DequantizeLinear", "i8 u8 i16 u16",
     "%1 = input \"x\" T[3, 8]\n%2 = const \"\" f32[] {0.5}\n%3 = const \"\" T[] {3}\n"
     "%4 = DequantizeLinear(%1, %2, %3)\n"
     "output \"y\" %4\n%5 = const \"\" f32[3, 2] {1, 2, 3, 4, 5, 6}\n%6 = DequantizeLinear(%1, %5) {block_size=4}\n"
     "output \"z\" %6\n", 0, 0},
    // Scales are powers of two: whoever has the right sum has the right step, ties too.
    {"QLinearMatMul", BYTES,
     "%1 = input \"a\" T[3, 17, 37]\n%2 = const \"\" f32[] {0.5}\n%3 = const \"\" T[] {5}\n"
     "%4 = input \"b\" i8[37, 5]\n%5 = const \"\" f32[] {0.25}\n%6 = const \"\" i8[] {3}\n"
     "%7 = const \"\" f32[] {64.0}\n%8 = const \"\" T[] {9}\n"
     "%9 = QLinearMatMul(%1, %2, %3, %4, %5, %6, %7, %8)\noutput \"y\" %9\n"
     "%10 = input \"rows\" T[3, 17, 1]\n%11 = const \"\" f32[5] {0.5, 0.25, 1.0, 2.0, 0.125}\n"
     "%12 = const \"\" i8[5] {0, -3, 100, 7, 1}\n%13 = const \"\" u8[1] {128}\n"
     "%14 = QLinearMatMul(%1, %2, %10, %4, %11, %12, %7, %13)\noutput \"z\" %14\n", 0, 100},
    {"QLinearMatMul", "f8e4m3fn f8e5m2",
     "%1 = input \"a\" T[3, 7]\n%2 = const \"\" f16[3] {0.5, 0.25, 2.0}\n%3 = const \"\" T[3] {0.0, 1.0, 0.0}\n"
     "%4 = input \"b\" i8[2, 7, 5]\n%5 = const \"\" f16[1] {0.25}\n%6 = const \"\" i8[2, 1, 5] "
     "{1, 2, 3, 4, 5, 6, 7, 8, 9, 10}\n%7 = const \"\" f16[] {2.0}\n%8 = const \"\" u8[] {9}\n"
     "%9 = QLinearMatMul(%1, %2, %3, %4, %5, %6, %7, %8)\noutput \"y\" %9\n", 0, 8},
    {"QLinearConv", BYTES,
     "%1 = input \"x\" T[2, 4, 9, 11]\n%2 = const \"\" f32[] {0.5}\n%3 = const \"\" T[] {5}\n"
     "%4 = input \"w\" i8[6, 2, 3, 3]\n%5 = const \"\" f32[6] {0.5, 0.25, 1.0, 2.0, 0.125, 0.5}\n"
     "%6 = const \"\" i8[6] {0, 0, 0, 0, 0, 0}\n%7 = const \"\" f32[] {64.0}\n%8 = const \"\" u8[] {100}\n"
     "%9 = const \"\" i32[6] {1000, -1000, 5, -7, 100000, 0}\n"
     "%10 = QLinearConv(%1, %2, %3, %4, %5, %6, %7, %8, %9) {group=2, pads=ints[1, 0, 1, 2], strides=ints[2, 1]}\n"
     "output \"y\" %10\n%11 = const \"\" f32[1] {0.5}\n%12 = const \"\" i8[] {9}\n%13 = const \"\" T[1] {50}\n"
     "%14 = QLinearConv(%1, %2, %3, %4, %11, %12, %7, %13) {group=2}\noutput \"z\" %14\n", 0, 100},
    {"DynamicQuantizeLinear", "f32",
     "%1 = input \"x\" T[5, 37]\n%2, %3, %4 = DynamicQuantizeLinear(%1)\noutput \"y\" %2\noutput \"scale\" %3\n"
     "output \"zero\" %4\n%5 = const \"\" T[3] {0.0, 0.0, 0.0}\n%6, %7, %8 = DynamicQuantizeLinear(%5)\n"
     "output \"y0\" %6\noutput \"scale0\" %7\noutput \"zero0\" %8\n%9 = Abs(%1)\n"
     "%10, %11, %12 = DynamicQuantizeLinear(%9)\noutput \"y1\" %10\noutput \"zero1\" %12\n", 0, 0},
};

const size_t n_certify_cases = sizeof certify_cases / sizeof *certify_cases;

void certify_write_text(const certify_case *c, const char *dtype, char *out, size_t room)
{
    size_t n = (size_t)snprintf(out, room, "maru 1 \"%s\"\n", c->op);
    for (const char *at = c->text; *at && n + 64 < room;) {
        const bool is_dtype = at[0] == 'T' && at[1] == '[';
        const bool is_op = strncmp(at, "OP(", 3) == 0;
        if (is_dtype || is_op) {
            n += (size_t)snprintf(out + n, room - n, "%s", is_dtype ? dtype : c->op);
            at += is_dtype ? 1 : 2;
        } else {
            out[n++] = *at++;
            out[n] = 0;
        }
    }
}
