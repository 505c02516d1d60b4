/* What is published of the schemas of definitions. */
#include "api/crd/crd.h"
#include "schema/openapi.h"

enum { DOCUMENT_ARENA = 64 * 1024 * 1024, DEPTH = 100 };

#define META_TYPE "io.k8s.apimachinery.pkg.apis.meta.v1."

struct publishing {
    struct arena *arena;
    bool v3;
    struct openapi_more more;
    const struct schema_resource **resources;
    struct openapi_definition *definitions;
};

static struct json *described(struct arena *a, const char *type, const char *text)
{
    struct json *j = json_new(a, JSON_OBJECT);
    json_set_cstr(a, j, "type", type);
    json_set_cstr(a, j, "description", text);
    return j;
}

static struct json *ref(struct publishing *p, const char *prefix, const char *name)
{
    struct json *j = json_new(p->arena, JSON_OBJECT);
    const char *text =
        arena_printf(p->arena, "%s%s%s", p->v3 ? "#/components/schemas/" : "#/definitions/",
                     prefix, name);
    json_set_cstr(p->arena, j, "$ref", text ? text : "");
    return j;
}

static void set_kind(struct publishing *p, struct json *schema, const struct crd_version *v,
                     const char *kind)
{
    struct arena *a = p->arena;
    struct json *list = json_set(a, schema, "x-kubernetes-group-version-kind",
                                 json_new(a, JSON_ARRAY));
    struct json *gvk = json_append(a, list, json_new(a, JSON_OBJECT));
    json_set_cstr(a, gvk, "group", v->names.group);
    json_set_cstr(a, gvk, "kind", kind);
    json_set_cstr(a, gvk, "version", v->name);
}

static void set_type_meta(struct arena *a, struct json *properties)
{
    json_set(a, properties, "apiVersion",
             described(a, "string",
                       "APIVersion defines the version of the schema that this object is "
                       "written in, as group/version."));
    json_set(a, properties, "kind",
             described(a, "string", "Kind names what this is, in CamelCase."));
}

/* In version 3 nothing may stand beside a reference. */
static void set_metadata(struct publishing *p, struct json *properties)
{
    struct arena *a = p->arena;
    struct json *type = ref(p, META_TYPE, "ObjectMeta"), *metadata = type;
    if (p->v3) {
        metadata = json_new(a, JSON_OBJECT);
        json_append(a, json_array_at(a, metadata, "allOf"), type);
    }
    json_set_cstr(a, metadata, "description",
                  "Standard object's metadata: name, namespace, labels and the like.");
    json_set(a, properties, "metadata", metadata);
}

/* What Swagger 2.0 has no word for is left out, which makes the schema accept more, never less. */
static void simplify(struct json *schema, unsigned depth)
{
    static const char *const unknown[] = {"nullable", "oneOf", "anyOf", "allOf", "not", "default",
                                          "x-kubernetes-validations"};
    if (!json_is(schema, JSON_OBJECT) || depth > DEPTH)
        return;
    bool loose = json_path_bool(schema, "nullable", false) ||
                 json_path_bool(schema, "x-kubernetes-preserve-unknown-fields", false) ||
                 json_path_bool(schema, "x-kubernetes-int-or-string", false);
    for (size_t i = 0; i < sizeof unknown / sizeof unknown[0]; i++)
        json_remove(schema, unknown[i]);
    if (loose && depth) {
        static const char *const shape[] = {"type", "properties", "items", "additionalProperties",
                                            "required"};
        for (size_t i = 0; i < sizeof shape / sizeof shape[0]; i++)
            json_remove(schema, shape[i]);
    }
    simplify(json_get(schema, "items"), depth + 1);
    simplify(json_get(schema, "additionalProperties"), depth + 1);
    for (struct json *m = json_first(json_get(schema, "properties")); m; m = m->next)
        simplify(m, depth + 1);
}

static struct json *schema_of(struct publishing *p, const struct crd_version *v)
{
    struct arena *a = p->arena;
    /* Clients that read version 2 take properties that are named for all that are allowed. */
    bool open = !p->v3 && (!v->schema ||
                           json_path_bool(v->schema, "x-kubernetes-preserve-unknown-fields", false));
    struct json *schema =
        v->schema && !open ? json_clone(a, v->schema) : json_new(a, JSON_OBJECT);
    if (!p->v3)
        simplify(schema, 0);
    json_set_cstr(a, schema, "type", "object");
    if (open) {
        set_kind(p, schema, v, v->names.kind);
        return schema;
    }
    struct json *properties = json_object_at(a, schema, "properties");
    set_type_meta(a, properties);
    set_metadata(p, properties);
    set_kind(p, schema, v, v->names.kind);
    return schema;
}

static struct json *list_schema_of(struct publishing *p, const struct crd_version *v)
{
    struct arena *a = p->arena;
    struct json *list = described(a, "object",
                                  arena_printf(a, "%s is a list of %s", v->names.list_kind,
                                               v->names.kind));
    struct json *properties = json_object_at(a, list, "properties");
    json_append(a, json_array_at(a, list, "required"), json_new_cstr(a, "items"));
    set_type_meta(a, properties);
    struct json *items =
        json_set(a, properties, "items",
                 described(a, "array", arena_printf(a, "List of %s.", v->names.plural)));
    json_set(a, items, "items", ref(p, "", v->names.type_name));
    json_set(a, properties, "metadata", ref(p, META_TYPE, "ListMeta"));
    set_kind(p, list, v, v->names.list_kind);
    return list;
}

static void publish(struct publishing *p, const struct crd_version *v)
{
    const struct schema_resource *const of[] = {v->main, v->status, v->scale};
    const char *list = arena_printf(p->arena, "%sList", v->names.type_name);
    for (size_t i = 0; i < 3; i++)
        if (of[i])
            p->resources[p->more.resource_count++] = of[i];
    p->definitions[p->more.definition_count++] =
        (struct openapi_definition){v->names.type_name, schema_of(p, v)};
    p->definitions[p->more.definition_count++] =
        (struct openapi_definition){list ? list : "", list_schema_of(p, v)};
}

/* All versions that are served, or those of one group version. */
static int publish_all(struct api *api, struct publishing *p, struct str group, struct str version)
{
    struct crd *const *all;
    size_t count, room = 0;
    int rc = crd_all(api, &all, &count);
    if (rc < 0)
        return rc;
    for (size_t i = 0; i < count; i++)
        room += all[i]->version_count;
    p->resources = arena_alloc(p->arena, (3 * room + 1) * sizeof(const struct schema_resource *));
    p->definitions = arena_alloc(p->arena, (2 * room + 1) * sizeof *p->definitions);
    if (!p->resources || !p->definitions)
        return -E_NOMEM;
    p->more.resources = p->resources;
    p->more.definitions = p->definitions;
    for (size_t i = 0; i < count; i++)
        for (size_t k = 0; k < all[i]->version_count; k++) {
            const struct crd_version *v = &all[i]->versions[k];
            if (v->served && (!group.p || (str_is(group, all[i]->group) &&
                                           str_is(version, v->name))))
                publish(p, v);
        }
    return p->arena->failed ? -E_NOMEM : 0;
}

int crd_openapi_v3(struct api *api, struct str group, struct str version, struct buf *out)
{
    struct arena a CLEANUP_ARENA;
    struct publishing p = {.arena = &a, .v3 = true};
    arena_init(&a, DOCUMENT_ARENA);
    int rc = publish_all(api, &p, group, version);
    if (rc == 0 && !p.more.definition_count)
        rc = -E_NOT_FOUND;
    return rc ? rc : openapi_v3_more(&p.more, out);
}

int crd_openapi_v2(struct api *api, bool protobuf, struct buf *out)
{
    struct arena a CLEANUP_ARENA;
    struct publishing p = {.arena = &a};
    arena_init(&a, DOCUMENT_ARENA);
    int rc = publish_all(api, &p, (struct str){NULL, 0}, (struct str){NULL, 0});
    if (rc < 0)
        return rc;
    return protobuf ? openapi_v2_protobuf_more(&p.more, out) : openapi_v2_json_more(&p.more, out);
}
