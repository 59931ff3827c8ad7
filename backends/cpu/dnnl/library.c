// SPDX-FileCopyrightText: The Maru authors
// SPDX-License-Identifier: Apache-2.0

#include "dnnl/library.h"

#include <dlfcn.h>
#include <stdio.h>
#include <string.h>

/* ---- opening ---- */

static cpu_dnnl library;
static int is_open;

static int find_functions(void *so, cpu_dnnl *out)
{
#define FIND(name)                                        \
    *(void **)(void *)&out->name = dlsym(so, #name);      \
    if (!out->name)                                       \
        return 0;
    CPU_DNNL_FUNCTIONS(FIND)
    FIND(omp_get_max_threads)
    FIND(omp_set_num_threads)
#undef FIND
    return out->dnnl_version()->major == DNNL_VERSION_MAJOR;
}

/* Its threads cannot be ended, so it stays. */
static void open_library(void)
{
    void *so = dlopen("libdnnl.so.2", RTLD_NOW | RTLD_LOCAL | RTLD_NODELETE);
    if (!so)
        return;
    if (find_functions(so, &library) &&
        library.dnnl_engine_create(&library.engine, dnnl_cpu, 0) == dnnl_success &&
        library.dnnl_stream_create(&library.stream, library.engine, dnnl_stream_default_flags) == dnnl_success)
        is_open = 1;
    else
        dlclose(so);
}

const cpu_dnnl *cpu_dnnl_open(void)
{
    static pthread_once_t once = PTHREAD_ONCE_INIT;
    pthread_once(&once, open_library);
    return is_open ? &library : NULL;
}

/* ---- descriptions ---- */

dnnl_data_type_t cpu_dnnl_type(uint32_t dtype)
{
    return dtype == MARU_ABI_F32 ? dnnl_f32 : dtype == MARU_ABI_BF16 ? dnnl_bf16 : dnnl_data_type_undef;
}

int cpu_dnnl_describe(const cpu_dnnl *d, const cpu_tensor *t, dnnl_memory_desc_t *out)
{
    dnnl_dims_t dims;
    dnnl_dims_t strides;
    dnnl_dim_t step = 1;
    for (uint32_t i = t->rank; i-- > 0;) {
        dims[i] = t->dims[i];
        strides[i] = step;
        step *= t->dims[i];
    }
    return d->dnnl_memory_desc_init_by_strides(out, (int)t->rank, dims, cpu_dnnl_type(t->dtype), strides) ==
           dnnl_success;
}

/* ---- primitives ---- */

/* Scratch memory is the workspace's: the library's own would belong to one run at a time. */
static int create(const cpu_dnnl *d, const_dnnl_op_desc_t op, cpu_dnnl_primitive *out)
{
    dnnl_primitive_attr_t attr = NULL;
    dnnl_primitive_desc_t desc = NULL;
    int ok = d->dnnl_primitive_attr_create(&attr) == dnnl_success &&
             d->dnnl_primitive_attr_set_scratchpad_mode(attr, dnnl_scratchpad_mode_user) == dnnl_success &&
             d->dnnl_primitive_desc_create(&desc, op, attr, d->engine, NULL) == dnnl_success &&
             d->dnnl_primitive_create(&out->primitive, desc) == dnnl_success;
    if (ok)
        out->scratch = *d->dnnl_primitive_desc_query_md(desc, dnnl_query_scratchpad_md, 0);
    d->dnnl_primitive_desc_destroy(desc);
    d->dnnl_primitive_attr_destroy(attr);
    return ok;
}

int cpu_dnnl_make(const cpu_dnnl *d, const_dnnl_op_desc_t op, uint32_t n_threads, cpu_dnnl_primitive *out)
{
    // The number is the calling thread's, who may use OpenMP too.
    const int before = d->omp_get_max_threads();
    d->omp_set_num_threads((int)n_threads);
    const int ok = create(d, op, out);
    d->omp_set_num_threads(before);
    return ok;
}

void cpu_dnnl_release(const maru_abi_host *host, void *prepared)
{
    cpu_dnnl_primitive *p = prepared;
    if (p && p->primitive)
        cpu_dnnl_open()->dnnl_primitive_destroy(p->primitive);
    cpu_free(host, p);
}

/* ---- running ---- */

enum { MOST_ARGS = 5 };

typedef struct arguments {
    dnnl_exec_arg_t args[MOST_ARGS];
    int n;
} arguments;

static int add(const cpu_dnnl *d, arguments *a, int which, const dnnl_memory_desc_t *desc, void *data)
{
    dnnl_exec_arg_t *arg = &a->args[a->n];
    arg->arg = which;
    if (d->dnnl_memory_create(&arg->memory, desc, d->engine, data) != dnnl_success)
        return 0;
    a->n++;
    return 1;
}

static int add_all(const cpu_dnnl *d, arguments *a, const cpu_call *call, const cpu_team *team,
                   const cpu_dnnl_primitive *p)
{
    return add(d, a, DNNL_ARG_SRC, &p->src, call->in[0].data) &&
           add(d, a, DNNL_ARG_WEIGHTS, &p->weights, call->in[1].data) &&
           add(d, a, DNNL_ARG_DST, &p->dst, call->out[0].data) &&
           add(d, a, DNNL_ARG_SCRATCHPAD, &p->scratch, team->scratch) &&
           (!p->has_bias || add(d, a, DNNL_ARG_BIAS, &p->bias, call->in[2].data));
}

maru_abi_status cpu_dnnl_execute(cpu_call *call, const cpu_team *team, const cpu_dnnl_primitive *p)
{
    const cpu_dnnl *d = cpu_dnnl_open();
    arguments a = {.n = 0};
    dnnl_status_t status = dnnl_out_of_memory;
    if (add_all(d, &a, call, team, p)) {
        const int before = d->omp_get_max_threads();
        d->omp_set_num_threads((int)team->host->thread_count(team->host->ctx));
        status = d->dnnl_primitive_execute(p->primitive, d->stream, a.n, a.args);
        d->omp_set_num_threads(before);
    }
    for (int i = 0; i < a.n; i++)
        d->dnnl_memory_destroy(a.args[i].memory);
    if (status == dnnl_success)
        return MARU_ABI_OK;
    snprintf(call->message, call->message_bytes, "oneDNN failed with status %d", (int)status);
    return status == dnnl_out_of_memory ? MARU_ABI_RESOURCE_EXHAUSTED : MARU_ABI_INTERNAL;
}
