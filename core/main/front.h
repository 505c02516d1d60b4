/*
 * The role front: TLS and HTTP of the API. It passes each request with its client's certificate to
 * control and streams the answer back; where control says so it fetches the answer from a kubelet
 * and splices. It holds no state and decides nothing.
 */
#ifndef MAIN_FRONT_H
#define MAIN_FRONT_H

#include "main/role_env.h"

int front_run(struct role_env *env, struct err *err) MUST_CHECK;

#endif
