/*
 * APIServices of what this server serves itself: made for each group version, those of custom
 * resources too, and taken away when it is not served any more (kube-aggregator's autoregister
 * controller). They say who serves a group; nothing here reads them.
 */
#include "api/aggregate/aggregate.h"
#include "api/crd/crd.h"
#include "codec/time.h"

enum { OWN_BYTES = 16 * 1024 * 1024, CUSTOM_GROUP = 1000, CUSTOM_VERSION = 100 };

static const char managed[] = "kube-aggregator.kubernetes.io/automanaged",
                  collection[] = "/apis/apiregistration.k8s.io/v1/apiservices";

/* Upstream's (cmd/kube-apiserver/app, apiVersionPriorities). */
static const struct priority {
    const char *group, *version;
    int64_t of_group, of_version;
} priorities[] = {
    {"", "v1", 18000, 1},
    {"apps", "v1", 17800, 15},
    {"events.k8s.io", "v1", 17750, 15},
    {"authentication.k8s.io", "v1", 17700, 15},
    {"authorization.k8s.io", "v1", 17600, 15},
    {"autoscaling", "v1", 17500, 15},
    {"autoscaling", "v2", 17500, 30},
    {"batch", "v1", 17400, 15},
    {"certificates.k8s.io", "v1", 17300, 15},
    {"networking.k8s.io", "v1", 17200, 15},
    {"policy", "v1", 17100, 15},
    {"rbac.authorization.k8s.io", "v1", 17000, 15},
    {"storage.k8s.io", "v1", 16800, 15},
    {"apiextensions.k8s.io", "v1", 16700, 15},
    {"admissionregistration.k8s.io", "v1", 16700, 15},
    {"scheduling.k8s.io", "v1", 16600, 15},
    {"coordination.k8s.io", "v1", 16500, 15},
    {"node.k8s.io", "v1", 16300, 15},
    {"discovery.k8s.io", "v1", 16200, 15},
    {"flowcontrol.apiserver.k8s.io", "v1", 16100, 21},
    {"resource.k8s.io", "v1", 15900, 15},
    {"metrics.k8s.io", "v1beta1", 100, 100},
};

static struct priority priority_of(struct schema_group_version gv)
{
    for (size_t i = 0; i < sizeof priorities / sizeof priorities[0]; i++)
        if (cstr_eq(priorities[i].group, gv.group) && cstr_eq(priorities[i].version, gv.version))
            return priorities[i];
    return (struct priority){gv.group, gv.version, CUSTOM_GROUP, CUSTOM_VERSION};
}

static void sent(void *ctx, const struct client_reply *r)
{
    (void)ctx;
    (void)r; /* what failed is tried again with the next change */
}

static void make(struct api *api, struct arena *a, struct schema_group_version gv, const char *name)
{
    struct client *client = aggregates_client(api);
    struct json *o = json_new(a, JSON_OBJECT), *meta = json_object_at(a, o, "metadata"),
                *spec = json_object_at(a, o, "spec");
    struct priority p = priority_of(gv);
    json_set_cstr(a, meta, "name", name);
    json_set_cstr(a, json_object_at(a, meta, "labels"), managed,
                  p.of_group == CUSTOM_GROUP ? "true" : "onstart");
    if (gv.group[0])
        json_set_cstr(a, spec, "group", gv.group);
    json_set_cstr(a, spec, "version", gv.version);
    json_set_i64(a, spec, "groupPriorityMinimum", p.of_group);
    json_set_i64(a, spec, "versionPriority", p.of_version);
    if (client && !a->failed)
        (void)!client_send_json(client, "POST", collection, NULL, o, sent, NULL);
}

static void say_available(struct api *api, struct arena *a, const char *name)
{
    struct client *client = aggregates_client(api);
    struct json *o = json_new(a, JSON_OBJECT), *c = json_new(a, JSON_OBJECT);
    char now[TIME_TEXT];
    time_format(api_now_us(api), now);
    json_set_cstr(a, c, "type", "Available");
    json_set_cstr(a, c, "status", "True");
    json_set_cstr(a, c, "lastTransitionTime", now);
    json_set_cstr(a, c, "reason", "Local");
    json_set_cstr(a, c, "message", "Local APIServices are always available");
    json_append(a, json_array_at(a, json_object_at(a, o, "status"), "conditions"), c);
    const char *path = arena_printf(a, "%s/%s/status", collection, name);
    if (client && path && !a->failed)
        (void)!client_send_json(client, "PATCH", path, "application/merge-patch+json", o, sent,
                                NULL);
}

/* Its making comes back as a change, and then it is said to be available. */
static void settle(struct api *api, struct arena *a, struct schema_group_version gv)
{
    const char *name = arena_printf(a, "%s.%s", gv.version, gv.group);
    if (!name || aggregate_find(api, str_of(gv.group), str_of(gv.version)))
        return;
    const struct json *o = object_load(api, a, "apiregistration.k8s.io", "apiservices", STR(""),
                                       str_of(name), NULL);
    if (!o)
        make(api, a, gv, name);
    else if (!json_count(json_path(o, "status.conditions")))
        say_available(api, a, name);
}

struct gone {
    struct api *api;
    struct arena *a;
    const struct catalog *all;
};

static bool served(const struct catalog *all, struct str group, struct str version)
{
    for (size_t i = 0; i < all->version_count; i++)
        if (str_is(group, all->versions[i].group) && str_is(version, all->versions[i].version))
            return true;
    return false;
}

static bool look_at(void *ctx, struct store_value *v)
{
    struct gone *g = ctx;
    struct json *o;
    if (json_parse(g->a, store_value_bytes(v), NULL, &o, NULL) < 0 ||
        json_path(o, "spec.service") ||
        !json_str(json_get(json_path(o, "metadata.labels"), managed)).n ||
        served(g->all, json_path_str(o, "spec.group"), json_path_str(o, "spec.version")))
        return true;
    const char *path =
        arena_printf(g->a, "%s/%s", collection, json_path_cstr(o, "metadata.name"));
    struct client *client = aggregates_client(g->api);
    struct client_request r = {.method = "DELETE", .path = path};
    if (client && path)
        (void)!client_do(client, &r, sent, NULL, NULL);
    return true;
}

void own_register(struct api *api)
{
    struct arena a CLEANUP_ARENA;
    struct catalog all;
    struct store_snapshot *snap;
    arena_init(&a, OWN_BYTES);
    if (catalog_make(api, &a, &all) < 0 || store_snapshot_take(api->store, &snap) < 0)
        return;
    for (size_t i = 0; i < all.version_count; i++)
        settle(api, &a, all.versions[i]);
    struct gone g = {api, &a, &all};
    store_snapshot_range(snap, STR("/apiregistration.k8s.io/apiservices/"),
                         STR("/apiregistration.k8s.io/apiservices0"), look_at, &g);
    store_snapshot_release(snap);
}
