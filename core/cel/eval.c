/*
 * The evaluator: walks the checked tree. Cost is charged as cel-go's interpreter/runtimecost.go
 * does, since what exceeds a limit is part of the API: a name or a field 1, a list 10, a map 30, a
 * call what its rule says; what is only chosen by a condition or used as an index is not charged
 * as a name.
 *
 * An error is -E_INVALID with its text in the frame; `&&`, `||` and the comprehensions made of them
 * may absorb it. A limit or lack of memory ends the evaluation.
 */
#include "cel/cel_int.h"

enum { COST_LIST_MADE = 10, COST_MAP_MADE = 30, FEW_ARGS = 4 };

struct slot {
    struct cel_value value;
    struct err *failure; /* kept once made; failed tells whether it counts */
    bool failed;
};

struct frame {
    struct cel_run *run;
    const struct cel_program *program;
    struct slot *slots;
    uint64_t limit;
    struct err err;
};

static int eval(struct frame *f, const struct cel_expr *e, bool chosen, struct cel_value *ret);

static int fail(struct frame *f, const char *text)
{
    return err_set(&f->err, E_INVALID, "%s", text);
}

static int no_memory(struct frame *f)
{
    return err_set(&f->err, E_NOMEM, "out of memory");
}

static int charge(struct frame *f, uint64_t cost)
{
    f->run->cost += cost;
    return f->run->cost > f->limit ? cel_over_limit(&f->err) : 0;
}

static int eval_ident(struct frame *f, const struct cel_expr *e, struct cel_value *ret)
{
    if (e->place == IDENT_LOCAL) {
        const struct slot *s = &f->slots[e->index];
        if (s->failed) {
            f->err = *s->failure;
            return -f->err.code;
        }
        *ret = s->value;
        return 0;
    }
    *ret = f->run->variables[e->index];
    if (ret->kind == CEL_UNSET)
        return err_set(&f->err, E_INVALID, "no such attribute(s): " STR_FMT, STR_ARG(e->name));
    return 0;
}

/* ---- selections and indexes ---- */

static bool is_index(const struct cel_expr *e)
{
    return e->kind == EXPR_CALL && e->count == 2 && !e->member &&
           (str_is(e->name, "_[_]") || str_is(e->name, "_[?_]"));
}

/* What selections may follow without a charge of its own. */
static bool is_attribute(const struct cel_expr *e)
{
    return e->kind == EXPR_IDENT || (e->kind == EXPR_SELECT && !e->test_only) || is_index(e) ||
           (e->kind == EXPR_CALL && (e->special == CALL_OPT_SELECT || e->special == CALL_TERNARY));
}

static int eval_base(struct frame *f, const struct cel_expr *e, bool chosen, struct cel_value *ret)
{
    bool attribute = is_attribute(e);
    int rc = eval(f, e, chosen && attribute, ret);
    return rc < 0 || attribute || chosen ? rc : charge(f, 1);
}

/* The field of a map; *ret_found false when it is not there. */
static int find_field(struct frame *f, const struct cel_value *of, struct str name,
                      struct cel_value *ret, bool *ret_found)
{
    struct cel_value key = cel_of_str(name);
    if (of->kind != CEL_MAP && of->kind != CEL_HOST)
        return cel_no_overload(&f->err);
    return cel_map_find(f->run, of, &key, ret, ret_found, &f->err);
}

/* of.name where of is an optional, or of.?name: an optional. */
static int optional_field(struct frame *f, const struct cel_value *of, struct str name,
                          struct cel_value *ret)
{
    struct cel_value v;
    bool found = false;
    int rc;
    if (of->kind == CEL_OPTIONAL && !of->content)
        return cel_optional_new(f->run->arena, NULL, ret);
    if (of->kind == CEL_OPTIONAL)
        of = of->content;
    if ((rc = find_field(f, of, name, &v, &found)) < 0)
        return rc;
    return cel_optional_new(f->run->arena, found ? &v : NULL, ret) < 0 ? no_memory(f) : 0;
}

static int eval_has(struct frame *f, const struct cel_expr *e, struct cel_value *ret)
{
    struct cel_value of, v;
    bool found = false;
    int rc = eval_base(f, e->args[0], false, &of);
    if (rc < 0)
        return rc;
    if (of.kind == CEL_OPTIONAL) {
        *ret = cel_of_bool(false);
        if (!of.content)
            return 0;
        of = *of.content;
    }
    if ((rc = find_field(f, &of, e->name, &v, &found)) < 0)
        return rc;
    *ret = cel_of_bool(found);
    return 0;
}

static int eval_select(struct frame *f, const struct cel_expr *e, bool chosen,
                       struct cel_value *ret)
{
    struct cel_value of, key = cel_of_str(e->name);
    bool found = false;
    if (e->test_only)
        return eval_has(f, e, ret);
    int rc = eval_base(f, e->args[0], chosen, &of);
    if (rc < 0 || (rc = charge(f, 1)) < 0)
        return rc;
    if (of.kind == CEL_OPTIONAL)
        return optional_field(f, &of, e->name, ret);
    if ((rc = find_field(f, &of, e->name, ret, &found)) < 0)
        return rc;
    return found ? 0 : cel_no_key(&f->err, &key);
}

static int eval_optional_select(struct frame *f, const struct cel_expr *e, bool chosen,
                                struct cel_value *ret)
{
    struct cel_value of;
    int rc = eval_base(f, e->args[0], chosen, &of);
    if (rc < 0 || (rc = charge(f, 1)) < 0)
        return rc;
    return optional_field(f, &of, e->args[1]->literal.string, ret);
}

/* a[b], a[?b]: an index that is a name is charged as index only. */
static int eval_index(struct frame *f, const struct cel_expr *e, bool chosen, struct cel_value *ret)
{
    struct cel_value of, index, v;
    struct cel_call call = {.run = f->run, .err = &f->err, .expr = e};
    bool found = false, optional = e->name.p[2] == '?';
    int rc = eval_base(f, e->args[0], chosen, &of);
    if (rc < 0 || (rc = eval(f, e->args[1], is_attribute(e->args[1]), &index)) < 0 ||
        (rc = charge(f, 1)) < 0)
        return rc;
    if (of.kind == CEL_OPTIONAL) {
        optional = true;
        if (!of.content)
            return cel_optional_new(f->run->arena, NULL, ret);
        of = *of.content;
    }
    if ((rc = cel_index(&call, &of, &index, &v, &found)) < 0)
        return rc;
    if (optional)
        return cel_optional_new(f->run->arena, found ? &v : NULL, ret) < 0 ? no_memory(f) : 0;
    if (!found && of.kind == CEL_LIST)
        return err_set(&f->err, E_INVALID, "index out of bounds: %lld", (long long)index.i64);
    if (!found)
        return cel_no_key(&f->err, &index);
    *ret = v;
    return 0;
}

/* ---- what decides which arguments are evaluated ---- */

static int eval_ternary(struct frame *f, const struct cel_expr *e, struct cel_value *ret)
{
    struct cel_value condition;
    int rc = eval(f, e->args[0], false, &condition);
    if (rc < 0)
        return rc;
    if (condition.kind != CEL_BOOL)
        return cel_no_overload(&f->err);
    const struct cel_expr *branch = e->args[condition.boolean ? 1 : 2];
    return eval(f, branch, is_attribute(branch), ret);
}

/* && with decisive false, || with decisive true: a decisive side absorbs an error of the other. */
static int eval_logical(struct frame *f, const struct cel_expr *e, bool decisive,
                        struct cel_value *ret)
{
    struct cel_value v;
    struct err first;
    int failed = 0;
    for (uint32_t i = 0; i < e->count; i++) {
        int rc = eval(f, e->args[i], false, &v);
        if (rc == 0 && v.kind != CEL_BOOL)
            rc = cel_no_overload(&f->err);
        if (rc < 0 && rc != -E_INVALID)
            return rc;
        if (rc == 0 && v.boolean == decisive) {
            *ret = cel_of_bool(decisive);
            return 0;
        }
        if (rc < 0 && failed == 0) {
            failed = rc;
            first = f->err;
        }
    }
    if (failed < 0) {
        f->err = first;
        return failed;
    }
    *ret = cel_of_bool(!decisive);
    return 0;
}

static int eval_not_false(struct frame *f, const struct cel_expr *e, struct cel_value *ret)
{
    struct cel_value v;
    int rc = eval(f, e->args[0], false, &v);
    if (rc < 0 && rc != -E_INVALID)
        return rc;
    *ret = cel_of_bool(rc < 0 || v.kind != CEL_BOOL || v.boolean);
    return charge(f, 1);
}

static int eval_or_else(struct frame *f, const struct cel_expr *e, struct cel_value *ret)
{
    struct cel_value v;
    int rc = eval(f, e->args[0], false, &v);
    if (rc < 0)
        return rc;
    if (v.kind != CEL_OPTIONAL)
        return cel_no_overload(&f->err);
    if (!v.content)
        return eval(f, e->args[1], false, ret);
    *ret = e->special == CALL_OR_VALUE ? *v.content : v;
    return 0;
}

/* No charge, as upstream. */
static int eval_in_set(struct frame *f, const struct cel_expr *e, struct cel_value *ret)
{
    struct cel_value v, found_value;
    bool found = false;
    int rc = eval(f, e->args[0], false, &v);
    if (rc < 0)
        return rc;
    if (v.kind == CEL_BOOL || v.kind == CEL_STRING || cel_is_number(&v))
        rc = cel_map_find(f->run, &e->args[1]->literal, &v, &found_value, &found, &f->err);
    *ret = cel_of_bool(found);
    return rc;
}

/* ---- aggregates ---- */

/* Takes the content of what was written with `?`; *ret_skip when there is none. */
static int unwrap(struct frame *f, const struct cel_expr *e, struct cel_value *v, bool *ret_skip)
{
    *ret_skip = false;
    if (!e->optional)
        return 0;
    if (v->kind != CEL_OPTIONAL)
        return fail(f, "cannot initialize optional element from non-optional value");
    *ret_skip = !v->content;
    if (v->content)
        *v = *v->content;
    return 0;
}

static int eval_list(struct frame *f, const struct cel_expr *e, struct cel_value *ret)
{
    struct cel_list *l = cel_list_new(f->run->arena, e->count);
    struct cel_value v;
    bool skip;
    int rc;
    if (!l)
        return no_memory(f);
    for (uint32_t i = 0; i < e->count; i++) {
        if ((rc = eval(f, e->args[i], false, &v)) < 0 ||
            (rc = unwrap(f, e->args[i], &v, &skip)) < 0)
            return rc;
        if (!skip && cel_list_push(f->run->arena, l, &v) < 0)
            return no_memory(f);
    }
    *ret = cel_list_value(l);
    return charge(f, COST_LIST_MADE);
}

static bool is_key(const struct cel_value *v)
{
    return v->kind == CEL_BOOL || v->kind == CEL_INT || v->kind == CEL_UINT ||
           v->kind == CEL_STRING;
}

static int eval_map(struct frame *f, const struct cel_expr *e, struct cel_value *ret)
{
    struct cel_map *m = cel_map_new(f->run->arena);
    struct cel_value key, v;
    bool skip;
    int rc;
    if (!m)
        return no_memory(f);
    for (uint32_t i = 0; i + 1 < e->count; i += 2) {
        if ((rc = eval(f, e->args[i], false, &key)) < 0 ||
            (rc = eval(f, e->args[i + 1], false, &v)) < 0 ||
            (rc = unwrap(f, e->args[i + 1], &v, &skip)) < 0)
            return rc;
        if (!is_key(&key))
            return fail(f, "unsupported key type");
        if (!skip && cel_map_put(f->run->arena, m, &key, &v, NULL) < 0)
            return no_memory(f);
    }
    *ret = cel_map_value(m);
    return charge(f, COST_MAP_MADE);
}

/* accu + [x]: the accumulator belongs to one comprehension alone, so it grows in place. */
static int eval_append(struct frame *f, const struct cel_expr *e, struct cel_value *ret)
{
    struct cel_value accu, v;
    const struct cel_expr *list = e->args[1];
    int rc = eval(f, e->args[0], false, &accu);
    if (rc < 0 || (rc = eval(f, list->args[0], false, &v)) < 0)
        return rc;
    struct cel_list *l = (struct cel_list *)(uintptr_t)accu.list;
    if (l->room == 0 && !(l = cel_list_new(f->run->arena, 8)))
        return no_memory(f);
    if (cel_list_push(f->run->arena, l, &v) < 0)
        return no_memory(f);
    *ret = cel_list_value(l);
    return charge(f, COST_LIST_MADE + 1);
}

static int insert(struct frame *f, struct cel_map *m, const struct cel_value *key,
                  const struct cel_value *value)
{
    bool old;
    if (!is_key(key))
        return fail(f, "unsupported key type");
    if (cel_map_put(f->run->arena, m, key, value, &old) < 0)
        return no_memory(f);
    if (!old)
        return 0;
    struct err named;
    cel_no_key(&named, key);
    return err_set(&f->err, E_INVALID, "insert failed: key %.400s already exists",
                   named.text + strlen("no such key: "));
}

/* cel.@mapInsert(accu, key, value) or (accu, {entries}). */
static int eval_insert(struct frame *f, const struct cel_expr *e, struct cel_value *ret)
{
    struct cel_value accu, key, v;
    struct cel_iter it;
    bool more = true;
    int rc = eval(f, e->args[0], false, &accu);
    if (rc < 0 || (rc = eval(f, e->args[1], false, &key)) < 0)
        return rc;
    struct cel_map *m = (struct cel_map *)(uintptr_t)accu.map;
    if (e->count == 3) {
        if ((rc = eval(f, e->args[2], false, &v)) < 0 || (rc = insert(f, m, &key, &v)) < 0)
            return rc;
    } else if (key.kind != CEL_MAP) {
        return cel_no_overload(&f->err);
    } else {
        struct cel_value entries = key;
        cel_iter_init(&it, &entries);
        while ((rc = cel_iter_next(f->run, &it, &key, &v, &more, &f->err)) == 0 && more)
            if ((rc = insert(f, m, &key, &v)) < 0)
                return rc;
        if (rc < 0)
            return rc;
    }
    *ret = cel_map_value(m);
    return charge(f, 1);
}

/* ---- comprehensions ---- */

static int set_failed(struct frame *f, struct slot *s)
{
    if (!s->failure && !(s->failure = arena_alloc(f->run->arena, sizeof *s->failure)))
        return no_memory(f);
    *s->failure = f->err;
    s->failed = true;
    return 0;
}

/* One turn: *ret_go false when the condition ends the loop. */
static int fold_turn(struct frame *f, const struct cel_fold *fold, bool *ret_go)
{
    struct slot *accu = &f->slots[fold->slot + 2];
    struct cel_value v;
    int rc = eval(f, fold->condition, false, &v);
    if (rc < 0)
        return rc;
    *ret_go = v.kind == CEL_BOOL && v.boolean;
    if (!*ret_go)
        return 0;
    rc = eval(f, fold->step, false, &v);
    if (rc == -E_INVALID)
        /* With a condition that never looks, nothing can absorb the error any more. */
        return fold->condition->kind == EXPR_LITERAL ? rc : set_failed(f, accu);
    if (rc == 0) {
        accu->value = v;
        accu->failed = false;
    }
    return rc;
}

static int eval_fold(struct frame *f, const struct cel_fold *fold, struct cel_value *ret)
{
    struct slot *iter = &f->slots[fold->slot];
    struct cel_value range, key, value;
    struct cel_iter it;
    bool more = true, go = true;
    int rc = eval(f, fold->range, false, &range);
    if (rc < 0 || (rc = eval(f, fold->init, false, &iter[2].value)) < 0)
        return rc;
    iter[0].failed = iter[1].failed = iter[2].failed = false;
    if (range.kind != CEL_LIST && range.kind != CEL_MAP)
        return err_set(&f->err, E_INVALID, "got '%s', expected iterable type",
                       cel_type_name(cel_value_type(&range)));
    bool want_value = fold->iter2.p || range.kind == CEL_LIST;
    cel_iter_init(&it, &range);
    while (go) {
        rc = cel_iter_next(f->run, &it, &key, want_value ? &value : NULL, &more, &f->err);
        if (rc < 0 || !more)
            break;
        iter[0].value = !fold->iter2.p && range.kind == CEL_LIST ? value : key;
        if (fold->iter2.p)
            iter[1].value = value;
        if ((rc = fold_turn(f, fold, &go)) < 0)
            break;
    }
    return rc < 0 ? rc : eval(f, fold->result, false, ret);
}

/* ---- functions ---- */

static int call_function(struct frame *f, const struct cel_expr *e, const struct cel_value *args,
                         struct cel_value *ret)
{
    struct cel_call call = {.run = f->run, .err = &f->err, .expr = e};
    for (uint32_t i = 0; i < e->overload_count; i++) {
        const struct cel_function *fn = e->overloads[i];
        if (!cel_function_takes(fn, args, e->count))
            continue;
        bool after = fn->cost == COST_RESULT_TWICE || fn->cost == COST_MADE;
        *ret = (struct cel_value){.kind = CEL_NULL};
        int rc = after ? 0 : charge(f, cel_call_cost(f->run, fn, args, e->count, ret));
        if (rc == 0)
            rc = fn->fn(&call, args, e->count, ret);
        if (rc == -E_NOMEM)
            return no_memory(f);
        int over = after ? charge(f, cel_call_cost(f->run, fn, args, e->count, ret)) : 0;
        return over < 0 ? over : rc;
    }
    return cel_no_overload(&f->err);
}

static int eval_call(struct frame *f, const struct cel_expr *e, struct cel_value *ret)
{
    struct cel_value few[FEW_ARGS], *args = few;
    if (e->count > FEW_ARGS && !(args = arena_alloc(f->run->arena, e->count * sizeof *args)))
        return no_memory(f);
    for (uint32_t i = 0; i < e->count; i++) {
        int rc = eval(f, e->args[i], false, &args[i]);
        if (rc < 0)
            return rc;
    }
    return call_function(f, e, args, ret);
}

static int eval_special(struct frame *f, const struct cel_expr *e, bool chosen,
                        struct cel_value *ret)
{
    switch ((enum cel_special)e->special) {
    case CALL_AND:
        return eval_logical(f, e, false, ret);
    case CALL_OR:
        return eval_logical(f, e, true, ret);
    case CALL_TERNARY:
        return eval_ternary(f, e, ret);
    case CALL_NOT_FALSE:
        return eval_not_false(f, e, ret);
    case CALL_OPT_SELECT:
        return eval_optional_select(f, e, chosen, ret);
    case CALL_OR_ELSE:
    case CALL_OR_VALUE:
        return eval_or_else(f, e, ret);
    case CALL_APPEND:
        return eval_append(f, e, ret);
    case CALL_INSERT:
        return eval_insert(f, e, ret);
    case CALL_IN_SET:
        return eval_in_set(f, e, ret);
    default:
        return is_index(e) ? eval_index(f, e, chosen, ret) : eval_call(f, e, ret);
    }
}

/* chosen: e is a name or a chain of selections that is not charged for its base. */
static int eval(struct frame *f, const struct cel_expr *e, bool chosen, struct cel_value *ret)
{
    int rc;
    switch ((enum cel_expr_kind)e->kind) {
    case EXPR_LITERAL:
        *ret = e->literal;
        return 0;
    case EXPR_IDENT:
        if (!chosen && (rc = charge(f, 1)) < 0)
            return rc;
        return eval_ident(f, e, ret);
    case EXPR_SELECT:
        return eval_select(f, e, chosen, ret);
    case EXPR_CALL:
        return eval_special(f, e, chosen, ret);
    case EXPR_LIST:
        return eval_list(f, e, ret);
    case EXPR_MAP:
        return eval_map(f, e, ret);
    case EXPR_FOLD:
        return eval_fold(f, e->fold, ret);
    case EXPR_STRUCT:
        break;
    }
    return cel_no_overload(&f->err);
}

int cel_eval(const struct cel_program *p, struct cel_run *run, struct cel_value *ret,
             struct err *err)
{
    struct frame f = {.run = run, .program = p, .limit = run->limit ? run->limit : CEL_LIMIT_CALL};
    run->cost = run->work = 0;
    f.slots = arena_zalloc(run->arena, (p->slots + 1) * sizeof *f.slots);
    if (!f.slots)
        return err_set(err, E_NOMEM, "out of memory");
    struct cel_value v;
    int rc = eval(&f, p->root, false, &v);
    if (rc < 0)
        return err_set(err, -rc, "%s", f.err.text);
    *ret = v;
    return 0;
}
