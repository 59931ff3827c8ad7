// SPDX-FileCopyrightText: The Maru authors
// SPDX-License-Identifier: Apache-2.0

/* The text form of graphs: what reads must dump, and its dump must read back to the same text. */

#include <maru/graph.h>
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    maru_graph *graph = NULL;
    maru_graph *again = NULL;
    char *first = NULL;
    char *second = NULL;
    if (maru_graph_read((const char *)data, size, "fuzz", &graph) != MARU_OK)
        return 0;
    if (maru_graph_verify(graph) != MARU_OK)
        goto out;
    if (maru_graph_dump(graph, &first) != MARU_OK)
        abort();
    if (maru_graph_read(first, strlen(first), "again", &again) != MARU_OK || maru_graph_dump(again, &second) != MARU_OK)
        abort();
    if (strcmp(first, second) != 0)
        abort();
out:
    free(first);
    free(second);
    maru_graph_destroy(&graph);
    maru_graph_destroy(&again);
    return 0;
}
