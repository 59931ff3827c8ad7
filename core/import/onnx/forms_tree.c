// SPDX-FileCopyrightText: The Maru authors
// SPDX-License-Identifier: Apache-2.0

/*
 * Trees of ai.onnx.ml. All trees are walked at once, one level at a time: the
 * nodes of all trees are rows of tables, inner ones before leaves, a leaf leads
 * to itself, and (rows, trees) numbers say where each row of the input is.
 */

#include "import/onnx/ml.h"

#include <inttypes.h>
#include <math.h>
#include <stdint.h>
#include <string.h>

#include "base/dtype.h"
#include "base/fail.h"

enum { MOST_LEVELS = 512, MOST_CELLS = 1 << 26 };  // of a tree, of a table

typedef enum mode { LEQ, LT, GTE, GT, EQ, NEQ, MEMBER, N_MODES } mode;
typedef enum aggregate { AVERAGE, SUM, MIN, MAX } aggregate;

typedef struct forest {
    maru_arena arena;
    size_t n_inner, n_leaves;   // nodes are numbered in this order
    int64_t *feature, *yes, *no, *mode, *tracks;  // per node
    double *split;
    size_t n_roots;
    int64_t *roots;
    int64_t n_targets;
    double *weights;            // (leaves, targets)
    bool *has_weight;           // of these
    double *members;            // (nodes, most_members), NaN: none; NULL without sets
    int64_t most_members;
    size_t levels;
    aggregate aggregate;
    maru_dtype dtype;           // of the arithmetic
    bool modes[N_MODES];        // which there are
    bool tracks_any;
} forest;

/* ---- making tables ---- */

static maru_status make_forest(forest *f, size_t n_inner, size_t n_leaves, int64_t n_targets)
{
    const size_t n = n_inner + n_leaves;
    if (n_targets < 1 || n > MOST_CELLS || (n_leaves && (uint64_t)n_targets > MOST_CELLS / n_leaves))
        return maru_fail(MARU_OUT_OF_RANGE, "trees with %zu nodes and %" PRId64 " targets are too large", n, n_targets);
    f->n_inner = n_inner;
    f->n_leaves = n_leaves;
    f->n_targets = n_targets;
    int64_t **const lists[] = {&f->feature, &f->yes, &f->no, &f->mode, &f->tracks, &f->roots};
    for (size_t i = 0; i < sizeof lists / sizeof *lists; i++)
        if (!(*lists[i] = maru_arena_alloc_array(&f->arena, n + 1, sizeof **lists[i])))
            return maru_fail_oom("trees");
    f->split = maru_arena_alloc_array(&f->arena, n + 1, sizeof *f->split);
    f->weights = maru_arena_alloc_array(&f->arena, n_leaves * (size_t)n_targets + 1, sizeof *f->weights);
    f->has_weight = maru_arena_alloc_array(&f->arena, n_leaves * (size_t)n_targets + 1, sizeof *f->has_weight);
    if (!f->split || !f->weights || !f->has_weight)
        return maru_fail_oom("trees");
    for (size_t i = n_inner; i < n; i++)
        f->yes[i] = f->no[i] = (int64_t)i;
    return MARU_OK;
}

/* Levels below a node are those below its children and one; a node on the way to itself is a cycle. */
static maru_status count_levels(forest *f)
{
    enum { NEW, OPEN, DONE };
    size_t *level = maru_arena_alloc_array(&f->arena, f->n_inner + 1, sizeof *level);
    unsigned char *state = maru_arena_alloc(&f->arena, f->n_inner + 1);
    size_t *stack = maru_arena_alloc_array(&f->arena, f->n_inner + 1, sizeof *stack);
    if (!level || !state || !stack)
        return maru_fail_oom("trees");
    for (size_t r = 0; r < f->n_roots; r++) {
        size_t depth = 0;
        if ((size_t)f->roots[r] < f->n_inner && state[f->roots[r]] == NEW)
            stack[depth++] = (size_t)f->roots[r];
        while (depth) {
            const size_t at = stack[depth - 1];
            const size_t child[] = {(size_t)f->yes[at], (size_t)f->no[at]};
            bool waits = false;
            state[at] = OPEN;
            for (int k = 0; k < 2 && !waits; k++) {
                waits = child[k] < f->n_inner && state[child[k]] != DONE;
                if (waits && state[child[k]] == OPEN)
                    return maru_fail(MARU_DATA_LOSS, "a tree leads back to a node above");
                if (waits)
                    stack[depth++] = child[k];
            }
            if (waits)
                continue;
            for (int k = 0; k < 2; k++)
                if (child[k] < f->n_inner && level[child[k]] > level[at])
                    level[at] = level[child[k]];
            level[at]++;
            state[at] = DONE;
            depth--;
        }
        if ((size_t)f->roots[r] < f->n_inner && level[f->roots[r]] > f->levels)
            f->levels = level[f->roots[r]];
    }
    return f->levels <= MOST_LEVELS
               ? MARU_OK
               : maru_fail(MARU_UNSUPPORTED, "a tree has %zu levels, %d are supported", f->levels, MOST_LEVELS);
}

static maru_status check_features(const forest *f, const onnx_node *n, maru_value x)
{
    int64_t features = 0;
    if (!maru_expr_is_const(&n->import->graph->exprs, onnx_record(n, x)->dims[1], &features))
        return MARU_OK;
    for (size_t i = 0; i < f->n_inner; i++)
        if (f->feature[i] < 0 || f->feature[i] >= features)
            return maru_fail(MARU_INVALID_ARGUMENT, "a tree asks for feature %" PRId64 ", the input has %" PRId64,
                             f->feature[i], features);
    return MARU_OK;
}

static void note_modes(forest *f)
{
    for (size_t i = 0; i < f->n_inner; i++) {
        f->modes[f->mode[i]] = true;
        f->tracks_any = f->tracks_any || f->tracks[i];
    }
}

/* ---- walking ---- */

typedef struct walk {
    const forest *f;
    maru_value x;     // (rows, features)
    maru_value feature, split, yes, no, mode, tracks, members;  // tables
    maru_value at;    // (rows, trees)
} walk;

static maru_status add_tables(onnx_node *n, walk *w)
{
    const forest *f = w->f;
    const int64_t count = (int64_t)(f->n_inner + f->n_leaves);
    const int64_t sets[] = {count, f->most_members};
    MARU_TRY(onnx_ml_integers(n, f->feature, count, &w->feature));
    MARU_TRY(onnx_ml_integers(n, f->yes, count, &w->yes));
    MARU_TRY(onnx_ml_integers(n, f->no, count, &w->no));
    MARU_TRY(onnx_ml_integers(n, f->mode, count, &w->mode));
    MARU_TRY(onnx_ml_table(n, f->split, &count, 1, f->dtype, &w->split));
    MARU_TRY(onnx_ml_integers(n, f->tracks, count, &w->tracks));
    MARU_TRY(onnx_cast(n, w->tracks, MARU_BOOL, &w->tracks));
    return f->members ? onnx_ml_table(n, f->members, sets, 2, f->dtype, &w->members) : MARU_OK;
}

static maru_status is_member(onnx_node *n, const walk *w, maru_value x, maru_value *out)
{
    const maru_attribute flat = MARU_ATTR_I("keepdims", 0);
    const int64_t last = -1;
    maru_value set[2] = {MARU_NO_VALUE, MARU_NO_VALUE};
    MARU_TRY(onnx_op2(n, "Gather", w->members, w->at, &set[0]));
    MARU_TRY(onnx_unsqueeze(n, x, -1, &x));
    MARU_TRY(onnx_op2(n, "Equal", x, set[0], &set[0]));
    MARU_TRY(onnx_cast(n, set[0], MARU_I32, &set[0]));
    MARU_TRY(onnx_ints(n, &last, 1, &set[1]));
    MARU_TRY(onnx_add(n, "ReduceMax", set, 2, &flat, 1, out));
    return onnx_cast(n, *out, MARU_BOOL, out);
}

static maru_status compare_as(onnx_node *n, const walk *w, mode m, maru_value x, maru_value split, maru_value *out)
{
    static const char *const ops[] = {"LessOrEqual", "Less", "GreaterOrEqual", "Greater", "Equal", "Equal"};
    if (m == MEMBER)
        return is_member(n, w, x, out);
    MARU_TRY(onnx_op2(n, ops[m], x, split, out));
    return m == NEQ ? onnx_op1(n, "Not", *out, out) : MARU_OK;
}

/* By the mode of each node, if there are several. */
static maru_status decide(onnx_node *n, const walk *w, maru_value x, maru_value *out)
{
    maru_value split = MARU_NO_VALUE, modes = MARU_NO_VALUE, is_mode = MARU_NO_VALUE, one = MARU_NO_VALUE;
    *out = MARU_NO_VALUE;
    MARU_TRY(onnx_op2(n, "Gather", w->split, w->at, &split));
    for (int m = 0; m < N_MODES; m++) {
        if (!w->f->modes[m])
            continue;
        MARU_TRY(compare_as(n, w, (mode)m, x, split, &one));
        if (*out) {
            MARU_TRY(onnx_op2(n, "Gather", w->mode, w->at, &modes));
            MARU_TRY(onnx_op_number(n, "Equal", modes, m, &is_mode));
            MARU_TRY(onnx_op3(n, "Where", is_mode, one, *out, out));
        } else {
            *out = one;
        }
    }
    if (!w->f->tracks_any)
        return MARU_OK;
    MARU_TRY(onnx_op1(n, "IsNaN", x, &is_mode));
    MARU_TRY(onnx_op2(n, "Gather", w->tracks, w->at, &one));
    MARU_TRY(onnx_op2(n, "And", is_mode, one, &one));
    return onnx_op2(n, "Or", *out, one, out);
}

static maru_status step_down(onnx_node *n, walk *w)
{
    const maru_attribute axis = MARU_ATTR_I("axis", 1);
    maru_value pair[2] = {w->x, MARU_NO_VALUE}, yes = MARU_NO_VALUE, no = MARU_NO_VALUE, goes = MARU_NO_VALUE;
    MARU_TRY(onnx_op2(n, "Gather", w->feature, w->at, &pair[1]));
    MARU_TRY(onnx_add(n, "GatherElements", pair, 2, &axis, 1, &pair[0]));
    MARU_TRY(decide(n, w, pair[0], &goes));
    MARU_TRY(onnx_op2(n, "Gather", w->yes, w->at, &yes));
    MARU_TRY(onnx_op2(n, "Gather", w->no, w->at, &no));
    return onnx_op3(n, "Where", goes, yes, no, &w->at);
}

/* What the leaves weigh, of (rows, trees) to (rows, targets). */
static maru_status aggregate_leaves(onnx_node *n, const walk *w, maru_value *out)
{
    const forest *f = w->f;
    const bool is_extreme = f->aggregate == MIN || f->aggregate == MAX;
    const double none = f->aggregate == MIN ? INFINITY : f->aggregate == MAX ? -INFINITY : 0;
    const int64_t dims[] = {(int64_t)f->n_leaves, f->n_targets}, one = 1;
    const maru_attribute flat = MARU_ATTR_I("keepdims", 0);
    maru_value reduce[2] = {MARU_NO_VALUE, MARU_NO_VALUE}, at = MARU_NO_VALUE, is_none = MARU_NO_VALUE;
    for (size_t i = 0; i < f->n_leaves * (size_t)f->n_targets; i++)
        f->weights[i] = f->has_weight[i] ? f->weights[i] : none;
    MARU_TRY(onnx_ml_table(n, f->weights, dims, 2, f->dtype, &reduce[0]));
    MARU_TRY(onnx_op_number(n, "Sub", w->at, (double)f->n_inner, &at));
    MARU_TRY(onnx_op2(n, "Gather", reduce[0], at, &reduce[0]));
    MARU_TRY(onnx_ints(n, &one, 1, &reduce[1]));
    const char *op = f->aggregate == MIN ? "ReduceMin" : is_extreme ? "ReduceMax" : "ReduceSum";
    MARU_TRY(onnx_add(n, op, reduce, 2, &flat, 1, out));
    if (f->aggregate == AVERAGE)
        return onnx_op_number(n, "Div", *out, (double)f->n_roots, out);
    if (!is_extreme)
        return MARU_OK;
    MARU_TRY(onnx_op_number(n, "Equal", *out, none, &is_none));
    MARU_TRY(onnx_scalar_like(n, *out, 0, &at));
    return onnx_op3(n, "Where", is_none, at, *out, out);
}

/* Scores (rows, targets) without base values. */
static maru_status walk_forest(onnx_node *n, forest *f, maru_value *out)
{
    walk w = {.f = f};
    maru_value roots[2] = {MARU_NO_VALUE, MARU_NO_VALUE};
    MARU_TRY(count_levels(f));
    note_modes(f);
    MARU_TRY(onnx_ml_rows(n, f->dtype, &w.x));
    MARU_TRY(check_features(f, n, w.x));
    MARU_TRY(add_tables(n, &w));
    MARU_TRY(onnx_ml_integers(n, f->roots, (int64_t)f->n_roots, &roots[0]));
    const maru_dim dims[] = {onnx_record(n, w.x)->dims[0], (maru_dim)f->n_roots};
    MARU_TRY(maru_graph_shape(n->import->graph, dims, 2, &roots[1]));
    MARU_TRY(onnx_add(n, "Expand", roots, 2, NULL, 0, &w.at));
    for (size_t i = 0; i < f->levels; i++)
        MARU_TRY(step_down(n, &w));
    return aggregate_leaves(n, &w, out);
}

/* ---- numbers of attributes ---- */

/* A list of floats, or the tensor of the name with "_as_tensor" or of the name itself. */
static maru_status doubles_of(onnx_node *n, forest *f, const char *list, const char *tensor, double **out,
                              size_t *out_n)
{
    const onnx_attr *floats = list ? onnx_attr_find(n, list) : NULL;
    const onnx_attr *t = onnx_attr_find(n, tensor);
    maru_value value = MARU_NO_VALUE;
    int64_t count = floats ? (int64_t)floats->n_floats : 0;
    if (t && t->t) {
        MARU_TRY(maru_onnx_constant(n->import->file, t->t, n->import->graph, &value));
        MARU_TRY(maru_dims_count(onnx_record(n, value)->dims, onnx_record(n, value)->rank, &count));
    }
    *out_n = (size_t)count;
    *out = maru_arena_alloc_array(&f->arena, (size_t)count + 1, sizeof **out);
    if (!*out)
        return maru_fail_oom("trees");
    const void *data = value ? maru_graph_constant_data(n->import->graph, value) : NULL;
    const maru_dtype dtype = value ? onnx_record(n, value)->dtype : MARU_F32;
    const maru_tensor from = {.dtype = dtype, .data = (void *)(uintptr_t)data};
    if (value && !data)
        return maru_fail(MARU_DATA_LOSS, "attribute '%s' has no data", tensor);
    for (int64_t i = 0; i < count; i++)
        (*out)[i] = value ? maru_tensor_get_f64(&from, i) : (double)floats->floats[i];
    return MARU_OK;
}

static const int64_t *ints_of(const onnx_node *n, const char *name, size_t wanted, maru_status *status)
{
    size_t count = 0;
    const int64_t *ints = onnx_attr_ints(n, name, &count);
    if (*status == MARU_OK && (!ints || count != wanted))
        *status = maru_fail(MARU_DATA_LOSS, "attribute '%s' has %zu numbers, %zu are needed", name, count, wanted);
    return ints;
}

static maru_status add_base(onnx_node *n, forest *f, maru_value scores, maru_value *out)
{
    double *base = NULL;
    size_t count = 0;
    maru_value table = MARU_NO_VALUE;
    *out = scores;
    MARU_TRY(doubles_of(n, f, "base_values", "base_values_as_tensor", &base, &count));
    if (count == 0)
        return MARU_OK;
    const int64_t dims[] = {(int64_t)count};
    MARU_TRY(onnx_ml_table(n, base, dims, 1, f->dtype, &table));
    return onnx_op2(n, "Add", scores, table, out);
}

/* ---- the older form: nodes by tree and number, leaves among them ---- */

typedef struct listed {
    size_t n;
    const int64_t *tree, *id, *feature, *yes, *no;
    const onnx_attr *modes;
    double *values;
    size_t *number;   // in the forest
    maru_map by_id;   // (tree, id) -> place in the lists
} listed;

static bool find_node(const listed *l, int64_t tree, int64_t id, size_t *out)
{
    const int64_t key[2] = {tree, id};
    uint64_t at = 0;
    const bool is_there = maru_map_get(&l->by_id, key, sizeof key, &at);
    *out = (size_t)at;
    return is_there;
}

static bool has_mode(const listed *l, size_t i, const char *name)
{
    const ProtobufCBinaryData *s = &l->modes->strings[i];
    return s->len == strlen(name) && memcmp(s->data, name, s->len) == 0;
}

static maru_status read_mode(const listed *l, size_t i, int64_t *out)
{
    static const char *const names[] = {"BRANCH_LEQ", "BRANCH_LT", "BRANCH_GTE",
                                        "BRANCH_GT",  "BRANCH_EQ", "BRANCH_NEQ"};
    for (*out = LEQ; *out <= NEQ; ++*out)
        if (has_mode(l, i, names[*out]))
            return MARU_OK;
    return maru_fail(MARU_UNSUPPORTED, "the mode of node %zu of a tree is not known", i);
}

static maru_status read_lists(onnx_node *n, forest *f, listed *l)
{
    maru_status status = MARU_OK;
    size_t count = 0;
    l->modes = onnx_attr_find(n, "nodes_modes");
    l->n = l->modes ? l->modes->n_strings : 0;
    l->tree = ints_of(n, "nodes_treeids", l->n, &status);
    l->id = ints_of(n, "nodes_nodeids", l->n, &status);
    l->feature = ints_of(n, "nodes_featureids", l->n, &status);
    l->yes = ints_of(n, "nodes_truenodeids", l->n, &status);
    l->no = ints_of(n, "nodes_falsenodeids", l->n, &status);
    MARU_TRY(status);
    MARU_TRY(doubles_of(n, f, "nodes_values", "nodes_values_as_tensor", &l->values, &count));
    if (count != l->n)
        return maru_fail(MARU_DATA_LOSS, "attribute 'nodes_values' has %zu numbers, %zu are needed", count, l->n);
    l->number = maru_arena_alloc_array(&f->arena, l->n + 1, sizeof *l->number);
    if (!l->number)
        return maru_fail_oom("trees");
    for (size_t i = 0; i < l->n; i++) {
        const int64_t key[2] = {l->tree[i], l->id[i]};
        MARU_TRY(maru_map_set(&l->by_id, key, sizeof key, i));
    }
    return MARU_OK;
}

/* The node of each tree to which none leads. */
static maru_status find_roots(forest *f, const listed *l, const unsigned char *is_child)
{
    maru_map roots = {0};  // tree -> how many
    maru_status status = MARU_OK;
    for (size_t i = 0; i < l->n && status == MARU_OK; i++) {
        uint64_t count = 0;
        (void)maru_map_get_u64(&roots, (uint64_t)l->tree[i], &count);
        status = maru_map_set_u64(&roots, (uint64_t)l->tree[i], count + !is_child[i]);
        if (!is_child[i])
            f->roots[f->n_roots++] = (int64_t)l->number[i];
    }
    for (size_t i = 0; i < l->n && status == MARU_OK; i++) {
        uint64_t count = 0;
        if (!maru_map_get_u64(&roots, (uint64_t)l->tree[i], &count) || count != 1)
            status = maru_fail(MARU_DATA_LOSS, "tree %" PRId64 " has %" PRIu64 " roots", l->tree[i], count);
    }
    maru_map_fini(&roots);
    return status == MARU_OK && !f->n_roots ? maru_fail(MARU_DATA_LOSS, "there are no trees") : status;
}

/* Numbers for all nodes, and the table of the inner ones. */
static maru_status fill_nodes(onnx_node *n, forest *f, listed *l, int64_t n_targets)
{
    size_t n_tracks = 0, inner = 0, leaf = 0, child[2];
    const int64_t *tracks = onnx_attr_ints(n, "nodes_missing_value_tracks_true", &n_tracks);
    for (size_t i = 0; i < l->n; i++)
        leaf += has_mode(l, i, "LEAF");
    MARU_TRY(make_forest(f, l->n - leaf, leaf, n_targets));
    leaf = f->n_inner;
    for (size_t i = 0; i < l->n; i++)
        l->number[i] = has_mode(l, i, "LEAF") ? leaf++ : inner++;
    unsigned char *is_child = maru_arena_alloc(&f->arena, l->n + 1);
    if (!is_child)
        return maru_fail_oom("trees");
    for (size_t i = 0; i < l->n; i++) {
        const size_t at = l->number[i];
        if (at >= f->n_inner)
            continue;
        if (!find_node(l, l->tree[i], l->yes[i], &child[0]) || !find_node(l, l->tree[i], l->no[i], &child[1]))
            return maru_fail(MARU_DATA_LOSS, "node %" PRId64 " of tree %" PRId64 " leads to one that is not there",
                             l->id[i], l->tree[i]);
        MARU_TRY(read_mode(l, i, &f->mode[at]));
        f->feature[at] = l->feature[i];
        f->split[at] = l->values[i];
        f->tracks[at] = tracks && i < n_tracks && tracks[i] != 0;
        f->yes[at] = (int64_t)l->number[child[0]];
        f->no[at] = (int64_t)l->number[child[1]];
        is_child[child[0]] = is_child[child[1]] = 1;
    }
    return find_roots(f, l, is_child);
}

typedef struct leaf_names {
    const char *trees, *nodes, *ids, *weights, *weights_tensor;
} leaf_names;

static const leaf_names of_classes = {"class_treeids", "class_nodeids", "class_ids", "class_weights",
                                      "class_weights_as_tensor"};
static const leaf_names of_targets = {"target_treeids", "target_nodeids", "target_ids", "target_weights",
                                      "target_weights_as_tensor"};

/* With `is_one` all weights are of one target, whatever the file says. */
static maru_status fill_leaves(onnx_node *n, forest *f, const listed *l, const leaf_names *names, bool is_one)
{
    maru_status status = MARU_OK;
    double *weights = NULL;
    size_t count = 0, place = 0;
    MARU_TRY(doubles_of(n, f, names->weights, names->weights_tensor, &weights, &count));
    const int64_t *trees = ints_of(n, names->trees, count, &status);
    const int64_t *nodes = ints_of(n, names->nodes, count, &status);
    const int64_t *ids = ints_of(n, names->ids, count, &status);
    MARU_TRY(status);
    for (size_t i = 0; i < count; i++) {
        const int64_t target = is_one ? 0 : ids[i];
        if (!find_node(l, trees[i], nodes[i], &place) || target < 0 || target >= f->n_targets)
            return maru_fail(MARU_DATA_LOSS, "weight %zu is of target %" PRId64 ", or of a node that is not there", i,
                             target);
        if (l->number[place] < f->n_inner)
            continue;  // of an inner node: no row ends there
        const size_t at = (l->number[place] - f->n_inner) * (size_t)f->n_targets + (size_t)target;
        f->weights[at] += weights[i];
        f->has_weight[at] = true;
    }
    return MARU_OK;
}

static maru_dtype dtype_of(const onnx_node *n)
{
    return onnx_has(n, 0) && onnx_record(n, n->inputs[0])->dtype == MARU_F64 ? MARU_F64 : MARU_F32;
}

static maru_status regress(onnx_node *n, forest *f, listed *l)
{
    static const char *const names[] = {"AVERAGE", "SUM", "MIN", "MAX"};
    onnx_ml_transform transform;
    maru_value y = MARU_NO_VALUE;
    bool is_known = false;
    for (int i = AVERAGE; i <= MAX && !is_known; i++) {
        is_known = onnx_attr_is(n, "aggregate_function", names[i], "SUM");
        f->aggregate = (aggregate)i;
    }
    if (!is_known)
        return maru_fail(MARU_UNSUPPORTED, "its aggregate_function is not known");
    f->dtype = dtype_of(n);
    MARU_TRY(onnx_ml_read_transform(n, &transform));
    MARU_TRY(read_lists(n, f, l));
    MARU_TRY(fill_nodes(n, f, l, onnx_attr_int(n, "n_targets", 1)));
    MARU_TRY(fill_leaves(n, f, l, &of_targets, false));
    MARU_TRY(walk_forest(n, f, &y));
    MARU_TRY(add_base(n, f, y, &y));
    MARU_TRY(onnx_ml_transform_scores(n, transform, y, &y));
    return onnx_cast(n, y, MARU_F32, &n->outputs[0]);
}

/* Two classes of which only one has weights: its score decides, which is a share if no weight is negative. */
static bool is_binary(const onnx_node *n, size_t n_labels, bool *is_second)
{
    size_t count = 0;
    const int64_t *ids = onnx_attr_ints(n, of_classes.ids, &count);
    for (size_t i = 1; i < count; i++)
        if (ids[i] != ids[0])
            return false;
    *is_second = n_labels == 2 && count > 0 && ids[0] == 1;
    return n_labels == 2 && count > 0;
}

/* The base value of the one score: the second one's, if both have one. */
static maru_status add_binary_base(onnx_node *n, forest *f, maru_value *scores)
{
    double *base = NULL;
    size_t count = 0;
    MARU_TRY(doubles_of(n, f, "base_values", "base_values_as_tensor", &base, &count));
    return count ? onnx_op_number(n, "Add", *scores, base[count - 1], scores) : MARU_OK;
}

static maru_status classify(onnx_node *n, forest *f, listed *l)
{
    size_t n_numbers = 0;
    const onnx_attr *texts = onnx_attr_find(n, "classlabels_strings");
    (void)onnx_attr_ints(n, "classlabels_int64s", &n_numbers);
    const size_t n_labels = n_numbers ? n_numbers : texts ? texts->n_strings : 0;
    onnx_ml_classes c = {.is_share = true};
    const bool is_one = is_binary(n, n_labels, &c.is_second) && !c.is_second;
    c.n_scores = is_one ? 1 : (int64_t)n_labels;
    f->aggregate = SUM;
    f->dtype = dtype_of(n);
    MARU_TRY(onnx_ml_read_transform(n, &c.transform));
    MARU_TRY(read_lists(n, f, l));
    MARU_TRY(fill_nodes(n, f, l, c.n_scores));
    MARU_TRY(fill_leaves(n, f, l, &of_classes, is_one));
    for (size_t i = 0; i < f->n_leaves * (size_t)f->n_targets; i++)
        c.is_share = c.is_share && f->weights[i] >= 0;
    c.threshold = c.is_share ? 0.5 : 0;
    MARU_TRY(walk_forest(n, f, &c.scores));
    MARU_TRY(is_one ? add_binary_base(n, f, &c.scores) : add_base(n, f, c.scores, &c.scores));
    return onnx_ml_classify(n, "classlabels_int64s", &c);
}

/* ---- the newer form: inner nodes and leaves apart ---- */

/* A child is inner node `id`, or leaf `id`. */
static maru_status take_child(const forest *f, int64_t id, int64_t is_leaf, int64_t *out)
{
    if (id < 0 || (size_t)id >= (is_leaf ? f->n_leaves : f->n_inner))
        return maru_fail(MARU_DATA_LOSS, "a tree leads to %s %" PRId64 ", which is not there",
                         is_leaf ? "leaf" : "node", id);
    *out = is_leaf ? (int64_t)f->n_inner + id : id;
    return MARU_OK;
}

/* Sets stand one after the other, each ended by NaN, in the order of the nodes that ask for them. */
static maru_status fill_members(onnx_node *n, forest *f)
{
    double *values = NULL;
    size_t count = 0, run = 0, at = 0;
    MARU_TRY(doubles_of(n, f, NULL, "membership_values", &values, &count));
    for (size_t i = 0; i < count; i++) {
        run = isnan(values[i]) ? 0 : run + 1;
        f->most_members = (int64_t)run > f->most_members ? (int64_t)run : f->most_members;
    }
    f->most_members = f->most_members ? f->most_members : 1;
    const size_t n_nodes = f->n_inner + f->n_leaves;
    if (n_nodes && (size_t)f->most_members > MOST_CELLS / n_nodes)
        return maru_fail(MARU_UNSUPPORTED, "sets of %" PRId64 " members are too large", f->most_members);
    f->members = maru_arena_alloc_array(&f->arena, n_nodes * (size_t)f->most_members + 1, sizeof *f->members);
    if (!f->members)
        return maru_fail_oom("trees");
    for (size_t i = 0; i < n_nodes * (size_t)f->most_members; i++)
        f->members[i] = NAN;
    for (size_t i = 0; i < f->n_inner; i++) {
        if (f->mode[i] != MEMBER)
            continue;
        for (size_t k = 0; at < count && !isnan(values[at]); at++)
            f->members[i * (size_t)f->most_members + k++] = values[at];
        at++;
    }
    return MARU_OK;
}

static maru_status fill_inner(onnx_node *n, forest *f, const double *modes, const double *splits)
{
    maru_status status = MARU_OK;
    size_t n_tracks = 0;
    bool has_sets = false;
    const int64_t *tracks = onnx_attr_ints(n, "nodes_missing_value_tracks_true", &n_tracks);
    const int64_t *feature = ints_of(n, "nodes_featureids", f->n_inner, &status);
    const int64_t *yes = ints_of(n, "nodes_truenodeids", f->n_inner, &status);
    const int64_t *no = ints_of(n, "nodes_falsenodeids", f->n_inner, &status);
    const int64_t *yes_leaf = ints_of(n, "nodes_trueleafs", f->n_inner, &status);
    const int64_t *no_leaf = ints_of(n, "nodes_falseleafs", f->n_inner, &status);
    MARU_TRY(status);
    for (size_t i = 0; i < f->n_inner; i++) {
        if (!(modes[i] >= LEQ && modes[i] <= MEMBER))
            return maru_fail(MARU_UNSUPPORTED, "the mode of node %zu of a tree is not known", i);
        f->mode[i] = (int64_t)modes[i];
        has_sets = has_sets || f->mode[i] == MEMBER;
        f->feature[i] = feature[i];
        f->split[i] = splits[i];
        f->tracks[i] = tracks && i < n_tracks && tracks[i] != 0;
        MARU_TRY(take_child(f, yes[i], yes_leaf[i], &f->yes[i]));
        MARU_TRY(take_child(f, no[i], no_leaf[i], &f->no[i]));
    }
    return has_sets ? fill_members(n, f) : MARU_OK;
}

static maru_status fill_new_leaves(onnx_node *n, forest *f, const double *weights)
{
    maru_status status = MARU_OK;
    const int64_t *targets = ints_of(n, "leaf_targetids", f->n_leaves, &status);
    MARU_TRY(status);
    for (size_t i = 0; i < f->n_leaves; i++) {
        if (targets[i] < 0 || targets[i] >= f->n_targets)
            return maru_fail(MARU_DATA_LOSS, "leaf %zu is of target %" PRId64, i, targets[i]);
        f->weights[i * (size_t)f->n_targets + (size_t)targets[i]] = weights[i];
        f->has_weight[i * (size_t)f->n_targets + (size_t)targets[i]] = true;
    }
    return MARU_OK;
}

static maru_status ensemble(onnx_node *n, forest *f, listed *l)
{
    double *modes = NULL, *splits = NULL, *weights = NULL;
    size_t n_inner = 0, n_splits = 0, n_leaves = 0, n_roots = 0;
    maru_value y = MARU_NO_VALUE;
    (void)l;
    const int64_t *roots = onnx_attr_ints(n, "tree_roots", &n_roots);
    const int64_t transform = onnx_attr_int(n, "post_transform", 0);
    const int64_t how = onnx_attr_int(n, "aggregate_function", SUM);
    MARU_TRY(doubles_of(n, f, NULL, "nodes_modes", &modes, &n_inner));
    MARU_TRY(doubles_of(n, f, NULL, "nodes_splits", &splits, &n_splits));
    MARU_TRY(doubles_of(n, f, NULL, "leaf_weights", &weights, &n_leaves));
    if (n_splits != n_inner || !roots || n_roots == 0 || n_roots > n_inner || transform < ONNX_ML_NONE ||
        transform > ONNX_ML_PROBIT || how < AVERAGE || how > MAX)
        return maru_fail(MARU_DATA_LOSS, "its splits, roots, post_transform or aggregate_function make no sense");
    MARU_TRY(make_forest(f, n_inner, n_leaves, onnx_attr_int(n, "n_targets", 1)));
    f->aggregate = (aggregate)how;
    f->dtype = dtype_of(n);
    f->n_roots = n_roots;
    for (size_t i = 0; i < n_roots; i++)
        MARU_TRY(take_child(f, roots[i], 0, &f->roots[i]));
    MARU_TRY(fill_inner(n, f, modes, splits));
    MARU_TRY(fill_new_leaves(n, f, weights));
    MARU_TRY(walk_forest(n, f, &y));
    MARU_TRY(onnx_ml_transform_scores(n, (onnx_ml_transform)transform, y, &y));
    return onnx_cast(n, y, onnx_record(n, n->inputs[0])->dtype, &n->outputs[0]);
}

/* ---- the rows ---- */

static maru_status with_forest(onnx_node *n, maru_status (*build)(onnx_node *n, forest *f, listed *l))
{
    forest f = {.n_inner = 0};
    listed l = {0};
    const maru_status status = onnx_has(n, 0) ? build(n, &f, &l) : maru_fail(MARU_DATA_LOSS, "its input is missing");
    maru_map_fini(&l.by_id);
    maru_arena_fini(&f.arena);
    return status;
}

static maru_status tree_ensemble(onnx_node *n)
{
    return with_forest(n, ensemble);
}

static maru_status tree_ensemble_regressor(onnx_node *n)
{
    return with_forest(n, regress);
}

static maru_status tree_ensemble_classifier(onnx_node *n)
{
    return with_forest(n, classify);
}

const onnx_form onnx_forms_tree[] = {
    {"ai.onnx.ml", "TreeEnsemble", 5, INT16_MAX, tree_ensemble},
    {"ai.onnx.ml", "TreeEnsembleClassifier", 1, INT16_MAX, tree_ensemble_classifier},
    {"ai.onnx.ml", "TreeEnsembleRegressor", 1, INT16_MAX, tree_ensemble_regressor},
    {.op = NULL},
};
