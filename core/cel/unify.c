/*
 * Whether one type may stand for another, with free types that take the shape they meet. Follows
 * cel-go's checker/types.go, since which expressions are accepted is part of the API. Bindings are
 * a chain, so that an attempt that fails is undone.
 */
#include "cel/cel_int.h"

enum { MAX_STEPS = 2000000 };

/* Types may share parts, so a walk can be much longer than the expression. False: give up. */
static bool step(struct cel_checker *c)
{
    if (c->steps == MAX_STEPS)
        cel_report_add(c->report, 0, "types of the expression are too complex");
    return c->steps++ < MAX_STEPS;
}

static struct cel_type_param *param(const struct cel_type *t)
{
    return (struct cel_type_param *)(uintptr_t)t;
}

const struct cel_type *cel_param_new(struct cel_checker *c)
{
    struct cel_type_param *p = arena_zalloc(c->arena, sizeof *p);
    if (!p) {
        c->oom = true;
        return &cel_dyn;
    }
    p->type = (struct cel_type){.kind = CEL_T_PARAM, .open = true};
    return &p->type;
}

static void bind(struct cel_checker *c, const struct cel_type *t, const struct cel_type *to)
{
    /* The undo records are apart from the parameters: one may be bound more than once. */
    struct cel_type_param *p = param(t), *record = arena_zalloc(c->arena, sizeof *record);
    if (!record) {
        c->oom = true;
        return;
    }
    record->type.element = t;
    record->before = p->bound;
    record->undo = c->bound;
    c->bound = record;
    p->bound = to;
}

static void undo_to(struct cel_checker *c, struct cel_type_param *mark)
{
    for (; c->bound != mark; c->bound = c->bound->undo)
        param(c->bound->type.element)->bound = c->bound->before;
}

bool cel_type_same(const struct cel_type *a, const struct cel_type *b)
{
    if (a == b)
        return true;
    if (a->kind != b->kind)
        return false;
    switch (a->kind) {
    case CEL_T_PARAM:
        return false;
    case CEL_T_OBJECT:
        return a->name && b->name && cstr_eq(a->name, b->name);
    case CEL_T_OPAQUE:
        return cstr_eq(a->name, b->name);
    case CEL_T_MAP:
        return cel_type_same(a->key, b->key) && cel_type_same(a->element, b->element);
    case CEL_T_LIST:
    case CEL_T_OPTIONAL:
        return cel_type_same(a->element, b->element);
    default:
        return true;
    }
}

static bool less_specific(const struct cel_type *a, const struct cel_type *b)
{
    if (a == b || a->kind == CEL_T_DYN || a->kind == CEL_T_PARAM)
        return true;
    if (b->kind == CEL_T_DYN || b->kind == CEL_T_PARAM || a->kind != b->kind)
        return false;
    switch (a->kind) {
    case CEL_T_MAP:
        return less_specific(a->key, b->key) && less_specific(a->element, b->element);
    case CEL_T_LIST:
    case CEL_T_OPTIONAL:
        return less_specific(a->element, b->element);
    default:
        return cel_type_same(a, b);
    }
}

const struct cel_type *cel_general(const struct cel_type *a, const struct cel_type *b)
{
    return less_specific(a, b) ? a : b;
}

/* The occurs check: whether t is no part of within. */
static bool absent_from(struct cel_checker *c, const struct cel_type *t,
                        const struct cel_type *within)
{
    if (t == within || !step(c))
        return false;
    if (!within->open)
        return true;
    if (within->kind == CEL_T_PARAM)
        return !param(within)->bound || absent_from(c, t, param(within)->bound);
    return (!within->key || absent_from(c, t, within->key)) &&
           (!within->element || absent_from(c, t, within->element));
}

static bool assignable(struct cel_checker *c, const struct cel_type *from,
                       const struct cel_type *to);

/* Whether the parameter p may stand for t; *ret_bound: it stood for something already. */
static bool fits_param(struct cel_checker *c, const struct cel_type *t, const struct cel_type *p,
                       bool *ret_bound)
{
    const struct cel_type *bound = param(p)->bound;
    *ret_bound = true;
    if (t == p)
        return true;
    if (bound) {
        if (t == bound || (!t->open && !bound->open && cel_type_same(t, bound)))
            return true;
        if (!assignable(c, t, bound))
            return false;
        const struct cel_type *general = cel_general(t, bound);
        if (absent_from(c, p, general))
            bind(c, p, general);
        return true;
    }
    *ret_bound = false;
    if (!absent_from(c, p, t))
        return false;
    bind(c, p, t);
    return true;
}

static bool nullable(const struct cel_type *t)
{
    switch (t->kind) {
    case CEL_T_NULL:
    case CEL_T_OPAQUE:
    case CEL_T_OPTIONAL:
    case CEL_T_OBJECT:
    case CEL_T_TIMESTAMP:
    case CEL_T_DURATION:
        return true;
    default:
        return false;
    }
}

static bool assignable(struct cel_checker *c, const struct cel_type *from,
                       const struct cel_type *to)
{
    bool bound;
    if (!step(c))
        return false;
    if (to->kind == CEL_T_PARAM) {
        if (fits_param(c, from, to, &bound))
            return true;
        if (bound)
            return false;
    }
    if (from->kind == CEL_T_PARAM)
        return fits_param(c, to, from, &bound);
    if (from->kind == CEL_T_DYN || from->kind == CEL_T_ERROR || to->kind == CEL_T_DYN ||
        to->kind == CEL_T_ERROR)
        return true;
    if (from->kind == CEL_T_NULL)
        return nullable(to);
    if (to->kind == CEL_T_NULL)
        return nullable(from);
    if (from->kind != to->kind)
        return false;
    switch (from->kind) {
    case CEL_T_MAP:
        return assignable(c, from->key, to->key) && assignable(c, from->element, to->element);
    case CEL_T_LIST:
    case CEL_T_OPTIONAL:
        return assignable(c, from->element, to->element);
    case CEL_T_TYPE:
        return true;
    default:
        return cel_type_same(from, to);
    }
}

bool cel_assignable(struct cel_checker *c, const struct cel_type *from, const struct cel_type *to)
{
    return cel_assignable_list(c, &from, &to, 1);
}

bool cel_assignable_list(struct cel_checker *c, const struct cel_type *const *from,
                         const struct cel_type *const *to, unsigned count)
{
    struct cel_type_param *mark = c->bound;
    for (unsigned i = 0; i < count; i++)
        if (!assignable(c, from[i], to[i])) {
            undo_to(c, mark);
            return false;
        }
    return true;
}

const struct cel_type *cel_substitute(struct cel_checker *c, const struct cel_type *t, bool to_dyn)
{
    if (!t->open)
        return t;
    if (!step(c))
        return &cel_dyn;
    if (t->kind == CEL_T_PARAM) {
        if (param(t)->bound)
            return cel_substitute(c, param(t)->bound, to_dyn);
        return to_dyn ? &cel_dyn : t;
    }
    const struct cel_type *key = t->key ? cel_substitute(c, t->key, to_dyn) : NULL;
    const struct cel_type *element = t->element ? cel_substitute(c, t->element, to_dyn) : NULL;
    if (key == t->key && element == t->element)
        return t;
    const struct cel_type *made = cel_type_new(c->arena, t->kind, key, element);
    if (!made)
        c->oom = true;
    return made ? made : &cel_dyn;
}

/* ---- signatures ---- */

struct letters {
    const struct cel_type *params[2]; /* of A and B */
    const char *at;
};

static const struct cel_type *plain_letter(char letter)
{
    switch (letter) {
    case 'b':
        return &cel_bool;
    case 'i':
        return &cel_int;
    case 'u':
        return &cel_uint;
    case 'd':
        return &cel_double;
    case 's':
        return &cel_string;
    case 'y':
        return &cel_bytes;
    case 't':
        return &cel_timestamp;
    case 'r':
        return &cel_duration;
    case 'n':
        return &cel_null;
    case 'T':
        return &cel_type_type;
    default:
        return NULL;
    }
}

static const struct cel_type *library_letter(char letter)
{
    switch (letter) {
    case 'w':
        return &cel_type_url;
    case 'p':
        return &cel_type_ip;
    case 'c':
        return &cel_type_cidr;
    case 'q':
        return &cel_type_quantity;
    case 'v':
        return &cel_type_semver;
    case 'f':
        return &cel_type_format;
    case 'a':
        return &cel_authorizer;
    case 'P':
        return &cel_type_path_check;
    case 'G':
        return &cel_type_group_check;
    case 'R':
        return &cel_resource_check;
    case 'D':
        return &cel_type_decision;
    default:
        return &cel_dyn;
    }
}

static const struct cel_type *read_letter(struct cel_checker *c, struct letters *l)
{
    char letter = *l->at++;
    const struct cel_type *t = plain_letter(letter), *key = NULL;
    if (t)
        return t;
    if (letter == 'A' || letter == 'B') {
        if (!l->params[letter - 'A'])
            l->params[letter - 'A'] = cel_param_new(c);
        return l->params[letter - 'A'];
    }
    if (letter != 'L' && letter != 'O' && letter != 'M')
        return library_letter(letter);
    if (letter == 'M')
        key = read_letter(c, l);
    t = cel_type_new(c->arena,
                     letter == 'M'   ? CEL_T_MAP
                     : letter == 'L' ? CEL_T_LIST
                                     : CEL_T_OPTIONAL,
                     key, read_letter(c, l));
    if (!t)
        c->oom = true;
    return t ? t : &cel_dyn;
}

bool cel_signature(struct cel_checker *c, const struct cel_function *f,
                   const struct cel_type *args[CEL_ARGS], unsigned *ret_count,
                   const struct cel_type **ret_result)
{
    struct letters l = {.at = f->signature};
    unsigned count = 0;
    while (*l.at != '>')
        args[count++] = read_letter(c, &l);
    l.at++;
    *ret_result = read_letter(c, &l);
    *ret_count = count;
    return !c->oom;
}
