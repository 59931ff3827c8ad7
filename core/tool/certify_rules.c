// SPDX-FileCopyrightText: The Maru authors
// SPDX-License-Identifier: Apache-2.0
#include "tool/certify_rules.h"

#include <stdbool.h>
#include <string.h>

static bool is_training(const certify_facts *f)
{
    return f->model && maru_onnx_opset(f->model, "ai.onnx.preview.training") > 0;
}

/* The formats that ONNX's tests have and stb_image has not, by their first bytes. */
static bool is_unread_image(const certify_facts *f)
{
    static const struct magic {
        size_t at, n;
        const char *bytes;
    } formats[] = {{4, 4, "jP  "}, {0, 4, "II*"}, {0, 4, "MM\0*"}, {8, 4, "WEBP"}};
    const maru_tensor *t = f->first_input;
    if (!f->model || !maru_onnx_has_op(f->model, "", "ImageDecoder") || !t || t->dtype != MARU_U8)
        return false;
    for (size_t i = 0; i < sizeof formats / sizeof *formats; i++)
        if (t->bytes >= formats[i].at + formats[i].n &&
            memcmp((const char *)t->data + formats[i].at, formats[i].bytes, formats[i].n) == 0)
            return true;
    return false;
}

static bool is_jpeg(const certify_facts *f)
{
    const maru_tensor *t = f->first_input;
    return f->model && maru_onnx_has_op(f->model, "", "ImageDecoder") && t && t->dtype == MARU_U8 && t->bytes > 2 &&
           memcmp(t->data, "\xff\xd8", 2) == 0;
}

static bool is_random(const certify_facts *f)
{
    return f->graph && maru_graph_has_op(f->graph, "maru.Random");
}

static const struct rule {
    certify_effect effect;
    bool (*applies)(const certify_facts *facts);
    const char *reason;
} rules[] = {
    {CERTIFY_EXCLUDED, is_training, "it trains, by an operator of a preview domain"},
    {CERTIFY_EXCLUDED, is_unread_image, "its image is JPEG 2000, TIFF or WebP, which stb_image does not read"},
    {CERTIFY_ROUNDED, is_jpeg, "decoders of JPEG round the transform and the colours in their own ways (ITU-T T.83)"},
    {CERTIFY_TYPE_ALONE, is_random, "ONNX does not say which random numbers are drawn"},
};

const char *certify_reason(certify_effect effect, const certify_facts *facts)
{
    for (size_t i = 0; i < sizeof rules / sizeof *rules; i++)
        if (rules[i].effect == effect && rules[i].applies(facts))
            return rules[i].reason;
    return NULL;
}
