// SPDX-FileCopyrightText: The Maru authors
// SPDX-License-Identifier: Apache-2.0

/* A WAV file: what is read can be written in every encoding, and as f32 reads back the same. */

#include "fuzz.h"

#include "import/audio.h"

#include <stdlib.h>
#include <string.h>

static void check_encoding(const maru_tensor *samples, uint32_t rate, maru_wav_encoding encoding)
{
    maru_str file = {0};
    maru_tensor back = {0};
    uint32_t back_rate = 0;
    if (maru_wav_format(samples, rate, encoding, "fuzz", &file) == MARU_OK) {
        if (maru_wav_parse(maru_str_get(&file), file.length, "fuzz", &back, &back_rate) != MARU_OK ||
            back.bytes != samples->bytes || back_rate != rate)
            abort();
        if (encoding == MARU_WAV_FLOAT_32 && memcmp(back.data, samples->data, back.bytes) != 0)
            abort();
    }
    maru_tensor_destroy(&back);
    maru_str_fini(&file);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    maru_tensor samples;
    uint32_t rate = 0;
    if (maru_wav_parse(data, size, "fuzz", &samples, &rate) == MARU_OK) {
        for (int encoding = MARU_WAV_PCM_U8; encoding <= MARU_WAV_FLOAT_64; encoding++)
            check_encoding(&samples, rate, (maru_wav_encoding)encoding);
    }
    maru_tensor_destroy(&samples);
    return 0;
}
