// SPDX-FileCopyrightText: The Maru authors
// SPDX-License-Identifier: Apache-2.0
#ifndef MARU_TEXT_ADDED_TOKENS_H
#define MARU_TEXT_ADDED_TOKENS_H

/* Tokens that are found in the text as they are spelt, before it is cut into pieces: [MASK], and what a user added. */

#include "base/hash.h"
#include "text/codepoints.h"

typedef struct maru_added_token {
    const char *content;  // UTF-8; borrowed
    int32_t id;
    bool is_special;      // left out of decoded text
    bool is_normalized;   // looked for in the normalised text, not in the text itself
    bool single_word;     // not within a word
    bool strip_left;      // takes the blanks before it
    bool strip_right;     // and after it
} maru_added_token;

typedef struct maru_added_tokens maru_added_tokens;

/* A span of text: a token (id >= 0) or text between tokens (id -1). Indices are of code points. */
typedef struct maru_text_span {
    size_t begin;
    size_t end;
    int32_t id;
} maru_text_span;

/* `spelling` gives, for each token, the code points to look for; all is copied. An empty spelling is never found. */
MARU_NODISCARD maru_status maru_added_tokens_create(const maru_added_token *tokens, const maru_codepoints *spellings,
                                                    size_t count, maru_added_tokens **out);
void maru_added_tokens_destroy(maru_added_tokens **tokens);

/*
 * The next span of `text` at *at, the leftmost token and the longest of those
 * that begin there; moves *at behind it. False at the end. *scan is the
 * caller's memory between calls; {0} at the start of a text. Const, any thread.
 */
typedef struct maru_added_scan {
    maru_text_span pending;  // a token found behind text that was given first
    bool has_pending;
    size_t searched;         // where to look on
} maru_added_scan;
bool maru_added_tokens_next(const maru_added_tokens *tokens, const int32_t *text, size_t count, maru_added_scan *scan,
                            size_t *at, maru_text_span *out);

#endif
