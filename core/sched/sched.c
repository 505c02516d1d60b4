/*
 * The scheduling queue and cycle. See sched.h.
 *
 *            new, changed                 chosen, bound
 *   (pod) ------------------> ACTIVE ------------------------> BINDING --seen bound--> (gone)
 *                               ^  \                              |
 *        back-off over          |   \ no node fits                | refused
 *   BACKOFF --------------------+    v                            v
 *      ^                        UNSCHEDULABLE <---------------- BACKOFF
 *      +--- something changed ------/
 */
#include "sched/sched.h"

#include "base/limits.h"
#include "base/log.h"
#include "codec/time.h"
#include "sched/queue.h"

enum { TURN_PODS = 16, ASSUME_MS = 60 * 1000, EXPIRE_EVERY_MS = 10 * 1000 };

struct sched {
    struct client *client;
    struct cache *pods, *nodes;
    struct cache_listener *pod_listener, *node_listener;
    struct sched_state state;
    struct sched_queue queue;
    struct loop_task task;
    struct loop_timer timer; /* next back-off or expiry */
    bool closed;
    unsigned in_flight; /* bindings and statuses under way */
    uint64_t events;
};

static void wake(struct sched *s)
{
    loop_defer(s->client->loop, &s->task);
}

static bool wants_us(const struct json *pod)
{
    return !json_path_cstr(pod, "spec.nodeName")[0] &&
           json_absent(json_path(pod, "metadata.deletionTimestamp")) &&
           json_count(json_path(pod, "spec.schedulingGates")) == 0 &&
           cstr_eq(json_path_cstr(pod, "spec.schedulerName"), "default-scheduler");
}

static void pod_changed(void *ctx, struct object *old, struct object *new)
{
    struct sched *s = ctx;
    struct object *o = new ? new : old;
    struct arena a CLEANUP_ARENA;

    arena_init(&a, LIMIT_RECONCILE_ARENA);
    struct json *pod = object_json(o, &a);
    if (!pod)
        return;
    bool easier = sched_state_pod(&s->state, pod, !new);
    if (new && wants_us(pod))
        sched_queue_add(&s->queue, o, json_path_i64(pod, "spec.priority", 0));
    else
        sched_queue_remove(&s->queue, o->uid);
    if (easier)
        sched_queue_move_all(&s->queue);
    wake(s);
}

static void node_changed(void *ctx, struct object *old, struct object *new)
{
    struct sched *s = ctx;
    struct arena a CLEANUP_ARENA;

    arena_init(&a, LIMIT_RECONCILE_ARENA);
    struct json *node = object_json(new ? new : old, &a);
    if (!node)
        return;
    if (sched_state_node(&s->state, node, !new))
        sched_queue_move_all(&s->queue);
    wake(s);
}

/* ---- telling the API ---- */

struct report {
    struct sched *sched;
    char uid[64];
    bool binding;
    char *event; /* sent after a binding succeeded */
    char *event_path;
};

static void sched_unref(struct sched *s);

static void report_free(struct report *r)
{
    mem_free(r->event);
    mem_free(r->event_path);
    mem_free(r);
}

static void on_event_sent(void *ctx, const struct client_reply *reply)
{
    struct sched *s = ctx;
    if (reply->rc < 0 && !s->closed)
        log_debug("event: %s", reply->message);
    s->in_flight--;
    sched_unref(s);
}

static void send_event(struct sched *s, const char *path, const char *body)
{
    struct client_request q = {.method = "POST", .path = path, .body = str_of(body)};
    if (client_do(s->client, &q, on_event_sent, s, NULL) == 0)
        s->in_flight++;
}

static void on_reported(void *ctx, const struct client_reply *reply)
{
    struct report *r = ctx;
    struct sched *s = r->sched;

    s->in_flight--;
    if (!s->closed && r->binding) {
        if (reply->rc < 0) {
            log_warn("binding refused: %s", reply->message);
            sched_state_forget(&s->state, r->uid);
            sched_queue_failed(&s->queue, r->uid, true);
        } else {
            sched_queue_remove(&s->queue, r->uid);
            if (r->event)
                send_event(s, r->event_path, r->event);
        }
        wake(s);
    }
    report_free(r);
    sched_unref(s);
}

static struct report *report_new(struct sched *s, const char *uid, bool binding)
{
    struct report *r = mem_zalloc(sizeof *r);
    if (r) {
        r->sched = s;
        r->binding = binding;
        str_copy(r->uid, sizeof r->uid, str_of(uid));
    }
    return r;
}

static struct json *event_of(struct sched *s, struct arena *a, const struct json *pod,
                             const char *type, const char *reason, const char *message)
{
    char now[TIME_TEXT];
    struct json *e = json_new(a, JSON_OBJECT), *meta = json_object_at(a, e, "metadata");
    struct json *about = json_object_at(a, e, "regarding");
    int64_t ns = loop_realtime_ns(s->client->loop);

    time_format_micro(ns / 1000, now);
    char *name = arena_printf(a, "%.200s.%llx", json_path_cstr(pod, "metadata.name"),
                              (unsigned long long)ns + s->events++);
    json_set_cstr(a, e, "apiVersion", "events.k8s.io/v1");
    json_set_cstr(a, e, "kind", "Event");
    json_set_cstr(a, meta, "name", name ? name : "");
    json_set_str(a, meta, "namespace", json_path_str(pod, "metadata.namespace"));
    json_set_cstr(a, about, "apiVersion", "v1");
    json_set_cstr(a, about, "kind", "Pod");
    json_set_str(a, about, "namespace", json_path_str(pod, "metadata.namespace"));
    json_set_str(a, about, "name", json_path_str(pod, "metadata.name"));
    json_set_str(a, about, "uid", json_path_str(pod, "metadata.uid"));
    json_set_str(a, about, "resourceVersion", json_path_str(pod, "metadata.resourceVersion"));
    json_set_cstr(a, e, "eventTime", now);
    json_set_cstr(a, e, "type", type);
    json_set_cstr(a, e, "reason", reason);
    json_set_cstr(a, e, "note", message);
    json_set_cstr(a, e, "action", cstr_eq(reason, "Scheduled") ? "Binding" : "Scheduling");
    json_set_cstr(a, e, "reportingController", "default-scheduler");
    json_set_cstr(a, e, "reportingInstance", "default-scheduler");
    return e;
}

static char *text_of(const struct json *tree)
{
    struct buf b CLEANUP_BUF;
    buf_init(&b, LIMIT_OBJECT_BYTES);
    json_write(&b, tree);
    return b.failed ? NULL : buf_take(&b, NULL);
}

static char *event_path(struct arena *a, const struct json *pod)
{
    return client_path(a, "events.k8s.io", "v1", json_path_cstr(pod, "metadata.namespace"),
                       "events", NULL, NULL);
}

static int bind(struct sched *s, struct arena *a, const struct json *pod, const char *node)
{
    const char *ns = json_path_cstr(pod, "metadata.namespace");
    const char *name = json_path_cstr(pod, "metadata.name");
    const char *uid = json_path_cstr(pod, "metadata.uid");
    struct json *b = json_new(a, JSON_OBJECT), *meta = json_object_at(a, b, "metadata");
    struct json *target = json_object_at(a, b, "target");
    char *path = client_path(a, NULL, "v1", ns, "pods", name, "binding");
    char *message = arena_printf(a, "Successfully assigned %s/%s to %s", ns, name, node);
    struct report *r = report_new(s, uid, true);

    json_set_cstr(a, b, "apiVersion", "v1");
    json_set_cstr(a, b, "kind", "Binding");
    json_set_cstr(a, meta, "name", name);
    json_set_cstr(a, meta, "namespace", ns);
    json_set_cstr(a, meta, "uid", uid);
    json_set_cstr(a, target, "apiVersion", "v1");
    json_set_cstr(a, target, "kind", "Node");
    json_set_cstr(a, target, "name", node);
    if (!r || !path || !message || a->failed) {
        mem_free(r);
        return -E_NOMEM;
    }
    char *events = event_path(a, pod);
    r->event_path = events ? mem_strdup(events) : NULL;
    r->event = text_of(event_of(s, a, pod, "Normal", "Scheduled", message));
    int rc = client_send_json(s->client, "POST", path, NULL, b, on_reported, r);
    if (rc < 0)
        report_free(r);
    else
        s->in_flight++;
    return rc;
}

/* PodScheduled=False with the reason, once for each different message, and the event beside it. */
static void say_unschedulable(struct sched *s, struct arena *a, const struct json *pod,
                              const char *message)
{
    char now[TIME_TEXT];
    for (struct json *c = json_first(json_path(pod, "status.conditions")); c; c = c->next)
        if (cstr_eq(json_path_cstr(c, "type"), "PodScheduled") &&
            cstr_eq(json_path_cstr(c, "message"), message))
            return;
    time_format(loop_realtime_ns(s->client->loop) / 1000, now);
    struct json *patch = json_new(a, JSON_OBJECT), *c = json_new(a, JSON_OBJECT);
    struct json *list = json_array_at(a, json_object_at(a, patch, "status"), "conditions");
    json_set_cstr(a, c, "type", "PodScheduled");
    json_set_cstr(a, c, "status", "False");
    json_set_cstr(a, c, "reason", "Unschedulable");
    json_set_cstr(a, c, "message", message);
    json_set_cstr(a, c, "lastTransitionTime", now);
    json_append(a, list, c);
    char *path = client_path(a, NULL, "v1", json_path_cstr(pod, "metadata.namespace"), "pods",
                             json_path_cstr(pod, "metadata.name"), "status");
    struct report *r = report_new(s, json_path_cstr(pod, "metadata.uid"), false);
    if (!r || !path || a->failed) {
        mem_free(r);
        return;
    }
    if (client_send_json(s->client, "PATCH", path, "application/strategic-merge-patch+json", patch,
                         on_reported, r) < 0) {
        report_free(r);
        return;
    }
    s->in_flight++;
    char *events = event_path(a, pod);
    char *event = text_of(event_of(s, a, pod, "Warning", "FailedScheduling", message));
    if (events && event)
        send_event(s, events, event);
    mem_free(event);
}

/* ---- the cycle ---- */

static void try_pod(struct sched *s, const char *ns, const char *name, const char *uid)
{
    struct arena a CLEANUP_ARENA;
    char message[1024];
    struct object *o = cache_get(s->pods, ns, name);

    arena_init(&a, LIMIT_RECONCILE_ARENA);
    struct json *pod = o && cstr_eq(o->uid, uid) ? object_json(o, &a) : NULL;
    if (!pod || !wants_us(pod)) {
        sched_queue_remove(&s->queue, uid);
        return;
    }
    struct sched_node *node = sched_choose(&s->state, pod, message, sizeof message);
    if (!node) {
        sched_queue_failed(&s->queue, uid, false);
        say_unschedulable(s, &a, pod, message);
        return;
    }
    int64_t until = loop_now_ms(s->client->loop) + ASSUME_MS;
    int rc = sched_state_assume(&s->state, pod, node->name, until);
    if (rc == 0) {
        rc = bind(s, &a, pod, node->name);
        if (rc < 0)
            sched_state_forget(&s->state, uid);
    }
    if (rc < 0) {
        log_warn("pod %s/%s: %s", ns, name, err_text(rc));
        sched_queue_failed(&s->queue, uid, true);
    }
}

static void run(void *ctx)
{
    struct sched *s = ctx;
    struct sched_item *it;
    int64_t now = loop_now_ms(s->client->loop);

    if (!cache_synced(s->pods) || !cache_synced(s->nodes))
        return; /* the caches' synced wakes us */
    for (int i = 0; i < TURN_PODS && (it = sched_queue_take(&s->queue, now)); i++)
        try_pod(s, it->namespace, it->name, it->uid);
    int64_t wait = sched_queue_wait(&s->queue, now);
    loop_timer_set(s->client->loop, &s->timer, wait < EXPIRE_EVERY_MS ? wait : EXPIRE_EVERY_MS);
}

static void on_timer(void *ctx)
{
    struct sched *s = ctx;
    sched_state_expire(&s->state, loop_now_ms(s->client->loop));
    run(s);
}

static void synced(void *ctx)
{
    wake(ctx);
}

int sched_new(struct client *c, struct cache_set *caches, struct sched **ret_sched)
{
    struct sched *s = mem_zalloc(sizeof *s);
    if (!s)
        return -E_NOMEM;
    s->client = c;
    sched_state_init(&s->state);
    sched_queue_init(&s->queue, c->loop);
    loop_task_init(&s->task, run, s);
    loop_timer_init(&s->timer, on_timer, s);
    struct cache_handlers pods = {pod_changed, synced}, nodes = {node_changed, synced};
    int rc = cache_set_get(caches, "/api/v1/pods", &s->pods);
    if (rc == 0)
        rc = cache_set_get(caches, "/api/v1/nodes", &s->nodes);
    if (rc == 0)
        rc = cache_listen(s->nodes, &nodes, s, &s->node_listener);
    if (rc == 0)
        rc = cache_listen(s->pods, &pods, s, &s->pod_listener);
    if (rc < 0) {
        sched_free(s);
        return rc;
    }
    *ret_sched = s;
    return 0;
}

/* Frees once the last answer under way has come. */
static void sched_unref(struct sched *s)
{
    if (s->closed && s->in_flight == 0)
        mem_free(s);
}

void sched_free(struct sched *s)
{
    if (!s)
        return;
    s->closed = true;
    cache_unlisten(s->pod_listener);
    cache_unlisten(s->node_listener);
    loop_task_cancel(&s->task);
    loop_timer_cancel(s->client->loop, &s->timer);
    sched_queue_done(&s->queue);
    sched_state_done(&s->state);
    sched_unref(s);
}
