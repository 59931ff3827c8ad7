// SPDX-FileCopyrightText: The Maru authors
// SPDX-License-Identifier: Apache-2.0
#include <lauxlib.h>
#include <stdio.h>
#include <string.h>

#include "script/host_tensor.h"
#include "script/protect.h"
#include "script/value.h"

bool maru_find_op(const char *name, maru_op_summary *out)
{
    for (size_t i = 0; maru_op_at(i, out); i++) {
        const size_t n = strlen(out->domain);
        const bool is_default = n == 0 && strcmp(name, out->name) == 0;
        if (is_default || (n && strncmp(name, out->domain, n) == 0 && name[n] == '.' &&
                           strcmp(name + n + 1, out->name) == 0))
            return true;
    }
    return false;
}

/* ---- operands ---- */

/* A table of whole numbers and dims: a shape, or plain numbers where one is negative. */
static maru_value table_to_value(lua_State *L, int index, maru_graph_ref *owner)
{
    const size_t n = lua_rawlen(L, index);
    int64_t elems[MARU_MAX_OPERANDS];
    bool has_dim = false;
    bool has_negative = false;
    if (n > MARU_MAX_OPERANDS)
        maru_raise_text(L, MARU_INVALID_ARGUMENT, "a table of %I numbers is too long: use maru.tensor", (lua_Integer)n);
    for (size_t i = 0; i < n; i++) {
        lua_rawgeti(L, index, (lua_Integer)i + 1);
        has_dim |= maru_test_dim(L, -1) != NULL;
        if (lua_isinteger(L, -1) && lua_tointeger(L, -1) < 0) {
            has_negative = true;
            elems[i] = lua_tointeger(L, -1);
        } else {
            elems[i] = maru_check_dim(L, -1, owner);
        }
        lua_pop(L, 1);
    }
    if (has_dim && has_negative)
        maru_raise_text(L, MARU_INVALID_ARGUMENT, "a negative number does not go with dims here");
    maru_value out = MARU_NO_VALUE;
    MARU_LUA_TRY(L, has_dim ? maru_graph_shape(owner->graph, elems, n, &out)
                            : maru_graph_ints(owner->graph, elems, n, &out));
    return out;
}

static maru_value tensor_to_value(lua_State *L, const maru_tensor *t, maru_graph_ref *owner)
{
    const maru_constant_source source = {.data = t->data, .bytes = t->bytes};
    maru_value out = MARU_NO_VALUE;
    MARU_LUA_TRY(L, maru_graph_constant(owner->graph, "", t->dtype, t->dims, t->rank, &source, &out));
    return out;
}

maru_value maru_to_value(lua_State *L, int index, maru_graph_ref *owner, maru_dtype dtype)
{
    index = lua_absindex(L, index);
    maru_value out = MARU_NO_VALUE;
    switch (lua_type(L, index)) {
    case LUA_TNIL:
    case LUA_TNONE: return MARU_NO_VALUE;
    case LUA_TBOOLEAN:
        if (!lua_toboolean(L, index))
            return MARU_NO_VALUE;
        break;
    case LUA_TNUMBER:
        MARU_LUA_TRY(L, maru_graph_scalar(owner->graph, dtype, lua_tonumber(L, index), &out));
        return out;
    case LUA_TTABLE: return table_to_value(L, index, owner);
    default: break;
    }
    const maru_host_tensor *host = maru_test_tensor(L, index);
    if (host)
        return tensor_to_value(L, &host->tensor, owner);
    if (maru_test_dim(L, index)) {  // a dim as a number: i64, or cast to what the op computes in
        const maru_dim dim = maru_check_dim(L, index, owner);
        MARU_LUA_TRY(L, maru_graph_shape(owner->graph, &dim, 1, &out));
        maru_value none = MARU_NO_VALUE;
        MARU_LUA_TRY(L, maru_graph_ints(owner->graph, NULL, 0, &none));
        out = maru_add_op(L, owner, "Reshape", (const maru_value[]){out, none}, 2, NULL);
        const maru_attribute to = MARU_ATTR_I("to", dtype);
        return dtype == MARU_I64 ? out : maru_add_op(L, owner, "Cast", &out, 1, &to);
    }
    return maru_check_value(L, index, owner)->value;
}

/* The dtype of numbers among the operands: that of the first tensor. */
static maru_dtype dtype_of_operands(lua_State *L, int first, int n)
{
    for (int i = first; i < first + n; i++) {
        const maru_value_ref *ref = maru_test_value(L, i);
        if (ref)
            return maru_value_info_of(L, ref).dtype;
    }
    for (int i = first; i < first + n; i++) {
        const maru_host_tensor *host = maru_test_tensor(L, i);
        if (host)
            return host->tensor.dtype;
    }
    return MARU_F32;
}

/* ---- attributes ---- */

/* 0 if the op has no such attribute. */
static char attr_kind(const maru_op_summary *op, const char *name)
{
    const size_t n = strlen(name);
    for (const char *at = op->attrs; *at;) {
        if (strncmp(at, name, n) == 0 && at[n] == ':')
            return at[n + 1];
        at += strcspn(at, " ");
        at += *at == ' ';
    }
    return 0;
}

static _Noreturn void wrong_attr(lua_State *L, const char *name, const char *wanted)
{
    maru_raise_text(L, MARU_INVALID_ARGUMENT, "attribute '%s' must be %s, not %s", name, wanted,
                    luaL_tolstring(L, -1, NULL));
    luaL_error(L, "unreachable");
    for (;;) {
    }
}

static int64_t attr_integer(lua_State *L, int index, const char *name)
{
    int ok = 0;
    if (lua_isboolean(L, index))
        return lua_toboolean(L, index);
    if (lua_type(L, index) == LUA_TSTRING)  // a dtype: Cast's `to`
        return maru_check_dtype(L, index);
    const lua_Integer value = lua_tointegerx(L, index, &ok);
    if (!ok)
        wrong_attr(L, name, "a whole number");
    return value;
}

/* The table at `index` becomes a list in a box, which is left on the stack. */
static void read_list(lua_State *L, int index, char kind, maru_attribute *out)
{
    if (lua_type(L, index) != LUA_TTABLE)
        wrong_attr(L, out->name, "a table");
    out->n = lua_rawlen(L, index);
    void *items = maru_box_array(L, out->n, sizeof(int64_t) > sizeof(char *) ? sizeof(int64_t) : sizeof(char *));
    for (size_t i = 0; i < out->n; i++) {
        lua_rawgeti(L, index, (lua_Integer)i + 1);
        if (kind == 'I')
            ((int64_t *)items)[i] = attr_integer(L, -1, out->name);
        else if (kind == 'F')
            ((double *)items)[i] = lua_type(L, -1) == LUA_TNUMBER ? lua_tonumber(L, -1)
                                                                  : (wrong_attr(L, out->name, "numbers"), 0.0);
        else
            ((const char **)items)[i] = lua_type(L, -1) == LUA_TSTRING ? lua_tostring(L, -1)  // kept by the table
                                                                       : (wrong_attr(L, out->name, "texts"), "");
        lua_pop(L, 1);
    }
    out->ints = items;
    out->floats = items;
    out->strings = items;
}

/* The value on top of the stack; boxes of lists are put below it. */
static void read_attr(lua_State *L, char kind, maru_graph_ref *owner, maru_attribute *out)
{
    const int at = lua_gettop(L);
    switch (kind) {
    case 'i': out->kind = MARU_ATTR_INT, out->i = attr_integer(L, at, out->name); return;
    case 'f':
        if (lua_type(L, at) != LUA_TNUMBER)
            wrong_attr(L, out->name, "a number");
        out->kind = MARU_ATTR_FLOAT, out->f = lua_tonumber(L, at);
        return;
    case 's':
        if (lua_type(L, at) != LUA_TSTRING)
            wrong_attr(L, out->name, "a text");
        out->kind = MARU_ATTR_STRING, out->s = lua_tostring(L, at);
        return;
    case 't': out->kind = MARU_ATTR_TENSOR, out->tensor = maru_to_value(L, at, owner, MARU_F32); return;
    default: break;
    }
    out->kind = kind == 'I' ? MARU_ATTR_INTS : kind == 'F' ? MARU_ATTR_FLOATS : MARU_ATTR_STRINGS;
    read_list(L, at, kind, out);
}

/* Leaves boxes of lists on the stack; the number of attributes. */
static size_t read_attrs(lua_State *L, int index, const maru_op_summary *op, maru_graph_ref *owner,
                         maru_attribute *attrs, int *io_n_outputs)
{
    size_t n = 0;
    luaL_checkstack(L, MARU_MAX_ATTRS + 8, NULL);
    lua_pushnil(L);
    while (lua_next(L, index)) {
        if (lua_type(L, -2) != LUA_TSTRING)
            maru_raise_text(L, MARU_INVALID_ARGUMENT, "%s: attributes have names", op->name);
        const char *name = lua_tostring(L, -2);
        if (strcmp(name, "outputs") == 0) {
            *io_n_outputs = (int)attr_integer(L, -1, name);
            lua_pop(L, 1);
            continue;
        }
        const char kind = attr_kind(op, name);
        if (!kind)
            maru_raise_text(L, MARU_INVALID_ARGUMENT, "%s has no attribute '%s'; it has \"%s\"", op->name, name,
                            op->attrs);
        if (n == MARU_MAX_ATTRS)
            maru_raise_text(L, MARU_INVALID_ARGUMENT, "%s: too many attributes", op->name);
        attrs[n] = (maru_attribute){.name = name};
        const int before = lua_gettop(L);
        read_attr(L, kind, owner, &attrs[n++]);
        if (lua_gettop(L) > before) {  // key value box: the box goes below the key
            lua_insert(L, -3);
            lua_pop(L, 1);
        } else {
            lua_pop(L, 1);
        }
    }
    return n;
}

/* ---- nodes ---- */

maru_value maru_add_op(lua_State *L, maru_graph_ref *owner, const char *op, const maru_value *inputs, size_t n,
                       const maru_attribute *attr)
{
    maru_value out = MARU_NO_VALUE;
    MARU_LUA_TRY(L, maru_graph_op(owner->graph, op, inputs, n, attr, attr ? 1 : 0, &out));
    return out;
}

/* How the graph calls an unknown op says which one may have been meant. */
static void require_op(lua_State *L, maru_graph_ref *owner, const char *name, maru_op_summary *out)
{
    maru_value ignored = MARU_NO_VALUE;
    if (maru_find_op(name, out))
        return;
    const maru_status status = maru_graph_op(owner->graph, name, NULL, 0, NULL, 0, &ignored);
    maru_raise(L, status);
}

int maru_push_node(lua_State *L, const char *op, int graph_index, int first, int n, int attrs_index, int n_outputs)
{
    maru_graph_ref *owner = lua_touserdata(L, graph_index);
    maru_op_summary summary;
    maru_value inputs[MARU_MAX_OPERANDS];
    maru_value outputs[MARU_MAX_OPERANDS];
    maru_attribute attrs[MARU_MAX_ATTRS];
    if (!owner || !owner->graph)
        return maru_raise_text(L, MARU_FAILED_PRECONDITION, "%s: the graph is finished", op);
    require_op(L, owner, op, &summary);
    if (n > MARU_MAX_OPERANDS)
        return maru_raise_text(L, MARU_INVALID_ARGUMENT, "%s: %d operands are too many", op, n);
    const maru_dtype dtype = dtype_of_operands(L, first, n);
    for (int i = 0; i < n; i++)
        inputs[i] = maru_to_value(L, first + i, owner, dtype);
    while (n > summary.min_inputs && inputs[n - 1] == MARU_NO_VALUE)
        n--;
    const size_t n_attrs = attrs_index ? read_attrs(L, attrs_index, &summary, owner, attrs, &n_outputs) : 0;
    if (n_outputs == 0)
        n_outputs = summary.min_outputs;
    if (n_outputs < 1 || n_outputs > MARU_MAX_OPERANDS)
        return maru_raise_text(L, MARU_INVALID_ARGUMENT, "%s: it cannot have %d outputs", op, n_outputs);
    MARU_LUA_TRY(L, maru_graph_node(owner->graph, op, inputs, (size_t)n, attrs, n_attrs, outputs, (size_t)n_outputs));
    luaL_checkstack(L, n_outputs + 4, NULL);
    for (int i = 0; i < n_outputs; i++)
        maru_push_value(L, graph_index, outputs[i]);
    return n_outputs;
}
