// SPDX-FileCopyrightText: The Maru authors
// SPDX-License-Identifier: Apache-2.0
#ifndef MARU_GRAPH_OP_H
#define MARU_GRAPH_OP_H

/* The table of operators, made from op.def: one row per op. Ids are internal to a build and never cross the ABI. */

#include <maru/graph.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

typedef enum maru_op {
#define MARU_OP(id, name, domain, since, min_in, max_in, min_out, max_out, level, infer, flags, attrs) MARU_OP_##id,
#include "graph/op.def"
#undef MARU_OP
    MARU_OP_COUNT,
} maru_op;

typedef enum maru_op_level {
    MARU_OP_PRIMITIVE,  // every new chip needs these
    MARU_OP_COMPOSITE,  // has a decomposition (plan/decompose.h)
} maru_op_level;

enum {
    MARU_OP_ELEMENTWISE = 1u << 0,  // output element i depends on the inputs' (broadcast) elements i only
    MARU_OP_COMMUTES = 1u << 1,     // the two inputs may be exchanged
    MARU_OP_VIEW = 1u << 2,         // same bytes, other dims: no work if the memory is shared
    MARU_OP_IMPURE = 1u << 3,       // not folded, not merged with an equal node
    MARU_OP_IN_PLACE = 1u << 4,     // output 0 may overwrite input 0 (updates of states)
};

struct maru_infer;
typedef maru_status (*maru_infer_fn)(struct maru_infer *infer);

typedef struct maru_op_info {
    maru_op id;
    const char *name;
    const char *domain;      // "" or "maru"
    uint32_t since_version;  // of the form we mean: the newest
    int min_inputs;
    int max_inputs;          // -1: variadic
    int min_outputs;
    int max_outputs;         // -1: variadic
    maru_op_level level;
    maru_infer_fn infer;
    uint32_t flags;
    const char *attrs;       // "axis:i=-1 keepdims:i=1 mode:s": name, kind (i f s I F S t), default; '!' required
} maru_op_info;

/* The newest opset of each domain that op.def speaks. */
#define MARU_OPSET_ONNX 28
#define MARU_OPSET_MARU 1

const maru_op_info *maru_op_get(maru_op op);
/* By "Add" or "maru.Random"; NULL if unknown. */
const maru_op_info *maru_op_find(const char *name);
/* The known op name nearest to a misspelt one, or NULL. */
const char *maru_op_suggest(const char *name);
/* Kind letter of an attribute of the op, 0 if it has none of that name; *out_default is "" or the text after '='. */
char maru_op_attr_kind(const maru_op_info *op, const char *name, char *out_default, size_t room);

#endif
