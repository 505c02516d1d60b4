/* x-kubernetes-validations: rules in the Common Expression Language, on nodes of a schema. */
#ifndef API_CRD_RULES_H
#define API_CRD_RULES_H

#include "api/crd/node.h"
#include "cel/cel.h"

struct crd_rule {
    struct str rule, message, reason, field_path;
    struct cel_program *program, *message_program; /* NULL: none, or it did not compile */
    bool transition, optional_old;
};

/* Fills the node's rules. -E_NOMEM. */
int crd_rules_compile(struct arena *a, struct crd_node *n, bool resource) MUST_CHECK;
/* The rules of a node of a definition that is being written: do they compile, are they within what
 * they may cost when the node occurs `times` times? *total: of the schema so far. */
void crd_rules_validate(struct field_errors *e, const struct field *path, const struct json *schema,
                        bool resource, uint64_t times, uint64_t *total);
/* Evaluates all rules of an object. old: what it was before, or NULL. */
void crd_rules_run(struct field_errors *e, const struct crd_node *n, const struct json *value,
                   const struct json *old);
/* The element of an old list that is the same as this one by the schema's keys, or NULL. */
const struct json *crd_same_element(const struct crd_node *list, const struct json *old,
                                    const struct json *element);

#endif
