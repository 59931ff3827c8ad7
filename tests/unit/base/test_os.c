// SPDX-FileCopyrightText: The Maru authors
// SPDX-License-Identifier: Apache-2.0
#define _GNU_SOURCE
#include "unit.h"

#include "base/os.h"

#include <signal.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

static char folder[256];

static int make_folder(void **state)
{
    (void)state;
    const char *base = getenv("TMPDIR");
    snprintf(folder, sizeof folder, "%s/maru-test-XXXXXX", base && *base ? base : "/tmp");
    return mkdtemp(folder) ? 0 : -1;
}

static int remove_folder(void **state)
{
    (void)state;
    const char *const argv[] = {"/bin/rm", "-rf", folder, NULL};
    maru_os_child_result result;
    maru_status status = maru_os_run_child(argv, 10000, 0, true, &result);
    free(result.out);
    return status == MARU_OK ? 0 : -1;
}

/* `name` in the test's folder; one of four buffers in turn. */
static const char *at(const char *name)
{
    static char paths[4][512];
    static int next;
    next = (next + 1) % 4;
    snprintf(paths[next], sizeof paths[next], "%s/%s", folder, name);
    return paths[next];
}

/* ---- files ---- */

static void maps_a_file(void **state)
{
    (void)state;
    enum { BYTES = 3 * 4096 + 17 };
    static char data[BYTES];
    for (size_t i = 0; i < BYTES; i++)
        data[i] = (char)(i * 7);
    maru_os_map map;
    assert_ok(maru_os_write_file(at("mapped"), data, BYTES));
    assert_ok(maru_os_map_file(at("mapped"), &map));
    assert_int_equal(map.bytes, BYTES);
    assert_int_equal(unlink(at("mapped")), 0);
    maru_os_map_prefetch(&map, 5000, SIZE_MAX);
    assert_memory_equal(map.data, data, BYTES);
    maru_os_drop_pages(map.data, BYTES);
    maru_os_drop_pages(map.data + 100, 50);
    maru_os_drop_pages(map.data + 1, 0);
    maru_os_map_prefetch(&map, BYTES + 9000, 50);
    assert_memory_equal(map.data, data, BYTES);
    maru_os_unmap_file(&map);
    assert_null(map.data);
    maru_os_unmap_file(&map);
}

static void maps_no_file_nor_directory(void **state)
{
    (void)state;
    maru_os_map map;
    assert_fails(maru_os_map_file(at("absent"), &map), MARU_NOT_FOUND, "absent");
    assert_fails(maru_os_map_file(folder, &map), MARU_INVALID_ARGUMENT, folder);
    assert_fails(maru_os_map_file("/dev/null", &map), MARU_INVALID_ARGUMENT, "regular");
    assert_ok(maru_os_write_file(at("empty"), "", 0));
    assert_ok(maru_os_map_file(at("empty"), &map));
    assert_null(map.data);
    assert_int_equal(map.bytes, 0);
    maru_os_map_prefetch(&map, 0, 10);
    maru_os_drop_pages(NULL, 10);
    maru_os_unmap_file(&map);
}

/* Weights begin anywhere in their files. */
static void drops_pages_from_any_address(void **state)
{
    (void)state;
    enum { LARGE = 24 << 20 };
    char *data = calloc(1, LARGE);
    maru_os_map map;
    uint64_t full = 0, less = 0, peak = 0;
    volatile uint8_t sum = 0;
    assert_non_null(data);
    assert_ok(maru_os_write_file(at("large"), data, LARGE));
    free(data);
    assert_ok(maru_os_map_file(at("large"), &map));
    for (size_t i = 0; i < LARGE; i += 512)
        sum = (uint8_t)(sum + map.data[i]);
    maru_os_memory_use(&full, &peak);
    maru_os_drop_pages(map.data + 1000, LARGE - 3000);
    maru_os_memory_use(&less, &peak);
    if (full)
        assert_true(less + (LARGE - (4 << 20)) < full);
    assert_int_equal(map.data[LARGE / 2], 0);
    maru_os_unmap_file(&map);
}

static void reads_whole_files(void **state)
{
    (void)state;
    char *data = NULL;
    size_t bytes = 0;
    assert_ok(maru_os_write_file(at("text"), "hello", 5));
    assert_ok(maru_os_read_file(at("text"), 5, &data, &bytes));
    assert_int_equal(bytes, 5);
    assert_string_equal(data, "hello");
    free(data);
    assert_fails(maru_os_read_file(at("text"), 4, &data, &bytes), MARU_RESOURCE_EXHAUSTED, "more than 4");
    assert_null(data);
    assert_fails(maru_os_read_file(at("absent"), 4, &data, &bytes), MARU_NOT_FOUND, "absent");
    assert_fails(maru_os_read_file(folder, 4, &data, &bytes), MARU_INVALID_ARGUMENT, folder);
    assert_ok(maru_os_write_file(at("none"), NULL, 0));
    assert_ok(maru_os_read_file(at("none"), 0, &data, &bytes));
    assert_string_equal(data, "");
    free(data);
    // Files of /proc have no size.
    assert_ok(maru_os_read_file("/proc/self/status", SIZE_MAX, &data, &bytes));
    assert_true(bytes > 100 && strlen(data) == bytes);
    free(data);
    assert_fails(maru_os_read_file("/proc/self/status", 20, &data, &bytes), MARU_RESOURCE_EXHAUSTED, "more than 20");
}

static maru_status count_entry(void *ctx, const char *name)
{
    char **text = ctx;
    char *joined = NULL;
    if (asprintf(&joined, "%s%s,", *text ? *text : "", name) < 0)
        return MARU_RESOURCE_EXHAUSTED;
    free(*text);
    *text = joined;
    return strcmp(name, "stop") == 0 ? MARU_CANCELLED : MARU_OK;
}

static void pieces_become_a_file_or_nothing(void **state)
{
    (void)state;
    maru_os_file *file = NULL;
    char *text = NULL;
    size_t bytes = 0;
    assert_ok(maru_os_make_dirs(at("pieces")));
    assert_ok(maru_os_write_file(at("pieces/file"), "old", 3));
    assert_ok(maru_os_file_begin(at("pieces/file"), &file));
    assert_ok(maru_os_file_write(file, "one ", 4));
    assert_ok(maru_os_file_write(file, "two", 3));
    assert_ok(maru_os_file_end(&file, false));
    assert_null(file);
    assert_ok(maru_os_read_file(at("pieces/file"), 100, &text, &bytes));
    assert_string_equal(text, "old");
    free(text);
    assert_ok(maru_os_file_begin(at("pieces/file"), &file));
    assert_ok(maru_os_file_write(file, "one ", 4));
    assert_ok(maru_os_file_write(file, "two", 3));
    assert_ok(maru_os_file_end(&file, true));
    assert_ok(maru_os_read_file(at("pieces/file"), 100, &text, &bytes));
    assert_string_equal(text, "one two");
    free(text);
    // A device is no file, and stays what it is.
    assert_fails(maru_os_file_begin("/dev/null", &file), MARU_INVALID_ARGUMENT, "no file");
    assert_fails(maru_os_write_file("/dev/null", "x", 1), MARU_INVALID_ARGUMENT, "/dev/null");
    assert_false(maru_os_is_file("/dev/null"));
}

static void writes_all_or_nothing(void **state)
{
    (void)state;
    char *names = NULL;
    char *data = NULL;
    size_t bytes = 0;
    assert_ok(maru_os_make_dirs(at("atomic")));
    assert_ok(maru_os_write_file(at("atomic/file"), "old", 3));
    assert_int_equal(chmod(at("atomic/file"), 0600), 0);
    maru_os_map map;
    assert_ok(maru_os_map_file(at("atomic/file"), &map));
    assert_ok(maru_os_write_file(at("atomic/file"), "newer", 5));
    // Who had the old file open still sees all of it.
    assert_memory_equal(map.data, "old", 3);
    maru_os_unmap_file(&map);
    assert_ok(maru_os_read_file(at("atomic/file"), 100, &data, &bytes));
    assert_string_equal(data, "newer");
    free(data);
    struct stat info;
    assert_int_equal(stat(at("atomic/file"), &info), 0);
    assert_int_equal(info.st_mode & 0777, 0600);

    assert_ok(maru_os_make_dirs(at("atomic/dir")));
    assert_fails(maru_os_write_file(at("atomic/dir"), "x", 1), MARU_INVALID_ARGUMENT, "dir");
    assert_fails(maru_os_write_file(at("atomic/no/file"), "x", 1), MARU_NOT_FOUND, "no/file");
    assert_ok(maru_os_list_dir(at("atomic"), count_entry, &names));
    assert_string_equal(names, "dir,file,");
    free(names);
}

static void a_failed_write_leaves_nothing(void **state)
{
    (void)state;
    char *names = NULL;
    char *data = NULL;
    size_t bytes = 0;
    char large[100] = {0};
    assert_ok(maru_os_make_dirs(at("full")));
    assert_ok(maru_os_write_file(at("full/file"), "old", 3));
    struct rlimit before;
    assert_int_equal(getrlimit(RLIMIT_FSIZE, &before), 0);
    struct rlimit few = {.rlim_cur = 10, .rlim_max = before.rlim_max};
    signal(SIGXFSZ, SIG_IGN);
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &few), 0);
    maru_status status = maru_os_write_file(at("full/file"), large, sizeof large);
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &before), 0);
    assert_fails(status, MARU_RESOURCE_EXHAUSTED, "full/file");
    assert_ok(maru_os_list_dir(at("full"), count_entry, &names));
    assert_string_equal(names, "file,");
    free(names);
    assert_ok(maru_os_read_file(at("full/file"), 100, &data, &bytes));
    assert_string_equal(data, "old");
    free(data);
}

static void lists_sorted_and_stops(void **state)
{
    (void)state;
    char *names = NULL;
    assert_ok(maru_os_make_dirs(at("list")));
    const char *const order[] = {"list/z", "list/b", "list/B", "list/\xc3\xa9", "list/a10", "list/a9"};
    for (size_t i = 0; i < 6; i++)
        assert_ok(maru_os_write_file(at(order[i]), "", 0));
    assert_ok(maru_os_list_dir(at("list"), count_entry, &names));
    assert_string_equal(names, "B,a10,a9,b,z,\xc3\xa9,");
    free(names);
    names = NULL;
    assert_ok(maru_os_write_file(at("list/stop"), "", 0));
    assert_int_equal(maru_os_list_dir(at("list"), count_entry, &names), MARU_CANCELLED);
    assert_string_equal(names, "B,a10,a9,b,stop,");
    free(names);
    assert_fails(maru_os_list_dir(at("absent"), count_entry, &names), MARU_NOT_FOUND, "absent");
    assert_fails(maru_os_list_dir(at("list/stop"), count_entry, &names), MARU_INVALID_ARGUMENT, "stop");
}

static void makes_and_tells_directories(void **state)
{
    (void)state;
    assert_ok(maru_os_make_dirs(at("a/b/c")));
    assert_ok(maru_os_make_dirs(at("a/b/c/")));
    assert_true(maru_os_is_dir(at("a/b/c")));
    assert_false(maru_os_is_file(at("a/b/c")));
    assert_ok(maru_os_write_file(at("a/f"), "1234", 4));
    assert_true(maru_os_is_file(at("a/f")));
    assert_false(maru_os_is_dir(at("a/f")));
    assert_false(maru_os_is_file(at("a/g")));
    assert_fails(maru_os_make_dirs(at("a/f/g")), MARU_INVALID_ARGUMENT, "a/f/g");
    assert_fails(maru_os_make_dirs(at("a/f")), MARU_INVALID_ARGUMENT, "a/f");
    uint64_t bytes = 0;
    int64_t mtime = 0;
    assert_ok(maru_os_stat(at("a/f"), &bytes, &mtime));
    assert_int_equal(bytes, 4);
    assert_true(mtime > INT64_C(1600000000) * 1000000000);
    assert_fails(maru_os_stat(at("a/g"), &bytes, &mtime), MARU_NOT_FOUND, "a/g");
}

static void finds_paths(void **state)
{
    (void)state;
    char *path = NULL;
    assert_ok(maru_os_program_path(&path));
    assert_true(path[0] == '/' && strstr(path, "test_base_os"));
    free(path);
    assert_ok(maru_os_object_path((const void *)(uintptr_t)&getenv, &path));
    assert_true(path[0] == '/' && maru_os_is_file(path));
    free(path);
    assert_fails(maru_os_object_path((const void *)16, &path), MARU_NOT_FOUND, "address");
    assert_ok(maru_os_write_file(at("target"), "", 0));
    assert_int_equal(symlink("target", at("link")), 0);
    assert_ok(maru_os_real_path(at("link"), &path));
    assert_string_equal(strrchr(path, '/'), "/target");
    free(path);
    assert_fails(maru_os_real_path(at("absent"), &path), MARU_NOT_FOUND, "absent");
    path = maru_os_join("a", "b");
    assert_string_equal(path, "a/b");
    free(path);
    path = maru_os_join("a/", "b");
    assert_string_equal(path, "a/b");
    free(path);
    path = maru_os_join("", "b");
    assert_string_equal(path, "b");
    free(path);
}

static void finds_the_cache(void **state)
{
    (void)state;
    char *path = NULL;
    setenv("XDG_CACHE_HOME", "/somewhere/cache", 1);
    assert_ok(maru_os_cache_dir(&path));
    assert_string_equal(path, "/somewhere/cache/maru");
    free(path);
    setenv("XDG_CACHE_HOME", "relative", 1);
    setenv("HOME", "/home/someone", 1);
    assert_ok(maru_os_cache_dir(&path));
    assert_string_equal(path, "/home/someone/.cache/maru");
    free(path);
    unsetenv("HOME");
    assert_fails(maru_os_cache_dir(&path), MARU_NOT_FOUND, "HOME");
}

/* ---- memory, time, terminals ---- */

static void gives_zeroed_pages(void **state)
{
    (void)state;
    const size_t sizes[] = {0, 1, 4096, 100000, ((size_t)2 << 20) - 1, (size_t)2 << 20, ((size_t)5 << 20) + 3};
    for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++) {
        char *pages = maru_os_pages_alloc(sizes[i]);
        assert_non_null(pages);
        assert_int_equal((uintptr_t)pages % (sizes[i] >= (size_t)2 << 20 ? (size_t)2 << 20 : 4096), 0);
        for (size_t at_byte = 0; at_byte < sizes[i]; at_byte += 509) {
            assert_int_equal(pages[at_byte], 0);
            pages[at_byte] = 1;
        }
        maru_os_pages_free(pages, sizes[i]);
    }
    assert_null(maru_os_pages_alloc(SIZE_MAX));
    assert_null(maru_os_pages_alloc(SIZE_MAX / 2));
    maru_os_pages_free(NULL, 100);
}

static void measures(void **state)
{
    (void)state;
    uint64_t resident = 0;
    uint64_t peak = 0;
    maru_os_memory_use(&resident, &peak);
    assert_true(resident > 100000 && peak >= resident / 2);
    int64_t before = maru_os_now_ns();
    usleep(2000);
    assert_true(maru_os_now_ns() - before >= 2000000);
    int fds[2];
    assert_int_equal(pipe(fds), 0);
    assert_false(maru_os_is_terminal(fds[0]));
    assert_int_equal(maru_os_terminal_columns(fds[0]), 80);
    close(fds[0]);
    close(fds[1]);
}

/* ---- children ---- */

static maru_os_child_result run_shell(const char *script, int timeout_ms, size_t max_out)
{
    const char *const argv[] = {"/bin/sh", "-c", script, NULL};
    maru_os_child_result result;
    assert_ok(maru_os_run_child(argv, timeout_ms, max_out, false, &result));
    return result;
}

static void child_gives_output_and_code(void **state)
{
    (void)state;
    maru_os_child_result result = run_shell("printf hello; echo oops >&2; exit 7", 10000, 100);
    assert_true(result.exited && !result.timed_out);
    assert_int_equal(result.exit_code, 7);
    assert_string_equal(result.out, "hello");
    assert_int_equal(result.out_bytes, 5);
    free(result.out);
    result = run_shell("cat", -1, 100);  // stdin is empty
    assert_true(result.exited && result.exit_code == 0 && result.out_bytes == 0);
    free(result.out);
}

static void child_output_is_cut(void **state)
{
    (void)state;
    maru_os_child_result result = run_shell("head -c 300000 /dev/zero | tr '\\0' x; printf end", 20000, 70000);
    assert_true(result.exited && result.exit_code == 0);
    assert_int_equal(result.out_bytes, 70000);
    assert_int_equal(strlen(result.out), 70000);
    free(result.out);
    result = run_shell("printf abc", 10000, 0);
    assert_string_equal(result.out, "");
    free(result.out);
}

static void child_dies_of_a_signal(void **state)
{
    (void)state;
    maru_os_child_result result = run_shell("kill -SEGV $$", 10000, 100);
    assert_false(result.exited);
    assert_false(result.timed_out);
    assert_int_equal(result.signal, SIGSEGV);
    free(result.out);
}

static void child_is_killed_at_the_deadline(void **state)
{
    (void)state;
    int64_t before = maru_os_now_ns();
    maru_os_child_result result = run_shell("printf started; sleep 30; printf never", 200, 100);
    int64_t took = maru_os_now_ns() - before;
    assert_true(result.timed_out && !result.exited);
    assert_string_equal(result.out, "started");
    assert_true(took >= INT64_C(200000000) && took < INT64_C(10000000000));
    free(result.out);
    // One that closed its output, and one that floods it.
    result = run_shell("exec >&-; sleep 30", 200, 100);
    assert_true(result.timed_out);
    free(result.out);
    result = run_shell("yes", 200, 100);
    assert_true(result.timed_out);
    free(result.out);
}

static void its_children_are_killed_too(void **state)
{
    (void)state;
    char script[1200];
    snprintf(script, sizeof script, "(sleep 0.5; : > %s) & wait", at("grandchild"));
    maru_os_child_result result = run_shell(script, 100, 100);
    assert_true(result.timed_out);
    free(result.out);
    usleep(900000);
    assert_false(maru_os_is_file(at("grandchild")));
}

static void child_may_leave_a_child_behind(void **state)
{
    (void)state;
    int64_t before = maru_os_now_ns();
    maru_os_child_result result = run_shell("sleep 5 & printf done", 20000, 100);
    assert_true(result.exited);
    assert_string_equal(result.out, "done");
    assert_true(maru_os_now_ns() - before < INT64_C(4000000000));
    free(result.out);
}

static void child_that_is_not_there(void **state)
{
    (void)state;
    const char *const argv[] = {"/no/such/program", NULL};
    maru_os_child_result result;
    assert_fails(maru_os_run_child(argv, 1000, 100, false, &result), MARU_NOT_FOUND, "/no/such/program");
    assert_null(result.out);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(pieces_become_a_file_or_nothing),
        cmocka_unit_test(maps_a_file),
        cmocka_unit_test(maps_no_file_nor_directory),
        cmocka_unit_test(drops_pages_from_any_address),
        cmocka_unit_test(reads_whole_files),
        cmocka_unit_test(writes_all_or_nothing),
        cmocka_unit_test(a_failed_write_leaves_nothing),
        cmocka_unit_test(lists_sorted_and_stops),
        cmocka_unit_test(makes_and_tells_directories),
        cmocka_unit_test(finds_paths),
        cmocka_unit_test(finds_the_cache),
        cmocka_unit_test(gives_zeroed_pages),
        cmocka_unit_test(measures),
        cmocka_unit_test(child_gives_output_and_code),
        cmocka_unit_test(child_output_is_cut),
        cmocka_unit_test(child_dies_of_a_signal),
        cmocka_unit_test(child_is_killed_at_the_deadline),
        cmocka_unit_test(its_children_are_killed_too),
        cmocka_unit_test(child_may_leave_a_child_behind),
        cmocka_unit_test(child_that_is_not_there),
    };
    return cmocka_run_group_tests(tests, make_folder, remove_folder);
}
