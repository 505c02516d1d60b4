/* See sources.h. */
#include "node/sources.h"

#include <stdio.h>

#include "base/limits.h"
#include "base/log.h"

enum { RETRY_FIRST_MS = 500, RETRY_LONGEST_MS = 30 * 1000, KEY_BYTES = 560 };

struct source {
    struct node *node;
    enum source_kind kind;
    char *namespace, *name;
    struct list holds; /* struct hold, by source_link */
    struct object *object;
    int64_t asked_ms, fetched_ms; /* when the newest answer was asked for; -1: none yet */
    int rc;                       /* of that answer */
    char *message;
    struct client_call *call;
    bool again; /* somebody needs an answer newer than the one under way */
    int64_t retry_ms;
    struct loop_timer timer;
};

struct hold { /* a pod looks at a source */
    struct list pod_link, source_link;
    struct pod *pod;
    struct source *source;
    int64_t since_ms;
};

struct sources {
    struct node *node;
    struct map by_key;
};

static const char *kind_text(enum source_kind kind)
{
    return kind == SOURCE_CONFIG_MAP ? "configmap" : "secret";
}

static void key_of(char key[KEY_BYTES], enum source_kind kind, const char *ns, const char *name)
{
    snprintf(key, KEY_BYTES, "%s/%s/%s", kind_text(kind), ns, name);
}

int sources_new(struct node *n, struct sources **ret_sources)
{
    struct sources *s = mem_zalloc(sizeof *s);
    if (!s)
        return -E_NOMEM;
    s->node = n;
    *ret_sources = s;
    return 0;
}

static void source_free(void *p)
{
    struct source *s = p;
    loop_timer_cancel(s->node->loop, &s->timer);
    if (s->call)
        client_cancel(s->node->client, s->call);
    if (s->object)
        object_unref(s->object);
    mem_free(s->namespace);
    mem_free(s->name);
    mem_free(s->message);
    mem_free(s);
}

void sources_free(struct sources *s)
{
    if (!s)
        return;
    map_done(&s->by_key, source_free);
    mem_free(s);
}

/* ---- fetching ---- */

static void fetch(struct source *s);

static void tell(struct source *s)
{
    struct hold *h;
    LIST_EACH (h, &s->holds, source_link) {
        h->pod->volumes_stale = true;
        pod_wake(h->pod);
    }
}

static void failed(struct source *s, int rc, const char *message)
{
    s->rc = rc;
    node_text_set(&s->message, message);
    loop_timer_set(s->node->loop, &s->timer, s->retry_ms);
    s->retry_ms = s->retry_ms * 2 < RETRY_LONGEST_MS ? s->retry_ms * 2 : RETRY_LONGEST_MS;
}

static int take(struct source *s, struct str body)
{
    struct arena a CLEANUP_ARENA = {0};
    struct json *tree = NULL;
    struct object *o = NULL;
    arena_init(&a, LIMIT_REQUEST_ARENA);
    int rc = json_parse(&a, body, NULL, &tree, NULL);
    if (rc == 0)
        rc = object_new(tree, &o);
    if (rc < 0)
        return rc;
    if (s->object)
        object_unref(s->object);
    s->object = o;
    return 0;
}

static void fetched(void *ctx, const struct client_reply *r)
{
    struct source *s = ctx;
    bool first = s->fetched_ms < 0;
    int64_t old = s->object ? s->object->resource_version : -1;
    int old_rc = s->rc;
    s->call = NULL;
    s->fetched_ms = s->asked_ms;
    int rc = r->rc == 0 ? take(s, r->body) : r->rc;
    if (rc == 0) {
        s->rc = 0;
        s->retry_ms = RETRY_FIRST_MS;
        loop_timer_set(s->node->loop, &s->timer, SOURCE_REFRESH_MS);
    } else {
        /* During an outage what was known stays good. */
        bool known = s->object && rc != -E_NOT_FOUND && rc != -E_FORBIDDEN;
        failed(s, known ? 0 : rc, r->rc < 0 ? r->message : err_text(rc));
    }
    if (s->again) {
        s->again = false;
        fetch(s);
    }
    if (first || s->rc != old_rc || (s->object && s->object->resource_version != old) || !s->call)
        tell(s);
}

static void fetch(struct source *s)
{
    struct arena a CLEANUP_ARENA = {0};
    if (s->call) {
        s->again = true;
        return;
    }
    arena_init(&a, LIMIT_REQUEST_ARENA);
    const char *path = client_path(&a, NULL, "v1", s->namespace,
                                   s->kind == SOURCE_CONFIG_MAP ? "configmaps" : "secrets", s->name, NULL);
    struct client_request r = {.method = "GET", .path = path};
    s->asked_ms = loop_now_ms(s->node->loop);
    if (!path || client_do(s->node->client, &r, fetched, s, &s->call) < 0)
        failed(s, -E_UNAVAILABLE, "the API cannot be asked now");
}

static void on_timer(void *ctx)
{
    fetch(ctx);
}

/* ---- holding ---- */

static struct source *source_get(struct node *n, enum source_kind kind, const char *ns, const char *name)
{
    char key[KEY_BYTES];
    key_of(key, kind, ns, name);
    struct source *s = map_get(&n->sources->by_key, str_of(key));
    if (s)
        return s;
    s = mem_zalloc(sizeof *s);
    if (!s)
        return NULL;
    s->node = n;
    s->kind = kind;
    s->namespace = mem_strdup(ns);
    s->name = mem_strdup(name);
    s->fetched_ms = -1;
    s->rc = -E_AGAIN;
    s->retry_ms = RETRY_FIRST_MS;
    list_init(&s->holds);
    loop_timer_init(&s->timer, on_timer, s);
    if (!s->namespace || !s->name || map_set(&n->sources->by_key, str_of(key), s, NULL) < 0) {
        source_free(s);
        return NULL;
    }
    return s;
}

static struct hold *hold_get(struct pod *p, enum source_kind kind, const char *name)
{
    struct hold *h;
    LIST_EACH (h, &p->holds, pod_link)
        if (h->source->kind == kind && cstr_eq(h->source->name, name))
            return h;
    struct source *s = source_get(p->node, kind, p->namespace, name);
    h = s ? mem_zalloc(sizeof *h) : NULL;
    if (!h)
        return NULL;
    h->pod = p;
    h->source = s;
    h->since_ms = loop_now_ms(p->node->loop);
    list_push_back(&p->holds, &h->pod_link);
    list_push_back(&s->holds, &h->source_link);
    if (s->asked_ms < h->since_ms || !s->call)
        fetch(s); /* a new holder sees nothing older than itself */
    return h;
}

int sources_read(struct pod *p, struct arena *a, enum source_kind kind, const char *name,
                 struct json **ret_object, struct err *err)
{
    struct hold *h = hold_get(p, kind, name);
    if (!h)
        return err_set(err, E_NOMEM, "out of memory");
    struct source *s = h->source;
    if (s->fetched_ms < h->since_ms)
        return err_set(err, E_AGAIN, "%s %s is being fetched", kind_text(kind), name);
    if (s->rc == -E_NOT_FOUND)
        return err_set(err, E_NOT_FOUND, "%s \"%s\" not found", kind_text(kind), name);
    if (s->rc < 0)
        return err_set(err, -s->rc, "%s \"%s\": %s", kind_text(kind), name, s->message ? s->message : "");
    struct json *tree = object_json(s->object, a);
    if (!tree)
        return err_set(err, E_NOMEM, "out of memory");
    *ret_object = tree;
    return 0;
}

void sources_drop(struct pod *p)
{
    struct hold *h, *next;
    LIST_EACH_SAFE (h, next, &p->holds, pod_link) {
        struct source *s = h->source;
        list_remove(&h->pod_link);
        list_remove(&h->source_link);
        mem_free(h);
        if (list_empty(&s->holds)) {
            char key[KEY_BYTES];
            key_of(key, s->kind, s->namespace, s->name);
            map_remove(&s->node->sources->by_key, str_of(key));
            source_free(s);
        }
    }
}

/* ---- credentials for registries ---- */

/* The registry of an image as its users spell it: "docker.io" when it names none. */
static struct str registry_of(struct str image)
{
    ptrdiff_t slash = str_find_byte(image, '/');
    struct str host = str_make(image.p, slash > 0 ? (size_t)slash : 0);
    bool is_host = str_find_byte(host, '.') >= 0 || str_find_byte(host, ':') >= 0 || str_is(host, "localhost");
    return is_host ? host : STR("docker.io");
}

static bool same_registry(struct str key, struct str registry)
{
    static const char *const schemes[] = {"https://", "http://"};
    for (int i = 0; i < 2; i++)
        if (str_starts(key, str_of(schemes[i])))
            key = str_make(key.p + strlen(schemes[i]), key.n - strlen(schemes[i]));
    ptrdiff_t slash = str_find_byte(key, '/');
    if (slash >= 0)
        key.n = (size_t)slash;
    if (str_is(registry, "docker.io") && (str_is(key, "index.docker.io") || str_is(key, "registry-1.docker.io")))
        return true;
    return str_eq(key, registry);
}

static bool auth_in(struct arena *a, const struct json *secret, struct str registry, struct str *ret_auth)
{
    const struct json *data = json_get(secret, "data");
    struct str text = json_str(json_get_str(data, STR(".dockerconfigjson")));
    char *raw = arena_alloc(a, text.n / 4 * 3 + 4);
    struct json *config = NULL;
    size_t n = 0;
    if (!text.n || !raw || base64_decode(raw, &n, text) < 0 ||
        json_parse(a, str_make(raw, n), NULL, &config, NULL) < 0)
        return false;
    for (struct json *m = json_first(json_get(config, "auths")); m; m = m->next) {
        if (!same_registry(m->key, registry))
            continue;
        struct buf b CLEANUP_BUF = {0};
        buf_init(&b, LIMIT_OBJECT_BYTES);
        json_write(&b, m);
        *ret_auth = arena_str(a, buf_str(&b));
        return !b.failed;
    }
    return false;
}

int sources_pull_auth(struct pod *p, struct arena *a, const struct json *spec, const char *image,
                      struct str *ret_auth)
{
    struct str registry = registry_of(str_of(image));
    for (struct json *r = json_first(json_get(spec, "imagePullSecrets")); r; r = r->next) {
        struct json *secret = NULL;
        int rc = sources_read(p, a, SOURCE_SECRET, json_path_cstr(r, "name"), &secret, NULL);
        if (rc == -E_AGAIN)
            return rc;
        if (rc == 0 && auth_in(a, secret, registry, ret_auth))
            return 0;
    }
    return 0;
}
