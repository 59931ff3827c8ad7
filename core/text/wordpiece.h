// SPDX-FileCopyrightText: The Maru authors
// SPDX-License-Identifier: Apache-2.0
#ifndef MARU_TEXT_WORDPIECE_H
#define MARU_TEXT_WORDPIECE_H

/*
 * BERT's WordPiece: words are cut greedily into the longest pieces of the
 * vocabulary; a word that cannot be is one unknown token. Gives the tokens
 * that the library `tokenizers` gives for the same tokenizer.json, but for
 * letters whose case pair came with Unicode 16 or later.
 */

#include "base/json.h"
#include "text/ids.h"

#include <maru/tokenizer.h>

typedef struct maru_wordpiece maru_wordpiece;

/* From a parsed tokenizer.json, which may be released afterwards. UNSUPPORTED for other models than BERT's. */
MARU_NODISCARD maru_status maru_wordpiece_create_json(const json_t *json, const char *name, maru_wordpiece **out);
/*
 * From vocab.txt: one piece a line, its id the number of the line from 0.
 * `config` is the tokenizer_config.json that lies beside it, or NULL:
 * do_lower_case, strip_accents and tokenize_chinese_chars are taken from it.
 */
MARU_NODISCARD maru_status maru_wordpiece_create_vocab(const char *text, size_t bytes, const json_t *config,
                                                       const char *name, maru_wordpiece **out);
void maru_wordpiece_destroy(maru_wordpiece **wordpiece);

/* Appends ids. The text must be UTF-8. */
MARU_NODISCARD maru_status maru_wordpiece_encode(const maru_wordpiece *wordpiece, const char *text, size_t bytes,
                                                 const maru_encode_params *params, maru_ids *out);

/* Ids run from 0 to count - 1; some of them may have no piece. */
size_t maru_wordpiece_count(const maru_wordpiece *wordpiece);
/* NULL if there is no such piece. */
const char *maru_wordpiece_piece(const maru_wordpiece *wordpiece, int32_t id);
bool maru_wordpiece_is_special(const maru_wordpiece *wordpiece, int32_t id);
/* -1 if the vocabulary lacks it. */
int32_t maru_wordpiece_find(const maru_wordpiece *wordpiece, const char *piece);
/* "##" */
const char *maru_wordpiece_prefix(const maru_wordpiece *wordpiece);
/* Whether decoding tidies the blanks before punctuation and English contractions. */
bool maru_wordpiece_cleans_up(const maru_wordpiece *wordpiece);
/* The ids put around a text, at most 8 on either side. */
const maru_ids *maru_wordpiece_before(const maru_wordpiece *wordpiece);
const maru_ids *maru_wordpiece_after(const maru_wordpiece *wordpiece);
int32_t maru_wordpiece_unknown(const maru_wordpiece *wordpiece);

#endif
