// SPDX-FileCopyrightText: The Maru authors
// SPDX-License-Identifier: Apache-2.0
#include "unit.h"

#include "base/hash.h"

static void maps_bytes_to_values(void **state)
{
    (void)state;
    enum { N = 100000 };
    maru_map map = {0};
    char key[32];
    uint64_t value = 0;
    for (uint64_t i = 0; i < N; i++) {
        snprintf(key, sizeof key, "layers.%llu.weight", (unsigned long long)i);
        assert_ok(maru_map_set_str(&map, key, i * 3));
    }
    assert_int_equal(map.count, N);
    for (uint64_t i = 0; i < N; i++) {
        snprintf(key, sizeof key, "layers.%llu.weight", (unsigned long long)i);
        assert_true(maru_map_get_str(&map, key, &value));
        assert_int_equal(value, i * 3);
    }
    value = 7;
    assert_false(maru_map_get_str(&map, "layers.100000.weight", &value));
    assert_int_equal(value, 7);
    maru_map_fini(&map);
    assert_int_equal(map.count, 0);
}

static void maps_numbers_to_values(void **state)
{
    (void)state;
    enum { N = 100000 };
    maru_map map = {0};
    uint64_t value = 0;
    for (uint64_t i = 0; i < N; i++)
        assert_ok(maru_map_set_u64(&map, i << 20, i));
    for (uint64_t i = 0; i < N; i++) {
        assert_true(maru_map_get_u64(&map, i << 20, &value));
        assert_int_equal(value, i);
    }
    assert_false(maru_map_get_u64(&map, 1, NULL));
    assert_false(maru_map_get_u64(&map, UINT64_MAX, NULL));
    maru_map_fini(&map);
}

static void overwrites(void **state)
{
    (void)state;
    maru_map map = {0};
    uint64_t value = 0;
    assert_false(maru_map_get_str(&map, "a", &value));
    assert_ok(maru_map_set_str(&map, "a", 1));
    assert_ok(maru_map_set_str(&map, "a", 2));
    assert_int_equal(map.count, 1);
    assert_true(maru_map_get_str(&map, "a", &value) && value == 2);
    assert_true(maru_map_get_str(&map, "a", NULL));
    maru_map_fini(&map);
}

static void keys_are_bytes_and_are_copied(void **state)
{
    (void)state;
    maru_map map = {0};
    uint64_t value = 0;
    char key[4] = {0, 1, 0, 2};
    assert_ok(maru_map_set(&map, key, 4, 10));
    assert_ok(maru_map_set(&map, key, 3, 20));
    assert_ok(maru_map_set(&map, "", 0, 30));
    key[3] = 9;
    assert_false(maru_map_get(&map, key, 4, &value));
    key[3] = 2;
    assert_true(maru_map_get(&map, key, 4, &value) && value == 10);
    assert_true(maru_map_get(&map, key, 3, &value) && value == 20);
    assert_true(maru_map_get(&map, NULL, 0, &value) && value == 30);
    maru_map_fini(&map);
}

/* Of a good hash every output bit changes for about half of the changed input bits. */
static void spreads_every_input_bit(void **state)
{
    (void)state;
    uint8_t data[24];
    for (size_t i = 0; i < sizeof data; i++)
        data[i] = (uint8_t)(i * 37);
    for (size_t n = 1; n <= sizeof data; n++) {
        uint64_t before = maru_hash_bytes(data, n, 5);
        for (size_t bit = 0; bit < n * 8; bit++) {
            data[bit / 8] ^= (uint8_t)(1 << bit % 8);
            uint64_t changed = before ^ maru_hash_bytes(data, n, 5);
            data[bit / 8] ^= (uint8_t)(1 << bit % 8);
            int ones = 0;
            for (; changed; changed &= changed - 1)
                ones++;
            assert_in_range(ones, 8, 56);
        }
    }
    assert_int_not_equal(maru_hash_bytes("", 0, 1), maru_hash_bytes("", 0, 2));
    assert_int_not_equal(maru_hash_bytes("\0", 1, 1), maru_hash_bytes("\0\0", 2, 1));
    assert_int_not_equal(maru_hash_u64(1, 0), maru_hash_u64(1, 1));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(maps_bytes_to_values),
        cmocka_unit_test(maps_numbers_to_values),
        cmocka_unit_test(overwrites),
        cmocka_unit_test(keys_are_bytes_and_are_copied),
        cmocka_unit_test(spreads_every_input_bit),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
