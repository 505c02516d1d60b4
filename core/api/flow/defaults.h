/*
 * The flow schemas and priority levels that every cluster begins with, as upstream's
 * (apiserver/pkg/apis/flowcontrol/bootstrap). Mandatory ones cannot be changed; suggested ones are
 * kept as they are here until an administrator takes them over (annotation
 * apf.kubernetes.io/autoupdate-spec: "false").
 */
#ifndef API_FLOW_DEFAULTS_H
#define API_FLOW_DEFAULTS_H

#include "codec/json.h"

#define FLOW_AUTOUPDATE "apf.kubernetes.io/autoupdate-spec"

struct flow_level {
    const char *name;
    int shares, lendable;
    int queues, hand, length; /* queues 0: rejects at once */
    bool mandatory;
};

struct flow_schema {
    const char *name, *level;
    int precedence;
    const char *distinguisher; /* "ByUser", "ByNamespace" or NULL */
    const char *subjects; /* "User:x Group:y ServiceAccount:namespace/name" */
    /* One a line: "verbs|groups|resources|namespaces", with "+cluster" among the namespaces for
     * cluster-scoped requests, or "verbs|paths"; words parted by blanks, the core group "core". */
    const char *rules;
    bool mandatory;
};

/* Both end with a NULL name. */
extern const struct flow_level flow_levels[];
extern const struct flow_schema flow_schemas[];

/* The spec, complete with defaults; NULL when out of memory. */
struct json *flow_level_spec(struct arena *a, const struct flow_level *l);
struct json *flow_schema_spec(struct arena *a, const struct flow_schema *s);

const struct flow_level *flow_level_find(struct str name);   /* or NULL */
const struct flow_schema *flow_schema_find(struct str name); /* or NULL */

#endif
