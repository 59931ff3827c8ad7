// SPDX-FileCopyrightText: The Maru authors
// SPDX-License-Identifier: Apache-2.0
#include "script/host_tensor.h"

#include <lauxlib.h>
#include <stdlib.h>
#include <string.h>

#include "script/explain.h"
#include "script/protect.h"
#include "script/sandbox.h"
#include "script/value.h"

/* ---- making ---- */

static int collect_tensor(lua_State *L)
{
    maru_host_tensor *host = lua_touserdata(L, 1);
    maru_sandbox_drop_tensor(L, host->counted_bytes);
    host->counted_bytes = 0;
    maru_tensor_destroy(&host->tensor);
    return 0;
}

maru_host_tensor *maru_push_empty_tensor(lua_State *L)
{
    maru_host_tensor *host = lua_newuserdatauv(L, sizeof *host, 0);
    *host = (maru_host_tensor){0};
    luaL_setmetatable(L, MARU_CLASS_TENSOR);
    return host;
}

void maru_count_tensor(lua_State *L, maru_host_tensor *host)
{
    const size_t bytes = host->tensor.bytes;
    maru_sandbox_add_tensor(L, bytes);
    host->counted_bytes = bytes;
}

maru_tensor *maru_push_tensor(lua_State *L, maru_dtype dtype, const int64_t *dims, uint32_t rank)
{
    maru_host_tensor *host = maru_push_empty_tensor(L);
    const maru_dtype_info *info = maru_dtype_get_info(dtype);
    uint64_t bytes = info ? info->block_bytes : 1;
    for (uint32_t i = 0; i < rank && i < MARU_MAX_RANK; i++) {
        if (dims[i] > 0)
            bytes = bytes > UINT64_MAX / 2 / (uint64_t)dims[i] ? UINT64_MAX / 2 : bytes * (uint64_t)dims[i];
    }
    // Counted before it is made: the limit must keep the memory from being asked for.
    maru_sandbox_add_tensor(L, (size_t)bytes);
    host->counted_bytes = (size_t)bytes;
    MARU_LUA_TRY(L, maru_tensor_create(dtype, dims, rank, &host->tensor));
    return &host->tensor;
}

maru_tensor *maru_push_tensor_copy(lua_State *L, const maru_tensor *from)
{
    maru_tensor *t = maru_push_tensor(L, from->dtype, from->dims, from->rank);
    if (from->bytes)
        memcpy(t->data, from->data, from->bytes);
    return t;
}

maru_host_tensor *maru_test_tensor(lua_State *L, int index)
{
    return maru_test_class(L, index, MARU_CLASS_TENSOR);
}

maru_tensor *maru_check_tensor(lua_State *L, int index)
{
    maru_host_tensor *host = maru_test_tensor(L, index);
    if (!host)
        maru_raise_text(L, MARU_INVALID_ARGUMENT, "a tensor was expected, not %s", luaL_typename(L, index));
    return &host->tensor;
}

uint32_t maru_check_axis(lua_State *L, int64_t axis, uint32_t rank)
{
    if (axis < -(int64_t)rank || axis >= (int64_t)rank)
        maru_raise_text(L, MARU_OUT_OF_RANGE, "axis %I of a tensor of rank %d", (lua_Integer)axis, (int)rank);
    return (uint32_t)(axis < 0 ? axis + (int64_t)rank : axis);
}

uint32_t maru_check_dims(lua_State *L, int index, int64_t dims[MARU_MAX_RANK])
{
    if (lua_isinteger(L, index)) {
        dims[0] = lua_tointeger(L, index);
        return 1;
    }
    luaL_checktype(L, index, LUA_TTABLE);
    const size_t n = lua_rawlen(L, index);
    if (n > MARU_MAX_RANK)
        maru_raise_text(L, MARU_INVALID_ARGUMENT, "rank %I is above %d", (lua_Integer)n, MARU_MAX_RANK);
    for (size_t i = 0; i < n; i++) {
        lua_rawgeti(L, index, (lua_Integer)i + 1);
        int ok = 0;
        dims[i] = lua_tointegerx(L, -1, &ok);
        if (!ok || dims[i] < 0)
            maru_raise_text(L, MARU_INVALID_ARGUMENT, "a dim must be a whole number, not %s",
                            luaL_tolstring(L, -1, NULL));
        lua_pop(L, 1);
    }
    return (uint32_t)n;
}

/* ---- elements ---- */

void maru_push_element(lua_State *L, const maru_tensor *t, int64_t i)
{
    const maru_dtype_info *info = maru_dtype_get_info(t->dtype);
    if (t->dtype == MARU_I64)
        lua_pushinteger(L, ((const int64_t *)t->data)[i]);
    else if (info->kind == MARU_CLASS_BOOL)
        lua_pushboolean(L, ((const uint8_t *)t->data)[i]);
    else if (info->kind == MARU_CLASS_INT || info->kind == MARU_CLASS_UINT)
        lua_pushinteger(L, (lua_Integer)maru_tensor_get_f64(t, i));
    else
        lua_pushnumber(L, maru_tensor_get_f64(t, i));
}

void maru_set_element(lua_State *L, maru_tensor *t, int64_t i, int value_index)
{
    if (lua_isboolean(L, value_index))
        maru_tensor_set_f64(t, i, lua_toboolean(L, value_index));
    else if (lua_type(L, value_index) != LUA_TNUMBER)
        maru_raise_text(L, MARU_INVALID_ARGUMENT, "an element must be a number, not %s", luaL_typename(L, value_index));
    else if (t->dtype == MARU_I64 && lua_isinteger(L, value_index))
        ((int64_t *)t->data)[i] = lua_tointeger(L, value_index);
    else
        maru_tensor_set_f64(t, i, lua_tonumber(L, value_index));
}

static void require_plain(lua_State *L, const maru_tensor *t)
{
    const maru_dtype_info *info = maru_dtype_get_info(t->dtype);
    if (!info || info->kind == MARU_CLASS_BLOCK)
        maru_raise_text(L, MARU_UNSUPPORTED, "the elements of a tensor of %s cannot be read",
                        maru_dtype_name(t->dtype));
}

/* The flat position of the indices from `from` on, as many as the rank. */
static int64_t element_at(lua_State *L, const maru_tensor *t, int from)
{
    int64_t flat = 0;
    require_plain(L, t);
    for (uint32_t d = 0; d < t->rank; d++) {
        int64_t at = luaL_checkinteger(L, from + (int)d);
        at += at < 0 ? t->dims[d] : 0;
        if (at < 0 || at >= t->dims[d])
            maru_raise_text(L, MARU_OUT_OF_RANGE, "position %I of axis %d, which has %I",
                            luaL_checkinteger(L, from + (int)d), (int)d, (lua_Integer)t->dims[d]);
        flat = flat * t->dims[d] + at;
    }
    return flat;
}

static int tensor_get(lua_State *L)
{
    const maru_tensor *t = maru_check_tensor(L, 1);
    maru_push_element(L, t, element_at(L, t, 2));
    return 1;
}

/* t:set(value, i, j, ...) */
static int tensor_set(lua_State *L)
{
    maru_tensor *t = maru_check_tensor(L, 1);
    maru_set_element(L, t, element_at(L, t, 3), 2);
    lua_settop(L, 1);
    return 1;
}

/* The only element. */
static int tensor_item(lua_State *L)
{
    const maru_tensor *t = maru_check_tensor(L, 1);
    require_plain(L, t);
    if (maru_tensor_count(t) != 1)
        return maru_raise_text(L, MARU_INVALID_ARGUMENT, "item: the tensor has %I elements",
                               (lua_Integer)maru_tensor_count(t));
    maru_push_element(L, t, 0);
    return 1;
}

static void push_nested(lua_State *L, const maru_tensor *t, uint32_t axis, int64_t *at)
{
    if (axis == t->rank) {
        maru_push_element(L, t, (*at)++);
        return;
    }
    luaL_checkstack(L, 4, NULL);
    lua_createtable(L, t->dims[axis] < INT32_MAX ? (int)t->dims[axis] : 0, 0);
    for (int64_t i = 0; i < t->dims[axis]; i++) {
        push_nested(L, t, axis + 1, at);
        lua_rawseti(L, -2, i + 1);
    }
}

static int tensor_totable(lua_State *L)
{
    const maru_tensor *t = maru_check_tensor(L, 1);
    int64_t at = 0;
    require_plain(L, t);
    maru_sandbox_charge(L, (uint64_t)maru_tensor_count(t));
    push_nested(L, t, 0, &at);
    return 1;
}

/* ---- from tables ---- */

/* Dims of the nested table on top, from its first items. */
static uint32_t measure(lua_State *L, int64_t *dims)
{
    uint32_t rank = 0;
    const int top = lua_gettop(L);
    while (lua_type(L, -1) == LUA_TTABLE) {
        if (rank == MARU_MAX_RANK)
            maru_raise_text(L, MARU_INVALID_ARGUMENT, "tables nested deeper than %d", MARU_MAX_RANK);
        dims[rank++] = (int64_t)lua_rawlen(L, -1);
        luaL_checkstack(L, 4, NULL);
        lua_rawgeti(L, -1, 1);
    }
    lua_settop(L, top);
    return rank;
}

static bool is_whole(lua_State *L)
{
    if (lua_type(L, -1) != LUA_TTABLE)
        return lua_isinteger(L, -1);
    const lua_Integer n = (lua_Integer)lua_rawlen(L, -1);
    luaL_checkstack(L, 4, NULL);
    bool whole = true;
    for (lua_Integer i = 1; i <= n && whole; i++) {
        lua_rawgeti(L, -1, i);
        whole = is_whole(L);
        lua_pop(L, 1);
    }
    return whole;
}

/* The table on top into t. */
static void fill_nested(lua_State *L, maru_tensor *t, uint32_t axis, int64_t *at)
{
    if (axis == t->rank) {
        maru_set_element(L, t, (*at)++, -1);
        return;
    }
    if (lua_type(L, -1) != LUA_TTABLE || (int64_t)lua_rawlen(L, -1) != t->dims[axis])
        maru_raise_text(L, MARU_INVALID_ARGUMENT, "tensor: every table at depth %d must have %I items", (int)axis + 1,
                        (lua_Integer)t->dims[axis]);
    luaL_checkstack(L, 4, NULL);
    for (int64_t i = 0; i < t->dims[axis]; i++) {
        lua_rawgeti(L, -1, i + 1);
        fill_nested(L, t, axis + 1, at);
        lua_pop(L, 1);
    }
}

maru_tensor *maru_push_as_tensor(lua_State *L, int index, maru_dtype dtype)
{
    int64_t dims[MARU_MAX_RANK];
    index = lua_absindex(L, index);
    const maru_host_tensor *host = maru_test_tensor(L, index);
    if (host && (dtype == MARU_DTYPE_NONE || host->tensor.dtype == dtype)) {
        lua_pushvalue(L, index);
        return maru_check_tensor(L, -1);
    }
    if (host) {
        require_plain(L, &host->tensor);
        maru_tensor *cast = maru_push_tensor(L, dtype, host->tensor.dims, host->tensor.rank);
        const int64_t n = maru_tensor_count(cast);
        for (int64_t i = 0; i < n; i++)
            maru_tensor_set_f64(cast, i, maru_tensor_get_f64(&host->tensor, i));
        return cast;
    }
    const int kind = lua_type(L, index);
    if (kind != LUA_TTABLE && kind != LUA_TNUMBER && kind != LUA_TBOOLEAN)
        maru_raise_text(L, MARU_INVALID_ARGUMENT, "a tensor, a number or a table of numbers was expected, not %s",
                        luaL_typename(L, index));
    lua_pushvalue(L, index);
    if (dtype == MARU_DTYPE_NONE)
        dtype = is_whole(L) ? MARU_I64 : MARU_F32;
    const uint32_t rank = measure(L, dims);
    maru_tensor *t = maru_push_tensor(L, dtype, dims, rank);
    require_plain(L, t);
    lua_insert(L, -2);
    int64_t at = 0;
    maru_sandbox_charge(L, (uint64_t)maru_tensor_count(t));
    fill_nested(L, t, 0, &at);
    lua_pop(L, 1);
    return t;
}

/* ---- properties ---- */

static int tensor_tostring(lua_State *L)
{
    const maru_tensor *t = maru_check_tensor(L, 1);
    luaL_Buffer b;
    luaL_buffinit(L, &b);
    luaL_addstring(&b, maru_dtype_name(t->dtype));
    luaL_addchar(&b, '[');
    for (uint32_t i = 0; i < t->rank; i++) {
        lua_pushfstring(L, i ? ", %I" : "%I", (lua_Integer)t->dims[i]);
        luaL_addvalue(&b);
    }
    luaL_addchar(&b, ']');
    luaL_pushresult(&b);
    return 1;
}

static int tensor_index(lua_State *L)
{
    const maru_tensor *t = maru_check_tensor(L, 1);
    const char *key = lua_type(L, 2) == LUA_TSTRING ? lua_tostring(L, 2) : "";
    lua_pushvalue(L, 2);
    if (lua_rawget(L, lua_upvalueindex(1)) != LUA_TNIL)
        return 1;
    if (strcmp(key, "shape") == 0) {
        lua_createtable(L, (int)t->rank, 0);
        for (uint32_t i = 0; i < t->rank; i++) {
            lua_pushinteger(L, t->dims[i]);
            lua_rawseti(L, -2, (lua_Integer)i + 1);
        }
    } else if (strcmp(key, "dtype") == 0) {
        lua_pushstring(L, maru_dtype_name(t->dtype));
    } else if (strcmp(key, "rank") == 0) {
        lua_pushinteger(L, t->rank);
    } else if (strcmp(key, "sample_rate") == 0) {
        const uint32_t rate = maru_test_tensor(L, 1)->sample_rate;
        if (rate)
            lua_pushinteger(L, rate);
        else
            lua_pushnil(L);
    } else if (strcmp(key, "count") == 0) {
        lua_pushinteger(L, maru_tensor_count(t));
    } else {
        lua_pushvalue(L, lua_upvalueindex(1));
        return maru_raise_no_method(L, "a tensor in memory", -1, 0);
    }
    return 1;
}

static int tensor_cast(lua_State *L)
{
    maru_check_tensor(L, 1);
    maru_push_as_tensor(L, 1, maru_check_dtype(L, 2));
    return 1;
}

/* t:set_sample_rate(frames a second): what a file of this sound will say; gives t */
static int tensor_set_sample_rate(lua_State *L)
{
    const lua_Integer rate = luaL_checkinteger(L, 2);
    maru_check_tensor(L, 1);
    if (rate < 1 || rate > UINT32_MAX)
        return maru_raise_text(L, MARU_OUT_OF_RANGE, "a sample rate of %I frames a second", rate);
    maru_test_tensor(L, 1)->sample_rate = (uint32_t)rate;
    lua_settop(L, 1);
    return 1;
}

static int tensor_copy(lua_State *L)
{
    maru_push_tensor_copy(L, maru_check_tensor(L, 1));
    return 1;
}

/* Same elements, other dims, one of which may be -1. A copy. */
static int tensor_reshape(lua_State *L)
{
    const maru_tensor *t = maru_check_tensor(L, 1);
    int64_t dims[MARU_MAX_RANK];
    int64_t known = 1;
    int rest = -1;
    luaL_checktype(L, 2, LUA_TTABLE);
    const size_t n = lua_rawlen(L, 2);
    luaL_argcheck(L, n <= MARU_MAX_RANK, 2, "too many dims");
    for (size_t i = 0; i < n; i++) {
        lua_rawgeti(L, 2, (lua_Integer)i + 1);
        dims[i] = luaL_checkinteger(L, -1);
        lua_pop(L, 1);
        if (dims[i] == -1)
            rest = (int)i;
        else if (dims[i] < 0 || (dims[i] && known > INT64_MAX / dims[i]))
            return maru_raise_text(L, MARU_INVALID_ARGUMENT, "reshape: dim %I", (lua_Integer)dims[i]);
        else
            known *= dims[i];
    }
    const int64_t count = maru_tensor_count(t);
    if (rest >= 0 && known)
        dims[rest] = count / known;
    if (rest >= 0 ? !known || count % known : known != count)
        return maru_raise_text(L, MARU_INVALID_ARGUMENT, "reshape: %I elements do not fit", (lua_Integer)count);
    maru_tensor *out = maru_push_tensor(L, t->dtype, dims, (uint32_t)n);
    if (t->bytes)
        memcpy(out->data, t->data, t->bytes);
    return 1;
}

/* ---- the module's functions ---- */

static maru_dtype optional_dtype(lua_State *L, int index, maru_dtype fallback)
{
    return lua_isnoneornil(L, index) ? fallback : maru_check_dtype(L, index);
}

/* maru.tensor(numbers, dtype) */
static int module_tensor(lua_State *L)
{
    luaL_checkany(L, 1);
    maru_push_as_tensor(L, 1, optional_dtype(L, 2, MARU_DTYPE_NONE));
    return 1;
}

/* maru.zeros(dims, dtype) */
static int module_zeros(lua_State *L)
{
    int64_t dims[MARU_MAX_RANK];
    const uint32_t rank = maru_check_dims(L, 1, dims);
    maru_push_tensor(L, optional_dtype(L, 2, MARU_F32), dims, rank);
    return 1;
}

/* maru.full(dims, value, dtype) */
static int module_full(lua_State *L)
{
    int64_t dims[MARU_MAX_RANK];
    const uint32_t rank = maru_check_dims(L, 1, dims);
    maru_tensor *t = maru_push_tensor(L, optional_dtype(L, 3, MARU_F32), dims, rank);
    const int64_t n = maru_tensor_count(t);
    for (int64_t i = 0; i < n; i++)
        maru_set_element(L, t, i, 2);
    return 1;
}

/* maru.arange(n, dtype): 0 to n - 1 */
static int module_arange(lua_State *L)
{
    const int64_t n = luaL_checkinteger(L, 1);
    luaL_argcheck(L, n >= 0, 1, "negative");
    maru_tensor *t = maru_push_tensor(L, optional_dtype(L, 2, MARU_I64), &n, 1);
    for (int64_t i = 0; i < n; i++)
        maru_tensor_set_f64(t, i, (double)i);
    return 1;
}

void maru_tensor_functions(lua_State *L)
{
    static const luaL_Reg functions[] = {
        {"tensor", module_tensor}, {"zeros", module_zeros}, {"full", module_full},
        {"arange", module_arange}, {NULL, NULL},
    };
    luaL_setfuncs(L, functions, 0);
    maru_tensor_math_functions(L);
    maru_tensor_signal_functions(L);
}

void maru_tensor_open(lua_State *L)
{
    static const luaL_Reg functions[] = {{"__gc", collect_tensor}, {"__tostring", tensor_tostring}, {NULL, NULL}};
    static const luaL_Reg methods[] = {
        {"get", tensor_get},   {"set", tensor_set},   {"item", tensor_item},       {"totable", tensor_totable},
        {"cast", tensor_cast}, {"copy", tensor_copy}, {"reshape", tensor_reshape},
        {"set_sample_rate", tensor_set_sample_rate},  {NULL, NULL},
    };
    maru_push_class(L, MARU_CLASS_TENSOR, functions);
    maru_tensor_arithmetic(L);
    lua_newtable(L);
    luaL_setfuncs(L, methods, 0);
    maru_tensor_math_methods(L);
    maru_tensor_signal_methods(L);
    lua_pushcclosure(L, tensor_index, 1);
    lua_setfield(L, -2, "__index");
    lua_pop(L, 1);
}

/* ---- values of files ---- */

void maru_push_file_value(lua_State *L, const maru_file_value *value)
{
    if (!value->is_strings) {
        maru_push_tensor_copy(L, &value->tensor);
        maru_test_tensor(L, -1)->sample_rate = value->sample_rate;
        return;
    }
    if (value->strings.rank == 0 && value->strings.count == 1) {
        lua_pushstring(L, value->strings.items[0]);
        return;
    }
    lua_createtable(L, (int)value->strings.count, 0);
    for (size_t i = 0; i < value->strings.count; i++) {
        lua_pushstring(L, value->strings.items[i]);
        lua_rawseti(L, -2, (lua_Integer)i + 1);
    }
}

static void add_string(lua_State *L, maru_strings *strings, int index)
{
    size_t n = 0;
    const char *text = lua_tolstring(L, index, &n);
    if (memchr(text, 0, n))
        maru_raise_text(L, MARU_INVALID_ARGUMENT, "a text with a zero byte");
    char *copy = malloc(n + 1);
    if (!copy)
        luaL_error(L, "out of memory");
    memcpy(copy, text, n + 1);
    strings->items[strings->count++] = copy;
}

static void read_strings(lua_State *L, int index, maru_strings *out)
{
    const bool is_list = lua_type(L, index) == LUA_TTABLE;
    const size_t n = is_list ? lua_rawlen(L, index) : 1;
    out->items = calloc(n ? n : 1, sizeof *out->items);
    if (!out->items)
        luaL_error(L, "out of memory");
    out->capacity = n;
    out->rank = is_list;
    out->dims[0] = (int64_t)n;
    if (!is_list) {
        add_string(L, out, index);
        return;
    }
    for (size_t i = 0; i < n; i++) {
        if (lua_rawgeti(L, index, (lua_Integer)i + 1) != LUA_TSTRING)
            maru_raise_text(L, MARU_INVALID_ARGUMENT, "a list of texts has %s in it", luaL_typename(L, -1));
        add_string(L, out, -1);
        lua_pop(L, 1);
    }
}

void maru_read_file_value(lua_State *L, int index, maru_file_value *out)
{
    index = lua_absindex(L, index);
    bool is_strings = lua_type(L, index) == LUA_TSTRING;
    if (lua_type(L, index) == LUA_TTABLE) {
        is_strings = lua_rawgeti(L, index, 1) == LUA_TSTRING;
        lua_pop(L, 1);
    }
    out->is_strings = is_strings;
    if (is_strings) {
        read_strings(L, index, &out->strings);
        return;
    }
    const maru_tensor *t = maru_push_as_tensor(L, index, MARU_DTYPE_NONE);
    out->sample_rate = maru_test_tensor(L, -1)->sample_rate;
    MARU_LUA_TRY(L, maru_tensor_create(t->dtype, t->dims, t->rank, &out->tensor));
    if (t->bytes)
        memcpy(out->tensor.data, t->data, t->bytes);
    lua_pop(L, 1);
}
