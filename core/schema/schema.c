/* Lookups in the generated tables. Nothing here allocates. */
#include "schema/schema_int.h"

#include "base/assert.h"

static const char *text(uint16_t offset)
{
    return schema_pool + offset;
}

size_t schema_group_version_count(void)
{
    return schema_version_total;
}

struct schema_group_version schema_group_version_at(size_t index)
{
    ASSERT(index < schema_version_total);
    const struct schema_version *v = &schema_versions[index];
    return (struct schema_group_version){text(v->group), text(v->version)};
}

const char *schema_verb_name(enum schema_verb verb)
{
    static const char names[][24] = {"create", "get",   "list",   "watch",
                                     "update", "patch", "delete", "deletecollection",
                                     "connect"};
    int bit = __builtin_ctz(verb);
    return (size_t)bit < sizeof(names) / sizeof(names[0]) ? names[bit] : "";
}

const struct schema_resource *schema_resource_find(struct str group, struct str version,
                                                   struct str name)
{
    for (size_t i = 0; i < schema_resource_total; i++) {
        const struct schema_resource *r = &schema_resources[i];
        if (str_is(name, text(r->name)) && str_is(group, text(r->group)) &&
            str_is(version, text(r->version)))
            return r;
    }
    return NULL;
}

size_t schema_resource_count(void)
{
    return schema_resource_total;
}

const struct schema_resource *schema_resource_at(size_t index)
{
    ASSERT(index < schema_resource_total);
    return &schema_resources[index];
}

const char *schema_resource_group(const struct schema_resource *r)
{
    return r->runtime ? schema_runtime_of(r)->names->group : text(r->group);
}

const char *schema_resource_version(const struct schema_resource *r)
{
    return r->runtime ? schema_runtime_of(r)->names->version : text(r->version);
}

const char *schema_resource_plural(const struct schema_resource *r)
{
    return r->runtime ? schema_runtime_of(r)->names->plural : text(r->plural);
}

const char *schema_resource_subresource(const struct schema_resource *r)
{
    return r->runtime ? schema_runtime_of(r)->subresource : text(r->subresource);
}

const char *schema_resource_name(const struct schema_resource *r)
{
    return r->runtime ? schema_runtime_of(r)->name : text(r->name);
}

const char *schema_resource_singular(const struct schema_resource *r)
{
    return r->runtime ? schema_runtime_singular(r) : text(r->singular);
}

const char *schema_resource_kind(const struct schema_resource *r)
{
    return r->runtime ? schema_runtime_of(r)->kind : text(r->kind);
}

const char *schema_resource_kind_group(const struct schema_resource *r)
{
    return r->runtime ? schema_runtime_of(r)->kind_group : text(r->kind_group);
}

const char *schema_resource_kind_version(const struct schema_resource *r)
{
    return r->runtime ? schema_runtime_of(r)->kind_version : text(r->kind_version);
}

const char *schema_resource_list_kind(const struct schema_resource *r)
{
    return r->runtime ? schema_runtime_of(r)->names->list_kind : text(r->list_kind);
}

const struct schema_resource *schema_resource_main(const struct schema_resource *r)
{
    if (r->runtime)
        return schema_runtime_of(r)->main;
    if (!r->subresource)
        return r;
    const struct schema_resource *m = schema_resource_find(
        str_of(text(r->group)), str_of(text(r->version)), str_of(text(r->plural)));
    return m ? m : r;
}

bool schema_resource_namespaced(const struct schema_resource *r)
{
    return r->namespaced;
}

unsigned schema_resource_verbs(const struct schema_resource *r)
{
    return r->verbs;
}

static const struct schema_type *type_or_null(uint16_t index)
{
    return index == SCHEMA_NO_TYPE ? NULL : &schema_types[index];
}

const struct schema_type *schema_resource_type(const struct schema_resource *r)
{
    return type_or_null(r->type);
}

/* First entry of a kind's name in the sorted table, or the total. */
static size_t kind_first(struct str kind)
{
    size_t low = 0, high = schema_kind_total;
    while (low < high) {
        size_t middle = (low + high) / 2;
        if (str_cmp(str_of(text(schema_kinds[middle].kind)), kind) < 0)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

const struct schema_type *schema_type_of_kind(struct str group, struct str version, struct str kind)
{
    for (size_t i = kind_first(kind); i < schema_kind_total; i++) {
        const struct schema_kind *k = &schema_kinds[i];
        if (!str_is(kind, text(k->kind)))
            break;
        if (str_is(group, text(k->group)) && str_is(version, text(k->version)))
            return type_or_null(k->type);
    }
    /* Every group version has these of meta/v1 under its own name. */
    if (str_eq(kind, STR("DeleteOptions")))
        return schema_type_find(STR("io.k8s.apimachinery.pkg.apis.meta.v1.DeleteOptions"));
    if (str_eq(kind, STR("WatchEvent")))
        return schema_type_find(STR("io.k8s.apimachinery.pkg.apis.meta.v1.WatchEvent"));
    return NULL;
}

const struct schema_type *schema_type_find(struct str name)
{
    size_t low = 0, high = schema_type_total;
    while (low < high) {
        size_t middle = (low + high) / 2;
        int c = str_cmp(name, str_of(text(schema_types[middle].name)));
        if (c == 0)
            return &schema_types[middle];
        if (c < 0)
            high = middle;
        else
            low = middle + 1;
    }
    return NULL;
}

size_t schema_type_count(void)
{
    return schema_type_total;
}

const struct schema_type *schema_type_at(size_t index)
{
    ASSERT(index < schema_type_total);
    return &schema_types[index];
}

size_t schema_type_index(const struct schema_type *t)
{
    return (size_t)(t - schema_types);
}

const char *schema_type_name(const struct schema_type *t)
{
    return text(t->name);
}

const char *schema_type_short_name(const struct schema_type *t)
{
    return text(t->short_name);
}

const char *schema_type_go_name(const struct schema_type *t)
{
    return text(t->go_name);
}

enum schema_shape schema_type_shape(const struct schema_type *t)
{
    return t->shape;
}

enum schema_map_type schema_type_map_type(const struct schema_type *t)
{
    return t->map_type;
}

bool schema_type_gvk(const struct schema_type *t, size_t index, struct schema_gvk *ret)
{
    for (size_t i = 0; i < schema_kind_total; i++) {
        const struct schema_kind *k = &schema_kinds[i];
        if (k->type == schema_type_index(t) && index-- == 0) {
            *ret = (struct schema_gvk){text(k->group), text(k->version), text(k->kind)};
            return true;
        }
    }
    return false;
}

const struct schema_field *schema_type_field(const struct schema_type *t, struct str name)
{
    const struct schema_field *fields = schema_fields + t->field_first;
    size_t low = 0, high = t->field_count;
    while (low < high) {
        size_t middle = (low + high) / 2;
        const struct schema_field *f = &fields[middle];
        size_t common = name.n < f->name_bytes ? name.n : f->name_bytes;
        int c = common ? memcmp(name.p, text(f->name), common) : 0;
        if (c == 0 && name.n == f->name_bytes)
            return f;
        if (c < 0 || (c == 0 && name.n < f->name_bytes))
            high = middle;
        else
            low = middle + 1;
    }
    return NULL;
}

size_t schema_type_field_count(const struct schema_type *t)
{
    return t->field_count;
}

const struct schema_field *schema_type_field_at(const struct schema_type *t, size_t index)
{
    ASSERT(index < t->field_count);
    return schema_fields + t->field_first + index;
}

const char *schema_field_name(const struct schema_field *f)
{
    return text(f->name);
}

enum schema_shape schema_field_shape(const struct schema_field *f)
{
    return f->shape;
}

enum schema_wrap schema_field_wrap(const struct schema_field *f)
{
    return f->wrap;
}

const struct schema_type *schema_field_type(const struct schema_field *f)
{
    return type_or_null(f->type);
}

bool schema_field_required(const struct schema_field *f)
{
    return f->flags & SCHEMA_FIELD_REQUIRED;
}

const char *schema_field_default(const struct schema_field *f)
{
    return f->preset ? text(f->preset) : NULL;
}

enum schema_list_type schema_field_list_type(const struct schema_field *f)
{
    return f->list_type;
}

enum schema_map_type schema_field_map_type(const struct schema_field *f)
{
    return f->map_type;
}

const char *schema_field_list_keys(const struct schema_field *f)
{
    return text(f->keys);
}

unsigned schema_field_patch(const struct schema_field *f)
{
    return f->patch;
}

const char *schema_field_patch_key(const struct schema_field *f)
{
    return text(f->patch_key);
}

bool schema_field_pointer(const struct schema_field *f)
{
    return f->flags & SCHEMA_FIELD_POINTER;
}

bool schema_field_omitempty(const struct schema_field *f)
{
    return f->flags & SCHEMA_FIELD_OMITEMPTY;
}
