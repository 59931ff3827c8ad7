// SPDX-FileCopyrightText: The Maru authors
// SPDX-License-Identifier: Apache-2.0
#ifndef MARU_FLOW_H
#define MARU_FLOW_H

/*
 * ONNX models whose data decides what is computed: If, Loop, Scan and
 * SequenceMap, sizes and shapes that only the run tells, sequences, optionals
 * and text.
 *
 * The host walks such a model. What lies between two of its decisions is a
 * graph, planned and run on the devices that were asked for like any other,
 * and kept: a stage that meets the same dims again is not planned again.
 * A model that is one graph is better loaded with maru_onnx_load.
 *
 * One thread at a time per flow.
 */

#include <maru/attr.h>
#include <maru/item.h>
#include <maru/model.h>
#include <maru/onnx.h>
#include <maru/runtime.h>
#include <maru/session.h>
#include <maru/status.h>

#ifdef __cplusplus
extern "C" {
#endif

typedef struct maru_flow maru_flow;

/*
 * Holds the file. `params` may be NULL; its texts are copied. UNSUPPORTED
 * lists all operators that are not known, with the opset and how many nodes
 * have them.
 */
MARU_API MARU_NODISCARD maru_status maru_flow_create(maru_runtime *runtime, maru_onnx_file *file,
                                                     const maru_model_params *params, maru_flow **out_flow);
MARU_API void maru_flow_destroy(maru_flow **flow);

/* Sets an input for the runs that follow, and holds it; NULL or NONE: an optional input without a value. */
MARU_API MARU_NODISCARD maru_status maru_flow_set_input(maru_flow *flow, const char *name, maru_item *item);
/*
 * Runs the model. After timeout_ns it ends with DEADLINE_EXCEEDED, also within
 * a Loop without an end. Errors name the node. Optional inputs that are not
 * set are without a value, others have the default that the model gives them.
 */
MARU_API MARU_NODISCARD maru_status maru_flow_run(maru_flow *flow, const maru_run_params *params);
/* Ends the run under way with CANCELLED; does nothing when there is none. Any thread. */
MARU_API void maru_flow_cancel(maru_flow *flow);
/* An output of the last run by its place in the model; NULL past the end. Valid until the next run. */
MARU_API maru_item *maru_flow_output_at(const maru_flow *flow, size_t index, const char **out_name);

/* What the flow has planned so far, and how often it ran a plan: equal counts mean that nothing was used again. */
typedef struct maru_flow_stats {
    size_t n_plans;
    size_t n_stages;  // runs of a plan
} maru_flow_stats;
MARU_API void maru_flow_get_stats(const maru_flow *flow, maru_flow_stats *out_stats);

/*
 * Reads a serialised TensorProto, SequenceProto or OptionalProto (.pb): which
 * of them, the model's declaration of input or output `name` says. DATA_LOSS for a
 * damaged message.
 */
MARU_API MARU_NODISCARD maru_status maru_onnx_read_item(const maru_onnx_file *file, const char *name, const char *path,
                                                        maru_item **out_item);

#ifdef __cplusplus
}
#endif

#endif
