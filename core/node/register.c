/*
 * See register.h.
 *
 *   GET node --404--> POST --------+
 *      |there                      v
 *      +--> PATCH labels --> PATCH status, again each 10 s if it changed, or after 5 min
 *   GET lease --404--> POST | PUT, each 10 s
 */
#include "node/register.h"

#include <stdio.h>

#include "base/limits.h"
#include "base/log.h"
#include "codec/time.h"

enum {
    STATUS_MS = 10 * 1000,
    REPORT_MS = 5 * 60 * 1000,
    LEASE_MS = 10 * 1000,
    LEASE_SECONDS = 40,
    RETRY_FIRST_MS = 200,
    FIRST_LONGEST_MS = 800,
    RETRY_LONGEST_MS = 7 * 1000, /* upstream's for leases */
};

struct registration {
    struct node *node;
    struct loop_timer status_timer, lease_timer;
    bool created, status_busy, lease_busy, status_again;
    bool reported_ready; /* the status under way or taken last says so */
    uint64_t reported_hash;
    int64_t reported_ms, status_retry_ms, lease_retry_ms, renewed_ms;
    char *uid; /* of the Node object */
    struct client_call *status_call, *lease_call;
};

static const char merge_patch[] = "application/merge-patch+json";
static const char strategic_patch[] = "application/strategic-merge-patch+json";

static int ask(struct registration *r, const char *method, const char *path, const char *type,
               const struct json *body, client_reply_fn *done, struct client_call **ret_call)
{
    struct buf text CLEANUP_BUF = {0};
    buf_init(&text, LIMIT_BODY_BYTES);
    if (body)
        json_write(&text, body);
    struct client_request q = {.method = method, .path = path, .content_type = type, .body = buf_str(&text)};
    if (!path || text.failed)
        return -E_NOMEM;
    return client_do(r->node->client, &q, done, r, ret_call);
}

static int64_t longer(int64_t ms)
{
    return ms * 2 < RETRY_LONGEST_MS ? ms * 2 : RETRY_LONGEST_MS;
}

/* ---- the object and its status ---- */

static void status_later(struct registration *r, int64_t delay_ms)
{
    r->status_busy = false;
    r->status_call = NULL;
    if (r->status_again && delay_ms > RETRY_FIRST_MS && r->status_retry_ms == RETRY_FIRST_MS)
        delay_ms = RETRY_FIRST_MS;
    r->status_again = false;
    loop_timer_set(r->node->loop, &r->status_timer, delay_ms);
}

static void status_failed(struct registration *r, const char *what, const char *message)
{
    if (r->status_retry_ms >= RETRY_LONGEST_MS)
        log_warn("%s: %s", what, message);
    int64_t delay = r->status_retry_ms;
    r->status_retry_ms = longer(delay);
    if (!r->created && delay > FIRST_LONGEST_MS)
        delay = FIRST_LONGEST_MS; /* the API may be starting beside us */
    status_later(r, delay);
}

static void remember_uid(struct registration *r, struct str body)
{
    struct arena a CLEANUP_ARENA = {0};
    struct json *tree = NULL;
    arena_init(&a, LIMIT_REQUEST_ARENA);
    if (json_parse(&a, body, NULL, &tree, NULL) == 0)
        node_text_set(&r->uid, json_path_cstr(tree, "metadata.uid"));
}

static void reported(void *ctx, const struct client_reply *reply)
{
    struct registration *r = ctx;
    if (reply->rc == -E_NOT_FOUND)
        r->created = false; /* somebody deleted it: registered anew */
    if (reply->rc < 0) {
        r->reported_hash = 0;
        status_failed(r, "reporting the node's status", reply->message);
        return;
    }
    r->status_retry_ms = RETRY_FIRST_MS;
    r->reported_ms = loop_now_ms(r->node->loop);
    if (r->reported_ready)
        node_reached(r->node, NODE_READY);
    status_later(r, STATUS_MS);
}

/* Heartbeat times are no change. */
static uint64_t status_hash(struct arena *a, const struct json *status)
{
    struct buf text CLEANUP_BUF = {0};
    struct json *copy = json_clone(a, status);
    for (struct json *c = json_first(json_get(copy, "conditions")); c; c = c->next)
        json_remove(c, "lastHeartbeatTime");
    buf_init(&text, LIMIT_BODY_BYTES);
    json_write(&text, copy);
    uint64_t h = str_hash(buf_str(&text));
    return h ? h : 1;
}

static void report(struct registration *r)
{
    struct node *n = r->node;
    struct arena a CLEANUP_ARENA = {0};
    arena_init(&a, LIMIT_REQUEST_ARENA);
    struct object *o = cache_get(n->self, "", n->o.node_name);
    struct json *current = o ? object_json(o, &a) : NULL;
    struct json *body = json_new(&a, JSON_OBJECT), *status = node_status(n, &a, current);
    uint64_t hash = status_hash(&a, status);
    int64_t now = loop_now_ms(n->loop);
    if (hash == r->reported_hash && now - r->reported_ms < REPORT_MS) {
        status_later(r, STATUS_MS);
        return;
    }
    if (now - r->reported_ms >= REPORT_MS)
        node_images_refresh(n->images);
    json_set(&a, body, "status", status);
    const char *path = client_path(&a, NULL, "v1", NULL, "nodes", n->o.node_name, "status");
    if (a.failed || ask(r, "PATCH", path, strategic_patch, body, reported, &r->status_call) < 0) {
        status_failed(r, "reporting the node's status", "the API cannot be asked now");
        return;
    }
    r->reported_hash = hash;
    r->reported_ready = n->recovered;
}

static void labelled(void *ctx, const struct client_reply *reply)
{
    struct registration *r = ctx;
    if (reply->rc < 0 && reply->rc != -E_EXISTS) {
        status_failed(r, "registering the node", reply->message);
        return;
    }
    if (reply->rc == 0)
        remember_uid(r, reply->body);
    if (!r->created)
        log_info("node %s is registered", r->node->o.node_name);
    r->created = true;
    report(r);
}

static void looked_up(void *ctx, const struct client_reply *reply)
{
    struct registration *r = ctx;
    struct node *n = r->node;
    struct arena a CLEANUP_ARENA = {0};
    int rc;
    arena_init(&a, LIMIT_REQUEST_ARENA);
    struct json *o = node_object(n, &a);
    if (reply->rc == -E_NOT_FOUND) {
        json_set(&a, o, "status", node_status(n, &a, NULL));
        rc = ask(r, "POST", "/api/v1/nodes", NULL, o, labelled, &r->status_call);
    } else if (reply->rc < 0) {
        status_failed(r, "looking for the node's object", reply->message);
        return;
    } else {
        struct json *patch = json_new(&a, JSON_OBJECT);
        json_set_path(&a, patch, "metadata.labels", json_clone(&a, json_path(o, "metadata.labels")));
        rc = ask(r, "PATCH", client_path(&a, NULL, "v1", NULL, "nodes", n->o.node_name, NULL), merge_patch,
                 patch, labelled, &r->status_call);
    }
    if (rc < 0)
        status_failed(r, "registering the node", err_text(rc));
}

static void on_status_timer(void *ctx)
{
    struct registration *r = ctx;
    struct arena a CLEANUP_ARENA = {0};
    arena_init(&a, LIMIT_REQUEST_ARENA);
    if (r->status_busy)
        return;
    r->status_busy = true;
    if (r->created) {
        report(r);
        return;
    }
    const char *path = client_path(&a, NULL, "v1", NULL, "nodes", r->node->o.node_name, NULL);
    int rc = ask(r, "GET", path, NULL, NULL, looked_up, &r->status_call);
    if (rc < 0)
        status_failed(r, "looking for the node's object", err_text(rc));
}

/* ---- the lease ---- */

static const char lease_group[] = "coordination.k8s.io";

static char *lease_path(struct registration *r, struct arena *a, bool named)
{
    return client_path(a, lease_group, "v1", "kube-node-lease", "leases",
                       named ? r->node->o.node_name : NULL, NULL);
}

static void lease_later(struct registration *r, int64_t delay_ms)
{
    r->lease_busy = false;
    r->lease_call = NULL;
    loop_timer_set(r->node->loop, &r->lease_timer, delay_ms);
}

static void lease_failed(struct registration *r, const char *message)
{
    if (r->lease_retry_ms >= RETRY_LONGEST_MS)
        log_warn("renewing the node's lease: %s", message);
    int64_t delay = r->lease_retry_ms;
    r->lease_retry_ms = longer(delay);
    lease_later(r, delay);
}

static void renewed(void *ctx, const struct client_reply *reply)
{
    struct registration *r = ctx;
    if (reply->rc < 0) {
        lease_failed(r, reply->message);
        return;
    }
    r->lease_retry_ms = RETRY_FIRST_MS;
    r->renewed_ms = loop_now_ms(r->node->loop);
    lease_later(r, LEASE_MS);
}

static struct json *lease_spec(struct registration *r, struct arena *a)
{
    char now[TIME_TEXT];
    struct json *spec = json_new(a, JSON_OBJECT);
    time_format_micro(loop_realtime_ns(r->node->loop) / 1000, now);
    json_set_cstr(a, spec, "holderIdentity", r->node->o.node_name);
    json_set_i64(a, spec, "leaseDurationSeconds", LEASE_SECONDS);
    json_set_cstr(a, spec, "renewTime", now);
    return spec;
}

static struct json *new_lease(struct registration *r, struct arena *a)
{
    struct json *o = json_new(a, JSON_OBJECT), *owner;
    json_set_cstr(a, o, "apiVersion", "coordination.k8s.io/v1");
    json_set_cstr(a, o, "kind", "Lease");
    json_set_path(a, o, "metadata.name", json_new_cstr(a, r->node->o.node_name));
    json_set_path(a, o, "metadata.namespace", json_new_cstr(a, "kube-node-lease"));
    if (r->uid) {
        owner = json_append(a, json_array_at(a, json_get(o, "metadata"), "ownerReferences"),
                            json_new(a, JSON_OBJECT));
        json_set_cstr(a, owner, "apiVersion", "v1");
        json_set_cstr(a, owner, "kind", "Node");
        json_set_cstr(a, owner, "name", r->node->o.node_name);
        json_set_cstr(a, owner, "uid", r->uid);
    }
    json_set(a, o, "spec", lease_spec(r, a));
    return o;
}

static void lease_patched(void *ctx, const struct client_reply *reply)
{
    struct registration *r = ctx;
    struct arena a CLEANUP_ARENA = {0};
    if (reply->rc != -E_NOT_FOUND) {
        renewed(ctx, reply);
        return;
    }
    arena_init(&a, LIMIT_REQUEST_ARENA);
    int rc = ask(r, "POST", lease_path(r, &a, false), NULL, new_lease(r, &a), renewed, &r->lease_call);
    if (rc < 0)
        lease_failed(r, err_text(rc));
}

/* One request a renewal: nobody else writes this lease, so no version need be read before. */
static void on_lease_timer(void *ctx)
{
    struct registration *r = ctx;
    struct arena a CLEANUP_ARENA = {0};
    if (r->lease_busy)
        return;
    if (!r->created) {
        loop_timer_set(r->node->loop, &r->lease_timer, RETRY_FIRST_MS);
        return;
    }
    arena_init(&a, LIMIT_REQUEST_ARENA);
    struct json *body = json_new(&a, JSON_OBJECT);
    json_set(&a, body, "spec", lease_spec(r, &a));
    r->lease_busy = true;
    int rc = ask(r, "PATCH", lease_path(r, &a, true), merge_patch, body, lease_patched, &r->lease_call);
    if (rc < 0)
        lease_failed(r, err_text(rc));
}

/* ---- life ---- */

int registration_new(struct node *n, struct registration **ret_registration)
{
    struct registration *r = mem_zalloc(sizeof *r);
    if (!r)
        return -E_NOMEM;
    r->node = n;
    r->status_retry_ms = r->lease_retry_ms = RETRY_FIRST_MS;
    loop_timer_init(&r->status_timer, on_status_timer, r);
    loop_timer_init(&r->lease_timer, on_lease_timer, r);
    loop_timer_set(n->loop, &r->status_timer, 0);
    loop_timer_set(n->loop, &r->lease_timer, 0);
    *ret_registration = r;
    return 0;
}

void registration_free(struct registration *r)
{
    if (!r)
        return;
    loop_timer_cancel(r->node->loop, &r->status_timer);
    loop_timer_cancel(r->node->loop, &r->lease_timer);
    if (r->status_call)
        client_cancel(r->node->client, r->status_call);
    if (r->lease_call)
        client_cancel(r->node->client, r->lease_call);
    mem_free(r->uid);
    mem_free(r);
}

void registration_refresh(struct registration *r)
{
    if (!r)
        return;
    if (r->status_busy)
        r->status_again = true;
    else
        loop_timer_set(r->node->loop, &r->status_timer, 0);
}

bool registration_done(const struct registration *r)
{
    return r && r->created && r->renewed_ms > 0 &&
           loop_now_ms(r->node->loop) - r->renewed_ms < LEASE_SECONDS * 1000;
}
