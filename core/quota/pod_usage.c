/*
 * What a pod uses: the sum of its containers, or what its init containers need at once when that is
 * more; sidecars go on beside both; resources of the pod as a whole count instead where they are
 * said; the overhead of its runtime class comes on top. See quota.h.
 */
#include <stdlib.h>

#include "base/buf.h"
#include "codec/time.h"
#include "quota/quota.h"

#define STATUS_LISTS 3

/* ---- resources ---- */

static bool is_sidecar(const struct json *container)
{
    return str_is(json_path_str(container, "restartPolicy"), "Always");
}

static const struct json *status_of(const struct json *pod, struct str name)
{
    static const char *const lists[STATUS_LISTS] = {"status.containerStatuses",
                                                    "status.initContainerStatuses",
                                                    "status.ephemeralContainerStatuses"};
    for (size_t i = 0; i < STATUS_LISTS; i++)
        for (const struct json *s = json_first(json_path(pod, lists[i])); s; s = s->next)
            if (str_eq(json_path_str(s, "name"), name))
                return s;
    return NULL;
}

/* While a resize is under way, what the container has and what it shall have: the larger. */
static void container_amounts(const struct json *pod, const struct json *c, const char *part,
                              struct amounts *ret)
{
    const struct json *status = status_of(pod, json_path_str(c, "name"));
    struct amounts more;
    amounts_read(ret, json_get(json_get(c, "resources"), part));
    amounts_init(&more, ret->arena);
    amounts_read(&more, json_get(json_get(status, "resources"), part));
    amounts_max(ret, &more);
    if (!cstr_eq(part, "requests"))
        return;
    amounts_init(&more, ret->arena);
    amounts_read(&more, json_get(status, "allocatedResources"));
    amounts_max(ret, &more);
}

static void containers_amounts(const struct json *pod, const char *part, struct amounts *ret)
{
    const struct json *spec = json_get(pod, "spec");
    struct amounts sidecars;
    amounts_init(&sidecars, ret->arena);
    for (const struct json *c = json_first(json_get(spec, "containers")); c; c = c->next) {
        struct amounts one;
        amounts_init(&one, ret->arena);
        container_amounts(pod, c, part, &one);
        amounts_add(ret, &one);
    }
    struct amounts starting;
    amounts_init(&starting, ret->arena);
    for (const struct json *c = json_first(json_get(spec, "initContainers")); c; c = c->next) {
        struct amounts one;
        amounts_init(&one, ret->arena);
        container_amounts(pod, c, part, &one);
        if (is_sidecar(c)) {
            amounts_add(ret, &one);
            amounts_add(&sidecars, &one);
            amounts_max(&starting, &sidecars);
        } else {
            amounts_add(&one, &sidecars);
            amounts_max(&starting, &one);
        }
    }
    amounts_max(ret, &starting);
}

static bool of_pod_level(struct str name)
{
    return str_is(name, "cpu") || str_is(name, "memory") || str_starts(name, STR("hugepages-"));
}

static void pod_amounts(const struct json *pod, const char *part, struct amounts *ret)
{
    const struct json *spec = json_get(pod, "spec");
    struct amounts whole, overhead;
    bool limits = cstr_eq(part, "limits");
    containers_amounts(pod, part, ret);
    amounts_init(&whole, ret->arena);
    amounts_read(&whole, json_get(json_get(spec, "resources"), part));
    for (size_t i = 0; i < whole.count; i++)
        if (of_pod_level(whole.at[i].name))
            amounts_set(ret, whole.at[i].name, &whole.at[i].quantity);
    amounts_init(&overhead, ret->arena);
    amounts_read(&overhead, json_get(spec, "overhead"));
    for (size_t i = 0; i < overhead.count; i++) {
        struct amount *have = amounts_get(ret, overhead.at[i].name);
        if (have && (!limits || have->quantity.nano))
            quantity_add(&have->quantity, &overhead.at[i].quantity);
        else if (!have && !limits)
            amounts_set(ret, overhead.at[i].name, &overhead.at[i].quantity);
    }
}

/* ---- names ---- */

static void set_as(struct amounts *ret, const char *prefix, struct str name,
                   const struct quantity *q)
{
    char *text = arena_printf(ret->arena, "%s" STR_FMT, prefix, STR_ARG(name));
    if (text)
        amounts_set(ret, str_of(text), q);
}

void pod_compute(const struct amounts *requests, const struct amounts *limits, struct amounts *ret)
{
    static const char *const names[] = {"cpu", "memory", "ephemeral-storage"};
    amounts_set_i64(ret, "pods", 1);
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        const struct amount *request = amounts_get(requests, str_of(names[i])),
                            *limit = amounts_get(limits, str_of(names[i]));
        if (request) {
            amounts_set(ret, request->name, &request->quantity);
            set_as(ret, "requests.", request->name, &request->quantity);
        }
        if (limit)
            set_as(ret, "limits.", limit->name, &limit->quantity);
    }
    for (size_t i = 0; i < requests->count; i++) {
        const struct amount *r = &requests->at[i];
        bool pages = str_starts(r->name, STR("hugepages-"));
        if (pages)
            amounts_set(ret, r->name, &r->quantity);
        if (pages || quota_name_extended(r->name))
            set_as(ret, "requests.", r->name, &r->quantity);
    }
}

/* ---- the pod ---- */

/* Has it ended, or should it have? */
static bool is_over(const struct json *pod, int64_t now_s)
{
    struct str phase = json_path_str(pod, "status.phase");
    const struct json *meta = json_get(pod, "metadata");
    const struct json *grace = json_get(meta, "deletionGracePeriodSeconds");
    struct str stamp = json_path_str(meta, "deletionTimestamp");
    if (str_is(phase, "Succeeded") || str_is(phase, "Failed"))
        return true;
    return stamp.n && grace && now_s > time_text_ms(stamp, 0) / 1000 + json_i64(grace, 0);
}

void pod_usage(const struct quota_item *pod, struct amounts *ret)
{
    struct amounts requests, limits;
    if (is_over(pod->object, pod->now_s))
        return;
    amounts_init(&requests, ret->arena);
    amounts_init(&limits, ret->arena);
    pod_amounts(pod->object, "requests", &requests);
    pod_amounts(pod->object, "limits", &limits);
    pod_compute(&requests, &limits, ret);
}

/* ---- what its containers must say ---- */

static const char *const must_say[] = {"cpu",    "limits.cpu",   "limits.memory",
                                       "memory", "requests.cpu", "requests.memory"};

static int by_name(const void *a, const void *b)
{
    return str_cmp(*(const struct str *)a, *(const struct str *)b);
}

/* Containers that do not say `name`, sorted; 0: all do. */
static size_t silent(const struct json *spec, struct arena *a, const char *name, struct str *ret,
                     size_t room)
{
    static const char *const lists[] = {"containers", "initContainers"};
    size_t n = 0;
    for (size_t i = 0; i < 2; i++)
        for (const struct json *c = json_first(json_get(spec, lists[i])); c && n < room;
             c = c->next) {
            struct amounts requests, limits, said;
            amounts_init(&requests, a);
            amounts_init(&limits, a);
            amounts_init(&said, a);
            amounts_read(&requests, json_path(c, "resources.requests"));
            amounts_read(&limits, json_path(c, "resources.limits"));
            pod_compute(&requests, &limits, &said);
            if (!amounts_get(&said, str_of(name)))
                ret[n++] = json_path_str(c, "name");
        }
    qsort(ret, n, sizeof *ret, by_name);
    return n;
}

const char *quota_missing(const struct quota_item *item, const struct amounts *bounded)
{
    struct str names[256];
    struct buf text CLEANUP_BUF;
    buf_init(&text, 64 * 1024);
    if (item->group[0] || !cstr_eq(item->plural, "pods"))
        return NULL;
    for (size_t i = 0; i < sizeof must_say / sizeof must_say[0]; i++) {
        if (!amounts_get(bounded, str_of(must_say[i])))
            continue;
        size_t n = silent(json_get(item->object, "spec"), bounded->arena, must_say[i], names, 256);
        for (size_t k = 0; k < n; k++) {
            if (k == 0)
                buf_printf(&text, "%s%s for: ", buf_len(&text) ? "; " : "must specify ",
                           must_say[i]);
            if (k == 0 || !str_eq(names[k], names[k - 1]))
                buf_printf(&text, "%s" STR_FMT, k ? "," : "", STR_ARG(names[k]));
        }
    }
    if (!buf_len(&text))
        return NULL;
    const char *said = arena_strdup(bounded->arena, buf_cstr(&text));
    return said ? said : "must specify what the quota bounds";
}
