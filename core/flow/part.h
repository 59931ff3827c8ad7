// SPDX-FileCopyrightText: The Maru authors
// SPDX-License-Identifier: Apache-2.0
#ifndef MARU_FLOW_PART_H
#define MARU_FLOW_PART_H

/* Nodes of a body as one graph: how it is made (build.c), and run again where its inputs fit (part.c). */

#include "flow/flow_impl.h"

enum {
    FLOW_MAX_SYMBOLS = 32,
    FLOW_LEAST_SYMBOL = 2,  // 0 and 1 mean something else to many operators: they stay numbers
};

typedef struct flow_part_input {
    const char *name;       // lives as long as the model
    maru_dtype dtype;
    uint32_t rank;
    int64_t dims[MARU_MAX_RANK];  // -1 - s: symbol s
    void *content;          // what the plan was made for; NULL: any
    bool is_bound;          // the session has it as an input
} flow_part_input;

typedef struct flow_part_output {
    const char *name;
    bool is_none;           // the nodes leave it out
} flow_part_output;

struct flow_part {
    flow_part *next;
    size_t end;             // the node after its last
    MARU_ARRAY(flow_part_input) inputs;
    MARU_ARRAY(flow_part_output) outputs;
    maru_model *model;
    maru_session *session;  // NULL: nothing of it is read
};

/*
 * Plans as many of the nodes [first, limit) as can be one graph for what the
 * frame holds. `like` is a part for other dims, or NULL: where dims differ from
 * its, they become symbols if that makes no shorter part.
 * *out_is_for_host: the first node can be in no graph.
 */
MARU_NODISCARD maru_status flow_part_create(const flow_frame *frame, size_t first, size_t limit,
                                            const flow_part *like, flow_part **out_part, bool *out_is_for_host);

#endif
