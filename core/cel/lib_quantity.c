/* Kubernetes' quantities (apiserver/pkg/cel/library/quantity.go). */
#include "cel/cel_int.h"
#include "codec/quantity.h"

enum { NANOS = 1000000000 };

/* As bytes: a quantity wants more alignment than arenas give. */
struct quantity_value {
    struct cel_opaque head;
    unsigned char quantity[sizeof(struct quantity)];
};

static struct quantity load(const struct cel_opaque *o)
{
    struct quantity q;
    memcpy(&q, ((const struct quantity_value *)(const void *)o)->quantity, sizeof q);
    return q;
}

static struct quantity quantity_of(const struct cel_value *v)
{
    return load(v->opaque);
}

static bool same(const struct cel_opaque *a, const struct cel_opaque *b)
{
    struct quantity x = load(a), y = load(b);
    return quantity_cmp(&x, &y) == 0;
}

static int give(struct cel_call *call, const struct quantity *q, struct cel_value *ret)
{
    struct quantity_value *v = arena_alloc(call->run->arena, sizeof *v);
    if (!v)
        return -E_NOMEM;
    v->head = (struct cel_opaque){&cel_type_quantity, same};
    memcpy(v->quantity, q, sizeof *q);
    *ret = (struct cel_value){.kind = CEL_OPAQUE, .opaque = &v->head};
    return 0;
}

/* What is larger than a quantity can hold is held at its bound, where it is no integer. */
static int read_text(struct str s, struct quantity *ret, struct err *err)
{
    const __int128 most = (__int128)INT64_MAX * NANOS;
    int rc = quantity_parse(s, ret, err);
    bool capped = rc == 0 && (ret->nano == most || ret->nano == -most) &&
                  str_find(s, STR("9223372036854775807")) < 0;
    if (rc != -E_LIMIT && !capped)
        return rc;
    __int128 bound = (__int128)INT64_MAX * NANOS + NANOS - 1;
    *ret = (struct quantity){s.p[0] == '-' ? -bound : bound, QUANTITY_DECIMAL_SI};
    return 0;
}

static int parse(struct cel_call *call, const struct cel_value *args, unsigned count,
                 struct cel_value *ret)
{
    struct quantity q;
    (void)count;
    int rc = read_text(args[0].string, &q, call->err);
    if (rc < 0) {
        call->err->code = E_INVALID;
        return -E_INVALID;
    }
    return give(call, &q, ret);
}

static int is_quantity(struct cel_call *call, const struct cel_value *args, unsigned count,
                       struct cel_value *ret)
{
    struct quantity q;
    (void)call;
    (void)count;
    *ret = cel_of_bool(read_text(args[0].string, &q, NULL) == 0);
    return 0;
}

static int sign(struct cel_call *call, const struct cel_value *args, unsigned count,
                struct cel_value *ret)
{
    struct quantity q = quantity_of(args);
    (void)call;
    (void)count;
    *ret = (struct cel_value){.kind = CEL_INT, .i64 = (q.nano > 0) - (q.nano < 0)};
    return 0;
}

static int compare(struct cel_call *call, const struct cel_value *args, unsigned count,
                   struct cel_value *ret)
{
    struct quantity a = quantity_of(&args[0]), b = quantity_of(&args[1]);
    int order = quantity_cmp(&a, &b);
    (void)count;
    if (str_is(call->expr->name, "compareTo"))
        *ret = (struct cel_value){.kind = CEL_INT, .i64 = order};
    else
        *ret = cel_of_bool(str_is(call->expr->name, "isLessThan") ? order < 0 : order > 0);
    return 0;
}

static int as_float(struct cel_call *call, const struct cel_value *args, unsigned count,
                    struct cel_value *ret)
{
    (void)call;
    (void)count;
    *ret = (struct cel_value){.kind = CEL_DOUBLE, .number = (double)quantity_of(args).nano / NANOS};
    return 0;
}

static bool whole(struct quantity q)
{
    return q.nano % NANOS == 0 && q.nano / NANOS <= INT64_MAX && q.nano / NANOS >= INT64_MIN;
}

static int as_integer(struct cel_call *call, const struct cel_value *args, unsigned count,
                      struct cel_value *ret)
{
    (void)count;
    if (!whole(quantity_of(args)))
        return err_set(call->err, E_INVALID, "cannot convert value to integer");
    *ret = (struct cel_value){.kind = CEL_INT, .i64 = (int64_t)(quantity_of(args).nano / NANOS)};
    return 0;
}

static int is_integer(struct cel_call *call, const struct cel_value *args, unsigned count,
                      struct cel_value *ret)
{
    (void)call;
    (void)count;
    *ret = cel_of_bool(whole(quantity_of(args)));
    return 0;
}

static int add(struct cel_call *call, const struct cel_value *args, unsigned count,
               struct cel_value *ret)
{
    struct quantity q = quantity_of(&args[0]), other;
    (void)count;
    other = args[1].kind == CEL_INT ? quantity_from_i64(args[1].i64, QUANTITY_DECIMAL_EXPONENT)
                                    : quantity_of(&args[1]);
    if (call->expr->name.p[0] == 'a')
        quantity_add(&q, &other);
    else
        quantity_sub(&q, &other);
    return give(call, &q, ret);
}

const struct cel_function cel_functions_quantity[] = {
    {"quantity", false, "s>q", parse, COST_TEXT},
    {"isQuantity", false, "s>b", is_quantity, COST_TEXT},
    {"sign", false, "q>i", sign, COST_ONE},
    {"sign", true, "q>i", sign, COST_ONE},
    {"isGreaterThan", true, "qq>b", compare, COST_ONE},
    {"isLessThan", true, "qq>b", compare, COST_ONE},
    {"compareTo", true, "qq>i", compare, COST_ONE},
    {"asApproximateFloat", true, "q>d", as_float, COST_ONE},
    {"asInteger", true, "q>i", as_integer, COST_ONE},
    {"isInteger", true, "q>b", is_integer, COST_ONE},
    {"add", true, "qq>q", add, COST_ONE},
    {"add", true, "qi>q", add, COST_ONE},
    {"sub", true, "qq>q", add, COST_ONE},
    {"sub", true, "qi>q", add, COST_ONE},
    {0},
};
