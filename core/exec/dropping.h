// SPDX-FileCopyrightText: The Maru authors
// SPDX-License-Identifier: Apache-2.0
#ifndef MARU_EXEC_DROPPING_H
#define MARU_EXEC_DROPPING_H

/*
 * The pages of mapped weights files that were read to make another form of
 * a weight and are not needed after it. Sources that lie in no file are left alone.
 */

#include "base/os_thread.h"
#include "graph/graph.h"

/* While a large weight is read, a thread drops what was read of it, so that it is not there twice. */
typedef struct maru_dropping {
    const maru_constant_source *source;
    maru_mutex mutex;
    maru_cond ended;
    bool is_over;     // under the mutex
    bool has_thread;
    maru_os_thread thread;
} maru_dropping;

/* Drops its pages now. */
void maru_drop_source(const maru_constant_source *source);
/* Begins to read `source`, which outlives `dropping`; where no thread can be had, the pages stay until the end. */
void maru_dropping_begin(maru_dropping *dropping, const maru_constant_source *source);
/* Ends it and drops the rest. */
void maru_dropping_end(maru_dropping *dropping);

#endif
