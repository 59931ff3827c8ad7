// SPDX-FileCopyrightText: The Maru authors
// SPDX-License-Identifier: Apache-2.0
#ifndef MARU_ATTR_H
#define MARU_ATTR_H

/* Compiler attributes used by the public headers. Nothing else belongs here. */

#if defined(__GNUC__) || defined(__clang__)
#define MARU_API __attribute__((visibility("default")))
#define MARU_NODISCARD __attribute__((warn_unused_result))
#define MARU_PRINTF(fmt_arg, first_arg) __attribute__((format(printf, fmt_arg, first_arg)))
#else
#define MARU_API
#define MARU_NODISCARD
#define MARU_PRINTF(fmt_arg, first_arg)
#endif

#endif
