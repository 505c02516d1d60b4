/* Paths and operations of a group version, from the table of resources. */
#include <ctype.h>
#include <stdio.h>

#include "schema/openapi_int.h"
#include "schema/runtime.h"

enum { PATH_MOST = 600 };

#define META "io.k8s.apimachinery.pkg.apis.meta.v1."

struct writer {
    struct arena *arena;
    enum openapi_form form;
    const struct schema_resource *resource;
    openapi_each *each;
    void *ctx;
};

/* What an HTTP method on a path is. */
struct action {
    const char *method, *name, *verb; /* "put", "replace", x-kubernetes-action */
    enum schema_verb needs;
    bool body, list, returns_status;
};

static const struct action collection_actions[] = {
    {"get", "list", "list", SCHEMA_LIST, false, true, false},
    {"post", "create", "post", SCHEMA_CREATE, true, false, false},
    {"delete", "deleteCollection", "deletecollection", SCHEMA_DELETECOLLECTION, true, false, true},
};
static const struct action item_actions[] = {
    {"get", "read", "get", SCHEMA_GET, false, false, false},
    {"post", "create", "post", SCHEMA_CREATE, true, false, false},
    {"put", "replace", "put", SCHEMA_UPDATE, true, false, false},
    {"patch", "patch", "patch", SCHEMA_PATCH, true, false, false},
    {"delete", "delete", "delete", SCHEMA_DELETE, true, false, true},
    {"get", "connectGet", "connect", SCHEMA_CONNECT, false, false, false},
    {"post", "connectPost", "connect", SCHEMA_CONNECT, false, false, false},
};

static const struct {
    const char *name, *type;
    unsigned verbs; /* that take it */
} query_parameters[] = {
    {"allowWatchBookmarks", "boolean", SCHEMA_LIST},
    {"continue", "string", SCHEMA_LIST | SCHEMA_DELETECOLLECTION},
    {"dryRun", "string",
     SCHEMA_CREATE | SCHEMA_UPDATE | SCHEMA_PATCH | SCHEMA_DELETE | SCHEMA_DELETECOLLECTION},
    {"fieldManager", "string", SCHEMA_CREATE | SCHEMA_UPDATE | SCHEMA_PATCH},
    {"fieldSelector", "string", SCHEMA_LIST | SCHEMA_DELETECOLLECTION},
    {"fieldValidation", "string", SCHEMA_CREATE | SCHEMA_UPDATE | SCHEMA_PATCH},
    {"force", "boolean", SCHEMA_PATCH},
    {"gracePeriodSeconds", "integer", SCHEMA_DELETE | SCHEMA_DELETECOLLECTION},
    {"labelSelector", "string", SCHEMA_LIST | SCHEMA_DELETECOLLECTION},
    {"limit", "integer", SCHEMA_LIST | SCHEMA_DELETECOLLECTION},
    {"orphanDependents", "boolean", SCHEMA_DELETE | SCHEMA_DELETECOLLECTION},
    {"propagationPolicy", "string", SCHEMA_DELETE | SCHEMA_DELETECOLLECTION},
    {"resourceVersion", "string", SCHEMA_LIST | SCHEMA_DELETECOLLECTION},
    {"resourceVersionMatch", "string", SCHEMA_LIST | SCHEMA_DELETECOLLECTION},
    {"sendInitialEvents", "boolean", SCHEMA_LIST},
    {"timeoutSeconds", "integer", SCHEMA_LIST | SCHEMA_DELETECOLLECTION},
    {"watch", "boolean", SCHEMA_LIST},
};

static const char json_media[] = "application/json";
static const char *const patch_media[] = {"application/json-patch+json",
                                          "application/merge-patch+json",
                                          "application/strategic-merge-patch+json",
                                          "application/apply-patch+yaml"};

static struct json *parameter(struct writer *w, const char *name, const char *in, const char *type)
{
    struct arena *a = w->arena;
    struct json *p = json_new(a, JSON_OBJECT), *typed = p;
    json_set_cstr(a, p, "name", name);
    json_set_cstr(a, p, "in", in);
    if (cstr_eq(in, "path"))
        json_set_bool(a, p, "required", true);
    if (w->form == OPENAPI_V3)
        typed = json_set(a, p, "schema", json_new(a, JSON_OBJECT));
    json_set_cstr(a, typed, "type", type);
    json_set_bool(a, typed, "uniqueItems", true);
    return p;
}

static struct json *type_or_string(struct writer *w, const struct schema_type *t)
{
    if (t)
        return openapi_ref(w->arena, t, w->form);
    struct json *j = json_new(w->arena, JSON_OBJECT);
    json_set_cstr(w->arena, j, "type", "string");
    return j;
}

static struct json *ref_to(struct writer *w, const char *name, const char *suffix)
{
    struct json *j = json_new(w->arena, JSON_OBJECT);
    const char *text =
        arena_printf(w->arena, "%s%s%s",
                     w->form == OPENAPI_V3 ? "#/components/schemas/" : "#/definitions/", name,
                     suffix);
    json_set_cstr(w->arena, j, "$ref", text ? text : "");
    return j;
}

static const struct schema_type *meta_type(const char *name)
{
    char full[100];
    snprintf(full, sizeof(full), META "%s", name);
    return schema_type_find(str_of(full));
}

static const struct schema_type *list_type(const struct schema_resource *r)
{
    return schema_type_of_kind(str_of(schema_resource_kind_group(r)),
                               str_of(schema_resource_kind_version(r)),
                               str_of(schema_resource_list_kind(r)));
}

static const struct schema_type *answer_type(const struct writer *w, const struct action *act)
{
    if (act->list)
        return list_type(w->resource);
    if (act->returns_status)
        return meta_type("Status");
    return schema_resource_type(w->resource);
}

static const struct schema_type *body_type(const struct writer *w, const struct action *act)
{
    if (act->needs == SCHEMA_PATCH)
        return meta_type("Patch");
    if (act->returns_status)
        return meta_type("DeleteOptions");
    return schema_resource_type(w->resource);
}

/* The schema of an answer or a body, also of a resource that a client defined. */
static struct json *answer_schema(struct writer *w, const struct action *act)
{
    const char *custom = schema_runtime_type_name(w->resource);
    if (custom && !act->returns_status)
        return ref_to(w, custom, act->list ? "List" : "");
    return type_or_string(w, answer_type(w, act));
}

static struct json *body_schema(struct writer *w, const struct action *act)
{
    const char *custom = schema_runtime_type_name(w->resource);
    if (custom && !act->returns_status && act->needs != SCHEMA_PATCH)
        return ref_to(w, custom, "");
    return type_or_string(w, body_type(w, act));
}

/* Without a type of the tables there is no strategic merge. */
static bool takes_media(const struct writer *w, const struct action *act, size_t index)
{
    return act->needs != SCHEMA_PATCH || !schema_runtime_owner(w->resource) ||
           !cstr_eq(patch_media[index], "application/strategic-merge-patch+json");
}

static void set_body_v3(struct writer *w, struct json *op, const struct action *act)
{
    struct arena *a = w->arena;
    struct json *body = json_set(a, op, "requestBody", json_new(a, JSON_OBJECT));
    struct json *content = json_set(a, body, "content", json_new(a, JSON_OBJECT));
    size_t count = act->needs == SCHEMA_PATCH ? sizeof(patch_media) / sizeof(patch_media[0]) : 1;
    for (size_t i = 0; i < count; i++) {
        if (!takes_media(w, act, i))
            continue;
        struct json *media = json_new(a, JSON_OBJECT);
        json_set(a, media, "schema", body_schema(w, act));
        json_set(a, content, act->needs == SCHEMA_PATCH ? patch_media[i] : json_media, media);
    }
}

static void set_body_v2(struct writer *w, struct json *op, struct json *parameters,
                        const struct action *act)
{
    struct arena *a = w->arena;
    struct json *body = json_new(a, JSON_OBJECT), *media;
    size_t count = act->needs == SCHEMA_PATCH ? sizeof(patch_media) / sizeof(patch_media[0]) : 1;
    json_set_cstr(a, body, "name", "body");
    json_set_cstr(a, body, "in", "body");
    if (!act->returns_status)
        json_set_bool(a, body, "required", true);
    json_set(a, body, "schema", body_schema(w, act));
    json_append(a, parameters, body);
    media = json_set(a, op, "consumes", json_new(a, JSON_ARRAY));
    for (size_t i = 0; i < count; i++)
        if (takes_media(w, act, i))
            json_append(a, media,
                    json_new_cstr(a, act->needs == SCHEMA_PATCH ? patch_media[i] : json_media));
}

static void set_answers(struct writer *w, struct json *op, const struct action *act)
{
    struct arena *a = w->arena;
    struct json *responses = json_set(a, op, "responses", json_new(a, JSON_OBJECT));
    struct json *good = json_set(a, responses, "200", json_new(a, JSON_OBJECT)), *holder = good;
    json_set_cstr(a, good, "description", "OK");
    if (w->form == OPENAPI_V3) {
        holder = json_set(a, good, "content", json_new(a, JSON_OBJECT));
        holder = json_set(a, holder, json_media, json_new(a, JSON_OBJECT));
    } else {
        struct json *produces = json_set(a, op, "produces", json_new(a, JSON_ARRAY));
        json_append(a, produces, json_new_cstr(a, json_media));
    }
    json_set(a, holder, "schema", answer_schema(w, act));
    struct json *denied = json_set(a, responses, "401", json_new(a, JSON_OBJECT));
    json_set_cstr(a, denied, "description", "Unauthorized");
}

/* "apps" -> "Apps", "rbac.authorization.k8s.io" -> "RbacAuthorization", "" -> "Core" */
static void group_name(const char *group, char *out, size_t size)
{
    size_t n = 0;
    bool upper = true;
    struct str s = str_of(*group ? group : "core");
    if (str_ends(s, STR(".k8s.io")))
        s.n -= sizeof(".k8s.io") - 1;
    for (size_t i = 0; i < s.n && n + 1 < size; i++) {
        if (s.p[i] != '.')
            out[n++] = upper ? (char)toupper((unsigned char)s.p[i]) : s.p[i];
        upper = s.p[i] == '.';
    }
    out[n] = '\0';
}

static void set_identity(struct writer *w, struct json *op, const struct action *act,
                         bool all_namespaces)
{
    const struct schema_resource *r = w->resource;
    struct arena *a = w->arena;
    char group[260], version[80], sub[40];
    group_name(schema_resource_group(r), group, sizeof(group));
    group_name(schema_resource_version(r), version, sizeof(version));
    snprintf(sub, sizeof(sub), "%s", schema_resource_subresource(r));
    sub[0] = (char)toupper((unsigned char)sub[0]);
    const char *id =
        arena_printf(a, "%s%s%s%s%s%s%s", act->name, group, version,
                     schema_resource_namespaced(r) && !all_namespaces ? "Namespaced" : "",
                     *sub ? schema_resource_plural(r) : schema_resource_kind(r), sub,
                     all_namespaces ? "ForAllNamespaces" : "");
    json_set_cstr(a, op, "operationId", id ? id : "");
    json_set_cstr(a, op, "x-kubernetes-action", act->verb);
    json_set(a, op, "x-kubernetes-group-version-kind",
             openapi_gvk(a, schema_resource_kind_group(r), schema_resource_kind_version(r),
                         schema_resource_kind(r)));
}

static struct json *operation(struct writer *w, const struct action *act, bool all_namespaces)
{
    struct arena *a = w->arena;
    struct json *op = json_new(a, JSON_OBJECT), *parameters = json_new(a, JSON_ARRAY);
    set_identity(w, op, act, all_namespaces);
    for (size_t i = 0; i < sizeof(query_parameters) / sizeof(query_parameters[0]); i++)
        if (query_parameters[i].verbs & act->needs)
            json_append(a, parameters,
                        parameter(w, query_parameters[i].name, "query", query_parameters[i].type));
    if (act->body && w->form == OPENAPI_V3)
        set_body_v3(w, op, act);
    else if (act->body)
        set_body_v2(w, op, parameters, act);
    if (json_count(parameters))
        json_set(a, op, "parameters", parameters);
    set_answers(w, op, act);
    return op;
}

/* One path with what the resource's verbs allow; nothing when that is nothing. */
static void write_path(struct writer *w, const char *path, const struct action *actions,
                       size_t count, unsigned verbs, bool all_namespaces)
{
    struct arena *a = w->arena;
    struct json *item = json_new(a, JSON_OBJECT), *parameters = json_new(a, JSON_ARRAY);
    for (size_t i = 0; i < count; i++)
        if (verbs & actions[i].needs)
            json_set(a, item, actions[i].method, operation(w, &actions[i], all_namespaces));
    if (json_count(item) > 0) {
        static const char *const names[] = {"name", "namespace"};
        for (size_t i = 0; i < 2; i++) {
            char brace[20];
            snprintf(brace, sizeof(brace), "{%s}", names[i]);
            if (strstr(path, brace))
                json_append(a, parameters, parameter(w, names[i], "path", "string"));
        }
        json_append(a, parameters, parameter(w, "pretty", "query", "string"));
        json_set(a, item, "parameters", parameters);
        w->each(w->ctx, path, item);
    }
}

/* Clears the arena only when nothing failed in it, so that the failure stays to be seen. */
static void next_path(struct writer *w)
{
    if (!w->arena->failed)
        arena_clear(w->arena);
}

static void write_resource(struct writer *w, const char *prefix)
{
    const struct schema_resource *r = w->resource;
    const char *plural = schema_resource_plural(r), *sub = schema_resource_subresource(r);
    bool namespaced = schema_resource_namespaced(r);
    unsigned verbs = schema_resource_verbs(r);
    char path[PATH_MOST];
    if (!*sub && namespaced) {
        snprintf(path, sizeof(path), "%s/%s", prefix, plural);
        write_path(w, path, collection_actions, 1, verbs, true);
        next_path(w);
    }
    int n = snprintf(path, sizeof(path), "%s/%s%s", prefix,
                     namespaced ? "namespaces/{namespace}/" : "", plural);
    if (!*sub) {
        write_path(w, path, collection_actions,
                   sizeof(collection_actions) / sizeof(collection_actions[0]), verbs, false);
        next_path(w);
        verbs &= ~(unsigned)SCHEMA_CREATE;
    }
    snprintf(path + n, sizeof(path) - (size_t)n, "/{name}%s%s", *sub ? "/" : "", sub);
    write_path(w, path, item_actions, sizeof(item_actions) / sizeof(item_actions[0]), verbs, false);
    next_path(w);
}

int openapi_paths(struct arena *a, struct str group, struct str version, enum openapi_form form,
                  openapi_each *each, void *ctx)
{
    struct writer w = {a, form, NULL, each, ctx};
    char prefix[120];
    bool found = false;
    snprintf(prefix, sizeof(prefix), "%s" STR_FMT "%s" STR_FMT, group.n ? "/apis/" : "/api",
             STR_ARG(group), "/", STR_ARG(version));
    for (size_t i = 0; i < schema_resource_count(); i++) {
        w.resource = schema_resource_at(i);
        if (!str_is(group, schema_resource_group(w.resource)) ||
            !str_is(version, schema_resource_version(w.resource)))
            continue;
        found = true;
        write_resource(&w, prefix);
    }
    if (a->failed)
        return -E_NOMEM;
    return found ? 0 : -E_NOT_FOUND;
}

int openapi_resource_paths(struct arena *a, const struct schema_resource *r,
                           enum openapi_form form, openapi_each *each, void *ctx)
{
    struct writer w = {a, form, r, each, ctx};
    char prefix[PATH_MOST];
    snprintf(prefix, sizeof(prefix), "/apis/%s/%s", schema_resource_group(r),
             schema_resource_version(r));
    write_resource(&w, prefix);
    return a->failed ? -E_NOMEM : 0;
}

void openapi_mark_meta(uint8_t *marks)
{
    static const char *const names[] = {"DeleteOptions", "Patch", "Status", "WatchEvent",
                                        "ObjectMeta", "ListMeta"};
    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
        openapi_mark(meta_type(names[i]), marks);
    openapi_mark(schema_type_of_kind(STR("autoscaling"), STR("v1"), STR("Scale")), marks);
}

void openapi_mark_group(struct str group, struct str version, uint8_t *marks)
{
    for (size_t i = 0; i < schema_resource_count(); i++) {
        const struct schema_resource *r = schema_resource_at(i);
        if (!str_is(group, schema_resource_group(r)) ||
            !str_is(version, schema_resource_version(r)))
            continue;
        openapi_mark(schema_resource_type(r), marks);
        if (schema_resource_verbs(r) & SCHEMA_LIST)
            openapi_mark(list_type(r), marks);
    }
    openapi_mark(meta_type("DeleteOptions"), marks);
    openapi_mark(meta_type("Patch"), marks);
    openapi_mark(meta_type("Status"), marks);
    openapi_mark(meta_type("WatchEvent"), marks);
}
