/*
 * Nobody grants what they do not have: a role is written by who has all its rights, or the verb
 * "escalate" on it; a binding by who has all rights of its role, or the verb "bind" on that
 * (pkg/registry/rbac/{clusterrole,role,...}/policybased).
 */
#include <stdlib.h>

#include "api/auth/auth.h"
#include "api/write.h"

enum { TEXT_BYTES = 64 * 1024 };

struct gathering {
    struct arena *arena;
    struct rules rules;
    bool failed;
};

static void gather(void *ctx, const struct rule *rule)
{
    struct gathering *g = ctx;
    if (rules_add(g->arena, &g->rules, rule) < 0)
        g->failed = true;
}

static bool may(struct write *w, const char *verb, const char *resource, struct str ns,
                struct str name)
{
    struct arena *a = w->a;
    struct auth_ask ask = {.user = &w->r->user,
                           .verb = verb,
                           .is_resource = true,
                           .group = "rbac.authorization.k8s.io",
                           .version = "v1",
                           .resource = resource,
                           .subresource = "",
                           .ns = arena_strndup(a, ns.n ? ns.p : "", ns.n),
                           .name = arena_strndup(a, name.n ? name.p : "", name.n),
                           .path = ""};
    return ask.ns && ask.name && auth_allows(w->api, &ask, NULL);
}

/* Missing parts of the same group, resource and name become one rule with several verbs. */
static bool same_strs(const struct strs *x, const struct strs *y)
{
    return x->count == y->count && (!x->count || str_eq(x->at[0], y->at[0]));
}

static int compact(struct arena *a, const struct rules *parts, struct rules *ret)
{
    for (size_t i = 0; i < parts->count; i++) {
        const struct rule *p = &parts->at[i];
        struct rule *into = NULL;
        for (size_t k = 0; k < ret->count && !into && !p->urls.count; k++)
            if (same_strs(&ret->at[k].groups, &p->groups) && !ret->at[k].urls.count &&
                same_strs(&ret->at[k].resources, &p->resources) &&
                same_strs(&ret->at[k].names, &p->names))
                into = &ret->at[k];
        if (!into) {
            int rc = rules_add(a, ret, p);
            if (rc < 0)
                return rc;
            continue;
        }
        struct str *verbs = arena_alloc(a, (into->verbs.count + 1) * sizeof *verbs);
        if (!verbs)
            return -E_NOMEM;
        memcpy(verbs, into->verbs.at, into->verbs.count * sizeof *verbs);
        verbs[into->verbs.count++] = p->verbs.at[0];
        into->verbs.at = verbs;
    }
    return 0;
}

static int order(const void *x, const void *y)
{
    return strcmp(*(const char *const *)x, *(const char *const *)y);
}

static void describe(struct write *w, const struct rules *missing, struct buf *out)
{
    const struct user *u = &w->r->user;
    const char **lines = arena_alloc(w->a, (missing->count + 1) * sizeof *lines);
    size_t n = 0;
    for (size_t i = 0; i < missing->count && lines; i++) {
        struct buf b CLEANUP_BUF;
        buf_init(&b, TEXT_BYTES);
        rule_describe(&b, &missing->at[i]);
        const char *line = b.failed ? NULL : arena_strdup(w->a, buf_cstr(&b));
        if (line)
            lines[n++] = line;
    }
    buf_puts(out, "user ");
    json_write_string(out, str_of(u->name));
    buf_puts(out, " (groups=[");
    for (size_t i = 0; i < u->group_count; i++) {
        buf_puts(out, i ? " " : "");
        json_write_string(out, str_of(u->groups[i]));
    }
    buf_puts(out, "]) is attempting to grant RBAC permissions not currently held:");
    if (lines)
        qsort(lines, n, sizeof *lines, order);
    for (size_t i = 0; i < n; i++)
        if (!i || strcmp(lines[i], lines[i - 1]) != 0)
            buf_printf(out, "\n%s", lines[i]);
}

/* nonzero: answered. */
static int confirm(struct write *w, const struct rules *wanted)
{
    struct gathering g = {w->a, {0}, false};
    struct rules missing = {0}, shown = {0};
    const char *ns = arena_strndup(w->a, w->ns.n ? w->ns.p : "", w->ns.n);
    if (!ns)
        return fail_memory(w->r);
    rbac_rules_for(w->api->rbac, &w->r->user, ns, gather, &g);
    int rc = g.failed ? -E_NOMEM : rules_cover(w->a, &g.rules, wanted, &missing);
    if (rc == 1)
        return 0;
    if (rc == 0)
        rc = compact(w->a, &missing, &shown);
    if (rc < 0)
        return rc == -E_LIMIT ? fail_forbidden(w->r, w->resource, w->name,
                                               "the role holds too many rules to be compared")
                              : fail_memory(w->r);
    struct buf text CLEANUP_BUF;
    buf_init(&text, TEXT_BYTES);
    describe(w, &shown, &text);
    return fail_forbidden(w->r, w->resource, w->name, text.failed ? "" : buf_cstr(&text));
}

static bool unchecked(struct write *w)
{
    return user_in(&w->r->user, "system:masters") || !w->api->rbac;
}

int escalation_check_role(struct write *w)
{
    struct rules wanted;
    const char *resource = schema_resource_plural(w->resource);
    bool cluster = !w->ns.n;
    if (unchecked(w) || may(w, "escalate", resource, w->ns, w->name))
        return 0;
    if (w->old && json_equal(json_get(w->old, "rules"), json_get(w->object, "rules")) &&
        json_equal(json_get(w->old, "aggregationRule"), json_get(w->object, "aggregationRule")))
        return 0;
    if (rules_read(w->a, json_get(w->object, "rules"), &wanted) < 0)
        return fail_memory(w->r);
    int rc = confirm(w, &wanted);
    if (rc != 0 || !cluster || json_absent(json_get(w->object, "aggregationRule")))
        return rc;
    /* What an aggregated role will gather is not known: only who may do anything makes one. */
    struct str star = STR("*");
    struct rule all = {{&star, 1}, {&star, 1}, {&star, 1}, {0}, {0}},
                paths = {{&star, 1}, {0}, {0}, {0}, {&star, 1}};
    struct rule both[2] = {all, paths};
    struct rules anything = {both, 2}, missing = {0};
    struct gathering g = {w->a, {0}, false};
    rbac_rules_for(w->api->rbac, &w->r->user, "", gather, &g);
    if (!g.failed && rules_cover(w->a, &g.rules, &anything, &missing) == 1)
        return 0;
    return fail_forbidden(w->r, w->resource, w->name,
                          "must have cluster-admin privileges to use the aggregationRule");
}

int escalation_check_binding(struct write *w)
{
    struct str kind = json_path_str(w->object, "roleRef.kind"),
               name = json_path_str(w->object, "roleRef.name");
    bool role = str_is(kind, "Role");
    if (unchecked(w) || may(w, "bind", role ? "roles" : "clusterroles", w->ns, name))
        return 0;
    if (w->old && json_equal(json_get(w->old, "subjects"), json_get(w->object, "subjects")) &&
        json_equal(json_get(w->old, "roleRef"), json_get(w->object, "roleRef")))
        return 0;
    const struct rules *rules = rbac_role(w->api->rbac, kind, w->ns, name);
    if (!rules) {
        const struct schema_resource *res = schema_resource_find(
            STR("rbac.authorization.k8s.io"), STR("v1"), role ? STR("roles") : STR("clusterroles"));
        return fail_not_found(w->r, res, name);
    }
    return confirm(w, rules);
}
