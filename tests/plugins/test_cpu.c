// SPDX-FileCopyrightText: The Maru authors
// SPDX-License-Identifier: Apache-2.0

/* The CPU plugin through the wrappers of core/device. */

#include "device_test.h"

#include "device/device.h"

#include <poll.h>
#include <pthread.h>
#include <sys/eventfd.h>
#include <unistd.h>

typedef struct fixture {
    test_host host;
    maru_plugin *plugin;
    maru_dev *dev;
} fixture;

static const char *module_path(void)
{
    static char path[4096];
    const char *root = getenv("MARU_BUILD_ROOT");
    snprintf(path, sizeof path, "%s/backends/cpu/cpu.so", root ? root : "build");
    return path;
}

static void open_cpu(fixture *f, const char *options)
{
    *f = (fixture){0};
    test_host_init(&f->host, NULL);
    assert_ok(maru_plugin_load(module_path(), &f->host.params, &f->plugin));
    assert_ok(maru_dev_open(f->plugin, 0, options, &f->dev));
}

static void close_cpu(fixture *f)
{
    assert_ok(maru_dev_close(&f->dev, false));
    assert_ok(maru_plugin_unload(&f->plugin));
    test_host_fini(&f->host);
}

/* ---- graphs: values first, then nodes over them; dims are constant, or -1: the symbol n ---------- */

enum { MOST = 24 };

typedef struct builder {
    maru_abi_graph graph;
    maru_abi_symbol symbol;
    maru_abi_expr expr;
    int64_t dims[4 * MOST];
    maru_abi_value values[MOST];
    uint32_t operands[4 * MOST];
    maru_abi_node nodes[MOST];
    maru_abi_attr attrs[MOST];
    uint32_t inputs[MOST];
    uint32_t outputs[MOST];
    uint32_t n_dims;
    uint32_t n_values;
    uint32_t n_operands;
    uint32_t n_nodes;
    uint32_t n_attrs;
    uint32_t n_inputs;
    uint32_t n_outputs;
} builder;

static uint32_t add_value(builder *b, const char *name, uint32_t dtype, uint32_t rank, int64_t d0, int64_t d1)
{
    uint32_t bytes = dtype == MARU_ABI_I64 || dtype == MARU_ABI_F64 ? 8 : dtype == MARU_ABI_STRING ? 0 : 4;
    b->values[b->n_values] = (maru_abi_value){.name = name, .dtype = {dtype, 1, bytes}, .kind = MARU_ABI_VALUE_INPUT,
                                              .rank = rank, .first_dim = b->n_dims};
    b->dims[b->n_dims++] = d0;
    b->dims[b->n_dims++] = d1;
    return b->n_values++;
}

static void add_node(builder *b, const char *op, uint32_t since, const uint32_t *in, uint32_t n_in, uint32_t out)
{
    b->nodes[b->n_nodes] = (maru_abi_node){.domain = "", .op = op, .scope = "layers.3", .since_version = since,
                                           .first_input = b->n_operands, .n_inputs = n_in,
                                           .first_output = b->n_operands + n_in, .n_outputs = 1,
                                           .first_attr = b->n_attrs};
    for (uint32_t i = 0; i < n_in; i++)
        b->operands[b->n_operands++] = in[i];
    b->operands[b->n_operands++] = out;
    b->values[out].kind = MARU_ABI_VALUE_NODE;
    b->values[out].source = b->n_nodes++;
}

static void add_int(builder *b, const char *name, const int64_t *value)
{
    b->attrs[b->n_attrs++] = (maru_abi_attr){name, MARU_ABI_ATTR_INT, 1, value};
    b->nodes[b->n_nodes - 1].n_attrs++;
}

static const maru_abi_graph *finish(builder *b)
{
    b->symbol = (maru_abi_symbol){"n", 1, -1, 1, 2};
    b->expr = (maru_abi_expr){MARU_ABI_EXPR_SYMBOL, 0, 0, 0};
    b->graph = (maru_abi_graph){
        .head = MARU_ABI_HEAD(maru_abi_graph),
        .name = "test",
        .symbols = {&b->symbol, 1, sizeof b->symbol},
        .exprs = {&b->expr, 1, sizeof b->expr},
        .dims = {b->dims, b->n_dims, sizeof b->dims[0]},
        .values = {b->values, b->n_values, sizeof b->values[0]},
        .operands = {b->operands, b->n_operands, sizeof b->operands[0]},
        .attrs = {b->attrs, b->n_attrs, sizeof b->attrs[0]},
        .nodes = {b->nodes, b->n_nodes, sizeof b->nodes[0]},
        .inputs = {b->inputs, b->n_inputs, sizeof b->inputs[0]},
        .outputs = {b->outputs, b->n_outputs, sizeof b->outputs[0]},
    };
    return &b->graph;
}

/* out = Relu((x + y) * x), all (n, 2). */
static const maru_abi_graph *make_chain(builder *b)
{
    *b = (builder){0};
    const char *const names[] = {"x", "y", "sum", "product", "out"};
    for (int i = 0; i < 5; i++)
        (void)add_value(b, names[i], MARU_ABI_F32, 2, -1, 2);
    add_node(b, "Add", 14, (const uint32_t[]){0, 1}, 2, 2);
    add_node(b, "Mul", 14, (const uint32_t[]){2, 0}, 2, 3);
    add_node(b, "Relu", 14, (const uint32_t[]){3}, 1, 4);
    b->inputs[b->n_inputs++] = 0;
    b->inputs[b->n_inputs++] = 1;
    b->outputs[b->n_outputs++] = 4;
    return finish(b);
}

/* ---- running ---------------------------------------------------------------------------------- */

/* Each binding has 256 bytes of one buffer, in order. */
typedef struct runner {
    maru_dev_program *program;
    maru_dev_bound *bound;
    maru_dev_buffer *memory;
    maru_dev_queue *queue;
    maru_dev_commands *list;
    char *at;
} runner;

static void make_runner(fixture *f, const maru_abi_graph *graph, int64_t n, uint32_t n_bindings,
                        const uint32_t *places, runner *r)
{
    maru_abi_compile_request request = {.graph = graph};
    maru_dev_binding bindings[MOST];
    void *at = NULL;
    *r = (runner){0};
    assert_ok(maru_dev_compile(f->dev, &request, NULL, &r->program));
    assert_ok(maru_dev_program_bind(r->program, &n, 1, &n, 1, &r->bound));
    assert_ok(maru_dev_buffer_alloc(f->dev, 0, 256 * MOST, &r->memory));
    assert_ok(maru_dev_buffer_map(r->memory, 0, 256 * MOST, MARU_ABI_MAP_READ | MARU_ABI_MAP_WRITE, &at));
    r->at = at;
    if (maru_dev_bound_info(r->bound)->workspace_bytes)
        assert_true(maru_dev_bound_info(r->bound)->workspace_bytes <= 256);
    for (uint32_t i = 0; i < n_bindings; i++)
        bindings[i] = (maru_dev_binding){r->memory, 256 * (uint64_t)places[i], 256};
    assert_ok(maru_dev_queue_create(f->dev, &r->queue));
    assert_ok(maru_dev_commands_create(f->dev, &r->list));
    assert_ok(maru_dev_commands_run(r->list, 7, r->program, r->bound, bindings, n_bindings, &n, 1, &n, 1));
    assert_ok(maru_dev_commands_validate(r->list));
}

static void free_runner(runner *r)
{
    maru_dev_commands_destroy(&r->list);
    maru_dev_queue_destroy(&r->queue);
    maru_dev_buffer_free(&r->memory);
    maru_dev_bound_destroy(&r->bound);
    maru_dev_program_destroy(&r->program);
}

static float *floats(runner *r, uint32_t place)
{
    return (float *)(void *)(r->at + 256 * (size_t)place);
}

static int64_t *longs(runner *r, uint32_t place)
{
    return (int64_t *)(void *)(r->at + 256 * (size_t)place);
}

/* ---- tests -------------------------------------------------------------------------------------- */

static void test_device(void **state)
{
    (void)state;
    fixture f;
    open_cpu(&f, "kernels=ref");
    const maru_abi_device_info *info = maru_dev_info(f.dev);
    assert_string_equal(maru_dev_id(f.dev), "cpu:0");
    assert_int_equal(info->kind, MARU_ABI_DEVICE_CPU);
    assert_true(strlen(info->name) > 0);
    assert_int_equal(info->compute_units, 2);
    assert_true(maru_device_info_has_dtype(info, MARU_ABI_BF16));
    assert_true(maru_device_info_has_dtype(info, MARU_ABI_Q4_K));
    maru_dev *other = NULL;
    assert_fails(maru_dev_open(f.plugin, 0, "kernels=fastest", &other), MARU_INVALID_ARGUMENT, "kernels=fastest");
    assert_ok(maru_dev_open(f.plugin, 0, "kernels=all\n", &other));
    assert_ok(maru_dev_close(&other, false));
    maru_abi_mem_info memory = {0};
    assert_ok(maru_dev_mem_info(f.dev, 0, &memory));
    assert_true(memory.total_bytes > 0);
    close_cpu(&f);
}

static void check_refusal(const maru_abi_claims *c, uint32_t index, uint32_t node, uint32_t code, const char *text)
{
    const maru_abi_refusal *r = MARU_ABI_AT(maru_abi_refusal, c->refusals, index);
    assert_int_equal(r->node, node);
    assert_int_equal(r->code, code);
    if (!strstr(r->text, text))
        fail_msg("'%s' does not say '%s'", r->text, text);
}

static void test_claims(void **state)
{
    (void)state;
    static const int64_t one = 1;
    static const int64_t samples[] = {2, 2000};
    fixture f;
    builder b = {0};
    maru_dev_claims *claims = NULL;
    open_cpu(&f, "kernels=ref");
    uint32_t x = add_value(&b, "x", MARU_ABI_F32, 2, -1, 2);
    uint32_t s = add_value(&b, "s", MARU_ABI_STRING, 1, 2, 1);
    for (int i = 0; i < 6; i++)
        (void)add_value(&b, "out", MARU_ABI_F32, 2, -1, 2);
    add_node(&b, "Relu", 14, &x, 1, 2);
    add_node(&b, "Softmax", 13, &x, 1, 3);
    add_node(&b, "NoSuchOp", 1, &x, 1, 4);
    add_node(&b, "Relu", 29, &x, 1, 5);
    add_node(&b, "Identity", 25, &s, 1, 6);
    add_node(&b, "Exp", 13, &x, 1, 7);
    add_int(&b, "speed", &one);
    b.inputs[b.n_inputs++] = x;
    b.inputs[b.n_inputs++] = s;
    b.outputs[b.n_outputs++] = 2;
    maru_abi_claim_request request = {.graph = finish(&b), .samples = {samples, 2, 8}, .n_samples = 2};
    assert_ok(maru_dev_claim(f.dev, &request, NULL, &claims));
    const maru_abi_claims *c = maru_dev_claims_get(claims);
    assert_int_equal(c->claims.count, 2);
    const maru_abi_claim *relu = MARU_ABI_AT(maru_abi_claim, c->claims, 0);
    assert_string_equal(relu->kernel, "ref");
    assert_true(relu->flags & MARU_ABI_CLAIM_IN_PLACE);
    assert_false(MARU_ABI_AT(maru_abi_claim, c->claims, 1)->flags & MARU_ABI_CLAIM_IN_PLACE);
    int64_t small = *MARU_ABI_AT(int64_t, c->numbers, relu->first_cost);
    assert_true(small > 0 && small < *MARU_ABI_AT(int64_t, c->numbers, relu->first_cost + 1));
    assert_int_equal(c->refusals.count, 4);
    check_refusal(c, 0, 2, MARU_ABI_REFUSE_OP, "NoSuchOp");
    check_refusal(c, 1, 3, MARU_ABI_REFUSE_OP, "29");
    check_refusal(c, 2, 4, MARU_ABI_REFUSE_DTYPE, "string");
    check_refusal(c, 3, 5, MARU_ABI_REFUSE_ATTRIBUTE, "speed");
    maru_dev_claims_destroy(&claims);
    close_cpu(&f);
}

static void test_run_and_profile(void **state)
{
    (void)state;
    fixture f;
    builder b;
    runner r;
    open_cpu(&f, NULL);
    make_runner(&f, make_chain(&b), 2, 4, (const uint32_t[]){0, 1, 2, 3}, &r);
    assert_true(maru_dev_bound_info(r.bound)->workspace_bytes >= 64);
    for (int i = 0; i < 4; i++) {
        floats(&r, 0)[i] = (float)i - 1;
        floats(&r, 1)[i] = 3;
    }
    maru_dev_fence *fence = NULL;
    maru_abi_timestamp time = {0};
    uint32_t n = 0;
    assert_ok(maru_dev_fence_create(f.dev, 0, &fence));
    maru_dev_point point = {fence, 1};
    assert_ok(maru_dev_queue_submit(r.queue, r.list, NULL, 0, &point, 1, true));
    assert_ok(maru_dev_fence_wait(fence, 1, MARU_DEV_NO_DEADLINE));
    static const float want[] = {0, 0, 4, 10};
    for (int i = 0; i < 4; i++)
        assert_true(floats(&r, 2)[i] == want[i]);
    assert_ok(maru_dev_queue_profile(r.queue, &time, 1, &n));
    assert_int_equal(n, 1);
    assert_int_equal(time.tag, 7);
    assert_true(time.end_ns >= time.begin_ns && time.begin_ns > 0);
    assert_ok(maru_dev_queue_profile(r.queue, &time, 1, &n));
    assert_int_equal(n, 0);
    maru_dev_fence_destroy(&fence);
    free_runner(&r);
    close_cpu(&f);
}

static void test_in_place(void **state)
{
    (void)state;
    fixture f;
    builder b = {0};
    runner r;
    open_cpu(&f, NULL);
    for (int i = 0; i < 3; i++)
        (void)add_value(&b, "v", MARU_ABI_F32, 2, -1, 2);
    add_node(&b, "Sub", 14, (const uint32_t[]){0, 1}, 2, 2);
    b.inputs[b.n_inputs++] = 0;
    b.inputs[b.n_inputs++] = 1;
    b.outputs[b.n_outputs++] = 2;
    make_runner(&f, finish(&b), 2, 3, (const uint32_t[]){0, 1, 1}, &r);
    for (int i = 0; i < 4; i++) {
        floats(&r, 0)[i] = 10;
        floats(&r, 1)[i] = (float)i;
    }
    assert_ok(maru_dev_queue_run(r.queue, r.list, MARU_DEV_NO_DEADLINE));
    for (int i = 0; i < 4; i++)
        assert_true(floats(&r, 1)[i] == 10 - (float)i);
    free_runner(&r);
    close_cpu(&f);
}

static void test_true_dims(void **state)
{
    (void)state;
    fixture f;
    builder b = {0};
    runner r;
    open_cpu(&f, NULL);
    (void)add_value(&b, "x", MARU_ABI_F32, 2, -1, 2);
    (void)add_value(&b, "places", MARU_ABI_I64, 2, 2, 4);
    b.values[1].flags = 1;
    add_node(&b, "NonZero", 13, (const uint32_t[]){0}, 1, 1);
    b.inputs[b.n_inputs++] = 0;
    b.outputs[b.n_outputs++] = 1;
    make_runner(&f, finish(&b), 2, 3, (const uint32_t[]){0, 1, 2}, &r);
    static const float x[] = {0, 5, 0, 6};
    memcpy(floats(&r, 0), x, sizeof x);
    assert_ok(maru_dev_queue_run(r.queue, r.list, MARU_DEV_NO_DEADLINE));
    static const int64_t places[] = {0, 1, 1, 1};
    assert_int_equal(longs(&r, 2)[0], 2);
    assert_int_equal(longs(&r, 2)[1], 2);
    assert_memory_equal(longs(&r, 1), places, sizeof places);
    free_runner(&r);
    close_cpu(&f);
}

static void test_bad_index(void **state)
{
    (void)state;
    fixture f;
    builder b = {0};
    runner r;
    open_cpu(&f, NULL);
    (void)add_value(&b, "table", MARU_ABI_F32, 2, -1, 2);
    (void)add_value(&b, "ids", MARU_ABI_I64, 1, 1, 1);
    (void)add_value(&b, "rows", MARU_ABI_F32, 2, 1, 2);
    add_node(&b, "Gather", 13, (const uint32_t[]){0, 1}, 2, 2);
    b.inputs[b.n_inputs++] = 0;
    b.inputs[b.n_inputs++] = 1;
    b.outputs[b.n_outputs++] = 2;
    make_runner(&f, finish(&b), 3, 3, (const uint32_t[]){0, 1, 2}, &r);
    longs(&r, 1)[0] = 3;
    assert_fails(maru_dev_queue_run(r.queue, r.list, MARU_DEV_NO_DEADLINE), MARU_OUT_OF_RANGE,
                 "Gather of 'rows' in 'layers.3': index 3 at 0 is out of range for an axis of 3");
    longs(&r, 1)[0] = -1;
    floats(&r, 0)[4] = 42;
    assert_ok(maru_dev_queue_run(r.queue, r.list, MARU_DEV_NO_DEADLINE)); // the queue and the device live on
    assert_true(floats(&r, 2)[0] == 42);
    free_runner(&r);
    close_cpu(&f);
}

/* A node with more operands than a run has room for on its stack. */
static void test_many_operands(void **state)
{
    (void)state;
    enum { N = 20 };
    fixture f;
    builder b = {0};
    uint32_t in[N];
    uint32_t places[N + 2];
    open_cpu(&f, NULL);
    for (uint32_t i = 0; i < N; i++) {
        in[i] = add_value(&b, "part", MARU_ABI_F32, 1, -1, 1);
        b.inputs[b.n_inputs++] = in[i];
        places[i] = 0;
    }
    static const int64_t axis = 0;
    uint32_t out = add_value(&b, "whole", MARU_ABI_F32, 1, N, 1);
    add_node(&b, "Concat", 13, in, N, out);
    add_int(&b, "axis", &axis);
    b.outputs[b.n_outputs++] = out;
    maru_abi_compile_request request = {.graph = finish(&b)};
    maru_dev_program *program = NULL;
    maru_dev_bound *bound = NULL;
    maru_dev_buffer *memory = NULL;
    maru_dev_queue *queue = NULL;
    maru_dev_commands *list = NULL;
    static const int64_t n = 1;
    void *at = NULL;
    assert_ok(maru_dev_compile(f.dev, &request, NULL, &program));
    assert_ok(maru_dev_program_bind(program, &n, 1, &n, 1, &bound));
    assert_ok(maru_dev_buffer_alloc(f.dev, 0, 8192, &memory));
    assert_ok(maru_dev_buffer_map(memory, 0, 8192, MARU_ABI_MAP_READ | MARU_ABI_MAP_WRITE, &at));
    uint64_t workspace = maru_dev_bound_info(bound)->workspace_bytes;
    assert_true(workspace > 0 && workspace <= 4096);
    maru_dev_binding bindings[N + 2];
    places[N] = 1;
    places[N + 1] = 2;
    for (uint32_t i = 0; i < N + 2; i++)
        bindings[i] = (maru_dev_binding){memory, 256 * (uint64_t)places[i], i == N + 1 ? workspace : 256};
    assert_ok(maru_dev_queue_create(f.dev, &queue));
    assert_ok(maru_dev_commands_create(f.dev, &list));
    assert_ok(maru_dev_commands_run(list, 0, program, bound, bindings, N + 2, &n, 1, &n, 1));
    assert_ok(maru_dev_commands_validate(list));
    *(float *)at = 9;
    assert_ok(maru_dev_queue_run(queue, list, MARU_DEV_NO_DEADLINE));
    for (uint32_t i = 0; i < N; i++)
        assert_true(((const float *)at)[64 + i] == 9);
    maru_dev_commands_destroy(&list);
    maru_dev_queue_destroy(&queue);
    maru_dev_buffer_free(&memory);
    maru_dev_bound_destroy(&bound);
    maru_dev_program_destroy(&program);
    close_cpu(&f);
}

static void *run_often(void *ctx)
{
    runner *r = ctx;
    for (int i = 0; i < 200; i++) {
        if (maru_dev_queue_run(r->queue, r->list, MARU_DEV_NO_DEADLINE) != MARU_OK)
            return ctx;
    }
    return NULL;
}

/* One program and one bound, two queues with memory of their own. */
static void test_two_queues(void **state)
{
    (void)state;
    fixture f;
    builder b;
    runner r[2];
    pthread_t threads[2];
    static const int64_t n = 2;
    open_cpu(&f, NULL);
    for (int k = 0; k < 2; k++) {
        make_runner(&f, make_chain(&b), n, 4, (const uint32_t[]){0, 1, 2, 3}, &r[k]);
        for (int i = 0; i < 4; i++) {
            floats(&r[k], 0)[i] = (float)(i + 10 * k);
            floats(&r[k], 1)[i] = 1;
        }
    }
    maru_dev_commands_destroy(&r[1].list); // the second queue runs what the first one has bound
    maru_dev_binding bindings[4];
    for (uint32_t i = 0; i < 4; i++)
        bindings[i] = (maru_dev_binding){r[1].memory, 256 * (uint64_t)i, 256};
    assert_ok(maru_dev_commands_create(f.dev, &r[1].list));
    assert_ok(maru_dev_commands_run(r[1].list, 0, r[0].program, r[0].bound, bindings, 4, &n, 1, &n, 1));
    assert_ok(maru_dev_commands_validate(r[1].list));
    for (int k = 0; k < 2; k++)
        assert_int_equal(pthread_create(&threads[k], NULL, run_often, &r[k]), 0);
    for (int k = 0; k < 2; k++) {
        void *failed = NULL;
        assert_int_equal(pthread_join(threads[k], &failed), 0);
        assert_null(failed);
        for (int i = 0; i < 4; i++) {
            float x = (float)(i + 10 * k);
            assert_true(floats(&r[k], 2)[i] == (x + 1) * x);
        }
    }
    free_runner(&r[1]);
    free_runner(&r[0]);
    close_cpu(&f);
}

static void *signal_later(void *ctx)
{
    (void)poll(NULL, 0, 20);
    return maru_dev_fence_signal(ctx, 5) == MARU_OK ? NULL : ctx;
}

static void test_fences(void **state)
{
    (void)state;
    fixture f;
    maru_dev_fence *fence = NULL;
    maru_dev_fence *after = NULL;
    maru_dev_queue *queue = NULL;
    uint64_t value = 0;
    pthread_t thread;
    void *failed = NULL;
    open_cpu(&f, NULL);
    assert_ok(maru_dev_fence_create(f.dev, 3, &fence));
    assert_ok(maru_dev_fence_create(f.dev, 0, &after));
    assert_ok(maru_dev_queue_create(f.dev, &queue));
    assert_ok(maru_dev_fence_wait(fence, 3, 0));
    assert_fails(maru_dev_fence_wait(fence, 5, maru_os_now_ns() + 1000000), MARU_DEADLINE_EXCEEDED, "5 was not");
    int fd = eventfd(0, EFD_CLOEXEC);
    struct pollfd ready = {.fd = fd, .events = POLLIN};
    assert_ok(maru_dev_fence_arm(fence, 5, fd));
    assert_int_equal(poll(&ready, 1, 0), 0);
    assert_int_equal(pthread_create(&thread, NULL, signal_later, fence), 0);
    maru_dev_point wait = {fence, 5}; // which the host signals while submit waits
    maru_dev_point signal = {after, 1};
    assert_ok(maru_dev_queue_submit(queue, NULL, &wait, 1, &signal, 1, false));
    assert_int_equal(pthread_join(thread, &failed), 0);
    assert_null(failed);
    assert_int_equal(poll(&ready, 1, 0), 1);
    assert_ok(maru_dev_fence_query(after, &value));
    assert_int_equal(value, 1);
    maru_dev_fence_fail(fence, MARU_CANCELLED, "the user left");
    wait.value = 6;
    signal.value = 2;
    assert_ok(maru_dev_queue_submit(queue, NULL, &wait, 1, &signal, 1, false));
    assert_fails(maru_dev_fence_wait(after, 2, MARU_DEV_NO_DEADLINE), MARU_CANCELLED, "the user left");
    close(fd);
    maru_dev_fence_destroy(&fence);
    maru_dev_fence_destroy(&after);
    maru_dev_queue_destroy(&queue);
    close_cpu(&f);
}

static void test_imported_memory(void **state)
{
    (void)state;
    fixture f;
    maru_dev_buffer *buffer = NULL;
    maru_dev_commands *list = NULL;
    maru_dev_queue *queue = NULL;
    _Alignas(64) uint16_t memory[64] = {0};
    open_cpu(&f, NULL);
    assert_ok(maru_dev_buffer_import_host(f.dev, memory, sizeof memory, false, &buffer));
    assert_ok(maru_dev_queue_create(f.dev, &queue));
    assert_ok(maru_dev_commands_create(f.dev, &list));
    assert_ok(maru_dev_commands_fill(list, 0, (maru_dev_binding){buffer, 0, 64}, 0xABCD, 2));
    assert_ok(maru_dev_commands_copy(list, 0, (maru_dev_binding){buffer, 64, 64}, (maru_dev_binding){buffer, 0, 64}));
    assert_ok(maru_dev_commands_validate(list));
    assert_ok(maru_dev_queue_run(queue, list, MARU_DEV_NO_DEADLINE));
    assert_int_equal(memory[0], 0xABCD);
    assert_int_equal(memory[63], 0xABCD);
    maru_dev_commands_destroy(&list);
    maru_dev_queue_destroy(&queue);
    maru_dev_buffer_free(&buffer);
    close_cpu(&f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_device),        cmocka_unit_test(test_claims),
        cmocka_unit_test(test_run_and_profile), cmocka_unit_test(test_in_place),
        cmocka_unit_test(test_true_dims),     cmocka_unit_test(test_bad_index),
        cmocka_unit_test(test_many_operands), cmocka_unit_test(test_two_queues),
        cmocka_unit_test(test_fences),        cmocka_unit_test(test_imported_memory),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
