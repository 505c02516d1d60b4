/* See rules.h; the matching is that of k8s.io/component-helpers/auth/rbac/validation. */
#include "api/auth/rules.h"

enum { PARTS_MOST = 16384 }; /* that one check of coverage looks at */

/* ---- reading ---- */

static int read_strs(struct arena *a, const struct json *array, struct strs *ret)
{
    uint32_t n = json_count(array);
    *ret = (struct strs){0};
    if (!n)
        return 0;
    ret->at = arena_alloc(a, n * sizeof *ret->at);
    if (!ret->at)
        return -E_NOMEM;
    for (const struct json *m = json_first(array); m; m = m->next) {
        ret->at[ret->count] = arena_str(a, json_str(m));
        if (!ret->at[ret->count++].p)
            return -E_NOMEM;
    }
    return 0;
}

static int read_rule(struct arena *a, const struct json *j, struct rule *r)
{
    int rc = read_strs(a, json_get(j, "verbs"), &r->verbs);
    if (rc == 0)
        rc = read_strs(a, json_get(j, "apiGroups"), &r->groups);
    if (rc == 0)
        rc = read_strs(a, json_get(j, "resources"), &r->resources);
    if (rc == 0)
        rc = read_strs(a, json_get(j, "resourceNames"), &r->names);
    return rc < 0 ? rc : read_strs(a, json_get(j, "nonResourceURLs"), &r->urls);
}

int rules_read(struct arena *a, const struct json *array, struct rules *ret)
{
    struct rules r = {0};
    uint32_t n = json_count(array);
    if (n && !(r.at = arena_zalloc(a, n * sizeof *r.at)))
        return -E_NOMEM;
    for (const struct json *m = json_first(array); m; m = m->next) {
        int rc = read_rule(a, m, &r.at[r.count++]);
        if (rc < 0)
            return rc;
    }
    *ret = r;
    return 0;
}

static void put_strs(struct arena *a, struct json *to, const char *name, const struct strs *s)
{
    for (size_t i = 0; i < s->count; i++)
        json_append(a, json_array_at(a, to, name), json_new_str(a, s->at[i]));
}

struct json *rule_json(struct arena *a, const struct rule *r)
{
    struct json *j = json_new(a, JSON_OBJECT);
    put_strs(a, j, "verbs", &r->verbs);
    put_strs(a, j, "apiGroups", &r->groups);
    put_strs(a, j, "resources", &r->resources);
    put_strs(a, j, "resourceNames", &r->names);
    put_strs(a, j, "nonResourceURLs", &r->urls);
    return j;
}

/* ---- matching ---- */

bool strs_have(const struct strs *s, struct str wanted)
{
    for (size_t i = 0; i < s->count; i++)
        if (str_eq(s->at[i], wanted))
            return true;
    return false;
}

static bool have_or_star(const struct strs *s, struct str wanted)
{
    for (size_t i = 0; i < s->count; i++)
        if (str_eq(s->at[i], wanted) || str_is(s->at[i], "*"))
            return true;
    return false;
}

/* "pods", "pods/log", "*", and "*" "/log" for that subresource of anything. */
static bool resource_is(struct str rule, struct str resource, struct str sub)
{
    if (str_is(rule, "*"))
        return true;
    if (!sub.n)
        return str_eq(rule, resource);
    if (rule.n == sub.n + 2 && rule.p[0] == '*' && rule.p[1] == '/')
        return memcmp(rule.p + 2, sub.p, sub.n) == 0;
    return rule.n == resource.n + 1 + sub.n && rule.p[resource.n] == '/' &&
           memcmp(rule.p, resource.p, resource.n) == 0 &&
           memcmp(rule.p + resource.n + 1, sub.p, sub.n) == 0;
}

static bool resources_have(const struct strs *s, struct str resource, struct str sub)
{
    for (size_t i = 0; i < s->count; i++)
        if (resource_is(s->at[i], resource, sub))
            return true;
    return false;
}

static bool url_is(struct str rule, struct str path)
{
    if (str_is(rule, "*") || str_eq(rule, path))
        return true;
    if (!rule.n || rule.p[rule.n - 1] != '*')
        return false;
    while (rule.n && rule.p[rule.n - 1] == '*')
        rule.n--;
    return str_starts(path, rule);
}

static bool urls_have(const struct strs *s, struct str path)
{
    for (size_t i = 0; i < s->count; i++)
        if (url_is(s->at[i], path))
            return true;
    return false;
}

bool rule_allows(const struct rule *r, const struct auth_ask *ask)
{
    if (!have_or_star(&r->verbs, str_of(ask->verb)))
        return false;
    if (!ask->is_resource)
        return urls_have(&r->urls, str_of(ask->path));
    return resources_have(&r->resources, str_of(ask->resource), str_of(ask->subresource)) &&
           have_or_star(&r->groups, str_of(ask->group)) &&
           (!r->names.count || strs_have(&r->names, str_of(ask->name)));
}

/* ---- coverage ---- */

int rules_add(struct arena *a, struct rules *to, const struct rule *r)
{
    /* Grown at each power of two: the room is the next one above the count. */
    if ((to->count & (to->count - 1)) == 0) {
        size_t room = to->count ? to->count * 2 : 1;
        struct rule *at = arena_alloc(a, room * sizeof *at);
        if (!at)
            return -E_NOMEM;
        if (to->count)
            memcpy(at, to->at, to->count * sizeof *at);
        to->at = at;
    }
    to->at[to->count++] = *r;
    return 0;
}

/* A rule of single values: one verb on one resource of one group, perhaps of one name; or a URL. */
static bool part_covered(const struct rules *have, const struct rule *p)
{
    for (size_t i = 0; i < have->count; i++) {
        const struct rule *h = &have->at[i];
        if (!have_or_star(&h->verbs, p->verbs.at[0]))
            continue;
        if (p->urls.count) {
            if (urls_have(&h->urls, p->urls.at[0]))
                return true;
            continue;
        }
        struct str whole = p->resources.at[0], resource = whole, sub = STR("");
        ptrdiff_t slash = str_find_byte(whole, '/');
        if (slash >= 0) {
            resource.n = (size_t)slash;
            sub = str_make(whole.p + slash + 1, whole.n - (size_t)slash - 1);
        }
        if (resources_have(&h->resources, resource, sub) &&
            have_or_star(&h->groups, p->groups.at[0]) &&
            (!h->names.count || (p->names.count && strs_have(&h->names, p->names.at[0]))))
            return true;
    }
    return false;
}

struct cover {
    struct arena *arena;
    const struct rules *have;
    struct rules *missing;
    size_t looked;
};

/* verb, group, resource, name: the one value each, or NULL. */
static int look_at(struct cover *c, struct str *verb, struct str *group, struct str *resource,
                   struct str *name, struct str *url)
{
    struct rule part = {{verb, 1},
                        {group, group != NULL},
                        {resource, resource != NULL},
                        {name, name != NULL},
                        {url, url != NULL}};
    if (++c->looked > PARTS_MOST)
        return -E_LIMIT;
    return part_covered(c->have, &part) ? 0 : rules_add(c->arena, c->missing, &part);
}

static int cover_resources(struct cover *c, const struct rule *r, struct str *verb)
{
    int rc = 0;
    for (size_t g = 0; g < r->groups.count && rc == 0; g++)
        for (size_t s = 0; s < r->resources.count && rc == 0; s++) {
            if (!r->names.count)
                rc = look_at(c, verb, &r->groups.at[g], &r->resources.at[s], NULL, NULL);
            for (size_t n = 0; n < r->names.count && rc == 0; n++)
                rc = look_at(c, verb, &r->groups.at[g], &r->resources.at[s], &r->names.at[n], NULL);
        }
    return rc;
}

int rules_cover(struct arena *a, const struct rules *have, const struct rules *wanted,
                struct rules *missing)
{
    struct cover c = {a, have, missing, 0};
    int rc = 0;
    for (size_t i = 0; i < wanted->count && rc == 0; i++) {
        const struct rule *r = &wanted->at[i];
        for (size_t v = 0; v < r->verbs.count && rc == 0; v++) {
            rc = cover_resources(&c, r, &r->verbs.at[v]);
            for (size_t u = 0; u < r->urls.count && rc == 0; u++)
                rc = look_at(&c, &r->verbs.at[v], NULL, NULL, NULL, &r->urls.at[u]);
        }
    }
    return rc < 0 ? rc : missing->count == 0;
}

/* ---- description ---- */

static bool put_list(struct buf *out, const char *label, const struct strs *s, bool first)
{
    if (!s->count)
        return first;
    buf_puts(out, first ? "" : ", ");
    buf_puts(out, label);
    buf_puts(out, ":[");
    for (size_t i = 0; i < s->count; i++) {
        buf_puts(out, i ? " " : "");
        json_write_string(out, s->at[i]);
    }
    buf_puts(out, "]");
    return false;
}

void rule_describe(struct buf *out, const struct rule *r)
{
    buf_puts(out, "{");
    bool first = put_list(out, "APIGroups", &r->groups, true);
    first = put_list(out, "Resources", &r->resources, first);
    first = put_list(out, "NonResourceURLs", &r->urls, first);
    first = put_list(out, "ResourceNames", &r->names, first);
    put_list(out, "Verbs", &r->verbs, first);
    buf_puts(out, "}");
}
