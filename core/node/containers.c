/*
 * The order in which containers run (KEP-753 for sidecars): init containers one after the other,
 * a sidecar among them only until it has started, then the ordinary ones together. Ephemeral ones run
 * when they are added.
 */
#include "node/containers.h"

static bool failed(const struct container *c)
{
    return c->now.exit_code != 0 || c->now.signal != 0;
}

/* Would it run again after having ended as it did? */
static bool restarts(const struct step *s, const struct container *c)
{
    const char *policy = json_path_cstr(s->spec, "restartPolicy");
    if (c->kind == CONTAINER_SIDECAR)
        return true;
    if (cstr_eq(policy, "Never"))
        return false;
    if (c->kind == CONTAINER_INIT || cstr_eq(policy, "OnFailure"))
        return failed(c);
    return true;
}

/* Begins or restarts; true while it runs, is under way or will be. */
static bool keep_up(struct step *s, struct container *c)
{
    if (c->state == CONTAINER_IDLE) {
        container_begin(c);
    } else if (c->state == CONTAINER_EXITED) {
        if (!restarts(s, c))
            return false;
        container_restart(c);
        if (c->state == CONTAINER_IDLE)
            container_begin(c);
    }
    return true;
}

enum init { INIT_UNDER_WAY, INIT_COMPLETE, INIT_FAILED };

static enum init initialize(struct step *s)
{
    struct pod *p = s->pod;
    for (size_t i = 0; i < p->init_count; i++) {
        struct container *c = p->containers[i];
        if (c->kind == CONTAINER_INIT && c->state == CONTAINER_EXITED && !failed(c))
            continue;
        if (!keep_up(s, c))
            return INIT_FAILED;
        if (c->kind == CONTAINER_INIT || !container_running(c) || !c->started)
            return INIT_UNDER_WAY;
    }
    p->initialized = true;
    return INIT_COMPLETE;
}

/* Once each, whatever the others do; they keep no pod alive. */
static void begin_ephemeral(struct pod *p)
{
    for (size_t i = p->main_end; i < p->container_count; i++)
        if (p->containers[i]->state == CONTAINER_IDLE)
            container_begin(p->containers[i]);
}

bool containers_work(struct step *s)
{
    struct pod *p = s->pod;
    begin_ephemeral(p);
    if (!p->initialized) {
        enum init at = initialize(s);
        if (at != INIT_COMPLETE)
            return at == INIT_UNDER_WAY;
    }
    for (size_t i = 0; i < p->init_count; i++)
        if (p->containers[i]->kind == CONTAINER_SIDECAR)
            keep_up(s, p->containers[i]);
    bool any = false;
    for (size_t i = p->init_count; i < p->main_end; i++)
        any |= keep_up(s, p->containers[i]);
    return any;
}

static bool stop_kind(struct pod *p, bool sidecars, int64_t grace_ms)
{
    for (size_t i = p->container_count; i-- > 0;) {
        struct container *c = p->containers[i];
        if ((c->kind == CONTAINER_SIDECAR) != sidecars || !container_alive(c))
            continue;
        container_stop(c, grace_ms, NULL);
        if (sidecars)
            return true; /* the next when this one is gone */
    }
    for (size_t i = 0; i < p->container_count; i++)
        if ((p->containers[i]->kind == CONTAINER_SIDECAR) == sidecars && container_alive(p->containers[i]))
            return true;
    return false;
}

bool containers_stop(struct step *s, int64_t grace_ms)
{
    struct pod *p = s->pod;
    for (size_t i = 0; i < p->container_count; i++)
        if (container_waiting(p->containers[i]))
            loop_timer_cancel(p->node->loop, &p->containers[i]->timer);
    return stop_kind(p, false, grace_ms) || stop_kind(p, true, grace_ms);
}

bool containers_any_to_run(struct step *s)
{
    struct pod *p = s->pod;
    for (size_t i = p->init_count; i < p->main_end; i++)
        if (p->containers[i]->state != CONTAINER_EXITED || restarts(s, p->containers[i]))
            return true;
    return false;
}

bool containers_all_succeeded(struct step *s)
{
    struct pod *p = s->pod;
    for (size_t i = p->init_count; i < p->main_end; i++)
        if (!p->containers[i]->now.exited || failed(p->containers[i]))
            return false;
    return true;
}
