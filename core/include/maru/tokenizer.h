// SPDX-FileCopyrightText: The Maru authors
// SPDX-License-Identifier: Apache-2.0
#ifndef MARU_TOKENIZER_H
#define MARU_TOKENIZER_H

/*
 * Text to token ids and back, for every kind of tokenizer that we read:
 *
 *     tokenizer.json    of the library `tokenizers`, model WordPiece (BERT)
 *     vocab.txt         of BERT: one piece a line
 *     *.bin             of llama2.c: SentencePiece pieces with scores
 *
 * Const once made: any number of threads may use it.
 */

#include <maru/attr.h>
#include <maru/status.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

typedef struct maru_tokenizer maru_tokenizer;

/* {0}: what the model was trained with. */
typedef struct maru_encode_params {
    size_t max_tokens;  // keep the first so many, special ones among them; 0 for all
    bool no_special;    // do not add the tokens that stand around a text ([CLS] and [SEP], or BOS)
    bool plain_text;    // text that spells a special token is text
} maru_encode_params;

/*
 * `path` is a file, or a folder with tokenizer.json, vocab.txt or
 * tokenizer.bin in it (the first that is there). The kind is known by the
 * ending, else by the content. A vocab.txt is read with the
 * tokenizer_config.json beside it, if there is one.
 */
MARU_API MARU_NODISCARD maru_status maru_tokenizer_create_file(const char *path, maru_tokenizer **out_tokenizer);
/* From bytes that may be freed afterwards; `name` serves as the path, of which only the ending matters. */
MARU_API MARU_NODISCARD maru_status maru_tokenizer_create(const void *data, size_t bytes, const char *name,
                                                          maru_tokenizer **out_tokenizer);
MARU_API void maru_tokenizer_destroy(maru_tokenizer **tokenizer);

/*
 * Ids of a text in malloc'ed memory. INVALID_ARGUMENT for text that is not
 * UTF-8, or when max_tokens cannot hold the special tokens. `params` may be NULL.
 */
MARU_API MARU_NODISCARD maru_status maru_tokenizer_encode(const maru_tokenizer *tokenizer, const char *text,
                                                          size_t bytes, const maru_encode_params *params,
                                                          int32_t **out_ids, size_t *out_count);
/* The text of all ids but special ones, always UTF-8, in malloc'ed memory. OUT_OF_RANGE for an id that is no token. */
MARU_API MARU_NODISCARD maru_status maru_tokenizer_decode(const maru_tokenizer *tokenizer, const int32_t *ids,
                                                          size_t count, char **out_text);

/* Ids run from 0 to this - 1. */
MARU_API size_t maru_tokenizer_vocab_size(const maru_tokenizer *tokenizer);
/* The token's own spelling ("##ing", "<0x0A>"), borrowed; NULL if the id is no token. */
MARU_API const char *maru_tokenizer_piece(const maru_tokenizer *tokenizer, int32_t id);

/* Each -1 where the tokenizer has none. */
typedef struct maru_special_ids {
    int32_t begin;    // BOS, [CLS]
    int32_t end;      // EOS, [SEP]
    int32_t unknown;
    int32_t pad;
    int32_t mask;
} maru_special_ids;
MARU_API void maru_tokenizer_special_ids(const maru_tokenizer *tokenizer, maru_special_ids *out);

/*
 * Decoding token by token: what can be shown of the text so far, never half a
 * character. One thread at a time; plain data, nothing to free. What is not
 * UTF-8 among byte tokens becomes U+FFFD.
 */
typedef struct maru_token_stream {
    const maru_tokenizer *tokenizer;
    uint8_t pending[4];   // the beginning of a character
    uint32_t n_pending;
    bool has_begun;       // the text has: a leading blank is text from now on
} maru_token_stream;

/* `is_continuation`: the tokens go on after a text (a prompt), so a blank at their beginning belongs to them. */
MARU_API void maru_token_stream_init(maru_token_stream *stream, const maru_tokenizer *tokenizer,
                                     bool is_continuation);
/* What `id` completes, in malloc'ed memory ("" if nothing). */
MARU_API MARU_NODISCARD maru_status maru_token_stream_push(maru_token_stream *stream, int32_t id, char **out_text);
/* U+FFFD if a character was left unfinished, else ""; malloc'ed. */
MARU_API MARU_NODISCARD maru_status maru_token_stream_finish(maru_token_stream *stream, char **out_text);

#ifdef __cplusplus
}
#endif

#endif
