/*
 * The role `keys`: holds the cluster's CA and the service-account key, in files of its own
 * directory that nobody else can read (ca.crt, ca.key, sa.key), and signs what its profiles allow.
 * A CA that is there already wins over one in keelson.yaml; without either it makes one.
 */
#ifndef MAIN_KEYS_H
#define MAIN_KEYS_H

#include "main/role_env.h"

int keys_run(struct role_env *env, struct err *err);

#endif
