/* Short names and categories of resources: facts of upstream that its OpenAPI does not publish. */
#include "schema/schema_int.h"

#define NAMES(...) ((const char *const[]){__VA_ARGS__ __VA_OPT__(, ) NULL})

struct resource_names {
    const char *plural;
    const char *const *short_names;
    bool all; /* category "all" */
};

static const struct resource_names names[] = {
    {"certificatesigningrequests", NAMES("csr"), false},
    {"componentstatuses", NAMES("cs"), false},
    {"configmaps", NAMES("cm"), false},
    {"cronjobs", NAMES("cj"), true},
    {"customresourcedefinitions", NAMES("crd", "crds"), false},
    {"daemonsets", NAMES("ds"), true},
    {"deployments", NAMES("deploy"), true},
    {"endpoints", NAMES("ep"), false},
    {"events", NAMES("ev"), false},
    {"horizontalpodautoscalers", NAMES("hpa"), true},
    {"ingresses", NAMES("ing"), false},
    {"ipaddresses", NAMES("ip"), false},
    {"jobs", NAMES(), true},
    {"limitranges", NAMES("limits"), false},
    {"namespaces", NAMES("ns"), false},
    {"networkpolicies", NAMES("netpol"), false},
    {"nodes", NAMES("no"), false},
    {"persistentvolumeclaims", NAMES("pvc"), false},
    {"persistentvolumes", NAMES("pv"), false},
    {"poddisruptionbudgets", NAMES("pdb"), false},
    {"pods", NAMES("po"), true},
    {"priorityclasses", NAMES("pc"), false},
    {"replicasets", NAMES("rs"), true},
    {"replicationcontrollers", NAMES("rc"), true},
    {"resourcequotas", NAMES("quota"), false},
    {"serviceaccounts", NAMES("sa"), false},
    {"services", NAMES("svc"), true},
    {"statefulsets", NAMES("sts"), true},
    {"storageclasses", NAMES("sc"), false},
    {"volumeattributesclasses", NAMES("vac"), false},
};

static const struct resource_names *find(const struct schema_resource *r)
{
    if (r->subresource || cstr_eq(schema_resource_group(r), "metrics.k8s.io"))
        return NULL; /* named as the pods and nodes that they are about */
    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
        if (cstr_eq(names[i].plural, schema_resource_plural(r)))
            return &names[i];
    return NULL;
}

const char *const *schema_resource_short_names(const struct schema_resource *r)
{
    static const char *const none[] = {NULL};
    if (r->runtime)
        return schema_runtime_short_names(r);
    const struct resource_names *n = find(r);
    return n ? n->short_names : none;
}

const char *const *schema_resource_categories(const struct schema_resource *r)
{
    static const char *const none[] = {NULL}, *const all[] = {"all", NULL};
    static const char *const api_extensions[] = {"api-extensions", NULL};
    if (r->runtime)
        return schema_runtime_categories(r);
    const struct resource_names *n = find(r);
    const char *group = schema_resource_group(r);
    if (n && n->all)
        return all;
    if (!r->subresource &&
        (cstr_eq(group, "admissionregistration.k8s.io") || cstr_eq(group, "apiextensions.k8s.io") ||
         cstr_eq(group, "apiregistration.k8s.io")))
        return api_extensions;
    return none;
}
