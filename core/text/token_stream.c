// SPDX-FileCopyrightText: The Maru authors
// SPDX-License-Identifier: Apache-2.0
#include <maru/tokenizer.h>

#include "base/fail.h"
#include "text/tokenizer_impl.h"

#include <inttypes.h>
#include <string.h>

static const char replacement[] = "\xef\xbf\xbd";  // U+FFFD
static const char unknown_text[] = " \xe2\x81\x87 ";  // U+2047 between blanks, as SentencePiece shows it

void maru_token_stream_init(maru_token_stream *stream, const maru_tokenizer *tokenizer, bool is_continuation)
{
    *stream = (maru_token_stream){.tokenizer = tokenizer, .has_begun = is_continuation};
}

/* ---- bytes to whole characters ---- */

/* Bytes of the character that `lead` begins, 0 if none does. */
static uint32_t character_bytes(uint8_t lead)
{
    if (lead < 0x80)
        return 1;
    if (lead < 0xc2 || lead > 0xf4)
        return 0;
    return lead < 0xe0 ? 2 : lead < 0xf0 ? 3 : 4;
}

/* Whether `byte` can follow what is pending. The second byte is the one that rules out long forms and surrogates. */
static bool continues(const maru_token_stream *s, uint8_t byte)
{
    uint8_t low = 0x80;
    uint8_t high = 0xbf;
    if (s->n_pending == 1) {
        switch (s->pending[0]) {
        case 0xe0: low = 0xa0; break;
        case 0xed: high = 0x9f; break;
        case 0xf0: low = 0x90; break;
        case 0xf4: high = 0x8f; break;
        default: break;
        }
    }
    return byte >= low && byte <= high;
}

static void push_byte(maru_token_stream *s, uint8_t byte, maru_str *out)
{
    if (s->n_pending && !continues(s, byte)) {
        maru_str_append(out, replacement);
        s->n_pending = 0;
    }
    if (!s->n_pending && character_bytes(byte) == 0) {
        maru_str_append(out, replacement);
        return;
    }
    s->pending[s->n_pending++] = byte;
    if (s->n_pending == character_bytes(s->pending[0])) {
        maru_str_append_n(out, (const char *)s->pending, s->n_pending);
        s->n_pending = 0;
    }
}

static void push_text(maru_token_stream *s, const char *text, size_t length, maru_str *out)
{
    for (size_t i = 0; i < length; i++)
        push_byte(s, (uint8_t)text[i], out);
}

/* ---- tokens to bytes ---- */

static maru_status no_token(int32_t id, const maru_tokenizer *tokenizer)
{
    return maru_fail(MARU_OUT_OF_RANGE, "%" PRId32 " is no token of a vocabulary of %zu", id,
                     maru_tokenizer_vocab_size(tokenizer));
}

static maru_status push_spm(maru_token_stream *s, int32_t id, maru_str *out)
{
    const maru_spm_piece *piece = maru_spm_get(s->tokenizer->spm, id);
    if (!piece)
        return no_token(id, s->tokenizer);
    const char *text = piece->text;
    size_t length = piece->length;
    switch (piece->kind) {
    case MARU_SPM_CONTROL: return MARU_OK;
    case MARU_SPM_BYTE: push_byte(s, piece->byte, out); break;
    case MARU_SPM_UNKNOWN: push_text(s, unknown_text, sizeof unknown_text - 1, out); break;
    case MARU_SPM_TEXT:
        if (!s->has_begun && length && text[0] == ' ') {  // the blank that encoding put there
            text++;
            length--;
        }
        push_text(s, text, length, out);
        break;
    }
    s->has_begun = true;
    return maru_str_check(out);
}

/* Replaces every `from` in text[0 .. *length) by the shorter `to`, in place. */
static void replace(char *text, size_t *length, const char *from, const char *to)
{
    size_t from_length = strlen(from);
    size_t to_length = strlen(to);
    size_t n = 0;
    for (size_t i = 0; i < *length;) {
        bool is_here = *length - i >= from_length && memcmp(text + i, from, from_length) == 0;
        memmove(text + n, is_here ? to : text + i, is_here ? to_length : 1);
        n += is_here ? to_length : 1;
        i += is_here ? from_length : 1;
    }
    *length = n;
}

/* What `tokenizers` does to each token; English only, and on BERT's own pieces mostly before punctuation. */
static void clean_up(char *text, size_t *length)
{
    static const char *const pairs[][2] = {
        {" .", "."},   {" ?", "?"},   {" !", "!"},     {" ,", ","},     {" ' ", "'"}, {" n't", "n't"},
        {" 'm", "'m"}, {" do not", " don't"}, {" 's", "'s"}, {" 've", "'ve"}, {" 're", "'re"},
    };
    for (size_t i = 0; i < sizeof pairs / sizeof *pairs; i++)
        replace(text, length, pairs[i][0], pairs[i][1]);
}

static maru_status push_wordpiece(maru_token_stream *s, int32_t id, maru_str *out)
{
    const maru_wordpiece *wp = s->tokenizer->wordpiece;
    const char *piece = maru_wordpiece_piece(wp, id);
    if (!piece)
        return no_token(id, s->tokenizer);
    if (maru_wordpiece_is_special(wp, id))
        return MARU_OK;
    maru_str text = {0};
    const char *prefix = maru_wordpiece_prefix(wp);
    if (s->has_begun && maru_starts_with(piece, prefix)) {
        piece += strlen(prefix);
    } else if (s->has_begun) {
        maru_str_append(&text, " ");
    }
    maru_str_append(&text, piece);
    maru_status status = maru_str_check(&text);
    if (status == MARU_OK && text.length) {
        if (maru_wordpiece_cleans_up(wp))
            clean_up(text.data, &text.length);
        push_text(s, text.data, text.length, out);
    }
    maru_str_fini(&text);
    s->has_begun = true;
    return status == MARU_OK ? maru_str_check(out) : status;
}

maru_status maru_token_stream_append(maru_token_stream *stream, int32_t id, maru_str *out)
{
    return stream->tokenizer->spm ? push_spm(stream, id, out) : push_wordpiece(stream, id, out);
}

void maru_token_stream_end(maru_token_stream *stream, maru_str *out)
{
    if (stream->n_pending)
        maru_str_append(out, replacement);
    stream->n_pending = 0;
}

maru_status maru_token_text_take(maru_str *text, char **out_text)
{
    MARU_TRY(maru_str_check(text));
    *out_text = maru_str_take(text);
    return *out_text ? MARU_OK : maru_fail_oom("text of tokens");
}

maru_status maru_token_stream_push(maru_token_stream *stream, int32_t id, char **out_text)
{
    *out_text = NULL;
    maru_str text = {0};
    maru_status status = maru_token_stream_append(stream, id, &text);
    if (status == MARU_OK)
        status = maru_token_text_take(&text, out_text);
    maru_str_fini(&text);
    return status;
}

maru_status maru_token_stream_finish(maru_token_stream *stream, char **out_text)
{
    *out_text = NULL;
    maru_str text = {0};
    maru_token_stream_end(stream, &text);
    maru_status status = maru_token_text_take(&text, out_text);
    maru_str_fini(&text);
    return status;
}
