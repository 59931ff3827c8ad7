// SPDX-FileCopyrightText: The Maru authors
// SPDX-License-Identifier: Apache-2.0
#include "unit.h"

#include "base/json.h"
#include "base/str.h"
#include "text/spm.h"

#include <maru/tokenizer.h>

/* Builds tokenizer files. */
static void add_u32(maru_str *file, uint32_t value)
{
    const char bytes[4] = {(char)value, (char)(value >> 8), (char)(value >> 16), (char)(value >> 24)};
    maru_str_append_n(file, bytes, 4);
}

static void add_piece(maru_str *file, const char *text, float score)
{
    uint32_t bits;
    memcpy(&bits, &score, sizeof bits);
    add_u32(file, bits);
    add_u32(file, (uint32_t)strlen(text));
    maru_str_append(file, text);
}

/* unk bos eos, a few bytes (3 to 6), " " 7, "a" 8, "b" 9, "ab" 10 (-1), "ba" 11 (-1), " a" 12 (-3), "abb" 13 (-2) */
static void build(maru_str *file)
{
    add_u32(file, 16);
    add_piece(file, "<unk>", 0);
    add_piece(file, "\n<s>\n", 0);
    add_piece(file, "\n</s>\n", 0);
    add_piece(file, "<0xEA>", 0);
    add_piece(file, "<0xB0>", 0);
    add_piece(file, "<0x80>", 0);
    add_piece(file, "<0x0A>", 0);
    add_piece(file, " ", -10);
    add_piece(file, "a", -11);
    add_piece(file, "b", -12);
    add_piece(file, "ab", -1);
    add_piece(file, "ba", -1);
    add_piece(file, " a", -3);
    add_piece(file, "abb", -2);
}

static maru_tokenizer *small(void)
{
    maru_str file = {0};
    maru_tokenizer *t = NULL;
    build(&file);
    assert_ok(maru_tokenizer_create(file.data, file.length, "tok.bin", &t));
    maru_str_fini(&file);
    return t;
}

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

static void merges_the_best_first(void **state)
{
    (void)state;
    maru_tokenizer *t = small();
    assert_string_equal(encode(t, "ab", NULL), "1 7 10");        // ab (-1) before " a" (-3)
    assert_string_equal(encode(t, "a", NULL), "1 12");
    assert_string_equal(encode(t, "aba", NULL), "1 7 10 8");     // of equals the leftmost
    assert_string_equal(encode(t, "abb", NULL), "1 7 13");
    assert_string_equal(encode(t, "", NULL), "1");
    assert_string_equal(encode(t, "ab", &(maru_encode_params){.no_special = true}), "7 10");
    assert_string_equal(encode(t, "ababab", &(maru_encode_params){.max_tokens = 3}), "1 7 10");
    maru_tokenizer_destroy(&t);
}

static void falls_back_to_bytes(void **state)
{
    (void)state;
    maru_tokenizer *t = small();
    assert_string_equal(encode(t, "\xea\xb0\x80" "a", NULL), "1 7 3 4 5 8");
    assert_string_equal(encode(t, "\xc3\xa9", NULL), "1 7 0");   // no such byte tokens: unknown
    assert_string_equal(encode(t, "<", NULL), "1 7 0");
    assert_string_equal(encode(t, "\xe2\x96\x81" "a", NULL), "1 7 12");  // the sign for a blank is a blank
    maru_special_ids s;
    maru_tokenizer_special_ids(t, &s);
    assert_int_equal(s.begin, 1);
    assert_int_equal(s.end, 2);
    assert_int_equal(s.pad, -1);
    maru_tokenizer_destroy(&t);
}

/* Text that spells a control or byte token is text. */
static void does_not_read_control_tokens_in_text(void **state)
{
    (void)state;
    maru_str file = {0};
    maru_tokenizer *t = NULL;
    build(&file);
    add_piece(&file, "\n", -5);
    add_piece(&file, "<", -5);
    add_piece(&file, "s>", -5);
    add_piece(&file, "<s>", -5);
    add_piece(&file, "\n<s>", -5);
    assert_ok(maru_tokenizer_create(file.data, file.length, "tok.bin", &t));
    assert_string_equal(encode(t, "\n<s>\n", NULL), "1 7 18 14");
    maru_tokenizer_destroy(&t);
    maru_str_fini(&file);
}

static const char *push(maru_token_stream *s, int32_t id)
{
    static char out[64];
    char *text = NULL;
    assert_ok(maru_token_stream_push(s, id, &text));
    snprintf(out, sizeof out, "%s", text);
    free(text);
    return out;
}

static void streams_whole_characters(void **state)
{
    (void)state;
    maru_tokenizer *t = small();
    maru_token_stream s;
    char *rest = NULL;
    maru_token_stream_init(&s, t, false);
    assert_string_equal(push(&s, 1), "");
    assert_string_equal(push(&s, 12), "a");     // the blank before the text is not text
    assert_string_equal(push(&s, 12), " a");
    assert_string_equal(push(&s, 3), "");
    assert_string_equal(push(&s, 4), "");
    assert_string_equal(push(&s, 5), "\xea\xb0\x80");
    assert_string_equal(push(&s, 6), "\n");
    assert_string_equal(push(&s, 3), "");
    assert_string_equal(push(&s, 8), "\xef\xbf\xbd" "a");  // the character did not go on
    assert_string_equal(push(&s, 5), "\xef\xbf\xbd");      // and none begins so
    assert_string_equal(push(&s, 2), "");
    assert_string_equal(push(&s, 0), " \xe2\x81\x87 ");
    assert_string_equal(push(&s, 3), "");
    assert_ok(maru_token_stream_finish(&s, &rest));
    assert_string_equal(rest, "\xef\xbf\xbd");
    free(rest);
    assert_ok(maru_token_stream_finish(&s, &rest));
    assert_string_equal(rest, "");
    free(rest);
    maru_token_stream_init(&s, t, true);
    assert_string_equal(push(&s, 12), " a");    // goes on after a prompt
    assert_fails(maru_token_stream_push(&s, 14, &rest), MARU_OUT_OF_RANGE, "14 is no token of a vocabulary of 14");
    assert_fails(maru_token_stream_push(&s, -1, &rest), MARU_OUT_OF_RANGE, "-1 is no token");
    assert_null(rest);
    maru_tokenizer_destroy(&t);
}

/* ---- what is wrong ---- */

static maru_status refuse(const void *data, size_t bytes)
{
    maru_tokenizer *t = NULL;
    void *exact = malloc(bytes + !bytes);
    assert_non_null(exact);
    if (bytes)
        memcpy(exact, data, bytes);
    maru_status status = maru_tokenizer_create(exact, bytes, "t.bin", &t);
    free(exact);
    assert_true((t != NULL) == (status == MARU_OK));
    maru_tokenizer_destroy(&t);
    return status;
}

static void refuses_damage(void **state)
{
    (void)state;
    maru_str file = {0};
    build(&file);
    for (size_t n = 0; n < file.length; n++) {
        maru_status status = refuse(file.data, n);  // a file may end where a token does
        assert_true(status == MARU_DATA_LOSS || status == MARU_OK);
    }
    assert_fails(refuse(file.data, 2), MARU_DATA_LOSS, "t.bin has 2 bytes");
    assert_fails(refuse(file.data, 8), MARU_DATA_LOSS, "the file ends within token 0");
    assert_fails(refuse(file.data, file.length - 1), MARU_DATA_LOSS, "the file ends within token 13");
    assert_fails(refuse(file.data, 4 + 13), MARU_DATA_LOSS, "t.bin has 1 tokens");
    file.data[8] = 17;
    assert_fails(refuse(file.data, file.length), MARU_DATA_LOSS, "and 17 bytes (of 16 at most)");
    memset(file.data + 8, 0xff, 4);
    assert_fails(refuse(file.data, file.length), MARU_DATA_LOSS, "and 4294967295 bytes");
    memcpy(file.data + 4, "\0\0\xc0\x7f\5\0\0\0", 8);
    assert_fails(refuse(file.data, file.length), MARU_DATA_LOSS, "token 0 cannot have the score nan");
    memcpy(file.data + 4, "\0\0\0\0\5\0\0\0a\0", 10);
    assert_fails(refuse(file.data, file.length), MARU_DATA_LOSS, "token 0 has a NUL byte");
    memset(file.data, 0xff, 4);
    assert_fails(refuse(file.data, file.length), MARU_DATA_LOSS, "longest piece cannot have 4294967295 bytes");
    maru_str_fini(&file);
}

/* ---- real ones ---- */

static void check_text(const maru_tokenizer *t, const char *text, const json_t *expected)
{
    int32_t *ids = NULL;
    size_t count = 0;
    char *back = NULL;
    assert_ok(maru_tokenizer_encode(t, text, strlen(text), NULL, &ids, &count));
    assert_int_equal(count, json_array_size(expected));
    for (size_t i = 0; i < count; i++)
        assert_int_equal(ids[i], json_integer_value(json_array_get(expected, i)));
    assert_ok(maru_tokenizer_decode(t, ids, count, &back));
    assert_string_equal(back, text);
    free(ids);
    free(back);
}

static void matches_stories(void **state)
{
    (void)state;
    char path[1024];
    json_t *greedy = NULL;
    maru_tokenizer *t = NULL;
    require_test_data("llm_stories260k/ref_greedy.json", path);
    assert_ok(maru_json_read_file(path, 1 << 20, &greedy));
    require_test_data("llm_stories260k/tok512.bin", path);
    assert_ok(maru_tokenizer_create_file(path, &t));
    assert_int_equal(maru_tokenizer_vocab_size(t), 512);
    check_text(t, json_string_value(json_object_get(greedy, "text")), json_object_get(greedy, "tokens"));
    maru_tokenizer_destroy(&t);
    json_decref(greedy);
}

/* One line of ids a text. */
static void check_vector(const maru_tokenizer *t, const char *text, size_t bytes, const char *line)
{
    int32_t *ids = NULL;
    size_t count = 0;
    char *back = NULL;
    assert_ok(maru_tokenizer_encode(t, text, bytes, &(maru_encode_params){.no_special = true}, &ids, &count));
    for (size_t i = 0; i < count; i++) {
        char *end = NULL;
        assert_int_equal(ids[i], strtol(line, &end, 10));
        assert_ptr_not_equal(end, line);
        line = end;
    }
    while (*line == ' ')
        line++;
    assert_true(*line == '\n' || *line == '\0');
    assert_ok(maru_tokenizer_decode(t, ids, count, &back));
    assert_int_equal(strlen(back), bytes);
    assert_memory_equal(back, text, bytes);
    free(ids);
    free(back);
}

static void matches_llama_vectors(void **state)
{
    (void)state;
    static const char separator[] = "\n__ggml_vocab_test__\n";
    char path[1024];
    char *texts = NULL;
    char *lines = NULL;
    size_t bytes = 0;
    maru_tokenizer *t = NULL;
    require_test_data("tokenizers/llama2_tokenizer.bin", path);
    assert_ok(maru_tokenizer_create_file(path, &t));
    require_test_data("tokenizers/ggml-vocab-llama-spm.gguf.inp", path);
    assert_ok(maru_os_read_file(path, 1 << 20, &texts, &bytes));
    require_test_data("tokenizers/ggml-vocab-llama-spm.gguf.out", path);
    assert_ok(maru_os_read_file(path, 1 << 20, &lines, &bytes));
    const char *line = lines;
    const char *text = texts;
    size_t count = 0;
    for (const char *end; (end = strstr(text, separator)) != NULL && line; count++) {
        check_vector(t, text, (size_t)(end - text), line);
        text = end + sizeof separator - 1;
        line = strchr(line, '\n');
        line = line ? line + 1 : NULL;
    }
    assert_true(count >= 40);
    free(texts);
    free(lines);
    maru_tokenizer_destroy(&t);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(merges_the_best_first),
        cmocka_unit_test(falls_back_to_bytes),
        cmocka_unit_test(does_not_read_control_tokens_in_text),
        cmocka_unit_test(streams_whole_characters),
        cmocka_unit_test(refuses_damage),
        cmocka_unit_test(matches_stories),
        cmocka_unit_test(matches_llama_vectors),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
