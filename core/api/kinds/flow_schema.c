/* FlowSchemas, as upstream's pkg/apis/flowcontrol. */
#include "api/flow/defaults.h"
#include "api/kinds/kinds.h"
#include "api/kinds/unique.h"
#include "codec/names.h"

enum { PRECEDENCE_MOST = 10000 };

void flow_status_validate(struct write *w)
{
    const struct field *f = FIELD(FIELD(NULL, "status"), "conditions");
    const struct json *list = json_path(w->object, "status.conditions");
    struct unique seen CLEANUP_UNIQUE = {0};
    uint32_t i = 0;
    if (!cstr_eq(w->subresource, "status"))
        return;
    for (const struct json *c = json_first(list); c; c = c->next, i++) {
        const struct field *at = FIELD(FIELD_AT(f, i), "type");
        struct str type = json_path_str(c, "type");
        if (!unique_add(&seen, type))
            field_duplicate(&w->errors, at, type);
        if (!type.n)
            field_required(&w->errors, at, "must not be empty");
    }
}

static void default_schema(struct write *w)
{
    struct json *spec = json_get(w->object, "spec");
    if (spec && json_path_i64(spec, "matchingPrecedence", 0) == 0)
        json_set_i64(w->a, spec, "matchingPrecedence", 1000);
}

static bool has(const struct json *list, const char *word)
{
    for (const struct json *m = json_first(list); m; m = m->next)
        if (str_is(json_str(m), word))
            return true;
    return false;
}

/* A kind of subject: the part that it needs, and what the others are told. */
static const struct subject_kind {
    const char *kind, *part, *required, *forbidden;
} subject_kinds[] = {
    {"ServiceAccount", "serviceAccount",
     "serviceAccount is required when subject kind is 'ServiceAccount'",
     "serviceAccount is forbidden when subject kind is not 'ServiceAccount'"},
    {"User", "user", "user is required when subject kind is 'User'",
     "user is forbidden when subject kind is not 'User'"},
    {"Group", "group", "group is required when subject kind is 'Group'",
     "group is forbidden when subject kind is not 'Group'"},
};
enum { SUBJECT_KINDS = sizeof subject_kinds / sizeof subject_kinds[0] };

static void check_account(struct field_errors *e, const struct field *f, const struct json *account)
{
    struct str name = json_path_str(account, "name"), ns = json_path_str(account, "namespace");
    if (!name.n)
        field_required(e, FIELD(f, "name"), NULL);
    else if (!str_is(name, "*"))
        field_check_name(e, FIELD(f, "name"), name, names_dns1123_subdomain);
    if (ns.n)
        field_check_name(e, FIELD(f, "namespace"), ns, names_dns1123_label);
    else
        field_required(e, FIELD(f, "namespace"), "must specify namespace for service account");
}

static void check_subject(struct field_errors *e, const struct field *f, const struct json *subject)
{
    static const char *const kinds[] = {"Group", "ServiceAccount", "User", NULL};
    const struct subject_kind *own = NULL;
    for (size_t i = 0; i < SUBJECT_KINDS; i++)
        if (str_is(json_path_str(subject, "kind"), subject_kinds[i].kind))
            own = &subject_kinds[i];
    if (!own) {
        field_unsupported(e, FIELD(f, "kind"), json_path_str(subject, "kind"), kinds);
        return;
    }
    const struct json *part = json_get(subject, own->part);
    const struct field *at = FIELD(f, own->part);
    if (json_absent(part))
        field_required(e, at, own->required);
    else if (own == &subject_kinds[0])
        check_account(e, at, part);
    else if (!json_path_str(part, "name").n)
        field_required(e, FIELD(at, "name"), NULL);
    static const unsigned char told[SUBJECT_KINDS] = {1, 0, 2}; /* in upstream's order */
    for (size_t i = 0; i < SUBJECT_KINDS; i++) {
        const struct subject_kind *k = &subject_kinds[told[i]];
        if (k != own && !json_absent(json_get(subject, k->part)))
            field_forbidden(e, FIELD(f, k->part), k->forbidden);
    }
}

static void check_verbs(struct field_errors *e, const struct field *f, const struct json *rule)
{
    static const char *const verbs[] = {"create", "delete", "deletecollection", "get", "list",
                                        "patch",  "proxy",  "update",           "watch", NULL};
    const struct json *list = json_get(rule, "verbs");
    const struct field *at = FIELD(f, "verbs");
    if (!json_count(list)) {
        field_required(e, at, "verbs must contain at least one value");
    } else if (has(list, "*")) {
        if (json_count(list) > 1)
            field_invalid(e, at, list, "if '*' is present, must not specify other verbs");
    } else {
        bool all = true;
        for (const struct json *m = json_first(list); m; m = m->next) {
            size_t i = 0;
            while (verbs[i] && !str_is(json_str(m), verbs[i]))
                i++;
            all = all && verbs[i];
        }
        if (!all)
            field_unsupported_json(e, at, list, verbs);
    }
}

/* A list that must not be empty, and holds "*" alone or not at all. */
static void check_words(struct field_errors *e, const struct field *f, const struct json *list,
                        const char *empty, const char *mixed)
{
    if (!json_count(list))
        field_required(e, f, empty);
    else if (json_count(list) > 1 && has(list, "*"))
        field_invalid(e, f, list, mixed);
}

static void check_resource_rule(struct field_errors *e, const struct field *f,
                                const struct json *rule)
{
    const struct json *spaces = json_get(rule, "namespaces");
    const struct field *at = FIELD(f, "namespaces");
    uint32_t i = 0;
    check_verbs(e, f, rule);
    check_words(e, FIELD(f, "apiGroups"), json_get(rule, "apiGroups"),
                "resource rules must supply at least one api group",
                "if '*' is present, must not specify other api groups");
    check_words(e, FIELD(f, "resources"), json_get(rule, "resources"),
                "resource rules must supply at least one resource",
                "if '*' is present, must not specify other resources");
    if (!json_count(spaces) && !json_path_bool(rule, "clusterScope", false)) {
        field_required(e, at, "resource rules that are not cluster scoped must supply at least one "
                              "namespace");
    } else if (has(spaces, "*")) {
        if (json_count(spaces) > 1)
            field_invalid(e, at, spaces, "if '*' is present, must not specify other namespaces");
    } else {
        for (const struct json *m = json_first(spaces); m; m = m->next, i++) {
            const char *wrong = names_dns1123_label(json_str(m));
            if (wrong)
                field_invalid_str(e, FIELD_AT(at, i), json_str(m),
                                  arena_printf(e->arena,
                                               "each member of this list must be '*' or a DNS-1123 "
                                               "label; %s",
                                               wrong));
        }
    }
}

static const char *path_wrong(struct str path)
{
    size_t stars = 0;
    if (!path.n)
        return "must not be empty";
    if (str_is(path, "/"))
        return NULL;
    if (path.p[0] != '/')
        return "must start with slash";
    if (str_find_byte(path, ' ') >= 0)
        return "must not contain white-space";
    if (str_find(path, STR("//")) >= 0)
        return "must not contain double slash";
    for (size_t i = 0; i < path.n; i++)
        stars += path.p[i] == '*';
    if (stars > 1 || (stars == 1 && memcmp(path.p + path.n - 2, "/*", 2) != 0))
        return "wildcard can only do suffix matching";
    return NULL;
}

static void check_path_rule(struct field_errors *e, const struct field *f, const struct json *rule)
{
    const struct json *paths = json_get(rule, "nonResourceURLs");
    const struct field *at = FIELD(f, "nonResourceURLs");
    uint32_t i = 0;
    check_verbs(e, f, rule);
    check_words(e, at, paths, "nonResourceURLs must contain at least one value",
                "if '*' is present, must not specify other non-resource URLs");
    if (has(paths, "*"))
        return;
    for (const struct json *m = json_first(paths); m; m = m->next, i++)
        if (path_wrong(json_str(m)))
            field_invalid_str(e, FIELD_AT(at, i), json_str(m), path_wrong(json_str(m)));
}

static void check_rules(struct field_errors *e, const struct field *f, const struct json *rule)
{
    const struct json *subjects = json_get(rule, "subjects"),
                      *resources = json_get(rule, "resourceRules"),
                      *paths = json_get(rule, "nonResourceRules"), *m;
    uint32_t i = 0;
    if (!json_count(subjects))
        field_required(e, FIELD(f, "subjects"), "subjects must contain at least one value");
    for (m = json_first(subjects); m; m = m->next)
        check_subject(e, FIELD_AT(FIELD(f, "subjects"), i++), m);
    if (!json_count(resources) && !json_count(paths))
        field_required(e, f,
                       "at least one of resourceRules and nonResourceRules has to be non-empty");
    for (m = json_first(resources), i = 0; m; m = m->next)
        check_resource_rule(e, FIELD_AT(FIELD(f, "resourceRules"), i++), m);
    for (m = json_first(paths), i = 0; m; m = m->next)
        check_path_rule(e, FIELD_AT(FIELD(f, "nonResourceRules"), i++), m);
}

static void check_precedence(struct field_errors *e, const struct field *f, int64_t precedence,
                             struct str name)
{
    if (precedence <= 0)
        field_invalid_int(e, f, precedence, "must be a positive value");
    if (precedence > PRECEDENCE_MOST)
        field_invalid_int(e, f, precedence, "must not be greater than 10000");
    if (precedence == 1 && !str_is(name, "exempt"))
        field_invalid_int(e, f, precedence,
                          "only the schema named 'exempt' may have matchingPrecedence 1");
}

void flow_spec_fixed(struct write *w, const struct json *wanted)
{
    const struct json *spec = json_get(w->object, "spec");
    if (wanted && !json_equal(spec, wanted))
        field_invalid(&w->errors, FIELD(NULL, "spec"), spec,
                      arena_printf(w->a, "spec of '" STR_FMT "' must equal the fixed value",
                                   STR_ARG(w->name)));
}

static void validate_schema(struct write *w)
{
    static const char *const methods[] = {"ByNamespace", "ByUser", NULL};
    struct field_errors *e = &w->errors;
    const struct field *f = FIELD(NULL, "spec");
    const struct json *spec = json_get(w->object, "spec"),
                      *method = json_get(spec, "distinguisherMethod");
    struct str type = json_path_str(method, "type"),
               level = json_path_str(spec, "priorityLevelConfiguration.name");
    uint32_t i = 0;
    check_precedence(e, FIELD(f, "matchingPrecedence"),
                     json_path_i64(spec, "matchingPrecedence", 0), w->name);
    if (!json_absent(method) && !str_is(type, methods[0]) && !str_is(type, methods[1])) {
        struct json *shown = json_new(w->a, JSON_OBJECT); /* spelled as upstream's type */
        json_set_str(w->a, shown, "Type", type);
        field_unsupported_json(e, FIELD(FIELD(f, "distinguisherMethod"), "type"), shown, methods);
    }
    const struct field *at = FIELD(FIELD(f, "priorityLevelConfiguration"), "name");
    if (level.n)
        field_check_name(e, at, level, names_dns1123_subdomain);
    else
        field_required(e, at, "must reference a priority level");
    for (const struct json *m = json_first(json_get(spec, "rules")); m; m = m->next)
        check_rules(e, FIELD_AT(FIELD(f, "rules"), i++), m);
    const struct flow_schema *known = flow_schema_find(w->name);
    if (known && known->mandatory)
        flow_spec_fixed(w, flow_schema_spec(w->a, known));
}

const struct kind kind_flow_schema = {
    .group = "flowcontrol.apiserver.k8s.io",
    .resource = "flowschemas",
    .flags = KIND_STATUS | KIND_STATUS_ONLY | KIND_GENERATION,
    .set_defaults = default_schema,
    .validate = validate_schema,
    .validate_update = flow_status_validate,
};
