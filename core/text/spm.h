// SPDX-FileCopyrightText: The Maru authors
// SPDX-License-Identifier: Apache-2.0
#ifndef MARU_TEXT_SPM_H
#define MARU_TEXT_SPM_H

/*
 * SentencePiece's BPE over llama2.c's tokenizer files: a 32-bit length of the
 * longest piece, then for each token its score (f32), length (i32) and bytes.
 * Token 0 is unknown, 1 begins a text, 2 ends it; <0xNN> stand for bytes that
 * no piece covers. A blank is put before the text, as in training.
 */

#include "text/ids.h"

#include <maru/tokenizer.h>

typedef struct maru_spm maru_spm;

typedef enum maru_spm_kind {
    MARU_SPM_TEXT = 0,
    MARU_SPM_UNKNOWN = 1,
    MARU_SPM_CONTROL = 2,
    MARU_SPM_BYTE = 3,
} maru_spm_kind;

typedef struct maru_spm_piece {
    const char *text;  // NUL-terminated
    size_t length;
    float score;
    maru_spm_kind kind;
    uint8_t byte;      // of MARU_SPM_BYTE
} maru_spm_piece;

/* DATA_LOSS for a damaged file. */
MARU_NODISCARD maru_status maru_spm_create(const void *data, size_t bytes, const char *name, maru_spm **out);
void maru_spm_destroy(maru_spm **spm);

/* Appends ids, BOS first unless no_special. The text must be UTF-8. Time grows with n log n. */
MARU_NODISCARD maru_status maru_spm_encode(const maru_spm *spm, const char *text, size_t bytes,
                                           const maru_encode_params *params, maru_ids *out);

size_t maru_spm_count(const maru_spm *spm);
/* NULL if there is no such token. */
const maru_spm_piece *maru_spm_get(const maru_spm *spm, int32_t id);

enum { MARU_SPM_ID_UNKNOWN = 0, MARU_SPM_ID_BEGIN = 1, MARU_SPM_ID_END = 2 };

#endif
