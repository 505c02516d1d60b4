/* The variables of match conditions and policies, and match conditions. See match.h. */
#include "api/admission/match.h"
#include "api/auth/auth.h"

const struct cel_variable match_variables[SCOPE__COUNT] = {
    [SCOPE_OBJECT] = {"object", &cel_dyn},
    [SCOPE_OLD] = {"oldObject", &cel_dyn},
    [SCOPE_REQUEST] = {"request", &cel_admission_request},
    [SCOPE_AUTHORIZER] = {"authorizer", &cel_authorizer},
    [SCOPE_CHECK] = {"authorizer.requestResource", &cel_resource_check},
    [SCOPE_NAMESPACE] = {"namespaceObject", &cel_namespace_object},
    [SCOPE_VARIABLES] = {"variables", &cel_map_of_dyn},
    [SCOPE_PARAMS] = {"params", &cel_dyn},
};

/* ---- authorizer ---- */

static const char *text(struct arena *a, struct str s)
{
    const char *copy = arena_strndup(a, s.n ? s.p : "", s.n);
    return copy ? copy : "";
}

static bool service_account(struct arena *a, const struct cel_check *c, struct user *u)
{
    const char *name = arena_printf(a, "system:serviceaccount:" STR_FMT ":" STR_FMT,
                                    STR_ARG(c->service_account_namespace),
                                    STR_ARG(c->service_account_name));
    const char *group = arena_printf(a, "system:serviceaccounts:" STR_FMT,
                                     STR_ARG(c->service_account_namespace));
    *u = (struct user){.name = name, .uid = ""};
    return name && group && user_add_group(a, u, "system:serviceaccounts") &&
           user_add_group(a, u, group) && user_add_group(a, u, "system:authenticated");
}

static int check(void *ctx, const struct cel_check *c, bool *ret_allowed, struct str *ret_reason,
                 struct err *err)
{
    struct match_scope *s = ctx;
    struct arena *a = s->run.arena;
    struct user account;
    struct buf reason CLEANUP_BUF;
    struct auth_ask ask = {.user = &s->q->w->r->user,
                           .verb = text(a, c->verb),
                           .is_resource = c->is_resource,
                           .group = text(a, c->group),
                           .version = "*",
                           .resource = text(a, c->resource),
                           .subresource = text(a, c->subresource),
                           .ns = text(a, c->namespace),
                           .name = text(a, c->name),
                           .path = text(a, c->path),
                           .field_selector = c->field_selector};
    buf_init(&reason, 2000);
    if (c->service_account_name.n) {
        if (!service_account(a, c, &account))
            return err_set(err, E_NOMEM, "out of memory");
        ask.user = &account;
    }
    *ret_allowed = auth_allows(s->q->w->api, &ask, &reason);
    *ret_reason = arena_str(a, buf_str(&reason));
    return a->failed ? err_set(err, E_NOMEM, "out of memory") : 0;
}

/* ---- the scope ---- */

static int put(struct match_scope *s, int at, const struct json *j, struct err *err)
{
    return cel_from_json(&s->run, j, match_variables[at].type, &s->values[at], err);
}

int match_scope_init(struct match_scope *s, const struct hook_request *q,
                     const struct schema_resource *as, struct json *object, struct json *old,
                     struct err *err)
{
    *s = (struct match_scope){.q = q, .authorizer = {check, s}};
    s->run = (struct cel_run){.arena = q->w->a, .variables = s->values};
    struct json *request = match_request(q, as);
    s->check = (struct cel_check){.group = str_of(schema_resource_group(q->resource)),
                                  .resource = str_of(schema_resource_plural(q->resource)),
                                  .subresource = str_of(schema_resource_subresource(q->resource)),
                                  .namespace = q->ns,
                                  .name = q->name,
                                  .is_resource = true};
    for (int i = SCOPE_WEBHOOK; i < SCOPE__COUNT; i++)
        s->values[i].kind = CEL_UNSET;
    if (!request)
        return err_set(err, E_NOMEM, "out of memory");
    int rc = put(s, SCOPE_OBJECT, object, err);
    rc = rc ? rc : put(s, SCOPE_OLD, old, err);
    rc = rc ? rc : put(s, SCOPE_REQUEST, request, err);
    rc = rc ? rc : cel_authorizer_value(&s->run, &s->authorizer, &s->values[SCOPE_AUTHORIZER]);
    return rc ? rc
              : cel_resource_check_value(&s->run, &s->authorizer, &s->check,
                                         &s->values[SCOPE_CHECK]);
}

/* ---- match conditions ---- */

int match_conditions_read(struct arena *a, const struct json *list, size_t variables,
                          struct match_conditions *ret)
{
    struct cel_env env = {.variables = match_variables, .variable_count = variables};
    *ret = (struct match_conditions){arena_zalloc(a, (json_count(list) + 1) * sizeof *ret->at), 0};
    if (!ret->at)
        return -E_NOMEM;
    for (const struct json *m = json_first(list); m; m = m->next) {
        struct match_condition *c = &ret->at[ret->count++];
        struct cel_program *program;
        struct cel_problem problem = {0};
        struct err err = {0};
        c->name = arena_strdup(a, json_path_cstr(m, "name"));
        int rc = cel_compile(a, &env, json_path_str(m, "expression"), &cel_bool, &program,
                             &problem, &err);
        if (rc == 0)
            c->program = program;
        else
            c->problem = arena_strdup(a, err.text);
        if (rc == -E_NOMEM || a->failed)
            return -E_NOMEM;
    }
    return 0;
}

/* One that does not hold decides, whatever others failed with. */
int match_conditions_hold(const struct match_conditions *c, struct match_scope *s,
                          struct err *err)
{
    bool failed = false;
    uint64_t left = CEL_LIMIT_MATCH;
    for (size_t i = 0; i < c->count; i++) {
        struct cel_value v;
        struct err why = {0};
        int rc = -E_INVALID;
        s->run.limit = left < CEL_LIMIT_CALL ? left : CEL_LIMIT_CALL;
        if (!c->at[i].program)
            err_set(&why, E_INVALID, "compilation failed: %s", c->at[i].problem);
        else if (!left)
            err_set(&why, E_LIMIT, "validation failed due to running out of cost budget, no further "
                                   "validation rules will be run");
        else
            rc = cel_eval(c->at[i].program, &s->run, &v, &why);
        left -= s->run.cost < left ? s->run.cost : left;
        if (rc == 0 && !v.boolean)
            return 0;
        if (rc < 0 && !failed)
            err_set(err, -rc, "expression '%s' resulted in error: %s", c->at[i].name, why.text);
        failed = failed || rc < 0;
    }
    return failed ? -E_INVALID : 1;
}
