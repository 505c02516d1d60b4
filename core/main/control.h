/*
 * The role `control`: store, API, controllers and scheduler in one loop. Requests come from `front`
 * over a link; controllers and scheduler are in-process clients of the same API. Touches nothing
 * of the kernel, holds no key.
 */
#ifndef MAIN_CONTROL_H
#define MAIN_CONTROL_H

#include "main/role_env.h"

int control_run(struct role_env *env, struct err *err);

#endif
