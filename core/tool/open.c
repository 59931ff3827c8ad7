// SPDX-FileCopyrightText: The Maru authors
// SPDX-License-Identifier: Apache-2.0
#include <errno.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tool/show.h"
#include "tool/tool.h"

const option host_options[] = {
    {"threads", 't', "N", "threads of the CPU (default: one per core)"},
    {"plugins", 0, "PATH", "backends to load, files or folders separated by ':'"},
    {"verbose", 'v', NULL, "say more"},
    {"json", 0, NULL, "print JSON"},
    {0},
};

const option compute_options[] = {
    {"device", 'd', "PATTERN", "devices to run on: cpu, npu:0, a,b (default cpu)"},
    {"device-option", 0, "KEY=VALUE", "an option for the asked devices; may be repeated"},
    {"placement", 0, "POLICY", "strict: fail if a node leaves them; warn (default); free"},
    {"threads", 't', "N", "threads of the CPU (default: one per core)"},
    {"numerics", 0, "LEVEL", "exact, default, or fast (bf16 and TF32 products)"},
    {"weights", 'w', "PATH", "weights: a .safetensors file or a folder"},
    {"config", 0, "FILE", "configuration (default: config.json beside the weights)"},
    {"set", 's', "KEY=VALUE", "an option of the model script; may be repeated"},
    {"bind", 'b', "SYMBOL=N", "the value of a symbolic dim; may be repeated"},
    {"plugins", 0, "PATH", "backends to load, files or folders separated by ':'"},
    {"no-fuse", 0, NULL, "leave idioms of primitives as they are"},
    {"verbose", 'v', NULL, "say more"},
    {"json", 0, NULL, "print JSON"},
    {0},
};

int report_failure(maru_status status)
{
    clear_progress();
    fputs("maru: ", stderr);
    print_tinted(stderr, TINT_RED, "error: ");
    const char *message = maru_error_message();
    fprintf(stderr, "%s\n", *message ? message : status == MARU_RESOURCE_EXHAUSTED ? "out of memory" : "failed");
    switch (status) {
    case MARU_OK: return EXIT_OK;
    case MARU_INVALID_ARGUMENT:
    case MARU_NOT_FOUND:
    case MARU_ALREADY_EXISTS:
    case MARU_FAILED_PRECONDITION:
    case MARU_OUT_OF_RANGE:
    case MARU_PERMISSION_DENIED:
    case MARU_DATA_LOSS: return EXIT_INPUT;
    case MARU_UNAVAILABLE:
    case MARU_DEVICE_LOST:
    case MARU_TIMED_OUT:
    case MARU_NEEDS_RECOMPILE:
    case MARU_STATE_LOST: return EXIT_DEVICE;
    case MARU_UNSUPPORTED: return EXIT_UNSUPPORTED;
    case MARU_RESOURCE_EXHAUSTED: return EXIT_MEMORY;
    case MARU_CANCELLED: return EXIT_STOPPED;
    case MARU_UNKNOWN:
    case MARU_DEADLINE_EXCEEDED:
    case MARU_ABORTED:
    case MARU_INTERNAL:
    case MARU_UNAUTHENTICATED: break;
    }
    return EXIT_FAILED;
}

/* ---- runtime ---- */

maru_status open_runtime(const parsed *args, maru_runtime **out_runtime)
{
    long long threads = 0;
    if (!get_number(args, "threads", 0, 1, &threads))
        exit(EXIT_USAGE);
    maru_log_set_level(has_flag(args, "verbose") ? MARU_LOG_INFO : MARU_LOG_WARN);
    const maru_runtime_params params = {
        .n_threads = (int)threads,
        .plugin_path = get_option(args, "plugins", NULL),
    };
    return maru_runtime_create(&params, out_runtime);
}

void print_refusal(FILE *to, const char *before, const char *path, const char *why)
{
    const char *slash = strrchr(path, '/');
    const bool is_named = strstr(why, slash ? slash + 1 : path) != NULL;
    fprintf(to, "%s%s%s%s\n", before, is_named ? "" : path, is_named ? "" : ": ", why);
}

maru_status check_devices(const parsed *args, maru_runtime *runtime)
{
    size_t index = 0;
    size_t n = 0;
    const char *path = NULL;
    const char *why = NULL;
    maru_status status = maru_runtime_find_devices(runtime, get_option(args, "device", "cpu"), &index, 1, &n);
    if (status != MARU_NOT_FOUND)
        return status;
    for (size_t i = 0; (why = maru_runtime_refusal(runtime, i, &path)) != NULL; i++)
        print_refusal(stderr, "maru: no device: ", path, why);
    return MARU_UNAVAILABLE;
}

/* ---- scripts ---- */

/* The value of one of a few words; the command ends where it is none of them. */
static int choose(const parsed *args, const char *name, const char *const *words, int fallback)
{
    const char *text = get_option(args, name, NULL);
    if (!text)
        return fallback;
    for (int i = 0; words[i]; i++)
        if (strcmp(words[i], text) == 0)
            return i;
    fprintf(stderr, "maru: --%s %s: one of", name, text);
    for (int i = 0; words[i]; i++)
        fprintf(stderr, "%s %s", i ? "," : "", words[i]);
    fputs(" is needed\n", stderr);
    exit(EXIT_USAGE);
}

/* All values of a repeated option, each ended by `end`. */
static maru_status join(const parsed *args, const char *name, char end, char **out_text)
{
    size_t bytes = 1;
    *out_text = NULL;
    for (size_t i = 0; get_nth(args, name, i); i++)
        bytes += strlen(get_nth(args, name, i)) + 1;
    if (bytes == 1)
        return MARU_OK;
    char *to = malloc(bytes);
    if (!to)
        return MARU_RESOURCE_EXHAUSTED;
    *out_text = to;
    for (size_t i = 0; get_nth(args, name, i); i++) {
        const size_t n = strlen(get_nth(args, name, i));
        memcpy(to, get_nth(args, name, i), n);
        to += n;
        *to++ = end;
    }
    *to = 0;
    return MARU_OK;
}

bool get_binding(const parsed *args, const char *symbol, int64_t *out_value)
{
    const size_t n = strlen(symbol);
    for (size_t i = 0; get_nth(args, "bind", i); i++) {
        const char *word = get_nth(args, "bind", i);
        if (strncmp(word, symbol, n) != 0 || word[n] != '=')
            continue;
        char *end = NULL;
        errno = 0;
        *out_value = strtoll(word + n + 1, &end, 10);
        if (errno == 0 && end != word + n + 1 && *end == 0 && *out_value >= 0)
            return true;
        fprintf(stderr, "maru: --bind %s: SYMBOL=N is needed, N a whole number of at least 0\n", word);
        exit(EXIT_USAGE);
    }
    return false;
}

maru_status join_bindings(const parsed *args, char **out_text)
{
    return join(args, "bind", ' ', out_text);
}

maru_status join_device_options(const parsed *args, char **out_text)
{
    return join(args, "device-option", '\n', out_text);
}

static void print_text(void *ctx, const char *text, size_t bytes)
{
    opened *o = ctx;
    FILE *to = o->to_stderr ? stderr : stdout;
    clear_progress();
    fwrite(text, 1, bytes, to);
    fflush(to);
    o->has_streamed = true;
}

/* "key=value" words of --set, split in place in `room`. */
static size_t read_settings(const parsed *args, maru_script_setting *settings, size_t max, char **room)
{
    size_t n = 0;
    if (get_nth(args, "set", max)) {
        fprintf(stderr, "maru: --set %s: that is more than %zu of them\n", get_nth(args, "set", max), max);
        exit(EXIT_USAGE);
    }
    for (; get_nth(args, "set", n); n++) {
        const char *word = get_nth(args, "set", n);
        const size_t bytes = strlen(word) + 1;
        room[n] = malloc(bytes);
        if (!room[n])
            break;
        memcpy(room[n], word, bytes);
        char *equals = strchr(room[n], '=');
        if (!equals) {
            fprintf(stderr, "maru: --set %s: KEY=VALUE is needed\n", word);
            exit(EXIT_USAGE);
        }
        *equals = 0;
        settings[n] = (maru_script_setting){room[n], equals + 1};
    }
    return n;
}

maru_model_params get_model_params(const parsed *args)
{
    static const char *const placements[] = {"warn", "strict", "free", NULL};
    static const char *const levels[] = {"default", "exact", "fast", NULL};
    return (maru_model_params){
        .devices = get_option(args, "device", NULL),
        .placement = (maru_placement)choose(args, "placement", placements, MARU_PLACE_WARN),
        .numerics = (maru_numerics)choose(args, "numerics", levels, MARU_NUMERICS_DEFAULT),
        .progress = show_progress,
        .no_fuse = has_flag(args, "no-fuse"),
    };
}

maru_status open_script(const parsed *args, opened *out)
{
    enum { MAX_SETTINGS = 64 };
    maru_script_setting settings[MAX_SETTINGS];
    char *room[MAX_SETTINGS] = {0};
    *out = (opened){.to_stderr = has_flag(args, "json"), .known = out->known, .n_known = out->n_known};
    const char *path = get_word(args, 0);
    if (!path) {
        fputs("maru: which model? A .lua script, an .onnx model or a .maru graph is needed\n", stderr);
        exit(EXIT_USAGE);
    }
    char *device_options = NULL;
    maru_status status = join_device_options(args, &device_options);
    maru_script_params params = {
        .weights = get_option(args, "weights", NULL),
        .config = get_option(args, "config", NULL),
        .settings = settings,
        .n_settings = read_settings(args, settings, MAX_SETTINGS, room),
        .part = get_option(args, "part", NULL),
        .model = get_model_params(args),
        .print = print_text,
        .print_ctx = out,
        .known = out->known,
        .n_known = out->n_known,
    };
    params.model.device_options = device_options;
    if (status == MARU_OK)
        status = open_runtime(args, &out->runtime);
    if (status == MARU_OK)
        status = check_devices(args, out->runtime);
    if (status == MARU_OK)
        status = maru_script_load(out->runtime, path, &params, &out->script);
    for (size_t i = 0; i < MAX_SETTINGS; i++)
        free(room[i]);
    free(device_options);
    return status;
}

void close_script(opened *o)
{
    maru_script_destroy(&o->script);
    maru_runtime_destroy(&o->runtime);
}

bool ends_with(const char *text, const char *end)
{
    const size_t n = strlen(text);
    return n >= strlen(end) && strcmp(text + n - strlen(end), end) == 0;
}

bool is_onnx_model(const parsed *args)
{
    const char *path = get_word(args, 0);
    return path && ends_with(path, ".onnx");
}

long long clock_ns(void)
{
    return maru_now_ns();
}
