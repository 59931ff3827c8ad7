// SPDX-FileCopyrightText: The Maru authors
// SPDX-License-Identifier: Apache-2.0
#ifndef MARU_TEXT_BERT_H
#define MARU_TEXT_BERT_H

/*
 * What BERT's tokenizers do to text before they look up pieces, as the
 * library `tokenizers` does it: its BertNormalizer and BertPreTokenizer. The
 * embeddings of a model depend on these very tokens, so where that library
 * classifies characters by an old Unicode, so do we.
 */

#include "text/codepoints.h"

typedef struct maru_bert_normalizer {
    bool is_on;                 // false: text goes through as it is
    bool clean_text;            // drop control characters, make every blank a space
    bool handle_chinese_chars;  // a space on either side of each
    bool strip_accents;         // decompose (NFD), drop non-spacing marks
    bool lowercase;
} maru_bert_normalizer;

/* Appends the normalised form of `in` to `out`. */
MARU_NODISCARD maru_status maru_bert_normalize(const maru_bert_normalizer *normalizer, const int32_t *in, size_t count,
                                               maru_codepoints *out);

/*
 * The next word of `text` at or after *at: characters without blanks or
 * punctuation between them, or one punctuation mark. Sets *out_begin and
 * *out_end and moves *at behind it; false at the end.
 */
bool maru_bert_next_word(const int32_t *text, size_t count, size_t *at, size_t *out_begin, size_t *out_end);

#endif
