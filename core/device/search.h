// SPDX-FileCopyrightText: The Maru authors
// SPDX-License-Identifier: Apache-2.0
#ifndef MARU_DEVICE_SEARCH_H
#define MARU_DEVICE_SEARCH_H

/*
 * Where plugins and helper programs are. Installed, both lie under
 * LIBDIR/maru, found from where libmaru (or the program it is linked into)
 * lies, so that a moved installation works; else at the configured path. In a
 * build tree, plugins are backends/NAME/X.so. Never the working directory.
 */

#include <maru/status.h>

typedef maru_status (*maru_search_fn)(void *ctx, const char *path);

/*
 * Calls `fn` with each candidate file, in the order of search; stops when it
 * fails. `plugin_path` is files or folders separated by ':'; NULL: the folder
 * of the backends, then MARU_PLUGIN_PATH; "": none. A path that is neither
 * file nor folder is given to `fn` too, so that its absence is told.
 */
MARU_NODISCARD maru_status maru_search_plugins(const char *plugin_path, maru_search_fn fn, void *ctx);

/* The absolute path of helper program `name`, malloc'ed; NOT_FOUND if it is not there. */
MARU_NODISCARD maru_status maru_search_helper(const char *name, char **out_path);

#endif
