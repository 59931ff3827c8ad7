// SPDX-FileCopyrightText: The Maru authors
// SPDX-License-Identifier: Apache-2.0
#ifndef MARU_ITEM_H
#define MARU_ITEM_H

/*
 * What a value of an ONNX model may be while it runs: a tensor of numbers, a
 * tensor of text, a sequence of such, or nothing (an optional without a
 * value; one that has a value is that value).
 *
 * Items are constant and counted: any number of threads may hold and read one.
 */

#include <maru/attr.h>
#include <maru/file.h>
#include <maru/status.h>
#include <maru/tensor.h>

#ifdef __cplusplus
extern "C" {
#endif

typedef struct maru_item maru_item;

typedef enum maru_item_kind {
    MARU_ITEM_NONE,
    MARU_ITEM_TENSOR,
    MARU_ITEM_TEXT,
    MARU_ITEM_SEQUENCE,
} maru_item_kind;

/* Each gives an item with one holder, the caller. */
MARU_API MARU_NODISCARD maru_status maru_item_none(maru_item **out_item);
/* Copies the data. */
MARU_API MARU_NODISCARD maru_status maru_item_copy(const maru_tensor *tensor, maru_item **out_item);
/* Takes what the value owns, numbers or text: it is {0} afterwards, whatever the outcome. Borrowed data is copied. */
MARU_API MARU_NODISCARD maru_status maru_item_take(maru_file_value *value, maru_item **out_item);
/* Holds each of the `n` items. */
MARU_API MARU_NODISCARD maru_status maru_item_sequence(maru_item *const *items, size_t n, maru_item **out_item);

MARU_API maru_item *maru_item_hold(maru_item *item);
/* Gives up the caller's hold; *item is NULL afterwards. NULL is fine. */
MARU_API void maru_item_release(maru_item **item);

MARU_API maru_item_kind maru_item_get_kind(const maru_item *item);
/* "a tensor", "text", "a sequence", "nothing": for messages. */
MARU_API const char *maru_item_kind_name(maru_item_kind kind);
/* NULL if it is of another kind. Valid as long as the item. */
MARU_API const maru_tensor *maru_item_get_tensor(const maru_item *item);
MARU_API const maru_strings *maru_item_get_text(const maru_item *item);
/* A tensor or text as maru/file.h has it, with the name that its file gave; NULL if it is neither. */
MARU_API const maru_file_value *maru_item_get_value(const maru_item *item);
/* Of a sequence; 0 of others. */
MARU_API size_t maru_item_count(const maru_item *item);
/* NULL past the end. Not held for the caller. */
MARU_API maru_item *maru_item_at(const maru_item *item, size_t index);

#ifdef __cplusplus
}
#endif

#endif
