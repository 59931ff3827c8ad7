// SPDX-FileCopyrightText: The Maru authors
// SPDX-License-Identifier: Apache-2.0
#ifndef MARU_TOOL_RUN_FLOW_H
#define MARU_TOOL_RUN_FLOW_H

/* `maru run` of an ONNX model in stages. */

#include <maru/flow.h>

#include "tool/inputs.h"

/* Inputs that are no tensors, so that the model is no graph. */
bool has_files_of_items(const inputs *in);
/* The model with its inputs set. */
MARU_NODISCARD maru_status open_flow(const parsed *args, const inputs *in, maru_runtime *runtime, maru_flow **out_flow);
/* Saves and prints its outputs. */
MARU_NODISCARD maru_status finish_flow(const parsed *args, const maru_flow *flow);

#endif
