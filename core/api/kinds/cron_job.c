/* CronJobs (pkg/apis/batch, pkg/registry/batch/cronjob). */
#include "api/kinds/job.h"

#include "codec/cron.h"

enum { NAME_MOST = 52 }; /* the jobs' names have eleven more, and a label of pods holds 63 */

static void set_defaults(struct write *w)
{
    struct json *spec = json_object_at(w->a, w->object, "spec");
    set_missing(w->a, spec, "concurrencyPolicy", "Allow");
    set_missing_bool(w->a, spec, "suspend", false);
    set_missing_i64(w->a, spec, "successfulJobsHistoryLimit", 3);
    set_missing_i64(w->a, spec, "failedJobsHistoryLimit", 1);
    struct json *job = json_object_at(w->a, spec, "jobTemplate");
    json_object_at(w->a, job, "metadata");
    template_default(w->a, json_object_at(w->a, job, "spec"));
}

static bool names_zone(struct str schedule)
{
    for (size_t i = 0; i + 1 < schedule.n; i++)
        if (schedule.p[i] == 'T' && schedule.p[i + 1] == 'Z')
            return true;
    return false;
}

static void check_schedule(struct write *w, const struct field *f, const struct json *spec)
{
    struct str schedule = json_path_str(spec, "schedule");
    struct cron cron;
    struct err why = {0};
    if (!schedule.n) {
        field_required(&w->errors, f, NULL);
        return;
    }
    if (cron_parse(schedule, &cron, &why) < 0)
        field_invalid_str(&w->errors, f, schedule, why.text);
    if (!names_zone(schedule))
        return;
    if (!names_zone(json_path_str(w->old, "spec.schedule")))
        field_invalid_str(&w->errors, f, schedule,
                          "cannot use TZ or CRON_TZ in schedule, use timeZone field instead");
    else if (!json_absent(json_get(spec, "timeZone")))
        field_invalid_str(&w->errors, f, schedule,
                          "cannot use both timeZone field and TZ or CRON_TZ in schedule");
}

static void check_zone(struct write *w, const struct field *f, const struct json *zone)
{
    const struct json *was = json_path(w->old, "spec.timeZone");
    struct err why = {0};
    int32_t offset;
    if (json_absent(zone) || json_equal(zone, was))
        return;
    if (!json_str(zone).n) {
        field_invalid(&w->errors, f, zone, "timeZone must be nil or non-empty string");
        return;
    }
    if (str_eq_nocase(json_str(zone), STR("Local"))) {
        field_invalid(&w->errors, f, zone,
                      "timeZone must be an explicit time zone as defined in "
                      "https://www.iana.org/time-zones");
        return;
    }
    int rc = cron_zone(json_str(zone), &offset, &why);
    if (rc == -E_INVALID)
        field_invalid(&w->errors, f, zone, arena_strdup(w->a, why.text));
    else if (rc == -E_UNSUPPORTED)
        request_warn(w->r, "spec.timeZone: %s; the schedule is read in UTC", why.text);
}

static void check_template(struct field_errors *e, const struct field *f, const struct json *job)
{
    const struct json *selector = json_get(job, "selector"),
                      *manual = json_get(job, "manualSelector");
    job_spec_validate(e, f, job);
    if (!json_absent(selector))
        field_invalid(e, FIELD(f, "selector"), selector, "`selector` will be auto-generated");
    if (json_bool(manual, false))
        field_unsupported_json(e, FIELD(f, "manualSelector"), manual,
                               (const char *const[]){"nil", "false", NULL});
}

static void validate(struct write *w)
{
    struct field_errors *e = &w->errors;
    const struct field *f = FIELD(NULL, "spec");
    const struct json *spec = json_get(w->object, "spec");
    check_schedule(w, FIELD(f, "schedule"), spec);
    field_check_not_negative(e, FIELD(f, "startingDeadlineSeconds"),
                             json_get(spec, "startingDeadlineSeconds"));
    check_zone(w, FIELD(f, "timeZone"), json_get(spec, "timeZone"));
    field_check_enum(e, FIELD(f, "concurrencyPolicy"), json_get(spec, "concurrencyPolicy"),
                     (const char *const[]){"Allow", "Forbid", "Replace", NULL});
    check_template(e, FIELD(FIELD(f, "jobTemplate"), "spec"), json_path(spec, "jobTemplate.spec"));
    numbers_validate(
        e, f, spec,
        (const char *const[]){"successfulJobsHistoryLimit", "failedJobsHistoryLimit", NULL});
    if (w->is_create && w->name.n > NAME_MOST)
        field_invalid_str(e, FIELD(FIELD(NULL, "metadata"), "name"), w->name,
                          "must be no more than 52 characters");
}

const struct kind kind_cron_job = {
    .group = "batch",
    .resource = "cronjobs",
    .flags = KIND_STATUS | KIND_GENERATION,
    .set_defaults = set_defaults,
    .validate = validate,
};
