// SPDX-FileCopyrightText: The Maru authors
// SPDX-License-Identifier: Apache-2.0
#ifndef MARU_DEVICE_MANIFEST_H
#define MARU_DEVICE_MANIFEST_H

/*
 * The manifest of a plugin: read from the bytes of its ELF file and checked
 * before any code of it can run. The bytes are not trusted: every offset is
 * checked, and each way to be wrong has a sentence of its own.
 */

#include <maru/plugin.h>
#include <maru/status.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define MARU_MANIFEST_MAX_DOMAINS 16

typedef struct maru_manifest_domain {
    const char *name;
    uint32_t version; // highest operator version that the plugin knows
} maru_manifest_domain;

/* Strings point into `text`; an absent key is "". */
typedef struct maru_manifest {
    char *text;  // owned
    uint16_t abi_major;
    uint16_t abi_minor;
    uint32_t abi_seal;
    uint64_t abi_hash;
    const char *name;     // [a-z][a-z0-9_-]*, at most 31 bytes
    const char *vendor;
    const char *version;
    const char *licence;
    const char *tiers;    // "K", "G" or "KG"
    const char *dtypes;   // "f32,f16"
    const char *opens;    // "libchip.so.1"
    const char *sanitizer; // "", "address", "thread", ...
    bool tier_k;
    bool tier_g;
    maru_manifest_domain domains[MARU_MANIFEST_MAX_DOMAINS]; // the default domain is ""
    size_t n_domains;
} maru_manifest;

/* Finds and parses the note in the image of a file. `path` is for messages alone. */
MARU_NODISCARD maru_status maru_manifest_from_elf(const char *path, const uint8_t *data, size_t bytes,
                                                  maru_manifest *out_manifest);
/* The manifest of a static build: its text alone, with the ABI of this build. */
MARU_NODISCARD maru_status maru_manifest_from_text(const char *path, const char *text, maru_manifest *out_manifest);
void maru_manifest_fini(maru_manifest *manifest);

/* Whether this host can load it: major version, seal and hash of the headers, sanitizer. */
MARU_NODISCARD maru_status maru_manifest_check(const maru_manifest *manifest, const char *path);

/* Highest operator version of `domain` ("" is ONNX's) that may be shown to the plugin; 0: it names no such domain. */
uint32_t maru_manifest_ceiling(const maru_manifest *manifest, const char *domain);

#endif
