/* Startup, liveness and readiness probes of a container (pkg/kubelet/prober). */
#ifndef NODE_PROBES_H
#define NODE_PROBES_H

#include "node/node_int.h"

void probes_init(struct container *c);
/* The container runs: its started and ready are set by what probes it has. */
void probes_start(struct container *c);
void probes_stop(struct container *c); /* it ended */
/* It is being stopped: no verdict may stop it again; it is not ready any more. */
void probes_stopping(struct container *c);

#endif
