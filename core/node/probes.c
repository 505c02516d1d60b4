/* See probes.h. A worker for each probe: timer, action, thresholds. */
#include "node/probes.h"

#include <stdio.h>

#include "base/limits.h"
#include "node/action.h"
#include "node/events.h"

enum { AGAIN_MS = 1000 };

static const char *const fields[PROBE_KINDS] = {
    [PROBE_STARTUP] = "startupProbe", [PROBE_LIVENESS] = "livenessProbe", [PROBE_READINESS] = "readinessProbe"};
static const char *const names[PROBE_KINDS] = {
    [PROBE_STARTUP] = "Startup", [PROBE_LIVENESS] = "Liveness", [PROBE_READINESS] = "Readiness"};

static void on_timer(void *ctx);

void probes_init(struct container *c)
{
    for (int i = 0; i < PROBE_KINDS; i++) {
        c->probes[i] = (struct probe){.container = c, .kind = (enum probe_kind)i};
        loop_timer_init(&c->probes[i].timer, on_timer, &c->probes[i]);
    }
}

static void stop_one(struct probe *p)
{
    loop_timer_cancel(p->container->pod->node->loop, &p->timer);
    action_cancel(p->action);
    p->action = NULL;
    p->active = false;
}

void probes_stop(struct container *c)
{
    for (int i = 0; i < PROBE_KINDS; i++)
        stop_one(&c->probes[i]);
}

void probes_stopping(struct container *c)
{
    probes_stop(c);
    c->ready = false;
    pod_wake(c->pod);
}

/* ---- verdicts ---- */

static void update_ready(struct container *c)
{
    const struct probe *r = &c->probes[PROBE_READINESS];
    c->ready = c->started && (!r->active || r->result);
    pod_wake(c->pod);
}

static void start_one(struct probe *p, const struct json *container)
{
    const struct json *spec = json_get(container, fields[p->kind]);
    struct node *n = p->container->pod->node;
    if (json_absent(spec) || p->active)
        return;
    *p = (struct probe){.container = p->container, .kind = p->kind, .active = true,
                        .result = p->kind == PROBE_LIVENESS};
    if (p->kind == PROBE_READINESS)
        p->result = p->last_ok = p->container->was_ready;
    loop_timer_init(&p->timer, on_timer, p);
    loop_timer_set(n->loop, &p->timer, json_path_i64(spec, "initialDelaySeconds", 0) * 1000);
}

/* Liveness and readiness wait for the startup probe. */
static void started(struct container *c, const struct json *container)
{
    c->started = true;
    start_one(&c->probes[PROBE_LIVENESS], container);
    start_one(&c->probes[PROBE_READINESS], container);
    update_ready(c);
}

static void unhealthy(struct probe *p, const struct json *spec, const struct json *pod_spec)
{
    struct container *c = p->container;
    char why[128];
    int64_t grace_s = json_path_i64(spec, "terminationGracePeriodSeconds",
                                    json_path_i64(pod_spec, "terminationGracePeriodSeconds", 30));
    snprintf(why, sizeof why, "Container %.60s failed %s probe", c->name,
             p->kind == PROBE_LIVENESS ? "liveness" : "startup");
    container_stop(c, grace_s * 1000, why);
}

static void verdict(struct probe *p, bool ok, const struct json *container, const struct json *pod_spec)
{
    struct container *c = p->container;
    const struct json *spec = json_get(container, fields[p->kind]);
    int64_t needed = json_path_i64(spec, ok ? "successThreshold" : "failureThreshold", ok ? 1 : 3);
    p->in_a_row = ok == p->last_ok ? p->in_a_row + 1 : 1;
    p->last_ok = ok;
    if (p->in_a_row < needed)
        return;
    bool before = p->result;
    p->result = ok;
    if (p->kind == PROBE_READINESS) {
        if (before != ok)
            update_ready(c);
    } else if (!ok) {
        p->in_a_row = 0;
        unhealthy(p, spec, pod_spec);
    } else if (p->kind == PROBE_STARTUP) {
        stop_one(p);
        started(c, container);
    }
}

/* ---- rounds ---- */

static void probed(void *ctx, enum action_result result, const char *message)
{
    struct probe *p = ctx;
    struct container *c = p->container;
    struct arena a CLEANUP_ARENA = {0};
    bool ok = result == ACTION_SUCCESS;
    p->action = NULL;
    if (!p->active || !container_running(c))
        return;
    if (!ok)
        events_pod(c->pod, c, "Warning", "Unhealthy", "%s probe failed: %s", names[p->kind], message);
    arena_init(&a, LIMIT_RECONCILE_ARENA);
    const struct json *spec = json_get(pod_tree(c->pod, &a), "spec");
    const struct json *container = container_spec(spec, c);
    if (container)
        verdict(p, ok, container, spec);
}

static void on_timer(void *ctx)
{
    struct probe *p = ctx;
    struct container *c = p->container;
    struct node *n = c->pod->node;
    struct arena a CLEANUP_ARENA = {0};
    arena_init(&a, LIMIT_RECONCILE_ARENA);
    const struct json *spec = json_get(pod_tree(c->pod, &a), "spec");
    const struct json *container = container_spec(spec, c);
    const struct json *probe = json_get(container, fields[p->kind]);
    int64_t period_s = json_path_i64(probe, "periodSeconds", 10);
    loop_timer_set(n->loop, &p->timer, probe ? period_s * 1000 : AGAIN_MS);
    if (!probe || p->action || !container_running(c))
        return;
    p->action = action_start(c, container, probe, json_path_i64(probe, "timeoutSeconds", 1) * 1000, probed, p);
}

void probes_start(struct container *c)
{
    struct arena a CLEANUP_ARENA = {0};
    arena_init(&a, LIMIT_RECONCILE_ARENA);
    const struct json *spec = json_get(pod_tree(c->pod, &a), "spec");
    const struct json *container = container_spec(spec, c);
    if (!json_absent(json_get(container, fields[PROBE_STARTUP])) && !c->was_started)
        start_one(&c->probes[PROBE_STARTUP], container);
    else
        started(c, container);
}
