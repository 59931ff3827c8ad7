// SPDX-FileCopyrightText: The Maru authors
// SPDX-License-Identifier: Apache-2.0
#include "base/hash.h"

#include "base/fail.h"
#include "base/size.h"

#include <stdlib.h>
#include <string.h>

/* ---- the fast hash ---- */

static uint64_t rotate(uint64_t x, int bits)
{
    return (x << bits) | (x >> (64 - bits));
}

/* Every bit of the input reaches every bit of the output (the finaliser of MurmurHash3). */
static uint64_t scatter(uint64_t x)
{
    x = (x ^ (x >> 33)) * UINT64_C(0xff51afd7ed558ccd);
    x = (x ^ (x >> 33)) * UINT64_C(0xc4ceb9fe1a85ec53);
    return x ^ (x >> 33);
}

static uint64_t absorb(uint64_t h, uint64_t word)
{
    word = rotate(word * UINT64_C(0x87c37b91114253d5), 31) * UINT64_C(0x4cf5ad432745937f);
    return rotate(h ^ word, 27) * 5 + 0x52dce729;
}

uint64_t maru_hash_bytes(const void *data, size_t bytes, uint64_t seed)
{
    const uint8_t *p = data;
    uint64_t h = seed ^ ((uint64_t)bytes * UINT64_C(0x9e3779b97f4a7c15));
    uint64_t word = 0;
    size_t left = bytes;
    for (; left >= 8; left -= 8, p += 8) {
        memcpy(&word, p, 8);
        h = absorb(h, word);
    }
    if (left) {
        word = 0;
        memcpy(&word, p, left);
        h = absorb(h, word);
    }
    return scatter(h);
}

uint64_t maru_hash_u64(uint64_t value, uint64_t seed)
{
    return scatter(value + UINT64_C(0x9e3779b97f4a7c15) + scatter(seed));
}

/* ---- the map: linear probing, a power of two of slots, at most 3/4 full ---- */

struct maru_map_slot {
    uint64_t hash;  // 0 marks an empty slot; a key's hash is never 0
    uint64_t value;
    union {
        char *bytes;  // owned
        uint64_t number;
    } key;
    size_t key_bytes;
    bool is_number;
};

/* What is looked for: bytes, or a number when `bytes` is NULL. */
typedef struct map_key {
    const void *bytes;
    size_t n_bytes;
    uint64_t number;
    uint64_t hash;
} map_key;

static map_key key_of_bytes(const void *key, size_t key_bytes)
{
    const void *bytes = key ? key : "";
    uint64_t hash = maru_hash_bytes(bytes, key_bytes, 0);
    return (map_key){.bytes = bytes, .n_bytes = key_bytes, .hash = hash ? hash : 1};
}

static map_key key_of_u64(uint64_t key)
{
    uint64_t hash = maru_hash_u64(key, 0);
    return (map_key){.number = key, .hash = hash ? hash : 1};
}

static bool slot_holds(const maru_map_slot *slot, const map_key *key)
{
    if (slot->hash != key->hash || slot->is_number != !key->bytes)
        return false;
    if (slot->is_number)
        return slot->key.number == key->number;
    return slot->key_bytes == key->n_bytes && memcmp(slot->key.bytes, key->bytes, key->n_bytes) == 0;
}

/* The slot of the key, or the empty slot where it would go. The map is not full. */
static maru_map_slot *find_slot(const maru_map *map, const map_key *key)
{
    size_t mask = map->capacity - 1;
    size_t i = (size_t)key->hash & mask;
    while (map->slots[i].hash && !slot_holds(&map->slots[i], key))
        i = (i + 1) & mask;
    return &map->slots[i];
}

static maru_status grow(maru_map *map)
{
    size_t capacity = map->capacity ? 0 : 16;
    if (map->capacity && !maru_mul_size(map->capacity, 2, &capacity))
        return maru_fail_oom("map");
    maru_map_slot *slots = calloc(capacity, sizeof *slots);
    if (!slots)
        return maru_fail(MARU_RESOURCE_EXHAUSTED, "out of memory: map of %zu slots", capacity);
    for (size_t i = 0; i < map->capacity; i++) {
        if (!map->slots[i].hash)
            continue;
        size_t to = (size_t)map->slots[i].hash & (capacity - 1);
        while (slots[to].hash)
            to = (to + 1) & (capacity - 1);
        slots[to] = map->slots[i];
    }
    free(map->slots);
    map->slots = slots;
    map->capacity = capacity;
    return MARU_OK;
}

static maru_status set(maru_map *map, const map_key *key, uint64_t value)
{
    if (map->count + 1 > map->capacity - map->capacity / 4)
        MARU_TRY(grow(map));
    maru_map_slot *slot = find_slot(map, key);
    if (slot->hash) {
        slot->value = value;
        return MARU_OK;
    }
    if (key->bytes) {
        char *copy = malloc(key->n_bytes ? key->n_bytes : 1);
        if (!copy)
            return maru_fail_oom("key of a map");
        memcpy(copy, key->bytes, key->n_bytes);
        slot->key.bytes = copy;
        slot->key_bytes = key->n_bytes;
    } else {
        slot->key.number = key->number;
        slot->is_number = true;
    }
    slot->hash = key->hash;
    slot->value = value;
    map->count++;
    return MARU_OK;
}

static bool get(const maru_map *map, const map_key *key, uint64_t *out_value)
{
    if (!map->count)
        return false;
    const maru_map_slot *slot = find_slot(map, key);
    if (!slot->hash)
        return false;
    if (out_value)
        *out_value = slot->value;
    return true;
}

void maru_map_fini(maru_map *map)
{
    for (size_t i = 0; i < map->capacity; i++) {
        if (map->slots[i].hash && !map->slots[i].is_number)
            free(map->slots[i].key.bytes);
    }
    free(map->slots);
    *map = (maru_map){0};
}

maru_status maru_map_set(maru_map *map, const void *key, size_t key_bytes, uint64_t value)
{
    map_key k = key_of_bytes(key, key_bytes);
    return set(map, &k, value);
}

maru_status maru_map_set_str(maru_map *map, const char *key, uint64_t value)
{
    return maru_map_set(map, key, strlen(key), value);
}

maru_status maru_map_set_u64(maru_map *map, uint64_t key, uint64_t value)
{
    map_key k = key_of_u64(key);
    return set(map, &k, value);
}

bool maru_map_get(const maru_map *map, const void *key, size_t key_bytes, uint64_t *out_value)
{
    map_key k = key_of_bytes(key, key_bytes);
    return get(map, &k, out_value);
}

bool maru_map_get_str(const maru_map *map, const char *key, uint64_t *out_value)
{
    return maru_map_get(map, key, strlen(key), out_value);
}

bool maru_map_get_u64(const maru_map *map, uint64_t key, uint64_t *out_value)
{
    map_key k = key_of_u64(key);
    return get(map, &k, out_value);
}
