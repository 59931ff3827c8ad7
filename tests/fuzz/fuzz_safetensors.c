// SPDX-FileCopyrightText: The Maru authors
// SPDX-License-Identifier: Apache-2.0

/* A safetensors file: what is accepted must lie within the input, every byte of every tensor. */

#include "fuzz.h"

#include "import/weights_file.h"

#include <maru/log.h>
#include <stdlib.h>
#include <string.h>

static void drop_log(void *ctx, maru_log_level level, const char *line)
{
    (void)ctx;
    (void)level;
    (void)line;
}

static void check_weight(const maru_weights_file *file, const maru_weight *weight)
{
    maru_tensor t;
    if (maru_weights_file_find(file, weight->name) != weight)
        abort();
    if (maru_weights_file_tensor(weight, &t) != MARU_OK)
        return;
    volatile uint8_t sum = 0;
    for (size_t i = 0; i < t.bytes; i++)
        sum = (uint8_t)(sum + ((const uint8_t *)t.data)[i]);
    maru_tensor_destroy(&t);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    maru_weights_file *file = NULL;
    uint8_t *exact = malloc(size + !size);
    if (!exact)
        return 0;
    if (size)
        memcpy(exact, data, size);
    maru_log_set_sink(drop_log, NULL);
    if (maru_weights_file_create_memory(exact, size, "fuzz", &file) == MARU_OK) {
        for (size_t i = 0; i < maru_weights_file_count(file); i++)
            check_weight(file, maru_weights_file_at(file, i));
    }
    maru_weights_file_destroy(&file);
    free(exact);
    return 0;
}
