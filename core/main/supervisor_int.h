/* What supervisor.c (roles) and supervisor_setup.c (one-shot children) share. */
#ifndef MAIN_SUPERVISOR_INT_H
#define MAIN_SUPERVISOR_INT_H

#include "main/supervisor.h"

void supervisor_setup_init(struct supervisor *s);
/* True when pid was one of the one-shot children. */
bool supervisor_setup_ended(struct supervisor *s, pid_t pid, int status);

#endif
