// SPDX-FileCopyrightText: The Maru authors
// SPDX-License-Identifier: Apache-2.0
#include "device/probe.h"

#include "base/fail.h"
#include "base/hash.h"
#include "base/log.h"
#include "base/str.h"
#include "device/info.h"

#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define ANSWER "maru-probe 1"
#define DEFAULT_TIMEOUT_MS 20000
#define MAX_ANSWER 4096
#define MAX_RECORD 4096

/* ---- the child's side --------------------------------------------------------- */

static maru_status enumerate(const maru_plugin *plugin)
{
    uint32_t count = 0;
    char why[512];
    MARU_TRY(maru_plugin_device_count(plugin, &count, why, sizeof why));
    maru_arena arena = {0};
    maru_status status = MARU_OK;
    for (uint32_t i = 0; i < count && status == MARU_OK; i++) {
        maru_abi_device_info info;
        status = maru_device_info_get(plugin, i, &arena, &info);
    }
    maru_arena_fini(&arena);
    return status;
}

static maru_status try_plugin(maru_plugin_file *file)
{
    maru_pool *pool = NULL;
    maru_plugin *plugin = NULL;
    maru_status status = maru_pool_create(1, &pool);
    if (status != MARU_OK) {
        maru_plugin_file_close(file);
        return status;
    }
    maru_host_services services = {.pool = pool, .allocator = &maru_malloc_allocator, .cache_dir = ""};
    maru_plugin_params params = {.services = &services};
    status = maru_plugin_start(file, &params, &plugin);
    if (status == MARU_OK) {
        status = enumerate(plugin);
        maru_status unloaded = maru_plugin_unload(&plugin);
        status = status == MARU_OK ? unloaded : status;
    }
    if (status != MARU_ABORTED)
        maru_pool_destroy(&pool);
    return status;
}

/*
 * An orderly refusal is no fault: the parent will meet it too, with its own
 * eyes. What counts is to come to the end, and a silent stdout.
 */
int maru_probe_main(const char *path)
{
    maru_os_divert divert;
    maru_plugin_file file;
    char text[64];
    if (maru_os_divert_stdout(&divert) != MARU_OK || maru_plugin_file_open(path, &file) != MARU_OK)
        return EXIT_FAILURE;
    maru_os_file_id id = file.id;
    (void)try_plugin(&file);
    size_t written = maru_os_divert_read(&divert, text, sizeof text);
    for (char *c = text; *c; c++)
        *c = (unsigned char)*c < 0x20 ? ' ' : *c;
    maru_str answer = {0};
    maru_str_printf(&answer, ANSWER " %" PRIu64 " %" PRIu64 " %" PRIu64 " %" PRId64 "\n", id.device, id.inode,
                    id.bytes, id.mtime_ns);
    if (written > 0)
        maru_str_printf(&answer, "it wrote %zu bytes to stdout: '%s'\n", written, text);
    maru_status status = maru_str_check(&answer);
    if (status == MARU_OK)
        status = maru_os_divert_write(&divert, maru_str_get(&answer), answer.length);
    maru_str_fini(&answer);
    return status == MARU_OK ? EXIT_SUCCESS : EXIT_FAILURE;
}

/* ---- records: what is known of a file ------------------------------------------- */

typedef struct {
    maru_os_file_id id;
    char sha256[65];
    char fault[512]; // "" is a good verdict
} verdict;

static char *record_path(const char *cache_dir, const char *prefix, const char *hex)
{
    maru_str path = {0};
    maru_str_printf(&path, "%s/probe/%s%s", cache_dir, prefix, hex);
    return maru_str_take(&path);
}

static char *path_record(const char *cache_dir, const char *path)
{
    maru_sha256 sha;
    uint8_t digest[32];
    char hex[65];
    maru_sha256_init(&sha);
    maru_sha256_update(&sha, path, strlen(path));
    maru_sha256_final(&sha, digest);
    maru_sha256_hex(digest, hex);
    return record_path(cache_dir, "path-", hex);
}

static bool parse_record(const char *text, verdict *out)
{
    uint64_t hash = 0;
    int end = 0;
    if (sscanf(text, ANSWER " %" SCNx64 "\n%" SCNu64 " %" SCNu64 " %" SCNu64 " %" SCNd64 "\n%64[0-9a-f]\n%n", &hash,
               &out->id.device, &out->id.inode, &out->id.bytes, &out->id.mtime_ns, out->sha256, &end) != 6 ||
        end == 0 || hash != MARU_ABI_HASH || strlen(out->sha256) != 64)
        return false;
    snprintf(out->fault, sizeof out->fault, "%s", text + end);
    return true;
}

static bool read_record(char *path, verdict *out)
{
    char *text = NULL;
    size_t bytes = 0;
    bool ok = path && maru_os_is_file(path) && maru_os_read_file(path, MAX_RECORD, &text, &bytes) == MARU_OK &&
              parse_record(text, out);
    free(text);
    free(path);
    return ok;
}

static maru_status write_record(char *path, const verdict *v)
{
    maru_str text = {0};
    maru_str_printf(&text, ANSWER " %016" PRIx64 "\n%" PRIu64 " %" PRIu64 " %" PRIu64 " %" PRId64 "\n%s\n%s",
                    (uint64_t)MARU_ABI_HASH, v->id.device, v->id.inode, v->id.bytes, v->id.mtime_ns, v->sha256,
                    v->fault);
    maru_status status = path ? maru_str_check(&text) : maru_fail_oom("a probe record");
    if (status == MARU_OK)
        status = maru_os_write_file(path, maru_str_get(&text), text.length);
    maru_str_fini(&text);
    free(path);
    return status;
}

/* A cache that cannot be written costs time, not correctness. */
static void keep(const maru_probe_params *params, const maru_plugin_file *file, const verdict *v, bool by_content)
{
    char *dir = maru_os_join(params->cache_dir, "probe");
    maru_status status = dir ? maru_os_make_dirs(dir) : MARU_RESOURCE_EXHAUSTED;
    free(dir);
    if (status == MARU_OK && by_content)
        status = write_record(record_path(params->cache_dir, "", v->sha256), v);
    if (status == MARU_OK)
        status = write_record(path_record(params->cache_dir, file->path), v);
    if (status != MARU_OK)
        maru_log(MARU_LOG_INFO, "probe: the verdict on %s is not kept: %s", file->path, maru_error_message());
}

/* ---- the parent's side ------------------------------------------------------------- */

static const char *signal_name(int number)
{
    switch (number) {
    case SIGSEGV: return "SIGSEGV";
    case SIGABRT: return "SIGABRT";
    case SIGILL: return "SIGILL";
    case SIGFPE: return "SIGFPE";
    case SIGTERM: return "SIGTERM";
    default: return "a signal";
    }
}

static maru_status judge(const maru_plugin_file *file, const maru_os_child_result *child, int timeout_ms,
                         char *fault, size_t room)
{
    maru_os_file_id id = {0};
    int end = 0;
    if (child->timed_out) {
        snprintf(fault, room, "it hangs: no answer within %g s", timeout_ms / 1000.0);
        return MARU_OK;
    }
    if (!child->exited) {
        snprintf(fault, room, "it crashes: killed by %s (%d)", signal_name(child->signal), child->signal);
        return MARU_OK;
    }
    bool answered = sscanf(child->out, ANSWER " %" SCNu64 " %" SCNu64 " %" SCNu64 " %" SCNd64 "\n%n", &id.device,
                           &id.inode, &id.bytes, &id.mtime_ns, &end) == 4 && end > 0;
    if (!answered || child->exit_code != 0) {
        snprintf(fault, room, "it ends the process, with exit code %d", child->exit_code);
        return MARU_OK;
    }
    if (!maru_os_file_id_equal(&id, &file->id))
        return maru_fail(MARU_ABORTED, "%s: the file was replaced while it was being tried", file->path);
    size_t n = strcspn(child->out + end, "\n");
    snprintf(fault, room, "%.*s", (int)(n < room ? n : room - 1), child->out + end);
    return MARU_OK;
}

static maru_status run_trial(const maru_plugin_file *file, const maru_probe_params *params, char *fault, size_t room)
{
    const char *argv[] = {params->helper, file->path, NULL};
    int timeout_ms = params->timeout_ms > 0 ? params->timeout_ms : DEFAULT_TIMEOUT_MS;
    maru_os_child_result child;
    fault[0] = '\0';
    MARU_TRY(maru_os_run_child(argv, timeout_ms, MAX_ANSWER, false, &child));
    maru_status status = judge(file, &child, timeout_ms, fault, room);
    free(child.out);
    return status;
}

static maru_status say(const maru_plugin_file *file, const maru_probe_params *params, const verdict *v)
{
    if (!*v->fault)
        return MARU_OK;
    char *record = *params->cache_dir ? record_path(params->cache_dir, "", v->sha256) : NULL;
    maru_status status = maru_fail(MARU_FAILED_PRECONDITION, "%s: quarantined: loaded in a child process, %s%s%s",
                                   file->path, v->fault, record ? "; to try it again, run maru probe, or delete " : "",
                                   record ? record : "");
    free(record);
    return status;
}

maru_status maru_probe_file(const maru_plugin_file *file, const maru_probe_params *params)
{
    verdict v = {0};
    bool keeps = *params->cache_dir != '\0';
    bool trusts = keeps && !params->ignores_cache;
    /* The short cut is for good files: a quarantine is lifted by deleting the one record of the content. */
    if (trusts && read_record(path_record(params->cache_dir, file->path), &v) && !*v.fault &&
        maru_os_file_id_equal(&v.id, &file->id))
        return MARU_OK;
    uint8_t digest[32];
    maru_plugin_file_hash(file, digest);
    char hex[65];
    maru_sha256_hex(digest, hex);
    bool known = trusts && read_record(record_path(params->cache_dir, "", hex), &v) && strcmp(v.sha256, hex) == 0;
    if (!known) {
        v = (verdict){0};
        memcpy(v.sha256, hex, sizeof hex);
        MARU_TRY(run_trial(file, params, v.fault, sizeof v.fault));
    }
    v.id = file->id;
    if (keeps)
        keep(params, file, &v, !known);
    return say(file, params, &v);
}
