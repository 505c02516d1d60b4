/* Small decisions that several controllers make. See ctl_int.h. */
#include "codec/time.h"
#include "ctl/ctl_int.h"

static bool has_value(const struct json *values, struct str v)
{
    for (struct json *it = json_first(values); it; it = it->next)
        if (str_eq(json_str(it), v))
            return true;
    return false;
}

static bool expression(const struct json *e, const struct json *labels)
{
    const struct json *label = json_get_str(labels, json_path_str(e, "key"));
    const char *operator = json_path_cstr(e, "operator");
    const struct json *values = json_get(e, "values");

    if (cstr_eq(operator, "In"))
        return label && has_value(values, json_str(label));
    if (cstr_eq(operator, "NotIn"))
        return !label || !has_value(values, json_str(label));
    if (cstr_eq(operator, "Exists"))
        return label != NULL;
    return cstr_eq(operator, "DoesNotExist") && !label;
}

static bool all_equal(const struct json *wanted, const struct json *labels)
{
    for (struct json *m = json_first(wanted); m; m = m->next) {
        const struct json *have = json_get_str(labels, m->key);
        if (!have || !str_eq(json_str(have), json_str(m)))
            return false;
    }
    return true;
}

bool ctl_selects(const struct json *selector, const struct json *labels)
{
    if (json_absent(selector) || !all_equal(json_get(selector, "matchLabels"), labels))
        return false;
    struct json *e = json_first(json_get(selector, "matchExpressions"));
    for (; e; e = e->next)
        if (!expression(e, labels))
            return false;
    return true;
}

bool ctl_selects_map(const struct json *selector, const struct json *labels)
{
    return json_count(selector) > 0 && all_equal(selector, labels);
}

bool ctl_pod_finished(const struct json *pod)
{
    const char *phase = json_path_cstr(pod, "status.phase");
    return cstr_eq(phase, "Succeeded") || cstr_eq(phase, "Failed");
}

bool ctl_pod_active(const struct json *pod)
{
    return !ctl_pod_finished(pod) && json_absent(json_path(pod, "metadata.deletionTimestamp"));
}

const struct json *ctl_condition(const struct json *object, const char *type)
{
    for (struct json *c = json_first(json_path(object, "status.conditions")); c; c = c->next)
        if (cstr_eq(json_path_cstr(c, "type"), type))
            return c;
    return NULL;
}

bool ctl_pod_ready(const struct json *pod)
{
    return cstr_eq(json_path_cstr(ctl_condition(pod, "Ready"), "status"), "True");
}

int64_t ctl_time(const struct json *rfc3339)
{
    return time_text_ms(json_str(rfc3339), 0) / 1000;
}

bool ctl_pod_available(const struct json *pod, int64_t min_ready_s, int64_t now_s,
                       int64_t *ret_wait_s)
{
    if (ret_wait_s)
        *ret_wait_s = 0;
    if (!ctl_pod_ready(pod))
        return false;
    if (min_ready_s == 0)
        return true;
    int64_t since = ctl_time(json_get(ctl_condition(pod, "Ready"), "lastTransitionTime"));
    if (since && since + min_ready_s <= now_s)
        return true;
    if (ret_wait_s)
        *ret_wait_s = since ? since + min_ready_s - now_s : min_ready_s;
    return false;
}

bool ctl_condition_set(struct arena *a, struct json *conditions, const char *type,
                       const char *status, const char *reason, const char *message, const char *now)
{
    struct json *c = json_first(conditions);
    while (c && !cstr_eq(json_path_cstr(c, "type"), type))
        c = c->next;
    if (!c) {
        c = json_append(a, conditions, json_new(a, JSON_OBJECT));
        json_set_cstr(a, c, "type", type);
    }
    bool moved = !cstr_eq(json_path_cstr(c, "status"), status);
    bool same = !moved && cstr_eq(json_path_cstr(c, "reason"), reason) &&
                cstr_eq(json_path_cstr(c, "message"), message);
    if (same)
        return false;
    json_set_cstr(a, c, "status", status);
    json_set_cstr(a, c, "lastUpdateTime", now);
    if (moved)
        json_set_cstr(a, c, "lastTransitionTime", now);
    json_set_cstr(a, c, "reason", reason);
    json_set_cstr(a, c, "message", message);
    return true;
}

char *ctl_random_name(struct ctl *c, struct arena *a, const char *prefix)
{
    /* No vowels and no look-alikes, so that no words come out. */
    static const char alphabet[] = "bcdfghjklmnpqrstvwxz2456789";
    char suffix[6] = "";
    for (int i = 0; i < 5; i++)
        suffix[i] = alphabet[prng_below(&c->prng, sizeof alphabet - 1)];
    return arena_printf(a, "%.247s-%s", prefix, suffix);
}

struct json *ctl_owner_reference(struct arena *a, const char *api_version, const char *kind,
                                 const char *name, const char *uid)
{
    struct json *r = json_new(a, JSON_OBJECT);
    json_set_cstr(a, r, "apiVersion", api_version);
    json_set_cstr(a, r, "kind", kind);
    json_set_cstr(a, r, "name", name);
    json_set_cstr(a, r, "uid", uid);
    json_set_bool(a, r, "controller", true);
    json_set_bool(a, r, "blockOwnerDeletion", true);
    return r;
}

char *ctl_object_path(struct arena *a, const char *group, const char *version, const char *resource,
                      const struct json *object, const char *subresource)
{
    return client_path(a, group, version, json_path_cstr(object, "metadata.namespace"), resource,
                       json_path_cstr(object, "metadata.name"), subresource);
}

int64_t ctl_int_or_percent(const struct json *v, int64_t total, bool round_up, int64_t otherwise)
{
    if (json_is(v, JSON_INT))
        return v->i64;
    struct str s = json_str(v);
    int64_t percent;
    if (s.n < 2 || s.p[s.n - 1] != '%' || str_to_i64(str_make(s.p, s.n - 1), &percent) < 0)
        return otherwise;
    return (total * percent + (round_up ? 99 : 0)) / 100;
}

/* ---- claiming ---- */

int ctl_list_add(struct arena *a, struct ctl_list *list, struct object *o)
{
    if (list->count == list->size) {
        size_t size = list->size ? list->size * 2 : 16;
        struct ctl_item *at = arena_alloc(a, size * sizeof *at);
        if (!at)
            return -E_NOMEM;
        if (list->count)
            memcpy(at, list->at, list->count * sizeof *at);
        list->at = at;
        list->size = size;
    }
    struct json *tree = object_json(o, a);
    if (!tree)
        return -E_NOMEM;
    list->at[list->count++] = (struct ctl_item){o, tree};
    return 0;
}

struct claim {
    struct arena *arena;
    struct plan *plan;
    struct cache *cache;
    const char *group, *resource, *owner_uid;
    const struct json *selector, *reference;
    struct ctl_list *list;
    bool orphans, adopt;
    int rc;
};

static void patch_owner(struct claim *c, const struct object *o, struct json *reference)
{
    struct arena *a = c->arena;
    struct json *patch = json_new(a, JSON_OBJECT), *meta = json_object_at(a, patch, "metadata");
    char *path = client_path(a, c->group, "v1", o->namespace, c->resource, o->name, NULL);
    json_append(a, json_array_at(a, meta, "ownerReferences"), reference);
    json_set_cstr(a, meta, "uid", o->uid);
    if (path)
        plan_patch(c->plan, path, "application/strategic-merge-patch+json", patch, c->cache,
                   PLAN_TOLERATE_NOT_FOUND);
}

static bool claim_one(void *ctx, struct object *o)
{
    struct claim *c = ctx;
    struct arena *a = c->arena;
    if (c->orphans && (o->controller_uid[0] || o->deleting))
        return true;
    size_t before = c->list->count;
    c->rc = ctl_list_add(a, c->list, o);
    if (c->rc < 0)
        return false;
    struct json *tree = c->list->at[before].tree;
    bool match = ctl_selects(c->selector, json_path(tree, "metadata.labels"));
    if (match && c->orphans) {
        if (c->adopt && !ctl_pod_finished(tree))
            patch_owner(c, o, json_clone(a, c->reference));
        else
            c->list->count = before;
    } else if (!match) {
        c->list->count = before;
        if (!c->orphans && !o->deleting) {
            struct json *gone = json_new(a, JSON_OBJECT);
            json_set_cstr(a, gone, "$patch", "delete");
            json_set_cstr(a, gone, "uid", c->owner_uid);
            patch_owner(c, o, gone);
        }
    }
    return true;
}

int ctl_claim(struct arena *a, struct plan *p, struct cache *cache, const char *group,
              const char *resource, const struct json *owner, const char *owner_api_version,
              const char *owner_kind, const struct json *selector, struct ctl_list *ret_list)
{
    const char *uid = json_path_cstr(owner, "metadata.uid");
    struct claim c = {.arena = a, .plan = p, .cache = cache, .group = group, .resource = resource,
                      .owner_uid = uid, .selector = selector, .list = ret_list};
    *ret_list = (struct ctl_list){0};
    c.reference = ctl_owner_reference(a, owner_api_version, owner_kind,
                                      json_path_cstr(owner, "metadata.name"), uid);
    c.adopt = json_absent(json_path(owner, "metadata.deletionTimestamp"));
    cache_index_each(cache, "controller", uid, claim_one, &c);
    c.orphans = true;
    if (c.rc == 0)
        cache_index_each(cache, "namespace", json_path_cstr(owner, "metadata.namespace"), claim_one,
                         &c);
    return c.rc;
}
