// SPDX-FileCopyrightText: The Maru authors
// SPDX-License-Identifier: Apache-2.0

/* What the CPU plugin offers beside running: memory that others can map, and lists that are kept and replayed. */

#define _GNU_SOURCE // memfd_create, pipe

#include "device_test.h"

#include "device/device.h"
#include "device_graph.h"

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

typedef struct fixture {
    test_host host;
    maru_plugin *plugin;
    maru_dev *dev;
    maru_dev_queue *queue;
} fixture;

static void open_cpu(fixture *f)
{
    const char *root = getenv("MARU_BUILD_ROOT");
    char path[4096];
    *f = (fixture){0};
    snprintf(path, sizeof path, "%s/backends/cpu/cpu.so", root ? root : "build");
    test_host_init(&f->host, NULL);
    assert_ok(maru_plugin_load(path, &f->host.params, &f->plugin));
    assert_ok(maru_dev_open(f->plugin, 0, "kernels=ref", &f->dev));
    assert_ok(maru_dev_queue_create(f->dev, &f->queue));
}

static void close_cpu(fixture *f)
{
    maru_dev_queue_destroy(&f->queue);
    assert_ok(maru_dev_close(&f->dev, false));
    assert_ok(maru_plugin_unload(&f->plugin));
    test_host_fini(&f->host);
}

static void put(maru_dev_buffer *b, uint64_t offset, const void *data, uint64_t bytes)
{
    void *at = NULL;
    assert_ok(maru_dev_buffer_map(b, offset, bytes, MARU_ABI_MAP_WRITE, &at));
    memcpy(at, data, bytes);
    maru_dev_buffer_unmap(b);
}

static void check(maru_dev_buffer *b, uint64_t offset, const void *data, uint64_t bytes)
{
    void *at = NULL;
    assert_ok(maru_dev_buffer_map(b, offset, bytes, MARU_ABI_MAP_READ, &at));
    assert_memory_equal(at, data, bytes);
    maru_dev_buffer_unmap(b);
}

static void run_copy(fixture *f, maru_dev_binding dst, maru_dev_binding src)
{
    maru_dev_commands *list = NULL;
    assert_ok(maru_dev_commands_create(f->dev, &list));
    assert_ok(maru_dev_commands_copy(list, 0, dst, src));
    assert_ok(maru_dev_commands_validate(list));
    assert_ok(maru_dev_queue_run(f->queue, list, MARU_DEV_NO_DEADLINE));
    maru_dev_commands_destroy(&list);
}

static maru_dev_buffer *make_shareable(const fixture *f, uint64_t bytes)
{
    maru_dev_buffer *b = NULL;
    const uint32_t kind = maru_dev_find_memory_kind(f->dev, MARU_ABI_MEM_SHAREABLE | MARU_ABI_MEM_HOST_VISIBLE);
    assert_int_not_equal(kind, MARU_ABI_NO_INDEX);
    assert_ok(maru_dev_buffer_alloc(f->dev, kind, bytes, &b));
    return b;
}

static maru_dev_buffer *make_plain(const fixture *f, uint64_t bytes)
{
    maru_dev_buffer *b = NULL;
    assert_ok(maru_dev_buffer_alloc(f->dev, 0, bytes, &b));
    return b;
}

/* ---- shared memory ---- */

/* Between two instances of the plugin: one memory, in both directions, and it outlives who made it. */
static void a_buffer_is_exported_and_imported(void **state)
{
    (void)state;
    fixture a;
    fixture b;
    maru_abi_external external;
    maru_dev_buffer *theirs = NULL;
    maru_abi_mem_info memory = {0};
    open_cpu(&a);
    open_cpu(&b);
    maru_dev_buffer *ours = make_shareable(&a, 10000);
    maru_dev_buffer *copy = make_plain(&b, 64);
    assert_ok(maru_dev_mem_info(a.dev, ours->kind, &memory));
    put(ours, 4096, "from the first", 15);
    assert_ok(maru_dev_buffer_export(ours, MARU_ABI_IMPORT_FD, &external));
    assert_true(external.fd >= 0 && (fcntl(external.fd, F_GETFD) & FD_CLOEXEC));
    assert_int_equal(external.bytes, 10000);
    assert_ok(maru_dev_buffer_import_fd(b.dev, external.fd, external.offset, external.bytes, false, &theirs));
    close(external.fd);
    run_copy(&b, (maru_dev_binding){copy, 0, 15}, (maru_dev_binding){theirs, 4096, 15});
    check(copy, 0, "from the first", 15);
    put(copy, 0, "from the second", 16);
    run_copy(&b, (maru_dev_binding){theirs, 64, 16}, (maru_dev_binding){copy, 0, 16});
    check(ours, 64, "from the second", 16);
    maru_dev_buffer_free(&ours);
    close_cpu(&a);
    run_copy(&b, (maru_dev_binding){copy, 16, 15}, (maru_dev_binding){theirs, 4096, 15});
    check(copy, 16, "from the first", 15);
    maru_dev_buffer_free(&theirs);
    maru_dev_buffer_free(&copy);
    close_cpu(&b);
}

/* A part, at an offset that is no page's; read-only memory of another's making. */
static void a_part_of_a_file_is_imported(void **state)
{
    (void)state;
    fixture f;
    maru_dev_buffer *part = NULL;
    char bytes[8192];
    open_cpu(&f);
    for (size_t i = 0; i < sizeof bytes; i++)
        bytes[i] = (char)(i / 64);
    int fd = memfd_create("weights", MFD_CLOEXEC);
    assert_int_equal(write(fd, bytes, sizeof bytes), sizeof bytes);
    assert_ok(maru_dev_buffer_import_fd(f.dev, fd, 4096 + 128, 256, true, &part));
    close(fd);
    maru_dev_buffer *copy = make_plain(&f, 256);
    run_copy(&f, (maru_dev_binding){copy, 0, 256}, (maru_dev_binding){part, 0, 256});
    check(copy, 0, bytes + 4096 + 128, 256);
    maru_dev_buffer_free(&part);
    maru_dev_buffer_free(&copy);
    close_cpu(&f);
}

/* The exporter may not be cut short under its readers, and another process sees the same bytes. */
static void another_process_sees_it(void **state)
{
    (void)state;
    fixture f;
    maru_abi_external external;
    open_cpu(&f);
    maru_dev_buffer *b = make_shareable(&f, 4096);
    assert_ok(maru_dev_buffer_export(b, MARU_ABI_IMPORT_FD, &external));
    assert_int_equal(ftruncate(external.fd, 0), -1);
    pid_t child = fork();
    if (child == 0) {
        char *at = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED, external.fd, 0);
        if (at != MAP_FAILED)
            memcpy(at, "child", 6);
        _exit(at == MAP_FAILED);
    }
    int result = -1;
    assert_int_equal(waitpid(child, &result, 0), child);
    assert_int_equal(result, 0);
    check(b, 0, "child", 6);
    close(external.fd);
    maru_dev_buffer_free(&b);
    close_cpu(&f);
}

static void what_cannot_be_shared_has_a_sentence(void **state)
{
    (void)state;
    fixture f;
    maru_abi_external external;
    maru_dev_buffer *b = NULL;
    _Alignas(64) static char memory[64];
    int ends[2];
    open_cpu(&f);
    maru_dev_buffer *plain = make_plain(&f, 64);
    maru_dev_buffer *shared = make_shareable(&f, 64);
    assert_fails(maru_dev_buffer_export(plain, MARU_ABI_IMPORT_FD, &external), MARU_UNSUPPORTED, "not SHAREABLE");
    assert_fails(maru_dev_buffer_export(shared, MARU_ABI_IMPORT_DMABUF, &external), MARU_UNSUPPORTED,
                 "becomes a file, not kind 3");
    assert_fails(maru_dev_buffer_export(shared, 99, &external), MARU_INVALID_ARGUMENT, "kind 99");
    assert_ok(maru_dev_buffer_import_host(f.dev, memory, 64, false, &b));
    assert_fails(maru_dev_buffer_export(b, MARU_ABI_IMPORT_FD, &external), MARU_UNSUPPORTED, "not SHAREABLE");
    maru_dev_buffer_free(&b);
    assert_int_equal(external.fd, -1);
    int fd = memfd_create("short", MFD_CLOEXEC);
    assert_int_equal(ftruncate(fd, 4096), 0);
    assert_fails(maru_dev_buffer_import_fd(f.dev, -1, 0, 64, false, &b), MARU_INVALID_ARGUMENT, "no descriptor");
    assert_fails(maru_dev_buffer_import_fd(f.dev, 1 << 20, 0, 64, false, &b), MARU_INVALID_ARGUMENT,
                 "no open descriptor");
    assert_fails(maru_dev_buffer_import_fd(f.dev, fd, 0, 0, false, &b), MARU_INVALID_ARGUMENT, "0 bytes");
    assert_fails(maru_dev_buffer_import_fd(f.dev, fd, 4032, 65, false, &b), MARU_OUT_OF_RANGE,
                 "[4032, +65) lies outside a file of 4096 bytes");
    assert_fails(maru_dev_buffer_import_fd(f.dev, fd, UINT64_MAX, 64, false, &b), MARU_OUT_OF_RANGE, "no range");
    assert_fails(maru_dev_buffer_import_fd(f.dev, fd, 32, 64, false, &b), MARU_INVALID_ARGUMENT, "no multiple of 64");
    assert_int_equal(pipe(ends), 0);
    assert_fails(maru_dev_buffer_import_fd(f.dev, ends[0], 0, 64, false, &b), MARU_UNSUPPORTED, "no file");
    int readable = open("/proc/self/exe", O_RDONLY | O_CLOEXEC);
    if (readable >= 0) {
        assert_fails(maru_dev_buffer_import_fd(f.dev, readable, 0, 64, false, &b), MARU_PERMISSION_DENIED,
                     "for writing");
        assert_ok(maru_dev_buffer_import_fd(f.dev, readable, 0, 64, true, &b));
        maru_dev_buffer_free(&b);
        close(readable);
    }
    assert_null(b);
    close(ends[0]);
    close(ends[1]);
    close(fd);
    maru_dev_buffer_free(&plain);
    maru_dev_buffer_free(&shared);
    close_cpu(&f);
}

/* ---- recordings ---- */

/* x at 0, y at 256, out at 512, the constant at 768, the workspace from 1024 on. */
typedef struct recorded {
    maru_dev_program *program;
    maru_dev_bound *bound;
    maru_dev_buffer *memory;
    maru_dev_buffer *x;  // the one that may be exchanged
    maru_dev_commands *list;
    maru_dev_recording *recording;
} recorded;

static const int64_t two = 2;

static void fill_floats(maru_dev_buffer *b, uint64_t offset, float value)
{
    float data[32];
    for (int i = 0; i < 32; i++)
        data[i] = value;
    put(b, offset, data, sizeof data);
}

static void expect_float(maru_dev_buffer *b, uint64_t offset, float value)
{
    check(b, offset, &value, sizeof value);
}

static void make_recording(fixture *f, test_graph *g, recorded *r)
{
    *r = (recorded){0};
    test_graph_init(g, 0);
    maru_abi_compile_request request = {.graph = &g->graph};
    assert_ok(maru_dev_compile(f->dev, &request, NULL, &r->program));
    assert_ok(maru_dev_program_bind(r->program, &two, 1, &two, 1, &r->bound));
    const uint64_t workspace = maru_dev_bound_info(r->bound)->workspace_bytes;
    r->memory = make_plain(f, 1024 + workspace + 64);
    r->x = make_plain(f, 256);
    fill_floats(r->memory, 256, 3); // y
    fill_floats(r->memory, 768, 2); // c
    maru_dev_binding bindings[5] = {
        {r->x, 0, 32}, {r->memory, 256, 32}, {r->memory, 512, 32}, {r->memory, 768, 128},
        {r->memory, 1024, workspace},
    };
    assert_ok(maru_dev_commands_create(f->dev, &r->list));
    assert_ok(maru_dev_commands_run(r->list, 0, r->program, r->bound, bindings, workspace ? 5 : 4, &two, 1, &two, 1));
    // The second half of the result becomes a copy of the first.
    assert_ok(maru_dev_commands_copy(r->list, 1, (maru_dev_binding){r->memory, 528, 16},
                                     (maru_dev_binding){r->memory, 512, 16}));
    maru_dev_recording *early = NULL;
    assert_fails(maru_dev_queue_record(f->queue, r->list, &r->x, 1, &early), MARU_FAILED_PRECONDITION,
                 "not validated");
    assert_ok(maru_dev_commands_validate(r->list));
    assert_ok(maru_dev_queue_record(f->queue, r->list, &r->x, 1, &r->recording));
}

static void free_recording(recorded *r)
{
    maru_dev_recording_destroy(&r->recording);
    maru_dev_commands_destroy(&r->list);
    maru_dev_buffer_free(&r->x);
    maru_dev_buffer_free(&r->memory);
    maru_dev_bound_destroy(&r->bound);
    maru_dev_program_destroy(&r->program);
}

static void replay(fixture *f, maru_dev_fence *fence, uint64_t value, recorded *r, maru_dev_buffer *const *rebind,
                   uint32_t n_rebind)
{
    const maru_dev_point point = {fence, value};
    assert_ok(maru_dev_queue_replay(f->queue, r->recording, rebind, n_rebind, NULL, 0, &point, 1, false));
    assert_ok(maru_dev_fence_wait(fence, value, MARU_DEV_NO_DEADLINE));
}

/* out = relu((x + 3) * 2). */
static void a_recording_reads_what_buffers_hold_when_it_is_replayed(void **state)
{
    (void)state;
    fixture f;
    test_graph g;
    recorded r;
    maru_dev_fence *fence = NULL;
    open_cpu(&f);
    assert_true(maru_dev_info(f.dev)->caps & MARU_ABI_CAP_RECORD);
    make_recording(&f, &g, &r);
    assert_ok(maru_dev_fence_create(f.dev, 0, &fence));
    for (uint64_t i = 1; i <= 3; i++) {
        fill_floats(r.x, 0, (float)i);
        replay(&f, fence, i, &r, NULL, 0);
        expect_float(r.memory, 512, ((float)i + 3) * 2);
        expect_float(r.memory, 528, ((float)i + 3) * 2);
    }
    // The list it was made from goes its own way.
    assert_ok(maru_dev_commands_set_copy(r.list, 1, (maru_dev_binding){r.memory, 640, 16},
                                         (maru_dev_binding){r.memory, 512, 16}));
    maru_dev_commands_destroy(&r.list);
    fill_floats(r.memory, 640, -1);
    fill_floats(r.x, 0, 7);
    replay(&f, fence, 4, &r, NULL, 0);
    expect_float(r.memory, 528, 20);
    expect_float(r.memory, 640, -1);
    maru_dev_fence_destroy(&fence);
    free_recording(&r);
    close_cpu(&f);
}

static void a_replay_exchanges_what_was_named(void **state)
{
    (void)state;
    fixture f;
    test_graph g;
    recorded r;
    maru_dev_fence *fence = NULL;
    open_cpu(&f);
    make_recording(&f, &g, &r);
    assert_ok(maru_dev_fence_create(f.dev, 0, &fence));
    maru_dev_buffer *other = make_plain(&f, 256);
    fill_floats(r.x, 0, 1);
    fill_floats(other, 0, 10);
    replay(&f, fence, 1, &r, &other, 1);
    expect_float(r.memory, 512, 26);
    replay(&f, fence, 2, &r, NULL, 0); // the recording has not changed
    expect_float(r.memory, 512, 8);
    maru_dev_buffer *small = make_plain(&f, 128);
    maru_dev_buffer *const two_of_them[2] = {other, other};
    const maru_dev_point point = {fence, 3};
    assert_fails(maru_dev_queue_replay(f.queue, r.recording, &small, 1, NULL, 0, &point, 1, false), MARU_OUT_OF_RANGE,
                 "has 128 bytes, the recorded one 256");
    assert_fails(maru_dev_queue_replay(f.queue, r.recording, two_of_them, 2, NULL, 0, &point, 1, false),
                 MARU_INVALID_ARGUMENT, "2 buffers, the recording has 1 to exchange");
    maru_dev_queue *another = NULL;
    assert_ok(maru_dev_queue_create(f.dev, &another));
    assert_fails(maru_dev_queue_replay(another, r.recording, NULL, 0, NULL, 0, &point, 1, false),
                 MARU_INVALID_ARGUMENT, "another queue");
    assert_fails(maru_dev_close(&f.dev, false), MARU_UNAVAILABLE, "of its objects live");
    maru_dev_queue_destroy(&another);
    maru_dev_buffer_free(&small);
    maru_dev_buffer_free(&other);
    maru_dev_fence_destroy(&fence);
    free_recording(&r);
    close_cpu(&f);
}

/* A replay waits and fails as a submit does. */
static void a_replay_hears_of_failures(void **state)
{
    (void)state;
    fixture f;
    test_graph g;
    recorded r;
    maru_dev_fence *before = NULL;
    maru_dev_fence *after = NULL;
    open_cpu(&f);
    make_recording(&f, &g, &r);
    assert_ok(maru_dev_fence_create(f.dev, 0, &before));
    assert_ok(maru_dev_fence_create(f.dev, 0, &after));
    maru_dev_fence_fail(before, MARU_TIMED_OUT, "the work before failed");
    const maru_dev_point wait = {before, 1};
    const maru_dev_point signal = {after, 1};
    fill_floats(r.memory, 512, -5);
    assert_ok(maru_dev_queue_replay(f.queue, r.recording, NULL, 0, &wait, 1, &signal, 1, false));
    assert_fails(maru_dev_fence_wait(after, 1, MARU_DEV_NO_DEADLINE), MARU_TIMED_OUT, "the work before failed");
    expect_float(r.memory, 512, -5);
    maru_dev_fence_destroy(&before);
    maru_dev_fence_destroy(&after);
    free_recording(&r);
    close_cpu(&f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_buffer_is_exported_and_imported),
        cmocka_unit_test(a_part_of_a_file_is_imported),
        cmocka_unit_test(another_process_sees_it),
        cmocka_unit_test(what_cannot_be_shared_has_a_sentence),
        cmocka_unit_test(a_recording_reads_what_buffers_hold_when_it_is_replayed),
        cmocka_unit_test(a_replay_exchanges_what_was_named),
        cmocka_unit_test(a_replay_hears_of_failures),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
