// SPDX-FileCopyrightText: The Maru authors
// SPDX-License-Identifier: Apache-2.0
#include "base/arena.h"

#include "base/size.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { FIRST_CHUNK_BYTES = 4096, LARGEST_CHUNK_BYTES = 1 << 20 };

struct maru_arena_chunk {
    maru_arena_chunk *next;
    size_t capacity;  // bytes of `data`
    size_t used;      // a multiple of the largest alignment, and at most `capacity`
    _Alignas(max_align_t) char data[];
};

static maru_arena_chunk *new_chunk(size_t capacity)
{
    size_t bytes = 0;
    if (!maru_add_size(sizeof(maru_arena_chunk), capacity, &bytes))
        return NULL;
    maru_arena_chunk *chunk = calloc(1, bytes);
    if (chunk)
        chunk->capacity = capacity;
    return chunk;
}

static size_t next_capacity(const maru_arena *arena)
{
    if (!arena->head)
        return FIRST_CHUNK_BYTES;
    size_t doubled = arena->head->capacity * 2;
    return doubled < LARGEST_CHUNK_BYTES ? doubled : LARGEST_CHUNK_BYTES;
}

void maru_arena_fini(maru_arena *arena)
{
    maru_arena_chunk *chunk = arena->head;
    while (chunk) {
        maru_arena_chunk *next = chunk->next;
        free(chunk);
        chunk = next;
    }
    *arena = (maru_arena){0};
}

/* A chunk of its own for a large request; the head keeps its free space for the small ones. */
static void *alloc_large(maru_arena *arena, size_t bytes)
{
    maru_arena_chunk *chunk = new_chunk(bytes);
    if (!chunk)
        return NULL;
    chunk->used = bytes;
    if (arena->head) {
        chunk->next = arena->head->next;
        arena->head->next = chunk;
    } else {
        arena->head = chunk;
    }
    arena->used_bytes += bytes;
    return chunk->data;
}

void *maru_arena_alloc(maru_arena *arena, size_t bytes)
{
    size_t rounded = 0;
    if (!maru_align_size(bytes ? bytes : 1, _Alignof(max_align_t), &rounded))
        return NULL;
    maru_arena_chunk *head = arena->head;
    if (!head || rounded > head->capacity - head->used) {
        size_t capacity = next_capacity(arena);
        if (rounded > capacity / 2)
            return alloc_large(arena, rounded);
        head = new_chunk(capacity);
        if (!head)
            return NULL;
        head->next = arena->head;
        arena->head = head;
    }
    void *memory = head->data + head->used;
    head->used += rounded;
    arena->used_bytes += rounded;
    return memory;
}

void *maru_arena_alloc_array(maru_arena *arena, size_t count, size_t item_bytes)
{
    size_t bytes = 0;
    return maru_mul_size(count, item_bytes, &bytes) ? maru_arena_alloc(arena, bytes) : NULL;
}

void *maru_arena_memdup(maru_arena *arena, const void *data, size_t bytes)
{
    void *copy = maru_arena_alloc(arena, bytes);
    if (copy && bytes)
        memcpy(copy, data, bytes);
    return copy;
}

char *maru_arena_strdup(maru_arena *arena, const char *text)
{
    return maru_arena_memdup(arena, text, strlen(text) + 1);
}

char *maru_arena_strndup(maru_arena *arena, const char *text, size_t length)
{
    const char *end = memchr(text, '\0', length);
    size_t kept = end ? (size_t)(end - text) : length;
    size_t bytes = 0;
    if (!maru_add_size(kept, 1, &bytes))
        return NULL;
    char *copy = maru_arena_alloc(arena, bytes);
    if (copy)
        memcpy(copy, text, kept);
    return copy;
}

char *maru_arena_printf(maru_arena *arena, const char *fmt, ...)
{
    va_list args;
    va_start(args, fmt);
    int length = vsnprintf(NULL, 0, fmt, args);
    va_end(args);
    if (length < 0)
        return NULL;
    char *text = maru_arena_alloc(arena, (size_t)length + 1);
    if (!text)
        return NULL;
    va_start(args, fmt);
    vsnprintf(text, (size_t)length + 1, fmt, args);
    va_end(args);
    return text;
}
