/*
 * gnostic's openapi.v2 messages (OpenAPIv2.proto of google/gnostic-models) from the trees of a
 * swagger document. Field numbers stand beside their JSON names in the tables below; nested
 * messages are written into a buffer of their own first, as protobuf wants their length in front.
 */
#include "schema/openapi_int.h"

enum { MESSAGE_BYTES = 4 * 1024 * 1024 };

static void put_varint(struct buf *out, uint64_t v)
{
    while (v >= 0x80) {
        buf_putc(out, (char)(v | 0x80));
        v >>= 7;
    }
    buf_putc(out, (char)v);
}

void openapi_proto_bytes(struct buf *out, unsigned field, struct str bytes)
{
    put_varint(out, field << 3 | 2);
    put_varint(out, bytes.n);
    buf_append_str(out, bytes);
}

static void put_bool(struct buf *out, unsigned field, bool value)
{
    put_varint(out, field << 3);
    put_varint(out, value);
}

typedef void put_message(struct buf *out, const struct json *j);

static void put_nested(struct buf *out, unsigned field, put_message *put, const struct json *j)
{
    CLEANUP_BUF struct buf inner;
    buf_init(&inner, MESSAGE_BYTES);
    put(&inner, j);
    out->failed = out->failed || inner.failed;
    openapi_proto_bytes(out, field, buf_str(&inner));
}

/* Any: {2: yaml}. JSON is YAML. */
static void put_any(struct buf *out, const struct json *j)
{
    CLEANUP_BUF struct buf text;
    buf_init(&text, MESSAGE_BYTES);
    json_write(&text, j);
    buf_putc(&text, '\n');
    out->failed = out->failed || text.failed;
    openapi_proto_bytes(out, 2, buf_str(&text));
}

/* NamedAny: {1: name, 2: Any} of a member. */
static void put_named_any(struct buf *out, const struct json *j)
{
    openapi_proto_bytes(out, 1, j->key);
    put_nested(out, 2, put_any, j);
}

static void put_extensions(struct buf *out, unsigned field, const struct json *object)
{
    for (const struct json *m = json_first(object); m; m = m->next)
        if (str_starts(m->key, STR("x-")))
            put_nested(out, field, put_named_any, m);
}

static void put_strings(struct buf *out, unsigned field, const struct json *list)
{
    for (const struct json *s = json_first(list); s; s = s->next)
        openapi_proto_bytes(out, field, json_str(s));
}

static void put_text(struct buf *out, unsigned field, const struct json *object, const char *name)
{
    const struct json *j = json_get(object, name);
    if (json_is(j, JSON_STRING))
        openapi_proto_bytes(out, field, j->string);
}

/* AdditionalPropertiesItem {1: Schema}, ItemsItem {1: Schema}, SchemaItem {1: Schema} */
static void put_schema_item(struct buf *out, const struct json *j)
{
    put_nested(out, 1, openapi_proto_schema, j);
}

static void put_named_schema(struct buf *out, const struct json *j)
{
    openapi_proto_bytes(out, 1, j->key);
    put_nested(out, 2, openapi_proto_schema, j);
}

static void put_properties(struct buf *out, const struct json *j)
{
    for (const struct json *m = json_first(j); m; m = m->next)
        put_nested(out, 1, put_named_schema, m);
}

/* TypeItem {1: value} */
static void put_type(struct buf *out, const struct json *j)
{
    openapi_proto_bytes(out, 1, json_str(j));
}

void openapi_proto_schema(struct buf *out, const struct json *j)
{
    static const struct {
        const char *name;
        unsigned field;
        put_message *put;
    } nested[] = {{"default", 5, put_any},
                  {"additionalProperties", 21, put_schema_item},
                  {"type", 22, put_type},
                  {"items", 23, put_schema_item},
                  {"properties", 25, put_properties}};
    put_text(out, 1, j, "$ref");
    put_text(out, 2, j, "format");
    put_text(out, 4, j, "description");
    put_strings(out, 19, json_get(j, "required"));
    for (size_t i = 0; i < sizeof(nested) / sizeof(nested[0]); i++)
        if (json_get(j, nested[i].name))
            put_nested(out, nested[i].field, nested[i].put, json_get(j, nested[i].name));
    put_extensions(out, 31, j);
}

static void put_body_parameter(struct buf *out, const struct json *j)
{
    put_text(out, 2, j, "name");
    put_text(out, 3, j, "in");
    if (json_bool(json_get(j, "required"), false))
        put_bool(out, 4, true);
    put_nested(out, 5, openapi_proto_schema, json_get(j, "schema"));
}

/* QueryParameterSubSchema; a path parameter's numbers differ by the missing allow_empty_value. */
static void put_query_parameter(struct buf *out, const struct json *j)
{
    put_text(out, 2, j, "in");
    put_text(out, 4, j, "name");
    put_text(out, 6, j, "type");
    put_bool(out, 20, json_bool(json_get(j, "uniqueItems"), false));
}

static void put_path_parameter(struct buf *out, const struct json *j)
{
    put_bool(out, 1, true);
    put_text(out, 2, j, "in");
    put_text(out, 4, j, "name");
    put_text(out, 5, j, "type");
    put_bool(out, 19, json_bool(json_get(j, "uniqueItems"), false));
}

/* NonBodyParameter {3: query, 4: path} */
static void put_other_parameter(struct buf *out, const struct json *j)
{
    bool path = cstr_eq(json_cstr(json_get(j, "in")), "path");
    put_nested(out, path ? 4 : 3, path ? put_path_parameter : put_query_parameter, j);
}

/* Parameter {1: body, 2: other} */
static void put_parameter(struct buf *out, const struct json *j)
{
    bool body = cstr_eq(json_cstr(json_get(j, "in")), "body");
    put_nested(out, body ? 1 : 2, body ? put_body_parameter : put_other_parameter, j);
}

/* ParametersItem {1: Parameter} */
static void put_parameters_item(struct buf *out, const struct json *j)
{
    put_nested(out, 1, put_parameter, j);
}

static void put_response(struct buf *out, const struct json *j)
{
    put_text(out, 1, j, "description");
    if (json_get(j, "schema"))
        put_nested(out, 2, put_schema_item, json_get(j, "schema"));
}

/* ResponseValue {1: Response} */
static void put_response_value(struct buf *out, const struct json *j)
{
    put_nested(out, 1, put_response, j);
}

/* NamedResponseValue {1: code, 2: ResponseValue} */
static void put_named_response(struct buf *out, const struct json *j)
{
    openapi_proto_bytes(out, 1, j->key);
    put_nested(out, 2, put_response_value, j);
}

static void put_responses(struct buf *out, const struct json *j)
{
    for (const struct json *m = json_first(j); m; m = m->next)
        put_nested(out, 1, put_named_response, m);
}

static void put_operation(struct buf *out, const struct json *j)
{
    put_text(out, 5, j, "operationId");
    put_strings(out, 6, json_get(j, "produces"));
    put_strings(out, 7, json_get(j, "consumes"));
    for (const struct json *p = json_first(json_get(j, "parameters")); p; p = p->next)
        put_nested(out, 8, put_parameters_item, p);
    put_nested(out, 9, put_responses, json_get(j, "responses"));
    put_extensions(out, 13, j);
}

void openapi_proto_path_item(struct buf *out, const struct json *item)
{
    static const struct {
        const char *method;
        unsigned field;
    } methods[] = {{"get", 2}, {"put", 3}, {"post", 4}, {"delete", 5}, {"patch", 8}};
    for (size_t i = 0; i < sizeof(methods) / sizeof(methods[0]); i++)
        if (json_get(item, methods[i].method))
            put_nested(out, methods[i].field, put_operation, json_get(item, methods[i].method));
    for (const struct json *p = json_first(json_get(item, "parameters")); p; p = p->next)
        put_nested(out, 9, put_parameters_item, p);
}
