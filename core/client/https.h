/* The HTTPS transport of client/client.h: keep-alive connections to one API server. */
#ifndef CLIENT_HTTPS_H
#define CLIENT_HTTPS_H

#include "client/client.h"
#include "port/net.h"
#include "port/tls.h"

struct client_https_options {
    struct loop *loop;
    struct net net;
    struct tls_context *tls; /* client identity and trust; outlives the client */
    struct net_addr server;
    const char *server_name;  /* verified against the certificate */
    const char *host;         /* Host header; NULL: the address */
    const char *bearer_token; /* or NULL */
    const char *user_agent;
};
int client_https_new(const struct client_https_options *o, struct client *ret_client) MUST_CHECK;
void client_https_free(struct client *c);

#endif
