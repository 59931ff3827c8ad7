// SPDX-FileCopyrightText: The Maru authors
// SPDX-License-Identifier: Apache-2.0
#include "device_test.h"

#include "device/device.h"
#include "device_graph.h"

static const int64_t two = 2;

typedef struct {
    test_host host;
    maru_plugin *plugin;
    maru_dev *dev;
} fixture;

static void open_dev(fixture *f, const char *options)
{
    *f = (fixture){0};
    test_host_init(&f->host, options);
    assert_ok(maru_plugin_load(test_plugin("fault/fault.so"), &f->host.params, &f->plugin));
    assert_ok(maru_dev_open(f->plugin, 0, options, &f->dev));
}

static void close_dev(fixture *f)
{
    assert_ok(maru_dev_close(&f->dev, false));
    assert_ok(maru_plugin_unload(&f->plugin));
    test_host_fini(&f->host);
}

static void test_claims(void **state)
{
    (void)state;
    fixture f;
    test_graph g;
    maru_dev_claims *claims = NULL;
    open_dev(&f, NULL);
    test_graph_init(&g, 1);
    maru_abi_claim_request request = {.graph = &g.graph, .samples = {&two, 1, 8}, .n_samples = 1};
    assert_ok(maru_dev_claim(f.dev, &request, NULL, &claims));
    const maru_abi_claims *c = maru_dev_claims_get(claims);
    assert_int_equal(c->claims.count, 3);
    assert_int_equal(c->refusals.count, 1);
    assert_int_equal(MARU_ABI_AT(maru_abi_refusal, c->refusals, 0)->node, 3);
    assert_string_equal(MARU_ABI_AT(maru_abi_claim, c->claims, 0)->kernel, "fault loop");
    maru_dev_claims_destroy(&claims);
    test_graph_init(&g, 0);
    assert_ok(maru_dev_claim(f.dev, &request, NULL, &claims));
    assert_int_equal(maru_dev_claims_get(claims)->claims.count, 4); // the three, and all of them together
    maru_dev_claims_destroy(&claims);
    close_dev(&f);
}

/* What a plugin answers is checked before anything is made of it. */
static void test_bad_claims(void **state)
{
    (void)state;
    static const struct {
        maru_status status;
        const char *text;
    } lies[] = {
        {MARU_INTERNAL, "claim 2: node 3 is out of range"},   {MARU_INTERNAL, "claim 2: node 2 stands there twice"},
        {MARU_INTERNAL, "node 2 is neither claimed nor refused"}, {MARU_INTERNAL, "first cost 1000 is out of range"},
        {MARU_INTERNAL, "symbol 77 is out of range"},         {MARU_INTERNAL, "value 7777 is out of range"},
        {MARU_UNSUPPORTED, "flags 0x10000000001"},            {MARU_INTERNAL, "refusal 0: node 3 is out of range"},
    };
    for (size_t i = 0; i < sizeof lies / sizeof *lies; i++) {
        fixture f;
        test_graph g;
        maru_dev_claims *claims = NULL;
        char options[32];
        snprintf(options, sizeof options, "fault=bad-claim=%zu", i);
        open_dev(&f, options);
        test_graph_init(&g, 0);
        maru_abi_claim_request request = {.graph = &g.graph, .samples = {&two, 1, 8}, .n_samples = 1};
        assert_fails(maru_dev_claim(f.dev, &request, NULL, &claims), lies[i].status, lies[i].text);
        assert_null(claims);
        close_dev(&f);
    }
}

typedef struct {
    maru_dev_program *program;
    maru_dev_bound *bound;
    maru_dev_buffer *memory;
    maru_dev_queue *queue;
    maru_dev_commands *list;
    float *at;
} run_fixture;

/* One arena: x at 0, y at 256, out at 512, c at 768, workspace from 1024 on. */
static void make_run(fixture *f, test_graph *g, run_fixture *r)
{
    maru_abi_compile_request request = {.graph = &g->graph};
    *r = (run_fixture){0};
    assert_ok(maru_dev_compile(f->dev, &request, NULL, &r->program));
    assert_ok(maru_dev_program_bind(r->program, &two, 1, &two, 1, &r->bound));
    assert_int_equal(maru_dev_bound_info(r->bound)->workspace_bytes, 2 * 64);
    assert_ok(maru_dev_buffer_alloc(f->dev, 0, 2048, &r->memory));
    assert_ok(maru_dev_queue_create(f->dev, &r->queue));
    assert_ok(maru_dev_commands_create(f->dev, &r->list));
    void *p = NULL;
    assert_ok(maru_dev_buffer_map(r->memory, 0, 2048, MARU_ABI_MAP_READ | MARU_ABI_MAP_WRITE, &p));
    r->at = p;
}

static void free_run(run_fixture *r)
{
    maru_dev_commands_destroy(&r->list);
    maru_dev_queue_destroy(&r->queue);
    maru_dev_buffer_free(&r->memory);
    maru_dev_bound_destroy(&r->bound);
    maru_dev_program_destroy(&r->program);
}

static void fill_bindings(const run_fixture *r, maru_dev_binding bindings[5])
{
    static const uint64_t bytes[] = {32, 32, 32, 128, 128};
    for (uint32_t i = 0; i < 5; i++)
        bindings[i] = (maru_dev_binding){r->memory, i * 256, bytes[i]};
}

static void run_with(const char *options, float expected)
{
    fixture f;
    run_fixture r;
    test_graph g;
    maru_dev_binding bindings[5];
    open_dev(&f, options);
    test_graph_init(&g, 0);
    make_run(&f, &g, &r);
    fill_bindings(&r, bindings);
    assert_ok(maru_dev_commands_run(r.list, 0, r.program, r.bound, bindings, 5, &two, 1, &two, 1));
    assert_ok(maru_dev_commands_validate(r.list));
    for (int i = 0; i < 8; i++) {
        r.at[i] = i == 0 ? 1.0f : -9.0f;
        r.at[64 + i] = 3.0f;
        r.at[192 + i] = 2.0f;
    }
    assert_ok(maru_dev_queue_run(r.queue, r.list, maru_os_now_ns() + 1000000000));
    assert_true(r.at[128] == expected);
    assert_true(r.at[129] == 0.0f);
    free_run(&r);
    close_dev(&f);
}

static void test_run(void **state)
{
    (void)state;
    run_with(NULL, 8.0f);
    run_with("fault=wrong-numbers", 12.0f); // each of the three results is off by one: (1 + 3 + 1) * 2 + 1 + 1
}

static void test_wrong_runs(void **state)
{
    (void)state;
    fixture f;
    run_fixture r;
    test_graph g;
    maru_dev_binding b[5];
    open_dev(&f, NULL);
    test_graph_init(&g, 0);
    make_run(&f, &g, &r);
    fill_bindings(&r, b);
    assert_fails(maru_dev_commands_run(r.list, 0, r.program, NULL, b, 4, &two, 1, &two, 1),
                 MARU_FAILED_PRECONDITION, "must be bound first");
    assert_fails(maru_dev_commands_run(r.list, 0, r.program, r.bound, b, 4, &two, 1, &two, 1), MARU_INVALID_ARGUMENT,
                 "4 bindings, the program takes 5");
    assert_fails(maru_dev_commands_run(r.list, 0, r.program, r.bound, b, 5, &two, 1, NULL, 0), MARU_INVALID_ARGUMENT,
                 "1 symbols and 0 expressions");
    b[3].bytes = 100;
    assert_fails(maru_dev_commands_run(r.list, 0, r.program, r.bound, b, 5, &two, 1, &two, 1), MARU_OUT_OF_RANGE,
                 "binding 3 has 100 bytes, it needs 128");
    b[3].bytes = 128;
    b[4].bytes = 64;
    assert_fails(maru_dev_commands_run(r.list, 0, r.program, r.bound, b, 5, &two, 1, &two, 1), MARU_OUT_OF_RANGE,
                 "binding 4");
    b[4].bytes = 128;
    b[0].offset = 4;
    assert_fails(maru_dev_commands_run(r.list, 0, r.program, r.bound, b, 5, &two, 1, &two, 1), MARU_INVALID_ARGUMENT,
                 "alignment of 64");
    b[0].offset = 0;
    assert_ok(maru_dev_commands_run(r.list, 0, r.program, r.bound, b, 5, &two, 1, &two, 1));
    assert_ok(maru_dev_commands_set_binding(r.list, 0, 0, (maru_dev_binding){r.memory, 1536, 32}));
    assert_fails(maru_dev_commands_set_binding(r.list, 0, 0, (maru_dev_binding){r.memory, 2048, 32}),
                 MARU_OUT_OF_RANGE, "2048 bytes");
    assert_fails(maru_dev_commands_set_arg(r.list, 0, 0, (maru_dev_arg){0}), MARU_INVALID_ARGUMENT, "kind 4");
    free_run(&r);
    close_dev(&f);
}

static void test_wrong_calls(void **state)
{
    (void)state;
    fixture f;
    test_graph g;
    maru_dev_program *program = NULL;
    maru_dev_module *module = NULL;
    void *data = NULL;
    size_t bytes = 0;
    open_dev(&f, NULL);
    test_graph_init(&g, 1);
    maru_abi_compile_request request = {.graph = &g.graph};
    assert_fails(maru_dev_compile(f.dev, &request, NULL, &program), MARU_UNSUPPORTED, "Relu are known (node 3)");
    assert_fails(maru_dev_program_load(f.dev, &g.graph, "x", 1, NULL, &program), MARU_UNSUPPORTED,
                 "does not implement load");
    maru_abi_module_request source = {.format = "opencl-c", .data = "x", .bytes = 1};
    assert_fails(maru_dev_module_build(f.dev, &source, NULL, &module), MARU_UNSUPPORTED, "tier K");
    test_graph_init(&g, 0);
    assert_ok(maru_dev_compile(f.dev, &request, NULL, &program));
    assert_fails(maru_dev_program_save(program, &data, &bytes), MARU_UNSUPPORTED, "does not implement save");
    assert_fails(maru_dev_program_unload(program), MARU_UNSUPPORTED, "does not implement unload");
    assert_fails(maru_dev_program_pack(program, 0, g.c_data, 128, g.c_data, 128), MARU_INVALID_ARGUMENT,
                 "constant 0 is not packed");
    assert_fails(maru_dev_program_pack(program, 1, g.c_data, 128, g.c_data, 128), MARU_INVALID_ARGUMENT,
                 "no constant 1");
    maru_dev_program_destroy(&program);
    close_dev(&f);
}

typedef struct {
    atomic_bool cancel;
    int calls;
} watcher;

static void watch(void *ctx, int permille)
{
    watcher *w = ctx;
    assert_int_equal(permille, 500);
    if (++w->calls == 2)
        atomic_store(&w->cancel, true);
}

static void test_slow_jobs(void **state)
{
    (void)state;
    fixture f;
    test_graph g;
    maru_dev_claims *claims = NULL;
    maru_dev_program *program = NULL;
    watcher w = {.calls = 0};
    atomic_init(&w.cancel, false);
    open_dev(&f, "fault=job-slow");
    test_graph_init(&g, 0);
    maru_abi_claim_request claim = {.graph = &g.graph};
    maru_abi_compile_request compile = {.graph = &g.graph};
    maru_dev_wait wait = {.deadline_ns = maru_os_now_ns() + 30000000};
    assert_fails(maru_dev_claim(f.dev, &claim, &wait, &claims), MARU_DEADLINE_EXCEEDED, "did not end in time");
    wait = (maru_dev_wait){.cancel = &w.cancel, .progress = watch, .progress_ctx = &w};
    assert_fails(maru_dev_compile(f.dev, &compile, &wait, &program), MARU_CANCELLED, "compile: cancelled");
    assert_int_equal(w.calls, 2);
    assert_false(maru_dev_is_lost(f.dev));
    close_dev(&f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_claims),
        cmocka_unit_test(test_bad_claims),
        cmocka_unit_test(test_run),
        cmocka_unit_test(test_wrong_runs),
        cmocka_unit_test(test_wrong_calls),
        cmocka_unit_test(test_slow_jobs),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
