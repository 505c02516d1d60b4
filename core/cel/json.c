/*
 * Between JSON and values (apiserver/pkg/cel/common/valuesunstructured.go). Lists and maps stay in
 * place; a scalar is read as its schema says.
 */
#include "cel/cel_int.h"
#include "codec/time.h"

static const char *json_name(const struct json *j)
{
    static const char *const names[] = {[JSON_NULL] = "null",
                                        [JSON_BOOL] = "bool",
                                        [JSON_INT] = "int64",
                                        [JSON_DOUBLE] = "float64",
                                        [JSON_STRING] = "string",
                                        [JSON_ARRAY] = "[]interface {}",
                                        [JSON_OBJECT] = "map[string]interface {}"};
    return names[j->type];
}

static int wrong(const struct json *j, const char *wanted, struct err *err)
{
    return err_set(err, E_INVALID, "invalid data, expected %s, got %s", wanted, json_name(j));
}

static int from_any(const struct json *j, const struct cel_type *type, struct cel_value *ret)
{
    switch ((enum json_type)j->type) {
    case JSON_NULL:
        *ret = (struct cel_value){.kind = CEL_NULL};
        break;
    case JSON_BOOL:
        *ret = cel_of_bool(j->boolean);
        break;
    case JSON_INT:
        *ret = (struct cel_value){.kind = CEL_INT, .i64 = j->i64};
        break;
    case JSON_DOUBLE:
        *ret = (struct cel_value){.kind = CEL_DOUBLE, .number = j->number};
        break;
    case JSON_STRING:
        *ret = cel_of_str(j->string);
        break;
    case JSON_ARRAY:
        *ret = (struct cel_value){.kind = CEL_LIST, .type = type, .json = j};
        break;
    case JSON_OBJECT:
        *ret = (struct cel_value){.kind = CEL_MAP, .type = type, .json = j};
        break;
    }
    return 0;
}

static int from_base64(struct cel_run *run, const struct json *j, struct cel_value *ret,
                       struct err *err)
{
    char *bytes = arena_alloc(run->arena, j->string.n / 4 * 3 + 3);
    size_t n;
    if (!bytes)
        return err_set(err, E_NOMEM, "out of memory");
    if (base64_decode(bytes, &n, j->string) < 0)
        return err_set(err, E_INVALID, "Invalid byte formatted string " STR_FMT,
                       STR_ARG(j->string));
    *ret = (struct cel_value){.kind = CEL_BYTES, .string = str_make(bytes, n)};
    return 0;
}

static int from_text(struct cel_run *run, const struct json *j, const struct cel_type *type,
                     struct cel_value *ret, struct err *err)
{
    struct cel_value v = {.kind = CEL_STRING};
    int rc = 0;
    if (j->type != JSON_STRING)
        return wrong(j, "string", err);
    if (type->kind == CEL_T_BYTES)
        return from_base64(run, j, ret, err);
    if (type->kind == CEL_T_TIMESTAMP) {
        v.kind = CEL_TIMESTAMP;
        rc = type->bare_date ? cel_date_parse(j->string, &v.time, err)
                             : cel_time_parse(j->string, &v.time, err);
    } else if (type->kind == CEL_T_DURATION) {
        v.kind = CEL_DURATION;
        if (duration_parse(j->string, &v.i64, err) < 0)
            rc = err_set(err, E_INVALID, "Invalid duration " STR_FMT, STR_ARG(j->string));
    } else {
        v.string = j->string;
    }
    if (rc == 0)
        *ret = v;
    return rc;
}

static int from_number(const struct json *j, const struct cel_type *type, struct cel_value *ret,
                       struct err *err)
{
    if (type->kind == CEL_T_DOUBLE) {
        if (j->type != JSON_INT && j->type != JSON_DOUBLE)
            return wrong(j, "float", err);
        *ret = (struct cel_value){.kind = CEL_DOUBLE,
                                  .number = j->type == JSON_INT ? (double)j->i64 : j->number};
        return 0;
    }
    if (j->type != JSON_INT || (type->kind == CEL_T_UINT && j->i64 < 0))
        return wrong(j, "int", err);
    *ret = (struct cel_value){.kind = type->kind == CEL_T_UINT ? CEL_UINT : CEL_INT, .i64 = j->i64};
    return 0;
}

int cel_from_json(struct cel_run *run, const struct json *j, const struct cel_type *type,
                  struct cel_value *ret, struct err *err)
{
    static const struct json null = {.type = JSON_NULL};
    if (!j)
        j = &null;
    if (!type || type->kind == CEL_T_DYN)
        return from_any(j, NULL, ret);
    if (j->type == JSON_NULL && !type->nullable && type->kind != CEL_T_NULL)
        return err_set(err, E_INVALID, "invalid data, got null for schema with nullable=false");
    if (j->type == JSON_NULL)
        return from_any(j, NULL, ret);
    switch (type->kind) {
    case CEL_T_BOOL:
        return j->type == JSON_BOOL ? from_any(j, NULL, ret) : wrong(j, "bool", err);
    case CEL_T_INT:
    case CEL_T_UINT:
    case CEL_T_DOUBLE:
        return from_number(j, type, ret, err);
    case CEL_T_STRING:
    case CEL_T_BYTES:
    case CEL_T_TIMESTAMP:
    case CEL_T_DURATION:
        return from_text(run, j, type, ret, err);
    case CEL_T_LIST:
        if (j->type != JSON_ARRAY)
            return err_set(err, E_INVALID,
                           "invalid data, expected an array for the provided schema with "
                           "type=array");
        return from_any(j, type, ret);
    case CEL_T_MAP:
    case CEL_T_OBJECT:
        if (j->type != JSON_OBJECT)
            return err_set(err, E_INVALID,
                           "invalid data, expected a map for the provided schema with "
                           "type=object");
        return from_any(j, type, ret);
    default:
        return from_any(j, NULL, ret);
    }
}

/* ---- back ---- */

static struct json *text_json(struct arena *a, const struct cel_value *v)
{
    CLEANUP_BUF struct buf b;
    buf_init(&b, 100);
    if (v->kind == CEL_TIMESTAMP)
        cel_time_write(&b, &v->time);
    else
        cel_duration_write(&b, v->i64);
    return b.failed ? NULL : json_new_str(a, buf_str(&b));
}

static struct json *bytes_json(struct arena *a, struct str bytes)
{
    char *text = arena_alloc(a, base64_encoded_size(bytes.n));
    return text ? json_new_str(a, str_make(text, base64_encode(text, bytes.p, bytes.n))) : NULL;
}

static struct json *uint_json(struct arena *a, uint64_t v)
{
    struct json *j;
    if (v <= INT64_MAX)
        return json_new_i64(a, (int64_t)v);
    if ((j = json_new(a, JSON_DOUBLE)))
        j->number = (double)v;
    return j;
}

/* Keys of a map are distinct: the member goes to the end without looking for it. */
static int add_member(struct arena *a, struct json *out, struct str key, struct json *part)
{
    part->key = arena_str(a, key);
    if (!part->key.p)
        return -E_NOMEM;
    if (out->list.last)
        out->list.last->next = part;
    else
        out->list.first = part;
    out->list.last = part;
    out->list.count++;
    return 0;
}

static int parts_json(struct arena *a, struct cel_run *run, const struct cel_value *v,
                      struct json *out, struct err *err)
{
    struct cel_iter it;
    struct cel_value key, value;
    struct json *part;
    bool more;
    int rc;
    cel_iter_init(&it, v);
    while ((rc = cel_iter_next(run, &it, &key, &value, &more, err)) == 0 && more) {
        if ((rc = cel_to_json(a, run, &value, &part, err)) < 0)
            return rc;
        if (v->kind == CEL_MAP && key.kind != CEL_STRING)
            return err_set(err, E_INVALID, "keys of a map must be strings");
        if (v->kind == CEL_MAP ? add_member(a, out, key.string, part) < 0
                               : !json_append(a, out, part))
            return err_set(err, E_NOMEM, "out of memory");
    }
    return rc;
}

static int compound_json(struct arena *a, struct cel_run *run, const struct cel_value *v,
                         struct json **ret, struct err *err)
{
    struct json *out;
    if (v->json) {
        out = json_clone(a, v->json);
    } else {
        out = json_new(a, v->kind == CEL_MAP ? JSON_OBJECT : JSON_ARRAY);
        int rc = out ? parts_json(a, run, v, out, err) : 0;
        if (rc < 0)
            return rc;
    }
    *ret = out;
    return 0;
}

int cel_to_json(struct arena *a, struct cel_run *run, const struct cel_value *v,
                struct json **ret_json, struct err *err)
{
    struct json *j = NULL;
    int rc = cel_work(run, 1, err);
    if (rc < 0)
        return rc;
    switch ((enum cel_kind)v->kind) {
    case CEL_NULL:
        j = json_new(a, JSON_NULL);
        break;
    case CEL_BOOL:
        j = json_new_bool(a, v->boolean);
        break;
    case CEL_INT:
        j = json_new_i64(a, v->i64);
        break;
    case CEL_UINT:
        j = uint_json(a, v->u64);
        break;
    case CEL_DOUBLE:
        if ((j = json_new(a, JSON_DOUBLE)))
            j->number = v->number;
        break;
    case CEL_STRING:
        j = json_new_str(a, v->string);
        break;
    case CEL_BYTES:
        j = bytes_json(a, v->string);
        break;
    case CEL_TIMESTAMP:
    case CEL_DURATION:
        j = text_json(a, v);
        break;
    case CEL_LIST:
    case CEL_MAP:
        if ((rc = compound_json(a, run, v, &j, err)) < 0)
            return rc;
        break;
    case CEL_OPTIONAL:
        if (v->content)
            return cel_to_json(a, run, v->content, ret_json, err);
        j = json_new(a, JSON_NULL);
        break;
    default:
        return err_set(err, E_INVALID, "value of type %s has no JSON form",
                       cel_type_name(cel_value_type(v)));
    }
    if (!j)
        return err_set(err, E_NOMEM, "out of memory");
    *ret_json = j;
    return 0;
}
