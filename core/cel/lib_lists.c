/*
 * Lists: Kubernetes' library (isSorted, sum, min, max, indexOf, lastIndexOf) and cel-go's ext/lists
 * (slice, flatten, reverse, distinct, sort, lists.range).
 */
#include <stdlib.h>

#include "cel/cel_int.h"

/* All elements as values in the arena: what sorts and reverses needs them at hand. */
static int elements(struct cel_call *call, const struct cel_value *list, struct cel_list **ret)
{
    struct cel_list *l = cel_list_new(call->run->arena, cel_count(list));
    struct cel_iter it;
    struct cel_value v;
    bool more;
    int rc;
    if (!l)
        return -E_NOMEM;
    cel_iter_init(&it, list);
    while ((rc = cel_iter_next(call->run, &it, NULL, &v, &more, call->err)) == 0 && more)
        if (cel_list_push(call->run->arena, l, &v) < 0)
            return -E_NOMEM;
    if (rc == 0)
        rc = cel_work(call->run, l->count, call->err);
    *ret = l;
    return rc;
}

/* ---- Kubernetes ---- */

static int is_sorted(struct cel_call *call, const struct cel_value *args, unsigned count,
                     struct cel_value *ret)
{
    struct cel_list *l;
    (void)count;
    int rc = elements(call, args, &l);
    if (rc < 0)
        return rc;
    *ret = cel_of_bool(true);
    for (uint32_t i = 1; i < l->count && ret->boolean; i++) {
        int order = cel_compare(&l->items[i - 1], &l->items[i]);
        if (order == 2)
            return cel_no_overload(call->err);
        ret->boolean = order <= 0;
    }
    return 0;
}

static int extreme(struct cel_call *call, const struct cel_value *args, unsigned count,
                   struct cel_value *ret)
{
    struct cel_list *l;
    const char *name = call->expr->name.p;
    (void)count;
    int rc = elements(call, args, &l);
    if (rc < 0)
        return rc;
    if (l->count == 0)
        return err_set(call->err, E_INVALID, "%s called on empty list", name);
    *ret = l->items[0];
    for (uint32_t i = 1; i < l->count; i++) {
        int order = cel_compare(&l->items[i], ret);
        if (order == 2)
            return cel_no_overload(call->err);
        if (name[1] == 'i' ? order < 0 : order > 0)
            *ret = l->items[i];
    }
    return 0;
}

static int add_to(struct cel_call *call, struct cel_value *sum, const struct cel_value *v)
{
    bool over = false;
    if (sum->kind != v->kind)
        return cel_no_overload(call->err);
    if (v->kind == CEL_DOUBLE)
        sum->number += v->number;
    else if (v->kind == CEL_UINT)
        over = __builtin_add_overflow(sum->u64, v->u64, &sum->u64);
    else if (v->kind == CEL_INT || v->kind == CEL_DURATION)
        over = __builtin_add_overflow(sum->i64, v->i64, &sum->i64);
    else
        return cel_no_overload(call->err);
    if (over)
        return err_set(call->err, E_INVALID, "%s overflow",
                       v->kind == CEL_UINT       ? "unsigned integer"
                       : v->kind == CEL_DURATION ? "duration"
                                                 : "integer");
    return 0;
}

static int sum(struct cel_call *call, const struct cel_value *args, unsigned count,
               struct cel_value *ret)
{
    const enum cel_type_kind kind = call->expr->type->kind;
    struct cel_list *l;
    (void)count;
    int rc = elements(call, args, &l);
    *ret = (struct cel_value){.kind = kind == CEL_T_UINT       ? CEL_UINT
                                      : kind == CEL_T_DOUBLE   ? CEL_DOUBLE
                                      : kind == CEL_T_DURATION ? CEL_DURATION
                                                               : CEL_INT};
    if (rc == 0 && l->count > 0 && kind == CEL_T_DYN)
        ret->kind = l->items[0].kind;
    for (uint32_t i = 0; rc == 0 && i < l->count; i++)
        rc = add_to(call, ret, &l->items[i]);
    return rc;
}

static int index_of(struct cel_call *call, const struct cel_value *args, unsigned count,
                    struct cel_value *ret)
{
    struct cel_list *l;
    bool last = call->expr->name.p[0] == 'l', same = false;
    (void)count;
    int rc = elements(call, args, &l);
    *ret = (struct cel_value){.kind = CEL_INT, .i64 = -1};
    for (uint32_t i = 0; rc == 0 && i < l->count && ret->i64 < 0; i++) {
        uint32_t at = last ? l->count - 1 - i : i;
        rc = cel_equal(call->run, &l->items[at], &args[1], &same, call->err);
        if (rc == 0 && same)
            ret->i64 = at;
    }
    return rc;
}

/* ---- ext/lists ---- */

static int slice(struct cel_call *call, const struct cel_value *args, unsigned count,
                 struct cel_value *ret)
{
    long long start = args[1].i64, end = args[2].i64;
    struct cel_list *l;
    (void)count;
    if (start < 0 || end < 0)
        return err_set(call->err, E_INVALID,
                       "cannot slice(%lld, %lld), negative indexes not supported", start, end);
    if (start > end)
        return err_set(call->err, E_INVALID,
                       "cannot slice(%lld, %lld), start index must be less than or equal to end "
                       "index",
                       start, end);
    if (end > cel_count(args))
        return err_set(call->err, E_INVALID, "cannot slice(%lld, %lld), list is length %u", start,
                       end, cel_count(args));
    int rc = elements(call, args, &l);
    if (rc < 0)
        return rc;
    struct cel_list *part = cel_list_new(call->run->arena, (uint32_t)(end - start));
    for (long long i = start; part && i < end; i++)
        if (cel_list_push(call->run->arena, part, &l->items[i]) < 0)
            return -E_NOMEM;
    if (!part)
        return -E_NOMEM;
    *ret = cel_list_value(part);
    return 0;
}

static int flatten_into(struct cel_call *call, struct cel_list *out, const struct cel_value *list,
                        int64_t depth)
{
    struct cel_list *l;
    int rc = elements(call, list, &l);
    for (uint32_t i = 0; rc == 0 && i < l->count; i++) {
        if (l->items[i].kind == CEL_LIST && depth > 0)
            rc = flatten_into(call, out, &l->items[i], depth - 1);
        else
            rc = cel_list_push(call->run->arena, out, &l->items[i]);
    }
    return rc;
}

static int flatten(struct cel_call *call, const struct cel_value *args, unsigned count,
                   struct cel_value *ret)
{
    struct cel_list *out = cel_list_new(call->run->arena, cel_count(args));
    int64_t depth = count > 1 ? args[1].i64 : 1;
    if (!out)
        return -E_NOMEM;
    if (depth < 0)
        return err_set(call->err, E_INVALID, "level must be non-negative");
    *ret = cel_list_value(out);
    return flatten_into(call, out, args, depth);
}

static int reverse(struct cel_call *call, const struct cel_value *args, unsigned count,
                   struct cel_value *ret)
{
    struct cel_list *l;
    (void)count;
    int rc = elements(call, args, &l);
    if (rc < 0)
        return rc;
    for (uint32_t i = 0; i < l->count / 2; i++) {
        struct cel_value swap = l->items[i];
        l->items[i] = l->items[l->count - 1 - i];
        l->items[l->count - 1 - i] = swap;
    }
    *ret = cel_list_value(l);
    return 0;
}

static int distinct(struct cel_call *call, const struct cel_value *args, unsigned count,
                    struct cel_value *ret)
{
    struct cel_list *l, *out = cel_list_new(call->run->arena, cel_count(args));
    (void)count;
    if (!out)
        return -E_NOMEM;
    int rc = elements(call, args, &l);
    for (uint32_t i = 0; rc == 0 && i < l->count; i++) {
        struct cel_value so_far = cel_list_value(out), at;
        bool found;
        rc = cel_list_find(call->run, &so_far, NULL, &l->items[i], &at, &found, call->err);
        if (rc == 0 && !found)
            rc = cel_list_push(call->run->arena, out, &l->items[i]);
    }
    *ret = cel_list_value(out);
    return rc;
}

struct keyed {
    struct cel_value key, value;
    uint32_t place; /* makes the sort stable */
};

static int by_key(const void *a, const void *b)
{
    const struct keyed *x = a, *y = b;
    int order = cel_compare(&x->key, &y->key);
    if (order == 0 || order == 2)
        return x->place < y->place ? -1 : 1;
    return order;
}

static bool comparable(const struct cel_value *v)
{
    return cel_compare(v, v) == 0;
}

/* sort(), and what the sortBy macro becomes: by a list of keys beside it. */
static int sort(struct cel_call *call, const struct cel_value *args, unsigned count,
                struct cel_value *ret)
{
    struct cel_list *l, *keys;
    int rc = elements(call, &args[0], &l);
    if (rc == 0)
        rc = elements(call, &args[count - 1], &keys);
    if (rc < 0)
        return rc;
    if (keys->count != l->count)
        return err_set(call->err, E_INVALID,
                       "@sortByAssociatedKeys() expected a list of the same size as the associated "
                       "keys list, but got %u and %u elements respectively",
                       l->count, keys->count);
    struct keyed *pairs = arena_alloc(call->run->arena, (l->count + 1) * sizeof *pairs);
    if (!pairs)
        return -E_NOMEM;
    for (uint32_t i = 0; i < l->count; i++) {
        if (keys->items[i].kind != keys->items[0].kind)
            return err_set(call->err, E_INVALID, "list elements must have the same type");
        if (!comparable(&keys->items[i]))
            return err_set(call->err, E_INVALID, "list elements must be comparable");
        pairs[i] = (struct keyed){keys->items[i], l->items[i], i};
    }
    qsort(pairs, l->count, sizeof *pairs, by_key);
    for (uint32_t i = 0; i < l->count; i++)
        l->items[i] = pairs[i].value;
    *ret = cel_list_value(l);
    return 0;
}

static int range(struct cel_call *call, const struct cel_value *args, unsigned count,
                 struct cel_value *ret)
{
    int64_t n = args[0].i64 > 0 ? args[0].i64 : 0;
    (void)count;
    if (n > CEL_LIMIT_OBJECT)
        return cel_over_limit(call->err);
    struct cel_list *l = cel_list_new(call->run->arena, (uint32_t)n);
    if (!l)
        return -E_NOMEM;
    for (int64_t i = 0; i < n; i++)
        l->items[l->count++] = (struct cel_value){.kind = CEL_INT, .i64 = i};
    *ret = cel_list_value(l);
    return 0;
}

#define EACH_ORDERED(name, result, fn)                  \
    {name, true, "Li>" result("i"), fn, COST_LIST},     \
        {name, true, "Lu>" result("u"), fn, COST_LIST}, \
        {name, true, "Ld>" result("d"), fn, COST_LIST}, \
        {name, true, "Lb>" result("b"), fn, COST_LIST}, \
        {name, true, "Lr>" result("r"), fn, COST_LIST}, \
        {name, true, "Lt>" result("t"), fn, COST_LIST}, \
        {name, true, "Ls>" result("s"), fn, COST_LIST}, \
    {                                                   \
        name, true, "Ly>" result("y"), fn, COST_LIST    \
    }
/* By the last list, which is of something that has an order. */
#define SORTED(name, of, by, result)                          \
    {                                                         \
        name, true, of "L" by ">" result, sort, COST_DISTINCT \
    }
#define EACH_SORTED(name, of, result)                                           \
    SORTED(name, of, "i", result("i")), SORTED(name, of, "u", result("u")),     \
        SORTED(name, of, "d", result("d")), SORTED(name, of, "b", result("b")), \
        SORTED(name, of, "r", result("r")), SORTED(name, of, "t", result("t")), \
        SORTED(name, of, "s", result("s")), SORTED(name, of, "y", result("y"))
#define SAME_LIST(letter)  "L" letter
#define FIRST_LIST(letter) "LA"
#define ELEMENT(letter)    letter
#define BOOLEAN(letter)    "b"

const struct cel_function cel_functions_lists[] = {
    EACH_ORDERED("isSorted", BOOLEAN, is_sorted),
    EACH_ORDERED("min", ELEMENT, extreme),
    EACH_ORDERED("max", ELEMENT, extreme),
    {"sum", true, "Li>i", sum, COST_LIST},
    {"sum", true, "Lu>u", sum, COST_LIST},
    {"sum", true, "Ld>d", sum, COST_LIST},
    {"sum", true, "Lr>r", sum, COST_LIST},
    {"indexOf", true, "LAA>i", index_of, COST_LIST},
    {"lastIndexOf", true, "LAA>i", index_of, COST_LIST},
    {"slice", true, "LAii>LA", slice, COST_MADE},
    {"flatten", true, "LLA>LA", flatten, COST_FLATTEN},
    {"flatten", true, "L*i>L*", flatten, COST_FLATTEN},
    {"reverse", true, "LA>LA", reverse, COST_MADE},
    {"distinct", true, "LA>LA", distinct, COST_DISTINCT},
    EACH_SORTED("sort", "", SAME_LIST),
    EACH_SORTED("@sortByAssociatedKeys", "LA", FIRST_LIST),
    {"lists.range", false, "i>Li", range, COST_MADE},
    {0},
};
