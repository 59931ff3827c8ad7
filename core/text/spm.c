// SPDX-FileCopyrightText: The Maru authors
// SPDX-License-Identifier: Apache-2.0
#include "text/spm.h"

#include "base/arena.h"
#include "base/fail.h"
#include "base/hash.h"
#include "text/spm_merge.h"

#include <inttypes.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { MAX_PIECE_BYTES = 1 << 16, MIN_PIECES = 3, N_BYTES = 256 };

struct maru_spm {
    maru_arena arena;
    MARU_ARRAY(maru_spm_piece) pieces;
    maru_map by_text;         // of the pieces that text is made of
    int32_t bytes[N_BYTES];   // id of the token for a byte, or -1
};

/* ---- reading ---- */

static uint32_t load_u32(const uint8_t *p)
{
    return p[0] | (uint32_t)p[1] << 8 | (uint32_t)p[2] << 16 | (uint32_t)p[3] << 24;
}

static int hex_digit(char c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    return c >= 'A' && c <= 'F' ? c - 'A' + 10 : -1;
}

/* The byte of "<0xNN>", or -1. */
static int byte_of(const char *text, size_t length)
{
    if (length != 6 || memcmp(text, "<0x", 3) != 0 || text[5] != '>')
        return -1;
    int high = hex_digit(text[3]);
    int low = hex_digit(text[4]);
    return high < 0 || low < 0 ? -1 : high * 16 + low;
}

static maru_spm_kind kind_of(size_t id, int byte)
{
    if (id == MARU_SPM_ID_UNKNOWN)
        return MARU_SPM_UNKNOWN;
    if (id == MARU_SPM_ID_BEGIN || id == MARU_SPM_ID_END)
        return MARU_SPM_CONTROL;
    return byte >= 0 ? MARU_SPM_BYTE : MARU_SPM_TEXT;
}

static maru_status add_piece(maru_spm *spm, const char *text, size_t length, float score)
{
    size_t id = spm->pieces.count;
    int byte = byte_of(text, length);
    maru_spm_piece piece = {
        .text = maru_arena_strndup(&spm->arena, text, length),
        .length = length,
        .score = score,
        .kind = kind_of(id, byte),
        .byte = (uint8_t)(byte >= 0 ? byte : 0),
    };
    if (!piece.text)
        return maru_fail_oom("vocabulary");
    MARU_TRY(maru_array_push(&spm->pieces, piece));
    if (piece.kind == MARU_SPM_BYTE && spm->bytes[piece.byte] < 0)
        spm->bytes[piece.byte] = (int32_t)id;
    // The first of two pieces that are spelt alike is the one that is used.
    if (piece.kind != MARU_SPM_TEXT || length == 0 || maru_map_get(&spm->by_text, text, length, NULL))
        return MARU_OK;
    return maru_map_set(&spm->by_text, text, length, id);
}

static maru_status read_pieces(maru_spm *spm, const uint8_t *data, size_t bytes, const char *name)
{
    if (bytes < 4)
        return maru_fail(MARU_DATA_LOSS, "%s has %zu bytes: too short for a tokenizer", name, bytes);
    uint32_t longest = load_u32(data);
    if (longest == 0 || longest > MAX_PIECE_BYTES)
        return maru_fail(MARU_DATA_LOSS, "%s: its longest piece cannot have %" PRIu32 " bytes", name, longest);
    for (size_t at = 4; at < bytes;) {
        size_t id = spm->pieces.count;
        if (bytes - at < 8)
            return maru_fail(MARU_DATA_LOSS, "%s: the file ends within token %zu", name, id);
        float score = 0;
        uint32_t bits = load_u32(data + at);
        memcpy(&score, &bits, sizeof score);
        uint32_t length = load_u32(data + at + 4);
        at += 8;
        if (!isfinite(score) || length > longest)
            return maru_fail(MARU_DATA_LOSS,
                             "%s: token %zu cannot have the score %g and %" PRIu32 " bytes (of %" PRIu32 " at most)",
                             name, id, (double)score, length, longest);
        if (length > bytes - at)
            return maru_fail(MARU_DATA_LOSS, "%s: the file ends within token %zu", name, id);
        if (memchr(data + at, '\0', length))
            return maru_fail(MARU_DATA_LOSS, "%s: token %zu has a NUL byte in it", name, id);
        MARU_TRY(add_piece(spm, (const char *)data + at, length, score));
        at += length;
    }
    if (spm->pieces.count < MIN_PIECES)
        return maru_fail(MARU_DATA_LOSS, "%s has %zu tokens; the first three are unknown, begin and end", name,
                         spm->pieces.count);
    return MARU_OK;
}

maru_status maru_spm_create(const void *data, size_t bytes, const char *name, maru_spm **out)
{
    *out = NULL;
    maru_spm *spm = calloc(1, sizeof *spm);
    if (!spm)
        return maru_fail_oom("tokenizer");
    for (int i = 0; i < N_BYTES; i++)
        spm->bytes[i] = -1;
    maru_status status = read_pieces(spm, data, bytes, name);
    if (status != MARU_OK) {
        maru_spm_destroy(&spm);
        return status;
    }
    *out = spm;
    return MARU_OK;
}

void maru_spm_destroy(maru_spm **spm_ptr)
{
    maru_spm *spm = *spm_ptr;
    *spm_ptr = NULL;
    if (!spm)
        return;
    maru_array_fini(&spm->pieces);
    maru_map_fini(&spm->by_text);
    maru_arena_fini(&spm->arena);
    free(spm);
}

size_t maru_spm_count(const maru_spm *spm)
{
    return spm->pieces.count;
}

const maru_spm_piece *maru_spm_get(const maru_spm *spm, int32_t id)
{
    return id >= 0 && (size_t)id < spm->pieces.count ? &spm->pieces.data[id] : NULL;
}

/* ---- encoding ---- */

/* Score of the piece spelt so, for the merging. */
static bool score_of(void *ctx, const char *text, size_t length, float *out_score)
{
    const maru_spm *spm = ctx;
    uint64_t id = 0;
    if (!maru_map_get(&spm->by_text, text, length, &id))
        return false;
    *out_score = spm->pieces.data[id].score;
    return true;
}

static maru_status push_bytes(const maru_spm *spm, const char *text, size_t length, maru_ids *out)
{
    for (size_t i = 0; i < length; i++) {
        int32_t id = spm->bytes[(uint8_t)text[i]];
        if (id < 0)  // a vocabulary without byte tokens: the whole character is unknown
            return maru_array_push(out, MARU_SPM_ID_UNKNOWN);
        MARU_TRY(maru_array_push(out, id));
    }
    return MARU_OK;
}

static maru_status push_pieces(const maru_spm *spm, const char *text, const maru_spm_spans *spans, maru_ids *out)
{
    for (size_t i = 0; i < spans->count; i++) {
        const maru_spm_span *span = &spans->data[i];
        uint64_t id = 0;
        if (maru_map_get(&spm->by_text, text + span->begin, span->length, &id))
            MARU_TRY(maru_array_push(out, (int32_t)id));
        else
            MARU_TRY(push_bytes(spm, text + span->begin, span->length, out));
    }
    return MARU_OK;
}

/* The text with a blank before it; SentencePiece's own sign for a blank (U+2581) means one too. */
static char *prepare(const char *text, size_t bytes, size_t *out_bytes)
{
    static const char sign[] = "\xe2\x96\x81";
    char *copy = malloc(bytes + 2);
    size_t n = 0;
    if (!copy)
        return NULL;
    if (bytes)
        copy[n++] = ' ';
    for (size_t i = 0; i < bytes;) {
        bool is_sign = bytes - i >= 3 && memcmp(text + i, sign, 3) == 0;
        copy[n++] = is_sign ? ' ' : text[i];
        i += is_sign ? 3 : 1;
    }
    *out_bytes = n;
    return copy;
}

maru_status maru_spm_encode(const maru_spm *spm, const char *text, size_t bytes, const maru_encode_params *params,
                            maru_ids *out)
{
    size_t first = out->count;
    if (!params->no_special)
        MARU_TRY(maru_array_push(out, MARU_SPM_ID_BEGIN));
    if (bytes > SIZE_MAX - 2)
        return maru_fail(MARU_INVALID_ARGUMENT, "a text of %zu bytes is too long", bytes);
    size_t n = 0;
    char *prepared = prepare(text, bytes, &n);
    if (!prepared)
        return maru_fail_oom("text to encode");
    maru_spm_spans spans = {0};
    maru_status status = maru_spm_merge(prepared, n, score_of, (void *)(uintptr_t)spm, &spans);
    if (status == MARU_OK)
        status = push_pieces(spm, prepared, &spans, out);
    maru_array_fini(&spans);
    free(prepared);
    if (params->max_tokens && out->count - first > params->max_tokens)
        out->count = first + params->max_tokens;
    return status;
}
