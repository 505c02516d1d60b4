/*
 * What the status of a Job may become (pkg/apis/batch/validation, pkg/registry/batch/job). Since a
 * job may be run by somebody else's controller (managedBy), what does not fit together is refused;
 * but only where the update changes it, so that older jobs can still be written.
 */
#include "api/kinds/job.h"

struct change {
    struct write *w;
    struct field_errors *e;
    const struct field *f;
    const struct json *now, *was; /* status */
};

static bool holds(const struct json *status, const char *type)
{
    for (const struct json *c = json_first(json_get(status, "conditions")); c; c = c->next)
        if (str_is(json_path_str(c, "type"), type) && str_is(json_path_str(c, "status"), "True"))
            return true;
    return false;
}

static bool finished(const struct json *status)
{
    return holds(status, "Complete") || holds(status, "Failed");
}

static bool changed(const struct change *c, const char *name)
{
    const struct json *now = json_get(c->now, name), *was = json_get(c->was, name);
    return !json_equal(now, was) && !(json_absent(now) && json_absent(was));
}

static bool turned(const struct change *c, const char *type)
{
    return holds(c->now, type) != holds(c->was, type);
}

static void refuse(const struct change *c, const char *name, const char *why)
{
    field_invalid(c->e, FIELD(c->f, name), json_get(c->now, name), why);
}

static void refuse_conditions(const struct change *c, const char *why)
{
    field_add(c->e, FIELD(c->f, "conditions"), "FieldValueInvalid",
              arena_printf(c->e->arena, "Invalid value: %s", why));
}

static bool has_uncounted(const struct json *status)
{
    return json_count(json_path(status, "uncountedTerminatedPods.succeeded")) ||
           json_count(json_path(status, "uncountedTerminatedPods.failed"));
}

static void check_uncounted(const struct change *c)
{
    static const char *const lists[] = {"succeeded", "failed"};
    const struct json *pods = json_get(c->now, "uncountedTerminatedPods");
    for (size_t i = 0; i < 2; i++) {
        const struct field *f = FIELD(FIELD(c->f, "uncountedTerminatedPods"), lists[i]);
        struct map seen;
        int64_t k = 0;
        map_init(&seen);
        for (size_t turn = 0; turn <= i; turn++) /* those that failed also differ from the others */
            for (const struct json *m = json_first(json_get(pods, lists[turn])); m; m = m->next) {
                bool mine = turn == i;
                if (mine && !json_str(m).n)
                    field_invalid(c->e, FIELD_AT(f, k), m, "must not be empty");
                else if (mine && map_has(&seen, json_str(m)))
                    field_duplicate(c->e, FIELD_AT(f, k), json_str(m));
                else if (map_set(&seen, json_str(m), (void *)m, NULL) < 0)
                    field_forbidden(c->e, f, "out of memory");
                k += mine;
            }
        map_done(&seen, NULL);
    }
}

static void check_finished(const struct change *c)
{
    bool now = finished(c->now), turn = now != finished(c->was);
    if (!now)
        return;
    if ((turn || changed(c, "active")) && json_path_i64(c->now, "active", 0) > 0)
        refuse(c, "active", "active>0 is invalid for finished job");
    if ((turn || changed(c, "terminating")) && json_path_i64(c->now, "terminating", 0) > 0)
        refuse(c, "terminating", "terminating>0 is invalid for finished job");
    if ((turn || changed(c, "startTime")) && json_absent(json_get(c->now, "startTime")))
        field_required(c->e, FIELD(c->f, "startTime"), "startTime is required for finished job");
    if ((turn || changed(c, "uncountedTerminatedPods")) && has_uncounted(c->now))
        refuse(c, "uncountedTerminatedPods",
               "uncountedTerminatedPods needs to be empty for finished job");
}

static void check_conditions(const struct change *c)
{
    bool complete = holds(c->now, "Complete"), failed = holds(c->now, "Failed");
    bool completes = turned(c, "Complete"), fails = turned(c, "Failed");
    if ((completes || fails) && complete && failed)
        refuse_conditions(c, "cannot set Complete=True and Failed=true conditions");
    if ((completes || turned(c, "FailureTarget")) && complete && holds(c->now, "FailureTarget"))
        refuse_conditions(c, "cannot set Complete=True and FailureTarget=true conditions");
    if (fails && failed && !holds(c->now, "FailureTarget"))
        refuse_conditions(
            c, "cannot set Failed=True condition without the FailureTarget=true condition");
    if (completes && complete && !holds(c->now, "SuccessCriteriaMet"))
        refuse_conditions(
            c, "cannot set Complete=True condition without the SuccessCriteriaMet=true condition");
}

static void check_times(const struct change *c)
{
    const struct json *start = json_get(c->now, "startTime"),
                      *end = json_get(c->now, "completionTime");
    bool complete = holds(c->now, "Complete"), completes = turned(c, "Complete");
    bool ends = completes || changed(c, "completionTime");
    if (ends && !complete && !json_absent(end))
        refuse(c, "completionTime",
               "cannot set completionTime when there is no Complete=True condition");
    if (ends && complete && json_absent(end))
        field_required(c->e, FIELD(c->f, "completionTime"),
                       "completionTime is required for Complete jobs");
    /* Both are written in one form, whose order is that of time. */
    if ((changed(c, "startTime") || changed(c, "completionTime")) && !json_absent(start) &&
        !json_absent(end) && str_cmp(json_str(end), json_str(start)) < 0)
        refuse(c, "completionTime", "completionTime cannot be set before startTime");
    if (!json_absent(json_get(c->was, "completionTime")) && changed(c, "completionTime"))
        refuse(c, "completionTime", "completionTime cannot be mutated");
    if (json_absent(json_get(c->was, "startTime")) || !changed(c, "startTime") ||
        json_path_bool(c->w->object, "spec.suspend", false))
        return;
    if (json_absent(start))
        field_required(c->e, FIELD(c->f, "startTime"),
                       "startTime cannot be removed for unsuspended job");
    else
        refuse(c, "startTime", "startTime cannot be updated for unsuspended job");
}

static void check_counters(const struct change *c)
{
    const struct json *spec = json_get(c->w->object, "spec");
    static const char *const terminal[] = {"Failed", "Complete", "FailureTarget",
                                           "SuccessCriteriaMet"};
    bool indexed = str_is(json_path_str(spec, "completionMode"), "Indexed");
    bool scalable =
        indexed && json_equal(json_get(spec, "completions"), json_get(spec, "parallelism"));
    if (!scalable && json_path_i64(c->now, "succeeded", 0) < json_path_i64(c->was, "succeeded", 0))
        field_invalid_int(c->e, FIELD(c->f, "succeeded"), json_path_i64(c->now, "succeeded", 0),
                          "cannot decrease the succeeded counter");
    if (json_path_i64(c->now, "failed", 0) < json_path_i64(c->was, "failed", 0))
        field_invalid_int(c->e, FIELD(c->f, "failed"), json_path_i64(c->now, "failed", 0),
                          "cannot decrease the failed counter");
    for (size_t i = 0; i < sizeof terminal / sizeof terminal[0]; i++)
        if (holds(c->was, terminal[i]) && !holds(c->now, terminal[i]))
            refuse_conditions(c, arena_printf(c->e->arena,
                                              "cannot disable the terminal %s=True condition",
                                              terminal[i]));
    if ((changed(c, "ready") || changed(c, "active")) &&
        json_path_i64(c->now, "ready", 0) > json_path_i64(c->now, "active", 0))
        refuse(c, "ready", "cannot set more ready pods than active");
}

static void check_indexes(const struct change *c)
{
    static const char *const names[] = {"completedIndexes", "failedIndexes"};
    const struct json *spec = json_get(c->w->object, "spec");
    bool indexed = str_is(json_path_str(spec, "completionMode"), "Indexed");
    for (size_t i = 0; i < 2; i++) {
        struct str s = json_str(json_get(c->now, names[i]));
        struct err why = {0};
        int64_t total;
        if (!changed(c, names[i]))
            continue;
        if (i == 0 && !indexed && s.n)
            refuse(c, names[i],
                   "cannot set non-empty completedIndexes when non-indexed completion mode");
        if (i == 1 && json_absent(json_get(spec, "backoffLimitPerIndex")) && s.n)
            refuse(c, names[i],
                   "cannot set non-null failedIndexes when backoffLimitPerIndex is null");
        if (indexed &&
            job_indexes_count(s, json_path_i64(spec, "completions", 0), &total, &why) < 0)
            refuse(c, names[i],
                   arena_printf(c->e->arena, "error parsing %s: %s", names[i], why.text));
    }
}

void job_status_validate(struct write *w)
{
    static const char *const counts[] = {"active", "succeeded",   "failed",
                                         "ready",  "terminating", NULL};
    struct change c = {.w = w,
                       .e = &w->errors,
                       .f = FIELD(NULL, "status"),
                       .now = json_get(w->object, "status"),
                       .was = json_get(w->old, "status")};
    numbers_validate(c.e, c.f, c.now, counts);
    check_uncounted(&c);
    check_finished(&c);
    check_conditions(&c);
    check_times(&c);
    check_indexes(&c);
    check_counters(&c);
}
