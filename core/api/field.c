/* Validation errors. See field.h. */
#include "api/field.h"

#include "codec/names.h"

static void write_path(struct buf *out, const struct field *f)
{
    if (!f)
        return;
    write_path(out, f->up);
    if (f->name) {
        if (f->up)
            buf_putc(out, '.');
        buf_puts(out, f->name);
    } else if (f->key.p) {
        buf_putc(out, '[');
        buf_append_str(out, f->key);
        buf_putc(out, ']');
    } else {
        buf_printf(out, "[%lld]", (long long)f->index);
    }
}

const char *field_text(struct arena *a, const struct field *f)
{
    struct buf path CLEANUP_BUF;
    buf_init(&path, 4096);
    write_path(&path, f);
    const char *text = arena_strdup(a, buf_cstr(&path));
    return text ? text : "";
}

void field_add(struct field_errors *e, const struct field *f, const char *reason,
               const char *message)
{
    struct buf path CLEANUP_BUF;
    buf_init(&path, 4096);
    write_path(&path, f);
    struct field_error *one = arena_zalloc(e->arena, sizeof *one);
    const char *text = arena_strdup(e->arena, buf_cstr(&path));
    e->count++; /* counted even when it cannot be told, so that nothing wrong is ever accepted */
    if (!one || !text || !message)
        return;
    *one = (struct field_error){NULL, reason, text, message};
    *(e->last ? &e->last->next : &e->first) = one;
    e->last = one;
}

/* A text by itself is quoted as Go's %q does it, which differs from JSON: < stays <. */
static void write_quoted(struct buf *out, struct str s)
{
    static const char letters[] = "abtnvfr"; /* of 7 to 13 */
    buf_putc(out, '"');
    for (size_t i = 0; i < s.n; i++) {
        unsigned char c = (unsigned char)s.p[i];
        if (c == '"' || c == '\\')
            buf_printf(out, "\\%c", c);
        else if (c >= 7 && c <= 13)
            buf_printf(out, "\\%c", letters[c - 7]);
        else if (c < 0x20 || c == 0x7f)
            buf_printf(out, "\\x%02x", c);
        else
            buf_putc(out, (char)c);
    }
    buf_putc(out, '"');
}

/* "<prefix>: <value>: <detail>" */
static void add_valued(struct field_errors *e, const struct field *f, const char *reason,
                       const char *prefix, const struct json *value, const char *detail)
{
    struct buf text CLEANUP_BUF;
    buf_init(&text, 4096);
    if (json_is(value, JSON_STRING))
        write_quoted(&text, value->string);
    else
        json_write(&text, value);
    if (text.failed) {
        buf_clear(&text);
        buf_puts(&text, "a long value");
    }
    bool more = detail && detail[0];
    field_add(e, f, reason,
        arena_printf(e->arena, "%s: %s%s%s", prefix, buf_cstr(&text), more ? ": " : "",
                     more ? detail : ""));
}

static struct json string_node(struct str s)
{
    return (struct json){.type = JSON_STRING, .string = s.p ? s : STR("")};
}

void field_required(struct field_errors *e, const struct field *f, const char *detail)
{
    bool more = detail && detail[0];
    field_add(e, f, "FieldValueRequired",
        more ? arena_printf(e->arena, "Required value: %s", detail) : "Required value");
}

void field_invalid(struct field_errors *e, const struct field *f, const struct json *value,
                   const char *detail)
{
    add_valued(e, f, "FieldValueInvalid", "Invalid value", value, detail);
}

void field_invalid_str(struct field_errors *e, const struct field *f, struct str value,
                       const char *detail)
{
    struct json j = string_node(value);
    add_valued(e, f, "FieldValueInvalid", "Invalid value", &j, detail);
}

void field_invalid_int(struct field_errors *e, const struct field *f, int64_t value,
                       const char *detail)
{
    struct json j = {.type = JSON_INT, .i64 = value};
    add_valued(e, f, "FieldValueInvalid", "Invalid value", &j, detail);
}

void field_duplicate(struct field_errors *e, const struct field *f, struct str value)
{
    struct json j = string_node(value);
    add_valued(e, f, "FieldValueDuplicate", "Duplicate value", &j, NULL);
}

void field_duplicate_json(struct field_errors *e, const struct field *f, const struct json *value)
{
    add_valued(e, f, "FieldValueDuplicate", "Duplicate value", value, NULL);
}

void field_forbidden(struct field_errors *e, const struct field *f, const char *detail)
{
    field_add(e, f, "FieldValueForbidden", arena_printf(e->arena, "Forbidden: %s", detail));
}

void field_not_found(struct field_errors *e, const struct field *f, struct str value)
{
    struct json j = string_node(value);
    add_valued(e, f, "FieldValueNotFound", "Not found", &j, NULL);
}

void field_too_long(struct field_errors *e, const struct field *f, size_t most_bytes)
{
    field_add(e, f, "FieldValueTooLong",
        arena_printf(e->arena, "Too long: may not be more than %zu bytes", most_bytes));
}

void field_too_many(struct field_errors *e, const struct field *f, int64_t count, int64_t most)
{
    field_add(e, f, "FieldValueTooMany",
              arena_printf(e->arena, "Too many: %lld: must have at most %lld items",
                           (long long)count, (long long)most));
}

void field_unsupported(struct field_errors *e, const struct field *f, struct str value,
                       const char *const *allowed)
{
    struct json j = string_node(value);
    field_unsupported_json(e, f, &j, allowed);
}

void field_unsupported_json(struct field_errors *e, const struct field *f, const struct json *value,
                            const char *const *allowed)
{
    struct buf text CLEANUP_BUF;
    buf_init(&text, 4096);
    buf_puts(&text, "supported values: ");
    for (size_t i = 0; allowed[i]; i++)
        buf_printf(&text, "%s\"%s\"", i ? ", " : "", allowed[i]);
    add_valued(e, f, "FieldValueNotSupported", "Unsupported value", value, buf_cstr(&text));
}

void field_check_name(struct field_errors *e, const struct field *f, struct str value,
                      const char *(*rule)(struct str))
{
    const char *wrong = rule(value);
    if (wrong)
        field_invalid_str(e, f, value, wrong);
}

void field_check_enum(struct field_errors *e, const struct field *f, const struct json *value,
                      const char *const *allowed)
{
    struct str s = json_str(value);
    if (!s.n) {
        field_required(e, f, NULL);
        return;
    }
    for (size_t i = 0; allowed[i]; i++)
        if (str_is(s, allowed[i]))
            return;
    field_unsupported(e, f, s, allowed);
}

void field_check_not_negative(struct field_errors *e, const struct field *f,
                              const struct json *value)
{
    if (json_is(value, JSON_INT) && value->i64 < 0)
        field_invalid(e, f, value, "must be greater than or equal to 0");
}

void field_check_immutable(struct field_errors *e, const struct field *f, const struct json *now,
                           const struct json *before)
{
    if (!json_equal(now, before) && !(json_absent(now) && json_absent(before)))
        field_invalid(e, f, now, "field is immutable");
}

void field_check_labels(struct field_errors *e, const struct field *f, const struct json *labels)
{
    for (const struct json *m = json_first(labels); m; m = m->next) {
        field_check_name(e, f, m->key, names_qualified);
        field_check_name(e, f, json_str(m), names_label_value);
    }
}

static void check_expression(struct field_errors *e, const struct field *f, const struct json *x)
{
    struct str op = json_str(json_get(x, "operator"));
    uint32_t values = json_count(json_get(x, "values"));
    bool set = str_is(op, "In") || str_is(op, "NotIn");
    if (set && !values)
        field_required(e, FIELD(f, "values"),
                       "must be specified when `operator` is 'In' or 'NotIn'");
    else if ((str_is(op, "Exists") || str_is(op, "DoesNotExist")) && values)
        field_forbidden(e, FIELD(f, "values"),
                        "may not be specified when `operator` is 'Exists' or 'DoesNotExist'");
    else if (!set && !str_is(op, "Exists") && !str_is(op, "DoesNotExist"))
        field_invalid_str(e, FIELD(f, "operator"), op, "not a valid selector operator");
    field_check_name(e, FIELD(f, "key"), json_str(json_get(x, "key")), names_qualified);
}

void field_check_label_selector(struct field_errors *e, const struct field *f,
                                const struct json *selector)
{
    int64_t i = 0;
    field_check_labels(e, FIELD(f, "matchLabels"), json_get(selector, "matchLabels"));
    for (const struct json *x = json_first(json_get(selector, "matchExpressions")); x; x = x->next)
        check_expression(e, FIELD_AT(FIELD(f, "matchExpressions"), i++), x);
}

void field_check_int_or_percent(struct field_errors *e, const struct field *f,
                                const struct json *value)
{
    if (json_is(value, JSON_INT)) {
        field_check_not_negative(e, f, value);
        return;
    }
    if (!json_is(value, JSON_STRING))
        return;
    struct str s = value->string;
    uint64_t percent;
    if (s.n < 2 || s.p[s.n - 1] != '%' || str_to_u64(str_make(s.p, s.n - 1), &percent) < 0)
        field_invalid(e, f, value,
                      "a valid percent string must be a numeric string followed by an ending '%' "
                      "(e.g. '1%',  or '93%', regex used for validation is '[0-9]+%')");
}
