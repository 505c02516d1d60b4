/* See events.h. */
#include "node/events.h"

#include <stdarg.h>
#include <stdio.h>

#include "base/limits.h"
#include "base/log.h"
#include "codec/time.h"

enum { RETRY_FIRST_MS = 500, RETRY_LONGEST_MS = 30 * 1000, AGAIN_MS = 5 * 1000 };

struct record { /* one Event object */
    struct list lru_link, dirty_link;
    char *key; /* what makes two events the same */
    char *namespace, *name, *kind, *object, *uid, *field_path;
    char *type, *reason, *message;
    char *revision; /* of the object, when it happened */
    int64_t first_us, last_us;
    uint32_t count;
    uint32_t sent_count; /* 0: the object is still to be made */
    int64_t sent_ms;
};

struct events {
    struct node *node;
    struct map by_key;
    struct list lru;   /* newest first */
    struct list dirty; /* oldest first */
    struct record *sending;
    struct client_call *call;
    uint32_t sending_count;
    int64_t retry_ms;
    uint64_t serial;
    struct loop_timer timer;
};

static void pump(struct events *e);

static void on_timer(void *ctx)
{
    pump(ctx);
}

int events_new(struct node *n, struct events **ret_events)
{
    struct events *e = mem_zalloc(sizeof *e);
    if (!e)
        return -E_NOMEM;
    e->node = n;
    e->retry_ms = RETRY_FIRST_MS;
    e->serial = (uint64_t)loop_realtime_ns(n->loop);
    list_init(&e->lru);
    list_init(&e->dirty);
    loop_timer_init(&e->timer, on_timer, e);
    *ret_events = e;
    return 0;
}

static void record_free(void *p)
{
    struct record *r = p;
    char *const texts[] = {r->key, r->namespace, r->name, r->kind, r->object, r->uid,
                           r->field_path, r->type, r->reason, r->message, r->revision};
    for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++)
        mem_free(texts[i]);
    list_remove(&r->lru_link);
    list_remove(&r->dirty_link);
    mem_free(r);
}

void events_free(struct events *e)
{
    if (!e)
        return;
    loop_timer_cancel(e->node->loop, &e->timer);
    if (e->call)
        client_cancel(e->node->client, e->call);
    map_done(&e->by_key, record_free);
    mem_free(e);
}

/* ---- sending ---- */

static struct json *first_body(struct events *e, struct arena *a, const struct record *r)
{
    char first[TIME_TEXT], last[TIME_TEXT];
    struct json *o = json_new(a, JSON_OBJECT), *about;
    const char *node = e->node->o.node_name;
    time_format(r->first_us, first);
    time_format(r->last_us, last);
    json_set_cstr(a, o, "apiVersion", "v1");
    json_set_cstr(a, o, "kind", "Event");
    json_set_path(a, o, "metadata.name", json_new_cstr(a, r->name));
    json_set_path(a, o, "metadata.namespace", json_new_cstr(a, r->namespace));
    about = json_object_at(a, o, "involvedObject");
    json_set_cstr(a, about, "kind", r->kind);
    if (cstr_eq(r->kind, "Pod")) {
        json_set_cstr(a, about, "namespace", r->namespace);
        json_set_cstr(a, about, "apiVersion", "v1");
    }
    json_set_cstr(a, about, "name", r->object);
    json_set_cstr(a, about, "uid", r->uid);
    if (r->revision && r->revision[0])
        json_set_cstr(a, about, "resourceVersion", r->revision);
    if (r->field_path && r->field_path[0])
        json_set_cstr(a, about, "fieldPath", r->field_path);
    json_set_cstr(a, o, "reason", r->reason);
    json_set_cstr(a, o, "message", r->message);
    json_set_path(a, o, "source.component", json_new_cstr(a, "kubelet"));
    json_set_path(a, o, "source.host", json_new_cstr(a, node));
    json_set_cstr(a, o, "firstTimestamp", first);
    json_set_cstr(a, o, "lastTimestamp", last);
    json_set_i64(a, o, "count", r->count);
    json_set_cstr(a, o, "type", r->type);
    json_set_cstr(a, o, "reportingComponent", "kubelet");
    json_set_cstr(a, o, "reportingInstance", node);
    return o;
}

static struct json *count_body(struct arena *a, const struct record *r)
{
    char last[TIME_TEXT];
    struct json *o = json_new(a, JSON_OBJECT);
    time_format(r->last_us, last);
    json_set_i64(a, o, "count", r->count);
    json_set_cstr(a, o, "lastTimestamp", last);
    return o;
}

static void wait_longer(struct events *e)
{
    loop_timer_set(e->node->loop, &e->timer, e->retry_ms);
    e->retry_ms = e->retry_ms * 2 < RETRY_LONGEST_MS ? e->retry_ms * 2 : RETRY_LONGEST_MS;
}

static bool worth_a_retry(const struct client_reply *r)
{
    return r->status == 0 || r->status >= 500 || r->status == 429 || r->status == 401;
}

static void sent(void *ctx, const struct client_reply *reply)
{
    struct events *e = ctx;
    struct record *r = e->sending;
    e->call = NULL;
    e->sending = NULL;
    if (reply->rc == -E_NOT_FOUND && r->sent_count) {
        r->sent_count = 0; /* it has expired: made anew */
        r->first_us = r->last_us;
        r->count = 1;
    } else if (reply->rc < 0 && reply->rc != -E_EXISTS && worth_a_retry(reply)) {
        wait_longer(e);
        return;
    } else {
        if (reply->rc < 0)
            log_debug("event %s: %s", r->reason, reply->message);
        r->sent_count = e->sending_count;
        r->sent_ms = loop_now_ms(e->node->loop);
        if (r->count == r->sent_count)
            list_remove(&r->dirty_link);
    }
    e->retry_ms = RETRY_FIRST_MS;
    pump(e);
}

static int send_record(struct events *e, struct record *r)
{
    struct arena a CLEANUP_ARENA = {0};
    struct buf text CLEANUP_BUF = {0};
    arena_init(&a, LIMIT_REQUEST_ARENA);
    buf_init(&text, LIMIT_BODY_BYTES);
    bool first = r->sent_count == 0;
    json_write(&text, first ? first_body(e, &a, r) : count_body(&a, r));
    struct client_request q = {
        .method = first ? "POST" : "PATCH",
        .path = client_path(&a, NULL, "v1", r->namespace, "events", first ? NULL : r->name, NULL),
        .content_type = first ? NULL : "application/merge-patch+json",
        .body = buf_str(&text)};
    if (a.failed || text.failed)
        return -E_NOMEM;
    e->sending = r;
    e->sending_count = r->count;
    int rc = client_do(e->node->client, &q, sent, e, &e->call);
    if (rc < 0)
        e->sending = NULL;
    return rc;
}

/* The next that is due: new ones at once, counts not more often than every AGAIN_MS. */
static struct record *next_due(struct events *e, int64_t *ret_wait_ms)
{
    int64_t now = loop_now_ms(e->node->loop), least = -1;
    struct record *r;
    LIST_EACH (r, &e->dirty, dirty_link) {
        int64_t wait = r->sent_count ? r->sent_ms + AGAIN_MS - now : 0;
        if (wait <= 0)
            return r;
        if (least < 0 || wait < least)
            least = wait;
    }
    *ret_wait_ms = least;
    return NULL;
}

static void pump(struct events *e)
{
    int64_t wait_ms = -1;
    if (e->sending || (loop_timer_armed(&e->timer) && e->retry_ms > RETRY_FIRST_MS))
        return;
    struct record *r = next_due(e, &wait_ms);
    if (r && send_record(e, r) < 0)
        wait_longer(e);
    else if (!r && wait_ms >= 0)
        loop_timer_set(e->node->loop, &e->timer, wait_ms);
}

/* ---- taking ---- */

struct about {
    const char *namespace, *kind, *name, *uid;
    int64_t revision;
    char field_path[320];
};

static void forget_oldest(struct events *e)
{
    struct list *at = e->lru.prev;
    if (at == &e->lru)
        return;
    struct record *r = LIST_OF(at, struct record, lru_link);
    if (r == e->sending)
        return;
    map_remove(&e->by_key, str_of(r->key));
    record_free(r);
}

static struct record *record_new(struct events *e, const char *key, const struct about *on,
                                 const char *type, const char *reason, const char *message)
{
    char name[400], revision[24] = "";
    struct record *r = mem_zalloc(sizeof *r);
    if (!r)
        return NULL;
    list_init(&r->lru_link);
    list_init(&r->dirty_link);
    snprintf(name, sizeof name, "%.253s.%llx", on->name, (unsigned long long)e->serial++);
    if (on->revision > 0)
        snprintf(revision, sizeof revision, "%lld", (long long)on->revision);
    r->key = mem_strdup(key);
    r->namespace = mem_strdup(on->namespace);
    r->name = mem_strdup(name);
    r->kind = mem_strdup(on->kind);
    r->object = mem_strdup(on->name);
    r->uid = mem_strdup(on->uid);
    r->field_path = mem_strdup(on->field_path);
    r->type = mem_strdup(type);
    r->reason = mem_strdup(reason);
    r->message = mem_strdup(message);
    r->revision = mem_strdup(revision);
    if (!r->key || !r->namespace || !r->name || !r->kind || !r->object || !r->uid || !r->field_path ||
        !r->type || !r->reason || !r->message || map_set(&e->by_key, str_of(key), r, NULL) < 0) {
        record_free(r);
        return NULL;
    }
    return r;
}

static void take(struct events *e, const struct about *on, const char *type, const char *reason,
                 const char *message)
{
    char key[EVENTS_MESSAGE_BYTES + 640];
    int64_t now_us = loop_realtime_ns(e->node->loop) / 1000;
    snprintf(key, sizeof key, "%s|%s|%s|%s|%s", on->uid, on->field_path, type, reason, message);
    struct record *r = map_get(&e->by_key, str_of(key));
    if (!r) {
        if (e->by_key.count >= EVENTS_MOST)
            forget_oldest(e);
        r = record_new(e, key, on, type, reason, message);
        if (!r)
            return;
        r->first_us = now_us;
    }
    r->count++;
    r->last_us = now_us;
    list_remove(&r->lru_link);
    list_push_front(&e->lru, &r->lru_link);
    if (list_empty(&r->dirty_link))
        list_push_back(&e->dirty, &r->dirty_link);
    pump(e);
}

void events_pod(struct pod *p, const struct container *c, const char *type, const char *reason,
                const char *fmt, ...)
{
    char message[EVENTS_MESSAGE_BYTES];
    struct about on = {p->namespace, "Pod", p->name, p->uid, 0, ""};
    va_list ap;
    if (!p->object || p->api_gone)
        return; /* nobody asks about an orphan */
    on.revision = p->object->resource_version;
    va_start(ap, fmt);
    vsnprintf(message, sizeof message, fmt, ap);
    va_end(ap);
    if (c)
        snprintf(on.field_path, sizeof on.field_path, "spec.%s{%s}",
                 container_list(c), c->name);
    take(p->node->events, &on, type, reason, message);
}

void events_node(struct node *n, const char *type, const char *reason, const char *fmt, ...)
{
    char message[EVENTS_MESSAGE_BYTES];
    struct about on = {"default", "Node", n->o.node_name, n->o.node_name, 0, ""};
    va_list ap;
    va_start(ap, fmt);
    vsnprintf(message, sizeof message, fmt, ap);
    va_end(ap);
    take(n->events, &on, type, reason, message);
}
