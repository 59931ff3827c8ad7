// SPDX-FileCopyrightText: The Maru authors
// SPDX-License-Identifier: Apache-2.0
#define _POSIX_C_SOURCE 200809L

/* What the system tells about its processor. Anything may be missing; then it stays unknown. */

#include "cpu.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static const struct {
    const char *name;
    uint32_t isa;
} instruction_sets[] = {
    {"avx2", CPU_ISA_AVX2},
    {"fma", CPU_ISA_FMA},
    {"f16c", CPU_ISA_F16C},
    {"avx512f", CPU_ISA_AVX512F},
    {"avx512bw", CPU_ISA_AVX512BW},
    {"avx512vl", CPU_ISA_AVX512VL},
    {"avx512_vnni", CPU_ISA_AVX512VNNI},
    {"avx512_bf16", CPU_ISA_AVX512BF16},
    {"avx512_fp16", CPU_ISA_AVX512FP16},
    {"amx_tile", CPU_ISA_AMX_TILE},
    {"amx_int8", CPU_ISA_AMX_INT8},
    {"amx_bf16", CPU_ISA_AMX_BF16},
    {"asimd", CPU_ISA_NEON},
    {"asimddp", CPU_ISA_DOTPROD},
    {"sve", CPU_ISA_SVE},
};

/* At most `room` - 1 bytes of a file, with a NUL after them; "" if it cannot be read. */
static void read_file(const char *path, char *out, size_t room)
{
    size_t n = 0;
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    while (fd >= 0 && n < room - 1) {
        ssize_t got = read(fd, out + n, room - 1 - n);
        if (got <= 0)
            break;
        n += (size_t)got;
    }
    if (fd >= 0)
        close(fd);
    out[n] = '\0';
}

/* The text after "key ... : " of the first line that begins with `key`; its end is *out_bytes away. */
static const char *find_line(const char *text, const char *key, size_t *out_bytes)
{
    size_t n = strlen(key);
    for (const char *line = text; line; line = strchr(line, '\n') ? strchr(line, '\n') + 1 : NULL) {
        const char *colon = strchr(line, ':');
        if (strncmp(line, key, n) != 0 || !colon || strcspn(line, "\n") < (size_t)(colon - line))
            continue;
        if (strspn(line + n, " \t") != (size_t)(colon - line) - n)
            continue;
        const char *value = colon + 1 + strspn(colon + 1, " \t");
        *out_bytes = strcspn(value, "\n");
        return value;
    }
    return NULL;
}

static void take_line(const char *text, const char *key, char *out, size_t room)
{
    size_t n = 0;
    const char *value = find_line(text, key, &n);
    if (value)
        snprintf(out, room, "%.*s", (int)n, value);
}

static int has_word(const char *text, size_t bytes, const char *word)
{
    size_t n = strlen(word);
    for (size_t at = 0; at + n <= bytes; at++) {
        if (memcmp(text + at, word, n) == 0 && (at == 0 || text[at - 1] == ' ') &&
            (at + n == bytes || text[at + n] == ' '))
            return 1;
    }
    return 0;
}

static void take_features(const char *text, cpu_facts *out)
{
    size_t n = 0;
    const char *words = find_line(text, "flags", &n);
    if (!words)
        words = find_line(text, "Features", &n);
    for (size_t i = 0; words && i < sizeof instruction_sets / sizeof *instruction_sets; i++) {
        if (!has_word(words, n, instruction_sets[i].name))
            continue;
        out->isa |= instruction_sets[i].isa;
        out->features[out->n_features++] = instruction_sets[i].name;
    }
}

static void take_caches(cpu_facts *out)
{
    for (int index = 0; index < 8; index++) {
        char path[96];
        char text[32];
        const char *const parts[] = {"level", "type", "size"};
        long level = 0;
        for (int part = 0; part < 3; part++) {
            snprintf(path, sizeof path, "/sys/devices/system/cpu/cpu0/cache/index%d/%s", index, parts[part]);
            read_file(path, text, sizeof text);
            if (part == 0)
                level = strtol(text, NULL, 10);
            if (part == 1 && text[0] == 'I') // instructions
                level = 0;
        }
        char *unit = text;
        unsigned long long size = strtoull(text, &unit, 10);
        if (level >= 1 && level <= 3)
            out->cache_bytes[level - 1] = *unit == 'M' ? size << 20 : *unit == 'K' ? size << 10 : size;
    }
}

void cpu_read_machine(cpu_facts *out)
{
    char text[8192]; // the first processor's part, and a little more
    memset(out, 0, sizeof *out);
    read_file("/proc/cpuinfo", text, sizeof text);
    snprintf(out->name, sizeof out->name, "CPU");
    take_line(text, "model name", out->name, sizeof out->name);
    take_line(text, "vendor_id", out->vendor, sizeof out->vendor);
    char clock[32] = "";
    take_line(text, "cpu MHz", clock, sizeof clock);
    out->clock_mhz = (uint32_t)strtoul(clock, NULL, 10);
    take_features(text, out);
    take_caches(out);
    long pages = sysconf(_SC_PHYS_PAGES);
    long page = sysconf(_SC_PAGESIZE);
    out->memory[CPU_MEMORY_OWN] = (maru_abi_memory_kind){
        .flags = MARU_ABI_MEM_DEVICE_LOCAL | MARU_ABI_MEM_HOST_VISIBLE | MARU_ABI_MEM_HOST_CACHED |
                 MARU_ABI_MEM_IMPORT_HOST,
        .total_bytes = pages > 0 && page > 0 ? (uint64_t)pages * (uint64_t)page : 0,
        .alignment = 64,
    };
    out->memory[CPU_MEMORY_SHAREABLE] = out->memory[CPU_MEMORY_OWN];
    out->memory[CPU_MEMORY_SHAREABLE].flags =
        MARU_ABI_MEM_HOST_VISIBLE | MARU_ABI_MEM_HOST_CACHED | MARU_ABI_MEM_SHAREABLE | MARU_ABI_MEM_IMPORT_FD;
}

const cpu_facts *cpu_machine(maru_abi_plugin *plugin)
{
    if (!atomic_load_explicit(&plugin->has_facts, memory_order_acquire)) {
        pthread_mutex_lock(&plugin->mutex);
        if (!atomic_load(&plugin->has_facts)) {
            cpu_read_machine(&plugin->facts);
            atomic_store_explicit(&plugin->has_facts, 1, memory_order_release);
        }
        pthread_mutex_unlock(&plugin->mutex);
    }
    return &plugin->facts;
}
