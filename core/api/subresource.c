/* Subresources that are no view of the object: binding, eviction, scale, token. */
#include <stdio.h>

#include "api/admission/webhook.h"
#include "api/crd/crd.h"
#include "api/write.h"

/* ---- binding: the scheduler's word ---- */

static void answer_created(struct write *w, struct str stored, int64_t revision)
{
    (void)stored;
    (void)revision;
    struct json *s = status_object(&w->r->arena, 201, NULL, NULL);
    if (s)
        reply_tree(w->r, 201, s);
    else
        fail_memory(w->r);
}

static void set_condition(struct write *w, const char *type, const char *state)
{
    struct json *list =
        json_array_at(w->a, json_object_at(w->a, w->object, "status"), "conditions");
    struct json *c = NULL;
    for (struct json *m = json_first(list); m; m = m->next)
        if (str_is(json_path_str(m, "type"), type))
            c = m;
    if (!c) {
        c = json_append(w->a, list, json_new(w->a, JSON_OBJECT));
        json_set_cstr(w->a, c, "type", type);
    }
    if (cstr_eq(json_path_cstr(c, "status"), state))
        return;
    json_set_cstr(w->a, c, "status", state);
    json_set_cstr(w->a, c, "lastTransitionTime", w->now);
    json_remove(c, "reason");
    json_remove(c, "message");
}

/* A binding's labels and annotations become the pod's. */
static void take_binding(struct write *w)
{
    static const char *const parts[] = {"labels", "annotations"};
    struct json *meta = json_get(w->object, "metadata");
    struct str node = json_path_str(w->view, "target.name");
    json_set_path(w->a, w->object, "spec.nodeName", json_new_str(w->a, node));
    for (size_t i = 0; i < 2; i++) {
        const struct json *from = json_get(json_get(w->view, "metadata"), parts[i]);
        for (const struct json *m = json_first(from); m; m = m->next)
            json_set_key(w->a, json_object_at(w->a, meta, parts[i]), m->key, json_clone(w->a, m));
    }
}

static void refuse_binding(struct api_request *r, struct str name, const char *why)
{
    struct json *details = json_new(&r->arena, JSON_OBJECT);
    json_set_str(&r->arena, details, "name", name);
    json_set_cstr(&r->arena, details, "kind", "pods/binding");
    fail_status(r, 409, "Conflict", details,
                "Operation cannot be fulfilled on pods/binding \"" STR_FMT "\": %s",
                STR_ARG(name), why);
}

static void bind(struct api_request *r)
{
    bool legacy = cstr_eq(schema_resource_name(r->resource), "bindings");
    const struct schema_resource *pods = schema_resource_find(STR(""), STR("v1"), STR("pods"));
    struct write *w = write_new(r, pods, r->url.ns, r->url.name);
    struct json *binding;
    if (!w || body_read(r, w->a, r->resource, &binding) != 0)
        return;
    if (legacy)
        w->name = json_path_str(binding, "metadata.name");
    struct str node = json_path_str(binding, "target.name"),
               uid = json_path_str(binding, "metadata.uid");
    struct str kind = json_path_str(binding, "target.kind");
    if (kind.n && !str_is(kind, "Node"))
        field_unsupported(&w->errors, FIELD(FIELD(NULL, "target"), "kind"), kind,
                          (const char *const[]){"Node", "<empty>", NULL});
    if (!node.n)
        field_required(&w->errors, FIELD(FIELD(NULL, "target"), "name"), NULL);
    if (w->errors.count) {
        fail_invalid(w);
        return;
    }
    if (write_load(w) != 0)
        return;
    struct str has = json_path_str(w->old, "spec.nodeName");
    char why[400];
    if (uid.n && !str_eq(uid, json_path_str(w->old, "metadata.uid"))) {
        snprintf(why, sizeof why,
                 "Precondition failed: UID in precondition: " STR_FMT ", UID in object meta: %s",
                 STR_ARG(uid), json_path_cstr(w->old, "metadata.uid"));
        fail_conflict(r, pods, w->name, why);
    } else if (!json_absent(json_path(w->old, "metadata.deletionTimestamp"))) {
        snprintf(why, sizeof why, "pod " STR_FMT " is being deleted, cannot be assigned to a host",
                 STR_ARG(w->name));
        refuse_binding(r, w->name, why);
    } else if (has.n) {
        snprintf(why, sizeof why, "pod " STR_FMT " is already assigned to node \"" STR_FMT "\"",
                 STR_ARG(w->name), STR_ARG(has));
        refuse_binding(r, w->name, why);
    } else if (json_count(json_path(w->old, "spec.schedulingGates"))) {
        snprintf(why, sizeof why, "pod " STR_FMT " has non-empty .spec.schedulingGates",
                 STR_ARG(w->name));
        refuse_binding(r, w->name, why);
    } else {
        w->subresource = "binding";
        w->object = json_clone(w->a, w->old);
        set_condition(w, "PodScheduled", "True");
        w->view = binding;
        take_binding(w);
        w->take_view = take_binding;
        w->on_done = answer_created;
        w->again = bind;
        write_decide(w);
    }
}

/* ---- eviction: a DELETE with its options inside ---- */

static void evict_admitted(struct write *w)
{
    rest_delete(w->r);
}

static void evict(struct api_request *r)
{
    struct json *eviction;
    struct buf body CLEANUP_BUF;
    buf_init(&body, LIMIT_BODY_BYTES);
    if (body_read(r, &r->arena, r->resource, &eviction) != 0)
        return;
    const struct json *options = json_get(eviction, "deleteOptions");
    if (options)
        json_write(&body, options);
    r->body = options ? arena_str(&r->arena, buf_str(&body)) : STR("");
    r->content_type = STR("application/json");
    if (body.failed || (options && !r->body.p)) {
        fail_memory(r);
        return;
    }
    r->kind = kind_find(resource_main(r->resource));
    struct write *w = write_new(r, resource_main(r->resource), r->url.ns, r->url.name);
    if (!w)
        return;
    w->view = eviction;
    if (hooks_ask(w, "CREATE", evict_admitted) == 0)
        rest_delete(r);
}

/* ---- scale ---- */

/* Where a resource keeps what its Scale shows; path without its first dot. */
static const char *scale_path(struct write *w, const char *name, const char *otherwise)
{
    const struct crd_version *v = crd_of(w->resource);
    if (!v)
        return otherwise;
    const char *path = json_path_cstr(json_get(v->subresources, "scale"), name);
    return path + (path[0] == '.');
}

static struct json *scale_of(struct write *w, const struct json *o, int64_t revision)
{
    struct arena *a = w->a;
    struct json *s = json_new(a, JSON_OBJECT), *meta = json_new(a, JSON_OBJECT);
    static const char *const kept[] = {"name", "namespace", "uid", "creationTimestamp"};
    json_set_cstr(a, s, "kind", "Scale");
    json_set_cstr(a, s, "apiVersion", "autoscaling/v1");
    for (size_t i = 0; i < 4; i++)
        json_set_str(a, meta, kept[i], json_str(json_get(json_get(o, "metadata"), kept[i])));
    if (revision > 0)
        json_set_cstr(a, meta, "resourceVersion", arena_printf(a, "%lld", (long long)revision));
    json_set(a, s, "metadata", meta);
    json_set_path(a, s, "spec.replicas", json_new_i64(a, json_path_i64(o, scale_path(w, "specReplicasPath", "spec.replicas"),
                                         0)));
    json_set_path(a, s, "status.replicas", json_new_i64(a, json_path_i64(o, scale_path(w, "statusReplicasPath", "status.replicas"),
                                         0)));
    if (crd_of(w->resource)) {
        const char *path = scale_path(w, "labelSelectorPath", "");
        struct str text = path[0] ? json_path_str(o, path) : STR("");
        if (text.n)
            json_set_path(a, s, "status.selector", json_new_str(a, text));
        return a->failed ? NULL : s;
    }
    struct selector selector;
    struct buf text CLEANUP_BUF;
    buf_init(&text, 64 * 1024);
    const struct json *sel = json_path(o, "spec.selector");
    bool plain = cstr_eq(schema_resource_plural(w->resource), "replicationcontrollers");
    if ((plain ? selector_from_map(a, sel, &selector)
               : selector_from_object(a, sel, &selector, NULL)) == 0) {
        selector_write(&text, &selector);
        json_set_path(a, s, "status.selector", json_new_str(a, buf_str(&text)));
    }
    return a->failed ? NULL : s;
}

static void scale_answer(struct write *w, struct str stored, int64_t revision)
{
    struct json *o, *s = NULL;
    if (json_parse(w->a, stored, NULL, &o, NULL) == 0)
        s = scale_of(w, o, revision);
    if (s)
        reply_tree(w->r, 200, s);
    else
        fail_memory(w->r);
}

/* The Scale that the client wants, from the body or from a patch of the present one. */
static int scale_wanted(struct write *w, struct json **ret)
{
    struct api_request *r = w->r;
    if (cstr_eq(r->url.verb, "update"))
        return body_read(r, w->a, r->resource, ret);
    const struct json *now = scale_of(w, w->old, w->current->mod_revision);
    return now ? patch_apply(r, w->a, r->resource, now, ret) : fail_memory(r);
}

/* An applied Scale is the number of replicas, applied to the object itself. */
static int scale_apply(struct write *w, const struct json *config)
{
    struct json *whole = json_new(w->a, JSON_OBJECT);
    const struct json *replicas = json_path(config, "spec.replicas");
    const char *path = scale_path(w, "specReplicasPath", "spec.replicas");
    json_set_str(w->a, whole, "apiVersion", json_str(json_get(w->old, "apiVersion")));
    json_set_str(w->a, whole, "kind", json_str(json_get(w->old, "kind")));
    json_set_path(w->a, whole, "metadata.name", json_new_str(w->a, w->name));
    if (replicas)
        json_set_path(w->a, whole, path, json_clone(w->a, replicas));
    if (w->a->failed)
        return fail_memory(w->r);
    int rc = manager_apply(w, whole);
    return rc ? rc : patch_settle(w->r, w->a, w->resource, w->object);
}

static void take_scale(struct write *w)
{
    const struct json *replicas = json_path(w->view, "spec.replicas");
    json_set_path(w->a, w->object, scale_path(w, "specReplicasPath", "spec.replicas"),
                  json_new_i64(w->a, json_i64(replicas, 0)));
}

static void scale(struct api_request *r)
{
    struct write *w = write_new(r, resource_main(r->resource), r->url.ns, r->url.name);
    bool applying = cstr_eq(r->url.verb, "patch") && patch_is_apply(r);
    struct json *wanted;
    if (!w)
        return;
    w->again = scale;
    if (!cstr_eq(r->url.verb, "get") && manager_check_options(r, applying) != 0)
        return;
    if (write_load(w) != 0)
        return;
    if (cstr_eq(r->url.verb, "get")) {
        scale_answer(w, store_value_bytes(w->current), w->current->mod_revision);
        return;
    }
    if ((applying ? patch_read_config(r, w->a, r->resource, &wanted)
                  : scale_wanted(w, &wanted)) != 0)
        return;
    struct str revision = json_path_str(wanted, "metadata.resourceVersion");
    bool patched = cstr_eq(r->url.verb, "patch");
    int64_t number = 0;
    if (revision.n &&
        (str_to_i64(revision, &number) < 0 || (number && number != w->current->mod_revision))) {
        fail_modified(r, w->resource, w->name);
        return;
    }
    w->wanted_revision = patched ? 0 : number;
    int64_t replicas = json_path_i64(wanted, "spec.replicas", 0);
    if (replicas < 0) {
        field_invalid_int(&w->errors, FIELD(FIELD(NULL, "spec"), "replicas"), replicas,
                          "must be greater than or equal to 0");
        fail_invalid(w);
        return;
    }
    if (applying) {
        if (scale_apply(w, wanted) != 0)
            return;
    } else {
        w->object = json_clone(w->a, w->old);
        json_set_path(w->a, w->object, scale_path(w, "specReplicasPath", "spec.replicas"),
                      json_new_i64(w->a, replicas));
    }
    w->old_view = scale_of(w, w->old, w->current->mod_revision);
    w->view = scale_of(w, w->object, w->current->mod_revision);
    if (!w->old_view || !w->view) {
        fail_memory(r);
        return;
    }
    w->take_view = take_scale;
    w->on_done = scale_answer;
    w->again = scale;
    write_decide(w);
}

void subresource_handle(struct api_request *r)
{
    const char *sub = schema_resource_subresource(r->resource);
    if (cstr_eq(sub, "eviction"))
        evict(r);
    else if (cstr_eq(sub, "scale"))
        scale(r);
    else if (cstr_eq(sub, "token"))
        token_request(r);
    else
        bind(r);
}
