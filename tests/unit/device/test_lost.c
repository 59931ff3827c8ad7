// SPDX-FileCopyrightText: The Maru authors
// SPDX-License-Identifier: Apache-2.0

/* Devices that are lost, given up, discarded from, or seen from a forked child: every call of the wrappers. */

#define _GNU_SOURCE // eventfd, fork, memfd_create

#include "device_test.h"

#include "base/log.h"
#include "device/device.h"
#include "device/registry.h"
#include "device_graph.h"
#include "exec/block.h"

#include <sys/eventfd.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

/* What is given up is leaked on purpose. */
#if defined(__SANITIZE_ADDRESS__)
#include <sanitizer/lsan_interface.h>
#define LEAKING(statements)  \
    do {                     \
        __lsan_disable();    \
        statements;          \
        __lsan_enable();     \
    } while (0)
#else
#define LEAKING(statements) \
    do {                    \
        statements;         \
    } while (0)
#endif

static const int64_t two = 2;

/* One of each object. */
typedef struct fixture {
    test_host host;
    maru_plugin *plugin;
    maru_dev *dev;
    maru_dev_queue *queue;
    maru_dev_fence *fence;
    maru_dev_buffer *buffer;
    maru_dev_buffer *mapped;
    maru_dev_commands *list;
    maru_dev_program *program;
    maru_dev_bound *bound;
    test_graph graph;
} fixture;

static void open_dev(fixture *f, const char *options)
{
    void *at = NULL;
    *f = (fixture){0};
    test_host_init(&f->host, options);
    assert_ok(maru_plugin_load(test_plugin("fault/fault.so"), &f->host.params, &f->plugin));
    assert_ok(maru_dev_open(f->plugin, 0, options, &f->dev));
    assert_ok(maru_dev_queue_create(f->dev, &f->queue));
    assert_ok(maru_dev_fence_create(f->dev, 0, &f->fence));
    assert_ok(maru_dev_buffer_alloc(f->dev, 0, 256, &f->buffer));
    assert_ok(maru_dev_buffer_alloc(f->dev, 0, 256, &f->mapped));
    assert_ok(maru_dev_buffer_map(f->mapped, 0, 256, MARU_ABI_MAP_READ, &at));
    assert_ok(maru_dev_commands_create(f->dev, &f->list));
    assert_ok(maru_dev_commands_fill(f->list, 0, (maru_dev_binding){f->buffer, 0, 256}, 0, 4));
    assert_ok(maru_dev_commands_validate(f->list));
    test_graph_init(&f->graph, 0);
    const maru_abi_compile_request request = {.graph = &f->graph.graph};
    assert_ok(maru_dev_compile(f->dev, &request, NULL, &f->program));
    assert_ok(maru_dev_program_bind(f->program, &two, 1, &two, 1, &f->bound));
}

static void free_objects(fixture *f)
{
    maru_dev_bound_destroy(&f->bound);
    maru_dev_program_destroy(&f->program);
    maru_dev_commands_destroy(&f->list);
    if (f->mapped)
        maru_dev_buffer_unmap(f->mapped);
    maru_dev_buffer_free(&f->mapped);
    maru_dev_buffer_free(&f->buffer);
    maru_dev_queue_destroy(&f->queue);
    maru_dev_fence_destroy(&f->fence);
}

static void close_dev(fixture *f)
{
    free_objects(f);
    assert_ok(maru_dev_close(&f->dev, false));
    assert_ok(maru_plugin_unload(&f->plugin));
    test_host_fini(&f->host);
}

/* ---- every call ---- */

typedef struct expectation {
    maru_status status;
    const char *text;
    const char *wrong;  // the first call that did otherwise
} expectation;

static void expect(expectation *e, const char *call, maru_status status)
{
    if (!e->wrong && (status != e->status || !strstr(maru_error_message(), e->text)))
        e->wrong = call;
}

#define EXPECT(call) expect(e, #call, call)

static void call_buffers(fixture *f, expectation *e)
{
    _Alignas(64) static char memory[64];
    maru_dev_buffer *b = NULL;
    maru_abi_external external;
    maru_abi_mem_info info;
    void *at = NULL;
    uint64_t bytes = 0;
    const int64_t dim = 4;
    const maru_abi_tensor_desc desc = {.head = MARU_ABI_HEAD(maru_abi_tensor_desc), .dtype = {MARU_ABI_F32, 1, 4},
                                       .rank = 1, .dims = &dim};
    EXPECT(maru_dev_buffer_alloc(f->dev, 0, 64, &b));
    EXPECT(maru_dev_buffer_import_host(f->dev, memory, 64, false, &b));
    EXPECT(maru_dev_buffer_import_fd(f->dev, 0, 0, 64, true, &b));
    EXPECT(maru_dev_buffer_export(f->buffer, MARU_ABI_IMPORT_FD, &external));
    EXPECT(maru_dev_buffer_map(f->buffer, 0, 64, MARU_ABI_MAP_READ, &at));
    EXPECT(maru_dev_alloc_size(f->dev, &desc, &bytes));
    EXPECT(maru_dev_mem_info(f->dev, 0, &info));
}

static void call_queues(fixture *f, expectation *e)
{
    maru_dev_queue *queue = NULL;
    maru_dev_fence *fence = NULL;
    maru_dev_recording *recording = NULL;
    maru_abi_timestamp time;
    uint32_t n = 0;
    uint64_t value = 0;
    int fd = -1;
    const maru_dev_point point = {f->fence, 5};
    EXPECT(maru_dev_queue_create(f->dev, &queue));
    EXPECT(maru_dev_queue_submit(f->queue, f->list, NULL, 0, &point, 1, false));
    EXPECT(maru_dev_queue_run(f->queue, f->list, 0));
    EXPECT(maru_dev_queue_record(f->queue, f->list, NULL, 0, &recording));
    EXPECT(maru_dev_queue_profile(f->queue, &time, 1, &n));
    EXPECT(maru_dev_queue_discard(f->queue));
    EXPECT(maru_dev_commands_validate(f->list));
    EXPECT(maru_dev_fence_create(f->dev, 0, &fence));
    EXPECT(maru_dev_fence_query(f->fence, &value));
    EXPECT(maru_dev_fence_wait(f->fence, 9, 0));
    EXPECT(maru_dev_fence_signal(f->fence, 99));
    EXPECT(maru_dev_fence_arm(f->fence, 99, 0));
    EXPECT(maru_dev_fence_export_sync_fd(f->fence, 1, &fd));
}

static void call_programs(fixture *f, expectation *e)
{
    maru_dev_claims *claims = NULL;
    maru_dev_program *program = NULL;
    maru_dev_bound *bound = NULL;
    maru_dev_module *module = NULL;
    void *data = NULL;
    size_t bytes = 0;
    float *c = f->graph.c_data;
    const maru_abi_claim_request claim = {.graph = &f->graph.graph, .samples = {&two, 1, 8}, .n_samples = 1};
    const maru_abi_compile_request compile = {.graph = &f->graph.graph};
    const maru_abi_module_request source = {.format = "opencl-c", .data = "x", .bytes = 1};
    const maru_abi_tensor_desc desc = {.head = MARU_ABI_HEAD(maru_abi_tensor_desc)};
    EXPECT(maru_dev_claim(f->dev, &claim, NULL, &claims));
    EXPECT(maru_dev_compile(f->dev, &compile, NULL, &program));
    EXPECT(maru_dev_program_load(f->dev, &f->graph.graph, "x", 1, NULL, &program));
    EXPECT(maru_dev_program_bind(f->program, &two, 1, &two, 1, &bound));
    EXPECT(maru_dev_program_pack(f->program, 0, c, sizeof f->graph.c_data, c, sizeof f->graph.c_data));
    EXPECT(maru_dev_program_save(f->program, &data, &bytes));
    EXPECT(maru_dev_program_unload(f->program));
    EXPECT(maru_dev_program_reload(f->program));
    EXPECT(maru_dev_module_build(f->dev, &source, NULL, &module));
    EXPECT(maru_dev_state_convert(f->dev, &desc, c, (maru_dev_binding){f->buffer, 0, 64}, true));
}

static const char *call_everything(fixture *f, maru_status status, const char *text)
{
    expectation e = {.status = status, .text = text};
    call_buffers(f, &e);
    call_queues(f, &e);
    call_programs(f, &e);
    return e.wrong;
}

static void a_lost_device_fails_every_call_at_once(void **state)
{
    (void)state;
    fixture f;
    open_dev(&f, "fault=lost-after=0");
    assert_fails(maru_dev_queue_run(f.queue, f.list, maru_os_now_ns() + 1000000000), MARU_DEVICE_LOST,
                 "fell off its bus");
    const char *wrong = call_everything(&f, MARU_DEVICE_LOST, "the device was lost");
    if (wrong)
        fail_msg("%s: %s", wrong, maru_error_message());
    close_dev(&f); // destroy, free, unmap and close work
}

static void a_forked_child_may_call_nothing(void **state)
{
    (void)state;
    fixture f;
    open_dev(&f, NULL);
    pid_t child = fork();
    if (child == 0) {
        const char *wrong = call_everything(&f, MARU_FAILED_PRECONDITION, "forked");
        if (wrong)
            dprintf(STDERR_FILENO, "%s: %s\n", wrong, maru_error_message());
        maru_dev *dev = f.dev;
        const bool reset_fails = maru_dev_reset(dev) == MARU_FAILED_PRECONDITION;
        free_objects(&f); // frees the child's side, and tells the plugin nothing
        const bool close_fails = maru_dev_close(&dev, false) == MARU_FAILED_PRECONDITION;
        const bool gives_up = maru_dev_close(&dev, true) == MARU_OK;
        _exit(wrong || !reset_fails || !close_fails || !gives_up);
    }
    int result = -1;
    assert_int_equal(waitpid(child, &result, 0), child);
    assert_int_equal(result, 0);
    assert_ok(maru_dev_queue_run(f.queue, f.list, maru_os_now_ns() + 1000000000)); // the parent's lives on
    close_dev(&f);
}

/* ---- giving up ---- */

static maru_plugin *kept[8];  // plugins that were given up stay in memory: here they can be seen to

static void give_up(fixture *f)
{
    assert_fails(maru_dev_close(&f->dev, false), MARU_UNAVAILABLE, "of its objects live");
    assert_non_null(f->dev);
    assert_ok(maru_dev_close(&f->dev, true));
    assert_null(f->dev);
    // What lives on can be asked nothing more, and goes quietly.
    uint64_t value = 0;
    void *at = NULL;
    assert_fails(maru_dev_fence_query(f->fence, &value), MARU_FAILED_PRECONDITION, "the device is closed");
    assert_fails(maru_dev_buffer_map(f->buffer, 0, 8, MARU_ABI_MAP_READ, &at), MARU_FAILED_PRECONDITION, "is closed");
    free_objects(f);
    for (size_t i = 0; i < sizeof kept / sizeof *kept; i++) {
        if (kept[i])
            continue;
        kept[i] = f->plugin;
        break;
    }
    maru_plugin *plugin = f->plugin;
    assert_int_equal(maru_plugin_unload(&plugin), MARU_ABORTED);
    assert_null(plugin);
    // The services that it was given stay too: the pool is not destroyed.
}

static void giving_up_is_never_busy(void **state)
{
    (void)state;
    fixture f;
    LEAKING(open_dev(&f, NULL));
    give_up(&f);
    assert_int_equal(maru_plugin_leaked_bytes(kept[0]), 0);
    LEAKING(open_dev(&f, "fault=lost-after=0"));
    LEAKING(assert_fails(maru_dev_queue_run(f.queue, f.list, 0), MARU_DEVICE_LOST, "fell off its bus"));
    give_up(&f);
}

/* ---- memory that the host lent ---- */

typedef struct lender {
    maru_allocator allocator;
    maru_runtime *runtime;
    atomic_int n_free;
    size_t last_bytes;
} lender;

static void *lend(void *ctx, size_t bytes, size_t align)
{
    lender *l = ctx;
    l->last_bytes = bytes;
    return aligned_alloc(align, (bytes + align - 1) / align * align);
}

static void take_back(void *ctx, void *memory)
{
    if (memory)
        atomic_fetch_add(&((lender *)ctx)->n_free, 1);
    free(memory);
}

static void make_lender(lender *l)
{
    *l = (lender){.allocator = {.ctx = l, .alloc = lend, .free = take_back}};
    const maru_runtime_params params = {.allocator = &l->allocator, .plugin_path = "", .skip_probe = 1};
    assert_ok(maru_runtime_create(&params, &l->runtime));
}

static void import_block(lender *l, maru_block *block, maru_dev *dev, uint32_t index)
{
    maru_dev_binding binding;
    if (!block->data)
        assert_ok(maru_block_host(block, l->runtime, 4096));
    assert_ok(maru_block_on(block, dev, index, &binding));
}

static void memory_of_a_lost_device_waits_for_its_close(void **state)
{
    (void)state;
    fixture f;
    lender l;
    maru_block healthy = {0};
    maru_block lent = {0};
    make_lender(&l);
    open_dev(&f, "fault=lost-after=0");
    import_block(&l, &healthy, f.dev, 0);
    maru_block_fini(&healthy);
    assert_int_equal(atomic_load(&l.n_free), 1); // a device that works lets go of it when the buffer is freed
    import_block(&l, &lent, f.dev, 0);
    assert_fails(maru_dev_queue_run(f.queue, f.list, 0), MARU_DEVICE_LOST, "fell off its bus");
    maru_block_fini(&lent);
    assert_null(lent.data);
    assert_int_equal(atomic_load(&l.n_free), 1);
    free_objects(&f);
    assert_ok(maru_dev_close(&f.dev, false));
    assert_int_equal(atomic_load(&l.n_free), 2);
    assert_int_equal(maru_plugin_leaked_bytes(f.plugin), 0);
    assert_ok(maru_plugin_unload(&f.plugin));
    test_host_fini(&f.host);
    maru_runtime_destroy(&l.runtime);
}

/* Lent to two devices, of which both are lost: the last close counts. */
static void memory_of_two_lost_devices_waits_for_both(void **state)
{
    (void)state;
    fixture a;
    fixture b;
    lender l;
    maru_block lent = {0};
    make_lender(&l);
    open_dev(&a, NULL);
    open_dev(&b, NULL);
    import_block(&l, &lent, a.dev, 0);
    import_block(&l, &lent, b.dev, 1);
    maru_dev_mark_lost(a.dev);
    maru_dev_mark_lost(b.dev);
    maru_block_fini(&lent);
    close_dev(&a);
    assert_int_equal(atomic_load(&l.n_free), 0);
    close_dev(&b);
    assert_int_equal(atomic_load(&l.n_free), 1);
    maru_runtime_destroy(&l.runtime);
}

static void see_leak(void *ctx, maru_log_level level, const char *line)
{
    if (level == MARU_LOG_WARN && strstr(line, "4096 bytes of host memory stay with a device that was given up"))
        ++*(int *)ctx;
}

/* Handed over before or after the device is given up: it is never freed, and it is counted. */
static void memory_of_a_device_that_was_given_up_is_leaked_and_counted(void **state)
{
    (void)state;
    fixture f;
    lender l;
    maru_block before = {0};
    maru_block after = {0};
    int n_said = 0;
    make_lender(&l);
    LEAKING(open_dev(&f, NULL));
    LEAKING(import_block(&l, &before, f.dev, 0));
    LEAKING(import_block(&l, &after, f.dev, 0));
    maru_plugin *plugin = f.plugin;
    maru_log_set_sink(see_leak, &n_said);
    maru_dev_mark_lost(f.dev);
    maru_block_fini(&before);
    assert_int_equal(maru_plugin_leaked_bytes(plugin), 0);
    give_up(&f);
    assert_int_equal(maru_plugin_leaked_bytes(plugin), 4096);
    maru_block_fini(&after);
    assert_int_equal(maru_plugin_leaked_bytes(plugin), 8192);
    assert_int_equal(atomic_load(&l.n_free), 0);
    assert_int_equal(n_said, 2);
    maru_log_set_sink(NULL, NULL);
    maru_runtime_destroy(&l.runtime);
}

/* ---- discard ---- */

static void discarded_lists_are_cancelled(void **state)
{
    (void)state;
    fixture f;
    maru_dev_fence *second = NULL;
    uint64_t value = 0;
    open_dev(&f, "fault=hold");
    assert_ok(maru_dev_fence_create(f.dev, 0, &second));
    const maru_dev_point points[2] = {{f.fence, 1}, {second, 1}};
    const int fd = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
    assert_ok(maru_dev_fence_arm(second, 1, fd));
    assert_ok(maru_dev_queue_submit(f.queue, f.list, NULL, 0, &points[0], 1, false));
    assert_ok(maru_dev_queue_submit(f.queue, f.list, NULL, 0, &points[1], 1, false));
    assert_fails(maru_dev_fence_wait(f.fence, 1, maru_os_now_ns() + 1000000), MARU_DEADLINE_EXCEEDED, "in time");
    assert_ok(maru_dev_queue_discard(f.queue));
    assert_fails(maru_dev_fence_wait(f.fence, 1, MARU_DEV_NO_DEADLINE), MARU_CANCELLED, "discarded before it started");
    assert_fails(maru_dev_fence_query(second, &value), MARU_CANCELLED, "discarded");
    assert_int_equal(read(fd, &value, sizeof value), sizeof value); // who armed it hears of it too
    assert_false(maru_dev_is_lost(f.dev));
    close(fd);
    maru_dev_fence_destroy(&second);
    close_dev(&f);
}

/* Discarded by another thread than the one that waits. */
static void *discard(void *arg)
{
    fixture *f = arg;
    maru_os_sleep_ns(2000000);
    return maru_dev_queue_discard(f->queue) == MARU_OK ? arg : NULL;
}

static void any_thread_may_discard(void **state)
{
    (void)state;
    fixture f;
    maru_os_thread thread;
    open_dev(&f, "fault=hold");
    assert_ok(maru_os_thread_start(&thread, discard, &f));
    assert_fails(maru_dev_queue_run(f.queue, f.list, maru_os_now_ns() + 10000000000), MARU_CANCELLED, "discarded");
    maru_os_thread_join(&thread);
    close_dev(&f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_lost_device_fails_every_call_at_once),
        cmocka_unit_test(a_forked_child_may_call_nothing),
        cmocka_unit_test(giving_up_is_never_busy),
        cmocka_unit_test(memory_of_a_lost_device_waits_for_its_close),
        cmocka_unit_test(memory_of_two_lost_devices_waits_for_both),
        cmocka_unit_test(memory_of_a_device_that_was_given_up_is_leaked_and_counted),
        cmocka_unit_test(discarded_lists_are_cancelled),
        cmocka_unit_test(any_thread_may_discard),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
