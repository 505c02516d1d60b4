/* Defaults that the table publishes. Those that depend on other fields belong to each kind's own
 * file. */
#include "schema/schema_int.h"

static int default_struct(struct arena *a, const struct schema_type *type, struct json *object);

static int set_preset(struct arena *a, const struct schema_field *f, struct json *object)
{
    struct json *value;
    int rc = json_parse(a, str_of(schema_pool + f->preset), NULL, &value, NULL);
    if (rc)
        return rc;
    return json_set(a, object, schema_field_name(f), value) ? 0 : -E_NOMEM;
}

static int default_members(struct arena *a, const struct schema_field *f, struct json *value)
{
    const struct schema_type *type = schema_field_type(f);
    if (f->wrap == SCHEMA_ONE)
        return default_struct(a, type, value);
    int rc = 0;
    for (struct json *m = json_first(value); m && rc == 0; m = m->next)
        rc = default_struct(a, type, m);
    return rc;
}

static int default_struct(struct arena *a, const struct schema_type *type, struct json *object)
{
    if (!json_is(object, JSON_OBJECT))
        return 0;
    int rc = 0;
    for (struct json *m = json_first(object); m && rc == 0; m = m->next) {
        const struct schema_field *f = schema_type_field(type, m->key);
        if (f && f->shape == SCHEMA_STRUCT)
            rc = default_members(a, f, m);
    }
    for (size_t i = 0; i < type->field_count && rc == 0; i++) {
        const struct schema_field *f = &schema_fields[type->field_first + i];
        if (f->preset && json_absent(json_get(object, schema_field_name(f))))
            rc = set_preset(a, f, object);
    }
    return rc;
}

int schema_default(struct arena *a, const struct schema_type *type, struct json *object)
{
    return default_struct(a, type, object);
}
