/* The Node object: made or taken over, its status every 10 s where it changed and every 5 minutes,
 * and the Lease that says that the node lives. */
#ifndef NODE_REGISTER_H
#define NODE_REGISTER_H

#include "node/node_int.h"

int registration_new(struct node *n, struct registration **ret_registration) MUST_CHECK;
void registration_free(struct registration *r);
void registration_refresh(struct registration *r); /* something in the status changed */
bool registration_done(const struct registration *r); /* the node is there and the lease is renewed */

/* node_status.c: labels for the object, and its status. */
struct json *node_object(struct node *n, struct arena *a);
struct json *node_status(struct node *n, struct arena *a, const struct json *current);

/* node_images.c: what the status says of images. */
struct node_images;
int node_images_new(struct node *n, struct node_images **ret_images) MUST_CHECK;
void node_images_free(struct node_images *i); /* accepts NULL */
void node_images_refresh(struct node_images *i); /* they may have changed */
const char *node_images_text(const struct node_images *i); /* a JSON array */

#endif
