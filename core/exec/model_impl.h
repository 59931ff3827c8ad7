// SPDX-FileCopyrightText: The Maru authors
// SPDX-License-Identifier: Apache-2.0
#ifndef MARU_EXEC_MODEL_IMPL_H
#define MARU_EXEC_MODEL_IMPL_H

/* The inside of a model: the graph as it runs, its plan, and what the devices compiled. */

#include <maru/model.h>
#include <stdatomic.h>

#include "device/registry.h"
#include "exec/block.h"
#include "exec/content.h"
#include "plan/plan.h"

/* A unit of the plan as its device compiled it. */
typedef struct maru_model_unit {
    maru_dev_program *program;
    maru_dev_binding *constants;  // those to bind, in order
    uint32_t n_constants;
    const char *label;            // "Gemm+Gelu"
    const char *scope;
} maru_model_unit;

/* A constant in the form that some units of a device bind. */
typedef struct maru_model_constant {
    maru_value value;
    uint32_t device;
    uint32_t layout;  // 0: as it is
    uint64_t bytes;
    maru_block block;   // as it is, or a copy of the packed form in the device's memory
    maru_block packed;  // the packed form in host memory, if it is one
} maru_model_constant;

/* Which input's dim gives a symbol its value. */
typedef struct maru_symbol_source {
    uint32_t input;  // MARU_PLAN_NONE: none, it is set by name
    uint32_t axis;
} maru_symbol_source;

struct maru_model {
    maru_runtime *runtime;
    maru_graph *graph;
    maru_plan *plan;
    maru_dev *devices[MARU_PLAN_MAX_DEVICES];
    uint32_t n_devices;
    maru_model_unit *units;
    MARU_ARRAY(maru_model_constant *) constants;
    maru_content_hash *contents;  // per constant of the graph
    maru_symbol_source *symbols;
    maru_arena arena;
    atomic_int n_sessions;
};

/* ---- steps of maru_model_create, in their order ---- */

/* Whether a CPU device is there to fold with. */
bool maru_model_can_fold(maru_runtime *runtime);
/* Folds the constant part of *graph by running it; leaves the graph as it is where no CPU device is there. */
MARU_NODISCARD maru_status maru_model_fold(maru_runtime *runtime, maru_graph **graph, const maru_model_params *params);
/* Opens the devices that the pattern names, and the CPU as the last one where the policy allows a fallback. */
MARU_NODISCARD maru_status maru_model_open_devices(maru_model *model, const maru_model_params *params,
                                                   maru_plan_device *out_devices);
/* Asks the devices, decomposing what they refuse (*graph changes), and makes the plan. */
MARU_NODISCARD maru_status maru_model_place(maru_model *model, const maru_plan_device *devices,
                                            const maru_model_params *params);
/* Compiles the units and brings the constants into the form they want. */
MARU_NODISCARD maru_status maru_model_compile(maru_model *model, const maru_model_params *params);

/* A constant as it is, on a device; made at its first use, which is while the model is compiled. */
MARU_NODISCARD maru_status maru_model_plain_constant(maru_model *model, maru_value value, uint32_t device,
                                                     maru_dev_binding *out);

/* The numeric floors of a level of maru_numerics, as the ABI wants them. */
maru_abi_array maru_model_numerics(maru_numerics numerics);
/* Whether a claim's numeric class is at least what that level asks for its dtype. */
bool maru_numeric_is_enough(maru_numerics numerics, const maru_abi_numeric *claim);
void maru_model_progress(const maru_model_params *params, const char *phase, size_t done, size_t total);

#endif
