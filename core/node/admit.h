/* May this pod run here? The scheduler thought so; the node decides on what it really has. */
#ifndef NODE_ADMIT_H
#define NODE_ADMIT_H

#include "node/node_int.h"

/* 0, or -E_FORBIDDEN with upstream's reason ("OutOfcpu", "NodeAffinity") and message. */
int admit_check(struct step *s, const char **ret_reason, struct err *err) MUST_CHECK;

#endif
