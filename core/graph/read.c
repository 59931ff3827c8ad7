// SPDX-FileCopyrightText: The Maru authors
// SPDX-License-Identifier: Apache-2.0
#include "graph/graph.h"

#include <ctype.h>
#include <stdlib.h>
#include <string.h>

#include "base/base64.h"
#include "base/dtype.h"
#include "base/fail.h"
#include "base/size.h"

/* Reads what dump.c writes, a line at a time. */
enum { MAX_OPERANDS = 256, MAX_ATTRS = 32, MAX_LIST = 4096, MAX_WORD = 128 };

typedef struct reader {
    maru_graph *graph;
    const char *at;   // NUL-terminated line
    maru_str line;
    maru_str string;  // the last quoted string
    MARU_ARRAY(maru_value) values;  // by printed number; 0 is unused
} reader;

/* ---- tokens ---- */

static void skip_blanks(reader *r)
{
    while (*r->at == ' ')
        r->at++;
}

static bool take(reader *r, const char *token)
{
    skip_blanks(r);
    if (!maru_starts_with(r->at, token))
        return false;
    r->at += strlen(token);
    return true;
}

static maru_status expect(reader *r, const char *token)
{
    if (take(r, token))
        return MARU_OK;
    return maru_fail(MARU_INVALID_ARGUMENT, "expected '%s' at '%.24s'", token, r->at);
}

static maru_status read_word(reader *r, char out[MAX_WORD])
{
    skip_blanks(r);
    size_t n = 0;
    for (; isalnum((unsigned char)*r->at) || *r->at == '_' || *r->at == '.'; r->at++) {
        if (n + 1 == MAX_WORD)
            return maru_fail(MARU_INVALID_ARGUMENT, "a word is longer than %d", MAX_WORD - 1);
        out[n++] = *r->at;
    }
    out[n] = 0;
    return n ? MARU_OK : maru_fail(MARU_INVALID_ARGUMENT, "expected a word at '%.24s'", r->at);
}

/* A number up to the next delimiter; strtod's own reading decides where it ends. */
static maru_status read_number_text(reader *r, char out[64])
{
    skip_blanks(r);
    size_t n = 0;
    for (; isalnum((unsigned char)*r->at) || strchr("+-.", *r->at ? *r->at : ' '); r->at++) {
        if (n + 1 == 64)
            return maru_fail(MARU_INVALID_ARGUMENT, "a number is too long at '%.24s'", r->at);
        out[n++] = *r->at;
    }
    out[n] = 0;
    return MARU_OK;
}

static maru_status read_i64(reader *r, int64_t *out)
{
    char text[64];
    MARU_TRY(read_number_text(r, text));
    if (maru_parse_i64(text, out))
        return MARU_OK;
    return maru_fail(MARU_INVALID_ARGUMENT, "'%s' is not an integer", text);
}

static maru_status read_f64(reader *r, double *out)
{
    char text[64];
    MARU_TRY(read_number_text(r, text));
    if (maru_parse_f64(text, out))
        return MARU_OK;
    return maru_fail(MARU_INVALID_ARGUMENT, "'%s' is not a number", text);
}

static maru_status read_escape(reader *r, char *out)
{
    static const char from[] = "\"\\/bfnrt";
    static const char to[] = "\"\\/\b\f\n\r\t";
    const char *found = *r->at ? strchr(from, *r->at) : NULL;
    if (found) {
        *out = to[found - from];
        r->at++;
        return MARU_OK;
    }
    unsigned value = 0;
    if (*r->at != 'u')
        return maru_fail(MARU_INVALID_ARGUMENT, "unknown escape '\\%c'", *r->at);
    r->at++;
    for (int i = 0; i < 4; i++, r->at++) {
        if (!isxdigit((unsigned char)*r->at))
            return maru_fail(MARU_INVALID_ARGUMENT, "a \\u escape is cut short");
        const int c = tolower((unsigned char)*r->at);
        value = value * 16 + (unsigned)(isdigit(c) ? c - '0' : c - 'a' + 10);
    }
    if (value == 0 || value >= 0x80)
        return maru_fail(MARU_INVALID_ARGUMENT, "\\u%04x: only control characters are written so", value);
    *out = (char)value;
    return MARU_OK;
}

/* Leaves the text in r->string. */
static maru_status read_string(reader *r)
{
    MARU_TRY(expect(r, "\""));
    maru_str_clear(&r->string);
    while (*r->at != '"') {
        char c = *r->at++;
        if (!c)
            return maru_fail(MARU_INVALID_ARGUMENT, "a string has no end");
        if (c == '\\')
            MARU_TRY(read_escape(r, &c));
        maru_str_append_n(&r->string, &c, 1);
    }
    r->at++;
    return maru_str_check(&r->string);
}

static maru_status read_ref(reader *r, maru_value *out)
{
    *out = MARU_NO_VALUE;
    if (take(r, "_"))
        return MARU_OK;
    MARU_TRY(expect(r, "%"));
    int64_t number = 0;
    MARU_TRY(read_i64(r, &number));
    if (number < 1 || (uint64_t)number >= r->values.count)
        return maru_fail(MARU_INVALID_ARGUMENT, "value %%%lld is not defined before its use", (long long)number);
    *out = r->values.data[number];
    return MARU_OK;
}

/* ---- types ---- */

static maru_status read_dims(reader *r, maru_dim *dims, size_t room, uint32_t *out_n)
{
    *out_n = 0;
    MARU_TRY(expect(r, "["));
    if (take(r, "]"))
        return MARU_OK;
    do {
        if (*out_n == room)
            return maru_fail(MARU_INVALID_ARGUMENT, "more than %zu dims", room);
        MARU_TRY(maru_expr_parse(&r->graph->exprs, &r->at, &dims[(*out_n)++]));
    } while (take(r, ","));
    return expect(r, "]");
}

static maru_status read_type(reader *r, maru_dtype *dtype, maru_dim dims[MARU_MAX_RANK], uint32_t *rank)
{
    char word[MAX_WORD];
    MARU_TRY(read_word(r, word));
    *dtype = maru_dtype_from_name(word);
    if (*dtype == MARU_DTYPE_NONE)
        return maru_fail(MARU_INVALID_ARGUMENT, "there is no dtype '%s'", word);
    return read_dims(r, dims, MARU_MAX_RANK, rank);
}

/* ---- definitions ---- */

static maru_status read_symbol(reader *r)
{
    char word[MAX_WORD];
    MARU_TRY(read_word(r, word));
    maru_symbol_params params = {.min = 1};
    if (take(r, "min="))
        MARU_TRY(read_i64(r, &params.min));
    params.min = params.min == 0 ? -1 : params.min;
    if (take(r, "max="))
        MARU_TRY(read_i64(r, &params.max));
    if (take(r, "multiple="))
        MARU_TRY(read_i64(r, &params.multiple_of));
    if (take(r, "typical="))
        MARU_TRY(read_i64(r, &params.typical));
    maru_dim ignored = 0;
    return maru_graph_symbol(r->graph, word, &params, &ignored);
}

static maru_status read_input(reader *r, maru_value *out)
{
    maru_dtype dtype = MARU_DTYPE_NONE;
    maru_dim dims[MARU_MAX_RANK];
    uint32_t rank = 0;
    MARU_TRY(read_string(r));
    MARU_TRY(read_type(r, &dtype, dims, &rank));
    return maru_graph_input(r->graph, maru_str_get(&r->string), dtype, dims, rank, out);
}

static maru_status read_elements(reader *r, maru_dtype dtype, int64_t count, void *data)
{
    const bool is_float = maru_dtype_get_info(dtype)->kind == MARU_CLASS_FLOAT;
    for (int64_t i = 0; i < count; i++) {
        double f = 0;
        int64_t n = 0;
        if (i)
            MARU_TRY(expect(r, ","));
        if (is_float) {
            MARU_TRY(read_f64(r, &f));
            maru_dtype_store_f64(dtype, data, i, f);
        } else {
            MARU_TRY(read_i64(r, &n));
            maru_dtype_store_i64(dtype, data, i, n);
        }
    }
    return expect(r, "}");
}

/* r->string has the name; the bytes follow in quotes. */
static maru_status read_bytes(reader *r, maru_dtype dtype, const int64_t *dims, uint32_t rank, maru_value *out)
{
    size_t bytes = 0;
    MARU_TRY(maru_dtype_tensor_bytes(dtype, dims, rank, &bytes));
    char *name = maru_str_take(&r->string);
    void *data = NULL;
    maru_status status = name ? read_string(r) : maru_fail_oom("a constant");
    // The text is there and its length is checked before anything of that size is asked for.
    if (status == MARU_OK && r->string.length != maru_base64_length(bytes))
        status = maru_fail(MARU_INVALID_ARGUMENT, "%zu characters of base 64 are not %zu bytes", r->string.length,
                           bytes);
    if (status == MARU_OK && !(data = malloc(bytes ? bytes : 1)))
        status = maru_fail_oom("a constant");
    if (status == MARU_OK)
        status = maru_base64_decode(maru_str_get(&r->string), r->string.length, data, bytes);
    const maru_constant_source source = {.data = data, .bytes = bytes};
    if (status == MARU_OK)
        status = maru_graph_constant(r->graph, name, dtype, dims, rank, &source, out);
    free(data);
    free(name);
    return status;
}

static maru_status read_const(reader *r, maru_value *out)
{
    maru_dtype dtype = MARU_DTYPE_NONE;
    int64_t dims[MARU_MAX_RANK];
    uint32_t rank = 0;
    size_t bytes = 0;
    int64_t count = 0;
    MARU_TRY(read_string(r));
    MARU_TRY(read_type(r, &dtype, dims, &rank));
    if (take(r, "external"))
        return maru_graph_constant(r->graph, maru_str_get(&r->string), dtype, dims, rank, NULL, out);
    if (take(r, "base64"))
        return read_bytes(r, dtype, dims, rank, out);
    MARU_TRY(expect(r, "{"));
    MARU_TRY(maru_dims_count(dims, rank, &count));
    const maru_dtype_info *info = maru_dtype_get_info(dtype);
    if (count > MAX_LIST || info->block_elements != 1 || info->kind == MARU_CLASS_BLOCK ||
        info->kind == MARU_CLASS_STRING)
        return maru_fail(MARU_INVALID_ARGUMENT, "a constant of %lld %s elements cannot be written inline",
                         (long long)count, info->name);
    MARU_TRY(maru_dtype_tensor_bytes(dtype, dims, rank, &bytes));
    void *data = calloc(1, bytes ? bytes : 1);
    if (!data)
        return maru_fail_oom("a constant");
    maru_status status = read_elements(r, dtype, count, data);
    const maru_constant_source source = {.data = data, .bytes = bytes};
    if (status == MARU_OK)
        status = maru_graph_constant(r->graph, maru_str_get(&r->string), dtype, dims, rank, &source, out);
    free(data);
    // Scalars without a name are shared; the table must know those that were read, too.
    if (status == MARU_OK && rank == 0 && *maru_str_get(&r->string) == 0) {
        uint64_t bits = 0;
        memcpy(&bits, maru_graph_constant_data(r->graph, *out), bytes);
        const uint64_t key[2] = {(uint64_t)dtype, bits};
        status = maru_map_set(&r->graph->scalars, key, sizeof key, *out);
    }
    return status;
}

static maru_status read_shape(reader *r, maru_value *out)
{
    maru_dim elems[64];
    uint32_t n = 0;
    MARU_TRY(read_dims(r, elems, sizeof elems / sizeof *elems, &n));
    return maru_graph_shape(r->graph, elems, n, out);
}

static maru_status read_state(reader *r, maru_value *out)
{
    maru_dtype dtype = MARU_DTYPE_NONE;
    int64_t dims[MARU_MAX_RANK];
    uint32_t rank = 0;
    int64_t axis = 0;
    maru_state_params params = {0};
    MARU_TRY(read_string(r));
    MARU_TRY(read_type(r, &dtype, dims, &rank));
    if (take(r, "axis=")) {
        MARU_TRY(read_i64(r, &axis));
        if (axis < 0 || axis >= MARU_MAX_RANK)
            return maru_fail(MARU_INVALID_ARGUMENT, "axis %lld is outside the state's rank", (long long)axis);
        params.axis = (int)axis + 1;
    }
    if (take(r, "length="))
        MARU_TRY(read_ref(r, &params.length));
    params.is_ring = take(r, "ring");
    return maru_graph_state(r->graph, maru_str_get(&r->string), dtype, dims, rank, &params, out);
}

/* ---- nodes ---- */

/* Lists of attributes live here until the node has copied them. */
typedef struct attr_room {
    maru_attribute attrs[MAX_ATTRS];
    size_t n;
    maru_arena arena;
} attr_room;

static maru_status read_list(reader *r, attr_room *room, maru_attribute *a)
{
    int64_t *ints = maru_arena_alloc_array(&room->arena, MAX_LIST, sizeof *ints);
    double *floats = maru_arena_alloc_array(&room->arena, MAX_LIST, sizeof *floats);
    const char **strings = maru_arena_alloc_array(&room->arena, MAX_LIST, sizeof *strings);
    if (!ints || !floats || !strings)
        return maru_fail_oom("an attribute");
    a->ints = ints;
    a->floats = floats;
    a->strings = strings;
    while (!take(r, "]")) {
        if (a->n == MAX_LIST)
            return maru_fail(MARU_INVALID_ARGUMENT, "attribute '%s' has more than %d elements", a->name, MAX_LIST);
        if (a->n)
            MARU_TRY(expect(r, ","));
        if (a->kind == MARU_ATTR_INTS) {
            MARU_TRY(read_i64(r, &ints[a->n]));
        } else if (a->kind == MARU_ATTR_FLOATS) {
            MARU_TRY(read_f64(r, &floats[a->n]));
        } else {
            MARU_TRY(read_string(r));
            strings[a->n] = maru_arena_strdup(&room->arena, maru_str_get(&r->string));
            if (!strings[a->n])
                return maru_fail_oom("an attribute");
        }
        a->n++;
    }
    return MARU_OK;
}

static maru_status read_scalar_attr(reader *r, attr_room *room, maru_attribute *a)
{
    skip_blanks(r);
    if (*r->at == '"') {
        a->kind = MARU_ATTR_STRING;
        MARU_TRY(read_string(r));
        a->s = maru_arena_strdup(&room->arena, maru_str_get(&r->string));
        return a->s ? MARU_OK : maru_fail_oom("an attribute");
    }
    if (*r->at == '%') {
        a->kind = MARU_ATTR_TENSOR;
        return read_ref(r, &a->tensor);
    }
    char text[64];
    MARU_TRY(read_number_text(r, text));
    a->kind = MARU_ATTR_INT;
    if (maru_parse_i64(text, &a->i))
        return MARU_OK;
    a->kind = MARU_ATTR_FLOAT;
    if (maru_parse_f64(text, &a->f))
        return MARU_OK;
    return maru_fail(MARU_INVALID_ARGUMENT, "'%s' is not a number", text);
}

static maru_status read_attr(reader *r, attr_room *room)
{
    char word[MAX_WORD];
    if (room->n == MAX_ATTRS)
        return maru_fail(MARU_INVALID_ARGUMENT, "more than %d attributes", MAX_ATTRS);
    maru_attribute *a = &room->attrs[room->n++];
    MARU_TRY(read_word(r, word));
    MARU_TRY(expect(r, "="));
    a->name = maru_arena_strdup(&room->arena, word);
    if (!a->name)
        return maru_fail_oom("an attribute");
    a->kind = take(r, "ints[")      ? MARU_ATTR_INTS
              : take(r, "floats[")  ? MARU_ATTR_FLOATS
              : take(r, "strings[") ? MARU_ATTR_STRINGS
                                    : MARU_ATTR_INT;
    return a->kind == MARU_ATTR_INT ? read_scalar_attr(r, room, a) : read_list(r, room, a);
}

static maru_status read_attrs(reader *r, attr_room *room)
{
    if (!take(r, "{"))
        return MARU_OK;
    do
        MARU_TRY(read_attr(r, room));
    while (take(r, ","));
    return expect(r, "}");
}

static maru_status read_operands(reader *r, maru_value *inputs, size_t *n)
{
    MARU_TRY(expect(r, "("));
    if (take(r, ")"))
        return MARU_OK;
    do {
        if (*n == MAX_OPERANDS)
            return maru_fail(MARU_INVALID_ARGUMENT, "more than %d inputs", MAX_OPERANDS);
        MARU_TRY(read_ref(r, &inputs[(*n)++]));
    } while (take(r, ","));
    return expect(r, ")");
}

static maru_status read_node_with(reader *r, const char *op, size_t n_outputs, attr_room *room)
{
    maru_value inputs[MAX_OPERANDS];
    maru_value outputs[MAX_OPERANDS];
    size_t n = 0;
    MARU_TRY(read_operands(r, inputs, &n));
    MARU_TRY(read_attrs(r, room));
    skip_blanks(r);
    const bool has_scope = *r->at == '"';
    if (has_scope) {
        MARU_TRY(read_string(r));
        MARU_TRY(maru_graph_push_scope(r->graph, maru_str_get(&r->string)));
    }
    maru_status status = maru_graph_node(r->graph, op, inputs, n, room->attrs, room->n, outputs, n_outputs);
    if (has_scope)
        maru_graph_pop_scope(r->graph);
    for (size_t i = 0; status == MARU_OK && i < n_outputs; i++)
        status = maru_array_push(&r->values, outputs[i]);
    return status;
}

static maru_status read_node(reader *r, const char *op, size_t n_outputs)
{
    attr_room *room = calloc(1, sizeof *room);
    if (!room)
        return maru_fail_oom("a node");
    maru_status status = read_node_with(r, op, n_outputs, room);
    maru_arena_fini(&room->arena);
    free(room);
    return status;
}

/* ---- lines ---- */

/* "%4, %5 = ": the numbers must be the next ones. */
static maru_status read_targets(reader *r, size_t *n)
{
    do {
        int64_t number = 0;
        MARU_TRY(expect(r, "%"));
        MARU_TRY(read_i64(r, &number));
        if (number != (int64_t)(r->values.count + *n))
            return maru_fail(MARU_INVALID_ARGUMENT, "%%%lld is out of order, %%%zu is next", (long long)number,
                             r->values.count + *n);
        if (++*n > MAX_OPERANDS)
            return maru_fail(MARU_INVALID_ARGUMENT, "more than %d outputs", MAX_OPERANDS);
    } while (take(r, ","));
    return expect(r, "=");
}

static maru_status read_definition(reader *r)
{
    static const struct {
        const char *word;
        maru_status (*read)(reader *r, maru_value *out);
    } kinds[] = {{"input", read_input}, {"const", read_const}, {"shape", read_shape}, {"state", read_state}};
    size_t n = 0;
    char word[MAX_WORD];
    MARU_TRY(read_targets(r, &n));
    MARU_TRY(read_word(r, word));
    for (size_t i = 0; i < sizeof kinds / sizeof *kinds; i++) {
        if (n != 1 || strcmp(word, kinds[i].word) != 0)
            continue;
        maru_value value = MARU_NO_VALUE;
        MARU_TRY(kinds[i].read(r, &value));
        return maru_array_push(&r->values, value);
    }
    return read_node(r, word, n);
}

static maru_status read_named(reader *r, maru_status (*set)(maru_graph *, const char *, maru_value))
{
    maru_value value = MARU_NO_VALUE;
    MARU_TRY(read_string(r));
    MARU_TRY(read_ref(r, &value));
    return set(r->graph, maru_str_get(&r->string), value);
}

static maru_status read_name(reader *r)
{
    maru_value value = MARU_NO_VALUE;
    MARU_TRY(read_ref(r, &value));
    MARU_TRY(read_string(r));
    return maru_graph_name_value(r->graph, value, maru_str_get(&r->string));
}

static maru_status read_line(reader *r)
{
    skip_blanks(r);
    if (!*r->at || *r->at == '#')
        return MARU_OK;
    if (*r->at == '%')
        MARU_TRY(read_definition(r));
    else if (take(r, "symbol "))
        MARU_TRY(read_symbol(r));
    else if (take(r, "name "))
        MARU_TRY(read_name(r));
    else if (take(r, "output "))
        MARU_TRY(read_named(r, maru_graph_output));
    else if (take(r, "set_state "))
        MARU_TRY(read_named(r, maru_graph_set_state));
    else
        return maru_fail(MARU_INVALID_ARGUMENT, "cannot read '%.24s'", r->at);
    skip_blanks(r);
    if (*r->at && *r->at != '#')
        return maru_fail(MARU_INVALID_ARGUMENT, "unexpected '%.24s' at the end of the line", r->at);
    return MARU_OK;
}

static maru_status next_line(reader *r, const char **text, const char *end)
{
    const char *stop = memchr(*text, '\n', (size_t)(end - *text));
    stop = stop ? stop : end;
    maru_str_clear(&r->line);
    maru_str_append_n(&r->line, *text, (size_t)(stop - *text));
    MARU_TRY(maru_str_check(&r->line));
    *text = stop < end ? stop + 1 : end;
    r->at = maru_str_get(&r->line);
    if (strlen(r->at) != (size_t)(r->line.length))
        return maru_fail(MARU_INVALID_ARGUMENT, "a line has a NUL byte");
    return MARU_OK;
}

static maru_status read_header(reader *r)
{
    int64_t version = 0;
    if (!take(r, "maru "))
        return maru_fail(MARU_INVALID_ARGUMENT, "not a graph: the first line must start with 'maru 1'");
    MARU_TRY(read_i64(r, &version));
    if (version != 1)
        return maru_fail(MARU_UNSUPPORTED, "text form %lld is not known, only 1 is", (long long)version);
    MARU_TRY(read_string(r));
    return maru_graph_create(maru_str_get(&r->string), &r->graph);
}

static maru_status read_lines(reader *r, const char *text, size_t bytes, int *line)
{
    const char *end = text + bytes;
    MARU_TRY(next_line(r, &text, end));
    MARU_TRY(read_header(r));
    MARU_TRY(maru_array_push(&r->values, MARU_NO_VALUE));
    while (text < end) {
        (*line)++;
        MARU_TRY(next_line(r, &text, end));
        MARU_TRY(read_line(r));
    }
    return MARU_OK;
}

maru_status maru_graph_read(const char *text, size_t bytes, const char *name, maru_graph **out_graph)
{
    *out_graph = NULL;
    reader r = {0};
    int line = 1;
    maru_status status = read_lines(&r, text, bytes, &line);
    maru_str_fini(&r.line);
    maru_str_fini(&r.string);
    maru_array_fini(&r.values);
    if (status != MARU_OK) {
        maru_graph_destroy(&r.graph);
        return maru_fail_within(status, "%s:%d", name, line);
    }
    *out_graph = r.graph;
    return MARU_OK;
}
