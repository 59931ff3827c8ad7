// SPDX-FileCopyrightText: The Maru authors
// SPDX-License-Identifier: Apache-2.0

#include "dnnl/primitive.h"

#include <stdio.h>
#include <string.h>

#include "vector/transpose.h"

/* ---- making ---- */

/* Scratch memory is the workspace's: the library's own would belong to one run at a time. */
static dnnl_primitive_attr_t new_attributes(const cpu_dnnl *d)
{
    dnnl_primitive_attr_t attr = NULL;
    if (d->dnnl_primitive_attr_create(&attr) != dnnl_success)
        return NULL;
    if (d->dnnl_primitive_attr_set_scratchpad_mode(attr, dnnl_scratchpad_mode_user) == dnnl_success)
        return attr;
    d->dnnl_primitive_attr_destroy(attr);
    return NULL;
}

static dnnl_primitive_desc_t describe_primitive(const cpu_dnnl *d, const cpu_dnnl_recipe *recipe, const cpu_call *call,
                                                const cpu_dnnl_primitive *p)
{
    cpu_dnnl_op op;
    dnnl_primitive_desc_t desc = NULL;
    dnnl_primitive_attr_t attr = new_attributes(d);
    if (attr && (!recipe->attributes || recipe->attributes(d, call, p, attr)) && recipe->operation(d, call, p, &op) &&
        d->dnnl_primitive_desc_create(&desc, &op, attr, d->engine, NULL) != dnnl_success)
        desc = NULL;
    d->dnnl_primitive_attr_destroy(attr);
    return desc;
}

/* Its last resort takes every form, and is slower than bringing the operand into another. */
static int is_last_resort(const cpu_dnnl *d, dnnl_primitive_desc_t desc)
{
    const char *name = "";
    return d->dnnl_primitive_desc_query(desc, dnnl_query_impl_info_str, 0, (void *)&name) == dnnl_success &&
           strncmp(name, "ref", 3) == 0;
}

/* With the weights as they were packed if that can be, else in the form that this call prefers. */
static dnnl_primitive_desc_t choose_primitive(const cpu_dnnl *d, const cpu_dnnl_recipe *recipe, const cpu_call *call,
                                              cpu_dnnl_primitive *p)
{
    dnnl_primitive_desc_t desc = describe_primitive(d, recipe, call, p);
    if (!call->in[1].layout || (desc && !is_last_resort(d, desc)))
        return desc;
    d->dnnl_primitive_desc_destroy(desc);
    return cpu_dnnl_describe_any(d, &p->weights.given, &p->weights.wanted) ? describe_primitive(d, recipe, call, p)
                                                                          : NULL;
}

static dnnl_memory_desc_t wanted_form(const cpu_dnnl *d, dnnl_primitive_desc_t desc, dnnl_query_t what)
{
    return *d->dnnl_primitive_desc_query_md(desc, what, 0);
}

int cpu_dnnl_make_reorder(const cpu_dnnl *d, const dnnl_memory_desc_t *from, const dnnl_memory_desc_t *to,
                          dnnl_primitive_t *out)
{
    dnnl_primitive_desc_t desc = NULL;
    if (d->dnnl_reorder_primitive_desc_create(&desc, from, d->engine, to, d->engine, NULL) != dnnl_success)
        return 0;
    const int ok = d->dnnl_primitive_create(out, desc) == dnnl_success;
    d->dnnl_primitive_desc_destroy(desc);
    return ok;
}

static int64_t pixels_of(const dnnl_memory_desc_t *form)
{
    int64_t n = 1;
    for (int i = 2; i < form->ndims; i++)
        n *= form->dims[i];
    return n;
}

/* Images of f32 with their channels last, and nothing between. */
static int is_channels_last(const dnnl_memory_desc_t *form)
{
    const dnnl_blocking_desc_t *blocking = &form->format_desc.blocking;
    int64_t stride = form->dims[1];
    if (form->ndims < 3 || form->data_type != dnnl_f32 || form->format_kind != dnnl_blocked ||
        blocking->inner_nblks != 0 || form->offset0 != 0 || blocking->strides[1] != 1)
        return 0;
    for (int i = form->ndims; i-- > 2; stride *= form->dims[i])
        if (blocking->strides[i] != stride || form->padded_dims[i] != form->dims[i])
            return 0;
    return form->padded_dims[1] == form->dims[1] && (form->dims[0] == 1 || blocking->strides[0] == stride);
}

/* Bytes are taken from the scratch memory as sides need them. */
static int finish_side(const cpu_dnnl *d, cpu_dnnl_side *side, int is_output, cpu_dnnl_primitive *p)
{
    side->is_same = d->dnnl_memory_desc_equal(&side->given, &side->wanted);
    if (side->is_same)
        return 1;
    const dnnl_memory_desc_t *from = is_output ? &side->wanted : &side->given;
    side->offset = p->scratch_bytes;
    p->scratch_bytes += (d->dnnl_memory_desc_get_size(&side->wanted) + 63) & ~(uint64_t)63;
    side->is_turned = side != &p->weights && is_channels_last(&side->wanted);
    return side->is_turned || cpu_dnnl_make_reorder(d, from, is_output ? &side->given : &side->wanted, &side->reorder);
}

/* Plain operands as the call has them, then weights that are packed. */
static int describe(const cpu_dnnl *d, const cpu_dnnl_recipe *recipe, const cpu_call *call, cpu_dnnl_primitive *p)
{
    const cpu_dnnl_form *form = cpu_dnnl_form_find(call->in[1].layout);
    if (!recipe->describe(d, call, p) || (call->in[1].layout && !form))
        return 0;
    if (form)
        p->weights.given = p->weights.wanted = form->packed;
    return 1;
}

static int make(const cpu_dnnl *d, const cpu_dnnl_recipe *recipe, const cpu_call *call, cpu_dnnl_primitive *p)
{
    dnnl_primitive_desc_t desc = describe(d, recipe, call, p) ? choose_primitive(d, recipe, call, p) : NULL;
    if (!desc)
        return 0;
    p->src.wanted = wanted_form(d, desc, dnnl_query_src_md);
    p->weights.wanted = wanted_form(d, desc, dnnl_query_weights_md);
    p->dst.wanted = wanted_form(d, desc, dnnl_query_dst_md);
    p->scratch = wanted_form(d, desc, dnnl_query_scratchpad_md);
    p->scratch_bytes = (d->dnnl_memory_desc_get_size(&p->scratch) + 63) & ~(uint64_t)63;
    const int ok = d->dnnl_primitive_create(&p->primitive, desc) == dnnl_success && finish_side(d, &p->src, 0, p) &&
                   finish_side(d, &p->weights, 0, p) && finish_side(d, &p->dst, 1, p);
    d->dnnl_primitive_desc_destroy(desc);
    return ok;
}

static int threads_of(const cpu_dnnl_recipe *recipe, const cpu_call *call, uint32_t n_threads)
{
    return (int)(recipe->threads ? recipe->threads(call, n_threads) : n_threads);
}

cpu_dnnl_primitive *cpu_dnnl_prepare(const cpu_dnnl_recipe *recipe, const cpu_call *call, const maru_abi_host *host,
                                     uint64_t *out_scratch_bytes)
{
    const cpu_dnnl *d = cpu_dnnl_open();
    cpu_dnnl_primitive *p = cpu_alloc(host, 1, sizeof *p);
    if (!p)
        return NULL;
    // The number is the calling thread's, who may use OpenMP too.
    const int before = d->omp_get_max_threads();
    p->n_threads = threads_of(recipe, call, host->thread_count(host->ctx));
    d->omp_set_num_threads(p->n_threads);
    const int ok = make(d, recipe, call, p);
    d->omp_set_num_threads(before);
    *out_scratch_bytes = p->scratch_bytes;
    if (ok)
        return p;
    cpu_dnnl_release(host, p);
    return NULL;
}

void cpu_dnnl_release(const maru_abi_host *host, void *prepared)
{
    cpu_dnnl_primitive *p = prepared;
    const cpu_dnnl *d = cpu_dnnl_open();
    if (!p)
        return;
    const dnnl_primitive_t all[] = {p->primitive, p->src.reorder, p->weights.reorder, p->dst.reorder};
    for (size_t i = 0; i < sizeof all / sizeof *all; i++)
        if (all[i])
            d->dnnl_primitive_destroy(all[i]);
    cpu_free(host, p);
}

uint32_t cpu_dnnl_weights_layout(const cpu_dnnl_recipe *recipe, const cpu_call *call, uint32_t n_threads)
{
    const cpu_dnnl *d = cpu_dnnl_open();
    cpu_dnnl_primitive p = {0};
    if (!d || !recipe->describe(d, call, &p) || !cpu_dnnl_describe_any(d, &p.weights.given, &p.weights.wanted))
        return 0;
    const int before = d->omp_get_max_threads();
    d->omp_set_num_threads(threads_of(recipe, call, n_threads));
    dnnl_primitive_desc_t desc = describe_primitive(d, recipe, call, &p);
    d->omp_set_num_threads(before);
    if (!desc)
        return 0;
    const dnnl_memory_desc_t packed = wanted_form(d, desc, dnnl_query_weights_md);
    d->dnnl_primitive_desc_destroy(desc);
    return d->dnnl_memory_desc_equal(&packed, &p.weights.given) ? 0 : cpu_dnnl_form_add(d, &p.weights.given, &packed);
}

/* ---- running ---- */

enum { MOST_ARGS = 7 };

typedef struct arguments {
    dnnl_exec_arg_t args[MOST_ARGS];
    int n;
    dnnl_status_t status;  // of the first that failed
} arguments;

static void add(const cpu_dnnl *d, arguments *a, int which, const dnnl_memory_desc_t *desc, void *data)
{
    dnnl_exec_arg_t *arg = &a->args[a->n];
    arg->arg = which;
    if (a->status == dnnl_success)
        a->status = d->dnnl_memory_create(&arg->memory, desc, d->engine, data);
    if (a->status == dnnl_success)
        a->n++;
}

static dnnl_status_t execute(const cpu_dnnl *d, dnnl_primitive_t primitive, arguments *a)
{
    if (a->status == dnnl_success)
        a->status = d->dnnl_primitive_execute(primitive, d->stream, a->n, a->args);
    for (int i = 0; i < a->n; i++)
        d->dnnl_memory_destroy(a->args[i].memory);
    return a->status;
}

dnnl_status_t cpu_dnnl_reorder(const cpu_dnnl *d, dnnl_primitive_t reorder, const dnnl_memory_desc_t *from_desc,
                               void *from, const dnnl_memory_desc_t *to_desc, void *to)
{
    arguments a = {.status = dnnl_success};
    add(d, &a, DNNL_ARG_FROM, from_desc, from);
    add(d, &a, DNNL_ARG_TO, to_desc, to);
    return execute(d, reorder, &a);
}

/* Where the primitive finds the operand. */
static void *place_of(const cpu_dnnl_side *side, const cpu_team *team, void *data)
{
    return !side->is_same ? (char *)team->scratch + side->offset : data;
}

static dnnl_status_t bring(const cpu_dnnl *d, const cpu_dnnl_side *side, const cpu_team *team, void *data)
{
    const dnnl_memory_desc_t *form = &side->wanted;
    if (side->is_same)
        return dnnl_success;
    if (side->is_turned) {  // in half of the library's time
        cpu_transpose_avx512(data, form->dims[0], form->dims[1], pixels_of(form), place_of(side, team, data), team);
        return dnnl_success;
    }
    return cpu_dnnl_reorder(d, side->reorder, &side->given, data, &side->wanted, place_of(side, team, data));
}

static dnnl_status_t run_primitive(const cpu_dnnl *d, const cpu_call *call, const cpu_team *team,
                                   const cpu_dnnl_primitive *p)
{
    arguments a = {.status = dnnl_success};
    add(d, &a, DNNL_ARG_SRC, &p->src.wanted, place_of(&p->src, team, call->in[0].data));
    add(d, &a, DNNL_ARG_WEIGHTS, &p->weights.wanted, place_of(&p->weights, team, call->in[1].data));
    add(d, &a, DNNL_ARG_DST, &p->dst.wanted, place_of(&p->dst, team, call->out[0].data));
    add(d, &a, DNNL_ARG_SCRATCHPAD, &p->scratch, team->scratch);
    if (p->has_bias)
        add(d, &a, DNNL_ARG_BIAS, &p->bias, call->in[2].data);
    for (int i = 0; i < p->n_operands; i++)
        add(d, &a, DNNL_ARG_ATTR_MULTIPLE_POST_OP(i) | DNNL_ARG_SRC_1, &p->operands[i], call->in[3 + i].data);
    return execute(d, p->primitive, &a);
}

static dnnl_status_t run_all(const cpu_dnnl *d, const cpu_call *call, const cpu_team *team,
                             const cpu_dnnl_primitive *p)
{
    const dnnl_memory_desc_t *form = &p->dst.wanted;
    void *y = call->out[0].data;
    dnnl_status_t status = bring(d, &p->src, team, call->in[0].data);
    if (status == dnnl_success)
        status = bring(d, &p->weights, team, call->in[1].data);
    if (status == dnnl_success)
        status = run_primitive(d, call, team, p);
    if (status != dnnl_success || p->dst.is_same)
        return status;
    if (!p->dst.is_turned)
        return cpu_dnnl_reorder(d, p->dst.reorder, form, place_of(&p->dst, team, y), &p->dst.given, y);
    cpu_transpose_avx512(place_of(&p->dst, team, y), form->dims[0], pixels_of(form), form->dims[1], y, team);
    return dnnl_success;
}

maru_abi_status cpu_dnnl_status(cpu_call *call, dnnl_status_t status)
{
    if (status == dnnl_success)
        return MARU_ABI_OK;
    snprintf(call->message, call->message_bytes, "oneDNN failed with status %d", (int)status);
    return status == dnnl_out_of_memory ? MARU_ABI_RESOURCE_EXHAUSTED : MARU_ABI_INTERNAL;
}

maru_abi_status cpu_dnnl_execute(cpu_call *call, const cpu_team *team, const cpu_dnnl_primitive *p)
{
    const cpu_dnnl *d = cpu_dnnl_open();
    const int before = d->omp_get_max_threads();
    d->omp_set_num_threads(p->n_threads);
    const dnnl_status_t status = run_all(d, call, team, p);
    d->omp_set_num_threads(before);
    return cpu_dnnl_status(call, status);
}
