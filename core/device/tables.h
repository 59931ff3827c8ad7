// SPDX-FileCopyrightText: The Maru authors
// SPDX-License-Identifier: Apache-2.0
#ifndef MARU_DEVICE_TABLES_H
#define MARU_DEVICE_TABLES_H

/* Taking over what a plugin hands out: structs of any size and minor version, checked and copied to this host's size. */

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

#endif
