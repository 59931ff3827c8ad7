// SPDX-FileCopyrightText: The Maru authors
// SPDX-License-Identifier: Apache-2.0
#include "scratch.h"

#include "import/audio.h"

#include <math.h>

static const float tones[2][3] = {{0, 0.5f, -1}, {0.25f, -0.125f, 0.75f}};

static maru_tensor sound(void)
{
    maru_tensor t;
    assert_ok(maru_tensor_create(MARU_F32, (int64_t[]){2, 3}, 2, &t));
    memcpy(t.data, tones, sizeof tones);
    return t;
}

static maru_status parse_exact(const void *data, size_t bytes, maru_tensor *out)
{
    uint32_t rate = 0;
    void *exact = malloc(bytes + !bytes);
    assert_non_null(exact);
    memcpy(exact, data, bytes);
    maru_status status = maru_wav_parse(exact, bytes, "x.wav", out, &rate);
    free(exact);
    return status;
}

static maru_status refuse(const void *data, size_t bytes)
{
    maru_tensor t;
    maru_status status = parse_exact(data, bytes, &t);
    assert_null(t.data);
    return status;
}

static void every_encoding_comes_back(void **state)
{
    (void)state;
    maru_tensor t = sound();
    for (int encoding = MARU_WAV_PCM_U8; encoding <= MARU_WAV_FLOAT_64; encoding++) {
        maru_tensor back;
        uint32_t rate = 0;
        const char *path = scratch_path("s.wav");
        assert_ok(maru_wav_write_file(path, &t, 22050, (maru_wav_encoding)encoding));
        assert_ok(maru_wav_read_file(path, &back, &rate));
        assert_int_equal(rate, 22050);
        assert_int_equal(back.rank, 2);
        assert_int_equal(back.dims[0], 2);
        assert_int_equal(back.dims[1], 3);
        assert_memory_equal(back.data, t.data, t.bytes);
        maru_tensor_destroy(&back);
    }
    maru_tensor_destroy(&t);
}

static void rounds_and_clips(void **state)
{
    (void)state;
    const float in[6] = {2, -2, NAN, 1, INFINITY, 0.4f / 32768};
    const float out[6] = {32767.0f / 32768, -1, 0, 32767.0f / 32768, 32767.0f / 32768, 0};
    maru_tensor t;
    maru_tensor back;
    maru_str file = {0};
    assert_ok(maru_tensor_create(MARU_F32, (int64_t[]){6}, 1, &t));
    memcpy(t.data, in, sizeof in);
    assert_ok(maru_wav_format(&t, 8000, MARU_WAV_PCM_16, "s", &file));
    assert_ok(parse_exact(file.data, file.length, &back));
    assert_memory_equal(back.data, out, sizeof out);
    maru_str_fini(&file);
    maru_tensor_destroy(&t);
    maru_tensor_destroy(&back);
}

static void writes_the_known_header(void **state)
{
    (void)state;
    static const char expected[] = "RIFF\x2a\0\0\0WAVE"
                                   "fmt \x10\0\0\0\1\0\1\0\x80\x3e\0\0\0\x7d\0\0\2\0\x10\0data\6\0\0\0"
                                   "\0\x40\0\xc0\0\0";
    maru_tensor t;
    maru_str file = {0};
    assert_ok(maru_tensor_create(MARU_F32, (int64_t[]){1, 3}, 2, &t));
    ((float *)t.data)[0] = 0.5f;
    ((float *)t.data)[1] = -0.5f;
    assert_ok(maru_wav_format(&t, 16000, MARU_WAV_PCM_16, "s", &file));
    assert_int_equal(file.length, sizeof expected - 1);
    assert_memory_equal(file.data, expected, file.length);
    maru_str_fini(&file);
    maru_tensor_destroy(&t);
}

static void pads_odd_chunks(void **state)
{
    (void)state;
    // A chunk of 3 bytes and its padding before the data, 8-bit samples.
    static const char file[] = "RIFF\0\0\0\0WAVEfmt \x10\0\0\0\1\0\1\0\x40\x1f\0\0\x40\x1f\0\0\1\0\x08\0"
                               "junk\3\0\0\0abc\0data\3\0\0\0\x80\xff\0";
    maru_tensor t;
    maru_str out = {0};
    assert_ok(parse_exact(file, sizeof file - 1, &t));
    assert_int_equal(t.dims[1], 3);
    assert_true(((float *)t.data)[0] == 0);
    assert_true(((float *)t.data)[1] == 127.0f / 128);
    assert_true(((float *)t.data)[2] == -1);
    assert_ok(maru_wav_format(&t, 8000, MARU_WAV_PCM_U8, "s", &out));
    assert_int_equal(out.length, 44 + 4);
    maru_str_fini(&out);
    maru_tensor_destroy(&t);
}

/* ---- what is wrong ---- */

static void refuses_truncation(void **state)
{
    (void)state;
    maru_tensor t = sound();
    for (int encoding = MARU_WAV_PCM_16; encoding <= MARU_WAV_PCM_24; encoding++) {
        maru_str file = {0};
        assert_ok(maru_wav_format(&t, 8000, (maru_wav_encoding)encoding, "s", &file));
        for (size_t n = 0; n < file.length; n++)
            assert_int_equal(refuse(file.data, n), MARU_DATA_LOSS);
        maru_str_fini(&file);
    }
    maru_tensor_destroy(&t);
}

/* A file of 16-bit mono with four bytes of samples, two of its header's bytes replaced. */
static maru_status patched(size_t at, uint8_t low, uint8_t high)
{
    char file[] = "RIFF\x28\0\0\0WAVEfmt \x10\0\0\0\1\0\1\0\x80\x3e\0\0\0\x7d\0\0\2\0\x10\0data\4\0\0\0abcd";
    maru_tensor t;
    file[at] = (char)low;
    file[at + 1] = (char)high;
    maru_status status = parse_exact(file, sizeof file - 1, &t);
    maru_tensor_destroy(&t);
    return status;
}

static void refuses_lies(void **state)
{
    (void)state;
    assert_ok(patched(22, 1, 0));
    assert_fails(patched(0, 'X', 'I'), MARU_DATA_LOSS, "x.wav is not a WAV file");
    assert_fails(patched(16, 8, 0), MARU_DATA_LOSS, "'fmt ' chunk has 8 bytes");
    assert_fails(patched(16, 0xff, 0xff), MARU_DATA_LOSS, "its chunk 'fmt ' says it has 65535 bytes");
    assert_fails(patched(22, 0, 0), MARU_DATA_LOSS, "0 channels");
    assert_fails(patched(22, 3, 0), MARU_DATA_LOSS, "3 channels of 16 bits");
    assert_fails(patched(24, 0, 0), MARU_DATA_LOSS, "at 0 Hz");
    assert_fails(patched(32, 3, 0), MARU_DATA_LOSS, "in frames of 3 bytes");
    assert_fails(patched(40, 3, 0), MARU_DATA_LOSS, "3 bytes of samples are no whole number of frames");
    assert_fails(patched(40, 5, 0), MARU_DATA_LOSS, "its chunk 'data' says it has 5 bytes, 4 are left");
    assert_fails(patched(36, 'D', 'a'), MARU_DATA_LOSS, "there is no 'data' chunk");
    assert_fails(patched(12, 'F', 'm'), MARU_DATA_LOSS, "there is no 'fmt ' before its 'data' chunk");
}

static void refuses_what_we_lack(void **state)
{
    (void)state;
    assert_fails(patched(20, 2, 0), MARU_UNSUPPORTED, "format tag 2 with 16 bits");
    assert_fails(patched(34, 12, 0), MARU_UNSUPPORTED, "format tag 1 with 12 bits");
    assert_fails(patched(20, 0xfe, 0xff), MARU_UNSUPPORTED, "extensible");
}

static void writer_refuses(void **state)
{
    (void)state;
    maru_tensor t = sound();
    maru_str file = {0};
    assert_fails(maru_wav_format(&t, 0, MARU_WAV_PCM_16, "s", &file), MARU_INVALID_ARGUMENT, "sample rate is 0");
    maru_tensor_destroy(&t);
    assert_ok(maru_tensor_create(MARU_I16, (int64_t[]){2}, 1, &t));
    assert_fails(maru_wav_format(&t, 8000, MARU_WAV_PCM_16, "s", &file), MARU_INVALID_ARGUMENT, "not i16 of rank 1");
    maru_tensor_destroy(&t);
    assert_ok(maru_tensor_create(MARU_F32, (int64_t[]){0, 4}, 2, &t));
    assert_fails(maru_wav_format(&t, 8000, MARU_WAV_PCM_16, "s", &file), MARU_INVALID_ARGUMENT, "0 channels");
    maru_tensor_destroy(&t);
    maru_str_fini(&file);
}

static void reads_a_recording(void **state)
{
    (void)state;
    char path[1024];
    maru_tensor t;
    uint32_t rate = 0;
    require_test_data("vad_silero/test.wav", path);
    assert_ok(maru_wav_read_file(path, &t, &rate));
    assert_int_equal(rate, 16000);
    assert_int_equal(t.dims[0], 1);
    assert_int_equal(t.dims[1], 60 * 16000);
    maru_tensor_destroy(&t);
}

static int set_up(void **state)
{
    (void)state;
    scratch_make("audio");
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_encoding_comes_back),
        cmocka_unit_test(rounds_and_clips),
        cmocka_unit_test(writes_the_known_header),
        cmocka_unit_test(pads_odd_chunks),
        cmocka_unit_test(refuses_truncation),
        cmocka_unit_test(refuses_lies),
        cmocka_unit_test(refuses_what_we_lack),
        cmocka_unit_test(writer_refuses),
        cmocka_unit_test(reads_a_recording),
    };
    return cmocka_run_group_tests(tests, set_up, NULL);
}
