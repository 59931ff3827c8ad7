// SPDX-FileCopyrightText: The Maru authors
// SPDX-License-Identifier: Apache-2.0
#ifndef MARU_SCRIPT_INSTANCE_H
#define MARU_SCRIPT_INSTANCE_H

/*
 * A described model at work: the `m` that the functions of a description are
 * given. It finds the weights and the configuration, builds the graph,
 * compiles it at first use, and runs.
 */

#include <lua.h>
#include <maru/model.h>
#include <maru/runtime.h>
#include <maru/session.h>
#include <maru/weights.h>

#include "script/value.h"

#define MARU_CLASS_MODEL "maru.model"
#define MARU_CLASS_WEIGHTS "maru.weights"
#define MARU_CLASS_SESSION "maru.session"

/* User values of the userdata. */
enum {
    MARU_INSTANCE_FIELDS = 1,  // config, options, state, name, description: what m.x finds first
    MARU_INSTANCE_GRAPH,       // the maru.graph being built, or nil
    MARU_INSTANCE_USED,        // weights used by the graph: name to value
    MARU_INSTANCE_PROBLEMS,    // what is wrong with the weights, a list of texts
    MARU_INSTANCE_INPUTS,      // tensors that the session borrows
    MARU_INSTANCE_PARTS,       // name to instance
    MARU_INSTANCE_OWNER,       // the instance that a part is a part of
    MARU_INSTANCE_VALUES = MARU_INSTANCE_OWNER,
};

typedef struct maru_instance {
    maru_runtime *runtime;
    bool owns_runtime;
    maru_model_params model_params;  // its texts are the two below
    char *devices;
    char *device_options;
    char *weights_path;  // NULL: none was found
    char *folder;        // of the weights, NULL if there are none
    char *config_path;   // NULL: none
    char *fetch;         // name for `maru fetch`, NULL
    maru_weights *weights;
    maru_model *model;
    maru_session *session;
    const struct maru_instance *owner;  // of a part; NULL: it is none
    const maru_run_params *run_params;  // of the run under way; a part has those of the whole
    int64_t deadline_ns;                // of the run under way; 0: none
} maru_instance;

typedef struct maru_instance_params {
    maru_runtime *runtime;   // NULL: one of its own
    const char *script_dir;
    const char *weights;
    const char *config;
    const maru_model_params *model;
    int settings;            // stack index of a table of settings, 0: none
} maru_instance_params;

void maru_instance_open(lua_State *L);
/* Pushes the model of the description at `index`. */
maru_instance *maru_push_instance(lua_State *L, int index, const maru_instance_params *params);
maru_instance *maru_check_instance(lua_State *L, int index);

/* Pushes a maru.graph with the whole graph of the instance at `index`. */
maru_graph_ref *maru_push_built_graph(lua_State *L, int index);
/* Compiles at first use. */
void maru_need_model(lua_State *L, int index);
void maru_need_session(lua_State *L, int index);
/* Runs with the table of inputs at `inputs` and pushes the table of outputs. */
void maru_push_run(lua_State *L, int index, int inputs);
/* Pushes the model whose graph is being built, or nil. */
void maru_push_builder(lua_State *L);
/* Pushes the path of a file by its plain name, beside the weights or, where there are none, beside the script. */
const char *maru_push_model_file(lua_State *L, const maru_instance *m, const char *name);
/* The table of fields. */
void maru_push_fields(lua_State *L, int index);

/* builder.c: methods of m while its graph is built, put into the table on top. */
void maru_builder_methods(lua_State *L);
int maru_build_state(lua_State *L);
/* The graph being built; raises when none is. Pushes the maru.graph. */
maru_graph_ref *maru_push_building(lua_State *L, int index);

/* weights.c */
void maru_weights_class(lua_State *L);
void maru_push_weights(lua_State *L, int index);
/* m:parameter(name, dtype, dims) */
int maru_build_parameter(lua_State *L);
/* Raises one error with everything that is wrong with the weights of the graph just built. */
void maru_check_weights(lua_State *L, int index);

/* onnx.c: models of files as a part of the graph; maru.onnx(name, options) */
void maru_onnx_class(lua_State *L);
int maru_module_onnx(lua_State *L);

/* flow.c: m:flow(name), models that run in stages */
void maru_flow_class(lua_State *L);
int maru_model_flow(lua_State *L);

/* parts.c: m:part(name) */
int maru_model_part(lua_State *L);
/* Makes the parts of the instance at `self`, whose description is at `description`; `params` are the whole's. */
void maru_make_parts(lua_State *L, int self, int description, const maru_instance_params *params);
/* Whether a setting is one of a part, "part.option"; what is at `parts` is their table, or there are none. */
bool maru_is_part_setting(lua_State *L, int parts, const char *key);
void maru_push_part(lua_State *L, int index, const char *name);
/* False for a model that has parts alone. */
bool maru_has_graph(lua_State *L, int index);
/* Pushes a list: "" and the instance, then "part." and the instance of each part, and theirs. Gives how many. */
size_t maru_push_all_parts(lua_State *L, int index);

/* layers.c: raises where the `draw` of the description at `description` is not what it should be */
void maru_check_layers(lua_State *L, int description);
/* The layer `index`, its texts kept by the description; false past the last. */
struct maru_script_layer;
bool maru_read_layer(lua_State *L, int description, size_t index, struct maru_script_layer *out);

/* states.c: of the instance at `index` and of its parts */
void maru_save_states(lua_State *L, int index, const char *path, const char *model);
void maru_load_states(lua_State *L, int index, const char *path);

/* runner.c */
/* Of the run under way, with what is left of its time; raises when nothing is. */
maru_run_params maru_params_now(lua_State *L, const maru_instance *m);
void maru_session_class(lua_State *L);
int maru_model_session(lua_State *L);
void maru_push_session_run(lua_State *L, int index, int inputs);

#endif
