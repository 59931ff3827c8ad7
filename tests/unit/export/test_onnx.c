// SPDX-FileCopyrightText: The Maru authors
// SPDX-License-Identifier: Apache-2.0

/* Graphs written as models into memory, and read again. */

#include "unit.h"

#include "base/str.h"
#include "export/onnx/save.h"
#include "export/onnx/writer.h"
#include "import/onnx/onnx.h"

typedef struct pieces {
    maru_str model, data;
    size_t most;  // pieces before it fails; 0: never
    size_t n;
} pieces;

static maru_status take(void *ctx, bool is_data, const void *bytes, size_t n)
{
    pieces *p = ctx;
    if (p->most && ++p->n > p->most)
        return maru_error_set(MARU_DATA_LOSS, "the disk is full");
    maru_str_append_n(is_data ? &p->data : &p->model, bytes, n);
    return MARU_OK;
}

static void pieces_fini(pieces *p)
{
    maru_str_fini(&p->model);
    maru_str_fini(&p->data);
}

static maru_graph *read_text(const char *text)
{
    maru_graph *graph = NULL;
    assert_ok(maru_graph_read(text, strlen(text), "test", &graph));
    return graph;
}

static maru_status write_to(const maru_graph *graph, const maru_onnx_save_params *params, pieces *p,
                            maru_onnx_saved *out)
{
    onnx_sink sink = {.ctx = p, .write = take, .data_name = "m.data", .is_external = params && params->external};
    return maru_onnx_write(graph, params, &sink, out);
}

/* The text form of what comes back. */
static char *again(const char *text, int opset)
{
    pieces p = {0};
    maru_onnx_saved saved;
    maru_onnx_file *file = NULL;
    maru_graph *back = NULL;
    char *dump = NULL;
    maru_graph *graph = read_text(text);
    assert_ok(write_to(graph, &(maru_onnx_save_params){.opset = opset}, &p, &saved));
    assert_int_equal(saved.model_bytes, p.model.length);
    assert_int_equal(saved.data_bytes, 0);
    assert_ok(maru_onnx_file_open_memory(maru_str_get(&p.model), p.model.length, "m.onnx", &file));
    assert_ok(maru_onnx_import(file, NULL, &back));
    assert_ok(maru_graph_verify(back));
    assert_ok(maru_graph_dump(back, &dump));
    maru_graph_destroy(&back);
    maru_onnx_file_release(file);
    maru_graph_destroy(&graph);
    pieces_fini(&p);
    return dump;
}

#define HEAD "maru 1 \"g\"\n"

static void the_newest_form_comes_back(void **state)
{
    (void)state;
    char *dump = again(HEAD "symbol n min=1 max=1000000000\n%1 = input \"x\" f32[n, 2]\n"
                       "%2 = const \"w\" f32[2, 2] {1.0, -1.0, 1.0, -1.0}\n"
                       "%3 = MatMul(%1, %2) \"layer\"\n%4 = Softmax(%3) {axis=1} \"layer.last\"\n"
                       "output \"y\" %4\n", 28);
    assert_string_equal(dump, "maru 1 \"g\"\nsymbol n min=1 max=1000000000\n%1 = input \"x\" f32[n, 2]\n"
                        "%2 = const \"w\" f32[2, 2] {1.0, -1.0, 1.0, -1.0}\n"
                        "%3 = MatMul(%1, %2) \"layer\"  # f32[n, 2]\n"
                        "%4 = Softmax(%3) {axis=1} \"layer.last\"  # f32[n, 2]\nname %3 \"v\"\nname %4 \"y\"\n"
                        "output \"y\" %4\n");
    free(dump);
}

/* What an older opset lacks comes back as other nodes; `part` is one of them. */
static void check_form(const char *text, int opset, const char *part, const char *absent)
{
    char *dump = again(text, opset);
    if (!strstr(dump, part) || (absent && strstr(dump, absent)))
        fail_msg("at %d '%s' is there and '%s' is not: %s", opset, part, absent ? absent : "", dump);
    free(dump);
}

static void older_forms(void **state)
{
    (void)state;
    const char *gelu = HEAD "%1 = input \"x\" f32[2]\n%2 = Gelu(%1)\noutput \"y\" %2\n";
    check_form(gelu, 20, "Gelu", NULL);
    check_form(gelu, 19, "Erf", "Gelu");
    const char *modulo = HEAD "%1 = input \"x\" f32[2]\n%2 = Mod(%1, %1)\noutput \"y\" %2\n";
    check_form(modulo, 28, "Mod(", NULL);
    check_form(modulo, 27, "Floor", "Mod(");
    const char *sine = HEAD "%1 = input \"x\" bf16[2]\n%2 = Sin(%1)\noutput \"y\" %2\n";
    check_form(sine, 22, "Sin", "Cast");
    check_form(sine, 21, "Cast(%1) {to=1}", NULL);
    const char *axes = HEAD "%1 = input \"x\" f32[2, 3]\n%2 = const \"a\" i64[1] {1}\n"
                            "%3 = ReduceMax(%1, %2) {keepdims=0}\noutput \"y\" %3\n";
    check_form(axes, 17, "ReduceMax", NULL);
    const char *pad = HEAD "%1 = input \"x\" f32[2, 3]\n%2 = const \"p\" i64[2] {1, 2}\n%3 = const \"a\" i64[1] {1}\n"
                           "%4 = Pad(%1, %2, _, %3)\noutput \"y\" %4\n";
    check_form(pad, 18, "{1, 2}", NULL);
    check_form(pad, 17, "{0, 1, 0, 2}", NULL);
    const char *split = HEAD "%1 = input \"x\" f32[5]\n%2, %3 = Split(%1) {num_outputs=2}\noutput \"y\" %3\n";
    check_form(split, 18, "num_outputs=2", NULL);
    check_form(split, 17, "{3, 2}", "num_outputs");
}

static void what_cannot_be_said(void **state)
{
    (void)state;
    pieces p = {0};
    maru_onnx_saved saved;
    maru_graph *graph = read_text(HEAD "%1 = input \"x\" i8[2]\n%2 = BitwiseNot(%1)\n%3 = BitwiseAnd(%2, %1)\n"
                                  "%4 = BitCast(%3) {to=2}\n%5 = BitwiseNot(%4)\n%6 = Cast(%5) {to=17}\n"
                                  "output \"y\" %6\n");
    assert_fails(write_to(graph, &(maru_onnx_save_params){.opset = 17}, &p, &saved), MARU_UNSUPPORTED,
                 "ONNX's opset 17 cannot say: BitwiseNot (opset 18), BitwiseAnd (opset 18), BitCast (opset 26), "
                 "values of f8e4m3fn (opset 19)");
    assert_int_equal(p.model.length, 0);
    assert_fails(write_to(graph, &(maru_onnx_save_params){.opset = 16}, &p, &saved), MARU_INVALID_ARGUMENT, "17 to 28");
    assert_fails(write_to(graph, &(maru_onnx_save_params){.opset = 29}, &p, &saved), MARU_INVALID_ARGUMENT, "17 to 28");
    assert_ok(write_to(graph, NULL, &p, &saved));
    assert_int_equal(saved.opset, 28);
    maru_graph_destroy(&graph);
    pieces_fini(&p);
}

/* The newest opset at which ONNX Runtime has what the graph is made of. */
static void the_opset_is_chosen(void **state)
{
    (void)state;
    pieces p = {0};
    maru_onnx_saved saved;
    maru_graph *graph = read_text(HEAD "%1 = input \"x\" f32[2]\n%2 = const \"s\" f32[] {0.5}\n"
                                  "%3 = QuantizeLinear(%1, %2)\n%4 = DequantizeLinear(%3, %2)\noutput \"y\" %4\n");
    assert_ok(write_to(graph, NULL, &p, &saved));
    assert_int_equal(saved.opset, 27);
    assert_int_equal(saved.n_decomposed, 0);
    assert_ok(write_to(graph, &(maru_onnx_save_params){.opset = 28}, &p, &saved));
    assert_int_equal(saved.n_decomposed, 2);
    assert_ok(write_to(graph, &(maru_onnx_save_params){.opset = 28, .whole = true}, &p, &saved));
    assert_int_equal(saved.n_decomposed, 0);
    maru_graph_destroy(&graph);
    pieces_fini(&p);
}

static void weights_beside_the_model(void **state)
{
    (void)state;
    pieces p = {0};
    maru_onnx_saved saved;
    maru_graph *graph = NULL;
    maru_value x, w[2], y = MARU_NO_VALUE;
    static float numbers[1500];
    const maru_constant_source source = {.data = numbers, .bytes = sizeof numbers};
    numbers[0] = 1;
    assert_ok(maru_graph_create("g", &graph));
    assert_ok(maru_graph_input(graph, "x", MARU_F32, (const maru_dim[]){1500}, 1, &x));
    for (int i = 0; i < 2; i++) {
        assert_ok(maru_graph_constant(graph, "w", MARU_F32, (const int64_t[]){1500}, 1, &source, &w[i]));
        assert_ok(maru_graph_op(graph, "Add", (const maru_value[]){i ? y : x, w[i]}, 2, NULL, 0, &y));
    }
    assert_ok(maru_graph_output(graph, "y", y));
    assert_ok(write_to(graph, &(maru_onnx_save_params){.external = true}, &p, &saved));
    assert_int_equal(saved.data_bytes, 8192 + sizeof numbers);
    assert_int_equal(p.data.length, saved.data_bytes);
    assert_memory_equal(p.data.data + 8192, numbers, sizeof numbers);
    assert_non_null(strstr(p.model.data + p.model.length - 100, "8192"));
    for (size_t most = 1; most < 6; most++) {
        pieces few = {.most = most};
        const maru_status status = write_to(graph, &(maru_onnx_save_params){.external = true}, &few, &saved);
        if (status != MARU_OK)
            assert_string_equal(maru_error_message(), "the disk is full");
        pieces_fini(&few);
    }
    maru_graph_destroy(&graph);
    pieces_fini(&p);
}

/* Names that are wanted twice, outputs that no node makes. */
static void names_and_ends(void **state)
{
    (void)state;
    char *dump = again(HEAD "%1 = input \"x\" f32[2]\n%2 = const \"x\" f32[2] {1.0, 2.0}\n%3 = Add(%1, %2) \"n\"\n"
                       "%4 = Add(%3, %2) \"n\"\n%5 = shape [3, 4]\nname %3 \"x\"\noutput \"a\" %4\noutput \"b\" %4\n"
                       "output \"c\" %1\noutput \"d\" %2\noutput \"e\" %5\n", 28);
    static const char *const parts[] = {"\"x_1\"", "\"n\"", "\"n/Add\"", "output \"a\"", "output \"b\"", "output \"c\"",
                                        "output \"d\"", "output \"e\"", "Identity"};
    for (size_t i = 0; i < sizeof parts / sizeof *parts; i++)
        if (!strstr(dump, parts[i]))
            fail_msg("%s is missing: %s", parts[i], dump);
    free(dump);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_newest_form_comes_back), cmocka_unit_test(older_forms),
        cmocka_unit_test(what_cannot_be_said),        cmocka_unit_test(the_opset_is_chosen),
        cmocka_unit_test(weights_beside_the_model),   cmocka_unit_test(names_and_ends),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
