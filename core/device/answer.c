// SPDX-FileCopyrightText: The Maru authors
// SPDX-License-Identifier: Apache-2.0
#include "device/answer.h"

#include "base/fail.h"

#include <stdio.h>

maru_status maru_answer_status(maru_abi_status status)
{
    return status >= 0 && status <= MARU_ABI_NEEDS_RECOMPILE ? (maru_status)status : MARU_INTERNAL;
}

/* A plugin's text goes to terminals and logs: ended for certain, and on one line. */
static void clean_message(char *message, size_t room)
{
    message[room - 1] = '\0';
    for (char *c = message; *c; c++) {
        if ((unsigned char)*c < 0x20 || *c == 0x7F)
            *c = ' ';
    }
}

maru_status maru_answer_fail(const char *who, const char *call, maru_abi_status status, maru_abi_error *error)
{
    maru_status code = maru_answer_status(status);
    char vendor[48] = "";
    char node[32] = "";
    clean_message(error->message, sizeof error->message);
    if (error->vendor_code)
        snprintf(vendor, sizeof vendor, " (driver error %lld)", (long long)error->vendor_code);
    if (error->node != MARU_ABI_NO_INDEX)
        snprintf(node, sizeof node, " (node %u)", error->node);
    if ((maru_abi_status)code != status)
        return maru_fail(code, "%s: %s: unknown status %d%s%s", who, call, (int)status,
                         *error->message ? ": " : "", error->message);
    return maru_fail(code, "%s: %s: %s%s%s", who, call,
                     *error->message ? error->message : maru_status_name(code), node, vendor);
}
