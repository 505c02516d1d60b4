/* Telling the API. See status.h. */
#include "node/status.h"

#include "base/limits.h"
#include "base/log.h"
#include "codec/time.h"

enum { RETRY_FIRST_MS = 200, RETRY_LONGEST_MS = 10 * 1000 };

static void on_timer(void *ctx)
{
    struct pod *p = ctx;
    p->status_dirty = true;
    pod_wake(p);
}

void status_init(struct pod *p)
{
    p->status_retry_ms = RETRY_FIRST_MS;
    loop_timer_init(&p->status_timer, on_timer, p);
    for (size_t i = 0; i < CONDITIONS; i++)
        p->condition[i] = -1;
}

void status_done(struct pod *p)
{
    loop_timer_cancel(p->node->loop, &p->status_timer);
    if (p->status_call)
        client_cancel(p->node->client, p->status_call);
    p->status_call = NULL;
    p->status_busy = false;
}

bool status_pending(const struct pod *p)
{
    return p->object && !p->api_gone && (p->status_busy || p->status_dirty || loop_timer_armed(&p->status_timer));
}

void status_recall(struct pod *p, const struct json *tree)
{
    const struct json *status = json_get(tree, "status");
    int64_t us;
    if (time_parse(json_path_str(status, "startTime"), &us, NULL) == 0)
        p->seen_ns = us * 1000;
    for (struct json *c = json_first(json_get(status, "conditions")); c; c = c->next) {
        for (int i = 0; i < CONDITIONS; i++) {
            if (!cstr_eq(json_path_cstr(c, "type"), status_condition_name((enum status_condition)i)) ||
                time_parse(json_path_str(c, "lastTransitionTime"), &us, NULL) < 0)
                continue;
            p->condition[i] = cstr_eq(json_path_cstr(c, "status"), "True");
            p->condition_ns[i] = us * 1000;
        }
    }
    p->scheduled = p->condition[CONDITION_SCHEDULED] == 1;
    status_recall_containers(p, status);
}

/* ---- sending ---- */

/* Would the same patch be refused again? Then it is given up, or nothing could ever end. */
static bool refused_for_good(const struct client_reply *r)
{
    return r->status >= 400 && r->status < 500 && r->status != 401 && r->status != 409 && r->status != 429;
}

static void answered(void *ctx, const struct client_reply *r)
{
    struct pod *p = ctx;
    p->status_busy = false;
    p->status_call = NULL;
    if (r->rc == 0 || refused_for_good(r)) {
        if (r->rc < 0 && r->rc != -E_NOT_FOUND)
            log_warn("pod %s/%s: its status was refused: %s", p->namespace, p->name, r->message);
        p->status_hash = p->status_sending;
        p->status_retry_ms = RETRY_FIRST_MS;
        if (r->rc == 0 && p->status_running)
            node_reached(p->node, NODE_FIRST_POD);
        pod_wake(p); /* for what has changed meanwhile */
    } else {
        loop_timer_set(p->node->loop, &p->status_timer, p->status_retry_ms);
        p->status_retry_ms = p->status_retry_ms * 2 < RETRY_LONGEST_MS ? p->status_retry_ms * 2 : RETRY_LONGEST_MS;
    }
}

/* A list that merges by key keeps what is not named: an address of an earlier sandbox is taken out
 * by name. */
static void drop_old_addresses(struct step *s, struct json *status)
{
    struct json *now = json_get(status, "podIPs");
    for (struct json *old = json_first(json_path(s->tree, "status.podIPs")); old; old = old->next) {
        bool there = false;
        for (struct json *j = json_first(now); j; j = j->next)
            there |= json_equal(json_get(j, "ip"), json_get(old, "ip"));
        if (there)
            continue;
        struct json *drop = json_new(s->a, JSON_OBJECT);
        json_set_cstr(s->a, drop, "ip", json_path_cstr(old, "ip"));
        json_set_cstr(s->a, drop, "$patch", "delete");
        json_append(s->a, json_array_at(s->a, status, "podIPs"), drop);
    }
}

static void send(struct step *s, struct json *status, uint64_t hash)
{
    struct pod *p = s->pod;
    struct json *body = json_new(s->a, JSON_OBJECT);
    drop_old_addresses(s, status);
    json_set_path(s->a, body, "metadata.uid", json_new_cstr(s->a, p->uid));
    json_set(s->a, body, "status", status);
    const char *path = client_path(s->a, NULL, "v1", p->namespace, "pods", p->name, "status");
    struct buf text CLEANUP_BUF = {0};
    buf_init(&text, LIMIT_BODY_BYTES);
    json_write(&text, body);
    struct client_request q = {.method = "PATCH", .path = path, .body = buf_str(&text),
                               .content_type = "application/strategic-merge-patch+json"};
    if (s->a->failed || text.failed || client_do(p->node->client, &q, answered, p, &p->status_call) < 0) {
        loop_timer_set(p->node->loop, &p->status_timer, p->status_retry_ms);
        return;
    }
    p->status_sending = hash;
    p->status_running = cstr_eq(json_path_cstr(status, "phase"), "Running");
    p->status_busy = true;
}

void status_update(struct step *s)
{
    struct pod *p = s->pod;
    struct buf text CLEANUP_BUF = {0};
    if (!p->object || p->api_gone || p->status_busy || loop_timer_armed(&p->status_timer))
        return;
    buf_init(&text, LIMIT_BODY_BYTES);
    struct json *status = status_build(s);
    json_write(&text, status);
    if (text.failed || s->a->failed) {
        loop_timer_set(p->node->loop, &p->status_timer, p->status_retry_ms);
        return;
    }
    uint64_t hash = str_hash(buf_str(&text));
    p->status_dirty = false;
    if (hash != p->status_hash)
        send(s, status, hash);
}
