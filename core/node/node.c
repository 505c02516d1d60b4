/*
 * The node: its life, what the runtime reports, and recovery.
 *
 *   runtime connected -> state read back -> network set up -> recovered: pods are worked on
 *   runtime lost -> nothing is begun until it is back; pods run on
 *
 * What runs is adopted by uid; a pod that runs and that the API does not know (any more) is an
 * orphan and is removed, but only after the first complete list of pods.
 */
#include "node/node_int.h"

#include <stdio.h>

#include "base/limits.h"
#include "base/log.h"
#include "node/action.h"
#include "node/events.h"
#include "node/ipam.h"
#include "node/register.h"
#include "node/server.h"
#include "node/sources.h"
#include "port/crypto.h"

enum { TICK_MS = 10 * 1000, TICKS_A_LOOK = 6 /* at every pod, needed or not */, STRINGS_BYTES = 64 * 1024, SETUP_RETRY_MS = 1000 };

/* ---- small things for all files of this folder ---- */

int64_t node_now_s(struct node *n)
{
    return loop_realtime_ns(n->loop) / 1000000000;
}

void node_id_new(char ret_id[CONTAINER_ID_TEXT])
{
    unsigned char random[32];
    crypto_random(random, sizeof random);
    hex_encode(ret_id, random, sizeof random);
}

void node_text_set(char **at, const char *text)
{
    char *copy = text ? mem_strdup(text) : NULL;
    mem_free(*at);
    *at = copy;
}

void node_pods_wake(struct node *n)
{
    struct map_iter it;
    struct str key;
    void *value;
    map_iter_init(&n->pods, &it);
    while (map_iter_next(&n->pods, &it, &key, &value))
        pod_wake(value);
}

void node_reached(struct node *n, enum node_mark mark)
{
    if (n->reached[mark] || !n->o.reached)
        return;
    n->reached[mark] = true;
    n->o.reached(n->o.ctx, mark);
}

/* ---- what the runtime reports unasked ---- */

static void on_exited(void *ctx, const char *pod_uid, const char *id, const struct runtime_exit *e)
{
    struct node *n = ctx;
    struct pod *p = pods_get(n, pod_uid);
    struct container *c = p ? pod_container_by_id(p, id) : NULL;
    if (c)
        container_ended(c, e);
}

static void on_pod_died(void *ctx, const char *pod_uid)
{
    struct node *n = ctx;
    struct pod *p = pods_get(n, pod_uid);
    if (p)
        pod_event(p, POD_EV_LOST);
}

static void on_exec_exited(void *ctx, uint64_t session, const struct runtime_exit *e)
{
    struct node *n = ctx;
    actions_exec_exited(n->actions, session, e);
    server_exec_exited(n->server, session, e);
}

/* ---- recovery ---- */

static void state_pod(void *ctx, const char *uid, const char *ns, const char *name,
                      const struct net_addr *addrs, size_t addr_count, bool alive)
{
    struct node *n = ctx;
    struct pod *p = pods_get(n, uid);
    if (!p)
        p = pods_add_orphan(n, uid, ns, name);
    if (!p)
        return;
    p->sandbox = alive;
    p->sandbox_once = true;
    p->sandbox_files = alive;
    p->recovered = true;
    p->reported = true;
    if (addr_count > RUNTIME_MAX_ADDRS)
        addr_count = RUNTIME_MAX_ADDRS;
    memcpy(p->addrs, addrs, addr_count * sizeof addrs[0]);
    p->addr_count = addr_count;
    ipam_take(n->ipam, p->addrs, p->addr_count, p->uid);
}

static void state_container(void *ctx, const char *pod_uid, const char *id, const char *name,
                            uint32_t attempt, const char *image_id,
                            enum runtime_container_state state, const struct runtime_exit *exit)
{
    struct node *n = ctx;
    struct pod *p = pods_get(n, pod_uid);
    struct container *c = p ? pod_container(p, name) : NULL;
    if (c)
        container_adopt(c, id, attempt, image_id, state, exit);
}

static void network_done(void *ctx, const struct runtime_result *r)
{
    struct node *n = ctx;
    if (r->rc < 0) {
        log_err("pod network: %s", r->message);
        loop_timer_set(n->loop, &n->tick, SETUP_RETRY_MS);
        return;
    }
    n->recovered = true;
    registration_refresh(n->registration);
    node_images_refresh(n->images);
    events_node(n, "Normal", "NodeReady", "Node %s status is now: NodeReady", n->o.node_name);
    log_info("the runtime is up; %zu pods known", n->pods.count);
    pods_reconcile(n);
    node_pods_wake(n);
}

static void set_up_network(struct node *n)
{
    n->runtime->ops->network_setup(n->runtime->self, &n->o.pod_cidr, n->o.pod_prefix_len,
                                   &n->o.cluster_dns, network_done, n);
}

static void state_done(void *ctx, const struct runtime_result *r)
{
    struct node *n = ctx;
    n->reading_state = false;
    if (r->rc < 0) {
        log_err("reading the runtime's state: %s", r->message);
        loop_timer_set(n->loop, &n->tick, SETUP_RETRY_MS);
        return;
    }
    n->runtime_up = true;
    pods_state_read(n);
    set_up_network(n);
}

static void read_state(struct node *n)
{
    static const struct runtime_state_fns fns = {state_pod, state_container};
    if (n->reading_state || !cache_synced(n->pods_cache))
        return; /* orphans can be told from pods only once the API's list is known */
    n->reading_state = true;
    pods_reading_state(n);
    n->runtime->ops->state(n->runtime->self, &fns, state_done, n);
}

static void on_connected(void *ctx)
{
    struct node *n = ctx;
    n->runtime_up = false;
    n->recovered = false;
    n->reading_state = false;
    read_state(n);
}

void node_recover(struct node *n)
{
    if (!n->runtime_up)
        read_state(n);
    else if (!n->recovered)
        set_up_network(n);
}

static void on_tick(void *ctx)
{
    struct node *n = ctx;
    loop_timer_set(n->loop, &n->tick, TICK_MS);
    if (n->recovered)
        pods_reconcile(n);
    if (++n->ticks % TICKS_A_LOOK == 0)
        node_pods_wake(n);
    if (!n->recovered)
        node_recover(n);
}

/* ---- life ---- */

static const char *keep(struct node *n, const char *s)
{
    return arena_strdup(&n->strings, s ? s : "");
}

static int copy_options(struct node *n, const struct node_options *o)
{
    n->o = *o;
    n->o.node_name = keep(n, o->node_name);
    n->o.cluster_domain = keep(n, o->cluster_domain ? o->cluster_domain : "cluster.local");
    n->o.search = keep(n, o->search);
    n->o.kernel_version = keep(n, o->kernel_version);
    n->o.os_image = keep(n, o->os_image);
    n->o.boot_id = keep(n, o->boot_id);
    n->o.machine_id = keep(n, o->machine_id);
    n->o.system_uuid = keep(n, o->system_uuid);
    n->o.version = keep(n, o->version);
    if (!n->o.max_pods)
        n->o.max_pods = LIMIT_PODS_PER_NODE;
    if (!n->o.kubelet_port)
        n->o.kubelet_port = 10250;
    size_t count = 0;
    while (o->labels && o->labels[count])
        count++;
    const char **labels = arena_alloc(&n->strings, (count + 1) * sizeof *labels);
    for (size_t i = 0; labels && i < count; i++)
        labels[i] = keep(n, o->labels[i]);
    if (labels)
        labels[count] = NULL;
    n->o.labels = labels;
    return n->strings.failed ? -E_NOMEM : 0;
}

static void services_synced(void *ctx)
{
    node_pods_wake(ctx); /* pods wait for them: containers get their variables */
}

static int start_parts(struct node *n)
{
    static const struct cache_handlers services = {NULL, services_synced};
    char selector[320];
    int rc = ipam_new(&n->o.pod_cidr, n->o.pod_prefix_len, &n->ipam);
    if (rc == 0)
        rc = events_new(n, &n->events);
    if (rc == 0)
        rc = sources_new(n, &n->sources);
    if (rc == 0)
        rc = actions_new(n, &n->actions);
    if (rc == 0)
        rc = cache_new(n->client, "/api/v1/services", NULL, NULL, &n->services);
    if (rc == 0)
        rc = cache_listen(n->services, &services, n, &n->services_listener);
    snprintf(selector, sizeof selector, "metadata.name=%s", n->o.node_name);
    if (rc == 0)
        rc = cache_new(n->client, "/api/v1/nodes", selector, NULL, &n->self);
    if (rc == 0)
        rc = pods_start(n);
    if (rc == 0)
        rc = node_images_new(n, &n->images);
    if (rc == 0)
        rc = registration_new(n, &n->registration);
    return rc;
}

int node_new(const struct node_options *o, struct node **ret_node, struct err *err)
{
    static const struct runtime_events events = {on_exited, on_pod_died, on_exec_exited,
                                                 on_connected};
    struct node *n = mem_zalloc(sizeof *n);
    if (!n)
        return err_set(err, E_NOMEM, "kubelet: out of memory");
    arena_init(&n->strings, STRINGS_BYTES);
    list_init(&n->removed);
    n->loop = o->loop;
    n->client = o->client;
    n->runtime = o->runtime;
    loop_timer_init(&n->tick, on_tick, n);
    int rc = copy_options(n, o);
    n->o.listen_fd = -1;
    if (rc == 0)
        rc = start_parts(n);
    if (rc == 0 && o->listen_fd >= 0 && o->serving)
        rc = server_new(n, o->listen_fd, &n->server);
    if (rc < 0) {
        node_free(n);
        return err_set(err, -rc, "kubelet: %s", err_text(rc));
    }
    n->o.listen_fd = o->listen_fd;
    loop_timer_set(n->loop, &n->tick, TICK_MS);
    events_node(n, "Normal", "Starting", "Starting kubelet.");
    n->runtime->ops->listen(n->runtime->self, &events, n);
    *ret_node = n;
    return 0;
}

static void free_pods(struct node *n)
{
    struct map_iter it;
    struct str key;
    void *value;
    map_iter_init(&n->pods, &it);
    while (map_iter_next(&n->pods, &it, &key, &value)) {
        map_remove(&n->pods, key);
        pods_free(value);
    }
    map_done(&n->pods, NULL);
    struct pod *p, *next;
    LIST_EACH_SAFE (p, next, &n->removed, gone_link)
        pods_free(p);
}

void node_free(struct node *n)
{
    if (!n)
        return;
    loop_timer_cancel(n->loop, &n->tick);
    server_free(n->server);
    if (n->pods_listener)
        cache_unlisten(n->pods_listener);
    if (n->services_listener)
        cache_unlisten(n->services_listener);
    if (n->removed.next)
        free_pods(n);
    registration_free(n->registration);
    node_images_free(n->images);
    actions_free(n->actions);
    sources_free(n->sources);
    events_free(n->events);
    ipam_free(n->ipam);
    if (n->pods_cache)
        cache_free(n->pods_cache);
    if (n->services)
        cache_free(n->services);
    if (n->self)
        cache_free(n->self);
    if (n->probe_tls)
        tls_context_free(n->probe_tls);
    arena_done(&n->strings);
    mem_free(n);
}

void node_set_addrs(struct node *n, const struct net_addr *addrs, size_t count)
{
    n->o.addr_count = count < NODE_MAX_ADDRS ? count : NODE_MAX_ADDRS;
    memcpy(n->o.addrs, addrs, n->o.addr_count * sizeof addrs[0]);
    registration_refresh(n->registration);
    node_pods_wake(n);
}

void node_count(const struct node *n, struct node_counts *ret_counts)
{
    struct map_iter it;
    struct str key;
    void *value;
    struct node_counts counts = {.registered = registration_done(n->registration),
                                 .runtime_up = n->recovered};
    map_iter_init(&n->pods, &it);
    while (map_iter_next(&n->pods, &it, &key, &value)) {
        counts.pods++;
        counts.running += pod_any_running(value);
    }
    *ret_counts = counts;
}
