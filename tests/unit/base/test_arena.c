// SPDX-FileCopyrightText: The Maru authors
// SPDX-License-Identifier: Apache-2.0
#include "unit.h"

#include "base/arena.h"

static void aligns_and_zeroes(void **state)
{
    (void)state;
    maru_arena arena = {0};
    for (size_t bytes = 0; bytes < 3000; bytes += 7) {
        char *p = maru_arena_alloc(&arena, bytes);
        assert_non_null(p);
        assert_int_equal((uintptr_t)p % _Alignof(max_align_t), 0);
        for (size_t i = 0; i < bytes; i++)
            assert_int_equal(p[i], 0);
        memset(p, 0xff, bytes);
    }
    assert_true(arena.used_bytes > 600000);
    maru_arena_fini(&arena);
    assert_null(arena.head);
    assert_int_equal(arena.used_bytes, 0);
    maru_arena_fini(&arena);
}

static void keeps_pieces_apart(void **state)
{
    (void)state;
    enum { N = 5000 };
    static char *pieces[N];
    static size_t sizes[N];
    maru_arena arena = {0};
    for (size_t i = 0; i < N; i++) {
        sizes[i] = i % 97 == 0 ? 10000 + i : 1 + i % 50;
        pieces[i] = maru_arena_alloc(&arena, sizes[i]);
        assert_non_null(pieces[i]);
        memset(pieces[i], (int)(i % 251), sizes[i]);
    }
    for (size_t i = 0; i < N; i++) {
        assert_int_equal((unsigned char)pieces[i][0], i % 251);
        assert_int_equal((unsigned char)pieces[i][sizes[i] - 1], i % 251);
    }
    maru_arena_fini(&arena);
}

static void copies_text(void **state)
{
    (void)state;
    maru_arena arena = {0};
    assert_string_equal(maru_arena_strdup(&arena, "scope.path"), "scope.path");
    assert_string_equal(maru_arena_strdup(&arena, ""), "");
    assert_string_equal(maru_arena_strndup(&arena, "abcdef", 3), "abc");
    assert_string_equal(maru_arena_strndup(&arena, "ab", 10), "ab");
    assert_string_equal(maru_arena_strndup(&arena, "ab", SIZE_MAX), "ab");
    assert_string_equal(maru_arena_printf(&arena, "layers.%d.%s", 3, "mlp"), "layers.3.mlp");
    int64_t dims[3] = {1, 2, 3};
    int64_t *copy = maru_arena_memdup(&arena, dims, sizeof dims);
    assert_memory_equal(copy, dims, sizeof dims);
    assert_ptr_not_equal(copy, dims);
    assert_non_null(maru_arena_memdup(&arena, NULL, 0));
    maru_arena_fini(&arena);
}

static void refuses_what_overflows(void **state)
{
    (void)state;
    maru_arena arena = {0};
    assert_null(maru_arena_alloc(&arena, SIZE_MAX));
    assert_null(maru_arena_alloc(&arena, SIZE_MAX - 40));
    assert_null(maru_arena_alloc_array(&arena, SIZE_MAX / 2, 3));
    assert_non_null(maru_arena_alloc_array(&arena, 0, 8));
    assert_non_null(maru_arena_alloc_array(&arena, 10, 8));
    maru_arena_fini(&arena);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(aligns_and_zeroes),
        cmocka_unit_test(keeps_pieces_apart),
        cmocka_unit_test(copies_text),
        cmocka_unit_test(refuses_what_overflows),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
