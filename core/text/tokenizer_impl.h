// SPDX-FileCopyrightText: The Maru authors
// SPDX-License-Identifier: Apache-2.0
#ifndef MARU_TEXT_TOKENIZER_IMPL_H
#define MARU_TEXT_TOKENIZER_IMPL_H

/* What tokenizer.c makes and token_stream.c reads. */

#include "text/spm.h"
#include "text/wordpiece.h"

struct maru_tokenizer {
    maru_wordpiece *wordpiece;  // one of the two is there
    maru_spm *spm;
};

#endif
