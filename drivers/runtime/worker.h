/*
 * Work that may take long or hang (removing trees, unmounting, walking a file system), done in a
 * short-lived child with a deadline, so that the loop goes on.
 */
#ifndef DRIVERS_RUNTIME_WORKER_H
#define DRIVERS_RUNTIME_WORKER_H

#include "base/err.h"
#include "loop/loop.h"

struct worker_result {
    int rc;            /* what fn returned, or -E_TIMEOUT, -E_INTERNAL (it crashed) */
    int64_t values[4]; /* what fn left there */
};

/* Runs fn(ctx, values) in a child; done runs from the loop, exactly once, unless this fails. */
int worker_run(struct loop *loop, int deadline_ms, int (*fn)(void *ctx, int64_t values[4]), void *ctx,
               void (*done)(void *done_ctx, const struct worker_result *r), void *done_ctx) MUST_CHECK;

#endif
