// SPDX-FileCopyrightText: The Maru authors
// SPDX-License-Identifier: Apache-2.0
#include "device/device_impl.h"
#include "device/tables.h"

#include <stdlib.h>

/* A copy of all that the plugin answered, so that nothing of its can change or go. */
struct maru_dev_claims {
    maru_arena arena;
    maru_abi_claims claims;
};

/* What the answer is checked against. */
typedef struct {
    const maru_dev *dev;
    const maru_abi_claim_request *request;
    const maru_abi_claims *claims;
    uint8_t *seen;    // of each node: bit 0 in a claim or refused, bit 1 in the claim at hand
    uint32_t n_nodes;
} check;

static bool has_range(maru_abi_array array, uint32_t first, uint32_t count)
{
    return first <= array.count && count <= array.count - first;
}

static maru_status bad_claim(const check *c, uint32_t index, const char *what, uint32_t value)
{
    return maru_fail(MARU_INTERNAL, "%s: claim %u: %s %u is out of range", c->dev->id, index, what, value);
}

static maru_status check_nodes(const check *c, uint32_t index, const maru_abi_claim *claim)
{
    if (claim->n_nodes == 0 || !has_range(c->claims->nodes, claim->first_node, claim->n_nodes))
        return bad_claim(c, index, "first node", claim->first_node);
    const uint32_t *nodes = (const uint32_t *)c->claims->nodes.data + claim->first_node;
    for (uint32_t i = 0; i < claim->n_nodes; i++) {
        if (nodes[i] >= c->n_nodes)
            return bad_claim(c, index, "node", nodes[i]);
        if (c->seen[nodes[i]] & 2)
            return maru_fail(MARU_INTERNAL, "%s: claim %u: node %u stands there twice", c->dev->id, index, nodes[i]);
        c->seen[nodes[i]] |= 3;
    }
    for (uint32_t i = 0; i < claim->n_nodes; i++)
        c->seen[nodes[i]] &= 1;
    return MARU_OK;
}

static maru_status check_rules(const check *c, uint32_t index, const maru_abi_claim *claim)
{
    if (!has_range(c->claims->rules, claim->first_rule, claim->n_rules))
        return bad_claim(c, index, "first rule", claim->first_rule);
    for (uint32_t i = 0; i < claim->n_rules; i++) {
        const maru_abi_symbol_rule *rule =
            MARU_ABI_AT(maru_abi_symbol_rule, c->claims->rules, claim->first_rule + i);
        if (rule->symbol >= c->request->graph->symbols.count)
            return bad_claim(c, index, "symbol", rule->symbol);
        if (rule->rule > MARU_ABI_SYMBOL_LIST || (rule->rule == MARU_ABI_SYMBOL_MULTIPLE && rule->value < 1))
            return bad_claim(c, index, "rule of symbol", rule->symbol);
        if (rule->rule == MARU_ABI_SYMBOL_LIST &&
            (rule->n_values == 0 || !has_range(c->claims->numbers, rule->first_value, rule->n_values)))
            return bad_claim(c, index, "first value", rule->first_value);
    }
    return MARU_OK;
}

static maru_status check_layouts(const check *c, uint32_t index, const maru_abi_claim *claim)
{
    if (!has_range(c->claims->layouts, claim->first_layout, claim->n_layouts))
        return bad_claim(c, index, "first layout", claim->first_layout);
    for (uint32_t i = 0; i < claim->n_layouts; i++) {
        uint32_t value = MARU_ABI_AT(maru_abi_layout_wish, c->claims->layouts, claim->first_layout + i)->value;
        if (value >= c->request->graph->values.count)
            return bad_claim(c, index, "value", value);
    }
    return MARU_OK;
}

static maru_status check_claim(const check *c, uint32_t index)
{
    const maru_abi_claim *claim = MARU_ABI_AT(maru_abi_claim, c->claims->claims, index);
    MARU_TRY(check_nodes(c, index, claim));
    if (!has_range(c->claims->numbers, claim->first_cost, c->request->n_samples))
        return bad_claim(c, index, "first cost", claim->first_cost);
    MARU_TRY(check_rules(c, index, claim));
    MARU_TRY(check_layouts(c, index, claim));
    if (claim->flags >> 32)
        return maru_fail(MARU_UNSUPPORTED, "%s: claim %u: flags 0x%llx are not understood", c->dev->id, index,
                         (unsigned long long)claim->flags);
    return MARU_OK;
}

static maru_status check_refusals(const check *c)
{
    for (uint32_t i = 0; i < c->claims->refusals.count; i++) {
        uint32_t node = MARU_ABI_AT(maru_abi_refusal, c->claims->refusals, i)->node;
        if (node >= c->n_nodes)
            return maru_fail(MARU_INTERNAL, "%s: refusal %u: node %u is out of range", c->dev->id, i, node);
        c->seen[node] |= 1;
    }
    for (uint32_t i = 0; i < c->n_nodes; i++) {
        if (!c->seen[i])
            return maru_fail(MARU_INTERNAL, "%s: claim: node %u is neither claimed nor refused", c->dev->id, i);
    }
    return MARU_OK;
}

static maru_status take_texts(maru_dev_claims *c)
{
    maru_abi_claim *claims = (maru_abi_claim *)(uintptr_t)c->claims.claims.data;
    maru_abi_refusal *refusals = (maru_abi_refusal *)(uintptr_t)c->claims.refusals.data;
    for (uint32_t i = 0; i < c->claims.claims.count; i++)
        MARU_TRY(maru_tables_take_text(&c->arena, &claims[i].kernel));
    for (uint32_t i = 0; i < c->claims.refusals.count; i++)
        MARU_TRY(maru_tables_take_text(&c->arena, &refusals[i].text));
    return MARU_OK;
}

static maru_status take_arrays(const maru_dev *dev, maru_dev_claims *c)
{
    const struct {
        const char *name;
        size_t record_bytes;
        maru_abi_array *array;
    } arrays[] = {
        {"claims", sizeof(maru_abi_claim), &c->claims.claims},
        {"nodes", sizeof(uint32_t), &c->claims.nodes},
        {"numbers", sizeof(int64_t), &c->claims.numbers},
        {"rules", sizeof(maru_abi_symbol_rule), &c->claims.rules},
        {"layouts", sizeof(maru_abi_layout_wish), &c->claims.layouts},
        {"refusals", sizeof(maru_abi_refusal), &c->claims.refusals},
    };
    if (c->claims.head.struct_size < sizeof c->claims)
        return maru_fail(MARU_INTERNAL, "%s: claim_take filled %u bytes of %zu", dev->id, c->claims.head.struct_size,
                         sizeof c->claims);
    for (size_t i = 0; i < sizeof arrays / sizeof *arrays; i++)
        MARU_TRY(maru_tables_take_array(dev->id, arrays[i].name, &c->arena, arrays[i].record_bytes,
                                        MARU_TABLES_MAX_RECORDS, arrays[i].array));
    return take_texts(c);
}

static maru_status take_claims(maru_dev *dev, maru_abi_job *job, maru_dev_claims *c)
{
    maru_abi_error error;
    maru_answer_init(&error);
    c->claims.head = (maru_abi_head)MARU_ABI_HEAD(maru_abi_claims);
    maru_abi_status status = dev->fns->graph.claim_take(job, &c->claims, &error);
    maru_status code = status == MARU_ABI_OK ? take_arrays(dev, c) : maru_dev_fail(dev, "claim", status, &error);
    dev->fns->job.destroy(job);
    return code;
}

static maru_status check_claims(maru_dev *dev, const maru_abi_claim_request *request, maru_dev_claims *c)
{
    uint32_t n_nodes = request->graph->nodes.count;
    check state = {.dev = dev, .request = request, .claims = &c->claims, .n_nodes = n_nodes};
    state.seen = calloc(n_nodes ? n_nodes : 1, 1);
    if (!state.seen)
        return maru_fail_oom("checking a claim");
    maru_status status = MARU_OK;
    for (uint32_t i = 0; i < c->claims.claims.count && status == MARU_OK; i++)
        status = check_claim(&state, i);
    if (status == MARU_OK)
        status = check_refusals(&state);
    free(state.seen);
    return status;
}

static maru_status run_claim(maru_dev *dev, const maru_abi_claim_request *request, const maru_dev_wait *wait,
                             maru_dev_claims *c)
{
    maru_abi_job *job = NULL;
    maru_abi_error error;
    maru_answer_init(&error);
    maru_abi_status status = dev->fns->graph.claim(dev->handle, request, &job, &error);
    if (status != MARU_ABI_OK)
        return maru_dev_fail(dev, "claim", status, &error);
    MARU_TRY(maru_dev_job_finish(dev, "claim", job, wait));
    MARU_TRY(take_claims(dev, job, c));
    return check_claims(dev, request, c);
}

maru_status maru_dev_claim(maru_dev *dev, const maru_abi_claim_request *request, const maru_dev_wait *wait,
                           maru_dev_claims **out_claims)
{
    *out_claims = NULL;
    MARU_TRY(maru_dev_check(dev, "claim"));
    if (!maru_dev_has_tier_g(dev))
        return maru_dev_lacks(dev, "tier G");
    maru_abi_claim_request r = *request;
    r.head = (maru_abi_head)MARU_ABI_HEAD(maru_abi_claim_request);
    maru_dev_claims *c = calloc(1, sizeof *c);
    if (!c)
        return maru_fail_oom("claims");
    maru_status status = run_claim(dev, &r, wait, c);
    if (status != MARU_OK) {
        maru_dev_claims_destroy(&c);
        return status;
    }
    *out_claims = c;
    return MARU_OK;
}

const maru_abi_claims *maru_dev_claims_get(const maru_dev_claims *claims)
{
    return &claims->claims;
}

void maru_dev_claims_destroy(maru_dev_claims **claims)
{
    if (!*claims)
        return;
    maru_arena_fini(&(*claims)->arena);
    free(*claims);
    *claims = NULL;
}
