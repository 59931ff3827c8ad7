// SPDX-FileCopyrightText: The Maru authors
// SPDX-License-Identifier: Apache-2.0
#ifndef MARU_BASE_HASH_H
#define MARU_BASE_HASH_H

/* A fast 64-bit hash, SHA-256 (FIPS 180-4), and a hash map from bytes or integers to 64-bit values. */

#include <maru/status.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Not for untrusted keys that must not collide; the value may change between releases. */
uint64_t maru_hash_bytes(const void *data, size_t bytes, uint64_t seed);
uint64_t maru_hash_u64(uint64_t value, uint64_t seed);

typedef struct maru_sha256 {
    uint32_t h[8];
    uint64_t total_bytes;
    uint8_t block[64];
    size_t block_bytes;
} maru_sha256;

void maru_sha256_init(maru_sha256 *sha);
void maru_sha256_update(maru_sha256 *sha, const void *data, size_t bytes);
void maru_sha256_final(maru_sha256 *sha, uint8_t out_digest[32]);
/* `out_text` is 64 hex digits and NUL. */
void maru_sha256_hex(const uint8_t digest[32], char out_text[65]);

/* Open addressing; {0} is empty. Keys are copied (bytes) or held by value (u64): use one kind per map. */
typedef struct maru_map_slot maru_map_slot;
typedef struct maru_map {
    maru_map_slot *slots;
    size_t count;
    size_t capacity;
} maru_map;

void maru_map_fini(maru_map *map);

/* Inserts or overwrites. */
MARU_NODISCARD maru_status maru_map_set(maru_map *map, const void *key, size_t key_bytes, uint64_t value);
MARU_NODISCARD maru_status maru_map_set_str(maru_map *map, const char *key, uint64_t value);
MARU_NODISCARD maru_status maru_map_set_u64(maru_map *map, uint64_t key, uint64_t value);

/* False, and *out_value left alone, if the key is absent. `out_value` may be NULL. */
bool maru_map_get(const maru_map *map, const void *key, size_t key_bytes, uint64_t *out_value);
bool maru_map_get_str(const maru_map *map, const char *key, uint64_t *out_value);
bool maru_map_get_u64(const maru_map *map, uint64_t key, uint64_t *out_value);

#endif
