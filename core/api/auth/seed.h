/* Makes the default roles and bindings, and mends those that are there, through the API. */
#ifndef API_AUTH_SEED_H
#define API_AUTH_SEED_H

#include "api/api.h"
#include "client/client.h"

struct seed;

/* client acts as an administrator and outlives the seed. done is called once, from the loop; the
 * seed is freed before. */
int seed_start(struct api *api, struct client *client,
               void (*done)(void *ctx, int rc, const char *message), void *ctx,
               struct seed **ret_seed) MUST_CHECK;
void seed_free(struct seed *s); /* before done was called */

#endif
