/* DefaultTolerationSeconds: a pod stays five minutes on a node that is not ready or not reachable.
 */
#include "api/write.h"

enum { SECONDS = 300 };

static bool tolerates(const struct json *list, const char *key)
{
    for (const struct json *t = json_first(list); t; t = t->next) {
        struct str k = json_path_str(t, "key"), effect = json_path_str(t, "effect");
        if ((!k.n || str_is(k, key)) && (!effect.n || str_is(effect, "NoExecute")))
            return true;
    }
    return false;
}

int admit_tolerations(struct write *w)
{
    static const char *const keys[] = {"node.kubernetes.io/not-ready",
                                       "node.kubernetes.io/unreachable"};
    struct json *spec = json_get(w->object, "spec");
    bool pod = cstr_eq(schema_resource_plural(w->resource), "pods") &&
               !schema_resource_group(w->resource)[0];
    if (!pod || !spec || w->subresource[0])
        return 0;
    for (size_t i = 0; i < 2; i++) {
        struct json *list = json_get(spec, "tolerations");
        if (tolerates(list, keys[i]))
            continue;
        struct json *t = json_new(w->a, JSON_OBJECT);
        json_set_cstr(w->a, t, "key", keys[i]);
        json_set_cstr(w->a, t, "operator", "Exists");
        json_set_cstr(w->a, t, "effect", "NoExecute");
        json_set_i64(w->a, t, "tolerationSeconds", SECONDS);
        json_append(w->a, json_array_at(w->a, spec, "tolerations"), t);
    }
    return w->a->failed ? fail_memory(w->r) : 0;
}
