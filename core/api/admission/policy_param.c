/* Which objects a binding's policy is evaluated with; as upstream's generic.CollectParams. */
#include "api/admission/policy.h"
#include "api/crd/crd.h"

static const struct schema_resource *find_kind(struct api *api, struct arena *a,
                                               const struct json *kind)
{
    struct str version = json_path_str(kind, "apiVersion"), name = json_path_str(kind, "kind");
    const char *slash = version.n ? memchr(version.p, '/', version.n) : NULL;
    struct str group = slash ? str_make(version.p, (size_t)(slash - version.p)) : STR("");
    struct catalog all;
    if (slash)
        version = str_make(slash + 1, version.n - group.n - 1);
    if (catalog_make(api, a, &all) < 0)
        return NULL;
    for (size_t i = 0; i < all.resource_count; i++) {
        const struct schema_resource *r = all.resources[i];
        if (!schema_resource_subresource(r)[0] && str_is(name, schema_resource_kind(r)) &&
            str_is(group, schema_resource_group(r)) && str_is(version, schema_resource_version(r)))
            return r;
    }
    return NULL;
}

struct search {
    struct arena *a;
    const struct schema_resource *resource;
    struct selector selector;
    void (*fn)(void *ctx, const struct json *param);
    void *ctx;
    size_t found;
};

static bool look_at(void *ctx, struct store_value *v)
{
    struct search *s = ctx;
    struct json *o;
    if (object_decode(s->a, s->resource, store_value_bytes(v), v->mod_revision, &o) == 0 &&
        selector_matches(&s->selector, json_path(o, "metadata.labels"))) {
        s->found++;
        s->fn(s->ctx, o);
    }
    return !s->a->failed;
}

static int by_selector(struct search *s, struct api *api, const struct json *selector,
                       struct str ns, struct err *err)
{
    struct store_snapshot *snap;
    int rc = selector_from_object(s->a, selector, &s->selector, err);
    struct str from = object_key(s->a, s->resource, ns, STR(""));
    char *to = from.p ? arena_strndup(s->a, from.p, from.n) : NULL;
    if (rc < 0)
        return rc;
    if (!to || store_snapshot_take(api->store, &snap) < 0)
        return err_set(err, E_NOMEM, "out of memory");
    to[from.n - 1] = '/' + 1;
    store_snapshot_range(snap, from, str_make(to, from.n), look_at, s);
    store_snapshot_release(snap);
    return 0;
}

static int search(struct search *s, struct api *api, const struct json *ref, struct str ns,
                  struct err *err)
{
    struct str name = json_path_str(ref, "name");
    struct json *o;
    if (!name.n)
        return by_selector(s, api, json_get(ref, "selector"), ns, err);
    struct str key = object_key(s->a, s->resource, ns, name);
    struct store_value *v = key.p ? store_get(api->store, key) : NULL;
    if (v && object_decode(s->a, s->resource, store_value_bytes(v), v->mod_revision, &o) == 0) {
        s->found++;
        s->fn(s->ctx, o);
    }
    return 0;
}

int policy_params(const struct policy *p, const struct policy_binding *b,
                  const struct hook_request *q, void (*fn)(void *ctx, const struct json *param),
                  void *ctx, struct err *err)
{
    const struct json *ref = json_get(b->spec, "paramRef");
    struct str ns = json_path_str(ref, "namespace");
    struct search s = {.a = q->w->a, .fn = fn, .ctx = ctx};
    if (!p->param_kind || json_absent(ref)) {
        fn(ctx, NULL);
        return 0;
    }
    s.resource = find_kind(q->w->api, q->w->a, p->param_kind);
    if (!s.resource)
        return err_set(err, E_INVALID,
                       "failed to find resource referenced by paramKind: '%s, Kind=%s'",
                       json_path_cstr(p->param_kind, "apiVersion"),
                       json_path_cstr(p->param_kind, "kind"));
    bool namespaced = schema_resource_namespaced(s.resource);
    if (!namespaced && ns.n)
        return err_set(err, E_INVALID,
                       "paramRef.namespace must not be provided for a cluster-scoped `paramKind`");
    if (namespaced && !ns.n)
        ns = q->ns;
    if (namespaced && !ns.n)
        return err_set(err, E_INVALID,
                       "cannot use namespaced paramRef in policy binding that matches "
                       "cluster-scoped resources");
    int rc = search(&s, q->w->api, ref, namespaced ? ns : STR(""), err);
    if (rc == 0 && !s.found && cstr_eq(json_path_cstr(ref, "parameterNotFoundAction"), "Deny"))
        return err_set(err, E_INVALID,
                       "no params found for policy binding with `Deny` parameterNotFoundAction");
    return rc;
}
