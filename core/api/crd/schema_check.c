/*
 * Schemas of definitions (apiextensions-apiserver/pkg/apis/apiextensions/validation and
 * pkg/apiserver/schema): every value has one type, said outside of allOf, anyOf, oneOf and not, so
 * that what is unknown can be pruned.
 */
#include "api/crd/schema_check.h"

#include "api/crd/node.h"
#include "api/crd/rules.h"
#include "cel/cost.h"

enum level { AT_ROOT, AT_FIELD, AT_ITEM };
enum { DEPTH = 60 };

struct costs {
    uint64_t times;  /* that the node may occur in one object */
    uint64_t *total; /* of all rules */
};

static void check(struct field_errors *e, const struct field *path, const struct json *s,
                  enum level level, struct costs costs, unsigned depth);

static bool flag(const struct json *s, const char *name)
{
    return json_path_bool(s, name, false);
}

static void check_type(struct field_errors *e, const struct field *path, const struct json *s,
                       enum level level)
{
    static const char *const known[] = {"array", "boolean", "integer", "number", "object",
                                        "string", NULL};
    static const char *const missing[] = {"must not be empty at the root",
                                          "must not be empty for specified object fields",
                                          "must not be empty for specified array items"};
    struct str type = json_path_str(s, "type");
    const struct field *at = FIELD(path, "type");
    bool embedded = flag(s, "x-kubernetes-embedded-resource");
    bool free = flag(s, "x-kubernetes-int-or-string") ||
                flag(s, "x-kubernetes-preserve-unknown-fields");
    if (!type.n) {
        if (embedded)
            field_required(e, at, "must be object if x-kubernetes-embedded-resource is true");
        else if (!free)
            field_required(e, at, missing[level]);
        return;
    }
    size_t i = 0;
    while (known[i] && !str_is(type, known[i]))
        i++;
    if (!known[i])
        field_unsupported(e, at, type, known);
    else if (level == AT_ROOT && !str_is(type, "object"))
        field_invalid_str(e, at, type, "must be object at the root");
    else if (embedded && !str_is(type, "object"))
        field_invalid_str(e, at, type,
                          "must be object if x-kubernetes-embedded-resource is true");
    else if (flag(s, "x-kubernetes-preserve-unknown-fields") && !str_is(type, "object"))
        field_invalid_str(e, at, type,
                          "must be object if x-kubernetes-preserve-unknown-fields is true");
    if (flag(s, "x-kubernetes-int-or-string"))
        field_invalid_str(e, at, type, "must be empty if x-kubernetes-int-or-string is true");
}

static void check_forbidden(struct field_errors *e, const struct field *path, const struct json *s)
{
    static const struct {
        const char *name, *why;
    } never[] = {{"$ref", "$ref is not supported"},
                 {"definitions", "definitions is not supported"},
                 {"dependencies", "dependencies is not supported"},
                 {"id", "id is not supported"},
                 {"patternProperties", "patternProperties is not supported"},
                 {"additionalItems", "additionalItems is not supported"}};
    for (size_t i = 0; i < sizeof never / sizeof never[0]; i++)
        if (json_get(s, never[i].name))
            field_forbidden(e, FIELD(path, never[i].name), never[i].why);
    if (flag(s, "uniqueItems"))
        field_forbidden(e, FIELD(path, "uniqueItems"),
                        "uniqueItems cannot be set to true since the runtime complexity becomes "
                        "quadratic");
    const struct json *more = json_get(s, "additionalProperties");
    if (json_is(more, JSON_BOOL) && !more->boolean)
        field_forbidden(e, FIELD(path, "additionalProperties"),
                        "additionalProperties cannot be set to false");
    if (more && json_count(json_get(s, "properties")))
        field_forbidden(e, FIELD(path, "additionalProperties"),
                        "additionalProperties and properties are mutual exclusive");
    if (more && flag(s, "x-kubernetes-embedded-resource"))
        field_forbidden(e, FIELD(path, "additionalProperties"),
                        "must not be used if x-kubernetes-embedded-resource is set");
}

static void check_pattern(struct field_errors *e, const struct field *path, const struct json *s)
{
    struct arena a CLEANUP_ARENA;
    struct str pattern = json_path_str(s, "pattern");
    struct regex *regex;
    struct err err = {0};
    arena_init(&a, 4 * 1024 * 1024);
    if (!pattern.n || regex_compile(&a, pattern, &regex, &err) == 0)
        return;
    field_invalid_str(e, FIELD(path, "pattern"), pattern,
                      arena_printf(e->arena,
                                   "must be a valid regular expression, but isn't: %s", err.text));
}

/* ---- lists ---- */

static bool is_required(const struct json *items, struct str name)
{
    const struct json *required = json_get(items, "required");
    for (const struct json *m = json_first(required); m; m = m->next)
        if (str_eq(json_str(m), name))
            return true;
    return false;
}

static void check_keys(struct field_errors *e, const struct field *path, const struct json *s)
{
    const struct json *keys = json_get(s, "x-kubernetes-list-map-keys"),
                      *items = json_get(s, "items");
    const struct field *at = FIELD(path, "x-kubernetes-list-map-keys");
    int64_t i = 0;
    if (!json_count(keys)) {
        field_required(e, at, "must not be empty if x-kubernetes-list-type is map");
        return;
    }
    for (const struct json *k = json_first(keys); k; k = k->next, i++) {
        const struct json *property = json_get_str(json_get(items, "properties"), json_str(k));
        if (!property)
            field_invalid(e, FIELD_AT(at, i), k, "entries must all be names of item properties");
        else if (!json_get(property, "default") && !is_required(items, json_str(k)))
            field_required(e,
                           FIELD(FIELD_KEY(FIELD(FIELD(path, "items"), "properties"), json_str(k)),
                                 "default"),
                           "this property is in x-kubernetes-list-map-keys, so it must have a "
                           "default or be a required property");
    }
}

static void check_list(struct field_errors *e, const struct field *path, const struct json *s)
{
    static const char *const known[] = {"atomic", "set", "map", NULL};
    struct str list = json_path_str(s, "x-kubernetes-list-type");
    bool array = str_is(json_path_str(s, "type"), "array");
    if (array && !json_get(s, "items"))
        field_required(e, FIELD(path, "items"), "must be specified");
    if (!list.n) {
        if (json_count(json_get(s, "x-kubernetes-list-map-keys")))
            field_required(e, FIELD(path, "x-kubernetes-list-type"),
                           "must be map if x-kubernetes-list-map-keys is non-empty");
        return;
    }
    if (!array)
        field_invalid_str(e, FIELD(path, "type"), json_path_str(s, "type"),
                          "must be array if x-kubernetes-list-type is specified");
    if (!str_is(list, "atomic") && !str_is(list, "set") && !str_is(list, "map"))
        field_unsupported(e, FIELD(path, "x-kubernetes-list-type"), list, known);
    if (str_is(list, "map"))
        check_keys(e, path, s);
}

/* ---- allOf and the like ---- */

static void check_nested(struct field_errors *e, const struct field *path, const struct json *s,
                         unsigned depth)
{
    static const char *const outside[] = {"type",
                                          "description",
                                          "title",
                                          "default",
                                          "additionalProperties",
                                          "nullable",
                                          "x-kubernetes-preserve-unknown-fields",
                                          "x-kubernetes-embedded-resource",
                                          "x-kubernetes-int-or-string",
                                          "x-kubernetes-list-type",
                                          "x-kubernetes-list-map-keys",
                                          "x-kubernetes-map-type"};
    static const char *const lists[] = {"allOf", "anyOf", "oneOf"};
    if (depth > DEPTH)
        return;
    for (size_t i = 0; i < sizeof outside / sizeof outside[0]; i++)
        if (json_get(s, outside[i]))
            field_forbidden(e, FIELD(path, outside[i]), "must be empty to be structural");
    check_pattern(e, path, s);
    const struct json *properties = json_get(s, "properties");
    for (const struct json *m = json_first(properties); m; m = m->next)
        check_nested(e, FIELD_KEY(FIELD(path, "properties"), m->key), m, depth + 1);
    if (json_get(s, "items"))
        check_nested(e, FIELD(path, "items"), json_get(s, "items"), depth + 1);
    if (json_get(s, "not"))
        check_nested(e, FIELD(path, "not"), json_get(s, "not"), depth + 1);
    for (size_t k = 0; k < 3; k++) {
        int64_t i = 0;
        for (const struct json *m = json_first(json_get(s, lists[k])); m; m = m->next, i++)
            check_nested(e, FIELD_AT(FIELD(path, lists[k]), i), m, depth + 1);
    }
}

/* What int-or-string is written out as is no type of its own. */
static bool is_int_or_string(const struct json *s, const struct json *any)
{
    return flag(s, "x-kubernetes-int-or-string") && json_count(any) == 2 &&
           str_is(json_path_str(json_at(any, 0), "type"), "integer") &&
           str_is(json_path_str(json_at(any, 1), "type"), "string");
}

static void check_combined(struct field_errors *e, const struct field *path, const struct json *s,
                           unsigned depth)
{
    static const char *const lists[] = {"allOf", "anyOf", "oneOf"};
    for (size_t k = 0; k < 3; k++) {
        const struct json *list = json_get(s, lists[k]);
        int64_t i = 0;
        if (is_int_or_string(s, list))
            continue;
        for (const struct json *m = json_first(list); m; m = m->next, i++)
            if (!(k == 0 && is_int_or_string(s, json_get(m, "anyOf"))))
                check_nested(e, FIELD_AT(FIELD(path, lists[k]), i), m, depth + 1);
    }
    if (json_get(s, "not"))
        check_nested(e, FIELD(path, "not"), json_get(s, "not"), depth + 1);
}

/* ---- metadata of a resource ---- */

static void check_metadata(struct field_errors *e, const struct field *path, const struct json *s)
{
    const struct json *meta = json_path(s, "properties.metadata");
    const struct field *at = FIELD_KEY(FIELD(path, "properties"), STR("metadata"));
    if (!meta)
        return;
    if (!str_is(json_path_str(meta, "type"), "object"))
        field_invalid_str(e, FIELD(at, "type"), json_path_str(meta, "type"), "must be object");
    for (const struct json *m = json_first(json_get(meta, "properties")); m; m = m->next)
        if (!str_is(m->key, "name") && !str_is(m->key, "generateName")) {
            field_forbidden(e, at,
                            "must not specify anything other than name and generateName, but "
                            "metadata is implicitly specified");
            return;
        }
}

static void check_default(struct field_errors *e, const struct field *path, const struct json *s,
                          enum level level)
{
    const struct json *preset = json_get(s, "default");
    const struct crd_node *node;
    if (!preset)
        return;
    if (level == AT_ROOT)
        field_forbidden(e, FIELD(path, "default"), "must not be set at the root");
    else if (crd_node_new(e->arena, s, &node) == 0)
        crd_validate_part(e, node, FIELD(path, "default"), preset);
}

/* How often what is in a list or map may occur. */
static uint64_t times_below(struct arena *a, const struct json *s, uint64_t times)
{
    const struct cel_type *type;
    if (cel_type_of_schema(a, s, "object", false, &type) < 0 || !type)
        return times;
    return cel_cost_times(times, type->max_size);
}

static void check(struct field_errors *e, const struct field *path, const struct json *s,
                  enum level level, struct costs costs, unsigned depth)
{
    if (depth > DEPTH) {
        field_forbidden(e, path, "the schema is nested too deeply");
        return;
    }
    check_type(e, path, s, level);
    check_forbidden(e, path, s);
    check_pattern(e, path, s);
    check_list(e, path, s);
    check_combined(e, path, s, depth);
    check_default(e, path, s, level);
    if (level == AT_ROOT || flag(s, "x-kubernetes-embedded-resource"))
        check_metadata(e, path, s);
    bool resource = level == AT_ROOT || flag(s, "x-kubernetes-embedded-resource");
    crd_rules_validate(e, path, s, resource, costs.times, costs.total);
    const struct json *properties = json_get(s, "properties"),
                      *more = json_get(s, "additionalProperties"), *items = json_get(s, "items");
    if (json_is(more, JSON_OBJECT) || json_is(items, JSON_OBJECT))
        costs.times = times_below(e->arena, s, costs.times);
    for (const struct json *m = json_first(properties); m; m = m->next)
        check(e, FIELD_KEY(FIELD(path, "properties"), m->key), m, AT_FIELD, costs, depth + 1);
    if (json_is(more, JSON_OBJECT))
        check(e, FIELD(path, "additionalProperties"), more, AT_FIELD, costs, depth + 1);
    if (json_is(items, JSON_OBJECT))
        check(e, FIELD(path, "items"), items, AT_ITEM, costs, depth + 1);
}

void schema_check_structure(struct field_errors *e, const struct field *path,
                            const struct json *schema)
{
    struct buf words CLEANUP_BUF;
    uint64_t total = 0;
    buf_init(&words, 2000);
    check(e, path, schema, AT_ROOT, (struct costs){1, &total}, 0);
    cel_cost_complain(&words,
                      "x-kubernetes-validations estimated rule cost total for entire "
                      "OpenAPIv3 schema",
                      total, CEL_ESTIMATE_OBJECT);
    if (buf_len(&words))
        field_add(e, path, "FieldValueForbidden",
                  arena_printf(e->arena, "Forbidden: %s", buf_cstr(&words)));
}
