/* The default of several classes. See default_class.h. */
#include "api/admission/default_class.h"

struct find {
    struct arena *a;
    const char *const *annotations;
    const struct json *found;
};

static bool annotated(const struct find *f, const struct json *class)
{
    const struct json *all = json_path(class, "metadata.annotations");
    for (const char *const *name = f->annotations; *name; name++)
        if (str_is(json_str(json_get(all, *name)), "true"))
            return true;
    return false;
}

/* In the store's order, which is by name: of equals the first stays. */
static bool look(void *ctx, struct store_value *v)
{
    struct find *f = ctx;
    struct json *o;
    if (json_parse(f->a, store_value_bytes(v), NULL, &o, NULL) == 0 && annotated(f, o) &&
        (!f->found || str_cmp(json_path_str(o, "metadata.creationTimestamp"),
                              json_path_str(f->found, "metadata.creationTimestamp")) > 0))
        f->found = o;
    return true;
}

int default_class(struct write *w, const char *group, const char *resource,
                  const char *const *annotations, const struct json **ret)
{
    struct find f = {w->a, annotations, NULL};
    struct str from = object_key_of(w->a, group, resource, STR(""), STR(""));
    char *to = from.p ? arena_strndup(w->a, from.p, from.n) : NULL;
    struct store_snapshot *snap;
    if (!to || store_snapshot_take(w->api->store, &snap) < 0)
        return fail_memory(w->r);
    to[from.n - 1]++; /* behind the closing slash */
    store_snapshot_range(snap, from, str_make(to, from.n), look, &f);
    store_snapshot_release(snap);
    *ret = f.found;
    return w->a->failed ? fail_memory(w->r) : 0;
}
