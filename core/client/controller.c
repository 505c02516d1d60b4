/*
 * Runs reconciles and performs their plans. See controller.h.
 *
 * A key:  queued -> (unsettled? queued again soon) -> reconcile -> batch, batch ... -> done
 * "Unsettled": a cache does not show the key's last write yet.
 */
#include "client/controller.h"

#include "base/limits.h"
#include "base/log.h"
#include "client/plan_int.h"

enum { DEFAULT_WORKERS = 4, UNSETTLED_MS = 5, SETTLE_PATIENCE_MS = 5000, MAX_AWAITED = 16 };

/* A write whose appearance a key waits for. */
struct pending {
    struct list link;
    const struct cache *cache;
    int64_t revision;  /* create, update, patch */
    char *uid;         /* delete: gone or deleting */
    char *namespace, *name;
    int64_t give_up_ms; /* a cache that lags longer does not block for ever */
};

struct key_state {
    struct list pending;
};

/* Of the write that ended a key's last plan. */
struct failure {
    const char *method;
    char message[];
};

/* A plan being performed. */
struct run {
    struct controller *controller;
    struct arena arena;
    struct plan plan;
    struct plan_write *next; /* first write not yet sent */
    struct key_state *state;
    unsigned in_flight;
    int rc;
    char *key;
    struct list link;
};

struct sent {
    struct run *run;
    struct plan_write *write;
    struct client_call *call;
};

struct controller {
    struct client *client;
    const char *name;
    controller_reconcile_fn *reconcile;
    void *ctx;
    struct queue *queue;
    struct map states; /* key -> struct key_state, only while it has pending writes */
    struct map failures; /* key -> struct failure */
    struct list runs;
    const struct cache *awaited[MAX_AWAITED];
    size_t awaited_count;
};

/* ---- settling ---- */

static void pending_free(struct pending *p)
{
    list_remove(&p->link);
    mem_free(p->uid);
    mem_free(p->namespace);
    mem_free(p->name);
    mem_free(p);
}

static void state_free(void *state)
{
    struct key_state *s = state;
    while (!list_empty(&s->pending))
        pending_free(LIST_FIRST(&s->pending, struct pending, link));
    mem_free(s);
}

static bool pending_settled(const struct controller *c, const struct pending *p)
{
    if (loop_now_ms(c->client->loop) >= p->give_up_ms)
        return true;
    if (!p->uid)
        return cache_revision(p->cache) >= p->revision;
    struct object *o = cache_get(p->cache, p->namespace, p->name);
    return !o || o->deleting || !cstr_eq(o->uid, p->uid);
}

static bool settled(struct controller *c, const char *key)
{
    struct key_state *s = map_get(&c->states, str_of(key));
    struct pending *p, *next;
    if (!s)
        return true;
    LIST_EACH_SAFE(p, next, &s->pending, link)
        if (pending_settled(c, p))
            pending_free(p);
    if (!list_empty(&s->pending))
        return false;
    map_remove(&c->states, str_of(key));
    state_free(s);
    return true;
}

static struct key_state *state_of(struct controller *c, const char *key)
{
    struct key_state *s = map_get(&c->states, str_of(key));
    if (s)
        return s;
    s = mem_zalloc(sizeof *s);
    if (!s)
        return NULL;
    list_init(&s->pending);
    if (map_set(&c->states, str_of(key), s, NULL) < 0) {
        mem_free(s);
        return NULL;
    }
    return s;
}

/* Out of memory here only costs a reconcile on older state, which is safe if wasteful. */
static void remember(struct run *r, const struct plan_write *w, int64_t revision)
{
    struct controller *c = r->controller;
    if (!w->seen || (!w->uid && revision <= cache_revision(w->seen)))
        return;
    struct key_state *s = state_of(c, r->key);
    struct pending *p = s ? mem_zalloc(sizeof *p) : NULL;
    if (!p)
        return;
    p->cache = w->seen;
    p->revision = revision;
    p->give_up_ms = loop_now_ms(c->client->loop) + SETTLE_PATIENCE_MS;
    if (w->uid) {
        p->uid = mem_strdup(w->uid);
        p->namespace = mem_strdup(w->namespace);
        p->name = mem_strdup(w->name);
    }
    list_push_back(&s->pending, &p->link);
    if (w->uid && (!p->uid || !p->namespace || !p->name))
        pending_free(p);
}

/* ---- performing ---- */

static void run_free(struct run *r)
{
    list_remove(&r->link);
    arena_done(&r->arena);
    mem_free(r->key);
    mem_free(r);
}

static void run_finish(struct run *r)
{
    struct controller *c = r->controller;
    if (r->rc == 0)
        mem_free(map_remove(&c->failures, str_of(r->key)));
    if (r->rc == 0 && r->plan.requeue_ms > 0)
        queue_add_after(c->queue, r->key, r->plan.requeue_ms);
    queue_done(c->queue, r->key, r->rc);
    run_free(r);
}

static void perform(struct run *r);

static bool tolerated(const struct plan_write *w, int rc)
{
    return (rc == -E_EXISTS && w->tolerate & PLAN_TOLERATE_EXISTS) ||
           (rc == -E_NOT_FOUND && w->tolerate & PLAN_TOLERATE_NOT_FOUND) ||
           w->tolerate & PLAN_TOLERATE_ANY;
}

static int64_t revision_of(struct str body)
{
    struct arena a CLEANUP_ARENA;
    struct json *tree = NULL;
    int64_t revision = 0;
    arena_init(&a, LIMIT_REQUEST_ARENA);
    if (json_parse(&a, body, NULL, &tree, NULL) < 0 ||
        str_to_i64(json_path_str(tree, "metadata.resourceVersion"), &revision) < 0)
        return 0;
    return revision;
}

/* Out of memory: the next reconcile is told nothing. */
static void remember_failure(struct run *r, const struct plan_write *w, const char *message)
{
    struct map *all = &r->controller->failures;
    size_t n = strlen(message) + 1;
    struct failure *f = mem_alloc(sizeof *f + n);
    void *old = NULL;
    if (!f)
        return;
    f->method = w->method; /* a literal */
    memcpy(f->message, message, n);
    if (map_set(all, str_of(r->key), f, &old) < 0)
        mem_free(f);
    mem_free(old);
}

static void on_written(void *ctx, const struct client_reply *reply)
{
    struct sent *s = ctx;
    struct run *r = s->run;
    struct plan_write *w = s->write;

    mem_free(s);
    w->sent = NULL;
    r->in_flight--;
    if (reply->rc == 0) {
        if (w->seen)
            remember(r, w, w->uid ? 0 : revision_of(reply->body));
    } else if (!tolerated(w, reply->rc)) {
        if (reply->rc != -E_CONFLICT)
            log_warn("%s %s: %s %s: %s", r->controller->name, r->key, w->method, w->path,
                     reply->message);
        if (r->rc == 0 && reply->rc != -E_CONFLICT)
            remember_failure(r, w, reply->message);
        if (r->rc == 0)
            r->rc = reply->rc;
    }
    if (r->in_flight == 0)
        perform(r);
}

static int send_write(struct run *r, struct plan_write *w)
{
    struct client *client = r->controller->client;
    struct client_request q = {
        .method = w->method, .path = w->path, .content_type = w->content_type, .body = w->body};
    struct sent *s = mem_alloc(sizeof *s);
    if (!s)
        return -E_NOMEM;
    s->run = r;
    s->write = w;
    int rc = client_do(client, &q, on_written, s, &s->call);
    if (rc < 0) {
        mem_free(s);
        return rc;
    }
    w->sent = s;
    r->in_flight++;
    return 0;
}

/* Sends up to the next barrier; the answers bring us back here. */
static void perform(struct run *r)
{
    while (r->rc == 0 && r->next) {
        struct plan_write *w = r->next;
        if (w->after_barrier && r->in_flight)
            return;
        r->next = w->next;
        int rc = send_write(r, w);
        if (rc < 0 && !tolerated(w, rc))
            r->rc = rc;
    }
    if (r->in_flight == 0)
        run_finish(r);
}

static bool all_synced(const struct controller *c)
{
    for (size_t i = 0; i < c->awaited_count; i++)
        if (!cache_synced(c->awaited[i]))
            return false;
    return true;
}

static void work(void *ctx, const char *key)
{
    struct controller *c = ctx;
    if (!all_synced(c) || !settled(c, key)) {
        queue_add_after(c->queue, key, UNSETTLED_MS);
        queue_done(c->queue, key, 0);
        return;
    }
    struct run *r = mem_zalloc(sizeof *r);
    char *copy = r ? mem_strdup(key) : NULL;
    if (!copy) {
        mem_free(r);
        queue_done(c->queue, key, -E_NOMEM);
        return;
    }
    struct err err = {0};
    r->controller = c;
    r->key = copy;
    list_push_back(&c->runs, &r->link);
    arena_init(&r->arena, LIMIT_RECONCILE_ARENA);
    plan_init(&r->plan, &r->arena, loop_realtime_ns(c->client->loop));
    const struct failure *f = map_get(&c->failures, str_of(key));
    if (f) {
        r->plan.failed_method = f->method;
        r->plan.failure = arena_strdup(&r->arena, f->message);
    }
    r->rc = c->reconcile(c->ctx, r->key, &r->arena, &r->plan, &err);
    if (r->rc == 0 && (r->plan.failed || r->arena.failed))
        r->rc = err_set(&err, E_NOMEM, "out of memory for one reconcile");
    if (r->rc < 0)
        log_warn("%s %s: %s", c->name, r->key, err.code ? err.text : err_text(r->rc));
    plan_close(&r->plan);
    r->next = r->rc == 0 ? r->plan.first : NULL;
    perform(r);
}

/* ---- life ---- */

int controller_new(const struct controller_options *o, struct controller **ret_controller)
{
    struct controller *c = mem_zalloc(sizeof *c);
    if (!c)
        return -E_NOMEM;
    c->client = o->client;
    c->name = o->name;
    c->reconcile = o->reconcile;
    c->ctx = o->ctx;
    list_init(&c->runs);
    int rc = queue_new(o->client->loop, o->workers ? o->workers : DEFAULT_WORKERS, work, c, &c->queue);
    if (rc < 0) {
        mem_free(c);
        return rc;
    }
    *ret_controller = c;
    return 0;
}

void controller_free(struct controller *c)
{
    if (!c)
        return;
    while (!list_empty(&c->runs)) {
        struct run *r = LIST_FIRST(&c->runs, struct run, link);
        for (struct plan_write *w = r->plan.first; w; w = w->next) {
            struct sent *s = w->sent;
            if (s) {
                client_cancel(c->client, s->call);
                mem_free(s);
            }
        }
        run_free(r);
    }
    queue_free(c->queue);
    map_done(&c->states, state_free);
    map_done(&c->failures, mem_free);
    mem_free(c);
}

void controller_enqueue(struct controller *c, const char *key)
{
    queue_add(c->queue, key);
}

void controller_enqueue_after(struct controller *c, const char *key, int64_t delay_ms)
{
    queue_add_after(c->queue, key, delay_ms);
}

void controller_enqueue_object(struct controller *c, const struct object *o)
{
    struct buf key CLEANUP_BUF;
    buf_init(&key, 1024);
    buf_printf(&key, "%s/%s", o->namespace, o->name);
    if (!key.failed)
        queue_add(c->queue, buf_cstr(&key));
}

int controller_await(struct controller *c, const struct cache *cache)
{
    if (c->awaited_count == MAX_AWAITED)
        return -E_LIMIT;
    c->awaited[c->awaited_count++] = cache;
    return 0;
}

int controller_key(struct arena *a, const char *key, const char **ret_ns, const char **ret_name)
{
    struct str rest = str_of(key), ns = {0};
    if (!str_split(&rest, '/', &ns) || !rest.p || rest.n == 0)
        return -E_SYNTAX;
    char *ns_copy = arena_strndup(a, ns.p, ns.n), *name = arena_strndup(a, rest.p, rest.n);
    if (!ns_copy || !name)
        return -E_NOMEM;
    *ret_ns = ns_copy;
    *ret_name = name;
    return 0;
}
