/*
 * LIST: from a snapshot, in pieces, so that a large list costs no memory and a slow client only its
 * snapshot. Chunks (limit, continue) come from one revision: the snapshot of the first is kept for
 * a few minutes; the token carries the revision and the key to begin with.
 */
#include <stdio.h>

#include "api/api_int.h"
#include "api/crd/conversion.h"
#include "codec/yaml.h"

enum {
    PIECE_BYTES = 48 * 1024,
    UNSENT_BYTES = 512 * 1024, /* of one caller: then the list waits */
    SNAPSHOTS_KEPT = 32,
    SNAPSHOT_MS = 5 * 60 * 1000,
    TOKEN_BYTES = 2048,
};

struct kept_snapshot {
    struct list link;
    struct store_snapshot *snap;
    int64_t until_ms;
};

struct list_state {
    struct store_snapshot *snap;
    struct selection selection;
    struct str from, to, prefix; /* in the request's arena */
    struct str resume;           /* its own memory; replaces from once the list has begun */
    char resume_bytes[STORE_KEY_MAX + 1];
    struct buf out;
    bool any, whole, first, done;
    bool shaped;   /* YAML, pretty or protobuf: collected first */
    bool collects; /* a webhook converts: so is JSON, since it may fail */
    bool stopped;  /* at a value that is not converted yet */
    struct list_meta meta;
    int rc;
    int64_t limit;
    int64_t matched;
};

/* ---- snapshots of lists that may be continued ---- */

void snapshots_expire(struct api *api, bool all)
{
    struct kept_snapshot *k, *next;
    LIST_EACH_SAFE(k, next, &api->snapshots, link)
    {
        if (!all && k->until_ms > loop_now_ms(api->loop))
            continue;
        list_remove(&k->link);
        store_snapshot_release(k->snap);
        api->snapshot_count--;
        mem_free(k);
    }
}

static struct kept_snapshot *find_kept(struct api *api, int64_t revision)
{
    struct kept_snapshot *k;
    LIST_EACH(k, &api->snapshots, link)
    if (store_snapshot_revision(k->snap) == revision)
        return k;
    return NULL;
}

/* Failing to keep one costs the client a 410 later, nothing else. Only a list that begins with it
 * keeps it for longer: who goes on asking for the same chunk would hold it for ever. */
static void keep_snapshot(struct api *api, struct store_snapshot *snap, bool begins)
{
    int64_t until = loop_now_ms(api->loop) + SNAPSHOT_MS;
    struct kept_snapshot *k = find_kept(api, store_snapshot_revision(snap));
    if (k) {
        if (begins)
            k->until_ms = until;
        return;
    }
    if (api->snapshot_count == SNAPSHOTS_KEPT) {
        k = LIST_FIRST(&api->snapshots, struct kept_snapshot, link);
        k->until_ms = 0;
        snapshots_expire(api, false);
    }
    k = mem_zalloc(sizeof *k);
    if (!k)
        return;
    k->snap = store_snapshot_ref(snap);
    k->until_ms = until;
    list_push_back(&api->snapshots, &k->link);
    api->snapshot_count++;
}

/* ---- tokens ---- */

static const char *token_make(struct api_request *r, int64_t revision, struct str start)
{
    struct buf text CLEANUP_BUF;
    buf_init(&text, TOKEN_BYTES);
    buf_printf(&text, "{\"v\":\"meta.k8s.io/v1\",\"rv\":%lld,\"start\":", (long long)revision);
    json_write_string(&text, start);
    buf_putc(&text, '}');
    char *token = text.failed ? NULL : arena_alloc(&r->arena, base64_encoded_size(buf_len(&text)));
    if (!token)
        return NULL;
    size_t n = base64url_encode(token, buf_str(&text).p, buf_len(&text));
    token[n] = 0;
    return token;
}

static int token_read(struct api_request *r, struct str token, int64_t *ret_revision,
                      struct str *ret_start)
{
    size_t n;
    struct json *j;
    char *text = token.n < TOKEN_BYTES ? arena_alloc(&r->arena, token.n / 4 * 3 + 3) : NULL;
    if (!text || base64url_decode(text, &n, token) < 0 ||
        json_parse(&r->arena, str_make(text, n), NULL, &j, NULL) < 0 ||
        !json_path_str(j, "start").n || str_find_byte(json_path_str(j, "start"), 0) >= 0)
        return fail_bad_request(r, "continue key is not valid");
    *ret_revision = json_path_i64(j, "rv", 0);
    *ret_start = json_path_str(j, "start");
    return 0;
}

/* ---- which snapshot ---- */

static int fail_expired(struct api_request *r, struct str start)
{
    static const char text[] = "The provided continue parameter is too old to display a consistent "
                               "list result. You can start a new list "
                               "without the continue parameter, or use the continue token in this "
                               "response to retrieve the remainder of the "
                               "results. Continuing with the provided token results in an "
                               "inconsistent list - objects that were created, "
                               "modified, or deleted between the time the first chunk was returned "
                               "and now may show up in the list.";
    struct json *s = status_object(&r->arena, 410, "Expired", text);
    const char *token = token_make(r, -1, start);
    if (!s || !token)
        return fail_memory(r);
    json_set_path(&r->arena, s, "metadata.continue", json_new_cstr(&r->arena, token));
    r->accept.form = FORM_OBJECT;
    reply_tree(r, 410, s);
    return -E_EXPIRED;
}

static int fail_future(struct api_request *r, int64_t wanted)
{
    struct json *d = json_new(&r->arena, JSON_OBJECT), *cause = json_new(&r->arena, JSON_OBJECT);
    json_set_cstr(&r->arena, cause, "reason", "ResourceVersionTooLarge");
    json_set_cstr(&r->arena, cause, "message", "Too large resource version");
    json_append(&r->arena, json_array_at(&r->arena, d, "causes"), cause);
    json_set_i64(&r->arena, d, "retryAfterSeconds", 1);
    return fail_status(r, 504, "Timeout", d, "Too large resource version: %lld, current: %lld",
                       (long long)wanted, (long long)store_revision(r->api->store));
}

static int take_snapshot(struct api_request *r, int64_t revision, struct store_snapshot **ret)
{
    struct kept_snapshot *k = revision > 0 ? find_kept(r->api, revision) : NULL;
    if (k) {
        *ret = store_snapshot_ref(k->snap);
        return 0;
    }
    if (revision > 0 && revision != store_revision(r->api->store))
        return -E_EXPIRED;
    return store_snapshot_take(r->api->store, ret);
}

static int parse_revision(struct api_request *r, struct str continued, int64_t *ret_exact)
{
    struct str text = url_param(&r->url, "resourceVersion"),
               match = url_param(&r->url, "resourceVersionMatch");
    int64_t revision = 0;
    if (match.n && !text.n)
        return fail_status(
            r, 422, "Invalid", NULL,
            "ListOptions.meta.k8s.io \"\" is invalid: resourceVersionMatch: Forbidden: "
            "resourceVersionMatch is forbidden unless resourceVersion is provided");
    if (match.n && !str_is(match, "Exact") && !str_is(match, "NotOlderThan"))
        return fail_status(r, 422, "Invalid", NULL,
                           "ListOptions.meta.k8s.io \"\" is invalid: resourceVersionMatch: "
                           "Unsupported value: \"" STR_FMT
                           "\": supported values: \"Exact\", \"NotOlderThan\", \"\"",
                           STR_ARG(match));
    if (text.n && (str_to_i64(text, &revision) < 0 || revision < 0))
        return fail_bad_request(r, "invalid resource version \"" STR_FMT "\"", STR_ARG(text));
    if (continued.n && revision > 0)
        return fail_bad_request(r,
                                "specifying resource version is not allowed when using continue");
    if (revision > store_revision(r->api->store))
        return fail_future(r, revision);
    *ret_exact = str_is(match, "Exact") ? revision : 0;
    return 0;
}

static int open_snapshot(struct api_request *r, struct list_state *l)
{
    struct str continued = url_param(&r->url, "continue"), start = STR("");
    int64_t exact = 0, revision = 0;
    int rc = parse_revision(r, continued, &exact);
    if (rc != 0)
        return rc;
    if (continued.n) {
        if ((rc = token_read(r, continued, &revision, &start)) != 0)
            return rc;
        const char *from =
            arena_printf(&r->arena, STR_FMT STR_FMT, STR_ARG(l->prefix), STR_ARG(start));
        l->from = str_of(from);
        exact = revision;
    }
    rc = take_snapshot(r, exact, &l->snap);
    if (rc == -E_EXPIRED && continued.n)
        return fail_expired(r, start);
    if (rc == -E_EXPIRED)
        return fail_status(r, 410, "Expired", NULL,
                           "The resourceVersion for the provided list is too old.");
    return rc < 0 || !l->from.p ? fail_memory(r) : 0;
}

/* ---- the pieces ---- */

static void list_free(struct api_request *r)
{
    struct list_state *l = r->list;
    r->list = NULL;
    if (!l)
        return;
    store_snapshot_release(l->snap);
    buf_done(&l->out);
    mem_free(l);
}

/* First pass of a limited list: where the next chunk begins. */
static bool find_end(void *ctx, struct store_value *v)
{
    struct list_state *l = ctx;
    int matches = selection_matches(&l->selection, v);
    if (matches < 0)
        l->rc = matches;
    if (matches <= 0)
        return matches == 0;
    if (l->matched++ < l->limit)
        return true;
    struct str key = store_value_key(v);
    memcpy(l->resume_bytes, key.p, key.n);
    l->resume = str_make(l->resume_bytes, key.n);
    return false;
}

struct piece {
    struct api_request *r;
    struct list_state *l;
};

/* The walk goes on at the value, or behind it. */
static void stop_at(struct list_state *l, struct store_value *v, bool behind)
{
    struct str key = store_value_key(v);
    memcpy(l->resume_bytes, key.p, key.n);
    l->resume_bytes[key.n] = 0; /* the first key behind this one */
    l->from = str_make(l->resume_bytes, key.n + behind);
    l->whole = false;
}

static bool write_item(void *ctx, struct store_value *v)
{
    struct piece *p = ctx;
    struct list_state *l = p->l;
    int matches = l->any ? selection_matches(&l->selection, v) : 1;
    if (matches > 0 && l->collects && !conversion_ready(p->r->resource, store_value_bytes(v))) {
        stop_at(l, v, false);
        l->stopped = true;
        return false;
    }
    if (matches > 0) {
        if (!l->first && p->r->accept.media != MEDIA_PROTOBUF)
            buf_putc(&l->out, ',');
        l->first = false;
        matches = form_list_item(p->r, &l->out, p->r->resource, store_value_bytes(v),
                                 v->mod_revision);
    }
    if (matches < 0) {
        l->rc = matches;
        return false;
    }
    if (buf_len(&l->out) < PIECE_BYTES || l->shaped || l->collects)
        return true;
    stop_at(l, v, true);
    return false;
}

/* ---- values that a webhook converts ---- */

struct unconverted {
    const struct list_state *l;
    struct store_value *values[CONVERSION_BATCH];
    size_t count;
};

static bool gather(void *ctx, struct store_value *v)
{
    struct unconverted *u = ctx;
    if (!u->l->any || selection_matches(&u->l->selection, v) > 0)
        u->values[u->count++] = v;
    return u->count < CONVERSION_BATCH;
}

static void pump(struct api_request *r);

/* What comes next is made ready. False: pump comes again, or the request was answered. */
static bool convert_next(struct api_request *r)
{
    struct list_state *l = r->list;
    struct unconverted u = {.l = l};
    l->stopped = false;
    store_snapshot_range(l->snap, l->from, l->to, gather, &u);
    return conversion_prepare(r, r->resource, u.values, u.count, pump, NULL) == 0;
}

static void finish_shaped(struct api_request *r, struct list_state *l)
{
    struct json *tree;
    if (r->accept.media == MEDIA_PROTOBUF) {
        protobuf_reply_list(r, r->resource, &l->meta, buf_str(&l->out));
        return;
    }
    struct json_options options = {.max_nodes = 16 * LIMIT_JSON_NODES};
    int rc =
        l->out.failed ? -E_NOMEM : json_parse(&r->work, buf_str(&l->out), &options, &tree, NULL);
    if (rc < 0)
        fail_status(r, 413, "RequestEntityTooLarge", NULL,
                    "the list is too large for this form: use a limit");
    else
        reply_tree(r, 200, tree);
}

/* Sends pieces until the list ends or the caller has enough waiting. */
static void pump(struct api_request *r)
{
    struct list_state *l = r->list;
    while (!r->ended) {
        struct piece p = {r, l};
        l->whole = true;
        if (l->stopped && !convert_next(r))
            return;
        store_snapshot_range(l->snap, l->from, l->to, write_item, &p);
        if (l->rc < 0 || l->out.failed) {
            fail_memory(r);
            return;
        }
        if (l->stopped)
            continue;
        if (l->whole && r->accept.media != MEDIA_PROTOBUF)
            buf_puts(&l->out, "]}\n");
        if (l->shaped) {
            finish_shaped(r, l);
            return;
        }
        if (l->collects) {
            reply_bytes(r, 200, reply_content_type(r), buf_str(&l->out));
            return;
        }
        int64_t waiting = r->ops->body(r->ctx, buf_str(&l->out));
        buf_clear(&l->out);
        if (waiting < 0)
            request_gone(r);
        else if (l->whole)
            request_end(r);
        else if (waiting > UNSENT_BYTES)
            return;
    }
}

static void drained(struct api_request *r)
{
    pump(r);
}

static int make_range(struct api_request *r, struct list_state *l)
{
    l->prefix = object_key(&r->arena, r->resource, r->url.ns, STR(""));
    char *to = l->prefix.p ? arena_strndup(&r->arena, l->prefix.p, l->prefix.n) : NULL;
    if (!to)
        return fail_memory(r);
    to[l->prefix.n - 1] = '/' + 1;
    l->from = l->prefix;
    l->to = str_make(to, l->prefix.n);
    bool cluster = !schema_resource_namespaced(r->resource);
    if (l->selection.key_name.n && (cluster || r->url.ns.n)) {
        /* One object: no need to walk past the others. */
        l->from = object_key(&r->arena, r->resource, r->url.ns, l->selection.key_name);
        char *end = l->from.p ? arena_strndup(&r->arena, l->from.p, l->from.n + 1) : NULL;
        if (!end)
            return fail_memory(r);
        end[l->from.n] = 0;
        l->to = str_make(end, l->from.n + 1);
    }
    return 0;
}

static int begin(struct api_request *r, struct list_state *l)
{
    const char *next = NULL;
    int64_t remaining = -1;
    if (l->limit > 0) {
        store_snapshot_range(l->snap, l->from, l->to, find_end, l);
        if (l->rc < 0)
            return fail_memory(r);
    }
    if (l->resume.n) {
        struct str end = arena_str(&r->arena, l->resume);
        if (!end.p)
            return fail_memory(r);
        next = token_make(r, store_snapshot_revision(l->snap),
                          str_make(end.p + l->prefix.n, end.n - l->prefix.n));
        if (!next)
            return fail_memory(r);
        if (!l->any)
            remaining = (int64_t)store_snapshot_count(l->snap, end, l->to);
        l->to = end;
        keep_snapshot(r->api, l->snap, !url_param(&r->url, "continue").n);
    }
    l->meta = (struct list_meta){store_snapshot_revision(l->snap), next, remaining};
    if (r->accept.media != MEDIA_PROTOBUF &&
        form_list_head(r, &l->out, r->resource, l->meta.revision, next, remaining) < 0)
        return fail_memory(r);
    return l->shaped || l->collects || reply_head(r, 200, reply_content_type(r), -1) ? 0 : -E_CLOSED;
}

void rest_list(struct api_request *r)
{
    struct list_state *l = mem_zalloc(sizeof *l);
    struct str limit = url_param(&r->url, "limit");
    if (!l) {
        fail_memory(r);
        return;
    }
    r->list = l;
    r->on_cancel = list_free;
    l->first = true;
    l->shaped = r->accept.pretty || r->accept.media != MEDIA_JSON;
    l->collects = conversion_asks(r, r->resource);
    buf_init(&l->out,
             l->shaped || l->collects ? LIMIT_REQUEST_ARENA : 4 * LIMIT_OBJECT_BYTES);
    if (selection_parse(r, &l->selection) != 0)
        return;
    if (limit.n && (str_to_i64(limit, &l->limit) < 0 || l->limit < 0)) {
        fail_bad_request(r, "limit: Invalid value: \"" STR_FMT "\": must be a non-negative integer",
                         STR_ARG(limit));
        return;
    }
    l->any = selection_any(&l->selection);
    if (make_range(r, l) != 0 || open_snapshot(r, l) != 0 || begin(r, l) != 0)
        return;
    r->on_drained = drained;
    pump(r);
}
