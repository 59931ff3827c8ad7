// SPDX-FileCopyrightText: The Maru authors
// SPDX-License-Identifier: Apache-2.0
#ifndef MARU_DEVICE_PROBE_H
#define MARU_DEVICE_PROBE_H

/*
 * A new plugin is first loaded and enumerated in a child process (the helper
 * maru-probe). One that dies, hangs or writes to stdout there is quarantined:
 * it is not loaded here, and the reason is kept. The verdict is cached by the
 * file's SHA-256, with its path, size and time as a short cut, so that a warm
 * start runs no child and hashes nothing.
 */

#include "device/loader.h"

typedef struct maru_probe_params {
    const char *helper;     // path of maru-probe
    const char *cache_dir;  // "": no verdict is kept
    int timeout_ms;         // 0: 20 s
    bool ignores_cache;     // a verdict that is kept already does not count; the new one is kept
} maru_probe_params;

/* OK if `file` may be loaded here; else the verdict as an error (FAILED_PRECONDITION, or what the loader said). */
MARU_NODISCARD maru_status maru_probe_file(const maru_plugin_file *file, const maru_probe_params *params);

/* The child's side: loads `path`, enumerates, and writes the verdict to the true stdout. Returns the exit code. */
int maru_probe_main(const char *path);

#endif
