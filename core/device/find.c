// SPDX-FileCopyrightText: The Maru authors
// SPDX-License-Identifier: Apache-2.0
#include "device/find.h"

#include "base/fail.h"
#include "base/str.h"

#include <stdlib.h>
#include <string.h>

/* ASCII only: what a locale thinks of case is no part of a device's name. */
static void append_lower(maru_str *s, const char *text, size_t length)
{
    for (size_t i = 0; i < length; i++) {
        char c = text[i] >= 'A' && text[i] <= 'Z' ? (char)(text[i] - 'A' + 'a') : text[i];
        maru_str_append_n(s, &c, 1);
    }
}

static maru_status matches_text(const char *glob, const char *text, bool *out_matches)
{
    maru_str lower = {0};
    append_lower(&lower, text, strlen(text));
    maru_status status = maru_str_check(&lower);
    *out_matches = status == MARU_OK && maru_glob_match(glob, maru_str_get(&lower));
    maru_str_fini(&lower);
    return status;
}

static maru_status matches(const char *glob, const char *family, const maru_find_name *name, bool *out_matches)
{
    MARU_TRY(matches_text(glob, name->id, out_matches));
    if (!*out_matches)
        MARU_TRY(matches_text(family, name->id, out_matches));
    return *out_matches ? MARU_OK : matches_text(glob, name->name, out_matches);
}

typedef struct {
    const maru_find_name *names;
    size_t n_names;
    bool *taken;
    size_t *indices;
    size_t room;
    size_t count;
} search;

static maru_status match_glob(search *s, const char *glob, const char *family)
{
    for (size_t i = 0; i < s->n_names; i++) {
        bool is = false;
        MARU_TRY(matches(glob, family, &s->names[i], &is));
        if (!is || s->taken[i])
            continue;
        s->taken[i] = true;
        if (s->count < s->room)
            s->indices[s->count] = i;
        s->count++;
    }
    return MARU_OK;
}

static maru_status match_part(search *s, const char *part, size_t length)
{
    while (length > 0 && *part == ' ') {
        part++;
        length--;
    }
    while (length > 0 && part[length - 1] == ' ')
        length--;
    if (length == 0)
        return MARU_OK;
    maru_str glob = {0};
    maru_str family = {0};
    append_lower(&glob, part, length);
    append_lower(&family, part, length);
    if (!memchr(part, ':', length))
        maru_str_append(&family, ":*");
    maru_status status = maru_str_check(&glob);
    if (status == MARU_OK)
        status = maru_str_check(&family);
    if (status == MARU_OK)
        status = match_glob(s, maru_str_get(&glob), maru_str_get(&family));
    maru_str_fini(&glob);
    maru_str_fini(&family);
    return status;
}

static maru_status fail_not_found(const char *pattern, const maru_find_name *names, size_t n_names)
{
    maru_str list = {0};
    for (size_t i = 0; i < n_names; i++)
        maru_str_printf(&list, "%s%s (%s)", i ? ", " : "", names[i].id, names[i].name);
    maru_status status = maru_fail(MARU_NOT_FOUND, "no device matches '%s'; there %s %s", pattern,
                                   n_names == 1 ? "is" : "are", n_names ? maru_str_get(&list) : "none");
    maru_str_fini(&list);
    return status;
}

maru_status maru_find_match(const char *pattern, const maru_find_name *names, size_t n_names, size_t *out_indices,
                            size_t room, size_t *out_count)
{
    *out_count = 0;
    search s = {.names = names, .n_names = n_names, .indices = out_indices, .room = room};
    s.taken = calloc(n_names ? n_names : 1, sizeof *s.taken);
    if (!s.taken)
        return maru_fail_oom("looking for devices");
    maru_status status = MARU_OK;
    for (const char *part = pattern; *part && status == MARU_OK;) {
        size_t n = strcspn(part, ",");
        status = match_part(&s, part, n);
        part += n + (part[n] == ',');
    }
    free(s.taken);
    MARU_TRY(status);
    *out_count = s.count;
    return s.count ? MARU_OK : fail_not_found(pattern, names, n_names);
}
