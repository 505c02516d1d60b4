/* See sandbox.h. */
#include "node/sandbox.h"

#include "base/limits.h"
#include "node/env.h"
#include "node/events.h"
#include "node/ipam.h"
#include "node/qos.h"
#include "node/volumes.h"

enum { HOSTNAME_BYTES = 63 };

const char *sandbox_hostname(struct step *s)
{
    const char *name = json_path_cstr(s->spec, "hostname"), *subdomain = json_path_cstr(s->spec, "subdomain");
    struct pod *p = s->pod;
    if (p->host_network)
        return p->node->o.node_name;
    if (!name[0])
        name = p->name;
    if (strlen(name) > HOSTNAME_BYTES) {
        char *cut = arena_strndup(s->a, name, HOSTNAME_BYTES);
        for (size_t n = HOSTNAME_BYTES; cut && n > 0 && (cut[n - 1] == '-' || cut[n - 1] == '.'); n--)
            cut[n - 1] = 0;
        name = cut ? cut : "";
    }
    if (json_path_bool(s->spec, "setHostnameAsFQDN", false) && subdomain[0])
        name = arena_printf(s->a, "%s.%s.%s.svc.%s", name, subdomain, p->namespace, p->node->o.cluster_domain);
    return name;
}

/* ---- the files ---- */

static void file_done(void *ctx, const struct runtime_result *r)
{
    struct pod *p = ctx;
    p->files_busy--;
    if (r->rc < 0) {
        events_pod(p, NULL, "Warning", "FailedCreatePodSandBox", "Failed to write the pod's files: %s", r->message);
        p->files_failed = true;
    }
    if (p->files_busy == 0) {
        if (p->files_failed) {
            pod_retry_later(p);
        } else {
            p->sandbox_files = p->sandbox;
            pod_wake(p);
        }
    }
    pod_unref(p);
}

static void put_file(struct pod *p, const char *name, struct str text)
{
    struct runtime *rt = p->node->runtime;
    pod_ref(p);
    rt->ops->pod_file(rt->self, p->uid, name, text, file_done, p);
}

static void write_files(struct step *s)
{
    struct pod *p = s->pod;
    struct buf hosts CLEANUP_BUF = {0}, resolv CLEANUP_BUF = {0};
    const char *hostname = sandbox_hostname(s);
    const char *line = arena_printf(s->a, "%s\n", hostname);
    buf_init(&hosts, LIMIT_OBJECT_BYTES);
    buf_init(&resolv, LIMIT_OBJECT_BYTES);
    podfiles_hosts(s, hostname, &hosts);
    podfiles_resolv_conf(s, &resolv);
    if (!line || hosts.failed || resolv.failed) {
        pod_retry_later(p);
        return;
    }
    p->files_busy = 3;
    p->files_failed = false;
    put_file(p, "hosts", buf_str(&hosts));
    put_file(p, "hostname", str_of(line));
    put_file(p, "resolv.conf", buf_str(&resolv));
}

/* ---- the sandbox ---- */

static void cleared(void *ctx, const struct runtime_result *r)
{
    struct pod *p = ctx;
    (void)r; /* what could not be removed now is tried again before the next sandbox, or at the end */
    p->call_busy = false;
    volumes_forget(p);
    pod_retry_later(p);
    pod_unref(p);
}

/* A sandbox that failed half-way is taken away before the next try. */
static void create_done(void *ctx, const struct runtime_result *r)
{
    struct pod *p = ctx;
    struct runtime *rt = p->node->runtime;
    if (r->rc < 0) {
        events_pod(p, NULL, "Warning", "FailedCreatePodSandBox", "Failed to create pod sandbox: %s", r->message);
        rt->ops->pod_remove(rt->self, p->uid, cleared, p);
        return;
    }
    p->call_busy = false;
    p->sandbox = p->sandbox_once = true;
    pod_wake(p);
    pod_unref(p);
}

static const char *const *sysctls(struct step *s)
{
    const struct json *list = json_path(s->spec, "securityContext.sysctls");
    size_t count = json_count(list), i = 0;
    const char **out = arena_zalloc(s->a, (count + 1) * sizeof *out);
    for (struct json *c = json_first(list); out && c; c = c->next)
        out[i++] = arena_printf(s->a, "%s=%s", json_path_cstr(c, "name"), json_path_cstr(c, "value"));
    return count ? out : NULL;
}

static bool take_address(struct pod *p)
{
    if (p->host_network || p->addr_count > 0)
        return true;
    if (ipam_give(p->node->ipam, p->uid, &p->addrs[0]) < 0) {
        events_pod(p, NULL, "Warning", "FailedCreatePodSandBox",
                   "Failed to create pod sandbox: no address of the node's pod network is free");
        return false;
    }
    p->addr_count = 1;
    return true;
}

static void create(struct step *s)
{
    struct pod *p = s->pod;
    struct runtime *rt = p->node->runtime;
    struct runtime_pod pod = {
        .uid = p->uid, .namespace = p->namespace, .name = p->name, .hostname = sandbox_hostname(s),
        .cgroup = p->cgroup, .host_network = p->host_network,
        .host_pid = json_path_bool(s->spec, "hostPID", false),
        .host_ipc = json_path_bool(s->spec, "hostIPC", false),
        .sysctls = sysctls(s)};
    if (!take_address(p) || s->a->failed) {
        pod_retry_later(p);
        return;
    }
    memcpy(pod.addrs, p->addrs, p->addr_count * sizeof p->addrs[0]);
    pod.addr_count = p->host_network ? 0 : p->addr_count;
    if (!p->node->o.no_cgroup_limits)
        qos_pod_limits(s->spec, &pod);
    p->call_busy = true;
    pod_ref(p);
    rt->ops->pod_create(rt->self, &pod, create_done, p);
}

bool sandbox_work(struct step *s)
{
    struct pod *p = s->pod;
    if (p->sandbox && p->sandbox_files)
        return true;
    if (p->call_busy || p->files_busy || loop_timer_armed(&p->retry))
        return false;
    env_prefetch(s); /* fetched while the sandbox is made */
    if (!p->sandbox)
        create(s);
    else
        write_files(s);
    return false;
}
