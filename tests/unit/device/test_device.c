// SPDX-FileCopyrightText: The Maru authors
// SPDX-License-Identifier: Apache-2.0
#define _GNU_SOURCE // eventfd, fork

#include "device_test.h"

#include "device/device.h"

#include <poll.h>
#include <sys/eventfd.h>
#include <sys/wait.h>
#include <unistd.h>

typedef struct {
    test_host host;
    maru_plugin *plugin;
    maru_dev *dev;
    maru_dev_queue *queue;
} fixture;

static void open_dev(fixture *f, const char *options)
{
    *f = (fixture){0};
    test_host_init(&f->host, NULL);
    assert_ok(maru_plugin_load(test_plugin("fault/fault.so"), &f->host.params, &f->plugin));
    assert_ok(maru_dev_open(f->plugin, 0, options, &f->dev));
    assert_ok(maru_dev_queue_create(f->dev, &f->queue));
}

static void close_dev(fixture *f)
{
    maru_dev_queue_destroy(&f->queue);
    assert_ok(maru_dev_close(&f->dev, false));
    assert_ok(maru_plugin_unload(&f->plugin));
    test_host_fini(&f->host);
}

static int64_t in_ms(int ms)
{
    return maru_os_now_ns() + ms * 1000000ll;
}

static void test_buffers(void **state)
{
    (void)state;
    fixture f;
    maru_dev_buffer *b = NULL;
    void *p = NULL;
    open_dev(&f, NULL);
    assert_string_equal(maru_dev_id(f.dev), "fault:0");
    assert_fails(maru_dev_buffer_alloc(f.dev, 7, 16, &b), MARU_INVALID_ARGUMENT, "no memory kind 7");
    assert_fails(maru_dev_buffer_alloc(f.dev, 0, 0, &b), MARU_INVALID_ARGUMENT, "0 bytes");
    assert_ok(maru_dev_buffer_alloc(f.dev, 0, 64, &b));
    assert_fails(maru_dev_buffer_map(b, 60, 8, MARU_ABI_MAP_READ, &p), MARU_OUT_OF_RANGE, "[60, +8)");
    assert_fails(maru_dev_buffer_map(b, UINT64_MAX, 8, MARU_ABI_MAP_READ, &p), MARU_OUT_OF_RANGE, "64 bytes");
    assert_fails(maru_dev_buffer_map(b, 0, 8, 0, &p), MARU_INVALID_ARGUMENT, "flags");
    assert_ok(maru_dev_buffer_map(b, 0, 64, MARU_ABI_MAP_WRITE, &p));
    memset(p, 1, 64);
    assert_fails(maru_dev_buffer_map(b, 0, 8, MARU_ABI_MAP_READ, &p), MARU_FAILED_PRECONDITION, "already");
    maru_dev *dev = f.dev;
    assert_fails(maru_dev_close(&dev, false), MARU_UNAVAILABLE, "2 of its objects live");
    maru_plugin *plugin = f.plugin;
    assert_fails(maru_plugin_unload(&plugin), MARU_UNAVAILABLE, "1 of its devices");
    maru_dev_buffer_free(&b);
    assert_null(b);
    maru_dev_buffer_free(&b);
    close_dev(&f);
}

static void test_import(void **state)
{
    (void)state;
    fixture f;
    maru_dev_buffer *b = NULL;
    maru_abi_external external;
    _Alignas(64) char memory[128] = {0};
    open_dev(&f, NULL);
    assert_fails(maru_dev_buffer_import_host(f.dev, memory + 1, 64, false, &b), MARU_INVALID_ARGUMENT, "64 bytes");
    assert_fails(maru_dev_buffer_import_fd(f.dev, 0, 0, 64, true, &b), MARU_UNSUPPORTED, "a descriptor");
    assert_ok(maru_dev_buffer_import_host(f.dev, memory, 128, false, &b));
    assert_fails(maru_dev_buffer_export(b, MARU_ABI_IMPORT_FD, &external), MARU_UNSUPPORTED, "export_external");
    maru_dev_commands *list = NULL;
    assert_ok(maru_dev_commands_create(f.dev, &list));
    assert_ok(maru_dev_commands_fill(list, 0, (maru_dev_binding){b, 64, 64}, 0x01020304, 4));
    assert_ok(maru_dev_commands_validate(list));
    assert_ok(maru_dev_queue_run(f.queue, list, in_ms(1000)));
    assert_int_equal(memory[63], 0);
    assert_memory_equal(memory + 64, "\4\3\2\1", 4);
    maru_dev_commands_destroy(&list);
    maru_dev_buffer_free(&b);
    close_dev(&f);
}

static void test_alloc_size(void **state)
{
    (void)state;
    fixture f;
    uint64_t bytes = 0;
    int64_t dims[] = {3, 64};
    maru_abi_tensor_desc desc = {
        .head = MARU_ABI_HEAD(maru_abi_tensor_desc),
        .dtype = {MARU_ABI_Q4_0, 32, 18},
        .rank = 2,
        .dims = dims,
    };
    open_dev(&f, NULL);
    assert_ok(maru_dev_alloc_size(f.dev, &desc, &bytes));
    assert_int_equal(bytes, 3 * 2 * 18);
    desc.layout = 5;
    assert_fails(maru_dev_alloc_size(f.dev, &desc, &bytes), MARU_UNSUPPORTED, "alloc_size");
    dims[0] = INT64_MAX;
    assert_fails(maru_dev_alloc_size(f.dev, &desc, &bytes), MARU_INVALID_ARGUMENT, "dim 1");
    dims[0] = -3;
    assert_fails(maru_dev_alloc_size(f.dev, &desc, &bytes), MARU_INVALID_ARGUMENT, "dim 0 is -3");
    close_dev(&f);
}

static void test_commands(void **state)
{
    (void)state;
    fixture f;
    maru_dev_buffer *b = NULL;
    maru_dev_commands *list = NULL;
    open_dev(&f, NULL);
    assert_ok(maru_dev_buffer_alloc(f.dev, 0, 256, &b));
    assert_ok(maru_dev_commands_create(f.dev, &list));
    maru_dev_binding low = {b, 0, 128};
    maru_dev_binding high = {b, 128, 128};
    assert_fails(maru_dev_commands_copy(list, 0, (maru_dev_binding){b, 100, 128}, low), MARU_INVALID_ARGUMENT,
                 "overlap");
    assert_fails(maru_dev_commands_copy(list, 0, (maru_dev_binding){b, 128, 64}, low), MARU_INVALID_ARGUMENT,
                 "128 bytes to a place of 64");
    assert_fails(maru_dev_commands_copy(list, 0, (maru_dev_binding){NULL, 0, 0}, low), MARU_INVALID_ARGUMENT,
                 "no buffer");
    assert_fails(maru_dev_commands_fill(list, 0, low, 0, 3), MARU_INVALID_ARGUMENT, "pattern of 3");
    assert_fails(maru_dev_commands_fill(list, 0, (maru_dev_binding){b, 2, 8}, 0, 4), MARU_INVALID_ARGUMENT,
                 "no multiple");
    assert_fails(maru_dev_commands_fill(list, 0, (maru_dev_binding){b, 200, 100}, 0, 4), MARU_OUT_OF_RANGE, "256");
    assert_ok(maru_dev_commands_fill(list, 0, low, 7, 1));
    assert_ok(maru_dev_commands_copy(list, 1, high, low));
    assert_fails(maru_dev_queue_run(f.queue, list, in_ms(1000)), MARU_FAILED_PRECONDITION, "not validated");
    assert_ok(maru_dev_commands_validate(list));
    assert_int_equal(maru_dev_commands_count(list), 2);
    assert_fails(maru_dev_commands_fill(list, 0, low, 7, 1), MARU_FAILED_PRECONDITION, "takes no more");
    assert_fails(maru_dev_commands_set_binding(list, 1, 0, (maru_dev_binding){b, 64, 128}), MARU_INVALID_ARGUMENT,
                 "overlap");
    assert_ok(maru_dev_commands_set_copy(list, 1, (maru_dev_binding){b, 200, 4}, (maru_dev_binding){b, 4, 4}));
    assert_fails(maru_dev_commands_set_copy(list, 0, low, high), MARU_INVALID_ARGUMENT, "kind 2");
    assert_fails(maru_dev_commands_set_binding(list, 2, 0, low), MARU_OUT_OF_RANGE, "no command 2");
    for (int i = 0; i < 3; i++)
        assert_ok(maru_dev_queue_run(f.queue, list, in_ms(1000)));
    void *p = NULL;
    assert_ok(maru_dev_buffer_map(b, 200, 4, MARU_ABI_MAP_READ, &p));
    assert_memory_equal(p, "\7\7\7\7", 4);
    maru_dev_commands_destroy(&list);
    maru_dev_buffer_free(&b);
    close_dev(&f);
}

static void test_fences(void **state)
{
    (void)state;
    fixture f;
    maru_dev_fence *fence = NULL;
    uint64_t value = 0;
    open_dev(&f, NULL);
    assert_ok(maru_dev_fence_create(f.dev, 5, &fence));
    assert_ok(maru_dev_fence_query(fence, &value));
    assert_int_equal(value, 5);
    assert_ok(maru_dev_fence_wait(fence, 5, 0));
    assert_fails(maru_dev_fence_wait(fence, 6, in_ms(10)), MARU_DEADLINE_EXCEEDED, "value 6");
    assert_fails(maru_dev_fence_signal(fence, 5), MARU_INVALID_ARGUMENT, "not above");
    int fd = eventfd(0, EFD_NONBLOCK);
    assert_ok(maru_dev_fence_arm(fence, 9, fd));
    struct pollfd poller = {.fd = fd, .events = POLLIN};
    assert_int_equal(poll(&poller, 1, 0), 0);
    maru_dev_point point = {fence, 9};
    assert_ok(maru_dev_queue_submit(f.queue, NULL, NULL, 0, &point, 1, false));
    assert_int_equal(poll(&poller, 1, 1000), 1);
    close(fd);
    assert_ok(maru_dev_fence_wait(fence, 9, in_ms(1000)));
    int sync_fd = 0;
    assert_fails(maru_dev_fence_export_sync_fd(fence, 9, &sync_fd), MARU_UNSUPPORTED, "export_sync_fd");
    maru_dev_fence_fail(fence, MARU_CANCELLED, "nobody wants it");
    assert_fails(maru_dev_fence_query(fence, &value), MARU_CANCELLED, "nobody wants it");
    assert_fails(maru_dev_fence_wait(fence, 99, in_ms(1000)), MARU_CANCELLED, "fault:0");
    maru_dev_fence_destroy(&fence);
    close_dev(&f);
}

/* A failed wait fails the work behind it, and the caller hears the first reason. */
static void test_failure_travels(void **state)
{
    (void)state;
    fixture f;
    maru_dev_fence *a = NULL;
    maru_dev_fence *b = NULL;
    open_dev(&f, NULL);
    assert_ok(maru_dev_fence_create(f.dev, 0, &a));
    assert_ok(maru_dev_fence_create(f.dev, 0, &b));
    maru_dev_fence_fail(a, MARU_TIMED_OUT, "the first reason");
    maru_dev_point wait = {a, 1};
    maru_dev_point signal = {b, 1};
    assert_ok(maru_dev_queue_submit(f.queue, NULL, &wait, 1, &signal, 1, false));
    assert_fails(maru_dev_fence_wait(b, 1, in_ms(1000)), MARU_TIMED_OUT, "the first reason");
    maru_dev_fence_destroy(&a);
    maru_dev_fence_destroy(&b);
    close_dev(&f);
}

static void test_lost(void **state)
{
    (void)state;
    fixture f;
    maru_dev_buffer *b = NULL;
    maru_dev_buffer *other = NULL;
    void *p = NULL;
    open_dev(&f, "fault=lost-after=2");
    assert_ok(maru_dev_buffer_alloc(f.dev, 0, 64, &b));
    assert_ok(maru_dev_buffer_map(b, 0, 64, MARU_ABI_MAP_READ, &p));
    assert_ok(maru_dev_queue_run(f.queue, NULL, in_ms(1000)));
    assert_ok(maru_dev_queue_run(f.queue, NULL, in_ms(1000)));
    assert_fails(maru_dev_queue_run(f.queue, NULL, in_ms(1000)), MARU_DEVICE_LOST, "fell off its bus");
    assert_true(maru_dev_is_lost(f.dev));
    assert_fails(maru_dev_buffer_alloc(f.dev, 0, 64, &other), MARU_DEVICE_LOST, "the device was lost");
    assert_fails(maru_dev_queue_run(f.queue, NULL, in_ms(1000)), MARU_DEVICE_LOST, "the device was lost");
    assert_ok(maru_dev_reset(f.dev));
    maru_dev_buffer_unmap(b);
    maru_dev_buffer_free(&b);
    close_dev(&f);
}

static void test_misbehaviour(void **state)
{
    (void)state;
    fixture f;
    maru_dev_buffer *b = NULL;
    open_dev(&f, "fault=unknown-status,alloc-fail=0");
    assert_fails(maru_dev_queue_run(f.queue, NULL, in_ms(1000)), MARU_INTERNAL,
                 "unknown status 1234: fault: a status of another world");
    assert_fails(maru_dev_buffer_alloc(f.dev, 0, 64, &b), MARU_RESOURCE_EXHAUSTED, "fault:0: alloc: fault: no memory");
    maru_dev_recording *recording = NULL;
    maru_dev_commands *list = NULL;
    assert_ok(maru_dev_commands_create(f.dev, &list));
    assert_fails(maru_dev_queue_record(f.queue, list, NULL, 0, &recording), MARU_UNSUPPORTED,
                 "plugin 'fault' does not implement record");
    assert_fails(maru_dev_queue_discard(f.queue), MARU_UNSUPPORTED, "does not implement discard");
    maru_dev_commands_destroy(&list);
    close_dev(&f);
    open_dev(&f, "fault=fence-never");
    assert_fails(maru_dev_queue_run(f.queue, NULL, in_ms(20)), MARU_DEADLINE_EXCEEDED, "not reached in time");
    close_dev(&f);
}

static void test_abandon(void **state)
{
    (void)state;
    fixture f;
    maru_dev_buffer *b = NULL;
    open_dev(&f, NULL);
    assert_ok(maru_dev_buffer_alloc(f.dev, 0, 64, &b));
    maru_dev_buffer_free(&b);
    maru_dev_queue_destroy(&f.queue);
    assert_ok(maru_dev_close(&f.dev, true)); // nothing lives: as a close
    assert_ok(maru_dev_open(f.plugin, 0, NULL, &f.dev));
    assert_ok(maru_dev_queue_create(f.dev, &f.queue));
    close_dev(&f);
}

static void test_two_devices(void **state)
{
    (void)state;
    fixture f;
    maru_dev *second = NULL;
    maru_dev_buffer *b = NULL;
    maru_dev_commands *list = NULL;
    open_dev(&f, NULL);
    assert_ok(maru_dev_open(f.plugin, 0, NULL, &second));
    assert_ok(maru_dev_buffer_alloc(second, 0, 64, &b));
    assert_ok(maru_dev_commands_create(f.dev, &list));
    assert_fails(maru_dev_commands_fill(list, 0, (maru_dev_binding){b, 0, 64}, 0, 4), MARU_INVALID_ARGUMENT,
                 "a buffer of fault:0 is bound");
    maru_dev_fence *fence = NULL;
    assert_ok(maru_dev_fence_create(second, 0, &fence));
    maru_dev_point point = {fence, 1};
    assert_fails(maru_dev_queue_submit(f.queue, NULL, NULL, 0, &point, 1, false), MARU_INVALID_ARGUMENT,
                 "a fence of");
    maru_dev_point many[MARU_DEV_MAX_POINTS + 1] = {{fence, 1}};
    assert_fails(maru_dev_queue_submit(f.queue, NULL, many, MARU_DEV_MAX_POINTS + 1, NULL, 0, false),
                 MARU_OUT_OF_RANGE, "17 waits");
    maru_dev_fence_destroy(&fence);
    maru_dev_commands_destroy(&list);
    maru_dev_buffer_free(&b);
    assert_ok(maru_dev_close(&second, false));
    close_dev(&f);
}

static void test_forked(void **state)
{
    (void)state;
    fixture f;
    maru_dev_buffer *b = NULL;
    open_dev(&f, NULL);
    pid_t child = fork();
    if (child == 0) {
        maru_status status = maru_dev_buffer_alloc(f.dev, 0, 64, &b);
        _exit(status == MARU_FAILED_PRECONDITION && strstr(maru_error_message(), "forked") ? 0 : 1);
    }
    int result = -1;
    assert_int_equal(waitpid(child, &result, 0), child);
    assert_int_equal(result, 0);
    assert_ok(maru_dev_buffer_alloc(f.dev, 0, 64, &b));
    maru_dev_buffer_free(&b);
    close_dev(&f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_buffers),         cmocka_unit_test(test_import),
        cmocka_unit_test(test_alloc_size),      cmocka_unit_test(test_commands),
        cmocka_unit_test(test_fences),          cmocka_unit_test(test_failure_travels),
        cmocka_unit_test(test_lost),            cmocka_unit_test(test_misbehaviour),
        cmocka_unit_test(test_abandon),         cmocka_unit_test(test_two_devices),
        cmocka_unit_test(test_forked),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
