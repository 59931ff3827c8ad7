// SPDX-FileCopyrightText: The Maru authors
// SPDX-License-Identifier: Apache-2.0

/* Packed weights: made once per content, shared by the models of a runtime, freed with the last. */

#define _POSIX_C_SOURCE 200809L // pwrite

#include "unit.h"

#include <fcntl.h>
#include <maru/log.h>
#include <maru/session.h>
#include <stdatomic.h>
#include <unistd.h>

#include "base/os_thread.h"
#include "exec/model_impl.h"

enum { ROWS = 4, COLUMNS = 256, N = ROWS * COLUMNS };

/* ---- counting ---- */

static atomic_int n_packs;

static void count_packs(void *ctx, maru_log_level level, const char *line)
{
    (void)ctx;
    (void)level;
    if (strstr(line, "packs a constant"))
        atomic_fetch_add(&n_packs, 1);
}

static int begin(void **state)
{
    (void)state;
    atomic_store(&n_packs, 0);
    maru_log_set_level(MARU_LOG_INFO);
    maru_log_set_sink(count_packs, NULL);
    return 0;
}

static int end(void **state)
{
    (void)state;
    maru_log_set_sink(NULL, NULL);
    maru_log_set_level(MARU_LOG_WARN);
    return 0;
}

/* ---- weights ---- */

/* A mapped file; counted by its users, as weights files are. */
typedef struct file {
    char path[1100];
    maru_os_map map;
    atomic_int users;
} file;

static void retain(void *owner)
{
    atomic_fetch_add(&((file *)owner)->users, 1);
}

static void release(void *owner)
{
    atomic_fetch_sub(&((file *)owner)->users, 1);
}

static void write_file(file *f, const char *name, float value)
{
    const char *root = getenv("MARU_BUILD_ROOT");
    char folder[1024];
    float data[2 * N];
    snprintf(folder, sizeof folder, "%s/tests/tmp", root ? root : "/tmp");
    assert_ok(maru_os_make_dirs(folder));
    snprintf(f->path, sizeof f->path, "%s/packed-%s", folder, name);
    for (int i = 0; i < 2 * N; i++)
        data[i] = value;
    assert_ok(maru_os_write_file(f->path, data, sizeof data));
}

static void open_file(file *f, const char *name, float value)
{
    write_file(f, name, value);
    atomic_init(&f->users, 0);
    assert_ok(maru_os_map_file(f->path, &f->map));
}

static void close_file(file *f)
{
    assert_int_equal(atomic_load(&f->users), 0);
    maru_os_unmap_file(&f->map);
    remove(f->path);
}

static maru_constant_source part_of(file *f, uint64_t offset)
{
    return (maru_constant_source){.data = f->map.data + offset, .bytes = N * sizeof(float), .fd = f->map.fd,
                                  .offset = offset, .owner = f, .retain = retain, .release = release};
}

/* ---- models ---- */

static maru_graph *make_graph(const char *op, const maru_constant_source *source, const int64_t dims[2])
{
    maru_graph *graph = NULL;
    maru_value in[2] = {0};
    maru_value out = 0;
    const int64_t x_dims[2] = {dims[0], op[1] == 'u' ? dims[1] : dims[0]};
    assert_ok(maru_graph_create("packed", &graph));
    assert_ok(maru_graph_input(graph, "x", MARU_F32, x_dims, 2, &in[0]));
    assert_ok(maru_graph_constant(graph, "w", MARU_F32, dims, 2, source, &in[1]));
    assert_ok(maru_graph_op(graph, op, in, 2, NULL, 0, &out));
    assert_ok(maru_graph_output(graph, "y", out));
    return graph;
}

static const int64_t usual[2] = {ROWS, COLUMNS};

static maru_runtime *fault_runtime(void)
{
    const char *build = getenv("MARU_BUILD_ROOT");
    char path[4096];
    maru_runtime *runtime = NULL;
    snprintf(path, sizeof path, "%s/plugins/fault/fault.so", build ? build : ".");
    const maru_runtime_params params = {.plugin_path = path, .skip_probe = 1};
    assert_ok(maru_runtime_create(&params, &runtime));
    return runtime;
}

static maru_status try_model(maru_runtime *runtime, const maru_constant_source *source, const char *options,
                             maru_model **out)
{
    maru_graph *graph = make_graph("Mul", source, usual);
    const maru_model_params params = {.devices = "fault:0", .device_options = options,
                                      .placement = MARU_PLACE_STRICT};
    return maru_model_create(runtime, &graph, &params, out);
}

static maru_model *make_model(maru_runtime *runtime, const maru_constant_source *source)
{
    maru_model *model = NULL;
    assert_ok(try_model(runtime, source, "fault=packed", &model));
    return model;
}

static void check_run(maru_model *model, float weight)
{
    maru_session *session = NULL;
    float x[N];
    maru_tensor in = {0};
    maru_tensor y = {0};
    for (int i = 0; i < N; i++)
        x[i] = (float)i;
    assert_ok(maru_session_create(model, &session));
    assert_ok(maru_tensor_wrap(MARU_F32, usual, 2, x, sizeof x, &in));
    assert_ok(maru_session_set_input(session, "x", &in));
    assert_ok(maru_session_run(session, NULL));
    assert_ok(maru_session_get_output(session, "y", &y));
    for (int i = 0; i < N; i++)
        assert_true(((float *)y.data)[i] == weight * (float)i);
    maru_session_destroy(&session);
}

/* ---- tests ---- */

static void models_of_one_file_pack_once(void **state)
{
    (void)state;
    file f;
    open_file(&f, "once", 3);
    const maru_constant_source source = part_of(&f, 0);
    maru_runtime *runtime = fault_runtime();
    maru_model *a = make_model(runtime, &source);
    maru_model *b = make_model(runtime, &source);
    assert_int_equal(atomic_load(&n_packs), 1);
    check_run(a, 3);
    maru_model_destroy(&a);
    check_run(b, 3); // what the first one made is there as long as one needs it
    a = make_model(runtime, &source);
    assert_int_equal(atomic_load(&n_packs), 1);
    maru_model_destroy(&a);
    maru_model_destroy(&b);
    a = make_model(runtime, &source);
    assert_int_equal(atomic_load(&n_packs), 2); // it went with the last
    maru_model_destroy(&a);
    maru_runtime_destroy(&runtime);
    close_file(&f);
}

static void other_content_is_packed_again(void **state)
{
    (void)state;
    file f;
    file other;
    open_file(&f, "content", 3);
    open_file(&other, "other", 5);
    const maru_constant_source sources[3] = {part_of(&f, 0), part_of(&f, N * sizeof(float)), part_of(&other, 0)};
    static const float weights[3] = {3, 3, 5};
    maru_runtime *runtime = fault_runtime();
    maru_model *models[3];
    for (int i = 0; i < 3; i++) {
        models[i] = make_model(runtime, &sources[i]);
        assert_int_equal(atomic_load(&n_packs), i + 1);
    }
    for (int i = 0; i < 3; i++) {
        check_run(models[i], weights[i]);
        maru_model_destroy(&models[i]);
    }
    maru_runtime_destroy(&runtime);
    close_file(&f);
    close_file(&other);
}

/* Replaced under its name, or written to where it lies: either is another content. */
static void a_changed_file_is_packed_again(void **state)
{
    (void)state;
    file f;
    file replaced;
    open_file(&f, "changed", 3);
    const maru_constant_source before = part_of(&f, 0);
    maru_runtime *runtime = fault_runtime();
    maru_model *a = make_model(runtime, &before);
    open_file(&replaced, "changed", 7);
    const maru_constant_source after = part_of(&replaced, 0);
    maru_model *b = make_model(runtime, &after);
    assert_int_equal(atomic_load(&n_packs), 2);
    check_run(a, 3);
    check_run(b, 7);
    float data[N];
    for (int i = 0; i < N; i++)
        data[i] = 9;
    maru_os_sleep_ns(20000000); // the clock of files may tick slowly
    const int fd = open(replaced.path, O_WRONLY);
    assert_int_equal(pwrite(fd, data, sizeof data, 0), sizeof data);
    close(fd);
    maru_model *c = make_model(runtime, &after);
    assert_int_equal(atomic_load(&n_packs), 3);
    check_run(b, 7);
    check_run(c, 9);
    maru_model_destroy(&a);
    maru_model_destroy(&b);
    maru_model_destroy(&c);
    maru_runtime_destroy(&runtime);
    close_file(&f);
    maru_os_unmap_file(&replaced.map);
}

static void bytes_in_memory_are_shared_where_they_are_few(void **state)
{
    (void)state;
    static float few[N];
    static float many[600 * 512];
    const maru_constant_source small = {.data = few, .bytes = sizeof few};
    const maru_constant_source large = {.data = many, .bytes = sizeof many};
    static const int64_t dims[2] = {600, 512};
    const maru_model_params params = {.devices = "fault:0", .device_options = "fault=packed"};
    maru_runtime *runtime = fault_runtime();
    maru_model *models[4] = {make_model(runtime, &small), make_model(runtime, &small)};
    assert_int_equal(atomic_load(&n_packs), 1);
    for (int i = 2; i < 4; i++) {
        maru_graph *graph = make_graph("Mul", &large, dims);
        assert_ok(maru_model_create(runtime, &graph, &params, &models[i]));
    }
    assert_int_equal(atomic_load(&n_packs), 3);
    for (int i = 0; i < 4; i++)
        maru_model_destroy(&models[i]);
    maru_runtime_destroy(&runtime);
}

static void a_failure_is_not_kept(void **state)
{
    (void)state;
    static float data[N];
    const maru_constant_source source = {.data = data, .bytes = sizeof data};
    maru_runtime *runtime = fault_runtime();
    maru_model *model = NULL;
    assert_fails(try_model(runtime, &source, "fault=packed,pack-fail=1", &model), MARU_UNAVAILABLE, "not packed");
    assert_null(model);
    model = make_model(runtime, &source);
    assert_int_equal(atomic_load(&n_packs), 1);
    maru_model_destroy(&model);
    maru_runtime_destroy(&runtime);
}

typedef struct loader {
    maru_os_thread thread;
    maru_runtime *runtime;
    const maru_constant_source *source;
    const char *options;
    maru_status status;
} loader;

static void *load(void *arg)
{
    loader *l = arg;
    maru_model *model = NULL;
    maru_graph *graph = make_graph("Mul", l->source, usual);
    const maru_model_params params = {.devices = "fault:0", .device_options = l->options};
    l->status = maru_model_create(l->runtime, &graph, &params, &model);
    maru_os_sleep_ns(1000000);
    maru_model_destroy(&model);
    return NULL;
}

/* Models come and go on many threads; some packs fail, and none of the others does for it. */
static void loads_at_once_agree(void **state)
{
    (void)state;
    enum { N_THREADS = 6, N_ROUNDS = 10 };
    file f;
    open_file(&f, "threads", 2);
    const maru_constant_source source = part_of(&f, 0);
    maru_runtime *runtime = fault_runtime();
    size_t n_devices = 0;
    assert_ok(maru_runtime_device_count(runtime, &n_devices));
    for (int round = 0; round < N_ROUNDS; round++) {
        loader loaders[N_THREADS];
        for (int i = 0; i < N_THREADS; i++) {
            loaders[i] = (loader){.runtime = runtime, .source = &source,
                                  .options = i % 3 ? "fault=packed" : "fault=packed,pack-fail=1"};
            assert_ok(maru_os_thread_start(&loaders[i].thread, load, &loaders[i]));
        }
        for (int i = 0; i < N_THREADS; i++) {
            maru_os_thread_join(&loaders[i].thread);
            assert_true(loaders[i].status == MARU_OK || (i % 3 == 0 && loaders[i].status == MARU_UNAVAILABLE));
        }
    }
    const int packs = atomic_load(&n_packs);
    assert_true(packs >= 1 && packs <= N_THREADS * N_ROUNDS);
    maru_runtime_destroy(&runtime);
    close_file(&f);
}

static const void *packed_data(const maru_model *model)
{
    for (size_t i = 0; i < model->constants.count; i++)
        if (model->constants.data[i]->packed.data)
            return model->constants.data[i]->packed.data;
    return NULL;
}

/* A device that computes from host memory reads the very same bytes for every model. */
static void the_processor_reads_one_copy(void **state)
{
    (void)state;
    static const int64_t square[2] = {32, 32};
    file f;
    open_file(&f, "cpu", 1);
    const maru_constant_source source = part_of(&f, 0);
    maru_runtime *runtime = NULL;
    maru_model *models[2] = {0};
    assert_ok(maru_runtime_create(NULL, &runtime));
    for (int i = 0; i < 2; i++) {
        maru_graph *graph = make_graph("MatMul", &source, square);
        const maru_model_params params = {.devices = "cpu:0", .device_options = "kernels=vector"};
        assert_ok(maru_model_create(runtime, &graph, &params, &models[i]));
    }
    assert_non_null(packed_data(models[0]));
    assert_ptr_equal(packed_data(models[0]), packed_data(models[1]));
    maru_model_destroy(&models[0]);
    maru_model_destroy(&models[1]);
    maru_runtime_destroy(&runtime);
    close_file(&f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(models_of_one_file_pack_once, begin, end),
        cmocka_unit_test_setup_teardown(other_content_is_packed_again, begin, end),
        cmocka_unit_test_setup_teardown(a_changed_file_is_packed_again, begin, end),
        cmocka_unit_test_setup_teardown(bytes_in_memory_are_shared_where_they_are_few, begin, end),
        cmocka_unit_test_setup_teardown(a_failure_is_not_kept, begin, end),
        cmocka_unit_test_setup_teardown(loads_at_once_agree, begin, end),
        cmocka_unit_test_setup_teardown(the_processor_reads_one_copy, begin, end),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
