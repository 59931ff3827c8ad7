// SPDX-FileCopyrightText: The Maru authors
// SPDX-License-Identifier: Apache-2.0

/*
 * A tokenizer file of any kind and a text: two bytes of length, then the
 * file, then the text. What is encoded decodes, and decoded text is UTF-8
 * after every token.
 */

#include "fuzz.h"

#include "base/str.h"
#include "text/codepoints.h"

#include <maru/tokenizer.h>
#include <stdlib.h>
#include <string.h>

/* Adds a part, which must be UTF-8 by itself. */
static void add_part(maru_str *text, char *part)
{
    if (maru_utf8_check(part, strlen(part)) != MARU_OK)
        abort();
    maru_str_append(text, part);
    free(part);
}

static void check_ids(const maru_tokenizer *t, const int32_t *ids, size_t count)
{
    maru_token_stream stream;
    maru_str text = {0};
    char *part = NULL;
    maru_token_stream_init(&stream, t, false);
    for (size_t i = 0; i < count; i++) {
        if (maru_token_stream_push(&stream, ids[i], &part) != MARU_OK)
            abort();
        add_part(&text, part);
    }
    if (maru_token_stream_finish(&stream, &part) != MARU_OK)
        abort();
    add_part(&text, part);
    if (maru_tokenizer_decode(t, ids, count, &part) != MARU_OK || strcmp(part, maru_str_get(&text)) != 0)
        abort();
    free(part);
    maru_str_fini(&text);
}

static void check_text(const maru_tokenizer *t, const char *text, size_t bytes, const maru_encode_params *params)
{
    int32_t *ids = NULL;
    size_t count = 0;
    if (maru_tokenizer_encode(t, text, bytes, params, &ids, &count) != MARU_OK)
        return;
    if (params->max_tokens && count > params->max_tokens)
        abort();
    check_ids(t, ids, count);
    free(ids);
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
