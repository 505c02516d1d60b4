/* Jobs (pkg/apis/batch, pkg/registry/batch/job). */
#include "api/kinds/job.h"

#include "codec/names.h"

enum {
    INDEXED_MOST = 100000, /* parallelism and failed indexes: completedIndexes stays short */
    MANY_COMPLETIONS = 100000,
    MANY_MOST = 10000,
    MANAGER_NAME = 63,
};

static const struct kind_field fields[] = {
    {.selector = "status.successful", .path = "status.succeeded", .absent = "0"},
    {.selector = NULL}};

static void set_defaults(struct write *w)
{
    struct arena *a = w->a;
    struct json *spec = json_object_at(a, w->object, "spec"), *rule;
    template_default(a, spec);
    if (json_absent(json_get(spec, "completions")) && json_absent(json_get(spec, "parallelism")))
        json_set_i64(a, spec, "completions", 1);
    set_missing_i64(a, spec, "parallelism", 1);
    set_missing_i64(a, spec, "backoffLimit",
                    json_absent(json_get(spec, "backoffLimitPerIndex")) ? 6 : INT32_MAX);
    set_missing(a, spec, "completionMode", "NonIndexed");
    set_missing_bool(a, spec, "suspend", false);
    for (rule = json_first(json_path(spec, "podFailurePolicy.rules")); rule; rule = rule->next)
        for (struct json *c = json_first(json_get(rule, "onPodConditions")); c; c = c->next)
            if (!json_path_str(c, "status").n)
                json_set_cstr(a, c, "status", "True");
    set_missing(a, spec, "podReplacementPolicy",
                json_absent(json_get(spec, "podFailurePolicy")) ? "TerminatingOrFailed" : "Failed");
    const struct json *labels = json_path(spec, "template.metadata.labels");
    struct json *meta = json_object_at(a, w->object, "metadata");
    if (json_count(labels) && !json_count(json_get(meta, "labels")))
        json_set(a, meta, "labels", json_clone(a, labels));
}

static const char *const own_labels[] = {"controller-uid", "job-name",
                                         "batch.kubernetes.io/controller-uid",
                                         "batch.kubernetes.io/job-name"};

/* A job selects its pods by its own uid, unless it says otherwise. */
static void prepare_create(struct write *w)
{
    struct arena *a = w->a;
    struct json *spec = json_get(w->object, "spec");
    const char *uid = json_path_cstr(w->object, "metadata.uid");
    if (json_path_bool(spec, "manualSelector", false))
        return;
    struct json *meta = json_object_at(a, json_object_at(a, spec, "template"), "metadata");
    struct json *labels = json_object_at(a, meta, "labels");
    for (size_t i = 0; i < 4; i++)
        if (!json_get(labels, own_labels[i]))
            json_set_str(a, labels, own_labels[i], i % 2 ? w->name : str_of(uid));
    struct json *match = json_object_at(a, json_object_at(a, spec, "selector"), "matchLabels");
    set_missing(a, match, own_labels[2], uid);
}

/* ---- spec ---- */

static void check_manager(struct field_errors *e, const struct field *f, const struct json *manager)
{
    struct str s = json_str(manager);
    ptrdiff_t slash = str_find_byte(s, '/');
    if (json_absent(manager))
        return;
    if (!s.n)
        field_required(e, f, NULL);
    else if (slash <= 0 || (size_t)slash + 1 == s.n)
        field_invalid(e, f, manager, "must be a domain-prefixed path (such as \"acme.io/foo\")");
    else
        field_check_name(e, f, str_make(s.p, (size_t)slash), names_dns1123_subdomain);
    if (s.n > MANAGER_NAME)
        field_too_long(e, f, MANAGER_NAME);
}

static void check_at_most(struct field_errors *e, const struct field *f, const struct json *value,
                          int64_t most, const char *why)
{
    if (json_i64(value, 0) > most)
        field_invalid(
            e, f, value,
            arena_printf(e->arena, "must be less than or equal to %lld%s", (long long)most, why));
}

static void check_indexed(struct field_errors *e, const struct field *f, const struct json *spec)
{
    static const char high[] =
        " when completions are above 100000 and used with backoff limit per index";
    const struct json *completions = json_get(spec, "completions"),
                      *parallelism = json_get(spec, "parallelism"),
                      *failed = json_get(spec, "maxFailedIndexes");
    if (json_absent(completions))
        field_required(e, FIELD(f, "completions"), "when completion mode is Indexed");
    check_at_most(e, FIELD(f, "parallelism"), parallelism, INDEXED_MOST,
                  " when completion mode is Indexed");
    if (!json_absent(completions) && json_i64(failed, 0) > json_i64(completions, 0))
        field_invalid(e, FIELD(f, "maxFailedIndexes"), failed,
                      "must be less than or equal to completions");
    check_at_most(e, FIELD(f, "maxFailedIndexes"), failed, INDEXED_MOST, "");
    if (json_i64(completions, 0) <= MANY_COMPLETIONS ||
        json_absent(json_get(spec, "backoffLimitPerIndex")))
        return;
    if (json_absent(failed))
        field_required(e, FIELD(f, "maxFailedIndexes"),
                       "must be specified when completions is above 100000");
    check_at_most(e, FIELD(f, "parallelism"), parallelism, MANY_MOST, high);
    check_at_most(e, FIELD(f, "maxFailedIndexes"), failed, MANY_MOST, high);
}

static void check_mode(struct field_errors *e, const struct field *f, const struct json *spec)
{
    static const char *const indexed_only[] = {"backoffLimitPerIndex", "maxFailedIndexes"};
    const struct json *mode = json_get(spec, "completionMode");
    bool none = json_absent(mode) || str_is(json_str(mode), "NonIndexed");
    if (str_is(json_str(mode), "Indexed"))
        check_indexed(e, f, spec);
    else if (!none)
        field_unsupported(e, FIELD(f, "completionMode"), json_str(mode),
                          (const char *const[]){"NonIndexed", "Indexed", NULL});
    for (size_t i = 0; i < 2 && none; i++)
        if (!json_absent(json_get(spec, indexed_only[i])))
            field_invalid(e, FIELD(f, indexed_only[i]), json_get(spec, indexed_only[i]),
                          "requires indexed completion mode");
}

static void check_restart(struct field_errors *e, const struct field *f, const struct json *spec)
{
    const struct field *at = FIELD(FIELD(FIELD(f, "template"), "spec"), "restartPolicy");
    struct str policy = json_path_str(spec, "template.spec.restartPolicy");
    if (str_is(policy, "Always") || !policy.n)
        field_required(e, at, "valid values: \"OnFailure\", \"Never\"");
    else if (!str_is(policy, "OnFailure") && !str_is(policy, "Never"))
        field_unsupported(e, at, policy, (const char *const[]){"OnFailure", "Never", NULL});
    else if (!json_absent(json_get(spec, "podFailurePolicy")) && !str_is(policy, "Never"))
        field_invalid_str(e, at, policy,
                          "only \"Never\" is supported when podFailurePolicy is specified");
}

void job_spec_validate(struct field_errors *e, const struct field *f, const struct json *spec)
{
    static const char *const numbers[] = {"parallelism",
                                          "completions",
                                          "activeDeadlineSeconds",
                                          "backoffLimit",
                                          "ttlSecondsAfterFinished",
                                          "backoffLimitPerIndex",
                                          "maxFailedIndexes",
                                          NULL};
    const struct json *replacement = json_get(spec, "podReplacementPolicy");
    bool failure_policy = !json_absent(json_get(spec, "podFailurePolicy"));
    numbers_validate(e, f, spec, numbers);
    if (!json_absent(json_get(spec, "maxFailedIndexes")) &&
        json_absent(json_get(spec, "backoffLimitPerIndex")))
        field_required(e, FIELD(f, "backoffLimitPerIndex"), "when maxFailedIndexes is specified");
    check_manager(e, FIELD(f, "managedBy"), json_get(spec, "managedBy"));
    check_mode(e, f, spec);
    if (failure_policy)
        job_failure_policy_validate(e, FIELD(f, "podFailurePolicy"), spec);
    if (!json_absent(json_get(spec, "successPolicy")))
        job_success_policy_validate(e, FIELD(f, "successPolicy"), spec);
    static const char *const policies[] = {"Failed", "TerminatingOrFailed", NULL};
    static const char *const only_failed[] = {"Failed", NULL};
    if (!json_absent(replacement))
        field_check_enum(e, FIELD(f, "podReplacementPolicy"), replacement,
                         failure_policy ? only_failed : policies);
    template_validate(e, FIELD(f, "template"), json_get(spec, "template"));
    check_restart(e, f, spec);
}

/* ---- the object ---- */

/* The labels that were generated are still there. */
static void check_generated(struct write *w)
{
    struct field_errors *e = &w->errors;
    const struct field *meta = FIELD(FIELD(FIELD(NULL, "spec"), "template"), "metadata");
    const struct json *labels = json_path(w->object, "spec.template.metadata.labels");
    const struct json *selector = json_path(w->object, "spec.selector");
    struct str uid = json_path_str(w->object, "metadata.uid");
    struct json *expected = json_new(e->arena, JSON_OBJECT);
    struct selector s;
    if (json_path_bool(w->object, "spec.manualSelector", false) || json_absent(selector))
        return;
    for (size_t i = 0; i < 4; i++) {
        struct str value = i % 2 ? w->name : uid;
        const struct json *label = json_get(labels, own_labels[i]);
        const struct field *at = FIELD_KEY(FIELD(meta, "labels"), str_of(own_labels[i]));
        json_set_str(e->arena, expected, own_labels[i], value);
        if (!label)
            field_required(e, at, arena_printf(e->arena, "must be '" STR_FMT "'", STR_ARG(value)));
        else if (!str_eq(json_str(label), value))
            field_invalid(e, at, labels,
                          arena_printf(e->arena, "must be '" STR_FMT "'", STR_ARG(value)));
    }
    if (selector_from_object(e->arena, selector, &s, NULL) == 0 && !selector_matches(&s, expected))
        field_invalid(e, FIELD(FIELD(NULL, "spec"), "selector"), selector,
                      "`selector` not auto-generated");
}

/* Pods of an indexed job are named after it and their index. */
static void check_hostname(struct write *w)
{
    int64_t completions = json_path_i64(w->object, "spec.completions", 0);
    if (!str_is(json_path_str(w->object, "spec.completionMode"), "Indexed") || completions <= 0)
        return;
    const char *last =
        arena_printf(w->a, STR_FMT "-%lld", STR_ARG(w->name), (long long)completions - 1);
    if (last && names_dns1123_label(str_of(last)))
        field_invalid_str(
            &w->errors, FIELD(FIELD(NULL, "metadata"), "name"), w->name,
            arena_printf(w->a, "will not able to create pod with invalid DNS label: %s", last));
}

static void validate(struct write *w)
{
    struct field_errors *e = &w->errors;
    const struct field *f = FIELD(NULL, "spec");
    const struct json *spec = json_get(w->object, "spec"), *selector = json_get(spec, "selector");
    name_warn(w, "Pod names and hostnames");
    check_generated(w);
    job_spec_validate(e, f, spec);
    if (json_absent(selector))
        field_required(e, FIELD(f, "selector"), NULL);
    else
        field_check_label_selector(e, FIELD(f, "selector"), selector);
    selector_match_validate(e, f, spec);
    check_hostname(w);
}

/* ---- updates ---- */

static void check_completions(struct write *w, const struct field *f)
{
    const struct json *now = json_path(w->object, "spec.completions"),
                      *was = json_path(w->old, "spec.completions");
    if (!str_is(json_path_str(w->object, "spec.completionMode"), "Indexed"))
        field_check_immutable(&w->errors, f, now, was);
    else if (!json_absent(now) && !json_equal(now, was) &&
             json_i64(now, 0) != json_path_i64(w->object, "spec.parallelism", 0))
        field_invalid(&w->errors, f, now, "can only be modified in tandem with spec.parallelism");
}

static void take(struct write *w, struct json *to, const struct json *from, const char *name)
{
    if (json_absent(json_get(from, name)))
        json_remove(to, name);
    else
        json_set(w->a, to, name, json_clone(w->a, json_get(from, name)));
}

/* Where the pods of a job run that is suspended and never started may still be chosen. */
static void level_template(struct write *w, struct json *was, const struct json *now)
{
    struct json *meta = json_object_at(w->a, was, "metadata"), *spec = json_get(was, "spec");
    const struct json *now_spec = json_get(now, "spec");
    take(w, meta, json_get(now, "metadata"), "labels");
    take(w, meta, json_get(now, "metadata"), "annotations");
    take(w, spec, now_spec, "nodeSelector");
    take(w, spec, now_spec, "tolerations");
    take(w, spec, now_spec, "schedulingGates");
    bool there = !json_absent(json_get(now_spec, "affinity"));
    struct json *affinity =
        there ? json_object_at(w->a, spec, "affinity") : json_get(spec, "affinity");
    if (affinity)
        take(w, affinity, json_get(now_spec, "affinity"), "nodeAffinity");
    if (!there && !json_count(affinity))
        json_remove(spec, "affinity");
}

static void check_template(struct write *w, const struct field *f)
{
    const struct json *now = json_path(w->object, "spec.template");
    struct json *was = json_clone(w->a, json_path(w->old, "spec.template"));
    if (json_path_bool(w->old, "spec.suspend", false) &&
        json_absent(json_path(w->old, "status.startTime")))
        level_template(w, was, now);
    field_check_immutable(&w->errors, f, now, was);
}

static void validate_update(struct write *w)
{
    static const char *const fixed[] = {"completionMode", "podFailurePolicy",
                                        "backoffLimitPerIndex", "managedBy", "successPolicy"};
    const struct field *f = FIELD(NULL, "spec");
    const struct json *now = json_get(w->object, "spec"), *was = json_get(w->old, "spec");
    if (cstr_eq(w->subresource, "status")) {
        job_status_validate(w);
        return;
    }
    check_completions(w, FIELD(f, "completions"));
    field_check_immutable(&w->errors, FIELD(f, "selector"), json_get(now, "selector"),
                          json_get(was, "selector"));
    check_template(w, FIELD(f, "template"));
    for (size_t i = 0; i < sizeof fixed / sizeof fixed[0]; i++)
        field_check_immutable(&w->errors, FIELD(f, fixed[i]), json_get(now, fixed[i]),
                              json_get(was, fixed[i]));
}

const struct kind kind_job = {
    .group = "batch",
    .resource = "jobs",
    .flags = KIND_STATUS | KIND_GENERATION | KIND_ORPHANS,
    .fields = fields,
    .set_defaults = set_defaults,
    .prepare_create = prepare_create,
    .validate = validate,
    .validate_update = validate_update,
};
