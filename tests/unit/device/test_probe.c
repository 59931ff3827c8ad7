// SPDX-FileCopyrightText: The Maru authors
// SPDX-License-Identifier: Apache-2.0
#define _POSIX_C_SOURCE 200809L // setenv

#include "device_test.h"

#include "base/hash.h"
#include "device/probe.h"
#include "device/search.h"

#define FAULT "fault/fault.so"

static char *helper;

static int setup(void **state)
{
    (void)state;
    return maru_search_helper("maru-probe", &helper) == MARU_OK ? 0 : -1;
}

static int teardown(void **state)
{
    (void)state;
    free(helper);
    return 0;
}

static maru_status probe(const char *path, const char *fault, const char *cache_dir, int timeout_ms)
{
    maru_plugin_file file;
    maru_probe_params params = {.helper = helper, .cache_dir = cache_dir, .timeout_ms = timeout_ms};
    setenv("MARU_FAULT", fault, 1);
    assert_ok(maru_plugin_file_open(path, &file));
    maru_status status = maru_probe_file(&file, &params);
    maru_plugin_file_close(&file);
    unsetenv("MARU_FAULT");
    return status;
}

static void test_good(void **state)
{
    (void)state;
    assert_ok(probe(test_plugin(FAULT), "", "", 0));
    assert_ok(probe(test_plugin("template-graph.so"), "", "", 0));
    /* An orderly refusal is no reason for a quarantine: the loader will tell it. */
    assert_ok(probe(test_plugin(FAULT), "create-fail", "", 0));
    assert_ok(probe(test_plugin("fault/fault-no-symbol.so"), "", "", 0));
}

static void test_faults(void **state)
{
    (void)state;
    static const char *const places[] = {"load", "create", "enumerate"};
    for (size_t i = 0; i < 3; i++) {
        char fault[32];
        snprintf(fault, sizeof fault, "%s-crash", places[i]);
        assert_fails(probe(test_plugin(FAULT), fault, "", 0), MARU_FAILED_PRECONDITION, "crashes: killed by SIGSEGV");
        snprintf(fault, sizeof fault, "%s-exit", places[i]);
        assert_fails(probe(test_plugin(FAULT), fault, "", 0), MARU_FAILED_PRECONDITION, "exit code 3");
        snprintf(fault, sizeof fault, "%s-hang", places[i]);
        assert_fails(probe(test_plugin(FAULT), fault, "", 300), MARU_FAILED_PRECONDITION,
                     "hangs: no answer within 0.3 s");
        snprintf(fault, sizeof fault, "%s-stdout", places[i]);
        assert_fails(probe(test_plugin(FAULT), fault, "", 0), MARU_FAILED_PRECONDITION,
                     "bytes to stdout: 'a line that");
    }
}

static void copy_with_tail(const char *to, char tail)
{
    char *data = NULL;
    size_t bytes = 0;
    assert_ok(maru_os_read_file(test_plugin(FAULT), 64 << 20, &data, &bytes));
    char *more = realloc(data, bytes + 1);
    assert_non_null(more);
    more[bytes] = tail;
    assert_ok(maru_os_write_file(to, more, bytes + 1));
    free(more);
}

/* What a trial would say now does not matter while the verdict of the same bytes is known. */
static void test_cached(void **state)
{
    (void)state;
    char dir[1024];
    char a[1100];
    char b[1100];
    test_folder("probe", dir);
    snprintf(a, sizeof a, "%s/a.so", dir);
    snprintf(b, sizeof b, "%s/b.so", dir);
    copy_with_tail(a, 0);
    copy_with_tail(b, 0);
    assert_ok(probe(a, "", dir, 0));
    assert_ok(probe(a, "load-crash", dir, 0)); // the same path, size and time
    assert_ok(probe(b, "load-crash", dir, 0)); // another path, the same bytes
    copy_with_tail(a, 1);                      // other bytes: tried again
    assert_fails(probe(a, "load-crash", dir, 0), MARU_FAILED_PRECONDITION, "quarantined");
    assert_fails(probe(a, "", dir, 0), MARU_FAILED_PRECONDITION, "to try it again, run maru probe, or delete ");
    char record[1200];
    snprintf(record, sizeof record, "%s", strstr(maru_error_message(), "delete ") + strlen("delete "));
    assert_int_equal(remove(record), 0);
    assert_ok(probe(a, "", dir, 0));
}

static void test_warm_is_fast(void **state)
{
    (void)state;
    char dir[1024];
    test_folder("probe", dir);
    assert_ok(probe(test_plugin(FAULT), "", dir, 0));
    test_host host;
    test_host_init(&host, NULL);
    int64_t best = INT64_MAX;
    for (int i = 0; i < 20; i++) {
        maru_plugin_file file;
        maru_plugin *plugin = NULL;
        maru_probe_params params = {.helper = helper, .cache_dir = dir};
        int64_t begin = maru_os_now_ns();
        assert_ok(maru_plugin_file_open(test_plugin(FAULT), &file));
        assert_ok(maru_probe_file(&file, &params));
        assert_ok(maru_plugin_start(&file, &host.params, &plugin));
        int64_t took = maru_os_now_ns() - begin;
        best = took < best ? took : best;
        assert_ok(maru_plugin_unload(&plugin));
    }
    test_host_fini(&host);
    print_message("warm load: %lld us\n", (long long)(best / 1000));
    assert_true(best < 2000000);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_good),
        cmocka_unit_test(test_faults),
        cmocka_unit_test(test_cached),
        cmocka_unit_test(test_warm_is_fast),
    };
    return cmocka_run_group_tests(tests, setup, teardown);
}
