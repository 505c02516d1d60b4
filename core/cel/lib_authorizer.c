/*
 * Asking the API server's authorizer from expressions (apiserver/pkg/cel/library/authz.go). Each
 * step is a copy of the question so far with one more attribute; check() asks.
 */
#include "cel/cel_int.h"
#include "codec/names.h"

struct question {
    struct cel_opaque head;
    const struct cel_authorizer *authorizer;
    struct cel_check check;
};

struct decision {
    struct cel_opaque head;
    bool allowed, errored;
    struct str reason, error;
};

static struct question *next(struct cel_run *run, const struct question *q,
                             const struct cel_type *type, struct cel_value *ret)
{
    struct question *copy = arena_alloc(run->arena, sizeof *copy);
    if (!copy)
        return NULL;
    *copy = *q;
    copy->head = (struct cel_opaque){type, NULL};
    *ret = (struct cel_value){.kind = CEL_OPAQUE, .opaque = &copy->head};
    return copy;
}

static int start(struct cel_run *run, const struct cel_authorizer *authorizer,
                 const struct cel_check *check, const struct cel_type *type, struct cel_value *ret)
{
    struct question q = {.authorizer = authorizer};
    if (check)
        q.check = *check;
    return next(run, &q, type, ret) ? 0 : -E_NOMEM;
}

int cel_authorizer_value(struct cel_run *run, const struct cel_authorizer *authorizer,
                         struct cel_value *ret)
{
    return start(run, authorizer, NULL, &cel_authorizer, ret);
}

int cel_resource_check_value(struct cel_run *run, const struct cel_authorizer *authorizer,
                             const struct cel_check *check, struct cel_value *ret)
{
    return start(run, authorizer, check, &cel_resource_check, ret);
}

static const struct question *question_of(const struct cel_value *v)
{
    return (const void *)v->opaque;
}

static int not_blank(struct cel_call *call, const struct cel_value *v, const char *what)
{
    if (str_trim(v->string).n > 0)
        return 0;
    return err_set(call->err, E_INVALID, "%s must not be empty", what);
}

static int path(struct cel_call *call, const struct cel_value *args, unsigned count,
                struct cel_value *ret)
{
    (void)count;
    int rc = not_blank(call, &args[1], "path");
    if (rc < 0)
        return rc;
    struct question *q = next(call->run, question_of(args), &cel_type_path_check, ret);
    if (!q)
        return -E_NOMEM;
    q->check.path = args[1].string;
    return 0;
}

static int group(struct cel_call *call, const struct cel_value *args, unsigned count,
                 struct cel_value *ret)
{
    struct question *q = next(call->run, question_of(args), &cel_type_group_check, ret);
    (void)count;
    if (!q)
        return -E_NOMEM;
    q->check.group = args[1].string;
    return 0;
}

static int service_account(struct cel_call *call, const struct cel_value *args, unsigned count,
                           struct cel_value *ret)
{
    (void)count;
    if (names_dns1123_subdomain(args[2].string))
        return err_set(call->err, E_INVALID, "Invalid service account name");
    if (names_dns1123_label(args[1].string))
        return err_set(call->err, E_INVALID, "Invalid service account namespace");
    struct question *q = next(call->run, question_of(args), &cel_authorizer, ret);
    if (!q)
        return -E_NOMEM;
    q->check.service_account_namespace = args[1].string;
    q->check.service_account_name = args[2].string;
    return 0;
}

static int resource(struct cel_call *call, const struct cel_value *args, unsigned count,
                    struct cel_value *ret)
{
    (void)count;
    int rc = not_blank(call, &args[1], "resource");
    if (rc < 0)
        return rc;
    struct question *q = next(call->run, question_of(args), &cel_resource_check, ret);
    if (!q)
        return -E_NOMEM;
    q->check.is_resource = true;
    q->check.resource = args[1].string;
    return 0;
}

/* subresource, namespace, name, fieldSelector, labelSelector */
static int refine(struct cel_call *call, const struct cel_value *args, unsigned count,
                  struct cel_value *ret)
{
    struct question *q = next(call->run, question_of(args), &cel_resource_check, ret);
    struct str name = call->expr->name;
    (void)count;
    if (!q)
        return -E_NOMEM;
    struct str *place = str_is(name, "subresource")     ? &q->check.subresource
                        : str_is(name, "namespace")     ? &q->check.namespace
                        : str_is(name, "name")          ? &q->check.name
                        : str_is(name, "fieldSelector") ? &q->check.field_selector
                                                        : &q->check.label_selector;
    *place = args[1].string;
    return 0;
}

static int check(struct cel_call *call, const struct cel_value *args, unsigned count,
                 struct cel_value *ret)
{
    const struct question *q = question_of(args);
    struct decision *d = arena_zalloc(call->run->arena, sizeof *d);
    struct cel_check asked = q->check;
    struct err err = {0};
    (void)count;
    if (!d)
        return -E_NOMEM;
    asked.verb = args[1].string;
    d->head.type = &cel_type_decision;
    d->reason = d->error = STR("");
    int rc = q->authorizer->check(q->authorizer->ctx, &asked, &d->allowed, &d->reason, &err);
    if (rc == -E_NOMEM)
        return rc;
    if (rc < 0) {
        d->errored = true;
        d->error = arena_str(call->run->arena, str_of(err.text));
        if (!d->error.p)
            return -E_NOMEM;
    }
    *ret = (struct cel_value){.kind = CEL_OPAQUE, .opaque = &d->head};
    return 0;
}

static int about(struct cel_call *call, const struct cel_value *args, unsigned count,
                 struct cel_value *ret)
{
    const struct decision *d = (const void *)args[0].opaque;
    struct str name = call->expr->name;
    (void)count;
    if (str_is(name, "allowed"))
        *ret = cel_of_bool(d->allowed);
    else if (str_is(name, "errored"))
        *ret = cel_of_bool(d->errored);
    else
        *ret = cel_of_str(str_is(name, "reason") ? d->reason : d->error);
    return 0;
}

const struct cel_function cel_functions_authorizer[] = {
    {"path", true, "as>P", path, COST_ONE},
    {"group", true, "as>G", group, COST_ONE},
    {"serviceAccount", true, "ass>a", service_account, COST_ONE},
    {"resource", true, "Gs>R", resource, COST_ONE},
    {"subresource", true, "Rs>R", refine, COST_ONE},
    {"namespace", true, "Rs>R", refine, COST_ONE},
    {"name", true, "Rs>R", refine, COST_ONE},
    {"fieldSelector", true, "Rs>R", refine, COST_SELECTOR},
    {"labelSelector", true, "Rs>R", refine, COST_SELECTOR},
    {"check", true, "Ps>D", check, COST_CHECK},
    {"check", true, "Rs>D", check, COST_CHECK},
    {"allowed", true, "D>b", about, COST_ONE},
    {"reason", true, "D>s", about, COST_ONE},
    {"errored", true, "D>b", about, COST_ONE},
    {"error", true, "D>s", about, COST_ONE},
    {0},
};
