/* See default_roles.h: from table to objects, and what a stored one lacks. */
#include "api/auth/default_roles.h"

#include "base/limits.h"

static const char api_group[] = "rbac.authorization.k8s.io";

static void put_words(struct arena *a, struct json *rule, const char *name, struct str words)
{
    struct str word;
    if (!words.n)
        return;
    struct json *list = json_array_at(a, rule, name);
    while (str_split(&words, ' ', &word))
        json_append(a, list, json_new_str(a, str_is(word, "core") ? STR("") : word));
}

struct json *default_rules_json(struct arena *a, const char *rules)
{
    struct json *array = json_new(a, JSON_ARRAY);
    struct str rest = str_of(rules), line;
    while (str_split(&rest, '\n', &line)) {
        struct str verbs, groups, resources, names = STR("");
        if (!line.n)
            continue;
        struct json *rule = json_new(a, JSON_OBJECT);
        str_split(&line, '|', &verbs);
        str_split(&line, '|', &groups);
        put_words(a, rule, "verbs", verbs);
        if (str_split(&line, '|', &resources)) {
            str_split(&line, '|', &names);
            put_words(a, rule, "apiGroups", groups);
            put_words(a, rule, "resources", resources);
            put_words(a, rule, "resourceNames", names);
        } else {
            put_words(a, rule, "nonResourceURLs", groups);
        }
        json_append(a, array, rule);
    }
    return array;
}

int default_rules_of(struct arena *a, const char *name, struct rules *ret)
{
    for (const struct default_role *r = default_roles_plain; r->name; r++)
        if (!r->ns && cstr_eq(r->name, name)) {
            const struct json *j = default_rules_json(a, r->rules);
            return a->failed ? -E_NOMEM : rules_read(a, j, ret);
        }
    return -E_NOT_FOUND;
}

/* ---- objects ---- */

static struct json *new_object(struct arena *a, const char *ns, const char *name)
{
    struct json *o = json_new(a, JSON_OBJECT), *meta = json_object_at(a, o, "metadata");
    json_set_cstr(a, meta, "name", name);
    if (ns)
        json_set_cstr(a, meta, "namespace", ns);
    json_set_cstr(a, json_object_at(a, meta, "labels"), "kubernetes.io/bootstrapping",
                  "rbac-defaults");
    json_set_cstr(a, json_object_at(a, meta, "annotations"),
                  "rbac.authorization.kubernetes.io/autoupdate", "true");
    return o;
}

static struct json *role_object(struct arena *a, const struct default_role *r)
{
    struct json *o = new_object(a, r->ns, r->name);
    if (r->joins)
        json_set_cstr(a, json_path(o, "metadata.labels"),
                      arena_printf(a, "rbac.authorization.k8s.io/aggregate-to-%s", r->joins),
                      "true");
    if (r->gathers) {
        struct json *selector = json_new(a, JSON_OBJECT);
        json_set_cstr(a, json_object_at(a, selector, "matchLabels"),
                      arena_printf(a, "rbac.authorization.k8s.io/aggregate-to-%s", r->gathers),
                      "true");
        json_append(a,
                    json_array_at(a, json_object_at(a, o, "aggregationRule"),
                                  "clusterRoleSelectors"),
                    selector);
    } else {
        json_set(a, o, "rules", default_rules_json(a, r->rules));
    }
    return o;
}

static void add_subject(struct arena *a, struct json *list, struct str word)
{
    struct str kind;
    struct json *s = json_new(a, JSON_OBJECT);
    str_split(&word, ':', &kind); /* names hold colons themselves: the rest is the name */
    json_set_str(a, s, "kind", kind);
    if (str_is(kind, "ServiceAccount"))
        json_set_cstr(a, s, "namespace", "kube-system");
    else
        json_set_cstr(a, s, "apiGroup", api_group);
    json_set_str(a, s, "name", word);
    json_append(a, list, s);
}

static struct json *binding_object(struct arena *a, const struct default_binding *b)
{
    struct json *o = new_object(a, b->ns, b->name), *ref = json_object_at(a, o, "roleRef");
    struct str rest = str_of(b->subjects), word;
    json_set_cstr(a, ref, "apiGroup", api_group);
    json_set_cstr(a, ref, "kind", b->kind);
    json_set_cstr(a, ref, "name", b->role);
    while (rest.n && str_split(&rest, ' ', &word))
        add_subject(a, json_array_at(a, o, "subjects"), word);
    return o;
}

struct filling {
    struct arena *arena;
    struct default_object *at;
    size_t count;
};

static void put(struct filling *f, const char *resource, const char *ns, const char *name,
                struct json *object)
{
    struct arena *a = f->arena;
    const char *path = ns ? arena_printf(a, "/apis/rbac.authorization.k8s.io/v1/namespaces/%s/%s",
                                         ns, resource)
                          : arena_printf(a, "/apis/rbac.authorization.k8s.io/v1/%s", resource);
    if (path && f->count < DEFAULT_OBJECTS_MOST)
        f->at[f->count++] = (struct default_object){path, resource, ns ? ns : "", name, object};
    else
        a->failed = true;
}

static void put_roles(struct filling *f, const struct default_role *roles)
{
    for (const struct default_role *r = roles; r->name; r++)
        put(f, r->ns ? "roles" : "clusterroles", r->ns, r->name, role_object(f->arena, r));
}

static void put_controller_binding(struct filling *f, const char *role)
{
    static const char start[] = "system:controller:";
    const char *subject =
        arena_printf(f->arena, "ServiceAccount:%s", role + sizeof start - 1);
    struct default_binding b = {NULL, role, "ClusterRole", role, subject ? subject : ""};
    put(f, "clusterrolebindings", NULL, role, binding_object(f->arena, &b));
}

int default_objects(struct arena *a, struct default_object *ret, size_t *ret_count)
{
    struct filling f = {a, ret, 0};
    put_roles(&f, default_roles_plain);
    put_roles(&f, default_roles_controllers);
    for (const struct default_binding *b = default_bindings; b->name; b++)
        put(&f, b->ns ? "rolebindings" : "clusterrolebindings", b->ns, b->name,
            binding_object(a, b));
    for (const struct default_role *r = default_roles_controllers; r->name; r++)
        put_controller_binding(&f, r->name);
    if (a->failed)
        return -E_NOMEM;
    *ret_count = f.count;
    return 0;
}

/* ---- upkeep ---- */

static bool mend_map(struct arena *a, struct json *stored, const struct json *wanted,
                     const char *name)
{
    bool changed = false;
    for (const struct json *m = json_first(json_get(json_get(wanted, "metadata"), name)); m;
         m = m->next) {
        struct json *map =
            json_object_at(a, json_object_at(a, stored, "metadata"), name);
        if (json_get_str(map, m->key))
            continue;
        json_set_key(a, map, m->key, json_clone(a, m));
        changed = true;
    }
    return changed;
}

static int mend_rules(struct arena *a, struct json *stored, const struct json *wanted)
{
    struct rules have, want, missing = {0};
    int rc = rules_read(a, json_get(stored, "rules"), &have);
    if (rc == 0)
        rc = rules_read(a, json_get(wanted, "rules"), &want);
    if (rc == 0)
        rc = rules_cover(a, &have, &want, &missing);
    if (rc < 0)
        return rc;
    for (size_t i = 0; i < missing.count; i++)
        json_append(a, json_array_at(a, stored, "rules"), rule_json(a, &missing.at[i]));
    return missing.count > 0;
}

static bool has_subject(const struct json *list, const struct json *wanted)
{
    static const char *const names[] = {"kind", "name", "namespace"};
    for (const struct json *s = json_first(list); s; s = s->next) {
        bool same = true;
        for (size_t i = 0; i < 3; i++)
            same = same && str_eq(json_str(json_get(s, names[i])), json_str(json_get(wanted, names[i])));
        if (same)
            return true;
    }
    return false;
}

static bool mend_subjects(struct arena *a, struct json *stored, const struct json *wanted)
{
    bool changed = false;
    for (const struct json *s = json_first(json_get(wanted, "subjects")); s; s = s->next)
        if (!has_subject(json_get(stored, "subjects"), s)) {
            json_append(a, json_array_at(a, stored, "subjects"), json_clone(a, s));
            changed = true;
        }
    return changed;
}

int default_object_mend(struct arena *a, struct json *stored, const struct json *wanted)
{
    const struct json *ref = json_get(wanted, "roleRef");
    const struct json *keep = json_get(json_path(stored, "metadata.annotations"),
                                       "rbac.authorization.kubernetes.io/autoupdate");
    if (str_is(json_str(keep), "false"))
        return 0;
    if (ref && !json_equal(ref, json_get(stored, "roleRef")))
        return -E_CONFLICT;
    int changed = mend_map(a, stored, wanted, "labels");
    changed |= mend_map(a, stored, wanted, "annotations");
    if (ref) {
        changed |= mend_subjects(a, stored, wanted);
    } else if (json_get(wanted, "aggregationRule")) {
        if (!json_get(stored, "aggregationRule")) {
            json_set(a, stored, "aggregationRule",
                     json_clone(a, json_get(wanted, "aggregationRule")));
            changed = 1;
        }
    } else {
        int rc = mend_rules(a, stored, wanted);
        if (rc < 0)
            return rc;
        changed |= rc;
    }
    return a->failed ? -E_NOMEM : changed;
}
