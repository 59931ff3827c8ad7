// SPDX-FileCopyrightText: The Maru authors
// SPDX-License-Identifier: Apache-2.0

/*
 * Planning time over the number of nodes: a generated network of residual
 * blocks (MatMul, Add, Relu, Reshape, LayerNormalization), every node claimed
 * by one invented device. Prints one JSON line per size.
 */

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/os.h"
#include "plan/plan.h"

enum { WIDTH = 64 };

static void check(maru_status status)
{
    if (status == MARU_OK)
        return;
    fprintf(stderr, "bench_plan: %s\n", maru_error_message());
    exit(1);
}

static maru_value op(maru_graph *g, const char *name, maru_value a, maru_value b, maru_value c)
{
    maru_value out = MARU_NO_VALUE;
    const maru_value in[3] = {a, b, c};
    check(maru_graph_op(g, name, in, c ? 3 : b ? 2 : 1, NULL, 0, &out));
    return out;
}

/* Six nodes a block. */
static maru_value add_block(maru_graph *g, maru_value x, maru_dim n, maru_value w, maru_value ones)
{
    const maru_dim dims[2] = {n, WIDTH};
    maru_value shape = MARU_NO_VALUE;
    check(maru_graph_shape(g, dims, 2, &shape));
    const maru_value y = op(g, "Relu", op(g, "MatMul", x, w, 0), 0, 0);
    const maru_value z = op(g, "Add", op(g, "Reshape", op(g, "MatMul", y, w, 0), shape, 0), x, 0);
    return op(g, "LayerNormalization", z, ones, 0);
}

static maru_graph *make_graph(size_t n_nodes)
{
    static const float zeros[WIDTH * WIDTH];
    const maru_constant_source source = {.data = zeros, .bytes = sizeof zeros};
    const maru_constant_source row = {.data = zeros, .bytes = WIDTH * sizeof *zeros};
    maru_graph *g = NULL;
    maru_dim n = 0;
    maru_value x, w, ones;
    check(maru_graph_create("generated", &g));
    check(maru_graph_symbol(g, "n", &(maru_symbol_params){.typical = 128}, &n));
    check(maru_graph_input(g, "x", MARU_F32, (const maru_dim[]){n, WIDTH}, 2, &x));
    check(maru_graph_constant(g, "w", MARU_F32, (const int64_t[]){WIDTH, WIDTH}, 2, &source, &w));
    check(maru_graph_constant(g, "ones", MARU_F32, (const int64_t[]){WIDTH}, 1, &row, &ones));
    while (maru_graph_node_count(g) < n_nodes)
        x = add_block(g, x, n, w, ones);
    check(maru_graph_output(g, "y", x));
    return g;
}

static maru_plan *make_plan(const maru_graph *g)
{
    const size_t n = g->nodes.count;
    uint32_t *nodes = malloc(n * sizeof *nodes);
    maru_plan_claim *claims = calloc(n, sizeof *claims);
    const maru_plan_device device = {.id = "invented:0", .is_asked = true, .is_host_memory = true};
    for (uint32_t i = 0; nodes && claims && i < n; i++) {
        nodes[i] = i;
        claims[i] = (maru_plan_claim){.n_nodes = 1, .nodes = &nodes[i], .cost_ns = 1000, .is_in_place = true};
    }
    const maru_plan_request request = {
        .graph = g, .devices = &device, .n_devices = 1, .claims = claims, .n_claims = n};
    maru_plan *plan = NULL;
    check(maru_plan_create(&request, &plan));
    free(nodes);
    free(claims);
    return plan;
}

static void measure(size_t n_nodes)
{
    const int64_t t0 = maru_os_now_ns();
    maru_graph *raw = make_graph(n_nodes);
    const int64_t t1 = maru_os_now_ns();
    maru_graph *g = NULL;
    check(maru_plan_simplify(raw, &g));
    const int64_t t2 = maru_os_now_ns();
    maru_plan *plan = make_plan(g);
    const int64_t t3 = maru_os_now_ns();
    const int64_t symbols[1] = {128};
    maru_plan_binding *b = NULL;
    check(maru_plan_bind(plan, symbols, &b));
    check(maru_plan_bind_memory(plan, NULL, b));
    const int64_t t4 = maru_os_now_ns();
    printf("{\"nodes\": %zu, \"build_ms\": %.2f, \"simplify_ms\": %.2f, \"plan_ms\": %.2f, \"bind_ms\": %.2f, "
           "\"arena_bytes\": %llu, \"lower_bound\": %llu}\n",
           g->nodes.count, (double)(t1 - t0) / 1e6, (double)(t2 - t1) / 1e6, (double)(t3 - t2) / 1e6,
           (double)(t4 - t3) / 1e6, (unsigned long long)b->arena_bytes[0], (unsigned long long)b->lower_bound[0]);
    maru_plan_binding_destroy(&b);
    maru_plan_destroy(&plan);
    maru_graph_destroy(&g);
    maru_graph_destroy(&raw);
}

int main(int argc, char **argv)
{
    if (argc < 2) {
        fprintf(stderr, "usage: bench_plan NODES...\n");
        return 2;
    }
    for (int i = 1; i < argc; i++)
        measure((size_t)strtoull(argv[i], NULL, 10));
    return 0;
}
