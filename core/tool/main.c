// SPDX-FileCopyrightText: The Maru authors
// SPDX-License-Identifier: Apache-2.0
#define _POSIX_C_SOURCE 200112L  // setenv

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tool/tool.h"

static const command *const commands[] = {
    &command_run,   &command_bench,   &command_plan,  &command_dump,    &command_devices,
    &command_probe, &command_certify, &command_export, &command_quantize, &command_fetch, &command_version,
};

static const option json_option[] = {{"json", 0, NULL, "print JSON"}, {0}};

enum { N_COMMANDS = sizeof commands / sizeof *commands };

static void print_help(FILE *to)
{
    fputs("maru: one workload on any chip\n\nusage: maru COMMAND [options]\n\n", to);
    for (size_t i = 0; i < N_COMMANDS; i++)
        fprintf(to, "  %-10s %s\n", commands[i]->name, commands[i]->summary);
    fputs("\nmaru COMMAND --help teaches a command.\n", to);
}

static const option *shared_options(const command *c)
{
    return c->has_model ? compute_options : c->has_host ? host_options : json_option;
}

static void print_command_help(const command *c)
{
    printf("%s\n\nusage: maru %s\n\n%s\n\noptions:\n", c->summary, c->usage, c->details);
    print_options(c->options);
    print_options(shared_options(c));
    fputs("   --help                            this text\n\n"
          "exit codes: 0 done, 1 failed, 2 command line, 3 input, 4 device, 5 unsupported, 6 memory, 7 different,\n"
          "130 interrupted\n",
          stdout);
}

/* Whether help is asked for; takes that word out. */
static bool take_help(int *argc, char **argv)
{
    for (int i = 0; i < *argc; i++) {
        if (strcmp(argv[i], "--help") != 0 && strcmp(argv[i], "-h") != 0)
            continue;
        for (--*argc; i < *argc; i++)
            argv[i] = argv[i + 1];
        return true;
    }
    return false;
}

static int run_command(const command *c, int argc, char **argv)
{
    static parsed args;  // too large for a small stack
    const option *shared = shared_options(c);
    if (take_help(&argc, argv)) {
        print_command_help(c);
        // With a model: what it says of itself.
        const bool has_model = c->has_model && c != &command_dump && argc > 0 &&
                               parse_options(argc, argv, c->options, shared, &args) && get_word(&args, 0);
        return has_model ? describe_model(&args) : EXIT_OK;
    }
    bool is_right = parse_options(argc, argv, c->options, shared, &args);
    if (is_right && get_word(&args, c->n_words)) {
        fprintf(stderr, "maru: %s: one argument too many: '%s'\n", c->name, get_word(&args, c->n_words));
        is_right = false;
    }
    if (!is_right) {
        fprintf(stderr, "usage: maru %s\n", c->usage);
        return EXIT_USAGE;
    }
    const int code = c->run(&args);
    // What was printed may have met a full disk; nobody else looks.
    const bool is_written = fflush(stdout) == 0 && !ferror(stdout);
    if (!is_written)
        fputs("maru: cannot write to stdout\n", stderr);
    return is_written || code != EXIT_OK ? code : EXIT_FAILED;
}

/*
 * Libraries that backends open may bring GNU OpenMP, whose threads spin for
 * milliseconds when their work is done and take the cores from everybody
 * else; this is about 50 us, as our own do. It is read once, at loading.
 */
static void calm_openmp(void)
{
    if (!getenv("OMP_WAIT_POLICY"))
        setenv("GOMP_SPINCOUNT", "10000", 0);
}

int main(int argc, char **argv)
{
    calm_openmp();
    if (argc < 2) {
        print_help(stderr);
        return EXIT_USAGE;
    }
    if (strcmp(argv[1], "--help") == 0 || strcmp(argv[1], "-h") == 0 || strcmp(argv[1], "help") == 0) {
        print_help(stdout);
        return EXIT_OK;
    }
    if (strcmp(argv[1], "--version") == 0)
        return run_command(&command_version, 0, NULL);
    for (size_t i = 0; i < N_COMMANDS; i++)
        if (strcmp(argv[1], commands[i]->name) == 0)
            return run_command(commands[i], argc - 2, argv + 2);
    fprintf(stderr, "maru: there is no command '%s'\n\n", argv[1]);
    print_help(stderr);
    return EXIT_USAGE;
}
