// SPDX-FileCopyrightText: The Maru authors
// SPDX-License-Identifier: Apache-2.0
#include "import/audio.h"

#include "base/fail.h"
#include "base/os.h"

#include <inttypes.h>
#include <math.h>
#include <string.h>

enum {
    TAG_PCM = 1,
    TAG_FLOAT = 3,
    TAG_EXTENSIBLE = 0xfffe,
    FMT_BYTES = 16,
    FMT_EXTENSIBLE_BYTES = 40,
};

/* The last 14 bytes of the GUIDs whose first two are a format tag. */
static const uint8_t guid_tail[14] = {0, 0, 0, 0, 0x10, 0, 0x80, 0, 0, 0xaa, 0, 0x38, 0x9b, 0x71};

static const struct {
    uint16_t tag;
    uint16_t bits;
} encodings[] = {
    [MARU_WAV_PCM_U8] = {TAG_PCM, 8},
    [MARU_WAV_PCM_16] = {TAG_PCM, 16},
    [MARU_WAV_PCM_24] = {TAG_PCM, 24},
    [MARU_WAV_PCM_32] = {TAG_PCM, 32},
    [MARU_WAV_FLOAT_32] = {TAG_FLOAT, 32},
    [MARU_WAV_FLOAT_64] = {TAG_FLOAT, 64},
};

typedef struct wav {
    maru_wav_encoding encoding;
    uint32_t channels;
    uint32_t sample_rate;
    uint32_t sample_bytes;
    const uint8_t *samples;
    size_t samples_bytes;
    bool has_format;
} wav;

/* ---- reading ---- */

static uint32_t load_u16(const uint8_t *p)
{
    return p[0] | (uint32_t)p[1] << 8;
}

static uint32_t load_u32(const uint8_t *p)
{
    return load_u16(p) | load_u16(p + 2) << 16;
}

static maru_status parse_format(const uint8_t *p, size_t bytes, const char *name, wav *w)
{
    if (bytes < FMT_BYTES)
        return maru_fail(MARU_DATA_LOSS, "%s: its 'fmt ' chunk has %zu bytes, at least %d are needed", name, bytes,
                         FMT_BYTES);
    uint32_t tag = load_u16(p);
    uint32_t bits = load_u16(p + 14);
    uint32_t frame_bytes = load_u16(p + 12);
    w->channels = load_u16(p + 2);
    w->sample_rate = load_u32(p + 4);
    if (tag == TAG_EXTENSIBLE) {
        if (bytes < FMT_EXTENSIBLE_BYTES || memcmp(p + 26, guid_tail, sizeof guid_tail) != 0)
            return maru_fail(MARU_UNSUPPORTED, "%s: its extensible format is none we know", name);
        tag = load_u16(p + 24);
    }
    size_t i = 0;
    while (i < sizeof encodings / sizeof *encodings && (encodings[i].tag != tag || encodings[i].bits != bits))
        i++;
    if (i == sizeof encodings / sizeof *encodings)
        return maru_fail(MARU_UNSUPPORTED, "%s: format tag %" PRIu32 " with %" PRIu32 " bits a sample is not supported",
                         name, tag, bits);
    w->encoding = (maru_wav_encoding)i;
    w->sample_bytes = bits / 8;
    if (w->channels == 0 || w->sample_rate == 0 || frame_bytes != w->channels * w->sample_bytes)
        return maru_fail(MARU_DATA_LOSS,
                         "%s: %" PRIu32 " channels of %" PRIu32 " bits at %" PRIu32 " Hz in frames of %" PRIu32
                         " bytes cannot be",
                         name, w->channels, bits, w->sample_rate, frame_bytes);
    w->has_format = true;
    return MARU_OK;
}

static maru_status parse_chunks(const uint8_t *data, size_t bytes, const char *name, wav *w)
{
    if (bytes < 12 || memcmp(data, "RIFF", 4) != 0 || memcmp(data + 8, "WAVE", 4) != 0)
        return maru_fail(MARU_DATA_LOSS, "%s is not a WAV file: it does not begin with RIFF and WAVE", name);
    size_t at = 12;
    while (bytes - at >= 8 && !w->samples) {
        const uint8_t *chunk = data + at;
        size_t length = load_u32(chunk + 4);
        at += 8;
        if (length > bytes - at)
            return maru_fail(MARU_DATA_LOSS, "%s: its chunk '%.4s' says it has %zu bytes, %zu are left in the file",
                             name, (const char *)chunk, length, bytes - at);
        if (memcmp(chunk, "fmt ", 4) == 0)
            MARU_TRY(parse_format(data + at, length, name, w));
        if (memcmp(chunk, "data", 4) == 0) {
            w->samples = data + at;
            w->samples_bytes = length;
        }
        at += length;
        at += (length & 1) && at < bytes;  // chunks begin at even places
    }
    if (!w->has_format || !w->samples)
        return maru_fail(MARU_DATA_LOSS, "%s: there is no '%s' chunk", name,
                         w->has_format ? "data" : w->samples ? "fmt ' before its 'data" : "fmt ");
    return MARU_OK;
}

static float load_sample(maru_wav_encoding encoding, const uint8_t *p)
{
    float f32;
    double f64;
    switch (encoding) {
    case MARU_WAV_PCM_U8: return (float)(p[0] - 128) / 128.0f;
    case MARU_WAV_PCM_16: return (float)(int16_t)load_u16(p) / 32768.0f;
    case MARU_WAV_PCM_24: return (float)((int32_t)(load_u16(p) << 8 | (uint32_t)p[2] << 24) / 256) / 8388608.0f;
    case MARU_WAV_PCM_32: return (float)((double)(int32_t)load_u32(p) / 2147483648.0);
    case MARU_WAV_FLOAT_32: memcpy(&f32, p, sizeof f32); return f32;
    case MARU_WAV_FLOAT_64: memcpy(&f64, p, sizeof f64); return (float)f64;
    }
    return 0;
}

maru_status maru_wav_parse(const void *data, size_t bytes, const char *name, maru_tensor *out_samples,
                           uint32_t *out_sample_rate)
{
    *out_samples = (maru_tensor){0};
    *out_sample_rate = 0;
    wav w = {0};
    MARU_TRY(parse_chunks(data, bytes, name, &w));
    size_t frame_bytes = (size_t)w.channels * w.sample_bytes;
    if (w.samples_bytes % frame_bytes)
        return maru_fail(MARU_DATA_LOSS, "%s: %zu bytes of samples are no whole number of frames of %zu bytes", name,
                         w.samples_bytes, frame_bytes);
    size_t n_frames = w.samples_bytes / frame_bytes;
    int64_t dims[2] = {w.channels, (int64_t)n_frames};
    MARU_TRY(maru_tensor_create(MARU_F32, dims, 2, out_samples));
    float *out = out_samples->data;
    for (size_t frame = 0; frame < n_frames; frame++) {
        const uint8_t *p = w.samples + frame * frame_bytes;
        for (size_t channel = 0; channel < w.channels; channel++)
            out[channel * n_frames + frame] = load_sample(w.encoding, p + channel * w.sample_bytes);
    }
    *out_sample_rate = w.sample_rate;
    return MARU_OK;
}

maru_status maru_wav_read_file(const char *path, maru_tensor *out_samples, uint32_t *out_sample_rate)
{
    *out_samples = (maru_tensor){0};
    *out_sample_rate = 0;
    maru_os_map map;
    MARU_TRY(maru_os_map_file(path, &map));
    maru_status status = maru_wav_parse(map.data, map.bytes, path, out_samples, out_sample_rate);
    maru_os_unmap_file(&map);
    return status;
}

/* ---- writing ---- */

static void append_le(maru_str *out, uint64_t value, size_t bytes)
{
    char text[8];
    for (size_t i = 0; i < bytes; i++)
        text[i] = (char)(value >> (8 * i));
    maru_str_append_n(out, text, bytes);
}

/* `value` as an integer of `bits` bits, full scale at 1. */
static int64_t quantise(float value, int bits)
{
    double scale = ldexp(1, bits - 1);
    if (isnan(value))
        return 0;
    double scaled = nearbyint((double)value * scale);
    return (int64_t)fmin(fmax(scaled, -scale), scale - 1);
}

static void append_sample(maru_str *out, maru_wav_encoding encoding, float value)
{
    double wide = value;
    uint64_t bits = 0;
    switch (encoding) {
    case MARU_WAV_PCM_U8: append_le(out, (uint64_t)(quantise(value, 8) + 128), 1); break;
    case MARU_WAV_PCM_16: append_le(out, (uint64_t)quantise(value, 16), 2); break;
    case MARU_WAV_PCM_24: append_le(out, (uint64_t)quantise(value, 24), 3); break;
    case MARU_WAV_PCM_32: append_le(out, (uint64_t)quantise(value, 32), 4); break;
    case MARU_WAV_FLOAT_32:
        memcpy(&bits, &value, sizeof value);
        append_le(out, bits, 4);
        break;
    case MARU_WAV_FLOAT_64:
        memcpy(&bits, &wide, sizeof wide);
        append_le(out, bits, 8);
        break;
    }
}

static void append_header(maru_str *out, const wav *w)
{
    bool is_extensible = w->channels > 2 || (encodings[w->encoding].tag == TAG_PCM && encodings[w->encoding].bits > 16);
    uint32_t format_bytes = is_extensible ? FMT_EXTENSIBLE_BYTES : FMT_BYTES;
    uint16_t tag = encodings[w->encoding].tag;
    uint32_t frame_bytes = w->channels * w->sample_bytes;
    uint32_t padding = w->samples_bytes & 1;
    maru_str_append(out, "RIFF");
    append_le(out, 4 + 8 + format_bytes + 8 + w->samples_bytes + padding, 4);
    maru_str_append(out, "WAVEfmt ");
    append_le(out, format_bytes, 4);
    append_le(out, is_extensible ? TAG_EXTENSIBLE : tag, 2);
    append_le(out, w->channels, 2);
    append_le(out, w->sample_rate, 4);
    append_le(out, (uint64_t)w->sample_rate * frame_bytes, 4);
    append_le(out, frame_bytes, 2);
    append_le(out, encodings[w->encoding].bits, 2);
    if (is_extensible) {
        append_le(out, FMT_EXTENSIBLE_BYTES - FMT_BYTES - 2, 2);
        append_le(out, encodings[w->encoding].bits, 2);
        append_le(out, 0, 4);  // no speaker is assigned to a channel
        append_le(out, tag, 2);
        maru_str_append_n(out, (const char *)guid_tail, sizeof guid_tail);
    }
    maru_str_append(out, "data");
    append_le(out, w->samples_bytes, 4);
}

static maru_status describe(const maru_tensor *samples, uint32_t sample_rate, maru_wav_encoding encoding,
                            const char *name, wav *w)
{
    if (samples->dtype != MARU_F32 || samples->rank < 1 || samples->rank > 2)
        return maru_fail(MARU_INVALID_ARGUMENT, "%s: sound is written from f32 (channels, frames), not %s of rank %u",
                         name, maru_dtype_name(samples->dtype), (unsigned)samples->rank);
    int64_t channels = samples->rank == 2 ? samples->dims[0] : 1;
    uint32_t sample_bytes = encodings[encoding].bits / 8;
    if (channels < 1 || channels > UINT16_MAX / sample_bytes)
        return maru_fail(MARU_INVALID_ARGUMENT, "%s: %" PRId64 " channels cannot be written", name, channels);
    if (sample_rate == 0)
        return maru_fail(MARU_INVALID_ARGUMENT, "%s: the sample rate is 0", name);
    size_t bytes = samples->bytes / sizeof(float) * sample_bytes;
    if (samples->bytes / sizeof(float) > (UINT32_MAX - 100) / sample_bytes)
        return maru_fail(MARU_UNSUPPORTED, "%s: %zu bytes of samples are more than a WAV file can hold", name, bytes);
    *w = (wav){
        .encoding = encoding,
        .channels = (uint32_t)channels,
        .sample_rate = sample_rate,
        .sample_bytes = sample_bytes,
        .samples_bytes = bytes,
    };
    return MARU_OK;
}

maru_status maru_wav_format(const maru_tensor *samples, uint32_t sample_rate, maru_wav_encoding encoding,
                            const char *name, maru_str *out)
{
    wav w = {0};
    MARU_TRY(describe(samples, sample_rate, encoding, name, &w));
    append_header(out, &w);
    const float *in = samples->data;
    size_t n_frames = (size_t)samples->dims[samples->rank - 1];
    for (size_t frame = 0; frame < n_frames; frame++) {
        for (size_t channel = 0; channel < w.channels; channel++)
            append_sample(out, encoding, in[channel * n_frames + frame]);
    }
    if (w.samples_bytes & 1)
        append_le(out, 0, 1);
    return maru_str_check(out);
}

maru_status maru_wav_write_file(const char *path, const maru_tensor *samples, uint32_t sample_rate,
                                maru_wav_encoding encoding)
{
    maru_str file = {0};
    maru_status status = maru_wav_format(samples, sample_rate, encoding, path, &file);
    if (status == MARU_OK)
        status = maru_os_write_file(path, maru_str_get(&file), file.length);
    maru_str_fini(&file);
    return status;
}
