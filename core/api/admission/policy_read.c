/* Policies and bindings from the store, their expressions compiled. */
#include "api/admission/policy.h"

#define PREFIX "/admissionregistration.k8s.io/validatingadmissionpolic"

static int compile(struct arena *a, const struct policy *p, struct str source,
                   const struct cel_type *want, struct policy_program *ret)
{
    struct cel_env env = {.variables = match_variables,
                          .variable_count = p->param_kind ? SCOPE__COUNT : SCOPE_PLAIN};
    struct cel_program *program = NULL;
    struct cel_problem problem = {0};
    struct err err = {0};
    ret->source = source;
    int rc = cel_compile(a, &env, source, want, &program, &problem, &err);
    ret->program = rc == 0 ? program : NULL;
    if (rc < 0)
        ret->problem = arena_strdup(a, err.text);
    return rc == -E_NOMEM || a->failed ? -E_NOMEM : 0;
}

int policy_read(struct arena *a, const struct json *object, struct policy *p)
{
    const struct json *spec = json_get(object, "spec"), *m;
    const struct json *variables = json_get(spec, "variables"), *checks = json_get(spec, "validations");
    *p = (struct policy){.name = json_path_cstr(object, "metadata.name"),
                         .spec = spec,
                         .ignores_failure = cstr_eq(json_path_cstr(spec, "failurePolicy"), "Ignore")};
    if (!json_absent(json_get(spec, "paramKind")))
        p->param_kind = json_get(spec, "paramKind");
    p->variables = arena_zalloc(a, (json_count(variables) + 1) * sizeof *p->variables);
    p->validations = arena_zalloc(a, (json_count(checks) + 1) * sizeof *p->validations);
    if (!p->variables || !p->validations)
        return -E_NOMEM;
    int rc = match_conditions_read(a, json_get(spec, "matchConditions"),
                                   p->param_kind ? SCOPE__COUNT : SCOPE_PLAIN, &p->conditions);
    for (m = json_first(variables); m && rc == 0; m = m->next) {
        struct policy_program *v = &p->variables[p->variable_count++];
        v->name = json_path_str(m, "name");
        rc = compile(a, p, json_path_str(m, "expression"), NULL, v);
    }
    for (m = json_first(checks); m && rc == 0; m = m->next) {
        struct policy_validation *v = &p->validations[p->validation_count++];
        v->message = json_path_str(m, "message");
        v->reason = json_path_str(m, "reason");
        rc = compile(a, p, json_path_str(m, "expression"), NULL, &v->check);
        if (rc == 0 && json_path_str(m, "messageExpression").n)
            rc = compile(a, p, json_path_str(m, "messageExpression"), NULL, &v->message_of);
    }
    return rc;
}

struct reading {
    struct hook_index *x;
    struct json *list;
    int rc;
};

static bool collect(void *ctx, struct store_value *v)
{
    struct reading *r = ctx;
    struct json *o = NULL;
    r->rc = json_parse(&r->x->arena, store_value_bytes(v), &json_options_trusted, &o, NULL);
    if (r->rc == 0 && !json_append(&r->x->arena, r->list, o))
        r->rc = -E_NOMEM;
    return r->rc == 0;
}

static int add_bindings(struct arena *a, struct policy *p, const struct json *bindings)
{
    p->bindings = arena_zalloc(a, (json_count(bindings) + 1) * sizeof *p->bindings);
    if (!p->bindings)
        return -E_NOMEM;
    for (const struct json *b = json_first(bindings); b; b = b->next)
        if (str_is(json_path_str(b, "spec.policyName"), p->name))
            p->bindings[p->binding_count++] = (struct policy_binding){
                json_path_cstr(b, "metadata.name"), json_get(b, "spec")};
    return 0;
}

int policies_read(struct api *api, struct hook_index *x)
{
    struct arena *a = &x->arena;
    struct store_snapshot *snap;
    struct json *policies = json_new(a, JSON_ARRAY), *bindings = json_new(a, JSON_ARRAY);
    struct reading r = {x, policies, 0}, b = {x, bindings, 0};
    if (!policies || !bindings || store_snapshot_take(api->store, &snap) < 0)
        return -E_NOMEM;
    store_snapshot_range(snap, STR(PREFIX "ies/"), STR(PREFIX "ies0"), collect, &r);
    store_snapshot_range(snap, STR(PREFIX "ybindings/"), STR(PREFIX "ybindings0"), collect, &b);
    store_snapshot_release(snap);
    int rc = r.rc ? r.rc : b.rc;
    x->policies = arena_zalloc(a, (json_count(policies) + 1) * sizeof *x->policies);
    if (!x->policies)
        return -E_NOMEM;
    for (const struct json *o = json_first(policies); o && rc == 0; o = o->next) {
        struct policy *p = &x->policies[x->policy_count];
        rc = policy_read(a, o, p);
        rc = rc ? rc : add_bindings(a, p, bindings);
        x->policy_count += rc == 0 && p->binding_count;
    }
    return rc;
}
