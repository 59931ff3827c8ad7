// SPDX-FileCopyrightText: The Maru authors
// SPDX-License-Identifier: Apache-2.0
#include "device_test.h"

#include <sys/wait.h>
#include <unistd.h>

#include "device/device.h"

#define ROWS 37
#define COLS 1000
#define LOCAL 64

static const char source[] =
    "__kernel void add(__global const float *a, __global const float *b, __global float *out, long first, int n)\n"
    "{\n"
    "    int i = get_global_id(0);\n"
    "    if (i < n) out[first + i] = a[first + i] + b[first + i];\n"
    "}\n"
    "__kernel void row_sum(__global const float *in, __global float *out, int cols)\n"
    "{\n"
    "    __local float part[LOCAL];\n"
    "    int t = get_local_id(0), row = get_group_id(0);\n"
    "    float sum = 0;\n"
    "    for (int c = t; c < cols; c += LOCAL) sum += in[row * cols + c];\n"
    "    part[t] = sum;\n"
    "    for (int n = LOCAL / 2; n > 0; n /= 2) {\n"
    "        barrier(CLK_LOCAL_MEM_FENCE);\n"
    "        if (t < n) part[t] += part[t + n];\n"
    "    }\n"
    "    if (t == 0) out[row] = part[0];\n"
    "}\n";

static const char *const definitions[] = {"LOCAL=64"};

typedef struct {
    test_host host;
    maru_plugin *plugin;
    maru_dev *dev;
    maru_dev_queue *queue;
    maru_dev_module *module;
} fixture;

/* PoCL ends the process where it cannot read the machine, as in a container without /sys. */
static int try_driver(void)
{
    int status = 0;
    const pid_t child = fork();
    assert_true(child >= 0);
    if (child == 0) {
        test_host host;
        maru_plugin *plugin = NULL;
        uint32_t count = 0;
        char why[256];
        test_host_init(&host, NULL);
        const bool is_loaded = maru_plugin_load(getenv("MARU_TEST_PLUGIN"), &host.params, &plugin) == MARU_OK;
        _exit(is_loaded && maru_plugin_device_count(plugin, &count, why, sizeof why) == MARU_OK ? 0 : 1);
    }
    assert_int_equal(waitpid(child, &status, 0), child);
    return WIFSIGNALED(status) ? WTERMSIG(status) : 0;
}

static void skip_where_driver_dies(void)
{
    static int signal_number = -1;  // tried once, before the driver has threads here
    if (signal_number < 0)
        signal_number = try_driver();
    if (signal_number) {
        print_message("the OpenCL driver ended its process with signal %d\n", signal_number);
        skip();
    }
}

static void open_dev(fixture *f)
{
    uint32_t count = 0;
    char why[256];
    *f = (fixture){0};
    skip_where_driver_dies();
    test_host_init(&f->host, NULL);
    assert_ok(maru_plugin_load(getenv("MARU_TEST_PLUGIN"), &f->host.params, &f->plugin));
    assert_ok(maru_plugin_device_count(f->plugin, &count, why, sizeof why));
    if (count == 0) {
        assert_ok(maru_plugin_unload(&f->plugin));
        test_host_fini(&f->host);
        print_message("%s\n", why);
        skip();
    }
    assert_ok(maru_dev_open(f->plugin, 0, NULL, &f->dev));
    assert_ok(maru_dev_queue_create(f->dev, &f->queue));
}

static void close_dev(fixture *f)
{
    maru_dev_queue_destroy(&f->queue);
    maru_dev_module_destroy(&f->module);
    assert_ok(maru_dev_close(&f->dev, false));
    assert_ok(maru_plugin_unload(&f->plugin));
    test_host_fini(&f->host);
}

static maru_status build(fixture *f, const char *text)
{
    maru_abi_module_request request = {
        .format = "opencl-c",
        .data = text,
        .bytes = strlen(text),
        .definitions = {definitions, 1, sizeof definitions[0]},
        .label = "two kernels",
    };
    return maru_dev_module_build(f->dev, &request, NULL, &f->module);
}

static maru_dev_buffer *make_buffer(fixture *f, int n, float scale)
{
    maru_dev_buffer *b = NULL;
    void *p = NULL;
    assert_ok(maru_dev_buffer_alloc(f->dev, 0, (uint64_t)n * 4, &b));
    assert_ok(maru_dev_buffer_map(b, 0, (uint64_t)n * 4, MARU_ABI_MAP_WRITE, &p));
    for (int i = 0; i < n; i++)
        ((float *)p)[i] = scale * (float)(i % 7);
    maru_dev_buffer_unmap(b);
    return b;
}

static void check_sums(maru_dev_buffer *sums)
{
    void *p = NULL;
    assert_ok(maru_dev_buffer_map(sums, 0, ROWS * 4, MARU_ABI_MAP_READ, &p));
    for (int r = 0; r < ROWS; r++) {
        float expected = 0; // small integers: exact in any order
        for (int c = 0; c < COLS; c++)
            expected += 3.0f * (float)((r * COLS + c) % 7);
        assert_true(((float *)p)[r] == expected);
    }
    maru_dev_buffer_unmap(sums);
}

/* sums[r] = sum over c of (a + b)[r][c], in two launches of one list. */
static void test_two_kernels(void **state)
{
    (void)state;
    fixture f;
    maru_dev_kernel *add = NULL;
    maru_dev_kernel *row_sum = NULL;
    maru_dev_commands *list = NULL;
    open_dev(&f);
    assert_ok(build(&f, source));
    assert_ok(maru_dev_kernel_create(f.module, "add", &add));
    assert_ok(maru_dev_kernel_create(f.module, "row_sum", &row_sum));
    assert_int_equal(maru_dev_kernel_info(add)->n_args, 5);
    maru_dev_buffer *a = make_buffer(&f, ROWS * COLS, 1);
    maru_dev_buffer *b = make_buffer(&f, ROWS * COLS, 2);
    maru_dev_buffer *out = make_buffer(&f, ROWS * COLS, 0);
    maru_dev_buffer *sums = make_buffer(&f, ROWS, 0);
    maru_dev_arg add_args[] = {
        {MARU_ABI_ARG_BUFFER, a, 0},   {MARU_ABI_ARG_BUFFER, b, 0}, {MARU_ABI_ARG_BUFFER, out, 0},
        {MARU_ABI_ARG_I64, NULL, 0},   {MARU_ABI_ARG_I32, NULL, ROWS * COLS},
    };
    maru_dev_arg sum_args[] = {
        {MARU_ABI_ARG_BUFFER, out, 0}, {MARU_ABI_ARG_BUFFER, sums, 0}, {MARU_ABI_ARG_I32, NULL, COLS},
    };
    const uint32_t local[3] = {LOCAL, 1, 1};
    const uint32_t add_groups[3] = {(ROWS * COLS + LOCAL - 1) / LOCAL, 1, 1};
    const uint32_t sum_groups[3] = {ROWS, 1, 1};
    assert_ok(maru_dev_commands_create(f.dev, &list));
    assert_ok(maru_dev_commands_dispatch(list, 0, add, add_args, 5, add_groups, local));
    assert_ok(maru_dev_commands_dispatch(list, 1, row_sum, sum_args, 3, sum_groups, local));
    assert_ok(maru_dev_commands_validate(list));
    assert_ok(maru_dev_queue_run(f.queue, list, maru_os_now_ns() + 60000000000));
    check_sums(sums);
    maru_dev_commands_destroy(&list);
    maru_dev_buffer_free(&a);
    maru_dev_buffer_free(&b);
    maru_dev_buffer_free(&out);
    maru_dev_buffer_free(&sums);
    maru_dev_kernel_destroy(&add);
    maru_dev_kernel_destroy(&row_sum);
    close_dev(&f);
}

static void test_refusals(void **state)
{
    (void)state;
    fixture f;
    maru_dev_kernel *kernel = NULL;
    maru_dev_commands *list = NULL;
    const uint32_t groups[3] = {1, 1, 1};
    const uint32_t huge[3] = {1u << 30, 1, 1};
    const uint32_t none[3] = {0, 1, 1};
    open_dev(&f);
    assert_fails(build(&f, "__kernel void k() { nonsense; }"), MARU_INVALID_ARGUMENT, "two kernels: opencl-test:0");
    assert_ok(build(&f, source));
    assert_fails(maru_dev_kernel_create(f.module, "absent", &kernel), MARU_NOT_FOUND, "kernel 'absent'");
    assert_ok(maru_dev_kernel_create(f.module, "row_sum", &kernel));
    assert_ok(maru_dev_commands_create(f.dev, &list));
    maru_dev_arg args[3] = {{MARU_ABI_ARG_I32, NULL, 1}, {MARU_ABI_ARG_I32, NULL, 1}, {MARU_ABI_ARG_I32, NULL, 1}};
    assert_fails(maru_dev_commands_dispatch(list, 0, kernel, args, 2, groups, groups), MARU_INVALID_ARGUMENT,
                 "2 arguments, it has 3");
    assert_fails(maru_dev_commands_dispatch(list, 0, kernel, args, 3, groups, none), MARU_INVALID_ARGUMENT,
                 "local size {0, 1, 1}");
    assert_fails(maru_dev_commands_dispatch(list, 0, kernel, args, 3, groups, huge), MARU_OUT_OF_RANGE,
                 "work-items in a group");
    args[0].kind = MARU_ABI_ARG_BUFFER;
    assert_fails(maru_dev_commands_dispatch(list, 0, kernel, args, 3, groups, groups), MARU_INVALID_ARGUMENT,
                 "argument 0 is no buffer");
    args[0].kind = 99;
    assert_fails(maru_dev_commands_dispatch(list, 0, kernel, args, 3, groups, groups), MARU_INVALID_ARGUMENT,
                 "unknown kind 99");
    maru_dev_commands_destroy(&list);
    maru_dev_kernel_destroy(&kernel);
    close_dev(&f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_two_kernels),
        cmocka_unit_test(test_refusals),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
