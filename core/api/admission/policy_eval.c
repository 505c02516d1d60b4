/* A policy over one object and parameter; as upstream's plugin/policy/validating/validator.go. */
#include "api/admission/policy.h"

struct eval {
    const struct policy *p;
    struct match_scope scope;
    struct cel_value *kept; /* of variables, once computed */
    bool *known;
    struct cel_host host;
    uint64_t left; /* of the budget */
};

static int evaluate(struct eval *e, const struct policy_program *p, struct cel_value *ret,
                    struct err *err)
{
    struct cel_run run = e->scope.run;
    if (!p->program)
        return err_set(err, E_INVALID, "compilation failed: %s", p->problem);
    if (!e->left)
        return err_set(err, E_INVALID,
                       "validation failed due to running out of cost budget, no further validation "
                       "rules will be run");
    run.limit = e->left < CEL_LIMIT_CALL ? e->left : CEL_LIMIT_CALL;
    run.cost = 0;
    run.cache = NULL;
    run.work = 0;
    int rc = cel_eval(p->program, &run, ret, err);
    e->left -= run.cost < e->left ? run.cost : e->left;
    return rc;
}

/* `variables.x`: computed when first read. Its expression may use those before it. */
static int variable(void *ctx, struct str field, struct cel_value *ret, struct err *err)
{
    struct eval *e = ctx;
    for (size_t i = 0; i < e->p->variable_count; i++) {
        if (!str_eq(e->p->variables[i].name, field))
            continue;
        if (!e->known[i]) {
            int rc = evaluate(e, &e->p->variables[i], &e->kept[i], err);
            if (rc < 0)
                return rc;
            e->known[i] = true;
        }
        *ret = e->kept[i];
        return 0;
    }
    return -E_NOT_FOUND;
}

/* What is shown of a namespace. */
static struct json *shown_namespace(struct arena *a, const struct json *ns)
{
    static const char *const fields[] = {
        "name",       "generateName",      "labels",     "annotations", "creationTimestamp",
        "generation", "deletionTimestamp", "finalizers", "deletionGracePeriodSeconds"};
    if (!ns)
        return NULL;
    struct json *o = json_new(a, JSON_OBJECT), *meta = json_new(a, JSON_OBJECT);
    const struct json *from = json_get(ns, "metadata");
    for (size_t i = 0; i < sizeof fields / sizeof fields[0]; i++)
        if (json_get(from, fields[i]))
            json_set(a, meta, fields[i], json_clone(a, json_get(from, fields[i])));
    json_set_str(a, meta, "UID", json_path_str(from, "uid"));
    json_set(a, o, "metadata", meta);
    if (json_get(ns, "spec"))
        json_set(a, o, "spec", json_clone(a, json_get(ns, "spec")));
    if (json_get(ns, "status"))
        json_set(a, o, "status", json_clone(a, json_get(ns, "status")));
    return o;
}

static int fill(struct eval *e, const struct hook_request *q, const struct json *param,
                struct err *err)
{
    struct match_scope *s = &e->scope;
    bool is_namespace = cstr_eq(schema_resource_plural(q->resource), "namespaces");
    const struct json *ns = is_namespace ? NULL : match_namespace(q);
    int rc = cel_from_json(&s->run, shown_namespace(q->w->a, ns), &cel_namespace_object,
                           &s->values[SCOPE_NAMESPACE], err);
    if (rc == 0 && e->p->param_kind)
        rc = cel_from_json(&s->run, param, &cel_dyn, &s->values[SCOPE_PARAMS], err);
    e->host = (struct cel_host){variable, e};
    s->values[SCOPE_VARIABLES] =
        (struct cel_value){.kind = CEL_HOST, .type = &cel_map_of_dyn, .host = &e->host};
    e->kept = arena_zalloc(q->w->a, (e->p->variable_count + 1) * sizeof *e->kept);
    e->known = arena_zalloc(q->w->a, (e->p->variable_count + 1) * sizeof *e->known);
    return rc ? rc : e->kept && e->known ? 0 : -E_NOMEM;
}

/* messageExpression, unless it fails or says nothing that fits a line. */
static const char *message_of(struct eval *e, const struct policy_validation *v)
{
    struct arena *a = &e->scope.q->w->r->arena;
    struct cel_value said;
    struct err err = {0};
    struct str text = v->message, source = v->check.source;
    if (v->message_of.source.n && evaluate(e, &v->message_of, &said, &err) == 0 &&
        said.kind == CEL_STRING && said.string.n && said.string.n <= 5 * 1024 &&
        !memchr(said.string.p, '\n', said.string.n))
        text = said.string;
    while (source.n && (source.p[source.n - 1] == '\n' || source.p[source.n - 1] == ' '))
        source.n--;
    const char *m = text.n ? arena_printf(a, STR_FMT, STR_ARG(text))
                           : arena_printf(a, "failed expression: " STR_FMT, STR_ARG(source));
    return m ? m : "";
}

int policy_eval(const struct policy *p, const struct hook_request *q,
                const struct schema_resource *as, struct json *object, struct json *old,
                const struct json *param,
                void (*refused)(void *ctx, const struct policy_refusal *why), void *ctx)
{
    struct arena *a = &q->w->r->arena;
    struct eval e = {.p = p, .left = CEL_LIMIT_OBJECT};
    struct err err = {0};
    int rc = match_scope_init(&e.scope, q, as, object, old, &err);
    rc = rc ? rc : fill(&e, q, param, &err);
    if (rc < 0)
        return rc;
    rc = match_conditions_hold(&p->conditions, &e.scope, &err);
    if (rc < 0 && !p->ignores_failure)
        refused(ctx, &(struct policy_refusal){arena_strdup(a, err.text), STR("")});
    for (size_t i = 0; i < p->validation_count && rc == 1; i++) {
        const struct policy_validation *v = &p->validations[i];
        struct cel_value holds;
        struct err why = {0};
        int failed = evaluate(&e, &v->check, &holds, &why);
        if (failed == -E_NOMEM)
            return failed;
        if (failed < 0 && !p->ignores_failure)
            refused(ctx, &(struct policy_refusal){
                             arena_printf(a, "expression '" STR_FMT "' resulted in error: %s",
                                          STR_ARG(v->check.source), why.text),
                             STR("")});
        else if (failed == 0 && (holds.kind != CEL_BOOL || !holds.boolean))
            refused(ctx, &(struct policy_refusal){message_of(&e, v), v->reason});
    }
    return 0;
}
