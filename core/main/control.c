/* See control.h. Order: the store from disk, the CA and the public key from keys, the API, what
 * every cluster has (bootstrap), then controllers and scheduler. */
#include "main/control.h"

#include <stdio.h>
#include <unistd.h>

#include "api/api.h"
#include "api/local.h"
#include "base/log.h"
#include "base/mem.h"
#include "client/cache.h"
#include "ctl/ctl.h"
#include "drivers/disk/disk.h"
#include "main/audit_log.h"
#include "main/control_front.h"
#include "main/keys_client.h"
#include "main/oidc_keys.h"
#include "sched/sched.h"
#include "store/store.h"

struct control {
    struct role_env *env;
    struct store *store;
    struct keys_client *keys;
    struct api *api;
    struct control_front *fronts[ROLE_FRONTS];
    struct audit_log *audit; /* NULL: no policy is configured */
    struct oidc_keys *oidc; /* NULL: no issuer is configured */
    struct client client, sched_client; /* shared caches of controllers and scheduler; binding */
    struct cache_set *caches;
    struct ctl *ctl;
    struct sched *sched;
    char address[NET_ADDR_TEXT]; /* of this machine, as the API was told */
    struct buf ca_pem;
    bool has_client, has_sched_client;
    struct err failure;
};

static void give_up(void *ctx, int code, const char *message)
{
    struct control *c = ctx;
    err_set(&c->failure, code, "%s", message);
    loop_stop(c->env->loop);
}

static void store_failed(void *ctx, const char *message)
{
    give_up(ctx, E_IO, message);
}

static int open_audit(struct control *c, int dir, struct err *err)
{
    struct disk disk;
    int rc = disk_dir_open(dir, &disk);
    if (rc < 0)
        return err_set(err, -rc, "directory of the audit log: %s", err_text(rc));
    rc = audit_log_new(disk, &c->audit, err);
    if (rc < 0)
        disk.ops->done(disk.ctx);
    return rc;
}

static int open_store(struct control *c, struct err *err)
{
    struct store_options o = {.loop = c->env->loop,
                              .on_fatal = store_failed,
                              .attach_free = api_attached_free,
                              .ctx = c};
    int dir = role_env_socket(c->env, ROLE_SOCKET_DIR);
    int rc = dir < 0 ? -E_NOT_FOUND : disk_dir_open(dir, &o.disk);
    if (rc < 0)
        err_set(err, -rc, "directory of the store: %s", err_text(rc));
    else if (c->env->start.audit[0])
        rc = open_audit(c, dir, err);
    if (dir >= 0)
        close(dir);
    if (rc < 0)
        return rc;
    crypto_random(&o.seed, sizeof o.seed);
    return store_open(&o, &c->store, err);
}

static const char *primary_address(const struct role_env *env, char *text)
{
    static const struct net_addr loopback = {.family = 4, .ip = {127, 0, 0, 1}};
    const struct machine_net *n = &env->start.net;
    return net_addr_format(n->addr_count ? &n->addrs[0] : &loopback, false, text);
}

/* ---- the controllers and the scheduler: clients like any other ---- */

static int client_as(void *ctx, const char *account, struct client *ret_client)
{
    struct control *c = ctx;
    return api_account_client(c->api, account, ret_client);
}

/* The enumerations have the same values on both sides. */
_Static_assert((int)CTL_SIGNER_KUBELET_SERVING == (int)KEYS_SIGNER_KUBELET_SERVING, "signers");
_Static_assert((int)CTL_USAGE_SERVER == (int)KEYS_USAGE_SERVER, "usages");

static int grant(void *ctx, const struct ctl_grant *g,
                 void (*done)(void *arg, int rc, struct str pem, struct str why), void *arg)
{
    struct control *c = ctx;
    struct keys_grant k = {.signer = (enum keys_signer)g->signer,
                           .csr_pem = g->csr_pem,
                           .usage = g->usage,
                           .seconds = g->seconds};
    return keys_client_grant(c->keys, &k, done, arg);
}

static int sign(void *ctx, struct str message,
                void (*done)(void *arg, int rc, const uint8_t sig[64]), void *arg)
{
    struct control *c = ctx;
    return keys_client_sign(c->keys, message, done, arg);
}

static int start_clients(struct control *c, struct err *err)
{
    static const char *const groups[] = {NULL};
    struct ctl_options o = {
        .client = &c->client, .client_as = client_as, .grant = grant, .sign = sign, .ctx = c, .ca_pem = buf_str(&c->ca_pem)};
    int rc = api_local_client(c->api, "system:kube-controller-manager", groups, &c->client);
    if (rc < 0)
        return err_set(err, -rc, "in-process client: %s", err_text(rc));
    c->has_client = true;
    rc = api_local_client(c->api, "system:kube-scheduler", groups, &c->sched_client);
    if (rc < 0)
        return err_set(err, -rc, "in-process client: %s", err_text(rc));
    c->has_sched_client = true;
    if ((rc = cache_set_new(&c->client, &c->caches)) < 0)
        return err_set(err, -rc, "caches: %s", err_text(rc));
    o.caches = c->caches;
    crypto_random(&o.seed, sizeof o.seed);
    if ((rc = ctl_new(&o, &c->ctl, err)) < 0)
        return err_wrap(err, rc, "controllers");
    if ((rc = sched_new(&c->sched_client, c->caches, &c->sched)) < 0)
        return err_set(err, -rc, "scheduler: %s", err_text(rc));
    return 0;
}

static void bootstrapped(void *ctx, int rc, const char *message)
{
    struct control *c = ctx;
    struct err err = {0};
    if (rc < 0)
        give_up(c, -rc, message);
    else if (start_clients(c, &err) < 0)
        give_up(c, err.code, err.text);
    else
        role_env_ready(c->env);
}

/* The API answers from here on; what the cluster starts with is written meanwhile. */
static void identified(void *ctx, const struct keys_identity *id)
{
    struct control *c = ctx;
    if (c->api)
        api_proxy_identity(c->api, id->cert_pem, id->key_pem);
}

static void keys_known(void *ctx, const struct keys_info *info)
{
    struct control *c = ctx;
    struct err err = {0};
    if (c->api) { /* a new service-account key */
        int failed = api_account_keys(c->api, info->service_account_public_pem, &err);
        if (failed < 0)
            give_up(c, -failed, err.text);
        return;
    }
    struct api_options o = {
        .loop = c->env->loop,
        .store = c->store,
        .node_name = c->env->start.node_name,
        .node_addr = primary_address(c->env, c->address),
        .port = c->env->start.listen.port,
        .ca_pem = info->ca_pem,
        .service_account_public_pem = info->service_account_public_pem,
        .service_account_issuer = "https://kubernetes.default.svc.cluster.local",
        .net = c->env->net,
        .sign = keys_client_sign,
        .ctx = c->keys,
    };
    struct arena a CLEANUP_ARENA;
    struct api_oidc oidc;
    struct str oidc_ca;
    arena_init(&a, 16 * START_OIDC);
    if (oidc_settings(&a, c->env, &oidc, &oidc_ca))
        o.oidc = &oidc;
    buf_append_str(&c->ca_pem, info->ca_pem);
    if (c->audit) {
        o.audit_policy = c->env->start.audit;
        o.audit_sink = audit_log_sink(c->audit);
    }
    int rc = api_new(&o, &c->api, &err);
    if (rc == 0 && o.oidc)
        rc = oidc_keys_new(c->env, c->api, oidc.issuer, oidc_ca, &c->oidc, &err);
    if (rc == 0 && (rc = keys_client_identity(c->keys, KEYS_PROXY_CLIENT, identified, c)) < 0)
        err_set(&err, -rc, "certificate for other API servers: %s", err_text(rc));
    for (unsigned n = 0; n < ROLE_FRONTS && rc == 0; n++)
        rc = control_front_new(c->env, role_front(n), c->api, give_up, c, &c->fronts[n]);
    if (rc < 0 && !err.code)
        err_set(&err, -rc, "link to front: %s", err_text(rc));
    if (rc == 0 && (rc = api_bootstrap(c->api, bootstrapped, c)) < 0)
        err_set(&err, -rc, "first objects: %s", err_text(rc));
    if (rc < 0)
        give_up(c, -rc, err.text);
}

/* default/kubernetes points to the machine's address: a new one is a new start, in a moment. */
static void addresses_changed(void *ctx)
{
    struct control *c = ctx;
    char now[NET_ADDR_TEXT];
    if (!c->api || !c->env->start.net.addr_count || cstr_eq(primary_address(c->env, now), c->address))
        return;
    log_info("the machine's address is %s now: starting again", now);
    loop_stop(c->env->loop);
}

static void close_all(struct control *c)
{
    sched_free(c->sched);
    ctl_free(c->ctl);
    if (c->caches)
        cache_set_free(c->caches);
    if (c->has_sched_client)
        c->sched_client.ops->close(c->sched_client.self);
    if (c->has_client)
        c->client.ops->close(c->client.self);
    for (unsigned n = 0; n < ROLE_FRONTS; n++)
        control_front_free(c->fronts[n]);
    oidc_keys_free(c->oidc);
    if (c->api)
        api_free(c->api);
    audit_log_free(c->audit);
    keys_client_free(c->keys);
    if (c->store)
        store_close(c->store);
    buf_done(&c->ca_pem);
}

int control_run(struct role_env *env, struct err *err)
{
    struct control c = {.env = env};
    buf_init(&c.ca_pem, 64 * 1024);
    int rc = open_store(&c, err);
    if (rc < 0)
        return rc;
    rc = keys_client_new(env, &c.keys);
    if (rc == 0)
        rc = keys_client_info(c.keys, keys_known, &c);
    if (rc < 0)
        err_set(err, -rc, "link to keys: %s", err_text(rc));
    role_env_on_addrs(env, addresses_changed, &c);
    if (rc == 0)
        rc = role_env_loop(env, err);
    if (rc == 0 && c.failure.code)
        rc = err_set(err, c.failure.code, "%s", c.failure.text);
    close_all(&c);
    return rc;
}
