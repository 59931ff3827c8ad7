// SPDX-FileCopyrightText: The Maru authors
// SPDX-License-Identifier: Apache-2.0

/* The scripts of the library against references: text byte for byte, embeddings within 1e-6, states that go on. */

#include "import/scratch.h"
#include "unit.h"

#include <math.h>
#include <maru/file.h>
#include <maru/weights.h>

#include "base/json.h"
#include "script/script.h"

typedef struct world {
    maru_runtime *runtime;
    maru_script *script;
    char printed[8192];
    size_t n_printed;
} world;

static void note_print(void *ctx, const char *text, size_t bytes)
{
    world *w = ctx;
    const size_t room = sizeof w->printed - 1 - w->n_printed;
    const size_t n = bytes < room ? bytes : room;
    memcpy(w->printed + w->n_printed, text, n);
    w->n_printed += n;
    w->printed[w->n_printed] = 0;
}

/* Loads scripts/`name` with settings "key=value", up to three of them, NULL at the end. */
static void open_model(world *w, const char *name, const char *weights, const char *const *words)
{
    static char room[4][64];
    maru_script_setting settings[4];
    char path[1024], library[1024];
    size_t n = 0;
    const char *root = getenv("MARU_SOURCE_ROOT");
    *w = (world){0};
    for (; words && words[n]; n++) {
        snprintf(room[n], sizeof room[n], "%s", words[n]);
        char *equals = strchr(room[n], '=');
        *equals = 0;
        settings[n] = (maru_script_setting){room[n], equals + 1};
    }
    snprintf(path, sizeof path, "%s/scripts/%s", root, name);
    snprintf(library, sizeof library, "%s/scripts", root);
    const maru_script_params params = {
        .weights = weights, .settings = settings, .n_settings = n, .library = library,
        .print = note_print, .print_ctx = w,
    };
    assert_ok(maru_runtime_create(NULL, &w->runtime));
    assert_ok(maru_script_load(w->runtime, path, &params, &w->script));
}

static void close_model(world *w)
{
    maru_script_destroy(&w->script);
    maru_runtime_destroy(&w->runtime);
}

static void set_texts(world *w, const char *name, char **texts, size_t n)
{
    const maru_file_value value = {
        .is_strings = true,
        .strings = {.items = texts, .count = n, .capacity = n, .dims = {(int64_t)n}, .rank = 1},
    };
    assert_ok(maru_script_set_input(w->script, name, &value));
}

static const maru_file_value *output(const world *w, const char *wanted)
{
    const char *name = NULL;
    const maru_file_value *value = NULL;
    for (size_t i = 0; maru_script_output(w->script, i, &name, &value); i++)
        if (strcmp(name, wanted) == 0)
            return value;
    fail_msg("no output '%s'", wanted);
    return NULL;
}

static const char *text_output(const world *w)
{
    return output(w, "text")->strings.items[0];
}

/* ---- stories ---- */

static void read_reference(const char *folder, json_t **out)
{
    char path[1200];
    snprintf(path, sizeof path, "%s/ref_greedy.json", folder);
    assert_ok(maru_json_read_file(path, 1 << 20, out));
}

static void stories_are_the_reference(void **state)
{
    (void)state;
    char folder[1024];
    require_test_data("llm_stories260k", folder);
    json_t *reference = NULL;
    read_reference(folder, &reference);
    world w;
    const char *const settings[] = {"n=200", "stream=true", NULL};
    open_model(&w, "models/llama.lua", folder, settings);
    assert_ok(maru_script_run(w.script, NULL));
    const char *text = json_string_value(json_object_get(reference, "text"));
    assert_string_equal(text_output(&w), text);
    assert_int_equal(strlen(w.printed), strlen(text) + 1);
    assert_memory_equal(w.printed, text, strlen(text));
    const maru_tensor *tokens = &output(&w, "tokens")->tensor;
    const json_t *wanted = json_object_get(reference, "tokens");
    assert_int_equal(maru_tensor_count(tokens), json_array_size(wanted));
    for (size_t i = 0; i < json_array_size(wanted); i++)
        assert_int_equal(((int64_t *)tokens->data)[i], json_integer_value(json_array_get(wanted, i)));
    close_model(&w);
    json_decref(reference);
}

/* The prompt in one piece, token by token, and in pieces that do not divide it. */
static void a_prompt_in_pieces_is_the_same(void **state)
{
    (void)state;
    char folder[1024];
    require_test_data("llm_stories260k", folder);
    static const char *const chunks[] = {"chunk=0", "chunk=1", "chunk=7"};
    char prompt[] = "Once upon a time, there was a little girl named Lily. She loved to play outside in the park.";
    char first[2048] = "";
    for (size_t i = 0; i < 3; i++) {
        world w;
        const char *const settings[] = {"n=40", chunks[i], NULL};
        open_model(&w, "models/llama.lua", folder, settings);
        set_texts(&w, "prompt", (char *[]){prompt}, 1);
        assert_ok(maru_script_run(w.script, NULL));
        if (i == 0)
            snprintf(first, sizeof first, "%s", text_output(&w));
        assert_string_equal(text_output(&w), first);
        assert_memory_equal(first, prompt, strlen(prompt));
        assert_true(strlen(first) > strlen(prompt) + 40);
        close_model(&w);
    }
}

static void a_saved_state_goes_on(void **state)
{
    (void)state;
    char folder[1024];
    require_test_data("llm_stories260k", folder);
    json_t *reference = NULL;
    read_reference(folder, &reference);
    const char *text = json_string_value(json_object_get(reference, "text"));
    const char *path = scratch_path("state.safetensors");
    world w;
    const char *const begin[] = {"n=90", NULL};
    open_model(&w, "models/llama.lua", folder, begin);
    assert_ok(maru_script_run(w.script, NULL));
    assert_memory_equal(text_output(&w), text, strlen(text_output(&w)));
    assert_ok(maru_script_save_state(w.script, path));
    close_model(&w);
    const char *const rest[] = {"n=110", NULL};
    open_model(&w, "models/llama.lua", folder, rest);
    assert_ok(maru_script_load_state(w.script, path));
    assert_ok(maru_script_run(w.script, NULL));
    assert_string_equal(text_output(&w), text);
    assert_fails(maru_script_load_state(w.script, scratch_path("none.safetensors")), MARU_NOT_FOUND,
                 "none.safetensors");
    close_model(&w);
    json_decref(reference);
}

static void a_seed_decides_the_draws(void **state)
{
    (void)state;
    char folder[1024];
    require_test_data("llm_stories260k", folder);
    char texts[3][2048];
    static const char *const seeds[] = {"seed=1", "seed=1", "seed=2"};
    for (int i = 0; i < 3; i++) {
        world w;
        const char *const settings[] = {"n=60", "temperature=0.9", seeds[i], NULL};
        open_model(&w, "models/llama.lua", folder, settings);
        assert_ok(maru_script_run(w.script, NULL));
        snprintf(texts[i], sizeof texts[i], "%s", text_output(&w));
        close_model(&w);
    }
    assert_string_equal(texts[0], texts[1]);
    assert_string_not_equal(texts[0], texts[2]);
}

/* ---- embeddings ---- */

static bool find_minilm(char *folder, size_t n)
{
    char probe[1200];
    const char *given = getenv("MARU_TEST_MINILM");
    const char *home = getenv("HOME");
    if (given)
        snprintf(folder, n, "%s", given);
    else
        snprintf(folder, n, "%s/.cache/maru/minilm", home ? home : "");
    snprintf(probe, sizeof probe, "%s/model.safetensors", folder);
    return maru_os_is_file(probe);
}

/* The largest error of sentences in batches of so many; they are of any length, so padding is tested too. */
static double largest_error(world *w, const maru_file_value *sentences, const maru_file_value *reference, size_t batch)
{
    double worst = 0;
    for (size_t first = 0; first < sentences->strings.count; first += batch) {
        set_texts(w, "text", sentences->strings.items + first, batch);
        assert_ok(maru_script_run(w->script, NULL));
        const maru_tensor *got = &output(w, "embedding")->tensor;
        assert_int_equal(got->dims[0], batch);
        assert_int_equal(got->dims[1], 384);
        for (int64_t i = 0; i < (int64_t)batch * 384; i++) {
            const double wanted = maru_tensor_get_f64(&reference->tensor, (int64_t)first * 384 + i);
            worst = fmax(worst, fabs(maru_tensor_get_f64(got, i) - wanted));
        }
    }
    return worst;
}

static void embeddings_are_the_reference(void **state)
{
    (void)state;
    char folder[1024], data[1024], path[1200];
    require_test_data("emb_minilm_ref", data);
    if (!find_minilm(folder, sizeof folder)) {
        print_message("no weights of minilm: %s\n", folder);
        skip();
    }
    maru_file_value sentences = {0};
    maru_file_value reference = {0};
    snprintf(path, sizeof path, "%s/sentences.txt", data);
    assert_ok(maru_tensor_file_read(path, MARU_DTYPE_NONE, &sentences));
    snprintf(path, sizeof path, "%s/ref_embeddings.npy", data);
    assert_ok(maru_tensor_file_read(path, MARU_DTYPE_NONE, &reference));
    assert_int_equal(sentences.strings.count, 64);
    world w;
    open_model(&w, "models/minilm.lua", folder, NULL);
    const double batched = largest_error(&w, &sentences, &reference, 8);
    const double single = largest_error(&w, &sentences, &reference, 1);
    print_message("largest error %.2g in batches, %.2g alone\n", batched, single);
    assert_true(batched <= 1e-6 && single <= 1e-6);
    close_model(&w);
    maru_file_value_fini(&sentences);
    maru_file_value_fini(&reference);
}

/* ---- without a download ---- */

static void a_glider_moves(void **state)
{
    (void)state;
    world w;
    const char *const settings[] = {"steps=4", NULL};
    open_model(&w, "examples/life.lua", NULL, settings);
    assert_ok(maru_script_run(w.script, NULL));
    static const char *const wanted[] = {"........", "..O.....", "...O....", ".OOO...."};
    for (size_t i = 0; i < 4; i++)
        assert_string_equal(output(&w, "board")->strings.items[i], wanted[i]);
    assert_float_equal(maru_tensor_get_f64(&output(&w, "alive")->tensor, 0), 5, 0);
    assert_ok(maru_script_run(w.script, NULL));  // the board is a state: it goes on
    assert_string_equal(output(&w, "board")->strings.items[4], "..OOO...");
    close_model(&w);
}

static void a_graph_in_text_form_is_a_script(void **state)
{
    (void)state;
    static const char text[] = "maru 1 \"twice\"\nsymbol n min=1\n%1 = input \"x\" f32[n]\n"
                               "%2 = const \"\" f32[] {2.0}\n%3 = Mul(%1, %2)\noutput \"y\" %3\n";
    const char *path = scratch_write("twice.maru", text, sizeof text - 1);
    float data[3] = {1, 2, 3};
    const int64_t n = 3;
    maru_file_value x = {0};
    world w = {0};
    const char *name = NULL;
    const char *doc = NULL;
    assert_ok(maru_runtime_create(NULL, &w.runtime));
    assert_ok(maru_script_load(w.runtime, path, NULL, &w.script));
    assert_string_equal(maru_script_name(w.script), "twice");
    assert_true(maru_script_describe(w.script, MARU_SCRIPT_INPUTS, 0, &name, &doc));
    assert_string_equal(name, "x");
    assert_string_equal(doc, "f32[n]");
    assert_fails(maru_script_run(w.script, NULL), MARU_FAILED_PRECONDITION, "input 'x' of twice is not set");
    assert_ok(maru_tensor_wrap(MARU_F32, &n, 1, data, sizeof data, &x.tensor));
    assert_ok(maru_script_set_input(w.script, "x", &x));
    assert_ok(maru_script_run(w.script, NULL));
    assert_float_equal(maru_tensor_get_f64(&output(&w, "y")->tensor, 2), 6, 0);
    close_model(&w);
}

/* Its constants are in a file of weights. */
static void a_graph_in_text_form_has_weights(void **state)
{
    (void)state;
    static const char text[] = "maru 1 \"scaled\"\n%1 = const \"w\" f32[2] external\n%2 = input \"x\" f32[2]\n"
                               "%3 = Mul(%1, %2)\noutput \"y\" %3\n";
    float weight[2] = {3, 5};
    float data[2] = {1, 2};
    const int64_t n = 2;
    const char *const names[1] = {"w"};
    maru_tensor tensor = {0};
    maru_file_value x = {0};
    world w = {0};
    const char *path = scratch_write("scaled.maru", text, sizeof text - 1);
    const char *weights = scratch_path("scaled.safetensors");
    assert_ok(maru_tensor_wrap(MARU_F32, &n, 1, weight, sizeof weight, &tensor));
    assert_ok(maru_weights_save(weights, names, &tensor, 1, NULL, 0));
    assert_ok(maru_tensor_wrap(MARU_F32, &n, 1, data, sizeof data, &x.tensor));
    const maru_script_params params = {.weights = weights};
    assert_ok(maru_runtime_create(NULL, &w.runtime));
    assert_ok(maru_script_load(w.runtime, path, &params, &w.script));
    assert_ok(maru_script_set_input(w.script, "x", &x));
    assert_ok(maru_script_run(w.script, NULL));
    assert_float_equal(maru_tensor_get_f64(&output(&w, "y")->tensor, 1), 10, 0);
    close_model(&w);
}

/* A run that takes too long ends with the code for that, in Lua and in a session. */
static void a_run_has_a_deadline(void **state)
{
    (void)state;
    static const char text[] = "local maru = require 'maru'\nreturn maru.model { name = 'slow',\n"
                               "  graph = function(m) m:output('y', m:input('x', 'f32', {1}) + 1) end,\n"
                               "  run = function(m) while true do m:session():run { x = {1} } end end }";
    const char *path = scratch_write("slow.lua", text, sizeof text - 1);
    const maru_run_params params = {.timeout_ns = 50 * 1000 * 1000};
    world w = {0};
    assert_ok(maru_runtime_create(NULL, &w.runtime));
    assert_ok(maru_script_load(w.runtime, path, NULL, &w.script));
    const int64_t begin = maru_os_now_ns();
    const maru_status status = maru_script_run(w.script, &params);
    assert_int_equal(status, MARU_DEADLINE_EXCEEDED);
    assert_true(maru_os_now_ns() - begin < (int64_t)5 * 1000 * 1000 * 1000);
    close_model(&w);
}

static int set_up(void **state)
{
    (void)state;
    scratch_make("models");
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(stories_are_the_reference),
        cmocka_unit_test(a_prompt_in_pieces_is_the_same),
        cmocka_unit_test(a_saved_state_goes_on),
        cmocka_unit_test(a_seed_decides_the_draws),
        cmocka_unit_test(embeddings_are_the_reference),
        cmocka_unit_test(a_glider_moves),
        cmocka_unit_test(a_graph_in_text_form_is_a_script),
        cmocka_unit_test(a_graph_in_text_form_has_weights),
        cmocka_unit_test(a_run_has_a_deadline),
    };
    return cmocka_run_group_tests(tests, set_up, NULL);
}
