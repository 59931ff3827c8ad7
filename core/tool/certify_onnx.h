// SPDX-FileCopyrightText: The Maru authors
// SPDX-License-Identifier: Apache-2.0
#ifndef MARU_TOOL_CERTIFY_ONNX_H
#define MARU_TOOL_CERTIFY_ONNX_H

/* ONNX's backend tests (onnx/backend/test): folders of a model, inputs and the outputs that they must give. */

#include "tool/certify_report.h"
#include "tool/options.h"

/* Runs those below --onnx DIR on the report's device; prints, and returns the exit code. */
int certify_onnx(const parsed *args, const certify_report *r);

#endif
