/*
 * Policy rules (rbac.authorization.k8s.io/v1 PolicyRule) in a form that a request is matched
 * against without decoding anything. Texts live in the arena they were read into.
 */
#ifndef API_AUTH_RULES_H
#define API_AUTH_RULES_H

#include "codec/json.h"

struct strs {
    struct str *at;
    size_t count;
};

struct rule {
    struct strs verbs, groups, resources, names, urls;
};

struct rules {
    struct rule *at;
    size_t count;
};

struct user;

/* What is asked for. Strings are terminated and never NULL. */
struct auth_ask {
    const struct user *user;
    const char *verb;
    bool is_resource;
    const char *group, *version, *resource, *subresource, *ns, *name; /* of a resource */
    const char *path;                                                 /* otherwise */
    struct str field_selector; /* as given, of list, watch and deletecollection */
};

/* From the array `rules` of a role; NULL is none. -E_NOMEM. */
int rules_read(struct arena *a, const struct json *array, struct rules *ret) MUST_CHECK;
/* And back, as a PolicyRule. */
struct json *rule_json(struct arena *a, const struct rule *r);

bool rule_allows(const struct rule *r, const struct auth_ask *ask);
/* Do these rules together allow all that `wanted` does? Those parts that they do not are appended
 * to *missing (which the caller has set to {0}). 1, 0, or -E_NOMEM. */
int rules_cover(struct arena *a, const struct rules *have, const struct rules *wanted,
                struct rules *missing) MUST_CHECK;
/* As upstream describes one: {APIGroups:[""], Resources:["pods"], Verbs:["get"]}. */
void rule_describe(struct buf *out, const struct rule *r);

bool strs_have(const struct strs *s, struct str wanted);
int rules_add(struct arena *a, struct rules *to, const struct rule *r) MUST_CHECK;

#endif
