/*
 * The checker: gives each part of the tree a type, finds what names and calls mean, and so makes
 * the tree a program. Follows cel-go's checker/checker.go in what is accepted and how it is said.
 */
#include "cel/cel_int.h"

static const struct cel_type *type_of(struct cel_checker *c, const struct cel_expr *e)
{
    return cel_substitute(c, e->type, false);
}

static void write_type(struct cel_checker *c, struct buf *out, const struct cel_type *t)
{
    cel_type_write(out, cel_substitute(c, t, true));
}

static void mismatch(struct cel_checker *c, const struct cel_expr *e, const struct cel_type *want,
                     const struct cel_type *found)
{
    CLEANUP_BUF struct buf a, b;
    buf_init(&a, 1000);
    buf_init(&b, 1000);
    write_type(c, &a, want);
    write_type(c, &b, found);
    cel_report_add(c->report, e->at, "expected type '%s' but found '%s'", buf_cstr(&a),
                   buf_cstr(&b));
}

static void undeclared(struct cel_checker *c, struct cel_expr *e, struct str name)
{
    cel_report_add(c->report, e->at, "undeclared reference to '" STR_FMT "' (in container '')",
                   STR_ARG(name));
    e->type = &cel_error_type;
}

/* ---- names ---- */

static bool find_local(struct cel_checker *c, struct cel_expr *e)
{
    for (const struct cel_scope *s = c->scope; s; s = s->outer) {
        if (!str_eq(s->name, e->name))
            continue;
        e->place = IDENT_LOCAL;
        e->index = s->slot;
        e->type = s->type;
        return true;
    }
    return false;
}

/* A variable of the env by its full name, which may hold dots. */
static bool find_variable(struct cel_checker *c, struct cel_expr *e, struct str name)
{
    for (size_t i = 0; i < c->env->variable_count; i++) {
        const struct cel_variable *v = &c->env->variables[i];
        if (!str_is(name, v->name))
            continue;
        e->kind = EXPR_IDENT;
        e->place = IDENT_VARIABLE;
        e->index = (uint32_t)i;
        e->type = v->type;
        e->count = 0;
        c->program->uses[i / 64] |= (uint64_t)1 << i % 64;
        return true;
    }
    return false;
}

static bool find_type(struct cel_checker *c, struct cel_expr *e, struct str name)
{
    const struct cel_type *t = cel_type_of_name(name);
    const struct cel_type *made = t ? cel_type_new(c->arena, CEL_T_TYPE, NULL, t) : NULL;
    if (!t)
        return false;
    if (!made)
        c->oom = true;
    e->kind = EXPR_LITERAL;
    e->literal = (struct cel_value){.kind = CEL_TYPE, .named = t};
    e->type = made ? made : &cel_type_type;
    e->count = 0;
    return true;
}

static void check_ident(struct cel_checker *c, struct cel_expr *e)
{
    if (!e->absolute && find_local(c, e))
        return;
    if (find_variable(c, e, e->name) || find_type(c, e, e->name))
        return;
    undeclared(c, e, e->name);
}

/* Writes a.b.c; false when e is something else. *ret_root: its first name. */
static bool qualified(const struct cel_expr *e, struct buf *out, const struct cel_expr **ret_root)
{
    if (e->kind == EXPR_IDENT) {
        *ret_root = e;
    } else if (e->kind == EXPR_SELECT && !e->test_only && qualified(e->args[0], out, ret_root)) {
        buf_putc(out, '.');
    } else {
        return false;
    }
    buf_append_str(out, e->name);
    return true;
}

static bool is_local(const struct cel_checker *c, const struct cel_expr *ident)
{
    for (const struct cel_scope *s = c->scope; s && !ident->absolute; s = s->outer)
        if (str_eq(s->name, ident->name))
            return true;
    return false;
}

/* ---- selections ---- */

static const struct cel_type *field_type(struct cel_checker *c, struct cel_expr *e,
                                         const struct cel_type *object, struct str name)
{
    const struct cel_field *f = cel_type_field(object, name);
    if (f)
        return f->type;
    cel_report_add(c->report, e->at, "undefined field '" STR_FMT "'", STR_ARG(name));
    return &cel_error_type;
}

/* The type of operand.name, an optional when the operand is one or when asked for. */
static const struct cel_type *select_type(struct cel_checker *c, struct cel_expr *e,
                                          struct cel_expr *operand, struct str name, bool optional)
{
    cel_check(c, operand);
    const struct cel_type *t = type_of(c, operand), *result = &cel_dyn;
    if (t->kind == CEL_T_OPTIONAL) {
        optional = true;
        t = t->element;
    }
    switch (t->kind) {
    case CEL_T_MAP:
        result = t->element;
        break;
    case CEL_T_OBJECT:
        result = field_type(c, e, t, name);
        break;
    case CEL_T_PARAM:
        (void)cel_assignable(c, &cel_dyn, t);
        break;
    case CEL_T_DYN:
    case CEL_T_ERROR:
        break;
    default: {
        CLEANUP_BUF struct buf b;
        buf_init(&b, 1000);
        write_type(c, &b, t);
        cel_report_add(c->report, e->at, "type '%s' does not support field selection",
                       buf_cstr(&b));
    }
    }
    if (!optional)
        return result;
    t = cel_type_new(c->arena, CEL_T_OPTIONAL, NULL, result);
    if (!t)
        c->oom = true;
    return t ? t : &cel_dyn;
}

/* A name with dots may be a variable (`authorizer.requestResource`) or a type. */
static bool check_qualified(struct cel_checker *c, struct cel_expr *e)
{
    const struct cel_expr *root = NULL;
    bool found = false;
    CLEANUP_BUF struct buf name;
    buf_init(&name, 2 * CEL_SOURCE_BYTES);
    if (qualified(e, &name, &root) && !is_local(c, root))
        found = find_variable(c, e, buf_str(&name)) || find_type(c, e, buf_str(&name));
    c->oom = c->oom || name.failed;
    return found;
}

static void check_select(struct cel_checker *c, struct cel_expr *e)
{
    if (!e->test_only && check_qualified(c, e))
        return;
    const struct cel_type *t = select_type(c, e, e->args[0], e->name, false);
    e->type = e->test_only ? &cel_bool : cel_substitute(c, t, false);
}

static void check_optional_select(struct cel_checker *c, struct cel_expr *e)
{
    e->special = CALL_OPT_SELECT;
    e->args[1]->type = &cel_string;
    e->type =
        cel_substitute(c, select_type(c, e, e->args[0], e->args[1]->literal.string, true), false);
}

/* ---- calls ---- */

static void no_overload(struct cel_checker *c, struct cel_expr *e,
                        const struct cel_type *const *args)
{
    CLEANUP_BUF struct buf b;
    buf_init(&b, 1000);
    if (e->member) {
        write_type(c, &b, args[0]);
        buf_putc(&b, '.');
    }
    buf_putc(&b, '(');
    for (uint32_t i = e->member; i < e->count; i++) {
        buf_puts(&b, i > e->member ? ", " : "");
        write_type(c, &b, args[i]);
    }
    buf_putc(&b, ')');
    cel_report_add(c->report, e->at, "found no matching overload for '" STR_FMT "' applied to '%s'",
                   STR_ARG(e->name), buf_cstr(&b));
    e->type = &cel_error_type;
}

enum { MAX_CANDIDATES = 32 };

/* Adds the overload when it may take the arguments. */
static void try_overload(struct cel_checker *c, const struct cel_expr *e,
                         const struct cel_type *const *args, const struct cel_function *f,
                         const struct cel_function **found, uint32_t *count,
                         const struct cel_type **result)
{
    const struct cel_type *params[CEL_ARGS], *t;
    unsigned param_count;
    if (f->member != e->member || !cel_signature(c, f, params, &param_count, &t) ||
        param_count != e->count || *count == MAX_CANDIDATES ||
        !cel_assignable_list(c, args, params, param_count))
        return;
    t = cel_substitute(c, t, false);
    if (!*result)
        *result = t;
    else if ((*result)->kind != CEL_T_DYN && !cel_type_same(*result, t))
        *result = &cel_dyn;
    found[(*count)++] = f;
}

static void resolve(struct cel_checker *c, struct cel_expr *e)
{
    const struct cel_type *args[CEL_ARGS], *result = NULL;
    const struct cel_function *found[MAX_CANDIDATES];
    uint32_t count = 0;
    for (uint32_t i = 0; i < e->count && i < CEL_ARGS; i++)
        args[i] = e->args[i]->type;
    for (const struct cel_function *const *table = cel_function_tables; *table; table++)
        for (const struct cel_function *f = *table; f->name; f++)
            if (str_is(e->name, f->name))
                try_overload(c, e, args, f, found, &count, &result);
    if (count == 0) {
        no_overload(c, e, args);
        return;
    }
    const struct cel_function **kept = arena_alloc(c->arena, count * sizeof *kept);
    if (!kept) {
        c->oom = true;
        return;
    }
    memcpy(kept, found, count * sizeof *kept);
    e->overloads = kept;
    e->overload_count = count;
    e->type = result;
}

static void check_logical(struct cel_checker *c, struct cel_expr *e)
{
    e->type = &cel_bool;
    for (uint32_t i = 0; i < e->count; i++)
        if (!cel_assignable(c, e->args[i]->type, &cel_bool)) {
            mismatch(c, e->args[i], &cel_bool, e->args[i]->type);
            e->type = &cel_error_type;
        }
}

static void set_special(struct cel_expr *e)
{
    static const struct {
        const char *name;
        enum cel_special special;
    } specials[] = {{"_&&_", CALL_AND},      {"_||_", CALL_OR},
                    {"_?_:_", CALL_TERNARY}, {"@not_strictly_false", CALL_NOT_FALSE},
                    {"or", CALL_OR_ELSE},    {"orValue", CALL_OR_VALUE}};
    for (size_t i = 0; i < sizeof specials / sizeof *specials; i++)
        if (str_is(e->name, specials[i].name))
            e->special = specials[i].special;
}

/* a.b.c(): c of a.b, or the function "a.b.c". */
static bool check_namespaced(struct cel_checker *c, struct cel_expr *e)
{
    const struct cel_expr *root;
    CLEANUP_BUF struct buf name;
    buf_init(&name, 2 * CEL_SOURCE_BYTES);
    if (!qualified(e->args[0], &name, &root) || is_local(c, root))
        return false;
    buf_putc(&name, '.');
    buf_append_str(&name, e->name);
    c->oom = c->oom || name.failed;
    if (name.failed || !cel_function_exists(buf_str(&name)))
        return false;
    e->name = arena_str(c->arena, buf_str(&name));
    if (!e->name.p) {
        c->oom = true;
        e->name = STR("");
    }
    e->member = false;
    e->args++;
    e->count--;
    return true;
}

static void check_call(struct cel_checker *c, struct cel_expr *e)
{
    if (str_is(e->name, "_?._")) {
        check_optional_select(c, e);
        return;
    }
    if (e->member)
        (void)check_namespaced(c, e);
    for (uint32_t i = 0; i < e->count; i++)
        cel_check(c, e->args[i]);
    if (!cel_function_exists(e->name)) {
        undeclared(c, e, e->name);
        return;
    }
    if (e->special == CALL_FUNCTION)
        set_special(e);
    if (e->special == CALL_AND || e->special == CALL_OR)
        check_logical(c, e);
    else
        resolve(c, e);
}

/* ---- aggregates ---- */

static const struct cel_type *join(struct cel_checker *c, const struct cel_expr *e,
                                   const struct cel_type *previous, const struct cel_type *next)
{
    if (!previous)
        return next;
    if (cel_assignable(c, previous, next))
        return cel_general(previous, next);
    mismatch(c, e, previous, next);
    return &cel_error_type;
}

/* What an element or entry written with `?` puts in. */
static const struct cel_type *part_type(struct cel_checker *c, const struct cel_expr *e)
{
    const struct cel_type *t = e->type;
    if (!e->optional)
        return t;
    t = cel_substitute(c, t, false);
    if (t->kind == CEL_T_OPTIONAL)
        return t->element;
    if (t->kind != CEL_T_DYN) {
        const struct cel_type want = {.kind = CEL_T_OPTIONAL, .element = t};
        mismatch(c, e, &want, t);
    }
    return t;
}

static void set_made(struct cel_checker *c, struct cel_expr *e, enum cel_type_kind kind,
                     const struct cel_type *key, const struct cel_type *element)
{
    e->type = cel_type_new(c->arena, kind, key, element);
    if (!e->type) {
        c->oom = true;
        e->type = &cel_dyn;
    }
}

static void check_list(struct cel_checker *c, struct cel_expr *e)
{
    const struct cel_type *element = NULL;
    for (uint32_t i = 0; i < e->count; i++) {
        cel_check(c, e->args[i]);
        element = join(c, e->args[i], element, part_type(c, e->args[i]));
    }
    set_made(c, e, CEL_T_LIST, NULL, element ? element : cel_param_new(c));
}

static void check_map(struct cel_checker *c, struct cel_expr *e)
{
    const struct cel_type *key = NULL, *value = NULL;
    for (uint32_t i = 0; i + 1 < e->count; i += 2) {
        cel_check(c, e->args[i]);
        key = join(c, e->args[i], key, e->args[i]->type);
        cel_check(c, e->args[i + 1]);
        value = join(c, e->args[i + 1], value, part_type(c, e->args[i + 1]));
    }
    set_made(c, e, CEL_T_MAP, key ? key : cel_param_new(c), value ? value : cel_param_new(c));
}

/* No type that can be made by its name exists: schemas describe what comes in. */
static void check_struct(struct cel_checker *c, struct cel_expr *e)
{
    const struct cel_type *t = cel_type_of_name(e->name);
    if (!t)
        undeclared(c, e, e->name);
    else
        cel_report_add(c->report, e->at, "'%s' is not a message type", cel_type_name(t));
    e->type = &cel_error_type;
}

/* ---- comprehensions ---- */

static void range_types(struct cel_checker *c, const struct cel_fold *f,
                        const struct cel_type **first, const struct cel_type **second)
{
    const struct cel_type *t = type_of(c, f->range);
    *first = *second = &cel_dyn;
    switch (t->kind) {
    case CEL_T_LIST:
        *first = f->iter2.p ? &cel_int : t->element;
        *second = t->element;
        break;
    case CEL_T_MAP:
        *first = t->key;
        *second = t->element;
        break;
    case CEL_T_PARAM:
        (void)cel_assignable(c, &cel_dyn, t);
        break;
    case CEL_T_DYN:
    case CEL_T_ERROR:
        break;
    default: {
        CLEANUP_BUF struct buf b;
        buf_init(&b, 1000);
        write_type(c, &b, t);
        cel_report_add(c->report, f->range->at,
                       "expression of type '%s' cannot be range of a comprehension (must be list, "
                       "map, or dynamic)",
                       buf_cstr(&b));
        *first = *second = &cel_error_type;
    }
    }
}

static void assert_type(struct cel_checker *c, const struct cel_expr *e, const struct cel_type *t)
{
    if (!cel_assignable(c, t, e->type))
        mismatch(c, e, t, e->type);
}

static void check_fold(struct cel_checker *c, struct cel_expr *e)
{
    struct cel_fold *f = e->fold;
    const struct cel_type *first, *second;
    cel_check(c, f->range);
    cel_check(c, f->init);
    range_types(c, f, &first, &second);
    f->slot = c->slots;
    c->slots += 3;
    struct cel_scope accu = {f->accu, f->init->type, f->slot + 2, c->scope};
    struct cel_scope iter = {f->iter, first, f->slot, &accu};
    struct cel_scope iter2 = {f->iter2, second, f->slot + 1, &iter};
    c->scope = f->iter2.p ? &iter2 : &iter;
    cel_check(c, f->condition);
    assert_type(c, f->condition, &cel_bool);
    cel_check(c, f->step);
    assert_type(c, f->step, f->init->type);
    c->scope = &accu;
    cel_check(c, f->result);
    c->scope = accu.outer;
    e->type = type_of(c, f->result);
}

static const struct cel_type *literal_type(const struct cel_value *v)
{
    switch (v->kind) {
    case CEL_BOOL:
        return &cel_bool;
    case CEL_INT:
        return &cel_int;
    case CEL_UINT:
        return &cel_uint;
    case CEL_DOUBLE:
        return &cel_double;
    case CEL_STRING:
        return &cel_string;
    case CEL_BYTES:
        return &cel_bytes;
    default:
        return &cel_null;
    }
}

void cel_check(struct cel_checker *c, struct cel_expr *e)
{
    e->type = &cel_dyn;
    switch ((enum cel_expr_kind)e->kind) {
    case EXPR_LITERAL:
        e->type = literal_type(&e->literal);
        break;
    case EXPR_IDENT:
        check_ident(c, e);
        break;
    case EXPR_SELECT:
        check_select(c, e);
        break;
    case EXPR_CALL:
        check_call(c, e);
        break;
    case EXPR_LIST:
        check_list(c, e);
        break;
    case EXPR_MAP:
        check_map(c, e);
        break;
    case EXPR_STRUCT:
        check_struct(c, e);
        break;
    case EXPR_FOLD:
        check_fold(c, e);
        break;
    }
}
