// SPDX-FileCopyrightText: The Maru authors
// SPDX-License-Identifier: Apache-2.0
#include "import/onnx/onnx.h"

#include <string.h>

static const onnx_form *const tables[] = {
    onnx_forms_old,  onnx_forms_attention, onnx_forms_compose, onnx_forms_contrib, onnx_forms_data,
    onnx_forms_flex, onnx_forms_einsum,    onnx_forms_math,    onnx_forms_ml,      onnx_forms_norm,
    onnx_forms_quant, onnx_forms_random,   onnx_forms_table,   onnx_forms_tree,    NULL,
};

const onnx_form *onnx_form_find(const char *domain, const char *op, int64_t version)
{
    for (size_t t = 0; tables[t]; t++)
        for (const onnx_form *f = tables[t]; f->op; f++)
            if (version >= f->first && version <= f->last && strcmp(f->op, op) == 0 && strcmp(f->domain, domain) == 0)
                return f;
    return NULL;
}
