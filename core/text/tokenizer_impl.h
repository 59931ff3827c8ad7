// SPDX-FileCopyrightText: The Maru authors
// SPDX-License-Identifier: Apache-2.0
#ifndef MARU_TEXT_TOKENIZER_IMPL_H
#define MARU_TEXT_TOKENIZER_IMPL_H

/* What tokenizer.c makes and token_stream.c reads, and the stream on a growing string. */

#include "base/str.h"
#include "text/spm.h"
#include "text/wordpiece.h"

struct maru_tokenizer {
    maru_wordpiece *wordpiece;  // one of the two is there
    maru_spm *spm;
};

/* As maru_token_stream_push and _finish, but they append. */
MARU_NODISCARD maru_status maru_token_stream_append(maru_token_stream *stream, int32_t id, maru_str *out);
void maru_token_stream_end(maru_token_stream *stream, maru_str *out);
/* Moves the text out, "" if there is none; fails where memory ran out. `text` is to be freed either way. */
MARU_NODISCARD maru_status maru_token_text_take(maru_str *text, char **out_text);

#endif
