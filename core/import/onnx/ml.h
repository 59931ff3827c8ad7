// SPDX-FileCopyrightText: The Maru authors
// SPDX-License-Identifier: Apache-2.0
#ifndef MARU_IMPORT_ONNX_ML_H
#define MARU_IMPORT_ONNX_ML_H

/* What forms of the domain ai.onnx.ml share. forms_ml.c */

#include "import/onnx/compose.h"

/* What becomes of scores: (rows, classes). */
typedef enum onnx_ml_transform {
    ONNX_ML_NONE,
    ONNX_ML_SOFTMAX,
    ONNX_ML_LOGISTIC,
    ONNX_ML_SOFTMAX_ZERO,  // zeros stay (nearly) zero
    ONNX_ML_PROBIT,        // the root of two times the inverse error function, by Winitzki's formula
} onnx_ml_transform;

MARU_NODISCARD maru_status onnx_ml_read_transform(const onnx_node *n, onnx_ml_transform *out);
MARU_NODISCARD maru_status onnx_ml_transform_scores(onnx_node *n, onnx_ml_transform transform, maru_value scores,
                                                    maru_value *out);
/* A table of that dtype; the numbers are copied. */
MARU_NODISCARD maru_status onnx_ml_table(onnx_node *n, const double *numbers, const int64_t *dims, uint32_t rank,
                                         maru_dtype dtype, maru_value *out);
MARU_NODISCARD maru_status onnx_ml_integers(onnx_node *n, const int64_t *numbers, int64_t count, maru_value *out);
/* x as (rows, features) of that dtype; a vector is one row. */
MARU_NODISCARD maru_status onnx_ml_rows(onnx_node *n, maru_dtype dtype, maru_value *out);

/*
 * The labels and the scores of a classifier with numbers as labels. Of two
 * classes with one score, the second is taken where it is above `threshold`;
 * `is_share`: the score is the second one's share of 1, else the first has
 * what is opposite. With `is_second` there are two scores, but the second one
 * decides as if it were alone.
 */
typedef struct onnx_ml_classes {
    maru_value scores;  // (rows, scores), before the transform
    int64_t n_scores;
    double threshold;
    bool is_share, is_second;
    onnx_ml_transform transform;
} onnx_ml_classes;
MARU_NODISCARD maru_status onnx_ml_classify(onnx_node *n, const char *labels, const onnx_ml_classes *classes);

#endif
