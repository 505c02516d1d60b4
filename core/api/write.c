/*
 * Create, update and patch. An attempt reads the current object, makes the new one, takes it
 * through defaults, admission and validation, and gives the store a command that holds only if
 * nothing changed meanwhile; if something did, and the client named no revision, the attempt starts
 * again.
 */
#include <stdio.h>

#include "api/admission/quota_flight.h"
#include "api/admission/webhook.h"
#include "api/auth/auth.h"
#include "api/crd/conversion.h"
#include "api/write.h"
#include "codec/time.h"
#include "schema/managed.h"

/* One of those that contend for a quota gets through each time, in the order in which they came. */
enum { CHARGES_MOST = 2 * LIMIT_CONNECTIONS };

static void attempt(struct api_request *r);

const struct schema_resource *resource_main(const struct schema_resource *res)
{
    return schema_resource_main(res);
}

void write_done(struct api_request *r)
{
    struct write *w = r->write;
    if (!w)
        return;
    quota_flight_end(w, false);
    hooks_release(w);
    store_value_unref(w->current);
    buf_done(&w->stored);
    buf_done(&w->own_form);
    r->write = NULL;
    arena_clear(&r->work);
}

struct write *write_new(struct api_request *r, const struct schema_resource *main_resource,
                        struct str ns, struct str name)
{
    write_done(r);
    struct write *w = arena_zalloc(&r->work, sizeof *w);
    if (!w) {
        fail_memory(r);
        return NULL;
    }
    w->r = r;
    w->api = r->api;
    w->a = &r->work;
    w->resource = main_resource;
    w->kind = kind_find(main_resource);
    w->ns = ns;
    w->name = name;
    w->subresource = "";
    w->errors.arena = w->a;
    w->status = 200;
    w->now_us = api_now_us(r->api);
    time_format(w->now_us, w->now);
    buf_init(&w->stored, LIMIT_OBJECT_BYTES);
    buf_init(&w->own_form, LIMIT_OBJECT_BYTES);
    r->write = w;
    return w;
}

static bool make_key(struct write *w)
{
    w->key = object_key(w->a, w->resource, w->ns, w->name);
    return w->key.p != NULL;
}

int write_load(struct write *w)
{
    if (!make_key(w))
        return fail_memory(w->r);
    struct store_value *v = store_get(w->api->store, w->key);
    if (!v)
        return fail_not_found(w->r, w->resource, w->name);
    w->current = store_value_ref(v);
    int rc = conversion_prepare(w->r, w->resource, &v, 1, w->again, NULL);
    if (rc != 0)
        return rc;
    rc = object_decode(w->a, w->resource, store_value_bytes(v), v->mod_revision, &w->old);
    return rc < 0 ? fail_code(w->r, rc, NULL) : 0;
}

int write_encode(struct write *w)
{
    const struct schema_resource *storage = conversion_storage(w->resource);
    if (!w->stored_form)
        return object_encode(w->a, storage, w->object, &w->stored);
    int rc = object_encode(w->a, storage, w->stored_form, &w->stored);
    return rc < 0 ? rc : object_encode(w->a, w->resource, w->object, &w->own_form);
}

struct str write_bytes(const struct write *w)
{
    return buf_str(w->stored_form ? &w->own_form : &w->stored);
}

static void too_many(struct write *w)
{
    field_forbidden(&w->errors, FIELD(NULL, "spec"),
                    "the object needs more reservations than one write may make");
}

void write_compare(struct write *w, struct str key, int64_t revision)
{
    if (w->compare_count == WRITE_OPS || !key.p) {
        too_many(w);
        return;
    }
    w->compares[w->compare_count++] =
        (struct store_compare){revision < 0 ? STORE_COMPARE_EXISTS : STORE_COMPARE_MOD_REVISION,
                               key, revision < 0 ? 0 : revision};
}

void write_compare_value(struct write *w, struct str key, struct str value)
{
    if (w->compare_count == WRITE_OPS || !key.p)
        too_many(w);
    else
        w->compares[w->compare_count++] =
            (struct store_compare){STORE_COMPARE_VALUE, key, store_hash(value)};
}

void write_put(struct write *w, struct str key, struct str value)
{
    if (w->op_count == WRITE_OPS || !key.p)
        too_many(w);
    else
        w->ops[w->op_count++] = (struct store_op){.key = key, .value = value};
}

void write_remove(struct write *w, struct str key)
{
    if (w->op_count == WRITE_OPS || !key.p)
        too_many(w);
    else
        w->ops[w->op_count++] = (struct store_op){.is_delete = true, .key = key};
}

bool write_spec_same(const struct write *w)
{
    return json_equal(json_get(w->object, "spec"), json_get(w->old, "spec"));
}

static int fail_invalid_as(struct write *w, const char *kind)
{
    struct arena *a = &w->r->arena;
    const char *group = schema_resource_group(w->resource);
    struct buf text CLEANUP_BUF;
    struct json *details = json_new(a, JSON_OBJECT), *causes = json_new(a, JSON_ARRAY);
    buf_init(&text, 8000);
    for (const struct field_error *e = w->errors.first; e; e = e->next) {
        struct json *cause = json_new(a, JSON_OBJECT);
        json_set_cstr(a, cause, "reason", e->reason);
        json_set_cstr(a, cause, "message", e->message);
        json_set_cstr(a, cause, "field", e->field);
        json_append(a, causes, cause);
        buf_printf(&text, "%s%s: %s", e == w->errors.first ? "" : ", ", e->field, e->message);
    }
    if (w->name.n)
        json_set_str(a, details, "name", w->name);
    if (group[0])
        json_set_cstr(a, details, "group", group);
    json_set_cstr(a, details, "kind", kind);
    json_set(a, details, "causes", causes);
    bool many = w->errors.count > 1;
    fail_status(w->r, 422, "Invalid", details, "%s%s%s \"" STR_FMT "\" is invalid: %s%s%s", kind,
                group[0] ? "." : "", group, STR_ARG(w->name), many ? "[" : "", buf_cstr(&text),
                many ? "]" : "");
    return -E_INVALID;
}

int fail_invalid(struct write *w)
{
    return fail_invalid_as(w, schema_resource_kind(w->resource));
}

/* ---- what an update may touch ---- */

static void take(struct write *w, struct json *to, const struct json *from, const char *name)
{
    const struct json *value = json_get(from, name);
    if (json_absent(value))
        json_remove(to, name);
    else
        json_set(w->a, to, name, json_clone(w->a, value));
}

/* A subresource changes its own part of the object and nothing else. */
static void restrict_to_subresource(struct write *w)
{
    struct json *whole = json_clone(w->a, w->old), *from = w->object;
    struct json *meta = json_get(whole, "metadata"), *spec = json_get(whole, "spec");
    if (cstr_eq(w->subresource, "status")) {
        take(w, whole, from, "status");
    } else if (cstr_eq(w->subresource, "finalize")) {
        take(w, json_object_at(w->a, whole, "spec"), json_get(from, "spec"), "finalizers");
    } else if (cstr_eq(w->subresource, "ephemeralcontainers")) {
        take(w, spec, json_get(from, "spec"), "ephemeralContainers");
    } else if (cstr_eq(w->subresource, "approval")) {
        take(w, json_object_at(w->a, whole, "status"), json_get(from, "status"), "conditions");
    } else if (cstr_eq(w->subresource, "resize")) {
        struct json *c = json_first(json_get(spec, "containers"));
        const struct json *n = json_first(json_path(from, "spec.containers"));
        for (; c && n; c = c->next, n = n->next)
            if (str_eq(json_path_str(c, "name"), json_path_str(n, "name"))) {
                take(w, c, n, "resources");
                take(w, c, n, "resizePolicy");
            }
    }
    if (!(w->kind->flags & KIND_STATUS_ONLY) &&
        (cstr_eq(w->subresource, "status") || cstr_eq(w->subresource, "approval"))) {
        take(w, meta, json_get(from, "metadata"), "labels");
        take(w, meta, json_get(from, "metadata"), "annotations");
        take(w, meta, json_get(from, "metadata"), "finalizers");
    }
    take(w, meta, json_get(from, "metadata"), "resourceVersion");
    w->object = whole;
}

/* Nothing holds an object that is being deleted any more: it goes with this update. */
static bool last_hold_gone(struct write *w)
{
    const struct json *meta = json_get(w->object, "metadata");
    if (json_absent(json_get(meta, "deletionTimestamp")) ||
        json_count(json_get(meta, "finalizers")))
        return false;
    if (str_is(str_of(schema_resource_plural(w->resource)), "namespaces"))
        return json_count(json_path(w->object, "spec.finalizers")) == 0;
    return json_path_i64(meta, "deletionGracePeriodSeconds", 0) == 0;
}

/* ---- to the store ---- */

static void charge(struct write *w);

static void on_stored(struct api_request *r, const struct store_result *result)
{
    struct write *w = r->write;
    quota_flight_end(w, result->rc == 0);
    if (result->rc == 0) {
        w->on_done(w, w->removes ? store_value_bytes(w->current) : write_bytes(w),
                   w->removes ? w->current->mod_revision : result->revision);
        return;
    }
    if (result->rc != -E_CONFLICT) {
        fail_code(r, result->rc, NULL);
        return;
    }
    if (result->failed_compare > (int)w->own_compares && w->charges < CHARGES_MOST) {
        charge(w);
        return;
    }
    bool own = result->failed_compare == 0;
    if (++r->attempts < WRITE_RETRIES &&
        (own ? (w->is_create ? w->generated_name || w->applied : !w->wanted_revision) : true))
        w->again(r);
    else if (w->is_create && own)
        fail_exists(r, w->resource, w->name);
    else
        fail_modified(r, w->resource, w->name);
}

static void submit(struct write *w)
{
    struct store_compare compares[WRITE_OPS + 1];
    struct store_op ops[WRITE_OPS + 1];
    compares[0] = (struct store_compare){STORE_COMPARE_MOD_REVISION, w->key,
                                         w->current ? w->current->mod_revision : 0};
    memcpy(compares + 1, w->compares, w->compare_count * sizeof compares[0]);
    ops[0] = (struct store_op){.is_delete = w->removes, .key = w->key};
    if (!w->removes) {
        ops[0].value = buf_str(&w->stored);
        ops[0].attached = companion_new(w->kind, w->object);
    }
    memcpy(ops + 1, w->ops, w->op_count * sizeof ops[0]);
    if (request_txn(w->r, compares, w->compare_count + 1, ops, w->op_count + 1, on_stored) == 0)
        quota_flight_begin(w);
}

/* Only what quotas say is decided again on a conflict with one of them. */
static void charge(struct write *w)
{
    w->charges++;
    w->compare_count = w->own_compares;
    w->op_count = w->own_ops;
    if (admit_resource_quota(w) == 0)
        submit(w);
}

/* Who set which fields: of what the client sent, before anything is added here. */
static int track(struct write *w, struct json *sent)
{
    if (w->applied) {
        managed_attach(w->object, sent);
        return 0;
    }
    /* The scheduler's binding belongs to nobody, as upstream. */
    return cstr_eq(w->subresource, "binding") ? (managed_attach(w->object, sent), 0)
                                              : manager_track(w, sent);
}

/* What an update may touch, and what is set where the client is silent. */
static int settle(struct write *w)
{
    const struct schema_type *type = schema_resource_type(w->resource);
    int rc;
    if (!w->is_create) {
        if (w->subresource[0] && !cstr_eq(w->subresource, "binding"))
            restrict_to_subresource(w);
        if ((rc = meta_prepare_update(w)) != 0)
            return rc;
        /* The main resource leaves status alone. */
        if (!w->subresource[0] && (w->kind->flags & KIND_STATUS))
            take(w, w->object, w->old, "status");
    }
    if (type && schema_default(w->a, type, w->object) < 0)
        return fail_memory(w->r);
    if (w->kind->set_defaults)
        w->kind->set_defaults(w);
    return 0;
}

static int prepare(struct write *w)
{
    struct json *sent = managed_detach(w->object);
    int rc = settle(w);
    if (rc != 0)
        return rc;
    if (w->is_create) {
        if ((w->kind->flags & KIND_STATUS) && !(w->kind->flags & KIND_KEEP_STATUS))
            json_set(w->a, w->object, "status", json_new(w->a, JSON_OBJECT));
        meta_prepare_create(w);
        if (!make_key(w))
            return fail_memory(w->r);
    }
    rc = track(w, sent);
    return rc ? rc : admit(w);
}

/* ---- admission from outside ---- */

static struct hook_request hook_request(struct write *w)
{
    const char *operation = w->is_create || cstr_eq(w->subresource, "binding") ? "CREATE" : "UPDATE";
    bool is_namespace = cstr_eq(schema_resource_plural(w->resource), "namespaces");
    return (struct hook_request){.w = w,
                                 .operation = operation,
                                 .resource = w->r->resource,
                                 .ns = is_namespace ? w->name : w->ns,
                                 .name = w->name,
                                 .object = w->view ? w->view : w->object,
                                 .old = w->view ? w->old_view : w->old};
}

/* A new object's name, identity and birth are not for webhooks to choose. */
static void take_system_fields(struct write *w, const struct json *before)
{
    static const char *const own[] = {"name",       "namespace", "uid", "creationTimestamp",
                                      "generation", "deletionTimestamp"};
    for (size_t i = 0; i < sizeof own / sizeof own[0]; i++)
        take(w, json_get(w->object, "metadata"), before, own[i]);
}

/* What webhooks made of it: they may not do more than a client. */
static int take_made(struct write *w, struct json *object)
{
    if (w->view) {
        w->view = object;
        w->take_view(w);
        return 0;
    }
    struct json *before = json_get(w->object, "metadata"), *meta = json_get(object, "metadata");
    struct json *managed = json_get(before, "managedFields");
    if (!json_is(meta, JSON_OBJECT))
        return fail_bad_request(w->r, "metadata is missing from the object that webhooks made");
    if (managed && !json_get(meta, "managedFields"))
        json_set(w->a, meta, "managedFields", json_clone(w->a, managed));
    w->object = object;
    take_system_fields(w, before);
    int rc = settle(w);
    w->name = json_path_str(w->object, "metadata.name");
    return rc == 0 && !make_key(w) ? fail_memory(w->r) : rc;
}

/* Between the rounds of webhooks: as upstream, admission from within sees what they made. */
static int settle_made(struct write *w, struct json **object)
{
    int rc = take_made(w, *object);
    rc = rc ? rc : admit(w);
    if (rc == 0 && !w->view)
        *object = w->object;
    return rc;
}

static void decide_made(struct write *w);

static void mutated(struct write *w, struct json *object)
{
    if (take_made(w, object) == 0)
        decide_made(w);
}

/* Behind all that may change the object: what its kind keeps of it. */
static int prepare_kind(struct write *w)
{
    if (w->is_create && w->kind->prepare_create)
        w->kind->prepare_create(w);
    if (!w->is_create && w->kind->prepare_update)
        w->kind->prepare_update(w);
    if (!w->is_create && (w->kind->flags & KIND_GENERATION) && !cstr_eq(w->subresource, "status") &&
        !write_spec_same(w))
        json_set_i64(w->a, json_get(w->object, "metadata"), "generation",
                     json_path_i64(w->old, "metadata.generation", 0) + 1);
    return w->a->failed ? fail_memory(w->r) : 0;
}

static int validate(struct write *w)
{
    meta_validate(w);
    if (w->kind->validate && !cstr_eq(w->subresource, "status"))
        w->kind->validate(w);
    if (!w->is_create) {
        meta_validate_update(w);
        if (w->kind->validate_update)
            w->kind->validate_update(w);
    }
    if (w->errors.count)
        return fail_invalid(w);
    /* Before anything is reserved for it. */
    if (w->is_create && !w->generated_name && store_get(w->api->store, w->key))
        return fail_exists(w->r, w->resource, w->name);
    int rc = w->kind->commit ? w->kind->commit(w) : 0;
    if (rc != 0)
        return rc;
    return w->errors.count ? fail_invalid(w) : 0;
}

static void keep(struct write *w)
{
    struct api_request *r = w->r;
    int rc = write_encode(w);
    if (rc == -E_TOO_LARGE) {
        fail_status(r, 413, "RequestEntityTooLarge", NULL, "Request entity too large: limit is %d",
                    (int)LIMIT_OBJECT_BYTES);
        return;
    }
    if (rc < 0 || w->a->failed) {
        fail_memory(r);
        return;
    }
    w->own_compares = w->compare_count;
    w->own_ops = w->op_count;
    if (!r->dry_run)
        charge(w);
    else if (admit_resource_quota(w) == 0)
        w->on_done(w, write_bytes(w), w->current ? w->current->mod_revision : 0);
}

/* The object stands: to the store. */
static void finish(struct write *w, struct json *object)
{
    (void)object;
    w->removes = !w->is_create && last_hold_gone(w);
    if (w->removes && w->kind->deleted)
        w->kind->deleted(w);
    if (manager_unchanged(w))
        w->on_done(w, store_value_bytes(w->current), w->current->mod_revision);
    else if (w->removes || conversion_for_store(w, keep) == 0)
        keep(w);
}

static void decide_made(struct write *w)
{
    static const struct hook_ops ops = {NULL, finish};
    if (admit_result(w) != 0 || prepare_kind(w) != 0 || validate(w) != 0 ||
        admit_validated(w) != 0)
        return;
    struct hook_request q = hook_request(w);
    if (hooks_validate(&q, &ops) == 0)
        finish(w, NULL);
}

void write_decide(struct write *w)
{
    static const struct hook_ops ops = {settle_made, mutated};
    if (prepare(w) != 0)
        return;
    struct hook_request q = hook_request(w);
    if (hooks_mutate(&q, &ops) == 0)
        decide_made(w);
}

/* ---- the verbs ---- */

static void answer(struct write *w, struct str stored, int64_t revision)
{
    reply_stored(w->r, w->status, w->r->resource, stored, revision);
}

static int check_names(struct write *w)
{
    struct str name = json_path_str(w->object, "metadata.name"),
               ns = json_path_str(w->object, "metadata.namespace");
    if (ns.n && !str_eq(ns, w->ns))
        return fail_bad_request(w->r, "the namespace of the provided object does not match the "
                                      "namespace sent on the request");
    if (w->is_create && !w->applied) {
        w->name = name;
        return 0;
    }
    if (!name.n)
        json_set_path(w->a, w->object, "metadata.name", json_new_str(w->a, w->name));
    else if (!str_eq(name, w->name))
        return fail_bad_request(w->r,
                                "the name of the object (" STR_FMT
                                ") does not match the name on the URL (" STR_FMT ")",
                                STR_ARG(name), STR_ARG(w->name));
    return 0;
}

/* The revision in the object is a condition on an update. */
static int check_revision(struct write *w)
{
    struct str text = json_path_str(w->object, "metadata.resourceVersion");
    if (!text.n || str_is(text, "0")) {
        if (!(w->kind->flags & KIND_CONDITIONAL))
            return 0;
        field_invalid_int(&w->errors, FIELD(FIELD(NULL, "metadata"), "resourceVersion"), 0,
                          "must be specified for an update");
        return fail_invalid_as(w, schema_resource_plural(w->resource)); /* so upstream */
    }
    if (str_to_i64(text, &w->wanted_revision) < 0)
        return fail_bad_request(w->r, "metadata.resourceVersion: Invalid value: \"" STR_FMT "\"",
                                STR_ARG(text));
    if (!w->current || w->wanted_revision != w->current->mod_revision)
        return fail_modified(w->r, w->resource, w->name);
    return 0;
}

static int start_create(struct write *w)
{
    w->is_create = true;
    w->status = 201;
    int rc = body_read(w->r, w->a, w->r->resource, &w->object);
    if (rc == 0)
        rc = check_names(w);
    if (rc == 0 && json_path_str(w->object, "metadata.resourceVersion").n)
        rc = fail_bad_request(w->r, "resourceVersion should not be set on objects to be created");
    return rc;
}

static int start_update(struct write *w)
{
    int rc = body_read(w->r, w->a, w->r->resource, &w->object);
    if (rc == 0)
        rc = check_names(w);
    if (rc != 0)
        return rc;
    if ((w->kind->flags & KIND_CREATE_ON_UPDATE) && !w->subresource[0] && make_key(w) &&
        !store_get(w->api->store, w->key) && !json_path_str(w->object, "metadata.uid").n) {
        if ((rc = auth_require_verb(w->r, "create")) != 0)
            return rc;
        w->is_create = true;
        w->status = 201;
        return 0;
    }
    rc = write_load(w);
    return rc != 0 ? rc : check_revision(w);
}

/* What is applied is made when it is not there. */
static int start_missing(struct write *w, const struct json *config)
{
    struct str uid = json_path_str(config, "metadata.uid");
    int rc = auth_require_verb(w->r, "create");
    if (rc != 0)
        return rc;
    if (uid.n) {
        const char *why = arena_printf(w->a,
                                       "uid mismatch: the provided object specified uid " STR_FMT
                                       ", and no existing object was found",
                                       STR_ARG(uid));
        return fail_conflict(w->r, w->resource, w->name, why ? why : "");
    }
    if (json_path_str(config, "metadata.resourceVersion").n)
        return fail_bad_request(w->r, "resourceVersion should not be set on objects to be created");
    w->is_create = true;
    w->status = 201;
    return 0;
}

static int start_apply(struct write *w)
{
    struct json *config;
    int rc = patch_read_config(w->r, w->a, w->r->resource, &config);
    if (rc != 0)
        return rc;
    bool there = w->subresource[0] || (make_key(w) && store_get(w->api->store, w->key));
    rc = there ? write_load(w) : start_missing(w, config);
    rc = rc ? rc : manager_apply(w, config);
    return rc ? rc : patch_settle(w->r, w->a, w->resource, w->object);
}

static int start_patch(struct write *w)
{
    int rc;
    if (patch_is_apply(w->r)) {
        rc = start_apply(w);
    } else {
        rc = write_load(w);
        if (rc == 0)
            rc = patch_apply(w->r, w->a, w->r->resource, w->old, &w->object);
    }
    if (rc == 0)
        rc = check_names(w);
    if (rc != 0 || w->is_create)
        return rc;
    /* The revision that was there before the patch is no condition; another one is. */
    struct str now = json_path_str(w->object, "metadata.resourceVersion");
    if (str_eq(now, json_path_str(w->old, "metadata.resourceVersion")))
        return 0;
    return check_revision(w);
}

static void attempt(struct api_request *r)
{
    struct write *w = write_new(r, resource_main(r->resource), r->url.ns, r->url.name);
    if (!w)
        return;
    r->warning_count = 0;
    w->subresource = schema_resource_subresource(r->resource);
    w->on_done = answer;
    w->again = attempt;
    bool patched = cstr_eq(r->url.verb, "patch");
    int rc = manager_check_options(r, patched && patch_is_apply(r));
    if (rc == 0)
        rc = cstr_eq(r->url.verb, "create") ? start_create(w)
             : patched                      ? start_patch(w)
                                            : start_update(w);
    if (rc == 0)
        write_decide(w);
}

void rest_write(struct api_request *r)
{
    attempt(r);
}

void rest_get(struct api_request *r)
{
    const struct schema_resource *res = resource_main(r->resource);
    struct str key = object_key(&r->arena, res, r->url.ns, r->url.name);
    struct store_value *v = key.p ? store_get(r->api->store, key) : NULL;
    if (!v)
        fail_not_found(r, res, r->url.name);
    else if (!conversion_asks(r, res) || conversion_prepare(r, res, &v, 1, rest_get, NULL) == 0)
        reply_stored(r, 200, r->resource, store_value_bytes(v), v->mod_revision);
}
