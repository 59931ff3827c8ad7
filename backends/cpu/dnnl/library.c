// SPDX-FileCopyrightText: The Maru authors
// SPDX-License-Identifier: Apache-2.0

#include "dnnl/library.h"

#include <dlfcn.h>

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
    switch (dtype) {
    case MARU_ABI_F32: return dnnl_f32;
    case MARU_ABI_BF16: return dnnl_bf16;
    case MARU_ABI_U8: return dnnl_u8;
    case MARU_ABI_I8: return dnnl_s8;
    case MARU_ABI_I32: return dnnl_s32;
    default: return dnnl_data_type_undef;
    }
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

int cpu_dnnl_describe_any(const cpu_dnnl *d, const dnnl_memory_desc_t *plain, dnnl_memory_desc_t *out)
{
    return d->dnnl_memory_desc_init_by_tag(out, plain->ndims, plain->dims, plain->data_type, dnnl_format_tag_any) ==
           dnnl_success;
}
