// SPDX-FileCopyrightText: The Maru authors
// SPDX-License-Identifier: Apache-2.0

/*
 * A tokenizer file of any kind and a text: two bytes of length, then the
 * file, then the text. What is encoded decodes, and decoded text is UTF-8
 * after every token.
 */

#include "fuzz.h"

#include "text/codepoints.h"
#include "text/tokenizer.h"

#include <stdlib.h>
#include <string.h>

static void check_ids(const maru_tokenizer *t, const maru_ids *ids)
{
    maru_token_stream stream;
    maru_str text = {0};
    maru_str whole = {0};
    maru_token_stream_init(&stream, t, false);
    for (size_t i = 0; i < ids->count; i++) {
        if (maru_token_stream_push(&stream, ids->data[i], &text) != MARU_OK)
            abort();
        if (i < 64 && maru_utf8_check(maru_str_get(&text), text.length) != MARU_OK)
            abort();
    }
    maru_token_stream_finish(&stream, &text);
    if (maru_tokenizer_decode(t, ids->data, ids->count, &whole) != MARU_OK || whole.length != text.length)
        abort();
    if (maru_utf8_check(maru_str_get(&whole), whole.length) != MARU_OK)
        abort();
    maru_str_fini(&text);
    maru_str_fini(&whole);
}

static void check_text(const maru_tokenizer *t, const char *text, size_t bytes, const maru_encode_params *params)
{
    maru_ids ids = {0};
    if (maru_tokenizer_encode(t, text, bytes, params, &ids) == MARU_OK) {
        if (params->max_tokens && ids.count > params->max_tokens)
            abort();
        check_ids(t, &ids);
    }
    maru_array_fini(&ids);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    maru_tokenizer *t = NULL;
    if (size < 2)
        return 0;
    size_t file_bytes = data[0] | (size_t)data[1] << 8;
    data += 2;
    size -= 2;
    if (file_bytes > size)
        file_bytes = size;
    if (maru_tokenizer_create(data, file_bytes, "fuzz", &t) == MARU_OK) {
        const char *text = (const char *)data + file_bytes;
        check_text(t, text, size - file_bytes, &(maru_encode_params){0});
        check_text(t, text, size - file_bytes, &(maru_encode_params){.max_tokens = 5, .plain_text = true});
    }
    maru_tokenizer_destroy(&t);
    return 0;
}
