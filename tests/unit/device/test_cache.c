// SPDX-FileCopyrightText: The Maru authors
// SPDX-License-Identifier: Apache-2.0
#include "device_test.h"

#include "device/cache.h"
#include "device/host.h"

#include <maru/log.h>

static const uint8_t key[32] = {1, 2, 3};

#define DATA_FILE "0102030000000000000000000000000000000000000000000000000000000000"

static void test_round_trip(void **state)
{
    (void)state;
    char dir[1024];
    char data[8] = "";
    size_t bytes = 0;
    void *loaded = NULL;
    test_folder("cache", dir);
    assert_int_equal(maru_cache_get(dir, "a", key, data, sizeof data, &bytes), MARU_NOT_FOUND);
    assert_string_equal(maru_error_message(), "");
    assert_ok(maru_cache_put(dir, "a", key, "hello", 6));
    assert_ok(maru_cache_get(dir, "a", key, data, 3, &bytes));
    assert_int_equal(bytes, 6);
    assert_memory_equal(data, "hel\0", 4);
    assert_ok(maru_cache_load(dir, "a", key, &loaded, &bytes));
    assert_string_equal(loaded, "hello");
    free(loaded);
    assert_int_equal(maru_cache_get(dir, "b", key, data, 3, &bytes), MARU_NOT_FOUND); // another's space
    assert_ok(maru_cache_put(dir, "a", key, "", 0));
    assert_ok(maru_cache_get(dir, "a", key, data, 3, &bytes));
    assert_int_equal(bytes, 0);
}

static void test_damaged(void **state)
{
    (void)state;
    char dir[1024];
    char path[1200];
    char data[8];
    size_t bytes = 0;
    test_folder("cache", dir);
    assert_ok(maru_cache_put(dir, "a", key, "hello", 6));
    snprintf(path, sizeof path, "%s/blobs/a/" DATA_FILE, dir);
    assert_ok(maru_os_write_file(path, "hellO", 6));
    maru_log_level level = maru_log_get_level();
    maru_log_set_level(MARU_LOG_ERROR);
    assert_int_equal(maru_cache_get(dir, "a", key, data, sizeof data, &bytes), MARU_NOT_FOUND);
    maru_log_set_level(level);
    assert_false(maru_os_is_file(path));
    assert_ok(maru_cache_put(dir, "a", key, "hello", 6));
    assert_ok(maru_cache_get(dir, "a", key, data, sizeof data, &bytes));
}

static void test_no_folder(void **state)
{
    (void)state;
    char data[8];
    size_t bytes = 0;
    assert_ok(maru_cache_put("", "a", key, "hello", 6));
    assert_int_equal(maru_cache_get("", "a", key, data, sizeof data, &bytes), MARU_NOT_FOUND);
}

static void count_items(void *ctx, int64_t begin, int64_t end, int32_t worker)
{
    assert_true(worker >= 0 && worker < 2);
    atomic_fetch_add((atomic_llong *)ctx, end - begin);
}

static void serial_for(void *ctx, int64_t count, int64_t grain, maru_task_fn fn, void *task_ctx)
{
    (void)grain;
    ++*(int *)ctx;
    fn(task_ctx, 0, count, 0);
}

static void test_table(void **state)
{
    (void)state;
    test_host host;
    maru_host h;
    char dir[1024];
    uint64_t bytes = 0;
    char data[4];
    atomic_llong items;
    atomic_init(&items, 0);
    test_host_init(&host, NULL);
    test_folder("host", dir);
    host.services.cache_dir = dir;
    maru_host_init(&h, &host.services, "x");
    const maru_abi_host *t = &h.table;
    t->parallel_for(t->ctx, 1000, 10, count_items, &items);
    assert_int_equal(atomic_load(&items), 1000);
    assert_int_equal(t->thread_count(t->ctx), 2);
    void *memory = t->alloc(t->ctx, 100, 4096);
    assert_int_equal((uintptr_t)memory % 4096, 0);
    t->free(t->ctx, memory);
    assert_null(t->alloc(t->ctx, 100, 3));
    assert_int_equal(t->cache_put(t->ctx, key, "abc", 3), MARU_ABI_OK);
    assert_int_equal(t->cache_get(t->ctx, key, data, 3, &bytes), MARU_ABI_OK);
    assert_int_equal(bytes, 3);
    assert_false(maru_host_take_notified(&h));
    t->notify(t->ctx);
    assert_true(maru_host_take_notified(&h));
    assert_false(maru_host_take_notified(&h));
    assert_null(t->get_ext(t->ctx, "vendor.thing", 1));
    test_host_fini(&host);
}

static void test_embedder_pool(void **state)
{
    (void)state;
    int calls = 0;
    atomic_llong items;
    atomic_init(&items, 0);
    maru_thread_pool pool = {.ctx = &calls, .n_threads = 2, .parallel_for = serial_for};
    maru_host_services services = {
        .embedder_pool = &pool,
        .allocator = &maru_malloc_allocator,
        .cache_dir = "",
    };
    maru_host h;
    maru_host_init(&h, &services, "x");
    h.table.parallel_for(h.table.ctx, 5, 1, count_items, &items);
    h.table.parallel_for(h.table.ctx, 0, 1, count_items, &items);
    assert_int_equal(calls, 1);
    assert_int_equal(atomic_load(&items), 5);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_round_trip), cmocka_unit_test(test_damaged),       cmocka_unit_test(test_no_folder),
        cmocka_unit_test(test_table),      cmocka_unit_test(test_embedder_pool),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
