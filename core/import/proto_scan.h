// SPDX-FileCopyrightText: The Maru authors
// SPDX-License-Identifier: Apache-2.0
#ifndef MARU_IMPORT_PROTO_SCAN_H
#define MARU_IMPORT_PROTO_SCAN_H

/*
 * A look at the wire form of a protobuf message before protobuf-c unpacks it,
 * which recurses without a limit and says only "no" to what is malformed.
 */

#include "base/str.h"

#include <maru/status.h>

#include <protobuf-c/protobuf-c.h>
#include <stddef.h>

/*
 * Walks `data` and the messages within: every length must lie inside its
 * message, every wire type must be one that the field can have, no message
 * may be more than `max_depth` deep and no field of a single message may come
 * twice. Fields that the descriptor lacks are skipped. DATA_LOSS if not so;
 * `name` is for the message.
 */
MARU_NODISCARD maru_status maru_proto_scan(const ProtobufCMessageDescriptor *descriptor, const void *data,
                                           size_t bytes, unsigned max_depth, const char *name);

/*
 * As maru_proto_scan, and appends the message to `out` without the large
 * byte fields that are named: where message `message` has a field `field` of
 * at least `min_bytes`, `out` has its offset in `data` and its length in the
 * fields `offset_field` and `bytes_field` instead. protobuf-c copies every
 * byte that it unpacks, and weights are better left where they are.
 */
typedef struct maru_proto_lift {
    const ProtobufCMessageDescriptor *message;
    uint32_t field;
    uint32_t offset_field, bytes_field;  // uint64; a file that has them itself is damaged
    size_t min_bytes;
} maru_proto_lift;

MARU_NODISCARD maru_status maru_proto_scan_lifting(const ProtobufCMessageDescriptor *descriptor, const void *data,
                                                   size_t bytes, unsigned max_depth, const char *name,
                                                   const maru_proto_lift *lift, maru_str *out);

#endif
