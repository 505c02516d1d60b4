/*
 * Endpoints of each Service with a selector: the older form that some clients still read.
 * At most 1,000 addresses, as upstream. Source: kubernetes.io, "Endpoints".
 */
#include "ctl/service_pods.h"

enum { MAX_ADDRESSES = 1000 };

static struct json *address_of(struct arena *a, const struct json *service, const struct json *pod)
{
    struct json *e = json_new(a, JSON_OBJECT);
    if (service_names_pod(service, pod))
        json_set_str(a, e, "hostname", json_path_str(pod, "spec.hostname"));
    json_set_str(a, e, "ip", json_path_str(pod, "status.podIP"));
    if (json_path_cstr(pod, "spec.nodeName")[0])
        json_set_str(a, e, "nodeName", json_path_str(pod, "spec.nodeName"));
    json_set(a, e, "targetRef", service_target_ref(a, pod));
    return e;
}

/* Subsets are told apart by their ports. */
static struct json *subset_of(struct arena *a, struct json *subsets, struct json *ports)
{
    struct json *s = json_first(subsets);
    while (s && !json_equal(json_get(s, "ports"), ports))
        s = s->next;
    if (!s) {
        s = json_append(a, subsets, json_new(a, JSON_OBJECT));
        json_set(a, s, "ports", ports);
    }
    return s;
}

/* In Endpoints an unnamed port has no name at all. */
static void drop_empty_names(struct json *ports)
{
    for (struct json *p = json_first(ports); p; p = p->next)
        if (!json_path_cstr(p, "name")[0])
            json_remove(p, "name");
}

static struct json *subsets_of(struct arena *a, const struct json *service,
                               const struct ctl_list *pods)
{
    struct json *subsets = json_new(a, JSON_ARRAY);
    bool always = json_path_bool(service, "spec.publishNotReadyAddresses", false);
    size_t count = 0;

    for (size_t i = 0; i < pods->count && count < MAX_ADDRESSES; i++) {
        const struct json *pod = pods->at[i].tree;
        if (!always && pods->at[i].object->deleting)
            continue;
        struct json *ports = service_ports(a, service, pod);
        drop_empty_names(ports);
        if (json_count(ports) == 0 && json_count(json_path(service, "spec.ports")))
            continue;
        struct json *s = subset_of(a, subsets, ports);
        const char *list = always || ctl_pod_ready(pod) ? "addresses" : "notReadyAddresses";
        json_append(a, json_array_at(a, s, list), address_of(a, service, pod));
        count++;
    }
    return subsets;
}

static struct json *labels_of(struct arena *a, const struct json *service)
{
    struct json *labels = json_clone(a, json_path(service, "metadata.labels"));
    if (!labels)
        labels = json_new(a, JSON_OBJECT);
    json_set_cstr(a, labels, "endpoints.kubernetes.io/managed-by", "endpoint-controller");
    if (cstr_eq(json_path_cstr(service, "spec.clusterIP"), "None"))
        json_set_cstr(a, labels, "service.kubernetes.io/headless", "");
    return labels;
}

static void write_out(struct service_unit *u, struct arena *a, struct plan *p,
                      const struct json *service, struct json *subsets)
{
    const char *ns = json_path_cstr(service, "metadata.namespace");
    const char *name = json_path_cstr(service, "metadata.name");
    struct json *labels = labels_of(a, service);
    struct object *o = cache_get(u->out, ns, name);
    struct json *tree = object_json(o, a);

    if (tree) {
        struct json *meta = json_get(tree, "metadata"), *have = json_get(tree, "subsets");
        bool same = have ? json_equal(have, subsets) : json_count(subsets) == 0;
        if (same && json_equal(json_get(meta, "labels"), labels))
            return;
        json_set(a, tree, "subsets", subsets);
        json_set(a, meta, "labels", labels);
        char *path = ctl_object_path(a, NULL, "v1", "endpoints", tree, NULL);
        if (path)
            plan_update(p, path, tree, u->out);
        return;
    }
    tree = json_new(a, JSON_OBJECT);
    struct json *meta = json_object_at(a, tree, "metadata");
    json_set_cstr(a, tree, "apiVersion", "v1");
    json_set_cstr(a, tree, "kind", "Endpoints");
    json_set_cstr(a, meta, "name", name);
    json_set_cstr(a, meta, "namespace", ns);
    json_set(a, meta, "labels", labels);
    json_set(a, tree, "subsets", subsets);
    char *path = client_path(a, NULL, "v1", ns, "endpoints", NULL, NULL);
    if (path)
        plan_create(p, path, tree, u->out, PLAN_TOLERATE_EXISTS);
}

static int reconcile(void *ctx, const char *key, struct arena *a, struct plan *p, struct err *err)
{
    struct service_unit *u = ctx;
    struct ctl_list pods;
    const char *ns, *name;
    int rc = controller_key(a, key, &ns, &name);

    if (rc < 0)
        return err_set(err, -rc, "key: %s", err_text(rc));
    struct object *o = cache_get(u->services, ns, name);
    struct json *service = object_json(o, a);
    if (!service && o)
        return -E_NOMEM;
    if (!service || o->deleting) { /* Endpoints have no owner: they go with the service's name */
        struct object *out = cache_get(u->out, ns, name);
        char *path = client_path(a, NULL, "v1", ns, "endpoints", name, NULL);
        struct json *tree = object_json(out, a);
        struct json *labels = json_path(tree, "metadata.labels");
        if (path && json_get(labels, "endpoints.kubernetes.io/managed-by"))
            plan_delete(p, path, out, NULL, u->out);
        return 0;
    }
    if (json_count(json_path(service, "spec.selector")) == 0 ||
        cstr_eq(json_path_cstr(service, "spec.type"), "ExternalName"))
        return 0;
    rc = service_pods(u, a, service, &pods);
    if (rc < 0)
        return rc;
    write_out(u, a, p, service, subsets_of(a, service, &pods));
    return 0;
}

int endpoints_start(struct ctl *c)
{
    struct service_unit *u;
    return service_unit_start(c, "endpoints", reconcile, "/api/v1/endpoints", ctl_enqueue_self, &u);
}
