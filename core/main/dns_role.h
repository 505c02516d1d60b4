/* The role `dns`: cluster DNS (core/dns) on the sockets that init bound, with a certificate of its
 * own. Writes nothing. */
#ifndef MAIN_DNS_ROLE_H
#define MAIN_DNS_ROLE_H

#include "main/role_env.h"

int dns_role_run(struct role_env *env, struct err *err);

#endif
