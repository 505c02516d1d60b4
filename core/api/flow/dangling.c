/* Condition Dangling of flow schemas. See dangling.h. */
#include "api/flow/dangling.h"

#include <stdio.h>

#include "api/api_int.h"
#include "api/local.h"
#include "codec/time.h"

#define GROUP   "flowcontrol.apiserver.k8s.io"
#define MANAGER "api-priority-and-fairness-config-consumer-v1"

enum { PASS_BYTES = 8 * 1024 * 1024, BODY_BYTES = 16 * 1024, RETRY_MS = 1000 };

struct flow_dangling {
    struct api *api;
    struct client client;
    struct client_call *call;
    struct store_watch *watch;
    struct arena arena; /* of one step */
    char after[STORE_KEY_MAX + 1]; /* the schema that was looked at last, by key; "": none */
    bool again; /* something changed, or failed */
    struct loop_timer timer;
};

void flow_dangling_free(struct flow_dangling *d)
{
    if (!d)
        return;
    loop_timer_cancel(d->api->loop, &d->timer);
    if (d->watch)
        store_watch_free(d->watch);
    if (d->call)
        client_cancel(&d->client, d->call);
    if (d->client.ops)
        d->client.ops->close(d->client.self);
    arena_done(&d->arena);
    mem_free(d);
}

/* The condition as it ought to be, or NULL when it is there already. */
static struct json *wanted(struct flow_dangling *d, const struct json *schema)
{
    struct arena *a = &d->arena;
    struct str level = json_path_str(schema, "spec.priorityLevelConfiguration.name");
    struct str key = object_key_of(a, GROUP, "prioritylevelconfigurations", STR(""), level);
    bool there = key.p && store_get(d->api->store, key) != NULL;
    const char *status = there ? "False" : "True";
    const char *message =
        arena_printf(a,
                     "This FlowSchema references the PriorityLevelConfiguration object named \"" STR_FMT
                     "\" %s",
                     STR_ARG(level), there ? "and it exists" : "but there is no such object");
    const struct json *c = json_first(json_path(schema, "status.conditions"));
    while (c && !str_is(json_path_str(c, "type"), "Dangling"))
        c = c->next;
    if (!message || (str_is(json_path_str(c, "status"), status) &&
                     str_is(json_path_str(c, "message"), message)))
        return NULL;
    char now[40];
    time_format(api_now_us(d->api), now);
    struct json *to = json_new(a, JSON_OBJECT);
    json_set_cstr(a, to, "type", "Dangling");
    json_set_cstr(a, to, "status", status);
    json_set_cstr(a, to, "lastTransitionTime", now);
    json_set_cstr(a, to, "reason", there ? "Found" : "NotFound");
    json_set_cstr(a, to, "message", message);
    return to;
}

static void on_reply(void *ctx, const struct client_reply *r)
{
    struct flow_dangling *d = ctx;
    d->call = NULL;
    if (r->rc < 0 && r->rc != -E_NOT_FOUND)
        d->again = true;
    loop_timer_set(d->api->loop, &d->timer, r->rc < 0 ? RETRY_MS : 0);
}

static int send(struct flow_dangling *d, const char *name, struct json *condition)
{
    struct arena *a = &d->arena;
    struct json *body = json_new(a, JSON_OBJECT);
    struct buf text CLEANUP_BUF;
    char path[600];
    buf_init(&text, BODY_BYTES);
    json_set_cstr(a, body, "apiVersion", GROUP "/v1");
    json_set_cstr(a, body, "kind", "FlowSchema");
    json_set_cstr(a, json_object_at(a, body, "metadata"), "name", name);
    json_append(a, json_array_at(a, json_object_at(a, body, "status"), "conditions"), condition);
    json_write(&text, body);
    if (a->failed || text.failed)
        return -E_NOMEM;
    snprintf(path, sizeof path,
             "/apis/" GROUP "/v1/flowschemas/%s/status?fieldManager=" MANAGER "&force=true", name);
    struct client_request r = {.method = "PATCH",
                               .path = path,
                               .content_type = "application/apply-patch+yaml",
                               .body = buf_str(&text)};
    return client_do(&d->client, &r, on_reply, d, &d->call);
}

/* The next one, behind the one before. A call under way ends the look. */
static bool look(void *ctx, struct store_value *v)
{
    struct flow_dangling *d = ctx;
    struct str key = store_value_key(v), ns, name;
    struct json *schema, *condition = NULL;
    str_copy(d->after, sizeof d->after, key);
    arena_clear(&d->arena);
    object_key_split(key, false, &ns, &name);
    if (json_parse(&d->arena, store_value_bytes(v), NULL, &schema, NULL) == 0)
        condition = wanted(d, schema);
    const char *text = condition ? arena_strndup(&d->arena, name.p, name.n) : NULL;
    if (text && send(d, text, condition) < 0)
        d->again = true;
    return d->call == NULL;
}

static void go_on(void *ctx)
{
    static const char first[] = "/" GROUP "/flowschemas/", end[] = "/" GROUP "/flowschemas0";
    struct flow_dangling *d = ctx;
    struct store_snapshot *snap;
    char from[sizeof d->after + 1];
    if (d->call)
        return; /* its answer comes here again */
    snprintf(from, sizeof from, "%s", d->after[0] ? d->after : first);
    size_t n = strlen(from);
    if (d->after[0])
        n++; /* with its NUL: the first key behind it */
    if (store_snapshot_take(d->api->store, &snap) < 0) {
        loop_timer_set(d->api->loop, &d->timer, RETRY_MS);
        return;
    }
    store_snapshot_range(snap, str_make(from, n), str_of(end), look, d);
    store_snapshot_release(snap);
    if (d->call)
        return;
    d->after[0] = 0;
    arena_clear(&d->arena);
    if (d->again)
        loop_timer_set(d->api->loop, &d->timer, RETRY_MS);
    d->again = false;
}

/* Status alone does not matter, but our own writes come by too and find nothing to do. */
static void on_change(void *ctx, const struct store_event *e)
{
    struct flow_dangling *d = ctx;
    (void)e;
    if (d->call || d->after[0])
        d->again = true;
    else
        loop_timer_set(d->api->loop, &d->timer, 0);
}

int flow_dangling_start(struct api *api, struct flow_dangling **ret)
{
    static const char *const groups[] = {"system:masters", NULL};
    struct flow_dangling *d = mem_zalloc(sizeof *d);
    if (!d)
        return -E_NOMEM;
    d->api = api;
    arena_init(&d->arena, PASS_BYTES);
    loop_timer_init(&d->timer, go_on, d);
    int rc = api_local_client(api, "system:apiserver", groups, &d->client);
    if (rc == 0)
        rc = store_watch_new(api->store, STR("/" GROUP "/"), store_revision(api->store), on_change, d,
                             &d->watch);
    if (rc < 0) {
        flow_dangling_free(d);
        return rc;
    }
    loop_timer_set(api->loop, &d->timer, 0);
    *ret = d;
    return 0;
}
