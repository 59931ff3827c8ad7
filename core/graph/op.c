// SPDX-FileCopyrightText: The Maru authors
// SPDX-License-Identifier: Apache-2.0
#include "graph/op.h"

#include <string.h>

#include "base/str.h"
#include "graph/infer.h"

enum { MARU_OP_NONE = 0 };

static const maru_op_info ops[MARU_OP_COUNT] = {
#define MARU_OP(op_id, op_name, op_domain, since, min_in, max_in, min_out, max_out, op_level, op_infer, op_flags, \
                op_attrs)                                                                                         \
    [MARU_OP_##op_id] = {                                                                                         \
        .id = MARU_OP_##op_id,                                                                                    \
        .name = op_name,                                                                                          \
        .domain = op_domain,                                                                                      \
        .since_version = since,                                                                                   \
        .min_inputs = min_in,                                                                                     \
        .max_inputs = max_in,                                                                                     \
        .min_outputs = min_out,                                                                                   \
        .max_outputs = max_out,                                                                                   \
        .level = MARU_OP_##op_level,                                                                              \
        .infer = maru_infer_##op_infer,                                                                           \
        .flags = MARU_OP_##op_flags,                                                                              \
        .attrs = op_attrs,                                                                                        \
    },
#include "graph/op.def"
#undef MARU_OP
};

const maru_op_info *maru_op_get(maru_op op)
{
    return &ops[op];
}

const maru_op_info *maru_op_find(const char *name)
{
    const char *domain = "";
    const char *local = name;
    if (maru_starts_with(name, "maru.")) {
        domain = "maru";
        local = name + strlen("maru.");
    }
    // A linear scan of some hundred rows: nodes are added at script speed, never in a run.
    for (size_t i = 0; i < MARU_OP_COUNT; i++)
        if (strcmp(ops[i].name, local) == 0 && strcmp(ops[i].domain, domain) == 0)
            return &ops[i];
    return NULL;
}

bool maru_op_at(size_t index, maru_op_summary *out_summary)
{
    if (index >= MARU_OP_COUNT)
        return false;
    const maru_op_info *op = &ops[index];
    *out_summary = (maru_op_summary){
        .name = op->name,
        .domain = op->domain,
        .min_inputs = op->min_inputs,
        .max_inputs = op->max_inputs,
        .min_outputs = op->min_outputs,
        .max_outputs = op->max_outputs,
        .attrs = op->attrs,
    };
    return true;
}

const char *maru_op_suggest(const char *name)
{
    const char *names[MARU_OP_COUNT];
    for (size_t i = 0; i < MARU_OP_COUNT; i++)
        names[i] = ops[i].name;
    return maru_nearest_name(name, names, MARU_OP_COUNT);
}

/* Copies the default of an attribute's row text, which ends at a blank or the end. */
static void copy_default(const char *text, char *out, size_t room)
{
    size_t n = 0;
    if (*text == '=')
        for (text++; *text && *text != ' ' && n + 1 < room; text++)
            out[n++] = *text;
    if (room)
        out[n] = 0;
}

char maru_op_attr_kind(const maru_op_info *op, const char *name, char *out_default, size_t room)
{
    const size_t length = strlen(name);
    for (const char *at = op->attrs; *at;) {
        const char *end = strchr(at, ' ');
        const size_t item = end ? (size_t)(end - at) : strlen(at);
        if (item > length + 1 && strncmp(at, name, length) == 0 && at[length] == ':') {
            copy_default(at + length + 2, out_default, room);
            return at[length + 1];
        }
        at += item + (end != NULL);
    }
    return 0;
}
