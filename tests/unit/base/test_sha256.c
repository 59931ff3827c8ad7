// SPDX-FileCopyrightText: The Maru authors
// SPDX-License-Identifier: Apache-2.0
#include "unit.h"

#include "base/hash.h"

static void check(const char *text, size_t bytes, size_t step, const char *expected)
{
    maru_sha256 sha;
    uint8_t digest[32];
    char hex[65];
    maru_sha256_init(&sha);
    for (size_t at = 0; at < bytes; at += step)
        maru_sha256_update(&sha, text + at, bytes - at < step ? bytes - at : step);
    maru_sha256_final(&sha, digest);
    maru_sha256_hex(digest, hex);
    assert_string_equal(hex, expected);
}

/* The examples that NIST publishes with FIPS 180-4. */
static void gives_the_published_digests(void **state)
{
    (void)state;
    const char *two_blocks = "abcdbcdecdefdefgefghfghighijhijkijkljklmklmnlmnomnopnopq";
    check("", 0, 1, "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
    check("abc", 3, 3, "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
    check(two_blocks, 56, 56, "248d6a61d20638b8e5c026930c3e6039a33ce45964ff2167f6ecedd419db06c1");
}

static void does_not_depend_on_the_pieces(void **state)
{
    (void)state;
    static char million[1000000];
    memset(million, 'a', sizeof million);
    const size_t steps[] = {1, 3, 63, 64, 65, 1000, 1000000};
    for (size_t i = 0; i < sizeof steps / sizeof *steps; i++) {
        check(million, sizeof million, steps[i],
              "cdc76e5c9914fb9281a1c7e284d73e67f1809a48a497200e046d39ccc7112cd0");
    }
}

/* Every length around the padding's two cases, chained into one digest (made with Python's hashlib). */
static void pads_every_length(void **state)
{
    (void)state;
    uint8_t chain[32] = {0};
    uint8_t data[130];
    char hex[65];
    memset(data, 0x5a, sizeof data);
    for (size_t n = 0; n <= sizeof data; n++) {
        maru_sha256 sha;
        maru_sha256_init(&sha);
        maru_sha256_update(&sha, chain, sizeof chain);
        maru_sha256_update(&sha, data, n);
        maru_sha256_final(&sha, chain);
    }
    maru_sha256_hex(chain, hex);
    assert_string_equal(hex, "bfb4fee0f4a7c66d9741a30369c054b939173daa7f52654fc0de2c73f48cd436");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(gives_the_published_digests),
        cmocka_unit_test(does_not_depend_on_the_pieces),
        cmocka_unit_test(pads_every_length),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
