// SPDX-FileCopyrightText: The Maru authors
// SPDX-License-Identifier: Apache-2.0
#define _GNU_SOURCE
#include "unit.h"

#include <unistd.h>

#include "base/os.h"
#include "exec/dropping.h"

enum { BYTES = 48 << 20, MARGIN = 8 << 20 };

static char path[300];

static int make_file(void **state)
{
    (void)state;
    const char *base = getenv("TMPDIR");
    snprintf(path, sizeof path, "%s/maru-test-%ld", base && *base ? base : "/tmp", (long)getpid());
    char *data = malloc(BYTES);
    if (!data)
        return -1;
    memset(data, 7, BYTES);
    maru_status status = maru_os_write_file(path, data, BYTES);
    free(data);
    return status == MARU_OK ? 0 : -1;
}

static int remove_file(void **state)
{
    (void)state;
    return unlink(path);
}

/* ThreadSanitizer keeps four bytes of its own for each that is read: what is resident says nothing there. */
#if defined(__SANITIZE_THREAD__)
#define IS_MEASURED 0
#elif defined(__has_feature)
#if __has_feature(thread_sanitizer)
#define IS_MEASURED 0
#endif
#endif
#ifndef IS_MEASURED
#define IS_MEASURED 1
#endif

/* 0 where it cannot be told. */
static uint64_t resident(void)
{
    uint64_t now = 0, peak = 0;
    if (IS_MEASURED)
        maru_os_memory_use(&now, &peak);
    return now;
}

static bool is_sevens(const maru_constant_source *source)
{
    const uint8_t *bytes = source->data;
    bool is_right = true;
    for (size_t i = 0; i < source->bytes; i += 512)
        is_right = is_right && bytes[i] == 7;
    return is_right;
}

/* It may be read while its pages are dropped, as often as one likes. */
static void is_there_while_it_is_dropped(void **state)
{
    (void)state;
    maru_os_map map;
    assert_ok(maru_os_map_file(path, &map));
    const maru_constant_source source = {.data = map.data, .bytes = map.bytes, .fd = map.fd};
    const uint64_t before = resident();
    maru_dropping dropping;
    maru_dropping_begin(&dropping, &source);
    assert_true(dropping.has_thread);
    for (int i = 0; i < 3; i++)
        assert_true(is_sevens(&source));
    // Nobody reads it now: without an end, a few periods later, it is gone.
    for (int i = 0; i < 1000 && resident() > before + MARGIN; i++)
        maru_os_sleep_ns(5000000);
    if (before)
        assert_true(resident() < before + MARGIN);
    assert_true(is_sevens(&source));
    maru_dropping_end(&dropping);
    if (before)
        assert_true(resident() < before + MARGIN);
    maru_os_unmap_file(&map);
}

/* What lies in no file would be lost. */
static void leaves_memory_alone(void **state)
{
    (void)state;
    void *data = maru_os_pages_alloc(BYTES);
    assert_non_null(data);
    memset(data, 7, BYTES);
    const maru_constant_source source = {.data = data, .bytes = BYTES};
    maru_dropping dropping;
    maru_dropping_begin(&dropping, &source);
    assert_false(dropping.has_thread);
    maru_dropping_end(&dropping);
    maru_drop_source(&source);
    assert_true(is_sevens(&source));
    maru_os_pages_free(data, BYTES);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(is_there_while_it_is_dropped),
        cmocka_unit_test(leaves_memory_alone),
    };
    return cmocka_run_group_tests(tests, make_file, remove_file);
}
