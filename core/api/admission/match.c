/* See match.h; as upstream's plugin/webhook/predicates and plugin/policy/matching. */
#include "api/admission/match.h"

#include "api/crd/crd.h"

static bool is_resource(const struct hook_request *q, const char *group, const char *plural)
{
    return cstr_eq(schema_resource_plural(q->resource), plural) &&
           cstr_eq(schema_resource_group(q->resource), group);
}

bool match_exempt(const struct hook_request *q)
{
    static const char *const own[] = {
        "validatingwebhookconfigurations",   "mutatingwebhookconfigurations",
        "validatingadmissionpolicies",       "validatingadmissionpolicybindings",
        "mutatingadmissionpolicies",         "mutatingadmissionpolicybindings",
    };
    for (size_t i = 0; i < sizeof own / sizeof own[0]; i++)
        if (is_resource(q, "admissionregistration.k8s.io", own[i]))
            return true;
    return false;
}

/* ---- rules ---- */

static bool list_has(const struct json *list, const char *wanted)
{
    for (const struct json *m = json_first(list); m; m = m->next)
        if (str_is(json_str(m), "*") || str_is(json_str(m), wanted))
            return true;
    return false;
}

static bool resource_listed(const struct json *list, const char *plural, const char *sub)
{
    for (const struct json *m = json_first(list); m; m = m->next) {
        struct str s = json_str(m), rest = STR("");
        const char *slash = s.n ? memchr(s.p, '/', s.n) : NULL;
        if (slash) {
            rest = str_make(slash + 1, s.n - (size_t)(slash + 1 - s.p));
            s.n = (size_t)(slash - s.p);
        }
        if ((str_is(s, "*") || str_is(s, plural)) && (str_is(rest, "*") || str_is(rest, sub)))
            return true;
    }
    return false;
}

static bool scope_fits(const struct hook_request *q, const char *scope)
{
    bool cluster = !q->ns.n || is_resource(q, "", "namespaces");
    if (cstr_eq(scope, "Namespaced"))
        return !cluster;
    return cstr_eq(scope, "Cluster") ? cluster : true;
}

static bool rule_fits(const struct hook_request *q, const struct json *rule,
                      const struct schema_resource *as)
{
    const struct json *names = json_get(rule, "resourceNames");
    bool named = !json_count(names);
    for (const struct json *m = json_first(names); m && !named; m = m->next)
        named = str_eq(json_str(m), q->name);
    return named && scope_fits(q, json_path_cstr(rule, "scope")) &&
           list_has(json_get(rule, "operations"), q->operation) &&
           list_has(json_get(rule, "apiGroups"), schema_resource_group(as)) &&
           list_has(json_get(rule, "apiVersions"), schema_resource_version(as)) &&
           resource_listed(json_get(rule, "resources"), schema_resource_plural(as),
                           schema_resource_subresource(as));
}

static const struct schema_resource *sub_of(const struct crd_version *v, const char *sub)
{
    return !sub[0] ? v->main : cstr_eq(sub, "status") ? v->status : v->scale;
}

/* The next resource that stands for the same objects; NULL: no more. */
static const struct schema_resource *equivalent(const struct schema_resource *r, size_t *at)
{
    const struct crd_version *custom = crd_of(r);
    const char *sub = schema_resource_subresource(r), *plural = schema_resource_plural(r);
    while (custom && *at < custom->crd->version_count) {
        const struct crd_version *v = &custom->crd->versions[(*at)++];
        if (v->served && v != custom && sub_of(v, sub))
            return sub_of(v, sub);
    }
    while (!custom && *at < schema_resource_count()) {
        const struct schema_resource *o = schema_resource_at((*at)++);
        if (o != r && cstr_eq(schema_resource_plural(o), plural) &&
            cstr_eq(schema_resource_subresource(o), sub) &&
            cstr_eq(storage_group(schema_resource_group(o), plural),
                    storage_group(schema_resource_group(r), plural)))
            return o;
    }
    return NULL;
}

static bool rules_fit(const struct hook_request *q, const struct json *rules, bool exact,
                      const struct schema_resource **ret_as)
{
    for (const struct json *m = json_first(rules); m; m = m->next)
        if (rule_fits(q, m, q->resource)) {
            *ret_as = q->resource;
            return true;
        }
    for (const struct json *m = json_first(rules); m && !exact; m = m->next) {
        size_t at = 0;
        const struct schema_resource *o;
        while ((o = equivalent(q->resource, &at)))
            if (rule_fits(q, m, o)) {
                *ret_as = o;
                return true;
            }
    }
    return false;
}

/* ---- selectors ---- */

static bool selects_all(const struct json *selector)
{
    return !json_count(json_get(selector, "matchLabels")) &&
           !json_count(json_get(selector, "matchExpressions"));
}

const struct json *match_namespace(const struct hook_request *q)
{
    if (is_resource(q, "", "namespaces") && !schema_resource_subresource(q->resource)[0] &&
        (q->object || q->old))
        return q->object ? q->object : q->old;
    if (!q->ns.n)
        return NULL;
    return object_load(q->w->api, q->w->a, "", "namespaces", STR(""), q->ns, NULL);
}

static int namespace_selected(const struct hook_request *q, const struct json *json)
{
    struct selector s;
    if (!q->ns.n || selects_all(json))
        return 1;
    const struct json *ns = match_namespace(q);
    if (!ns)
        return -E_NOT_FOUND;
    return selector_from_object(q->w->a, json, &s, NULL) == 0 &&
           selector_matches(&s, json_path(ns, "metadata.labels"));
}

static bool object_selected(const struct hook_request *q, const struct json *json)
{
    struct selector s;
    if (selects_all(json))
        return true;
    if (selector_from_object(q->w->a, json, &s, NULL) < 0)
        return false;
    return (json_get(q->object, "metadata") &&
            selector_matches(&s, json_path(q->object, "metadata.labels"))) ||
           (json_get(q->old, "metadata") &&
            selector_matches(&s, json_path(q->old, "metadata.labels")));
}

int match_resources(const struct hook_request *q, const struct json *match, const char *rules,
                    const struct schema_resource **ret_as)
{
    bool exact = cstr_eq(json_path_cstr(match, "matchPolicy"), "Exact");
    const struct json *list = json_get(match, rules);
    const struct schema_resource *excluded;
    *ret_as = q->resource;
    /* Rules before selectors, so that a namespace that is gone only matters where it is asked for. */
    if (json_count(list) ? !rules_fit(q, list, exact, ret_as) : cstr_eq(rules, "rules"))
        return 0;
    if (rules_fit(q, json_get(match, "excludeResourceRules"), exact, &excluded))
        return 0;
    int rc = namespace_selected(q, json_get(match, "namespaceSelector"));
    return rc == 1 ? object_selected(q, json_get(match, "objectSelector")) : rc;
}

/* ---- the object in another version ---- */

int match_convert(const struct hook_request *q, const struct schema_resource *from,
                  const struct schema_resource *to, struct json *object, struct json **ret)
{
    struct buf stored CLEANUP_BUF;
    int64_t revision = 0;
    buf_init(&stored, LIMIT_OBJECT_BYTES);
    *ret = object;
    if (!object || from == to ||
        (cstr_eq(schema_resource_kind_group(from), schema_resource_kind_group(to)) &&
         cstr_eq(schema_resource_kind_version(from), schema_resource_kind_version(to))))
        return 0;
    if (str_to_i64(json_path_str(object, "metadata.resourceVersion"), &revision) < 0)
        revision = 0;
    struct json *copy = json_clone(q->w->a, object);
    int rc = copy ? object_encode(q->w->a, schema_resource_main(from), copy, &stored) : -E_NOMEM;
    return rc < 0 ? rc
                  : object_decode(q->w->a, schema_resource_main(to), buf_str(&stored), revision, ret);
}

/* ---- AdmissionRequest ---- */

static void put_names(struct arena *a, struct json *o, const struct schema_resource *r,
                      const char *kind_key, const char *resource_key, const char *sub_key)
{
    struct json *kind = json_new(a, JSON_OBJECT), *resource = json_new(a, JSON_OBJECT);
    json_set_cstr(a, kind, "group", schema_resource_kind_group(r));
    json_set_cstr(a, kind, "version", schema_resource_kind_version(r));
    json_set_cstr(a, kind, "kind", schema_resource_kind(r));
    json_set_cstr(a, resource, "group", schema_resource_group(r));
    json_set_cstr(a, resource, "version", schema_resource_version(r));
    json_set_cstr(a, resource, "resource", schema_resource_plural(r));
    json_set(a, o, kind_key, kind);
    json_set(a, o, resource_key, resource);
    if (schema_resource_subresource(r)[0])
        json_set_cstr(a, o, sub_key, schema_resource_subresource(r));
}

static struct json *user_json(struct arena *a, const struct user *u)
{
    struct json *o = json_new(a, JSON_OBJECT);
    if (u->name && u->name[0])
        json_set_cstr(a, o, "username", u->name);
    if (u->uid && u->uid[0])
        json_set_cstr(a, o, "uid", u->uid);
    for (size_t i = 0; i < u->group_count; i++)
        json_append(a, json_array_at(a, o, "groups"), json_new_cstr(a, u->groups[i]));
    if (json_count(u->extra))
        json_set(a, o, "extra", json_clone(a, u->extra));
    return o;
}

static struct json *options_json(const struct hook_request *q)
{
    struct arena *a = q->w->a;
    const struct url *url = &q->w->r->url;
    bool is_delete = cstr_eq(q->operation, "DELETE");
    struct json *o = json_new(a, JSON_OBJECT);
    struct str manager = url_param(url, "fieldManager"), mode = url_param(url, "fieldValidation");
    json_set_cstr(a, o, "kind",
                  is_delete                         ? "DeleteOptions"
                  : cstr_eq(q->operation, "CREATE") ? "CreateOptions"
                                                    : "UpdateOptions");
    json_set_cstr(a, o, "apiVersion", "meta.k8s.io/v1");
    if (q->w->r->dry_run)
        json_append(a, json_array_at(a, o, "dryRun"), json_new_cstr(a, "All"));
    if (manager.n && !is_delete)
        json_set_str(a, o, "fieldManager", manager);
    if (mode.n && !is_delete)
        json_set_str(a, o, "fieldValidation", mode);
    struct json *sent;
    if (is_delete && q->w->r->body.n && json_parse(a, q->w->r->body, NULL, &sent, NULL) == 0)
        for (const struct json *m = json_first(sent); m; m = m->next)
            if (!json_get_str(o, m->key))
                json_set_key(a, o, m->key, json_clone(a, m));
    return o;
}

struct json *match_request(const struct hook_request *q, const struct schema_resource *as)
{
    struct arena *a = q->w->a;
    struct json *o = json_new(a, JSON_OBJECT);
    put_names(a, o, as, "kind", "resource", "subResource");
    put_names(a, o, q->resource, "requestKind", "requestResource", "requestSubResource");
    if (q->name.n)
        json_set_str(a, o, "name", q->name);
    if (q->ns.n)
        json_set_str(a, o, "namespace", q->ns);
    json_set_cstr(a, o, "operation", q->operation);
    json_set(a, o, "userInfo", user_json(a, &q->w->r->user));
    json_set_bool(a, o, "dryRun", q->w->r->dry_run);
    if (!cstr_eq(q->operation, "CONNECT"))
        json_set(a, o, "options", options_json(q));
    return a->failed ? NULL : o;
}
