// SPDX-FileCopyrightText: The Maru authors
// SPDX-License-Identifier: Apache-2.0
#include "tool/options.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const option *find_name(const option *table, const char *name, size_t length)
{
    for (const option *o = table; o && o->name; o++)
        if (strlen(o->name) == length && strncmp(o->name, name, length) == 0)
            return o;
    return NULL;
}

static const option *find_letter(const option *table, char letter)
{
    for (const option *o = table; o && o->name; o++)
        if (o->letter == letter)
            return o;
    return NULL;
}

static bool add(parsed *out, const option *o, const char *value)
{
    if (out->n == MAX_ARGS) {
        fprintf(stderr, "maru: more than %d arguments\n", MAX_ARGS);
        return false;
    }
    out->items[out->n++] = (given){o, value};
    return true;
}

/* An option at argv[*at], with its value there or in the next word. */
static bool take_option(int argc, char **argv, int *at, const option *o, const char *joined, parsed *out)
{
    if (!o->value) {
        if (joined) {
            fprintf(stderr, "maru: --%s takes no value\n", o->name);
            return false;
        }
        return add(out, o, NULL);
    }
    if (joined)
        return add(out, o, joined);
    if (*at + 1 >= argc) {
        fprintf(stderr, "maru: --%s needs a value: %s\n", o->name, o->value);
        return false;
    }
    return add(out, o, argv[++*at]);
}

static bool take_word(int argc, char **argv, int *at, const option *own, const option *shared, parsed *out)
{
    const char *word = argv[*at];
    if (word[0] != '-' || word[1] == 0)
        return add(out, NULL, word);
    const bool is_long = word[1] == '-';
    const char *name = word + (is_long ? 2 : 1);
    const char *equals = strchr(name, '=');
    const size_t length = equals ? (size_t)(equals - name) : strlen(name);
    const option *o = NULL;
    if (is_long)
        o = find_name(own, name, length) ? find_name(own, name, length) : find_name(shared, name, length);
    else if (length == 1)
        o = find_letter(own, name[0]) ? find_letter(own, name[0]) : find_letter(shared, name[0]);
    if (!o) {
        fprintf(stderr, "maru: unknown option '%s'\n", word);
        return false;
    }
    return take_option(argc, argv, at, o, equals ? equals + 1 : NULL, out);
}

bool parse_options(int argc, char **argv, const option *own, const option *shared, parsed *out)
{
    out->n = 0;
    bool only_words = false;
    for (int at = 0; at < argc; at++) {
        if (!only_words && strcmp(argv[at], "--") == 0)
            only_words = true;
        else if (only_words ? !add(out, NULL, argv[at]) : !take_word(argc, argv, &at, own, shared, out))
            return false;
    }
    return true;
}

const char *get_nth(const parsed *args, const char *name, size_t index)
{
    for (size_t i = 0; i < args->n; i++)
        if (args->items[i].option && strcmp(args->items[i].option->name, name) == 0 && index-- == 0)
            return args->items[i].value ? args->items[i].value : "";
    return NULL;
}

bool has_flag(const parsed *args, const char *name)
{
    return get_nth(args, name, 0) != NULL;
}

const char *get_option(const parsed *args, const char *name, const char *fallback)
{
    const char *value = fallback;
    for (size_t i = 0; get_nth(args, name, i); i++)
        value = get_nth(args, name, i);
    return value;
}

bool get_number(const parsed *args, const char *name, long long fallback, long long least, long long *out)
{
    const char *text = get_option(args, name, NULL);
    *out = fallback;
    if (!text)
        return true;
    char *end = NULL;
    errno = 0;
    *out = strtoll(text, &end, 10);
    if (errno == 0 && end != text && *end == 0 && *out >= least)
        return true;
    fprintf(stderr, "maru: --%s %s: a number of at least %lld is needed\n", name, text, least);
    return false;
}

const char *get_word(const parsed *args, size_t index)
{
    for (size_t i = 0; i < args->n; i++)
        if (!args->items[i].option && index-- == 0)
            return args->items[i].value;
    return NULL;
}

void print_options(const option *table)
{
    for (const option *o = table; o && o->name; o++) {
        char left[64];
        const int n = snprintf(left, sizeof left, "%s%c%s --%s%s%s", o->letter ? "-" : " ", o->letter ? o->letter : ' ',
                               o->letter ? "," : " ", o->name, o->value ? " " : "", o->value ? o->value : "");
        printf("  %-34s%s%s\n", left, n > 33 ? "\n                                    " : "", o->help);
    }
}
