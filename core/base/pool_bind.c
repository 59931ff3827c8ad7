// SPDX-FileCopyrightText: The Maru authors
// SPDX-License-Identifier: Apache-2.0
#include "base/pool_bind.h"

#include <stddef.h>

#if MARU_HAVE_HWLOC

#include <hwloc.h>
#include <stdbool.h>
#include <stdlib.h>

struct maru_pool_binding {
    hwloc_topology_t topology;
    hwloc_bitmap_t allowed;  // where the process ran when the pool started
};

static int count_cores(const maru_pool_binding *binding)
{
    return hwloc_get_nbobjs_inside_cpuset_by_type(binding->topology, binding->allowed, HWLOC_OBJ_CORE);
}

static bool read_machine(maru_pool_binding *binding)
{
    if (hwloc_topology_init(&binding->topology) != 0) {
        binding->topology = NULL;
        return false;
    }
    binding->allowed = hwloc_bitmap_alloc();
    return binding->allowed && hwloc_topology_load(binding->topology) == 0 &&
           hwloc_get_cpubind(binding->topology, binding->allowed, HWLOC_CPUBIND_PROCESS) == 0;
}

void maru_pool_binding_create(int n_threads, maru_pool_binding **out_binding)
{
    *out_binding = NULL;
    maru_pool_binding *binding = calloc(1, sizeof *binding);
    if (!binding)
        return;
    if (!read_machine(binding) || count_cores(binding) < n_threads)
        maru_pool_binding_destroy(&binding);
    *out_binding = binding;
}

void maru_pool_binding_destroy(maru_pool_binding **binding)
{
    maru_pool_binding *b = *binding;
    *binding = NULL;
    if (!b)
        return;
    hwloc_bitmap_free(b->allowed);
    if (b->topology)
        hwloc_topology_destroy(b->topology);
    free(b);
}

void maru_pool_binding_apply(const maru_pool_binding *binding, int worker)
{
    if (!binding)
        return;
    hwloc_obj_t core =
        hwloc_get_obj_inside_cpuset_by_type(binding->topology, binding->allowed, HWLOC_OBJ_CORE, (unsigned)worker);
    if (core)
        hwloc_set_cpubind(binding->topology, core->cpuset, HWLOC_CPUBIND_THREAD);
}

#else

void maru_pool_binding_create(int n_threads, maru_pool_binding **out_binding)
{
    (void)n_threads;
    *out_binding = NULL;
}

void maru_pool_binding_destroy(maru_pool_binding **binding)
{
    *binding = NULL;
}

void maru_pool_binding_apply(const maru_pool_binding *binding, int worker)
{
    (void)binding;
    (void)worker;
}

#endif
