// SPDX-FileCopyrightText: The Maru authors
// SPDX-License-Identifier: Apache-2.0
#ifndef MARU_PLAN_FUSE_H
#define MARU_PLAN_FUSE_H

/* What the searches for idioms share; fuse.c runs them. */

#include "plan/rebuild.h"

typedef struct maru_fuser {
    maru_rebuild rebuild;
    const maru_graph *graph;
    uint32_t *n_readers;  // per value
} maru_fuser;

/* What a search starts with; fini also after a failure. */
MARU_NODISCARD maru_status maru_fuser_begin(const maru_graph *graph, maru_fuser *out);
void maru_fuser_fini(maru_fuser *f);

/* The node that makes the value, if it is of that op. */
const maru_node_record *maru_fuser_made_by(const maru_fuser *f, maru_value value, maru_op op);
/* As made_by, for a value that nothing else reads. */
const maru_node_record *maru_fuser_only_by(const maru_fuser *f, maru_value value, maru_op op);
/* A constant of one float element. */
bool maru_fuser_is_number(const maru_fuser *f, maru_value value, double *out);
/* The other operand of a two-operand node, one of which is a number. */
bool maru_fuser_with_number(const maru_fuser *f, const maru_node_record *node, maru_value *other, double *number);

/* fuse_attention.c. Sets *done, and maps the node's output, if it ends a softmax(q k^T scale + mask) v. */
MARU_NODISCARD maru_status maru_fuse_attention(maru_fuser *f, const maru_node_record *node, bool *done);

/* fuse_quant.c. The same, if it makes bytes of a product of dequantised operands. */
MARU_NODISCARD maru_status maru_fuse_quant(maru_fuser *f, const maru_node_record *node, bool *done);

#endif
