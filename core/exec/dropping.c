// SPDX-FileCopyrightText: The Maru authors
// SPDX-License-Identifier: Apache-2.0
#include "exec/dropping.h"

#include "base/fail.h"
#include "base/os.h"

// A thread costs more than smaller weights take; in that time some 20 MB are read.
enum { LEAST_BYTES = 16 << 20, PERIOD_NS = 5000000 };

void maru_drop_source(const maru_constant_source *source)
{
    if (source->fd > 0)
        maru_os_drop_pages(source->data, source->bytes);
}

/* A plugin packs in an order of its own: what it reads again comes back from the system's cache. */
static void *drop_until_over(void *arg)
{
    maru_dropping *d = arg;
    maru_mutex_lock(&d->mutex);
    while (!d->is_over) {
        (void)maru_cond_wait(&d->ended, &d->mutex, PERIOD_NS);
        maru_mutex_unlock(&d->mutex);
        maru_drop_source(d->source);
        maru_mutex_lock(&d->mutex);
    }
    maru_mutex_unlock(&d->mutex);
    return NULL;
}

void maru_dropping_begin(maru_dropping *dropping, const maru_constant_source *source)
{
    *dropping = (maru_dropping){.source = source};
    if (source->fd <= 0 || source->bytes < LEAST_BYTES)
        return;
    dropping->has_thread = maru_os_thread_start(&dropping->thread, drop_until_over, dropping) == MARU_OK;
    if (!dropping->has_thread)
        maru_error_clear();
}

void maru_dropping_end(maru_dropping *dropping)
{
    if (dropping->has_thread) {
        maru_mutex_lock(&dropping->mutex);
        dropping->is_over = true;
        maru_cond_signal(&dropping->ended);
        maru_mutex_unlock(&dropping->mutex);
        maru_os_thread_join(&dropping->thread);
    }
    maru_drop_source(dropping->source);
}
