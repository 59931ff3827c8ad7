// SPDX-FileCopyrightText: The Maru authors
// SPDX-License-Identifier: Apache-2.0
#ifndef MARU_DEVICE_CACHE_H
#define MARU_DEVICE_CACHE_H

/*
 * Blobs on disk by a 32-byte key: compiled modules, packed weights, tuning
 * results. Each entry carries the SHA-256 of its content and is verified when
 * it is read; a damaged one is removed and reads as absent. Entries appear
 * whole or not at all (written beside, then renamed). Any thread, any number
 * of processes.
 */

#include <maru/status.h>
#include <stddef.h>
#include <stdint.h>

/*
 * `dir` is the cache folder of the runtime ("" keeps nothing: get answers
 * NOT_FOUND, put does nothing). `space` keeps owners apart: the plugin's name,
 * or "weights". Copies at most `room` bytes; *out_bytes is the whole size.
 * NOT_FOUND clears the thread's error record: a miss is ordinary.
 */
MARU_NODISCARD maru_status maru_cache_get(const char *dir, const char *space, const uint8_t key[32], void *data,
                                          size_t room, size_t *out_bytes);
MARU_NODISCARD maru_status maru_cache_put(const char *dir, const char *space, const uint8_t key[32],
                                          const void *data, size_t bytes);
/* As get, into malloc'ed memory. */
MARU_NODISCARD maru_status maru_cache_load(const char *dir, const char *space, const uint8_t key[32],
                                           void **out_data, size_t *out_bytes);

#endif
