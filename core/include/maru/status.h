// SPDX-FileCopyrightText: The Maru authors
// SPDX-License-Identifier: Apache-2.0
#ifndef MARU_STATUS_H
#define MARU_STATUS_H

/*
 * Status codes and the error record of the calling thread.
 *
 * Every function that can fail returns a maru_status and, when it is not
 * MARU_OK, has left one sentence that names the thing and the value in the
 * calling thread's error record (maru_error_message).
 */

#include <maru/attr.h>

#ifdef __cplusplus
extern "C" {
#endif

/*
 * The sixteen canonical codes (the numbering of google.rpc.Code), then the
 * codes that only accelerators need. 0 to 31 are shared with the plugin ABI.
 */
typedef enum maru_status {
    MARU_OK = 0,
    MARU_CANCELLED = 1,
    MARU_UNKNOWN = 2,
    MARU_INVALID_ARGUMENT = 3,
    MARU_DEADLINE_EXCEEDED = 4,   // the caller's own deadline passed
    MARU_NOT_FOUND = 5,
    MARU_ALREADY_EXISTS = 6,
    MARU_PERMISSION_DENIED = 7,
    MARU_RESOURCE_EXHAUSTED = 8,  // memory, descriptors, a sandbox limit
    MARU_FAILED_PRECONDITION = 9,
    MARU_ABORTED = 10,
    MARU_OUT_OF_RANGE = 11,
    MARU_UNSUPPORTED = 12,
    MARU_INTERNAL = 13,
    MARU_UNAVAILABLE = 14,        // busy, or not there now: may be tried again
    MARU_DATA_LOSS = 15,          // a file or message is damaged
    MARU_UNAUTHENTICATED = 16,
    MARU_DEVICE_LOST = 17,
    MARU_TIMED_OUT = 18,          // the device missed its watchdog
    MARU_NEEDS_RECOMPILE = 19,
    MARU_STATE_LOST = 32,         // a session's state went with its device
} maru_status;

/* "INVALID_ARGUMENT" for a code; "UNKNOWN" for one this build has not heard of. Never NULL. Any thread. */
MARU_API const char *maru_status_name(maru_status status);

/* The sentence of the last failure on the calling thread, or "". Valid until the next failure on this thread. */
MARU_API const char *maru_error_message(void);

/*
 * Makes `message` the calling thread's sentence and returns `status`: for code that stands on this API and
 * reports its own failures, or ours with more said, in the same way.
 */
MARU_API maru_status maru_error_set(maru_status status, const char *message);

/* "file.c:123" of the last failure on the calling thread, for bug reports; "" if none. */
MARU_API const char *maru_error_where(void);

#ifdef __cplusplus
}
#endif

#endif
