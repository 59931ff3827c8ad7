// SPDX-FileCopyrightText: The Maru authors
// SPDX-License-Identifier: Apache-2.0
#define _DEFAULT_SOURCE

#include "kernels.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "base/pool.h"

static void fail(const char *what, const char *line)
{
    fprintf(stderr, "kernels: %s: %s\n", what, line);
    exit(1);
}

/* ---- memory ---- */

void room_init(room *r, size_t bytes)
{
    const size_t page = (size_t)sysconf(_SC_PAGESIZE);
    const size_t used = (bytes + page - 1) / page * page;
    r->bytes = used + page;
    r->pages = mmap(NULL, r->bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (r->pages == MAP_FAILED || mprotect((char *)r->pages + used, page, PROT_NONE) != 0)
        fail("no memory", "");
    r->data = (char *)r->pages + used - bytes;
}

void room_fini(room *r)
{
    if (r->pages)
        munmap(r->pages, r->bytes);
}

/* ---- from text ---- */

static uint32_t dtype_of(const char *name)
{
    for (uint32_t id = 1; id < 80; id++)
        if (strcmp(cpu_dtype_name(id), name) == 0)
            return id;
    return 0;
}

static void read_operand(cpu_tensor *t, room *r, const char *text)
{
    *t = (cpu_tensor){.dtype = MARU_ABI_F32, .count = 1};
    if (strcmp(text, "-") == 0) {
        t->dtype = 0;
        return;
    }
    for (const char *at = text; *at && *at != ':';) {
        char *end = NULL;
        const int64_t dim = strtoll(at, &end, 10);
        if (end == at) {  // "s": a scalar
            at++;
            continue;
        }
        t->dims[t->rank++] = dim;
        t->count *= dim;
        at = *end == 'x' ? end + 1 : end;
    }
    const char *colon = strchr(text, ':');
    if (colon)
        t->dtype = dtype_of(colon + 1);
    if (!t->dtype)
        fail("unknown dtype", text);
    room_init(r, cpu_tensor_bytes(t));
    t->data = r->data;
}

static void read_attr(one_call *c, const char *text)
{
    const uint32_t i = c->graph.attrs.count++;
    const char *equals = strchr(text, '=');
    attr_store *store = &c->stores[i];
    maru_abi_attr *attr = &c->attrs[i];
    snprintf(c->attr_names[i], sizeof c->attr_names[i], "%.*s", (int)(equals - text), text);
    *attr = (maru_abi_attr){.name = c->attr_names[i], .kind = MARU_ABI_ATTR_INT, .count = 1, .payload = store->ints};
    if (equals[1] == 'f') {
        store->number = atof(equals + 2);
        attr->kind = MARU_ABI_ATTR_FLOAT;
        attr->payload = &store->number;
    } else if (equals[1] == 's') {
        snprintf(store->text, sizeof store->text, "%s", equals + 2);
        *attr = (maru_abi_attr){attr->name, MARU_ABI_ATTR_STRING, (uint32_t)strlen(store->text), store->text};
    } else {
        uint32_t n = 0;
        for (const char *at = equals; *at && n < CPU_MAX_RANK; at = strpbrk(at + 1, ",") ? strpbrk(at + 1, ",") : "")
            store->ints[n++] = atoll(at + 1);
        attr->count = n;
        attr->kind = n > 1 || strchr(equals, '[') ? MARU_ABI_ATTR_INTS : MARU_ABI_ATTR_INT;
    }
}

void one_call_init(one_call *c, const char *line)
{
    char copy[512];
    memset(c, 0, sizeof *c);
    snprintf(copy, sizeof copy, "%s", line);
    char *save = NULL;
    int stage = 0;  // attributes, inputs, outputs
    const char *op = strtok_r(copy, " ", &save);
    snprintf(c->op, sizeof c->op, "%s", op);
    for (char *word = strtok_r(NULL, " ", &save); word; word = strtok_r(NULL, " ", &save)) {
        if (strcmp(word, ":") == 0)
            stage = 1;
        else if (strcmp(word, "->") == 0)
            stage = 2;
        else if (stage == 0)
            read_attr(c, word);
        else if (stage == 1)
            read_operand(&c->in[c->node.n_inputs], &c->in_room[c->node.n_inputs], word), c->node.n_inputs++;
        else
            read_operand(&c->out[c->node.n_outputs], &c->out_room[c->node.n_outputs], word), c->node.n_outputs++;
    }
    c->graph.attrs = (maru_abi_array){c->attrs, c->graph.attrs.count, sizeof *c->attrs};
    c->node.domain = strncmp(c->op, "Fused", 5) == 0 ? "maru" : "";
    c->node.op = c->op;
    c->node.n_attrs = c->graph.attrs.count;
    c->call = (cpu_call){
        .attrs = {&c->graph, &c->node},
        .in = c->in,
        .n_in = c->node.n_inputs,
        .out = c->out,
        .n_out = c->node.n_outputs,
    };
}

void one_call_fini(one_call *c)
{
    for (int i = 0; i < MAX_OPERANDS; i++) {
        room_fini(&c->in_room[i]);
        room_fini(&c->out_room[i]);
    }
}

static double uniform(uint64_t *state)
{
    *state = *state * 6364136223846793005ull + 1442695040888963407ull;
    return ((double)(*state >> 11) + 0.5) / 9007199254740992.0;
}

static int is_byte(uint32_t dtype)
{
    return dtype == MARU_ABI_U8 || dtype == MARU_ABI_I8;
}

void one_call_fill(one_call *c, uint64_t seed)
{
    for (uint32_t i = 0; i < c->node.n_inputs; i++) {
        for (int64_t k = 0; k < c->in[i].count && cpu_is_float(c->in[i].dtype); k++) {
            const double radius = sqrt(-2 * log(uniform(&seed)));
            cpu_store(&c->in[i], k, radius * cos(6.283185307179586 * uniform(&seed)));
        }
        for (int64_t k = 0; k < c->in[i].count && is_byte(c->in[i].dtype); k++)
            cpu_store_int(&c->in[i], k, (int64_t)(256 * uniform(&seed)));
    }
}

/* ---- a host ---- */

typedef struct test_host {
    maru_abi_host host;
    int n_threads;
    maru_pool *pool;
} test_host;

static void serial_for(void *ctx, int64_t count, int64_t grain, maru_abi_task_fn fn, void *task_ctx)
{
    const test_host *host = ctx;
    const int64_t pieces = count / (grain > 1 ? grain : 1) > 1 ? host->n_threads * 2 : 1;
    for (int64_t i = 0; i < pieces; i++) {
        const int64_t begin = i * count / pieces;
        const int64_t end = (i + 1) * count / pieces;
        if (begin < end)
            fn(task_ctx, begin, end, (int32_t)(i % host->n_threads));
    }
}

typedef struct bridge {
    maru_abi_task_fn fn;
    void *ctx;
} bridge;

static void cross(void *ctx, int64_t begin, int64_t end, int worker)
{
    const bridge *b = ctx;
    b->fn(b->ctx, begin, end, worker);
}

static void pool_for(void *ctx, int64_t count, int64_t grain, maru_abi_task_fn fn, void *task_ctx)
{
    const test_host *host = ctx;
    bridge b = {fn, task_ctx};
    maru_pool_parallel_for(host->pool, count, grain, cross, &b);
}

static uint32_t host_threads(void *ctx)
{
    return (uint32_t)((const test_host *)ctx)->n_threads;
}

static void *host_alloc(void *ctx, uint64_t bytes, uint64_t alignment)
{
    (void)ctx;
    return aligned_alloc(alignment, (bytes + alignment - 1) / alignment * alignment);
}

static void host_free(void *ctx, void *memory)
{
    (void)ctx;
    free(memory);
}

/* Negative: so many workers, one after the other. */
const maru_abi_host *kernel_host(int n_threads)
{
    static test_host hosts[2];
    test_host *host = &hosts[n_threads > 0];
    maru_pool_destroy(&host->pool);
    host->host.ctx = host;
    host->host.parallel_for = n_threads < 0 ? serial_for : pool_for;
    host->host.thread_count = host_threads;
    host->host.alloc = host_alloc;
    host->host.free = host_free;
    host->n_threads = abs(n_threads);
    if (n_threads > 0 && maru_pool_create(n_threads, &host->pool) != MARU_OK)
        fail("no pool", "");
    return &host->host;
}

uint32_t kernel_isa(void)
{
    static cpu_facts facts;
    const char *mask = getenv("MARU_CPU_MASK");
    if (!facts.name[0])
        cpu_read_machine(&facts);
    return facts.isa & (mask && *mask ? (uint32_t)strtoul(mask, NULL, 0) : UINT32_MAX);
}

static const maru_abi_host *host_of(int n_threads)
{
    static const maru_abi_host *hosts[2];
    static int made[2];
    const int which = n_threads > 0;
    if (!hosts[which] || made[which] != n_threads) {
        hosts[which] = kernel_host(n_threads);
        made[which] = n_threads;
    }
    return hosts[which];
}

/* Holds anything but zeros when it grows. */
static char *scratch_of(uint64_t bytes)
{
    static char *scratch;
    static size_t room_bytes;
    if (bytes > room_bytes) {
        free(scratch);
        room_bytes = (bytes + 63) / 64 * 64;
        scratch = aligned_alloc(64, room_bytes);
        if (!scratch)
            fail("no memory", "scratch");
        memset(scratch, 0xff, room_bytes);
    }
    return scratch;
}

cpu_team prepare_kernel(const cpu_kernel *kernel, const cpu_call *call, const cpu_tail *tail, int n_threads)
{
    const maru_abi_host *host = host_of(n_threads);
    uint64_t bytes = kernel->scratch ? kernel->scratch(call, (uint32_t)abs(n_threads)) : 0;
    void *prepared = kernel->prepare ? kernel->prepare(call, host, &bytes) : NULL;
    if (kernel->prepare && !prepared)
        fail("nothing was prepared", kernel->name);
    return (cpu_team){host, kernel_isa(), scratch_of(bytes), prepared, tail};
}

void release_kernel(const cpu_kernel *kernel, const cpu_team *team)
{
    if (kernel->release)
        kernel->release(team->host, team->prepared);
}

maru_abi_status run_kernel(const cpu_kernel *kernel, cpu_call *call, const cpu_tail *tail, int n_threads)
{
    const cpu_team team = prepare_kernel(kernel, call, tail, n_threads);
    const maru_abi_status status = kernel->fn(call, &team);
    release_kernel(kernel, &team);
    return status;
}

/* ---- comparing ---- */

int find_tolerance(const char *op, const char *dtype, double *relative, double *share)
{
    const char *root = getenv("MARU_SOURCE_ROOT");
    char line[512];
    snprintf(line, sizeof line, "%s/docs/numerics.md", root ? root : ".");
    FILE *file = fopen(line, "r");
    int found = 0;
    while (file && !found && fgets(line, sizeof line, file)) {
        char name[64] = "";
        char of[32];
        found = sscanf(line, "| %63[^|] | %31s | %lf | %lf |", name, of, relative, share) == 4;
        for (size_t n = strlen(name); found && n && name[n - 1] == ' ';)
            name[--n] = '\0';
        found = found && strcmp(name, op) == 0 && (strcmp(of, dtype) == 0 || strcmp(of, "any") == 0);
    }
    if (file)
        fclose(file);
    return found;
}

double compare(const cpu_tensor *got, const cpu_tensor *want, double relative, double share)
{
    double most = 0;
    double worst = 0;
    for (int64_t i = 0; i < want->count; i++) {
        const double r = fabs(cpu_load(want, i));
        most = isfinite(r) && r > most ? r : most;
    }
    most = is_byte(want->dtype) ? 1 : most;
    for (int64_t i = 0; i < want->count; i++) {
        const double y = cpu_load(got, i);
        const double r = cpu_load(want, i);
        if (y == r || (isnan(y) && isnan(r)))
            continue;
        const double denormal = cpu_is_float(want->dtype) ? 3e-45 : 0;
        const double allowed = relative * fabs(r) + share * most + (relative > 0 ? denormal : 0);
        const double d = fabs(y - r);
        const double ratio = isfinite(y) && isfinite(r) && allowed > 0 ? d / allowed : INFINITY;
        if (ratio > worst && ratio > 1)
            fprintf(stderr, "  [%lld] is %.9g, the reference has %.9g\n", (long long)i, y, r);
        worst = ratio > worst ? ratio : worst;
    }
    return worst;
}
