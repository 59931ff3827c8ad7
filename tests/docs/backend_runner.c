// SPDX-FileCopyrightText: The Maru authors
// SPDX-License-Identifier: Apache-2.0

/* Runs two layers with the documented backend: its products there, under strict; the rest on the CPU. */

#include <maru/maru.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static void check(maru_status status, const char *what)
{
    if (status == MARU_OK)
        return;
    fprintf(stderr, "%s: %s\n", what, maru_error_message());
    exit(1);
}

static void run(maru_runtime *runtime, const char *text, maru_placement placement, maru_status wanted,
                const float *expected)
{
    static _Alignas(64) float x[6] = {1, 2, 3, 4, 5, 6};
    const maru_model_params params = {.devices = "matmul:0", .placement = placement};
    maru_graph *graph = NULL;
    maru_model *model = NULL;
    maru_session *session = NULL;
    maru_tensor in = {0};
    maru_tensor out = {0};
    check(maru_graph_read(text, strlen(text), "net", &graph), "read");
    const maru_status status = maru_model_create(runtime, &graph, &params, &model);
    if (status != wanted) {
        fprintf(stderr, "create: %s, %s wanted: %s\n", maru_status_name(status), maru_status_name(wanted),
                maru_error_message());
        exit(1);
    }
    if (status != MARU_OK)
        return;
    check(maru_session_create(model, &session), "session");
    check(maru_tensor_wrap(MARU_F32, (const int64_t[]){3, 2}, 2, x, sizeof x, &in), "wrap");
    check(maru_session_set_input(session, "x", &in), "input");
    check(maru_session_run(session, NULL), "run");
    check(maru_session_get_output(session, "y", &out), "output");
    for (int i = 0; i < 6; i++) {
        if (((float *)out.data)[i] != expected[i]) {
            fprintf(stderr, "y[%d] is %g, %g wanted\n", i, (double)((float *)out.data)[i], (double)expected[i]);
            exit(1);
        }
    }
    maru_session_destroy(&session);
    maru_model_destroy(&model);
}

int main(int argc, char **argv)
{
    static const char product[] = "maru 1 \"product\"\nsymbol n min=1\n%1 = input \"x\" f32[n, 2]\n"
                                  "%2 = const \"\" f32[2, 2] {1.0, -1.0, 2.0, 1.0}\n%3 = MatMul(%1, %2)\n"
                                  "output \"y\" %3\n";
    static const char layers[] = "maru 1 \"layers\"\nsymbol n min=1\n%1 = input \"x\" f32[n, 2]\n"
                                 "%2 = const \"\" f32[2, 2] {1.0, -1.0, 2.0, 1.0}\n%3 = MatMul(%1, %2)\n%4 = Neg(%3)\n"
                                 "%5 = MatMul(%4, %2)\noutput \"y\" %5\n";
    static const float once[] = {5, 1, 11, 1, 17, 1};
    static const float twice[] = {-7, 4, -13, 10, -19, 16};
    if (argc != 3)
        return 2;
    char path[4096];
    snprintf(path, sizeof path, "%s:%s", argv[1], argv[2]);
    const maru_runtime_params params = {.plugin_path = path};
    maru_runtime *runtime = NULL;
    check(maru_runtime_create(&params, &runtime), "runtime");
    run(runtime, product, MARU_PLACE_STRICT, MARU_OK, once);
    run(runtime, layers, MARU_PLACE_FREE, MARU_OK, twice);
    run(runtime, layers, MARU_PLACE_STRICT, MARU_UNSUPPORTED, NULL);
    maru_runtime_destroy(&runtime);
    return 0;
}
