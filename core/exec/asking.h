// SPDX-FileCopyrightText: The Maru authors
// SPDX-License-Identifier: Apache-2.0
#ifndef MARU_EXEC_ASKING_H
#define MARU_EXEC_ASKING_H

/* Asking devices what they would run, in the words of the plugin ABI, and their answers in those of the plan. */

#include "exec/model_impl.h"

/* What was asked and answered about the present graph; {model, devices, params} at the start. */
typedef struct maru_asker {
    maru_model *model;
    const maru_plan_device *devices;
    const maru_model_params *params;
    maru_arena arena;
    MARU_ARRAY(maru_plan_claim) claims;
    MARU_ARRAY(maru_plan_refusal) refusals;
    MARU_ARRAY(maru_plan_question) questions;
} maru_asker;

void maru_asker_fini(maru_asker *a);

/* The whole graph to every device, anew. Shown is what the plugin's manifest knows; the rest is refused for it. */
MARU_NODISCARD maru_status maru_ask_all(maru_asker *a);
/* Sets that cannot be taken whole: their devices are asked about what is left of them, in two more rounds at most. */
MARU_NODISCARD maru_status maru_ask_again(maru_asker *a);
/* All of it, as the plan wants it; points into the asker. */
maru_plan_request maru_asker_request(const maru_asker *a);

#endif
