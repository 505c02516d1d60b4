/*
 * Nodes and placed pods. See state.h.
 *
 * Invariant: node->requested is the sum of requests of node->pods; every placed pod is on exactly
 * one node's list and in the map. A node entry lives while it is known or holds pods.
 */
#include "sched/state.h"

#include "base/assert.h"
#include "base/limits.h"
#include "sched/plugin.h"

static void placed_free(struct sched_placed *p)
{
    resources_subtract(&p->node->requested, &p->requests);
    list_remove(&p->link);
    mem_free(p->ports);
    mem_free(p->uid);
    mem_free(p);
}

static void node_free(struct sched_node *n)
{
    arena_done(&n->arena);
    mem_free(n->name);
    mem_free(n);
}

static void node_drop_if_empty(struct sched_state *s, struct sched_node *n)
{
    if (n->known || !list_empty(&n->pods))
        return;
    map_remove(&s->nodes, str_of(n->name));
    node_free(n);
}

void sched_state_init(struct sched_state *s)
{
    map_init(&s->nodes);
    map_init(&s->placed);
}

static void placed_free_value(void *p)
{
    placed_free(p);
}

static void node_free_value(void *n)
{
    node_free(n);
}

void sched_state_done(struct sched_state *s)
{
    map_done(&s->placed, placed_free_value);
    map_done(&s->nodes, node_free_value);
}

static struct sched_node *node_of(struct sched_state *s, const char *name)
{
    struct sched_node *n = map_get(&s->nodes, str_of(name));
    if (n)
        return n;
    n = mem_zalloc(sizeof *n);
    char *copy = n ? mem_strdup(name) : NULL;
    if (!copy || map_set(&s->nodes, str_of(name), n, NULL) < 0) {
        mem_free(copy);
        mem_free(n);
        return NULL;
    }
    n->name = copy;
    list_init(&n->pods);
    arena_init(&n->arena, LIMIT_OBJECT_BYTES * 4);
    return n;
}

bool sched_state_node(struct sched_state *s, const struct json *node, bool deleted)
{
    const char *name = json_path_cstr(node, "metadata.name");
    struct sched_node *n = node_of(s, name);
    if (!n)
        return false;
    if (deleted) {
        n->known = false;
        node_drop_if_empty(s, n);
        return false;
    }
    const struct json *list = json_path(node, "status.allocatable");
    if (json_absent(list))
        list = json_path(node, "status.capacity");
    arena_clear(&n->arena);
    n->known = true;
    resources_of_list(list, &n->allocatable);
    n->unschedulable = json_path_bool(node, "spec.unschedulable", false);
    const struct json *labels = json_path(node, "metadata.labels");
    const struct json *taints = json_path(node, "spec.taints");
    n->labels = labels ? json_clone(&n->arena, labels) : NULL;
    n->taints = taints ? json_clone(&n->arena, taints) : NULL;
    if (n->arena.failed)
        n->unschedulable = true; /* better no pod than one in the wrong place */
    return true;
}

static bool finished(const struct json *pod)
{
    const char *phase = json_path_cstr(pod, "status.phase");
    return cstr_eq(phase, "Succeeded") || cstr_eq(phase, "Failed");
}

static int place(struct sched_state *s, const struct json *pod, const char *node_name,
                 bool assumed, int64_t until_ms)
{
    const char *uid = json_path_cstr(pod, "metadata.uid");
    struct sched_port ports[SCHED_MAX_PORTS];
    struct sched_placed *p = mem_zalloc(sizeof *p);
    struct sched_node *n = node_of(s, node_name);

    if (!p || !n)
        goto fail;
    p->port_count = sched_pod_ports(pod, ports, SCHED_MAX_PORTS);
    p->ports = p->port_count ? mem_dup(ports, p->port_count * sizeof ports[0]) : NULL;
    p->uid = mem_strdup(uid);
    if (!p->uid || (p->port_count && !p->ports) || map_set(&s->placed, str_of(uid), p, NULL) < 0)
        goto fail;
    resources_of_pod(pod, &p->requests);
    p->node = n;
    p->assumed = assumed;
    p->assumed_until_ms = until_ms;
    resources_add(&n->requested, &p->requests);
    list_push_back(&n->pods, &p->link);
    return 0;
fail:
    if (p) {
        mem_free(p->ports);
        mem_free(p->uid);
        mem_free(p);
    }
    return -E_NOMEM;
}

static void unplace(struct sched_state *s, struct sched_placed *p)
{
    struct sched_node *n = p->node;
    map_remove(&s->placed, str_of(p->uid));
    placed_free(p);
    node_drop_if_empty(s, n);
}

bool sched_state_pod(struct sched_state *s, const struct json *pod, bool deleted)
{
    const char *node = json_path_cstr(pod, "spec.nodeName");
    struct sched_placed *p = map_get(&s->placed, json_path_str(pod, "metadata.uid"));
    bool holds = !deleted && node[0] && !finished(pod);

    if (p && p->assumed && !deleted && !node[0])
        return false; /* an older state of a pod just bound */
    if (p)
        unplace(s, p);
    if (holds) {
        int rc = place(s, pod, node, false, 0);
        ASSERT(rc == 0 || rc == -E_NOMEM);
    }
    return p && !holds;
}

int sched_state_assume(struct sched_state *s, const struct json *pod, const char *node,
                       int64_t until_ms)
{
    return place(s, pod, node, true, until_ms);
}

void sched_state_forget(struct sched_state *s, const char *uid)
{
    struct sched_placed *p = map_get(&s->placed, str_of(uid));
    if (p && p->assumed)
        unplace(s, p);
}

void sched_state_expire(struct sched_state *s, int64_t now_ms)
{
    struct map_iter it;
    void *value;
    map_iter_init(&s->placed, &it);
    while (map_iter_next(&s->placed, &it, NULL, &value)) {
        struct sched_placed *p = value;
        if (p->assumed && p->assumed_until_ms <= now_ms)
            unplace(s, p);
    }
}
