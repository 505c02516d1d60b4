/*
 * Pruning and defaulting (apiextensions-apiserver/pkg/apiserver/schema/{pruning,defaulting}):
 * what the schema does not name goes, what it has a default for comes.
 */
#include "api/crd/node.h"

enum { DEPTH = 200 };

/* Of a resource or an embedded one: always there. */
static bool is_frame(const struct crd_node *n, struct str key)
{
    return (n->root || n->embedded) &&
           (str_is(key, "apiVersion") || str_is(key, "kind") || str_is(key, "metadata"));
}

static void report(struct arena *a, struct schema_problems *problems, const char *path,
                   struct str key)
{
    if (problems)
        schema_problem_add(a, problems, "unknown field \"%s%s" STR_FMT "\"", path,
                           path[0] ? "." : "", STR_ARG(key));
}

static void prune(struct arena *a, const struct crd_node *n, bool preserve, struct json *value,
                  struct schema_problems *problems, const char *path, unsigned depth);

/* The metadata of an embedded resource has the type that all have; a value of another type than
 * its field's is left for validation. */
static void prune_metadata(struct arena *a, struct json *meta, struct schema_problems *problems,
                           const char *path)
{
    const struct schema_type *type =
        schema_type_find(STR("io.k8s.apimachinery.pkg.apis.meta.v1.ObjectMeta"));
    struct schema_problems own = {NULL, NULL, 0};
    struct str field = STR("unknown field \"");
    if (!json_is(meta, JSON_OBJECT) || schema_check(a, type, meta, SCHEMA_WARN, &own, NULL) < 0)
        return;
    for (const struct schema_problem *p = own.first; p; p = p->next)
        if (problems && str_starts(str_of(p->text), field))
            schema_problem_add(a, problems, "unknown field \"%s.metadata.%s", path,
                               p->text + field.n);
}

/* The path is only needed for problems. */
static const char *below(struct arena *a, const struct schema_problems *problems, const char *path,
                         struct str key)
{
    if (!problems)
        return "";
    const char *text = arena_printf(a, "%s%s" STR_FMT, path, path[0] ? "." : "", STR_ARG(key));
    return text ? text : "";
}

static void prune_object(struct arena *a, const struct crd_node *n, bool preserve,
                         struct json *value, struct schema_problems *problems, const char *path,
                         unsigned depth)
{
    struct json *next;
    for (struct json *m = json_first(value); m; m = next) {
        next = m->next;
        if (is_frame(n, m->key)) {
            if (!n->root && str_is(m->key, "metadata"))
                prune_metadata(a, m, problems, path);
            continue;
        }
        const struct crd_node *child = crd_node_property(n, m->key);
        if (!child)
            child = n->additional;
        if (child) {
            prune(a, child, child->preserve, m, problems, below(a, problems, path, m->key),
                  depth + 1);
        } else if (!preserve && !(json_bool(json_get(n->schema, "additionalProperties"), false))) {
            report(a, problems, path, m->key);
            json_remove_key(value, m->key);
        }
    }
}

static void prune(struct arena *a, const struct crd_node *n, bool preserve, struct json *value,
                  struct schema_problems *problems, const char *path, unsigned depth)
{
    if (depth > DEPTH)
        return;
    if (json_is(value, JSON_OBJECT)) {
        prune_object(a, n, preserve, value, problems, path, depth);
    } else if (json_is(value, JSON_ARRAY) && n->items) {
        size_t i = 0;
        for (struct json *m = json_first(value); m; m = m->next, i++) {
            const char *at = problems ? arena_printf(a, "%s[%zu]", path, i) : "";
            prune(a, n->items, n->items->preserve, m, problems, at ? at : "", depth + 1);
        }
    }
}

void crd_prune(struct arena *a, const struct crd_node *n, struct json *object,
               struct schema_problems *problems)
{
    prune(a, n, n->preserve, object, problems, "", 0);
}

/* ---- defaults ---- */

static void fill(struct arena *a, const struct crd_node *n, struct json *value, unsigned depth);

static void fill_object(struct arena *a, const struct crd_node *n, struct json *value,
                        unsigned depth)
{
    for (size_t i = 0; i < n->property_count; i++) {
        const struct crd_property *p = &n->properties[i];
        struct json *m = json_get_str(value, p->name);
        if (p->node->preset && (!m || (m->type == JSON_NULL && !p->node->nullable)))
            m = json_set_key(a, value, p->name, json_clone(a, p->node->preset));
        if (m && p->node->has_defaults)
            fill(a, p->node, m, depth + 1);
    }
    if (!n->additional || !n->additional->has_defaults)
        return;
    for (struct json *m = json_first(value); m; m = m->next)
        if (!crd_node_property(n, m->key))
            fill(a, n->additional, m, depth + 1);
}

static void fill(struct arena *a, const struct crd_node *n, struct json *value, unsigned depth)
{
    if (depth > DEPTH)
        return;
    if (json_is(value, JSON_OBJECT))
        fill_object(a, n, value, depth);
    else if (json_is(value, JSON_ARRAY) && n->items)
        for (struct json *m = json_first(value); m; m = m->next)
            fill(a, n->items, m, depth + 1);
}

void crd_default(struct arena *a, const struct crd_node *n, struct json *object)
{
    if (n->has_defaults)
        fill(a, n, object, 0);
}
