/* What an update does to the entries: its manager gets what it changed, the others lose it. */
#include "schema/managed_int.h"

/* Names, and what the server itself keeps in metadata, belong to nobody. */
static const char *const stripped[] = {"f:apiVersion",
                                       "f:kind",
                                       "f:metadata",
                                       "f:metadata/f:name",
                                       "f:metadata/f:namespace",
                                       "f:metadata/f:creationTimestamp",
                                       "f:metadata/f:selfLink",
                                       "f:metadata/f:uid",
                                       "f:metadata/f:clusterName",
                                       "f:metadata/f:generation",
                                       "f:metadata/f:managedFields",
                                       "f:metadata/f:resourceVersion",
                                       NULL};

int managed_strip(struct arena *a, const struct fieldset *s, struct fieldset *ret)
{
    struct fieldset none;
    int rc = fieldset_of_paths(a, stripped, &none);
    return rc ? rc : fieldset_difference(a, s, &none, ret);
}

static int without_ignored(const struct managed_context *c, struct fieldset *s)
{
    return fieldset_empty(&c->ignored) ? 0 : fieldset_without(c->arena, s, &c->ignored, s);
}

static int compute(struct managed_changes *x, struct str version, struct managed_change *change)
{
    const struct managed_context *c = x->c;
    struct apply_node type = c->type;
    const struct json *old = x->old, *now = x->now;
    struct json *converted;
    int rc = 0;
    if (!str_eq(version, c->version)) {
        if (!c->convert)
            return -E_NOT_FOUND;
        if (old) {
            rc = c->convert(c->ctx, c->version, version, old, &type, &converted);
            old = rc ? NULL : converted;
        }
        rc = rc ? rc : c->convert(c->ctx, c->version, version, now, &type, &converted);
        now = rc ? NULL : converted;
    }
    rc = rc ? rc : apply_compare(c->arena, type, old, now, &change->d);
    rc = rc ? rc : without_ignored(c, &change->d.removed);
    rc = rc ? rc : without_ignored(c, &change->d.modified);
    rc = rc ? rc : without_ignored(c, &change->d.added);
    return rc ? rc : fieldset_union(c->arena, &change->d.modified, &change->d.added, &change->set);
}

int managed_changes_at(struct managed_changes *x, struct str version,
                       const struct managed_change **ret)
{
    for (const struct managed_change *m = x->first; m; m = m->next)
        if (str_eq(m->version, version)) {
            *ret = m;
            return m->known ? 0 : -E_NOT_FOUND;
        }
    struct managed_change *m = arena_zalloc(x->c->arena, sizeof *m);
    if (!m)
        return -E_NOMEM;
    m->version = version;
    int rc = compute(x, version, m);
    if (rc && rc != -E_NOT_FOUND)
        return rc;
    m->known = rc == 0;
    m->next = x->first;
    x->first = m;
    *ret = m;
    return rc;
}

/* An entry loses what was changed or removed. */
static int lose(struct managed *m, struct managed_changes *x, struct managed_entry *e)
{
    const struct managed_change *change;
    struct fieldset left = e->places;
    int rc = managed_changes_at(x, e->version, &change);
    if (rc == -E_NOT_FOUND) {
        e->places = (struct fieldset){.member = false};
        return 0;
    }
    rc = rc ? rc : fieldset_difference(m->arena, &left, &change->set, &left);
    rc = rc ? rc : fieldset_difference(m->arena, &left, &change->d.removed, &left);
    if (rc == 0)
        managed_set_places(e, &left);
    return rc;
}

static int gain(const struct managed_context *c, struct managed *m, struct managed_changes *x,
                struct str manager)
{
    const struct managed_change *change;
    struct fieldset own;
    int rc = managed_changes_at(x, c->version, &change);
    rc = rc ? rc : managed_strip(m->arena, &change->set, &own);
    if (rc || fieldset_empty(&own))
        return rc;
    struct managed_entry *e = managed_find(m, manager, false, c->version, c->subresource);
    e = e ? e : managed_add(m, manager, false, c->version, c->subresource);
    if (!e)
        return -E_NOMEM;
    rc = fieldset_union(m->arena, &e->places, &own, &e->places);
    e->time = str_of(c->now);
    e->kept = NULL;
    return rc;
}

int managed_track(const struct managed_context *c, struct managed *m, struct managed_changes *x,
                  struct str manager)
{
    int rc = 0;
    for (uint32_t i = 0; i < m->count && rc == 0; i++)
        rc = lose(m, x, &m->entries[i]);
    rc = rc ? rc : gain(c, m, x, manager.n ? manager : STR("unknown"));
    return rc ? rc : managed_cap(m);
}

static bool is_reset(const struct json *sent)
{
    const struct json *only = json_first(sent);
    return json_is(sent, JSON_ARRAY) &&
           (json_count(sent) == 0 ||
            (json_count(sent) == 1 && json_is(only, JSON_OBJECT) && json_count(only) == 0));
}

/* The entries to start from; *ret_live: they are the live object's, unchanged. */
static int start(const struct managed_context *c, const struct json *live_list,
                 const struct json *sent, struct managed *ret, bool *ret_live)
{
    struct managed m = {.arena = c->arena};
    int rc = -E_SYNTAX;
    *ret_live = false;
    if (!c->subresource.n && json_is(sent, JSON_ARRAY)) {
        if (is_reset(sent)) {
            *ret = m;
            return 0;
        }
        rc = managed_read(c->arena, sent, &m, NULL);
    }
    if (rc == -E_SYNTAX || (rc == 0 && !m.count)) {
        *ret_live = true;
        m = (struct managed){.arena = c->arena};
        rc = managed_read(c->arena, live_list, &m, NULL);
        if (rc == -E_SYNTAX) {
            m = (struct managed){.arena = c->arena};
            rc = 0;
        }
    }
    if (rc == 0)
        *ret = m;
    return rc;
}

static int update(const struct managed_context *c, const struct json *live, struct json *live_list,
                  struct json *object, const struct json *sent)
{
    struct managed m;
    struct managed_changes changes = {.c = c, .old = live, .now = object};
    const struct managed_change *change;
    bool from_live;
    /* What is not tracked (no entries) stays so until something is applied. */
    bool untracked = live && !json_count(live_list) && !json_count(sent);
    int rc = untracked ? 0 : managed_changes_at(&changes, c->version, &change);
    if (untracked || rc)
        return rc;
    /* Mostly nothing is sent, or what was read before. */
    bool same_list =
        live_list && (!json_count(sent) || c->subresource.n || json_equal(sent, live_list));
    if (same_list && apply_same(&change->d) && !is_reset(sent)) {
        managed_attach(object, json_clone(c->arena, live_list));
        return c->arena->failed ? -E_NOMEM : 0;
    }
    rc = start(c, live_list, sent, &m, &from_live);
    if (rc || (live && !m.count))
        return rc;
    rc = managed_reconcile(&m, c);
    rc = rc ? rc : managed_track(c, &m, &changes, c->manager);
    for (uint32_t i = 0; i < m.count && rc == 0; i++)
        if (m.entries[i].kept && !(m.entries[i].kept = json_clone(c->arena, m.entries[i].kept)))
            rc = -E_NOMEM;
    return rc ? rc : managed_write(&m, object);
}

int managed_update(const struct managed_context *c, struct json *live, struct json *object,
                   const struct json *sent)
{
    managed_detach(object);
    struct json *live_list = live ? managed_detach(live) : NULL;
    int rc = update(c, live, live_list, object, sent);
    if (rc && rc != -E_NOMEM) {
        /* An object that does not fit its own type keeps the entries it has. */
        managed_attach(object, json_clone(c->arena, live_list));
        rc = c->arena->failed ? -E_NOMEM : 0;
    }
    if (live)
        managed_attach(live, live_list);
    return rc;
}
