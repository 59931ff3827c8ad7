// SPDX-FileCopyrightText: The Maru authors
// SPDX-License-Identifier: Apache-2.0
#ifndef MARU_TEXT_SPM_MERGE_H
#define MARU_TEXT_SPM_MERGE_H

/*
 * The merging of byte-pair encoding as SentencePiece does it: of all pairs of
 * neighbours that are a piece together, the one with the best score is joined
 * first, of equals the leftmost, until there is none.
 */

#include "base/array.h"

#include <stdbool.h>
#include <stddef.h>

typedef struct maru_spm_span {
    size_t begin;
    size_t length;
} maru_spm_span;

typedef MARU_ARRAY(maru_spm_span) maru_spm_spans;

/* False if no piece is spelt so; the score, which is finite, in *out_score. */
typedef bool (*maru_spm_score_fn)(void *ctx, const char *text, size_t length, float *out_score);

/* Appends the spans that the UTF-8 text falls into: pieces, and single characters that are none. */
MARU_NODISCARD maru_status maru_spm_merge(const char *text, size_t bytes, maru_spm_score_fn score, void *ctx,
                                          maru_spm_spans *out_spans);

#endif
