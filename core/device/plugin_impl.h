// SPDX-FileCopyrightText: The Maru authors
// SPDX-License-Identifier: Apache-2.0
#ifndef MARU_DEVICE_PLUGIN_IMPL_H
#define MARU_DEVICE_PLUGIN_IMPL_H

/* The inside of a loaded plugin, for the loader and the device wrappers alone. */

#include "device/loader.h"

#include <stdatomic.h>

#define MARU_PLUGIN_MAX_DEVICES 1024u

/* Does not move: the plugin holds a pointer to `host.table`. */
struct maru_plugin {
    maru_plugin_file file;  // a static one has only its manifest
    maru_os_lib *lib;       // NULL: static
    maru_host host;
    maru_plugin_tables fns;
    maru_abi_plugin *handle;
    char *what;             // "plugin 'cpu'"
    atomic_int n_open;      // devices
    atomic_bool was_abandoned;
    atomic_uint_fast64_t leaked_bytes;
};

#endif
