// SPDX-FileCopyrightText: The Maru authors
// SPDX-License-Identifier: Apache-2.0
#ifndef MARU_MARU_H
#define MARU_MARU_H

/*
 * Everything a program that embeds Maru includes.
 *
 * Compatibility: libmaru.so.N keeps its functions, enumerators and the layout
 * of its structs as long as N is the same; new ones are added at the end of
 * enums, and to params structs whose {0} keeps its meaning only with a new N.
 * Symbols carry the version MARU_N. While the version is 0.x, N is 0 and a
 * minor release may change anything; CHANGELOG.md says what.
 *
 *     maru_runtime *runtime;  maru_runtime_create(NULL, &runtime);
 *     maru_graph *graph;      maru_graph_read(text, bytes, "name", &graph);
 *     maru_model *model;      maru_model_create(runtime, &graph, NULL, &model);
 *     maru_session *session;  maru_session_create(model, &session);
 *     maru_session_set_input(session, "x", &x);
 *     maru_session_run(session, NULL);
 *     maru_session_get_output(session, "y", &y);
 */

#include <maru/attr.h>
#include <maru/file.h>
#include <maru/flow.h>
#include <maru/graph.h>
#include <maru/item.h>
#include <maru/log.h>
#include <maru/model.h>
#include <maru/onnx.h>
#include <maru/quantize.h>
#include <maru/runtime.h>
#include <maru/session.h>
#include <maru/status.h>
#include <maru/system.h>
#include <maru/tensor.h>
#include <maru/tokenizer.h>
#include <maru/version.h>
#include <maru/weights.h>

#endif
