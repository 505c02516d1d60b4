/*
 * The state machine of a pod.
 *
 *   ADMITTING --admitted--> PREPARING --prepared--> RUNNING
 *       |                     |   ^                  |  |
 *       |rejected          stop   +------ lost ------+  |stop
 *       v                     v                         v
 *     ENDED <---- stopped --- STOPPING <----------------+
 *       |delete
 *       v
 *   REMOVING --removed--> DELETING --forget--> GONE
 *
 * Work is level-triggered: whatever changes (the object, a container, a source, a call that came
 * back) wakes the pod, and the function of its state looks at everything and begins what can be
 * begun. So a lost wake costs time and never correctness.
 */
#include "base/assert.h"
#include "base/limits.h"
#include "base/log.h"
#include "node/admit.h"
#include "node/containers.h"
#include "node/events.h"
#include "node/node_int.h"
#include "node/sandbox.h"
#include "node/status.h"
#include "node/volumes.h"

enum { RETRY_FIRST_MS = 500, RETRY_LONGEST_MS = 30 * 1000, DEFAULT_GRACE_MS = 30 * 1000 };

#define TO(state) ((state) + 1) /* 0: the event means nothing in this state */

static const uint8_t table[POD_STATES][POD_EVENTS] = {
    [POD_ADMITTING] = {[POD_EV_ADMITTED] = TO(POD_PREPARING),
                       [POD_EV_REJECTED] = TO(POD_ENDED),
                       [POD_EV_STOP] = TO(POD_STOPPING)},
    [POD_PREPARING] = {[POD_EV_PREPARED] = TO(POD_RUNNING),
                       [POD_EV_LOST] = TO(POD_PREPARING),
                       [POD_EV_STOP] = TO(POD_STOPPING)},
    [POD_RUNNING] = {[POD_EV_LOST] = TO(POD_PREPARING), [POD_EV_STOP] = TO(POD_STOPPING)},
    [POD_STOPPING] = {[POD_EV_LOST] = TO(POD_STOPPING), [POD_EV_STOPPED] = TO(POD_ENDED)},
    [POD_ENDED] = {[POD_EV_LOST] = TO(POD_ENDED), [POD_EV_DELETE] = TO(POD_REMOVING)},
    [POD_REMOVING] = {[POD_EV_REMOVED] = TO(POD_DELETING)},
    [POD_DELETING] = {[POD_EV_FORGET] = TO(POD_GONE)},
    [POD_GONE] = {0},
};
_Static_assert(sizeof table == (size_t)POD_STATES * POD_EVENTS, "one cell for each state and event");

const char *pod_state_name(enum pod_state s)
{
    static const char *const names[POD_STATES] = {
        [POD_ADMITTING] = "admitting", [POD_PREPARING] = "preparing", [POD_RUNNING] = "running",
        [POD_STOPPING] = "stopping",   [POD_ENDED] = "ended",         [POD_REMOVING] = "removing",
        [POD_DELETING] = "deleting",   [POD_GONE] = "gone"};
    return names[s];
}

static void lose_sandbox(struct pod *p)
{
    p->sandbox = p->sandbox_files = false;
    p->initialized = false;
    volumes_forget(p);
    for (size_t i = 0; i < p->container_count; i++)
        container_lost(p->containers[i]);
}

void pod_event(struct pod *p, enum pod_event e)
{
    ASSERT(p->state < POD_STATES && e < POD_EVENTS);
    uint8_t to = table[p->state][e];
    if (!to)
        return;
    if (e == POD_EV_LOST)
        lose_sandbox(p);
    if (p->state != (enum pod_state)(to - 1))
        log_debug("pod %s/%s: %s -> %s", p->namespace, p->name, pod_state_name(p->state),
                  pod_state_name((enum pod_state)(to - 1)));
    p->state = (enum pod_state)(to - 1);
    p->retry_ms = RETRY_FIRST_MS;
    loop_timer_cancel(p->node->loop, &p->retry);
    if (p->state == POD_STOPPING && !p->stop_at_ms)
        p->stop_at_ms = loop_now_ms(p->node->loop);
    if (p->state == POD_GONE)
        pods_forget(p);
    else
        pod_wake(p);
}

/* ---- looking things up ---- */

struct container *pod_container(const struct pod *p, const char *name)
{
    for (size_t i = 0; i < p->container_count; i++)
        if (cstr_eq(p->containers[i]->name, name))
            return p->containers[i];
    return NULL;
}

struct container *pod_container_by_id(const struct pod *p, const char *id)
{
    for (size_t i = 0; i < p->container_count; i++)
        if (cstr_eq(p->containers[i]->now.id, id))
            return p->containers[i];
    return NULL;
}

bool pod_any_running(const struct pod *p)
{
    for (size_t i = 0; i < p->container_count; i++)
        if (container_alive(p->containers[i]))
            return true;
    return false;
}

struct json *pod_tree(const struct pod *p, struct arena *a)
{
    return p->object ? object_json(p->object, a) : NULL;
}

const char *container_list(const struct container *c)
{
    return c->kind == CONTAINER_MAIN        ? "containers"
           : c->kind == CONTAINER_EPHEMERAL ? "ephemeralContainers"
                                            : "initContainers";
}

const struct json *container_spec(const struct json *spec, const struct container *c)
{
    for (struct json *j = json_first(json_get(spec, container_list(c))); j; j = j->next)
        if (cstr_eq(json_path_cstr(j, "name"), c->name))
            return j;
    return NULL;
}

/* ---- the work of each state ---- */

void pod_retry_later(struct pod *p)
{
    pod_wake_after(p, p->retry_ms);
    p->retry_ms = p->retry_ms * 2 < RETRY_LONGEST_MS ? p->retry_ms * 2 : RETRY_LONGEST_MS;
}

static void work_admitting(struct step *s)
{
    struct pod *p = s->pod;
    const char *phase = json_path_cstr(s->tree, "status.phase");
    if (cstr_eq(phase, "Succeeded") || cstr_eq(phase, "Failed")) {
        p->phase = cstr_eq(phase, "Failed") ? "Failed" : "Succeeded";
        node_text_set(&p->reason, json_path_cstr(s->tree, "status.reason"));
        node_text_set(&p->message, json_path_cstr(s->tree, "status.message"));
        pod_event(p, p->sandbox ? POD_EV_STOP : POD_EV_REJECTED);
        return;
    }
    if (!cache_synced(p->node->services)) {
        pod_wake_after(p, RETRY_FIRST_MS); /* containers get the services' variables */
        return;
    }
    for (size_t i = 0; i < p->container_count; i++) {
        p->sandbox_once |= p->containers[i]->now.id[0] != 0;
        container_settle(p->containers[i], p->sandbox);
    }
    struct err err = {0};
    const char *reason = "";
    if (!p->recovered && admit_check(s, &reason, &err) < 0) {
        p->phase = "Failed";
        node_text_set(&p->reason, reason);
        node_text_set(&p->message, err.text);
        events_pod(p, NULL, "Warning", reason, "%s", err.text);
        pod_event(p, POD_EV_REJECTED);
        return;
    }
    pod_event(p, POD_EV_ADMITTED);
}

static void work_preparing(struct step *s)
{
    struct pod *p = s->pod;
    if (p->sandbox_once && !p->sandbox && !containers_any_to_run(s)) {
        pod_event(p, POD_EV_STOP);
        return;
    }
    if (sandbox_work(s) && volumes_work(s))
        pod_event(p, POD_EV_PREPARED);
}

static void check_deadline(struct step *s)
{
    struct pod *p = s->pod;
    int64_t deadline_s = json_path_i64(s->spec, "activeDeadlineSeconds", 0);
    if (deadline_s <= 0)
        return;
    int64_t left_s = p->seen_ns / 1000000000 + deadline_s - node_now_s(p->node);
    if (left_s <= 0)
        pod_fail(p, "DeadlineExceeded",
                 "Pod was active on the node longer than the specified deadline");
    else if (!loop_timer_armed(&p->timer))
        loop_timer_set(p->node->loop, &p->timer, left_s * 1000);
}

static void work_running(struct step *s)
{
    check_deadline(s);
    if (s->pod->state != POD_RUNNING)
        return;
    volumes_work(s); /* sources that changed */
    if (!containers_work(s))
        pod_event(s->pod, POD_EV_STOP);
}

static void work_stopping(struct step *s)
{
    struct pod *p = s->pod;
    if (!p->deleting)
        p->grace_ms = 1000 * json_path_i64(s->spec, "terminationGracePeriodSeconds", 30);
    int64_t left = p->stop_at_ms + p->grace_ms - loop_now_ms(p->node->loop);
    if (!containers_stop(s, left > 0 ? left : 0))
        pod_event(p, POD_EV_STOPPED);
}

static void work_ended(struct step *s)
{
    struct pod *p = s->pod;
    if (!p->phase)
        p->phase = containers_all_succeeded(s) ? "Succeeded" : "Failed";
    if (p->deleting || p->api_gone)
        pod_event(p, POD_EV_DELETE);
}

static void removed(void *ctx, const struct runtime_result *r)
{
    struct pod *p = ctx;
    p->call_busy = false;
    if (r->rc < 0 && r->rc != -E_NOT_FOUND) {
        log_warn("pod %s/%s: removing: %s", p->namespace, p->name, r->message);
        pod_retry_later(p);
    } else {
        p->sandbox = p->sandbox_files = false;
        pod_event(p, POD_EV_REMOVED);
    }
    pod_unref(p);
}

static void work_removing(struct step *s)
{
    struct pod *p = s->pod;
    if (p->call_busy || loop_timer_armed(&p->retry))
        return;
    p->call_busy = true;
    pod_ref(p);
    p->node->runtime->ops->pod_remove(p->node->runtime->self, p->uid, removed, p);
}

static void deleted(void *ctx, const struct client_reply *r)
{
    struct pod *p = ctx;
    p->delete_call = NULL;
    if (r->rc == -E_NOT_FOUND || r->rc == -E_CONFLICT)
        p->api_gone = true; /* or another pod of that name */
    else if (r->rc < 0)
        log_warn("pod %s/%s: deleting: %s", p->namespace, p->name, r->message);
    /* The watch tells when it is gone; asking again is harmless. */
    if (p->api_gone)
        pod_wake(p);
    else
        pod_retry_later(p);
}

static int send_delete(struct step *s)
{
    struct pod *p = s->pod;
    struct buf text CLEANUP_BUF = {0};
    struct json *body = json_new(s->a, JSON_OBJECT);
    json_set_cstr(s->a, body, "kind", "DeleteOptions");
    json_set_cstr(s->a, body, "apiVersion", "v1");
    json_set_i64(s->a, body, "gracePeriodSeconds", 0);
    json_set_path(s->a, body, "preconditions.uid", json_new_cstr(s->a, p->uid));
    buf_init(&text, LIMIT_BODY_BYTES);
    json_write(&text, body);
    struct client_request q = {
        .method = "DELETE", .body = buf_str(&text),
        .path = client_path(s->a, NULL, "v1", p->namespace, "pods", p->name, NULL)};
    if (s->a->failed || text.failed)
        return -E_NOMEM;
    return client_do(p->node->client, &q, deleted, p, &p->delete_call);
}

static void work_deleting(struct step *s)
{
    struct pod *p = s->pod;
    if (p->api_gone)
        pod_event(p, POD_EV_FORGET);
    else if (!p->delete_call && !loop_timer_armed(&p->retry) && !status_pending(p) && send_delete(s) < 0)
        pod_retry_later(p);
}

static void work_gone(struct step *s)
{
    (void)s;
}

/* ---- waking ---- */

static void notice_deletion(struct step *s)
{
    struct pod *p = s->pod;
    bool deletion = p->api_gone || (p->object && p->object->deleting);
    if (!deletion)
        return;
    int64_t grace_s = json_path_i64(s->tree, "metadata.deletionGracePeriodSeconds", -1);
    if (grace_s < 0)
        grace_s = json_path_i64(s->spec, "terminationGracePeriodSeconds", DEFAULT_GRACE_MS / 1000);
    if (!p->deleting || grace_s * 1000 < p->grace_ms)
        p->grace_ms = grace_s * 1000;
    if (!p->deleting && p->state == POD_STOPPING)
        p->stop_at_ms = loop_now_ms(p->node->loop);
    p->deleting = true;
    pod_event(p, POD_EV_STOP);
}

static void work(void *ctx)
{
    static void (*const works[POD_STATES])(struct step *) = {
        [POD_ADMITTING] = work_admitting, [POD_PREPARING] = work_preparing,
        [POD_RUNNING] = work_running,     [POD_STOPPING] = work_stopping,
        [POD_ENDED] = work_ended,         [POD_REMOVING] = work_removing,
        [POD_DELETING] = work_deleting,   [POD_GONE] = work_gone};
    struct pod *p = ctx;
    struct arena a CLEANUP_ARENA = {0};
    if (!p->node->recovered || p->state == POD_GONE)
        return;
    arena_init(&a, LIMIT_RECONCILE_ARENA);
    struct step s = {.pod = p, .a = &a, .tree = pod_tree(p, &a)};
    if (p->object && !s.tree) {
        pod_wake_after(p, RETRY_LONGEST_MS); /* memory ran out */
        return;
    }
    s.spec = json_get(s.tree, "spec");
    pods_add_ephemeral(p, s.spec);
    pod_ref(p);
    notice_deletion(&s);
    works[p->state](&s);
    if (p->state != POD_GONE)
        status_update(&s);
    pod_unref(p);
}

static void on_timer(void *ctx)
{
    pod_wake(ctx);
}

void pod_init_work(struct pod *p)
{
    loop_task_init(&p->work, work, p);
    loop_timer_init(&p->timer, on_timer, p);
    loop_timer_init(&p->retry, on_timer, p);
    p->retry_ms = RETRY_FIRST_MS;
    p->grace_ms = DEFAULT_GRACE_MS;
}

void pod_wake(struct pod *p)
{
    if (p->state != POD_GONE)
        loop_defer(p->node->loop, &p->work);
}

void pod_wake_after(struct pod *p, int64_t delay_ms)
{
    if (p->state == POD_GONE)
        return;
    if (!loop_timer_armed(&p->retry) || p->retry.due_ns > loop_now_ns(p->node->loop) + delay_ms * 1000000)
        loop_timer_set(p->node->loop, &p->retry, delay_ms);
}

void pod_fail(struct pod *p, const char *reason, const char *message)
{
    if (p->phase)
        return;
    p->phase = "Failed";
    node_text_set(&p->reason, reason);
    node_text_set(&p->message, message);
    pod_event(p, POD_EV_STOP);
}
