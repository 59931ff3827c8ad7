// SPDX-FileCopyrightText: The Maru authors
// SPDX-License-Identifier: Apache-2.0
#include <maru/tokenizer.h>

#include "base/fail.h"
#include "base/json.h"
#include "base/os.h"
#include "text/codepoints.h"
#include "text/spm.h"
#include "text/tokenizer_impl.h"
#include "text/wordpiece.h"

#include <stdlib.h>
#include <string.h>

static const size_t max_config_bytes = 16 * 1000 * 1000;

/* ---- making one ---- */

typedef enum file_kind { FILE_JSON, FILE_VOCAB, FILE_SPM } file_kind;

static file_kind kind_of(const uint8_t *data, size_t bytes, const char *name)
{
    if (maru_ends_with(name, ".json"))
        return FILE_JSON;
    if (maru_ends_with(name, ".txt"))
        return FILE_VOCAB;
    if (maru_ends_with(name, ".bin"))
        return FILE_SPM;
    if (bytes && data[0] == '{')
        return FILE_JSON;
    return bytes && memchr(data, '\0', bytes) ? FILE_SPM : FILE_VOCAB;
}

static maru_status load_json(maru_tokenizer *t, const void *data, size_t bytes, const char *name)
{
    json_t *json = NULL;
    MARU_TRY(maru_json_parse(data, bytes, name, &json));
    maru_status status = maru_wordpiece_create_json(json, name, &t->wordpiece);
    json_decref(json);
    return status;
}

static maru_status load(maru_tokenizer *t, const void *data, size_t bytes, const char *name, const json_t *config)
{
    switch (kind_of(data, bytes, name)) {
    case FILE_JSON: return load_json(t, data, bytes, name);
    case FILE_VOCAB: return maru_wordpiece_create_vocab(data, bytes, config, name, &t->wordpiece);
    case FILE_SPM: return maru_spm_create(data, bytes, name, &t->spm);
    }
    return MARU_OK;
}

static maru_status create(const void *data, size_t bytes, const char *name, const json_t *config,
                          maru_tokenizer **out_tokenizer)
{
    maru_tokenizer *t = calloc(1, sizeof *t);
    if (!t)
        return maru_fail_oom("tokenizer");
    maru_status status = load(t, bytes ? data : "", bytes, name, config);
    if (status != MARU_OK) {
        maru_tokenizer_destroy(&t);
        return status;
    }
    *out_tokenizer = t;
    return MARU_OK;
}

maru_status maru_tokenizer_create(const void *data, size_t bytes, const char *name, maru_tokenizer **out_tokenizer)
{
    *out_tokenizer = NULL;
    return create(data, bytes, name, NULL, out_tokenizer);
}

void maru_tokenizer_destroy(maru_tokenizer **tokenizer)
{
    maru_tokenizer *t = *tokenizer;
    *tokenizer = NULL;
    if (!t)
        return;
    maru_wordpiece_destroy(&t->wordpiece);
    maru_spm_destroy(&t->spm);
    free(t);
}

/* tokenizer_config.json in the folder of `path`; *out_config stays NULL if there is none. */
static maru_status read_config(const char *path, json_t **out_config)
{
    static const char file_name[] = "tokenizer_config.json";
    size_t folder_length = strlen(path);
    while (folder_length && path[folder_length - 1] != '/')
        folder_length--;
    char *config_path = malloc(folder_length + sizeof file_name);
    if (!config_path)
        return maru_fail_oom("path of a file");
    memcpy(config_path, path, folder_length);
    memcpy(config_path + folder_length, file_name, sizeof file_name);
    maru_status status = MARU_OK;
    if (maru_os_is_file(config_path))
        status = maru_json_read_file(config_path, max_config_bytes, out_config);
    free(config_path);
    return status;
}

static maru_status create_from_file(const char *path, maru_tokenizer **out_tokenizer)
{
    json_t *config = NULL;
    maru_os_map map = {.fd = -1};
    maru_status status = maru_os_map_file(path, &map);
    if (status != MARU_OK)
        return status;
    if (kind_of(map.data, map.bytes, path) == FILE_VOCAB)
        status = read_config(path, &config);
    if (status == MARU_OK)
        status = create(map.data, map.bytes, path, config, out_tokenizer);
    json_decref(config);
    maru_os_unmap_file(&map);
    return status;
}

maru_status maru_tokenizer_create_file(const char *path, maru_tokenizer **out_tokenizer)
{
    static const char *const names[] = {"tokenizer.json", "vocab.txt", "tokenizer.bin"};
    *out_tokenizer = NULL;
    if (!maru_os_is_dir(path))
        return create_from_file(path, out_tokenizer);
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        char *file = maru_os_join(path, names[i]);
        if (!file)
            return maru_fail_oom("path of a file");
        bool is_there = maru_os_is_file(file);
        maru_status status = is_there ? create_from_file(file, out_tokenizer) : MARU_OK;
        free(file);
        if (is_there)
            return status;
    }
    return maru_fail(MARU_NOT_FOUND, "folder %s has no tokenizer.json, vocab.txt or tokenizer.bin", path);
}

/* ---- using it ---- */

static maru_status encode(const maru_tokenizer *tokenizer, const char *text, size_t bytes,
                          const maru_encode_params *params, maru_ids *ids)
{
    MARU_TRY(maru_array_reserve(ids, 1));  // so that the data of no ids is a pointer too
    MARU_TRY(maru_utf8_check(text, bytes));
    return tokenizer->spm ? maru_spm_encode(tokenizer->spm, text, bytes, params, ids)
                          : maru_wordpiece_encode(tokenizer->wordpiece, text, bytes, params, ids);
}

maru_status maru_tokenizer_encode(const maru_tokenizer *tokenizer, const char *text, size_t bytes,
                                  const maru_encode_params *params, int32_t **out_ids, size_t *out_count)
{
    static const maru_encode_params defaults = {0};
    *out_ids = NULL;
    *out_count = 0;
    maru_ids ids = {0};
    maru_status status = encode(tokenizer, text, bytes, params ? params : &defaults, &ids);
    if (status != MARU_OK) {
        maru_array_fini(&ids);
        return status;
    }
    *out_ids = ids.data;
    *out_count = ids.count;
    return MARU_OK;
}

maru_status maru_tokenizer_decode(const maru_tokenizer *tokenizer, const int32_t *ids, size_t count, char **out_text)
{
    *out_text = NULL;
    maru_str text = {0};
    maru_token_stream stream;
    maru_token_stream_init(&stream, tokenizer, false);
    maru_status status = MARU_OK;
    for (size_t i = 0; i < count && status == MARU_OK; i++)
        status = maru_token_stream_append(&stream, ids[i], &text);
    if (status == MARU_OK) {
        maru_token_stream_end(&stream, &text);
        status = maru_token_text_take(&text, out_text);
    }
    maru_str_fini(&text);
    return status;
}

size_t maru_tokenizer_vocab_size(const maru_tokenizer *tokenizer)
{
    return tokenizer->spm ? maru_spm_count(tokenizer->spm) : maru_wordpiece_count(tokenizer->wordpiece);
}

const char *maru_tokenizer_piece(const maru_tokenizer *tokenizer, int32_t id)
{
    if (!tokenizer->spm)
        return maru_wordpiece_piece(tokenizer->wordpiece, id);
    const maru_spm_piece *piece = maru_spm_get(tokenizer->spm, id);
    return piece ? piece->text : NULL;
}

void maru_tokenizer_special_ids(const maru_tokenizer *tokenizer, maru_special_ids *out)
{
    if (tokenizer->spm) {
        *out = (maru_special_ids){
            .begin = MARU_SPM_ID_BEGIN,
            .end = MARU_SPM_ID_END,
            .unknown = MARU_SPM_ID_UNKNOWN,
            .pad = -1,
            .mask = -1,
        };
        return;
    }
    const maru_wordpiece *wp = tokenizer->wordpiece;
    const maru_ids *before = maru_wordpiece_before(wp);
    const maru_ids *after = maru_wordpiece_after(wp);
    *out = (maru_special_ids){
        .begin = before->count ? before->data[0] : -1,
        .end = after->count ? after->data[after->count - 1] : -1,
        .unknown = maru_wordpiece_unknown(wp),
        .pad = maru_wordpiece_find(wp, "[PAD]"),
        .mask = maru_wordpiece_find(wp, "[MASK]"),
    };
}
