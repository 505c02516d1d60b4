/* The writes that one reconcile asks for. See controller.h. */
#include "base/limits.h"
#include "client/plan_int.h"
#include "codec/time.h"

void plan_init(struct plan *p, struct arena *a, int64_t now_ns)
{
    *p = (struct plan){.arena = a, .now_ns = now_ns};
}

static struct plan_write *make(struct plan *p, const char *method, const char *path,
                              const char *type, const struct json *body, const struct cache *seen,
                              unsigned tolerate)
{
    struct plan_write *w = arena_zalloc(p->arena, sizeof *w);
    struct buf text CLEANUP_BUF;

    buf_init(&text, LIMIT_BODY_BYTES);
    if (body)
        json_write(&text, body);
    char *copy = w ? arena_strdup(p->arena, path) : NULL;
    struct str encoded = arena_str(p->arena, buf_str(&text));
    if (!copy || !encoded.p || text.failed) {
        p->failed = true;
        return NULL;
    }
    w->method = method;
    w->path = copy;
    w->content_type = type;
    w->body = encoded;
    w->seen = seen;
    w->tolerate = tolerate;
    w->after_barrier = p->barrier;
    p->barrier = false;
    return w;
}

static void append(struct plan_write **first, struct plan_write **last, struct plan_write *w)
{
    if (!w)
        return;
    if (*last)
        (*last)->next = w;
    else
        *first = w;
    *last = w;
}

void plan_close(struct plan *p)
{
    if (!p->first_event)
        return;
    if (p->first)
        p->first_event->after_barrier = true;
    append(&p->first, &p->last, p->first_event);
    p->last = p->last_event;
    p->first_event = p->last_event = NULL;
}

void plan_create(struct plan *p, const char *path, const struct json *body,
                 const struct cache *seen, unsigned tolerate)
{
    append(&p->first, &p->last, make(p, "POST", path, NULL, body, seen, tolerate));
}

void plan_update(struct plan *p, const char *path, const struct json *body, const struct cache *seen)
{
    append(&p->first, &p->last, make(p, "PUT", path, NULL, body, seen, PLAN_TOLERATE_NOTHING));
}

void plan_patch(struct plan *p, const char *path, const char *type, const struct json *body,
                const struct cache *seen, unsigned tolerate)
{
    append(&p->first, &p->last, make(p, "PATCH", path, type, body, seen, tolerate));
}

void plan_delete(struct plan *p, const char *path, const struct object *o, struct json *options,
                 const struct cache *seen)
{
    struct arena *a = p->arena;
    if (!options)
        options = json_new(a, JSON_OBJECT);
    struct json *pre = json_object_at(a, options, "preconditions");
    json_set_cstr(a, pre, "uid", o->uid);
    struct plan_write *w = make(p, "DELETE", path, NULL, options, seen, PLAN_TOLERATE_NOT_FOUND);
    append(&p->first, &p->last, w);
    if (w && seen) {
        w->uid = arena_strdup(a, o->uid);
        w->namespace = arena_strdup(a, o->namespace);
        w->name = arena_strdup(a, o->name);
        if (!w->uid || !w->namespace || !w->name)
            p->failed = true;
    }
}

void plan_delete_collection(struct plan *p, const char *path)
{
    append(&p->first, &p->last,
           make(p, "DELETE", path, NULL, NULL, NULL, PLAN_TOLERATE_NOT_FOUND));
}

void plan_requeue(struct plan *p, int64_t delay_ms)
{
    if (p->requeue_ms == 0 || delay_ms < p->requeue_ms)
        p->requeue_ms = delay_ms > 0 ? delay_ms : 1;
}

void plan_barrier(struct plan *p)
{
    p->barrier = true;
}

struct arena *plan_arena(struct plan *p)
{
    return p->arena;
}

const char *plan_failure(const struct plan *p, const char *method)
{
    return p->failure && cstr_eq(p->failed_method, method) ? p->failure : NULL;
}

int64_t plan_now_s(const struct plan *p)
{
    return p->now_ns / 1000000000;
}

const char *plan_now_text(struct plan *p)
{
    char *text = arena_alloc(p->arena, TIME_TEXT);
    if (!text) {
        p->failed = true;
        return "";
    }
    time_format(p->now_ns / 1000, text);
    return text;
}

void plan_event(struct plan *p, const struct json *about, const char *type, const char *reason,
                const char *component, const char *message)
{
    struct arena *a = p->arena;
    const char *ns = json_path_cstr(about, "metadata.namespace");
    const char *name = json_path_cstr(about, "metadata.name");
    const char *now = plan_now_text(p);
    struct json *e = json_new(a, JSON_OBJECT);

    if (!ns[0])
        ns = "default";
    json_set_cstr(a, e, "apiVersion", "v1");
    json_set_cstr(a, e, "kind", "Event");
    struct json *meta = json_object_at(a, e, "metadata");
    char *event_name = arena_printf(a, "%.200s.%llx", name,
                                    (unsigned long long)p->now_ns + p->events++);
    json_set_cstr(a, meta, "name", event_name ? event_name : "");
    json_set_cstr(a, meta, "namespace", ns);
    struct json *ref = json_object_at(a, e, "involvedObject");
    json_set_cstr(a, ref, "apiVersion", json_path_cstr(about, "apiVersion"));
    json_set_cstr(a, ref, "kind", json_path_cstr(about, "kind"));
    json_set_cstr(a, ref, "namespace", json_path_cstr(about, "metadata.namespace"));
    json_set_cstr(a, ref, "name", name);
    json_set_cstr(a, ref, "uid", json_path_cstr(about, "metadata.uid"));
    json_set_cstr(a, ref, "resourceVersion", json_path_cstr(about, "metadata.resourceVersion"));
    json_set_cstr(a, e, "type", type);
    json_set_cstr(a, e, "reason", reason);
    json_set_cstr(a, e, "message", message);
    json_set_cstr(a, json_object_at(a, e, "source"), "component", component);
    json_set_cstr(a, e, "reportingComponent", component);
    json_set_cstr(a, e, "firstTimestamp", now);
    json_set_cstr(a, e, "lastTimestamp", now);
    json_set_i64(a, e, "count", 1);
    char *path = client_path(a, NULL, "v1", ns, "events", NULL, NULL);
    bool barrier = p->barrier; /* an event takes no part in the order of the writes */
    if (path)
        append(&p->first_event, &p->last_event,
               make(p, "POST", path, NULL, e, NULL, PLAN_TOLERATE_ANY));
    else
        p->failed = true;
    p->barrier = barrier;
}
