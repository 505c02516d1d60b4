/*
 * What the API server says about a definition: whether its names were free, and that it is served.
 * Upstream's controllers write this a moment later; here it is part of the write itself, so that a
 * resource is served as soon as its definition is answered.
 */
#include "api/crd/definition.h"

#include "codec/time.h"

static struct json *condition_at(struct write *w, struct json *status, const char *type)
{
    struct json *list = json_array_at(w->a, status, "conditions");
    for (struct json *c = json_first(list); c; c = c->next)
        if (str_is(json_path_str(c, "type"), type))
            return c;
    return NULL;
}

void definition_set_condition(struct write *w, const char *type, bool is, const char *reason,
                              const char *message)
{
    struct json *status = json_object_at(w->a, w->object, "status");
    struct json *c = condition_at(w, status, type);
    const char *value = is ? "True" : "False";
    bool same = c && str_is(json_path_str(c, "status"), value);
    if (!c) {
        c = json_append(w->a, json_get(status, "conditions"), json_new(w->a, JSON_OBJECT));
        json_set_cstr(w->a, c, "type", type);
    }
    json_set_cstr(w->a, c, "status", value);
    if (!same)
        json_set_cstr(w->a, c, "lastTransitionTime", w->now);
    json_set_cstr(w->a, c, "reason", reason);
    json_set_cstr(w->a, c, "message", message);
}

void definition_drop_condition(struct write *w, const char *type)
{
    struct json *list = json_path(w->object, "status.conditions");
    uint32_t i = 0;
    for (struct json *c = json_first(list); c; c = c->next, i++)
        if (str_is(json_path_str(c, "type"), type)) {
            json_remove_at(list, i);
            return;
        }
}

/* ---- names ---- */

struct conflict {
    const char *reason; /* NULL: none */
    struct str name;
};

static bool name_in(struct str name, const char *const *list)
{
    for (; list && *list; list++)
        if (str_is(name, *list))
            return true;
    return false;
}

/* Is a name that requests go by taken by another resource of the group? */
static bool resource_taken(struct write *w, const struct catalog *all, struct str name)
{
    struct str group = json_path_str(w->object, "spec.group");
    for (size_t i = 0; i < all->resource_count; i++) {
        const struct schema_resource *r = all->resources[i];
        const struct crd_version *v = crd_of(r);
        if (!str_is(group, schema_resource_group(r)) || schema_resource_subresource(r)[0] ||
            (v && str_is(w->name, v->crd->name)))
            continue;
        if (str_is(name, schema_resource_plural(r)) || str_is(name, schema_resource_singular(r)) ||
            name_in(name, schema_resource_short_names(r)))
            return true;
    }
    return false;
}

static bool kind_taken(struct write *w, const struct catalog *all, struct str name)
{
    struct str group = json_path_str(w->object, "spec.group");
    for (size_t i = 0; i < all->resource_count; i++) {
        const struct schema_resource *r = all->resources[i];
        const struct crd_version *v = crd_of(r);
        if (!str_is(group, schema_resource_group(r)) || schema_resource_subresource(r)[0] ||
            (v && str_is(w->name, v->crd->name)))
            continue;
        if (str_is(name, schema_resource_kind(r)) || str_is(name, schema_resource_list_kind(r)))
            return true;
    }
    return false;
}

/* The last one found is told, in upstream's order. */
static struct conflict find_conflict(struct write *w, const struct catalog *all)
{
    static const struct {
        const char *name, *reason;
        bool kind;
    } parts[] = {{"plural", "PluralConflict", false},
                 {"singular", "SingularConflict", false},
                 {"shortNames", "ShortNamesConflict", false},
                 {"kind", "KindConflict", true},
                 {"listKind", "ListKindConflict", true}};
    const struct json *names = json_path(w->object, "spec.names");
    struct conflict found = {NULL, STR("")};
    for (size_t i = 0; i < sizeof parts / sizeof parts[0]; i++) {
        const struct json *part = json_get(names, parts[i].name), *m = part;
        if (json_is(part, JSON_ARRAY))
            m = json_first(part);
        for (; m; m = json_is(part, JSON_ARRAY) ? m->next : NULL) {
            struct str name = json_str(m);
            if (name.n && (parts[i].kind ? kind_taken(w, all, name) : resource_taken(w, all, name)))
                found = (struct conflict){parts[i].reason, name};
        }
    }
    return found;
}

static bool is_established(const struct write *w)
{
    const struct json *list = json_path(w->object, "status.conditions");
    for (const struct json *c = json_first(list); c; c = c->next)
        if (str_is(json_path_str(c, "type"), "Established"))
            return str_is(json_path_str(c, "status"), "True");
    return false;
}

void definition_settle_names(struct write *w)
{
    struct catalog all;
    struct json *status = json_object_at(w->a, w->object, "status");
    if (catalog_make(w->api, w->a, &all) < 0)
        return;
    struct conflict c = find_conflict(w, &all);
    if (c.reason) {
        const char *text = arena_printf(w->a, "\"" STR_FMT "\" is already in use", STR_ARG(c.name));
        definition_set_condition(w, "NamesAccepted", false, c.reason, text ? text : "");
        if (!json_get(status, "acceptedNames")) {
            struct json *none =
                json_set(w->a, status, "acceptedNames", json_new(w->a, JSON_OBJECT));
            json_set_cstr(w->a, none, "plural", "");
            json_set_cstr(w->a, none, "kind", "");
        }
        if (!is_established(w))
            definition_set_condition(w, "Established", false, "NotAccepted",
                                     "not all names are accepted");
        return;
    }
    json_set(w->a, status, "acceptedNames", json_clone(w->a, json_path(w->object, "spec.names")));
    definition_set_condition(w, "NamesAccepted", true, "NoConflicts", "no conflicts found");
    if (!is_established(w))
        definition_set_condition(w, "Established", true, "InitialNamesAccepted",
                                 "the initial names have been accepted");
}
