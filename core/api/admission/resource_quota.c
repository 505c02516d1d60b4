/*
 * ResourceQuota (plugin/pkg/admission/resourcequota): what a write costs is checked against each
 * quota of its namespace that covers it, and charged to the quota's status in the same command of
 * the store as the write itself. The command compares the quota with the state that was charged, so
 * no two writes are ever charged to the same state of it: a conflict means to decide again. What is
 * deleted or shrinks is given back by the controller, which counts anew.
 *
 * Charges build on those under way (quota_flight.h); but what is refused because of them is only
 * refused if it still would be when they have come to nothing.
 */
#include "api/admission/quota_flight.h"
#include "quota/quota.h"

enum { QUOTAS_MOST = 50 }; /* of one namespace */

struct covering {         /* a quota that covers the write */
    struct str key, base; /* the state that is charged */
    struct json *tree;
    const char *name;
    struct amounts hard, used, bounded; /* bounded: those of hard that count this resource */
};

struct charge {
    struct write *w;
    struct quota_item item, before; /* before.object: NULL on create */
    struct covering *at;
    size_t count, room;
    bool chained;   /* builds on charges under way, if there are any */
    bool uncertain; /* there are */
};

/* ---- which quotas cover it ---- */

static bool keep(void *ctx, struct store_value *v)
{
    struct charge *c = ctx;
    struct arena *a = c->w->a;
    struct covering *q = &c->at[c->count];
    bool under_way = c->chained && quota_flight_latest(c->w->api, store_value_key(v), &q->base);
    if (!under_way)
        q->base = store_value_bytes(v);
    if (json_parse(a, q->base, NULL, &q->tree, NULL) < 0)
        return !a->failed;
    amounts_init(&q->hard, a);
    amounts_init(&q->used, a);
    amounts_init(&q->bounded, a);
    amounts_read(&q->hard, json_path(q->tree, "status.hard"));
    for (size_t i = 0; i < q->hard.count; i++)
        if (quota_counts(c->item.group, c->item.plural, q->hard.at[i].name))
            amounts_set(&q->bounded, q->hard.at[i].name, &q->hard.at[i].quantity);
    if (!q->bounded.count || !quota_in_scope(json_get(q->tree, "spec"), &c->item))
        return true;
    amounts_read(&q->used, json_path(q->tree, "status.used"));
    q->name = json_path_cstr(q->tree, "metadata.name");
    q->key = arena_str(a, store_value_key(v));
    c->uncertain |= under_way;
    return ++c->count < c->room;
}

static int load(struct charge *c, struct store_snapshot *snap)
{
    struct arena *a = c->w->a;
    struct str from = object_key_of(a, "", "resourcequotas", c->w->ns, STR(""));
    char *to = from.p ? arena_strndup(a, from.p, from.n) : NULL;
    if (!to)
        return fail_memory(c->w->r);
    to[from.n - 1] = '/' + 1;
    c->room = store_snapshot_count(snap, from, str_make(to, from.n));
    if (c->room > QUOTAS_MOST)
        return fail_forbidden(c->w->r, c->w->resource, c->w->name,
                              "its namespace has more than 50 quotas");
    c->at = c->room ? arena_zalloc(a, c->room * sizeof *c->at) : NULL;
    if (c->at)
        store_snapshot_range(snap, from, str_make(to, from.n), keep, c);
    return a->failed ? fail_memory(c->w->r) : 0;
}

/* ---- may it ---- */

enum { UNSURE = 1 };

static int refuse(struct charge *c, const char *why)
{
    if (c->uncertain)
        return UNSURE;
    return why ? fail_forbidden(c->w->r, c->w->resource, c->w->name, why) : fail_memory(c->w->r);
}

/* Does the object say what each quota counts, and does each quota know where it stands? */
static int check_said(struct charge *c)
{
    struct arena *a = c->w->a;
    for (size_t i = 0; i < c->count; i++) {
        const struct covering *q = &c->at[i];
        const char *missing = quota_missing(&c->item, &q->bounded);
        if (missing)
            return refuse(c, arena_printf(a, "failed quota: %s: %s", q->name, missing));
        for (size_t k = 0; k < q->bounded.count; k++)
            if (!amounts_get(&q->used, q->bounded.at[k].name))
                return refuse(c, arena_printf(a, "status unknown for quota: %s, resources: %s",
                                              q->name, amounts_names(&q->bounded)));
    }
    return 0;
}

/* Only those of `from` that are names of `names` too. */
static struct amounts mask(const struct amounts *from, const struct amounts *names)
{
    struct amounts out;
    amounts_init(&out, from->arena);
    for (size_t i = 0; i < from->count; i++)
        if (amounts_get(names, from->at[i].name))
            amounts_set(&out, from->at[i].name, &from->at[i].quantity);
    return out;
}

static int exceeded(struct charge *c, const struct covering *q, const struct amounts *requested,
                    const struct amounts *names)
{
    struct amounts r = mask(requested, names), u = mask(&q->used, names), h = mask(&q->hard, names);
    return refuse(c,
                  arena_printf(c->w->a, "exceeded quota: %s, requested: %s, used: %s, limited: %s",
                               q->name, amounts_text(&r), amounts_text(&u), amounts_text(&h)));
}

/* What the write adds to what this quota counts: nothing that it uses less of. */
static struct amounts delta_of(struct charge *c, const struct covering *q,
                               const struct amounts *usage)
{
    struct amounts all, before, out;
    amounts_init(&all, c->w->a);
    amounts_init(&out, c->w->a);
    amounts_add(&all, usage);
    if (c->before.object && quota_in_scope(json_get(q->tree, "spec"), &c->before)) {
        amounts_init(&before, c->w->a);
        quota_usage(&c->before, &before);
        amounts_less(&all, &before);
    }
    for (size_t i = 0; i < all.count; i++)
        if (all.at[i].quantity.nano && amounts_get(&q->hard, all.at[i].name))
            amounts_set(&out, all.at[i].name, &all.at[i].quantity);
    return out;
}

/* The new status goes into the command. */
static int put_used(struct charge *c, struct covering *q)
{
    struct write *w = c->w;
    struct buf text CLEANUP_BUF;
    buf_init(&text, LIMIT_OBJECT_BYTES);
    json_set_path(w->a, q->tree, "status.used", amounts_write(&q->used, w->a));
    json_write(&text, q->tree);
    struct str value = text.failed ? (struct str){NULL, 0} : arena_str(w->a, buf_str(&text));
    struct quota_charge *charge = arena_zalloc(w->a, sizeof *charge);
    if (!value.p || !q->key.p || !charge)
        return fail_memory(w->r);
    write_compare_value(w, q->key, q->base);
    write_put(w, q->key, value);
    *charge = (struct quota_charge){.next = w->charged, .key = q->key};
    if (c->chained)
        charge->value = value;
    w->charged = charge;
    return 0;
}

static int charge_one(struct charge *c, struct covering *q, const struct amounts *usage)
{
    struct amounts delta = delta_of(c, q, usage), over;
    bool status = cstr_eq(c->w->subresource, "status"); /* what is so is counted, not judged */
    if (!delta.count)
        return 0;
    amounts_init(&over, c->w->a);
    struct amounts used = q->used;
    amounts_init(&q->used, c->w->a);
    amounts_add(&q->used, &used);
    amounts_add(&q->used, &delta);
    for (size_t i = 0; i < delta.count; i++) {
        struct amount *now = amounts_get(&q->used, delta.at[i].name),
                      *hard = amounts_get(&q->hard, delta.at[i].name);
        if (now && quantity_cmp(&now->quantity, &hard->quantity) > 0)
            amounts_set(&over, hard->name, &hard->quantity);
    }
    if (over.count && !status) {
        q->used = used;
        return exceeded(c, q, &delta, &over);
    }
    return c->w->r->dry_run ? 0 : put_used(c, q);
}

static int charge_all(struct charge *c)
{
    struct amounts usage;
    amounts_init(&usage, c->w->a);
    int rc = check_said(c);
    if (rc != 0 || !c->count)
        return rc;
    quota_usage(&c->item, &usage);
    for (size_t i = 0; rc == 0 && i < c->count; i++)
        rc = charge_one(c, &c->at[i], &usage);
    if (rc == 0 && c->w->a->failed)
        rc = fail_memory(c->w->r);
    return rc ? rc : c->w->errors.count ? fail_invalid(c->w) : 0;
}

/* ---- which writes cost ---- */

static bool concerns(const struct write *w, const char *group, const char *plural)
{
    bool core = !group[0];
    if (!w->ns.n || w->is_delete || w->removes || cstr_eq(plural, "namespaces") ||
        quota_ignores(group, plural))
        return false;
    if (w->is_create)
        return w->subresource[0] == 0;
    if (cstr_eq(w->subresource, "resize"))
        return core && cstr_eq(plural, "pods");
    if (cstr_eq(w->subresource, "status"))
        return core && cstr_eq(plural, "persistentvolumeclaims");
    return !w->subresource[0] && quota_needs_object(group, plural) && !cstr_eq(plural, "pods");
}

static int attempt(struct write *w, struct store_snapshot *snap, bool chained)
{
    const char *group = schema_resource_group(w->resource),
               *plural = schema_resource_plural(w->resource);
    int64_t now_s = w->now_us / 1000000;
    struct charge *c = arena_zalloc(w->a, sizeof *c);
    if (!c)
        return fail_memory(w->r);
    w->compare_count = w->own_compares;
    w->op_count = w->own_ops;
    w->charged = NULL;
    c->w = w;
    c->chained = chained;
    c->item = (struct quota_item){group, plural, w->object, now_s};
    c->before = (struct quota_item){group, plural, w->is_create ? NULL : w->old, now_s};
    int rc = load(c, snap);
    return rc ? rc : charge_all(c);
}

int admit_resource_quota(struct write *w)
{
    struct store_snapshot *snap;
    if (!concerns(w, schema_resource_group(w->resource), schema_resource_plural(w->resource)))
        return 0;
    if (store_snapshot_take(w->api->store, &snap) < 0)
        return fail_memory(w->r);
    int rc = attempt(w, snap, true);
    if (rc == UNSURE)
        rc = attempt(w, snap, false);
    store_snapshot_release(snap);
    return rc;
}
