/*
 * ServiceAccount: a pod runs as one, which must exist, and gets its token, the cluster's CA and its
 * namespace in a projected volume (plugin/pkg/admission/serviceaccount).
 */
#include "api/write.h"

static const char mount_path[] = "/var/run/secrets/kubernetes.io/serviceaccount";

static bool is_pod(const struct write *w)
{
    return cstr_eq(schema_resource_plural(w->resource), "pods") &&
           !schema_resource_group(w->resource)[0];
}

static struct json *source(struct arena *a, const char *text)
{
    struct json *j = NULL;
    return json_parse(a, str_of(text), NULL, &j, NULL) == 0 ? j : NULL;
}

static struct json *make_volume(struct arena *a, const char *name)
{
    const char *text = arena_printf(a,
                                    "{\"name\":\"%s\",\"projected\":{\"sources\":[{"
                                    "\"serviceAccountToken\":{\"expirationSeconds\":3607,\"path\":"
                                    "\"token\"}},{\"configMap\":{\"name\":\"kube-root-ca.crt\","
                                    "\"items\":[{\"key\":\"ca.crt\",\"path\":\"ca.crt\"}]}},"
                                    "{\"downwardAPI\":{\"items\":[{\"path\":\"namespace\","
                                    "\"fieldRef\":{\"apiVersion\":\"v1\",\"fieldPath\":"
                                    "\"metadata.namespace\"}}]}}],\"defaultMode\":420}}",
                                    name);
    return text ? source(a, text) : NULL;
}

static bool has_mount(const struct json *container)
{
    for (const struct json *m = json_first(json_get(container, "volumeMounts")); m; m = m->next)
        if (str_is(json_path_str(m, "mountPath"), mount_path))
            return true;
    return false;
}

static bool add_mounts(struct write *w, struct json *containers, const char *name)
{
    bool added = false;
    for (struct json *c = json_first(containers); c; c = c->next) {
        if (has_mount(c))
            continue;
        struct json *m = json_new(w->a, JSON_OBJECT);
        json_set_cstr(w->a, m, "name", name);
        json_set_bool(w->a, m, "readOnly", true);
        json_set_cstr(w->a, m, "mountPath", mount_path);
        json_append(w->a, json_array_at(w->a, c, "volumeMounts"), m);
        added = true;
    }
    return added;
}

static void add_token(struct write *w, struct json *spec, const struct json *account)
{
    const struct json *own = json_get(spec, "automountServiceAccountToken");
    const struct json *theirs = json_get(account, "automountServiceAccountToken");
    if (!(own ? json_bool(own, true) : json_bool(theirs, true)))
        return;
    const char *name = arena_printf(w->a, "kube-api-access-%s", write_random_suffix(w));
    if (!name)
        return;
    bool added = add_mounts(w, json_get(spec, "initContainers"), name);
    added = add_mounts(w, json_get(spec, "containers"), name) || added;
    struct json *volume = added ? make_volume(w->a, name) : NULL;
    if (volume)
        json_append(w->a, json_array_at(w->a, spec, "volumes"), volume);
}

static bool is_mirror(const struct write *w)
{
    return json_get(json_path(w->object, "metadata.annotations"), "kubernetes.io/config.mirror") !=
           NULL;
}

int admit_service_account(struct write *w)
{
    struct json *spec = json_get(w->object, "spec");
    if (!w->is_create || !is_pod(w) || !spec || is_mirror(w))
        return 0;
    if (!json_path_str(spec, "serviceAccountName").n)
        json_set_cstr(w->a, spec, "serviceAccountName", "default");
    struct str name = json_path_str(spec, "serviceAccountName");
    json_set_str(w->a, spec, "serviceAccount", name);
    const struct json *account =
        object_load(w->api, w->a, "", "serviceaccounts", w->ns, name, NULL);
    if (!account) {
        const char *why = arena_printf(w->a,
                                       "error looking up service account " STR_FMT "/" STR_FMT
                                       ": serviceaccount \"" STR_FMT "\" not found",
                                       STR_ARG(w->ns), STR_ARG(name), STR_ARG(name));
        return fail_forbidden(w->r, w->resource, w->name, why ? why : "");
    }
    add_token(w, spec, account);
    const struct json *secrets = json_get(account, "imagePullSecrets");
    if (json_count(secrets) && !json_count(json_get(spec, "imagePullSecrets")))
        json_set(w->a, spec, "imagePullSecrets", json_clone(w->a, secrets));
    return w->a->failed ? fail_memory(w->r) : 0;
}
