// SPDX-FileCopyrightText: The Maru authors
// SPDX-License-Identifier: Apache-2.0
#ifndef MARU_DEVICE_ANSWER_H
#define MARU_DEVICE_ANSWER_H

/* Turning what a plugin answers into this host's status and error record. */

#include <maru/plugin.h>
#include <maru/status.h>

/* Makes the record ready for a call without clearing its 512 bytes of text. */
static inline void maru_answer_init(maru_abi_error *error)
{
    error->head = (maru_abi_head)MARU_ABI_HEAD(maru_abi_error);
    error->code = 0;
    error->scope = MARU_ABI_SCOPE_CALL;
    error->retryable = 0;
    error->node = MARU_ABI_NO_INDEX;
    error->vendor_code = 0;
    error->message[0] = '\0';
}

/* The meaning of a status: one that this host does not know is INTERNAL. */
maru_status maru_answer_status(maru_abi_status status);

/*
 * Records "who: call: message" (with the driver's number and the node where
 * there are any) and returns the meaning of `status`, which is not 0.
 */
maru_status maru_answer_fail(const char *who, const char *call, maru_abi_status status, maru_abi_error *error);

#endif
