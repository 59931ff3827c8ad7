// SPDX-FileCopyrightText: The Maru authors
// SPDX-License-Identifier: Apache-2.0
#include "cpu.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

maru_abi_status cpu_fail(maru_abi_error *error, maru_abi_status code, const char *fmt, ...)
{
    if (!error)
        return code;
    va_list args;
    va_start(args, fmt);
    vsnprintf(error->message, sizeof error->message, fmt, args);
    va_end(args);
    error->code = code;
    error->scope = MARU_ABI_SCOPE_CALL;
    error->retryable = 0;
    error->node = MARU_ABI_NO_INDEX;
    error->vendor_code = 0;
    return code;
}

maru_abi_status cpu_no_memory(maru_abi_error *error, const char *what)
{
    return cpu_fail(error, MARU_ABI_RESOURCE_EXHAUSTED, "no memory for %s", what);
}

void *cpu_alloc(const maru_abi_host *host, uint64_t count, uint64_t bytes)
{
    if (bytes && count > (SIZE_MAX - 4096) / bytes)
        return NULL;
    uint64_t n = count * bytes;
    n = n > 0 ? n : 1;
    void *memory = host->alloc(host->ctx, n, 64);
    return memory ? memset(memory, 0, n) : NULL;
}

void cpu_free(const maru_abi_host *host, void *memory)
{
    if (memory)
        host->free(host->ctx, memory);
}

/* ---- arena ------------------------------------------------------------------ */

enum { ARENA_HEADER = 16 }; // a pointer to the piece before, and alignment

void *cpu_arena_alloc(cpu_arena *arena, uint64_t count, uint64_t bytes)
{
    if (bytes && count > (SIZE_MAX - 4096) / bytes)
        return NULL;
    char *piece = cpu_alloc(arena->host, 1, ARENA_HEADER + count * bytes);
    if (!piece)
        return NULL;
    memcpy(piece, &arena->last, sizeof arena->last);
    arena->last = piece;
    return piece + ARENA_HEADER;
}

void *cpu_arena_copy(cpu_arena *arena, const void *data, uint64_t bytes)
{
    char *copy = cpu_arena_alloc(arena, 1, bytes + 1);
    if (copy && bytes)
        memcpy(copy, data, bytes);
    return copy;
}

const char *cpu_arena_printf(cpu_arena *arena, const char *fmt, ...)
{
    char text[512];
    va_list args;
    va_start(args, fmt);
    int n = vsnprintf(text, sizeof text, fmt, args);
    va_end(args);
    n = n < 0 ? 0 : n >= (int)sizeof text ? (int)sizeof text - 1 : n;
    return cpu_arena_copy(arena, text, (uint64_t)n);
}

void cpu_arena_fini(cpu_arena *arena)
{
    while (arena->last) {
        void *before = NULL;
        memcpy(&before, arena->last, sizeof before);
        arena->host->free(arena->host->ctx, arena->last);
        arena->last = before;
    }
}
