// SPDX-FileCopyrightText: The Maru authors
// SPDX-License-Identifier: Apache-2.0
#ifndef MARU_TOOL_PROFILE_H
#define MARU_TOOL_PROFILE_H

/* What a run's trace events add up to: a table per op, and a file that Perfetto and chrome://tracing open. */

#include <maru/session.h>
#include <stdbool.h>
#include <stddef.h>

typedef struct profile profile;

profile *profile_create(void);
void profile_destroy(profile **p);
/* A maru_trace_fn; ctx is the profile. */
void profile_add(void *ctx, const maru_trace_event *event);
/* Per op and kernel: calls, time, share. */
void profile_print(const profile *p, bool as_json);
/* Trace Event Format (JSON). False when the file cannot be written. */
bool profile_write_trace(const profile *p, const char *path);

#endif
