// SPDX-FileCopyrightText: The Maru authors
// SPDX-License-Identifier: Apache-2.0

/*
 * Each reference kernel against the vectors that ONNX gives; then once more in
 * place where the table says that it may be. Arguments: files of vectors.
 * After them, every operator of the families must have had a case.
 */

#include "vectors.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

static double tolerance_of(uint32_t dtype)
{
    switch (dtype) {
    case MARU_ABI_F64: return 1e-12;
    case MARU_ABI_F32: return 2e-6;
    case MARU_ABI_F16: return 2e-3;
    case MARU_ABI_BF16: return 1e-2;
    default: return 0;
    }
}

/* The first element that is not as expected, or -1. */
static int64_t difference(const cpu_tensor *got, const cpu_tensor *want)
{
    for (int64_t i = 0; i < want->count; i++) {
        if (!cpu_is_float(want->dtype)) {
            if (cpu_load_int(got, i) != cpu_load_int(want, i))
                return i;
            continue;
        }
        double a = cpu_load(got, i);
        double b = cpu_load(want, i);
        double room = tolerance_of(want->dtype) * (fabs(b) > 1 ? fabs(b) : 1);
        if (isnan(a) != isnan(b) || (!isnan(b) && a != b && !(fabs(a - b) <= room)))
            return i;
    }
    return -1;
}

static int run(const vectors_case *c, const cpu_ref_op *op, cpu_tensor *in, cpu_tensor *out, const char *how)
{
    char message[256] = "";
    int64_t true_dims[CPU_MAX_RANK] = {0};
    cpu_call call = {
        .attrs = {&c->graph, &c->node},
        .in = in,
        .n_in = c->n_in,
        .out = out,
        .n_out = c->n_out,
        .true_dims = true_dims,
        .message = message,
        .message_bytes = sizeof message,
    };
    maru_abi_status status = op->fn(&call);
    if (status != MARU_ABI_OK) {
        printf("%s (%s)%s: status %d: %s\n", c->name, c->op, how, status, message);
        return 1;
    }
    for (uint32_t k = 0; k < c->n_out; k++) {
        int64_t at = c->out[k].dtype ? difference(&out[k], &c->out[k]) : -1;
        if (at < 0)
            continue;
        printf("%s (%s)%s: output %u, element %lld is %.9g, not %.9g\n", c->name, c->op, how, k, (long long)at,
               cpu_load(&out[k], at), cpu_load(&c->out[k], at));
        return 1;
    }
    return 0;
}

static int can_alias(const vectors_case *c, uint32_t input)
{
    return c->in[input].dtype == c->out[0].dtype && c->in[input].count == c->out[0].count &&
           c->in[input].rank == c->out[0].rank;
}

/* Output 0 in the memory of each input that may lend it. */
static int run_in_place(const vectors_case *c, const cpu_ref_op *op)
{
    uint32_t most = strncmp(c->op, "Scatter", 7) == 0 || strcmp(c->op, "TensorScatter") == 0 ? 1 : c->n_in;
    int failed = 0;
    for (uint32_t i = 0; (op->flags & CPU_IN_PLACE) && i < most; i++) {
        if (!can_alias(c, i))
            continue;
        cpu_tensor in[VECTORS_MAX_OPERANDS];
        memcpy(in, c->in, sizeof in);
        in[i].data = vectors_memory(&in[i]);
        cpu_copy_elements(&in[i], 0, &c->in[i], 0, in[i].count);
        cpu_tensor out = c->out[0];
        out.data = in[i].data;
        failed |= run(c, op, in, &out, ", in place");
        free(in[i].data);
    }
    return failed;
}

static int run_case(vectors_case *c)
{
    const cpu_ref_op *op = cpu_ref_find("", c->op);
    if (!op) {
        printf("%s: there is no kernel '%s'\n", c->name, c->op);
        return 1;
    }
    cpu_tensor out[VECTORS_MAX_OPERANDS];
    memcpy(out, c->out, sizeof out);
    for (uint32_t k = 0; k < c->n_out; k++)
        out[k].data = out[k].dtype ? vectors_memory(&out[k]) : NULL;
    int failed = run(c, op, c->in, out, "");
    for (uint32_t k = 0; k < c->n_out; k++)
        free(out[k].data);
    return failed | run_in_place(c, op);
}

/* ---- coverage ---------------------------------------------------------------------- */

enum { MOST_OPS = 256 };

typedef struct seen {
    const char *ops[MOST_OPS];
    int n;
} seen;

static void note(seen *s, const cpu_ref_op *op)
{
    for (int i = 0; i < s->n; i++) {
        if (s->ops[i] == op->name)
            return;
    }
    if (s->n < MOST_OPS)
        s->ops[s->n++] = op->name;
}

static int check_coverage(const seen *s)
{
    const cpu_ref_op *const families[] = {cpu_ref_elementwise, cpu_ref_activation, cpu_ref_reduce, cpu_ref_data,
                                          cpu_ref_gather, cpu_ref_integer, cpu_ref_recurrent, cpu_ref_sample,
                                          cpu_ref_select, cpu_ref_signal, cpu_ref_unpool};
    int failed = 0;
    for (size_t f = 0; f < sizeof families / sizeof *families; f++) {
        for (const cpu_ref_op *op = families[f]; op->name; op++) {
            int found = 0;
            for (int i = 0; i < s->n; i++)
                found |= s->ops[i] == op->name;
            if (!found)
                printf("no case of %s\n", op->name);
            failed |= !found;
        }
    }
    return failed;
}

int main(int argc, char **argv)
{
    int n = 0;
    int failures = 0;
    seen s = {.n = 0};
    for (int i = 1; i < argc; i++) {
        FILE *file = fopen(argv[i], "r");
        vectors_case c;
        if (!file) {
            printf("%s cannot be read\n", argv[i]);
            return 1;
        }
        while (vectors_next(file, &c)) {
            n++;
            failures += run_case(&c);
            if (cpu_ref_find("", c.op))
                note(&s, cpu_ref_find("", c.op));
            vectors_free(&c);
        }
        fclose(file);
    }
    int failed = check_coverage(&s);
    printf("%d cases of %d operators, %d failed\n", n, s.n, failures);
    return n == 0 || failures > 0 || failed;
}
