/*
 * ComponentStatuses: asked for, not stored. Scheduler and controllers live in the role that answers:
 * they run once the first objects are there, and end with it.
 */
#include "api/api_int.h"

enum { TEXT_BYTES = 64 * 1024 };

static bool store_good(const struct api *api)
{
    return store_revision(api->store) > 0;
}

static bool started(const struct api *api)
{
    return api->ready;
}

static const struct component {
    const char *name;
    bool (*good)(const struct api *api);
} components[] = {
    {"controller-manager", started},
    {"scheduler", started},
    {"etcd-0", store_good},
};

enum { COMPONENTS = sizeof components / sizeof components[0] };

/* In the form that objects are stored in. */
static struct str describe(struct api_request *r, const struct component *c)
{
    bool good = c->good(r->api);
    return str_of(arena_printf(&r->arena,
                               OBJECT_PREFIX "\"name\":\"%s\",\"creationTimestamp\":null},"
                               "\"conditions\":[{\"type\":\"Healthy\",\"status\":\"%s\","
                               "\"%s\":\"%s\"}]}",
                               c->name, good ? "True" : "False", good ? "message" : "error",
                               good ? "ok" : "not started"));
}

static void send_list(struct api_request *r, struct str items)
{
    struct json *tree;
    struct list_meta meta = {0, NULL, -1};
    if (r->accept.media == MEDIA_PROTOBUF)
        protobuf_reply_list(r, r->resource, &meta, items);
    else if (r->accept.media == MEDIA_JSON && !r->accept.pretty)
        reply_bytes(r, 200, reply_content_type(r), items);
    else if (json_parse(&r->work, items, NULL, &tree, NULL) < 0)
        fail_memory(r);
    else
        reply_tree(r, 200, tree);
}

static void list(struct api_request *r)
{
    struct selection s;
    struct buf out CLEANUP_BUF;
    bool text = r->accept.media != MEDIA_PROTOBUF, first = true;
    buf_init(&out, TEXT_BYTES);
    if (selection_parse(r, &s) != 0)
        return;
    int rc = text ? form_list_head(r, &out, r->resource, 0, NULL, -1) : 0;
    for (size_t i = 0; i < COMPONENTS && rc == 0; i++) {
        struct str stored = describe(r, &components[i]);
        if (!stored.p)
            rc = -E_NOMEM;
        if (rc || (s.key_name.n && !str_is(s.key_name, components[i].name)))
            continue;
        if (text && !first)
            buf_putc(&out, ',');
        first = false;
        rc = form_list_item(r, &out, r->resource, stored, 0);
    }
    if (text)
        buf_puts(&out, "]}\n");
    if (rc < 0 || out.failed)
        fail_memory(r);
    else
        send_list(r, buf_str(&out));
}

void component_status_handle(struct api_request *r)
{
    if (cstr_eq(r->url.verb, "list")) {
        list(r);
        return;
    }
    for (size_t i = 0; i < COMPONENTS; i++)
        if (str_is(r->url.name, components[i].name)) {
            struct str stored = describe(r, &components[i]);
            if (stored.p)
                reply_stored(r, 200, r->resource, stored, 0);
            else
                fail_memory(r);
            return;
        }
    fail_not_found(r, r->resource, r->url.name);
}
