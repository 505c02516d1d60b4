/* The operators and functions of the language itself (cel-spec, langdef.md, "Standard"). */
#include "cel/cel_int.h"

static int overflow(struct cel_call *call, const char *what)
{
    return err_set(call->err, E_INVALID, "%s", what);
}

static int give_bool(struct cel_value *ret, bool v)
{
    *ret = cel_of_bool(v);
    return 0;
}

/* ---- arithmetic ---- */

static int int_arithmetic(struct cel_call *call, const struct cel_value *a, struct cel_value *ret)
{
    int64_t x = a[0].i64, y = a[1].i64, v = 0;
    bool over = false;
    switch (call->expr->name.p[1]) {
    case '+':
        over = __builtin_add_overflow(x, y, &v);
        break;
    case '-':
        over = __builtin_sub_overflow(x, y, &v);
        break;
    case '*':
        over = __builtin_mul_overflow(x, y, &v);
        break;
    default:
        if (y == 0)
            return overflow(call,
                            call->expr->name.p[1] == '/' ? "division by zero" : "modulus by zero");
        over = x == INT64_MIN && y == -1;
        if (!over)
            v = call->expr->name.p[1] == '/' ? x / y : x % y;
    }
    if (over)
        return overflow(call, "integer overflow");
    *ret = (struct cel_value){.kind = CEL_INT, .i64 = v};
    return 0;
}

static int uint_arithmetic(struct cel_call *call, const struct cel_value *a, struct cel_value *ret)
{
    uint64_t x = a[0].u64, y = a[1].u64, v = 0;
    bool over = false;
    switch (call->expr->name.p[1]) {
    case '+':
        over = __builtin_add_overflow(x, y, &v);
        break;
    case '-':
        over = __builtin_sub_overflow(x, y, &v);
        break;
    case '*':
        over = __builtin_mul_overflow(x, y, &v);
        break;
    default:
        if (y == 0)
            return overflow(call,
                            call->expr->name.p[1] == '/' ? "division by zero" : "modulus by zero");
        v = call->expr->name.p[1] == '/' ? x / y : x % y;
    }
    if (over)
        return overflow(call, "unsigned integer overflow");
    *ret = (struct cel_value){.kind = CEL_UINT, .u64 = v};
    return 0;
}

static int double_arithmetic(struct cel_call *call, const struct cel_value *a,
                             struct cel_value *ret)
{
    double x = a[0].number, y = a[1].number;
    char op = call->expr->name.p[1];
    *ret = (struct cel_value){.kind = CEL_DOUBLE,
                              .number = op == '+'   ? x + y
                                        : op == '-' ? x - y
                                        : op == '*' ? x * y
                                                    : x / y};
    return 0;
}

static int arithmetic(struct cel_call *call, const struct cel_value *args, unsigned count,
                      struct cel_value *ret)
{
    (void)count;
    if (args[0].kind == CEL_INT)
        return int_arithmetic(call, args, ret);
    if (args[0].kind == CEL_UINT)
        return uint_arithmetic(call, args, ret);
    return double_arithmetic(call, args, ret);
}

static int negate(struct cel_call *call, const struct cel_value *args, unsigned count,
                  struct cel_value *ret)
{
    (void)count;
    *ret = args[0];
    if (args[0].kind == CEL_DOUBLE)
        ret->number = -ret->number;
    else if (__builtin_sub_overflow((int64_t)0, args[0].i64, &ret->i64))
        return overflow(call, "integer overflow");
    return 0;
}

static int invert(struct cel_call *call, const struct cel_value *args, unsigned count,
                  struct cel_value *ret)
{
    (void)call;
    (void)count;
    return give_bool(ret, !args[0].boolean);
}

/* ---- joining ---- */

static int join_text(struct cel_call *call, const struct cel_value *args, unsigned count,
                     struct cel_value *ret)
{
    size_t n = args[0].string.n + args[1].string.n;
    char *out = arena_alloc(call->run->arena, n + 1);
    (void)count;
    if (!out)
        return -E_NOMEM;
    memcpy(out, args[0].string.p, args[0].string.n);
    memcpy(out + args[0].string.n, args[1].string.p, args[1].string.n);
    out[n] = 0;
    *ret = (struct cel_value){.kind = args[0].kind, .string = str_make(out, n)};
    return 0;
}

/* Into a set what it has not; into a keyed list over what has the same keys. */
static int merge_element(struct cel_call *call, struct cel_list *out, const struct cel_type *type,
                         const struct cel_value *v)
{
    struct cel_value whole = cel_list_value(out), other;
    const struct cel_type *keys = type->list_type == CEL_LIST_MAP ? type : NULL;
    bool found;
    int rc = cel_list_find(call->run, &whole, keys, v, &other, &found, call->err);
    if (rc < 0)
        return rc;
    if (!found)
        return cel_list_push(call->run->arena, out, v);
    for (uint32_t i = 0; keys && i < out->count; i++)
        if (out->items[i].json == other.json)
            out->items[i] = *v;
    return 0;
}

static int push_all(struct cel_call *call, struct cel_list *out, const struct cel_value *list,
                    const struct cel_type *merge)
{
    struct cel_iter it;
    struct cel_value v;
    bool more;
    int rc;
    cel_iter_init(&it, list);
    while ((rc = cel_iter_next(call->run, &it, NULL, &v, &more, call->err)) == 0 && more) {
        rc = merge ? merge_element(call, out, merge, &v) : cel_list_push(call->run->arena, out, &v);
        if (rc < 0 || (rc = cel_work(call->run, 1, call->err)) < 0)
            return rc;
    }
    return rc;
}

static int join_lists(struct cel_call *call, const struct cel_value *args, unsigned count,
                      struct cel_value *ret)
{
    const struct cel_type *type = args[0].type;
    struct cel_list *l = cel_list_new(call->run->arena, cel_count(&args[0]) + cel_count(&args[1]));
    (void)count;
    if (!l)
        return -E_NOMEM;
    if (type && type->list_type == CEL_LIST_PLAIN)
        type = NULL;
    int rc = push_all(call, l, &args[0], NULL);
    if (rc == 0)
        rc = push_all(call, l, &args[1], type);
    *ret = cel_list_value(l);
    return rc;
}

/* ---- comparing ---- */

static int equal(struct cel_call *call, const struct cel_value *args, unsigned count,
                 struct cel_value *ret)
{
    bool v;
    (void)count;
    int rc = cel_equal(call->run, &args[0], &args[1], &v, call->err);
    if (rc == 0)
        *ret = cel_of_bool(v == (call->expr->name.p[1] == '='));
    return rc;
}

static int compare(struct cel_call *call, const struct cel_value *args, unsigned count,
                   struct cel_value *ret)
{
    int r = cel_compare(&args[0], &args[1]);
    char op = call->expr->name.p[1];
    bool or_equal = call->expr->name.p[2] == '=';
    (void)count;
    if (r == 2)
        return give_bool(ret, false);
    return give_bool(ret, (r == 0 && or_equal) || (op == '<' ? r < 0 : r > 0));
}

static int in_list(struct cel_call *call, const struct cel_value *args, unsigned count,
                   struct cel_value *ret)
{
    struct cel_value found_at;
    bool found;
    (void)count;
    int rc = cel_list_find(call->run, &args[1], NULL, &args[0], &found_at, &found, call->err);
    return rc < 0 ? rc : give_bool(ret, found);
}

static int in_map(struct cel_call *call, const struct cel_value *args, unsigned count,
                  struct cel_value *ret)
{
    struct cel_value v;
    bool found;
    (void)count;
    int rc = cel_map_find(call->run, &args[1], &args[0], &v, &found, call->err);
    return rc < 0 ? rc : give_bool(ret, found);
}

/* ---- looking into ---- */

static bool whole_index(const struct cel_value *v, int64_t *ret)
{
    if (v->kind == CEL_INT)
        *ret = v->i64;
    else if (v->kind == CEL_UINT)
        *ret = v->u64 > INT64_MAX ? INT64_MAX : v->i64;
    else if (v->kind == CEL_DOUBLE && v->number > -0x1p53 && v->number < 0x1p53 &&
             (double)(int64_t)v->number == v->number)
        *ret = (int64_t)v->number;
    else
        return false;
    return true;
}

int cel_index(struct cel_call *call, const struct cel_value *of, const struct cel_value *index,
              struct cel_value *ret, bool *ret_found)
{
    int64_t at;
    if (of->kind == CEL_MAP || of->kind == CEL_HOST)
        return cel_map_find(call->run, of, index, ret, ret_found, call->err);
    if (of->kind != CEL_LIST)
        return cel_no_overload(call->err);
    if (!whole_index(index, &at))
        return err_set(call->err, E_INVALID, "unsupported index type '%s' in list",
                       cel_type_name(cel_value_type(index)));
    *ret_found = at >= 0 && at < cel_count(of);
    return *ret_found ? cel_list_at(call->run, of, (uint64_t)at, ret, call->err) : 0;
}

static int size(struct cel_call *call, const struct cel_value *args, unsigned count,
                struct cel_value *ret)
{
    (void)call;
    (void)count;
    *ret = (struct cel_value){.kind = CEL_INT, .u64 = cel_size(&args[0])};
    return 0;
}

static int type_of(struct cel_call *call, const struct cel_value *args, unsigned count,
                   struct cel_value *ret)
{
    (void)call;
    (void)count;
    const struct cel_type *t = args[0].type;
    bool object = args[0].kind == CEL_MAP && t && t->kind == CEL_T_OBJECT;
    *ret = (struct cel_value){.kind = CEL_TYPE, .named = object ? t : cel_value_type(&args[0])};
    return 0;
}

static int same(struct cel_call *call, const struct cel_value *args, unsigned count,
                struct cel_value *ret)
{
    (void)call;
    (void)count;
    *ret = args[0];
    return 0;
}

/* Those without a function are the evaluator's own: here for the checker. */
const struct cel_function cel_functions_core[] = {
    {"_+_", false, "ii>i", arithmetic, COST_ONE},
    {"_+_", false, "uu>u", arithmetic, COST_ONE},
    {"_+_", false, "dd>d", arithmetic, COST_ONE},
    {"_+_", false, "ss>s", join_text, COST_SUM},
    {"_+_", false, "yy>y", join_text, COST_SUM},
    {"_+_", false, "LALA>LA", join_lists, COST_ONE},
    {"_-_", false, "ii>i", arithmetic, COST_ONE},
    {"_-_", false, "uu>u", arithmetic, COST_ONE},
    {"_-_", false, "dd>d", arithmetic, COST_ONE},
    {"_*_", false, "ii>i", arithmetic, COST_ONE},
    {"_*_", false, "uu>u", arithmetic, COST_ONE},
    {"_*_", false, "dd>d", arithmetic, COST_ONE},
    {"_/_", false, "ii>i", arithmetic, COST_ONE},
    {"_/_", false, "uu>u", arithmetic, COST_ONE},
    {"_/_", false, "dd>d", arithmetic, COST_ONE},
    {"_%_", false, "ii>i", arithmetic, COST_ONE},
    {"_%_", false, "uu>u", arithmetic, COST_ONE},
    {"-_", false, "i>i", negate, COST_ONE},
    {"-_", false, "d>d", negate, COST_ONE},
    {"!_", false, "b>b", invert, COST_ONE},
    {"_==_", false, "AA>b", equal, COST_LESSER},
    {"_!=_", false, "AA>b", equal, COST_LESSER},
    {"@in", false, "ALA>b", in_list, COST_IN_LIST},
    {"@in", false, "AMAB>b", in_map, COST_ONE},
    {"_&&_", false, "bb>b", NULL, COST_ONE},
    {"_||_", false, "bb>b", NULL, COST_ONE},
    {"_?_:_", false, "bAA>A", NULL, COST_ONE},
    {"@not_strictly_false", false, "b>b", NULL, COST_ONE},
    {"_[_]", false, "LAi>A", NULL, COST_ONE},
    {"_[_]", false, "MABA>B", NULL, COST_ONE},
    {"_[_]", false, "OLAi>OA", NULL, COST_ONE},
    {"_[_]", false, "OMABA>OB", NULL, COST_ONE},
    {"_[?_]", false, "LAi>OA", NULL, COST_ONE},
    {"_[?_]", false, "OLAi>OA", NULL, COST_ONE},
    {"_[?_]", false, "MABA>OB", NULL, COST_ONE},
    {"_[?_]", false, "OMABA>OB", NULL, COST_ONE},
    {"cel.@mapInsert", false, "MABAB>MAB", NULL, COST_ONE},
    {"cel.@mapInsert", false, "MABMAB>MAB", NULL, COST_ONE},
    {"size", false, "s>i", size, COST_ONE},
    {"size", false, "y>i", size, COST_ONE},
    {"size", false, "LA>i", size, COST_ONE},
    {"size", false, "MAB>i", size, COST_ONE},
    {"size", true, "s>i", size, COST_ONE},
    {"size", true, "y>i", size, COST_ONE},
    {"size", true, "LA>i", size, COST_ONE},
    {"size", true, "MAB>i", size, COST_ONE},
    {"type", false, "A>T", type_of, COST_ONE},
    {"dyn", false, "A>*", same, COST_ONE},
/* Each operator over each pair of types: numbers of different types compare too. */
#define ORDER(name)                                                                               \
    {name, false, "bb>b", compare, COST_ONE}, {name, false, "ii>b", compare, COST_ONE},           \
        {name, false, "iu>b", compare, COST_ONE}, {name, false, "id>b", compare, COST_ONE},       \
        {name, false, "uu>b", compare, COST_ONE}, {name, false, "ui>b", compare, COST_ONE},       \
        {name, false, "ud>b", compare, COST_ONE}, {name, false, "dd>b", compare, COST_ONE},       \
        {name, false, "di>b", compare, COST_ONE}, {name, false, "du>b", compare, COST_ONE},       \
        {name, false, "ss>b", compare, COST_LESSER}, {name, false, "yy>b", compare, COST_LESSER}, \
        {name, false, "tt>b", compare, COST_ONE},                                                 \
    {                                                                                             \
        name, false, "rr>b", compare, COST_ONE                                                    \
    }
    ORDER("_<_"),
    ORDER("_<=_"),
    ORDER("_>_"),
    ORDER("_>=_"),
    {0},
};
