/*
 * The role `lease`: waits for the wired card, then DHCP, conflict detection and time over lwIP, or
 * the addresses of keelson.yaml. Tells init what is to be used; owns no route of the kernel.
 */
#ifndef MAIN_LEASE_ROLE_H
#define MAIN_LEASE_ROLE_H

#include "main/role_env.h"

int lease_role_run(struct role_env *env, struct err *err);

#endif
