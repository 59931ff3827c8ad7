// SPDX-FileCopyrightText: The Maru authors
// SPDX-License-Identifier: Apache-2.0
#include "import/npy.h"

#include "base/dtype.h"
#include "base/fail.h"
#include "base/os.h"

#include <inttypes.h>
#include <string.h>

/* Header of a file: the fields of NumPy's dict, and where the array begins. */
typedef struct npy_header {
    maru_dtype dtype;
    bool is_fortran;
    int64_t dims[MARU_MAX_RANK];
    uint32_t rank;
    size_t data_offset;
} npy_header;

/* Reads the Python literal in the header. */
typedef struct reader {
    const char *at;
    const char *end;
    const char *name;
} reader;

static const struct {
    const char *code;
    maru_dtype dtype;
} descrs[] = {
    {"f2", MARU_F16}, {"f4", MARU_F32}, {"f8", MARU_F64}, {"i1", MARU_I8},  {"i2", MARU_I16}, {"i4", MARU_I32},
    {"i8", MARU_I64}, {"u1", MARU_U8},  {"u2", MARU_U16}, {"u4", MARU_U32}, {"u8", MARU_U64}, {"b1", MARU_BOOL},
};

/* ---- reading ---- */

static void skip_blanks(reader *r)
{
    while (r->at < r->end && (*r->at == ' ' || *r->at == '\n' || *r->at == '\t'))
        r->at++;
}

/* Skips blanks, then takes `c` if it is next. */
static bool take(reader *r, char c)
{
    skip_blanks(r);
    if (r->at == r->end || *r->at != c)
        return false;
    r->at++;
    return true;
}

static bool take_word(reader *r, const char *word)
{
    skip_blanks(r);
    size_t length = strlen(word);
    if ((size_t)(r->end - r->at) < length || memcmp(r->at, word, length) != 0)
        return false;
    r->at += length;
    return true;
}

static maru_status expected(const reader *r, const char *what)
{
    size_t left = (size_t)(r->end - r->at);
    return maru_fail(MARU_DATA_LOSS, "%s: %s expected in the header at '%.*s'", r->name, what,
                     (int)(left < 20 ? left : 20), r->at);
}

/* A quoted string without escapes, kept to `capacity` - 1 bytes. */
static maru_status take_string(reader *r, char *out, size_t capacity)
{
    skip_blanks(r);
    char quote = r->at < r->end ? *r->at : '\0';
    if (quote != '\'' && quote != '"')
        return expected(r, "a string");
    const char *begin = ++r->at;
    while (r->at < r->end && *r->at != quote)
        r->at++;
    size_t length = (size_t)(r->at - begin);
    if (r->at == r->end || length >= capacity)
        return maru_fail(MARU_DATA_LOSS, "%s: the string '%.*s' of the header does not end", r->name,
                         (int)(length < 20 ? length : 20), begin);
    r->at++;
    memcpy(out, begin, length);
    out[length] = '\0';
    return MARU_OK;
}

static maru_status take_descr(reader *r, maru_dtype *out)
{
    skip_blanks(r);
    if (r->at < r->end && *r->at == '[')
        return maru_fail(MARU_UNSUPPORTED, "%s: an array of records is no tensor", r->name);
    char descr[32];
    MARU_TRY(take_string(r, descr, sizeof descr));
    const char *code = descr[0] == '<' || descr[0] == '|' || descr[0] == '=' ? descr + 1 : descr;
    if (descr[0] == '>')
        return maru_fail(MARU_UNSUPPORTED, "%s: descr '%s' is big-endian; only little-endian arrays are read", r->name,
                         descr);
    for (size_t i = 0; i < sizeof descrs / sizeof *descrs; i++) {
        if (strcmp(descrs[i].code, code) == 0) {
            *out = descrs[i].dtype;
            return MARU_OK;
        }
    }
    return maru_fail(MARU_UNSUPPORTED, "%s: descr '%s' is no dtype of a tensor", r->name, descr);
}

static maru_status take_dim(reader *r, int64_t *out)
{
    int64_t value = 0;
    const char *begin = r->at;
    for (; r->at < r->end && *r->at >= '0' && *r->at <= '9'; r->at++) {
        if (value > (INT64_MAX - 9) / 10)
            return maru_fail(MARU_DATA_LOSS, "%s: a dim of the shape is beyond 64 bits", r->name);
        value = value * 10 + (*r->at - '0');
    }
    if (r->at == begin)
        return expected(r, "a dim");
    *out = value;
    return MARU_OK;
}

static maru_status take_shape(reader *r, npy_header *h)
{
    h->rank = 0;
    if (!take(r, '('))
        return expected(r, "'('");
    while (!take(r, ')')) {
        if (h->rank == MARU_MAX_RANK)
            return maru_fail(MARU_UNSUPPORTED, "%s: the rank is above %d", r->name, MARU_MAX_RANK);
        MARU_TRY(take_dim(r, &h->dims[h->rank++]));
        if (!take(r, ',')) {
            if (!take(r, ')'))
                return expected(r, "',' or ')'");
            break;
        }
    }
    return MARU_OK;
}

static maru_status take_order(reader *r, bool *out_is_fortran)
{
    if (take_word(r, "True"))
        *out_is_fortran = true;
    else if (take_word(r, "False"))
        *out_is_fortran = false;
    else
        return expected(r, "True or False");
    return MARU_OK;
}

/* {'descr': ..., 'fortran_order': ..., 'shape': (...), }: each key once, in any order. */
static maru_status parse_dict(reader *r, npy_header *h)
{
    static const char *const keys[] = {"descr", "fortran_order", "shape"};
    unsigned seen = 0;
    if (!take(r, '{'))
        return expected(r, "'{'");
    while (!take(r, '}')) {
        char key[32];
        MARU_TRY(take_string(r, key, sizeof key));
        unsigned k = 0;
        while (k < 3 && strcmp(key, keys[k]) != 0)
            k++;
        if (k == 3 || (seen & 1u << k))
            return maru_fail(MARU_DATA_LOSS, "%s: the header's key '%s' is %s", r->name, key,
                             k == 3 ? "unknown" : "there twice");
        seen |= 1u << k;
        if (!take(r, ':'))
            return expected(r, "':'");
        MARU_TRY(k == 0 ? take_descr(r, &h->dtype) : k == 1 ? take_order(r, &h->is_fortran) : take_shape(r, h));
        if (!take(r, ',')) {
            if (!take(r, '}'))
                return expected(r, "',' or '}'");
            break;
        }
    }
    for (unsigned k = 0; k < 3; k++) {
        if (!(seen & 1u << k))
            return maru_fail(MARU_DATA_LOSS, "%s: the header lacks the key '%s'", r->name, keys[k]);
    }
    skip_blanks(r);
    return r->at == r->end ? MARU_OK : expected(r, "the end");
}

static maru_status parse_header(const uint8_t *data, size_t bytes, const char *name, npy_header *h)
{
    static const char magic[] = "\x93NUMPY";
    if (bytes < 10 || memcmp(data, magic, 6) != 0)
        return maru_fail(MARU_DATA_LOSS, "%s is not a .npy file: it does not begin with \\x93NUMPY", name);
    if (data[6] < 1 || data[6] > 3 || data[7] != 0)
        return maru_fail(MARU_UNSUPPORTED, "%s: version %d.%d of the .npy format is not known", name, data[6], data[7]);
    size_t prefix = data[6] == 1 ? 10 : 12;
    if (bytes < prefix)
        return maru_fail(MARU_DATA_LOSS, "%s: the file ends in its header", name);
    size_t length = data[8] | (size_t)data[9] << 8;
    if (prefix == 12)
        length |= (size_t)data[10] << 16 | (size_t)data[11] << 24;
    if (length > bytes - prefix)
        return maru_fail(MARU_DATA_LOSS, "%s: its header says it has %zu bytes, the file has %zu", name, length, bytes);
    h->data_offset = prefix + length;
    reader r = {.at = (const char *)data + prefix, .end = (const char *)data + prefix + length, .name = name};
    return parse_dict(&r, h);
}

/* Copies an array in Fortran order (first index fastest) into row-major order. */
static void transpose(const uint8_t *source, const maru_tensor *t, size_t item_bytes)
{
    size_t count = t->bytes / item_bytes;
    size_t strides[MARU_MAX_RANK];  // of the source, in items
    size_t stride = 1;
    for (uint32_t d = 0; d < t->rank; d++) {
        strides[d] = stride;
        stride *= (size_t)t->dims[d];
    }
    int64_t index[MARU_MAX_RANK] = {0};
    size_t from = 0;
    for (size_t to = 0; to < count; to++) {
        memcpy((uint8_t *)t->data + to * item_bytes, source + from * item_bytes, item_bytes);
        for (uint32_t d = t->rank; d-- > 0;) {
            from += strides[d];
            if (++index[d] < t->dims[d])
                break;
            from -= strides[d] * (size_t)t->dims[d];
            index[d] = 0;
        }
    }
}

maru_status maru_npy_parse(const void *data, size_t bytes, const char *name, maru_tensor *out_tensor)
{
    *out_tensor = (maru_tensor){0};
    npy_header h = {0};
    MARU_TRY(parse_header(data, bytes, name, &h));
    size_t needed = 0;
    if (maru_dtype_tensor_bytes(h.dtype, h.dims, h.rank, &needed) != MARU_OK)
        return maru_fail_within(MARU_DATA_LOSS, "%s", name);
    if (needed != bytes - h.data_offset)
        return maru_fail(MARU_DATA_LOSS, "%s: the array of its header needs %zu bytes, %zu follow the header", name,
                         needed, bytes - h.data_offset);
    MARU_TRY(maru_tensor_create(h.dtype, h.dims, h.rank, out_tensor));
    const uint8_t *source = (const uint8_t *)data + h.data_offset;
    if (h.is_fortran && h.rank > 1)
        transpose(source, out_tensor, maru_dtype_get_info(h.dtype)->block_bytes);
    else
        memcpy(out_tensor->data, source, needed);
    uint8_t *truth = out_tensor->data;
    for (size_t i = 0; h.dtype == MARU_BOOL && i < needed; i++)
        truth[i] = truth[i] != 0;
    return MARU_OK;
}

maru_status maru_npy_read_file(const char *path, maru_tensor *out_tensor)
{
    *out_tensor = (maru_tensor){0};
    maru_os_map map;
    MARU_TRY(maru_os_map_file(path, &map));
    maru_status status = maru_npy_parse(map.data, map.bytes, path, out_tensor);
    maru_os_unmap_file(&map);
    return status;
}

/* ---- writing ---- */

maru_status maru_npy_format(const maru_tensor *tensor, const char *name, maru_str *out)
{
    const char *code = NULL;
    for (size_t i = 0; i < sizeof descrs / sizeof *descrs; i++) {
        if (descrs[i].dtype == tensor->dtype)
            code = descrs[i].code;
    }
    if (!code)
        return maru_fail(MARU_UNSUPPORTED, "%s: NumPy has no %s; cast it first", name, maru_dtype_name(tensor->dtype));
    maru_str dict = {0};
    maru_str_printf(&dict, "{'descr': '%c%s', 'fortran_order': False, 'shape': (", code[1] == '1' ? '|' : '<', code);
    for (uint32_t i = 0; i < tensor->rank; i++)
        maru_str_printf(&dict, i ? ", %" PRId64 : "%" PRId64, tensor->dims[i]);
    maru_str_append(&dict, tensor->rank == 1 ? ",), }" : "), }");
    // NumPy's own files have the data at a multiple of 64 bytes.
    while ((10 + dict.length + 1) % 64 != 0 && !dict.failed)
        maru_str_append(&dict, " ");
    maru_str_append(&dict, "\n");
    // At most 8 dims of 20 digits: the length fits the 16 bits of version 1.
    char prefix[10] = "\x93NUMPY\x01";
    prefix[8] = (char)(dict.length & 0xff);
    prefix[9] = (char)(dict.length >> 8);
    maru_str_append_n(out, prefix, sizeof prefix);
    maru_str_append_n(out, maru_str_get(&dict), dict.length);
    if (tensor->bytes)
        maru_str_append_n(out, tensor->data, tensor->bytes);
    maru_status status = maru_str_check(&dict);
    maru_str_fini(&dict);
    return status == MARU_OK ? maru_str_check(out) : status;
}

maru_status maru_npy_write_file(const char *path, const maru_tensor *tensor)
{
    maru_str file = {0};
    maru_status status = maru_npy_format(tensor, path, &file);
    if (status == MARU_OK)
        status = maru_os_write_file(path, maru_str_get(&file), file.length);
    maru_str_fini(&file);
    return status;
}
