/* The role `journal`: the kernel's message buffer, which roles write to as well, into a bounded log
 * on the state partition: console.log and, once that is full, console.log.1. */
#ifndef MAIN_JOURNAL_H
#define MAIN_JOURNAL_H

#include "main/role_env.h"

int journal_run(struct role_env *env, struct err *err);

#endif
