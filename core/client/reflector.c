/*
 * List and watch for a cache.
 *
 *   LISTING --complete--> WATCHING --ended--> WATCHING again (after back-off if it failed)
 *      ^                      |
 *      +-------- 410 ---------+        any failure: the same step again after back-off
 *
 * A list arrives in chunks on one snapshot; each chunk is applied as it comes, and what no chunk
 * held is deleted at the end.
 */
#include <stdio.h>

#include "base/limits.h"
#include "base/log.h"
#include "client/cache_int.h"
#include "wire/url.h"

enum { RETRY_FIRST_MS = 200, RETRY_LONGEST_MS = 30 * 1000, WATCH_SECONDS = 480 };

static void put_query(struct cache *c, struct buf *b)
{
    buf_puts(b, c->path);
    buf_putc(b, '?');
    if (c->field_selector) {
        buf_puts(b, "fieldSelector=");
        url_encode(b, str_of(c->field_selector));
        buf_putc(b, '&');
    }
    if (c->label_selector) {
        buf_puts(b, "labelSelector=");
        url_encode(b, str_of(c->label_selector));
        buf_putc(b, '&');
    }
}

static void again(struct cache *c, int64_t delay_ms)
{
    loop_timer_set(c->client->loop, &c->reflector.retry, delay_ms);
}

static void failed(struct cache *c, const char *why)
{
    struct reflector *r = &c->reflector;
    if (r->retry_ms >= RETRY_FIRST_MS * 8)
        log_warn("%s %s: %s; again in %lld ms", r->watching ? "watch" : "list", c->path, why,
                 (long long)r->retry_ms);
    again(c, r->retry_ms);
    r->retry_ms = r->retry_ms * 2 < RETRY_LONGEST_MS ? r->retry_ms * 2 : RETRY_LONGEST_MS;
}

static void forget_list(struct reflector *r)
{
    mem_free(r->continue_token);
    r->continue_token = NULL;
}

/* ---- listing ---- */

/* Items of a list carry no apiVersion and kind of their own; those of a watch do. */
static void name_kind(struct arena *a, const struct json *list, struct json *item)
{
    struct str kind = json_path_str(list, "kind");
    if (kind.n <= 4 || !str_ends(kind, STR("List")) || json_get(item, "kind"))
        return;
    json_set_str(a, item, "kind", str_make(kind.p, kind.n - 4));
    json_set_str(a, item, "apiVersion", json_path_str(list, "apiVersion"));
}

static int take_chunk(struct cache *c, struct arena *a, const struct json *list)
{
    struct reflector *r = &c->reflector;
    int rc = 0;

    if (!r->continue_token)
        cache_list_begin(c);
    for (struct json *item = json_first(json_get(list, "items")); item && rc == 0; item = item->next) {
        name_kind(a, list, item);
        rc = cache_list_item(c, item);
    }
    if (rc == 0 && a->failed)
        rc = -E_NOMEM;
    if (rc < 0)
        return rc;
    if (str_to_i64(json_path_str(list, "metadata.resourceVersion"), &r->list_revision) < 0)
        return -E_SYNTAX;
    struct str token = json_path_str(list, "metadata.continue");
    forget_list(r);
    if (token.n) {
        r->continue_token = mem_strndup(token.p, token.n);
        return r->continue_token ? 0 : -E_NOMEM;
    }
    r->watching = true;
    r->relist = false;
    cache_list_end(c, r->list_revision);
    return 0;
}

static void list_ended(struct cache *c, int rc, const char *message)
{
    struct reflector *r = &c->reflector;
    struct arena a CLEANUP_ARENA;
    struct json *list = NULL;
    struct err err = {0};

    arena_init(&a, (size_t)LIMIT_REQUEST_ARENA * 4);
    if (rc == 0 && r->input.failed)
        rc = err_set(&err, E_TOO_LARGE, "the list chunk is too large");
    if (rc == 0)
        rc = json_parse(&a, buf_str(&r->input), &json_options_trusted, &list, &err);
    else if (!err.code)
        err_set(&err, -rc, "%s", message ? message : err_text(rc));
    if (rc == 0 && r->status == 200) {
        rc = take_chunk(c, &a, list);
        if (rc == 0) {
            r->retry_ms = RETRY_FIRST_MS;
            buf_done(&r->input);
            if (!c->freed)
                again(c, 0);
            return;
        }
        err_set(&err, -rc, "%s", err_text(rc));
    } else if (rc == 0) {
        err_set(&err, E_UNAVAILABLE, "status %d: %s", r->status, json_path_cstr(list, "message"));
    }
    forget_list(r); /* an expired continue token too: from the start */
    buf_done(&r->input);
    failed(c, err.text);
}

/* ---- watching ---- */

/* One event. False: the watch must end (the revision is gone, or memory ran out). */
static bool take_event(struct cache *c, struct str line)
{
    struct reflector *r = &c->reflector;
    struct arena a CLEANUP_ARENA;
    struct json *event = NULL;
    struct err err = {0};

    arena_init(&a, LIMIT_REQUEST_ARENA);
    if (json_parse(&a, line, NULL, &event, &err) < 0) {
        log_warn("watch %s: %s", c->path, err.text);
        return false;
    }
    const char *type = json_path_cstr(event, "type");
    struct json *object = json_get(event, "object");
    if (cstr_eq(type, "ERROR")) {
        int64_t code = json_path_i64(object, "code", 0);
        if (code == 410)
            r->relist = true;
        else
            log_warn("watch %s: %s", c->path, json_path_cstr(object, "message"));
        return false;
    }
    if (cstr_eq(type, "BOOKMARK")) {
        int64_t revision = 0;
        if (str_to_i64(json_path_str(object, "metadata.resourceVersion"), &revision) == 0 &&
            revision > c->revision)
            c->revision = revision;
        return true;
    }
    if (cache_apply(c, object, cstr_eq(type, "DELETED")) < 0) {
        r->relist = true;
        return false;
    }
    r->retry_ms = RETRY_FIRST_MS;
    return true;
}

static void watch_data(struct cache *c)
{
    struct reflector *r = &c->reflector;
    struct str all = buf_str(&r->input);
    ptrdiff_t at;
    bool go = true;

    c->depth++; /* a listener may free the cache */
    while (go && !c->freed && (at = str_find_byte(all, '\n')) >= 0) {
        go = take_event(c, str_make(all.p, (size_t)at));
        all.p += at + 1;
        all.n -= (size_t)at + 1;
    }
    buf_consume(&r->input, buf_len(&r->input) - all.n);
    if (r->input.failed)
        r->relist = true;
    if (!c->freed && (!go || r->input.failed)) {
        c->client->ops->cancel(c->client->self, r->call);
        r->call = NULL;
        buf_done(&r->input);
        failed(c, "the watch was ended by the server");
    } else if (buf_len(&r->input) == 0) {
        buf_done(&r->input); /* idle watches hold no memory */
    }
    if (--c->depth == 0 && c->freed)
        cache_free(c);
}

/* ---- the call under way ---- */

static void on_head(void *ctx, int status)
{
    struct cache *c = ctx;
    c->reflector.status = status;
}

static void on_data(void *ctx, struct str bytes)
{
    struct cache *c = ctx;
    buf_append_str(&c->reflector.input, bytes);
    if (c->reflector.watching && c->reflector.status == 200)
        watch_data(c);
}

static void on_end(void *ctx, int rc, const char *message)
{
    struct cache *c = ctx;
    struct reflector *r = &c->reflector;
    r->call = NULL;
    if (!r->watching) {
        c->depth++;
        list_ended(c, rc, message);
        if (--c->depth == 0 && c->freed)
            cache_free(c);
        return;
    }
    buf_done(&r->input);
    if (r->status == 410)
        r->relist = true;
    if (rc == 0 && r->status == 200)
        again(c, 0); /* the server's time limit: go on from the last revision */
    else
        failed(c, message && message[0] ? message : "refused");
}

static int begin(struct cache *c)
{
    static const struct client_handlers handlers = {on_head, on_data, on_end};
    struct reflector *r = &c->reflector;
    struct buf path CLEANUP_BUF;

    buf_init(&path, 64 * 1024);
    put_query(c, &path);
    if (r->relist)
        r->watching = false;
    if (r->watching) {
        buf_printf(&path, "watch=1&allowWatchBookmarks=true&resourceVersion=%lld&timeoutSeconds=%d",
                   (long long)c->revision, WATCH_SECONDS);
    } else {
        buf_printf(&path, "limit=%d", LIMIT_LIST_CHUNK);
        if (r->continue_token) {
            buf_puts(&path, "&continue=");
            url_encode(&path, str_of(r->continue_token));
        }
    }
    struct client_request q = {
        .method = "GET", .path = buf_cstr(&path), .timeout_ms = r->watching ? -1 : 0};
    if (c->metadata_only)
        q.accept = r->watching
                       ? "application/json;as=PartialObjectMetadata;g=meta.k8s.io;v=v1"
                       : "application/json;as=PartialObjectMetadataList;g=meta.k8s.io;v=v1";
    if (path.failed)
        return -E_NOMEM;
    r->status = 0;
    return c->client->ops->send(c->client->self, &q, &handlers, c, &r->call);
}

static void step(void *ctx)
{
    struct cache *c = ctx;
    int rc = begin(c);
    if (rc < 0)
        failed(c, err_text(rc));
}

int reflector_start(struct cache *c)
{
    struct reflector *r = &c->reflector;
    *r = (struct reflector){.relist = true, .retry_ms = RETRY_FIRST_MS};
    buf_init(&r->input, (size_t)LIMIT_REQUEST_ARENA);
    loop_timer_init(&r->retry, step, c);
    again(c, 0);
    return 0;
}

void reflector_stop(struct cache *c)
{
    struct reflector *r = &c->reflector;
    loop_timer_cancel(c->client->loop, &r->retry);
    if (r->call)
        c->client->ops->cancel(c->client->self, r->call);
    r->call = NULL;
    forget_list(r);
    buf_done(&r->input);
}
