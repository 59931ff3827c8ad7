// SPDX-FileCopyrightText: The Maru authors
// SPDX-License-Identifier: Apache-2.0

/* Whether a model's operators are known, before anything is made of it: all that are not are told at once. */

#include "import/onnx/import.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "base/fail.h"

typedef struct unknown {
    const char *domain, *op;
    int64_t version;
    size_t n_nodes;
    bool is_staged;  // known, but of no graph
} unknown;

typedef struct survey {
    const onnx_import *import;
    MARU_ARRAY(unknown) unknowns;
    unsigned char *seen_functions;  // of the model
} survey;

bool onnx_is_staged(const char *domain, const char *op)
{
    static const char *const ops[] = {
        "Loop", "Scan", "SequenceAt", "SequenceConstruct", "SequenceEmpty", "SequenceErase", "SequenceInsert",
        "SequenceLength", "SequenceMap", "SplitToSequence", "ConcatFromSequence", "Optional", "OptionalGetElement",
        "OptionalHasElement", "StringConcat", "StringNormalizer", "StringSplit", "RegexFullMatch", "ImageDecoder",
    };
    for (size_t i = 0; !*domain && i < sizeof ops / sizeof *ops; i++)
        if (strcmp(ops[i], op) == 0)
            return true;
    return false;
}

static bool is_known(const onnx_import *import, const char *domain, const char *op, int64_t version)
{
    if (import->stage && onnx_is_staged(domain, op))
        return true;
    if (!*domain && strcmp(op, "If") == 0)
        return true;
    if (onnx_form_find(domain, op, version))
        return true;
    return !*domain && maru_op_find(op) && !*maru_op_find(op)->domain;
}

static maru_status note(survey *s, const char *domain, const char *op, int64_t version)
{
    for (size_t i = 0; i < s->unknowns.count; i++) {
        unknown *u = &s->unknowns.data[i];
        if (strcmp(u->op, op) == 0 && strcmp(u->domain, domain) == 0 && u->version == version) {
            u->n_nodes++;
            return MARU_OK;
        }
    }
    return maru_array_push(&s->unknowns, ((unknown){domain, op, version, 1, onnx_is_staged(domain, op)}));
}

static maru_status look_at_nodes(survey *s, const onnx_scope *scope, onnx_node_proto *const *nodes, size_t count);

static maru_status look_at_function(survey *s, const onnx_function *f)
{
    for (size_t i = 0; i < s->import->model->n_functions; i++) {
        if (s->import->model->functions[i] != f || s->seen_functions[i])
            continue;
        s->seen_functions[i] = 1;
        const onnx_scope scope = {.function = f};
        MARU_TRY(look_at_nodes(s, &scope, f->node, f->n_node));
    }
    return MARU_OK;
}

static maru_status look_at_node(survey *s, const onnx_scope *scope, const onnx_node_proto *node)
{
    const char *domain = onnx_domain(node->domain);
    const char *op = node->op_type ? node->op_type : "";
    const onnx_function *f = onnx_find_function(s->import->model, node);
    const int64_t version = onnx_version(s->import, scope, domain);
    if (f)
        return look_at_function(s, f);
    if (!is_known(s->import, domain, op, version))
        MARU_TRY(note(s, domain, op, version));
    for (size_t i = 0; i < node->n_attribute; i++) {
        const onnx_graph *g = node->attribute[i]->g;
        if (g)
            MARU_TRY(look_at_nodes(s, scope, g->node, g->n_node));
    }
    return MARU_OK;
}

static maru_status look_at_nodes(survey *s, const onnx_scope *scope, onnx_node_proto *const *nodes, size_t count)
{
    for (size_t i = 0; i < count; i++)
        MARU_TRY(look_at_node(s, scope, nodes[i]));
    return MARU_OK;
}

static size_t list_unknowns(const survey *s, bool is_staged, maru_str *out)
{
    size_t n = 0;
    for (size_t i = 0; i < s->unknowns.count; i++) {
        const unknown *u = &s->unknowns.data[i];
        if (u->is_staged != is_staged)
            continue;
        maru_str_printf(out, "%s%s%s%s (opset %" PRId64 ", %zu node%s)", n++ ? ", " : "", u->domain,
                        *u->domain ? "." : "", u->op, u->version, u->n_nodes, u->n_nodes == 1 ? "" : "s");
    }
    return n;
}

/* Those that nothing knows come first: while there are any, it matters little how the others run. */
static maru_status report(const survey *s)
{
    maru_str text = {0};
    maru_status status = MARU_OK;
    const size_t n = list_unknowns(s, false, &text);
    if (n) {
        status = maru_fail(MARU_UNSUPPORTED, "%zu operator%s not known: %s", n, n == 1 ? " is" : "s are",
                           maru_str_get(&text));
    } else {
        list_unknowns(s, true, &text);
        status = maru_fail(MARU_UNSUPPORTED, "the model is no single graph, it can be run in stages alone: %s",
                           maru_str_get(&text));
    }
    maru_str_fini(&text);
    return status;
}

maru_status onnx_check_operators(const onnx_import *import, onnx_node_proto *const *nodes, size_t count)
{
    survey s = {.import = import};
    const onnx_scope scope = {0};
    s.seen_functions = calloc(import->model->n_functions + 1, 1);
    if (!s.seen_functions)
        return maru_fail_oom("a model");
    maru_status status = look_at_nodes(&s, &scope, nodes, count);
    if (status == MARU_OK && s.unknowns.count)
        status = report(&s);
    maru_array_fini(&s.unknowns);
    free(s.seen_functions);
    return status;
}
