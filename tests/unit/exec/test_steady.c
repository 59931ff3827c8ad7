// SPDX-FileCopyrightText: The Maru authors
// SPDX-License-Identifier: Apache-2.0

/*
 * A steady run of core and CPU backend allocates nothing and makes no futex
 * call. The program's own malloc and syscall stand before libc's, for the
 * plugin too; a sanitizer has its own, so its builds skip.
 */

#include "unit.h"

#include <maru/session.h>

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define HAS_OWN_MALLOC 0
#elif defined(__has_feature)
#if __has_feature(address_sanitizer) || __has_feature(thread_sanitizer)
#define HAS_OWN_MALLOC 0
#endif
#endif
#ifndef HAS_OWN_MALLOC
#define HAS_OWN_MALLOC 1
#endif

#if HAS_OWN_MALLOC

#include <stdatomic.h>
#include <sys/syscall.h>

extern void *__libc_malloc(size_t bytes);
extern void *__libc_calloc(size_t n, size_t bytes);
extern void *__libc_realloc(void *memory, size_t bytes);
extern void *__libc_memalign(size_t align, size_t bytes);

static atomic_long n_mallocs;
static atomic_long n_futexes;

void *malloc(size_t bytes)
{
    atomic_fetch_add(&n_mallocs, 1);
    return __libc_malloc(bytes);
}

void *calloc(size_t n, size_t bytes)
{
    atomic_fetch_add(&n_mallocs, 1);
    return __libc_calloc(n, bytes);
}

void *realloc(void *memory, size_t bytes)
{
    atomic_fetch_add(&n_mallocs, 1);
    return __libc_realloc(memory, bytes);
}

void *aligned_alloc(size_t align, size_t bytes)
{
    atomic_fetch_add(&n_mallocs, 1);
    return __libc_memalign(align, bytes);
}

long syscall(long number, ...);  // unistd.h declares it for GNU sources only

long syscall(long number, ...)
{
    long a[6];
    va_list args;
    va_start(args, number);
    for (int i = 0; i < 6; i++)
        a[i] = va_arg(args, long);
    va_end(args);
    if (number == SYS_futex)
        atomic_fetch_add(&n_futexes, 1);
    long result;
#if defined(__x86_64__)
    register long r10 __asm__("r10") = a[3];
    register long r8 __asm__("r8") = a[4];
    register long r9 __asm__("r9") = a[5];
    __asm__ volatile("syscall"
                     : "=a"(result)
                     : "a"(number), "D"(a[0]), "S"(a[1]), "d"(a[2]), "r"(r10), "r"(r8), "r"(r9)
                     : "rcx", "r11", "memory");
#elif defined(__aarch64__)
    register long x8 __asm__("x8") = number;
    register long x0 __asm__("x0") = a[0];
    register long x1 __asm__("x1") = a[1];
    register long x2 __asm__("x2") = a[2];
    register long x3 __asm__("x3") = a[3];
    register long x4 __asm__("x4") = a[4];
    register long x5 __asm__("x5") = a[5];
    __asm__ volatile("svc 0"
                     : "+r"(x0)
                     : "r"(x8), "r"(x1), "r"(x2), "r"(x3), "r"(x4), "r"(x5)
                     : "memory");
    result = x0;
#else
#error "write the system call of this machine here"
#endif
    return result;
}

static const char network[] = "maru 1 \"steady\"\n"
                              "symbol n min=1 typical=8\n"
                              "%1 = input \"x\" f32[n, 32]\n"
                              "%2 = const \"w\" f32[32, 1] {1, 2, 3, 4, 5, 6, 7, 8, 1, 2, 3, 4, 5, 6, 7, 8, "
                              "1, 2, 3, 4, 5, 6, 7, 8, 1, 2, 3, 4, 5, 6, 7, 8}\n"
                              "%3 = Softmax(%1)\n"
                              "%4 = Gelu(%3)\n"
                              "%5 = MatMul(%4, %2)\n"
                              "%6 = shape [n]\n"
                              "%7 = Reshape(%5, %6)\n"
                              "%8 = state \"sum\" f32[1]\n"
                              "%9 = ReduceSum(%7)\n"
                              "%10 = Add(%8, %9)\n"
                              "output \"y\" %7\n"
                              "set_state \"sum\" %10\n";

/* A product that oneDNN runs where the backend has it. */
static const char bf16_product[] = "maru 1 \"bf16\"\n"
                                   "symbol n min=1 typical=8\n"
                                   "%1 = input \"x\" bf16[n, 32]\n"
                                   "%2 = Transpose(%1)\n"
                                   "%3 = MatMul(%1, %2)\n"
                                   "output \"y\" %3\n";

typedef struct counts {
    long mallocs, futexes;
} counts;

/* Of `n` runs, when each of two sets of sizes has been run before. */
static counts count_steady_runs(const char *text, maru_dtype dtype, const char *device_options, int n)
{
    const maru_runtime_params one = {.n_threads = 1};
    const maru_model_params params = {.devices = "cpu", .device_options = device_options};
    static _Alignas(64) float x[16 * 32];
    maru_runtime *runtime = NULL;
    maru_graph *graph = NULL;
    maru_model *model = NULL;
    maru_session *session = NULL;
    assert_ok(maru_runtime_create(&one, &runtime));
    assert_ok(maru_graph_read(text, strlen(text), "steady", &graph));
    assert_ok(maru_model_create(runtime, &graph, &params, &model));
    assert_ok(maru_session_create(model, &session));
    maru_tensor in[2] = {{0}, {0}};
    for (int i = 0; i < 2; i++)
        assert_ok(maru_tensor_wrap(dtype, (const int64_t[]){i ? 16 : 5, 32}, 2, x,
                                   (i ? 16 : 5) * 32 * maru_dtype_get_info(dtype)->block_bytes, &in[i]));
    counts before = {0};
    for (int i = -4; i < n; i++) {
        if (i == 0)
            before = (counts){atomic_load(&n_mallocs), atomic_load(&n_futexes)};
        assert_ok(maru_session_set_input(session, "x", &in[i & 1]));
        assert_ok(maru_session_run(session, NULL));
    }
    const counts all = {atomic_load(&n_mallocs) - before.mallocs, atomic_load(&n_futexes) - before.futexes};
    assert_true(before.mallocs > 100);
    maru_session_destroy(&session);
    maru_model_destroy(&model);
    maru_runtime_destroy(&runtime);
    return all;
}

static void a_steady_run_allocates_nothing(void **state)
{
    (void)state;
    const counts f32 = count_steady_runs(network, MARU_F32, NULL, 100);
    assert_int_equal(f32.mallocs, 0);
    assert_int_equal(f32.futexes, 0);
    const counts bf16 = count_steady_runs(bf16_product, MARU_BF16, "kernels=vector", 100);
    assert_int_equal(bf16.mallocs, 0);
    assert_int_equal(bf16.futexes, 0);
}

/* What it allocates is its own: a few objects in each call, counted apart. */
static void a_library_allocates_little(void **state)
{
    (void)state;
    const counts c = count_steady_runs(bf16_product, MARU_BF16, NULL, 100);
    print_message("oneDNN, if it is here: %.2f allocations in a product\n", (double)c.mallocs / 100);
    assert_int_equal(c.futexes, 0);
    assert_true(c.mallocs <= 100 * 16);
}

#else

static void a_steady_run_allocates_nothing(void **state)
{
    (void)state;
    print_message("a sanitizer has its own malloc\n");
    skip();
}

static void a_library_allocates_little(void **state)
{
    a_steady_run_allocates_nothing(state);
}

#endif

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_steady_run_allocates_nothing),
        cmocka_unit_test(a_library_allocates_little),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
