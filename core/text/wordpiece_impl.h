// SPDX-FileCopyrightText: The Maru authors
// SPDX-License-Identifier: Apache-2.0
#ifndef MARU_TEXT_WORDPIECE_IMPL_H
#define MARU_TEXT_WORDPIECE_IMPL_H

/* What wordpiece.c uses and wordpiece_load.c fills. */

#include "base/arena.h"
#include "base/hash.h"
#include "text/added_tokens.h"
#include "text/bert.h"
#include "text/wordpiece.h"

struct maru_wordpiece {
    maru_arena arena;                  // the pieces' text
    MARU_ARRAY(const char *) pieces;   // by id; NULL where an id is not used
    MARU_ARRAY(bool) is_special;       // by id, as long as `pieces`
    maru_map by_text;                  // piece of the vocabulary -> id
    maru_map continuing;               // the same without the prefix, of those that have it
    maru_map added_by_text;            // added token that the vocabulary lacks -> id
    const char *prefix;
    int32_t unknown;
    size_t max_word_chars;
    maru_bert_normalizer normalizer;
    maru_added_tokens *in_text;        // looked for in the text as it is
    maru_added_tokens *in_normalized;  // and in what the normaliser makes of it
    maru_ids before;
    maru_ids after;
    bool cleans_up;
};

#endif
