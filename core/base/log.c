// SPDX-FileCopyrightText: The Maru authors
// SPDX-License-Identifier: Apache-2.0
#include "base/log.h"

#include "base/os_thread.h"

#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>

enum { LINE_BYTES = 1024 };

static _Atomic int log_level = MARU_LOG_WARN;

// The lock keeps calls of the sink apart, and a sink from being replaced under a call.
static maru_mutex sink_lock;
static maru_log_fn sink_fn;
static void *sink_ctx;

static void print_to_stderr(maru_log_level level, const char *line)
{
    static const char *const names[] = {"error", "warning", "info", "debug"};
    fprintf(stderr, "maru: %s: %s\n", names[level], line);
}

void maru_log_set_level(maru_log_level level)
{
    atomic_store_explicit(&log_level, (int)level, memory_order_relaxed);
}

maru_log_level maru_log_get_level(void)
{
    return (maru_log_level)atomic_load_explicit(&log_level, memory_order_relaxed);
}

void maru_log_set_sink(maru_log_fn sink, void *ctx)
{
    maru_mutex_lock(&sink_lock);
    sink_fn = sink;
    sink_ctx = ctx;
    maru_mutex_unlock(&sink_lock);
}

bool maru_log_enabled(maru_log_level level)
{
    return (int)level <= atomic_load_explicit(&log_level, memory_order_relaxed);
}

void maru_log(maru_log_level level, const char *fmt, ...)
{
    if (!maru_log_enabled(level))
        return;
    char line[LINE_BYTES];
    va_list args;
    va_start(args, fmt);
    vsnprintf(line, sizeof line, fmt, args);
    va_end(args);
    maru_mutex_lock(&sink_lock);
    if (sink_fn)
        sink_fn(sink_ctx, level, line);
    else
        print_to_stderr(level, line);
    maru_mutex_unlock(&sink_lock);
}
