/*
 * The rules of a ClusterRole with an aggregationRule are those of all cluster roles that its
 * selectors match, in the order of their names, each once.
 */
#include <stdlib.h>

#include "ctl/ctl_int.h"

static const char group[] = "rbac.authorization.k8s.io";

struct aggregation {
    struct ctl_unit unit;
    struct cache *roles;
};

struct gathering {
    struct arena *arena;
    const struct json *selectors;
    const char *self;
    struct ctl_list found;
    int rc;
};

static bool look(void *ctx, struct object *o)
{
    struct gathering *g = ctx;
    if (cstr_eq(o->name, g->self))
        return true;
    g->rc = ctl_list_add(g->arena, &g->found, o);
    if (g->rc < 0)
        return false;
    const struct json *labels = json_path(g->found.at[g->found.count - 1].tree, "metadata.labels");
    for (const struct json *s = json_first(g->selectors); s; s = s->next)
        if (ctl_selects(s, labels))
            return true;
    g->found.count--;
    return true;
}

static int by_name(const void *x, const void *y)
{
    const struct ctl_item *a = x, *b = y;
    return strcmp(a->object->name, b->object->name);
}

static bool has_rule(const struct json *rules, const struct json *rule)
{
    for (const struct json *r = json_first(rules); r; r = r->next)
        if (json_equal(r, rule))
            return true;
    return false;
}

static int reconcile(void *ctx, const char *key, struct arena *a, struct plan *p, struct err *err)
{
    struct aggregation *u = ctx;
    struct ctl_list self = {0};
    const char *none, *name;
    int rc = controller_key(a, key, &none, &name);
    struct object *o = rc < 0 ? NULL : cache_get(u->roles, "", name);
    if (rc < 0)
        return err_set(err, -rc, "key: %s", err_text(rc));
    if (!o || o->deleting)
        return 0;
    if ((rc = ctl_list_add(a, &self, o)) < 0)
        return err_set(err, -rc, "cluster role: %s", err_text(rc));
    struct json *role = self.at[0].tree, *rules = json_new(a, JSON_ARRAY);
    struct gathering g = {
        .arena = a, .selectors = json_path(role, "aggregationRule.clusterRoleSelectors"), .self = name};
    if (!json_count(g.selectors))
        return 0;
    cache_each(u->roles, look, &g);
    if (g.rc < 0)
        return err_set(err, -g.rc, "cluster roles: %s", err_text(g.rc));
    if (g.found.count)
        qsort(g.found.at, g.found.count, sizeof g.found.at[0], by_name);
    for (size_t i = 0; i < g.found.count; i++)
        for (const struct json *r = json_first(json_get(g.found.at[i].tree, "rules")); r; r = r->next)
            if (!has_rule(rules, r))
                json_append(a, rules, json_clone(a, r));
    if (json_equal(rules, json_get(role, "rules")) ||
        (!json_count(rules) && !json_count(json_get(role, "rules"))))
        return 0;
    char *path = client_path(a, group, "v1", NULL, "clusterroles", name, NULL);
    json_set(a, role, "rules", rules);
    if (path)
        plan_update(p, path, role, u->roles);
    return 0;
}

static bool enqueue_aggregated(void *ctx, struct object *o)
{
    struct aggregation *u = ctx;
    /* Only few have the rule; the text is looked for so that none need be decoded. */
    if (str_find(o->json, STR("\"aggregationRule\"")) >= 0)
        controller_enqueue_object(u->unit.controller, o);
    return true;
}

static void changed(void *unit, struct object *old, struct object *new)
{
    struct aggregation *u = unit;
    (void)old;
    (void)new;
    cache_each(u->roles, enqueue_aggregated, u);
}

int aggregation_start(struct ctl *c)
{
    struct ctl_unit *u;
    int rc = ctl_unit_new(c, sizeof(struct aggregation), "clusterrole-aggregation", reconcile, &u);
    struct aggregation *g = (struct aggregation *)u;
    return rc < 0 ? rc
                  : ctl_unit_listen(u, "/apis/rbac.authorization.k8s.io/v1/clusterroles", changed,
                                    &g->roles);
}
