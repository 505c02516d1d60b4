/*
 * DELETE and deletecollection. What becomes of an object (registry/rest/delete.go):
 *   - it waits for its kubelet: deletionTimestamp in the future, a grace period above 0 (pods);
 *   - something holds it (finalizers, or those that the propagation asks for): deletionTimestamp
 * now;
 *   - else it goes at once.
 * A collection is the same, one object after the other, each in a command of its own.
 */
#include <stdio.h>

#include "api/admission/webhook.h"
#include "api/crd/conversion.h"
#include "api/write.h"
#include "codec/time.h"

struct delete_options {
    int64_t grace_seconds;  /* -1: the kind's default */
    struct str propagation; /* "", Orphan, Background, Foreground */
    struct str uid;
    int64_t revision; /* 0: any */
};

struct delete_state {
    struct delete_options options;
    struct str *keys; /* of a collection */
    size_t count, room, at;
    bool collection;
    int64_t revision;
};

static void attempt(struct api_request *r);

static int read_options(struct api_request *r, struct delete_options *ret)
{
    struct delete_options *o = ret;
    struct json *body = NULL;
    *o = (struct delete_options){.grace_seconds = -1, .propagation = STR(""), .uid = STR("")};
    if (r->body.n) {
        int rc = body_parse(r, &r->arena, r->body, NULL, &body);
        if (rc != 0)
            return rc;
        if (!json_is(body, JSON_OBJECT))
            return fail_bad_request(r, "the body of a DELETE must be DeleteOptions");
    }
    o->grace_seconds = json_path_i64(body, "gracePeriodSeconds", -1);
    o->propagation = json_path_str(body, "propagationPolicy");
    o->uid = json_path_str(body, "preconditions.uid");
    struct str revision = json_path_str(body, "preconditions.resourceVersion");
    if (revision.n && str_to_i64(revision, &o->revision) < 0)
        return fail_bad_request(r, "preconditions.resourceVersion: Invalid value: \"" STR_FMT "\"",
                                STR_ARG(revision));
    if (json_count(json_get(body, "dryRun")) || url_param(&r->url, "dryRun").n)
        r->dry_run = true;
    struct str grace = url_param(&r->url, "gracePeriodSeconds"),
               policy = url_param(&r->url, "propagationPolicy");
    if (grace.n && (str_to_i64(grace, &o->grace_seconds) < 0 || o->grace_seconds < 0))
        return fail_bad_request(
            r, "gracePeriodSeconds: Invalid value: \"" STR_FMT "\": must be a non-negative integer",
            STR_ARG(grace));
    if (policy.n)
        o->propagation = policy;
    const struct json *orphan = json_get(body, "orphanDependents");
    if (!o->propagation.n && json_is(orphan, JSON_BOOL))
        o->propagation = orphan->boolean ? STR("Orphan") : STR("Background");
    if (o->propagation.n && !str_is(o->propagation, "Orphan") &&
        !str_is(o->propagation, "Background") && !str_is(o->propagation, "Foreground"))
        return fail_status(r, 422, "Invalid", NULL,
                           "DeleteOptions.meta.k8s.io \"\" is invalid: propagationPolicy: "
                           "Unsupported value: \"" STR_FMT
                           "\": supported values: \"Foreground\", \"Background\", \"Orphan\"",
                           STR_ARG(o->propagation));
    return 0;
}

static int check_preconditions(struct write *w, const struct delete_options *o)
{
    struct str uid = json_path_str(w->old, "metadata.uid");
    char why[300];
    if (o->uid.n && !str_eq(o->uid, uid))
        snprintf(why, sizeof why,
                 "Precondition failed: UID in precondition: " STR_FMT
                 ", UID in object meta: " STR_FMT,
                 STR_ARG(o->uid), STR_ARG(uid));
    else if (o->revision && o->revision != w->current->mod_revision)
        snprintf(why, sizeof why,
                 "Precondition failed: ResourceVersion in precondition: %lld, ResourceVersion in "
                 "object meta: %lld",
                 (long long)o->revision, (long long)w->current->mod_revision);
    else
        return 0;
    return fail_conflict(w->r, w->resource, w->name, why);
}

/* ---- what holds the object ---- */

static bool list_has(const struct json *list, const char *s)
{
    for (const struct json *m = json_first(list); m; m = m->next)
        if (str_is(json_str(m), s))
            return true;
    return false;
}

static void set_finalizer(struct write *w, struct json *meta, const char *name, bool wanted)
{
    struct json *list = json_get(meta, "finalizers");
    if (wanted && !list_has(list, name)) {
        json_append(w->a, json_array_at(w->a, meta, "finalizers"), json_new_cstr(w->a, name));
    } else if (!wanted && list) {
        uint32_t i = 0;
        for (struct json *m = json_first(list); m; m = m->next, i++)
            if (str_is(json_str(m), name)) {
                json_remove_at(list, i);
                break;
            }
        if (!json_count(list))
            json_remove(meta, "finalizers");
    }
}

static void set_propagation(struct write *w, const struct delete_options *o)
{
    struct json *meta = json_get(w->object, "metadata");
    struct str policy = o->propagation;
    if (!policy.n && (w->kind->flags & KIND_ORPHANS))
        policy = STR("Orphan");
    /* Without a policy, finalizers that are already there decide. */
    if (!policy.n)
        return;
    set_finalizer(w, meta, "orphan", str_is(policy, "Orphan"));
    set_finalizer(w, meta, "foregroundDeletion", str_is(policy, "Foreground"));
}

/* Seconds until the object may go: those asked for, or the pod's own. */
static int64_t grace_of(const struct write *w, const struct delete_options *o)
{
    const char *phase = json_path_cstr(w->old, "status.phase");
    if (!(w->kind->flags & KIND_GRACEFUL) || !json_path_cstr(w->old, "spec.nodeName")[0] ||
        cstr_eq(phase, "Succeeded") || cstr_eq(phase, "Failed"))
        return 0;
    int64_t own = json_path_i64(w->old, "spec.terminationGracePeriodSeconds", 30);
    int64_t seconds = o->grace_seconds >= 0 ? o->grace_seconds : own;
    return seconds < 0 ? 1 : seconds;
}

static void mark(struct write *w, int64_t from_us, int64_t grace)
{
    struct json *meta = json_get(w->object, "metadata");
    char text[TIME_TEXT];
    time_format(from_us + grace * 1000000, text);
    json_set_cstr(w->a, meta, "deletionTimestamp", text);
    json_set_i64(w->a, meta, "deletionGracePeriodSeconds", grace);
    int64_t generation = json_path_i64(meta, "generation", 0);
    if (generation > 0)
        json_set_i64(w->a, meta, "generation", generation + 1);
    if (cstr_eq(schema_resource_plural(w->resource), "namespaces"))
        json_set_path(w->a, w->object, "status.phase", json_new_cstr(w->a, "Terminating"));
}

static bool held(const struct write *w)
{
    return json_count(json_path(w->object, "metadata.finalizers")) ||
           (cstr_eq(schema_resource_plural(w->resource), "namespaces") &&
            json_count(json_path(w->object, "spec.finalizers")));
}

/* Decides w->object and w->removes; false: nothing is to be changed. */
static bool decide(struct write *w, const struct delete_options *o)
{
    const struct json *meta = json_get(w->old, "metadata");
    const struct json *stamp = json_get(meta, "deletionTimestamp");
    int64_t grace = grace_of(w, o);
    set_propagation(w, o);
    if (json_absent(stamp)) {
        w->removes = grace == 0 && !held(w);
        if (!w->removes)
            mark(w, w->now_us, grace);
        return true;
    }
    int64_t before = json_path_i64(meta, "deletionGracePeriodSeconds", 0);
    if (grace == 0 && !held(w)) {
        w->removes = true;
        return true;
    }
    /* A period can only become shorter, counted from the first DELETE. */
    if (before > 0 && grace < before && (o->grace_seconds >= 0 || grace == 0))
        mark(w, time_text_ms(json_str(stamp), 0) * 1000 - before * 1000000, grace);
    return !json_equal(w->object, w->old);
}

/* ---- answers and the next one ---- */

static void delete_free(struct api_request *r)
{
    struct delete_state *d = r->batch;
    r->batch = NULL;
    if (!d)
        return;
    for (size_t i = 0; i < d->count; i++)
        mem_free((void *)d->keys[i].p);
    mem_free(d->keys);
    mem_free(d);
}

static void finish_collection(struct api_request *r)
{
    struct buf out CLEANUP_BUF;
    buf_init(&out, 64 * 1024);
    r->accept.form = FORM_OBJECT;
    r->accept.media = MEDIA_JSON;
    if (form_list_head(r, &out, r->resource, store_revision(r->api->store), NULL, -1) < 0) {
        fail_memory(r);
        return;
    }
    buf_puts(&out, "]}\n");
    reply_bytes(r, 200, "application/json", buf_str(&out));
}

static void answer(struct write *w, struct str stored, int64_t revision)
{
    struct api_request *r = w->r;
    if (w->removes && !(w->kind->flags & KIND_RETURN_DELETED))
        reply_success(r, w->resource, w->name, json_path_cstr(w->old, "metadata.uid"));
    else
        reply_stored(r, 200, w->resource, stored, revision);
}

/* On to the next object of a collection. */
static void advance(struct api_request *r)
{
    r->batch->at++;
    r->attempts = 0;
}

static void on_stored(struct api_request *r, const struct store_result *result)
{
    struct write *w = r->write;
    if (result->rc == 0 && r->batch->collection) {
        advance(r);
        attempt(r);
    } else if (result->rc == 0) {
        answer(w, w->removes ? store_value_bytes(w->current) : write_bytes(w), result->revision);
    } else if (result->rc != -E_CONFLICT) {
        fail_code(r, result->rc, NULL);
    } else if (++r->attempts < WRITE_RETRIES) {
        attempt(r);
    } else {
        fail_modified(r, w->resource, w->name);
    }
}

static void put(struct write *w)
{
    struct store_compare compare = {STORE_COMPARE_MOD_REVISION, w->key, w->current->mod_revision};
    struct store_op ops[WRITE_OPS + 1];
    if (w->removes && w->kind->deleted)
        w->kind->deleted(w);
    ops[0] = (struct store_op){.is_delete = w->removes, .key = w->key};
    if (!w->removes) {
        if (write_encode(w) < 0 || w->a->failed) {
            fail_memory(w->r);
            return;
        }
        ops[0].value = buf_str(&w->stored);
        ops[0].attached = companion_new(w->kind, w->object);
    }
    memcpy(ops + 1, w->ops, w->op_count * sizeof ops[0]);
    request_txn(w->r, &compare, 1, ops, w->op_count + 1, on_stored);
}

static void submit(struct write *w)
{
    if (w->removes || conversion_for_store(w, put) == 0)
        put(w);
}

/* The next object of a collection that is still there; false: none. */
static bool next_key(struct api_request *r, struct str *ret_ns, struct str *ret_name)
{
    struct delete_state *d = r->batch;
    for (; d->at < d->count; d->at++)
        if (store_get(r->api->store, d->keys[d->at])) {
            object_key_split(d->keys[d->at], schema_resource_namespaced(r->resource), ret_ns,
                             ret_name);
            return true;
        }
    return false;
}

static bool protected_namespace(const struct write *w)
{
    static const char *const kept[] = {"default", "kube-system", "kube-public"};
    if (!cstr_eq(schema_resource_plural(w->resource), "namespaces"))
        return false;
    for (size_t i = 0; i < 3; i++)
        if (str_is(w->name, kept[i]))
            return true;
    return false;
}

/* What becomes of the object. False: nothing was given to the store, and the collection goes on. */
static bool remove_one(struct write *w)
{
    struct api_request *r = w->r;
    struct delete_state *d = r->batch;
    w->object = json_clone(w->a, w->old);
    if (w->kind->before_delete && w->kind->before_delete(w) != 0)
        return true;
    bool change = decide(w, &d->options);
    if (w->a->failed)
        fail_memory(r);
    else if (change && !r->dry_run)
        submit(w);
    else if (d->collection)
        return false;
    else
        answer(w, store_value_bytes(w->current), w->current->mod_revision);
    return true;
}

static void judged(struct write *w, struct json *object)
{
    struct api_request *r = w->r;
    (void)object;
    if (remove_one(w))
        return;
    advance(r);
    attempt(r);
}

static const struct hook_ops judged_ops = {NULL, judged};

/* A DELETE as admission from outside sees it: only the old object. */
static struct hook_request hook_request(struct write *w)
{
    bool is_namespace = cstr_eq(schema_resource_plural(w->resource), "namespaces");
    return (struct hook_request){.w = w,
                                 .operation = "DELETE",
                                 .resource = w->resource,
                                 .ns = is_namespace ? w->name : w->ns,
                                 .name = w->name,
                                 .old = w->old};
}

static void mutated(struct write *w, struct json *object)
{
    struct hook_request q = hook_request(w);
    if (hooks_validate(&q, &judged_ops) == 0)
        judged(w, object);
}

/* 0: no webhook is asked. An eviction was put to them as what it is. */
static int ask_hooks(struct write *w)
{
    static const struct hook_ops ops = {NULL, mutated};
    struct hook_request q = hook_request(w);
    if (!cstr_eq(w->r->url.verb, "delete") && !cstr_eq(w->r->url.verb, "deletecollection"))
        return 0;
    int rc = hooks_mutate(&q, &ops);
    return rc ? rc : hooks_validate(&q, &judged_ops);
}

/* False: nothing was given to the store, and the collection goes on. */
static bool attempt_one(struct api_request *r, struct str ns, struct str name)
{
    struct delete_state *d = r->batch;
    struct write *w = write_new(r, resource_main(r->resource), ns, name);
    if (!w)
        return true;
    w->is_delete = true;
    w->again = attempt;
    if (write_load(w) != 0 || check_preconditions(w, &d->options) != 0)
        return true;
    if (admit_node_restriction(w) != 0)
        return true;
    if (protected_namespace(w)) {
        fail_forbidden(r, w->resource, w->name, "this namespace may not be deleted");
        return true;
    }
    return ask_hooks(w) != 0 || remove_one(w);
}

static void attempt(struct api_request *r)
{
    struct str ns = r->url.ns, name = r->url.name;
    if (!r->batch->collection) {
        attempt_one(r, ns, name);
        return;
    }
    while (next_key(r, &ns, &name)) {
        if (attempt_one(r, ns, name))
            return;
        advance(r);
    }
    finish_collection(r);
}

static struct delete_state *start(struct api_request *r)
{
    struct delete_state *d = mem_zalloc(sizeof *d);
    if (!d) {
        fail_memory(r);
        return NULL;
    }
    r->batch = d;
    r->on_cancel = delete_free;
    return read_options(r, &d->options) == 0 ? d : NULL;
}

void rest_delete(struct api_request *r)
{
    if (start(r))
        attempt(r);
}

/* ---- collections ---- */

struct collect {
    struct delete_state *d;
    const struct selection *selection;
    int rc;
};

static bool collect_one(void *ctx, struct store_value *v)
{
    struct collect *c = ctx;
    struct delete_state *d = c->d;
    int matches = selection_matches(c->selection, v);
    if (matches <= 0) {
        c->rc = matches;
        return matches == 0;
    }
    if (d->count == d->room) {
        size_t room = d->room ? d->room * 2 : 64;
        struct str *keys = mem_realloc(d->keys, room * sizeof *keys);
        if (!keys) {
            c->rc = -E_NOMEM;
            return false;
        }
        d->keys = keys;
        d->room = room;
    }
    struct str key = store_value_key(v);
    char *copy = mem_dup(key.p, key.n);
    if (!copy) {
        c->rc = -E_NOMEM;
        return false;
    }
    d->keys[d->count++] = str_make(copy, key.n);
    return true;
}

void rest_delete_collection(struct api_request *r)
{
    struct selection selection;
    struct store_snapshot *snap;
    if (selection_parse(r, &selection) != 0)
        return;
    struct delete_state *d = start(r);
    if (!d)
        return;
    d->collection = true;
    struct str from = object_key(&r->arena, r->resource, r->url.ns, STR(""));
    char *to = from.p ? arena_strndup(&r->arena, from.p, from.n) : NULL;
    if (!to || store_snapshot_take(r->api->store, &snap) < 0) {
        fail_memory(r);
        return;
    }
    to[from.n - 1] = '/' + 1;
    struct collect c = {d, &selection, 0};
    store_snapshot_range(snap, from, str_make(to, from.n), collect_one, &c);
    store_snapshot_release(snap);
    if (c.rc < 0)
        fail_memory(r);
    else
        attempt(r);
}
