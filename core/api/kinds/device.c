/* Parts of the kinds of resource.k8s.io. See device.h. */
#include "api/kinds/device.h"

#include "api/kinds/unique.h"
#include "api/kinds/volume_source.h"
#include "cel/cel.h"
#include "codec/names.h"

enum { ID_MOST = 32, POOL_MOST = 253, EXPRESSION_MOST = 10 * 1024, BINDING_MOST = 4 };

static const struct json *key_of(const struct json *item, const char *key)
{
    return key ? json_get(item, key) : item;
}

void device_each(struct field_errors *e, const struct field *f, const struct json *list,
                 int64_t most, device_check_fn *check, const void *ctx)
{
    uint32_t i = 0;
    if (most >= 0 && json_count(list) > most)
        field_too_many(e, f, json_count(list), most);
    else
        for (const struct json *m = json_first(list); m; m = m->next)
            check(e, FIELD_AT(f, i++), m, ctx);
}

void device_set(struct field_errors *e, const struct field *f, const struct json *list, int64_t most,
                const char *key, device_check_fn *check, const void *ctx)
{
    struct unique seen CLEANUP_UNIQUE = {0};
    uint32_t i = 0;
    device_each(e, f, list, most, check, ctx);
    if (most >= 0 && json_count(list) > most)
        return;
    for (const struct json *m = json_first(list); m; m = m->next, i++)
        if (!unique_add(&seen, json_str(key_of(m, key))))
            field_duplicate(e, FIELD_AT(f, i), json_str(key_of(m, key)));
}

/* ---- names ---- */

void device_label_validate(struct field_errors *e, const struct field *f, struct str name)
{
    field_check_name(e, f, name, names_dns1123_label);
}

void device_pool_validate(struct field_errors *e, const struct field *f, struct str name)
{
    struct str rest = name, part;
    if (!name.n) {
        field_required(e, f, NULL);
        return;
    }
    if (name.n > POOL_MOST)
        field_too_long(e, f, POOL_MOST);
    while (str_split(&rest, '/', &part))
        field_check_name(e, f, part, names_dns1123_subdomain);
}

void device_uid_validate(struct field_errors *e, const struct field *f, struct str uid)
{
    bool lower = uid.n == 36;
    for (size_t i = 0; i < uid.n && lower; i++) {
        bool dash = i == 8 || i == 13 || i == 18 || i == 23;
        char c = uid.p[i];
        lower = dash ? c == '-' : (c >= '0' && c <= '9') || (c >= 'a' && c <= 'f');
    }
    if (!lower)
        field_invalid_str(e, f, uid,
                          "uid must be in RFC 4122 normalized form, "
                          "`xxxxxxxx-xxxx-xxxx-xxxx-xxxxxxxxxxxx` with lowercase hexadecimal "
                          "characters");
}

static void check_identifier(struct field_errors *e, const struct field *f, struct str id)
{
    bool good = id.n > 0 && !(id.p[0] >= '0' && id.p[0] <= '9');
    for (size_t i = 0; i < id.n && good; i++) {
        char c = id.p[i];
        good = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_';
    }
    if (id.n > ID_MOST)
        field_too_long(e, f, ID_MOST);
    if (!good)
        field_invalid_str(e, f, id,
                          "a valid C identifier must start with alphabetic character or '_', followed "
                          "by a string of alphanumeric characters or '_' (e.g. 'my_name',  or "
                          "'MY_NAME',  or 'MyName', regex used for validation is "
                          "'[A-Za-z_][A-Za-z0-9_]*')");
}

void device_qualified_validate(struct field_errors *e, const struct field *f, struct str name,
                               bool full)
{
    ptrdiff_t slash = str_find_byte(name, '/');
    if (slash < 0) {
        check_identifier(e, f, name);
        if (full)
            field_invalid_str(e, f, name,
                              "a fully qualified name must be a domain and a name separated by a "
                              "slash");
        return;
    }
    struct str domain = str_make(name.p, (size_t)slash),
               id = str_make(name.p + slash + 1, name.n - (size_t)slash - 1);
    if (str_find_byte(id, '/') >= 0)
        return; /* not looked at upstream either */
    if (domain.n)
        driver_name_validate(e, f, domain);
    else
        field_invalid_str(e, f, STR(""), "the domain must not be empty");
    if (id.n)
        check_identifier(e, f, id);
    else
        field_invalid_str(e, f, STR(""), "the name must not be empty");
}

/* ---- selectors ---- */

static const struct cel_type by_name = {
    .kind = CEL_T_MAP, .key = &cel_string, .element = &cel_dyn};
static const struct cel_type by_domain = {
    .kind = CEL_T_MAP, .key = &cel_string, .element = &by_name};
static const struct cel_field device_fields[] = {
    {{"driver", 6}, &cel_string},
    {{"attributes", 10}, &by_domain},
    {{"capacity", 8}, &by_domain},
    {{"allowMultipleAllocations", 24}, &cel_bool},
};
static const struct cel_type device_type = {
    .kind = CEL_T_OBJECT,
    .name = "kubernetes.DRADevice",
    .fields = device_fields,
    .field_count = sizeof device_fields / sizeof device_fields[0]};

static void check_expression(struct field_errors *e, const struct field *f, const struct json *text)
{
    static const struct cel_variable variables[] = {{"device", &device_type}};
    struct cel_env env = {.variables = variables, .variable_count = 1};
    struct cel_program *program;
    struct cel_problem problem = {0};
    struct err err = {0};
    struct buf name CLEANUP_BUF;
    buf_init(&name, 1000);
    if (json_str(text).n > EXPRESSION_MOST) {
        field_too_long(e, f, EXPRESSION_MOST);
        return;
    }
    if (cel_compile(e->arena, &env, json_str(text), NULL, &program, &problem, &err) < 0) {
        field_invalid(e, f, text,
                      arena_printf(e->arena, "compilation failed: " STR_FMT,
                                   STR_ARG(problem.text.n ? problem.text : str_of(err.text))));
        return;
    }
    enum cel_type_kind kind = cel_program_type(program)->kind;
    cel_type_write(&name, cel_program_type(program));
    if (kind != CEL_T_BOOL && kind != CEL_T_DYN)
        field_invalid(e, f, text,
                      arena_printf(e->arena, "must evaluate to bool or the unknown type, not %s",
                                   buf_cstr(&name)));
}

static void check_selector(struct field_errors *e, const struct field *f, const struct json *selector,
                           const void *ctx)
{
    const struct json *cel = json_get(selector, "cel");
    (void)ctx;
    if (json_absent(cel))
        field_required(e, FIELD(f, "cel"), NULL);
    else
        check_expression(e, FIELD(FIELD(f, "cel"), "expression"), json_get(cel, "expression"));
}

void device_selectors_validate(struct field_errors *e, const struct field *f,
                               const struct json *list)
{
    device_each(e, f, list, DEVICES_LIST_MOST, check_selector, NULL);
}

/* ---- configurations ---- */

void device_raw_validate(struct field_errors *e, const struct field *f, const struct json *raw)
{
    struct buf text CLEANUP_BUF;
    buf_init(&text, LIMIT_OBJECT_BYTES);
    if (json_absent(raw)) {
        field_required(e, f, NULL);
        return;
    }
    json_write(&text, raw);
    if (text.failed || buf_len(&text) > DEVICE_OPAQUE_BYTES)
        field_too_long(e, f, DEVICE_OPAQUE_BYTES);
    else if (!json_is(raw, JSON_OBJECT))
        field_invalid_str(e, f, STR("<value omitted>"), "must be a valid JSON object");
}

void device_config_validate(struct field_errors *e, const struct field *f,
                            const struct json *config)
{
    const struct json *opaque = json_get(config, "opaque");
    const struct field *at = FIELD(f, "opaque");
    if (json_absent(opaque)) {
        field_required(e, at, NULL);
        return;
    }
    driver_name_validate(e, FIELD(at, "driver"), json_path_str(opaque, "driver"));
    device_raw_validate(e, FIELD(at, "parameters"), json_get(opaque, "parameters"));
}

/* ---- taints ---- */

static void check_effect(struct field_errors *e, const struct field *f, struct str effect)
{
    static const char *const effects[] = {"NoExecute", "NoSchedule", "None", NULL};
    for (size_t i = 0; effects[i]; i++)
        if (str_is(effect, effects[i]))
            return;
    field_unsupported(e, f, effect, effects);
}

void device_toleration_validate(struct field_errors *e, const struct field *f, const struct json *t)
{
    static const char *const operators[] = {"Equal", "Exists", NULL};
    struct str key = json_path_str(t, "key"), op = json_path_str(t, "operator"),
               value = json_path_str(t, "value"), effect = json_path_str(t, "effect");
    if (key.n)
        field_check_name(e, FIELD(f, "key"), key, names_qualified);
    if (str_is(op, "Exists")) {
        if (value.n)
            field_invalid_str(e, FIELD(f, "value"), value, "must be empty for operator `Exists`");
    } else if (str_is(op, "Equal")) {
        field_check_name(e, FIELD(f, "value"), value, names_label_value);
    } else if (!op.n) {
        field_required(e, FIELD(f, "operator"), NULL);
    } else {
        field_unsupported(e, FIELD(f, "operator"), op, operators);
    }
    if (effect.n)
        check_effect(e, FIELD(f, "effect"), effect);
}

void device_taint_validate(struct field_errors *e, const struct field *f, const struct json *t)
{
    struct str value = json_path_str(t, "value"), effect = json_path_str(t, "effect");
    field_check_name(e, FIELD(f, "key"), json_path_str(t, "key"), names_qualified);
    if (value.n)
        field_check_name(e, FIELD(f, "value"), value, names_label_value);
    if (effect.n)
        check_effect(e, FIELD(f, "effect"), effect);
    else
        field_required(e, FIELD(f, "effect"), NULL);
}

/* ---- binding conditions ---- */

static void check_condition(struct field_errors *e, const struct field *f, const struct json *name,
                            const void *ctx)
{
    (void)ctx;
    field_check_name(e, f, json_str(name), names_qualified);
}

static bool holds(const struct json *list, const struct json *before, const struct json *item)
{
    for (const struct json *m = json_first(list); m && m != before; m = m->next)
        if (json_equal(m, item))
            return true;
    return false;
}

void device_binding_validate(struct field_errors *e, const struct field *f, const struct json *o)
{
    const struct json *good = json_get(o, "bindingConditions"),
                      *bad = json_get(o, "bindingFailureConditions"), *m;
    const struct field *at = FIELD(f, "bindingConditions"),
                       *bad_at = FIELD(f, "bindingFailureConditions");
    uint32_t i = 0;
    device_each(e, at, good, BINDING_MOST, check_condition, NULL);
    device_each(e, bad_at, bad, BINDING_MOST, check_condition, NULL);
    if (json_count(good) > BINDING_MOST || json_count(bad) > BINDING_MOST)
        return;
    for (m = json_first(good); m; m = m->next, i++)
        if (holds(good, m, m))
            field_duplicate(e, FIELD_AT(at, i), json_str(m));
    for (m = json_first(bad), i = 0; m; m = m->next, i++) {
        if (holds(bad, m, m))
            field_duplicate(e, FIELD_AT(bad_at, i), json_str(m));
        if (holds(good, NULL, m))
            field_invalid(e, FIELD_AT(bad_at, i), m,
                          "bindingFailureConditions must not overlap with bindingConditions");
    }
    if (!json_count(good) && json_count(bad))
        field_invalid(e, at, good,
                      "bindingConditions are required to use bindingFailureConditions");
    if (!json_count(bad) && json_count(good))
        field_invalid(e, bad_at, bad,
                      "bindingFailureConditions are required to use bindingConditions");
}
