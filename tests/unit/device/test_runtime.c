// SPDX-FileCopyrightText: The Maru authors
// SPDX-License-Identifier: Apache-2.0
#define _POSIX_C_SOURCE 200809L // setenv

#include "device_test.h"

#include "base/os_thread.h"
#include "device/registry.h"

static maru_runtime *make(const char *path, int skip_probe)
{
    maru_runtime *runtime = NULL;
    maru_runtime_params params = {
        .n_threads = 2,
        .plugin_path = path,
        .cache_dir = "",
        .skip_probe = skip_probe,
    };
    assert_ok(maru_runtime_create(&params, &runtime));
    return runtime;
}

/* "A:B:..." of plugins' names; in `out`. */
static void list_paths(char *out, size_t room, const char *const *names)
{
    out[0] = '\0';
    for (size_t i = 0; names[i]; i++)
        snprintf(out + strlen(out), room - strlen(out), "%s%s", i ? ":" : "", test_plugin(names[i]));
}

static void test_devices(void **state)
{
    (void)state;
    char path[8192];
    list_paths(path, sizeof path,
               (const char *const[]){"template-kernel.so", "fault/fault.so", "fault/fault-major.so",
                                     "template-kernel.so", "none.so", NULL});
    maru_runtime *runtime = make(path, 0);
    size_t count = 0;
    maru_device_info info;
    const char *refused = NULL;
    assert_ok(maru_runtime_device_count(runtime, &count));
    assert_int_equal(count, 2);
    assert_ok(maru_runtime_device_info(runtime, 1, &info));
    assert_string_equal(info.id, "fault:0");
    assert_string_equal(info.tiers, "G");
    assert_string_equal(info.kind, "other");
    assert_string_equal(info.driver, "host memory");
    assert_fails(maru_runtime_device_info(runtime, 2, &info), MARU_OUT_OF_RANGE, "no device 2");
    assert_non_null(strstr(maru_runtime_refusal(runtime, 0, &refused), "ABI 2.0"));
    assert_true(strstr(refused, "fault-major.so") != NULL);
    assert_non_null(strstr(maru_runtime_refusal(runtime, 1, NULL), "none.so"));
    assert_null(maru_runtime_refusal(runtime, 2, NULL));
    size_t found[2];
    assert_ok(maru_runtime_find_devices(runtime, "fault,template*", found, 2, &count));
    assert_int_equal(count, 2);
    assert_int_equal(found[0], 1);
    assert_int_equal(maru_runtime_threads(runtime), 2);
    maru_runtime_destroy(&runtime);
    assert_null(runtime);
}

static void test_folder_and_none(void **state)
{
    (void)state;
    size_t count = 9;
    char folder[4096];
    snprintf(folder, sizeof folder, "%s", test_plugin("fault"));
    maru_runtime *runtime = make("", 0);
    assert_ok(maru_runtime_device_count(runtime, &count));
    assert_int_equal(count, 0);
    size_t found[1];
    assert_fails(maru_runtime_find_devices(runtime, "cpu", found, 1, &count), MARU_NOT_FOUND, "there are none");
    maru_runtime_destroy(&runtime);
    runtime = make(folder, 1);
    assert_ok(maru_runtime_device_count(runtime, &count));
    assert_int_equal(count, 1); // one of its variants is whole
    assert_non_null(maru_runtime_refusal(runtime, 7, NULL));
    maru_runtime_destroy(&runtime);
}

static void test_no_device_says_why(void **state)
{
    (void)state;
    char path[4096];
    snprintf(path, sizeof path, "%s", test_plugin("fault/fault.so"));
    setenv("MARU_FAULT", "no-device", 1);
    maru_runtime *runtime = make(path, 1);
    assert_string_equal(maru_runtime_refusal(runtime, 0, NULL),
                        "fault: there is no device; install a better plugin");
    assert_int_equal(maru_runtime_plugin_count(runtime), 1);
    unsetenv("MARU_FAULT");
    maru_runtime_destroy(&runtime);
}

/* A plugin that would take the process down is met in a child, and costs one refusal. */
static void test_quarantine(void **state)
{
    (void)state;
    char path[8192];
    size_t count = 0;
    list_paths(path, sizeof path, (const char *const[]){"fault/fault.so", "template-graph.so", NULL});
    setenv("MARU_FAULT", "load-exit", 1);
    maru_runtime *runtime = make(path, 0);
    assert_ok(maru_runtime_device_count(runtime, &count));
    unsetenv("MARU_FAULT");
    assert_int_equal(count, 1);
    assert_non_null(strstr(maru_runtime_refusal(runtime, 0, NULL), "quarantined"));
    maru_runtime_destroy(&runtime);
}

static void test_env_path(void **state)
{
    (void)state;
    size_t count = 0;
    size_t found[1];
    maru_runtime *runtime = NULL;
    setenv("MARU_PLUGIN_PATH", test_plugin("template-graph.so"), 1);
    assert_ok(maru_runtime_create(&(maru_runtime_params){.n_threads = 1, .cache_dir = ""}, &runtime));
    assert_ok(maru_runtime_find_devices(runtime, "template-graph", found, 1, &count));
    assert_int_equal(count, 1);
    unsetenv("MARU_PLUGIN_PATH");
    maru_runtime_destroy(&runtime);
}

static void *count_devices(void *arg)
{
    size_t count = 0;
    if (maru_runtime_device_count(arg, &count) != MARU_OK || count != 1)
        abort();
    return NULL;
}

static void test_threads(void **state)
{
    (void)state;
    maru_runtime *runtime = make(test_plugin("template-graph.so"), 1);
    maru_os_thread threads[4];
    for (int i = 0; i < 4; i++)
        assert_ok(maru_os_thread_start(&threads[i], count_devices, runtime));
    for (int i = 0; i < 4; i++)
        maru_os_thread_join(&threads[i]);
    maru_runtime_destroy(&runtime);
}

static void *counting_alloc(void *ctx, size_t bytes, size_t align)
{
    ++*(int *)ctx;
    return maru_malloc_allocator.alloc(NULL, bytes, align);
}

static void counting_free(void *ctx, void *memory)
{
    --*(int *)ctx;
    maru_malloc_allocator.free(NULL, memory);
}

static void test_embedder(void **state)
{
    (void)state;
    int living = 0;
    maru_runtime *runtime = NULL;
    maru_allocator allocator = {.ctx = &living, .alloc = counting_alloc, .free = counting_free};
    maru_runtime_params params = {
        .n_threads = 1,
        .allocator = &allocator,
        .plugin_path = test_plugin("template-graph.so"),
        .cache_dir = "",
        .skip_probe = 1,
    };
    assert_ok(maru_runtime_create(&params, &runtime));
    assert_int_equal(maru_runtime_plugin_count(runtime), 1);
    assert_true(living > 0);
    maru_runtime_destroy(&runtime);
    assert_int_equal(living, 0);
    params.allocator = &(maru_allocator){.alloc = counting_alloc};
    assert_fails(maru_runtime_create(&params, &runtime), MARU_INVALID_ARGUMENT, "alloc or free");
    params.allocator = NULL;
    params.pool = &(maru_thread_pool){.n_threads = 3};
    assert_fails(maru_runtime_create(&params, &runtime), MARU_INVALID_ARGUMENT, "parallel_for");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_devices),    cmocka_unit_test(test_folder_and_none),
        cmocka_unit_test(test_no_device_says_why), cmocka_unit_test(test_quarantine),
        cmocka_unit_test(test_env_path),   cmocka_unit_test(test_threads),
        cmocka_unit_test(test_embedder),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
