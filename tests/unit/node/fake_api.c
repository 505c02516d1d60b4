/* The API server of fake_world.h: objects as JSON text, list and watch, the real patches. */
#include <stdio.h>
#include <stdlib.h>

#include "codec/patch.h"
#include "fake_world.h"
#include "schema/schema.h"

struct fake_call {
    struct list link;
    struct fake_api *api;
    struct client_handlers h;
    void *ctx;
    char *method, *path, *body, *content_type;
    bool watch, begun;
    int64_t seen; /* watch: revision told so far */
    struct loop_timer timer;
};

struct parts { /* of a path */
    char resource[64], ns[64], name[256], sub[32];
    bool watch;
};

static void split(const char *path, struct parts *p)
{
    char copy[1024], *words[16], *save = NULL;
    int n = 0, at;
    memset(p, 0, sizeof *p);
    p->watch = strstr(path, "watch=") != NULL;
    snprintf(copy, sizeof copy, "%s", path);
    copy[strcspn(copy, "?")] = 0;
    for (char *word = strtok_r(copy, "/", &save); word && n < 16; word = strtok_r(NULL, "/", &save))
        words[n++] = word;
    at = strcmp(words[0], "api") == 0 ? 2 : 3;
    if (at < n - 1 && strcmp(words[at], "namespaces") == 0 && n > at + 2) {
        snprintf(p->ns, sizeof p->ns, "%s", words[at + 1]);
        at += 2;
    }
    snprintf(p->resource, sizeof p->resource, "%s", words[at]);
    if (n > at + 1)
        snprintf(p->name, sizeof p->name, "%s", words[at + 1]);
    if (n > at + 2)
        snprintf(p->sub, sizeof p->sub, "%s", words[at + 2]);
}

static struct fake_object *find(struct fake_api *api, const char *resource, const char *ns, const char *name)
{
    struct fake_object *o;
    LIST_EACH (o, &api->objects, link)
        if (!strcmp(o->resource, resource) && !strcmp(o->namespace, ns) && !strcmp(o->name, name))
            return o;
    return NULL;
}

static void object_drop(struct fake_object *o)
{
    list_remove(&o->link);
    mem_free(o->resource);
    mem_free(o->namespace);
    mem_free(o->name);
    mem_free(o->json);
    mem_free(o);
}

static void call_free(struct fake_call *c)
{
    loop_timer_cancel(c->api->loop, &c->timer);
    list_remove(&c->link);
    mem_free(c->method);
    mem_free(c->path);
    mem_free(c->body);
    mem_free(c->content_type);
    mem_free(c);
}

static void answer(struct fake_call *c, int status, const char *text)
{
    struct client_handlers h = c->h;
    void *ctx = c->ctx;
    char *copy = mem_strdup(text);
    call_free(c);
    if (h.head)
        h.head(ctx, status);
    if (h.data)
        h.data(ctx, str_of(copy));
    mem_free(copy);
    h.end(ctx, 0, "");
}

static void answer_status(struct fake_call *c, int status, const char *reason)
{
    char text[256];
    snprintf(text, sizeof text, "{\"kind\":\"Status\",\"code\":%d,\"reason\":\"%s\",\"message\":\"%s\"}", status, reason, reason);
    answer(c, status, text);
}

static void tell(struct fake_api *api, const char *resource, const char *type, const char *json)
{
    struct fake_call *c, *next;
    LIST_EACH_SAFE (c, next, &api->calls, link) {
        struct parts p;
        split(c->path, &p);
        if (!c->watch || !c->begun || strcmp(p.resource, resource))
            continue;
        size_t n = strlen(json) + 64;
        char *line = mem_alloc(n);
        snprintf(line, n, "{\"type\":\"%s\",\"object\":%s}\n", type, json);
        c->h.data(c->ctx, str_of(line));
        mem_free(line);
    }
}

static char *stamped(struct fake_api *api, const char *json, int64_t *ret_revision)
{
    struct arena a CLEANUP_ARENA = {0};
    struct buf b CLEANUP_BUF = {0};
    struct json *tree = NULL;
    char text[24];
    size_t n;
    arena_init(&a, 1 << 24);
    buf_init(&b, 1 << 22);
    if (json_parse(&a, str_of(json), NULL, &tree, NULL) < 0)
        abort();
    *ret_revision = ++api->revision;
    snprintf(text, sizeof text, "%lld", (long long)api->revision);
    json_set_path(&a, tree, "metadata.resourceVersion", json_new_cstr(&a, text));
    json_write(&b, tree);
    return buf_take(&b, &n);
}

static void put(struct fake_api *api, const char *resource, const char *ns, const char *name, const char *json)
{
    struct fake_object *o = find(api, resource, ns, name);
    bool new = !o;
    if (new) {
        o = mem_zalloc(sizeof *o);
        o->resource = mem_strdup(resource);
        o->namespace = mem_strdup(ns);
        o->name = mem_strdup(name);
        list_push_back(&api->objects, &o->link);
    }
    char *text = stamped(api, json, &o->revision);
    mem_free(o->json);
    o->json = text;
    tell(api, resource, new ? "ADDED" : "MODIFIED", o->json);
}

static void remove_object(struct fake_api *api, struct fake_object *o)
{
    char *json = mem_strdup(o->json), resource[64];
    snprintf(resource, sizeof resource, "%s", o->resource);
    object_drop(o);
    api->revision++;
    tell(api, resource, "DELETED", json);
    mem_free(json);
}

static const struct schema_type *type_of(const char *resource)
{
    static const char *const types[][2] = {{"pods", "io.k8s.api.core.v1.Pod"},
                                           {"nodes", "io.k8s.api.core.v1.Node"},
                                           {"events", "io.k8s.api.core.v1.Event"},
                                           {"leases", "io.k8s.api.coordination.v1.Lease"},
                                           {"serviceaccounts", "io.k8s.api.authentication.v1.TokenRequest"}};
    for (size_t i = 0; i < sizeof types / sizeof types[0]; i++)
        if (!strcmp(types[i][0], resource))
            return schema_type_find(str_of(types[i][1]));
    return NULL;
}

/* What the node writes must be what Kubernetes 1.35 knows, field by field. */
static void check_fields(struct arena *a, const char *resource, struct json *tree)
{
    const struct schema_type *type = type_of(resource);
    struct schema_problems problems = {0};
    struct err err = {0};
    if (type && schema_check(a, type, tree, SCHEMA_STRICT, &problems, &err) < 0) {
        fprintf(stderr, "%s: %s\n", resource, err.text);
        abort();
    }
}

static void patch(struct fake_call *c, struct fake_object *o)
{
    struct fake_api *api = c->api;
    struct arena a CLEANUP_ARENA = {0};
    struct buf b CLEANUP_BUF = {0};
    struct json *tree = NULL, *change = NULL;
    struct err err = {0};
    int rc;
    arena_init(&a, 1 << 26);
    buf_init(&b, 1 << 22);
    if (json_parse(&a, str_of(o->json), NULL, &tree, NULL) < 0 ||
        json_parse(&a, str_of(c->body), NULL, &change, NULL) < 0)
        abort();
    if (strstr(c->content_type, "strategic"))
        rc = schema_strategic_merge(&a, type_of(o->resource), tree, change, &tree, &err);
    else
        rc = patch_merge(&a, tree, change, &tree);
    if (rc < 0) {
        fprintf(stderr, "patching %s: %s\n", o->resource, err.text);
        abort();
    }
    check_fields(&a, o->resource, tree);
    json_write(&b, tree);
    put(api, o->resource, o->namespace, o->name, buf_cstr(&b));
    answer(c, 200, o->json);
}

static void create(struct fake_call *c, const struct parts *p)
{
    struct arena a CLEANUP_ARENA = {0};
    struct json *tree = NULL;
    char answer_text[256], name[256];
    arena_init(&a, 1 << 24);
    if (json_parse(&a, str_of(c->body), NULL, &tree, NULL) < 0)
        abort();
    snprintf(name, sizeof name, "%s", json_path_cstr(tree, "metadata.name"));
    check_fields(&a, p->resource, tree);
    if (!strcmp(p->sub, "token")) {
        snprintf(answer_text, sizeof answer_text,
                 "{\"status\":{\"token\":\"token-%u\",\"expirationTimestamp\":\"2026-01-01T01:00:00Z\"}}",
                 ++c->api->tokens);
        answer(c, 201, answer_text);
        return;
    }
    put(c->api, p->resource, p->ns, name, c->body);
    answer(c, 201, find(c->api, p->resource, p->ns, name)->json);
}

static void list_all(struct fake_call *c, const struct parts *p)
{
    struct buf b CLEANUP_BUF = {0};
    struct fake_object *o;
    bool first = true;
    buf_init(&b, 1 << 24);
    buf_printf(&b, "{\"kind\":\"List\",\"metadata\":{\"resourceVersion\":\"%lld\"},\"items\":[", (long long)c->api->revision);
    LIST_EACH (o, &c->api->objects, link) {
        if (strcmp(o->resource, p->resource))
            continue;
        buf_printf(&b, "%s%s", first ? "" : ",", o->json);
        first = false;
    }
    buf_puts(&b, "]}");
    answer(c, 200, buf_cstr(&b));
}

static void begin_watch(struct fake_call *c)
{
    c->watch = c->begun = true;
    if (c->h.head)
        c->h.head(c->ctx, 200);
}

static void handle(void *ctx)
{
    struct fake_call *c = ctx;
    struct fake_api *api = c->api;
    struct parts p;
    split(c->path, &p);
    if (api->down) {
        struct client_handlers h = c->h;
        void *hctx = c->ctx;
        call_free(c);
        h.end(hctx, -E_UNAVAILABLE, "connection refused");
        return;
    }
    if (p.watch) {
        begin_watch(c);
        return;
    }
    struct fake_object *o = p.name[0] ? find(api, p.resource, p.ns, p.name) : NULL;
    if (!strcmp(c->method, "POST")) {
        create(c, &p);
    } else if (!strcmp(c->method, "GET") && !p.name[0]) {
        list_all(c, &p);
    } else if (!o) {
        answer_status(c, 404, "NotFound");
    } else if (!strcmp(c->method, "GET")) {
        answer(c, 200, o->json);
    } else if (!strcmp(c->method, "PATCH")) {
        patch(c, o);
    } else if (!strcmp(c->method, "DELETE")) {
        remove_object(api, o);
        answer_status(c, 200, "");
    } else {
        answer_status(c, 405, "MethodNotAllowed");
    }
}

static int send(void *self, const struct client_request *r, const struct client_handlers *h, void *ctx,
                struct client_call **ret_call)
{
    struct fake_api *api = self;
    struct fake_call *c = mem_zalloc(sizeof *c);
    struct fake_request *q = mem_zalloc(sizeof *q);
    c->api = api;
    c->h = *h;
    c->ctx = ctx;
    c->method = mem_strdup(r->method);
    c->path = mem_strdup(r->path);
    c->content_type = mem_strdup(r->content_type ? r->content_type : "application/json");
    c->body = mem_strndup(r->body.p ? r->body.p : "", r->body.n);
    q->method = mem_strdup(r->method);
    q->path = mem_strdup(r->path);
    q->body = mem_strdup(c->body);
    list_push_back(&api->requests, &q->link);
    list_push_back(&api->calls, &c->link);
    loop_timer_init(&c->timer, handle, c);
    loop_timer_set(api->loop, &c->timer, 1);
    *ret_call = (struct client_call *)c;
    return 0;
}

static void cancel(void *self, struct client_call *call)
{
    (void)self;
    call_free((struct fake_call *)call);
}

static void close_client(void *self)
{
    (void)self;
}

void fake_api_init(struct fake_api *api, struct loop *loop)
{
    static const struct client_transport_ops ops = {send, cancel, close_client};
    *api = (struct fake_api){.loop = loop, .client = {&ops, api, loop}, .revision = 10};
    list_init(&api->objects);
    list_init(&api->requests);
    list_init(&api->calls);
}

void fake_api_done(struct fake_api *api)
{
    struct fake_object *o, *next;
    struct fake_request *r, *rnext;
    struct fake_call *c, *cnext;
    LIST_EACH_SAFE (o, next, &api->objects, link)
        object_drop(o);
    LIST_EACH_SAFE (c, cnext, &api->calls, link)
        call_free(c);
    LIST_EACH_SAFE (r, rnext, &api->requests, link) {
        list_remove(&r->link);
        mem_free(r->method);
        mem_free(r->path);
        mem_free(r->body);
        mem_free(r);
    }
}

void api_put(struct world *w, const char *resource, const char *ns, const char *name, const char *json)
{
    put(&w->api, resource, ns, name, json);
}

void api_remove(struct world *w, const char *resource, const char *ns, const char *name)
{
    struct fake_object *o = find(&w->api, resource, ns, name);
    if (o)
        remove_object(&w->api, o);
}

const char *api_get(struct world *w, const char *resource, const char *ns, const char *name)
{
    struct fake_object *o = find(&w->api, resource, ns, name);
    return o ? o->json : NULL;
}

unsigned api_count(struct world *w, const char *method, const char *path_part)
{
    struct fake_request *r;
    unsigned n = 0;
    LIST_EACH (r, &w->api.requests, link)
        n += !strcmp(r->method, method) && strstr(r->path, path_part);
    return n;
}

const char *api_text(struct world *w, struct arena *a, const char *resource, const char *ns,
                     const char *name, const char *path)
{
    struct json *j = NULL;
    struct str rest = str_of(path), part;
    const char *text = api_get(w, resource, ns, name);
    int64_t index;
    if (!text || json_parse(a, str_of(text), NULL, &j, NULL) < 0)
        return "(no object)";
    while (str_split(&rest, '.', &part))
        j = json_is(j, JSON_ARRAY) && str_to_i64(part, &index) == 0 ? json_at(j, (uint32_t)index) : json_get_str(j, part);
    if (json_is(j, JSON_STRING))
        return json_cstr(j);
    if (!j)
        return "(absent)";
    struct buf b CLEANUP_BUF = {0};
    buf_init(&b, 1 << 20);
    json_write(&b, j);
    return arena_strdup(a, buf_cstr(&b));
}

bool api_has_event(struct world *w, const char *reason, const char *message_part)
{
    struct fake_object *o;
    char quoted[128];
    snprintf(quoted, sizeof quoted, "\"reason\":\"%s\"", reason);
    LIST_EACH (o, &w->api.objects, link)
        if (!strcmp(o->resource, "events") && strstr(o->json, quoted) && strstr(o->json, message_part))
            return true;
    return false;
}

void api_put_pod(struct world *w, const char *name, const char *spec)
{
    char json[8192];
    snprintf(json, sizeof json,
             "{\"apiVersion\":\"v1\",\"kind\":\"Pod\",\"metadata\":{\"name\":\"%s\",\"namespace\":\"default\","
             "\"uid\":\"uid-%s\",\"labels\":{\"app\":\"%s\"}},"
             "\"spec\":{\"nodeName\":\"n1\",\"terminationGracePeriodSeconds\":30,%s},\"status\":{\"phase\":\"Pending\"}}",
             name, name, name, spec);
    api_put(w, "pods", "default", name, json);
}

void api_delete_pod(struct world *w, const char *name, int grace_s)
{
    struct fake_object *o = find(&w->api, "pods", "default", name);
    struct arena a CLEANUP_ARENA = {0};
    struct buf b CLEANUP_BUF = {0};
    struct json *tree = NULL;
    arena_init(&a, 1 << 24);
    buf_init(&b, 1 << 22);
    if (!o || json_parse(&a, str_of(o->json), NULL, &tree, NULL) < 0)
        abort();
    json_set_path(&a, tree, "metadata.deletionTimestamp", json_new_cstr(&a, "2026-01-01T00:00:00Z"));
    json_set_path(&a, tree, "metadata.deletionGracePeriodSeconds", json_new_i64(&a, grace_s));
    json_write(&b, tree);
    api_put(w, "pods", "default", name, buf_cstr(&b));
}
