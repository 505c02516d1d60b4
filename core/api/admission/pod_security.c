/*
 * PodSecurity: a namespace's labels say which level of the Pod Security Standards its pods must
 * keep (enforce), and of which breaches the client is warned (warn), for pods and for what makes
 * pods (k8s.io/pod-security-admission). There is no audit log yet, so `audit` is only checked.
 */
#include "api/admission/pod_security.h"

#include <stdio.h>

#include "api/write.h"

#define LABEL "pod-security.kubernetes.io/"

static bool is(const struct write *w, const char *group, const char *plural)
{
    return cstr_eq(schema_resource_group(w->resource), group) &&
           cstr_eq(schema_resource_plural(w->resource), plural);
}

/* ---- labels of namespaces ---- */

static bool version_is_good(struct str v)
{
    uint64_t minor;
    return str_is(v, "latest") || (str_starts(v, STR("v1.")) &&
                                   str_to_u64(str_make(v.p + 3, v.n - 3), &minor) == 0);
}

static void check_labels(struct write *w)
{
    static const char *const modes[] = {"enforce", "audit", "warn"};
    const struct json *labels = json_path(w->object, "metadata.labels");
    const struct field *f = FIELD(FIELD(NULL, "metadata"), "labels");
    enum pod_security_level level;
    for (size_t i = 0; i < 3; i++) {
        char key[64];
        snprintf(key, sizeof key, LABEL "%s", modes[i]);
        const struct json *value = json_get(labels, key);
        if (value && !pod_security_level_of(json_str(value), &level))
            field_invalid_str(&w->errors, FIELD_KEY(f, str_of(key)), json_str(value),
                              "must be one of privileged, baseline, restricted");
        snprintf(key, sizeof key, LABEL "%s-version", modes[i]);
        value = json_get(labels, key);
        if (value && !version_is_good(json_str(value)))
            field_invalid_str(&w->errors, FIELD_KEY(f, str_of(key)), json_str(value),
                              "must be \"latest\" or \"v1.x\"");
    }
}

/* ---- pods, and what makes them ---- */

/* "restricted:latest"; the level in *ret_level. */
static const char *policy(struct write *w, const struct json *labels, const char *mode,
                          enum pod_security_level *ret_level)
{
    const char *key = arena_printf(w->a, LABEL "%s", mode);
    const char *version_key = arena_printf(w->a, LABEL "%s-version", mode);
    *ret_level = POD_SECURITY_PRIVILEGED;
    if (!key || !version_key)
        return "";
    if (!pod_security_level_of(json_str(json_get(labels, key)), ret_level) &&
        json_str(json_get(labels, key)).n)
        *ret_level = POD_SECURITY_RESTRICTED; /* a level that nobody knows: the strictest */
    struct str version = json_str(json_get(labels, version_key));
    const char *text = arena_printf(w->a, "%s:" STR_FMT, pod_security_level_name(*ret_level),
                                    STR_ARG(version.n ? version : STR("latest")));
    return text ? text : "";
}

static const struct json *labels_of(struct write *w)
{
    const struct json *ns = object_load(w->api, w->a, "", "namespaces", STR(""), w->ns, NULL);
    return json_path(ns, "metadata.labels");
}

static int judge(struct write *w, const struct json *labels, const struct json *metadata,
                 const struct json *spec, bool pod)
{
    struct buf why CLEANUP_BUF;
    enum pod_security_level level;
    buf_init(&why, 64 * 1024);
    const char *name = policy(w, labels, "enforce", &level);
    if (pod && pod_security_check(level, metadata, spec, &why)) {
        const char *text = arena_printf(w->a, "violates PodSecurity \"%s\": %s", name,
                                        buf_cstr(&why));
        return fail_forbidden(w->r, w->resource, w->name, text ? text : "");
    }
    buf_clear(&why);
    name = policy(w, labels, "warn", &level);
    if (pod_security_check(level, metadata, spec, &why))
        request_warn(w->r, "would violate PodSecurity \"%s\": %s", name, buf_cstr(&why));
    return w->a->failed ? fail_memory(w->r) : 0;
}

int admit_pod_security(struct write *w)
{
    static const struct {
        const char *group, *plural, *template;
    } makers[] = {
        {"", "pods", ""},
        {"", "replicationcontrollers", "spec.template"},
        {"", "podtemplates", "template"},
        {"apps", "deployments", "spec.template"},
        {"apps", "replicasets", "spec.template"},
        {"apps", "statefulsets", "spec.template"},
        {"apps", "daemonsets", "spec.template"},
        {"batch", "jobs", "spec.template"},
        {"batch", "cronjobs", "spec.jobTemplate.spec.template"},
    };
    bool ephemeral = cstr_eq(w->subresource, "ephemeralcontainers");
    if (w->is_delete || (w->subresource[0] && !ephemeral))
        return 0;
    if (is(w, "", "namespaces")) {
        check_labels(w);
        return 0;
    }
    for (size_t i = 0; i < sizeof makers / sizeof makers[0]; i++) {
        if (!is(w, makers[i].group, makers[i].plural))
            continue;
        /* What may be changed of a pod's spec afterwards is of no concern here. */
        if (i == 0 && !w->is_create && !ephemeral)
            return 0;
        const struct json *of = i ? json_path(w->object, makers[i].template) : w->object;
        const struct json *spec = json_get(of, "spec"), *labels = spec ? labels_of(w) : NULL;
        return labels ? judge(w, labels, json_get(of, "metadata"), spec, i == 0) : 0;
    }
    return 0;
}
