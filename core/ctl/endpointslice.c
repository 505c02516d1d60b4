/*
 * EndpointSlices of each Service with a selector: at most 100 endpoints a slice, one group of
 * slices for each set of resolved ports. Source: kubernetes.io, "EndpointSlices"; KEP-752.
 */
#include "ctl/service_pods.h"

enum { SLICE_ENDPOINTS = 100 };

#define LABEL_SERVICE "kubernetes.io/service-name"
#define LABEL_MANAGED "endpointslice.kubernetes.io/managed-by"
#define MANAGER "endpointslice-controller.k8s.io"
#define LABEL_HEADLESS "service.kubernetes.io/headless"

struct group { /* endpoints with the same ports */
    struct group *next;
    struct json *ports, *endpoints;
};

static struct json *endpoint_of(struct arena *a, const struct json *service, const struct json *pod)
{
    struct json *e = json_new(a, JSON_OBJECT);
    struct json *addresses = json_array_at(a, e, "addresses"), *c = json_object_at(a, e, "conditions");
    bool leaving = !json_absent(json_path(pod, "metadata.deletionTimestamp"));
    bool serving = ctl_pod_ready(pod);
    bool always = json_path_bool(service, "spec.publishNotReadyAddresses", false);

    json_append(a, addresses, json_new_str(a, json_path_str(pod, "status.podIP")));
    json_set_bool(a, c, "ready", always || (serving && !leaving));
    json_set_bool(a, c, "serving", serving);
    json_set_bool(a, c, "terminating", leaving);
    if (service_names_pod(service, pod))
        json_set_str(a, e, "hostname", json_path_str(pod, "spec.hostname"));
    if (json_path_cstr(pod, "spec.nodeName")[0])
        json_set_str(a, e, "nodeName", json_path_str(pod, "spec.nodeName"));
    json_set(a, e, "targetRef", service_target_ref(a, pod));
    return e;
}

static struct group *groups_of(struct arena *a, const struct json *service,
                               const struct ctl_list *pods)
{
    struct group *first = NULL, **last = &first;
    for (size_t i = 0; i < pods->count; i++) {
        const struct json *pod = pods->at[i].tree;
        struct json *ports = service_ports(a, service, pod);
        struct group *g = first;
        while (g && !json_equal(g->ports, ports))
            g = g->next;
        if (!g) {
            g = arena_zalloc(a, sizeof *g);
            if (!g)
                return NULL;
            g->ports = ports;
            g->endpoints = json_new(a, JSON_ARRAY);
            *last = g;
            last = &g->next;
        }
        json_append(a, g->endpoints, endpoint_of(a, service, pod));
    }
    return first;
}

static struct json *labels_of(struct arena *a, const struct json *service)
{
    struct json *labels = json_clone(a, json_path(service, "metadata.labels"));
    if (!labels)
        labels = json_new(a, JSON_OBJECT);
    json_set_str(a, labels, LABEL_SERVICE, json_path_str(service, "metadata.name"));
    json_set_cstr(a, labels, LABEL_MANAGED, MANAGER);
    if (cstr_eq(json_path_cstr(service, "spec.clusterIP"), "None"))
        json_set_cstr(a, labels, LABEL_HEADLESS, "");
    return labels;
}

struct work {
    struct service_unit *unit;
    struct arena *arena;
    struct plan *plan;
    const struct json *service;
    struct json *labels;
    struct ctl_list have; /* our slices of this service */
    size_t used;
    int rc;
};

static bool ours(void *ctx, struct object *o)
{
    struct work *w = ctx;
    size_t before = w->have.count;
    if (o->deleting)
        return true;
    w->rc = ctl_list_add(w->arena, &w->have, o);
    if (w->rc == 0) {
        struct json *labels = json_path(w->have.at[before].tree, "metadata.labels");
        if (!cstr_eq(json_cstr(json_get(labels, LABEL_MANAGED)), MANAGER))
            w->have.count = before;
    }
    return w->rc == 0;
}

/* One wanted slice: into the next existing one, or a new one. */
static void write_slice(struct work *w, struct json *ports, struct json *endpoints)
{
    struct arena *a = w->arena;
    const char *ns = json_path_cstr(w->service, "metadata.namespace");
    const char *name = json_path_cstr(w->service, "metadata.name");

    if (w->used < w->have.count) {
        struct json *tree = w->have.at[w->used++].tree;
        struct json *meta = json_get(tree, "metadata");
        if (json_equal(json_get(tree, "ports"), ports) &&
            json_equal(json_get(tree, "endpoints"), endpoints) &&
            json_equal(json_get(meta, "labels"), w->labels))
            return;
        json_set(a, tree, "ports", ports);
        json_set(a, tree, "endpoints", endpoints);
        json_set(a, meta, "labels", json_clone(a, w->labels));
        char *path = ctl_object_path(a, "discovery.k8s.io", "v1", "endpointslices", tree, NULL);
        if (path)
            plan_update(w->plan, path, tree, w->unit->out);
        return;
    }
    struct json *slice = json_new(a, JSON_OBJECT), *meta = json_object_at(a, slice, "metadata");
    char *slice_name = ctl_random_name(w->unit->unit.ctl, a, name);
    char *prefix = arena_printf(a, "%s-", name);
    char *path = client_path(a, "discovery.k8s.io", "v1", ns, "endpointslices", NULL, NULL);
    if (!slice_name || !prefix || !path)
        return;
    json_set_cstr(a, slice, "apiVersion", "discovery.k8s.io/v1");
    json_set_cstr(a, slice, "kind", "EndpointSlice");
    json_set_cstr(a, meta, "name", slice_name);
    json_set_cstr(a, meta, "generateName", prefix);
    json_set_cstr(a, meta, "namespace", ns);
    json_set(a, meta, "labels", json_clone(a, w->labels));
    json_append(a, json_array_at(a, meta, "ownerReferences"),
                ctl_owner_reference(a, "v1", "Service", name,
                                    json_path_cstr(w->service, "metadata.uid")));
    json_set_cstr(a, slice, "addressType", "IPv4");
    json_set(a, slice, "endpoints", endpoints);
    json_set(a, slice, "ports", ports);
    plan_create(w->plan, path, slice, w->unit->out, PLAN_TOLERATE_NOTHING);
}

static void write_group(struct work *w, struct group *g)
{
    struct arena *a = w->arena;
    struct json *e = json_first(g->endpoints);
    while (e) {
        struct json *part = json_new(a, JSON_ARRAY);
        for (int i = 0; i < SLICE_ENDPOINTS && e; i++, e = e->next)
            json_append(a, part, json_clone(a, e));
        write_slice(w, json_clone(a, g->ports), part);
    }
}

static int reconcile(void *ctx, const char *key, struct arena *a, struct plan *p, struct err *err)
{
    struct work w = {.unit = ctx, .arena = a, .plan = p};
    struct ctl_list pods;
    const char *ns, *name;
    int rc = controller_key(a, key, &ns, &name);

    if (rc < 0)
        return err_set(err, -rc, "key: %s", err_text(rc));
    struct object *o = cache_get(w.unit->services, ns, name);
    w.service = object_json(o, a);
    if (!w.service)
        return o ? -E_NOMEM : 0; /* the garbage collector takes the slices of a service that went */
    if (o->deleting || json_count(json_path(w.service, "spec.selector")) == 0 ||
        cstr_eq(json_path_cstr(w.service, "spec.type"), "ExternalName"))
        return 0;
    w.labels = labels_of(a, w.service);
    cache_index_each(w.unit->out, "service", key, ours, &w);
    rc = w.rc < 0 ? w.rc : service_pods(w.unit, a, w.service, &pods);
    if (rc < 0)
        return rc;
    for (struct group *g = groups_of(a, w.service, &pods); g; g = g->next)
        write_group(&w, g);
    if (w.used == 0 && pods.count == 0) /* one empty slice says that there is nothing */
        write_slice(&w, json_new(a, JSON_ARRAY), json_new(a, JSON_ARRAY));
    for (size_t i = w.used; i < w.have.count; i++) {
        char *path = ctl_object_path(a, "discovery.k8s.io", "v1", "endpointslices",
                                     w.have.at[i].tree, NULL);
        if (path)
            plan_delete(p, path, w.have.at[i].object, NULL, w.unit->out);
    }
    return 0;
}

/* "ns/service" of a slice. */
static void index_service(const struct json *tree, void (*emit)(void *, const char *), void *arg)
{
    char key[600];
    struct json *labels = json_path(tree, "metadata.labels");
    struct str service = json_str(json_get(labels, LABEL_SERVICE));
    struct str ns = json_path_str(tree, "metadata.namespace");
    if (service.n == 0 || service.n + ns.n + 2 > sizeof key)
        return;
    memcpy(key, ns.p, ns.n);
    key[ns.n] = '/';
    memcpy(key + ns.n + 1, service.p, service.n + 1);
    emit(arg, key);
}

static void enqueue_key(void *unit, const char *key)
{
    struct ctl_unit *u = unit;
    controller_enqueue(u->controller, key);
}

static void slice_changed(void *unit, struct object *old, struct object *new)
{
    struct arena a CLEANUP_ARENA;
    arena_init(&a, (size_t)64 * 1024 * 1024);
    struct json *tree = object_json(new ? new : old, &a);
    if (tree)
        index_service(tree, enqueue_key, unit);
}

int endpointslice_start(struct ctl *c)
{
    struct service_unit *u;
    int rc = service_unit_start(c, "endpointslice", reconcile,
                                "/apis/discovery.k8s.io/v1/endpointslices", slice_changed, &u);
    return rc < 0 ? rc : cache_index_add(u->out, "service", index_service);
}
