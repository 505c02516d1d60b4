/*
 * See rbac.h.
 *
 *   subject "U" ns user / "G" ns group  ->  grants  ->  binding  ->  role  ->  rules
 *
 * A subject is found by kind, name and the namespace of the binding ("" for the whole cluster), so
 * a request asks for each of its names twice. A role that a binding names stays as an empty one
 * while it is not there.
 */
#include "api/auth/rbac.h"

#include "api/api_int.h"
#include "base/log.h"

enum {
    SUBJECT_KEY = 2048,
    ROLE_BYTES = 8 * 1024 * 1024,
    MISSING_TOLD = 16,
    MISSING_BYTES = 16 * 1024,
};

static const char prefix[] = "/rbac.authorization.k8s.io/";

struct role {
    struct str key; /* "/name" or "ns/name" */
    struct arena arena;
    struct rules rules;
    bool present;
    unsigned refs; /* of bindings */
};

struct subject {
    struct str key; /* of the map: behind this struct */
    struct list grants;
};

struct grant {
    struct list link; /* of the subject */
    struct subject *subject;
    struct binding *binding;
    bool group;
    const char *name;
};

struct binding {
    struct role *role;
    struct arena arena;
    bool cluster;
    const char *name;
    struct grant *grants;
    size_t grant_count;
};

struct rbac {
    struct store *store;
    struct store_watch *watch;
    struct map roles, subjects, bindings; /* bindings by store key */
};

/* ---- roles ---- */

static struct str role_key(char *text, size_t size, struct str ns, struct str name)
{
    if (ns.n + name.n + 1 > size)
        return (struct str){NULL, 0};
    memcpy(text, ns.p ? ns.p : "", ns.n);
    text[ns.n] = '/';
    memcpy(text + ns.n + 1, name.p, name.n);
    return str_make(text, ns.n + 1 + name.n);
}

static void role_unused(struct rbac *r, struct role *role)
{
    if (role->present || role->refs)
        return;
    map_remove(&r->roles, role->key);
    arena_done(&role->arena);
    mem_free(role);
}

static struct role *role_at(struct rbac *r, struct str key)
{
    struct role *role = map_get(&r->roles, key);
    if (role)
        return role;
    role = mem_zalloc(sizeof *role + key.n);
    if (!role)
        return NULL;
    memcpy(role + 1, key.p, key.n);
    role->key = str_make(role + 1, key.n);
    arena_init(&role->arena, ROLE_BYTES);
    if (map_set(&r->roles, role->key, role, NULL) < 0) {
        mem_free(role);
        return NULL;
    }
    return role;
}

static int role_set(struct rbac *r, struct str ns, struct str name, const struct json *object)
{
    char text[SUBJECT_KEY];
    struct str key = role_key(text, sizeof text, ns, name);
    struct role *role = key.p ? object ? role_at(r, key) : map_get(&r->roles, key) : NULL;
    int rc = 0;
    if (!role)
        return object ? -E_NOMEM : 0;
    arena_clear(&role->arena);
    role->rules = (struct rules){0};
    role->present = object != NULL;
    if (object && (rc = rules_read(&role->arena, json_get(object, "rules"), &role->rules)) < 0)
        role->rules = (struct rules){0};
    role_unused(r, role);
    return rc;
}

const struct rules *rbac_role(struct rbac *r, struct str kind, struct str ns, struct str name)
{
    char text[SUBJECT_KEY];
    struct str key = role_key(text, sizeof text, str_is(kind, "Role") ? ns : STR(""), name);
    const struct role *role = key.p ? map_get(&r->roles, key) : NULL;
    return role && role->present ? &role->rules : NULL;
}

/* ---- bindings ---- */

static struct str subject_key(char text[SUBJECT_KEY], bool group, struct str ns, struct str name)
{
    if (ns.n + name.n + 2 > SUBJECT_KEY)
        return (struct str){NULL, 0};
    text[0] = group ? 'G' : 'U';
    memcpy(text + 1, ns.p ? ns.p : "", ns.n);
    text[1 + ns.n] = 0;
    memcpy(text + 2 + ns.n, name.p, name.n);
    return str_make(text, ns.n + 2 + name.n);
}

static struct subject *subject_at(struct rbac *r, struct str key)
{
    struct subject *s = map_get(&r->subjects, key);
    if (s)
        return s;
    s = mem_zalloc(sizeof *s + key.n);
    if (!s)
        return NULL;
    memcpy(s + 1, key.p, key.n);
    s->key = str_make(s + 1, key.n);
    list_init(&s->grants);
    if (map_set(&r->subjects, s->key, s, NULL) < 0) {
        mem_free(s);
        return NULL;
    }
    return s;
}

static void binding_free(struct rbac *r, struct binding *b)
{
    for (size_t i = 0; i < b->grant_count; i++) {
        struct subject *s = b->grants[i].subject;
        list_remove(&b->grants[i].link);
        if (list_empty(&s->grants)) {
            map_remove(&r->subjects, s->key);
            mem_free(s);
        }
    }
    if (b->role) {
        b->role->refs--;
        role_unused(r, b->role);
    }
    arena_done(&b->arena);
    mem_free(b);
}

static int add_grant(struct rbac *r, struct binding *b, struct str ns, const struct json *subject)
{
    char text[SUBJECT_KEY];
    struct str kind = json_path_str(subject, "kind"), name = json_path_str(subject, "name");
    bool group = str_is(kind, "Group");
    if (str_is(kind, "ServiceAccount")) {
        struct str of = json_path_str(subject, "namespace");
        if (!of.n)
            of = ns;
        const char *full = arena_printf(&b->arena, "system:serviceaccount:" STR_FMT ":" STR_FMT,
                                        STR_ARG(of), STR_ARG(name));
        if (!full)
            return -E_NOMEM;
        if (!of.n)
            return 0;
        name = str_of(full);
    } else if (!group && !str_is(kind, "User")) {
        return 0;
    }
    struct str key = subject_key(text, group, b->cluster ? STR("") : ns, name);
    struct subject *s = key.p ? subject_at(r, key) : NULL;
    if (!s)
        return -E_NOMEM;
    struct grant *g = &b->grants[b->grant_count++];
    *g = (struct grant){.subject = s, .binding = b, .group = group};
    list_push_back(&s->grants, &g->link);
    g->name = arena_strndup(&b->arena, name.p, name.n);
    return g->name ? 0 : -E_NOMEM;
}

static int binding_new(struct rbac *r, struct str ns, struct str name, const struct json *object,
                       struct binding **ret)
{
    char text[SUBJECT_KEY];
    const struct json *subjects = json_get(object, "subjects");
    struct str kind = json_path_str(object, "roleRef.kind");
    struct str key = role_key(text, sizeof text, str_is(kind, "Role") ? ns : STR(""),
                              json_path_str(object, "roleRef.name"));
    struct binding *b = mem_zalloc(sizeof *b);
    int rc = 0;
    if (!b)
        return -E_NOMEM;
    arena_init(&b->arena, ROLE_BYTES);
    b->cluster = ns.n == 0;
    b->name = arena_strndup(&b->arena, name.p, name.n);
    b->grants = arena_zalloc(&b->arena, (json_count(subjects) + 1) * sizeof *b->grants);
    b->role = key.p ? role_at(r, key) : NULL;
    if (b->role)
        b->role->refs++;
    if (!b->name || !b->grants || !b->role)
        rc = -E_NOMEM;
    for (const struct json *s = json_first(subjects); s && rc == 0; s = s->next)
        rc = add_grant(r, b, ns, s);
    if (rc < 0)
        binding_free(r, b);
    else
        *ret = b;
    return rc;
}

static int binding_set(struct rbac *r, struct str store_key, struct str ns, struct str name,
                       const struct json *object)
{
    struct binding *old = map_remove(&r->bindings, store_key), *b;
    if (old)
        binding_free(r, old);
    if (!object)
        return 0;
    int rc = binding_new(r, ns, name, object, &b);
    if (rc == 0 && (rc = map_set(&r->bindings, store_key, b, NULL)) < 0)
        binding_free(r, b);
    return rc;
}

/* ---- following the store ---- */

/* value NULL: gone. */
static int take(struct rbac *r, struct str key, struct store_value *value)
{
    struct str rest = str_make(key.p + sizeof prefix - 1, key.n - (sizeof prefix - 1)), kind, ns, name;
    struct arena a CLEANUP_ARENA;
    struct json *object = NULL;
    arena_init(&a, ROLE_BYTES);
    if (!str_split(&rest, '/', &kind))
        return 0;
    bool cluster = str_is(kind, "clusterroles") || str_is(kind, "clusterrolebindings");
    ns = STR("");
    if (!cluster && !str_split(&rest, '/', &ns))
        return 0;
    name = rest;
    if (value && json_parse(&a, store_value_bytes(value), &json_options_trusted, &object, NULL) < 0) {
        log_err("a role or binding cannot be read: it grants nothing");
        object = NULL;
    }
    if (str_is(kind, "roles") || str_is(kind, "clusterroles"))
        return role_set(r, ns, name, object);
    if (str_is(kind, "rolebindings") || str_is(kind, "clusterrolebindings"))
        return binding_set(r, key, ns, name, object);
    return 0;
}

static void changed(void *ctx, const struct store_event *e)
{
    struct store_value *v = e->value ? e->value : e->previous;
    if (v && take(ctx, store_value_key(v), e->value) < 0)
        log_err("a role or binding finds no memory: it grants nothing");
}

static bool loaded(void *ctx, struct store_value *v)
{
    if (take(ctx, store_value_key(v), v) < 0)
        log_err("a role or binding finds no memory: it grants nothing");
    return true;
}

int rbac_new(struct store *store, struct rbac **ret_rbac)
{
    struct rbac *r = mem_zalloc(sizeof *r);
    struct store_snapshot *snap;
    if (!r)
        return -E_NOMEM;
    r->store = store;
    int rc = store_snapshot_take(store, &snap);
    if (rc < 0) {
        mem_free(r);
        return rc;
    }
    store_snapshot_range(snap, STR("/rbac.authorization.k8s.io/"),
                         STR("/rbac.authorization.k8s.io0"), loaded, r);
    rc = store_watch_new(store, STR("/rbac.authorization.k8s.io/"), store_snapshot_revision(snap),
                         changed, r, &r->watch);
    store_snapshot_release(snap);
    if (rc < 0)
        rbac_free(r);
    else
        *ret_rbac = r;
    return rc;
}

void rbac_free(struct rbac *r)
{
    struct map_iter it;
    void *value;
    if (!r)
        return;
    if (r->watch)
        store_watch_free(r->watch);
    for (map_iter_init(&r->bindings, &it); map_iter_next(&r->bindings, &it, NULL, &value);)
        binding_free(r, value);
    map_done(&r->bindings, NULL);
    for (map_iter_init(&r->roles, &it); map_iter_next(&r->roles, &it, NULL, &value);) {
        struct role *role = value;
        role->present = false;
        role_unused(r, role);
    }
    map_done(&r->roles, NULL);
    map_done(&r->subjects, NULL);
    mem_free(r);
}

/* ---- questions ---- */

/* Calls fn with each grant of one subject; true: fn was satisfied. */
static bool grants_of(struct rbac *r, bool group, const char *ns, const char *name,
                      bool (*fn)(void *ctx, const struct grant *g), void *ctx)
{
    char text[SUBJECT_KEY];
    struct str key = subject_key(text, group, str_of(ns), str_of(name));
    const struct subject *s = key.p ? map_get(&r->subjects, key) : NULL;
    const struct grant *g;
    if (!s)
        return false;
    LIST_EACH(g, &s->grants, link)
        if (fn(ctx, g))
            return true;
    return false;
}

static bool each_grant(struct rbac *r, const struct user *u, const char *ns,
                       bool (*fn)(void *ctx, const struct grant *g), void *ctx)
{
    for (int scope = 0; scope < (ns[0] ? 2 : 1); scope++) {
        const char *in = scope ? ns : "";
        if (grants_of(r, false, in, u->name, fn, ctx))
            return true;
        for (size_t i = 0; i < u->group_count; i++)
            if (grants_of(r, true, in, u->groups[i], fn, ctx))
                return true;
    }
    return false;
}

struct question {
    const struct auth_ask *ask;
    const struct grant *by;
    struct buf *missing; /* roles that are bound and not there; may be NULL */
    size_t missing_count;
};

static bool grants_it(void *ctx, const struct grant *g)
{
    struct question *q = ctx;
    const struct role *role = g->binding->role;
    const struct rules *rules = &role->rules;
    if (!role->present && q->missing && q->missing_count < MISSING_TOLD) {
        struct str name = role->key, ns;
        str_split(&name, '/', &ns);
        buf_printf(q->missing, "%s%s.rbac.authorization.k8s.io \"" STR_FMT "\" not found",
                   q->missing_count++ ? ", " : "", ns.n ? "role" : "clusterrole", STR_ARG(name));
    }
    for (size_t i = 0; i < rules->count; i++)
        if (rule_allows(&rules->at[i], q->ask)) {
            q->by = g;
            return true;
        }
    return false;
}

static void say_why(struct buf *reason, const struct grant *g, const char *ns)
{
    static const char account[] = "system:serviceaccount:";
    const struct binding *b = g->binding;
    bool of_cluster = b->role->key.p[0] == '/';
    struct str key = b->role->key, name = str_of(g->name), space;
    str_split(&key, '/', &space);
    buf_puts(reason, b->cluster ? "RBAC: allowed by ClusterRoleBinding \"" : "RBAC: allowed by RoleBinding \"");
    buf_puts(reason, b->name);
    if (!b->cluster) {
        buf_puts(reason, "/");
        buf_puts(reason, ns);
    }
    buf_puts(reason, of_cluster ? "\" of ClusterRole \"" : "\" of Role \"");
    buf_append_str(reason, key);
    if (g->group) {
        buf_puts(reason, "\" to Group \"");
    } else if (str_starts(name, str_of(account))) {
        struct str rest = str_make(name.p + sizeof account - 1, name.n - (sizeof account - 1));
        str_split(&rest, ':', &space);
        buf_puts(reason, "\" to ServiceAccount \"");
        buf_append_str(reason, rest);
        buf_puts(reason, "/");
        name = space;
    } else {
        buf_puts(reason, "\" to User \"");
    }
    buf_append_str(reason, name);
    buf_puts(reason, "\"");
}

bool rbac_allows(struct rbac *r, const struct auth_ask *ask, struct buf *reason)
{
    struct buf missing CLEANUP_BUF;
    struct question q = {ask, NULL, reason ? &missing : NULL, 0};
    buf_init(&missing, MISSING_BYTES);
    if (each_grant(r, ask->user, ask->is_resource ? ask->ns : "", grants_it, &q)) {
        if (reason) {
            buf_clear(reason);
            say_why(reason, q.by, ask->ns);
        }
        return true;
    }
    if (q.missing_count)
        buf_printf(reason, q.missing_count > 1 ? "%sRBAC: [%s]" : "%sRBAC: %s",
                   buf_len(reason) ? "\n" : "", buf_cstr(&missing));
    return false;
}

struct telling {
    void (*fn)(void *ctx, const struct rule *rule);
    void *ctx;
};

static bool tell_rules(void *ctx, const struct grant *g)
{
    struct telling *t = ctx;
    const struct rules *rules = &g->binding->role->rules;
    for (size_t i = 0; i < rules->count; i++)
        t->fn(t->ctx, &rules->at[i]);
    return false;
}

void rbac_rules_for(struct rbac *r, const struct user *user, const char *ns,
                    void (*fn)(void *ctx, const struct rule *rule), void *ctx)
{
    struct telling t = {fn, ctx};
    each_grant(r, user, ns, tell_rules, &t);
}
