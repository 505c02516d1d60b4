/*
 * The estimate: a walk over the checked tree that knows how large each part may be. Sizes come from
 * the schema along a path from a variable, from what is written out, and from what calls give.
 */
#include "cel/cost_int.h"

static const struct cel_cost nothing = {0, 0}, one = {1, 1}, unknown = {0, UINT64_MAX};

static struct cel_cost estimate(struct coster *c, const struct cel_expr *e);

static struct cost_note *note_of(struct coster *c, const struct cel_expr *e)
{
    return &c->notes[e->id];
}

/* ---- sizes ---- */

static bool is_scalar(const struct cel_type *t)
{
    switch (t->kind) {
    case CEL_T_BOOL:
    case CEL_T_DOUBLE:
    case CEL_T_DURATION:
    case CEL_T_INT:
    case CEL_T_TIMESTAMP:
    case CEL_T_UINT:
        return true;
    default:
        return false;
    }
}

static bool written_size(const struct coster *c, const struct cel_expr *e, uint64_t *ret)
{
    if (e->kind == EXPR_LITERAL && e->literal.kind == CEL_TYPE)
        *ret = c->root_size; /* a name to upstream, without a field behind it */
    else if (e->kind == EXPR_LIST || e->kind == EXPR_MAP)
        *ret = e->kind == EXPR_MAP ? e->count / 2 : e->count;
    else if (e->kind == EXPR_LITERAL)
        *ret = cel_size(&e->literal);
    else
        return false;
    return true;
}

static bool known_size(struct coster *c, const struct cel_expr *e, struct cel_cost *ret)
{
    const struct cost_note *note = note_of(c, e);
    uint64_t n;
    if (note->has_size) {
        *ret = note->size;
    } else if (written_size(c, e, &n)) {
        *ret = (struct cel_cost){n, n};
    } else if (note->path != PATH_NONE) {
        /* Upstream takes an element of a written list for the root, and so do we. */
        *ret = (struct cel_cost){0, note->path == PATH_SCHEMA ? e->type->max_size : c->root_size};
    } else if (is_scalar(e->type)) {
        *ret = one;
    } else if (e->kind == EXPR_IDENT && e->place == IDENT_LOCAL && c->locals[e->index].has_size) {
        *ret = c->locals[e->index].size;
    } else {
        return false;
    }
    return true;
}

static struct cel_cost size_of(struct coster *c, const struct cel_expr *e)
{
    struct cel_cost size;
    return known_size(c, e, &size) ? size : unknown;
}

/* What is known of the parts of a list or map, or NULL. */
static const struct cost_note *entry_of(struct coster *c, const struct cel_expr *e)
{
    const struct cost_note *note = note_of(c, e);
    if (note->has_entry)
        return note;
    if (e->kind == EXPR_IDENT && e->place == IDENT_LOCAL && c->locals[e->index].has_entry)
        return &c->locals[e->index];
    return NULL;
}

static void set_entry(struct cost_note *to, const struct cost_note *from)
{
    if (!from)
        return;
    to->has_entry = true;
    to->of_list = from->of_list;
    to->key = from->key;
    to->value = from->value;
}

static void set_entry_union(struct cost_note *to, const struct cost_note *a,
                            const struct cost_note *b)
{
    if (!a || !b)
        return;
    struct cel_cost key = cost_union(a->key, b->key), value = cost_union(a->value, b->value);
    set_entry(to, a);
    to->key = key;
    to->value = value;
}

/* ---- names and selections ---- */

static struct cel_cost estimate_ident(struct coster *c, const struct cel_expr *e)
{
    note_of(c, e)->path = e->place == IDENT_LOCAL ? c->locals[e->index].path : PATH_SCHEMA;
    return one;
}

static struct cel_cost estimate_select(struct coster *c, const struct cel_expr *e)
{
    const struct cel_expr *of = e->args[0];
    struct cel_cost cost = estimate(c, of);
    if (e->test_only)
        return cost;
    if (note_of(c, of)->path == PATH_SCHEMA && of->type->kind == CEL_T_OBJECT)
        note_of(c, e)->path = PATH_SCHEMA;
    if (of->type->kind == CEL_T_MAP || of->type->kind == CEL_T_OBJECT)
        cost = cost_add(cost, one);
    return cost;
}

/* ---- what is written out ---- */

static struct cel_cost estimate_list(struct coster *c, const struct cel_expr *e)
{
    static const struct cel_cost made = {10, 10};
    struct cost_note *note = note_of(c, e);
    struct cel_cost cost = made, item = {e->count ? UINT64_MAX : 0, 0};
    for (uint32_t i = 0; i < e->count; i++) {
        cost = cost_add(cost, estimate(c, e->args[i]));
        item = cost_union(item, size_of(c, e->args[i]));
    }
    note->has_entry = note->of_list = true;
    note->key = one;
    note->value = item;
    return cost;
}

static struct cel_cost estimate_map(struct coster *c, const struct cel_expr *e)
{
    static const struct cel_cost made = {30, 30};
    struct cost_note *note = note_of(c, e);
    struct cel_cost cost = made,
                    sizes[2] = {{e->count ? UINT64_MAX : 0, 0}, {e->count ? UINT64_MAX : 0, 0}};
    for (uint32_t i = 0; i < e->count; i++) {
        cost = cost_add(cost, estimate(c, e->args[i]));
        sizes[i % 2] = cost_union(sizes[i % 2], size_of(c, e->args[i]));
    }
    note->has_entry = true;
    note->key = sizes[0];
    note->value = sizes[1];
    return cost;
}

/* ---- comprehensions ---- */

static struct cost_note iterated(struct coster *c, const struct cel_expr *range, bool key,
                                 bool list)
{
    const struct cost_note *entry = entry_of(c, range);
    struct cost_note local = {.has_size = entry != NULL};
    /* Keys and indices have a path without a size of their own in the schema. */
    local.path = note_of(c, range)->path == PATH_NONE ? PATH_LITERAL
                 : key && list                        ? PATH_NONE
                                                      : note_of(c, range)->path;
    if (entry)
        local.size = key ? entry->key : entry->value;
    return local;
}

static void set_iterated(struct coster *c, const struct cel_fold *f)
{
    const struct cost_note *entry = entry_of(c, f->range);
    bool list = entry ? entry->of_list : f->range->type->kind == CEL_T_LIST;
    c->locals[f->slot] = iterated(c, f->range, f->iter2.p || !list, list);
    c->locals[f->slot + 1] = iterated(c, f->range, false, list);
}

/* A fold over nothing that gives a name to a value. */
static bool is_bind(const struct cel_fold *f)
{
    return f->range->kind == EXPR_LIST && f->range->count == 0 &&
           f->condition->kind == EXPR_LITERAL && !f->condition->literal.boolean;
}

static void copy_sizes(struct coster *c, struct cost_note *to, const struct cel_expr *from)
{
    to->has_size = known_size(c, from, &to->size);
    set_entry(to, entry_of(c, from));
}

static struct cel_cost estimate_fold(struct coster *c, const struct cel_expr *e)
{
    const struct cel_fold *f = e->fold;
    struct cost_note *note = note_of(c, e), *accu = &c->locals[f->slot + 2];
    struct cel_cost cost = cost_add(estimate(c, f->range), estimate(c, f->init));
    *accu = (struct cost_note){.path = note_of(c, f->init)->path};
    copy_sizes(c, accu, f->init);
    if (is_bind(f)) {
        cost = cost_add(cost, estimate(c, f->result));
        copy_sizes(c, note, f->result);
        return cost;
    }
    set_iterated(c, f);
    struct cel_cost turn = estimate(c, f->condition);
    turn = cost_add(turn, estimate(c, f->step));
    cost = cost_add(cost, estimate(c, f->result));
    struct cel_cost count = size_of(c, f->range);
    if (f->init->kind == EXPR_LITERAL) {
        note->has_size = known_size(c, f->init, &note->size);
    } else if (f->init->kind == EXPR_LIST || f->init->kind == EXPR_MAP) {
        note->has_size = true;
        note->size = count;
        set_entry(note, entry_of(c, f->step));
    }
    return cost_add(cost, cost_times(count, turn));
}

/* ---- calls ---- */

static struct cel_cost estimate_special(struct coster *c, const struct cel_expr *e,
                                        const struct cel_cost *costs)
{
    struct cost_note *note = note_of(c, e);
    if (e->special == CALL_TERNARY) {
        note->has_size = true;
        note->size = cost_union(size_of(c, e->args[1]), size_of(c, e->args[2]));
        set_entry_union(note, entry_of(c, e->args[1]), entry_of(c, e->args[2]));
        return cost_add(costs[0], cost_union(costs[1], costs[2]));
    }
    /* && and || may end with their first side. */
    return (struct cel_cost){costs[0].min, cost_add(costs[0], costs[1]).max};
}

static void index_path(struct coster *c, const struct cel_expr *e)
{
    const struct cel_expr *of = e->args[0];
    const struct cost_note *entry = entry_of(c, of);
    struct cost_note *note = note_of(c, e);
    if (entry) {
        note->has_size = true;
        note->size = entry->value;
    }
    note->path = note_of(c, of)->path == PATH_NONE ? PATH_LITERAL : note_of(c, of)->path;
}

static void add_entries(struct coster *c, const struct cel_expr *e, const struct cel_function *f)
{
    if (str_is(e->name, "_+_") && (f->signature[0] == 'L' || f->cost == COST_SUM))
        set_entry_union(note_of(c, e), entry_of(c, e->args[0]), entry_of(c, e->args[1]));
}

/* Of all overloads that may be meant. */
static struct cel_cost estimate_overloads(struct coster *c, const struct cel_expr *e)
{
    struct cost_call call = {.expr = e, .element = unknown};
    struct cost_note *note = note_of(c, e);
    struct cel_cost cost = {UINT64_MAX, 0}, size;
    bool sized;
    for (uint32_t i = 0; i < e->count; i++)
        call.sizes[i] = size_of(c, e->args[i]);
    const struct cel_type *t = e->count > 0 ? e->args[0]->type : NULL;
    if (t && t->kind == CEL_T_LIST && note_of(c, e->args[0])->path == PATH_SCHEMA)
        call.element.max = t->element->max_size;
    for (uint32_t i = 0; i < e->overload_count; i++) {
        call.function = e->overloads[i];
        cost = cost_union(cost, cost_of_call(&call, &size, &sized));
        if (sized)
            note->size = note->has_size ? cost_union(note->size, size) : size;
        note->has_size = note->has_size || sized;
        add_entries(c, e, call.function);
    }
    if (str_is(e->name, "_[_]") && t && (t->kind == CEL_T_LIST || t->kind == CEL_T_MAP))
        index_path(c, e);
    return cost;
}

static struct cel_cost estimate_call(struct coster *c, const struct cel_expr *e)
{
    struct cel_cost costs[CEL_ARGS], sum = nothing;
    for (uint32_t i = 0; i < e->count; i++) {
        costs[i] = estimate(c, e->args[i]);
        sum = cost_add(sum, costs[i]);
    }
    if (e->special == CALL_TERNARY || e->special == CALL_AND || e->special == CALL_OR)
        return estimate_special(c, e, costs);
    if (e->special == CALL_OPT_SELECT)
        return cost_add(sum, one);
    if (str_is(e->name, "dyn")) {
        copy_sizes(c, note_of(c, e), e->args[0]);
        return cost_add(sum, one);
    }
    return cost_add(sum, estimate_overloads(c, e));
}

static struct cel_cost estimate(struct coster *c, const struct cel_expr *e)
{
    switch ((enum cel_expr_kind)e->kind) {
    case EXPR_LITERAL:
        return e->literal.kind == CEL_TYPE ? one : nothing;
    case EXPR_IDENT:
        return estimate_ident(c, e);
    case EXPR_SELECT:
        return estimate_select(c, e);
    case EXPR_CALL:
        return estimate_call(c, e);
    case EXPR_LIST:
        return estimate_list(c, e);
    case EXPR_MAP:
        return estimate_map(c, e);
    case EXPR_FOLD:
        return estimate_fold(c, e);
    case EXPR_STRUCT:
        break;
    }
    return nothing;
}

int cel_estimate(struct cel_program *p, const struct cel_env *env, uint32_t nodes)
{
    CLEANUP_FREE struct cost_note *notes = mem_calloc(nodes + 1, sizeof *notes);
    CLEANUP_FREE struct cost_note *locals = mem_calloc(p->slots + 1, sizeof *locals);
    struct coster c = {.notes = notes, .locals = locals};
    if (env->variable_count > 0)
        c.root_size = env->variables[0].type->max_size;
    if (!notes || !locals)
        return -E_NOMEM;
    struct cel_cost cost = estimate(&c, p->root);
    p->cost_min = cost.min;
    p->cost_max = cost.max;
    return 0;
}

struct cel_cost cel_program_cost(const struct cel_program *p)
{
    return (struct cel_cost){p->cost_min, p->cost_max};
}

uint64_t cel_cost_times(uint64_t times, uint64_t max_size)
{
    uint64_t v;
    return __builtin_mul_overflow(times, max_size, &v) ? UINT64_MAX : v;
}

void cel_cost_complain(struct buf *out, const char *what, uint64_t cost, uint64_t limit)
{
    double times = (double)cost / (double)limit;
    if (cost <= limit)
        return;
    buf_printf(out, "%s exceeds budget by factor of ", what);
    if (times > 100.0)
        buf_puts(out, "more than 100x");
    else
        buf_printf(out, times < 1.5 ? "%fx" : "%.1fx", times);
    buf_puts(out, " (try simplifying the rule, or adding maxItems, maxProperties, and maxLength "
                  "where arrays, maps, and strings are declared)");
}
