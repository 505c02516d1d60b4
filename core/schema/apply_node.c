/* Places in types: of the tables, of structural schemas, and of nothing. */
#include "schema/apply.h"
#include "schema/schema_int.h"

/* ---- without a schema ---- */

static enum apply_shape any_shape(struct apply_node n)
{
    (void)n;
    return APPLY_ANY;
}

static bool any_field(struct apply_node n, struct str key, struct apply_node *ret, bool *ret_named)
{
    (void)key;
    *ret = n;
    *ret_named = false;
    return true;
}

static struct apply_node any_element(struct apply_node n)
{
    return n;
}

static bool no_key(struct apply_node n, uint32_t index, struct str *ret_name,
                   const char **ret_preset)
{
    (void)n;
    (void)index;
    (void)ret_name;
    (void)ret_preset;
    return false;
}

static const struct apply_ops any_ops = {any_shape, any_field, any_element, no_key};

static struct apply_node any_node(void)
{
    return (struct apply_node){&any_ops, NULL, 0};
}

/* ---- a type of the tables: level 0 a struct ---- */

static struct apply_node field_node(const struct schema_field *f, unsigned level);

static enum apply_shape type_shape(struct apply_node n)
{
    const struct schema_type *t = n.at;
    return t->map_type == SCHEMA_MAP_ATOMIC ? APPLY_MAP_ATOMIC : APPLY_STRUCT;
}

static bool type_field(struct apply_node n, struct str key, struct apply_node *ret, bool *ret_named)
{
    const struct schema_field *f = schema_type_field(n.at, key);
    *ret_named = f != NULL;
    if (f)
        *ret = field_node(f, 0);
    return f != NULL;
}

static const struct apply_ops type_ops = {type_shape, type_field, any_element, no_key};

/* ---- a field of the tables: its level says how many lists and maps were entered ---- */

static unsigned wraps_of(const struct schema_field *f)
{
    return f->wrap == SCHEMA_ONE ? 0 : f->wrap == SCHEMA_MAP_OF_ARRAY ? 2 : 1;
}

static enum apply_shape value_shape(const struct schema_field *f)
{
    const struct schema_type *t = schema_field_type(f);
    switch ((enum schema_shape)f->shape) {
    case SCHEMA_STRUCT:
        if (f->wrap == SCHEMA_ONE && f->map_type != SCHEMA_MAP_NONE)
            return f->map_type == SCHEMA_MAP_ATOMIC ? APPLY_MAP_ATOMIC : APPLY_STRUCT;
        return t && t->map_type == SCHEMA_MAP_ATOMIC ? APPLY_MAP_ATOMIC : APPLY_STRUCT;
    case SCHEMA_ANY:
    case SCHEMA_OBJECT:
        return APPLY_ANY;
    case SCHEMA_INT_OR_STRING:
    case SCHEMA_QUANTITY:
        return APPLY_SCALAR;
    case SCHEMA_INT32:
    case SCHEMA_INT64:
    case SCHEMA_DOUBLE:
        return APPLY_NUMBER;
    case SCHEMA_BOOL:
        return APPLY_BOOL;
    default:
        return APPLY_STRING;
    }
}

static enum apply_shape field_shape(struct apply_node n)
{
    const struct schema_field *f = n.at;
    if (n.level >= wraps_of(f))
        return value_shape(f);
    if (n.level == 0 && f->wrap != SCHEMA_ARRAY)
        return f->map_type == SCHEMA_MAP_ATOMIC ? APPLY_MAP_ATOMIC : APPLY_MAP;
    if (n.level == 1 || f->list_type == SCHEMA_LIST_NONE || f->list_type == SCHEMA_LIST_ATOMIC)
        return APPLY_LIST_ATOMIC;
    return f->list_type == SCHEMA_LIST_SET ? APPLY_LIST_SET : APPLY_LIST_KEYED;
}

static bool field_field(struct apply_node n, struct str key, struct apply_node *ret,
                        bool *ret_named)
{
    const struct schema_field *f = n.at;
    if (n.level >= wraps_of(f)) {
        if (f->shape != SCHEMA_STRUCT)
            return false;
        return type_field((struct apply_node){&type_ops, schema_field_type(f), 0}, key, ret,
                          ret_named);
    }
    *ret_named = false;
    *ret = field_node(f, n.level + 1);
    return true;
}

static struct apply_node field_element(struct apply_node n)
{
    return field_node(n.at, n.level + 1);
}

/* What a key is when an element does not have it: required ones are their type's zero value. */
static const char *key_preset(const struct schema_field *key)
{
    const char *preset = key ? schema_field_default(key) : NULL;
    if (preset || !key || !schema_field_required(key))
        return preset;
    return key->shape == SCHEMA_STRING                                ? "\"\""
           : key->shape == SCHEMA_INT32 || key->shape == SCHEMA_INT64 ? "0"
                                                                      : NULL;
}

/* Keys are kept as one text, "containerPort+protocol". */
static bool field_key(struct apply_node n, uint32_t index, struct str *ret_name,
                      const char **ret_preset)
{
    const struct schema_field *f = n.at;
    struct str rest = str_of(schema_field_list_keys(f)), part;
    for (uint32_t i = 0; str_split(&rest, '+', &part); i++) {
        if (i < index)
            continue;
        const struct schema_type *t = schema_field_type(f);
        const struct schema_field *k = t ? schema_type_field(t, part) : NULL;
        *ret_name = part;
        *ret_preset = key_preset(k);
        return part.n > 0;
    }
    return false;
}

static const struct apply_ops field_ops = {field_shape, field_field, field_element, field_key};

static struct apply_node field_node(const struct schema_field *f, unsigned level)
{
    return (struct apply_node){&field_ops, f, level};
}

struct apply_node apply_node_of_type(const struct schema_type *type)
{
    return type ? (struct apply_node){&type_ops, type, 0} : any_node();
}

/* ---- a structural schema; level 1: the root of an object ---- */

static const struct apply_ops custom_ops;

static struct apply_node custom_node(const struct json *schema)
{
    return json_is(schema, JSON_OBJECT) ? (struct apply_node){&custom_ops, schema, 0} : any_node();
}

static bool says(const struct json *schema, const char *key, const char *value)
{
    return cstr_eq(json_cstr(json_get(schema, key)), value);
}

static bool keeps_unknown(const struct json *schema)
{
    return json_bool(json_get(schema, "x-kubernetes-preserve-unknown-fields"), false);
}

static enum apply_shape custom_list(const struct json *schema)
{
    if (says(schema, "x-kubernetes-list-type", "set"))
        return APPLY_LIST_SET;
    return says(schema, "x-kubernetes-list-type", "map") ? APPLY_LIST_KEYED : APPLY_LIST_ATOMIC;
}

static enum apply_shape custom_shape(struct apply_node n)
{
    const struct json *s = n.at;
    if (n.level == 1)
        return APPLY_STRUCT;
    if (json_bool(json_get(s, "x-kubernetes-int-or-string"), false))
        return APPLY_SCALAR;
    if (says(s, "type", "array"))
        return custom_list(s);
    if (says(s, "type", "object")) {
        if (says(s, "x-kubernetes-map-type", "atomic"))
            return APPLY_MAP_ATOMIC;
        return json_get(s, "properties") ? APPLY_STRUCT : APPLY_MAP;
    }
    if (says(s, "type", "string"))
        return APPLY_STRING;
    if (says(s, "type", "boolean"))
        return APPLY_BOOL;
    return says(s, "type", "integer") || says(s, "type", "number") ? APPLY_NUMBER : APPLY_ANY;
}

static bool root_field(struct str key, struct apply_node *ret)
{
    const struct schema_type *meta =
        schema_type_find(STR("io.k8s.apimachinery.pkg.apis.meta.v1.ObjectMeta"));
    const struct schema_type *entry =
        schema_type_find(STR("io.k8s.apimachinery.pkg.apis.meta.v1.OwnerReference"));
    if (str_is(key, "metadata"))
        *ret = apply_node_of_type(meta);
    else if (str_is(key, "apiVersion") || str_is(key, "kind"))
        *ret = field_node(schema_type_field(entry, key), 0);
    else
        return false;
    return true;
}

static bool custom_field(struct apply_node n, struct str key, struct apply_node *ret,
                         bool *ret_named)
{
    const struct json *s = n.at, *more = json_get(s, "additionalProperties");
    *ret_named = true;
    if ((n.level == 1 || json_bool(json_get(s, "x-kubernetes-embedded-resource"), false)) &&
        root_field(key, ret))
        return true;
    const struct json *property = json_get_str(json_get(s, "properties"), key);
    if (property) {
        *ret = custom_node(property);
        return true;
    }
    *ret_named = false;
    *ret = custom_node(more);
    if (json_is(more, JSON_OBJECT) || json_bool(more, false))
        return true;
    return !s || keeps_unknown(s);
}

static struct apply_node custom_element(struct apply_node n)
{
    return custom_node(json_get(n.at, "items"));
}

static bool custom_key(struct apply_node n, uint32_t index, struct str *ret_name,
                       const char **ret_preset)
{
    const struct json *key = json_at(json_get(n.at, "x-kubernetes-list-map-keys"), index);
    if (!json_is(key, JSON_STRING))
        return false;
    *ret_name = json_str(key);
    *ret_preset = NULL;
    return true;
}

static const struct apply_ops custom_ops = {custom_shape, custom_field, custom_element, custom_key};

struct apply_node apply_node_of_custom(const struct json *schema)
{
    return (struct apply_node){&custom_ops, schema, 1};
}

/* ---- for all of them ---- */

bool apply_is_scalar(enum apply_shape s)
{
    return s <= APPLY_BOOL;
}

enum apply_shape apply_shape_of(struct apply_node n, const struct json *value)
{
    enum apply_shape s = n.ops->shape(n);
    if (s != APPLY_ANY || !value || value->type == JSON_NULL)
        return s;
    return value->type == JSON_OBJECT  ? APPLY_MAP
           : value->type == JSON_ARRAY ? APPLY_LIST_ATOMIC
                                       : APPLY_SCALAR;
}

bool apply_field(struct apply_node n, struct str key, struct apply_node *ret, bool *ret_named)
{
    if (n.ops->shape(n) == APPLY_ANY) {
        *ret_named = false;
        *ret = any_node();
        return true;
    }
    return n.ops->field(n, key, ret, ret_named);
}

struct apply_node apply_element(struct apply_node n)
{
    return n.ops->shape(n) == APPLY_ANY ? any_node() : n.ops->element(n);
}
