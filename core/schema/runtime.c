/* Resources that clients defined. See runtime.h. */
#include "schema/schema_int.h"

enum {
    MAIN_VERBS = SCHEMA_CREATE | SCHEMA_GET | SCHEMA_LIST | SCHEMA_WATCH | SCHEMA_UPDATE |
                 SCHEMA_PATCH | SCHEMA_DELETE | SCHEMA_DELETECOLLECTION,
    PART_VERBS = SCHEMA_GET | SCHEMA_UPDATE | SCHEMA_PATCH,
};

static void speak_scale(struct schema_runtime *r)
{
    const struct schema_type *scale =
        schema_type_of_kind(STR("autoscaling"), STR("v1"), STR("Scale"));
    r->kind = "Scale";
    r->kind_group = "autoscaling";
    r->kind_version = "v1";
    if (scale)
        r->base.type = (uint16_t)schema_type_index(scale);
}

int schema_runtime_new(struct arena *a, const struct schema_runtime_names *names,
                       const struct schema_resource *main, const char *subresource,
                       const struct schema_resource **ret)
{
    struct schema_runtime *r = arena_zalloc(a, sizeof *r);
    if (!r)
        return -E_NOMEM;
    r->base.runtime = 1;
    r->base.type = SCHEMA_NO_TYPE;
    r->base.namespaced = names->namespaced;
    r->base.verbs = names->verbs ? names->verbs : main ? PART_VERBS : MAIN_VERBS;
    r->names = names;
    r->main = main ? main : &r->base;
    r->subresource = main ? subresource : "";
    r->name = main ? arena_printf(a, "%s/%s", names->plural, subresource) : names->plural;
    r->kind = names->kind;
    r->kind_group = names->group;
    r->kind_version = names->version;
    r->columns = names->columns;
    r->owner = names->owner;
    if (main && cstr_eq(subresource, "scale"))
        speak_scale(r);
    *ret = &r->base;
    return r->name ? 0 : -E_NOMEM;
}

const void *schema_runtime_owner(const struct schema_resource *r)
{
    return r->runtime ? schema_runtime_of(r)->owner : NULL;
}

const char *schema_runtime_type_name(const struct schema_resource *r)
{
    return r->runtime && r->type == SCHEMA_NO_TYPE ? schema_runtime_of(r)->names->type_name : NULL;
}

const struct json *schema_runtime_columns(const struct schema_resource *r)
{
    return r->runtime ? schema_runtime_of(r)->columns : NULL;
}

const char *schema_runtime_singular(const struct schema_resource *r)
{
    return schema_runtime_of(r)->subresource[0] ? "" : schema_runtime_of(r)->names->singular;
}

const char *const *schema_runtime_short_names(const struct schema_resource *r)
{
    static const char *const none[] = {NULL};
    const struct schema_runtime *x = schema_runtime_of(r);
    return x->subresource[0] || !x->names->short_names ? none : x->names->short_names;
}

const char *const *schema_runtime_categories(const struct schema_resource *r)
{
    static const char *const none[] = {NULL};
    const struct schema_runtime *x = schema_runtime_of(r);
    return x->subresource[0] || !x->names->categories ? none : x->names->categories;
}
