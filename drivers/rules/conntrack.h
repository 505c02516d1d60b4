/* UDP flows remember the backend they were given for as long as packets come: those whose backend
 * is no longer one of the service's are forgotten, so that the next packet is dispatched anew. */
#ifndef DRIVERS_RULES_CONNTRACK_H
#define DRIVERS_RULES_CONNTRACK_H

#include "base/err.h"
#include "port/rules.h"

int conntrack_flush_stale(const struct rules_table *t, struct err *err) MUST_CHECK;

#endif
