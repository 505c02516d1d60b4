/* Services and the pods that they select. See service_pods.h. */
#include "ctl/service_pods.h"

#include <stdlib.h>

struct touched {
    struct service_unit *unit;
    struct arena *arena;
    const struct json *labels[2];
};

static bool enqueue_if_selecting(void *ctx, struct object *service)
{
    struct touched *t = ctx;
    struct json *tree = object_json(service, t->arena);
    struct json *selector = json_path(tree, "spec.selector");
    for (int i = 0; i < 2; i++)
        if (t->labels[i] && ctl_selects_map(selector, t->labels[i])) {
            controller_enqueue_object(t->unit->unit.controller, service);
            break;
        }
    return true;
}

static void pod_changed(void *unit, struct object *old, struct object *new)
{
    struct arena a CLEANUP_ARENA;
    struct touched t = {.unit = unit, .arena = &a};
    struct object *any = new ? new : old;

    arena_init(&a, (size_t)256 * 1024 * 1024);
    if (old)
        t.labels[0] = json_path(object_json(old, &a), "metadata.labels");
    if (new)
        t.labels[1] = json_path(object_json(new, &a), "metadata.labels");
    if (t.labels[0] || t.labels[1])
        cache_index_each(t.unit->services, "namespace", any->namespace, enqueue_if_selecting, &t);
}

int service_unit_start(struct ctl *c, const char *name, controller_reconcile_fn *reconcile,
                       const char *out_path,
                       void (*out_changed)(void *unit, struct object *old, struct object *new),
                       struct service_unit **ret_unit)
{
    struct ctl_unit *u;
    int rc = ctl_unit_new(c, sizeof(struct service_unit), name, reconcile, &u);
    if (rc < 0)
        return rc;
    struct service_unit *s = (struct service_unit *)u;
    rc = ctl_unit_listen(u, "/api/v1/services", ctl_enqueue_self, &s->services);
    if (rc == 0)
        rc = ctl_unit_listen(u, "/api/v1/pods", pod_changed, &s->pods);
    if (rc == 0)
        rc = ctl_unit_listen(u, out_path, out_changed, &s->out);
    if (rc == 0)
        rc = cache_index_add(s->services, "namespace", cache_index_namespace);
    if (rc == 0)
        rc = cache_index_add(s->pods, "namespace", cache_index_namespace);
    if (rc == 0)
        *ret_unit = s;
    return rc;
}

struct select {
    struct arena *arena;
    const struct json *selector;
    struct ctl_list *list;
    int rc;
};

static bool select_one(void *ctx, struct object *o)
{
    struct select *s = ctx;
    size_t before = s->list->count;
    s->rc = ctl_list_add(s->arena, s->list, o);
    if (s->rc < 0)
        return false;
    struct json *pod = s->list->at[before].tree;
    if (!ctl_selects_map(s->selector, json_path(pod, "metadata.labels")) || ctl_pod_finished(pod) ||
        !json_path_cstr(pod, "status.podIP")[0])
        s->list->count = before;
    return true;
}

static int by_name(const void *a, const void *b)
{
    return strcmp(((const struct ctl_item *)a)->object->name,
                  ((const struct ctl_item *)b)->object->name);
}

int service_pods(struct service_unit *u, struct arena *a, const struct json *service,
                 struct ctl_list *ret_pods)
{
    struct select s = {a, json_path(service, "spec.selector"), ret_pods, 0};
    *ret_pods = (struct ctl_list){0};
    cache_index_each(u->pods, "namespace", json_path_cstr(service, "metadata.namespace"), select_one, &s);
    if (s.rc == 0 && ret_pods->count)
        qsort(ret_pods->at, ret_pods->count, sizeof ret_pods->at[0], by_name);
    return s.rc;
}

static int64_t named_port(const struct json *containers, const char *name, const char *protocol)
{
    for (struct json *c = json_first(containers); c; c = c->next)
        for (struct json *p = json_first(json_get(c, "ports")); p; p = p->next)
            if (cstr_eq(json_path_cstr(p, "name"), name) &&
                cstr_eq(json_path_cstr(p, "protocol"), protocol))
                return json_path_i64(p, "containerPort", 0);
    return 0;
}

static int64_t target_port(const struct json *port, const struct json *pod)
{
    const struct json *target = json_get(port, "targetPort");
    if (json_is(target, JSON_STRING)) {
        const char *protocol = json_path_cstr(port, "protocol");
        int64_t n = named_port(json_path(pod, "spec.containers"), json_cstr(target), protocol);
        return n ? n : named_port(json_path(pod, "spec.initContainers"), json_cstr(target), protocol);
    }
    int64_t n = json_i64(target, 0);
    return n ? n : json_path_i64(port, "port", 0);
}

struct json *service_ports(struct arena *a, const struct json *service, const struct json *pod)
{
    struct json *out = json_new(a, JSON_ARRAY);
    for (struct json *p = json_first(json_path(service, "spec.ports")); p; p = p->next) {
        int64_t number = target_port(p, pod);
        if (number == 0)
            continue;
        struct json *port = json_append(a, out, json_new(a, JSON_OBJECT));
        json_set_cstr(a, port, "name", json_path_cstr(p, "name"));
        json_set_i64(a, port, "port", number);
        json_set_cstr(a, port, "protocol", json_path_cstr(p, "protocol"));
        if (json_get(p, "appProtocol"))
            json_set_str(a, port, "appProtocol", json_path_str(p, "appProtocol"));
    }
    return out;
}

struct json *service_target_ref(struct arena *a, const struct json *pod)
{
    struct json *r = json_new(a, JSON_OBJECT);
    json_set_cstr(a, r, "kind", "Pod");
    json_set_str(a, r, "name", json_path_str(pod, "metadata.name"));
    json_set_str(a, r, "namespace", json_path_str(pod, "metadata.namespace"));
    json_set_str(a, r, "uid", json_path_str(pod, "metadata.uid"));
    return r;
}

bool service_names_pod(const struct json *service, const struct json *pod)
{
    return json_path_cstr(pod, "spec.hostname")[0] &&
           cstr_eq(json_path_cstr(pod, "spec.subdomain"), json_path_cstr(service, "metadata.name"));
}
