/* What calls may cost, and how large what they give may be, from the sizes of their arguments. */
#include <math.h>

#include "cel/cost_int.h"

static uint64_t add(uint64_t a, uint64_t b)
{
    uint64_t v;
    return __builtin_add_overflow(a, b, &v) ? UINT64_MAX : v;
}

static uint64_t times(uint64_t a, uint64_t b)
{
    uint64_t v;
    return __builtin_mul_overflow(a, b, &v) ? UINT64_MAX : v;
}

static uint64_t factor(uint64_t a, double by)
{
    double v = ceil((double)a * by);
    return v >= 0x1p64 ? UINT64_MAX : (uint64_t)v;
}

struct cel_cost cost_add(struct cel_cost a, struct cel_cost b)
{
    return (struct cel_cost){add(a.min, b.min), add(a.max, b.max)};
}

struct cel_cost cost_times(struct cel_cost a, struct cel_cost b)
{
    return (struct cel_cost){times(a.min, b.min), times(a.max, b.max)};
}

struct cel_cost cost_union(struct cel_cost a, struct cel_cost b)
{
    return (struct cel_cost){a.min < b.min ? a.min : b.min, a.max > b.max ? a.max : b.max};
}

struct cel_cost cost_factor(struct cel_cost a, double by)
{
    return (struct cel_cost){factor(a.min, by), factor(a.max, by)};
}

static const struct cel_cost one = {1, 1};

static bool called(const struct cost_call *c, const char *name)
{
    return str_is(c->expr->name, name);
}

/* ---- sizes of results ---- */

/* How often `old` may be in a text, at most (or at least: with the bounds swapped). */
static struct cel_cost replaced_size(struct cel_cost s, struct cel_cost old, struct cel_cost new)
{
    struct cel_cost n = {0, 0}, kept = {0, 0};
    if (old.min == 0) {
        n.max = add(s.max, 1);
        kept.max = s.max;
    } else if (new.max <= old.min) {
        kept.max = s.max;
    } else {
        n.max = factor(s.max, 1.0 / (double)old.min);
    }
    if (old.max == 0) {
        n.min = add(s.min, 1);
        kept.min = s.min;
    } else if (old.max <= new.min) {
        kept.min = s.min;
    } else {
        n.min = factor(s.min, 1.0 / (double)old.max);
    }
    return cost_add(cost_times(n, new), kept);
}

static struct cel_cost joined_size(const struct cost_call *c)
{
    struct cel_cost list = c->sizes[0], size = cost_times(list, c->element);
    struct cel_cost separators = {list.min ? list.min - 1 : 0, list.max ? list.max - 1 : 0};
    return c->expr->count > 1 ? cost_add(size, cost_times(c->sizes[1], separators)) : size;
}

static struct cel_cost split_size(const struct cost_call *c)
{
    struct cel_cost size = {0, c->sizes[0].max};
    const struct cel_expr *limit = c->expr->count > 2 ? c->expr->args[2] : NULL;
    if (limit && limit->kind == EXPR_LITERAL && limit->literal.kind == CEL_INT)
        size.max = limit->literal.u64;
    return size;
}

/* ---- calls over one text ---- */

static struct cel_cost text_call(const struct cost_call *c, struct cel_cost *size, bool *sized)
{
    static const char *const same[] = {
        "url", "jsonpatch.escapeKey", "lowerAscii", "upperAscii", "substring", "trim", "reverse"};
    struct cel_cost s = c->sizes[0];
    *sized = true;
    if (called(c, "startsWith") || called(c, "endsWith")) {
        *sized = false;
        return cost_factor(c->sizes[1], 0.1);
    }
    if (called(c, "bytes"))
        *size = (struct cel_cost){s.min, times(s.max, 4)};
    else if (called(c, "string"))
        *size = (struct cel_cost){s.min / 4, s.max};
    else if (called(c, "strings.quote"))
        *size = (struct cel_cost){add(s.min, 2), add(times(s.max, 2), 2)};
    else
        *sized = false;
    for (size_t i = 0; i < sizeof same / sizeof *same; i++)
        if (called(c, same[i])) {
            *size = s;
            *sized = true;
        }
    return cost_factor(s, 0.1);
}

static struct cel_cost text_twice(const struct cost_call *c, struct cel_cost *size, bool *sized)
{
    *sized = !called(c, "ip.isCanonical");
    if (called(c, "replace"))
        *size = replaced_size(c->sizes[0], c->sizes[1], c->sizes[2]);
    else if (called(c, "split"))
        *size = split_size(c);
    return cost_factor(c->sizes[0], 0.2);
}

static struct cel_cost regex_call(const struct cost_call *c, struct cel_cost *size, bool *sized)
{
    *sized = !called(c, "matches");
    *size = (struct cel_cost){0, c->sizes[0].max};
    return cost_times(cost_factor(cost_add(c->sizes[0], one), 0.1), cost_factor(c->sizes[1], 0.25));
}

/* ---- calls over lists ---- */

static bool is_text(const struct cel_type *t)
{
    return t && (t->kind == CEL_T_STRING || t->kind == CEL_T_BYTES);
}

static struct cel_cost list_call(const struct cost_call *c)
{
    const struct cel_type *t = c->expr->args[0]->type;
    struct cel_cost each = one;
    if (t->kind != CEL_T_LIST && t->kind != CEL_T_MAP)
        return cost_factor(c->sizes[0], 0.1);
    if (is_text(t->element))
        each = cost_add(each, cost_factor(c->element, 0.1));
    return cost_times(c->sizes[0], each);
}

static uint64_t literal_or(const struct cost_call *c, uint32_t index, uint64_t otherwise)
{
    const struct cel_expr *e = index < c->expr->count ? c->expr->args[index] : NULL;
    return e && e->kind == EXPR_LITERAL && e->literal.kind == CEL_INT ? e->literal.u64 : otherwise;
}

static struct cel_cost new_list(const struct cost_call *c, struct cel_cost *size)
{
    static const struct cel_cost made = {11, 11};
    double by = 1;
    uint64_t n;
    *size = c->sizes[0];
    if (c->function->cost == COST_DISTINCT) {
        const struct cel_type *t = c->expr->args[c->expr->count - 1]->type;
        by = t->kind == CEL_T_LIST && is_text(t->element) && !called(c, "distinct") ? 2.1 : 2;
        struct cel_cost keys = c->sizes[c->expr->count - 1];
        *size = cost_times(keys, keys);
    } else if (c->function->cost == COST_FLATTEN) {
        by = (double)literal_or(c, 1, c->expr->count > 1 ? UINT64_MAX : 1);
    } else if (called(c, "slice")) {
        n = literal_or(c, 2, c->sizes[0].max) - literal_or(c, 1, 0);
        *size = (struct cel_cost){n, n};
    } else if (called(c, "lists.range")) {
        n = literal_or(c, 0, UINT64_MAX);
        *size = (struct cel_cost){n, n};
    }
    return cost_add(cost_factor(*size, by), made);
}

/* ---- addresses ---- */

static struct cel_cost net_call(const struct cost_call *c)
{
    static const struct cel_cost bytes = {4, 16};
    struct cel_cost cost = cost_factor(cost_add(bytes, bytes), 0.1);
    enum cel_cost_rule rule = (enum cel_cost_rule)c->function->cost;
    if (rule == COST_CIDR_CIDR || rule == COST_CIDR_CIDR_TEXT)
        cost = cost_add(cost_add(cost, cost_factor(bytes, 0.1)), one);
    if (rule == COST_CIDR_IP_TEXT || rule == COST_CIDR_CIDR_TEXT)
        cost = cost_add(cost, cost_factor(c->sizes[1], 0.1));
    return cost;
}

static struct cel_cost compare_call(const struct cost_call *c)
{
    const struct cel_type *t = c->expr->args[0]->type;
    struct cel_cost a = c->sizes[0], b = c->sizes[1], both = {0, a.max < b.max ? a.max : b.max};
    if (called(c, "_==_") && t->kind == CEL_T_OPAQUE && cel_type_same(t, c->expr->args[1]->type))
        return one;
    both.min = both.max > 0;
    return cost_factor(both, 0.1);
}

static struct cel_cost selector_call(struct cel_cost size)
{
    static const struct cel_cost base = {10, 10};
    return cost_add(base,
                    cost_add(cost_factor(size, 0.1), cost_factor(cost_factor(size, 0.5), 50)));
}

struct cel_cost cost_of_call(const struct cost_call *c, struct cel_cost *size, bool *sized)
{
    static const struct cel_cost check = {350000, 350000};
    *sized = false;
    switch ((enum cel_cost_rule)c->function->cost) {
    case COST_TEXT:
        return text_call(c, size, sized);
    case COST_TEXT_TWICE:
        return text_twice(c, size, sized);
    case COST_RESULT_TWICE:
        *sized = true;
        *size = joined_size(c);
        return cost_factor(*size, 0.1);
    case COST_IN_LIST:
        return c->sizes[1];
    case COST_LESSER:
        return compare_call(c);
    case COST_SUM:
        *sized = true;
        *size = cost_add(c->sizes[0], c->sizes[1]);
        return cost_factor(*size, 0.1);
    case COST_REGEX:
        return regex_call(c, size, sized);
    case COST_CONTAINS:
        return cost_times(cost_factor(c->sizes[0], 0.1), cost_factor(c->sizes[1], 0.1));
    case COST_LIST:
        return list_call(c);
    case COST_SETS:
    case COST_SETS_TWICE:
        return cost_add(one, cost_factor(cost_times(c->sizes[0], c->sizes[1]),
                                         c->function->cost == COST_SETS ? 1 : 2));
    case COST_CHECK:
        return check;
    case COST_SELECTOR:
        return selector_call(c->sizes[1]);
    case COST_FORMAT:
        return cost_factor(cost_factor(c->sizes[1], 0.1), 32);
    case COST_CIDR_IP:
    case COST_CIDR_IP_TEXT:
    case COST_CIDR_CIDR:
    case COST_CIDR_CIDR_TEXT:
        return net_call(c);
    case COST_MADE:
    case COST_DISTINCT:
    case COST_FLATTEN:
        *sized = true;
        return new_list(c, size);
    case COST_ONE:
        break;
    }
    if (called(c, "_+_") && c->function->signature[0] == 'L') {
        *sized = true;
        *size = cost_add(c->sizes[0], c->sizes[1]);
    }
    return one;
}
