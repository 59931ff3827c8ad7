// SPDX-FileCopyrightText: The Maru authors
// SPDX-License-Identifier: Apache-2.0
#ifndef CPU_REF_BLOCK_H
#define CPU_REF_BLOCK_H

/*
 * Block-quantised formats as GGUF files store them: exact dequantisation of
 * one block. Source: the format description of GGUF and the reference
 * de-quantisers of ggml (ggml-quants.c); MXFP4: OCP Microscaling Formats 1.0.
 */

#include <stdint.h>

#define CPU_MAX_BLOCK 256

/* Elements per block; 0 for a dtype that is none of these. */
int64_t cpu_block_elements(uint32_t dtype);
/* Elements of block `index` of a tensor's data. */
void cpu_block_decode(uint32_t dtype, const void *data, int64_t index, double *out);

#endif
