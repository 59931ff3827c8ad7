// SPDX-FileCopyrightText: The Maru authors
// SPDX-License-Identifier: Apache-2.0
#ifndef MARU_IMPORT_PROTO_SCAN_H
#define MARU_IMPORT_PROTO_SCAN_H

/*
 * A look at the wire form of a protobuf message before protobuf-c unpacks it,
 * which recurses without a limit and says only "no" to what is malformed.
 */

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

#endif
