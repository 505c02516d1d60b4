/* See api_client.h. */
#include "main/api_client.h"

#include "base/log.h"
#include "client/https.h"
#include "port/tls.h"

static const int64_t half_life_ms = 180LL * 24 * 3600 * 1000;

struct api_client {
    struct role_env *env;
    struct keys_client *keys;
    struct tls_context *tls;
    struct client client;
    bool open;
    const char *user_agent;
    char server_name[NET_ADDR_TEXT];
    int64_t since_ms;
    void (*connected)(void *ctx, struct client *client);
    void *ctx;
};

static void identified(void *ctx, const struct keys_identity *id)
{
    struct api_client *c = ctx;
    struct role_env *env = c->env;
    struct err err = {0};
    if (c->open) { /* renewed: connections go on with the old one, which lasts; long before its end */
        if (loop_now_ms(env->loop) - c->since_ms > half_life_ms) {
            log_info("starting again with a renewed certificate");
            loop_stop(env->loop);
        }
        return;
    }
    struct tls_config config = {
        .cert_chain_pem = id->cert_pem, .key_pem = id->key_pem, .trust_pem = id->ca_pem, .peer = TLS_PEER_REQUIRED,
        .resume = true};
    struct client_https_options o = {
        .loop = env->loop, .net = env->net, .server = env->start.api, .user_agent = c->user_agent};
    int rc = tls_context_new(&config, &c->tls, &err);
    if (rc == 0) {
        o.tls = c->tls;
        o.server_name = net_addr_format(&env->start.api, false, c->server_name);
        rc = client_https_new(&o, &c->client);
    }
    if (rc < 0) {
        log_err("client of the API: %s", err.code ? err.text : err_text(rc));
        loop_stop(env->loop);
        return;
    }
    c->open = true;
    c->since_ms = loop_now_ms(env->loop);
    c->connected(c->ctx, &c->client);
}

int api_client_new(struct role_env *env, enum keys_profile profile, const char *user_agent,
                   void (*connected)(void *ctx, struct client *client), void *ctx, struct api_client **ret_client)
{
    struct api_client *c = mem_zalloc(sizeof *c);
    if (!c)
        return -E_NOMEM;
    *c = (struct api_client){.env = env, .user_agent = user_agent, .connected = connected, .ctx = ctx};
    int rc = keys_client_new(env, &c->keys);
    if (rc == 0)
        rc = keys_client_identity(c->keys, profile, identified, c);
    if (rc < 0) {
        keys_client_free(c->keys);
        mem_free(c);
        return rc;
    }
    *ret_client = c;
    return 0;
}

void api_client_free(struct api_client *c)
{
    if (!c)
        return;
    if (c->open)
        client_https_free(&c->client);
    if (c->tls)
        tls_context_free(c->tls);
    keys_client_free(c->keys);
    mem_free(c);
}

struct keys_client *api_client_keys(struct api_client *c)
{
    return c->keys;
}
