/* See workload.h. */
#include "api/kinds/workload.h"

void numbers_validate(struct field_errors *e, const struct field *f, const struct json *object,
                      const char *const *names)
{
    for (; *names; names++)
        field_check_not_negative(e, FIELD(f, *names), json_get(object, *names));
}

void counts_validate(struct field_errors *e, const struct field *f, const struct json *status,
                     const char *const *names, const char *const *within)
{
    int64_t replicas = json_path_i64(status, "replicas", 0);
    numbers_validate(e, f, status, names);
    for (; *within; within++) {
        int64_t count = json_i64(json_get(status, *within), 0);
        if (count > replicas)
            field_invalid_int(e, FIELD(f, *within), count,
                              "cannot be greater than status.replicas");
    }
}

void available_validate(struct field_errors *e, const struct field *f, const struct json *status,
                        const char *wrong)
{
    int64_t available = json_path_i64(status, "availableReplicas", 0);
    if (available > json_path_i64(status, "readyReplicas", 0))
        field_invalid_int(e, FIELD(f, "availableReplicas"), available, wrong);
}

void collisions_validate(struct write *w)
{
    int64_t now = json_path_i64(w->object, "status.collisionCount", -1),
            was = json_path_i64(w->old, "status.collisionCount", -1);
    if (now < was)
        field_invalid_int(&w->errors, FIELD(FIELD(NULL, "status"), "collisionCount"),
                          now < 0 ? 0 : now, "cannot be decremented");
}

bool selector_empty(const struct json *selector)
{
    return !json_count(json_get(selector, "matchLabels")) &&
           !json_count(json_get(selector, "matchExpressions"));
}

void selector_validate(struct field_errors *e, const struct field *f, const struct json *selector,
                       const char *empty)
{
    if (json_absent(selector)) {
        field_required(e, f, NULL);
        return;
    }
    field_check_label_selector(e, f, selector);
    if (selector_empty(selector))
        field_invalid(e, f, selector, empty);
}

void selector_match_validate(struct field_errors *e, const struct field *f, const struct json *spec)
{
    const struct json *labels = json_path(spec, "template.metadata.labels");
    struct selector s;
    if (selector_from_object(e->arena, json_get(spec, "selector"), &s, NULL) == 0 &&
        !selector_matches(&s, labels))
        field_invalid(e, FIELD(FIELD(FIELD(f, "template"), "metadata"), "labels"), labels,
                      "`selector` does not match template `labels`");
}

void template_policy_validate(struct field_errors *e, const struct field *spec,
                              const struct json *object, const char *kind)
{
    const struct field *f = FIELD(FIELD(spec, "template"), "spec");
    const struct json *pod = json_path(object, "template.spec");
    struct str policy = json_path_str(pod, "restartPolicy");
    if (!str_is(policy, "Always"))
        field_unsupported(e, FIELD(f, "restartPolicy"), policy,
                          (const char *const[]){"Always", NULL});
    if (!json_absent(json_get(pod, "activeDeadlineSeconds")))
        field_forbidden(
            e, FIELD(f, "activeDeadlineSeconds"),
            arena_printf(e->arena, "activeDeadlineSeconds in %s is not Supported", kind));
}

void replica_template_validate(struct field_errors *e, const struct field *f,
                               const struct json *spec)
{
    selector_validate(e, FIELD(f, "selector"), json_get(spec, "selector"),
                      "empty selector is invalid for deployment");
    selector_match_validate(e, f, spec);
    template_validate(e, FIELD(f, "template"), json_get(spec, "template"));
    template_policy_validate(e, f, spec, "ReplicaSet");
}

int64_t int_or_percent(const struct json *value)
{
    struct str s = json_str(value);
    uint64_t percent;
    if (json_is(value, JSON_INT))
        return value->i64;
    if (s.n < 2 || s.p[s.n - 1] != '%' || str_to_u64(str_make(s.p, s.n - 1), &percent) < 0)
        return 0;
    return percent > INT32_MAX ? INT32_MAX : (int64_t)percent;
}

void percent_validate(struct field_errors *e, const struct field *f, const struct json *value)
{
    if (json_is(value, JSON_STRING) && int_or_percent(value) > 100)
        field_invalid(e, f, value, "must not be greater than 100%");
}
