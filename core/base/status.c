// SPDX-FileCopyrightText: The Maru authors
// SPDX-License-Identifier: Apache-2.0
#include "base/fail.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { MESSAGE_BYTES = 8192, WHERE_BYTES = 96 };

typedef struct error_record {
    char message[MESSAGE_BYTES];
    char where[WHERE_BYTES];
} error_record;

static _Thread_local error_record record;

static void set_message(const char *text)
{
    size_t length = strlen(text);
    if (length < MESSAGE_BYTES) {
        memmove(record.message, text, length + 1);
        return;
    }
    memcpy(record.message, text, MESSAGE_BYTES - 4);
    memcpy(record.message + MESSAGE_BYTES - 4, "...", 4);
}

static void set_where(const char *file, int line)
{
    const char *slash = strrchr(file, '/');
    snprintf(record.where, sizeof record.where, "%s:%d", slash ? slash + 1 : file, line);
}

maru_status maru_fail_at(const char *file, int line, maru_status code, const char *fmt, ...)
{
    // Formatted aside: an argument may be the old message itself.
    char text[MESSAGE_BYTES + 64];
    va_list args;
    va_start(args, fmt);
    vsnprintf(text, sizeof text, fmt, args);
    va_end(args);
    set_message(text);
    set_where(file, line);
    return code;
}

maru_status maru_error_set(maru_status status, const char *message)
{
    set_message(message);
    record.where[0] = '\0';
    return status;
}

maru_status maru_fail_within(maru_status code, const char *prefix_fmt, ...)
{
    char text[2 * MESSAGE_BYTES + 64];
    va_list args;
    va_start(args, prefix_fmt);
    vsnprintf(text, MESSAGE_BYTES, prefix_fmt, args);
    va_end(args);
    size_t prefix_length = strlen(text);
    snprintf(text + prefix_length, sizeof text - prefix_length, ": %s", record.message);
    set_message(text);
    return code;
}

maru_status maru_fail_oom(const char *what)
{
    return maru_fail_at(__FILE__, __LINE__, MARU_RESOURCE_EXHAUSTED, "out of memory: %s", what);
}

void maru_error_clear(void)
{
    record.message[0] = '\0';
    record.where[0] = '\0';
}

const char *maru_error_message(void)
{
    return record.message;
}

const char *maru_error_where(void)
{
    return record.where;
}

void maru_assert_failed(const char *file, int line, const char *expr)
{
    fprintf(stderr, "%s:%d: this must hold: %s\n", file, line, expr);
    abort();
}

const char *maru_status_name(maru_status status)
{
    switch (status) {
    case MARU_OK: return "OK";
    case MARU_CANCELLED: return "CANCELLED";
    case MARU_UNKNOWN: return "UNKNOWN";
    case MARU_INVALID_ARGUMENT: return "INVALID_ARGUMENT";
    case MARU_DEADLINE_EXCEEDED: return "DEADLINE_EXCEEDED";
    case MARU_NOT_FOUND: return "NOT_FOUND";
    case MARU_ALREADY_EXISTS: return "ALREADY_EXISTS";
    case MARU_PERMISSION_DENIED: return "PERMISSION_DENIED";
    case MARU_RESOURCE_EXHAUSTED: return "RESOURCE_EXHAUSTED";
    case MARU_FAILED_PRECONDITION: return "FAILED_PRECONDITION";
    case MARU_ABORTED: return "ABORTED";
    case MARU_OUT_OF_RANGE: return "OUT_OF_RANGE";
    case MARU_UNSUPPORTED: return "UNSUPPORTED";
    case MARU_INTERNAL: return "INTERNAL";
    case MARU_UNAVAILABLE: return "UNAVAILABLE";
    case MARU_DATA_LOSS: return "DATA_LOSS";
    case MARU_UNAUTHENTICATED: return "UNAUTHENTICATED";
    case MARU_DEVICE_LOST: return "DEVICE_LOST";
    case MARU_TIMED_OUT: return "TIMED_OUT";
    case MARU_NEEDS_RECOMPILE: return "NEEDS_RECOMPILE";
    case MARU_STATE_LOST: return "STATE_LOST";
    }
    return "UNKNOWN";
}
