/*
 * The service rules in the kernel's packet filter (nftables), by netlink. See port/rules.h.
 * The whole table is replaced in one transaction: packets see the old rules or the new ones.
 */
#ifndef DRIVERS_RULES_RULES_H
#define DRIVERS_RULES_RULES_H

#include "base/err.h"
#include "port/rules.h"

int rules_apply(const struct rules_table *t, struct err *err) MUST_CHECK;

#endif
