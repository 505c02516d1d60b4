/*
 * Input: a letter (d: Deployment, s: Service, c: a structural schema, others: no schema), an object
 * with whatever managedFields, a newline, what is applied to it. Applied again by force it must
 * come to rest; then the result goes through an update.
 */
#include "base/assert.h"
#include "schema/managed.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static const char custom[] =
    "{\"type\":\"object\",\"properties\":{\"spec\":{\"type\":\"object\",\"properties\":{"
    "\"tags\":{\"type\":\"array\",\"x-kubernetes-list-type\":\"set\",\"items\":{\"type\":"
    "\"string\"}},\"parts\":{\"type\":\"array\",\"x-kubernetes-list-type\":\"map\","
    "\"x-kubernetes-list-map-keys\":[\"id\"],\"items\":{\"type\":\"object\",\"properties\":{\"id\":"
    "{\"type\":\"string\"},\"v\":{\"x-kubernetes-int-or-string\":true}}}},\"free\":{\"type\":"
    "\"object\",\"x-kubernetes-preserve-unknown-fields\":true}}}}}";

static bool type_of(struct arena *a, char letter, struct apply_node *ret)
{
    struct json *schema;
    if (letter == 'd')
        *ret = apply_node_of_type(schema_type_of_kind(STR("apps"), STR("v1"), STR("Deployment")));
    else if (letter == 's')
        *ret = apply_node_of_type(schema_type_of_kind(STR(""), STR("v1"), STR("Service")));
    else if (letter == 'c' && json_parse(a, str_of(custom), NULL, &schema, NULL) == 0)
        *ret = apply_node_of_custom(schema);
    else
        *ret = apply_node_of_type(NULL);
    return !a->failed;
}

static void apply(struct managed_context *c, struct json *live, struct json *config)
{
    struct managed_result once, twice;
    struct err err = {0};
    int rc = managed_apply(c, live, config, false, &once, &err);
    if (rc == -E_CONFLICT)
        ASSERT(once.conflict_count && managed_conflict_message(c->arena, &once));
    if (rc != 0 && managed_apply(c, live, config, true, &once, &err) != 0)
        return;
    /* The first time takes out what was named before, the second puts empty things back. */
    if (managed_apply(c, once.object, config, true, &once, &err) != 0)
        return;
    struct json *first = json_clone(c->arena, once.object);
    if (managed_apply(c, once.object, config, true, &twice, &err) != 0)
        return;
    struct json *before = managed_detach(first), *after = managed_detach(twice.object);
    ASSERT(json_equal(first, twice.object));
    ASSERT(c->arena->failed || managed_same_but_times(before, after));
    managed_attach(twice.object, after);
    c->manager = STR("other");
    struct json *list = json_clone(c->arena, json_path(live, "metadata.managedFields"));
    if (managed_update(c, twice.object, live, list) != 0)
        return;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct arena a;
    struct json *live, *config;
    struct err err;
    struct managed_context c = {.arena = &a,
                                .version = STR("apps/v1"),
                                .manager = STR("kubectl"),
                                .now = "2026-01-01T00:00:00Z"};
    ptrdiff_t at = str_find_byte(str_make(data, size), '\n');
    arena_init(&a, 64 << 20);
    if (at >= 1 && type_of(&a, (char)data[0], &c.type) &&
        json_parse(&a, str_make(data + 1, (size_t)at - 1), NULL, &live, &err) == 0 &&
        json_parse(&a, str_make(data + at + 1, size - (size_t)at - 1), NULL, &config, &err) == 0 &&
        json_is(live, JSON_OBJECT) && json_is(config, JSON_OBJECT))
        apply(&c, live, config);
    arena_done(&a);
    return 0;
}
