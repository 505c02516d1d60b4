/* What the workloads' kinds share (pkg/apis/apps/validation). */
#ifndef API_KINDS_WORKLOAD_H
#define API_KINDS_WORKLOAD_H

#include "api/kinds/kinds.h"

/* Each of the numbers named (ends with NULL) is not negative. */
void numbers_validate(struct field_errors *e, const struct field *f, const struct json *object,
                      const char *const *names);
/* Counts of status: not negative, and those of `within` not above status.replicas. Both end with
 * NULL; all names are looked at in order. */
void counts_validate(struct field_errors *e, const struct field *f, const struct json *status,
                     const char *const *names, const char *const *within);
/* What is available is ready; wrong: message where it is not. */
void available_validate(struct field_errors *e, const struct field *f, const struct json *status,
                        const char *wrong);
/* status.collisionCount only grows. */
void collisions_validate(struct write *w);

/* Selector of labels that has to say something: empty is the message for one that does not. */
void selector_validate(struct field_errors *e, const struct field *f, const struct json *selector,
                       const char *empty);
/* spec.template.metadata.labels are those that spec.selector asks for. */
void selector_match_validate(struct field_errors *e, const struct field *f,
                             const struct json *spec);
bool selector_empty(const struct json *selector);
/* Pods of spec.template restart always and have no deadline. kind: named in the message. */
void template_policy_validate(struct field_errors *e, const struct field *spec,
                              const struct json *object, const char *kind);

/* selector and template of Deployments and ReplicaSets. */
void replica_template_validate(struct field_errors *e, const struct field *f,
                               const struct json *spec);

/* 3 and "3%" are 3; anything else is 0. */
int64_t int_or_percent(const struct json *value);
/* A percentage is at most 100%. */
void percent_validate(struct field_errors *e, const struct field *f, const struct json *value);

#endif
