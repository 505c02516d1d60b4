/* Server-side apply: one manager's configuration laid over an object. */
#include "base/limits.h"
#include "schema/apply_int.h"
#include "schema/managed_int.h"

struct apply {
    const struct managed_context *c;
    struct arena *arena;
    struct managed m;
    struct json *live; /* without its entries; an empty object when there is none */
    const struct json *config;
    struct str manager;
    struct err *err;
};

static int fail_memory(struct apply *p)
{
    return err_set(p->err, E_NOMEM, "out of memory while applying");
}

static int reason(struct apply *p, int rc)
{
    return rc == -E_NOMEM ? fail_memory(p) : rc;
}

/* ---- what the manager no longer names goes ---- */

static int in_version(struct apply *p, struct str from, struct str to, const struct json *object,
                      struct apply_node *type, struct json **ret)
{
    *type = p->c->type;
    if (!str_eq(from, to)) {
        if (!p->c->convert)
            return -E_NOT_FOUND;
        return p->c->convert(p->c->ctx, from, to, object, type, ret);
    }
    *ret = json_clone(p->arena, object);
    return *ret ? 0 : -E_NOMEM;
}

static int places_with_parents(struct apply *p, struct apply_node type, const struct json *object,
                               struct fieldset *ret)
{
    struct fieldset s;
    int rc = apply_places(p->arena, type, object, &s);
    return rc ? rc : apply_with_parents(p->arena, type, &s, ret);
}

/*
 * pruned := merged without what went from pruned and is not in keep; with only, without what is in
 * only at most. Both trees are of the same version.
 */
static int put_back(struct apply *p, struct apply_node type, const struct json *merged,
                    struct json **pruned, const struct fieldset *keep, const struct fieldset *only)
{
    struct fieldset all, left, gone;
    struct json *out = json_clone(p->arena, merged);
    int rc = out ? places_with_parents(p, type, merged, &all) : -E_NOMEM;
    rc = rc ? rc : places_with_parents(p, type, *pruned, &left);
    if (rc == 0 && keep) {
        struct fieldset kept;
        rc = apply_with_parents(p->arena, type, keep, &kept);
        rc = rc ? rc : fieldset_union(p->arena, &left, &kept, &left);
    }
    rc = rc ? rc : fieldset_difference(p->arena, &all, &left, &gone);
    if (rc == 0 && only)
        rc = fieldset_intersection(p->arena, &gone, only, &gone);
    rc = rc ? rc : apply_remove(p->arena, type, out, &gone);
    if (rc == 0)
        *pruned = out;
    return rc;
}

static int union_of_version(struct apply *p, struct str version, struct fieldset *ret)
{
    struct fieldset all = {.member = false};
    int rc = 0;
    for (uint32_t i = 0; i < p->m.count && rc == 0; i++)
        if (str_eq(p->m.entries[i].version, version))
            rc = fieldset_union(p->arena, &all, &p->m.entries[i].places, &all);
    if (rc == 0)
        *ret = all;
    return rc;
}

/* What anybody owns comes back, in every version that is spoken; *at: the version of *pruned. */
static int put_back_owned(struct apply *p, const struct json *merged, struct str merged_at,
                          struct json **pruned, struct str *at)
{
    struct str first = *at;
    for (int64_t i = -1; i < (int64_t)p->m.count; i++) {
        struct str version = i < 0 ? first : p->m.entries[i].version;
        struct apply_node type;
        struct json *whole, *part;
        struct fieldset owned;
        bool seen = i >= 0 && str_eq(version, first);
        for (int64_t k = 0; k < i && !seen; k++)
            seen = str_eq(p->m.entries[k].version, version);
        if (seen)
            continue;
        int rc = in_version(p, merged_at, version, merged, &type, &whole);
        rc = rc ? rc : in_version(p, *at, version, *pruned, &type, &part);
        if (rc == -E_NOT_FOUND)
            continue;
        rc = rc ? rc : union_of_version(p, version, &owned);
        rc = rc ? rc : put_back(p, type, whole, &part, &owned, NULL);
        if (rc)
            return rc;
        *pruned = part;
        *at = version;
    }
    return 0;
}

/* Takes out of *merged what the manager applied before and nobody names now. */
static int prune(struct apply *p, struct json **merged, const struct fieldset *last, struct str at)
{
    struct apply_node type;
    struct json *whole, *pruned, *part;
    struct fieldset parents;
    struct str now = p->c->version, where = at;
    int rc = in_version(p, now, at, *merged, &type, &whole);
    if (rc == -E_NOT_FOUND)
        return 0;
    rc = rc ? rc : apply_with_parents(p->arena, type, last, &parents);
    pruned = rc ? NULL : json_clone(p->arena, whole);
    if (rc || !pruned)
        return rc ? rc : -E_NOMEM;
    rc = apply_remove(p->arena, type, pruned, &parents);
    rc = rc ? rc : put_back_owned(p, whole, at, &pruned, &where);
    rc = rc ? rc : in_version(p, where, at, pruned, &type, &part);
    /* Only what this manager had may go: what hangs loose belongs to no applier. */
    rc = rc ? rc : put_back(p, type, whole, &part, NULL, &parents);
    rc = rc ? rc : in_version(p, at, now, part, &type, &pruned);
    if (rc == 0)
        *merged = pruned;
    return rc;
}

/* ---- conflicts ---- */

struct gather {
    struct apply *p;
    struct managed_result *result;
    struct managed_conflict **link;
    const char *manager;
};

static int on_conflict(void *ctx, const char *path)
{
    struct gather *g = ctx;
    struct managed_conflict *one = arena_alloc(g->p->arena, sizeof *one);
    char *copy = arena_strdup(g->p->arena, path);
    if (!one || !copy)
        return -E_NOMEM;
    *one = (struct managed_conflict){.manager = g->manager, .path = copy};
    *g->link = one;
    g->link = &one->next;
    g->result->conflict_count++;
    return 0;
}

static const char *manager_text(struct apply *p, const struct managed_entry *e)
{
    CLEANUP_BUF struct buf b;
    buf_init(&b, 64 * 1024);
    json_write_string(&b, e->manager);
    if (e->subresource.n) {
        buf_puts(&b, " with subresource ");
        json_write_string(&b, e->subresource);
    }
    if (!e->applied)
        buf_printf(&b, " using " STR_FMT, STR_ARG(e->version));
    return b.failed ? NULL : arena_strdup(p->arena, buf_cstr(&b));
}

static int conflict_places(struct apply *p, struct managed_changes *x,
                           const struct managed_entry *e, const struct fieldset *allowed,
                           struct fieldset *ret)
{
    const struct managed_change *change;
    struct fieldset s;
    int rc = managed_changes_at(x, e->version, &change);
    if (rc == -E_NOT_FOUND) {
        *ret = (struct fieldset){.member = false};
        return 0;
    }
    rc = rc ? rc : fieldset_intersection(p->arena, &e->places, &change->set, &s);
    if (rc == 0 && allowed)
        rc = fieldset_difference(p->arena, &s, allowed, &s);
    if (rc == 0)
        *ret = s;
    return rc;
}

/* Managers by name, so that the answer does not depend on when they wrote. */
static const struct managed_entry *next_manager(const struct managed *m,
                                                const struct managed_entry *after)
{
    const struct managed_entry *best = NULL;
    for (uint32_t i = 0; i < m->count; i++) {
        const struct managed_entry *e = &m->entries[i];
        int c = after ? str_cmp(e->manager, after->manager) : 1;
        if (c < 0 || (c == 0 && e <= after))
            continue;
        c = best ? str_cmp(e->manager, best->manager) : -1;
        if (c < 0)
            best = e;
    }
    return best;
}

static int find_conflicts(struct apply *p, struct managed_changes *x,
                          const struct managed_entry *own, const struct fieldset *allowed,
                          struct managed_result *result)
{
    struct gather g = {.p = p, .result = result, .link = &result->conflicts};
    int rc = 0;
    result->conflicts = NULL;
    result->conflict_count = 0;
    for (const struct managed_entry *e = next_manager(&p->m, NULL); e && rc == 0;
         e = next_manager(&p->m, e)) {
        struct fieldset s;
        if (e == own)
            continue;
        rc = conflict_places(p, x, e, allowed, &s);
        g.manager = manager_text(p, e);
        rc = rc ? rc : g.manager ? fieldset_each(p->arena, &s, on_conflict, &g) : -E_NOMEM;
    }
    return rc ? rc : result->conflict_count ? -E_CONFLICT : 0;
}

const char *managed_conflict_message(struct arena *a, const struct managed_result *r)
{
    CLEANUP_BUF struct buf b;
    const char *last = NULL;
    buf_init(&b, LIMIT_BODY_BYTES);
    if (r->conflict_count == 1)
        return arena_printf(a, "Apply failed with 1 conflict: conflict with %s: %s",
                            r->conflicts->manager, r->conflicts->path);
    buf_printf(&b, "Apply failed with %u conflicts: ", (unsigned)r->conflict_count);
    for (const struct managed_conflict *c = r->conflicts; c; c = c->next) {
        if (c->manager != last)
            buf_printf(&b, "%sconflicts with %s:", last ? "\n" : "", c->manager);
        buf_printf(&b, "\n- %s", c->path);
        last = c->manager;
    }
    return b.failed ? NULL : arena_strdup(a, buf_cstr(&b));
}

/* ---- client-side apply ---- */

#define LAST_APPLIED "kubectl.kubernetes.io/last-applied-configuration"

static struct json *last_applied(const struct json *object)
{
    return json_get(json_path(object, "metadata.annotations"), LAST_APPLIED);
}

/* What kubectl applied from its side, as far as the object still has it: no conflicts with
 * kubectl itself. -E_NOT_FOUND: nothing of the kind. */
static int allowed_conflicts(struct apply *p, struct fieldset *ret)
{
    struct arena *a = p->arena;
    struct str text = json_str(last_applied(p->live));
    struct json *old;
    struct apply_difference d;
    struct fieldset s;
    const char *problems;
    if (!text.n || json_parse(a, text, NULL, &old, NULL) ||
        !str_eq(json_str(json_get(old, "apiVersion")), p->c->version) ||
        apply_check(a, p->c->type, old, &problems))
        return a->failed ? -E_NOMEM : -E_NOT_FOUND;
    int rc = apply_places(a, p->c->type, old, &s);
    rc = rc ? rc : apply_compare(a, p->c->type, old, p->live, &d);
    rc = rc ? rc : fieldset_difference(a, &s, &d.modified, &s);
    rc = rc ? rc : fieldset_difference(a, &s, &d.added, &s);
    rc = rc ? rc : fieldset_difference(a, &s, &d.removed, &s);
    if (rc == 0)
        *ret = s;
    return rc == -E_NOMEM ? rc : rc ? -E_NOT_FOUND : 0;
}

static void write_sorted(struct arena *a, struct buf *out, const struct json *j);

static void write_sorted_members(struct arena *a, struct buf *out, const struct json *object)
{
    struct fieldset names = {.member = false};
    struct apply_index members;
    apply_index_members(a, object, &members);
    for (const struct json *m = json_first(object); m; m = m->next) {
        struct fieldset one = {.element = fieldset_name(a, m->key), .member = true};
        if (!one.element.p || fieldset_add(a, &names, &one))
            return;
    }
    fieldset_sort(&names);
    buf_putc(out, '{');
    for (uint32_t i = 0; i < names.count; i++) {
        struct str key = names.children[i].element;
        key = str_make(key.p + 2, key.n - 2);
        buf_puts(out, i ? "," : "");
        json_write_string(out, key);
        buf_putc(out, ':');
        write_sorted(a, out, apply_index_member(&members, key));
    }
    buf_putc(out, '}');
}

/* Go writes maps in the order of their keys. */
static void write_sorted(struct arena *a, struct buf *out, const struct json *j)
{
    if (json_is(j, JSON_OBJECT)) {
        write_sorted_members(a, out, j);
    } else if (json_is(j, JSON_ARRAY)) {
        buf_putc(out, '[');
        for (const struct json *e = json_first(j); e; e = e->next) {
            buf_puts(out, e == json_first(j) ? "" : ",");
            write_sorted(a, out, e);
        }
        buf_putc(out, ']');
    } else {
        json_write(out, j);
    }
}

/* An object that client-side apply has known goes on to carry what was applied. */
static int note_last_applied(struct apply *p, struct json *object)
{
    CLEANUP_BUF struct buf b;
    struct json *config;
    buf_init(&b, LIMIT_BODY_BYTES);
    if (!str_is(p->manager, "kubectl") || !json_str(last_applied(object)).n)
        return 0;
    config = json_clone(p->arena, p->config);
    if (last_applied(config))
        json_remove(json_path(config, "metadata.annotations"), LAST_APPLIED);
    write_sorted(p->arena, &b, config);
    buf_putc(&b, '\n');
    if (b.failed || p->arena->failed)
        return -E_NOMEM;
    json_set_str(p->arena, json_path(object, "metadata.annotations"), LAST_APPLIED, buf_str(&b));
    return p->arena->failed ? -E_NOMEM : 0;
}

/* ---- the whole ---- */

/* Objects that were not tracked have one manager for what was there before. */
static int before_first_apply(struct apply *p)
{
    struct json nothing = {.type = JSON_OBJECT};
    struct managed_changes changes = {.c = p->c, .old = &nothing, .now = p->live};
    return p->m.count ? 0 : managed_track(p->c, &p->m, &changes, STR("before-first-apply"));
}

/* The manager's new set; *last: what it was, of *last_at. */
static int take_set(struct apply *p, struct fieldset *last, struct str *last_at)
{
    struct fieldset s;
    int rc = apply_places(p->arena, p->c->type, p->config, &s);
    if (rc == 0 && !fieldset_empty(&p->c->ignored))
        rc = fieldset_without(p->arena, &s, &p->c->ignored, &s);
    if (rc)
        return rc;
    struct managed_entry *e =
        managed_find(&p->m, p->manager, true, p->c->version, p->c->subresource);
    *last = e ? e->places : (struct fieldset){.member = false};
    *last_at = e ? e->version : p->c->version;
    e = e ? e : managed_add(&p->m, p->manager, true, p->c->version, p->c->subresource);
    if (!e)
        return -E_NOMEM;
    if (!str_eq(e->version, p->c->version))
        e->kept = NULL;
    e->version = p->c->version;
    /* For pruning as it is; names are stripped when it is kept. */
    e->places = s;
    return 0;
}

static int lose_others(struct apply *p, struct managed_changes *x, const struct managed_entry *own)
{
    int rc = 0;
    for (uint32_t i = 0; i < p->m.count && rc == 0; i++) {
        struct managed_entry *e = &p->m.entries[i];
        const struct managed_change *change;
        struct fieldset left = e->places;
        if (e == own)
            continue;
        rc = managed_changes_at(x, e->version, &change);
        if (rc == -E_NOT_FOUND) {
            e->places = (struct fieldset){.member = false};
            rc = 0;
            continue;
        }
        rc = rc ? rc : fieldset_difference(p->arena, &left, &change->set, &left);
        rc = rc ? rc : fieldset_difference(p->arena, &left, &change->d.removed, &left);
        if (rc == 0)
            managed_set_places(e, &left);
    }
    return rc;
}

static int merge_and_prune(struct apply *p, struct json **ret_merged)
{
    struct fieldset last, dropped;
    struct str last_at;
    struct json *merged = json_clone(p->arena, p->live);
    int rc = merged ? apply_merge(p->arena, p->c->type, merged, p->config, p->err) : -E_NOMEM;
    rc = rc ? rc : take_set(p, &last, &last_at);
    struct managed_entry *own =
        rc ? NULL : managed_find(&p->m, p->manager, true, p->c->version, p->c->subresource);
    rc = rc ? rc : fieldset_difference(p->arena, &last, &own->places, &dropped);
    if (rc == 0 && (!fieldset_empty(&dropped) || !str_eq(last_at, p->c->version)))
        rc = prune(p, &merged, &last, last_at);
    if (rc)
        return rc;
    *ret_merged = merged;
    return managed_strip(p->arena, &own->places, &own->places);
}

static int settle(struct apply *p, struct json *merged, bool force, struct managed_result *ret)
{
    struct managed_changes changes = {.c = p->c, .old = p->live, .now = merged};
    struct managed_entry *own =
        managed_find(&p->m, p->manager, true, p->c->version, p->c->subresource);
    struct fieldset allowed;
    int rc = force ? 0 : find_conflicts(p, &changes, own, NULL, ret);
    if (rc == -E_CONFLICT && str_is(p->manager, "kubectl")) {
        int known = allowed_conflicts(p, &allowed);
        rc = known == 0          ? find_conflicts(p, &changes, own, &allowed, ret)
             : known == -E_NOMEM ? known
                                 : rc;
    }
    rc = rc ? rc : lose_others(p, &changes, own);
    if (rc)
        return rc;
    own->kept = NULL;
    if (!json_equal(p->live, merged))
        own->time = str_of(p->c->now);
    for (uint32_t i = 0; i < p->m.count && rc == 0; i++)
        if (p->m.entries[i].kept &&
            !(p->m.entries[i].kept = json_clone(p->arena, p->m.entries[i].kept)))
            rc = -E_NOMEM;
    rc = rc ? rc : managed_write(&p->m, merged);
    rc = rc ? rc : note_last_applied(p, merged);
    if (rc == 0)
        ret->object = merged;
    return rc;
}

static int check(struct apply *p, struct managed_result *ret)
{
    int rc = apply_check(p->arena, p->c->type, p->config, &ret->problems);
    return rc == -E_INVALID ? err_set(p->err, E_INVALID, "%s", ret->problems) : reason(p, rc);
}

int managed_apply(const struct managed_context *c, struct json *live, const struct json *config,
                  bool force, struct managed_result *ret, struct err *err)
{
    struct json nothing = {.type = JSON_OBJECT}, *merged = NULL;
    struct apply p = {.c = c,
                      .arena = c->arena,
                      .live = live ? live : &nothing,
                      .config = config,
                      .manager = c->manager.n ? c->manager : STR("unknown"),
                      .err = err};
    *ret = (struct managed_result){.object = NULL};
    struct json *live_list = live ? managed_detach(live) : NULL;
    int rc = managed_read(c->arena, live_list, &p.m, err);
    if (rc == -E_SYNTAX) {
        (void)err_wrap(err, rc, "failed to decode managed fields");
        rc = -E_CORRUPT;
    }
    rc = rc ? rc : reason(&p, managed_reconcile(&p.m, c));
    rc = rc ? rc : reason(&p, before_first_apply(&p));
    rc = rc ? rc : check(&p, ret);
    rc = rc ? rc : reason(&p, merge_and_prune(&p, &merged));
    rc = rc ? rc : reason(&p, settle(&p, merged, force, ret));
    if (live)
        managed_attach(live, live_list);
    return rc;
}
