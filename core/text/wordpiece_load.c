// SPDX-FileCopyrightText: The Maru authors
// SPDX-License-Identifier: Apache-2.0
#include "text/wordpiece.h"

#include "base/fail.h"
#include "base/str.h"
#include "text/wordpiece_impl.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

enum { MAX_WORD_CHARS = 100, MOST_WORD_CHARS = 10000, MAX_TEMPLATE = 8, SPARE_IDS = 65536 };

/* ---- building ---- */

static maru_status reserve_ids(maru_wordpiece *wp, size_t count)
{
    MARU_TRY(maru_array_reserve(&wp->pieces, count));
    MARU_TRY(maru_array_reserve(&wp->is_special, count));
    for (; wp->pieces.count < count; wp->pieces.count++, wp->is_special.count++) {
        wp->pieces.data[wp->pieces.count] = NULL;
        wp->is_special.data[wp->is_special.count] = false;
    }
    return MARU_OK;
}

/* `map` is that of the vocabulary's pieces or that of added tokens, which no word is cut into. */
static maru_status add_piece(maru_wordpiece *wp, maru_map *map, const char *text, size_t length, int32_t id)
{
    MARU_TRY(reserve_ids(wp, (size_t)id + 1));
    char *copy = maru_arena_strndup(&wp->arena, text, length);
    if (!copy)
        return maru_fail_oom("vocabulary");
    wp->pieces.data[id] = copy;
    return maru_map_set(map, copy, length, (uint64_t)id);
}

/* Once all pieces are known. */
static maru_status index_continuing(maru_wordpiece *wp)
{
    size_t prefix_length = strlen(wp->prefix);
    for (size_t id = 0; id < wp->pieces.count; id++) {
        const char *piece = wp->pieces.data[id];
        if (!piece || !maru_starts_with(piece, wp->prefix) || maru_wordpiece_find(wp, piece) != (int32_t)id)
            continue;
        MARU_TRY(maru_map_set_str(&wp->continuing, piece + prefix_length, id));
    }
    return MARU_OK;
}

static maru_status find_unknown(maru_wordpiece *wp, const char *piece, const char *name)
{
    wp->unknown = maru_wordpiece_find(wp, piece);
    if (wp->unknown < 0)
        return maru_fail(MARU_DATA_LOSS, "%s: the vocabulary lacks the unknown token '%s'", name, piece);
    return MARU_OK;
}

/* Makes the two sets of tokens that are looked for in text. */
static maru_status set_added(maru_wordpiece *wp, const maru_added_token *tokens, size_t count)
{
    maru_codepoints *spelt = calloc(2 * count + 1, sizeof *spelt);
    if (!spelt)
        return maru_fail_oom("added tokens");
    maru_codepoints *normalized = spelt + count;
    maru_status status = MARU_OK;
    for (size_t i = 0; i < count && status == MARU_OK; i++) {
        status = maru_codepoints_from_utf8(tokens[i].content, strlen(tokens[i].content), &spelt[i]);
        if (status == MARU_OK && tokens[i].is_normalized) {
            status = maru_bert_normalize(&wp->normalizer, spelt[i].data, spelt[i].count, &normalized[i]);
            spelt[i].count = 0;
        }
    }
    if (status == MARU_OK)
        status = maru_added_tokens_create(tokens, spelt, count, &wp->in_text);
    if (status == MARU_OK)
        status = maru_added_tokens_create(tokens, normalized, count, &wp->in_normalized);
    for (size_t i = 0; i < 2 * count; i++)
        maru_array_fini(&spelt[i]);
    free(spelt);
    return status;
}

static maru_wordpiece *new_wordpiece(void)
{
    maru_wordpiece *wp = calloc(1, sizeof *wp);
    if (wp) {
        wp->unknown = -1;
        wp->prefix = "##";
        wp->max_word_chars = MAX_WORD_CHARS;
    }
    return wp;
}

void maru_wordpiece_destroy(maru_wordpiece **wordpiece)
{
    maru_wordpiece *wp = *wordpiece;
    *wordpiece = NULL;
    if (!wp)
        return;
    maru_array_fini(&wp->pieces);
    maru_array_fini(&wp->is_special);
    maru_map_fini(&wp->by_text);
    maru_map_fini(&wp->continuing);
    maru_map_fini(&wp->added_by_text);
    maru_added_tokens_destroy(&wp->in_text);
    maru_added_tokens_destroy(&wp->in_normalized);
    maru_array_fini(&wp->before);
    maru_array_fini(&wp->after);
    maru_arena_fini(&wp->arena);
    free(wp);
}

/* ---- tokenizer.json ---- */

static maru_status unsupported(const char *name, const char *part, const char *type, const char *wanted)
{
    return maru_fail(MARU_UNSUPPORTED, "%s: %s '%s' is not supported; WordPiece comes with %s", name, part, type,
                     wanted);
}

/* "type" of an object, or "" for what is absent or null. */
static maru_status type_of(const json_t *part, const char *key, const char *name, const char **out_type)
{
    *out_type = "";
    if (!part || json_is_null(part))
        return MARU_OK;
    if (!json_is_object(part))
        return maru_fail(MARU_DATA_LOSS, "%s: \"%s\" must be an object, not %s", name, key, maru_json_kind(part));
    return maru_json_get_string(part, "type", name, out_type);
}

/* An id must not make the table much larger than the file that asks for it. */
static maru_status check_id(const json_t *value, const char *piece, size_t n_pieces, const char *name, int32_t *out)
{
    if (!json_is_integer(value))
        return maru_fail(MARU_DATA_LOSS, "%s: the id of '%s' must be an integer, not %s", name, piece,
                         maru_json_kind(value));
    int64_t id = json_integer_value(value);
    if (id < 0 || id > INT32_MAX - 1 || (uint64_t)id > 2 * (uint64_t)n_pieces + SPARE_IDS)
        return maru_fail(MARU_DATA_LOSS, "%s: the id %" PRId64 " of '%s' is out of range for %zu pieces", name, id,
                         piece, n_pieces);
    *out = (int32_t)id;
    return MARU_OK;
}

static maru_status load_vocab(maru_wordpiece *wp, json_t *vocab, const char *name)
{
    if (!json_is_object(vocab))
        return maru_fail(MARU_DATA_LOSS, "%s: \"vocab\" must be an object, not %s", name, maru_json_kind(vocab));
    const char *piece;
    json_t *value;
    json_object_foreach(vocab, piece, value) {
        int32_t id = 0;
        MARU_TRY(check_id(value, piece, json_object_size(vocab), name, &id));
        if (maru_wordpiece_piece(wp, id))
            return maru_fail(MARU_DATA_LOSS, "%s: '%s' and '%s' both have the id %" PRId32, name,
                             maru_wordpiece_piece(wp, id), piece, id);
        MARU_TRY(add_piece(wp, &wp->by_text, piece, strlen(piece), id));
    }
    return MARU_OK;
}

static maru_status load_model(maru_wordpiece *wp, const json_t *model, const char *name)
{
    const char *type = "";
    const char *unknown = "[UNK]";
    const char *prefix = "##";
    int64_t max_word_chars = MAX_WORD_CHARS;
    MARU_TRY(type_of(model, "model", name, &type));
    if (strcmp(type, "WordPiece") != 0)
        return maru_fail(MARU_UNSUPPORTED, "%s: a tokenizer of type '%s' is not supported; WordPiece is", name, type);
    MARU_TRY(maru_json_get_string(model, "unk_token", name, &unknown));
    MARU_TRY(maru_json_get_string(model, "continuing_subword_prefix", name, &prefix));
    MARU_TRY(maru_json_get_i64(model, "max_input_chars_per_word", name, 1, MOST_WORD_CHARS, &max_word_chars));
    wp->max_word_chars = (size_t)max_word_chars;
    wp->prefix = maru_arena_strdup(&wp->arena, prefix);
    if (!wp->prefix)
        return maru_fail_oom("vocabulary");
    MARU_TRY(load_vocab(wp, json_object_get(model, "vocab"), name));
    return find_unknown(wp, unknown, name);
}

static maru_status load_normalizer(maru_wordpiece *wp, const json_t *part, const char *name)
{
    const char *type = "";
    MARU_TRY(type_of(part, "normalizer", name, &type));
    if (!type[0])
        return MARU_OK;
    if (strcmp(type, "BertNormalizer") != 0)
        return unsupported(name, "normalizer", type, "BertNormalizer or none");
    maru_bert_normalizer n = {.is_on = true, .clean_text = true, .handle_chinese_chars = true, .lowercase = true};
    MARU_TRY(maru_json_get_bool(part, "clean_text", name, &n.clean_text));
    MARU_TRY(maru_json_get_bool(part, "handle_chinese_chars", name, &n.handle_chinese_chars));
    MARU_TRY(maru_json_get_bool(part, "lowercase", name, &n.lowercase));
    n.strip_accents = n.lowercase;
    MARU_TRY(maru_json_get_bool(part, "strip_accents", name, &n.strip_accents));
    wp->normalizer = n;
    return MARU_OK;
}

static maru_status check_pre_tokenizer(const json_t *part, const char *name)
{
    const char *type = "";
    MARU_TRY(type_of(part, "pre_tokenizer", name, &type));
    return strcmp(type, "BertPreTokenizer") == 0 ? MARU_OK
                                                 : unsupported(name, "pre_tokenizer", type, "BertPreTokenizer");
}

static maru_status add_special(maru_ids *ids, int32_t id, const char *name)
{
    if (ids->count == MAX_TEMPLATE)
        return maru_fail(MARU_UNSUPPORTED, "%s: more than %d special tokens stand on one side of the text", name,
                         MAX_TEMPLATE);
    return maru_array_push(ids, id);
}

/* One element of a template's "single": a special token, or the place of the text. */
static maru_status load_template_item(maru_wordpiece *wp, const json_t *part, const json_t *item, bool *text_seen,
                                      const char *name)
{
    if (json_is_object(json_object_get(item, "Sequence")) && !*text_seen) {
        *text_seen = true;
        return MARU_OK;
    }
    const char *token = json_string_value(json_object_get(json_object_get(item, "SpecialToken"), "id"));
    if (!token)
        return maru_fail(MARU_UNSUPPORTED, "%s: the template of one text must have special tokens and one Sequence",
                         name);
    const json_t *ids = json_object_get(json_object_get(json_object_get(part, "special_tokens"), token), "ids");
    for (size_t i = 0; i < json_array_size(ids); i++) {
        int32_t id = 0;
        MARU_TRY(check_id(json_array_get(ids, i), token, wp->pieces.count, name, &id));
        if (!maru_wordpiece_piece(wp, id))
            return maru_fail(MARU_DATA_LOSS, "%s: special token '%s' has the id %" PRId32 " of no piece", name, token,
                             id);
        MARU_TRY(add_special(*text_seen ? &wp->after : &wp->before, id, name));
    }
    if (json_array_size(ids) == 0)
        return maru_fail(MARU_DATA_LOSS, "%s: special token '%s' of the template has no ids", name, token);
    return MARU_OK;
}

static maru_status load_template(maru_wordpiece *wp, const json_t *part, const char *name)
{
    const json_t *single = json_object_get(part, "single");
    bool text_seen = false;
    for (size_t i = 0; i < json_array_size(single); i++)
        MARU_TRY(load_template_item(wp, part, json_array_get(single, i), &text_seen, name));
    if (!text_seen)
        return maru_fail(MARU_DATA_LOSS, "%s: the template has no Sequence", name);
    return MARU_OK;
}

static maru_status load_bert_processing(maru_wordpiece *wp, const json_t *part, const char *name)
{
    static const char *const keys[2] = {"cls", "sep"};
    for (int i = 0; i < 2; i++) {
        int32_t id = 0;
        const json_t *pair = json_object_get(part, keys[i]);
        MARU_TRY(check_id(json_array_get(pair, 1), keys[i], wp->pieces.count, name, &id));
        if (!maru_wordpiece_piece(wp, id))
            return maru_fail(MARU_DATA_LOSS, "%s: \"%s\" has the id %" PRId32 " of no piece", name, keys[i], id);
        MARU_TRY(add_special(i ? &wp->after : &wp->before, id, name));
    }
    return MARU_OK;
}

static maru_status load_post_processor(maru_wordpiece *wp, const json_t *part, const char *name)
{
    const char *type = "";
    MARU_TRY(type_of(part, "post_processor", name, &type));
    if (!type[0])
        return MARU_OK;
    if (strcmp(type, "TemplateProcessing") == 0)
        return load_template(wp, part, name);
    if (strcmp(type, "BertProcessing") == 0)
        return load_bert_processing(wp, part, name);
    return unsupported(name, "post_processor", type, "TemplateProcessing, BertProcessing or none");
}

static maru_status load_added_token(maru_wordpiece *wp, const json_t *item, const char *name, maru_added_token *out)
{
    const char *content = NULL;
    if (!json_is_object(item))
        return maru_fail(MARU_DATA_LOSS, "%s: an added token must be an object, not %s", name, maru_json_kind(item));
    MARU_TRY(maru_json_get_string(item, "content", name, &content));
    if (!content || !content[0])
        return maru_fail(MARU_DATA_LOSS, "%s: an added token has no content", name);
    *out = (maru_added_token){.content = content};
    MARU_TRY(check_id(json_object_get(item, "id"), content, wp->pieces.count, name, &out->id));
    MARU_TRY(maru_json_get_bool(item, "special", name, &out->is_special));
    out->is_normalized = !out->is_special;
    MARU_TRY(maru_json_get_bool(item, "normalized", name, &out->is_normalized));
    MARU_TRY(maru_json_get_bool(item, "single_word", name, &out->single_word));
    MARU_TRY(maru_json_get_bool(item, "lstrip", name, &out->strip_left));
    MARU_TRY(maru_json_get_bool(item, "rstrip", name, &out->strip_right));
    const char *piece = maru_wordpiece_piece(wp, out->id);
    if (piece && strcmp(piece, content) != 0)
        return maru_fail(MARU_DATA_LOSS, "%s: '%s' and '%s' both have the id %" PRId32, name, piece, content, out->id);
    if (!piece)
        MARU_TRY(add_piece(wp, &wp->added_by_text, content, strlen(content), out->id));
    if (out->is_special)
        wp->is_special.data[out->id] = true;
    return MARU_OK;
}

static maru_status load_added(maru_wordpiece *wp, const json_t *list, const char *name)
{
    size_t count = json_array_size(list);
    maru_added_token *tokens = calloc(count + 1, sizeof *tokens);
    if (!tokens)
        return maru_fail_oom("added tokens");
    maru_status status = MARU_OK;
    for (size_t i = 0; i < count && status == MARU_OK; i++)
        status = load_added_token(wp, json_array_get(list, i), name, &tokens[i]);
    if (status == MARU_OK)
        status = set_added(wp, tokens, count);
    free(tokens);
    return status;
}

static maru_status load_decoder(maru_wordpiece *wp, const json_t *part, const char *name)
{
    const char *type = "";
    MARU_TRY(type_of(part, "decoder", name, &type));
    if (type[0] && strcmp(type, "WordPiece") != 0)
        return unsupported(name, "decoder", type, "WordPiece");
    wp->cleans_up = true;
    return type[0] ? maru_json_get_bool(part, "cleanup", name, &wp->cleans_up) : MARU_OK;
}

static maru_status load_json(maru_wordpiece *wp, const json_t *json, const char *name)
{
    if (!json_is_object(json))
        return maru_fail(MARU_DATA_LOSS, "%s: a tokenizer must be an object, not %s", name, maru_json_kind(json));
    MARU_TRY(load_model(wp, json_object_get(json, "model"), name));
    MARU_TRY(index_continuing(wp));
    MARU_TRY(load_normalizer(wp, json_object_get(json, "normalizer"), name));
    MARU_TRY(check_pre_tokenizer(json_object_get(json, "pre_tokenizer"), name));
    MARU_TRY(load_decoder(wp, json_object_get(json, "decoder"), name));
    MARU_TRY(load_added(wp, json_object_get(json, "added_tokens"), name));
    return load_post_processor(wp, json_object_get(json, "post_processor"), name);
}

maru_status maru_wordpiece_create_json(const json_t *json, const char *name, maru_wordpiece **out)
{
    *out = NULL;
    maru_wordpiece *wp = new_wordpiece();
    if (!wp)
        return maru_fail_oom("tokenizer");
    maru_status status = load_json(wp, json, name);
    if (status != MARU_OK) {
        maru_wordpiece_destroy(&wp);
        return status;
    }
    *out = wp;
    return MARU_OK;
}

/* ---- vocab.txt ---- */

static maru_status load_lines(maru_wordpiece *wp, const char *text, size_t bytes, const char *name)
{
    const char *end = text + bytes;
    if (maru_utf8_check(text, bytes) != MARU_OK || (bytes && memchr(text, '\0', bytes)))
        return maru_fail(MARU_DATA_LOSS, "%s: a vocabulary must be lines of UTF-8 text", name);
    for (int32_t id = 0; text < end; id++) {
        const char *newline = memchr(text, '\n', (size_t)(end - text));
        const char *line_end = newline ? newline : end;
        size_t length = (size_t)(line_end - text);
        if (length && line_end[-1] == '\r')
            length--;
        if (id == INT32_MAX - 1)
            return maru_fail(MARU_UNSUPPORTED, "%s: there are too many lines", name);
        MARU_TRY(add_piece(wp, &wp->by_text, text, length, id));
        text = newline ? newline + 1 : end;
    }
    return MARU_OK;
}

static maru_status load_config(maru_wordpiece *wp, const json_t *config, const char *name)
{
    maru_bert_normalizer n = {.is_on = true, .clean_text = true, .handle_chinese_chars = true, .lowercase = true};
    if (json_is_object(config)) {
        MARU_TRY(maru_json_get_bool(config, "do_lower_case", name, &n.lowercase));
        MARU_TRY(maru_json_get_bool(config, "tokenize_chinese_chars", name, &n.handle_chinese_chars));
    }
    n.strip_accents = n.lowercase;
    if (json_is_object(config))
        MARU_TRY(maru_json_get_bool(config, "strip_accents", name, &n.strip_accents));
    wp->normalizer = n;
    return MARU_OK;
}

static maru_status add_bert_specials(maru_wordpiece *wp)
{
    static const char *const specials[] = {"[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"};
    maru_added_token tokens[5];
    size_t count = 0;
    for (size_t i = 0; i < 5; i++) {
        int32_t id = maru_wordpiece_find(wp, specials[i]);
        if (id < 0)
            continue;
        tokens[count++] = (maru_added_token){.content = specials[i], .id = id, .is_special = true};
        wp->is_special.data[id] = true;
    }
    MARU_TRY(set_added(wp, tokens, count));
    int32_t cls = maru_wordpiece_find(wp, "[CLS]");
    int32_t sep = maru_wordpiece_find(wp, "[SEP]");
    if (cls < 0 || sep < 0)
        return MARU_OK;
    MARU_TRY(maru_array_push(&wp->before, cls));
    return maru_array_push(&wp->after, sep);
}

static maru_status load_text(maru_wordpiece *wp, const char *text, size_t bytes, const json_t *config,
                             const char *name)
{
    MARU_TRY(load_config(wp, config, name));
    MARU_TRY(load_lines(wp, text, bytes, name));
    MARU_TRY(find_unknown(wp, "[UNK]", name));
    MARU_TRY(index_continuing(wp));
    wp->cleans_up = true;
    return add_bert_specials(wp);
}

maru_status maru_wordpiece_create_vocab(const char *text, size_t bytes, const json_t *config, const char *name,
                                        maru_wordpiece **out)
{
    *out = NULL;
    maru_wordpiece *wp = new_wordpiece();
    if (!wp)
        return maru_fail_oom("tokenizer");
    maru_status status = load_text(wp, text, bytes, config, name);
    if (status != MARU_OK) {
        maru_wordpiece_destroy(&wp);
        return status;
    }
    *out = wp;
    return MARU_OK;
}
