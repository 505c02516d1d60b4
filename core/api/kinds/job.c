/* Jobs and CronJobs: their objects; the controllers that act on them come later. */
#include "api/kinds/workload.h"

static const struct kind_field fields[] = {
    {.selector = "status.successful", .path = "status.succeeded", .absent = "0"}, {.selector = NULL}};

static void job_spec_default(struct arena *a, struct json *spec)
{
    template_default(a, spec);
    if (json_absent(json_get(spec, "completions")) && json_absent(json_get(spec, "parallelism")))
        json_set_i64(a, spec, "completions", 1);
    set_missing_i64(a, spec, "parallelism", 1);
    set_missing_i64(a, spec, "backoffLimit",
                    json_get(spec, "backoffLimitPerIndex") ? INT32_MAX : 6);
    set_missing(a, spec, "completionMode", "NonIndexed");
    set_missing_bool(a, spec, "suspend", false);
    set_missing_bool(a, spec, "manualSelector", false);
    set_missing(a, spec, "podReplacementPolicy", "TerminatingOrFailed");
}

static void set_job(struct write *w)
{
    if (json_get(w->object, "spec"))
        job_spec_default(w->a, json_get(w->object, "spec"));
}

/* A job selects its pods by its own uid. */
static void prepare_job(struct write *w)
{
    static const char *const names[] = {"batch.kubernetes.io/controller-uid", "controller-uid",
                                        "batch.kubernetes.io/job-name", "job-name"};
    struct arena *a = w->a;
    struct json *spec = json_get(w->object, "spec");
    const char *uid = json_path_cstr(w->object, "metadata.uid");
    if (!spec || json_path_bool(spec, "manualSelector", false))
        return;
    struct json *meta = json_object_at(a, json_object_at(a, spec, "template"), "metadata");
    struct json *labels = json_object_at(a, meta, "labels");
    for (size_t i = 0; i < 4; i++)
        json_set_str(a, labels, names[i], i < 2 ? str_of(uid) : w->name);
    struct json *match = json_object_at(a, json_object_at(a, spec, "selector"), "matchLabels");
    json_set_cstr(a, match, names[0], uid);
}

static void job_spec_validate(struct field_errors *e, const struct field *f,
                              const struct json *spec)
{
    static const char *const numbers[] = {"parallelism", "completions", "backoffLimit",
                                          "activeDeadlineSeconds", "ttlSecondsAfterFinished"};
    for (size_t i = 0; i < 5; i++)
        field_check_not_negative(e, FIELD(f, numbers[i]), json_get(spec, numbers[i]));
    template_validate(e, FIELD(f, "template"), json_get(spec, "template"));
    struct str policy = json_path_str(spec, "template.spec.restartPolicy");
    if (str_is(policy, "Always"))
        field_unsupported(e, FIELD(FIELD(FIELD(f, "template"), "spec"), "restartPolicy"), policy,
                          (const char *const[]){"OnFailure", "Never", NULL});
}

static void validate_job(struct write *w)
{
    job_spec_validate(&w->errors, FIELD(NULL, "spec"), json_get(w->object, "spec"));
}

static void set_cron(struct write *w)
{
    struct json *spec = json_get(w->object, "spec");
    set_missing(w->a, spec, "concurrencyPolicy", "Allow");
    set_missing_bool(w->a, spec, "suspend", false);
    set_missing_i64(w->a, spec, "successfulJobsHistoryLimit", 3);
    set_missing_i64(w->a, spec, "failedJobsHistoryLimit", 1);
    struct json *job = json_path(spec, "jobTemplate.spec");
    if (job)
        template_default(w->a, job);
}

static void validate_cron(struct write *w)
{
    const struct field *f = FIELD(NULL, "spec");
    const struct json *spec = json_get(w->object, "spec");
    if (!json_path_str(spec, "schedule").n)
        field_required(&w->errors, FIELD(f, "schedule"), NULL);
    field_check_enum(&w->errors, FIELD(f, "concurrencyPolicy"), json_get(spec, "concurrencyPolicy"),
                     (const char *const[]){"Allow", "Forbid", "Replace", NULL});
    job_spec_validate(&w->errors, FIELD(FIELD(f, "jobTemplate"), "spec"),
                      json_path(spec, "jobTemplate.spec"));
}

const struct kind kind_job = {
    .group = "batch",
    .resource = "jobs",
    .flags = KIND_STATUS | KIND_GENERATION,
    .fields = fields,
    .set_defaults = set_job,
    .prepare_create = prepare_job,
    .validate = validate_job,
};

const struct kind kind_cron_job = {
    .group = "batch",
    .resource = "cronjobs",
    .flags = KIND_STATUS | KIND_GENERATION,
    .set_defaults = set_cron,
    .validate = validate_cron,
};
