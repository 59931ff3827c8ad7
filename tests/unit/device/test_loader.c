// SPDX-FileCopyrightText: The Maru authors
// SPDX-License-Identifier: Apache-2.0
#define _GNU_SOURCE // getrlimit, dup

#include "device_test.h"

#include "base/hash.h"
#include "base/log.h"
#include "device/info.h"

#include <sys/resource.h>
#include <unistd.h>

static maru_status load(const char *name, const char *options)
{
    test_host host;
    maru_plugin *plugin = NULL;
    test_host_init(&host, options);
    maru_status status = maru_plugin_load(test_plugin(name), &host.params, &plugin);
    if (status == MARU_OK)
        assert_ok(maru_plugin_unload(&plugin));
    else
        assert_null(plugin);
    test_host_fini(&host);
    return status;
}

static void test_good(void **state)
{
    (void)state;
    assert_ok(load("fault/fault.so", NULL));
    assert_ok(load("template-kernel.so", NULL));
    assert_ok(load("template-graph.so", NULL));
}

static void test_refusals(void **state)
{
    (void)state;
    assert_fails(load("fault/absent.so", NULL), MARU_NOT_FOUND, "absent.so");
    assert_fails(load("fault", NULL), MARU_INVALID_ARGUMENT, "not a regular file");
    assert_fails(load("fault/fault-major.so", NULL), MARU_FAILED_PRECONDITION, "built for ABI 2.0");
    assert_fails(load("fault/fault-hash.so", NULL), MARU_FAILED_PRECONDITION, "other headers (hash 0123456789abcdef");
    assert_fails(load("fault/fault-no-manifest.so", NULL), MARU_INVALID_ARGUMENT, "not a Maru plugin");
    assert_fails(load("fault/fault-no-symbol.so", NULL), MARU_FAILED_PRECONDITION, "no symbol 'maru_plugin_query'");
    assert_fails(load("fault/fault-null-entry.so", NULL), MARU_FAILED_PRECONDITION, "cannot work with a host");
    assert_fails(load("fault/fault-short-entry.so", NULL), MARU_FAILED_PRECONDITION, "entry is too short");
    assert_fails(load("fault/fault-entry-hash.so", NULL), MARU_FAILED_PRECONDITION, "entry is built from other");
    assert_fails(load("fault/fault-other-name.so", NULL), MARU_FAILED_PRECONDITION, "says name 'other'");
}

static void test_tables(void **state)
{
    (void)state;
    assert_fails(load("fault/fault.so", "fault=short-table"), MARU_FAILED_PRECONDITION,
                 "queue_fns is too short");
    assert_fails(load("fault/fault.so", "fault=null-member"), MARU_FAILED_PRECONDITION,
                 "does not implement 'submit'");
    assert_fails(load("fault/fault.so", "fault=table-major"), MARU_FAILED_PRECONDITION, "major version 2");
    assert_fails(load("fault/fault.so", "fault=no-tier"), MARU_FAILED_PRECONDITION, "says tier G");
    assert_fails(load("fault/fault.so", "fault=create-fail"), MARU_UNAVAILABLE, "not today");
    assert_fails(load("template-graph.so", "colour=blue"), MARU_INVALID_ARGUMENT, "no options");
}

static void copy_file(const char *from, const char *to)
{
    char *data = NULL;
    size_t bytes = 0;
    assert_ok(maru_os_read_file(from, 64 << 20, &data, &bytes));
    assert_ok(maru_os_write_file(to, data, bytes));
    free(data);
}

/* What was checked is what is loaded, even when the path names another file by then. */
static void test_same_file(void **state)
{
    (void)state;
    char dir[1024];
    char path[1100];
    test_host host;
    maru_plugin *plugin = NULL;
    maru_plugin_file file;
    test_folder("loader", dir);
    snprintf(path, sizeof path, "%s/p.so", dir);
    copy_file(test_plugin("fault/fault.so"), path);
    test_host_init(&host, NULL);
    assert_ok(maru_plugin_file_open(path, &file));
    copy_file(test_plugin("fault/fault-no-manifest.so"), path);
    assert_ok(maru_plugin_start(&file, &host.params, &plugin));
    assert_string_equal(maru_plugin_name(plugin), "fault");
    assert_ok(maru_plugin_unload(&plugin));
    assert_fails(maru_plugin_load(path, &host.params, &plugin), MARU_INVALID_ARGUMENT, "not a Maru plugin");
    test_host_fini(&host);
}

/* ---- by path: where the descriptor cannot be what is loaded ---- */

typedef struct {
    int n;
    char last[512];
} seen_log;

static void see_warning(void *ctx, maru_log_level level, const char *line)
{
    seen_log *s = ctx;
    if (level != MARU_LOG_WARN)
        return;
    s->n++;
    snprintf(s->last, sizeof s->last, "%s", line);
}

static void expect_warning(seen_log *s, const char *text)
{
    assert_int_equal(s->n, 1);
    if (!strstr(s->last, text) || !strstr(s->last, "not atomic"))
        fail_msg("'%s' does not say '%s'", s->last, text);
    s->n = 0;
}

static void test_without_proc(void **state)
{
    (void)state;
    char dir[1024];
    char path[1100];
    test_host host;
    maru_plugin *plugin = NULL;
    maru_plugin_file file;
    seen_log seen = {0};
    test_folder("by-path", dir);
    snprintf(path, sizeof path, "%s/p.so", dir);
    copy_file(test_plugin("fault/fault.so"), path);
    test_host_init(&host, NULL);
    host.params.way = MARU_OS_LIB_NO_PROC;
    maru_log_set_sink(see_warning, &seen);
    assert_ok(maru_plugin_load(path, &host.params, &plugin));
    expect_warning(&seen, "/proc is absent");
    assert_string_equal(maru_plugin_name(plugin), "fault");
    assert_ok(maru_plugin_unload(&plugin));
    // The file is another by the time that it is loaded: by its path, what was checked would not be what runs.
    assert_ok(maru_plugin_file_open(path, &file));
    copy_file(test_plugin("fault/fault-no-manifest.so"), path);
    assert_fails(maru_plugin_start(&file, &host.params, &plugin), MARU_ABORTED, "was replaced");
    assert_null(plugin);
    copy_file(test_plugin("fault/fault.so"), path);
    assert_ok(maru_plugin_file_open(path, &file));
    assert_int_equal(remove(path), 0);
    assert_fails(maru_plugin_start(&file, &host.params, &plugin), MARU_NOT_FOUND, "cannot look at it again");
    assert_int_equal(seen.n, 0);
    maru_log_set_sink(NULL, NULL);
    test_host_fini(&host);
}

/* One descriptor is left: the linker needs it, and none can be kept. */
static void test_without_descriptors(void **state)
{
    (void)state;
    test_host host;
    maru_plugin *plugin = NULL;
    maru_plugin_file file;
    struct rlimit usual;
    seen_log seen = {0};
    test_host_init(&host, NULL);
    assert_ok(maru_plugin_file_open(test_plugin("fault/fault.so"), &file));
    assert_int_equal(getrlimit(RLIMIT_NOFILE, &usual), 0);
    struct rlimit few = usual;
    const int free_number = dup(file.map.fd);
    close(free_number);
    few.rlim_cur = (rlim_t)free_number + 1;
    maru_log_set_sink(see_warning, &seen);
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &few), 0);
    const maru_status status = maru_plugin_start(&file, &host.params, &plugin);
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &usual), 0);
    assert_ok(status);
    expect_warning(&seen, "no descriptor can be kept");
    assert_ok(maru_plugin_unload(&plugin));
    // None at all: the linker's reason is told.
    assert_ok(maru_plugin_file_open(test_plugin("fault/fault.so"), &file));
    few.rlim_cur = (rlim_t)file.map.fd;
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &few), 0);
    const maru_status none = maru_plugin_start(&file, &host.params, &plugin);
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &usual), 0);
    assert_int_equal(none, MARU_FAILED_PRECONDITION);
    assert_non_null(strstr(maru_error_message(), "the linker refuses it"));
    maru_log_set_sink(NULL, NULL);
    test_host_fini(&host);
}

static maru_status refuse(void *ctx, const char *path, const void *data, size_t bytes)
{
    *(size_t *)ctx = bytes;
    return data ? maru_fail(MARU_PERMISSION_DENIED, "%s: not signed", path) : MARU_OK;
}

static void test_content(void **state)
{
    (void)state;
    test_host host;
    maru_plugin *plugin = NULL;
    maru_plugin_file file;
    uint8_t digest[32];
    size_t seen = 0;
    test_host_init(&host, NULL);
    assert_ok(maru_plugin_file_open(test_plugin("fault/fault.so"), &file));
    maru_plugin_file_hash(&file, digest);
    host.params.expected_sha256 = digest;
    assert_ok(maru_plugin_start(&file, &host.params, &plugin));
    assert_ok(maru_plugin_unload(&plugin));
    digest[0] ^= 1;
    assert_fails(maru_plugin_load(test_plugin("fault/fault.so"), &host.params, &plugin), MARU_PERMISSION_DENIED,
                 "SHA-256");
    host.params.expected_sha256 = NULL;
    host.params.verify = refuse;
    host.params.verify_ctx = &seen;
    assert_fails(maru_plugin_load(test_plugin("fault/fault.so"), &host.params, &plugin), MARU_PERMISSION_DENIED,
                 "not signed");
    assert_true(seen > 1000);
    test_host_fini(&host);
}

/* Two instances of one file coexist, and the descriptors do not pile up. */
static void test_instances(void **state)
{
    (void)state;
    test_host host;
    maru_plugin *a = NULL;
    maru_plugin *b = NULL;
    test_host_init(&host, NULL);
    assert_ok(maru_plugin_load(test_plugin("fault/fault.so"), &host.params, &a));
    assert_ok(maru_plugin_load(test_plugin("fault/fault.so"), &host.params, &b));
    assert_ptr_not_equal(maru_plugin_handle(a), maru_plugin_handle(b));
    assert_ok(maru_plugin_unload(&a));
    uint32_t count = 0;
    char why[64];
    assert_ok(maru_plugin_device_count(b, &count, why, sizeof why));
    assert_int_equal(count, 1);
    assert_ok(maru_plugin_unload(&b));
    for (int i = 0; i < 2000; i++) {
        assert_ok(maru_plugin_load(test_plugin("fault/fault.so"), &host.params, &a));
        assert_ok(maru_plugin_unload(&a));
    }
    test_host_fini(&host);
}

static void test_info(void **state)
{
    (void)state;
    test_host host;
    maru_plugin *plugin = NULL;
    maru_arena arena = {0};
    maru_abi_device_info info;
    test_host_init(&host, NULL);
    assert_ok(maru_plugin_load(test_plugin("template-kernel.so"), &host.params, &plugin));
    assert_ok(maru_device_info_get(plugin, 0, &arena, &info));
    assert_string_equal(info.name, "template of tier K");
    assert_string_equal(info.bus_id, "");
    assert_true(maru_device_info_has_format(&info, "opencl-c"));
    assert_false(maru_device_info_has_format(&info, "ptx"));
    assert_true(maru_device_info_has_dtype(&info, MARU_ABI_F32));
    assert_false(maru_device_info_has_feature(&info, "dot8"));
    assert_fails(maru_device_info_get(plugin, 1, &arena, &info), MARU_NOT_FOUND, "one device");
    maru_arena_fini(&arena);
    assert_ok(maru_plugin_unload(&plugin));
    test_host_fini(&host);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_good),      cmocka_unit_test(test_refusals),  cmocka_unit_test(test_tables),
        cmocka_unit_test(test_same_file), cmocka_unit_test(test_content),   cmocka_unit_test(test_instances),
        cmocka_unit_test(test_info),      cmocka_unit_test(test_without_proc),
        cmocka_unit_test(test_without_descriptors),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
