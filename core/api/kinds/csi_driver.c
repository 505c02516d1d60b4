/* CSIDrivers, as upstream's pkg/apis/storage. */
#include "api/kinds/kinds.h"
#include "api/kinds/unique.h"

enum { TOKEN_SECONDS_LEAST = 600, PERIOD_LEAST = 10 };
static const int64_t token_seconds_most = 1ll << 32;

static void set_defaults(struct write *w)
{
    struct json *spec = json_get(w->object, "spec");
    set_missing_bool(w->a, spec, "attachRequired", true);
    set_missing_bool(w->a, spec, "podInfoOnMount", false);
    set_missing_bool(w->a, spec, "storageCapacity", false);
    set_missing(w->a, spec, "fsGroupPolicy", "ReadWriteOnceWithFSType");
    set_missing_bool(w->a, spec, "requiresRepublish", false);
    set_missing_bool(w->a, spec, "seLinuxMount", false);
    if (spec && !json_count(json_get(spec, "volumeLifecycleModes"))) {
        struct json *modes = json_new(w->a, JSON_ARRAY);
        json_append(w->a, modes, json_new_cstr(w->a, "Persistent"));
        json_set(w->a, spec, "volumeLifecycleModes", modes);
    }
}

/* generation counts changes of what may change. */
static void prepare_update(struct write *w)
{
    static const char *const parts[] = {"tokenRequests", "requiresRepublish", "seLinuxMount",
                                        "nodeAllocatableUpdatePeriodSeconds",
                                        "serviceAccountTokenInSecrets"};
    const struct json *now = json_get(w->object, "spec"), *before = json_get(w->old, "spec");
    bool same = true;
    for (size_t i = 0; i < sizeof parts / sizeof parts[0]; i++)
        same = same && json_equal(json_get(now, parts[i]), json_get(before, parts[i]));
    if (!same)
        json_set_i64(w->a, json_get(w->object, "metadata"), "generation",
                     json_path_i64(w->old, "metadata.generation", 0) + 1);
}

static void check_tokens(struct field_errors *e, const struct field *f, const struct json *list)
{
    struct unique seen CLEANUP_UNIQUE = {0};
    uint32_t i = 0;
    for (const struct json *t = json_first(list); t; t = t->next, i++) {
        struct str audience = json_path_str(t, "audience");
        const struct json *seconds = json_get(t, "expirationSeconds");
        if (!unique_add(&seen, audience)) {
            field_duplicate(e, FIELD(FIELD_AT(f, i), "audience"), audience);
            continue;
        }
        const struct field *at = FIELD(FIELD_AT(f, i), "expirationSeconds");
        int64_t n = json_i64(seconds, TOKEN_SECONDS_LEAST);
        if (n < TOKEN_SECONDS_LEAST)
            field_invalid_int(e, at, n, "may not specify a duration less than 10 minutes");
        if (n > token_seconds_most)
            field_invalid_int(e, at, n, "may not specify a duration larger than 2^32 seconds");
    }
}

static void check_required(struct field_errors *e, const struct field *f, const struct json *spec)
{
    static const char *const parts[][2] = {{"attachRequired", "attachedRequired"},
                                           {"podInfoOnMount", "podInfoOnMount"},
                                           {"storageCapacity", "storageCapacity"}};
    for (size_t i = 0; i < 3; i++)
        if (json_absent(json_get(spec, parts[i][0])))
            field_required(e, FIELD(f, parts[i][1]), NULL);
}

static void validate(struct write *w)
{
    static const char *const policies[] = {"File", "None", "ReadWriteOnceWithFSType", NULL};
    static const char *const modes[] = {"Persistent", "Ephemeral", NULL};
    struct field_errors *e = &w->errors;
    const struct field *f = FIELD(NULL, "spec");
    const struct json *spec = json_get(w->object, "spec"),
                      *policy = json_get(spec, "fsGroupPolicy"),
                      *tokens = json_get(spec, "tokenRequests"),
                      *secrets = json_get(spec, "serviceAccountTokenInSecrets");
    check_required(e, f, spec);
    if (!json_absent(policy) && !str_is(json_str(policy), policies[0]) &&
        !str_is(json_str(policy), policies[1]) && !str_is(json_str(policy), policies[2]))
        field_unsupported(e, FIELD(f, "fsGroupPolicy"), json_str(policy), policies);
    check_tokens(e, FIELD(f, "tokenRequests"), tokens);
    for (const struct json *m = json_first(json_get(spec, "volumeLifecycleModes")); m; m = m->next)
        if (!str_is(json_str(m), modes[0]) && !str_is(json_str(m), modes[1]))
            field_unsupported(e, FIELD(f, "volumeLifecycleModes"), json_str(m), modes);
    int64_t period = json_path_i64(spec, "nodeAllocatableUpdatePeriodSeconds", PERIOD_LEAST);
    if (period < PERIOD_LEAST)
        field_invalid_int(e, FIELD(f, "nodeAllocatableUpdatePeriodSeconds"), period,
                          "must be greater than or equal to 10 seconds");
    if (!json_absent(secrets) && !json_count(tokens))
        field_invalid(e, FIELD(f, "serviceAccountTokenInSecrets"), secrets,
                      "serviceAccountTokenInSecrets is set but no tokenRequests are specified");
}

static void validate_update(struct write *w)
{
    const struct field *f = FIELD(NULL, "spec");
    const struct json *spec = json_get(w->object, "spec"), *old = json_get(w->old, "spec");
    field_check_immutable(&w->errors, FIELD(f, "attachedRequired"),
                          json_get(spec, "attachRequired"), json_get(old, "attachRequired"));
    field_check_immutable(&w->errors, FIELD(f, "volumeLifecycleModes"),
                          json_get(spec, "volumeLifecycleModes"),
                          json_get(old, "volumeLifecycleModes"));
}

const struct kind kind_csi_driver = {
    .group = "storage.k8s.io",
    .resource = "csidrivers",
    .flags = KIND_RETURN_DELETED | KIND_CONDITIONAL,
    .set_defaults = set_defaults,
    .prepare_update = prepare_update,
    .validate = validate,
    .validate_update = validate_update,
};
