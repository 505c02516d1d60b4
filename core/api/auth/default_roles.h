/*
 * The roles and bindings that every cluster begins with, as upstream's
 * (plugin/pkg/auth/authorizer/rbac/bootstrappolicy), and their upkeep.
 */
#ifndef API_AUTH_DEFAULT_ROLES_H
#define API_AUTH_DEFAULT_ROLES_H

#include "api/auth/rules.h"

/*
 * rules: one a line, "verbs|groups|resources|names" or "verbs|paths", words parted by blanks. The
 * core group is written "core".
 */
struct default_role {
    const char *ns, *name; /* ns NULL: a ClusterRole */
    const char *rules;
    const char *joins;    /* label rbac.authorization.k8s.io/aggregate-to-JOINS, or NULL */
    const char *gathers;  /* made of the roles that join GATHERS, or NULL */
};

/* Ends with a NULL name. Roles named system:controller:X are bound to account kube-system/X. */
extern const struct default_role default_roles_plain[], default_roles_controllers[];

struct default_binding {
    const char *ns, *name; /* ns NULL: a ClusterRoleBinding */
    const char *kind, *role;
    const char *subjects; /* "User:x Group:y ServiceAccount:name" (of kube-system) */
};
extern const struct default_binding default_bindings[];

/* The rules of such a text as the array of a role. */
struct json *default_rules_json(struct arena *a, const char *rules);
/* The rules of a default cluster role. -E_NOT_FOUND, -E_NOMEM. */
int default_rules_of(struct arena *a, const char *name, struct rules *ret) MUST_CHECK;

struct default_object { /* one to be made or mended */
    const char *path; /* of its collection */
    const char *group_resource;
    const char *ns, *name;
    struct json *object;
};
enum { DEFAULT_OBJECTS_MOST = 256 };
/* All of them, roles first. *ret_count <= DEFAULT_OBJECTS_MOST. */
int default_objects(struct arena *a, struct default_object *ret, size_t *ret_count) MUST_CHECK;
/* What a stored one lacks of the default is added to it. 1: changed, 0: complete (or the
 * administrator switched its upkeep off); -E_CONFLICT: its roleRef is another one. */
int default_object_mend(struct arena *a, struct json *stored, const struct json *wanted) MUST_CHECK;

#endif
