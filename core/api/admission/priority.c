/* Priority: the number behind a pod's priorityClassName, or that of the default class, or 0. */
#include "api/write.h"

struct find {
    struct arena *a;
    const struct json *found; /* the default class of the highest value */
};

static bool look(void *ctx, struct store_value *v)
{
    struct find *f = ctx;
    struct json *o;
    if (json_parse(f->a, store_value_bytes(v), NULL, &o, NULL) == 0 &&
        json_path_bool(o, "globalDefault", false) &&
        (!f->found || json_path_i64(o, "value", 0) > json_path_i64(f->found, "value", 0)))
        f->found = o;
    return true;
}

static const struct json *find_default(struct write *w)
{
    struct find f = {w->a, NULL};
    struct store_snapshot *snap;
    if (store_snapshot_take(w->api->store, &snap) < 0)
        return NULL;
    store_snapshot_range(snap, STR("/scheduling.k8s.io/priorityclasses/"),
                         STR("/scheduling.k8s.io/priorityclasses0"), look, &f);
    store_snapshot_release(snap);
    return f.found;
}

int admit_priority(struct write *w)
{
    struct json *spec = json_get(w->object, "spec");
    bool pod = cstr_eq(schema_resource_plural(w->resource), "pods") &&
               !schema_resource_group(w->resource)[0];
    if (!pod || !spec)
        return 0;
    if (!w->is_create) {
        /* Decided once. */
        static const char *const kept[] = {"priority", "preemptionPolicy"};
        const struct json *old = json_get(w->old, "spec");
        for (size_t i = 0; i < 2; i++)
            if (json_get(old, kept[i]) && !json_get(spec, kept[i]))
                json_set(w->a, spec, kept[i], json_clone(w->a, json_get(old, kept[i])));
        return 0;
    }
    struct str name = json_path_str(spec, "priorityClassName");
    const struct json *class = name.n ? object_load(w->api, w->a, "scheduling.k8s.io",
                                                    "priorityclasses", STR(""), name, NULL)
                                      : find_default(w);
    if (name.n && !class) {
        const char *why =
            arena_printf(w->a, "no PriorityClass with name " STR_FMT " was found", STR_ARG(name));
        return fail_forbidden(w->r, w->resource, w->name, why ? why : "");
    }
    int64_t value = json_path_i64(class, "value", 0);
    const struct json *asked = json_get(spec, "priority");
    if (asked && json_i64(asked, 0) != value) {
        const char *why = arena_printf(
            w->a,
            "the integer value of priority (%lld) must not be provided in pod spec; "
            "priority admission controller computed %lld from the given PriorityClass name",
            (long long)json_i64(asked, 0), (long long)value);
        return fail_forbidden(w->r, w->resource, w->name, why ? why : "");
    }
    json_set_i64(w->a, spec, "priority", value);
    if (class && !name.n)
        json_set_str(w->a, spec, "priorityClassName", json_path_str(class, "metadata.name"));
    struct str policy = json_path_str(class, "preemptionPolicy");
    if (json_absent(json_get(spec, "preemptionPolicy")))
        json_set_str(w->a, spec, "preemptionPolicy",
                     policy.n ? policy : STR("PreemptLowerPriority"));
    return w->a->failed ? fail_memory(w->r) : 0;
}
