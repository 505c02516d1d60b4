/*
 * Objects against structural schemas, with the messages of upstream's validator
 * (kube-openapi/pkg/validation) as the API server shows them. A schema within allOf, anyOf, oneOf
 * or not is tried with errors of its own.
 */
#include "api/crd/node.h"

#include <math.h>

#include "api/crd/format.h"
#include "api/crd/rules.h"
#include "base/buf.h"
#include "base/limits.h"

enum { DEPTH = 200, REGEX_STEPS = 20 * 1000 * 1000 };

static void check(struct field_errors *e, const struct crd_node *n, const struct field *path,
                  const struct json *value, const struct json *old, unsigned depth);

/* "spec.x in body ..." */
static const char *worded(struct field_errors *e, const struct field *path, const char *rest)
{
    const char *name = field_text(e->arena, path);
    return arena_printf(e->arena, "%s in body %s", name, rest);
}

static void fail(struct field_errors *e, const struct field *path, const struct json *value,
                 const char *rest)
{
    const char *text = rest ? worded(e, path, rest) : NULL;
    field_invalid(e, path, value, text ? text : "");
}

/* ---- types ---- */

static const char *type_name(const struct json *value)
{
    static const char *const names[] = {
        [JSON_NULL] = "null",     [JSON_BOOL] = "boolean",  [JSON_INT] = "integer",
        [JSON_DOUBLE] = "number", [JSON_STRING] = "string", [JSON_ARRAY] = "array",
        [JSON_OBJECT] = "object"};
    return names[value->type];
}

static bool is_whole(const struct json *value)
{
    return value->type == JSON_INT ||
           (value->type == JSON_DOUBLE && value->number == floor(value->number));
}

static bool has_type(const struct crd_node *n, const struct json *value)
{
    switch (n->type) {
    case CRD_OBJECT: return value->type == JSON_OBJECT;
    case CRD_ARRAY: return value->type == JSON_ARRAY;
    case CRD_STRING: return value->type == JSON_STRING;
    case CRD_INTEGER: return is_whole(value);
    case CRD_NUMBER: return value->type == JSON_INT || value->type == JSON_DOUBLE;
    case CRD_BOOLEAN: return value->type == JSON_BOOL;
    case CRD_INT_OR_STRING: return is_whole(value) || value->type == JSON_STRING;
    case CRD_ANY: break;
    }
    return true;
}

static void fail_type(struct field_errors *e, const struct crd_node *n, const struct field *path,
                      const struct json *value)
{
    static const char *const names[] = {"",       "object",  "array",          "string", "integer",
                                        "number", "boolean", "integer,string"};
    const char *have = type_name(value);
    const char *name = field_text(e->arena, path);
    field_add(e, path, "FieldValueTypeInvalid",
              arena_printf(e->arena, "Invalid value: \"%s\": %s in body must be of type %s: \"%s\"",
                           have, name, names[n->type], have));
}

/* ---- one value ---- */

static const char *number_text(struct arena *a, const struct json *limit)
{
    struct buf text CLEANUP_BUF;
    buf_init(&text, 64);
    json_write(&text, limit);
    return arena_strdup(a, buf_cstr(&text));
}

static double number_of(const struct json *j)
{
    return json_is(j, JSON_INT) ? (double)j->i64 : json_is(j, JSON_DOUBLE) ? j->number : 0;
}

/* Below, at or above the limit. */
static int compare(const struct json *value, const struct json *limit)
{
    if (value->type == JSON_INT && limit->type == JSON_INT)
        return value->i64 < limit->i64 ? -1 : value->i64 > limit->i64;
    double a = number_of(value), b = number_of(limit);
    return a < b ? -1 : a > b;
}

static void check_number(struct field_errors *e, const struct crd_node *n,
                         const struct field *path, const struct json *value)
{
    const struct json *s = n->schema, *most = json_get(s, "maximum"),
                      *least = json_get(s, "minimum"), *step = json_get(s, "multipleOf");
    bool below = json_path_bool(s, "exclusiveMaximum", false),
         above = json_path_bool(s, "exclusiveMinimum", false);
    struct arena *a = e->arena;
    if (most && compare(value, most) > (below ? -1 : 0))
        fail(e, path, value,
             arena_printf(a, "should be less than %s%s", below ? "" : "or equal to ",
                          number_text(a, most)));
    if (least && compare(value, least) < (above ? 1 : 0))
        fail(e, path, value,
             arena_printf(a, "should be greater than %s%s", above ? "" : "or equal to ",
                          number_text(a, least)));
    double parts = step && number_of(step) > 0 ? number_of(value) / number_of(step) : 0;
    if (parts != floor(parts))
        fail(e, path, value,
             arena_printf(a, "should be a multiple of %s", number_text(a, step)));
}

static size_t points(struct str s)
{
    size_t n = 0;
    for (size_t i = 0; i < s.n; i++)
        n += ((unsigned char)s.p[i] & 0xc0) != 0x80;
    return n;
}

static void check_string(struct field_errors *e, const struct crd_node *n,
                         const struct field *path, const struct json *value)
{
    const struct json *s = n->schema;
    struct regex_match match;
    int64_t length = (int64_t)points(json_str(value)), least = json_path_i64(s, "minLength", 0),
            most = json_path_i64(s, "maxLength", -1);
    if (most >= 0 && length > most)
        field_too_long(e, path, (size_t)most);
    if (length < least)
        fail(e, path, value,
             arena_printf(e->arena, "should be at least %lld chars long", (long long)least));
    if (n->pattern && (regex_find(n->pattern, json_str(value), 0, true, REGEX_STEPS, &match) < 0 ||
                       !match.found))
        fail(e, path, value,
             arena_printf(e->arena, "should match '" STR_FMT "'",
                          STR_ARG(json_path_str(s, "pattern"))));
}

static void check_format(struct field_errors *e, const struct crd_node *n,
                         const struct field *path, const struct json *value)
{
    struct str format = json_path_str(n->schema, "format");
    if (!format.n || crd_format_fits(format, value))
        return;
    struct buf shown CLEANUP_BUF;
    buf_init(&shown, LIMIT_OBJECT_BYTES);
    json_write(&shown, value);
    const char *name = field_text(e->arena, path);
    field_add(e, path, "FieldValueTypeInvalid",
              arena_printf(e->arena, "Invalid value: %s: %s in body must be of type " STR_FMT ": %s",
                           buf_cstr(&shown), name, STR_ARG(format), buf_cstr(&shown)));
}

static void check_enum(struct field_errors *e, const struct crd_node *n, const struct field *path,
                       const struct json *value)
{
    const struct json *allowed = json_get(n->schema, "enum");
    struct buf text CLEANUP_BUF;
    buf_init(&text, LIMIT_OBJECT_BYTES);
    if (!allowed)
        return;
    for (const struct json *m = json_first(allowed); m; m = m->next)
        if (json_equal(m, value))
            return;
    buf_puts(&text, "Unsupported value: ");
    json_write(&text, value);
    buf_puts(&text, ": supported values: ");
    for (const struct json *m = json_first(allowed); m; m = m->next) {
        buf_puts(&text, m == json_first(allowed) ? "" : ", ");
        struct buf one CLEANUP_BUF;
        buf_init(&one, LIMIT_OBJECT_BYTES);
        json_write(&one, m);
        if (m->type == JSON_STRING)
            buf_append_str(&text, buf_str(&one));
        else
            json_write_string(&text, buf_str(&one));
    }
    field_add(e, path, "FieldValueNotSupported", arena_strdup(e->arena, buf_cstr(&text)));
}

/* ---- lists ---- */

static void check_duplicates(struct field_errors *e, const struct field *path,
                             const struct json *value)
{
    for (const struct json *m = json_first(value); m; m = m->next)
        for (const struct json *k = m->next; k; k = k->next)
            if (json_equal(m, k)) {
                fail(e, path, value, "shouldn't contain duplicates");
                return;
            }
}

static void check_array(struct field_errors *e, const struct crd_node *n, const struct field *path,
                        const struct json *value, const struct json *old, unsigned depth)
{
    int64_t count = json_count(value), least = json_path_i64(n->schema, "minItems", 0),
            most = json_path_i64(n->schema, "maxItems", -1), i = 0;
    if (most >= 0 && count > most)
        field_too_many(e, path, count, most);
    if (count < least)
        fail(e, path, value,
             arena_printf(e->arena, "should have at least %lld items", (long long)least));
    if (json_path_bool(n->schema, "uniqueItems", false))
        check_duplicates(e, path, value);
    for (const struct json *m = json_first(value); m && n->items; m = m->next, i++)
        check(e, n->items, FIELD_AT(path, i), m, crd_same_element(n, old, m), depth + 1);
}

/* ---- objects ---- */

static bool in_frame(const struct crd_node *n, struct str key)
{
    return (n->root || n->embedded) &&
           (str_is(key, "apiVersion") || str_is(key, "kind") || str_is(key, "metadata"));
}

static void check_members(struct field_errors *e, const struct crd_node *n,
                          const struct field *path, const struct json *value, const struct json *old, unsigned depth)
{
    for (const struct json *m = json_first(value); m; m = m->next) {
        const struct crd_node *child = crd_node_property(n, m->key);
        if (!child && !in_frame(n, m->key)) {
            child = n->additional;
            if (n->closed)
                field_add(e, FIELD(path, m->key.p), "FieldValueInvalid",
                          arena_printf(e->arena,
                                       "Invalid value: \"\": %s in body is a forbidden property",
                                       field_text(e->arena, FIELD(path, m->key.p))));
        }
        if (child)
            check(e, child, FIELD(path, m->key.p), m, json_get_str(old, m->key), depth + 1);
    }
}

static void check_object(struct field_errors *e, const struct crd_node *n,
                         const struct field *path, const struct json *value, const struct json *old, unsigned depth)
{
    int64_t count = json_count(value), least = json_path_i64(n->schema, "minProperties", 0),
            most = json_path_i64(n->schema, "maxProperties", -1);
    if (most >= 0 && count > most)
        field_too_many(e, path, count, most);
    if (count < least)
        fail(e, path, value,
             arena_printf(e->arena, "should have at least %lld properties", (long long)least));
    const struct json *required = json_get(n->schema, "required");
    for (const struct json *m = json_first(required); m; m = m->next)
        if (!json_get_str(value, json_str(m)))
            field_required(e, FIELD(path, json_cstr(m)), NULL);
    if (n->embedded && !n->root) {
        static const char *const needed[] = {"apiVersion", "kind"};
        for (size_t i = 0; i < 2; i++)
            if (!json_path_str(value, needed[i]).n)
                field_required(e, FIELD(path, needed[i]), "must not be empty");
    }
    check_members(e, n, path, value, old, depth);
}

/* ---- combinations ---- */

static struct field_errors try(struct field_errors *e, const struct crd_node *n,
                               const struct field *path, const struct json *value, const struct json *old, unsigned depth)
{
    struct field_errors own = {.arena = e->arena};
    check(&own, n, path, value, old, depth + 1);
    return own;
}

/* Upstream's validator does not say where: the message does. */
static void fail_combined(struct field_errors *e, const struct field *path, const char *rest)
{
    field_add(e, FIELD(NULL, "<nil>"), "FieldValueInvalid",
              arena_printf(e->arena, "Invalid value: \"\": \"%s\" %s", field_text(e->arena, path),
                           rest));
}

static void merge(struct field_errors *e, const struct field_errors *from)
{
    for (const struct field_error *f = from->first; f; f = f->next)
        field_add(e, FIELD(NULL, f->field), f->reason, f->message);
}

static void check_all(struct field_errors *e, const struct crd_node *n, const struct field *path,
                      const struct json *value, const struct json *old, unsigned depth)
{
    size_t good = 0;
    for (size_t i = 0; i < n->all_count; i++) {
        struct field_errors own = try(e, n->all[i], path, value, old, depth);
        good += own.count == 0;
        merge(e, &own);
    }
    if (good < n->all_count)
        fail_combined(e, path,
                      good ? "must validate all the schemas (allOf)"
                           : "must validate all the schemas (allOf). None validated");
}

/* How many of them fit; *ret_best: errors of the one that was nearest. */
static size_t count_fits(struct field_errors *e, struct crd_node *const *nodes, size_t count,
                         const struct field *path, const struct json *value,
                         const struct json *old, unsigned depth, struct field_errors *ret_best)
{
    size_t good = 0;
    *ret_best = (struct field_errors){.arena = e->arena};
    for (size_t i = 0; i < count; i++) {
        struct field_errors own = try(e, nodes[i], path, value, old, depth);
        good += own.count == 0;
        if (!i || own.count < ret_best->count)
            *ret_best = own;
    }
    return good;
}

static void check_combined(struct field_errors *e, const struct crd_node *n,
                           const struct field *path, const struct json *value, const struct json *old, unsigned depth)
{
    struct field_errors best;
    check_all(e, n, path, value, old, depth);
    if (n->any_count && !count_fits(e, n->any, n->any_count, path, value, old, depth, &best)) {
        fail_combined(e, path, "must validate at least one schema (anyOf)");
        merge(e, &best);
    }
    size_t fits = count_fits(e, n->one, n->one_count, path, value, old, depth, &best);
    if (n->one_count && !fits) {
        fail_combined(e, path, "must validate one and only one schema (oneOf). Found none valid");
        merge(e, &best);
    } else if (fits > 1) {
        fail_combined(
            e, path,
            arena_printf(e->arena,
                         "must validate one and only one schema (oneOf). Found %zu valid "
                         "alternatives",
                         fits));
    }
    if (n->not && try(e, n->not, path, value, old, depth).count == 0)
        fail_combined(e, path, "must not validate the schema (not)");
}

static void check(struct field_errors *e, const struct crd_node *n, const struct field *path,
                  const struct json *value, const struct json *old, unsigned depth)
{
    if (depth > DEPTH)
        return;
    /* What did not change may stay as it is, even if the schema would not have it any more. */
    if ((value->type == JSON_NULL && n->nullable) || (old && json_equal(value, old)))
        return;
    if (!has_type(n, value)) {
        fail_type(e, n, path, value);
        return;
    }
    check_enum(e, n, path, value);
    check_format(e, n, path, value);
    if (value->type == JSON_OBJECT)
        check_object(e, n, path, value, old, depth);
    else if (value->type == JSON_ARRAY)
        check_array(e, n, path, value, old, depth);
    else if (value->type == JSON_STRING)
        check_string(e, n, path, value);
    else if (value->type == JSON_INT || value->type == JSON_DOUBLE)
        check_number(e, n, path, value);
    check_combined(e, n, path, value, old, depth);
}

void crd_validate(struct field_errors *e, const struct crd_node *n, const struct field *path,
                  const struct json *value, const struct json *old)
{
    if (value)
        check(e, n, path, value, old, 0);
}

void crd_validate_part(struct field_errors *e, const struct crd_node *n, const struct field *path,
                       const struct json *value)
{
    struct crd_node part = *n;
    part.root = false;
    check(e, &part, path, value, NULL, 0);
}
