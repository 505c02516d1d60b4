/*
 * Calls that are spelled like functions and become other trees: has, all, exists, exists_one, map,
 * filter (cel-spec, langdef.md, "Macros"), their forms with two variables and optMap, optFlatMap
 * (cel-go, ext/README.md, as Kubernetes enables them). The expansions are cel-go's, since the cost
 * of an expression is the cost of what it expands to.
 */
#include "cel/cel_int.h"

/* Names that no source can spell. */
#define ACCU   "@result"
#define UNUSED "#unused"
#define TARGET "@target"

struct expansion {
    struct cel_parser *p;
    size_t at;
    struct cel_expr *target;
    struct cel_expr **args;
    uint32_t count;
};

static struct cel_expr *accu(const struct expansion *x)
{
    return cel_node_ident(x->p, x->at, STR(ACCU));
}

static struct cel_expr *integer(const struct expansion *x, int64_t v)
{
    struct cel_expr *e = cel_node(x->p, EXPR_LITERAL, x->at);
    if (e)
        e->literal = (struct cel_value){.kind = CEL_INT, .i64 = v};
    return e;
}

static struct cel_expr *list_of(const struct expansion *x, struct cel_expr *element)
{
    struct cel_expr *e = cel_node(x->p, EXPR_LIST, x->at);
    return cel_node_args(x->p, e, &element, element != NULL);
}

static struct cel_expr *member_call(const struct expansion *x, const char *name,
                                    struct cel_expr *target)
{
    struct cel_expr *e = cel_node_call(x->p, x->at, name, 1, target);
    if (e)
        e->member = true;
    return e;
}

static bool variable(const struct expansion *x, uint32_t index, const char *complaint,
                     struct str *ret)
{
    const struct cel_expr *e = x->args[index];
    if (e->kind != EXPR_IDENT || e->absolute) {
        cel_parser_fail(x->p, e->at, "%s", complaint);
        return false;
    }
    if (str_is(e->name, "__result__")) {
        cel_parser_fail(x->p, e->at, "iteration variable overwrites accumulator variable");
        return false;
    }
    *ret = e->name;
    return true;
}

/* Puts the parts together; any of them may be NULL after a failure. */
static struct cel_expr *fold(const struct expansion *x, const struct cel_fold *parts)
{
    struct cel_expr *children[] = {parts->range, parts->init, parts->condition, parts->step,
                                   parts->result};
    struct cel_expr *e = cel_node(x->p, EXPR_FOLD, x->at);
    if (!e || !(e->fold = arena_alloc(x->p->arena, sizeof *parts))) {
        if (e)
            x->p->failed = x->p->report->oom = true;
        return NULL;
    }
    *e->fold = *parts;
    return cel_node_args(x->p, e, children, sizeof children / sizeof *children);
}

/* The variables in front of the arguments that the rest of a macro needs; their number. */
static uint32_t variables(const struct expansion *x, bool two, const char *complaint,
                          struct cel_fold *parts)
{
    *parts = (struct cel_fold){.accu = STR(ACCU), .range = x->target};
    if (!variable(x, 0, complaint, &parts->iter))
        return 0;
    if (!two)
        return 1;
    if (!variable(x, 1, complaint, &parts->iter2))
        return 0;
    if (str_eq(parts->iter, parts->iter2)) {
        cel_parser_fail(x->p, x->args[1]->at, "duplicate variable name: " STR_FMT,
                        STR_ARG(parts->iter));
        return 0;
    }
    return 2;
}

#define SIMPLE_NAME "argument must be a simple name"
#define IDENTIFIER  "argument is not an identifier"

static struct cel_expr *expand_all(const struct expansion *x, bool two)
{
    struct cel_fold parts;
    uint32_t n = variables(x, two, SIMPLE_NAME, &parts);
    if (n == 0)
        return NULL;
    parts.init = cel_node_bool(x->p, x->at, true);
    parts.condition = cel_node_call(x->p, x->at, "@not_strictly_false", 1, accu(x));
    parts.step = cel_node_call(x->p, x->at, "_&&_", 2, accu(x), x->args[n]);
    parts.result = accu(x);
    return fold(x, &parts);
}

static struct cel_expr *expand_exists(const struct expansion *x, bool two)
{
    struct cel_fold parts;
    uint32_t n = variables(x, two, SIMPLE_NAME, &parts);
    if (n == 0)
        return NULL;
    parts.init = cel_node_bool(x->p, x->at, false);
    parts.condition = cel_node_call(x->p, x->at, "@not_strictly_false", 1,
                                    cel_node_call(x->p, x->at, "!_", 1, accu(x)));
    parts.step = cel_node_call(x->p, x->at, "_||_", 2, accu(x), x->args[n]);
    parts.result = accu(x);
    return fold(x, &parts);
}

static struct cel_expr *expand_exists_one(const struct expansion *x, bool two)
{
    struct cel_fold parts;
    uint32_t n = variables(x, two, SIMPLE_NAME, &parts);
    if (n == 0)
        return NULL;
    parts.init = integer(x, 0);
    parts.condition = cel_node_bool(x->p, x->at, true);
    parts.step =
        cel_node_call(x->p, x->at, "_?_:_", 3, x->args[n],
                      cel_node_call(x->p, x->at, "_+_", 2, accu(x), integer(x, 1)), accu(x));
    parts.result = cel_node_call(x->p, x->at, "_==_", 2, accu(x), integer(x, 1));
    return fold(x, &parts);
}

/* accu + [element], which may grow the list in place since nobody else sees it. */
static struct cel_expr *append(const struct expansion *x, struct cel_expr *element)
{
    if (!element)
        return NULL;
    struct cel_expr *e = cel_node_call(x->p, x->at, "_+_", 2, accu(x), list_of(x, element));
    if (e)
        e->special = CALL_APPEND;
    return e;
}

/* The step, where a filter holds. */
static struct cel_expr *collect(const struct expansion *x, struct cel_fold *parts,
                                struct cel_expr *filter, struct cel_expr *step)
{
    parts->condition = cel_node_bool(x->p, x->at, true);
    parts->step = filter ? cel_node_call(x->p, x->at, "_?_:_", 3, filter, step, accu(x)) : step;
    parts->result = accu(x);
    return fold(x, parts);
}

/* map(x, f), map(x, filter, f), transformList(i, x, f), transformList(i, x, filter, f). */
static struct cel_expr *expand_map(const struct expansion *x, bool two)
{
    struct cel_fold parts;
    uint32_t n = variables(x, two, IDENTIFIER, &parts);
    if (n == 0)
        return NULL;
    struct cel_expr *filter = x->count > n + 1 ? x->args[n] : NULL;
    parts.init = list_of(x, NULL);
    return collect(x, &parts, filter, append(x, x->args[x->count - 1]));
}

static struct cel_expr *expand_filter(const struct expansion *x, bool two)
{
    struct cel_fold parts;
    (void)two;
    if (variables(x, false, IDENTIFIER, &parts) == 0)
        return NULL;
    parts.init = list_of(x, NULL);
    return collect(x, &parts, x->args[1], append(x, x->args[0]));
}

static struct cel_expr *transform(const struct expansion *x, bool with_key)
{
    struct cel_fold parts;
    if (variables(x, true, SIMPLE_NAME, &parts) == 0)
        return NULL;
    struct cel_expr *filter = x->count > 3 ? x->args[2] : NULL, *step;
    struct cel_expr *value = x->args[x->count - 1];
    if (with_key)
        step = cel_node_call(x->p, x->at, "cel.@mapInsert", 3, accu(x),
                             cel_node_ident(x->p, x->at, parts.iter), value);
    else
        step = cel_node_call(x->p, x->at, "cel.@mapInsert", 2, accu(x), value);
    if (step)
        step->special = CALL_INSERT;
    parts.init = cel_node_args(x->p, cel_node(x->p, EXPR_MAP, x->at), NULL, 0);
    return collect(x, &parts, filter, step);
}

static struct cel_expr *expand_transform_map(const struct expansion *x, bool two)
{
    (void)two;
    return transform(x, true);
}

static struct cel_expr *expand_transform_entry(const struct expansion *x, bool two)
{
    (void)two;
    return transform(x, false);
}

static struct cel_expr *expand_has(const struct expansion *x, bool two)
{
    (void)two;
    struct cel_expr *e = x->args[0];
    if (e->kind != EXPR_SELECT || e->test_only) {
        cel_parser_fail(x->p, e->at, "invalid argument to has() macro");
        return NULL;
    }
    e->test_only = true;
    e->at = (uint32_t)x->at;
    return e;
}

/* A name bound to a value within an expression: a fold over nothing. */
static struct cel_expr *bind(const struct expansion *x, struct str name, struct cel_expr *value,
                             struct cel_expr *within)
{
    struct cel_fold parts = {.iter = STR(UNUSED), .accu = name, .init = value, .result = within};
    parts.range = list_of(x, NULL);
    parts.condition = cel_node_bool(x->p, x->at, false);
    parts.step = cel_node_ident(x->p, x->at, name);
    return fold(x, &parts);
}

static struct cel_expr *optional_map(const struct expansion *x, bool flat)
{
    struct str name;
    if (!variable(x, 0,
                  flat ? "optFlatMap() variable name must be a simple identifier"
                       : "optMap() variable name must be a simple identifier",
                  &name))
        return NULL;
    struct cel_expr *value = member_call(x, "value", cel_node_ident(x->p, x->at, STR(TARGET)));
    struct cel_expr *result = bind(x, name, value, x->args[1]);
    if (!flat)
        result = cel_node_call(x->p, x->at, "optional.of", 1, result);
    struct cel_expr *has = member_call(x, "hasValue", cel_node_ident(x->p, x->at, STR(TARGET)));
    result = cel_node_call(x->p, x->at, "_?_:_", 3, has, result,
                           cel_node_call(x->p, x->at, "optional.none", 0));
    return bind(x, STR(TARGET), x->target, result);
}

static struct cel_expr *expand_opt_map(const struct expansion *x, bool two)
{
    (void)two;
    return optional_map(x, false);
}

static struct cel_expr *expand_opt_flat_map(const struct expansion *x, bool two)
{
    (void)two;
    return optional_map(x, true);
}

/* The list by the list of keys that each element has. */
static struct cel_expr *expand_sort_by(const struct expansion *x, bool two)
{
    struct expansion keys = *x;
    keys.target = cel_node_ident(x->p, x->at, STR(TARGET));
    struct cel_expr *sorted =
        cel_node_call(x->p, x->at, "@sortByAssociatedKeys", 2,
                      cel_node_ident(x->p, x->at, STR(TARGET)), expand_map(&keys, two));
    if (sorted)
        sorted->member = true;
    return bind(x, STR(TARGET), x->target, sorted);
}

struct macro {
    const char *name;
    uint32_t count; /* of arguments */
    bool member, two;
    struct cel_expr *(*expand)(const struct expansion *x, bool two);
};

static const struct macro macros[] = {
    {"has", 1, false, false, expand_has},
    {"all", 2, true, false, expand_all},
    {"all", 3, true, true, expand_all},
    {"exists", 2, true, false, expand_exists},
    {"exists", 3, true, true, expand_exists},
    {"exists_one", 2, true, false, expand_exists_one},
    {"exists_one", 3, true, true, expand_exists_one},
    {"existsOne", 2, true, false, expand_exists_one},
    {"existsOne", 3, true, true, expand_exists_one},
    {"map", 2, true, false, expand_map},
    {"map", 3, true, false, expand_map},
    {"filter", 2, true, false, expand_filter},
    {"transformList", 3, true, true, expand_map},
    {"transformList", 4, true, true, expand_map},
    {"transformMap", 3, true, true, expand_transform_map},
    {"transformMap", 4, true, true, expand_transform_map},
    {"transformMapEntry", 3, true, true, expand_transform_entry},
    {"transformMapEntry", 4, true, true, expand_transform_entry},
    {"sortBy", 2, true, false, expand_sort_by},
    {"optMap", 2, true, false, expand_opt_map},
    {"optFlatMap", 2, true, false, expand_opt_flat_map},
};

struct cel_expr *cel_macro(struct cel_parser *p, size_t at, struct str name,
                           struct cel_expr *target, struct cel_expr **args, uint32_t count,
                           bool *ret_known)
{
    struct expansion x = {.p = p, .at = at, .target = target, .args = args, .count = count};
    for (size_t i = 0; i < sizeof macros / sizeof *macros; i++) {
        const struct macro *m = &macros[i];
        if (m->count != count || m->member != (target != NULL) || !str_is(name, m->name))
            continue;
        *ret_known = true;
        return m->expand(&x, m->two);
    }
    return NULL;
}
