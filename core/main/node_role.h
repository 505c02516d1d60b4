/*
 * The role `node`: kubelet (core/node) and service proxy (core/proxy). Changes nothing of the
 * kernel itself: it asks `runtime` over their link, and talks to the API over mutual TLS like the
 * node of any other machine.
 */
#ifndef MAIN_NODE_ROLE_H
#define MAIN_NODE_ROLE_H

#include "main/role_env.h"

int node_role_run(struct role_env *env, struct err *err);

#endif
