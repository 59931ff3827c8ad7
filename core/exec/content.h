// SPDX-FileCopyrightText: The Maru authors
// SPDX-License-Identifier: Apache-2.0
#ifndef MARU_EXEC_CONTENT_H
#define MARU_EXEC_CONTENT_H

/*
 * What tells the contents of constants apart, without reading gigabytes: a
 * SHA-256 of dtype, dims and either the bytes, or, of bytes mapped from a file,
 * which bytes of which state of which file they are.
 */

#include "graph/graph.h"

/* Of one constant; all zero: not known, and not to be shared. */
typedef struct maru_content_hash {
    uint8_t digest[32];
} maru_content_hash;

bool maru_content_is_known(const maru_content_hash *hash);
/*
 * Of every constant of the graph, in order: `out` has room for them. Bytes in
 * memory are read up to 1 MiB per constant and 4 MiB in all; what is beyond, and
 * a file that cannot be looked at, stays unknown.
 */
void maru_content_hash_all(const maru_graph *graph, maru_content_hash *out);

#endif
