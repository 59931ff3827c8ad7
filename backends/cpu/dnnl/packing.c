// SPDX-FileCopyrightText: The Maru authors
// SPDX-License-Identifier: Apache-2.0

/* Constant weights in the forms that the library prefers. */

#include "dnnl/primitive.h"

/* ---- forms by number ---- */

enum { MOST_FORMS = 1024, FIRST_LAYOUT = 0x40000000 };

static pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;
static cpu_dnnl_form forms[MOST_FORMS];
static uint32_t n_forms;

static uint32_t hash(uint32_t seed, const dnnl_memory_desc_t *desc)
{
    const unsigned char *bytes = (const void *)desc;
    for (size_t i = 0; i < sizeof *desc; i++)
        seed = (seed ^ bytes[i]) * 16777619u;
    return seed;
}

static const cpu_dnnl_form *find(uint32_t layout)
{
    for (uint32_t i = 0; i < n_forms; i++)
        if (forms[i].layout == layout)
            return &forms[i];
    return NULL;
}

static int is_form(const cpu_dnnl *d, const cpu_dnnl_form *form, const dnnl_memory_desc_t *plain,
                   const dnnl_memory_desc_t *packed)
{
    return d->dnnl_memory_desc_equal(&form->plain, plain) && d->dnnl_memory_desc_equal(&form->packed, packed);
}

/* The number follows from the form, so that it is the same in the next process. */
uint32_t cpu_dnnl_form_add(const cpu_dnnl *d, const dnnl_memory_desc_t *plain, const dnnl_memory_desc_t *packed)
{
    uint32_t layout = FIRST_LAYOUT + hash(hash(2166136261u, plain), packed) % FIRST_LAYOUT;
    pthread_mutex_lock(&mutex);
    const cpu_dnnl_form *form = find(layout);
    while (form && !is_form(d, form, plain, packed))
        form = find(++layout);
    if (!form && n_forms < MOST_FORMS)
        forms[n_forms++] = (cpu_dnnl_form){layout, *plain, *packed};
    else if (!form)
        layout = 0;
    pthread_mutex_unlock(&mutex);
    return layout;
}

const cpu_dnnl_form *cpu_dnnl_form_find(uint32_t layout)
{
    if (layout < FIRST_LAYOUT)
        return NULL;
    pthread_mutex_lock(&mutex);
    const cpu_dnnl_form *form = find(layout);
    pthread_mutex_unlock(&mutex);
    return form;
}

/* ---- packing ---- */

uint64_t cpu_dnnl_packed_bytes(const cpu_tensor *constant, uint32_t layout)
{
    (void)constant;
    return cpu_dnnl_open()->dnnl_memory_desc_get_size(&cpu_dnnl_form_find(layout)->packed);
}

int cpu_dnnl_pack(const cpu_tensor *constant, uint32_t layout, void *out)
{
    const cpu_dnnl *d = cpu_dnnl_open();
    const cpu_dnnl_form *form = cpu_dnnl_form_find(layout);
    dnnl_primitive_t reorder = NULL;
    if (!form || !cpu_dnnl_make_reorder(d, &form->plain, &form->packed, &reorder))
        return 0;
    const int ok = cpu_dnnl_reorder(d, reorder, &form->plain, constant->data, &form->packed, out) == dnnl_success;
    d->dnnl_primitive_destroy(reorder);
    return ok;
}
