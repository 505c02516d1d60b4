/* The schema of one type, from the tables. */
#include <stdio.h>

#include "schema/openapi_int.h"
#include "schema/schema_int.h"

struct json *openapi_gvk(struct arena *a, const char *group, const char *version, const char *kind)
{
    struct json *j = json_new(a, JSON_OBJECT);
    json_set_cstr(a, j, "group", group);
    json_set_cstr(a, j, "kind", kind);
    json_set_cstr(a, j, "version", version);
    return j;
}

struct json *openapi_ref(struct arena *a, const struct schema_type *t, enum openapi_form form)
{
    struct json *j = json_new(a, JSON_OBJECT);
    const char *text =
        arena_printf(a, "%s%s", form == OPENAPI_V3 ? "#/components/schemas/" : "#/definitions/",
                     schema_type_name(t));
    if (text)
        json_set_cstr(a, j, "$ref", text);
    return j;
}

static struct json *typed(struct arena *a, const char *type, const char *format)
{
    struct json *j = json_new(a, JSON_OBJECT);
    json_set_cstr(a, j, "type", type);
    if (*format)
        json_set_cstr(a, j, "format", format);
    return j;
}

static struct json *one_of(struct arena *a, const char *format, const char *first,
                           const char *second)
{
    struct json *j = json_new(a, JSON_OBJECT), *list = json_new(a, JSON_ARRAY);
    if (*format)
        json_set_cstr(a, j, "format", format);
    json_set(a, j, "oneOf", list);
    json_append(a, list, typed(a, first, ""));
    json_append(a, list, typed(a, second, ""));
    return j;
}

static struct json *plain(struct arena *a, enum schema_shape shape, enum openapi_form form)
{
    switch (shape) {
    case SCHEMA_STRING:
        return typed(a, "string", "");
    case SCHEMA_BYTES:
        return typed(a, "string", "byte");
    case SCHEMA_INT32:
        return typed(a, "integer", "int32");
    case SCHEMA_INT64:
        return typed(a, "integer", "int64");
    case SCHEMA_BOOL:
        return typed(a, "boolean", "");
    case SCHEMA_DOUBLE:
        return typed(a, "number", "double");
    case SCHEMA_INT_OR_STRING:
        return form == OPENAPI_V2 ? typed(a, "string", "int-or-string")
                                  : one_of(a, "int-or-string", "integer", "string");
    case SCHEMA_QUANTITY:
        return form == OPENAPI_V2 ? typed(a, "string", "") : one_of(a, "", "string", "number");
    case SCHEMA_TIME:
    case SCHEMA_MICRO_TIME:
        return typed(a, "string", "date-time");
    case SCHEMA_ANY:
        return json_new(a, JSON_OBJECT);
    default:
        return typed(a, "object", "");
    }
}

static struct json *wrapped(struct arena *a, const char *type, const char *member,
                            struct json *inner)
{
    struct json *j = typed(a, type, "");
    json_set(a, j, member, inner);
    return j;
}

static struct json *field_value(struct arena *a, const struct schema_field *f,
                                enum openapi_form form)
{
    const struct schema_type *t = schema_field_type(f);
    struct json *inner = t ? openapi_ref(a, t, form) : plain(a, f->shape, form);
    switch ((enum schema_wrap)f->wrap) {
    case SCHEMA_ARRAY:
        return wrapped(a, "array", "items", inner);
    case SCHEMA_MAP:
        return wrapped(a, "object", "additionalProperties", inner);
    case SCHEMA_MAP_OF_ARRAY:
        return wrapped(a, "object", "additionalProperties", wrapped(a, "array", "items", inner));
    default:
        return inner;
    }
}

static void set_list(struct arena *a, struct json *j, const char *name, const char *joined,
                     char between)
{
    struct json *list = json_set(a, j, name, json_new(a, JSON_ARRAY));
    struct str rest = str_of(joined), part;
    while (str_split(&rest, between, &part))
        json_append(a, list, json_new_str(a, part));
}

static void set_merge_rules(struct arena *a, struct json *j, const struct schema_field *f)
{
    static const char lists[][8] = {"", "atomic", "set", "map"},
                      maps[][12] = {"", "atomic", "granular"};
    char strategy[40];
    if (f->keys)
        set_list(a, j, "x-kubernetes-list-map-keys", schema_field_list_keys(f), '+');
    if (f->list_type)
        json_set_cstr(a, j, "x-kubernetes-list-type", lists[f->list_type]);
    if (f->map_type)
        json_set_cstr(a, j, "x-kubernetes-map-type", maps[f->map_type]);
    if (f->patch_key)
        json_set_cstr(a, j, "x-kubernetes-patch-merge-key", schema_field_patch_key(f));
    if (f->patch) {
        snprintf(
            strategy, sizeof(strategy), "%s%s%s%s", f->patch & SCHEMA_PATCH_MERGE ? "merge" : "",
            f->patch & SCHEMA_PATCH_REPLACE ? "replace" : "",
            (f->patch & SCHEMA_PATCH_RETAIN_KEYS) && (f->patch & ~SCHEMA_PATCH_RETAIN_KEYS) ? ","
                                                                                            : "",
            f->patch & SCHEMA_PATCH_RETAIN_KEYS ? "retainKeys" : "");
        json_set_cstr(a, j, "x-kubernetes-patch-strategy", strategy);
    }
}

static struct json *property(struct arena *a, const struct schema_type *t,
                             const struct schema_field *f, enum openapi_form form)
{
    struct str text = openapi_description(schema_type_short_name(t), schema_field_name(f));
    struct json *j = field_value(a, f, form), *preset = NULL;
    bool more = text.n || f->preset || f->patch || f->list_type || f->map_type;
    if (form == OPENAPI_V3 && json_get(j, "$ref") && more) { /* beside a $ref nothing else counts */
        struct json *all = json_new(a, JSON_OBJECT);
        json_append(a, json_set(a, all, "allOf", json_new(a, JSON_ARRAY)), j);
        j = all;
    }
    if (text.n)
        json_set_str(a, j, "description", text);
    if (f->preset && json_parse(a, str_of(schema_field_default(f)), NULL, &preset, NULL) == 0)
        json_set(a, j, "default", preset);
    set_merge_rules(a, j, f);
    return j;
}

static void set_kinds(struct arena *a, struct json *j, const struct schema_type *t)
{
    struct schema_gvk k;
    struct json *list = NULL;
    for (size_t i = 0; schema_type_gvk(t, i, &k); i++) {
        if (!list)
            list = json_set(a, j, "x-kubernetes-group-version-kind", json_new(a, JSON_ARRAY));
        json_append(a, list, openapi_gvk(a, k.group, k.version, k.kind));
    }
}

struct json *openapi_schema(struct arena *a, const struct schema_type *t, enum openapi_form form)
{
    struct str text = openapi_description(schema_type_short_name(t), "");
    bool is_struct = t->shape == SCHEMA_STRUCT;
    struct json *j = is_struct ? json_new(a, JSON_OBJECT) : plain(a, t->shape, form),
                *required = NULL;
    if (text.n)
        json_set_str(a, j, "description", text);
    if (!is_struct)
        return j;
    json_set_cstr(a, j, "type", "object");
    struct json *properties =
        t->field_count ? json_set(a, j, "properties", json_new(a, JSON_OBJECT)) : NULL;
    for (size_t i = 0; i < t->field_count; i++) {
        const struct schema_field *f = schema_type_field_at(t, i);
        json_set(a, properties, schema_field_name(f), property(a, t, f, form));
        if (!schema_field_required(f))
            continue;
        if (!required)
            required = json_set(a, j, "required", json_new(a, JSON_ARRAY));
        json_append(a, required, json_new_cstr(a, schema_field_name(f)));
    }
    if (t->map_type == SCHEMA_MAP_ATOMIC)
        json_set_cstr(a, j, "x-kubernetes-map-type", "atomic");
    set_kinds(a, j, t);
    return j;
}

void openapi_mark(const struct schema_type *t, uint8_t *marks)
{
    if (!t || marks[schema_type_index(t)])
        return;
    marks[schema_type_index(t)] = 1;
    for (size_t i = 0; i < t->field_count; i++)
        openapi_mark(schema_field_type(schema_type_field_at(t, i)), marks);
}
