/*
 * See oidc_keys.h.
 *
 *   discovery: resolve -> GET ISSUER/.well-known/openid-configuration
 *   keys:      resolve -> GET jwks_uri -> the API
 *
 * Each step begins from the timer, so that no transport is freed from within its own callback.
 */
#include "main/oidc_keys.h"

#include <stdio.h>

#include "base/log.h"
#include "client/https.h"
#include "port/tls.h"
#include "pull/url.h"
#include "wire/dns.h"

enum {
    REFRESH_MS = 10 * 60 * 1000,
    RETRY_LEAST_MS = 2000,
    RETRY_MOST_MS = 5 * 60 * 1000,
    DNS_WAIT_MS = 2000,
    DOCUMENT_BYTES = 256 * 1024,
};

enum step { STEP_DISCOVERY, STEP_KEYS };

struct oidc_keys {
    struct role_env *env;
    struct api *api;
    char issuer[PULL_URL_BYTES];
    struct tls_context *tls;
    enum step step;
    struct pull_url url; /* of the step */
    struct client client;
    struct client_call *call;
    bool has_client;
    int udp; /* a question to a resolver under way, or -1 */
    struct loop_fd in;
    struct net_addr resolver;
    struct buf query;
    unsigned asked;
    struct loop_timer timer, dns_timer;
    int64_t retry_ms;
};

bool oidc_settings(struct arena *a, const struct role_env *env, struct api_oidc *ret, struct str *ret_ca)
{
    struct json *j;
    if (!env->start.oidc[0] || json_parse(a, str_of(env->start.oidc), NULL, &j, NULL) < 0)
        return false;
    *ret = (struct api_oidc){.issuer = json_path_cstr(j, "issuer"),
                             .client_id = json_path_cstr(j, "client_id"),
                             .username_claim = json_path_cstr(j, "username_claim"),
                             .username_prefix = json_path_cstr(j, "username_prefix"),
                             .groups_claim = json_path_cstr(j, "groups_claim"),
                             .groups_prefix = json_path_cstr(j, "groups_prefix")};
    *ret_ca = json_path_str(j, "ca");
    return true;
}

/* ---- ends of a step ---- */

static void drop(struct oidc_keys *k)
{
    if (k->udp >= 0) {
        loop_fd_remove(k->env->loop, &k->in);
        k->env->net.ops->close(k->env->net.ctx, k->udp);
        k->udp = -1;
    }
    loop_timer_cancel(k->env->loop, &k->dns_timer);
    if (k->call)
        client_cancel(&k->client, k->call);
    k->call = NULL;
    if (k->has_client)
        client_https_free(&k->client);
    k->has_client = false;
}

static void again(struct oidc_keys *k, const char *why)
{
    log_warn("keys of %s: %s", k->issuer, why);
    k->step = STEP_DISCOVERY;
    loop_timer_set(k->env->loop, &k->timer, k->retry_ms);
    k->retry_ms = k->retry_ms * 2 < RETRY_MOST_MS ? k->retry_ms * 2 : RETRY_MOST_MS;
}

static void take_discovery(struct oidc_keys *k, struct str body)
{
    struct arena a CLEANUP_ARENA;
    struct json *doc;
    struct err err = {0};
    arena_init(&a, 4 * DOCUMENT_BYTES);
    if (json_parse(&a, body, NULL, &doc, &err) < 0) {
        again(k, err.text);
    } else if (!str_is(json_path_str(doc, "issuer"), k->issuer)) {
        again(k, "its discovery document is another issuer's");
    } else if (pull_url_parse(json_path_str(doc, "jwks_uri"), &k->url, &err) < 0 || !k->url.https) {
        again(k, "its discovery document names no https address of keys");
    } else {
        k->step = STEP_KEYS;
        loop_timer_set(k->env->loop, &k->timer, 0);
    }
}

static void answered(void *ctx, const struct client_reply *reply)
{
    struct oidc_keys *k = ctx;
    struct err err = {0};
    k->call = NULL;
    if (reply->rc < 0 || reply->body.n > DOCUMENT_BYTES) {
        again(k, reply->rc < 0 ? reply->message : "its answer is too large");
    } else if (k->step == STEP_DISCOVERY) {
        take_discovery(k, reply->body);
    } else if (api_oidc_keys(k->api, reply->body, &err) < 0) {
        again(k, err.text);
    } else {
        k->retry_ms = RETRY_LEAST_MS;
        k->step = STEP_DISCOVERY;
        loop_timer_set(k->env->loop, &k->timer, REFRESH_MS);
    }
}

/* ---- a step ---- */

static void fetch(struct oidc_keys *k, struct net_addr server)
{
    struct client_https_options o = {.loop = k->env->loop,
                                     .net = k->env->net,
                                     .tls = k->tls,
                                     .server = server,
                                     .server_name = k->url.host,
                                     .user_agent = "keelson"};
    struct client_request r = {.method = "GET", .path = k->url.target, .accept = "application/json"};
    o.server.port = k->url.port;
    int rc = client_https_new(&o, &k->client);
    k->has_client = rc == 0;
    if (rc == 0)
        rc = client_do(&k->client, &r, answered, k, &k->call);
    if (rc < 0)
        again(k, err_text(rc));
}

static void ask_resolver(void *ctx);

static void resolved(void *ctx, unsigned events)
{
    struct oidc_keys *k = ctx;
    char p[LIMIT_DNS_MESSAGE];
    struct net_addr from, found;
    (void)events;
    ssize_t n = k->env->net.ops->recv_from(k->env->net.ctx, k->udp, p, sizeof p, &from);
    struct str answer = str_make(p, n > 0 ? (size_t)n : 0);
    if (n <= 0 || !net_addr_same_ip(&from, &k->resolver) || from.port != k->resolver.port ||
        !dns_answers(answer, buf_str(&k->query)))
        return; /* not from whom we asked, or not about it */
    int rc = dns_first_addr(answer, &found);
    drop(k);
    if (rc < 0)
        again(k, "its host has no address");
    else
        fetch(k, found);
}

/* One resolver after the other, each once. */
static void ask_resolver(void *ctx)
{
    struct oidc_keys *k = ctx;
    const struct machine_net *net = &k->env->start.net;
    uint16_t id;
    drop(k);
    if (k->asked >= net->resolver_count) {
        again(k, "no resolver knows its host");
        return;
    }
    k->resolver = net->resolvers[k->asked++];
    struct net_addr any = {.family = k->resolver.family};
    buf_clear(&k->query);
    crypto_random(&id, sizeof id);
    int rc = dns_query_write(&k->query, id, k->url.host, DNS_A);
    if (rc == 0)
        rc = k->env->net.ops->udp_open(k->env->net.ctx, &any, &k->udp);
    if (rc == 0)
        rc = loop_fd_add(k->env->loop, &k->in, k->udp, POLL_IN);
    if (rc == 0 && k->env->net.ops->send_to(k->env->net.ctx, k->udp, buf_str(&k->query).p,
                                            buf_len(&k->query), &k->resolver) < 0)
        rc = -E_UNAVAILABLE;
    if (rc < 0)
        again(k, err_text(rc));
    else
        loop_timer_set(k->env->loop, &k->dns_timer, DNS_WAIT_MS);
}

static void begin(void *ctx)
{
    struct oidc_keys *k = ctx;
    struct net_addr server;
    struct err err = {0};
    char text[PULL_URL_BYTES + 40];
    drop(k);
    if (k->step == STEP_DISCOVERY) {
        snprintf(text, sizeof text, "%s/.well-known/openid-configuration", k->issuer);
        if (pull_url_parse(str_of(text), &k->url, &err) < 0) {
            again(k, err.text);
            return;
        }
    }
    k->asked = 0;
    if (net_addr_parse(str_of(k->url.host), false, &server) == 0 ||
        (cstr_eq(k->url.host, "localhost") && net_addr_parse(STR("127.0.0.1"), false, &server) == 0))
        fetch(k, server);
    else
        ask_resolver(k);
}

int oidc_keys_new(struct role_env *env, struct api *api, const char *issuer, struct str ca_pem,
                  struct oidc_keys **ret_keys, struct err *err)
{
    struct tls_config config = {.trust_pem = ca_pem, .peer = TLS_PEER_REQUIRED};
    struct oidc_keys *k = mem_zalloc(sizeof *k);
    if (!k)
        return err_set(err, E_NOMEM, "out of memory");
    k->env = env;
    k->api = api;
    k->udp = -1;
    k->retry_ms = RETRY_LEAST_MS;
    str_copy(k->issuer, sizeof k->issuer, str_of(issuer));
    buf_init(&k->query, LIMIT_DNS_MESSAGE);
    loop_fd_init(&k->in, resolved, k);
    loop_timer_init(&k->timer, begin, k);
    loop_timer_init(&k->dns_timer, ask_resolver, k);
    int rc = tls_context_new(&config, &k->tls, err);
    if (rc < 0) {
        oidc_keys_free(k);
        return err_wrap(err, rc, "the CA of the OIDC issuer");
    }
    loop_timer_set(env->loop, &k->timer, 0);
    *ret_keys = k;
    return 0;
}

void oidc_keys_free(struct oidc_keys *k)
{
    if (!k)
        return;
    drop(k);
    loop_timer_cancel(k->env->loop, &k->timer);
    if (k->tls)
        tls_context_free(k->tls);
    buf_done(&k->query);
    mem_free(k);
}
