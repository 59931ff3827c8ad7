// SPDX-FileCopyrightText: The Maru authors
// SPDX-License-Identifier: Apache-2.0
#ifndef MARU_IMPORT_AUDIO_H
#define MARU_IMPORT_AUDIO_H

/*
 * Sound: RIFF WAVE files, plain or WAVE_FORMAT_EXTENSIBLE, with integer
 * samples of 8, 16, 24 or 32 bits or floats of 32 or 64. In memory sound is
 * an f32 tensor (channels, frames); integers of n bits are divided by
 * 2^(n - 1), so that full scale is [-1, 1).
 */

#include "base/str.h"

#include <maru/tensor.h>
#include <stdint.h>

typedef enum maru_wav_encoding {
    MARU_WAV_PCM_U8 = 0,
    MARU_WAV_PCM_16 = 1,
    MARU_WAV_PCM_24 = 2,
    MARU_WAV_PCM_32 = 3,
    MARU_WAV_FLOAT_32 = 4,
    MARU_WAV_FLOAT_64 = 5,
} maru_wav_encoding;

/*
 * `sample_rate` is in frames a second. DATA_LOSS for a damaged file: a chunk
 * beyond the end, half a frame, no `fmt ` or `data`; UNSUPPORTED for a
 * compressed encoding.
 */
MARU_NODISCARD maru_status maru_wav_parse(const void *data, size_t bytes, const char *name, maru_tensor *out_samples,
                                          uint32_t *out_sample_rate);
MARU_NODISCARD maru_status maru_wav_read_file(const char *path, maru_tensor *out_samples, uint32_t *out_sample_rate);

/*
 * `samples` is f32, (channels, frames) or (frames). Integers are rounded to
 * nearest and clipped to full scale, NaN becomes silence. Written EXTENSIBLE
 * where Microsoft asks for it: more than 2 channels, or integers above 16 bits.
 */
MARU_NODISCARD maru_status maru_wav_format(const maru_tensor *samples, uint32_t sample_rate,
                                           maru_wav_encoding encoding, const char *name, maru_str *out);
MARU_NODISCARD maru_status maru_wav_write_file(const char *path, const maru_tensor *samples, uint32_t sample_rate,
                                               maru_wav_encoding encoding);

#endif
