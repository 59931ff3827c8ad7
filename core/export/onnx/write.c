// SPDX-FileCopyrightText: The Maru authors
// SPDX-License-Identifier: Apache-2.0
#include "export/onnx/writer.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "base/fail.h"
#include "export/onnx/save.h"
#include "plan/rebuild.h"

void onnx_writer_fini(onnx_writer *w)
{
    maru_map_fini(&w->taken);
    maru_map_fini(&w->taken_nodes);
    maru_map_fini(&w->ints);
    maru_map_fini(&w->dims);
    maru_array_fini(&w->dim_names);
    maru_array_fini(&w->nodes);
    maru_array_fini(&w->weights);
    maru_array_fini(&w->inputs);
    maru_array_fini(&w->outputs);
    maru_array_fini(&w->metadata);
    maru_arena_fini(&w->arena);
}

/* ---- what a graph says of itself and ONNX has no place for ---- */

static void note(onnx_writer *w, const char *key, const char *value)
{
    if (w->status != MARU_OK)
        return;
    if (!key || !value)
        w->status = maru_fail_oom("metadata");
    else
        w->status = maru_array_push(&w->metadata, ((onnx_text){key, value}));
}

static void note_symbols(onnx_writer *w)
{
    for (size_t i = 0; i < w->graph->exprs.symbols.count; i++) {
        const maru_symbol_record *s = &w->graph->exprs.symbols.data[i];
        maru_str text = {0};
        maru_str_printf(&text, "min=%" PRId64, s->params.min);
        if (s->params.max >= 0)
            maru_str_printf(&text, " max=%" PRId64, s->params.max);
        if (s->params.multiple_of != 1)
            maru_str_printf(&text, " multiple=%" PRId64, s->params.multiple_of);
        if (s->params.typical >= 0)
            maru_str_printf(&text, " typical=%" PRId64, s->params.typical);
        note(w, maru_arena_printf(&w->arena, "maru.symbol.%s", s->name),
             maru_arena_strdup(&w->arena, maru_str_get(&text)));
        maru_str_fini(&text);
    }
}

static void note_states(onnx_writer *w)
{
    for (size_t i = 0; i < w->graph->states.count; i++)
        note(w, maru_arena_printf(&w->arena, "maru.state.%s", onnx_name(w, w->graph->states.data[i].input)),
             w->output_names[w->graph->outputs.count + i]);
}

/* ---- inputs and outputs ---- */

#define ADD_PORT(w, list, name, value)                          \
    do {                                                        \
        onnx_port_out *port_ = onnx_port((w), (name), (value)); \
        if ((w)->status == MARU_OK)                             \
            (w)->status = maru_array_push((list), port_);       \
    } while (0)

static void write_inputs(onnx_writer *w)
{
    const maru_graph *g = w->graph;
    for (size_t i = 0; i < g->inputs.count; i++)
        ADD_PORT(w, &w->inputs, onnx_name(w, g->inputs.data[i]), g->inputs.data[i]);
    for (size_t i = 0; i < g->states.count; i++)
        ADD_PORT(w, &w->inputs, onnx_name(w, g->states.data[i].input), g->states.data[i].input);
}

/* A value that has another name, or that no node makes, is passed on. */
static void write_end(onnx_writer *w, size_t index, maru_value value)
{
    const char *name = w->output_names[index];
    const char *made = onnx_name(w, value);
    if (w->status == MARU_OK && strcmp(made, name) != 0)
        onnx_put_into(w, "Identity", made, NULL, name);
    ADD_PORT(w, &w->outputs, name, value);
}

static void write_outputs(onnx_writer *w)
{
    const maru_graph *g = w->graph;
    for (size_t i = 0; i < g->outputs.count; i++)
        write_end(w, i, g->outputs.data[i].value);
    for (size_t i = 0; i < g->states.count; i++)
        write_end(w, g->outputs.count + i, g->states.data[i].output);
}

/* ---- the whole ---- */

static bool is_needed(const maru_node_record *node, const bool *live)
{
    bool is_live = false;
    for (uint32_t i = 0; i < node->n_outputs; i++)
        is_live = is_live || live[node->outputs[i]];
    return is_live;
}

void onnx_write_graph(onnx_writer *w)
{
    const maru_graph *g = w->graph;
    bool *live = maru_arena_alloc_array(&w->arena, g->values.count + 1, sizeof *live);
    w->names = maru_arena_alloc_array(&w->arena, g->values.count + 1, sizeof *w->names);
    w->output_names =
        maru_arena_alloc_array(&w->arena, g->outputs.count + g->states.count + 1, sizeof *w->output_names);
    if (!live || !w->names || !w->output_names) {
        w->status = maru_fail_oom("a model");
        return;
    }
    for (size_t i = 0; i < g->states.count; i++)
        if (g->states.data[i].output == MARU_NO_VALUE)
            w->status = maru_fail(MARU_INVALID_ARGUMENT, "state '%s' has no end", g->states.data[i].name);
    if (w->status == MARU_OK)
        w->status = maru_graph_mark_live(g, live);
    onnx_name_ends(w);
    write_inputs(w);
    for (size_t i = 0; w->status == MARU_OK && i < g->nodes.count; i++)
        if (is_needed(&g->nodes.data[i], live))
            onnx_put_node(w, &g->nodes.data[i]);
    write_outputs(w);
    note(w, "maru.name", g->name);
    note_symbols(w);
    note_states(w);
}

/* ---- the entries ---- */

static maru_status write_lowered(const maru_graph *graph, int opset, onnx_sink *sink, maru_onnx_saved *out)
{
    onnx_writer w = {.graph = graph, .opset = opset};
    onnx_write_graph(&w);
    maru_status status = w.status;
    if (status == MARU_OK)
        status = onnx_write_file(&w, sink, out);
    onnx_writer_fini(&w);
    return status;
}

maru_status maru_onnx_write(const maru_graph *graph, const maru_onnx_save_params *params, onnx_sink *sink,
                            maru_onnx_saved *out)
{
    static const maru_onnx_save_params usual = {0};
    maru_graph *lowered = NULL;
    const maru_onnx_save_params *p = params ? params : &usual;
    const int opset = p->opset ? p->opset : onnx_best_opset(graph, p);
    *out = (maru_onnx_saved){.opset = opset};
    if (opset < ONNX_OLDEST_TARGET || opset > MARU_OPSET_ONNX)
        return maru_fail(MARU_INVALID_ARGUMENT, "opset %d cannot be written: %d to %d can", opset, ONNX_OLDEST_TARGET,
                         MARU_OPSET_ONNX);
    maru_status status = onnx_lower(graph, p, opset, &lowered, &out->n_decomposed);
    if (status == MARU_OK)
        status = write_lowered(lowered ? lowered : graph, opset, sink, out);
    maru_graph_destroy(&lowered);
    return status;
}
