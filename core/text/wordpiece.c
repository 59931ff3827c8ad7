// SPDX-FileCopyrightText: The Maru authors
// SPDX-License-Identifier: Apache-2.0
#include "text/wordpiece.h"

#include "base/fail.h"
#include "text/wordpiece_impl.h"

#include <stdlib.h>

/* One call of encode. */
typedef struct encoder {
    const maru_wordpiece *wp;
    maru_ids *out;
    size_t limit;              // of out->count; no need to go on once it is reached
    char *word;                // UTF-8 of the word at hand
    size_t *offsets;           // where each of its characters begins, and the end
    maru_codepoints codepoints;
    maru_codepoints normalized;
    bool plain_text;
} encoder;

static bool is_full(const encoder *e)
{
    return e->out->count >= e->limit;
}

/* The longest piece in characters [begin, end) that starts at begin; its end in *out_end. -1 if there is none. */
static int32_t longest_piece(const encoder *e, size_t begin, size_t end, size_t *out_end)
{
    const maru_map *map = begin ? &e->wp->continuing : &e->wp->by_text;
    const char *text = e->word + e->offsets[begin];
    for (size_t i = end; i > begin; i--) {
        uint64_t id = 0;
        if (maru_map_get(map, text, e->offsets[i] - e->offsets[begin], &id)) {
            *out_end = i;
            return (int32_t)id;
        }
    }
    return -1;
}

static maru_status encode_word(encoder *e, const int32_t *word, size_t count)
{
    if (count > e->wp->max_word_chars)
        return maru_array_push(e->out, e->wp->unknown);
    size_t bytes = 0;
    for (size_t i = 0; i < count; i++) {
        e->offsets[i] = bytes;
        bytes += maru_codepoint_to_utf8(word[i], e->word + bytes);
    }
    e->offsets[count] = bytes;
    size_t first = e->out->count;
    for (size_t at = 0; at < count;) {
        int32_t id = longest_piece(e, at, count, &at);
        if (id < 0) {
            e->out->count = first;
            return maru_array_push(e->out, e->wp->unknown);
        }
        MARU_TRY(maru_array_push(e->out, id));
    }
    return MARU_OK;
}

static maru_status encode_words(encoder *e, const int32_t *text, size_t count)
{
    size_t at = 0;
    size_t begin = 0;
    size_t end = 0;
    while (!is_full(e) && maru_bert_next_word(text, count, &at, &begin, &end))
        MARU_TRY(encode_word(e, text + begin, end - begin));
    return MARU_OK;
}

/* A stretch of text without tokens that are found as spelt. */
static maru_status encode_stretch(encoder *e, const int32_t *text, size_t count)
{
    e->normalized.count = 0;
    MARU_TRY(maru_bert_normalize(&e->wp->normalizer, text, count, &e->normalized));
    if (e->plain_text)
        return encode_words(e, e->normalized.data, e->normalized.count);
    maru_added_scan scan = {0};
    maru_text_span span;
    size_t at = 0;
    while (!is_full(e) && maru_added_tokens_next(e->wp->in_normalized, e->normalized.data, e->normalized.count, &scan,
                                                 &at, &span)) {
        if (span.id >= 0)
            MARU_TRY(maru_array_push(e->out, span.id));
        else
            MARU_TRY(encode_words(e, e->normalized.data + span.begin, span.end - span.begin));
    }
    return MARU_OK;
}

static maru_status encode_text(encoder *e, const char *text, size_t bytes)
{
    MARU_TRY(maru_codepoints_from_utf8(text, bytes, &e->codepoints));
    if (e->plain_text)
        return encode_stretch(e, e->codepoints.data, e->codepoints.count);
    maru_added_scan scan = {0};
    maru_text_span span;
    size_t at = 0;
    while (!is_full(e) &&
           maru_added_tokens_next(e->wp->in_text, e->codepoints.data, e->codepoints.count, &scan, &at, &span)) {
        if (span.id >= 0)
            MARU_TRY(maru_array_push(e->out, span.id));
        else
            MARU_TRY(encode_stretch(e, e->codepoints.data + span.begin, span.end - span.begin));
    }
    return MARU_OK;
}

static maru_status append_ids(maru_ids *out, const maru_ids *ids)
{
    for (size_t i = 0; i < ids->count; i++)
        MARU_TRY(maru_array_push(out, ids->data[i]));
    return MARU_OK;
}

static maru_status encode(encoder *e, const char *text, size_t bytes, const maru_encode_params *params)
{
    const maru_wordpiece *wp = e->wp;
    size_t n_special = params->no_special ? 0 : wp->before.count + wp->after.count;
    if (params->max_tokens && params->max_tokens < n_special)
        return maru_fail(MARU_INVALID_ARGUMENT, "a limit of %zu tokens leaves no room for the %zu special ones",
                         params->max_tokens, n_special);
    if (!params->no_special)
        MARU_TRY(append_ids(e->out, &wp->before));
    size_t n_after = params->no_special ? 0 : wp->after.count;
    size_t room = params->max_tokens ? params->max_tokens - n_special : SIZE_MAX - e->out->count - n_after;
    e->limit = e->out->count + room;
    e->word = malloc(wp->max_word_chars * 4);
    e->offsets = calloc(wp->max_word_chars + 1, sizeof *e->offsets);
    if (!e->word || !e->offsets)
        return maru_fail_oom("word of a text");
    MARU_TRY(encode_text(e, text, bytes));
    if (e->out->count > e->limit)
        e->out->count = e->limit;
    return params->no_special ? MARU_OK : append_ids(e->out, &wp->after);
}

maru_status maru_wordpiece_encode(const maru_wordpiece *wordpiece, const char *text, size_t bytes,
                                  const maru_encode_params *params, maru_ids *out)
{
    encoder e = {.wp = wordpiece, .out = out, .plain_text = params->plain_text};
    maru_status status = encode(&e, text, bytes, params);
    free(e.word);
    free(e.offsets);
    maru_array_fini(&e.codepoints);
    maru_array_fini(&e.normalized);
    return status;
}

/* ---- what is in it ---- */

size_t maru_wordpiece_count(const maru_wordpiece *wordpiece)
{
    return wordpiece->pieces.count;
}

const char *maru_wordpiece_piece(const maru_wordpiece *wordpiece, int32_t id)
{
    return id >= 0 && (size_t)id < wordpiece->pieces.count ? wordpiece->pieces.data[id] : NULL;
}

bool maru_wordpiece_is_special(const maru_wordpiece *wordpiece, int32_t id)
{
    return id >= 0 && (size_t)id < wordpiece->pieces.count && wordpiece->is_special.data[id];
}

int32_t maru_wordpiece_find(const maru_wordpiece *wordpiece, const char *piece)
{
    uint64_t id = 0;
    bool is_found = maru_map_get_str(&wordpiece->by_text, piece, &id) ||
                    maru_map_get_str(&wordpiece->added_by_text, piece, &id);
    return is_found ? (int32_t)id : -1;
}

const char *maru_wordpiece_prefix(const maru_wordpiece *wordpiece)
{
    return wordpiece->prefix;
}

bool maru_wordpiece_cleans_up(const maru_wordpiece *wordpiece)
{
    return wordpiece->cleans_up;
}

const maru_ids *maru_wordpiece_before(const maru_wordpiece *wordpiece)
{
    return &wordpiece->before;
}

const maru_ids *maru_wordpiece_after(const maru_wordpiece *wordpiece)
{
    return &wordpiece->after;
}

int32_t maru_wordpiece_unknown(const maru_wordpiece *wordpiece)
{
    return wordpiece->unknown;
}
