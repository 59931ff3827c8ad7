// SPDX-FileCopyrightText: The Maru authors
// SPDX-License-Identifier: Apache-2.0
#ifndef MARU_TOOL_SAMPLES_H
#define MARU_TOOL_SAMPLES_H

/*
 * Inputs of a graph from a folder, one sample after the other. A sample is a
 * folder with a file for each input: NAME.npy or .pb, or input_N.pb and the
 * like by their order, as ONNX's tests have them; for a graph of one input any
 * tensor file is one too. Where a file holds several of the graph's batches
 * along the first axis, each is a sample.
 */

#include <maru/file.h>
#include <maru/graph.h>
#include <maru/session.h>

typedef struct samples samples;

/* NOT_FOUND: the folder has none. */
MARU_NODISCARD maru_status samples_open(const char *folder, const maru_graph *graph, samples **out);
void samples_close(samples **s);
size_t samples_count(const samples *s);
/* What sample `index` is of. */
const char *samples_name(const samples *s, size_t index);

/* Calls `fn` for each batch of sample `index`; tensors hold one for each input. */
typedef maru_status (*sample_fn)(void *ctx, const maru_tensor *inputs);
MARU_NODISCARD maru_status samples_each(samples *s, size_t index, sample_fn fn, void *ctx);

#endif
