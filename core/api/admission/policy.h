/* ValidatingAdmissionPolicies made ready, and their evaluation over one binding and parameter. */
#ifndef API_ADMISSION_POLICY_H
#define API_ADMISSION_POLICY_H

#include "api/admission/webhook.h"

struct policy_program {
    struct str name, source;          /* name of a variable */
    const struct cel_program *program; /* NULL: does not compile: problem */
    const char *problem;
};

struct policy_validation {
    struct policy_program check, message_of; /* message_of.source empty: none */
    struct str message, reason;
};

struct policy_binding {
    const char *name;
    const struct json *spec;
};

struct policy {
    const char *name;
    const struct json *spec;
    bool ignores_failure;
    const struct json *param_kind; /* NULL: no parameters */
    struct match_conditions conditions;
    struct policy_program *variables;
    struct policy_validation *validations;
    struct policy_binding *bindings;
    size_t variable_count, validation_count, binding_count;
};

/* policy_read.c */
int policy_read(struct arena *a, const struct json *object, struct policy *ret) MUST_CHECK;

/* policy_eval.c: refused is called for each validation that does not hold or failed. */
struct policy_refusal {
    const char *message;
    struct str reason; /* empty: Invalid */
};
int policy_eval(const struct policy *p, const struct hook_request *q,
                const struct schema_resource *as, struct json *object, struct json *old,
                const struct json *param,
                void (*refused)(void *ctx, const struct policy_refusal *why), void *ctx) MUST_CHECK;

/* policy_param.c: the parameters of a binding; fn for each, also once with NULL when it has none to
 * name. -E_INVALID: err says why they cannot be found. */
int policy_params(const struct policy *p, const struct policy_binding *b,
                  const struct hook_request *q, void (*fn)(void *ctx, const struct json *param),
                  void *ctx, struct err *err) MUST_CHECK;

#endif
