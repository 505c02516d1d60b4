/*
 * Types of built-in kinds. Each type of the tables is made once, so those that hold themselves
 * (JSONSchemaProps) are rings.
 */
#include "cel/cel_int.h"
#include "schema/schema.h"

struct kinds {
    struct arena *arena;
    struct cel_type **made; /* by index of the table */
    bool oom;
};

static const struct cel_type *make(struct kinds *k, const struct schema_type *t);

static const struct cel_type *plain(enum schema_shape shape)
{
    switch (shape) {
    case SCHEMA_STRING:
    case SCHEMA_QUANTITY:
        return &cel_string;
    case SCHEMA_BYTES:
        return &cel_bytes;
    case SCHEMA_INT32:
    case SCHEMA_INT64:
        return &cel_int;
    case SCHEMA_BOOL:
        return &cel_bool;
    case SCHEMA_DOUBLE:
        return &cel_double;
    case SCHEMA_TIME:
    case SCHEMA_MICRO_TIME:
        return &cel_timestamp;
    default:
        return &cel_dyn;
    }
}

static const struct cel_type *wrapped(struct kinds *k, enum cel_type_kind kind,
                                      const struct cel_type *element)
{
    struct cel_type *t = arena_zalloc(k->arena, sizeof *t);
    if (!t) {
        k->oom = true;
        return &cel_dyn;
    }
    t->kind = kind;
    t->key = kind == CEL_T_MAP ? &cel_string : NULL;
    t->element = element;
    return t;
}

static const struct cel_type *field_type(struct kinds *k, const struct schema_field *f)
{
    const struct cel_type *t = schema_field_shape(f) == SCHEMA_STRUCT && schema_field_type(f)
                                   ? make(k, schema_field_type(f))
                                   : plain(schema_field_shape(f));
    switch (schema_field_wrap(f)) {
    case SCHEMA_ARRAY:
        return wrapped(k, CEL_T_LIST, t);
    case SCHEMA_MAP:
        return wrapped(k, CEL_T_MAP, t);
    case SCHEMA_MAP_OF_ARRAY:
        return wrapped(k, CEL_T_MAP, wrapped(k, CEL_T_LIST, t));
    default:
        return t;
    }
}

static void fill(struct kinds *k, struct cel_type *made, const struct schema_type *t)
{
    size_t count = schema_type_field_count(t);
    struct cel_field *fields = arena_alloc(k->arena, (count + 1) * sizeof *fields);
    if (!fields) {
        k->oom = true;
        return;
    }
    for (size_t i = 0; i < count && !k->oom; i++) {
        const struct schema_field *f = schema_type_field_at(t, i);
        fields[i] = (struct cel_field){str_of(schema_field_name(f)), field_type(k, f)};
    }
    made->fields = fields;
    made->field_count = count;
}

static const struct cel_type *make(struct kinds *k, const struct schema_type *t)
{
    size_t index = schema_type_index(t);
    if (schema_type_shape(t) != SCHEMA_STRUCT)
        return plain(schema_type_shape(t));
    if (k->made[index])
        return k->made[index];
    struct cel_type *made = k->oom ? NULL : arena_zalloc(k->arena, sizeof *made);
    if (!made) {
        k->oom = true;
        return &cel_dyn;
    }
    made->kind = CEL_T_OBJECT;
    made->name = schema_type_name(t);
    k->made[index] = made;
    fill(k, made, t);
    return made;
}

int cel_type_of_kind(struct arena *a, const struct schema_type *kind,
                     const struct cel_type **ret_type)
{
    CLEANUP_FREE struct cel_type **made = mem_calloc(schema_type_count(), sizeof *made);
    struct kinds k = {.arena = a, .made = made};
    if (!made)
        return -E_NOMEM;
    const struct cel_type *t = make(&k, kind);
    if (k.oom)
        return -E_NOMEM;
    *ret_type = t;
    return 0;
}
