// SPDX-FileCopyrightText: The Maru authors
// SPDX-License-Identifier: Apache-2.0
#include <lauxlib.h>
#include <maru/tokenizer.h>
#include <stdlib.h>
#include <string.h>

#include "script/host.h"
#include "script/host_tensor.h"
#include "script/protect.h"
#include "script/sandbox.h"

/* Tokenizers as Lua sees them. Token ids in tables and tensors are plain numbers. */

#define MARU_CLASS_TOKENIZER "maru.tokenizer"
#define MARU_CLASS_STREAM "maru.token_stream"

typedef struct tokenizer_ref {
    maru_tokenizer *tokenizer;
} tokenizer_ref;

static int collect(lua_State *L)
{
    tokenizer_ref *ref = lua_touserdata(L, 1);
    maru_tokenizer_destroy(&ref->tokenizer);
    return 0;
}

void maru_push_tokenizer(lua_State *L, const char *path)
{
    tokenizer_ref *ref = lua_newuserdatauv(L, sizeof *ref, 0);
    *ref = (tokenizer_ref){0};
    luaL_setmetatable(L, MARU_CLASS_TOKENIZER);
    MARU_LUA_TRY(L, maru_tokenizer_create_file(path, &ref->tokenizer));
}

static const maru_tokenizer *check(lua_State *L)
{
    return ((tokenizer_ref *)luaL_checkudata(L, 1, MARU_CLASS_TOKENIZER))->tokenizer;
}

/* {max_tokens = n, special = false, plain = true} at `index` */
static maru_encode_params read_params(lua_State *L, int index)
{
    maru_encode_params params = {0};
    if (lua_isnoneornil(L, index))
        return params;
    luaL_checktype(L, index, LUA_TTABLE);
    lua_getfield(L, index, "max_tokens");
    lua_getfield(L, index, "special");
    lua_getfield(L, index, "plain");
    const lua_Integer most = luaL_optinteger(L, -3, 0);
    luaL_argcheck(L, most >= 0, index, "max_tokens is negative");
    params.max_tokens = (size_t)most;
    params.no_special = lua_isboolean(L, -2) && !lua_toboolean(L, -2);
    params.plain_text = lua_toboolean(L, -1);
    lua_pop(L, 3);
    return params;
}

/* Encodes the text at `index` into a box that it pushes. */
static const int32_t *encode(lua_State *L, const maru_tokenizer *t, int index, const maru_encode_params *params,
                             size_t *out_count)
{
    size_t bytes = 0;
    int32_t *ids = NULL;
    if (lua_type(L, index) != LUA_TSTRING)
        maru_raise_text(L, MARU_INVALID_ARGUMENT, "encode: a text was expected, not %s", luaL_typename(L, index));
    const char *text = lua_tolstring(L, index, &bytes);
    maru_sandbox_charge(L, bytes * 8);
    maru_box *box = maru_box_push(L, NULL);
    const maru_status status = maru_tokenizer_encode(t, text, bytes, params, &ids, out_count);
    box->held = ids;
    MARU_LUA_TRY(L, status);
    return ids;
}

/* tok:encode(text, params): a table of ids */
static int tok_encode(lua_State *L)
{
    lua_settop(L, 3);
    const maru_encode_params params = read_params(L, 3);
    size_t n = 0;
    const int32_t *ids = encode(L, check(L), 2, &params, &n);
    lua_createtable(L, (int)n, 0);
    for (size_t i = 0; i < n; i++) {
        lua_pushinteger(L, ids[i]);
        lua_rawseti(L, -2, (lua_Integer)i + 1);
    }
    return 1;
}

static void set_row(maru_tensor *ids, maru_tensor *mask, int64_t row, const int32_t *from, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        ((int64_t *)ids->data)[row * ids->dims[1] + (int64_t)i] = from[i];
        ((float *)mask->data)[row * ids->dims[1] + (int64_t)i] = 1;
    }
}

/*
 * tok:encode_batch(texts, params): {ids = i64[n, longest], mask = f32[n, longest], lengths = table}, padded with the
 * tokenizer's padding (or 0) on the right. The boxes of ids are kept in a table while the longest is not known.
 */
static int tok_encode_batch(lua_State *L)
{
    lua_settop(L, 3);
    const maru_tokenizer *t = check(L);
    const maru_encode_params params = read_params(L, 3);
    luaL_checktype(L, 2, LUA_TTABLE);
    const int64_t n = (int64_t)lua_rawlen(L, 2);
    int64_t dims[2] = {n, 0};
    lua_newtable(L);                // 4: boxes
    lua_createtable(L, (int)n, 0);  // 5: lengths
    for (int64_t i = 0; i < n; i++) {
        size_t count = 0;
        lua_rawgeti(L, 2, i + 1);
        encode(L, t, lua_gettop(L), &params, &count);
        lua_rawseti(L, 4, i + 1);
        lua_pushinteger(L, (lua_Integer)count);
        lua_rawseti(L, 5, i + 1);
        dims[1] = (int64_t)count > dims[1] ? (int64_t)count : dims[1];
        lua_pop(L, 1);
    }
    maru_special_ids special;
    maru_tokenizer_special_ids(t, &special);
    lua_newtable(L);  // 6
    maru_tensor *ids = maru_push_tensor(L, MARU_I64, dims, 2);
    maru_tensor *mask = maru_push_tensor(L, MARU_F32, dims, 2);
    for (int64_t i = 0; special.pad > 0 && i < dims[0] * dims[1]; i++)
        ((int64_t *)ids->data)[i] = special.pad;
    for (int64_t i = 0; i < n; i++) {
        lua_rawgeti(L, 4, i + 1);
        lua_rawgeti(L, 5, i + 1);
        set_row(ids, mask, i, ((maru_box *)lua_touserdata(L, -2))->held, (size_t)lua_tointeger(L, -1));
        lua_pop(L, 2);
    }
    lua_setfield(L, 6, "mask");
    lua_setfield(L, 6, "ids");
    lua_pushvalue(L, 5);
    lua_setfield(L, 6, "lengths");
    return 1;
}

static int32_t check_id(lua_State *L, int index)
{
    const lua_Integer id = luaL_checkinteger(L, index);
    if (id < INT32_MIN || id > INT32_MAX)
        maru_raise_text(L, MARU_OUT_OF_RANGE, "%I is no token", id);
    return (int32_t)id;
}

/* tok:decode(ids), a table or a tensor */
static int tok_decode(lua_State *L)
{
    lua_settop(L, 2);
    const maru_tokenizer *t = check(L);
    const maru_host_tensor *tensor = maru_test_tensor(L, 2);
    if (!tensor)
        luaL_checktype(L, 2, LUA_TTABLE);
    const size_t n = tensor ? (size_t)maru_tensor_count(&tensor->tensor) : lua_rawlen(L, 2);
    maru_sandbox_charge(L, n * 8);
    int32_t *ids = maru_box_array(L, n, sizeof *ids);
    for (size_t i = 0; i < n; i++) {
        if (tensor)
            maru_push_element(L, &tensor->tensor, (int64_t)i);
        else
            lua_rawgeti(L, 2, (lua_Integer)i + 1);
        ids[i] = check_id(L, -1);
        lua_pop(L, 1);
    }
    maru_box *text = maru_box_push(L, NULL);
    char *out = NULL;
    const maru_status status = maru_tokenizer_decode(t, ids, n, &out);
    text->held = out;
    MARU_LUA_TRY(L, status);
    lua_pushstring(L, out);
    maru_box_clear(text);
    return 1;
}

/* tok:piece(id) or nil */
static int tok_piece(lua_State *L)
{
    lua_pushstring(L, maru_tokenizer_piece(check(L), check_id(L, 2)));
    return 1;
}

static int tok_index(lua_State *L)
{
    const maru_tokenizer *t = check(L);
    const char *key = luaL_checkstring(L, 2);
    maru_special_ids ids;
    maru_tokenizer_special_ids(t, &ids);
    const struct {
        const char *name;
        int32_t id;
    } named[] = {{"bos", ids.begin}, {"eos", ids.end}, {"unk", ids.unknown}, {"pad", ids.pad}, {"mask", ids.mask}};
    if (lua_getfield(L, lua_upvalueindex(1), key) != LUA_TNIL)
        return 1;
    if (strcmp(key, "size") == 0) {
        lua_pushinteger(L, (lua_Integer)maru_tokenizer_vocab_size(t));
        return 1;
    }
    for (size_t i = 0; i < sizeof named / sizeof *named; i++) {
        if (strcmp(key, named[i].name) != 0)
            continue;
        if (named[i].id >= 0)
            lua_pushinteger(L, named[i].id);
        else
            lua_pushnil(L);
        return 1;
    }
    return maru_raise_text(L, MARU_NOT_FOUND, "a tokenizer has no '%s'", key);
}

/* ---- streams ---- */

/* tok:stream(is_continuation) */
static int tok_stream(lua_State *L)
{
    lua_settop(L, 2);
    const maru_tokenizer *t = check(L);
    maru_token_stream *stream = lua_newuserdatauv(L, sizeof *stream, 1);
    maru_token_stream_init(stream, t, lua_toboolean(L, 2));
    lua_pushvalue(L, 1);
    lua_setiuservalue(L, -2, 1);
    luaL_setmetatable(L, MARU_CLASS_STREAM);
    return 1;
}

static int give_text(lua_State *L, maru_box *box, char *text, maru_status status)
{
    box->held = text;
    MARU_LUA_TRY(L, status);
    lua_pushstring(L, text);
    maru_box_clear(box);
    return 1;
}

/* stream:push(id): the text that can be shown now */
static int stream_push(lua_State *L)
{
    maru_token_stream *stream = luaL_checkudata(L, 1, MARU_CLASS_STREAM);
    const int32_t id = check_id(L, 2);
    maru_box *box = maru_box_push(L, NULL);
    char *text = NULL;
    const maru_status status = maru_token_stream_push(stream, id, &text);
    return give_text(L, box, text, status);
}

static int stream_finish(lua_State *L)
{
    maru_token_stream *stream = luaL_checkudata(L, 1, MARU_CLASS_STREAM);
    maru_box *box = maru_box_push(L, NULL);
    char *text = NULL;
    const maru_status status = maru_token_stream_finish(stream, &text);
    return give_text(L, box, text, status);
}

void maru_text_open(lua_State *L)
{
    static const luaL_Reg functions[] = {{"__gc", collect}, {NULL, NULL}};
    static const luaL_Reg methods[] = {
        {"encode", tok_encode}, {"encode_batch", tok_encode_batch}, {"decode", tok_decode},
        {"piece", tok_piece},   {"stream", tok_stream},             {NULL, NULL},
    };
    static const luaL_Reg nothing[] = {{NULL, NULL}};
    static const luaL_Reg stream_methods[] = {{"push", stream_push}, {"finish", stream_finish}, {NULL, NULL}};
    maru_push_class(L, MARU_CLASS_TOKENIZER, functions);
    lua_newtable(L);
    luaL_setfuncs(L, methods, 0);
    lua_pushcclosure(L, tok_index, 1);
    lua_setfield(L, -2, "__index");
    maru_push_class(L, MARU_CLASS_STREAM, nothing);
    maru_set_methods(L, "a stream of tokens", stream_methods);
    lua_pop(L, 2);
}
