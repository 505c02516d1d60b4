/* Policies and what they say of a request (k8s.io/apiserver/pkg/audit/policy). */
#include "api/audit/audit.h"

enum { POLICY_BYTES = 4 * 1024 * 1024 };

static const char *const levels[] = {"None", "Metadata", "Request", "RequestResponse"};
static const char *const stages[] = {"RequestReceived", "ResponseStarted", "ResponseComplete"};

struct audit_rule {
    const struct json *json;
    enum audit_level level;
    bool omits[AUDIT_STAGES], omits_managed_fields;
};

struct audit_policy {
    struct arena arena;
    struct audit_rule rules[AUDIT_RULES];
    size_t count;
};

/* ---- reading ---- */

static int wrong(struct err *err, const char *path, int64_t at, const char *expected)
{
    return at < 0 ? err_set(err, E_INVALID, "%s in %s", expected, path[0] == '.' ? path + 1 : path)
                  : err_set(err, E_INVALID, "%s in rules[%lld]%s", expected, (long long)at, path);
}

static int read_stages(const struct json *list, bool omits[AUDIT_STAGES], int64_t at,
                       struct err *err)
{
    for (const struct json *m = json_first(list); m; m = m->next) {
        size_t i = 0;
        while (i < AUDIT_STAGES && !str_is(json_str(m), stages[i]))
            i++;
        if (i < AUDIT_STAGES)
            omits[i] = true;
        else if (!str_is(json_str(m), "Panic")) /* there is none here to leave out */
            return wrong(err, ".omitStages", at,
                         "RequestReceived, ResponseStarted, ResponseComplete or Panic");
    }
    return 0;
}

static int check_texts(const struct json *list, const char *path, int64_t at, struct err *err)
{
    if (!json_absent(list) && !json_is(list, JSON_ARRAY))
        return wrong(err, path, at, "a list of texts");
    for (const struct json *m = json_first(list); m; m = m->next)
        if (!json_is(m, JSON_STRING))
            return wrong(err, path, at, "a list of texts");
    return 0;
}

static int check_resources(const struct json *list, int64_t at, struct err *err)
{
    int rc = 0;
    for (const struct json *g = json_first(list); g && rc == 0; g = g->next) {
        rc = check_texts(json_get(g, "resources"), ".resources.resources", at, err);
        if (rc == 0)
            rc = check_texts(json_get(g, "resourceNames"), ".resources.resourceNames", at, err);
        if (rc == 0 && json_count(json_get(g, "resourceNames")) &&
            !json_count(json_get(g, "resources")))
            rc = wrong(err, ".resources.resourceNames", at,
                       "resources too: using resourceNames requires at least one resource");
    }
    return rc;
}

static int read_rule(const struct json *j, struct audit_rule *rule, int64_t at, struct err *err)
{
    static const char *const lists[] = {".users", ".userGroups", ".verbs", ".namespaces",
                                        ".nonResourceURLs", ".omitStages"};
    int rc = 0;
    size_t level = 0;
    rule->json = j;
    while (level < 4 && !str_is(json_path_str(j, "level"), levels[level]))
        level++;
    if (level == 4)
        return wrong(err, ".level", at, "None, Metadata, Request or RequestResponse");
    rule->level = (enum audit_level)level;
    for (size_t i = 0; i < sizeof lists / sizeof lists[0] && rc == 0; i++)
        rc = check_texts(json_get(j, lists[i] + 1), lists[i], at, err);
    if (rc == 0)
        rc = check_resources(json_get(j, "resources"), at, err);
    if (rc == 0)
        rc = read_stages(json_get(j, "omitStages"), rule->omits, at, err);
    if (rc == 0 && json_count(json_get(j, "nonResourceURLs")) &&
        (json_count(json_get(j, "resources")) || json_count(json_get(j, "namespaces"))))
        rc = wrong(err, "", at,
                   "either nonResourceURLs or resources and namespaces: rules cannot apply to both");
    return rc;
}

static int read_policy(struct audit_policy *p, const struct json *j, struct err *err)
{
    const struct json *rules = json_get(j, "rules");
    bool omits[AUDIT_STAGES] = {false}, managed = json_path_bool(j, "omitManagedFields", false);
    int rc = read_stages(json_get(j, "omitStages"), omits, -1, err);
    if (rc == 0 && !json_count(rules))
        return err_set(err, E_INVALID, "at least one rule in rules");
    if (json_count(rules) > AUDIT_RULES)
        return err_set(err, E_INVALID, "at most %d rules", (int)AUDIT_RULES);
    for (const struct json *m = json_first(rules); m && rc == 0; m = m->next) {
        struct audit_rule *rule = &p->rules[p->count];
        memcpy(rule->omits, omits, sizeof omits);
        rc = read_rule(m, rule, (int64_t)p->count, err);
        rule->omits_managed_fields = json_path_bool(m, "omitManagedFields", managed);
        p->count++;
    }
    return rc;
}

int audit_policy_new(const struct json *policy, struct audit_policy **ret, struct err *err)
{
    struct audit_policy *p = mem_zalloc(sizeof *p);
    if (!p)
        return err_set(err, E_NOMEM, "out of memory");
    arena_init(&p->arena, POLICY_BYTES);
    const struct json *copy = json_clone(&p->arena, policy);
    int rc = copy ? read_policy(p, copy, err) : err_set(err, E_NOMEM, "out of memory");
    if (rc < 0)
        audit_policy_free(p);
    else
        *ret = p;
    return rc;
}

void audit_policy_free(struct audit_policy *p)
{
    if (!p)
        return;
    arena_done(&p->arena);
    mem_free(p);
}

/* ---- matching ---- */

static bool has(const struct json *list, struct str s)
{
    for (const struct json *m = json_first(list); m; m = m->next)
        if (str_eq(json_str(m), s))
            return true;
    return false;
}

/* "*", "pods", "pods/log", "*" + "/log", "pods/" + "*" */
static bool resource_is(struct str wanted, struct str resource, struct str sub)
{
    if (str_is(wanted, "*"))
        return true;
    ptrdiff_t slash = str_find_byte(wanted, '/');
    if (slash < 0)
        return !sub.n && str_eq(wanted, resource);
    struct str main = str_make(wanted.p, (size_t)slash),
               part = str_make(wanted.p + slash + 1, wanted.n - (size_t)slash - 1);
    if (str_is(main, "*"))
        return sub.n && str_eq(part, sub);
    return str_eq(main, resource) && (str_is(part, "*") || (sub.n && str_eq(part, sub)));
}

static bool resources_match(const struct json *rule, const struct url *u)
{
    const struct json *namespaces = json_get(rule, "namespaces"),
                      *groups = json_get(rule, "resources");
    if (!u->is_resource || (json_count(namespaces) && !has(namespaces, u->ns)))
        return false;
    for (const struct json *g = json_first(groups); g; g = g->next) {
        const struct json *names = json_get(g, "resourceNames"), *list = json_get(g, "resources");
        if (!str_eq(json_path_str(g, "group"), u->group))
            continue;
        if (!json_count(list))
            return true;
        for (const struct json *m = json_first(list); m; m = m->next)
            if (resource_is(json_str(m), u->resource, u->subresource) &&
                (!json_count(names) || has(names, u->name)))
                return true;
    }
    return !json_count(groups);
}

static bool paths_match(const struct json *list, const struct url *u)
{
    for (const struct json *m = json_first(list); m && !u->is_resource; m = m->next) {
        struct str p = json_str(m);
        bool open = p.n && p.p[p.n - 1] == '*';
        if (open ? str_starts(u->path, str_make(p.p, p.n - 1)) : str_eq(p, u->path))
            return true;
    }
    return false;
}

static bool rule_matches(const struct json *rule, const struct api_request *r)
{
    const struct json *users = json_get(rule, "users"), *groups = json_get(rule, "userGroups"),
                      *verbs = json_get(rule, "verbs"), *paths = json_get(rule, "nonResourceURLs");
    bool member = !json_count(groups);
    if (json_count(users) && !has(users, str_of(r->user.name)))
        return false;
    for (size_t i = 0; i < r->user.group_count && !member; i++)
        member = has(groups, str_of(r->user.groups[i]));
    if (!member || (json_count(verbs) && !has(verbs, str_of(r->url.verb))))
        return false;
    if (json_count(json_get(rule, "namespaces")) || json_count(json_get(rule, "resources")))
        return resources_match(rule, &r->url);
    return !json_count(paths) || paths_match(paths, &r->url);
}

struct audit_decision audit_policy_decide(const struct audit_policy *p, const struct api_request *r)
{
    struct audit_decision d = {.level = AUDIT_NONE};
    for (size_t i = 0; i < p->count; i++) {
        const struct audit_rule *rule = &p->rules[i];
        if (!rule_matches(rule->json, r))
            continue;
        d.level = rule->level;
        d.omits_managed_fields = rule->omits_managed_fields;
        memcpy(d.omits, rule->omits, sizeof d.omits);
        break;
    }
    return d;
}
