/* The role `runtime`: root on the node, executes what node asks over their link: containers
 * (drivers/runtime), images, the pods' network, service rules. Parses no network bytes. */
#ifndef MAIN_RUNTIME_ROLE_H
#define MAIN_RUNTIME_ROLE_H

#include "main/role_env.h"

int runtime_role_run(struct role_env *env, struct err *err);

#endif
