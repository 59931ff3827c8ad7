// SPDX-FileCopyrightText: The Maru authors
// SPDX-License-Identifier: Apache-2.0

/*
 * all-MiniLM-L6-v2 through the public interface: bench_minilm WEIGHTS [--threads N] [--ids FILE] [--out FILE]
 * [--plan]. Without ids, 128 tokens; times a run, and each op by its trace. FILE of ids: one sentence of
 * token ids a line; the embeddings go to the output as f32.
 */

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <maru/maru.h>

enum { LAYERS = 6, HIDDEN = 384, HEADS = 12, MAX_TOKENS = 512, MAX_KINDS = 64 };

typedef struct bench {
    maru_graph *g;
    maru_weights *w;
    maru_dim batch, sequence, tokens;
} bench;

static void check(maru_status status)
{
    if (status == MARU_OK)
        return;
    fprintf(stderr, "bench_minilm: %s\n", maru_error_message());
    exit(1);
}

/* ---- the network ---- */

static maru_value weight(bench *b, const char *format, int layer, const char *end)
{
    char name[128];
    maru_value v = 0;
    snprintf(name, sizeof name, format, layer, end);
    check(maru_weights_constant(b->w, name, b->g, &v));
    return v;
}

static maru_value node(bench *b, const char *op, const maru_value *in, size_t n, const maru_attribute *attrs,
                       size_t n_attrs)
{
    maru_value out = 0;
    check(maru_graph_op(b->g, op, in, n, attrs, n_attrs, &out));
    return out;
}

#define NODE(b, op, n_attrs, attrs, ...)                                                                     \
    node(b, op, (const maru_value[]){__VA_ARGS__}, sizeof((const maru_value[]){__VA_ARGS__}) / sizeof(maru_value), \
         attrs, n_attrs)

static maru_value reshape(bench *b, maru_value x, const maru_dim *dims, size_t n)
{
    maru_value shape = 0;
    check(maru_graph_shape(b->g, dims, n, &shape));
    return NODE(b, "Reshape", 0, NULL, x, shape);
}

static maru_value linear(bench *b, maru_value x, const char *name, int layer, int64_t in, int64_t out)
{
    static const maru_attribute trans[] = {MARU_ATTR_I("transB", 1)};
    char path[128];
    snprintf(path, sizeof path, "encoder.layer.%%d.%s.%%s", name);
    maru_value w = weight(b, path, layer, "weight");
    maru_value bias = weight(b, path, layer, "bias");
    maru_value flat = reshape(b, x, (const maru_dim[]){b->tokens, in}, 2);
    maru_value y = NODE(b, "Gemm", 1, trans, flat, w, bias);
    return reshape(b, y, (const maru_dim[]){b->batch, b->sequence, out}, 3);
}

static maru_value norm(bench *b, maru_value x, const char *path, int layer)
{
    static const maru_attribute attrs[] = {MARU_ATTR_I("axis", -1), MARU_ATTR_F("epsilon", 1e-12)};
    return NODE(b, "LayerNormalization", 2, attrs, x, weight(b, path, layer, "weight"), weight(b, path, layer, "bias"));
}

static maru_value layer(bench *b, maru_value x, maru_value mask, int i)
{
    static const maru_attribute heads[] = {MARU_ATTR_I("q_num_heads", HEADS), MARU_ATTR_I("kv_num_heads", HEADS)};
    maru_value q = linear(b, x, "attention.self.query", i, HIDDEN, HIDDEN);
    maru_value k = linear(b, x, "attention.self.key", i, HIDDEN, HIDDEN);
    maru_value v = linear(b, x, "attention.self.value", i, HIDDEN, HIDDEN);
    maru_value a = NODE(b, "Attention", 2, heads, q, k, v, mask);
    a = NODE(b, "Add", 0, NULL, linear(b, a, "attention.output.dense", i, HIDDEN, HIDDEN), x);
    x = norm(b, a, "encoder.layer.%d.attention.output.LayerNorm.%s", i);
    maru_value h = NODE(b, "Gelu", 0, NULL, linear(b, x, "intermediate.dense", i, HIDDEN, 4 * HIDDEN));
    h = NODE(b, "Add", 0, NULL, linear(b, h, "output.dense", i, 4 * HIDDEN, HIDDEN), x);
    return norm(b, h, "encoder.layer.%d.output.LayerNorm.%s", i);
}

static maru_value embed(bench *b, maru_value ids)
{
    maru_value zero = 0, starts = 0, ends = 0, words = 0, types = 0, positions = 0;
    check(maru_weights_constant(b->w, "embeddings.word_embeddings.weight", b->g, &words));
    check(maru_weights_constant(b->w, "embeddings.token_type_embeddings.weight", b->g, &types));
    check(maru_weights_constant(b->w, "embeddings.position_embeddings.weight", b->g, &positions));
    check(maru_graph_ints(b->g, (const int64_t[]){0}, 1, &zero));
    check(maru_graph_ints(b->g, (const int64_t[]){0}, 1, &starts));
    check(maru_graph_shape(b->g, &b->sequence, 1, &ends));
    maru_value x = NODE(b, "Gather", 0, NULL, words, ids);
    x = NODE(b, "Add", 0, NULL, x, NODE(b, "Gather", 0, NULL, types, zero));
    x = NODE(b, "Add", 0, NULL, x, NODE(b, "Slice", 0, NULL, positions, starts, ends));
    return norm(b, x, "embeddings.LayerNorm.%.0d%s", 0);
}

static maru_value pool(bench *b, maru_value x, maru_value mask)
{
    static const maru_attribute drop[] = {MARU_ATTR_I("keepdims", 0)};
    maru_value axis = 0, last = 0;
    check(maru_graph_ints(b->g, (const int64_t[]){1}, 1, &axis));
    check(maru_graph_ints(b->g, (const int64_t[]){-1}, 1, &last));
    maru_value column = reshape(b, mask, (const maru_dim[]){b->batch, b->sequence, 1}, 3);
    maru_value sum = NODE(b, "ReduceSum", 1, drop, NODE(b, "Mul", 0, NULL, x, column), axis);
    maru_value mean = NODE(b, "Div", 0, NULL, sum, NODE(b, "ReduceSum", 1, drop, column, axis));
    maru_value square = NODE(b, "ReduceSum", 0, NULL, NODE(b, "Mul", 0, NULL, mean, mean), last);
    return NODE(b, "Div", 0, NULL, mean, NODE(b, "Sqrt", 0, NULL, square));
}

static void build(bench *b)
{
    static const maru_attribute to_float[] = {MARU_ATTR_I("to", MARU_F32)};
    maru_value ids = 0, given = 0, one = 0, least = 0;
    check(maru_graph_create("minilm", &b->g));
    check(maru_graph_symbol(b->g, "batch", &(maru_symbol_params){.typical = 1}, &b->batch));
    check(maru_graph_symbol(b->g, "sequence", &(maru_symbol_params){.typical = 128, .max = MAX_TOKENS}, &b->sequence));
    check(maru_graph_dim(b->g, MARU_DIM_MUL, b->batch, b->sequence, &b->tokens));
    const maru_dim dims[2] = {b->batch, b->sequence};
    check(maru_graph_input(b->g, "ids", MARU_I64, dims, 2, &ids));
    check(maru_graph_input(b->g, "mask", MARU_I64, dims, 2, &given));
    check(maru_graph_scalar(b->g, MARU_F32, 1, &one));
    check(maru_graph_scalar(b->g, MARU_F32, -3e38, &least));
    maru_value mask = NODE(b, "Cast", 1, to_float, given);
    maru_value added = NODE(b, "Mul", 0, NULL, NODE(b, "Sub", 0, NULL, one, mask), least);
    added = reshape(b, added, (const maru_dim[]){b->batch, 1, 1, b->sequence}, 4);
    maru_value x = embed(b, ids);
    for (int i = 0; i < LAYERS; i++)
        x = layer(b, x, added, i);
    check(maru_graph_output(b->g, "embedding", pool(b, x, mask)));
}

/* ---- running ---- */

static void set_inputs(maru_session *s, int64_t *ids, int64_t n)
{
    static int64_t ones[MAX_TOKENS];
    for (int64_t i = 0; i < n; i++)
        ones[i] = 1;
    maru_tensor t;
    check(maru_tensor_wrap(MARU_I64, (const int64_t[]){1, n}, 2, ids, (size_t)n * 8, &t));
    check(maru_session_set_input(s, "ids", &t));
    check(maru_tensor_wrap(MARU_I64, (const int64_t[]){1, n}, 2, ones, (size_t)n * 8, &t));
    check(maru_session_set_input(s, "mask", &t));
}

static double now(void)
{
    struct timespec t;
    timespec_get(&t, TIME_UTC);
    return (double)t.tv_sec + (double)t.tv_nsec * 1e-9;
}

typedef struct kinds {
    struct {
        char name[96];
        double ns;
        int n;
    } list[MAX_KINDS];
    int n;
} kinds;

static void note(void *ctx, const maru_trace_event *e)
{
    kinds *k = ctx;
    char name[96];
    snprintf(name, sizeof name, "%s (%s)", e->op, e->kernel);
    int i = 0;
    while (i < k->n && strcmp(k->list[i].name, name) != 0)
        i++;
    if (i == MAX_KINDS)
        return;
    if (i == k->n) {
        k->n++;
        snprintf(k->list[i].name, sizeof k->list[i].name, "%s", name);
    }
    k->list[i].ns += (double)(e->end_ns - e->begin_ns);
    k->list[i].n++;
}

static int by_number(const void *a, const void *b)
{
    const double x = *(const double *)a;
    const double y = *(const double *)b;
    return (x > y) - (x < y);
}

static void time_runs(maru_session *s, int64_t n)
{
    enum { RUNS = 200 };
    static int64_t ids[MAX_TOKENS];
    static double ms[RUNS];
    kinds k = {.n = 0};
    uint64_t arena = 0;
    uint64_t least = 0;
    uint64_t states = 0;
    for (int64_t i = 0; i < n; i++)
        ids[i] = 1000 + i * 37 % 20000;
    set_inputs(s, ids, n);
    for (int i = 0; i < 10; i++)
        check(maru_session_run(s, NULL));
    for (int i = 0; i < RUNS; i++) {
        const double begin = now();
        check(maru_session_run(s, NULL));
        ms[i] = (now() - begin) * 1e3;
    }
    qsort(ms, RUNS, sizeof *ms, by_number);
    maru_session_memory(s, &arena, &least, &states);
    printf("%lld tokens: median %.2f ms, least %.2f, 9 of 10 below %.2f; arena %.2f MB\n", (long long)n, ms[RUNS / 2],
           ms[0], ms[RUNS * 9 / 10], (double)arena * 1e-6);
    for (int i = 0; i < 50; i++)
        check(maru_session_run(s, &(maru_run_params){.trace = note, .trace_ctx = &k}));
    for (int i = 0; i < k.n; i++)
        printf("  %8.1f us a run, %2d times  %s\n", k.list[i].ns / 50e3, k.list[i].n / 50, k.list[i].name);
}

static void embed_file(maru_session *s, const char *path, const char *out)
{
    static char line[16384];
    FILE *in = fopen(path, "r");
    FILE *to = out ? fopen(out, "wb") : NULL;
    while (in && to && fgets(line, sizeof line, in)) {
        int64_t ids[MAX_TOKENS];
        int64_t n = 0;
        char *at = line;
        char *end = NULL;
        for (int64_t id = strtoll(at, &end, 10); end != at && n < MAX_TOKENS; id = strtoll(at, &end, 10)) {
            ids[n++] = id;
            at = end;
        }
        maru_tensor t;
        set_inputs(s, ids, n);
        check(maru_session_run(s, NULL));
        check(maru_session_get_output(s, "embedding", &t));
        fwrite(t.data, 4, HIDDEN, to);
    }
    if (in)
        fclose(in);
    if (to)
        fclose(to);
}

int main(int argc, char **argv)
{
    bench b = {0};
    maru_runtime *runtime = NULL;
    maru_model *model = NULL;
    maru_session *session = NULL;
    maru_runtime_params params = {.n_threads = 2, .skip_probe = 1, .cache_dir = ""};
    const char *ids = NULL;
    const char *out = NULL;
    int has_plan = 0;
    if (argc < 2)
        return 2;
    for (int i = 2; i < argc; i++) {
        if (strcmp(argv[i], "--plan") == 0)
            has_plan = 1;
        else if (i + 1 < argc && strcmp(argv[i], "--threads") == 0)
            params.n_threads = atoi(argv[++i]);
        else if (i + 1 < argc && strcmp(argv[i], "--ids") == 0)
            ids = argv[++i];
        else if (i + 1 < argc && strcmp(argv[i], "--out") == 0)
            out = argv[++i];
    }
    check(maru_weights_open(argv[1], &b.w));
    build(&b);
    check(maru_runtime_create(&params, &runtime));
    check(maru_model_create(runtime, &b.g, NULL, &model));
    maru_weights_close(&b.w);
    if (has_plan) {
        char *text = NULL;
        check(maru_model_plan(model, MARU_PLAN_TEXT, "batch=1,sequence=128", &text));
        printf("%s\n", text);
    }
    check(maru_session_create(model, &session));
    if (ids)
        embed_file(session, ids, out);
    else
        time_runs(session, 128);
    maru_session_destroy(&session);
    maru_model_destroy(&model);
    maru_runtime_destroy(&runtime);
    return 0;
}
