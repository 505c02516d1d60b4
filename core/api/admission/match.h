/*
 * A write as webhooks and policies see it, and which of them it concerns. Texts and trees live in
 * the arena of the write.
 */
#ifndef API_ADMISSION_MATCH_H
#define API_ADMISSION_MATCH_H

#include "api/write.h"
#include "cel/cel.h"

struct hook_request {
    struct write *w;
    const char *operation;                  /* CREATE, UPDATE, DELETE, CONNECT */
    const struct schema_resource *resource; /* as asked for, with its subresource */
    struct str ns, name;                    /* ns of a namespace: itself */
    struct json *object, *old;              /* of the resource's kind; NULL: there is none */
};

/* Their own configuration concerns neither webhooks nor policies. */
bool match_exempt(const struct hook_request *q);

/*
 * matchPolicy, namespaceSelector, objectSelector and the rules (`rules` of a webhook;
 * `resourceRules` and `excludeResourceRules` of a policy, where no rules are all of them). 1 and the
 * resource as which the object is shown, 0, or -E_NOT_FOUND: the namespace is gone.
 */
int match_resources(const struct hook_request *q, const struct json *match, const char *rules,
                    const struct schema_resource **ret_as) MUST_CHECK;
/* The object in the kind of another resource that stands for the same. NULL stays NULL. */
int match_convert(const struct hook_request *q, const struct schema_resource *from,
                  const struct schema_resource *to, struct json *object,
                  struct json **ret) MUST_CHECK;
/* An AdmissionRequest without uid, object and oldObject. NULL: out of memory. */
struct json *match_request(const struct hook_request *q, const struct schema_resource *as);
/* Of the request: the object itself when it is a namespace, or as stored; NULL: there is none. */
const struct json *match_namespace(const struct hook_request *q);

/* ---- match_scope.c: what expressions see ---- */
enum {
    SCOPE_OBJECT,
    SCOPE_OLD,
    SCOPE_REQUEST,
    SCOPE_AUTHORIZER,
    SCOPE_CHECK,
    SCOPE_WEBHOOK, /* as many do webhooks have */
    SCOPE_NAMESPACE = SCOPE_WEBHOOK,
    SCOPE_VARIABLES,
    SCOPE_PLAIN, /* a policy without parameters */
    SCOPE_PARAMS = SCOPE_PLAIN,
    SCOPE__COUNT
};
extern const struct cel_variable match_variables[SCOPE__COUNT];

struct match_scope {
    const struct hook_request *q;
    struct cel_run run;
    struct cel_value values[SCOPE__COUNT];
    struct cel_authorizer authorizer;
    struct cel_check check;
};
/* For an object shown as `as`. The scope must stay where it is. -E_NOMEM, -E_INVALID. */
int match_scope_init(struct match_scope *s, const struct hook_request *q,
                     const struct schema_resource *as, struct json *object, struct json *old,
                     struct err *err) MUST_CHECK;

struct match_condition {
    const char *name;
    const struct cel_program *program; /* NULL: does not compile */
    const char *problem;
};
struct match_conditions {
    struct match_condition *at;
    size_t count;
};
/* variables: how many of match_variables they may use. */
int match_conditions_read(struct arena *a, const struct json *list, size_t variables,
                          struct match_conditions *ret) MUST_CHECK;
/* 1 all hold, 0 one does not, -E_INVALID: err says what failed. */
int match_conditions_hold(const struct match_conditions *c, struct match_scope *s,
                          struct err *err) MUST_CHECK;

#endif
