/* Upkeep of default flow schemas and priority levels. See ensure.h. */
#include "api/flow/ensure.h"

#include <stdio.h>

#include "api/api_int.h"
#include "api/flow/defaults.h"
#include "api/local.h"

#define GROUP   "flowcontrol.apiserver.k8s.io"
#define MANAGER "api-priority-and-fairness-config-producer-v1"

enum { PASS_BYTES = 4 * 1024 * 1024, BODY_BYTES = 64 * 1024, EACH_MS = 60 * 1000, KINDS = 2 };

static const char *const resources[KINDS] = {"flowschemas", "prioritylevelconfigurations"};

struct flow_ensure {
    struct api *api;
    struct client client;
    struct client_call *call;
    struct arena arena; /* of a pass */
    size_t kind, at;    /* which default is next; KINDS: what is unwanted */
    struct json *unwanted;
    struct loop_timer timer;
    void (*done)(void *ctx, int rc, const char *message);
    void *ctx;
};

void flow_ensure_free(struct flow_ensure *f)
{
    if (!f)
        return;
    loop_timer_cancel(f->api->loop, &f->timer);
    if (f->call)
        client_cancel(&f->client, f->call);
    if (f->client.ops)
        f->client.ops->close(f->client.self);
    arena_done(&f->arena);
    mem_free(f);
}

static void pass_over(struct flow_ensure *f, int rc, const char *message)
{
    void (*done)(void *, int, const char *) = f->done;
    arena_clear(&f->arena);
    f->kind = f->at = 0;
    f->unwanted = NULL;
    f->done = NULL;
    loop_timer_set(f->api->loop, &f->timer, EACH_MS);
    if (done)
        done(f->ctx, rc, message);
}

/* -1: no truth value, as Go reads them. */
static int truth(struct str s)
{
    static const char *const values[2][6] = {{"0", "f", "F", "FALSE", "false", "False"},
                                             {"1", "t", "T", "TRUE", "true", "True"}};
    for (int v = 0; v < 2; v++)
        for (size_t i = 0; i < 6; i++)
            if (str_is(s, values[v][i]))
                return v;
    return -1;
}

static int autoupdate(const struct json *object)
{
    return truth(json_str(json_get(json_path(object, "metadata.annotations"), FLOW_AUTOUPDATE)));
}

/* The default at f->at: its name, spec and whether it is mandatory. false: there are no more. */
static bool default_at(struct flow_ensure *f, const char **ret_name, struct json **ret_spec,
                       bool *ret_mandatory)
{
    if (f->kind == 0) {
        const struct flow_schema *s = &flow_schemas[f->at];
        *ret_name = s->name;
        *ret_mandatory = s->mandatory;
        *ret_spec = s->name ? flow_schema_spec(&f->arena, s) : NULL;
    } else {
        const struct flow_level *l = &flow_levels[f->at];
        *ret_name = l->name;
        *ret_mandatory = l->mandatory;
        *ret_spec = l->name ? flow_level_spec(&f->arena, l) : NULL;
    }
    return *ret_name != NULL;
}

static bool spec_same(struct flow_ensure *f, const char *name, const struct json *wanted,
                      const struct json *is)
{
    /* What the exempt level lends is the administrator's. */
    if (f->kind == 1 && cstr_eq(name, "exempt"))
        return !json_absent(json_get(is, "exempt")) &&
               json_equal(json_get(is, "type"), json_get(wanted, "type"));
    return json_equal(is, wanted);
}

/* What is stored becomes what it ought to be. Is there something to write? */
static bool mend(struct flow_ensure *f, const char *name, struct json *stored, struct json *wanted,
                 bool mandatory)
{
    struct arena *a = &f->arena;
    int said = autoupdate(stored);
    bool keep = mandatory || (said >= 0 ? said == 1
                                        : json_path_i64(stored, "metadata.generation", 0) == 1);
    bool wrong = keep && !spec_same(f, name, wanted, json_get(stored, "spec"));
    if (said == keep && !wrong)
        return false;
    if (wrong)
        json_set(a, stored, "spec", wanted);
    if (said != keep)
        json_set_cstr(a, json_object_at(a, json_get(stored, "metadata"), "annotations"),
                      FLOW_AUTOUPDATE, keep ? "true" : "false");
    return true;
}

static void on_reply(void *ctx, const struct client_reply *r);

static int send(struct flow_ensure *f, const char *method, const char *resource, const char *name,
                const struct json *body)
{
    struct buf text CLEANUP_BUF;
    char path[400];
    buf_init(&text, BODY_BYTES);
    snprintf(path, sizeof path, "/apis/" GROUP "/v1/%s%s%s%s", resource, name ? "/" : "",
             name ? name : "", body ? "?fieldManager=" MANAGER : "");
    if (body)
        json_write(&text, body);
    if (text.failed || f->arena.failed)
        return -E_NOMEM;
    struct client_request r = {.method = method, .path = path, .body = buf_str(&text)};
    return client_do(&f->client, &r, on_reply, f, &f->call);
}

/* Sends what the default needs. 1: sent, 0: it is right as it is. */
static int ensure_one(struct flow_ensure *f, const char *name, struct json *spec, bool mandatory)
{
    struct arena *a = &f->arena;
    const char *resource = resources[f->kind];
    struct json *stored = object_load(f->api, a, GROUP, resource, STR(""), str_of(name), NULL);
    if (!spec)
        return -E_NOMEM;
    if (stored)
        return mend(f, name, stored, spec, mandatory) ? send(f, "PUT", resource, name, stored) : 0;
    struct json *object = json_new(a, JSON_OBJECT), *meta = json_object_at(a, object, "metadata");
    json_set_cstr(a, meta, "name", name);
    json_set_cstr(a, json_object_at(a, meta, "annotations"), FLOW_AUTOUPDATE, "true");
    json_set(a, object, "spec", spec);
    return send(f, "POST", resource, NULL, object);
}

static bool collect(void *ctx, struct store_value *v)
{
    struct flow_ensure *f = ctx;
    struct json *object;
    struct str ns, name;
    object_key_split(store_value_key(v), false, &ns, &name);
    if (f->kind == 0 ? flow_schema_find(name) != NULL : flow_level_find(name) != NULL)
        return true;
    if (json_parse(&f->arena, store_value_bytes(v), NULL, &object, NULL) == 0 &&
        autoupdate(object) == 1)
        json_append(&f->arena, json_array_at(&f->arena, f->unwanted, resources[f->kind]),
                    json_new_str(&f->arena, name));
    return true;
}

/* Names that were suggested once, by resource. */
static int find_unwanted(struct flow_ensure *f)
{
    f->unwanted = json_new(&f->arena, JSON_OBJECT);
    for (f->kind = 0; f->kind < KINDS; f->kind++) {
        struct str from = object_key_of(&f->arena, GROUP, resources[f->kind], STR(""), STR(""));
        char *to = arena_strndup(&f->arena, from.p, from.n);
        struct store_snapshot *snap;
        if (!to)
            return -E_NOMEM;
        to[from.n - 1]++; /* behind the closing slash */
        int rc = store_snapshot_take(f->api->store, &snap);
        if (rc < 0)
            return rc;
        store_snapshot_range(snap, from, str_of(to), collect, f);
        store_snapshot_release(snap);
    }
    return f->arena.failed ? -E_NOMEM : 0;
}

static int remove_next(struct flow_ensure *f)
{
    for (size_t k = 0; k < KINDS; k++) {
        struct json *names = json_get(f->unwanted, resources[k]);
        if (!json_count(names))
            continue;
        const char *name = json_cstr(json_first(names));
        json_remove_at(names, 0);
        int rc = send(f, "DELETE", resources[k], name, NULL);
        return rc < 0 ? rc : 1;
    }
    return 0;
}

/* Until a request is under way, or nothing is left to do. */
static void go_on(void *ctx)
{
    struct flow_ensure *f = ctx;
    int rc = 0;
    while (rc == 0 && f->kind < KINDS) {
        const char *name;
        struct json *spec;
        bool mandatory;
        if (default_at(f, &name, &spec, &mandatory)) {
            rc = ensure_one(f, name, spec, mandatory);
            rc = rc == 0 && f->call ? 1 : rc;
            f->at++;
        } else {
            f->kind++;
            f->at = 0;
        }
    }
    if (rc == 0 && !f->unwanted)
        rc = find_unwanted(f);
    if (rc == 0)
        rc = remove_next(f);
    if (rc <= 0)
        pass_over(f, rc, rc < 0 ? err_text(rc) : "");
}

static void on_reply(void *ctx, const struct client_reply *r)
{
    struct flow_ensure *f = ctx;
    char text[600];
    f->call = NULL;
    /* Somebody else was at it: the next pass looks again. */
    if (r->rc == 0 || r->rc == -E_EXISTS || r->rc == -E_CONFLICT || r->rc == -E_NOT_FOUND) {
        loop_timer_set(f->api->loop, &f->timer, 0);
        return;
    }
    snprintf(text, sizeof text, "default flow schemas and priority levels: %s", r->message);
    pass_over(f, r->rc, text);
}

int flow_ensure_start(struct api *api, void (*done)(void *ctx, int rc, const char *message),
                      void *ctx, struct flow_ensure **ret)
{
    static const char *const groups[] = {"system:masters", NULL};
    struct flow_ensure *f = mem_zalloc(sizeof *f);
    if (!f)
        return -E_NOMEM;
    f->api = api;
    f->done = done;
    f->ctx = ctx;
    arena_init(&f->arena, PASS_BYTES);
    loop_timer_init(&f->timer, go_on, f);
    int rc = api_local_client(api, "system:apiserver", groups, &f->client);
    if (rc < 0) {
        flow_ensure_free(f);
        return rc;
    }
    loop_timer_set(api->loop, &f->timer, 0);
    *ret = f;
    return 0;
}
