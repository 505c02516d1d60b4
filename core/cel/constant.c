/*
 * Constant parts of a program become values (cel-go, interpreter/decorators.go): lists and maps of
 * literals, conversions of a literal; literal expressions for matches() and find() are compiled. It
 * is done at the end of compiling, so what can never be right is reported then.
 */
#include "cel/cel_int.h"
#include "cel/regex.h"

struct folder {
    struct cel_report *report;
    struct cel_run run;
    int rc;
};

static bool all_literal(const struct cel_expr *e)
{
    for (uint32_t i = 0; i < e->count; i++)
        if (e->args[i]->kind != EXPR_LITERAL || e->args[i]->optional)
            return false;
    return true;
}

/* As it is evaluated, which cannot fail here but for memory and for unfit keys. */
static void make_value(struct folder *f, struct cel_expr *e)
{
    struct cel_program p = {.root = e};
    struct cel_value v;
    struct err err;
    int rc = cel_eval(&p, &f->run, &v, &err);
    if (rc == -E_NOMEM)
        f->rc = rc;
    else if (rc < 0 && (str_is(e->name, "duration") || str_is(e->name, "timestamp")))
        cel_report_add(f->report, e->args[0]->at, "invalid %s argument", e->name.p);
    else if (rc < 0)
        cel_report_add(f->report, e->at, "%s", err.text);
    if (rc < 0)
        return;
    /* Without room nobody grows it in place. */
    if (v.kind == CEL_LIST)
        ((struct cel_list *)(uintptr_t)v.list)->room = 0;
    e->kind = EXPR_LITERAL;
    e->literal = v;
    e->count = 0;
}

static bool is_conversion(const struct cel_expr *e)
{
    static const char *const names[] = {"bool", "bytes",  "double",    "duration", "dyn",
                                        "int",  "string", "timestamp", "uint"};
    for (size_t i = 0; i < sizeof names / sizeof *names; i++)
        if (!e->member && e->count == 1 && str_is(e->name, names[i]))
            return true;
    return false;
}

static bool is_simple(const struct cel_value *v)
{
    return v->kind == CEL_BOOL || cel_is_number(v) || v->kind == CEL_STRING;
}

/* `x in [1, 2]`: the list becomes the keys of a map. In an empty list there is nothing. */
static void make_set(struct folder *f, struct cel_expr *e)
{
    const struct cel_list *l = e->args[1]->literal.list;
    struct cel_map *m = cel_map_new(f->report->arena);
    for (uint32_t i = 0; i < l->count; i++)
        if (!is_simple(&l->items[i]))
            return;
    for (uint32_t i = 0; m && i < l->count; i++)
        if (cel_map_put(f->report->arena, m, &l->items[i], &l->items[i], NULL) < 0)
            m = NULL;
    if (!m) {
        f->rc = -E_NOMEM;
        return;
    }
    if (l->count == 0) {
        e->kind = EXPR_LITERAL;
        e->literal = cel_of_bool(false);
        e->count = 0;
        return;
    }
    e->args[1]->literal = cel_map_value(m);
    e->special = CALL_IN_SET;
}

static void prepare_regex(struct folder *f, struct cel_expr *e)
{
    struct regex *r;
    struct err err;
    const struct cel_expr *pattern = e->count >= 2 ? e->args[1] : NULL;
    if (!pattern || pattern->kind != EXPR_LITERAL || pattern->literal.kind != CEL_STRING ||
        !(str_is(e->name, "matches") || str_is(e->name, "find") || str_is(e->name, "findAll")))
        return;
    int rc = regex_compile(f->report->arena, pattern->literal.string, &r, &err);
    if (rc == -E_NOMEM)
        f->rc = rc;
    else if (rc == 0)
        e->prepared = r;
    else if (str_is(e->name, "matches"))
        cel_report_add(f->report, pattern->at, "invalid matches argument");
}

static void visit(struct folder *f, struct cel_expr *e)
{
    /* A map that a macro fills must be made anew for each evaluation. */
    bool owned = e->kind == EXPR_FOLD;
    for (uint32_t i = 0; i < e->count && f->rc == 0; i++) {
        struct cel_expr *part = e->args[i];
        if (owned && part == e->fold->init && part->kind == EXPR_MAP && part->count == 0)
            continue;
        if (e->special == CALL_APPEND && i == 1) {
            visit(f, part->args[0]);
            continue;
        }
        visit(f, part);
    }
    if (f->rc < 0)
        return;
    if ((e->kind == EXPR_LIST || e->kind == EXPR_MAP) && all_literal(e)) {
        make_value(f, e);
    } else if (e->kind == EXPR_CALL) {
        if (is_conversion(e) && all_literal(e))
            make_value(f, e);
        else if (str_is(e->name, "@in") && e->args[1]->kind == EXPR_LITERAL &&
                 e->args[1]->literal.kind == CEL_LIST)
            make_set(f, e);
        else
            prepare_regex(f, e);
    }
}

int cel_fold_constants(struct cel_report *r, struct cel_program *p)
{
    struct folder f = {.report = r, .run = {.arena = r->arena}};
    if (r->count == 0)
        visit(&f, p->root);
    return f.rc;
}
