// SPDX-FileCopyrightText: The Maru authors
// SPDX-License-Identifier: Apache-2.0
#define _GNU_SOURCE
#include "base/os.h"

#include "base/os_posix.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>

static maru_status code_of(int error)
{
    switch (error) {
    case ENOENT: return MARU_NOT_FOUND;
    case EEXIST: return MARU_ALREADY_EXISTS;
    case EACCES:
    case EPERM:
    case EROFS: return MARU_PERMISSION_DENIED;
    case ENOMEM:
    case ENOSPC:
    case EDQUOT:
    case EFBIG:
    case EMFILE:
    case ENFILE: return MARU_RESOURCE_EXHAUSTED;
    case EAGAIN:
    case EBUSY:
    case ETXTBSY: return MARU_UNAVAILABLE;
    case EISDIR:
    case ENOTDIR:
    case ENAMETOOLONG:
    case ELOOP:
    case ENOEXEC:
    case EINVAL: return MARU_INVALID_ARGUMENT;
    case EIO: return MARU_DATA_LOSS;
    default: return MARU_UNKNOWN;
    }
}

maru_status maru_posix_fail(const char *what, const char *path, int error)
{
    char buffer[128];
    const char *reason = strerror_r(error, buffer, sizeof buffer);
    return maru_fail(code_of(error), "cannot %s '%s': %s", what, path, reason);
}

/* ---- memory ---- */

static const size_t huge_page = (size_t)2 << 20;

/* What alloc and free both make of `bytes`: whole pages, whole huge pages when there is more than one of them. */
static size_t pages_bytes(size_t bytes, size_t *out_align)
{
    size_t align = bytes >= huge_page ? huge_page : (size_t)sysconf(_SC_PAGESIZE);
    *out_align = align;
    if (bytes == 0)
        return align;
    return bytes > SIZE_MAX - align ? 0 : (bytes + align - 1) / align * align;
}

void *maru_os_pages_alloc(size_t bytes)
{
    size_t align = 0;
    size_t rounded = pages_bytes(bytes, &align);
    if (rounded == 0 || rounded > SIZE_MAX - align)
        return NULL;
    size_t slack = align == huge_page ? huge_page : 0;
    char *start = mmap(NULL, rounded + slack, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (start == MAP_FAILED)
        return NULL;
    if (!slack)
        return start;
    // The kernel makes huge pages only of aligned stretches: give back what stands out on both sides.
    size_t before = (huge_page - (uintptr_t)start % huge_page) % huge_page;
    if (before)
        munmap(start, before);
    if (slack - before)
        munmap(start + before + rounded, slack - before);
    madvise(start + before, rounded, MADV_HUGEPAGE);
    return start + before;
}

void maru_os_pages_free(void *pages, size_t bytes)
{
    size_t align = 0;
    if (pages)
        munmap(pages, pages_bytes(bytes, &align));
}

void maru_os_memory_use(uint64_t *out_resident, uint64_t *out_peak)
{
    *out_resident = 0;
    *out_peak = 0;
    FILE *file = fopen("/proc/self/status", "re");
    if (!file)
        return;
    char line[256];
    while (fgets(line, sizeof line, file)) {
        uint64_t kib = 0;
        if (sscanf(line, "VmRSS: %" SCNu64, &kib) == 1)
            *out_resident = kib * 1024;
        else if (sscanf(line, "VmHWM: %" SCNu64, &kib) == 1)
            *out_peak = kib * 1024;
    }
    fclose(file);
}

/* ---- time and terminals ---- */

int64_t maru_os_now_ns(void)
{
    struct timespec now = {0};
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (int64_t)now.tv_sec * 1000000000 + now.tv_nsec;
}

bool maru_os_is_terminal(int fd)
{
    return isatty(fd) == 1;
}

int maru_os_terminal_columns(int fd)
{
    struct winsize size = {0};
    return ioctl(fd, TIOCGWINSZ, &size) == 0 && size.ws_col > 0 ? size.ws_col : 80;
}
