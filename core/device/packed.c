// SPDX-FileCopyrightText: The Maru authors
// SPDX-License-Identifier: Apache-2.0
#include "device/packed.h"

#include "base/fail.h"
#include "base/hash.h"
#include "device/registry.h"

#include <stdlib.h>
#include <string.h>

typedef enum {
    MAKING,
    READY,
    FAILED,  // taken out of its bucket; freed by the last who waits
} packed_state;

struct maru_packed {
    maru_packed *next;
    uint8_t key[32];
    bool is_shared;     // it stands in a bucket
    packed_state state;
    uint32_t n_users;   // those who wait for it too; under the mutex, as `state`
    void *data;
    uint64_t bytes;
};

static void add_text(maru_sha256 *sha, const char *text)
{
    maru_sha256_update(sha, text, strlen(text) + 1);
}

static void hash_key(const maru_packed_key *key, uint8_t out[32])
{
    const maru_plugin *plugin = maru_dev_plugin(key->dev);
    const uint64_t numbers[2] = {key->layout, key->bytes};
    maru_sha256 sha;
    maru_sha256_init(&sha);
    maru_sha256_update(&sha, key->content, 32);
    maru_sha256_update(&sha, numbers, sizeof numbers);
    add_text(&sha, maru_plugin_name(plugin));
    add_text(&sha, maru_plugin_manifest(plugin)->version);
    add_text(&sha, maru_dev_info(key->dev)->driver);
    maru_sha256_final(&sha, out);
}

static maru_packed **bucket_of(maru_packed_cache *cache, const uint8_t key[32])
{
    return &cache->buckets[key[0] % MARU_PACKED_BUCKETS];
}

static maru_packed *find(maru_packed_cache *cache, const uint8_t key[32])
{
    maru_packed *p = *bucket_of(cache, key);
    while (p && memcmp(p->key, key, 32) != 0)
        p = p->next;
    return p;
}

static void take_out(maru_packed_cache *cache, maru_packed *packed)
{
    maru_packed **at = bucket_of(cache, packed->key);
    while (packed->is_shared && *at != packed)
        at = &(*at)->next;
    if (packed->is_shared)
        *at = packed->next;
    packed->is_shared = false;
}

/* With the mutex held. The memory is given back without it. */
static maru_packed *drop(maru_packed_cache *cache, maru_packed *packed)
{
    if (--packed->n_users > 0)
        return NULL;
    take_out(cache, packed);
    return packed;
}

static void release(maru_runtime *runtime, maru_packed *packed)
{
    if (!packed)
        return;
    if (packed->data)
        maru_runtime_free(runtime, packed->data, packed->bytes);
    free(packed);
}

static maru_status make_form(maru_runtime *runtime, maru_packed *packed, maru_pack_fn make, void *ctx)
{
    packed->data = maru_runtime_alloc(runtime, packed->bytes);
    if (!packed->data)
        return maru_fail(MARU_RESOURCE_EXHAUSTED, "no memory for %llu bytes of packed weights",
                         (unsigned long long)packed->bytes);
    return make(ctx, packed->data);
}

/* Makes it outside of the mutex, and tells those who wait. */
static maru_status make_and_tell(maru_runtime *runtime, maru_packed *packed, maru_pack_fn make, void *ctx)
{
    maru_packed_cache *cache = maru_runtime_packed(runtime);
    const maru_status status = make_form(runtime, packed, make, ctx);
    maru_packed *dead = NULL;
    maru_mutex_lock(&cache->mutex);
    packed->state = status == MARU_OK ? READY : FAILED;
    if (status != MARU_OK) {
        take_out(cache, packed);
        dead = drop(cache, packed);
    }
    maru_cond_broadcast(&cache->made);
    maru_mutex_unlock(&cache->mutex);
    release(runtime, dead);
    return status;
}

/* One more user of `packed`, once it is made; NULL if it could not be. With the mutex held, given up while waiting. */
static maru_packed *join(maru_packed_cache *cache, maru_packed *packed, maru_packed **out_dead)
{
    packed->n_users++;
    while (packed->state == MAKING)
        (void)maru_cond_wait(&cache->made, &cache->mutex, -1);
    if (packed->state == READY)
        return packed;
    *out_dead = drop(cache, packed);
    return NULL;
}

static maru_packed *create(const maru_packed_key *key)
{
    maru_packed *packed = calloc(1, sizeof *packed);
    if (!packed)
        return NULL;
    packed->bytes = key->bytes;
    packed->n_users = 1;
    if (key->content)
        hash_key(key, packed->key);
    return packed;
}

maru_status maru_packed_get(maru_runtime *runtime, const maru_packed_key *key, maru_pack_fn make, void *ctx,
                            maru_packed **out_packed)
{
    maru_packed_cache *cache = maru_runtime_packed(runtime);
    *out_packed = NULL;
    maru_packed *own = create(key);
    if (!own)
        return maru_fail_oom("packed weights");
    maru_packed *found = NULL;
    maru_packed *dead = NULL;
    maru_mutex_lock(&cache->mutex);
    for (maru_packed *p = NULL; key->content && !found && (p = find(cache, own->key));) {
        found = join(cache, p, &dead);
        if (dead) {
            maru_mutex_unlock(&cache->mutex);
            release(runtime, dead);
            dead = NULL;
            maru_mutex_lock(&cache->mutex);
        }
    }
    if (key->content && !found) {
        own->is_shared = true;
        own->next = *bucket_of(cache, own->key);
        *bucket_of(cache, own->key) = own;
    }
    maru_mutex_unlock(&cache->mutex);
    if (found) {
        free(own);
        *out_packed = found;
        return MARU_OK;
    }
    MARU_TRY(make_and_tell(runtime, own, make, ctx));
    *out_packed = own;
    return MARU_OK;
}

void *maru_packed_data(const maru_packed *packed)
{
    return packed->data;
}

void maru_packed_put(maru_runtime *runtime, maru_packed *packed)
{
    maru_packed_cache *cache = maru_runtime_packed(runtime);
    maru_mutex_lock(&cache->mutex);
    maru_packed *dead = drop(cache, packed);
    maru_mutex_unlock(&cache->mutex);
    release(runtime, dead);
}
