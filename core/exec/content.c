// SPDX-FileCopyrightText: The Maru authors
// SPDX-License-Identifier: Apache-2.0
#include "exec/content.h"

#include <string.h>

#include "base/fail.h"
#include "base/os_dl.h"

// A few milliseconds of hashing at load, whatever the model.
enum { MOST_BYTES_OF_ONE = 1 << 20, MOST_BYTES_OF_ALL = 4 << 20 };

/* Two kinds of digest that can never be the same. */
typedef enum {
    OF_BYTES = 1,
    OF_FILE = 2,
} content_kind;

bool maru_content_is_known(const maru_content_hash *hash)
{
    static const maru_content_hash unknown = {{0}};
    return memcmp(hash, &unknown, sizeof unknown) != 0;
}

static void begin(maru_sha256 *sha, content_kind kind, const maru_value_record *v)
{
    const uint64_t head[3] = {kind, v->dtype, v->rank};
    maru_sha256_init(sha);
    maru_sha256_update(sha, head, sizeof head);
    if (v->rank)
        maru_sha256_update(sha, v->dims, v->rank * sizeof *v->dims);
}

static void hash_file(const maru_value_record *v, const maru_constant_source *source, maru_content_hash *out)
{
    maru_os_file_id id;
    maru_sha256 sha;
    if (maru_os_fd_id(source->fd, &id) != MARU_OK) {
        maru_error_clear();
        return;
    }
    const uint64_t place[7] = {id.device, id.inode, id.bytes, (uint64_t)id.mtime_ns, (uint64_t)id.ctime_ns,
                               source->offset, source->bytes};
    begin(&sha, OF_FILE, v);
    maru_sha256_update(&sha, place, sizeof place);
    maru_sha256_final(&sha, out->digest);
}

static void hash_bytes(const maru_value_record *v, const maru_constant_source *source, maru_content_hash *out)
{
    maru_sha256 sha;
    begin(&sha, OF_BYTES, v);
    maru_sha256_update(&sha, source->data, source->bytes);
    maru_sha256_final(&sha, out->digest);
}

void maru_content_hash_all(const maru_graph *graph, maru_content_hash *out)
{
    size_t room = MOST_BYTES_OF_ALL;
    memset(out, 0, graph->constants.count * sizeof *out);
    for (maru_value i = 1; i < graph->values.count; i++) {
        const maru_value_record *v = maru_graph_get(graph, i);
        if (v->kind != MARU_VALUE_CONSTANT)
            continue;
        const maru_constant_source *source = &graph->constants.data[v->source].source;
        if (!source->data)
            continue;
        if (source->fd > 0) {
            hash_file(v, source, &out[v->source]);
        } else if (source->bytes <= MOST_BYTES_OF_ONE && source->bytes <= room) {
            room -= source->bytes;
            hash_bytes(v, source, &out[v->source]);
        }
    }
}
