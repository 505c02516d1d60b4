/* See node_role.h. The kubelet starts when three things are there: a client of the API, a serving
 * certificate, an address of the machine. The runtime may come and go. */
#include "main/node_role.h"

#include <stdio.h>
#include <sys/statvfs.h>
#include <sys/sysinfo.h>
#include <sys/utsname.h>
#include <unistd.h>

#include "base/log.h"
#include "kernel-glue/boot/file.h"
#include "keelson_version.h"
#include "main/api_client.h"
#include "node/node.h"
#include "port/tls.h"
#include "proxy/proxy.h"
#include "wire/runtime_link.h"

enum { ID_BYTES = 64, POD_PREFIX = 24, RESERVED_MEMORY = 128 * 1024 * 1024, RESERVED_CPU_MILLI = 100 };

struct facts { /* of the machine, for the Node object */
    struct utsname system;
    char boot_id[ID_BYTES], machine_id[ID_BYTES], system_uuid[ID_BYTES];
    int64_t cpu_milli, memory_bytes, storage_bytes;
    bool no_cgroup_limits;
};

struct node_role {
    struct role_env *env;
    struct api_client *api;
    struct client *client;
    struct runtime_link *link;
    struct runtime runtime;
    struct tls_context *serving;
    struct node *node;
    struct proxy *proxy;
    struct facts facts;
    struct err failure;
};

static const struct net_addr pod_cidr = {.family = 4, .ip = {10, 244, 0, 0}};
static const struct net_addr cluster_dns = {.family = 4, .ip = {10, 96, 0, 10}, .port = 53};

static void give_up(struct node_role *r, const char *what, int rc, const struct err *err)
{
    err_set(&r->failure, -rc, "%s: %s", what, err && err->code ? err->text : err_text(rc));
    loop_stop(r->env->loop);
}

/* ---- facts ---- */

static void read_id(const char *path, char *id)
{
    char text[ID_BYTES * 2];
    size_t n;
    if (file_read(FILE_HERE, path, text, sizeof text, &n, NULL) == 0)
        str_copy(id, ID_BYTES, str_trim(str_make(text, n)));
}

static bool has_controllers(void)
{
    char text[512];
    size_t n;
    return file_read(FILE_HERE, "/sys/fs/cgroup/cgroup.controllers", text, sizeof text, &n, NULL) == 0 &&
           str_find(str_make(text, n), STR("memory")) >= 0 && str_find(str_make(text, n), STR("cpu")) >= 0;
}

static void learn(struct node_role *r)
{
    struct facts *f = &r->facts;
    struct sysinfo info;
    struct statvfs fs;
    uname(&f->system);
    read_id("/proc/sys/kernel/random/boot_id", f->boot_id);
    read_id("/etc/machine-id", f->machine_id);
    read_id("/sys/class/dmi/id/product_uuid", f->system_uuid);
    if (!f->machine_id[0]) /* the appliance has one name and one disk */
        str_copy(f->machine_id, ID_BYTES, str_of(f->boot_id));
    f->cpu_milli = sysconf(_SC_NPROCESSORS_ONLN) * 1000;
    if (sysinfo(&info) == 0)
        f->memory_bytes = (int64_t)info.totalram * info.mem_unit;
    if (statvfs(r->env->start.data_dir, &fs) == 0)
        f->storage_bytes = (int64_t)fs.f_blocks * (int64_t)fs.f_frsize;
    f->no_cgroup_limits = !has_controllers();
    if (f->no_cgroup_limits)
        log_warn("this host lacks the cgroup v2 controllers: pods run without limits");
}

/* ---- start ---- */

static void reached(void *ctx, enum node_mark mark)
{
    struct node_role *r = ctx;
    unsigned char buffer[64];
    struct imsg_out m;
    imsg_begin(&m, buffer, sizeof buffer, MSG_REACHED, 0);
    imsg_put_u64(&m, TAG_VALUE, mark);
    role_env_send(r->env, &m);
}

static void fill(struct node_role *r, struct node_options *o)
{
    const struct role_start *s = &r->env->start;
    const struct facts *f = &r->facts;
    *o = (struct node_options){
        .loop = r->env->loop,
        .net = r->env->net,
        .client = r->client,
        .runtime = &r->runtime,
        .node_name = s->node_name,
        .pod_cidr = pod_cidr,
        .pod_prefix_len = POD_PREFIX,
        .cluster_dns = cluster_dns,
        .cluster_domain = "cluster.local",
        .search = s->net.search,
        .serving = r->serving,
        .listen_fd = role_env_socket(r->env, ROLE_SOCKET_KUBELET),
        .cpu_milli = f->cpu_milli,
        .memory_bytes = f->memory_bytes,
        .storage_bytes = f->storage_bytes,
        .reserved_cpu_milli = RESERVED_CPU_MILLI,
        .reserved_memory_bytes = RESERVED_MEMORY,
        .kernel_version = f->system.release,
        .os_image = "Keelson " KEELSON_VERSION,
        .boot_id = f->boot_id,
        .machine_id = f->machine_id,
        .system_uuid = f->system_uuid,
        .version = "v1.35.0+keelson",
        .no_cgroup_limits = f->no_cgroup_limits,
        .reached = reached,
        .ctx = r,
    };
    for (size_t i = 0; i < s->net.addr_count && i < NODE_MAX_ADDRS; i++)
        o->addrs[o->addr_count++] = s->net.addrs[i];
    for (size_t i = 0; i < s->net.resolver_count && i < NODE_MAX_RESOLVERS; i++)
        o->resolvers[o->resolver_count++] = s->net.resolvers[i];
}

static void start_when_ready(struct node_role *r)
{
    struct node_options o;
    struct err err = {0};
    if (r->node || !r->client || !r->serving || !r->env->start.net.addr_count)
        return;
    fill(r, &o);
    int rc = node_new(&o, &r->node, &err);
    if (rc < 0) {
        if (o.listen_fd >= 0)
            close(o.listen_fd);
        give_up(r, "kubelet", rc, &err);
        return;
    }
    struct proxy_options p = {
        .client = r->client,
        .runtime = &r->runtime,
        .node_name = r->env->start.node_name,
        .pod_cidr = pod_cidr,
        .pod_prefix_len = POD_PREFIX,
        .dns_addr = cluster_dns,
    };
    if ((rc = proxy_new(&p, &r->proxy)) < 0)
        give_up(r, "service proxy", rc, NULL);
    else
        role_env_ready(r->env);
}

static void connected(void *ctx, struct client *client)
{
    struct node_role *r = ctx;
    r->client = client;
    start_when_ready(r);
}

/* A renewed certificate needs a context that connections under way do not hold: the role starts
 * again, which pods do not notice. */
static void identified(void *ctx, const struct keys_identity *id)
{
    struct node_role *r = ctx;
    struct err err = {0};
    struct tls_config c = {
        .server = true,
        .cert_chain_pem = id->cert_pem,
        .key_pem = id->key_pem,
        .trust_pem = id->ca_pem,
        .peer = TLS_PEER_OPTIONAL,
    };
    if (r->node)
        return;
    if (r->serving)
        tls_context_free(r->serving);
    r->serving = NULL;
    int rc = tls_context_new(&c, &r->serving, &err);
    if (rc < 0)
        give_up(r, "serving certificate", rc, &err);
    else
        start_when_ready(r);
}

static void runtime_linked(void *ctx, int fd)
{
    struct node_role *r = ctx;
    int rc = runtime_link_attach(r->link, fd);
    if (rc < 0) {
        close(fd);
        give_up(r, "link to runtime", rc, NULL);
        return;
    }
    if (r->proxy)
        proxy_resync(r->proxy);
}

static void addresses_changed(void *ctx)
{
    struct node_role *r = ctx;
    const struct machine_net *n = &r->env->start.net;
    if (r->node) {
        log_info("the machine's addresses changed: starting again");
        loop_stop(r->env->loop); /* with a certificate for the new ones */
    } else if (n->addr_count) {
        start_when_ready(r);
    }
}

int node_role_run(struct role_env *env, struct err *err)
{
    struct node_role r = {.env = env};
    learn(&r);
    int rc = runtime_link_new(env->loop, &r.link);
    if (rc < 0)
        return err_set(err, -rc, "link to runtime: %s", err_text(rc));
    r.runtime = runtime_link_runtime(r.link);
    role_env_on_link(env, ROLE_RUNTIME, runtime_linked, &r);
    role_env_on_addrs(env, addresses_changed, &r);
    rc = api_client_new(env, KEYS_NODE_CLIENT, "keelson-node", connected, &r, &r.api);
    if (rc == 0)
        rc = keys_client_identity(api_client_keys(r.api), KEYS_KUBELET_SERVING, identified, &r);
    if (rc < 0)
        err_set(err, -rc, "link to keys: %s", err_text(rc));
    else
        rc = role_env_loop(env, err);
    if (rc == 0 && r.failure.code)
        rc = err_set(err, r.failure.code, "%s", r.failure.text);
    if (r.proxy)
        proxy_free(r.proxy);
    if (r.node)
        node_free(r.node);
    runtime_link_free(r.link);
    if (r.serving)
        tls_context_free(r.serving);
    api_client_free(r.api);
    return rc;
}
