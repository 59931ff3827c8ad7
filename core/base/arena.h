// SPDX-FileCopyrightText: The Maru authors
// SPDX-License-Identifier: Apache-2.0
#ifndef MARU_BASE_ARENA_H
#define MARU_BASE_ARENA_H

/*
 * A bump allocator for long-lived groups (a graph, a plan): everything in it
 * is freed at once. One thread at a time. {0} is an empty arena.
 */

#include <maru/attr.h>
#include <stddef.h>

typedef struct maru_arena_chunk maru_arena_chunk;

typedef struct maru_arena {
    maru_arena_chunk *head;  // newest chunk; the list owns all of them
    size_t used_bytes;       // handed out, for reports
} maru_arena;

/* Frees every chunk; the arena is {0} again. */
void maru_arena_fini(maru_arena *arena);

/* `bytes` zeroed bytes aligned for any type, or NULL when memory ran out. 0 bytes give a valid pointer. */
void *maru_arena_alloc(maru_arena *arena, size_t bytes);

/* As maru_arena_alloc for `count` items of `item_bytes`; NULL on overflow too. */
void *maru_arena_alloc_array(maru_arena *arena, size_t count, size_t item_bytes);

/* Copies; NULL when memory ran out. strndup copies at most `length` bytes and ends them with NUL. */
void *maru_arena_memdup(maru_arena *arena, const void *data, size_t bytes);
char *maru_arena_strdup(maru_arena *arena, const char *text);
char *maru_arena_strndup(maru_arena *arena, const char *text, size_t length);
MARU_PRINTF(2, 3) char *maru_arena_printf(maru_arena *arena, const char *fmt, ...);

#endif
