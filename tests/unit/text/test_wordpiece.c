// SPDX-FileCopyrightText: The Maru authors
// SPDX-License-Identifier: Apache-2.0
#include "unit.h"

#include "base/json.h"

#include <maru/tokenizer.h>

static const char vocab[] = "[PAD]\n[UNK]\n[CLS]\n[SEP]\n[MASK]\n"
                            "un\n##aff\n##able\nhello\n,\nworld\n##s\n'\nt\ndon\n.\n";

/* Encodes and writes the ids into a string: "2 5 6 3". */
static const char *encode(const maru_tokenizer *t, const char *text, const maru_encode_params *params)
{
    static char out[4096];
    int32_t *ids = NULL;
    size_t count = 0;
    size_t length = 0;
    out[0] = '\0';
    assert_ok(maru_tokenizer_encode(t, text, strlen(text), params, &ids, &count));
    assert_non_null(ids);
    for (size_t i = 0; i < count; i++)
        length += (size_t)snprintf(out + length, sizeof out - length, i ? " %d" : "%d", (int)ids[i]);
    free(ids);
    return out;
}

static maru_tokenizer *from_vocab(void)
{
    maru_tokenizer *t = NULL;
    assert_ok(maru_tokenizer_create(vocab, sizeof vocab - 1, "vocab.txt", &t));
    return t;
}

static void cuts_words_into_the_longest_pieces(void **state)
{
    (void)state;
    maru_tokenizer *t = from_vocab();
    assert_int_equal(maru_tokenizer_vocab_size(t), 16);
    assert_string_equal(encode(t, "Unaffable, worlds", NULL), "2 5 6 7 9 10 11 3");
    assert_string_equal(encode(t, "unx hello", NULL), "2 1 8 3");
    assert_string_equal(encode(t, "", NULL), "2 3");
    assert_string_equal(encode(t, "h\xc3\xa9llo", NULL), "2 8 3");
    assert_string_equal(maru_tokenizer_piece(t, 6), "##aff");
    assert_null(maru_tokenizer_piece(t, 16));
    assert_null(maru_tokenizer_piece(t, -1));
    maru_tokenizer_destroy(&t);
}

static void limits_words_and_tokens(void **state)
{
    (void)state;
    maru_tokenizer *t = NULL;
    char text[220];
    assert_ok(maru_tokenizer_create("[UNK]\n[CLS]\n[SEP]\na\n##a", 23, "vocab.txt", &t));
    memset(text, 'a', sizeof text);
    text[100] = '\0';
    assert_int_equal(strlen(encode(t, text, NULL)), strlen("1 3 2") + 2 * 99);
    text[100] = 'a';
    text[101] = '\0';
    assert_string_equal(encode(t, text, NULL), "1 0 2");
    assert_string_equal(encode(t, "a a aa a", &(maru_encode_params){.max_tokens = 5}), "1 3 3 3 2");
    assert_string_equal(encode(t, "a a aa a", &(maru_encode_params){.max_tokens = 3, .no_special = true}), "3 3 3");
    assert_string_equal(encode(t, "a", &(maru_encode_params){.max_tokens = 2}), "1 2");
    int32_t *ids = NULL;
    size_t count = 0;
    assert_fails(maru_tokenizer_encode(t, "a", 1, &(maru_encode_params){.max_tokens = 1}, &ids, &count),
                 MARU_INVALID_ARGUMENT, "a limit of 1 tokens leaves no room for the 2 special ones");
    assert_fails(maru_tokenizer_encode(t, "a\xff", 2, NULL, &ids, &count), MARU_INVALID_ARGUMENT,
                 "not UTF-8 at byte 1");
    assert_null(ids);
    maru_tokenizer_destroy(&t);
}

static void finds_special_tokens_in_text(void **state)
{
    (void)state;
    maru_tokenizer *t = from_vocab();
    assert_string_equal(encode(t, "hello[MASK]world", NULL), "2 8 4 10 3");
    assert_string_equal(encode(t, "[mask]", NULL), "2 1 1 1 3");
    assert_string_equal(encode(t, "[MASK][SEP]", &(maru_encode_params){.no_special = true}), "4 3");
    assert_string_equal(encode(t, "[MASK]", &(maru_encode_params){.plain_text = true}), "2 1 1 1 3");
    maru_special_ids s;
    maru_tokenizer_special_ids(t, &s);
    assert_int_equal(s.begin, 2);
    assert_int_equal(s.end, 3);
    assert_int_equal(s.unknown, 1);
    assert_int_equal(s.pad, 0);
    assert_int_equal(s.mask, 4);
    maru_tokenizer_destroy(&t);
}

static void decodes(void **state)
{
    (void)state;
    maru_tokenizer *t = from_vocab();
    char *text = NULL;
    const int32_t ids[] = {2, 5, 6, 7, 9, 8, 11, 14, 12, 13, 15, 3};
    assert_ok(maru_tokenizer_decode(t, ids, 12, &text));
    assert_string_equal(text, "unaffable, hellos don ' t.");
    free(text);
    assert_fails(maru_tokenizer_decode(t, (int32_t[]){16}, 1, &text), MARU_OUT_OF_RANGE,
                 "16 is no token of a vocabulary of 16");
    assert_null(text);
    assert_ok(maru_tokenizer_decode(t, NULL, 0, &text));
    assert_string_equal(text, "");
    free(text);
    maru_tokenizer_destroy(&t);
}

/* ---- tokenizer.json ---- */

#define MODEL                                                   \
    "\"model\":{\"type\":\"WordPiece\",\"unk_token\":\"[UNK]\","  \
    "\"vocab\":{\"[UNK]\":0,\"[C]\":1,\"a\":2,\"##b\":3}}"
#define PRE "\"pre_tokenizer\":{\"type\":\"BertPreTokenizer\"}"
#define NORM "\"normalizer\":{\"type\":\"BertNormalizer\",\"lowercase\":true}"

static maru_tokenizer *from_json(const char *json)
{
    maru_tokenizer *t = NULL;
    assert_ok(maru_tokenizer_create(json, strlen(json), "tokenizer.json", &t));
    return t;
}

static void reads_tokenizer_json(void **state)
{
    (void)state;
    maru_tokenizer *t = from_json("{" MODEL "," PRE "," NORM ",\"post_processor\":null,\"decoder\":null}");
    assert_string_equal(encode(t, "AB ab c", NULL), "2 3 2 3 0");
    maru_tokenizer_destroy(&t);
    t = from_json("{" MODEL "," PRE ",\"normalizer\":null}");
    assert_string_equal(encode(t, "AB ab", NULL), "0 2 3");
    maru_tokenizer_destroy(&t);
    t = from_json("{" MODEL "," PRE ",\"post_processor\":{\"type\":\"TemplateProcessing\",\"single\":["
                  "{\"SpecialToken\":{\"id\":\"C\",\"type_id\":0}},{\"Sequence\":{\"id\":\"A\",\"type_id\":0}},"
                  "{\"SpecialToken\":{\"id\":\"C\",\"type_id\":0}}],\"special_tokens\":{\"C\":{\"ids\":[1,0]}}}}");
    assert_string_equal(encode(t, "a", NULL), "1 0 2 1 0");
    maru_tokenizer_destroy(&t);
    t = from_json("{" MODEL "," PRE ",\"post_processor\":{\"type\":\"BertProcessing\","
                  "\"sep\":[\"x\",0],\"cls\":[\"y\",1]}}");
    assert_string_equal(encode(t, "a", NULL), "1 2 0");
    maru_tokenizer_destroy(&t);
}

static void follows_added_tokens(void **state)
{
    (void)state;
    maru_tokenizer *t = from_json(
        "{" MODEL "," PRE "," NORM ",\"added_tokens\":["
        "{\"id\":4,\"content\":\"<x>\",\"special\":true,\"normalized\":false,\"lstrip\":true,\"rstrip\":true},"
        "{\"id\":5,\"content\":\"<x>y\",\"special\":false,\"normalized\":false},"
        "{\"id\":6,\"content\":\"New\",\"normalized\":true,\"single_word\":true}]}");
    assert_int_equal(maru_tokenizer_vocab_size(t), 7);
    assert_string_equal(encode(t, "a  <x>  a", NULL), "2 4 2");
    assert_string_equal(encode(t, "a<x>y", NULL), "2 5");               // the longest
    assert_string_equal(encode(t, "NEW new news <X>", NULL), "6 6 0 0 0 0");  // normalised, whole words
    char *text = NULL;
    assert_ok(maru_tokenizer_decode(t, (int32_t[]){2, 4, 6}, 3, &text));
    assert_string_equal(text, "a New");
    free(text);
    maru_tokenizer_destroy(&t);
}

static maru_status refuse(const char *json)
{
    maru_tokenizer *t = NULL;
    maru_status status = maru_tokenizer_create(json, strlen(json), "t.json", &t);
    assert_null(t);
    return status;
}

static void refuses_damaged_json(void **state)
{
    (void)state;
    assert_fails(refuse(""), MARU_DATA_LOSS, "t.json is not JSON");
    assert_fails(refuse("[]"), MARU_DATA_LOSS, "t.json: a tokenizer must be an object, not an array");
    assert_fails(refuse("{}"), MARU_UNSUPPORTED, "a tokenizer of type ''");
    assert_fails(refuse("{\"model\":3}"), MARU_DATA_LOSS, "\"model\" must be an object, not an integer");
    assert_fails(refuse("{\"model\":{\"type\":\"BPE\"}}"), MARU_UNSUPPORTED, "type 'BPE' is not supported");
    assert_fails(refuse("{\"model\":{\"type\":\"WordPiece\"}}"), MARU_DATA_LOSS, "\"vocab\" must be an object");
    assert_fails(refuse("{\"model\":{\"type\":\"WordPiece\",\"vocab\":{\"a\":\"b\"}}}"), MARU_DATA_LOSS,
                 "the id of 'a' must be an integer");
    assert_fails(refuse("{\"model\":{\"type\":\"WordPiece\",\"vocab\":{\"a\":-1}}}"), MARU_DATA_LOSS,
                 "the id -1 of 'a'");
    assert_fails(refuse("{\"model\":{\"type\":\"WordPiece\",\"vocab\":{\"a\":2000000000}}}"), MARU_DATA_LOSS,
                 "out of range for 1 pieces");
    assert_fails(refuse("{\"model\":{\"type\":\"WordPiece\",\"vocab\":{\"a\":1,\"b\":1}}}"), MARU_DATA_LOSS,
                 "'a' and 'b' both have the id 1");
    assert_fails(refuse("{\"model\":{\"type\":\"WordPiece\",\"vocab\":{\"a\":1}}}"), MARU_DATA_LOSS,
                 "lacks the unknown token '[UNK]'");
    assert_fails(refuse("{\"model\":{\"type\":\"WordPiece\",\"max_input_chars_per_word\":0,\"vocab\":{}}}"),
                 MARU_INVALID_ARGUMENT, "must be from 1 to 10000, not 0");
}

static void refuses_other_steps(void **state)
{
    (void)state;
    assert_fails(refuse("{" MODEL "}"), MARU_UNSUPPORTED, "pre_tokenizer ''");
    assert_fails(refuse("{" MODEL ",\"pre_tokenizer\":{\"type\":\"Metaspace\"}}"), MARU_UNSUPPORTED,
                 "pre_tokenizer 'Metaspace' is not supported");
    assert_fails(refuse("{" MODEL "," PRE ",\"normalizer\":{\"type\":\"NFC\"}}"), MARU_UNSUPPORTED, "normalizer 'NFC'");
    assert_fails(refuse("{" MODEL "," PRE ",\"decoder\":{\"type\":\"Fuse\"}}"), MARU_UNSUPPORTED, "decoder 'Fuse'");
    assert_fails(refuse("{" MODEL "," PRE ",\"post_processor\":{\"type\":\"X\"}}"), MARU_UNSUPPORTED, "processor 'X'");
    assert_fails(refuse("{" MODEL "," PRE ",\"post_processor\":{\"type\":\"TemplateProcessing\",\"single\":[]}}"),
                 MARU_DATA_LOSS, "the template has no Sequence");
    assert_fails(refuse("{" MODEL "," PRE ",\"added_tokens\":[{\"id\":2,\"content\":\"z\"}]}"), MARU_DATA_LOSS,
                 "'a' and 'z' both have the id 2");
    assert_fails(refuse("{" MODEL "," PRE ",\"added_tokens\":[{\"id\":2}]}"), MARU_DATA_LOSS, "has no content");
    assert_fails(refuse("{" MODEL "," PRE ",\"added_tokens\":[7]}"), MARU_DATA_LOSS,
                 "must be an object, not an integer");
}

static void refuses_bad_vocabularies(void **state)
{
    (void)state;
    maru_tokenizer *t = NULL;
    assert_fails(maru_tokenizer_create("a\nb\n", 4, "vocab.txt", &t), MARU_DATA_LOSS, "lacks the unknown token");
    assert_fails(maru_tokenizer_create("[UNK]\n\xff\n", 8, "vocab.txt", &t), MARU_DATA_LOSS, "lines of UTF-8");
    assert_fails(maru_tokenizer_create("[UNK]\n\0\n", 8, "vocab.txt", &t), MARU_DATA_LOSS, "lines of UTF-8");
    assert_fails(maru_tokenizer_create(NULL, 0, "vocab.txt", &t), MARU_DATA_LOSS, "lacks the unknown token");
    assert_int_equal(maru_tokenizer_create_file("/nonexistent/vocab.txt", &t), MARU_NOT_FOUND);
}

/* ---- the real one ---- */

/* Folder of all-MiniLM-L6-v2, or NULL. */
static const char *minilm_folder(void)
{
    static char folder[1024];
    const char *env = getenv("MARU_TEST_MINILM");
    char *cache = NULL;
    if (env) {
        snprintf(folder, sizeof folder, "%s", env);
    } else {
        if (maru_os_cache_dir(&cache) != MARU_OK)
            return NULL;
        snprintf(folder, sizeof folder, "%s/all-minilm-l6-v2", cache);
        free(cache);
    }
    return maru_os_is_dir(folder) ? folder : NULL;
}

/* Every sentence gives the reference's ids, cut at 256. */
static void check_reference(const char *tokenizer_path, const json_t *reference, const char *sentences)
{
    maru_tokenizer *t = NULL;
    assert_ok(maru_tokenizer_create_file(tokenizer_path, &t));
    assert_int_equal(maru_tokenizer_vocab_size(t), 30522);
    const char *line = sentences;
    for (size_t i = 0; i < json_array_size(reference); i++) {
        const char *end = strchr(line, '\n');
        const json_t *expected = json_array_get(reference, i);
        const maru_encode_params params = {.max_tokens = 256};
        int32_t *ids = NULL;
        size_t count = 0;
        assert_non_null(end);
        assert_ok(maru_tokenizer_encode(t, line, (size_t)(end - line), &params, &ids, &count));
        assert_int_equal(count, json_array_size(expected));
        for (size_t k = 0; k < count; k++)
            assert_int_equal(ids[k], json_integer_value(json_array_get(expected, k)));
        free(ids);
        line = end + 1;
    }
    maru_tokenizer_destroy(&t);
}

static void matches_the_reference(void **state)
{
    (void)state;
    char path[1100];
    char *sentences = NULL;
    size_t bytes = 0;
    json_t *reference = NULL;
    const char *folder = minilm_folder();
    if (!folder) {
        print_message("no model: set MARU_TEST_MINILM to the folder of all-MiniLM-L6-v2\n");
        skip();
    }
    require_test_data("emb_minilm_ref/sentences.txt", path);
    assert_ok(maru_os_read_file(path, 1 << 20, &sentences, &bytes));
    require_test_data("emb_minilm_ref/ref_tokens.json", path);
    assert_ok(maru_json_read_file(path, 1 << 20, &reference));
    assert_int_equal(json_array_size(reference), 64);
    check_reference(folder, reference, sentences);  // tokenizer.json
    snprintf(path, sizeof path, "%s/vocab.txt", folder);
    check_reference(path, reference, sentences);
    json_decref(reference);
    free(sentences);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(cuts_words_into_the_longest_pieces),
        cmocka_unit_test(limits_words_and_tokens),
        cmocka_unit_test(finds_special_tokens_in_text),
        cmocka_unit_test(decodes),
        cmocka_unit_test(reads_tokenizer_json),
        cmocka_unit_test(follows_added_tokens),
        cmocka_unit_test(refuses_damaged_json),
        cmocka_unit_test(refuses_other_steps),
        cmocka_unit_test(refuses_bad_vocabularies),
        cmocka_unit_test(matches_the_reference),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
