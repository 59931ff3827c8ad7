// SPDX-FileCopyrightText: The Maru authors
// SPDX-License-Identifier: Apache-2.0

/* An ONNX TensorProto: what is read is written and read back the same. */

#include "fuzz.h"

#include "import/tensor_proto.h"

#include <stdlib.h>
#include <string.h>

static void check_same(const maru_file_value *a, const maru_file_value *b)
{
    if (a->is_strings != b->is_strings || a->strings.count != b->strings.count || a->tensor.bytes != b->tensor.bytes)
        abort();
    if (a->tensor.bytes && memcmp(a->tensor.data, b->tensor.data, a->tensor.bytes) != 0)
        abort();
    for (size_t i = 0; i < a->strings.count; i++) {
        if (strcmp(a->strings.items[i], b->strings.items[i]) != 0)
            abort();
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    maru_file_value value;
    maru_file_value back = {0};
    maru_str file = {0};
    if (maru_tensor_proto_parse(data, size, "fuzz", &value) == MARU_OK &&
        maru_tensor_proto_format(&value, "fuzz", &file) == MARU_OK) {
        if (maru_tensor_proto_parse(maru_str_get(&file), file.length, "fuzz", &back) != MARU_OK)
            abort();
        check_same(&value, &back);
    }
    maru_file_value_fini(&value);
    maru_file_value_fini(&back);
    maru_str_fini(&file);
    return 0;
}
