// SPDX-FileCopyrightText: The Maru authors
// SPDX-License-Identifier: Apache-2.0
#include "scratch.h"

#include "import/safetensors.h"

#include <maru/log.h>

/* A file in memory: `header` as it stands behind its length, then `data_bytes` counting bytes. */
typedef struct image {
    _Alignas(8) uint8_t bytes[4096];
    size_t count;
} image;

static void build(image *im, const char *header, size_t data_bytes)
{
    size_t length = strlen(header);
    assert_true(8 + length + data_bytes <= sizeof im->bytes);
    for (int i = 0; i < 8; i++)
        im->bytes[i] = (uint8_t)((uint64_t)length >> (8 * i));
    memcpy(im->bytes + 8, header, length);
    for (size_t i = 0; i < data_bytes; i++)
        im->bytes[8 + length + i] = (uint8_t)i;
    im->count = 8 + length + data_bytes;
}

static maru_status parse(const char *header, size_t data_bytes)
{
    image im;
    maru_weights_file *file = NULL;
    build(&im, header, data_bytes);
    maru_status status = maru_weights_file_create_memory(im.bytes, im.count, "m.safetensors", &file);
    assert_true((file != NULL) == (status == MARU_OK));
    maru_weights_file_destroy(&file);
    assert_null(file);
    return status;
}

#define assert_refused(header, data_bytes, part) assert_fails(parse(header, data_bytes), MARU_DATA_LOSS, part)

/* ---- what is right ---- */

static void reads_a_table(void **state)
{
    (void)state;
    image im;
    maru_weights_file *file = NULL;
    build(&im,
          "{\"b\":{\"dtype\":\"F32\",\"shape\":[2,1],\"data_offsets\":[4,12]},"
          "\"__metadata__\":{\"k\":\"v\",\"l\":\"\"},"
          "\"a\":{\"dtype\":\"I16\",\"shape\":[2],\"data_offsets\":[0,4]},"
          "\"none\":{\"dtype\":\"F64\",\"shape\":[0,3],\"data_offsets\":[12,12]},"
          "\"scalar\":{\"dtype\":\"U8\",\"shape\":[],\"data_offsets\":[12,13]}}   ",
          13);
    assert_ok(maru_weights_file_create_memory(im.bytes, im.count, "m", &file));
    assert_int_equal(maru_weights_file_count(file), 4);
    const char *order[] = {"a", "b", "none", "scalar"};
    for (size_t i = 0; i < 4; i++)
        assert_string_equal(maru_weights_file_at(file, i)->name, order[i]);
    const maru_weight *b = maru_weights_file_find(file, "b");
    assert_non_null(b);
    assert_int_equal(b->dtype, MARU_F32);
    assert_int_equal(b->rank, 2);
    assert_int_equal(b->dims[0], 2);
    assert_int_equal(b->dims[1], 1);
    assert_int_equal(b->bytes, 8);
    assert_int_equal(b->data[0], 4);
    assert_ptr_equal(b->data, im.bytes + b->offset);
    assert_int_equal(maru_weights_file_find(file, "none")->bytes, 0);
    assert_int_equal(maru_weights_file_find(file, "scalar")->rank, 0);
    assert_null(maru_weights_file_find(file, "c"));
    assert_null(maru_weights_file_find(file, "__metadata__"));
    assert_int_equal(maru_weights_file_metadata_count(file), 2);
    assert_string_equal(maru_weights_file_metadata(file, "k"), "v");
    assert_null(maru_weights_file_metadata(file, "x"));
    const char *key = NULL;
    const char *value = NULL;
    maru_weights_file_metadata_at(file, 1, &key, &value);
    assert_string_equal(key, "l");
    assert_string_equal(value, "");
    maru_weights_file_destroy(&file);
}

static void reads_every_dtype(void **state)
{
    (void)state;
    static const struct {
        const char *name;
        maru_dtype dtype;
        int bytes;
    } rows[] = {
        {"F64", MARU_F64, 8},  {"F32", MARU_F32, 4}, {"F16", MARU_F16, 2},          {"BF16", MARU_BF16, 2},
        {"I64", MARU_I64, 8},  {"I32", MARU_I32, 4}, {"I16", MARU_I16, 2},          {"I8", MARU_I8, 1},
        {"U64", MARU_U64, 8},  {"U32", MARU_U32, 4}, {"U16", MARU_U16, 2},          {"U8", MARU_U8, 1},
        {"BOOL", MARU_BOOL, 1}, {"F8_E4M3", MARU_F8E4M3FN, 1}, {"F8_E5M2", MARU_F8E5M2, 1},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        char header[200];
        image im;
        maru_weights_file *file = NULL;
        snprintf(header, sizeof header, "{\"x\":{\"dtype\":\"%s\",\"shape\":[3],\"data_offsets\":[0,%d]}}",
                 rows[i].name, 3 * rows[i].bytes);
        build(&im, header, 3 * (size_t)rows[i].bytes);
        assert_ok(maru_weights_file_create_memory(im.bytes, im.count, "m", &file));
        assert_int_equal(maru_weights_file_at(file, 0)->dtype, rows[i].dtype);
        maru_weights_file_destroy(&file);
    }
}

static void empty_file_of_tensors_is_right(void **state)
{
    (void)state;
    assert_ok(parse("{}", 0));
    assert_ok(parse("{\"__metadata__\":{}}", 0));
}

static void ignore_log(void *ctx, maru_log_level level, const char *line)
{
    (void)level;
    snprintf(ctx, 200, "%s", line);
}

/* Files older than the padded header: taken, flagged, and copied into place when used. */
static void flags_misaligned_tensors(void **state)
{
    (void)state;
    char logged[200] = "";
    image im;
    maru_weights_file *file = NULL;
    maru_tensor t;
    build(&im,
          "{\"a\":{\"dtype\":\"U8\",\"shape\":[1],\"data_offsets\":[0,1]},"
          "\"b\":{\"dtype\":\"F32\",\"shape\":[1],\"data_offsets\":[1,5]}}",
          5);
    assert_int_not_equal((im.count - 4) % 4, 0);
    maru_log_set_sink(ignore_log, logged);
    assert_ok(maru_weights_file_create_memory(im.bytes, im.count, "old.safetensors", &file));
    maru_log_set_sink(NULL, NULL);
    assert_non_null(strstr(logged, "old.safetensors: 1 tensors are not aligned"));
    assert_true(maru_weights_file_find(file, "a")->is_aligned);
    const maru_weight *b = maru_weights_file_find(file, "b");
    assert_false(b->is_aligned);
    assert_ok(maru_weights_file_tensor(b, &t));
    assert_non_null(t.owner);
    assert_int_equal((uintptr_t)t.data % 64, 0);
    assert_memory_equal(t.data, b->data, 4);
    maru_tensor_destroy(&t);
    assert_ok(maru_weights_file_tensor(maru_weights_file_find(file, "a"), &t));
    assert_null(t.owner);
    assert_ptr_equal(t.data, maru_weights_file_find(file, "a")->data);
    maru_tensor_destroy(&t);
    maru_weights_file_destroy(&file);
}

/* ---- what is wrong ---- */

static maru_status parse_bytes(const void *bytes, size_t count)
{
    maru_weights_file *file = NULL;
    maru_status status = maru_weights_file_create_memory(bytes, count, "m.safetensors", &file);
    assert_null(file);
    return status;
}

static void refuses_truncation(void **state)
{
    (void)state;
    image im;
    maru_weights_file *file = NULL;
    build(&im, "{\"x\":{\"dtype\":\"F32\",\"shape\":[2],\"data_offsets\":[0,8]}}", 8);
    assert_ok(maru_weights_file_create_memory(im.bytes, im.count, "m", &file));
    maru_weights_file_destroy(&file);
    for (size_t n = 0; n < im.count; n++) {
        uint64_t *exact = malloc(n + 8);
        assert_non_null(exact);
        memcpy(exact, im.bytes, n);
        assert_int_equal(parse_bytes(exact, n), MARU_DATA_LOSS);
        free(exact);
    }
    assert_fails(parse_bytes("abc", 3), MARU_DATA_LOSS, "m.safetensors has 3 bytes");
    assert_fails(parse_bytes(im.bytes, 20), MARU_DATA_LOSS, "the file has 20");
    assert_fails(parse_bytes(im.bytes, im.count - 1), MARU_DATA_LOSS, "data_offsets [0, 8] in 7 bytes");
}

static void refuses_lying_header_lengths(void **state)
{
    (void)state;
    _Alignas(8) uint8_t bytes[64] = {0};
    memset(bytes, 0xff, 8);
    assert_fails(parse_bytes(bytes, sizeof bytes), MARU_DATA_LOSS, "18446744073709551615 bytes, above the limit");
    memset(bytes, 0, 8);
    bytes[3] = 0x05;
    assert_fails(parse_bytes(bytes, sizeof bytes), MARU_DATA_LOSS, "83886080 bytes, the file has 64");
    memset(bytes, 0, 8);
    assert_fails(parse_bytes(bytes, sizeof bytes), MARU_DATA_LOSS, "does not begin with '{'");
}

static void refuses_bad_json(void **state)
{
    (void)state;
    assert_refused("{\"x\":}", 0, "m.safetensors is not JSON: line 1");
    assert_refused("[]", 0, "does not begin with '{'");
    assert_refused("{\"x\":{\"dtype\":\"U8\",\"shape\":[],\"data_offsets\":[0,1]},"
                   "\"x\":{\"dtype\":\"U8\",\"shape\":[],\"data_offsets\":[0,1]}}",
                   1, "duplicate");
    assert_refused("{\"\xff\":1}", 0, "not JSON");
    assert_refused("{\"x\":3}", 0, "tensor 'x' must be described by an object, not an integer");
    assert_refused("{\"x\":{\"shape\":[],\"data_offsets\":[0,1]}}", 1, "\"dtype\" must be a string, not nothing");
    assert_refused("{\"x\":{\"dtype\":\"U8\",\"data_offsets\":[0,1]}}", 1, "\"shape\" must be an array");
    assert_refused("{\"x\":{\"dtype\":\"U8\",\"shape\":[1]}}", 1, "must be two integers");
    assert_refused("{\"x\":{\"dtype\":\"U8\",\"shape\":[1],\"data_offsets\":[0,1,2]}}", 1, "must be two integers");
    assert_refused("{\"x\":{\"dtype\":\"U8\",\"shape\":[1.0],\"data_offsets\":[0,1]}}", 1,
                   "dim 0 must be an integer, not a real number");
    assert_refused("{\"__metadata__\":{\"k\":1}}", 0, "metadata \"k\" must be a string");
    assert_refused("{\"__metadata__\":[]}", 0, "\"__metadata__\" must be an object");
}

static void refuses_bad_offsets(void **state)
{
    (void)state;
    assert_refused("{\"x\":{\"dtype\":\"U8\",\"shape\":[2],\"data_offsets\":[2,0]}}", 2, "data_offsets [2, 0]");
    assert_refused("{\"x\":{\"dtype\":\"U8\",\"shape\":[2],\"data_offsets\":[-2,0]}}", 2, "data_offsets [-2, 0]");
    assert_refused("{\"x\":{\"dtype\":\"U8\",\"shape\":[9],\"data_offsets\":[0,9]}}", 2, "in 2 bytes of data");
    assert_refused("{\"x\":{\"dtype\":\"U8\",\"shape\":[3],\"data_offsets\":[0,2]}}", 2,
                   "needs 3 bytes for its dims in u8, its span has 2");
    assert_refused("{\"x\":{\"dtype\":\"F32\",\"shape\":[1],\"data_offsets\":[0,2]}}", 2, "needs 4 bytes");
    assert_refused("{\"x\":{\"dtype\":\"U8\",\"shape\":[-1],\"data_offsets\":[0,0]}}", 0, "dim 0 is negative: -1");
    assert_refused("{\"x\":{\"dtype\":\"F64\",\"shape\":[4294967296,4294967296],\"data_offsets\":[0,0]}}", 0,
                   "tensor 'x'");
    assert_refused("{\"x\":{\"dtype\":\"F64\",\"shape\":[2305843009213693952],\"data_offsets\":[0,0]}}", 0, "overflow");
}

static void refuses_overlap_and_holes(void **state)
{
    (void)state;
    assert_refused("{\"x\":{\"dtype\":\"U8\",\"shape\":[3],\"data_offsets\":[0,3]},"
                   "\"y\":{\"dtype\":\"U8\",\"shape\":[2],\"data_offsets\":[2,4]}}",
                   4, "tensors 'x' and 'y' overlap at byte 2");
    assert_refused("{\"x\":{\"dtype\":\"U8\",\"shape\":[2],\"data_offsets\":[0,2]},"
                   "\"y\":{\"dtype\":\"U8\",\"shape\":[2],\"data_offsets\":[0,2]}}",
                   2, "overlap");
    assert_refused("{\"x\":{\"dtype\":\"U8\",\"shape\":[1],\"data_offsets\":[0,1]},"
                   "\"y\":{\"dtype\":\"U8\",\"shape\":[1],\"data_offsets\":[2,3]}}",
                   3, "bytes 1 to 2 of the data, before 'y', belong to no tensor");
    assert_refused("{\"x\":{\"dtype\":\"U8\",\"shape\":[1],\"data_offsets\":[1,2]}}", 2, "bytes 0 to 1");
    assert_refused("{\"x\":{\"dtype\":\"U8\",\"shape\":[1],\"data_offsets\":[0,1]}}", 5, "the last 4 bytes");
    assert_refused("{}", 1, "the last 1 bytes");
}

static void refuses_what_we_lack(void **state)
{
    (void)state;
    assert_fails(parse("{\"x\":{\"dtype\":\"F4\",\"shape\":[2],\"data_offsets\":[0,1]}}", 1), MARU_UNSUPPORTED,
                 "tensor 'x' has the unknown dtype 'F4'");
    assert_fails(parse("{\"x\":{\"dtype\":\"U8\",\"shape\":[1,1,1,1,1,1,1,1,1],\"data_offsets\":[0,1]}}", 1),
                 MARU_UNSUPPORTED, "tensor 'x' has rank 9");
}

static void refuses_deep_json(void **state)
{
    (void)state;
    char header[3200] = "{\"x\":";
    memset(header + 5, '[', sizeof header - 6);
    assert_refused(header, 0, "depth");
}

/* ---- files ---- */

static void writes_and_reads_back(void **state)
{
    (void)state;
    int64_t dims[2] = {2, 3};
    maru_tensor half;
    maru_tensor wide;
    maru_tensor empty;
    maru_weights_file *file = NULL;
    assert_ok(maru_tensor_create(MARU_F16, dims, 2, &half));
    assert_ok(maru_tensor_create(MARU_F64, dims, 1, &wide));
    assert_ok(maru_tensor_create(MARU_BOOL, (int64_t[]){0}, 1, &empty));
    for (int64_t i = 0; i < 6; i++)
        maru_tensor_set_f64(&half, i, (double)i / 4);
    maru_tensor_set_f64(&wide, 1, 1e-300);
    maru_safetensors_item items[] = {{"layers.0/\"half\"\xea\xb0\x80", &half}, {"wide", &wide}, {"empty", &empty}};
    maru_safetensors_text text[] = {{"format", "pt"}, {"line\n", "\xea\xb0\x80"}};
    const char *path = scratch_path("w.safetensors");
    assert_ok(maru_safetensors_write_file(path, items, 3, text, 2));
    assert_ok(maru_weights_file_create(path, &file));
    assert_int_equal(maru_weights_file_count(file), 3);
    assert_string_equal(maru_weights_file_at(file, 0)->name, "wide");
    assert_string_equal(maru_weights_file_metadata(file, "line\n"), "\xea\xb0\x80");
    for (size_t i = 0; i < 3; i++) {
        const maru_weight *w = maru_weights_file_find(file, items[i].name);
        assert_non_null(w);
        assert_true(w->is_aligned);
        assert_int_equal(w->dtype, items[i].tensor->dtype);
        assert_int_equal(w->bytes, items[i].tensor->bytes);
        assert_memory_equal(w->data, items[i].tensor->data, w->bytes);
        assert_memory_equal(w->dims, items[i].tensor->dims, w->rank * sizeof *w->dims);
    }
    assert_int_equal(maru_weights_file_shard_count(file), 1);
    assert_string_equal(maru_weights_file_shard_path(file, 0), path);
    maru_weights_file_destroy(&file);
    maru_tensor_destroy(&half);
    maru_tensor_destroy(&wide);
    maru_tensor_destroy(&empty);
}

static void writer_refuses(void **state)
{
    (void)state;
    uint8_t byte = 1;
    maru_tensor t;
    maru_tensor four;
    assert_ok(maru_tensor_wrap(MARU_U8, NULL, 0, &byte, 1, &t));
    assert_ok(maru_tensor_create(MARU_I4, (int64_t[]){2}, 1, &four));
    const char *path = scratch_path("never.safetensors");
    maru_safetensors_item twice[] = {{"x", &t}, {"x", &t}};
    maru_safetensors_item reserved[] = {{"__metadata__", &t}};
    maru_safetensors_item bytes[] = {{"\xff", &t}};
    maru_safetensors_item small[] = {{"q", &four}};
    assert_fails(maru_safetensors_write_file(path, twice, 2, NULL, 0), MARU_ALREADY_EXISTS, "two tensors 'x'");
    assert_fails(maru_safetensors_write_file(path, reserved, 1, NULL, 0), MARU_INVALID_ARGUMENT, "__metadata__");
    assert_fails(maru_safetensors_write_file(path, bytes, 1, NULL, 0), MARU_INVALID_ARGUMENT, "UTF-8");
    assert_fails(maru_safetensors_write_file(path, small, 1, NULL, 0), MARU_UNSUPPORTED, "tensor 'q' is i4");
    assert_false(maru_os_is_file(path));
    maru_tensor_destroy(&four);
}

static void write_shard(const char *file_name, const char *tensor_name, uint8_t value)
{
    maru_tensor t;
    assert_ok(maru_tensor_wrap(MARU_U8, NULL, 0, &value, 1, &t));
    maru_safetensors_item items[] = {{tensor_name, &t}, {"in both", &t}};
    assert_ok(maru_safetensors_write_file(scratch_path(file_name), items, 2, NULL, 0));
}

static maru_status open_index(const char *text)
{
    maru_weights_file *file = NULL;
    const char *path = scratch_write("model.safetensors.index.json", text, strlen(text));
    maru_status status = maru_weights_file_create(path, &file);
    maru_weights_file_destroy(&file);
    return status;
}

static void reads_shards(void **state)
{
    (void)state;
    maru_weights_file *file = NULL;
    write_shard("part-1.safetensors", "one", 1);
    write_shard("part-2.safetensors", "two", 2);
    assert_ok(open_index("{\"metadata\":{\"total_size\":3},\"weight_map\":{\"one\":\"part-1.safetensors\","
                         "\"two\":\"part-2.safetensors\",\"in both\":\"part-2.safetensors\"}}"));
    assert_ok(maru_weights_file_create(scratch_folder, &file));
    assert_int_equal(maru_weights_file_shard_count(file), 2);
    assert_int_equal(maru_weights_file_count(file), 3);
    assert_int_equal(maru_weights_file_find(file, "one")->data[0], 1);
    assert_int_equal(maru_weights_file_find(file, "in both")->data[0], 2);
    assert_int_equal(maru_weights_file_find(file, "in both")->shard, 1);
    assert_ptr_equal(maru_weights_file_shard_map(file, 1)->data + maru_weights_file_find(file, "two")->offset,
                     maru_weights_file_find(file, "two")->data);
    maru_weights_file_destroy(&file);
}

static void refuses_bad_indexes(void **state)
{
    (void)state;
    write_shard("part-1.safetensors", "one", 1);
    assert_fails(open_index("{}"), MARU_DATA_LOSS, "\"weight_map\" must be an object");
    assert_fails(open_index("[]"), MARU_DATA_LOSS, "\"weight_map\" must be an object");
    assert_fails(open_index("{\"weight_map\":{\"one\":1}}"), MARU_DATA_LOSS, "must be a string, not an integer");
    assert_fails(open_index("{\"weight_map\":{\"one\":\"../x.safetensors\"}}"), MARU_INVALID_ARGUMENT,
                 "must lie beside the index");
    assert_fails(open_index("{\"weight_map\":{\"one\":\"/etc/passwd\"}}"), MARU_INVALID_ARGUMENT, "'/etc/passwd'");
    assert_fails(open_index("{\"weight_map\":{\"three\":\"part-1.safetensors\"}}"), MARU_DATA_LOSS,
                 "tensor 'three' is not in part-1.safetensors");
    assert_int_equal(open_index("{\"weight_map\":{\"one\":\"gone.safetensors\"}}"), MARU_NOT_FOUND);
}

static void finds_the_file_of_a_folder(void **state)
{
    (void)state;
    maru_weights_file *file = NULL;
    remove(scratch_path("model.safetensors.index.json"));
    assert_ok(maru_os_list_dir(scratch_folder, scratch_remove, NULL));
    assert_fails(maru_weights_file_create(scratch_folder, &file), MARU_NOT_FOUND, "has 0 .safetensors files");
    write_shard("only.safetensors", "one", 1);
    assert_ok(maru_weights_file_create(scratch_folder, &file));
    maru_weights_file_destroy(&file);
    write_shard("another.safetensors", "one", 1);
    assert_fails(maru_weights_file_create(scratch_folder, &file), MARU_NOT_FOUND, "has 2 .safetensors files");
    write_shard("model.safetensors", "three", 3);
    assert_ok(maru_weights_file_create(scratch_folder, &file));
    assert_non_null(maru_weights_file_find(file, "three"));
    maru_weights_file_destroy(&file);
    assert_fails(maru_weights_file_create(scratch_path("x.gguf"), &file), MARU_NOT_FOUND, "x.gguf");
    assert_ok(maru_os_write_file(scratch_path("x.gguf"), "GGUF....", 8));
    assert_fails(maru_weights_file_create(scratch_path("x.gguf"), &file), MARU_UNSUPPORTED, "x.gguf: weights are read");
}

static void reads_real_files(void **state)
{
    (void)state;
    static const struct {
        const char *name;
        size_t count;
    } files[] = {
        {"llm_stories260k/model.safetensors", 47},
        {"text_model2vec_fixture/vq_model.safetensors", 3},
        {"vad_silero/silero_vad_16k.safetensors", 15},
    };
    char path[1024];
    for (size_t i = 0; i < sizeof files / sizeof *files; i++) {
        maru_weights_file *file = NULL;
        require_test_data(files[i].name, path);
        assert_ok(maru_weights_file_create(path, &file));
        assert_int_equal(maru_weights_file_count(file), files[i].count);
        maru_weights_file_destroy(&file);
    }
}

static int set_up(void **state)
{
    (void)state;
    scratch_make("safetensors");
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(reads_a_table),
        cmocka_unit_test(reads_every_dtype),
        cmocka_unit_test(empty_file_of_tensors_is_right),
        cmocka_unit_test(flags_misaligned_tensors),
        cmocka_unit_test(refuses_truncation),
        cmocka_unit_test(refuses_lying_header_lengths),
        cmocka_unit_test(refuses_bad_json),
        cmocka_unit_test(refuses_bad_offsets),
        cmocka_unit_test(refuses_overlap_and_holes),
        cmocka_unit_test(refuses_what_we_lack),
        cmocka_unit_test(refuses_deep_json),
        cmocka_unit_test(writes_and_reads_back),
        cmocka_unit_test(writer_refuses),
        cmocka_unit_test(reads_shards),
        cmocka_unit_test(refuses_bad_indexes),
        cmocka_unit_test(finds_the_file_of_a_folder),
        cmocka_unit_test(reads_real_files),
    };
    return cmocka_run_group_tests(tests, set_up, NULL);
}
