// SPDX-FileCopyrightText: The Maru authors
// SPDX-License-Identifier: Apache-2.0
#ifndef MARU_DEVICE_TABLES_H
#define MARU_DEVICE_TABLES_H

/*
 * Taking over what a plugin hands out: structs of any size and minor version,
 * checked and copied to this host's size.
 */

#include "base/arena.h"
#include "device/loader.h"

/*
 * `what` names the plugin for messages. Checks the api and its tables against
 * the tiers of the manifest. After a failure, what had been taken by then is
 * there, so that the instance can be shut down.
 */
MARU_NODISCARD maru_status maru_tables_take(const char *what, const maru_manifest *manifest,
                                            const maru_abi_plugin_api *api, maru_plugin_tables *out_tables,
                                            maru_abi_plugin **out_handle);
MARU_NODISCARD maru_status maru_tables_check_entry(const char *what, const maru_manifest *manifest,
                                                   const maru_abi_entry *entry);

/* A sane bound of the records that one array of a plugin may have. */
#define MARU_TABLES_MAX_RECORDS (1u << 24)

/*
 * Replaces a plugin's array by a copy in `arena` with stride = record_bytes:
 * of longer records the rest is not known here, of shorter ones it reads 0.
 */
MARU_NODISCARD maru_status maru_tables_take_array(const char *what, const char *name, maru_arena *arena,
                                                  size_t record_bytes, uint32_t max_records, maru_abi_array *array);
/* Replaces a plugin's text by a copy in `arena`; NULL becomes "". */
MARU_NODISCARD maru_status maru_tables_take_text(maru_arena *arena, const char **text);

#endif
