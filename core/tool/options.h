// SPDX-FileCopyrightText: The Maru authors
// SPDX-License-Identifier: Apache-2.0
#ifndef MARU_TOOL_OPTIONS_H
#define MARU_TOOL_OPTIONS_H

/* The command line of a subcommand: "--name VALUE", "--name=VALUE", "-n VALUE", flags, and words. */

#include <stdbool.h>
#include <stddef.h>

typedef struct option {
    const char *name;   // without the dashes; NULL ends a table
    char letter;        // 0: none
    const char *value;  // what it takes, for the help: "N"; NULL: a flag
    const char *help;
} option;

enum { MAX_ARGS = 256 };

typedef struct given {
    const option *option;  // NULL: a word
    const char *value;     // NULL for flags
} given;

typedef struct parsed {
    given items[MAX_ARGS];
    size_t n;
} parsed;

/* Parses argv against two tables (either may be NULL). False after saying to stderr what is wrong with which word. */
bool parse_options(int argc, char **argv, const option *own, const option *shared, parsed *out);

bool has_flag(const parsed *args, const char *name);
/* The last value given, or `fallback`. */
const char *get_option(const parsed *args, const char *name, const char *fallback);
/* As a number >= `least`; false after saying what is wrong. */
bool get_number(const parsed *args, const char *name, long long fallback, long long least, long long *out);
/* The `index`-th value of a repeated option, or NULL. */
const char *get_nth(const parsed *args, const char *name, size_t index);
/* The `index`-th word, or NULL. */
const char *get_word(const parsed *args, size_t index);

/* Prints a table of options, aligned. */
void print_options(const option *table);

#endif
