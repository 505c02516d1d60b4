/* From a schema as JSON to what objects are held against. See node.h. */
#include "api/crd/node.h"

#include "api/crd/rules.h"

#include <stdlib.h>

enum { DEPTH = 60 };

static struct crd_node *build(struct arena *a, const struct json *schema, unsigned depth);

static enum crd_type type_of(const struct json *schema)
{
    static const char *const names[] = {"", "object", "array", "string", "integer", "number",
                                        "boolean"};
    struct str type = json_path_str(schema, "type");
    if (json_path_bool(schema, "x-kubernetes-int-or-string", false))
        return CRD_INT_OR_STRING;
    for (size_t i = 1; i < sizeof names / sizeof names[0]; i++)
        if (str_is(type, names[i]))
            return (enum crd_type)i;
    return CRD_ANY;
}

static int by_name(const void *x, const void *y)
{
    return str_cmp(((const struct crd_property *)x)->name, ((const struct crd_property *)y)->name);
}

static void build_properties(struct arena *a, struct crd_node *n, unsigned depth)
{
    const struct json *properties = json_get(n->schema, "properties");
    size_t count = json_count(properties);
    if (!count)
        return;
    n->properties = arena_zalloc(a, count * sizeof *n->properties);
    for (const struct json *m = json_first(properties); m && n->properties; m = m->next) {
        struct crd_node *child = build(a, m, depth + 1);
        if (!child)
            return;
        n->has_defaults = n->has_defaults || child->preset || child->has_defaults;
        n->has_rules = n->has_rules || child->has_rules;
        n->properties[n->property_count++] = (struct crd_property){m->key, child};
    }
    if (n->properties)
        qsort(n->properties, n->property_count, sizeof *n->properties, by_name);
}

static size_t build_list(struct arena *a, const struct json *list, struct crd_node ***ret,
                         unsigned depth)
{
    size_t n = 0;
    struct crd_node **nodes = arena_zalloc(a, (json_count(list) + 1) * sizeof(struct crd_node *));
    *ret = nodes;
    for (const struct json *m = json_first(list); m && nodes; m = m->next) {
        struct crd_node *child = build(a, m, depth + 1);
        if (child)
            nodes[n++] = child;
    }
    return n;
}

static void build_children(struct arena *a, struct crd_node *n, unsigned depth)
{
    const struct json *more = json_get(n->schema, "additionalProperties"),
                      *items = json_get(n->schema, "items"), *not = json_get(n->schema, "not");
    build_properties(a, n, depth);
    if (json_is(more, JSON_OBJECT))
        n->additional = build(a, more, depth + 1);
    n->closed = json_is(more, JSON_BOOL) && !more->boolean;
    if (json_is(items, JSON_OBJECT))
        n->items = build(a, items, depth + 1);
    if (json_is(not, JSON_OBJECT))
        n->not = build(a, not, depth + 1);
    n->all_count = build_list(a, json_get(n->schema, "allOf"), &n->all, depth);
    n->any_count = build_list(a, json_get(n->schema, "anyOf"), &n->any, depth);
    n->one_count = build_list(a, json_get(n->schema, "oneOf"), &n->one, depth);
    n->has_defaults = n->has_defaults || (n->additional && n->additional->has_defaults) ||
                      (n->items && (n->items->has_defaults || n->items->preset));
    n->has_rules = n->has_rules || (n->additional && n->additional->has_rules) ||
                   (n->items && n->items->has_rules);
}

static struct crd_node *build(struct arena *a, const struct json *schema, unsigned depth)
{
    struct crd_node *n = arena_zalloc(a, sizeof *n);
    struct str pattern = json_path_str(schema, "pattern");
    if (!n || depth > DEPTH)
        return NULL;
    n->schema = schema;
    n->type = type_of(schema);
    n->nullable = json_path_bool(schema, "nullable", false);
    n->preserve = json_path_bool(schema, "x-kubernetes-preserve-unknown-fields", false);
    n->embedded = json_path_bool(schema, "x-kubernetes-embedded-resource", false);
    n->preset = json_get(schema, "default");
    /* One that cannot be compiled was refused when the definition was written. */
    if (pattern.n && regex_compile(a, pattern, &n->pattern, NULL) < 0)
        n->pattern = NULL;
    build_children(a, n, depth);
    if (crd_rules_compile(a, n, depth == 0 || n->embedded) < 0)
        return NULL;
    n->has_rules = n->has_rules || n->rule_count;
    return n;
}

int crd_node_new(struct arena *a, const struct json *schema, const struct crd_node **ret)
{
    struct crd_node *n = build(a, schema, 0);
    if (!n || a->failed)
        return -E_NOMEM;
    n->root = true;
    *ret = n;
    return 0;
}

const struct crd_node *crd_node_property(const struct crd_node *n, struct str name)
{
    size_t low = 0, high = n->property_count;
    while (low < high) {
        size_t middle = (low + high) / 2;
        int c = str_cmp(name, n->properties[middle].name);
        if (c == 0)
            return n->properties[middle].node;
        if (c < 0)
            high = middle;
        else
            low = middle + 1;
    }
    return NULL;
}
