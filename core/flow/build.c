// SPDX-FileCopyrightText: The Maru authors
// SPDX-License-Identifier: Apache-2.0

/*
 * How much of a model can be one graph shows when it is tried: nodes are added
 * until one needs a value that only the run tells. If that value comes from a
 * few numbers that are there already, the plan is made for those numbers;
 * else the graph ends before the node, and the next one starts with its
 * inputs at hand.
 */

#include "flow/part.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/fail.h"

enum { MAX_CONTENT = 64 };  // elements of an input that a plan may be made for

typedef struct build_input {
    const char *name;
    const maru_tensor *tensor;
    maru_value value;
    bool is_content;
} build_input;

typedef struct build {
    const flow_frame *frame;
    const flow_part *like;
    size_t first, end, limit;
    onnx_import import;
    onnx_stage stage;
    onnx_scope scopes[FLOW_MAX_DEPTH + 1];
    size_t n_scopes;
    MARU_ARRAY(build_input) inputs;
    maru_map contents;                      // names that the plan is made for
    int64_t old_sizes[FLOW_MAX_SYMBOLS];    // a symbol is a pair of sizes: that of `like`, and the present one
    int64_t new_sizes[FLOW_MAX_SYMBOLS];
    size_t n_symbols;
    bool has_overflow;                      // more symbols than there is room for
} build;

/* ---- inputs, as they are read ---- */

static const flow_part_input *input_of(const flow_part *part, const char *name)
{
    for (size_t i = 0; part && i < part->inputs.count; i++)
        if (strcmp(part->inputs.data[i].name, name) == 0)
            return &part->inputs.data[i];
    return NULL;
}

static maru_status symbol_dim(build *b, int64_t old_size, int64_t new_size, maru_dim *out)
{
    char name[24];
    size_t s = 0;
    while (s < b->n_symbols && (b->old_sizes[s] != old_size || b->new_sizes[s] != new_size))
        s++;
    if (s == FLOW_MAX_SYMBOLS) {
        b->has_overflow = true;
        *out = new_size;
        return MARU_OK;
    }
    if (s == b->n_symbols) {
        b->old_sizes[s] = old_size;
        b->new_sizes[s] = new_size;
        b->n_symbols++;
    }
    snprintf(name, sizeof name, "s%zu", s);
    const maru_symbol_params params = {.min = FLOW_LEAST_SYMBOL, .typical = new_size};
    return maru_graph_symbol(b->import.graph, name, &params, out);
}

/* Dims that `like` has too stay numbers. */
static maru_status choose_dims(build *b, const char *name, const maru_tensor *t, maru_dim *dims)
{
    const flow_part_input *before = input_of(b->like, name);
    const bool is_known = before && before->dtype == t->dtype && before->rank == t->rank;
    for (uint32_t d = 0; d < t->rank; d++) {
        dims[d] = t->dims[d];
        const bool is_small = t->dims[d] < FLOW_LEAST_SYMBOL ||
                              (is_known && before->dims[d] >= 0 && before->dims[d] < FLOW_LEAST_SYMBOL);
        if (is_known && before->dims[d] != t->dims[d] && !is_small)
            MARU_TRY(symbol_dim(b, before->dims[d], t->dims[d], &dims[d]));
    }
    return MARU_OK;
}

static maru_status add_input(build *b, const char *name, const maru_tensor *t, maru_value *out_value)
{
    build_input in = {.name = name, .tensor = t, .is_content = maru_map_get_str(&b->contents, name, NULL)};
    if (in.is_content) {
        const maru_constant_source source = {.data = t->data, .bytes = t->bytes};
        MARU_TRY(maru_graph_constant(b->import.graph, name, t->dtype, t->dims, t->rank, &source, &in.value));
    } else {
        maru_dim dims[MARU_MAX_RANK];
        MARU_TRY(choose_dims(b, name, t, dims));
        MARU_TRY(maru_graph_input(b->import.graph, name, t->dtype, dims, t->rank, &in.value));
    }
    *out_value = in.value;
    return maru_array_push(&b->inputs, in);
}

static bool is_text(const onnx_tensor *t)
{
    return t && t->has_data_type && t->data_type == MARU_STRING;
}

static maru_status look_up(void *ctx, const char *name, maru_value *out_value)
{
    build *b = ctx;
    flow_body *body = NULL;
    const maru_item *item = flow_find(b->frame, name);
    const maru_tensor *t = item ? maru_item_get_tensor(item) : NULL;
    if (t)
        return add_input(b, name, t, out_value);
    if (!item && !is_text(flow_initializer(b->frame, name, &body)))
        return MARU_OK;
    b->stage.is_end = true;
    return maru_fail(MARU_INVALID_ARGUMENT, "'%s' is %s", name,
                     maru_item_kind_name(item ? maru_item_get_kind(item) : MARU_ITEM_TEXT));
}

/* ---- making the plan for what an input holds ---- */

static bool is_small(const maru_tensor *t, bool integers_only)
{
    const bool is_integer = t->dtype == MARU_I64 || t->dtype == MARU_I32;
    return t->rank <= 1 && maru_tensor_count(t) <= MAX_CONTENT && (is_integer || !integers_only);
}

/* Marks what the values that `node` reads are computed from; all there is where it has graphs of its own. */
static maru_status mark_sources(const build *b, const onnx_node_proto *node, bool *marks)
{
    const maru_graph *g = b->import.graph;
    uint64_t value = 0;
    bool has_graphs = onnx_find_function(b->import.model, node) != NULL;
    for (size_t i = 0; i < node->n_attribute; i++)
        has_graphs = has_graphs || node->attribute[i]->g;
    for (size_t v = 0; v < g->values.count; v++)
        marks[v] = has_graphs;
    for (size_t i = 0; i < node->n_input; i++)
        for (size_t s = 0; s < b->n_scopes; s++)
            if (node->input[i] && maru_map_get_str(&b->scopes[s].values, node->input[i], &value))
                marks[value] = true;
    for (size_t n = g->nodes.count; n-- > 0;) {
        const maru_node_record *record = &g->nodes.data[n];
        bool is_marked = false;
        for (uint32_t i = 0; i < record->n_outputs; i++)
            is_marked = is_marked || marks[record->outputs[i]];
        for (uint32_t i = 0; is_marked && i < record->n_inputs; i++)
            marks[record->inputs[i]] = true;
    }
    return MARU_OK;
}

/* Whether the plan is now made for the contents of one more input, that node `index` comes from. */
static maru_status add_contents(build *b, size_t index, bool integers_only, bool *out_added)
{
    bool *marks = calloc(b->import.graph->values.count + 1, sizeof *marks);
    *out_added = false;
    if (!marks)
        return maru_fail_oom("a plan");
    maru_status status = mark_sources(b, b->frame->body->nodes[index], marks);
    for (size_t i = 0; status == MARU_OK && i < b->inputs.count; i++) {
        const build_input *in = &b->inputs.data[i];
        if (in->is_content || !marks[in->value] || !is_small(in->tensor, integers_only))
            continue;
        status = maru_map_set_str(&b->contents, in->name, 1);
        *out_added = true;
    }
    free(marks);
    return status;
}

/* ---- nodes ---- */

static void forget_graph(build *b)
{
    for (size_t i = 0; i < b->n_scopes; i++)
        maru_map_fini(&b->scopes[i].values);
    maru_graph_destroy(&b->import.graph);
    b->inputs.count = 0;
    b->n_symbols = 0;
    b->has_overflow = false;
}

/* Until the end, or until a node fails: b->end is where, and the status why. */
static maru_status add_nodes(build *b, size_t first, size_t limit)
{
    forget_graph(b);
    flow_scopes(b->frame, b->scopes, &b->n_scopes);
    b->stage.root = &b->scopes[b->n_scopes - 1];
    b->stage.is_end = false;
    MARU_TRY(maru_graph_create("", &b->import.graph));
    for (b->end = first; b->end < limit; b->end++)
        MARU_TRY(onnx_add_nodes(&b->import, &b->scopes[0], b->frame->body->nodes + b->end, 1));
    return MARU_OK;
}

/* Whether a failure is one that knowing more may mend. */
static bool may_end(const build *b, maru_status status)
{
    return b->stage.is_end || status == MARU_INVALID_ARGUMENT || status == MARU_UNSUPPORTED;
}

/* As many nodes as can be; the status is OK if that is at least one. */
static maru_status add_all(build *b, size_t first, size_t limit)
{
    for (;;) {
        bool added = false;
        const maru_status status = add_nodes(b, first, limit);
        if (status == MARU_OK || !may_end(b, status))
            return status;
        if (!b->stage.is_end)
            MARU_TRY(add_contents(b, b->end, true, &added));
        if (!b->stage.is_end && !added)
            MARU_TRY(add_contents(b, b->end, false, &added));
        if (!added)
            return b->end > first ? MARU_OK : status;
    }
}

/* ---- outputs ---- */

static maru_status add_output(build *b, const char *name, flow_part *part)
{
    uint64_t value = MARU_NO_VALUE;
    flow_part_output out = {.name = name};
    maru_map_get_str(&b->scopes[0].values, name, &value);
    out.is_none = value == MARU_NO_VALUE;
    if (!out.is_none)
        MARU_TRY(maru_graph_output(b->import.graph, name, (maru_value)value));
    return maru_array_push(&part->outputs, out);
}

static maru_status add_outputs(build *b, flow_part *part)
{
    uint64_t last = 0;
    for (size_t i = b->first; i < b->end; i++) {
        const onnx_node_proto *node = b->frame->body->nodes[i];
        for (size_t k = 0; k < node->n_output; k++)
            if (maru_map_get_str(&b->frame->body->last_use, node->output[k], &last) && last >= b->end)
                MARU_TRY(add_output(b, node->output[k], part));
    }
    return MARU_OK;
}

/* ---- the part ---- */

static maru_status keep_input(const build_input *in, const build *b, flow_part *part)
{
    const maru_tensor *t = in->tensor;
    flow_part_input kept = {.name = in->name, .dtype = t->dtype, .rank = t->rank};
    const maru_value_record *v = maru_graph_get(b->import.graph, in->value);
    for (uint32_t d = 0; d < t->rank; d++) {
        kept.dims[d] = t->dims[d];
        for (size_t s = 0; v->dims[d] < 0 && s < b->n_symbols; s++) {
            const flow_part_input *before = input_of(b->like, in->name);
            if (before && b->old_sizes[s] == before->dims[d] && b->new_sizes[s] == t->dims[d])
                kept.dims[d] = -1 - (int64_t)s;
        }
    }
    if (in->is_content) {
        kept.content = malloc(t->bytes + 1);
        if (!kept.content)
            return maru_fail_oom("a plan");
        if (t->bytes)
            memcpy(kept.content, t->data, t->bytes);
    }
    const maru_status status = maru_array_push(&part->inputs, kept);
    if (status != MARU_OK)
        free(kept.content);
    return status;
}

/* Inputs that the plan found no use for are no inputs of the session. */
static void bind_inputs(flow_part *part)
{
    const maru_graph *graph = maru_model_graph(part->model);
    for (size_t i = 0; i < maru_graph_input_count(graph); i++) {
        maru_value_info info = {0};
        if (maru_graph_value_info(graph, maru_graph_input_at(graph, i), &info) != MARU_OK)
            continue;
        for (size_t k = 0; k < part->inputs.count; k++)
            if (strcmp(part->inputs.data[k].name, info.name) == 0)
                part->inputs.data[k].is_bound = true;
    }
}

static maru_status make_part(build *b, flow_part *part)
{
    bool has_values = false;
    part->end = b->end;
    for (size_t i = 0; i < b->inputs.count; i++)
        MARU_TRY(keep_input(&b->inputs.data[i], b, part));
    MARU_TRY(add_outputs(b, part));
    for (size_t i = 0; i < part->outputs.count; i++)
        has_values = has_values || !part->outputs.data[i].is_none;
    if (!has_values)
        return MARU_OK;
    b->frame->flow->stats.n_plans++;
    MARU_TRY(maru_model_create(b->frame->flow->runtime, &b->import.graph, &b->frame->flow->params, &part->model));
    MARU_TRY(maru_session_create(part->model, &part->session));
    bind_inputs(part);
    return MARU_OK;
}

static maru_status finish(build *b, flow_part **out_part)
{
    *out_part = calloc(1, sizeof **out_part);
    if (!*out_part)
        return maru_fail_oom("a plan");
    const maru_status status = make_part(b, *out_part);
    if (status != MARU_OK) {
        flow_part_destroy(*out_part);
        *out_part = NULL;
    }
    return status;
}

/* What the host can run too: branches, functions, text, and passing on what is no tensor. */
static bool can_host_run(const build *b, size_t index)
{
    const onnx_node_proto *node = b->frame->body->nodes[index];
    const char *op = node->op_type ? node->op_type : "";
    flow_body *body = NULL;
    if (strcmp(op, "If") == 0 || onnx_find_function(b->import.model, node))
        return true;
    if (strcmp(op, "Identity") == 0)
        return b->stage.is_end;
    for (size_t i = 0; i < node->n_input; i++) {
        const char *name = node->input[i] ? node->input[i] : "";
        const maru_item *item = flow_find(b->frame, name);
        if (item ? maru_item_get_text(item) != NULL : is_text(flow_initializer(b->frame, name, &body)))
            return true;
    }
    return false;
}

static maru_status create(build *b, flow_part **out_part, bool *out_is_for_host)
{
    maru_status status = add_all(b, b->first, b->limit);
    *out_is_for_host = status != MARU_OK && may_end(b, status) && can_host_run(b, b->first);
    if (*out_is_for_host)
        return MARU_OK;
    if (status == MARU_OK)
        status = finish(b, out_part);
    return status;
}

static void build_fini(build *b)
{
    forget_graph(b);
    maru_array_fini(&b->inputs);
    maru_map_fini(&b->contents);
}

static void start(build *b, const flow_frame *frame, size_t first, size_t limit, const flow_part *like)
{
    static const maru_onnx_params none;
    *b = (build){.frame = frame, .first = first, .limit = limit, .like = like};
    b->import = (onnx_import){.file = frame->flow->file, .model = frame->flow->model, .params = &none};
    b->stage = (onnx_stage){.look_up = look_up, .ctx = b};
    b->import.stage = &b->stage;
}

maru_status flow_part_create(const flow_frame *frame, size_t first, size_t limit, const flow_part *like,
                             flow_part **out_part, bool *out_is_for_host)
{
    build *b = malloc(sizeof *b);
    *out_part = NULL;
    *out_is_for_host = false;
    if (!b)
        return maru_fail_oom("a plan");
    maru_status status = MARU_UNSUPPORTED;
    if (like) {
        start(b, frame, first, limit, like);
        status = create(b, out_part, out_is_for_host);
        // Sizes that vary may stand in the way of what fixed ones allow.
        if (status == MARU_OK && *out_part && (*out_part)->end < like->end) {
            flow_part_destroy(*out_part);
            *out_part = NULL;
            status = MARU_UNSUPPORTED;
        }
        build_fini(b);
    }
    if (status != MARU_OK) {
        start(b, frame, first, limit, NULL);
        status = create(b, out_part, out_is_for_host);
        build_fini(b);
    }
    free(b);
    return status;
}
