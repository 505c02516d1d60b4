/* podFailurePolicy and successPolicy of Jobs. See job.h. */
#include "api/kinds/job.h"

#include "codec/names.h"

enum { RULES = 20, EXIT_CODES = 255, PATTERNS = 20, INDEXES_TEXT = 64 * 1024 };

/* What is missing is required, with the values that may stand there; else one of them. */
static void check_choice(struct field_errors *e, const struct field *f, const struct json *value,
                         const char *const *allowed, const char *valid)
{
    struct str s = json_str(value);
    if (!s.n)
        field_required(e, f, valid);
    else
        field_check_enum(e, f, value, allowed);
}

static bool has_container(const struct json *pod, struct str name)
{
    static const char *const lists[] = {"containers", "initContainers"};
    for (size_t i = 0; i < 2; i++)
        for (const struct json *c = json_first(json_get(pod, lists[i])); c; c = c->next)
            if (str_eq(json_path_str(c, "name"), name))
                return true;
    return false;
}

static void check_values(struct field_errors *e, const struct field *f, const struct json *values,
                         bool in)
{
    bool ordered = true;
    int64_t i = 0, before = INT64_MIN;
    if (!json_count(values))
        field_invalid(e, f, values, "at least one value is required");
    else if (json_count(values) > EXIT_CODES)
        field_too_many(e, f, json_count(values), EXIT_CODES);
    for (const struct json *v = json_first(values); v; v = v->next, i++) {
        if (in && json_i64(v, 1) == 0)
            field_invalid(e, FIELD_AT(f, i), v, "must not be 0 for the In operator");
        const struct json *o = json_first(values);
        while (o != v && json_i64(o, 0) != json_i64(v, 0))
            o = o->next;
        if (o != v)
            field_duplicate_json(e, FIELD_AT(f, i), v);
        ordered = ordered && before <= json_i64(v, 0);
        before = json_i64(v, 0);
    }
    if (!ordered)
        field_invalid(e, f, values, "must be ordered");
}

static void check_exit_codes(struct field_errors *e, const struct field *f,
                             const struct json *codes, const struct json *pod)
{
    const struct json *operator= json_get(codes, "operator"),
                      *name = json_get(codes, "containerName");
    check_choice(e, FIELD(f, "operator"), operator,(const char *const[]){"In", "NotIn", NULL},
                 "valid values: [\"In\" \"NotIn\"]");
    if (!json_absent(name) && !has_container(pod, json_str(name)))
        field_invalid(e, FIELD(f, "containerName"), name,
                      "must be one of the container or initContainer names in the pod template");
    check_values(e, FIELD(f, "values"), json_get(codes, "values"),
                 str_is(json_str(operator), "In"));
}

static void check_conditions(struct field_errors *e, const struct field *f,
                             const struct json *patterns)
{
    int64_t i = 0;
    if (json_count(patterns) > PATTERNS)
        field_too_many(e, f, json_count(patterns), PATTERNS);
    for (const struct json *p = json_first(patterns); p; p = p->next, i++) {
        field_check_name(e, FIELD(FIELD_AT(f, i), "type"), json_path_str(p, "type"),
                         names_qualified);
        check_choice(e, FIELD(FIELD_AT(f, i), "status"), json_get(p, "status"),
                     (const char *const[]){"False", "True", "Unknown", NULL},
                     "valid values: [\"False\" \"True\" \"Unknown\"]");
    }
}

static void check_rule(struct field_errors *e, const struct field *f, const struct json *rule,
                       const struct json *spec)
{
    const struct json *action = json_get(rule, "action"), *codes = json_get(rule, "onExitCodes"),
                      *conditions = json_get(rule, "onPodConditions");
    if (str_is(json_str(action), "FailIndex") &&
        json_absent(json_get(spec, "backoffLimitPerIndex")))
        field_invalid(e, FIELD(f, "action"), action, "requires the backoffLimitPerIndex to be set");
    check_choice(e, FIELD(f, "action"), action,
                 (const char *const[]){"Count", "FailIndex", "FailJob", "Ignore", NULL},
                 "valid values: [\"Count\" \"FailIndex\" \"FailJob\" \"Ignore\"]");
    if (!json_absent(codes))
        check_exit_codes(e, FIELD(f, "onExitCodes"), codes, json_path(spec, "template.spec"));
    check_conditions(e, FIELD(f, "onPodConditions"), conditions);
    if (!json_absent(codes) && json_count(conditions))
        field_add(
            e, f, "FieldValueInvalid",
            "Invalid value: specifying both OnExitCodes and OnPodConditions is not supported");
    if (json_absent(codes) && !json_count(conditions))
        field_add(e, f, "FieldValueInvalid",
                  "Invalid value: specifying one of OnExitCodes and OnPodConditions is required");
}

void job_failure_policy_validate(struct field_errors *e, const struct field *f,
                                 const struct json *spec)
{
    const struct json *rules = json_path(spec, "podFailurePolicy.rules");
    const struct field *at = FIELD(f, "rules");
    int64_t i = 0;
    if (json_count(rules) > RULES)
        field_too_many(e, at, json_count(rules), RULES);
    for (const struct json *r = json_first(rules); r; r = r->next)
        check_rule(e, FIELD_AT(at, i++), r, spec);
}

/* ---- indexes ---- */

static int read_index(struct str s, int64_t completions, int64_t *ret, struct err *err)
{
    int64_t v;
    if (str_to_i64(s, &v) < 0)
        return err_set(err, E_INVALID,
                       "cannot convert string to integer for index: \"" STR_FMT "\"", STR_ARG(s));
    if (v >= completions)
        return err_set(err, E_INVALID, "too large index: \"" STR_FMT "\"", STR_ARG(s));
    *ret = v;
    return 0;
}

int job_indexes_count(struct str text, int64_t completions, int64_t *ret, struct err *err)
{
    struct str part, first, last;
    int64_t from, to, before = -1, total = 0;
    bool any = false;
    while (text.n && str_split(&text, ',', &part)) {
        struct str rest = part;
        bool range = str_find_byte(part, '-') >= 0;
        if (!str_split(&rest, '-', &first))
            first = part;
        last = range ? str_make(part.p + first.n + 1, part.n - first.n - 1) : first;
        if (range && str_find_byte(last, '-') >= 0)
            return err_set(err, E_INVALID,
                           "the fragment \"" STR_FMT
                           "\" violates the requirement that an index interval can have at most "
                           "two parts separated by '-'",
                           STR_ARG(part));
        int rc = read_index(first, completions, &from, err);
        rc = rc < 0 ? rc : read_index(last, completions, &to, err);
        if (rc < 0)
            return rc;
        if ((range && from >= to) || (any && before >= from))
            return err_set(err, E_INVALID, "non-increasing order, previous: %lld, current: %lld",
                           (long long)(range && from >= to ? from : before),
                           (long long)(range && from >= to ? to : from));
        total += to - from + 1;
        before = to;
        any = true;
    }
    *ret = total;
    return 0;
}

static void check_success_rule(struct field_errors *e, const struct field *f,
                               const struct json *rule, int64_t completions)
{
    const struct json *count = json_get(rule, "succeededCount"),
                      *indexes = json_get(rule, "succeededIndexes");
    int64_t total = 0, wanted = json_i64(count, 0);
    struct err why = {0};
    if (json_absent(count) && json_absent(indexes))
        field_required(e, f,
                       "at least one of succeededCount or succeededIndexes must be specified");
    if (json_str(indexes).n > INDEXES_TEXT)
        field_too_long(e, FIELD(f, "succeededIndexes"), INDEXES_TEXT);
    if (!json_absent(indexes) &&
        job_indexes_count(json_str(indexes), completions, &total, &why) < 0)
        field_invalid(e, FIELD(f, "succeededIndexes"), indexes,
                      arena_printf(e->arena, "error parsing succeededIndexes: %s", why.text));
    field_check_not_negative(e, FIELD(f, "succeededCount"), count);
    if (wanted > completions)
        field_invalid(e, FIELD(f, "succeededCount"), count,
                      arena_printf(e->arena,
                                   "must be less than or equal to %lld (the number of specified "
                                   "completions)",
                                   (long long)completions));
    if (!json_absent(indexes) && wanted > total)
        field_invalid(e, FIELD(f, "succeededCount"), count,
                      arena_printf(e->arena,
                                   "must be less than or equal to %lld (the number of indexes in "
                                   "the specified succeededIndexes field)",
                                   (long long)total));
}

void job_success_policy_validate(struct field_errors *e, const struct field *f,
                                 const struct json *spec)
{
    const struct json *policy = json_get(spec, "successPolicy"), *rules = json_get(policy, "rules");
    const struct field *at = FIELD(f, "rules");
    int64_t i = 0;
    if (!str_is(json_path_str(spec, "completionMode"), "Indexed")) {
        field_invalid(e, f, policy, "requires indexed completion mode");
        return;
    }
    if (!json_count(rules))
        field_required(e, at,
                       "at least one rules must be specified when the successPolicy is specified");
    if (json_count(rules) > RULES)
        field_too_many(e, at, json_count(rules), RULES);
    for (const struct json *r = json_first(rules); r; r = r->next)
        check_success_rule(e, FIELD_AT(at, i++), r, json_path_i64(spec, "completions", 0));
}
