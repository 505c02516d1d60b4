/*
 * LimitRanger: containers get the default requests and limits of their namespace's LimitRanges, and
 * pods and claims that break one are refused (plugin/pkg/admission/limitranger).
 */
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include "api/write.h"
#include "codec/quantity.h"

static const char *const container_lists[] = {"initContainers", "containers"};

struct ranges { /* of the namespace, decoded */
    struct arena *a;
    struct json *list;
};

static bool keep_range(void *ctx, struct store_value *v)
{
    struct ranges *all = ctx;
    struct json *o;
    if (json_parse(all->a, store_value_bytes(v), NULL, &o, NULL) == 0)
        json_append(all->a, all->list, o);
    return true;
}

static int load_ranges(struct write *w, struct ranges *ret)
{
    struct store_snapshot *snap;
    struct str from = object_key_of(w->a, "", "limitranges", w->ns, STR(""));
    char *to = from.p ? arena_strndup(w->a, from.p, from.n) : NULL;
    *ret = (struct ranges){w->a, json_new(w->a, JSON_ARRAY)};
    if (w->a->failed || store_snapshot_take(w->api->store, &snap) < 0)
        return fail_memory(w->r);
    to[from.n - 1] = '/' + 1;
    store_snapshot_range(snap, from, str_make(to, from.n), keep_range, ret);
    store_snapshot_release(snap);
    return w->a->failed ? fail_memory(w->r) : 0;
}

/* ---- defaults ---- */

static int by_name(const void *a, const void *b)
{
    return str_cmp(*(const struct str *)a, *(const struct str *)b);
}

/* Sets what `to` lacks; the names of what was set, sorted, with ", " between. */
static const char *merge(struct arena *a, struct json *resources, const char *part,
                         const struct json *defaults)
{
    struct str names[64];
    size_t n = 0;
    struct buf text CLEANUP_BUF;
    buf_init(&text, 4096);
    for (const struct json *d = json_first(defaults); d; d = d->next) {
        struct json *to = json_object_at(a, resources, part);
        if (json_get_str(to, d->key))
            continue;
        json_set_key(a, to, d->key, json_clone(a, d));
        if (n < sizeof names / sizeof names[0])
            names[n++] = d->key;
    }
    qsort(names, n, sizeof names[0], by_name);
    for (size_t i = 0; i < n; i++)
        buf_printf(&text, "%s" STR_FMT, i ? ", " : "", STR_ARG(names[i]));
    return n ? arena_strdup(a, buf_cstr(&text)) : NULL;
}

static void put_note(struct buf *notes, const char *names, const char *what, const char *of,
                     struct str container)
{
    if (names)
        buf_printf(notes, "%s%s %s for %s " STR_FMT, buf_len(notes) ? "; " : "", names, what, of,
                   STR_ARG(container));
}

static void set_defaults(struct write *w, const struct json *limit, struct buf *notes)
{
    static const char *const kinds[] = {"init container", "container"};
    for (size_t i = 2; i-- > 0;) { /* upstream looks at the containers first */
        struct json *c = json_first(json_get(json_get(w->object, "spec"), container_lists[i]));
        for (; c; c = c->next) {
            struct json *resources = json_object_at(w->a, c, "resources");
            const char *limits = merge(w->a, resources, "limits", json_get(limit, "default"));
            const char *requests =
                merge(w->a, resources, "requests", json_get(limit, "defaultRequest"));
            put_note(notes, requests, "request", kinds[i], json_path_str(c, "name"));
            put_note(notes, limits, "limit", kinds[i], json_path_str(c, "name"));
        }
    }
}

static void default_containers(struct write *w, const struct ranges *all)
{
    struct buf notes CLEANUP_BUF;
    buf_init(&notes, 16 * 1024);
    for (const struct json *r = json_first(all->list); r; r = r->next)
        for (const struct json *l = json_first(json_path(r, "spec.limits")); l; l = l->next)
            if (str_is(json_path_str(l, "type"), "Container"))
                set_defaults(w, l, &notes);
    if (!buf_len(&notes))
        return;
    struct json *meta = json_object_at(w->a, w->object, "metadata");
    json_set_cstr(w->a, json_object_at(w->a, meta, "annotations"), "kubernetes.io/limit-ranger",
                  arena_printf(w->a, "LimitRanger plugin set: %s", buf_cstr(&notes)));
}

/* ---- limits ---- */

struct usage { /* of a container, a pod or a claim */
    const struct json *requests, *limits;
};

struct verdict {
    struct buf text; /* messages, ", " between */
    size_t count;
};

static void say(struct verdict *v, const char *fmt, ...) PRINTF_LIKE(2, 3);
static void say(struct verdict *v, const char *fmt, ...)
{
    char text[512];
    va_list ap;
    va_start(ap, fmt);
    vsnprintf(text, sizeof text, fmt, ap);
    va_end(ap);
    buf_printf(&v->text, "%s%s", v->count++ ? ", " : "", text);
}

static bool get(const struct json *list, struct str key, struct quantity *q, char *text)
{
    const struct json *j = json_get_str(list, key);
    if (!j || quantity_parse(json_str(j), q, NULL) < 0)
        return false;
    quantity_format(q, text);
    return true;
}

struct bound { /* one resource's, with what is used of it */
    const char *type;
    struct str key;
    struct quantity enforced, request, limit;
    char et[QUANTITY_TEXT], rt[QUANTITY_TEXT], lt[QUANTITY_TEXT];
    bool has_request, has_limit;
};

static bool bound_get(struct bound *b, const char *type, const struct json *bounds, struct str key,
                      const struct usage *u)
{
    b->type = type;
    b->key = key;
    b->has_request = get(u->requests, key, &b->request, b->rt);
    b->has_limit = get(u->limits, key, &b->limit, b->lt);
    return get(bounds, key, &b->enforced, b->et);
}

#define BOUND_ARGS(b) STR_ARG((b)->key), (b)->type, (b)->et

static void check_min(struct verdict *v, const struct bound *b)
{
    if (!b->has_request)
        say(v, "minimum " STR_FMT " usage per %s is %s.  No request is specified", BOUND_ARGS(b));
    else if (quantity_cmp(&b->request, &b->enforced) < 0)
        say(v, "minimum " STR_FMT " usage per %s is %s, but request is %s", BOUND_ARGS(b), b->rt);
    else if (b->has_limit && quantity_cmp(&b->limit, &b->enforced) < 0)
        say(v, "minimum " STR_FMT " usage per %s is %s, but limit is %s", BOUND_ARGS(b), b->lt);
}

static void check_max(struct verdict *v, const struct bound *b)
{
    if (!b->has_limit)
        say(v, "maximum " STR_FMT " usage per %s is %s.  No limit is specified", BOUND_ARGS(b));
    else if (quantity_cmp(&b->limit, &b->enforced) > 0)
        say(v, "maximum " STR_FMT " usage per %s is %s, but limit is %s", BOUND_ARGS(b), b->lt);
    else if (b->has_request && quantity_cmp(&b->request, &b->enforced) > 0)
        say(v, "maximum " STR_FMT " usage per %s is %s, but request is %s", BOUND_ARGS(b), b->rt);
}

static void check_ratio(struct verdict *v, const struct bound *b)
{
    static const char missing[] =
        STR_FMT " max limit to request ratio per %s is %s, but no %s is specified or %s is 0";
    if (!b->has_request || quantity_milli(&b->request) == 0) {
        say(v, missing, BOUND_ARGS(b), "request", "request");
    } else if (!b->has_limit || quantity_milli(&b->limit) == 0) {
        say(v, missing, BOUND_ARGS(b), "limit", "limit");
    } else {
        double ratio = (double)b->limit.nano / (double)b->request.nano * 1000;
        if (ratio > (double)quantity_milli(&b->enforced))
            say(v, STR_FMT " max limit to request ratio per %s is %s, but provided ratio is %f",
                BOUND_ARGS(b), ratio);
    }
}

static void check_usage(struct verdict *v, const struct json *limit, const struct usage *u)
{
    static const struct {
        const char *name;
        void (*check)(struct verdict *v, const struct bound *b);
    } bounds[] = {{"min", check_min}, {"max", check_max}, {"maxLimitRequestRatio", check_ratio}};
    const char *type = json_path_cstr(limit, "type");
    for (size_t i = 0; i < 3; i++) {
        const struct json *all = json_get(limit, bounds[i].name);
        for (const struct json *q = json_first(all); q; q = q->next) {
            struct bound b;
            if (bound_get(&b, type, all, q->key, u))
                bounds[i].check(v, &b);
        }
    }
}

/* Claims have requests only, and what they do not ask for counts as nothing. */
static void check_claim(struct verdict *v, const struct json *limit, const struct usage *u)
{
    static const char *const names[] = {"min", "max"}, *const words[] = {"minimum", "maximum"};
    for (size_t i = 0; i < 2; i++) {
        const struct json *all = json_get(limit, names[i]);
        for (const struct json *q = json_first(all); q; q = q->next) {
            struct bound b;
            if (!bound_get(&b, "PersistentVolumeClaim", all, q->key, u) || !b.has_request)
                continue;
            int order = quantity_cmp(&b.request, &b.enforced);
            if (i == 0 ? order < 0 : order > 0)
                say(v, "%s " STR_FMT " usage per %s is %s, but request is %s", words[i],
                    BOUND_ARGS(&b), b.rt);
        }
    }
}

/* ---- what a pod uses as a whole ---- */

static void add(struct arena *a, struct json *sum, const struct json *more, bool highest)
{
    for (const struct json *q = json_first(more); q; q = q->next) {
        struct quantity have, plus;
        char text[QUANTITY_TEXT];
        if (!get(more, q->key, &plus, text))
            continue;
        if (get(sum, q->key, &have, text)) {
            if (!highest)
                quantity_add(&plus, &have);
            else if (quantity_cmp(&have, &plus) > 0)
                plus = have;
        }
        quantity_format(&plus, text);
        json_set_key(a, sum, q->key, json_new_cstr(a, text));
    }
}

/* Containers together, or the largest of the init containers when that is more. */
static const struct json *pod_sum(struct write *w, const char *part)
{
    struct json *sum = json_new(w->a, JSON_OBJECT), *spec = json_get(w->object, "spec");
    for (const struct json *c = json_first(json_get(spec, "containers")); c; c = c->next)
        add(w->a, sum, json_get(json_get(c, "resources"), part), false);
    struct json *running = json_clone(w->a, sum);
    for (const struct json *c = json_first(json_get(spec, "initContainers")); c; c = c->next)
        if (str_is(json_path_str(c, "restartPolicy"), "Always")) /* a sidecar goes on */
            add(w->a, running, json_get(json_get(c, "resources"), part), false);
    for (const struct json *c = json_first(json_get(spec, "initContainers")); c; c = c->next)
        add(w->a, running, json_get(json_get(c, "resources"), part), true);
    return running;
}

static void check_pod(struct write *w, struct verdict *v, const struct json *limit)
{
    struct usage u;
    if (str_is(json_path_str(limit, "type"), "Pod")) {
        u = (struct usage){pod_sum(w, "requests"), pod_sum(w, "limits")};
        check_usage(v, limit, &u);
    }
    for (size_t i = 0; str_is(json_path_str(limit, "type"), "Container") && i < 2; i++) {
        const struct json *c =
            json_first(json_get(json_get(w->object, "spec"), container_lists[1 - i]));
        for (; c; c = c->next) {
            u = (struct usage){json_path(c, "resources.requests"), json_path(c, "resources.limits")};
            check_usage(v, limit, &u);
        }
    }
}

static int check_all(struct write *w, const struct ranges *all, bool pod)
{
    struct verdict v = {.count = 0};
    struct usage claim = {json_path(w->object, "spec.resources.requests"), NULL};
    buf_init(&v.text, 16 * 1024);
    for (const struct json *r = json_first(all->list); r; r = r->next)
        for (const struct json *l = json_first(json_path(r, "spec.limits")); l; l = l->next) {
            if (pod)
                check_pod(w, &v, l);
            else if (str_is(json_path_str(l, "type"), "PersistentVolumeClaim"))
                check_claim(&v, l, &claim);
        }
    const char *why = v.count ? arena_printf(w->a, v.count > 1 ? "[%s]" : "%s", buf_cstr(&v.text))
                              : NULL;
    int rc = v.count ? fail_forbidden(w->r, w->resource, w->name, why ? why : "") : 0;
    buf_done(&v.text);
    return rc;
}

int admit_limit_ranger(struct write *w)
{
    const char *plural = schema_resource_plural(w->resource);
    bool core = !schema_resource_group(w->resource)[0];
    bool pod = core && cstr_eq(plural, "pods");
    bool claim = core && cstr_eq(plural, "persistentvolumeclaims");
    struct ranges all;
    if (w->subresource[0] || w->is_delete || !(pod || claim) || (pod && !w->is_create))
        return 0;
    int rc = load_ranges(w, &all);
    if (rc != 0 || !json_count(all.list))
        return rc;
    if (pod)
        default_containers(w, &all);
    return w->a->failed ? fail_memory(w->r) : check_all(w, &all, pod);
}
