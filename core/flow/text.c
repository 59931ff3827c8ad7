// SPDX-FileCopyrightText: The Maru authors
// SPDX-License-Identifier: Apache-2.0

/* Operators on text: those that make it, and those that only move or compare it. */

#include "flow/flow_impl.h"

#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/dtype.h"
#include "base/fail.h"
#include "base/str.h"
#include "flow/words.h"
#include "import/strings.h"

/* ---- text moved as numbers ---- */

/*
 * Every distinct string of the inputs gets its place in their sorted list, and
 * the node runs on those numbers: gathering, joining, comparing and sorting
 * them is the same as of the text. Its outputs of these numbers are text again.
 */
typedef struct ranks {
    flow_node *node;
    MARU_ARRAY(const char *) texts;
    flow_frame frame;  // the node's, with numbers in the place of text
} ranks;

static int compare(const void *a, const void *b)
{
    return strcmp(*(const char *const *)a, *(const char *const *)b);
}

static maru_status collect(ranks *r)
{
    for (size_t i = 0; i < r->node->n_inputs; i++) {
        const maru_strings *s = r->node->inputs[i] ? maru_item_get_text(r->node->inputs[i]) : NULL;
        for (size_t k = 0; s && k < s->count; k++)
            MARU_TRY(maru_array_push(&r->texts, s->items[k]));
    }
    size_t kept = 0;
    if (r->texts.count)
        qsort(r->texts.data, r->texts.count, sizeof *r->texts.data, compare);
    for (size_t i = 0; i < r->texts.count; i++)
        if (kept == 0 || strcmp(r->texts.data[kept - 1], r->texts.data[i]) != 0)
            r->texts.data[kept++] = r->texts.data[i];
    r->texts.count = kept;
    return MARU_OK;
}

static maru_status set_ranks(ranks *r, const char *name, const maru_strings *s)
{
    maru_file_value value = {0};
    maru_item *item = NULL;
    MARU_TRY(maru_tensor_create(MARU_I64, s->dims, s->rank, &value.tensor));
    int64_t *to = value.tensor.data;
    for (size_t i = 0; i < s->count; i++) {
        const char **at = bsearch(&s->items[i], r->texts.data, r->texts.count, sizeof *r->texts.data, compare);
        to[i] = at - r->texts.data;
    }
    MARU_TRY(maru_item_take(&value, &item));
    return flow_set(&r->frame, name, item);
}

static maru_status to_text(const ranks *r, const maru_tensor *t, maru_item **out_item)
{
    maru_file_value value = {.is_strings = true};
    maru_status status = MARU_OK;
    const int64_t *from = t->data;
    for (int64_t i = 0; status == MARU_OK && i < maru_tensor_count(t); i++) {
        if (from[i] < 0 || (size_t)from[i] >= r->texts.count)
            status = maru_fail(MARU_UNSUPPORTED, "it makes text that none of its inputs has");
        else
            status = maru_strings_add(&value.strings, r->texts.data[from[i]], strlen(r->texts.data[from[i]]), "text");
    }
    value.strings.rank = t->rank;
    memcpy(value.strings.dims, t->dims, sizeof t->dims);
    if (status == MARU_OK)
        return maru_item_take(&value, out_item);
    maru_file_value_fini(&value);
    return status;
}

static bool is_among(const char *const *names, const char *name)
{
    while (*names && strcmp(*names, name) != 0)
        names++;
    return *names != NULL;
}

/* What moves elements, whatever they are. */
static const char *const movers[] = {
    "Compress", "Concat", "DepthToSpace", "Expand", "Flatten", "Gather", "GatherElements", "GatherND", "Reshape",
    "ReverseSequence", "ScatterElements", "ScatterND", "Slice", "SpaceToDepth", "Split", "Squeeze", "Tile",
    "Transpose", "Trilu", "Unique", "Unsqueeze", "Where", NULL,
};

/* What gives numbers, the same of text as of its ranks. */
static const char *const counters[] = {"Equal", "Shape", "Size", NULL};

static bool is_number_output(const char *op, size_t index)
{
    return is_among(counters, op) || (strcmp(op, "Unique") == 0 && index > 0);
}

static maru_status run_on_ranks(ranks *r)
{
    flow_node *n = r->node;
    size_t end = n->index;
    if (*n->attrs.domain || (!is_among(movers, n->attrs.op) && !is_among(counters, n->attrs.op)))
        return maru_fail(MARU_UNSUPPORTED, "it is not supported for text");
    MARU_TRY(collect(r));
    for (size_t i = 0; i < n->n_inputs; i++)
        if (n->inputs[i] && maru_item_get_text(n->inputs[i]))
            MARU_TRY(set_ranks(r, n->proto->input[i], maru_item_get_text(n->inputs[i])));
    MARU_TRY(flow_run_part(&r->frame, n->index, n->index + 1, &end));
    if (end == n->index)
        return maru_fail(MARU_UNSUPPORTED, "it is not supported for text");
    for (size_t i = 0; i < n->n_outputs; i++) {
        const maru_item *item = flow_find(&r->frame, n->proto->output[i]);
        const maru_tensor *t = item ? maru_item_get_tensor(item) : NULL;
        if (!t)
            continue;
        MARU_TRY(is_number_output(n->attrs.op, i) ? maru_item_copy(t, &n->outputs[i]) : to_text(r, t, &n->outputs[i]));
    }
    return MARU_OK;
}

maru_status flow_run_ranks(flow_node *n)
{
    ranks r = {.node = n, .frame = flow_frame_within(n->frame)};
    const maru_status status = run_on_ranks(&r);
    maru_array_fini(&r.texts);
    flow_frame_fini(&r.frame);
    return status;
}

/* ---- making text ---- */

static maru_status take_text(maru_file_value *value, maru_status status, maru_item **out_item)
{
    value->is_strings = true;
    if (status == MARU_OK)
        return maru_item_take(value, out_item);
    maru_file_value_fini(value);
    return status;
}

static maru_status constant_texts(const onnx_attr *a, const ProtobufCBinaryData *texts, size_t n, maru_strings *out)
{
    for (size_t i = 0; i < n; i++)
        MARU_TRY(maru_strings_add(out, (const char *)texts[i].data, texts[i].len, a->name));
    return MARU_OK;
}

static maru_status run_constant(flow_node *n)
{
    const onnx_attr *one = onnx_attr_find(&n->attrs, "value_string");
    const onnx_attr *many = onnx_attr_find(&n->attrs, "value_strings");
    const onnx_attr *tensor = onnx_attr_find(&n->attrs, "value");
    maru_file_value value = {.is_strings = true};
    if (tensor && tensor->t) {
        MARU_TRY(maru_onnx_read_tensor(n->frame->flow->file, tensor->t, &value));
        return maru_item_take(&value, &n->outputs[0]);
    }
    if (!one && !many)
        return maru_fail(MARU_DATA_LOSS, "it has no value");
    const maru_status status = one ? constant_texts(one, &one->s, 1, &value.strings)
                                   : constant_texts(many, many->strings, many->n_strings, &value.strings);
    if (!one)
        maru_strings_set_list(&value.strings);
    return take_text(&value, status, &n->outputs[0]);
}

/* The fewest digits that read back as the same value, as ONNX Runtime spells what is none. */
static void print_float(double x, bool is_double, maru_str *out)
{
    char text[40];
    if (isnan(x) || isinf(x)) {
        maru_str_append(out, isnan(x) ? "NaN" : x < 0 ? "-INF" : "INF");
        return;
    }
    for (int digits = 1; digits <= 17; digits++) {
        snprintf(text, sizeof text, "%.*g", digits, x);
        const double back = strtod(text, NULL);
        if (is_double ? back == x : (float)back == (float)x)
            break;
    }
    maru_str_append(out, text);
}

static void print_number(const maru_tensor *t, int64_t i, maru_str *out)
{
    const maru_dtype_class kind = maru_dtype_get_info(t->dtype)->kind;
    const char *at = (const char *)t->data + 8 * i;
    int64_t whole = 0;
    uint64_t natural = 0;
    maru_str_clear(out);
    if (t->dtype == MARU_I64)
        memcpy(&whole, at, sizeof whole);
    else if (t->dtype == MARU_U64)
        memcpy(&natural, at, sizeof natural);
    else if (kind != MARU_CLASS_FLOAT)
        whole = (int64_t)maru_tensor_get_f64(t, i);
    if (kind == MARU_CLASS_FLOAT)
        print_float(maru_tensor_get_f64(t, i), t->dtype == MARU_F64, out);
    else if (kind == MARU_CLASS_BOOL)
        maru_str_append(out, whole ? "True" : "False");
    else if (t->dtype == MARU_U64)
        maru_str_printf(out, "%" PRIu64, natural);
    else
        maru_str_printf(out, "%" PRId64, whole);
}

static maru_status print_all(const maru_tensor *t, maru_strings *out)
{
    maru_str text = {0};
    maru_status status = MARU_OK;
    for (int64_t i = 0; status == MARU_OK && i < maru_tensor_count(t); i++) {
        print_number(t, i, &text);
        status = maru_str_check(&text);
        if (status == MARU_OK)
            status = maru_strings_add(out, maru_str_get(&text), text.length, "text");
    }
    maru_str_fini(&text);
    out->rank = t->rank;
    memcpy(out->dims, t->dims, sizeof t->dims);
    return status;
}

static maru_status parse_all(const maru_strings *from, maru_tensor *to)
{
    for (size_t i = 0; i < from->count; i++) {
        double x = 0;
        int64_t whole = 0;
        const bool is_whole = maru_parse_i64(from->items[i], &whole);
        if (!is_whole && !words_parse_f64(from->items[i], &x))
            return maru_fail(MARU_INVALID_ARGUMENT, "'%.60s' is no number", from->items[i]);
        if (is_whole && to->dtype == MARU_I64)
            memcpy((char *)to->data + 8 * i, &whole, 8);
        else
            maru_tensor_set_f64(to, (int64_t)i, is_whole ? (double)whole : x);
    }
    return MARU_OK;
}

static maru_status cast_to(flow_node *n, int64_t to)
{
    maru_file_value value = {0};
    const maru_tensor *t = NULL;
    if (!flow_has(n, 0) || to < MARU_F32 || to > MARU_I2)
        return maru_fail(MARU_INVALID_ARGUMENT, "it has no input, or no dtype to cast to");
    const maru_strings *s = maru_item_get_text(n->inputs[0]);
    if (s && to == MARU_STRING) {
        n->outputs[0] = maru_item_hold(n->inputs[0]);
        return MARU_OK;
    }
    if (!s) {
        MARU_TRY(flow_need_tensor(n, 0, &t));
        return take_text(&value, print_all(t, &value.strings), &n->outputs[0]);
    }
    MARU_TRY(maru_tensor_create((maru_dtype)to, s->dims, s->rank, &value.tensor));
    const maru_status status = parse_all(s, &value.tensor);
    if (status == MARU_OK)
        return maru_item_take(&value, &n->outputs[0]);
    maru_file_value_fini(&value);
    return status;
}

static maru_status run_cast(flow_node *n)
{
    return cast_to(n, onnx_attr_int(&n->attrs, "to", 0));
}

static maru_status run_cast_like(flow_node *n)
{
    const maru_tensor *like = flow_has(n, 1) ? maru_item_get_tensor(n->inputs[1]) : NULL;
    return cast_to(n, like ? (int64_t)like->dtype : MARU_STRING);
}

/* ---- StringConcat ---- */

static maru_status broadcast(const maru_strings *a, const maru_strings *b, maru_strings *out)
{
    out->rank = a->rank > b->rank ? a->rank : b->rank;
    for (uint32_t d = 0; d < out->rank; d++) {
        const int64_t x = d + a->rank >= out->rank ? a->dims[d + a->rank - out->rank] : 1;
        const int64_t y = d + b->rank >= out->rank ? b->dims[d + b->rank - out->rank] : 1;
        if (x != y && x != 1 && y != 1)
            return maru_fail(MARU_INVALID_ARGUMENT, "dims of %lld and %lld do not broadcast", (long long)x,
                             (long long)y);
        out->dims[d] = x == 1 ? y : x;
    }
    return MARU_OK;
}

/* Where element `i` of the result comes from. */
static size_t source_of(const maru_strings *from, const maru_strings *result, size_t i)
{
    size_t at = 0;
    size_t stride = 1;
    for (uint32_t d = result->rank; d-- > 0;) {
        const size_t index = i % (size_t)result->dims[d];
        i /= (size_t)result->dims[d];
        if (d + from->rank < result->rank)
            continue;
        const int64_t dim = from->dims[d + from->rank - result->rank];
        at += dim == 1 ? 0 : index * stride;
        stride *= (size_t)dim;
    }
    return at;
}

static maru_status concat(const maru_strings *a, const maru_strings *b, maru_strings *out)
{
    int64_t count = 0;
    maru_str text = {0};
    MARU_TRY(broadcast(a, b, out));
    MARU_TRY(maru_dims_count(out->dims, out->rank, &count));
    maru_status status = MARU_OK;
    for (size_t i = 0; status == MARU_OK && i < (size_t)count; i++) {
        maru_str_clear(&text);
        maru_str_append(&text, a->items[source_of(a, out, i)]);
        maru_str_append(&text, b->items[source_of(b, out, i)]);
        status = maru_str_check(&text);
        if (status == MARU_OK)
            status = maru_strings_add(out, maru_str_get(&text), text.length, "text");
    }
    maru_str_fini(&text);
    return status;
}

static maru_status run_concat(flow_node *n)
{
    const maru_strings *a = NULL;
    const maru_strings *b = NULL;
    maru_file_value value = {0};
    MARU_TRY(flow_need_text(n, 0, &a));
    MARU_TRY(flow_need_text(n, 1, &b));
    return take_text(&value, concat(a, b, &value.strings), &n->outputs[0]);
}

/* ---- StringSplit ---- */

static maru_status add_words(const word_list *lists, size_t n, size_t widest, maru_strings *out)
{
    for (size_t i = 0; i < n; i++) {
        for (size_t k = 0; k < widest; k++) {
            const bool is_there = k < lists[i].count;
            MARU_TRY(maru_strings_add(out, is_there ? lists[i].data[k].text : "", is_there ? lists[i].data[k].bytes : 0,
                                      "text"));
        }
    }
    return MARU_OK;
}

static maru_status give_words(flow_node *n, const maru_strings *from, const word_list *lists)
{
    maru_file_value words = {0};
    maru_file_value counts = {0};
    size_t widest = 0;
    if (from->rank == MARU_MAX_RANK)
        return maru_fail(MARU_UNSUPPORTED, "the rank of its input is %d, one more is needed", MARU_MAX_RANK);
    MARU_TRY(maru_tensor_create(MARU_I64, from->dims, from->rank, &counts.tensor));
    for (size_t i = 0; i < from->count; i++) {
        widest = lists[i].count > widest ? lists[i].count : widest;
        ((int64_t *)counts.tensor.data)[i] = (int64_t)lists[i].count;
    }
    MARU_TRY(maru_item_take(&counts, &n->outputs[1]));
    const maru_status status = add_words(lists, from->count, widest, &words.strings);
    words.strings.rank = from->rank + 1;
    memcpy(words.strings.dims, from->dims, from->rank * sizeof *from->dims);
    words.strings.dims[from->rank] = (int64_t)widest;
    return take_text(&words, status, &n->outputs[0]);
}

static maru_status run_split(flow_node *n)
{
    const maru_strings *from = NULL;
    const onnx_attr *delimiter = onnx_attr_find(&n->attrs, "delimiter");
    const int64_t max_split = onnx_attr_int(&n->attrs, "maxsplit", INT64_MAX);
    maru_status status = MARU_OK;
    MARU_TRY(flow_need_text(n, 0, &from));
    word_list *lists = calloc(from->count + 1, sizeof *lists);
    if (!lists)
        return maru_fail_oom("words");
    for (size_t i = 0; status == MARU_OK && i < from->count; i++)
        status = words_split(from->items[i], delimiter ? (const char *)delimiter->s.data : NULL,
                             delimiter ? delimiter->s.len : 0, max_split, &lists[i]);
    if (status == MARU_OK)
        status = give_words(n, from, lists);
    for (size_t i = 0; i < from->count; i++)
        maru_array_fini(&lists[i]);
    free(lists);
    return status;
}

/* ---- StringNormalizer ---- */

typedef struct normalizer {
    bool is_case_sensitive;
    char change;  // 'L', 'U', or 0
    const onnx_attr *stopwords;
} normalizer;

/* Compared as they come out when case does not matter. */
static maru_status is_stopword(const normalizer *r, const char *text, bool *out)
{
    maru_str a = {0};
    maru_str b = {0};
    maru_status status = words_change_case(text, strlen(text), r->is_case_sensitive ? 0 : 'L', &a);
    *out = false;
    for (size_t i = 0; status == MARU_OK && r->stopwords && i < r->stopwords->n_strings && !*out; i++) {
        const ProtobufCBinaryData *stopword = &r->stopwords->strings[i];
        maru_str_clear(&b);
        status = words_change_case((const char *)stopword->data, stopword->len, r->is_case_sensitive ? 0 : 'L', &b);
        *out = status == MARU_OK && strcmp(maru_str_get(&a), maru_str_get(&b)) == 0;
    }
    maru_str_fini(&a);
    maru_str_fini(&b);
    return status;
}

static maru_status normalize(const normalizer *r, const maru_strings *from, maru_strings *out)
{
    for (size_t i = 0; i < from->count; i++) {
        bool is_left_out = false;
        maru_str text = {0};
        MARU_TRY(is_stopword(r, from->items[i], &is_left_out));
        if (is_left_out)
            continue;
        maru_status status = words_change_case(from->items[i], strlen(from->items[i]), r->change, &text);
        if (status == MARU_OK)
            status = maru_strings_add(out, maru_str_get(&text), text.length, "text");
        maru_str_fini(&text);
        MARU_TRY(status);
    }
    // Of nothing, one empty text is left.
    if (out->count == 0)
        MARU_TRY(maru_strings_add(out, "", 0, "text"));
    out->rank = from->rank;
    out->dims[0] = 1;
    out->dims[from->rank - 1] = (int64_t)out->count;
    return MARU_OK;
}

static maru_status run_normalizer(flow_node *n)
{
    const maru_strings *from = NULL;
    maru_file_value value = {0};
    normalizer r = {.stopwords = onnx_attr_find(&n->attrs, "stopwords")};
    r.is_case_sensitive = onnx_attr_int(&n->attrs, "is_case_sensitive", 0) != 0;
    if (onnx_attr_is(&n->attrs, "case_change_action", "LOWER", "NONE"))
        r.change = 'L';
    else if (onnx_attr_is(&n->attrs, "case_change_action", "UPPER", "NONE"))
        r.change = 'U';
    MARU_TRY(flow_need_text(n, 0, &from));
    if (from->rank < 1 || from->rank > 2 || (from->rank == 2 && from->dims[0] != 1))
        return maru_fail(MARU_INVALID_ARGUMENT, "its input must be [C] or [1, C], its rank is %u", from->rank);
    return take_text(&value, normalize(&r, from, &value.strings), &n->outputs[0]);
}

/* ---- RegexFullMatch ---- */

static maru_status run_match(flow_node *n)
{
    const maru_strings *from = NULL;
    const onnx_attr *pattern = onnx_attr_find(&n->attrs, "pattern");
    maru_file_value value = {0};
    MARU_TRY(flow_need_text(n, 0, &from));
    if (!pattern || !pattern->has_s)
        return maru_fail(MARU_DATA_LOSS, "it has no pattern");
    MARU_TRY(maru_tensor_create(MARU_BOOL, from->dims, from->rank, &value.tensor));
    const maru_status status =
        words_match((const char *)pattern->s.data, pattern->s.len, from->items, from->count, value.tensor.data);
    if (status == MARU_OK)
        return maru_item_take(&value, &n->outputs[0]);
    maru_file_value_fini(&value);
    return status;
}

const flow_host_op flow_text_ops[] = {
    {"", "Constant", run_constant},
    {"", "Cast", run_cast},
    {"", "CastLike", run_cast_like},
    {"", "StringConcat", run_concat},
    {"", "StringSplit", run_split},
    {"", "StringNormalizer", run_normalizer},
    {"", "RegexFullMatch", run_match},
    {0},
};
