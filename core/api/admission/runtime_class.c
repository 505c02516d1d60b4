/*
 * RuntimeClass: a pod gets the overhead, the node selector and the tolerations of its class
 * (plugin/pkg/admission/runtimeclass).
 */
#include "api/write.h"

enum { COMPARED_MOST = 500 };

static bool is_new_pod(const struct write *w)
{
    return w->is_create && !w->subresource[0] && !schema_resource_group(w->resource)[0] &&
           cstr_eq(schema_resource_plural(w->resource), "pods");
}

/* *ret NULL: the pod names none. nonzero: answered. */
static int find_class(struct write *w, const struct json **ret)
{
    const struct json *name = json_path(w->object, "spec.runtimeClassName");
    *ret = NULL;
    if (json_absent(name))
        return 0;
    *ret = object_load(w->api, w->a, "node.k8s.io", "runtimeclasses", STR(""), json_str(name), NULL);
    if (*ret)
        return 0;
    const char *why = arena_printf(w->a, "pod rejected: RuntimeClass \"" STR_FMT "\" not found",
                                   STR_ARG(json_str(name)));
    return fail_forbidden(w->r, w->resource, w->name, why ? why : "");
}

/* ---- tolerations: what another one covers is left out ---- */

/* Does a tolerate all that b does? */
static bool covers(const struct json *a, const struct json *b)
{
    struct str op = json_path_str(a, "operator"), key = json_path_str(a, "key"),
               effect = json_path_str(a, "effect");
    const struct json *seconds = json_get(a, "tolerationSeconds"),
                      *other = json_get(b, "tolerationSeconds");
    if (json_equal(a, b))
        return true;
    if (!str_eq(key, json_path_str(b, "key")) && (key.n || !str_is(op, "Exists")))
        return false;
    if (effect.n && !str_eq(effect, json_path_str(b, "effect")))
        return false;
    if (str_is(effect, "NoExecute") && !json_absent(seconds) &&
        (json_absent(other) || json_i64(other, 0) > json_i64(seconds, 0)))
        return false;
    if (!op.n || str_is(op, "Equal"))
        return str_is(json_path_str(b, "operator"), "Equal") &&
               str_eq(json_path_str(a, "value"), json_path_str(b, "value"));
    return str_is(op, "Exists");
}

static bool redundant(const struct json *t, const struct json *kept)
{
    for (const struct json *k = json_first(kept); k; k = k->next)
        if (covers(k, t))
            return true;
    for (const struct json *later = t->next; later; later = later->next)
        if (!json_equal(later, t) && covers(later, t))
            return true;
    return false;
}

static void merge_tolerations(struct arena *a, struct json *spec, const struct json *more)
{
    struct json *all = json_new(a, JSON_ARRAY), *kept = json_new(a, JSON_ARRAY);
    const struct json *t;
    for (t = json_first(json_get(spec, "tolerations")); t; t = t->next)
        json_append(a, all, json_clone(a, t));
    for (t = json_first(more); t; t = t->next)
        json_append(a, all, json_clone(a, t));
    bool few = json_count(all) <= COMPARED_MOST; /* each with each */
    for (t = json_first(all); t; t = t->next)
        if (!few || !redundant(t, kept))
            json_append(a, kept, json_clone(a, t));
    if (json_count(kept))
        json_set(a, spec, "tolerations", kept);
}

static int set_scheduling(struct write *w, struct json *spec, const struct json *scheduling)
{
    const struct json *selector = json_get(scheduling, "nodeSelector");
    for (const struct json *m = json_first(selector); m; m = m->next) {
        struct json *own = json_object_at(w->a, spec, "nodeSelector");
        const struct json *has = json_get_str(own, m->key);
        if (has && !json_equal(has, m)) {
            const char *why =
                arena_printf(w->a,
                             "conflict: runtimeClass.scheduling.nodeSelector[" STR_FMT
                             "] = %s; pod.spec.nodeSelector[" STR_FMT "] = %s",
                             STR_ARG(m->key), json_cstr(m), STR_ARG(m->key), json_cstr(has));
            return fail_forbidden(w->r, w->resource, w->name, why ? why : "");
        }
        if (!has)
            json_set_key(w->a, own, m->key, json_clone(w->a, m));
    }
    merge_tolerations(w->a, spec, json_get(scheduling, "tolerations"));
    return 0;
}

static int refuse_overhead(struct write *w)
{
    return fail_forbidden(w->r, w->resource, w->name,
                          "pod rejected: Pod's Overhead doesn't match RuntimeClass's defined "
                          "Overhead");
}

int admit_runtime_class(struct write *w)
{
    const struct json *class;
    struct json *spec = json_get(w->object, "spec");
    if (!is_new_pod(w) || !spec)
        return 0;
    int rc = find_class(w, &class);
    if (rc != 0 || !class)
        return rc;
    const struct json *overhead = json_get(class, "overhead"), *has = json_get(spec, "overhead");
    if (!json_absent(overhead)) {
        const struct json *fixed = json_get(overhead, "podFixed");
        if (!json_absent(has) && !json_equal(has, fixed))
            return refuse_overhead(w);
        if (fixed)
            json_set(w->a, spec, "overhead", json_clone(w->a, fixed));
    }
    if (!json_absent(json_get(class, "scheduling")))
        rc = set_scheduling(w, spec, json_get(class, "scheduling"));
    return rc ? rc : w->a->failed ? fail_memory(w->r) : 0;
}

int admit_runtime_class_validated(struct write *w)
{
    const struct json *class, *has = json_path(w->object, "spec.overhead");
    if (!is_new_pod(w))
        return 0;
    int rc = find_class(w, &class);
    if (rc != 0)
        return rc;
    if (!class || json_absent(json_get(class, "overhead")))
        return json_absent(has)
                   ? 0
                   : fail_forbidden(w->r, w->resource, w->name,
                                    "pod rejected: Pod Overhead set without corresponding "
                                    "RuntimeClass defined Overhead");
    return json_equal(has, json_path(class, "overhead.podFixed")) ? 0 : refuse_overhead(w);
}
