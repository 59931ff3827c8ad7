// SPDX-FileCopyrightText: The Maru authors
// SPDX-License-Identifier: Apache-2.0
#ifndef MARU_SCRIPT_HOST_H
#define MARU_SCRIPT_HOST_H

/*
 * What a Lua state of ours knows of its surroundings, and the modules that a
 * script may require: maru, maru.x of the library, and files of its own folder.
 */

#include <lua.h>
#include <maru/onnx.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

typedef struct maru_host {
    void (*print)(void *ctx, const char *text, size_t bytes);  // NULL: dropped
    void *print_ctx;
    char *library;     // the folder that holds maru/
    char *script_dir;  // "." if the script is in the working directory
    bool is_sandboxed;
    maru_onnx_params onnx;  // for the model that runs instead of a script
} maru_host;

enum { MARU_MAX_SCRIPT_BYTES = 16 * 1024 * 1024, MARU_MAX_FILE_BYTES = 256 * 1024 * 1024 };

/* Puts a maru_host into the registry and makes every class; to be called once, protected. */
maru_host *maru_host_open(lua_State *L);
maru_host *maru_host_of(lua_State *L);
/* Pushes the module `maru`. */
int maru_push_module(lua_State *L);
/* Sets the globals print and require of a sandboxed state. */
void maru_host_globals(lua_State *L);

/* Finds the library: MARU_LIBRARY, or near the file `near` (NULL: the program); malloc'ed, NULL if it is nowhere. */
char *maru_find_library(const char *near);
/* Pushes the bytes of a file and returns true, or pushes nothing if it cannot be opened; raises beyond `max_bytes`. */
bool maru_push_file(lua_State *L, const char *path, size_t max_bytes);
/* Loads and runs the script at `path` and pushes what it returns. */
void maru_run_file(lua_State *L, const char *path);
/* Pushes the chunk of the library's module "maru.nn" and returns true, or pushes nothing. */
bool maru_push_library_chunk(lua_State *L, const char *name);
/* Takes `folder`, malloc'ed: where require looks for the script's own modules. */
void maru_take_script_dir(maru_host *host, char *folder);
/* Pushes the folder of a path, "." if it has none. */
const char *maru_push_folder(lua_State *L, const char *path);

/* JSON (json.c): pushes a value; raises DATA_LOSS. null is nil. */
void maru_push_json(lua_State *L, const char *text, size_t bytes, const char *name);
/* Pushes a setting's value: JSON where it is that, else the text. */
void maru_push_setting(lua_State *L, const char *text);
/* Pushes the table of texts and numbers at `index` as JSON text. */
void maru_push_as_json(lua_State *L, int index);

/* text.c */
void maru_text_open(lua_State *L);
/* Pushes the tokenizer of a file or folder. */
void maru_push_tokenizer(lua_State *L, const char *path);

#endif
