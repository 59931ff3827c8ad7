// SPDX-FileCopyrightText: The Maru authors
// SPDX-License-Identifier: Apache-2.0
#ifndef MARU_DEVICE_FIND_H
#define MARU_DEVICE_FIND_H

/* Choosing devices by pattern: a pure function of their names. */

#include <maru/status.h>
#include <stddef.h>

typedef struct maru_find_name {
    const char *id;   // "cpu:0"
    const char *name; // as its driver says it
} maru_find_name;

/*
 * `pattern`: globs separated by ',', each matched without regard to case
 * against id and name; one without ':' also against the part of the id before
 * it ("cpu" means "cpu:*"). Indices come in the order of the globs, each once.
 * Globs without a match are skipped; NOT_FOUND when nothing matches at all.
 */
MARU_NODISCARD maru_status maru_find_match(const char *pattern, const maru_find_name *names, size_t n_names,
                                           size_t *out_indices, size_t room, size_t *out_count);

#endif
