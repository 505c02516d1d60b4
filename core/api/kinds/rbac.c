/* Roles and bindings (pkg/apis/rbac/validation): what a rule may say, whom a binding names, and that
 * nobody grants more than they have. */
#include "api/auth/auth.h"
#include "api/kinds/kinds.h"
#include "codec/names.h"

static const char group[] = "rbac.authorization.k8s.io";

/* ---- roles ---- */

static void validate_rule(struct field_errors *e, const struct field *f, const struct json *rule,
                          bool namespaced)
{
    const struct json *urls = json_get(rule, "nonResourceURLs");
    if (!json_count(json_get(rule, "verbs")))
        field_required(e, FIELD(f, "verbs"), "verbs must contain at least one value");
    if (json_count(urls)) {
        if (namespaced)
            field_invalid(e, FIELD(f, "nonResourceURLs"), urls,
                          "namespaced rules cannot apply to non-resource URLs");
        if (json_count(json_get(rule, "apiGroups")) || json_count(json_get(rule, "resources")) ||
            json_count(json_get(rule, "resourceNames")))
            field_invalid(e, FIELD(f, "nonResourceURLs"), urls,
                          "rules cannot apply to both regular resources and non-resource URLs");
        return;
    }
    if (!json_count(json_get(rule, "apiGroups")))
        field_required(e, FIELD(f, "apiGroups"),
                       "resource rules must supply at least one api group");
    if (!json_count(json_get(rule, "resources")))
        field_required(e, FIELD(f, "resources"),
                       "resource rules must supply at least one resource");
}

static void validate_role(struct write *w)
{
    const struct field *rules = FIELD(NULL, "rules"), *rule = FIELD(NULL, "aggregationRule");
    const struct json *aggregation = json_get(w->object, "aggregationRule");
    uint32_t i = 0;
    for (const struct json *r = json_first(json_get(w->object, "rules")); r; r = r->next)
        validate_rule(&w->errors, FIELD_AT(rules, i++), r, w->ns.n != 0);
    if (json_absent(aggregation) || w->ns.n)
        return;
    const struct json *selectors = json_get(aggregation, "clusterRoleSelectors");
    const struct field *f = FIELD(rule, "clusterRoleSelectors");
    if (!json_count(selectors))
        field_required(&w->errors, f,
                       "at least one clusterRoleSelector required if aggregationRule is non-nil");
    i = 0;
    for (const struct json *s = json_first(selectors); s; s = s->next)
        field_check_label_selector(&w->errors, FIELD_AT(f, i++), s);
}

/* ---- bindings ---- */

static void default_binding(struct write *w)
{
    struct json *ref = json_get(w->object, "roleRef");
    if (ref && !json_path_str(ref, "apiGroup").n)
        json_set_cstr(w->a, ref, "apiGroup", group);
    for (struct json *s = json_first(json_get(w->object, "subjects")); s; s = s->next) {
        struct str kind = json_path_str(s, "kind");
        if (!json_path_str(s, "apiGroup").n && (str_is(kind, "User") || str_is(kind, "Group")))
            json_set_cstr(w->a, s, "apiGroup", group);
    }
}

static void validate_ref(struct write *w)
{
    static const char *const groups[] = {group, NULL};
    static const char *const any[] = {"Role", "ClusterRole", NULL};
    static const char *const cluster[] = {"ClusterRole", NULL};
    const struct json *ref = json_get(w->object, "roleRef");
    const struct field *f = FIELD(NULL, "roleRef");
    struct str kind = json_path_str(ref, "kind"), name = json_path_str(ref, "name");
    if (!str_is(json_path_str(ref, "apiGroup"), group))
        field_unsupported(&w->errors, FIELD(f, "apiGroup"), json_path_str(ref, "apiGroup"), groups);
    if (!str_is(kind, "ClusterRole") && !(w->ns.n && str_is(kind, "Role")))
        field_unsupported(&w->errors, FIELD(f, "kind"), kind, w->ns.n ? any : cluster);
    if (!name.n)
        field_required(&w->errors, FIELD(f, "name"), "");
    else
        field_check_name(&w->errors, FIELD(f, "name"), name, names_path_segment);
}

static void validate_subject(struct write *w, const struct field *f, const struct json *s)
{
    static const char *const groups[] = {group, NULL}, *const core[] = {"", NULL};
    static const char *const kinds[] = {"Group", "ServiceAccount", "User", NULL};
    struct str kind = json_path_str(s, "kind"), name = json_path_str(s, "name"),
               of = json_path_str(s, "apiGroup");
    if (!name.n)
        field_required(&w->errors, FIELD(f, "name"), "");
    if (str_is(kind, "ServiceAccount")) {
        if (name.n)
            field_check_name(&w->errors, FIELD(f, "name"), name, names_dns1123_subdomain);
        if (of.n)
            field_unsupported(&w->errors, FIELD(f, "apiGroup"), of, core);
        if (!w->ns.n && !json_path_str(s, "namespace").n)
            field_required(&w->errors, FIELD(f, "namespace"), "");
    } else if (str_is(kind, "User") || str_is(kind, "Group")) {
        if (!str_is(of, group))
            field_unsupported(&w->errors, FIELD(f, "apiGroup"), of, groups);
    } else {
        field_unsupported(&w->errors, FIELD(f, "kind"), kind, kinds);
    }
}

static void validate_binding(struct write *w)
{
    const struct field *f = FIELD(NULL, "subjects");
    uint32_t i = 0;
    validate_ref(w);
    for (const struct json *s = json_first(json_get(w->object, "subjects")); s; s = s->next)
        validate_subject(w, FIELD_AT(f, i++), s);
}

static void validate_binding_update(struct write *w)
{
    const struct json *now = json_get(w->object, "roleRef");
    if (!json_equal(now, json_get(w->old, "roleRef")))
        field_invalid(&w->errors, FIELD(NULL, "roleRef"), now, "cannot change roleRef");
}

const struct kind kind_role = {.group = "rbac.authorization.k8s.io",
                               .resource = "roles",
                               .flags = KIND_CREATE_ON_UPDATE,
                               .name_rule = names_path_segment,
                               .validate = validate_role,
                               .commit = escalation_check_role};
const struct kind kind_cluster_role = {.group = "rbac.authorization.k8s.io",
                                       .resource = "clusterroles",
                                       .flags = KIND_CREATE_ON_UPDATE,
                                       .name_rule = names_path_segment,
                                       .validate = validate_role,
                                       .commit = escalation_check_role};
const struct kind kind_role_binding = {.group = "rbac.authorization.k8s.io",
                                       .resource = "rolebindings",
                                       .flags = KIND_CREATE_ON_UPDATE,
                                       .name_rule = names_path_segment,
                                       .set_defaults = default_binding,
                                       .validate = validate_binding,
                                       .validate_update = validate_binding_update,
                                       .commit = escalation_check_binding};
const struct kind kind_cluster_role_binding = {.group = "rbac.authorization.k8s.io",
                                               .resource = "clusterrolebindings",
                                               .flags = KIND_CREATE_ON_UPDATE,
                                               .name_rule = names_path_segment,
                                               .set_defaults = default_binding,
                                               .validate = validate_binding,
                                               .validate_update = validate_binding_update,
                                               .commit = escalation_check_binding};
