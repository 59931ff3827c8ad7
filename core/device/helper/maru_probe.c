// SPDX-FileCopyrightText: The Maru authors
// SPDX-License-Identifier: Apache-2.0

/*
 * Loads one plugin and enumerates its devices, in a process of its own: the
 * runtime runs this before it loads a plugin that it has not seen.
 */

#include "device/probe.h"

#include <stdlib.h>

int main(int argc, char **argv)
{
    return argc == 2 ? maru_probe_main(argv[1]) : EXIT_FAILURE;
}
