// SPDX-FileCopyrightText: The Maru authors
// SPDX-License-Identifier: Apache-2.0
#define _POSIX_C_SOURCE 200809L

#include "fault.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

/* Finds `fault` as a whole word of a list separated by ',' or line ends; gives what follows it, or NULL. */
static const char *find_word(const char *list, const char *fault)
{
    size_t n = strlen(fault);
    for (const char *word = list; word && *word;) {
        if (strncmp(word, "fault=", 6) == 0)
            word += 6;
        size_t length = strcspn(word, ",\n");
        if (length >= n && strncmp(word, fault, n) == 0 && (length == n || word[n] == '='))
            return word + n;
        word += length + (word[length] != '\0');
    }
    return NULL;
}

static const char *find(const char *options, const char *fault)
{
    const char *in_options = find_word(options, fault);
    return in_options ? in_options : find_word(getenv("MARU_FAULT"), fault);
}

int fault_is_on(const char *options, const char *fault)
{
    return find(options, fault) != NULL;
}

long fault_number(const char *options, const char *fault, long absent)
{
    const char *after = find(options, fault);
    if (!after)
        return absent;
    return *after == '=' ? strtol(after + 1, NULL, 10) : 0;
}

static int is_on_at(const char *options, const char *place, const char *what)
{
    char fault[64];
    snprintf(fault, sizeof fault, "%s-%s", place, what);
    return fault_is_on(options, fault);
}

void fault_at(const char *options, const char *place)
{
    if (is_on_at(options, place, "stdout")) {
        puts("a line that does not belong here");
        fflush(stdout);
    }
    if (is_on_at(options, place, "exit"))
        _exit(3);
    if (is_on_at(options, place, "crash")) {
        signal(SIGSEGV, SIG_DFL); // past a sanitizer's handler, so that the host sees the signal
        raise(SIGSEGV);
    }
    while (is_on_at(options, place, "hang"))
        sleep(1);
}

void fault_nap(void)
{
    nanosleep(&(struct timespec){0, 1000000}, NULL);
}
