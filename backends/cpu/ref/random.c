// SPDX-FileCopyrightText: The Maru authors
// SPDX-License-Identifier: Apache-2.0

/*
 * Random: bits that are a pure function of a seed, a stream, a counter and the
 * element's place. Philox4x32-10 of Salmon, Moraes, Dror and Shaw, "Parallel
 * Random Numbers: As Easy as 1, 2, 3", SC'11. Key: seed, stream. Block: place
 * / 4 in two words, then the counter in two, low word first; the place modulo
 * 4 chooses one of its four words.
 */

#include "ref/ref.h"

enum { ROUNDS = 10 };

typedef struct block {
    uint32_t word[4];
} block;

static block philox(block x, uint32_t key0, uint32_t key1)
{
    for (int round = 0; round < ROUNDS; round++) {
        const uint64_t a = (uint64_t)0xD2511F53u * x.word[0];
        const uint64_t b = (uint64_t)0xCD9E8D57u * x.word[2];
        x = (block){{(uint32_t)(b >> 32) ^ x.word[1] ^ key0, (uint32_t)b,
                     (uint32_t)(a >> 32) ^ x.word[3] ^ key1, (uint32_t)a}};
        key0 += 0x9E3779B9u;
        key1 += 0xBB67AE85u;
    }
    return x;
}

static maru_abi_status ref_random(cpu_call *c)
{
    const uint32_t seed = (uint32_t)cpu_attr_int(&c->attrs, "seed", 0);
    const uint32_t stream = (uint32_t)cpu_attr_int(&c->attrs, "stream", 0);
    const uint64_t counter = cpu_has(c, 1) ? (uint64_t)cpu_load_int(&c->in[1], 0) : 0;
    uint32_t *out = c->out[0].data;
    block drawn = {{0}};
    for (int64_t i = 0; i < c->out[0].count; i++) {
        const uint64_t at = (uint64_t)i / 4;
        if (i % 4 == 0)
            drawn = philox((block){{(uint32_t)at, (uint32_t)(at >> 32), (uint32_t)counter, (uint32_t)(counter >> 32)}},
                           seed, stream);
        out[i] = drawn.word[i % 4];
    }
    return MARU_ABI_OK;
}

const cpu_ref_op cpu_ref_random[] = {
    {"Random", "maru", 1, ref_random, "i i", 0},
    {.name = NULL},
};
