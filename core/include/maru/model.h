// SPDX-FileCopyrightText: The Maru authors
// SPDX-License-Identifier: Apache-2.0
#ifndef MARU_MODEL_H
#define MARU_MODEL_H

/*
 * A model: a graph that was planned and compiled for some devices. It is
 * constant once made, and shared by any number of sessions on any threads.
 */

#include <maru/attr.h>
#include <maru/graph.h>
#include <maru/runtime.h>
#include <maru/status.h>

#ifdef __cplusplus
extern "C" {
#endif

typedef struct maru_model maru_model;

typedef enum maru_placement {
    MARU_PLACE_WARN = 0,   // fall back to the CPU, and log one line that says what and why
    MARU_PLACE_STRICT = 1, // fail if a node would leave the asked devices
    MARU_PLACE_FREE = 2,   // fall back silently
} maru_placement;

typedef enum maru_numerics {
    MARU_NUMERICS_DEFAULT = 0,
    MARU_NUMERICS_EXACT = 1, // the graph's own dtypes, f32 or wider accumulation
    MARU_NUMERICS_FAST = 2,  // bf16 and TF32 products allowed
} maru_numerics;

/* `done` of `total` (0: unknown) of the phase "claim", "fold", "compile" or "pack". On the calling thread. */
typedef void (*maru_progress_fn)(void *ctx, const char *phase, size_t done, size_t total);

typedef struct maru_model_params {
    const char *devices;      // pattern as in maru_runtime_find_devices; NULL: "cpu"
    const char *device_options;  // "key=value" lines for the asked devices, or NULL
    maru_placement placement;
    maru_numerics numerics;
    maru_progress_fn progress;
    void *progress_ctx;
    int no_fold;              // 1: compute constant parts in every run (for tests)
    int no_fuse;              // 1: leave idioms and weights as they are written (for tests)
} maru_model_params;

/*
 * Takes the graph: *graph is NULL afterwards, whatever the outcome. `params`
 * may be NULL. Fails with the list of constants that have no data, with the
 * node that no device can run, or with what a backend said.
 */
MARU_API MARU_NODISCARD maru_status maru_model_create(maru_runtime *runtime, maru_graph **graph,
                                                      const maru_model_params *params, maru_model **out_model);
/* All sessions of the model must be gone. */
MARU_API void maru_model_destroy(maru_model **model);

/*
 * The graph as it runs: simplified, constants folded, composites that no device took decomposed. Large constants that
 * only packed forms are read of may have no data.
 */
MARU_API const maru_graph *maru_model_graph(const maru_model *model);

typedef enum maru_plan_format {
    MARU_PLAN_TEXT,
    MARU_PLAN_JSON,
    MARU_PLAN_DOT,
} maru_plan_format;

/*
 * The plan: per node device, kernel and reason; refusals; memory for the
 * symbols named ("batch=1 seq=128"; NULL or missing ones: their typical or
 * least value). free() the text.
 */
MARU_API MARU_NODISCARD maru_status maru_model_plan(const maru_model *model, maru_plan_format format,
                                                    const char *symbols, char **out_text);

#ifdef __cplusplus
}
#endif

#endif
