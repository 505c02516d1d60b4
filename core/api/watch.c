/*
 * WATCH. First, when asked for, what there is (from a snapshot, in pieces); then every change after
 * that revision, as the store tells it. An event is written once for each form and shared by all
 * watchers through a small cache, because the store tells all of them one event after the other.
 *
 *   initial --all sent--> live --deadline, slow, gone--> (ended)
 *
 * A watcher whose unsent bytes pass LIMIT_WATCH_QUEUE_BYTES is dropped; it comes back and resumes.
 */
#include <stdio.h>

#include "api/api_int.h"
#include "api/flow/flow.h"
#include "api/crd/conversion.h"

enum {
    FRAME_SLOTS = 64,
    FRAME_BYTES = 64 * 1024, /* larger ones are not kept */
    FORM_BYTES = 40,
    UNSENT_BYTES = 512 * 1024,
    WRITE_BYTES = 8 * LIMIT_OBJECT_BYTES,
    BOOKMARK_MS = 60 * 1000,
    TIMEOUT_LEAST_S = 1800,
    QUEUE_MOST = 4096, /* events of a watch that wait for a conversion */
};

enum event_type { EVENT_ADDED, EVENT_MODIFIED, EVENT_DELETED };
static const char *const event_names[] = {"ADDED", "MODIFIED", "DELETED"};

struct frame_slot {
    int64_t revision;
    const struct schema_resource *resource;
    enum event_type type;
    char form[FORM_BYTES];
    uint64_t key_hash;
    struct buf bytes;
};

struct watch_state {
    struct store_watch *watch;
    struct selection selection;
    struct str prefix, to;
    struct store_snapshot *snap; /* while what there is is being sent */
    char resume[STORE_KEY_MAX + 1];
    struct str from;
    struct buf out;
    bool bookmarks, mark_initial, full, failed;
    bool converts; /* a webhook makes of values what the client sees */
    bool stopped;  /* at a value that is not converted yet */
    struct list queue; /* struct queued: events that wait for that */
    size_t queued;
    int64_t deadline_ms, bookmark_ms;
    char form[FORM_BYTES];
};

void frames_free(struct api *api)
{
    for (size_t i = 0; api->frames && i < FRAME_SLOTS; i++)
        buf_done(&api->frames[i].bytes);
    mem_free(api->frames);
    api->frames = NULL;
}

struct queued {
    struct list link;
    enum event_type type;
    struct store_value *value;
    int64_t revision;
};

static void queued_free(struct watch_state *w, struct queued *q)
{
    list_remove(&q->link);
    w->queued--;
    store_value_unref(q->value);
    mem_free(q);
}

static void watch_release(struct api_request *r)
{
    struct watch_state *w = r->watch;
    r->watch = NULL;
    if (!w)
        return;
    while (!list_empty(&w->queue))
        queued_free(w, LIST_FIRST(&w->queue, struct queued, link));
    store_watch_free(w->watch);
    store_snapshot_release(w->snap);
    buf_done(&w->out);
    mem_free(w);
}

/* ---- frames ---- */

static int frame_write(struct api_request *r, struct buf *out, enum event_type type,
                       struct store_value *v, int64_t revision)
{
    if (r->accept.media == MEDIA_PROTOBUF)
        return protobuf_put_stored_event(r, out, event_names[type], r->resource,
                                         store_value_bytes(v),                                         revision);
    buf_puts(out, "{\"type\":\"");
    buf_puts(out, event_names[type]);
    buf_puts(out, "\",\"object\":");
    int rc = form_write(r, out, r->resource, store_value_bytes(v), revision, false);
    buf_puts(out, "}\n");
    return rc < 0 || out->failed ? -E_NOMEM : 0;
}

/* The event as this watcher wants it, from the cache or written anew; empty: out of memory. */
static struct str frame_get(struct api_request *r, enum event_type type, struct store_value *v,
                            int64_t revision)
{
    struct api *api = r->api;
    struct watch_state *w = r->watch;
    uint64_t hash = str_hash(store_value_key(v));
    if (!api->frames)
        api->frames = mem_calloc(FRAME_SLOTS, sizeof *api->frames);
    struct frame_slot *slot =
        api->frames ? &api->frames[(hash ^ (uint64_t)revision ^ (uint64_t)type) % FRAME_SLOTS]
                    : NULL;
    if (slot && slot->revision == revision && slot->key_hash == hash && slot->type == type &&
        slot->resource == r->resource && cstr_eq(slot->form, w->form))
        return buf_str(&slot->bytes);
    buf_clear(&w->out);
    if (frame_write(r, &w->out, type, v, revision) < 0)
        return STR("");
    struct str bytes = buf_str(&w->out);
    if (!slot || bytes.n > FRAME_BYTES)
        return bytes;
    buf_done(&slot->bytes);
    *slot = (struct frame_slot){
        .revision = revision, .resource = r->resource, .type = type, .key_hash = hash};
    str_copy(slot->form, sizeof slot->form, str_of(w->form));
    buf_init(&slot->bytes, FRAME_BYTES);
    buf_append_str(&slot->bytes, bytes);
    if (slot->bytes.failed) {
        slot->revision = 0;
        return bytes;
    }
    /* A thousand watchers need no thousand copies of the last event. */
    buf_done(&w->out);
    return buf_str(&slot->bytes);
}

static void send_frame(struct api_request *r, struct str bytes)
{
    if (!bytes.n) {
        request_end(r);
        return;
    }
    int64_t waiting = r->ops->body(r->ctx, bytes);
    if (waiting < 0)
        request_gone(r);
    else if (waiting > LIMIT_WATCH_QUEUE_BYTES)
        request_end(r);
}

static void send_error(struct api_request *r, int http, const char *reason, const char *message)
{
    struct buf out CLEANUP_BUF;
    struct json *status = status_object(&r->arena, http, reason, message);
    bool ok = true;
    buf_init(&out, 16 * 1024);
    if (r->accept.media == MEDIA_PROTOBUF) {
        ok = protobuf_put_event(&out, "ERROR", status) == 0;
    } else {
        buf_puts(&out, "{\"type\":\"ERROR\",\"object\":");
        json_write(&out, status);
        buf_puts(&out, "}\n");
    }
    if (ok && !out.failed && r->ops->body(r->ctx, buf_str(&out)) < 0)
        request_gone(r);
    else
        request_end(r);
}

static void send_protobuf_bookmark(struct api_request *r, int64_t revision, bool initial_end)
{
    struct buf out CLEANUP_BUF;
    struct arena a CLEANUP_ARENA;
    const char *group = schema_resource_group(r->resource);
    arena_init(&a, 64 * 1024);
    buf_init(&out, 16 * 1024);
    struct json *o = json_new(&a, JSON_OBJECT), *m;
    bool part = r->accept.form == FORM_PARTIAL;
    json_set_cstr(&a, o, "kind",
                  part ? "PartialObjectMetadata" : schema_resource_kind(r->resource));
    json_set_cstr(&a, o, "apiVersion",
                  part ? "meta.k8s.io/v1"
                       : arena_printf(&a, "%s%s%s", group, group[0] ? "/" : "",
                                      schema_resource_version(r->resource)));
    m = json_object_at(&a, o, "metadata");
    json_set_cstr(&a, m, "resourceVersion", arena_printf(&a, "%lld", (long long)revision));
    if (initial_end)
        json_set_cstr(&a, json_object_at(&a, m, "annotations"), "k8s.io/initial-events-end",
                      "true");
    bool ok = !a.failed && protobuf_put_event(&out, "BOOKMARK", o) == 0;
    send_frame(r, ok ? buf_str(&out) : STR(""));
}

static void send_bookmark(struct api_request *r, int64_t revision, bool initial_end)
{
    if (r->accept.media == MEDIA_PROTOBUF) {
        send_protobuf_bookmark(r, revision, initial_end);
        return;
    }
    struct buf out CLEANUP_BUF;
    const char *group = schema_resource_group(r->resource);
    buf_init(&out, 4096);
    buf_puts(&out, "{\"type\":\"BOOKMARK\",\"object\":{");
    if (r->accept.form == FORM_TABLE)
        buf_puts(&out, "\"kind\":\"Table\",\"apiVersion\":\"meta.k8s.io/"
                       "v1\",\"columnDefinitions\":[],\"rows\":[],");
    else if (r->accept.form == FORM_PARTIAL)
        buf_puts(&out, "\"kind\":\"PartialObjectMetadata\",\"apiVersion\":\"meta.k8s.io/v1\",");
    else
        buf_printf(&out, "\"kind\":\"%s\",\"apiVersion\":\"%s%s%s\",",
                   schema_resource_kind(r->resource), group, group[0] ? "/" : "",
                   schema_resource_version(r->resource));
    buf_printf(&out, "\"metadata\":{\"resourceVersion\":\"%lld\"%s}}}\n", (long long)revision,
               initial_end ? ",\"annotations\":{\"k8s.io/initial-events-end\":\"true\"}" : "");
    send_frame(r, out.failed ? STR("") : buf_str(&out));
}

/* ---- live ---- */

static int matches(const struct watch_state *w, struct store_value *v)
{
    return v ? selection_matches(&w->selection, v) : 0;
}

/* What a watch ends with when the webhook does not convert. */
static void conversion_failed(struct api_request *r, const char *message)
{
    send_error(r, 500, "InternalError", message);
}

/* Events in their order, until one has to be converted. */
static void send_queued(struct api_request *r)
{
    struct watch_state *w = r->watch;
    while (!r->ended && !list_empty(&w->queue)) {
        struct queued *q = LIST_FIRST(&w->queue, struct queued, link);
        if (conversion_prepare(r, r->resource, &q->value, 1, send_queued, conversion_failed) != 0)
            return;
        send_frame(r, frame_get(r, q->type, q->value, q->revision));
        if (!r->ended)
            queued_free(w, q);
    }
}

static void enqueue(struct api_request *r, enum event_type type, struct store_value *v,
                    int64_t revision)
{
    struct watch_state *w = r->watch;
    bool idle = list_empty(&w->queue);
    struct queued *q = w->queued < QUEUE_MOST ? mem_zalloc(sizeof *q) : NULL;
    if (!q) {
        send_error(r, 410, "Expired", "the conversion webhook is too slow for this watch");
        return;
    }
    *q = (struct queued){.type = type, .value = store_value_ref(v), .revision = revision};
    list_push_back(&w->queue, &q->link);
    w->queued++;
    if (idle)
        send_queued(r);
}

static void on_event(void *ctx, const struct store_event *e)
{
    struct api_request *r = ctx;
    struct watch_state *w = r->watch;
    int is = matches(w, e->value), was = matches(w, e->previous);
    if (is == 0 && was == 0)
        return;
    request_enter(r);
    if (is < 0 || was < 0) {
        request_end(r);
    } else {
        enum event_type type = is && was ? EVENT_MODIFIED : is ? EVENT_ADDED : EVENT_DELETED;
        struct store_value *v = is ? e->value : e->previous;
        if (w->converts)
            enqueue(r, type, v, e->revision);
        else
            send_frame(r, frame_get(r, type, v, e->revision));
    }
    request_leave(r);
}

static void go_live(struct api_request *r, int64_t after)
{
    struct watch_state *w = r->watch;
    char text[100];
    int rc = store_watch_new(r->api->store, w->prefix, after, on_event, r, &w->watch);
    if (rc == 0)
        return;
    if (rc == -E_EXPIRED) {
        snprintf(text, sizeof text, "too old resource version: %lld (%lld)", (long long)after,
                 (long long)store_compacted(r->api->store));
        send_error(r, 410, "Expired", text);
    } else {
        send_error(r, 500, "InternalError", err_text(rc));
    }
}

void watch_tick(struct api *api)
{
    struct api_request *r, *next;
    int64_t now = loop_now_ms(api->loop);
    LIST_EACH_SAFE(r, next, &api->requests, link)
    {
        struct watch_state *w = r->watch;
        if (!w || !w->watch)
            continue;
        request_enter(r);
        if (now >= w->deadline_ms) {
            request_end(r);
        } else if (w->bookmarks && now >= w->bookmark_ms && store_watch_live(w->watch) &&
                   list_empty(&w->queue)) {
            w->bookmark_ms = now + BOOKMARK_MS;
            send_bookmark(r, store_revision(api->store), false);
        }
        request_leave(r);
    }
}

/* ---- what there is ---- */

/* The walk goes on at the value, or behind it. */
static void stop_at(struct watch_state *w, struct store_value *v, bool behind)
{
    struct str key = store_value_key(v);
    memcpy(w->resume, key.p, key.n);
    w->resume[key.n] = 0;
    w->from = str_make(w->resume, key.n + behind);
    w->full = true;
}

static bool write_initial(void *ctx, struct store_value *v)
{
    struct api_request *r = ctx;
    struct watch_state *w = r->watch;
    int is = selection_matches(&w->selection, v);
    if (is > 0 && w->converts && !conversion_ready(r->resource, store_value_bytes(v))) {
        stop_at(w, v, false);
        w->stopped = true;
        return false;
    }
    if (is > 0)
        is = frame_write(r, &w->out, EVENT_ADDED, v, v->mod_revision);
    if (is < 0) {
        w->failed = true;
        return false;
    }
    if (buf_len(&w->out) < 48 * 1024)
        return true;
    stop_at(w, v, true);
    return false;
}

struct unconverted {
    const struct watch_state *w;
    struct store_value *values[CONVERSION_BATCH];
    size_t count;
};

static bool gather(void *ctx, struct store_value *v)
{
    struct unconverted *u = ctx;
    if (selection_matches(&u->w->selection, v) > 0)
        u->values[u->count++] = v;
    return u->count < CONVERSION_BATCH;
}

static void pump_initial(struct api_request *r);

static bool convert_next(struct api_request *r)
{
    struct watch_state *w = r->watch;
    struct unconverted u = {.w = w};
    w->stopped = false;
    store_snapshot_range(w->snap, w->from, w->to, gather, &u);
    return conversion_prepare(r, r->resource, u.values, u.count, pump_initial,
                              conversion_failed) == 0;
}

static void end_initial(struct api_request *r)
{
    struct watch_state *w = r->watch;
    int64_t revision = store_snapshot_revision(w->snap);
    store_snapshot_release(w->snap);
    w->snap = NULL;
    buf_done(&w->out);
    r->on_drained = NULL;
    if (w->mark_initial)
        send_bookmark(r, revision, true);
    if (!r->ended)
        go_live(r, revision);
}

static void pump_initial(struct api_request *r)
{
    struct watch_state *w = r->watch;
    while (!r->ended && w->snap) {
        if (w->stopped && !convert_next(r))
            return;
        buf_clear(&w->out);
        w->full = false;
        store_snapshot_range(w->snap, w->from, w->to, write_initial, r);
        if (w->failed) {
            request_end(r);
            return;
        }
        int64_t waiting = buf_len(&w->out) ? r->ops->body(r->ctx, buf_str(&w->out)) : 0;
        if (waiting < 0)
            request_gone(r);
        else if (!w->full)
            end_initial(r);
        else if (waiting > UNSENT_BYTES)
            return;
    }
}

/* ---- the request ---- */

static int parse_options(struct api_request *r, int64_t *ret_after, bool *ret_initial)
{
    struct watch_state *w = r->watch;
    struct str version = url_param(&r->url, "resourceVersion"),
               timeout = url_param(&r->url, "timeoutSeconds");
    struct str match = url_param(&r->url, "resourceVersionMatch");
    bool initial = url_flag(&r->url, "sendInitialEvents");
    int64_t after = 0, seconds = 0;
    w->bookmarks = url_flag(&r->url, "allowWatchBookmarks");
    if (version.n && (str_to_i64(version, &after) < 0 || after < 0))
        return fail_bad_request(r, "invalid resource version \"" STR_FMT "\"", STR_ARG(version));
    if (timeout.n && (str_to_i64(timeout, &seconds) < 0 || seconds < 0))
        return fail_bad_request(r, "timeoutSeconds: Invalid value: \"" STR_FMT "\"",
                                STR_ARG(timeout));
    if (url_param(&r->url, "sendInitialEvents").n && !str_is(match, "NotOlderThan"))
        return fail_status(
            r, 422, "Invalid", NULL,
            "ListOptions.meta.k8s.io \"\" is invalid: resourceVersionMatch: Forbidden: "
            "sendInitialEvents requires setting resourceVersionMatch to NotOlderThan");
    if (after > store_revision(r->api->store)) {
        struct json *d = json_new(&r->arena, JSON_OBJECT);
        json_set_i64(&r->arena, d, "retryAfterSeconds", 1);
        return fail_status(r, 504, "Timeout", d, "Too large resource version: %lld, current: %lld",
                           (long long)after, (long long)store_revision(r->api->store));
    }
    if (!seconds)
        seconds = TIMEOUT_LEAST_S + (int64_t)prng_below(&r->api->prng, TIMEOUT_LEAST_S);
    int64_t now = loop_now_ms(r->api->loop);
    w->deadline_ms = now + (seconds < 1000000 ? seconds : 1000000) * 1000;
    w->bookmark_ms = now + BOOKMARK_MS;
    w->mark_initial = initial && w->bookmarks;
    bool told = url_param(&r->url, "sendInitialEvents").n != 0;
    *ret_initial = told ? initial : after == 0;
    *ret_after = after;
    return 0;
}

static bool make_range(struct api_request *r)
{
    struct watch_state *w = r->watch;
    w->prefix = object_key(&r->arena, r->resource, r->url.ns, STR(""));
    char *to = w->prefix.p ? arena_strndup(&r->arena, w->prefix.p, w->prefix.n) : NULL;
    if (!to)
        return false;
    to[w->prefix.n - 1] = '/' + 1;
    w->from = w->prefix;
    w->to = str_make(to, w->prefix.n);
    return str_copy(w->form, sizeof w->form, str_of(form_name(r)));
}

void rest_watch(struct api_request *r)
{
    struct watch_state *w = mem_zalloc(sizeof *w);
    int64_t after = 0;
    bool initial = false;
    if (!w) {
        fail_memory(r);
        return;
    }
    list_init(&w->queue);
    w->converts = conversion_asks(r, r->resource);
    r->watch = w;
    flow_begun(r);
    r->on_cancel = watch_release;
    buf_init(&w->out, WRITE_BYTES);
    if (r->accept.media != MEDIA_PROTOBUF)
        r->accept.media = MEDIA_JSON;
    r->accept.pretty = false;
    if (selection_parse(r, &w->selection) != 0 || parse_options(r, &after, &initial) != 0)
        return;
    if (!make_range(r) || (initial && store_snapshot_take(r->api->store, &w->snap) < 0)) {
        fail_memory(r);
        return;
    }
    if (!reply_head(r, 200, reply_content_type(r), -1))
        return;
    if (!initial) {
        go_live(r, after ? after : store_revision(r->api->store));
        return;
    }
    r->on_drained = pump_initial;
    pump_initial(r);
}
