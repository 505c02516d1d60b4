/* Values that may be missing (cel-go, ext/README.md, "Optional types"). */
#include "cel/cel_int.h"

static int none(struct cel_call *call, const struct cel_value *args, unsigned count,
                struct cel_value *ret)
{
    (void)args;
    (void)count;
    return cel_optional_new(call->run->arena, NULL, ret);
}

static int of(struct cel_call *call, const struct cel_value *args, unsigned count,
              struct cel_value *ret)
{
    (void)count;
    return cel_optional_new(call->run->arena, args, ret);
}

static bool is_zero(const struct cel_value *v)
{
    switch ((enum cel_kind)v->kind) {
    case CEL_NULL:
        return true;
    case CEL_BOOL:
        return !v->boolean;
    case CEL_INT:
    case CEL_UINT:
    case CEL_DURATION:
        return v->u64 == 0;
    case CEL_DOUBLE:
        return v->number == 0;
    case CEL_STRING:
    case CEL_BYTES:
        return v->string.n == 0;
    case CEL_TIMESTAMP:
        return v->time.seconds == CEL_TIME_MIN && v->time.nanos == 0;
    case CEL_LIST:
    case CEL_MAP:
        return cel_count(v) == 0;
    case CEL_OPTIONAL:
        return !v->content || is_zero(v->content);
    default:
        return false;
    }
}

static int of_non_zero(struct cel_call *call, const struct cel_value *args, unsigned count,
                       struct cel_value *ret)
{
    (void)count;
    return cel_optional_new(call->run->arena, is_zero(args) ? NULL : args, ret);
}

static int value(struct cel_call *call, const struct cel_value *args, unsigned count,
                 struct cel_value *ret)
{
    (void)count;
    if (!args[0].content)
        return err_set(call->err, E_INVALID, "optional.none() dereference");
    *ret = *args[0].content;
    return 0;
}

static int has_value(struct cel_call *call, const struct cel_value *args, unsigned count,
                     struct cel_value *ret)
{
    (void)call;
    (void)count;
    *ret = cel_of_bool(args[0].content != NULL);
    return 0;
}

static int end_of(struct cel_call *call, const struct cel_value *args, unsigned count,
                  struct cel_value *ret)
{
    uint32_t n = cel_count(args);
    struct cel_value v;
    (void)count;
    if (n == 0)
        return cel_optional_new(call->run->arena, NULL, ret);
    uint32_t at = call->expr->name.p[0] == 'l' ? n - 1 : 0;
    int rc = cel_list_at(call->run, args, at, &v, call->err);
    return rc < 0 ? rc : cel_optional_new(call->run->arena, &v, ret);
}

static int unwrap(struct cel_call *call, const struct cel_value *args, unsigned count,
                  struct cel_value *ret)
{
    struct cel_list *l = cel_list_new(call->run->arena, cel_count(args));
    struct cel_iter it;
    struct cel_value v;
    bool more;
    int rc;
    (void)count;
    if (!l)
        return -E_NOMEM;
    cel_iter_init(&it, args);
    while ((rc = cel_iter_next(call->run, &it, NULL, &v, &more, call->err)) == 0 && more) {
        if (v.kind != CEL_OPTIONAL)
            return cel_no_overload(call->err);
        if (v.content && (rc = cel_list_push(call->run->arena, l, v.content)) < 0)
            return rc;
    }
    *ret = cel_list_value(l);
    return rc;
}

const struct cel_function cel_functions_optional[] = {
    {"optional.none", false, ">OA", none, COST_ONE},
    {"optional.of", false, "A>OA", of, COST_ONE},
    {"optional.ofNonZeroValue", false, "A>OA", of_non_zero, COST_ONE},
    {"optional.unwrap", false, "LOA>LA", unwrap, COST_ONE},
    {"unwrapOpt", true, "LOA>LA", unwrap, COST_ONE},
    {"value", true, "OA>A", value, COST_ONE},
    {"hasValue", true, "OA>b", has_value, COST_ONE},
    {"or", true, "OAOA>OA", NULL, COST_ONE},
    {"orValue", true, "OAA>A", NULL, COST_ONE},
    {"first", true, "LA>OA", end_of, COST_ONE},
    {"last", true, "LA>OA", end_of, COST_ONE},
    {0},
};
