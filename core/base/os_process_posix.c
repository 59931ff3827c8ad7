// SPDX-FileCopyrightText: The Maru authors
// SPDX-License-Identifier: Apache-2.0
#define _GNU_SOURCE
#include "base/os.h"

#include "base/os_posix.h"
#include "base/os_thread.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

extern char **environ;

typedef struct child {
    pid_t pid;
    int fd;               // reads its stdout; -1 after its end
    int wait_status;
    bool has_ended;
    int64_t deadline_ns;  // INT64_MAX for none
    size_t max_out;
    size_t capacity;
} child;

/* The child's descriptors: nothing to read, the pipe, and our stderr or none. */
static int set_files(posix_spawn_file_actions_t *actions, int pipe_fd, bool keep_stderr)
{
    int error = posix_spawn_file_actions_addopen(actions, 0, "/dev/null", O_RDONLY, 0);
    if (!error)
        error = posix_spawn_file_actions_adddup2(actions, pipe_fd, 1);
    if (!error && !keep_stderr)
        error = posix_spawn_file_actions_addopen(actions, 2, "/dev/null", O_WRONLY, 0);
    return error;
}

/* A group of its own, and signals as a fresh program expects them. */
static int set_attributes(posix_spawnattr_t *attributes)
{
    sigset_t none;
    sigset_t defaults;
    sigemptyset(&none);
    sigemptyset(&defaults);
    sigaddset(&defaults, SIGPIPE);
    int error = posix_spawnattr_setsigmask(attributes, &none);
    if (!error)
        error = posix_spawnattr_setsigdefault(attributes, &defaults);
    if (!error)
        error = posix_spawnattr_setpgroup(attributes, 0);
    if (!error)
        error = posix_spawnattr_setflags(
            attributes, POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF | POSIX_SPAWN_SETPGROUP);
    return error;
}

static int spawn(const char *const *argv, int pipe_fd, bool keep_stderr, pid_t *out_pid)
{
    posix_spawn_file_actions_t actions;
    posix_spawnattr_t attributes;
    int error = posix_spawn_file_actions_init(&actions);
    if (error)
        return error;
    error = posix_spawnattr_init(&attributes);
    if (!error) {
        error = set_files(&actions, pipe_fd, keep_stderr);
        if (!error)
            error = set_attributes(&attributes);
        if (!error)
            error = posix_spawn(out_pid, argv[0], &actions, &attributes, (char *const *)(uintptr_t)argv, environ);
        posix_spawnattr_destroy(&attributes);
    }
    posix_spawn_file_actions_destroy(&actions);
    return error;
}

static maru_status start(const char *const *argv, bool keep_stderr, child *c)
{
    int fds[2];
    if (pipe2(fds, O_CLOEXEC) != 0)
        return maru_posix_fail("make a pipe for", argv[0], errno);
    int error = fcntl(fds[0], F_SETFL, O_NONBLOCK) == 0 ? 0 : errno;
    if (!error)
        error = spawn(argv, fds[1], keep_stderr, &c->pid);
    close(fds[1]);
    if (error) {
        close(fds[0]);
        return maru_posix_fail("run", argv[0], error);
    }
    c->fd = fds[0];
    return MARU_OK;
}

/* Appends what fits of `data`. */
static maru_status keep_output(child *c, const char *data, size_t bytes, maru_os_child_result *out)
{
    size_t room = c->max_out - out->out_bytes;
    size_t kept = bytes < room ? bytes : room;
    if (kept > c->capacity - out->out_bytes) {
        size_t capacity = c->capacity * 2 > out->out_bytes + kept ? c->capacity * 2 : out->out_bytes + kept;
        char *grown = realloc(out->out, capacity + 1);
        if (!grown)
            return maru_fail_oom("output of a child");
        out->out = grown;
        c->capacity = capacity;
    }
    if (kept)
        memcpy(out->out + out->out_bytes, data, kept);
    out->out_bytes += kept;
    out->out[out->out_bytes] = '\0';
    return MARU_OK;
}

/* Reads what is there without waiting. */
static maru_status read_output(child *c, maru_os_child_result *out)
{
    char data[4096];
    while (c->fd >= 0) {
        ssize_t n = read(c->fd, data, sizeof data);
        if (n > 0) {
            MARU_TRY(keep_output(c, data, (size_t)n, out));
            if (maru_os_now_ns() >= c->deadline_ns)
                break;
        } else if (n < 0 && errno == EINTR) {
            continue;
        } else if (n < 0 && errno == EAGAIN) {
            break;
        } else {
            close(c->fd);
            c->fd = -1;
        }
    }
    return MARU_OK;
}

static void look_for_end(child *c, int flags)
{
    pid_t pid = 0;
    do {
        pid = waitpid(c->pid, &c->wait_status, flags);
    } while (pid < 0 && errno == EINTR);
    // Anything but 0 is the end: an embedder that ignores SIGCHLD takes the status from us.
    c->has_ended = pid != 0;
    if (pid < 0)
        c->wait_status = 0;
}

/*
 * Until the child itself ends; one of its own children may hold the pipe open
 * for longer. A short nap and a look, growing to 10 ms, because a portable
 * wait for "output or end" does not exist.
 */
static maru_status follow(child *c, maru_os_child_result *out)
{
    int nap_ms = 1;
    for (;;) {
        look_for_end(c, WNOHANG);
        MARU_TRY(read_output(c, out));
        if (c->has_ended || maru_os_now_ns() >= c->deadline_ns)
            return MARU_OK;
        struct pollfd pipe_end = {.fd = c->fd, .events = POLLIN};  // a negative fd only naps
        int ready = poll(&pipe_end, 1, nap_ms);
        if (ready == 0 && nap_ms < 10)
            nap_ms++;
    }
}

maru_status maru_os_run_child(const char *const *argv, int timeout_ms, size_t max_out, bool keep_stderr,
                              maru_os_child_result *out)
{
    *out = (maru_os_child_result){0};
    out->out = calloc(1, 1);
    if (!out->out)
        return maru_fail_oom("output of a child");
    child c = {.fd = -1, .max_out = max_out, .deadline_ns = INT64_MAX};
    if (timeout_ms >= 0)
        c.deadline_ns = maru_os_now_ns() + (int64_t)timeout_ms * 1000000;
    maru_status status = start(argv, keep_stderr, &c);
    if (status == MARU_OK) {
        status = follow(&c, out);
        if (!c.has_ended) {
            out->timed_out = status == MARU_OK;
            kill(-c.pid, SIGKILL);
            look_for_end(&c, 0);
        }
        if (c.fd >= 0)
            close(c.fd);
    }
    if (status != MARU_OK) {
        free(out->out);
        *out = (maru_os_child_result){0};
        return status;
    }
    out->exited = !out->timed_out && WIFEXITED(c.wait_status);
    out->exit_code = out->exited ? WEXITSTATUS(c.wait_status) : 0;
    out->signal = !out->timed_out && WIFSIGNALED(c.wait_status) ? WTERMSIG(c.wait_status) : 0;
    return MARU_OK;
}
