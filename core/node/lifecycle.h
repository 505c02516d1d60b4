/* postStart and preStop hooks. */
#ifndef NODE_LIFECYCLE_H
#define NODE_LIFECYCLE_H

#include "node/node_int.h"

/* True: the hook runs (c->hook); when it is over, the container is RUNNING, or is stopped because
 * the hook failed. False: there is none. */
bool lifecycle_post_start(struct container *c);
/* True: the hook runs; when it is over, the container gets its stop signal. */
bool lifecycle_pre_stop(struct container *c);

#endif
