// SPDX-FileCopyrightText: The Maru authors
// SPDX-License-Identifier: Apache-2.0
#define _POSIX_C_SOURCE 200809L
#define MARU_PLUGIN_STATIC

/* A plugin that is linked into the program: here, into one file with its test. */

#include "../../../plugins/template/fence.c"
#include "../../../plugins/template/host_device.c"
#include "../../../plugins/template/template_graph.c"

#include "device_test.h"

#include "device/registry.h"

#define MANIFEST "name=template-graph\nvendor=v\nversion=1.0.0\nlicence=l\ntiers=G\n"

static void test_attach(void **state)
{
    (void)state;
    maru_runtime *runtime = NULL;
    maru_runtime_params params = {.n_threads = 1, .plugin_path = "", .cache_dir = "", .skip_probe = 1};
    maru_device_info info;
    maru_dev *dev = NULL;
    assert_ok(maru_runtime_create(&params, &runtime));
    assert_ok(maru_runtime_attach_static(runtime, maru_plugin_query_template_graph, MANIFEST));
    assert_fails(maru_runtime_attach_static(runtime, maru_plugin_query_template_graph, MANIFEST),
                 MARU_ALREADY_EXISTS, "attached already, from static");
    assert_ok(maru_runtime_device_info(runtime, 0, &info));
    assert_string_equal(info.id, "template-graph:0");
    assert_string_equal(info.plugin_path, "static");
    assert_fails(maru_runtime_attach_static(runtime, maru_plugin_query_template_graph, MANIFEST),
                 MARU_FAILED_PRECONDITION, "too late");
    assert_ok(maru_runtime_open_device(runtime, 0, NULL, &dev));
    assert_ok(maru_dev_close(&dev, false));
    assert_fails(maru_runtime_open_device(runtime, 0, "colour=blue", &dev), MARU_INVALID_ARGUMENT, "no options");
    maru_runtime_destroy(&runtime);
}

static void test_wrong_manifest(void **state)
{
    (void)state;
    test_host host;
    maru_plugin *plugin = NULL;
    test_host_init(&host, NULL);
    assert_fails(maru_plugin_attach_static(maru_plugin_query_template_graph, "name=x\n", &host.params, &plugin),
                 MARU_INVALID_ARGUMENT, "'vendor' is missing");
    assert_fails(maru_plugin_attach_static(maru_plugin_query_template_graph,
                                           "name=other\nvendor=v\nversion=1\nlicence=l\ntiers=G\n", &host.params,
                                           &plugin),
                 MARU_FAILED_PRECONDITION, "says name 'template-graph', its manifest 'other'");
    test_host_fini(&host);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_attach),
        cmocka_unit_test(test_wrong_manifest),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
