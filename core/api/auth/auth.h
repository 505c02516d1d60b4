/* Authentication and authorization: what the files of this folder share, and who else asks. */
#ifndef API_AUTH_AUTH_H
#define API_AUTH_AUTH_H

#include "api/api_int.h"
#include "api/auth/rbac.h"

/* Health and version, which need no credentials. */
bool auth_path_open(const struct api_request *r);

/* What a field selector says that the field must equal; "" when it leaves that open. */
struct str auth_selected(struct arena *a, struct str selector, const char *field);
/* The question that a request is. Texts live in the request's arena. nonzero: answered. */
int auth_ask_of(struct api_request *r, struct auth_ask *ret);
/* reason gets why: of the grant, or what hinders; it may stay empty. */
bool auth_allows(struct api *api, const struct auth_ask *ask, struct buf *reason);
/* Answers 403 as upstream words it, unless allowed. */
int auth_require(struct api_request *r, const struct auth_ask *ask);
/* The request's own question with another verb ("create" of an update that creates). */
int auth_require_verb(struct api_request *r, const char *verb);

/* node_authorizer.c: false is no opinion. */
bool node_authorizer_allows(struct api *api, const struct auth_ask *ask, struct buf *reason);
/* The node that a user of system:nodes is; "" of one that names none; NULL: no node. */
const char *node_of_user(const struct user *u);

/* issuer.c: the OIDC discovery document and the key set; false: another path. */
bool issuer_handle(struct api_request *r);

/* escalation.c: nobody grants what they do not have. For kinds/rbac.c; nonzero: answered. */
struct write;
int escalation_check_role(struct write *w);
int escalation_check_binding(struct write *w);

#endif
