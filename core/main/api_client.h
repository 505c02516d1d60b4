/* A role's client of the API: certificate from keys, mutual TLS to the API server. Renewed
 * certificates are taken over without a new client. */
#ifndef MAIN_API_CLIENT_H
#define MAIN_API_CLIENT_H

#include "client/client.h"
#include "main/keys_client.h"

struct api_client;

/* connected runs once, from the loop, when the client can be used (requests may still fail and be
 * retried while the server is not up). The client lives until api_client_free. */
int api_client_new(struct role_env *env, enum keys_profile profile, const char *user_agent,
                   void (*connected)(void *ctx, struct client *client), void *ctx,
                   struct api_client **ret_client) MUST_CHECK;
void api_client_free(struct api_client *c); /* accepts NULL */
struct keys_client *api_client_keys(struct api_client *c);

#endif
