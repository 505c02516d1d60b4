/*
 * The pods of this node: those that the API binds to it (a watch), and those that the runtime
 * reports. A pod is known by its uid; a new pod under an old name is another pod.
 */
#include <stdio.h>

#include "base/limits.h"
#include "base/log.h"
#include "node/events.h"
#include "node/ipam.h"
#include "node/node_int.h"
#include "node/qos.h"
#include "node/sources.h"
#include "node/status.h"
#include "node/volumes.h"

struct pod *pods_get(const struct node *n, const char *uid)
{
    return map_get(&n->pods, str_of(uid));
}

struct pod *pods_find(const struct node *n, const char *ns, const char *name)
{
    struct object *o = cache_get(n->pods_cache, ns, name);
    return o ? pods_get(n, o->uid) : NULL;
}

/* ---- making and freeing ---- */

static struct pod *pod_new(struct node *n, const char *uid, const char *ns, const char *name)
{
    struct pod *p = mem_zalloc(sizeof *p);
    if (!p)
        return NULL;
    p->node = n;
    p->refs = 1;
    p->uid = mem_strdup(uid);
    p->namespace = mem_strdup(ns);
    p->name = mem_strdup(name);
    p->state = POD_ADMITTING;
    list_init(&p->holds);
    list_init(&p->gone_link);
    pod_init_work(p);
    status_init(p);
    if (!p->uid || !p->namespace || !p->name || map_set(&n->pods, str_of(uid), p, NULL) < 0) {
        pods_free(p);
        return NULL;
    }
    return p;
}

static void container_free(struct container *c)
{
    container_done(c);
    mem_free(c);
}

void pods_free(struct pod *p)
{
    loop_task_cancel(&p->work);
    loop_timer_cancel(p->node->loop, &p->timer);
    loop_timer_cancel(p->node->loop, &p->retry);
    status_done(p);
    if (p->delete_call)
        client_cancel(p->node->client, p->delete_call);
    for (size_t i = 0; i < p->container_count; i++)
        container_free(p->containers[i]);
    for (size_t i = 0; i < p->volume_count; i++)
        volume_done(&p->volumes[i]);
    sources_drop(p);
    list_remove(&p->gone_link);
    mem_free(p->containers);
    mem_free(p->volumes);
    if (p->object)
        object_unref(p->object);
    mem_free(p->uid);
    mem_free(p->namespace);
    mem_free(p->name);
    mem_free(p->reason);
    mem_free(p->message);
    mem_free(p);
}

void pod_ref(struct pod *p)
{
    p->refs++;
}

void pod_unref(struct pod *p)
{
    if (--p->refs == 0)
        pods_free(p);
}

static bool restarts_always(const struct json *container)
{
    return cstr_eq(json_path_cstr(container, "restartPolicy"), "Always");
}

/* p->containers has room for it. */
static int add_container(struct pod *p, const struct json *spec, enum container_kind kind)
{
    struct container *c = mem_zalloc(sizeof *c);
    if (!c)
        return -E_NOMEM;
    container_init(c, p, json_path_cstr(spec, "name"), kind);
    p->containers[p->container_count++] = c;
    return 0;
}

void pods_add_ephemeral(struct pod *p, const struct json *spec)
{
    const struct json *list = json_get(spec, "ephemeralContainers");
    size_t known = p->container_count - p->main_end, count = json_count(list);
    if (count <= known)
        return;
    struct container **more = mem_realloc(p->containers, (p->main_end + count + 1) * sizeof *more);
    if (!more) {
        pod_retry_later(p);
        return;
    }
    p->containers = more;
    for (struct json *c = json_first(list); c; c = c->next)
        if (!pod_container(p, json_path_cstr(c, "name")) && add_container(p, c, CONTAINER_EPHEMERAL) < 0)
            pod_retry_later(p);
}

static int make_parts(struct pod *p, const struct json *spec)
{
    const struct json *init = json_get(spec, "initContainers"), *mains = json_get(spec, "containers");
    const struct json *volumes = json_get(spec, "volumes");
    size_t count = json_count(init) + json_count(mains);
    p->containers = mem_calloc(count + 1, sizeof *p->containers);
    p->volumes = mem_calloc(json_count(volumes) + 1, sizeof *p->volumes);
    if (!p->containers || !p->volumes)
        return -E_NOMEM;
    p->init_count = json_count(init);
    for (struct json *c = json_first(init); c; c = c->next)
        if (add_container(p, c, restarts_always(c) ? CONTAINER_SIDECAR : CONTAINER_INIT) < 0)
            return -E_NOMEM;
    for (struct json *c = json_first(mains); c; c = c->next)
        if (add_container(p, c, CONTAINER_MAIN) < 0)
            return -E_NOMEM;
    p->main_end = p->container_count;
    pods_add_ephemeral(p, spec);
    for (struct json *v = json_first(volumes); v; v = v->next)
        volume_init(&p->volumes[p->volume_count++], p, json_path_cstr(v, "name"));
    p->request_cpu_milli = qos_pod_request(spec, "cpu", true);
    p->request_memory_bytes = qos_pod_request(spec, "memory", false);
    qos_cgroup(qos_of(spec), p->uid, p->cgroup, sizeof p->cgroup);
    p->host_network = json_path_bool(spec, "hostNetwork", false);
    return 0;
}

struct pod *pods_add(struct node *n, struct object *o)
{
    struct arena a CLEANUP_ARENA = {0};
    arena_init(&a, LIMIT_RECONCILE_ARENA);
    struct json *tree = object_json(o, &a);
    struct pod *p = tree ? pod_new(n, o->uid, o->namespace, o->name) : NULL;
    if (!p)
        return NULL;
    p->object = object_ref(o);
    p->seen_ns = loop_realtime_ns(n->loop);
    if (make_parts(p, json_get(tree, "spec")) < 0) {
        map_remove(&n->pods, str_of(p->uid));
        pods_free(p);
        return NULL;
    }
    status_recall(p, tree);
    return p;
}

struct pod *pods_add_orphan(struct node *n, const char *uid, const char *ns, const char *name)
{
    struct pod *p = pod_new(n, uid, ns, name);
    if (p)
        p->api_gone = true;
    return p;
}

void pods_forget(struct pod *p)
{
    struct node *n = p->node;
    log_info("pod %s/%s is gone", p->namespace, p->name);
    ipam_return(n->ipam, p->addrs, p->addr_count, p->uid);
    sources_drop(p);
    loop_timer_cancel(n->loop, &p->timer);
    loop_timer_cancel(n->loop, &p->retry);
    status_done(p);
    if (p->delete_call)
        client_cancel(n->client, p->delete_call);
    p->delete_call = NULL;
    if (map_get(&n->pods, str_of(p->uid)) == p)
        map_remove(&n->pods, str_of(p->uid));
    list_push_back(&n->removed, &p->gone_link);
    pod_unref(p);
}

/* ---- what the API says ---- */

static void gone(struct node *n, const char *uid)
{
    struct pod *p = pods_get(n, uid);
    if (!p)
        return;
    p->api_gone = true;
    pod_wake(p);
}

static void changed(void *ctx, struct object *old, struct object *new)
{
    struct node *n = ctx;
    if (old && (!new || !cstr_eq(old->uid, new->uid)))
        gone(n, old->uid);
    if (!new)
        return;
    struct pod *p = pods_get(n, new->uid);
    if (!p) {
        p = pods_add(n, new);
        if (!p) {
            log_err("pod %s/%s: out of memory; tried again later", new->namespace, new->name);
            return;
        }
    } else {
        if (p->object)
            object_unref(p->object);
        p->object = object_ref(new);
        p->volumes_stale = true; /* the downward API shows it */
    }
    pod_wake(p);
}

static void synced(void *ctx)
{
    node_recover(ctx);
}

int pods_start(struct node *n)
{
    static const struct cache_handlers handlers = {changed, synced};
    char selector[320];
    snprintf(selector, sizeof selector, "spec.nodeName=%s", n->o.node_name);
    int rc = cache_new(n->client, "/api/v1/pods", selector, NULL, &n->pods_cache);
    return rc < 0 ? rc : cache_listen(n->pods_cache, &handlers, n, &n->pods_listener);
}

/* ---- comparing ---- */

void pods_reading_state(struct node *n)
{
    struct map_iter it;
    struct str key;
    void *value;
    map_iter_init(&n->pods, &it);
    while (map_iter_next(&n->pods, &it, &key, &value))
        ((struct pod *)value)->reported = ((struct pod *)value)->call_busy;
}

void pods_state_read(struct node *n)
{
    struct map_iter it;
    struct str key;
    void *value;
    map_iter_init(&n->pods, &it);
    while (map_iter_next(&n->pods, &it, &key, &value)) {
        struct pod *p = value;
        if (p->sandbox && !p->reported)
            pod_event(p, POD_EV_LOST);
    }
}

static bool add_missing(void *ctx, struct object *o)
{
    struct node *n = ctx;
    if (!pods_get(n, o->uid)) {
        struct pod *p = pods_add(n, o);
        if (p)
            pod_wake(p);
    }
    return true;
}

void pods_reconcile(struct node *n)
{
    struct map_iter it;
    struct str key;
    void *value;
    map_iter_init(&n->pods, &it);
    while (map_iter_next(&n->pods, &it, &key, &value)) {
        struct pod *p = value;
        struct object *o = cache_get(n->pods_cache, p->namespace, p->name);
        if (!o || !cstr_eq(o->uid, p->uid)) {
            p->api_gone = true;
            pod_wake(p);
        }
    }
    cache_each(n->pods_cache, add_missing, n); /* those that memory had no room for */
}
