/* See lifecycle.h. */
#include "node/lifecycle.h"

#include "base/limits.h"
#include "node/action.h"
#include "node/events.h"

enum { POST_START_MS = 24 * 3600 * 1000, LEAST_GRACE_MS = 2 * 1000 };

static bool begin(struct container *c, const char *hook, int64_t timeout_ms, action_done_fn *done)
{
    struct arena a CLEANUP_ARENA = {0};
    arena_init(&a, LIMIT_RECONCILE_ARENA);
    struct json *tree = pod_tree(c->pod, &a);
    const struct json *container = container_spec(json_get(tree, "spec"), c);
    const struct json *handler = json_get(json_get(container, "lifecycle"), hook);
    if (json_absent(handler))
        return false;
    c->hook = action_start(c, container, handler, timeout_ms, done, c);
    return c->hook != NULL;
}

static void post_start_done(void *ctx, enum action_result result, const char *message)
{
    struct container *c = ctx;
    c->hook = NULL;
    if (c->state != CONTAINER_POST_START)
        return;
    if (result == ACTION_SUCCESS) {
        container_now_running(c);
        return;
    }
    events_pod(c->pod, c, "Warning", "FailedPostStartHook", "PostStartHook failed: %s", message);
    container_stop(c, c->pod->grace_ms, "FailedPostStartHook");
}

bool lifecycle_post_start(struct container *c)
{
    return begin(c, "postStart", POST_START_MS, post_start_done);
}

static void pre_stop_done(void *ctx, enum action_result result, const char *message)
{
    struct container *c = ctx;
    int64_t left = c->kill_at_ms - loop_now_ms(c->pod->node->loop);
    c->hook = NULL;
    if (c->state != CONTAINER_PRE_STOP)
        return;
    if (result != ACTION_SUCCESS)
        events_pod(c->pod, c, "Warning", "FailedPreStopHook", "PreStopHook failed: %s", message);
    container_signal_stop(c, left > LEAST_GRACE_MS ? left : LEAST_GRACE_MS);
}

bool lifecycle_pre_stop(struct container *c)
{
    return begin(c, "preStop", POST_START_MS, pre_stop_done);
}
