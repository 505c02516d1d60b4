/* Defaults of a pod's spec (pkg/apis/core/v1/defaults.go), also in the templates of workloads. */
#include "api/kinds/kinds.h"

static bool tag_is_latest(struct str image)
{
    ptrdiff_t at = str_find_byte(image, '@');
    if (at >= 0)
        return false;
    /* A colon behind the last slash begins a tag; before it, a port. */
    size_t i = image.n;
    while (i > 0 && image.p[i - 1] != '/' && image.p[i - 1] != ':')
        i--;
    if (i == 0 || image.p[i - 1] == '/')
        return true;
    return str_is(str_make(image.p + i, image.n - i), "latest");
}

void probe_default(struct arena *a, struct json *probe)
{
    struct json *http = json_get(probe, "httpGet"), *grpc = json_get(probe, "grpc");
    if (!json_is(probe, JSON_OBJECT))
        return;
    set_missing_i64(a, probe, "timeoutSeconds", 1);
    set_missing_i64(a, probe, "periodSeconds", 10);
    set_missing_i64(a, probe, "successThreshold", 1);
    set_missing_i64(a, probe, "failureThreshold", 3);
    if (http) {
        set_missing(a, http, "path", "/");
        set_missing(a, http, "scheme", "HTTP");
    }
    if (grpc)
        set_missing(a, grpc, "service", "");
}

static void hook_default(struct arena *a, const struct json *hook)
{
    struct json *http = json_get(hook, "httpGet");
    if (http) {
        set_missing(a, http, "path", "/");
        set_missing(a, http, "scheme", "HTTP");
    }
}

/* What is limited and not requested is requested at its limit. */
static void resources_default(struct arena *a, struct json *resources)
{
    const struct json *limits = json_get(resources, "limits");
    for (const struct json *m = json_first(limits); m; m = m->next) {
        struct json *requests = json_object_at(a, resources, "requests");
        if (requests && !json_get_str(requests, m->key))
            json_set_key(a, requests, m->key, json_clone(a, m));
    }
}

void container_default(struct arena *a, struct json *c)
{
    static const char *const probes[] = {"livenessProbe", "readinessProbe", "startupProbe"};
    struct str image = json_path_str(c, "image");
    if (!json_is(c, JSON_OBJECT))
        return;
    set_missing(a, c, "imagePullPolicy", tag_is_latest(image) ? "Always" : "IfNotPresent");
    set_missing(a, c, "terminationMessagePath", "/dev/termination-log");
    set_missing(a, c, "terminationMessagePolicy", "File");
    for (struct json *e = json_first(json_get(c, "env")); e; e = e->next) {
        struct json *ref = json_get(json_get(e, "valueFrom"), "fieldRef");
        if (ref)
            set_missing(a, ref, "apiVersion", "v1");
    }
    for (struct json *p = json_first(json_get(c, "ports")); p; p = p->next)
        set_missing(a, p, "protocol", "TCP");
    for (size_t i = 0; i < 3; i++)
        probe_default(a, json_get(c, probes[i]));
    hook_default(a, json_path(c, "lifecycle.postStart"));
    hook_default(a, json_path(c, "lifecycle.preStop"));
    json_object_at(a, c, "resources");
}

static void downward_default(struct arena *a, struct json *items)
{
    for (struct json *i = json_first(items); i; i = i->next) {
        struct json *ref = json_get(i, "fieldRef");
        if (ref)
            set_missing(a, ref, "apiVersion", "v1");
    }
}

static void projected_default(struct arena *a, struct json *projected)
{
    set_missing_i64(a, projected, "defaultMode", 0644);
    for (struct json *s = json_first(json_get(projected, "sources")); s; s = s->next) {
        struct json *token = json_get(s, "serviceAccountToken");
        if (token)
            set_missing_i64(a, token, "expirationSeconds", 3600);
        downward_default(a, json_path(s, "downwardAPI.items"));
    }
}

void volumes_default(struct arena *a, struct json *volumes)
{
    static const char *const files[] = {"configMap", "secret", "downwardAPI"};
    for (struct json *v = json_first(volumes); v; v = v->next) {
        /* A volume of no kind is an empty directory. */
        if (json_count(v) == 1 && json_get(v, "name"))
            json_set(a, v, "emptyDir", json_new(a, JSON_OBJECT));
        for (size_t i = 0; i < 3; i++) {
            struct json *source = json_get(v, files[i]);
            if (source)
                set_missing_i64(a, source, "defaultMode", 0644);
        }
        downward_default(a, json_path(v, "downwardAPI.items"));
        if (json_get(v, "projected"))
            projected_default(a, json_get(v, "projected"));
        if (json_get(v, "hostPath"))
            set_missing(a, json_get(v, "hostPath"), "type", "");
    }
}

void pod_spec_default(struct arena *a, struct json *spec)
{
    static const char *const lists[] = {"containers", "initContainers", "ephemeralContainers"};
    if (!json_is(spec, JSON_OBJECT))
        return;
    set_missing(a, spec, "restartPolicy", "Always");
    set_missing(a, spec, "dnsPolicy", "ClusterFirst");
    set_missing(a, spec, "schedulerName", "default-scheduler");
    set_missing_i64(a, spec, "terminationGracePeriodSeconds", 30);
    json_object_at(a, spec, "securityContext");
    for (size_t i = 0; i < 3; i++)
        for (struct json *c = json_first(json_get(spec, lists[i])); c; c = c->next)
            container_default(a, c);
    volumes_default(a, json_get(spec, "volumes"));
    for (struct json *t = json_first(json_get(spec, "topologySpreadConstraints")); t; t = t->next) {
        set_missing(a, t, "nodeAffinityPolicy", "Honor");
        set_missing(a, t, "nodeTaintsPolicy", "Ignore");
    }
    if (json_get(spec, "serviceAccountName"))
        set_missing(a, spec, "serviceAccount", json_path_cstr(spec, "serviceAccountName"));
    else if (json_get(spec, "serviceAccount"))
        set_missing(a, spec, "serviceAccountName", json_path_cstr(spec, "serviceAccount"));
}

void pod_default(struct arena *a, struct json *spec)
{
    static const char *const lists[] = {"containers", "initContainers"};
    bool host_network = json_path_bool(spec, "hostNetwork", false);
    for (size_t i = 0; i < 2; i++)
        for (struct json *c = json_first(json_get(spec, lists[i])); c; c = c->next) {
            resources_default(a, json_get(c, "resources"));
            for (struct json *p = json_first(json_get(c, "ports")); p && host_network; p = p->next)
                if (json_path_i64(p, "hostPort", 0) == 0)
                    json_set_i64(a, p, "hostPort", json_path_i64(p, "containerPort", 0));
        }
    set_missing_bool(a, spec, "enableServiceLinks", true);
}

void template_default(struct arena *a, struct json *spec)
{
    struct json *template = json_object_at(a, spec, "template");
    json_object_at(a, template, "metadata");
    pod_spec_default(a, json_object_at(a, template, "spec"));
}
