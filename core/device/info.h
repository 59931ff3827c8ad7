// SPDX-FileCopyrightText: The Maru authors
// SPDX-License-Identifier: Apache-2.0
#ifndef MARU_DEVICE_INFO_H
#define MARU_DEVICE_INFO_H

/*
 * The description of a device as the host keeps it: a maru_abi_device_info
 * that is the host's own copy. Its strings are never NULL, its head has this
 * host's size, its arrays are tightly packed (stride = sizeof of the record).
 */

#include "base/arena.h"
#include "device/loader.h"

/* Asks the plugin, checks what it says and copies it into `arena`. */
MARU_NODISCARD maru_status maru_device_info_get(const maru_plugin *plugin, uint32_t index, maru_arena *arena,
                                                maru_abi_device_info *out_info);

/* Whether the device lists `feature`, `format` (of sources) or can store `dtype`. */
bool maru_device_info_has_feature(const maru_abi_device_info *info, const char *feature);
bool maru_device_info_has_format(const maru_abi_device_info *info, const char *format);
bool maru_device_info_has_dtype(const maru_abi_device_info *info, uint32_t dtype);

/* "cpu", "gpu", "npu", "dsp", "other" (an unknown kind too). */
const char *maru_device_kind_name(uint32_t kind);

#endif
