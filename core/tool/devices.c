// SPDX-FileCopyrightText: The Maru authors
// SPDX-License-Identifier: Apache-2.0
#include <stdio.h>

#include "tool/show.h"
#include "tool/tool.h"

static const option options[] = {{0}};

static void print_features(const maru_device_info *d)
{
    for (size_t i = 0; i < d->n_features; i++)
        printf("%s%s", i ? " " : "", d->features[i]);
}

static void print_verbose(const maru_device_info *d)
{
    char a[32], b[32];
    print_tinted(stdout, TINT_GREEN, d->id);
    printf("  %s\n", d->name);
    printf("    kind        %s, %u units, %u MHz\n", d->kind, d->compute_units, d->clock_mhz);
    printf("    memory      %s, largest allocation %s\n", show_bytes(d->memory_bytes, a, sizeof a),
           d->largest_alloc ? show_bytes(d->largest_alloc, b, sizeof b) : "no limit");
    printf("    caches      %s", show_bytes(d->cache_bytes[0], a, sizeof a));
    printf(", %s", show_bytes(d->cache_bytes[1], a, sizeof a));
    printf(", %s\n", show_bytes(d->cache_bytes[2], a, sizeof a));
    printf("    driver      %s %s\n", d->vendor, d->driver);
    printf("    plugin      %s %s, tier %s, %s\n", d->plugin, d->plugin_version, d->tiers, d->plugin_path);
    fputs("    features    ", stdout);
    print_features(d);
    fputc('\n', stdout);
}

static void print_json(const maru_device_info *d, bool is_first)
{
    const struct {
        const char *key;
        const char *text;
    } texts[] = {{"id", d->id},           {"name", d->name},     {"kind", d->kind},   {"vendor", d->vendor},
                 {"driver", d->driver},   {"plugin", d->plugin}, {"tiers", d->tiers}, {"plugin_version",
                     d->plugin_version},
                 {"path", d->plugin_path}};
    fputs(is_first ? "\n    {" : ",\n    {", stdout);
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) {
        printf("%s\"%s\": ", i ? ", " : "", texts[i].key);
        print_json_string(stdout, texts[i].text);
    }
    printf(", \"compute_units\": %u, \"memory_bytes\": %llu, \"features\": [", d->compute_units,
           (unsigned long long)d->memory_bytes);
    for (size_t i = 0; i < d->n_features; i++) {
        fputs(i ? ", " : "", stdout);
        print_json_string(stdout, d->features[i]);
    }
    fputs("]}", stdout);
}

static void print_refusals(maru_runtime *runtime, bool as_json)
{
    const char *path = NULL;
    const char *why = NULL;
    for (size_t i = 0; (why = maru_runtime_refusal(runtime, i, &path)) != NULL; i++) {
        if (as_json) {
            fputs(i ? ",\n    {\"path\": " : "\n    {\"path\": ", stdout);
            print_json_string(stdout, path);
            fputs(", \"why\": ", stdout);
            print_json_string(stdout, why);
            fputs("}", stdout);
            continue;
        }
        print_tinted(stdout, TINT_YELLOW, "no device");
        print_refusal(stdout, "  ", path, why);
    }
}

static maru_status print_devices(const parsed *args, maru_runtime *runtime)
{
    static const char *const headings[] = {"device", "name", "kind", "units", "memory", "plugin"};
    const bool as_json = has_flag(args, "json");
    const bool verbose = has_flag(args, "verbose");
    size_t n = 0;
    maru_status status = maru_runtime_device_count(runtime, &n);
    table *t = table_create(headings, 6);
    table_tint(t, 0, TINT_GREEN);
    fputs(as_json ? "{\"devices\": [" : "", stdout);
    for (size_t i = 0; status == MARU_OK && i < n; i++) {
        maru_device_info d;
        char units[24], memory[32], plugin[64];
        status = maru_runtime_device_info(runtime, i, &d);
        if (status != MARU_OK)
            break;
        snprintf(units, sizeof units, "%u", d.compute_units);
        snprintf(plugin, sizeof plugin, "%s %s", d.plugin, d.plugin_version);
        const char *cells[] = {d.id, d.name, d.kind, units, show_bytes(d.memory_bytes, memory, sizeof memory), plugin};
        if (as_json)
            print_json(&d, i == 0);
        else if (verbose)
            print_verbose(&d);
        else
            table_row(t, cells);
    }
    if (!as_json && !verbose && n)
        table_print(t, stdout);
    table_destroy(&t);
    fputs(as_json ? "\n  ],\n  \"refused\": [" : "", stdout);
    if (as_json || verbose || (n == 0 && !get_word(args, 0)))
        print_refusals(runtime, as_json);
    fputs(as_json ? "\n  ]}\n" : "", stdout);
    return status;
}

static int run_devices(const parsed *args)
{
    maru_runtime *runtime = NULL;
    maru_status status = open_runtime(args, &runtime);
    if (status == MARU_OK)
        status = print_devices(args, runtime);
    const int code = status == MARU_OK ? EXIT_OK : report_failure(status);
    maru_runtime_destroy(&runtime);
    return code;
}

const command command_devices = {
    .name = "devices",
    .usage = "devices [-v] [--json]",
    .summary = "list the devices and, with -v, what each can do and what was refused",
    .details = "    maru devices\n    maru devices -v --plugins ./mychip.so",
    .has_host = true,
    .options = options,
    .run = run_devices,
};

/* ---- probe ---- */

static int report_refusals(maru_runtime *runtime, const char *name)
{
    const char *path = NULL;
    const char *why = maru_runtime_refusal(runtime, 0, &path);
    if (!why)
        fprintf(stderr, "maru: %s holds no backend\n", name);
    for (size_t i = 0; (why = maru_runtime_refusal(runtime, i, &path)) != NULL; i++)
        print_refusal(stderr, "maru: no device: ", path, why);
    return EXIT_DEVICE;
}

static int run_probe(const parsed *args)
{
    maru_runtime *runtime = NULL;
    const maru_runtime_params params = {
        .plugin_path = get_word(args, 0) ? get_word(args, 0) : get_option(args, "plugins", NULL),
        .probe_again = 1,
    };
    maru_status status = maru_runtime_create(&params, &runtime);
    size_t n = 0;
    if (status == MARU_OK)
        status = maru_runtime_device_count(runtime, &n);
    if (status == MARU_OK)
        status = print_devices(args, runtime);
    int code = status == MARU_OK ? EXIT_OK : report_failure(status);
    // A file that was named must give a device.
    if (status == MARU_OK && get_word(args, 0) && n == 0)
        code = report_refusals(runtime, get_word(args, 0));
    maru_runtime_destroy(&runtime);
    return code;
}

const command command_probe = {
    .name = "probe",
    .usage = "probe [FILE|FOLDER]",
    .summary = "try backends in a process of their own, and say what each gives or why not",
    .details = "A backend that crashes, hangs or writes to stdout while it loads is quarantined: the sentence "
    "says how to\n"
               "lift that. Without a name, every installed backend is tried.\n"
               "\n"
               "    maru probe ./mychip.so",
    .n_words = 1,
    .has_host = true,
    .options = options,
    .run = run_probe,
};
