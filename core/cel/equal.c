/*
 * Equality and order of values (cel-spec, langdef.md, "Equality" and "Ordering"): numbers compare
 * by value over all three types; values of different types are unequal, not an error. Lists that
 * a schema calls sets or keyed compare without order (apiserver/pkg/cel/common).
 */
#include "cel/cel_int.h"

bool cel_is_number(const struct cel_value *v)
{
    return v->kind == CEL_INT || v->kind == CEL_UINT || v->kind == CEL_DOUBLE;
}

static int order(bool less, bool equal)
{
    return less ? -1 : equal ? 0 : 1;
}

static int compare_double_int(double d, int64_t i)
{
    if (d < -0x1p63)
        return -1;
    if (d >= 0x1p63)
        return 1;
    int64_t whole = (int64_t)d;
    if (whole != i)
        return order(whole < i, false);
    return order(d < (double)whole, d == (double)whole);
}

static int compare_double_uint(double d, uint64_t u)
{
    if (d < 0)
        return -1;
    if (d >= 0x1p64)
        return 1;
    uint64_t whole = (uint64_t)d;
    if (whole != u)
        return order(whole < u, false);
    return order(d < (double)whole, d == (double)whole);
}

static int compare_numbers(const struct cel_value *a, const struct cel_value *b)
{
    if (a->kind == CEL_DOUBLE && b->kind == CEL_DOUBLE)
        return a->number != a->number || b->number != b->number
                   ? 2
                   : order(a->number < b->number, a->number == b->number);
    if (a->kind == CEL_DOUBLE) {
        if (a->number != a->number)
            return 2;
        return b->kind == CEL_INT ? compare_double_int(a->number, b->i64)
                                  : compare_double_uint(a->number, b->u64);
    }
    if (b->kind == CEL_DOUBLE) {
        int r = compare_numbers(b, a);
        return r == 2 ? 2 : -r;
    }
    if (a->kind == b->kind)
        return a->kind == CEL_INT ? order(a->i64 < b->i64, a->i64 == b->i64)
                                  : order(a->u64 < b->u64, a->u64 == b->u64);
    if (a->kind == CEL_INT)
        return a->i64 < 0 ? -1 : order((uint64_t)a->i64 < b->u64, (uint64_t)a->i64 == b->u64);
    return b->i64 < 0 ? 1 : order(a->u64 < (uint64_t)b->i64, a->u64 == (uint64_t)b->i64);
}

bool cel_number_equal(const struct cel_value *a, const struct cel_value *b)
{
    return cel_is_number(a) && cel_is_number(b) && compare_numbers(a, b) == 0;
}

static int sign(int v)
{
    return v < 0 ? -1 : v > 0;
}

int cel_compare(const struct cel_value *a, const struct cel_value *b)
{
    if (cel_is_number(a) && cel_is_number(b))
        return compare_numbers(a, b);
    if (a->kind != b->kind)
        return 2;
    switch ((enum cel_kind)a->kind) {
    case CEL_BOOL:
        return a->boolean - b->boolean;
    case CEL_STRING:
    case CEL_BYTES:
        return sign(str_cmp(a->string, b->string));
    case CEL_TIMESTAMP:
        if (a->time.seconds != b->time.seconds)
            return order(a->time.seconds < b->time.seconds, false);
        return order(a->time.nanos < b->time.nanos, a->time.nanos == b->time.nanos);
    case CEL_DURATION:
        return order(a->i64 < b->i64, a->i64 == b->i64);
    default:
        return 2;
    }
}

const struct cel_type *cel_value_type(const struct cel_value *v)
{
    static const struct cel_type *const types[] = {[CEL_NULL] = &cel_null,
                                                   [CEL_BOOL] = &cel_bool,
                                                   [CEL_INT] = &cel_int,
                                                   [CEL_UINT] = &cel_uint,
                                                   [CEL_DOUBLE] = &cel_double,
                                                   [CEL_STRING] = &cel_string,
                                                   [CEL_BYTES] = &cel_bytes,
                                                   [CEL_TIMESTAMP] = &cel_timestamp,
                                                   [CEL_DURATION] = &cel_duration,
                                                   [CEL_LIST] = &cel_list_of_dyn,
                                                   [CEL_MAP] = &cel_map_of_dyn,
                                                   [CEL_TYPE] = &cel_type_type,
                                                   [CEL_OPTIONAL] = &cel_optional_of_dyn,
                                                   [CEL_HOST] = &cel_map_of_dyn,
                                                   [CEL_UNSET] = &cel_null};
    return v->kind == CEL_OPAQUE ? v->opaque->type : types[v->kind];
}

/* ---- aggregates ---- */

static int equal_in_order(struct cel_run *run, const struct cel_value *a, const struct cel_value *b,
                          bool *ret, struct err *err)
{
    struct cel_iter x, y;
    struct cel_value v, w;
    bool more = true, equal = true;
    int rc = 0;
    cel_iter_init(&x, a);
    cel_iter_init(&y, b);
    while (rc == 0 && equal) {
        rc = cel_iter_next(run, &x, NULL, &v, &more, err);
        if (rc < 0 || !more)
            break;
        rc = cel_iter_next(run, &y, NULL, &w, &more, err);
        if (rc < 0 || !more)
            break;
        rc = cel_equal(run, &v, &w, &equal, err);
    }
    if (rc == 0)
        *ret = equal;
    return rc;
}

/* Whether two elements of a keyed list have the same keys. */
static bool same_keys(const struct cel_type *t, const struct cel_value *a,
                      const struct cel_value *b)
{
    if (a->kind != CEL_MAP || b->kind != CEL_MAP || !a->json || !b->json)
        return false;
    for (const char *const *key = t->list_keys; key && *key; key++)
        if (!json_equal(json_get(a->json, *key), json_get(b->json, *key)))
            return false;
    return true;
}

/* Whether list has an element equal to v, or in a keyed list one with v's keys: *ret_at. */
int cel_list_find(struct cel_run *run, const struct cel_value *list, const struct cel_type *keys,
                  const struct cel_value *v, struct cel_value *ret_at, bool *ret_found,
                  struct err *err)
{
    struct cel_iter it;
    bool more, found = false;
    int rc = 0;
    cel_iter_init(&it, list);
    while (!found && (rc = cel_iter_next(run, &it, NULL, ret_at, &more, err)) == 0 && more) {
        if (keys) {
            found = same_keys(keys, ret_at, v);
            rc = cel_work(run, 1, err);
        } else {
            rc = cel_equal(run, ret_at, v, &found, err);
        }
        if (rc < 0)
            return rc;
    }
    if (!found && rc < 0)
        return rc;
    *ret_found = found;
    return 0;
}

static int equal_unordered(struct cel_run *run, const struct cel_value *a,
                           const struct cel_value *b, bool *ret, struct err *err)
{
    const struct cel_type *keys = a->type->list_type == CEL_LIST_MAP ? a->type : NULL;
    struct cel_iter it;
    struct cel_value v, other;
    bool more, equal = true;
    int rc = 0;
    cel_iter_init(&it, b);
    while (equal && (rc = cel_iter_next(run, &it, NULL, &v, &more, err)) == 0 && more) {
        if ((rc = cel_list_find(run, a, keys, &v, &other, &equal, err)) < 0)
            return rc;
        if (equal && keys && (rc = cel_equal(run, &other, &v, &equal, err)) < 0)
            return rc;
    }
    if (equal && rc < 0)
        return rc;
    *ret = equal;
    return 0;
}

static int equal_maps(struct cel_run *run, const struct cel_value *a, const struct cel_value *b,
                      bool *ret, struct err *err)
{
    struct cel_iter it;
    struct cel_value key, v, w;
    bool more, found, equal = true;
    int rc = 0;
    cel_iter_init(&it, a);
    while (equal && (rc = cel_iter_next(run, &it, &key, &v, &more, err)) == 0 && more) {
        if (b->json && b->type && b->type->kind == CEL_T_OBJECT && key.kind == CEL_STRING) {
            /* Keys of objects are compared as they are, not as they are spelled. */
            struct cel_value plain = *b;
            const struct cel_field *f = NULL;
            for (size_t i = 0; i < b->type->field_count && !f; i++)
                if (str_eq(b->type->fields[i].name, key.string))
                    f = &b->type->fields[i];
            const struct json *j = f ? json_get_str(plain.json, key.string) : NULL;
            found = j != NULL;
            rc = j ? cel_from_json(run, j, f->type, &w, err) : 0;
        } else {
            rc = cel_map_find(run, b, &key, &w, &found, err);
        }
        if (rc == 0 && found)
            rc = cel_equal(run, &v, &w, &equal, err);
        if (rc < 0)
            return rc;
        equal = equal && found;
    }
    if (equal && rc < 0)
        return rc;
    *ret = equal;
    return 0;
}

static int equal_lists(struct cel_run *run, const struct cel_value *a, const struct cel_value *b,
                       bool *ret, struct err *err)
{
    if (a->type && a->type->list_type != CEL_LIST_PLAIN)
        return equal_unordered(run, a, b, ret, err);
    return equal_in_order(run, a, b, ret, err);
}

int cel_equal(struct cel_run *run, const struct cel_value *a, const struct cel_value *b, bool *ret,
              struct err *err)
{
    int rc = cel_work(run, 1 + (a->kind == CEL_STRING ? a->string.n / 64 : 0), err);
    if (rc < 0)
        return rc;
    *ret = false;
    if (cel_is_number(a) && cel_is_number(b)) {
        *ret = compare_numbers(a, b) == 0;
        return 0;
    }
    if (a->kind != b->kind)
        return 0;
    bool aggregate = a->kind == CEL_LIST || a->kind == CEL_MAP;
    if (a->kind == CEL_NULL || (aggregate && a->json && a->json == b->json)) {
        *ret = true; /* JSON has no NaN: what is the same is equal */
        return 0;
    }
    switch ((enum cel_kind)a->kind) {
    case CEL_LIST:
        return cel_count(a) == cel_count(b) ? equal_lists(run, a, b, ret, err) : 0;
    case CEL_MAP:
        return cel_count(a) == cel_count(b) ? equal_maps(run, a, b, ret, err) : 0;
    case CEL_TYPE:
        *ret = cstr_eq(cel_type_name(a->named), cel_type_name(b->named));
        return 0;
    case CEL_OPTIONAL:
        if (a->content && b->content)
            return cel_equal(run, a->content, b->content, ret, err);
        *ret = !a->content && !b->content;
        return 0;
    case CEL_OPAQUE:
        *ret = a->opaque == b->opaque || (a->opaque->type == b->opaque->type && a->opaque->equal &&
                                          a->opaque->equal(a->opaque, b->opaque));
        return 0;
    case CEL_HOST:
        *ret = a->host == b->host;
        return 0;
    default:
        *ret = cel_compare(a, b) == 0;
        return 0;
    }
}
