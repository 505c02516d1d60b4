/*
 * Types from structural OpenAPI schemas, with the sizes that cost estimates need
 * (apiserver/pkg/cel/common/schemas.go). What bounds nothing is bounded by a request's size.
 */
#include "base/limits.h"
#include "cel/cel_int.h"

enum { REQUEST_BYTES = 3 * 1024 * 1024, DATE_BYTES = 12, TIME_BYTES = 32, MIN_TIME_BYTES = 21 };

struct maker {
    struct arena *arena;
    bool oom;
};

static const struct cel_type *make(struct maker *m, const struct json *schema, const char *name,
                                   bool root, unsigned depth);

static struct cel_type *new_type(struct maker *m, enum cel_type_kind kind, uint64_t min_bytes)
{
    struct cel_type *t = arena_zalloc(m->arena, sizeof *t);
    if (!t) {
        m->oom = true;
        return NULL;
    }
    t->kind = kind;
    t->min_json_bytes = min_bytes;
    return t;
}

static const char *join(struct maker *m, const char *a, const char *b, size_t n)
{
    const char *s = arena_printf(m->arena, "%s.%.*s", a, (int)n, b);
    if (!s)
        m->oom = true;
    return s;
}

static bool flag(const struct json *schema, const char *name)
{
    return json_bool(json_get(schema, name), false);
}

/* A limit of the schema, or what a request could hold at most. */
static uint64_t bound(const struct json *schema, const char *name, uint64_t factor,
                      uint64_t otherwise)
{
    const struct json *limit = json_get(schema, name);
    int64_t v = json_i64(limit, -1);
    if (json_absent(limit))
        return otherwise;
    return v <= 0 ? 0 : (uint64_t)v > UINT64_MAX / 8 ? UINT64_MAX : (uint64_t)v * factor;
}

static struct cel_type *make_text(struct maker *m, const struct json *schema)
{
    struct str format = json_str(json_get(schema, "format"));
    const struct json *values = json_get(schema, "enum");
    uint64_t longest = REQUEST_BYTES - 2, length = 0;
    struct cel_type *t;
    if (str_is(format, "duration") || str_is(format, "date") || str_is(format, "date-time")) {
        bool date = str_is(format, "date"), duration = str_is(format, "duration");
        t = new_type(m, duration ? CEL_T_DURATION : CEL_T_TIMESTAMP,
                     duration ? 3
                     : date   ? DATE_BYTES
                              : MIN_TIME_BYTES);
        if (t) {
            t->bare_date = date;
            t->max_size = date ? DATE_BYTES : TIME_BYTES;
        }
        return t;
    }
    bool bytes = str_is(format, "byte");
    if (!(t = new_type(m, bytes ? CEL_T_BYTES : CEL_T_STRING, 2)))
        return NULL;
    for (const struct json *v = json_first(values); v && !bytes; v = v->next)
        if (json_str(v).n > length)
            length = json_str(v).n;
    t->max_size = bound(schema, "maxLength", bytes ? 1 : 4,
                        json_count(values) > 0 && !bytes ? length : longest);
    return t;
}

static struct cel_type *make_list(struct maker *m, const struct json *schema, const char *name,
                                  unsigned depth)
{
    const struct json *items = json_get(schema, "items");
    const struct json *keys = json_get(schema, "x-kubernetes-list-map-keys");
    struct str list_type = json_str(json_get(schema, "x-kubernetes-list-type"));
    const char **names, *item_name = join(m, name, "@idx", 4);
    const struct cel_type *element =
        make(m, items, item_name, flag(items, "x-kubernetes-embedded-resource"), depth + 1);
    struct cel_type *t = element ? new_type(m, CEL_T_LIST, 2) : NULL;
    if (!t)
        return NULL;
    t->element = element;
    t->max_size = bound(schema, "maxItems", 1, (REQUEST_BYTES - 2) / (element->min_json_bytes + 1));
    if (str_is(list_type, "set"))
        t->list_type = CEL_LIST_SET;
    if (!str_is(list_type, "map"))
        return t;
    t->list_type = CEL_LIST_MAP;
    t->list_keys = names = arena_zalloc(m->arena, (json_count(keys) + 1) * sizeof *names);
    if (!names)
        m->oom = true;
    for (const struct json *key = json_first(keys); names && key; key = key->next)
        *names++ = json_cstr(key);
    return t;
}

static struct cel_type *make_map(struct maker *m, const struct json *values, const char *name,
                                 const struct json *schema, unsigned depth)
{
    const struct cel_type *element =
        make(m, values, join(m, name, "@elem", 5), flag(values, "x-kubernetes-embedded-resource"),
             depth + 1);
    struct cel_type *t = element ? new_type(m, CEL_T_MAP, 2) : NULL;
    if (!t)
        return NULL;
    t->key = &cel_string;
    t->element = element;
    t->max_size =
        bound(schema, "maxProperties", 1, (REQUEST_BYTES - 2) / (element->min_json_bytes + 6));
    return t;
}

/* ---- objects ---- */

static bool is_required(const struct json *schema, struct str name)
{
    for (const struct json *r = json_first(json_get(schema, "required")); r; r = r->next)
        if (str_eq(json_str(r), name))
            return true;
    return false;
}

static bool can_be_spelled(struct str name)
{
    struct buf b;
    buf_init(&b, 4096);
    bool ok = cel_escape(&b, name);
    buf_done(&b);
    return ok;
}

static const struct cel_type *text_of_a_request(struct maker *m)
{
    struct cel_type *t = new_type(m, CEL_T_STRING, 2);
    if (t)
        t->max_size = REQUEST_BYTES - 2;
    return t;
}

static const struct cel_type *make_metadata(struct maker *m, const char *name)
{
    struct cel_type *t = new_type(m, CEL_T_OBJECT, 2);
    struct cel_field *fields = arena_zalloc(m->arena, 2 * sizeof *fields);
    if (!t || !fields) {
        m->oom = true;
        return NULL;
    }
    fields[0] = (struct cel_field){STR("name"), text_of_a_request(m)};
    fields[1] = (struct cel_field){STR("generateName"), text_of_a_request(m)};
    t->name = name;
    t->fields = fields;
    t->field_count = 2;
    return t;
}

/* Whether the schema describes by itself what every resource has. */
static bool is_complete(const struct json *properties)
{
    const struct json *metadata = json_get(json_get(properties, "metadata"), "properties");
    return json_get(properties, "kind") && json_get(properties, "apiVersion") &&
           json_get(metadata, "name") && json_get(metadata, "generateName");
}

/* What every resource has. Of metadata only the names are to be seen then. */
static size_t add_root_fields(struct maker *m, struct cel_field *fields, const char *name)
{
    fields[0] = (struct cel_field){STR("apiVersion"), text_of_a_request(m)};
    fields[1] = (struct cel_field){STR("kind"), text_of_a_request(m)};
    fields[2] = (struct cel_field){STR("metadata"), make_metadata(m, join(m, name, "metadata", 8))};
    return 3;
}

static bool is_root_field(struct str name)
{
    return str_is(name, "apiVersion") || str_is(name, "kind") || str_is(name, "metadata");
}

static struct cel_type *make_object(struct maker *m, const struct json *schema, const char *name,
                                    bool root, unsigned depth)
{
    const struct json *properties = json_get(schema, "properties");
    struct cel_type *t = new_type(m, CEL_T_OBJECT, 2);
    struct cel_field *fields =
        arena_zalloc(m->arena, (json_count(properties) + 3) * sizeof *fields);
    if (!t || !fields) {
        m->oom = true;
        return NULL;
    }
    root = root && !is_complete(properties);
    t->name = name;
    t->fields = fields;
    t->field_count = root ? add_root_fields(m, fields, name) : 0;
    for (const struct json *p = json_first(properties); p && !m->oom; p = p->next) {
        if (!can_be_spelled(p->key) || (root && is_root_field(p->key)))
            continue;
        const struct cel_type *type = make(m, p, join(m, name, p->key.p, p->key.n),
                                           flag(p, "x-kubernetes-embedded-resource"), depth + 1);
        if (!type)
            continue;
        fields[t->field_count++] = (struct cel_field){p->key, type};
        if (is_required(schema, p->key) && json_absent(json_get(p, "default")))
            t->min_json_bytes += p->key.n + type->min_json_bytes + 4;
    }
    return t;
}

static struct cel_type *make_kind(struct maker *m, const struct json *schema, const char *name,
                                  bool root, unsigned depth)
{
    struct str type = json_str(json_get(schema, "type"));
    const struct json *values = json_get(schema, "additionalProperties");
    struct cel_type *t;
    if (flag(schema, "x-kubernetes-int-or-string")) {
        if ((t = new_type(m, CEL_T_DYN, 1)))
            t->max_size = bound(schema, "maxLength", 4, REQUEST_BYTES - 2);
        return t;
    }
    if (root || str_is(type, "object")) {
        if (!root && json_is(values, JSON_OBJECT))
            return make_map(m, values, name, schema, depth);
        return make_object(m, schema, name, root, depth);
    }
    if (str_is(type, "array"))
        return make_list(m, schema, name, depth);
    if (str_is(type, "string"))
        return make_text(m, schema);
    if (str_is(type, "boolean"))
        return new_type(m, CEL_T_BOOL, 4);
    if (str_is(type, "integer") || str_is(type, "number"))
        return new_type(m, str_is(type, "number") ? CEL_T_DOUBLE : CEL_T_INT, 1);
    return NULL;
}

static const struct cel_type *make(struct maker *m, const struct json *schema, const char *name,
                                   bool root, unsigned depth)
{
    if (m->oom || depth > LIMIT_JSON_DEPTH || !json_is(schema, JSON_OBJECT))
        return NULL;
    struct cel_type *t = make_kind(m, schema, name, root, depth);
    if (t)
        t->nullable = flag(schema, "nullable");
    return t;
}

int cel_type_of_schema(struct arena *a, const struct json *schema, const char *name, bool root,
                       const struct cel_type **ret_type)
{
    struct maker m = {.arena = a};
    const char *copy = arena_strdup(a, name);
    if (!copy)
        return -E_NOMEM;
    const struct cel_type *t = make(&m, schema, copy, root, 0);
    if (m.oom)
        return -E_NOMEM;
    *ret_type = t;
    return 0;
}
