/*
 * All resources there are: those of the tables, then those of definitions and of other API servers,
 * group by group. A
 * group's versions come by upstream's order (v2, v1, v1beta1, then others by name).
 */
#include "api/aggregate/aggregate.h"
#include "api/crd/crd.h"

#include <stdlib.h>

struct priority {
    int stage; /* 3: vN; 2: vNbetaM; 1: vNalphaM; 0: anything else */
    uint64_t major, minor;
};

static bool take_number(struct str *s, uint64_t *ret)
{
    size_t n = 0;
    while (n < s->n && s->p[n] >= '0' && s->p[n] <= '9')
        n++;
    if (!n || s->p[0] == '0' || str_to_u64(str_make(s->p, n), ret) < 0)
        return false;
    *s = str_make(s->p + n, s->n - n);
    return true;
}

static struct priority priority_of(struct str version)
{
    struct priority p = {0, 0, 0}, none = {0, 0, 0};
    if (!str_starts(version, STR("v")))
        return none;
    struct str rest = str_make(version.p + 1, version.n - 1);
    if (!take_number(&rest, &p.major))
        return none;
    p.stage = 3;
    if (!rest.n)
        return p;
    p.stage = str_starts(rest, STR("beta")) ? 2 : str_starts(rest, STR("alpha")) ? 1 : 0;
    size_t word = p.stage == 2 ? 4 : 5;
    if (!p.stage)
        return none;
    rest = str_make(rest.p + word, rest.n - word);
    return take_number(&rest, &p.minor) && !rest.n ? p : none;
}

static int compare_versions(const char *x, const char *y)
{
    struct priority a = priority_of(str_of(x)), b = priority_of(str_of(y));
    if (a.stage != b.stage)
        return b.stage - a.stage;
    if (!a.stage)
        return strcmp(x, y);
    if (a.major != b.major)
        return a.major > b.major ? -1 : 1;
    return a.minor == b.minor ? 0 : a.minor > b.minor ? -1 : 1;
}

static int by_group_version(const void *x, const void *y)
{
    const struct schema_group_version *a = x, *b = y;
    int c = strcmp(a->group, b->group);
    return c ? c : compare_versions(a->version, b->version);
}

struct making {
    struct schema_group_version *versions;
    const struct schema_resource **resources;
    size_t version_count, resource_count, fixed; /* fixed: versions of the tables */
};

static void add_version(struct making *m, const struct crd_version *v)
{
    const struct schema_resource *const of[] = {v->main, v->status, v->scale};
    struct schema_group_version gv = {v->names.group, v->name};
    bool known = false;
    for (size_t i = 0; i < m->version_count && !known; i++)
        known = cstr_eq(m->versions[i].group, gv.group) &&
                cstr_eq(m->versions[i].version, gv.version);
    if (!known)
        m->versions[m->version_count++] = gv;
    for (size_t i = 0; i < 3; i++)
        if (of[i])
            m->resources[m->resource_count++] = of[i];
}

static void add_aggregate(struct making *m, const struct aggregate *g)
{
    m->versions[m->version_count++] = (struct schema_group_version){g->group, g->version};
    for (size_t i = 0; i < g->resource_count; i++)
        m->resources[m->resource_count++] = g->resources[i];
}

/* Versions of a group that the tables have too go behind that group's own. */
static void place_versions(struct making *m)
{
    qsort(m->versions + m->fixed, m->version_count - m->fixed, sizeof m->versions[0],
          by_group_version);
    for (size_t i = m->fixed; i < m->version_count; i++) {
        struct schema_group_version gv = m->versions[i];
        size_t at = 0;
        for (size_t k = 0; k < i; k++)
            if (cstr_eq(m->versions[k].group, gv.group))
                at = k + 1;
        if (!at)
            continue;
        memmove(m->versions + at + 1, m->versions + at, (i - at) * sizeof gv);
        m->versions[at] = gv;
    }
}

int catalog_make(struct api *api, struct arena *a, struct catalog *ret)
{
    struct crd *const *all;
    size_t count, served = 0;
    int rc = crd_all(api, &all, &count);
    if (rc < 0)
        return rc;
    for (size_t i = 0; i < count; i++)
        served += all[i]->version_count;
    size_t others = 0, parts = 0;
    const struct aggregate *g;
    LIST_EACH(g, aggregates_all(api), link) {
        others++;
        parts += g->resource_count;
    }
    struct making m = {.fixed = schema_group_version_count()};
    m.versions = arena_alloc(a, (m.fixed + served + others) * sizeof m.versions[0]);
    m.resources = arena_alloc(a, (schema_resource_count() + 3 * served + parts) *
                                     sizeof(const struct schema_resource *));
    if (!m.versions || !m.resources)
        return -E_NOMEM;
    for (; m.version_count < m.fixed; m.version_count++)
        m.versions[m.version_count] = schema_group_version_at(m.version_count);
    for (; m.resource_count < schema_resource_count(); m.resource_count++)
        m.resources[m.resource_count] = schema_resource_at(m.resource_count);
    for (size_t i = 0; i < count; i++)
        for (size_t k = 0; k < all[i]->version_count; k++)
            if (all[i]->versions[k].served)
                add_version(&m, &all[i]->versions[k]);
    LIST_EACH(g, aggregates_all(api), link)
        add_aggregate(&m, g);
    place_versions(&m);
    *ret = (struct catalog){m.versions, m.version_count, m.resources, m.resource_count};
    return 0;
}
