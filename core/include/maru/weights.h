// SPDX-FileCopyrightText: The Maru authors
// SPDX-License-Identifier: Apache-2.0
#ifndef MARU_WEIGHTS_H
#define MARU_WEIGHTS_H

/*
 * The weights of a model where they lie: a table of named tensors over one or
 * more mapped files (safetensors, sharded ones too). Nothing is copied. Const
 * once opened: any number of threads.
 */

#include <maru/attr.h>
#include <maru/graph.h>
#include <maru/status.h>
#include <maru/tensor.h>

#ifdef __cplusplus
extern "C" {
#endif

typedef struct maru_weights maru_weights;

/*
 * Opens a .safetensors file, an index of several, or a folder that holds one
 * of them. All of the layout is checked here: DATA_LOSS for a damaged file.
 */
MARU_API MARU_NODISCARD maru_status maru_weights_open(const char *path, maru_weights **out_weights);
/* Gives up the caller's hold. Constants made from it keep the files mapped as long as their graph lives. */
MARU_API void maru_weights_close(maru_weights **weights);

typedef struct maru_weight_info {
    const char *name;
    maru_dtype dtype;
    uint32_t rank;
    int64_t dims[MARU_MAX_RANK];
    size_t bytes;
    const char *file;    // the shard it lies in
    uint64_t offset;     // of its data in that file
} maru_weight_info;

/* In the order of the data. */
MARU_API size_t maru_weights_count(const maru_weights *weights);
MARU_API MARU_NODISCARD maru_status maru_weights_at(const maru_weights *weights, size_t index,
                                                    maru_weight_info *out_info);
/* Whether there is a weight of that name; `out_info` may be NULL. */
MARU_API bool maru_weights_find(const maru_weights *weights, const char *name, maru_weight_info *out_info);
/* The weight as a constant of the graph, used where it lies. NOT_FOUND suggests the nearest name. */
MARU_API MARU_NODISCARD maru_status maru_weights_constant(maru_weights *weights, const char *name, maru_graph *graph,
                                                          maru_value *out_value);
/*
 * Gives the graph's external constants (those without data) the weights of
 * their names, used where they lie. One failure lists every one that is
 * missing or has another dtype or dims; the graph is then unchanged.
 */
MARU_API MARU_NODISCARD maru_status maru_weights_bind(maru_weights *weights, maru_graph *graph);
/* A copy of a weight; destroy it. */
MARU_API MARU_NODISCARD maru_status maru_weights_tensor(const maru_weights *weights, const char *name,
                                                        maru_tensor *out_tensor);
/* Text that the file carries beside its tensors; NULL if there is none with that key. */
MARU_API const char *maru_weights_metadata(const maru_weights *weights, const char *key);

/* Writes tensors as one safetensors file, whole or not at all. `metadata` is n_metadata pairs of key and value. */
MARU_API MARU_NODISCARD maru_status maru_weights_save(const char *path, const char *const *names,
                                                      const maru_tensor *tensors, size_t n,
                                                      const char *const *metadata, size_t n_metadata);

#ifdef __cplusplus
}
#endif

#endif
