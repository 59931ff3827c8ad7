// SPDX-FileCopyrightText: The Maru authors
// SPDX-License-Identifier: Apache-2.0
#include <maru/item.h>

#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

#include "base/fail.h"
#include "flow/pool.h"

struct maru_item {
    atomic_int n_holders;
    maru_item_kind kind;
    maru_file_value value;
    maru_item **items;
    size_t n_items;
    flow_pool *pool;  // whose memory `value` borrows; NULL: none's
    size_t capacity;
};

static maru_status create(maru_item_kind kind, maru_item **out_item)
{
    *out_item = calloc(1, sizeof **out_item);
    if (!*out_item)
        return maru_fail_oom("a value of a model");
    atomic_init(&(*out_item)->n_holders, 1);
    (*out_item)->kind = kind;
    return MARU_OK;
}

maru_status maru_item_none(maru_item **out_item)
{
    return create(MARU_ITEM_NONE, out_item);
}

maru_status maru_item_copy(const maru_tensor *tensor, maru_item **out_item)
{
    MARU_TRY(create(MARU_ITEM_TENSOR, out_item));
    const maru_status status =
        maru_tensor_create(tensor->dtype, tensor->dims, tensor->rank, &(*out_item)->value.tensor);
    if (status != MARU_OK)
        maru_item_release(out_item);
    else if (tensor->bytes)
        memcpy((*out_item)->value.tensor.data, tensor->data, tensor->bytes);
    return status;
}

maru_status flow_item_copy(flow_pool *pool, const maru_tensor *tensor, maru_item **out_item)
{
    MARU_TRY(create(MARU_ITEM_TENSOR, out_item));
    maru_item *item = *out_item;
    item->value.tensor = *tensor;
    item->value.tensor.owner = NULL;
    item->value.tensor.data = flow_pool_take(pool, tensor->bytes, &item->capacity);
    if (!item->value.tensor.data) {
        maru_item_release(out_item);
        return maru_fail(MARU_RESOURCE_EXHAUSTED, "out of memory: tensor of %zu bytes", tensor->bytes);
    }
    item->pool = pool;
    if (tensor->bytes)
        memcpy(item->value.tensor.data, tensor->data, tensor->bytes);
    return MARU_OK;
}

maru_status maru_item_take(maru_file_value *value, maru_item **out_item)
{
    const bool is_borrowed = !value->is_strings && !value->tensor.owner;
    const maru_status status = is_borrowed ? maru_item_copy(&value->tensor, out_item)
                                           : create(value->is_strings ? MARU_ITEM_TEXT : MARU_ITEM_TENSOR, out_item);
    if (status == MARU_OK && !is_borrowed) {
        (*out_item)->value = *value;
        *value = (maru_file_value){0};
    }
    maru_file_value_fini(value);
    return status;
}

maru_status maru_item_sequence(maru_item *const *items, size_t n, maru_item **out_item)
{
    MARU_TRY(create(MARU_ITEM_SEQUENCE, out_item));
    (*out_item)->items = calloc(n + 1, sizeof *(*out_item)->items);
    if (!(*out_item)->items) {
        maru_item_release(out_item);
        return maru_fail_oom("a sequence");
    }
    for (size_t i = 0; i < n; i++)
        (*out_item)->items[i] = maru_item_hold(items[i]);
    (*out_item)->n_items = n;
    return MARU_OK;
}

maru_item *maru_item_hold(maru_item *item)
{
    atomic_fetch_add(&item->n_holders, 1);
    return item;
}

void maru_item_release(maru_item **item)
{
    maru_item *x = *item;
    *item = NULL;
    if (!x || atomic_fetch_sub(&x->n_holders, 1) != 1)
        return;
    for (size_t i = 0; i < x->n_items; i++)
        maru_item_release(&x->items[i]);
    free(x->items);
    if (x->pool)
        flow_pool_give(x->pool, x->value.tensor.data, x->capacity);
    maru_file_value_fini(&x->value);
    free(x);
}

maru_item_kind maru_item_get_kind(const maru_item *item)
{
    return item->kind;
}

const char *maru_item_kind_name(maru_item_kind kind)
{
    switch (kind) {
    case MARU_ITEM_NONE: return "nothing";
    case MARU_ITEM_TENSOR: return "a tensor";
    case MARU_ITEM_TEXT: return "text";
    case MARU_ITEM_SEQUENCE: return "a sequence";
    }
    return "?";
}

const maru_tensor *maru_item_get_tensor(const maru_item *item)
{
    return item->kind == MARU_ITEM_TENSOR ? &item->value.tensor : NULL;
}

const maru_strings *maru_item_get_text(const maru_item *item)
{
    return item->kind == MARU_ITEM_TEXT ? &item->value.strings : NULL;
}

const maru_file_value *maru_item_get_value(const maru_item *item)
{
    return item->kind == MARU_ITEM_TENSOR || item->kind == MARU_ITEM_TEXT ? &item->value : NULL;
}

size_t maru_item_count(const maru_item *item)
{
    return item->n_items;
}

maru_item *maru_item_at(const maru_item *item, size_t index)
{
    return index < item->n_items ? item->items[index] : NULL;
}
