// SPDX-FileCopyrightText: The Maru authors
// SPDX-License-Identifier: Apache-2.0

/*
 * Rules of plugins/ABI.md that the host's wrappers keep out of sight: every
 * plugin of this tree is called directly, with what a host may not send.
 */

#define _GNU_SOURCE // eventfd

#include "device_test.h"

#include "base/os_thread.h"
#include "device/device.h"
#include "device_graph.h"

#include <poll.h>
#include <sys/eventfd.h>
#include <unistd.h>

static const char *const modules[] = {
    "backends/cpu/cpu.so",
    "plugins/fault/fault.so",
    "plugins/template-kernel.so",
    "plugins/template-graph.so",
};

enum { N_MODULES = sizeof modules / sizeof *modules };

typedef struct fixture {
    const char *name;
    test_host host;
    maru_plugin *plugin;
    const maru_plugin_tables *fns;
    maru_abi_plugin *handle;
    maru_abi_device *device;
} fixture;

static const char *path_of(const char *module)
{
    static char path[4096];
    const char *root = getenv("MARU_BUILD_ROOT");
    snprintf(path, sizeof path, "%s/%s", root ? root : "build", module);
    return path;
}

static void open_raw(fixture *f, const char *module)
{
    const maru_abi_device_params params = {.head = MARU_ABI_HEAD(maru_abi_device_params)};
    *f = (fixture){.name = module};
    test_host_init(&f->host, NULL);
    assert_ok(maru_plugin_load(path_of(module), &f->host.params, &f->plugin));
    f->fns = maru_plugin_fns(f->plugin);
    f->handle = maru_plugin_handle(f->plugin);
    assert_int_equal(f->fns->plugin.device_open(f->handle, 0, &params, &f->device, NULL), MARU_ABI_OK);
}

static void close_raw(fixture *f)
{
    if (f->device)
        assert_int_equal(f->fns->plugin.device_close(f->device, 0, NULL), MARU_ABI_OK);
    assert_ok(maru_plugin_unload(&f->plugin));
    test_host_fini(&f->host);
}

static void for_each(void (*test)(fixture *f))
{
    for (size_t i = 0; i < N_MODULES; i++) {
        fixture f;
        open_raw(&f, modules[i]);
        test(&f);
        close_raw(&f);
    }
}

static maru_abi_error fresh_error(void)
{
    return (maru_abi_error){.head = MARU_ABI_HEAD(maru_abi_error), .code = 4711, .message = "untouched"};
}

/* ---- 2.2 the query is pure, and answers NULL to a host it cannot work with ---- */

static void the_query_is_pure(void **state)
{
    (void)state;
    for (size_t i = 0; i < N_MODULES; i++) {
        maru_plugin_file file;
        maru_os_lib *lib = NULL;
        maru_os_lib_way way = MARU_OS_LIB_BY_FD;
        maru_abi_query_fn query = NULL;
        assert_ok(maru_plugin_file_open(path_of(modules[i]), &file));
        assert_ok(maru_os_lib_open(file.map.fd, file.path, &lib, &way));
        void *symbol = maru_os_lib_symbol(lib, MARU_PLUGIN_SYMBOL);
        assert_non_null(symbol);
        memcpy(&query, &symbol, sizeof query);
        assert_null(query(MARU_ABI_MAJOR + 1, 0));
        const maru_abi_entry *entry = query(MARU_ABI_MAJOR, MARU_ABI_MINOR);
        assert_non_null(entry);
        assert_ptr_equal(query(MARU_ABI_MAJOR, 99), entry);
        assert_string_equal(entry->name, file.manifest.name);
        maru_os_lib_close(&lib);
        maru_plugin_file_close(&file);
    }
}

/* ---- 3.2 an out-struct is filled as far as there is room, and says how far ---- */

static void check_room(fixture *f)
{
    maru_abi_device_info info;
    const uint32_t room = (uint32_t)offsetof(maru_abi_device_info, driver);
    memset(&info, 0xA5, sizeof info);
    info.head = (maru_abi_head){room, MARU_ABI_MAJOR, MARU_ABI_MINOR};
    assert_int_equal(f->fns->plugin.device_info(f->handle, 0, &info, NULL), MARU_ABI_OK);
    assert_true(info.head.struct_size <= room);
    for (size_t i = room; i < sizeof info; i++)
        assert_int_equal(((unsigned char *)&info)[i], 0xA5);
}

static void out_structs_keep_to_their_room(void **state)
{
    (void)state;
    for_each(check_room);
}

/* ---- 3.5 of the high 32 flags an unknown one is refused, of the low 32 it is ignored ---- */

static void check_flags(fixture *f)
{
    maru_abi_device_params params = {.head = MARU_ABI_HEAD(maru_abi_device_params), .flags = 1ull << 40};
    maru_abi_device *device = NULL;
    maru_abi_queue *queue = NULL;
    assert_int_equal(f->fns->plugin.device_open(f->handle, 0, &params, &device, NULL), MARU_ABI_UNSUPPORTED);
    assert_null(device);
    params.flags = 1u << 20;
    assert_int_equal(f->fns->plugin.device_open(f->handle, 0, &params, &device, NULL), MARU_ABI_OK);
    assert_int_equal(f->fns->queue.create(device, 1ull << 40, &queue, NULL), MARU_ABI_UNSUPPORTED);
    assert_null(queue);
    assert_int_equal(f->fns->queue.create(device, 1u << 20, &queue, NULL), MARU_ABI_OK);
    f->fns->queue.destroy(queue);
    assert_int_equal(f->fns->plugin.device_close(device, 0, NULL), MARU_ABI_OK);
}

static void unknown_flags_are_refused_or_ignored(void **state)
{
    (void)state;
    for_each(check_flags);
}

/* ---- 4.1 the error record is filled on failure alone, and may be NULL ---- */

static void check_errors(fixture *f)
{
    maru_abi_error error = fresh_error();
    maru_abi_device_info info = {.head = MARU_ABI_HEAD(maru_abi_device_info)};
    assert_int_equal(f->fns->plugin.device_info(f->handle, 0, &info, &error), MARU_ABI_OK);
    assert_string_equal(error.message, "untouched");
    assert_int_equal(error.code, 4711);
    const maru_abi_status status = f->fns->plugin.device_info(f->handle, 99, &info, &error);
    assert_int_not_equal(status, MARU_ABI_OK);
    assert_int_equal(error.code, status);
    assert_string_not_equal(error.message, "untouched");
    assert_true(memchr(error.message, 0, sizeof error.message) != NULL);
    assert_int_equal(f->fns->plugin.device_info(f->handle, 99, &info, NULL), status);
}

static void errors_are_the_callers(void **state)
{
    (void)state;
    for_each(check_errors);
}

/* ---- 5.1 closing a parent whose children live answers BUSY ---- */

static maru_abi_buffer *make_buffer(const fixture *f, uint64_t bytes, char **out_at)
{
    maru_abi_buffer *buffer = NULL;
    void *at = NULL;
    assert_int_equal(f->fns->buffer.alloc(f->device, 0, bytes, &buffer, NULL), MARU_ABI_OK);
    assert_int_equal(f->fns->buffer.map(buffer, 0, bytes, MARU_ABI_MAP_WRITE, &at, NULL), MARU_ABI_OK);
    *out_at = memset(at, 0, bytes);
    return buffer;
}

static void check_busy(fixture *f)
{
    char *at = NULL;
    maru_abi_error error = fresh_error();
    maru_abi_queue *queue = NULL;
    maru_abi_fence *fence = NULL;
    assert_int_equal(f->fns->plugin.quiesce(f->handle, NULL), MARU_ABI_OK);
    assert_int_equal(f->fns->plugin.shutdown(f->handle, &error), MARU_ABI_BUSY);
    assert_int_equal(error.code, MARU_ABI_BUSY);
    maru_abi_buffer *buffer = make_buffer(f, 64, &at);
    assert_int_equal(f->fns->plugin.device_close(f->device, 0, &error), MARU_ABI_BUSY);
    f->fns->buffer.unmap(buffer);
    f->fns->buffer.free(buffer);
    assert_int_equal(f->fns->queue.create(f->device, 0, &queue, NULL), MARU_ABI_OK);
    assert_int_equal(f->fns->plugin.device_close(f->device, 0, NULL), MARU_ABI_BUSY);
    f->fns->queue.destroy(queue);
    assert_int_equal(f->fns->fence.create(f->device, 0, &fence, NULL), MARU_ABI_OK);
    assert_int_equal(f->fns->plugin.device_close(f->device, 0, NULL), MARU_ABI_BUSY);
    f->fns->fence.destroy(fence);
    // What was refused had no effect: the device still works, and closes.
    f->fns->buffer.free(make_buffer(f, 64, &at));
    assert_int_equal(f->fns->plugin.device_close(f->device, 0, NULL), MARU_ABI_OK);
    f->device = NULL;
}

static void a_parent_with_children_is_busy(void **state)
{
    (void)state;
    for_each(check_busy);
}

/* ---- 5.5 a list with an unknown kind or flag is refused before any of it runs ---- */

static void check_refused_list(const fixture *f, maru_abi_queue *queue, maru_abi_command *commands, const char *at)
{
    maru_abi_fence *fence = NULL;
    maru_abi_error error = fresh_error();
    uint64_t value = 99;
    assert_int_equal(f->fns->fence.create(f->device, 0, &fence, NULL), MARU_ABI_OK);
    const maru_abi_point signal = {fence, 1};
    const maru_abi_submit submit = {.head = MARU_ABI_HEAD(maru_abi_submit), .commands = commands, .n_commands = 2,
                                    .signals = &signal, .n_signals = 1};
    assert_int_equal(f->fns->queue.submit(queue, &submit, &error), MARU_ABI_UNSUPPORTED);
    assert_int_equal(error.code, MARU_ABI_UNSUPPORTED);
    assert_int_equal(at[0], 0);
    assert_int_equal(f->fns->fence.query(fence, &value, NULL), MARU_ABI_OK);
    assert_int_equal(value, 0); // nothing was accepted: nothing is signalled, and nothing fails
    f->fns->fence.destroy(fence);
    maru_abi_recording *recording = NULL;
    if (f->fns->queue.record) {
        assert_int_equal(f->fns->queue.record(queue, commands, 2, (maru_abi_array){0}, &recording, NULL),
                         MARU_ABI_UNSUPPORTED);
        assert_null(recording);
    }
}

static void check_lists(fixture *f)
{
    static const uint64_t flags[] = {0, 0, 1ull << 33};
    static const uint32_t kinds[] = {MARU_ABI_CMD_EXTENSION, 77, MARU_ABI_CMD_FILL};
    char *at = NULL;
    maru_abi_queue *queue = NULL;
    maru_abi_buffer *buffer = make_buffer(f, 64, &at);
    assert_int_equal(f->fns->queue.create(f->device, 0, &queue, NULL), MARU_ABI_OK);
    maru_abi_fill fill = {.head = MARU_ABI_HEAD(maru_abi_fill), .dst = {buffer, 0, 64}, .pattern = 7,
                          .pattern_bytes = 1};
    maru_abi_command commands[2] = {{.kind = MARU_ABI_CMD_FILL, .body = &fill}, {.body = &fill}};
    for (size_t i = 0; i < sizeof kinds / sizeof *kinds; i++) {
        commands[1].kind = kinds[i];
        commands[1].flags = flags[i];
        check_refused_list(f, queue, commands, at);
    }
    // The queue is none the worse; and a copy and a fill of 0 bytes do nothing.
    maru_abi_copy copy = {.head = MARU_ABI_HEAD(maru_abi_copy), .src = {buffer, 0, 0}, .dst = {buffer, 0, 0}};
    commands[1] = (maru_abi_command){.kind = MARU_ABI_CMD_COPY, .flags = 1u << 20, .body = &copy};
    fill.dst.bytes = 0;
    const maru_abi_submit submit = {.head = MARU_ABI_HEAD(maru_abi_submit), .commands = commands, .n_commands = 2};
    assert_int_equal(f->fns->queue.submit(queue, &submit, NULL), MARU_ABI_OK);
    assert_int_equal(at[0], 0);
    f->fns->queue.destroy(queue);
    f->fns->buffer.unmap(buffer);
    f->fns->buffer.free(buffer);
}

static void unknown_commands_have_no_effect(void **state)
{
    (void)state;
    for_each(check_lists);
}

/* ---- 5.8 timelines only rise, and a failure is for good and for everybody ---- */

static int is_written(int fd, uint64_t *out_value)
{
    *out_value = 0;
    return read(fd, out_value, sizeof *out_value) == sizeof *out_value;
}

static void check_fences(fixture *f)
{
    maru_abi_fence *fence = NULL;
    maru_abi_error reason = {.head = MARU_ABI_HEAD(maru_abi_error), .code = MARU_ABI_ABORTED, .message = "first"};
    maru_abi_error error = fresh_error();
    uint64_t value = 0;
    const int reached = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
    const int failed = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
    assert_int_equal(f->fns->fence.create(f->device, 5, &fence, NULL), MARU_ABI_OK);
    assert_int_equal(f->fns->fence.arm(fence, 7, reached, NULL), MARU_ABI_OK);
    assert_int_equal(f->fns->fence.arm(fence, 100, failed, NULL), MARU_ABI_OK);
    assert_int_equal(f->fns->fence.wait(fence, 6, maru_os_now_ns() + 1000000, &error), MARU_ABI_DEADLINE_EXCEEDED);
    assert_int_equal(f->fns->fence.signal(fence, 6, NULL), MARU_ABI_OK);
    assert_false(is_written(reached, &value));
    assert_int_equal(f->fns->fence.signal(fence, 8, NULL), MARU_ABI_OK);
    assert_true(is_written(reached, &value));
    assert_int_equal(value, 1);
    assert_int_equal(f->fns->fence.signal(fence, 9, NULL), MARU_ABI_OK);
    assert_false(is_written(reached, &value)); // once
    assert_false(is_written(failed, &value));
    (f->fns->fence.fail)(fence, &reason);
    assert_true(is_written(failed, &value));
    assert_int_equal(value, 1);
    memcpy(reason.message, "later", 6);
    (f->fns->fence.fail)(fence, &reason);
    for (int i = 0; i < 2; i++) {
        error = fresh_error();
        assert_int_equal(f->fns->fence.query(fence, &value, &error), MARU_ABI_ABORTED);
        assert_string_equal(error.message, "first");
        assert_int_equal(f->fns->fence.wait(fence, 1, maru_os_now_ns(), &error), MARU_ABI_ABORTED);
    }
    f->fns->fence.destroy(fence);
    close(reached);
    close(failed);
}

static void timelines_rise_or_fail_for_good(void **state)
{
    (void)state;
    for_each(check_fences);
}

/* ---- 7.1 the same request gets the same answer; 7.2 every node is claimed or refused ---- */

static void check_claims(fixture *f)
{
    static const int64_t typical = 2;
    test_graph g;
    maru_dev *dev = NULL;
    maru_dev_claims *answers[2] = {0};
    if (!f->fns->graph.claim)
        return;
    test_graph_init(&g, 1);
    const maru_abi_claim_request request = {.graph = &g.graph, .samples = {&typical, 1, 8}, .n_samples = 1};
    assert_ok(maru_dev_open(f->plugin, 0, NULL, &dev));
    for (int i = 0; i < 2; i++)
        assert_ok(maru_dev_claim(dev, &request, NULL, &answers[i])); // the wrapper checks 7.2
    const maru_abi_claims *a = maru_dev_claims_get(answers[0]);
    const maru_abi_claims *b = maru_dev_claims_get(answers[1]);
    assert_int_equal(a->claims.count, b->claims.count);
    assert_int_equal(a->refusals.count, b->refusals.count);
    assert_int_equal(a->nodes.count, b->nodes.count);
    if (a->nodes.count)
        assert_memory_equal(a->nodes.data, b->nodes.data, a->nodes.count * sizeof(uint32_t));
    for (uint32_t i = 0; i < a->refusals.count; i++)
        assert_string_equal(MARU_ABI_AT(maru_abi_refusal, a->refusals, i)->text,
                            MARU_ABI_AT(maru_abi_refusal, b->refusals, i)->text);
    for (int i = 0; i < 2; i++)
        maru_dev_claims_destroy(&answers[i]);
    assert_ok(maru_dev_close(&dev, false));
}

static void claims_are_pure(void **state)
{
    (void)state;
    for_each(check_claims);
}

/* ---- 3.7 what is not known is answered UNSUPPORTED; 5.10 a product is taken once ---- */

/* Starts and waits; *out_job is NULL unless it is DONE. */
static maru_abi_status compile_raw(const fixture *f, const maru_abi_graph *graph, uint64_t flags,
                                   maru_abi_job **out_job)
{
    const maru_abi_compile_request request = {.head = MARU_ABI_HEAD(maru_abi_compile_request), .graph = graph,
                                              .flags = flags};
    *out_job = NULL;
    maru_abi_status status = f->fns->graph.compile(f->device, &request, out_job, NULL);
    if (status != MARU_ABI_OK)
        return status;
    status = f->fns->job.wait(*out_job, maru_os_now_ns() + 5000000000, NULL);
    if (status != MARU_ABI_OK) {
        f->fns->job.destroy(*out_job);
        *out_job = NULL;
    }
    return status;
}

static void check_taken_once(const fixture *f, maru_abi_job *job)
{
    maru_abi_program *program = NULL;
    maru_abi_program *again = NULL;
    int32_t permille = 0;
    assert_int_equal(f->fns->job.poll(job, &permille, NULL), MARU_ABI_JOB_DONE);
    assert_int_equal(f->fns->graph.compile_take(job, &program, NULL), MARU_ABI_OK);
    assert_non_null(program);
    assert_int_not_equal(f->fns->graph.compile_take(job, &again, NULL), MARU_ABI_OK);
    assert_null(again);
    f->fns->job.destroy(job); // what was taken stays
    assert_int_equal(f->fns->plugin.device_close(f->device, 0, NULL), MARU_ABI_BUSY);
    f->fns->graph.program_destroy(program);
}

static void check_unknown(fixture *f)
{
    test_graph g;
    maru_abi_job *job = NULL;
    static const maru_abi_attr attr = {"colour", MARU_ABI_ATTR_STRING, 4, "blue"};
    if (!f->fns->graph.compile)
        return;
    test_graph_init(&g, 0);
    if (compile_raw(f, &g.graph, 0, &job) == MARU_ABI_OK)
        check_taken_once(f, job);
    assert_int_equal(compile_raw(f, &g.graph, 1ull << 40, &job), MARU_ABI_UNSUPPORTED);
    g.nodes[1].op = "NoSuchOp";
    assert_int_equal(compile_raw(f, &g.graph, 0, &job), MARU_ABI_UNSUPPORTED);
    test_graph_init(&g, 0);
    g.nodes[1].domain = "com.nobody";
    assert_int_equal(compile_raw(f, &g.graph, 0, &job), MARU_ABI_UNSUPPORTED);
    test_graph_init(&g, 0);
    g.graph.attrs = (maru_abi_array){&attr, 1, sizeof attr};
    g.nodes[2].n_attrs = 1;
    assert_int_equal(compile_raw(f, &g.graph, 0, &job), MARU_ABI_UNSUPPORTED);
    test_graph_init(&g, 0);
    for (uint32_t i = 0; i < g.graph.values.count; i++)
        g.values[i].dtype = (maru_abi_dtype){250, 7, 3};
    assert_int_equal(compile_raw(f, &g.graph, 0, &job), MARU_ABI_UNSUPPORTED);
}

static void what_is_not_known_is_unsupported(void **state)
{
    (void)state;
    for_each(check_unknown);
}

/* ---- 10.1 what any thread may call at the same time ---- */

typedef struct caller {
    maru_os_thread thread;
    const fixture *f;
    maru_abi_buffer *buffers[20];
    maru_abi_fence *shared;
    bool right;
} caller;

static void *call(void *arg)
{
    caller *c = arg;
    const fixture *f = c->f;
    c->right = true;
    for (size_t i = 0; c->right && i < sizeof c->buffers / sizeof *c->buffers; i++) {
        maru_abi_device_info info = {.head = MARU_ABI_HEAD(maru_abi_device_info)};
        maru_abi_fence *fence = NULL;
        uint64_t value = 0;
        c->right = f->fns->plugin.device_info(f->handle, 0, &info, NULL) == MARU_ABI_OK &&
                   f->fns->fence.create(f->device, 0, &fence, NULL) == MARU_ABI_OK &&
                   f->fns->fence.signal(fence, 3, NULL) == MARU_ABI_OK &&
                   f->fns->fence.wait(fence, 3, maru_os_now_ns() + 1000000000, NULL) == MARU_ABI_OK &&
                   f->fns->fence.query(c->shared, &value, NULL) == MARU_ABI_OK;
        f->fns->fence.destroy(fence);
        f->fns->buffer.free(c->buffers[i]);
    }
    return NULL;
}

static void check_threads(fixture *f)
{
    caller callers[4];
    maru_abi_fence *shared = NULL;
    assert_int_equal(f->fns->fence.create(f->device, 0, &shared, NULL), MARU_ABI_OK);
    for (int i = 0; i < 4; i++) {
        callers[i] = (caller){.f = f, .shared = shared};
        for (size_t k = 0; k < sizeof callers[i].buffers / sizeof *callers[i].buffers; k++)
            assert_int_equal(f->fns->buffer.alloc(f->device, 0, 64, &callers[i].buffers[k], NULL), MARU_ABI_OK);
    }
    for (int i = 0; i < 4; i++)
        assert_ok(maru_os_thread_start(&callers[i].thread, call, &callers[i]));
    for (int i = 0; i < 4; i++) {
        maru_os_thread_join(&callers[i].thread);
        assert_true(callers[i].right);
    }
    f->fns->fence.destroy(shared);
}

static void some_calls_are_for_any_thread(void **state)
{
    (void)state;
    for_each(check_threads);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_query_is_pure),
        cmocka_unit_test(out_structs_keep_to_their_room),
        cmocka_unit_test(unknown_flags_are_refused_or_ignored),
        cmocka_unit_test(errors_are_the_callers),
        cmocka_unit_test(a_parent_with_children_is_busy),
        cmocka_unit_test(unknown_commands_have_no_effect),
        cmocka_unit_test(timelines_rise_or_fail_for_good),
        cmocka_unit_test(claims_are_pure),
        cmocka_unit_test(what_is_not_known_is_unsupported),
        cmocka_unit_test(some_calls_are_for_any_thread),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
