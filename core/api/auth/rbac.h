/*
 * Role-based access control: an index over the roles and bindings of the store, kept up by a watch,
 * and the questions that are asked of it. A question costs a few look-ups for each of the user's
 * groups, whatever the number of roles and bindings.
 *
 * What the index cannot take in for want of memory is missing from it, so that it grants less.
 */
#ifndef API_AUTH_RBAC_H
#define API_AUTH_RBAC_H

#include "api/auth/rules.h"
#include "base/buf.h"
#include "store/store.h"

struct rbac;

/* Reads what is stored, then follows it. */
int rbac_new(struct store *store, struct rbac **ret_rbac) MUST_CHECK;
void rbac_free(struct rbac *r);

/* reason (may be NULL) gets "RBAC: allowed by ClusterRoleBinding ..." when it is. */
bool rbac_allows(struct rbac *r, const struct auth_ask *ask, struct buf *reason);

/* All rules of a user in a namespace, and those for the whole cluster; ns "" is only the latter. */
void rbac_rules_for(struct rbac *r, const struct user *user, const char *ns,
                    void (*fn)(void *ctx, const struct rule *rule), void *ctx);
/* Rules of a role as a binding in ns refers to it; NULL: there is no such role. Valid until the
 * next turn. */
const struct rules *rbac_role(struct rbac *r, struct str kind, struct str ns, struct str name);

#endif
