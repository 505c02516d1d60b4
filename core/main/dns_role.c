/* See dns_role.h. */
#include "main/dns_role.h"

#include "base/log.h"
#include "client/https.h"
#include "dns/dns.h"
#include "main/api_client.h"

struct dns_role {
    struct role_env *env;
    struct api_client *api;
    struct dns *dns;
    struct err failure;
};

static void set_resolvers(void *ctx)
{
    struct dns_role *r = ctx;
    if (r->dns)
        dns_set_resolvers(r->dns, r->env->start.net.resolvers, r->env->start.net.resolver_count);
}

static void connected(void *ctx, struct client *client)
{
    struct dns_role *r = ctx;
    struct role_env *env = r->env;
    struct dns_options o = {
        .client = client,
        .net = env->net,
        .domain = "cluster.local",
        .udp_fd = role_env_socket(env, ROLE_SOCKET_DNS_UDP),
        .tcp_fd = role_env_socket(env, ROLE_SOCKET_DNS_TCP),
        .self = {.family = 4, .ip = {10, 96, 0, 10}, .port = 53},
        .resolver_count = env->start.net.resolver_count,
    };
    for (size_t i = 0; i < o.resolver_count && i < DNS_MAX_RESOLVERS; i++)
        o.resolvers[i] = env->start.net.resolvers[i];
    int rc = dns_new(&o, &r->dns);
    if (rc < 0) {
        err_set(&r->failure, -rc, "cluster DNS: %s", err_text(rc));
        loop_stop(env->loop);
        return;
    }
    role_env_ready(env);
}

int dns_role_run(struct role_env *env, struct err *err)
{
    struct dns_role r = {.env = env};
    int rc = api_client_new(env, KEYS_DNS_CLIENT, "keelson-dns", connected, &r, &r.api);
    if (rc < 0)
        return err_set(err, -rc, "client of the API: %s", err_text(rc));
    role_env_on_addrs(env, set_resolvers, &r);
    rc = role_env_loop(env, err);
    if (rc == 0 && r.failure.code)
        rc = err_set(err, r.failure.code, "%s", r.failure.text);
    dns_free(r.dns);
    api_client_free(r.api);
    return rc;
}
