// SPDX-FileCopyrightText: The Maru authors
// SPDX-License-Identifier: Apache-2.0
#include "device/search.h"

#include "base/fail.h"
#include "base/os.h"
#include "base/os_dl.h"
#include "base/str.h"

#include <stdlib.h>
#include <string.h>

#define MAX_LEVELS 4 // from a program in the build tree up to its root

static const char anchor; // an address in this object, to find its file

/* Cuts the last part off; false at the root. */
static bool cut(char *path)
{
    char *slash = strrchr(path, '/');
    if (!slash || slash == path)
        return false;
    *slash = '\0';
    return true;
}

static maru_status own_folder(char **out_dir)
{
    MARU_TRY(maru_os_object_path(&anchor, out_dir));
    (void)cut(*out_dir);
    return MARU_OK;
}

static bool is_build_root(const char *dir)
{
    char *mark = maru_os_join(dir, "meson-private");
    char *backends = maru_os_join(dir, "backends");
    bool is = mark && backends && maru_os_is_dir(mark) && maru_os_is_dir(backends);
    free(mark);
    free(backends);
    return is;
}

/* The root of the build tree that this code runs in, or NULL. */
static char *build_root(void)
{
    char *dir = NULL;
    if (own_folder(&dir) != MARU_OK)
        return NULL;
    for (int level = 0; level < MAX_LEVELS; level++) {
        if (is_build_root(dir))
            return dir;
        if (!cut(dir))
            break;
    }
    free(dir);
    return NULL;
}

/* LIBDIR/maru/`name` beside this code, else at the configured path; NULL if neither is there. */
static char *installed(const char *name, bool (*is_there)(const char *))
{
    char *dir = NULL;
    if (own_folder(&dir) == MARU_OK) {
        maru_str beside = {0};
        maru_str_printf(&beside, "%s/maru/%s", dir, name);
        char *path = maru_str_take(&beside);
        free(dir);
        if (path && is_there(path))
            return path;
        free(path);
    }
    char *path = maru_os_join(MARU_PRIVATE_DIR, name);
    if (path && is_there(path))
        return path;
    free(path);
    return NULL;
}

/* ---- visiting ---------------------------------------------------------------- */

typedef struct {
    const char *dir;
    maru_search_fn fn;
    void *ctx;
} folder_visit;

static maru_status visit_file(void *ctx, const char *name)
{
    const folder_visit *visit = ctx;
    if (!maru_ends_with(name, ".so"))
        return MARU_OK;
    char *path = maru_os_join(visit->dir, name);
    if (!path)
        return maru_fail_oom("a path");
    maru_status status = maru_os_is_file(path) ? visit->fn(visit->ctx, path) : MARU_OK;
    free(path);
    return status;
}

static maru_status visit_folder(const char *dir, maru_search_fn fn, void *ctx)
{
    folder_visit visit = {.dir = dir, .fn = fn, .ctx = ctx};
    return maru_os_list_dir(dir, visit_file, &visit);
}

static maru_status visit_subfolder(void *ctx, const char *name)
{
    const folder_visit *visit = ctx;
    char *path = maru_os_join(visit->dir, name);
    if (!path)
        return maru_fail_oom("a path");
    maru_status status = maru_os_is_dir(path) ? visit_folder(path, visit->fn, visit->ctx) : MARU_OK;
    free(path);
    return status;
}

static maru_status visit_build_tree(const char *root, maru_search_fn fn, void *ctx)
{
    char *backends = maru_os_join(root, "backends");
    if (!backends)
        return maru_fail_oom("a path");
    folder_visit visit = {.dir = backends, .fn = fn, .ctx = ctx};
    maru_status status = maru_os_list_dir(backends, visit_subfolder, &visit);
    free(backends);
    return status;
}

static maru_status visit_default(maru_search_fn fn, void *ctx)
{
    char *root = build_root();
    if (root) {
        maru_status status = visit_build_tree(root, fn, ctx);
        free(root);
        return status;
    }
    char *dir = installed("plugins", maru_os_is_dir);
    if (!dir)
        return MARU_OK;
    maru_status status = visit_folder(dir, fn, ctx);
    free(dir);
    return status;
}

/* An empty part would mean the working directory, and is skipped. */
static maru_status visit_list(const char *list, maru_search_fn fn, void *ctx)
{
    for (const char *part = list; *part;) {
        size_t n = strcspn(part, ":");
        maru_str path = {0};
        maru_str_append_n(&path, part, n);
        MARU_TRY(maru_str_check(&path));
        maru_status status = MARU_OK;
        if (n > 0)
            status = maru_os_is_dir(maru_str_get(&path)) ? visit_folder(maru_str_get(&path), fn, ctx)
                                                         : fn(ctx, maru_str_get(&path));
        maru_str_fini(&path);
        MARU_TRY(status);
        part += n + (part[n] == ':');
    }
    return MARU_OK;
}

maru_status maru_search_plugins(const char *plugin_path, maru_search_fn fn, void *ctx)
{
    if (plugin_path)
        return visit_list(plugin_path, fn, ctx);
    MARU_TRY(visit_default(fn, ctx));
    const char *more = maru_os_secure_env("MARU_PLUGIN_PATH");
    return more ? visit_list(more, fn, ctx) : MARU_OK;
}

maru_status maru_search_helper(const char *name, char **out_path)
{
    *out_path = NULL;
    char *root = build_root();
    if (root) {
        maru_str path = {0};
        maru_str_printf(&path, "%s/core/device/helper/%s", root, name);
        free(root);
        *out_path = maru_str_take(&path);
        if (*out_path && !maru_os_is_file(*out_path)) {
            free(*out_path);
            *out_path = NULL;
        }
    } else {
        *out_path = installed(name, maru_os_is_file);
    }
    return *out_path ? MARU_OK : maru_fail(MARU_NOT_FOUND, "the helper program '%s' is not installed", name);
}
