/* What Jobs and CronJobs share (pkg/apis/batch). */
#ifndef API_KINDS_JOB_H
#define API_KINDS_JOB_H

#include "api/kinds/workload.h"

/* A spec, but for its selector. */
void job_spec_validate(struct field_errors *e, const struct field *f, const struct json *spec);
void job_failure_policy_validate(struct field_errors *e, const struct field *f,
                                 const struct json *spec);
void job_success_policy_validate(struct field_errors *e, const struct field *f,
                                 const struct json *spec);
/* "1,3-5": how many indexes below completions. -E_INVALID. */
int job_indexes_count(struct str text, int64_t completions, int64_t *ret,
                      struct err *err) MUST_CHECK;
void job_status_validate(struct write *w);

#endif
