/*
 * NodeRestriction: a node writes its own Node, lease and CSINode, the status of its own pods, and
 * mirror pods that name nothing else; it takes tokens only for its own pods
 * (plugin/pkg/admission/noderestriction).
 */
#include <stdio.h>

#include "api/auth/auth.h"
#include "api/auth/node_graph.h"
#include "api/write.h"

static int refuse(struct write *w, const char *fmt, ...) PRINTF_LIKE(2, 3);
static int refuse(struct write *w, const char *fmt, ...)
{
    char text[600];
    va_list ap;
    va_start(ap, fmt);
    vsnprintf(text, sizeof text, fmt, ap);
    va_end(ap);
    return fail_forbidden(w->r, w->resource, w->name, text);
}

static bool same(const struct json *x, const struct json *y)
{
    return (!json_count(x) && !json_count(y)) || json_equal(x, y);
}

/* ---- pods ---- */

static int check_owner(struct write *w, const char *node)
{
    const struct json *owners = json_path(w->object, "metadata.ownerReferences");
    const struct json *owner = json_first(owners);
    if (json_count(owners) > 1)
        return refuse(w, "node \"%s\" can only create pods with a single owner reference set to "
                         "itself", node);
    if (!owner || !str_is(json_path_str(owner, "apiVersion"), "v1") ||
        !str_is(json_path_str(owner, "kind"), "Node") ||
        !str_is(json_path_str(owner, "name"), node))
        return refuse(w, "node \"%s\" can only create pods with an owner reference set to itself",
                      node);
    if (!json_path_bool(owner, "controller", false))
        return refuse(w, "node \"%s\" can only create pods with a controller owner reference set to "
                         "itself", node);
    if (json_path_bool(owner, "blockOwnerDeletion", false))
        return refuse(w, "node \"%s\" must not set blockOwnerDeletion on an owner reference", node);
    const struct json *o = object_load(w->api, w->a, "", "nodes", STR(""), str_of(node), NULL);
    struct str uid = json_path_str(owner, "uid"), own = json_path_str(o, "metadata.uid");
    if (!o)
        return fail_not_found(w->r, schema_resource_find(STR(""), STR("v1"), STR("nodes")),
                              str_of(node));
    return str_eq(uid, own) ? 0
                            : refuse(w, "node %s UID mismatch: expected " STR_FMT " got " STR_FMT,
                                     node, STR_ARG(uid), STR_ARG(own));
}

struct found {
    bool of[128]; /* by enum node_reach */
};

static void note(void *ctx, enum node_reach what, struct str name)
{
    struct found *f = ctx;
    (void)name;
    f->of[what] = true;
}

static bool has_trust_bundle(const struct json *pod)
{
    for (const struct json *v = json_first(json_path(pod, "spec.volumes")); v; v = v->next)
        for (const struct json *s = json_first(json_path(v, "projected.sources")); s; s = s->next)
            if (json_get(s, "clusterTrustBundle"))
                return true;
    return false;
}

static int create_pod(struct write *w, const char *node)
{
    struct found f = {0};
    const struct json *notes = json_path(w->object, "metadata.annotations");
    if (!json_get(notes, "kubernetes.io/config.mirror"))
        return refuse(w, "pod does not have \"kubernetes.io/config.mirror\" annotation, node "
                         "\"%s\" can only create mirror pods", node);
    if (!str_is(json_path_str(w->object, "spec.nodeName"), node))
        return refuse(w, "node \"%s\" can only create pods with spec.nodeName set to itself", node);
    int rc = check_owner(w, node);
    if (rc != 0)
        return rc;
    node_graph_names(w->object, note, &f);
    const char *what = f.of[NODE_ACCOUNT]          ? "a service account"
                       : f.of[NODE_SECRET]         ? "secrets"
                       : f.of[NODE_CONFIG_MAP]     ? "configmaps"
                       : f.of[NODE_CLAIM]          ? "persistentvolumeclaims"
                       : f.of[NODE_RESOURCE_CLAIM] ? "resourceclaims"
                                                   : NULL;
    if (!what && has_trust_bundle(w->object))
        what = "clustertrustbundles";
    return what ? refuse(w, "node \"%s\" can not create pods that reference %s", node, what) : 0;
}

static int write_pod(struct write *w, const char *node)
{
    const char *sub = w->subresource;
    bool mine = str_is(json_path_str(w->old, "spec.nodeName"), node);
    if (w->is_delete && cstr_eq(schema_resource_subresource(w->r->resource), "eviction"))
        return mine ? 0 : refuse(w, "node %s can only evict pods with spec.nodeName set to itself",
                                 node);
    if (w->is_delete)
        return mine ? 0 : refuse(w, "node \"%s\" can only delete pods with spec.nodeName set to "
                                    "itself", node);
    if (w->is_create)
        return create_pod(w, node);
    if (!sub[0])
        return refuse(w, "unexpected operation \"UPDATE\", node \"%s\" can only create and delete "
                         "mirror pods", node);
    if (!cstr_eq(sub, "status"))
        return refuse(w, "unexpected pod subresource \"%s\", only 'status' and 'eviction' are "
                         "allowed", sub);
    if (!mine)
        return refuse(w, "node \"%s\" can only update pod status for pods with spec.nodeName set "
                         "to itself", node);
    if (!same(json_path(w->old, "metadata.labels"), json_path(w->object, "metadata.labels")))
        return refuse(w, "node \"%s\" cannot update labels through pod status", node);
    if (!same(json_path(w->old, "status.resourceClaimStatuses"),
              json_path(w->object, "status.resourceClaimStatuses")))
        return refuse(w, "node \"%s\" cannot update resource claim statues", node);
    return 0;
}

/* ---- the node itself ---- */

static bool under(struct str domain, const char *parent)
{
    struct str p = str_of(parent);
    return str_eq(domain, p) || (domain.n > p.n && str_ends(domain, p) &&
                                 domain.p[domain.n - p.n - 1] == '.');
}

/* May a node set this one of itself? */
static bool label_allowed(struct str key)
{
    static const char *const known[] = {
        "kubernetes.io/hostname",
        "kubernetes.io/os",
        "kubernetes.io/arch",
        "topology.kubernetes.io/zone",
        "topology.kubernetes.io/region",
        "failure-domain.beta.kubernetes.io/zone",
        "failure-domain.beta.kubernetes.io/region",
        "node.kubernetes.io/instance-type",
        "node.kubernetes.io/windows-build",
        "beta.kubernetes.io/instance-type",
        "beta.kubernetes.io/os",
        "beta.kubernetes.io/arch"};
    ptrdiff_t slash = str_find_byte(key, '/');
    struct str domain = str_make(key.p, slash < 0 ? 0 : (size_t)slash);
    if (under(domain, "node-restriction.kubernetes.io"))
        return false;
    if (!under(domain, "kubernetes.io") && !under(domain, "k8s.io"))
        return true;
    if (under(domain, "kubelet.kubernetes.io") || under(domain, "node.kubernetes.io"))
        return true;
    for (size_t i = 0; i < sizeof known / sizeof known[0]; i++)
        if (str_is(key, known[i]))
            return true;
    return false;
}

/* Appends the keys of `a` that b has not with the same value, and that a node may not touch. */
static void forbidden_labels(struct buf *out, const struct json *a, const struct json *b,
                             bool absent_only)
{
    for (const struct json *m = json_first(a); m; m = m->next) {
        const struct json *other = json_get_str(b, m->key);
        if (label_allowed(m->key) || (absent_only ? other != NULL : json_equal(m, other)))
            continue;
        buf_puts(out, buf_len(out) ? ", " : "");
        buf_append_str(out, m->key);
    }
}

static int write_node(struct write *w, const char *node)
{
    const struct json *labels = json_path(w->object, "metadata.labels"),
                      *old = json_path(w->old, "metadata.labels");
    struct buf keys CLEANUP_BUF;
    buf_init(&keys, 4096);
    if (!str_is(w->name, node))
        return refuse(w, "node \"%s\" is not allowed to modify node \"" STR_FMT "\"", node,
                      STR_ARG(w->name));
    if (w->is_delete)
        return 0;
    forbidden_labels(&keys, labels, old, false);
    forbidden_labels(&keys, old, labels, true);
    if (keys.failed || buf_len(&keys))
        return w->is_create ? refuse(w, "node \"%s\" is not allowed to set the following labels: %s",
                                     node, buf_cstr(&keys))
                            : refuse(w, "is not allowed to modify labels: %s", buf_cstr(&keys));
    /* Through an owner that it then deletes, or that never was, a node could have itself deleted
     * and made again with other labels and taints. */
    if (!same(json_path(w->object, "metadata.ownerReferences"),
              json_path(w->old, "metadata.ownerReferences")))
        return refuse(w, "node \"%s\" is not allowed to modify ownerReferences", node);
    if (json_path(w->object, "spec.configSource") &&
        !json_equal(json_path(w->object, "spec.configSource"),
                    json_path(w->old, "spec.configSource")))
        return refuse(w, "node \"%s\" is not allowed to update configSource to a new non-nil "
                         "configSource", node);
    if (!w->is_create &&
        !same(json_path(w->object, "spec.taints"), json_path(w->old, "spec.taints")))
        return refuse(w, "node \"%s\" is not allowed to modify taints", node);
    return 0;
}

/* ---- the rest ---- */

static int write_claim(struct write *w, const char *node)
{
    static const char *const open[] = {"capacity", "conditions", "allocatedResourceStatuses",
                                       "allocatedResources"};
    if (w->is_create || w->is_delete || !cstr_eq(w->subresource, "status"))
        return refuse(w, "may only update PVC status");
    struct json *now = json_clone(w->a, w->object), *was = json_clone(w->a, w->old);
    for (size_t i = 0; i < sizeof open / sizeof open[0]; i++) {
        json_remove(json_get(now, "status"), open[i]);
        json_remove(json_get(was, "status"), open[i]);
    }
    json_remove(json_get(now, "metadata"), "resourceVersion");
    json_remove(json_get(was, "metadata"), "resourceVersion");
    json_remove(json_get(now, "metadata"), "managedFields");
    json_remove(json_get(was, "metadata"), "managedFields");
    return json_equal(now, was) ? 0
                                : refuse(w, "node \"%s\" is not allowed to update fields other than "
                                            "status.capacity and status.conditions", node);
}

static int write_lease(struct write *w, const char *node)
{
    if (!str_is(w->ns, "kube-node-lease"))
        return refuse(w, "can only access leases in the \"kube-node-lease\" system namespace");
    if (!str_is(w->name, node))
        return refuse(w,
                      "can only access node lease with the same name as the requesting node");
    return 0;
}

/* w->object is the TokenRequest. */
static int take_token(struct write *w, const char *node)
{
    const struct json *ref = json_path(w->object, "spec.boundObjectRef");
    struct str name = json_path_str(ref, "name"), uid = json_path_str(ref, "uid");
    if (!ref || !str_is(json_path_str(ref, "apiVersion"), "v1") ||
        !str_is(json_path_str(ref, "kind"), "Pod") || !name.n)
        return refuse(w, "node requested token not bound to a pod");
    if (!uid.n)
        return refuse(w, "node requested token with a pod binding without a uid");
    const struct json *pod = object_load(w->api, w->a, "", "pods", w->ns, name, NULL);
    if (!pod)
        return fail_not_found(w->r, schema_resource_find(STR(""), STR("v1"), STR("pods")), name);
    if (!str_eq(uid, json_path_str(pod, "metadata.uid")))
        return refuse(w, "the UID in the bound object reference (" STR_FMT ") does not match the "
                         "UID in record. The object might have been deleted and then recreated",
                      STR_ARG(uid));
    if (!str_is(json_path_str(pod, "spec.nodeName"), node))
        return refuse(w, "node requested token bound to a pod scheduled on a different node");
    return 0;
}

int admit_node_restriction(struct write *w)
{
    const char *node = node_of_user(&w->r->user);
    const char *group = schema_resource_group(w->resource),
               *plural = schema_resource_plural(w->resource);
    if (!node)
        return 0;
    if (!node[0])
        return refuse(w, "could not determine node from user \"%s\"", w->r->user.name);
    if (cstr_eq(group, "coordination.k8s.io") && cstr_eq(plural, "leases"))
        return write_lease(w, node);
    if (cstr_eq(group, "storage.k8s.io") && cstr_eq(plural, "csinodes"))
        return str_is(w->name, node)
                   ? 0
                   : refuse(w, "can only access CSINode with the same name as the requesting node");
    if (cstr_eq(group, "resource.k8s.io") && cstr_eq(plural, "resourceslices"))
        return str_is(json_path_str(w->is_delete ? w->old : w->object, "spec.nodeName"), node)
                   ? 0
                   : refuse(w, "can only %s ResourceSlice with the same NodeName as the requesting "
                               "node", w->is_create ? "create" : "delete");
    if (group[0])
        return 0;
    if (cstr_eq(plural, "pods"))
        return write_pod(w, node);
    if (cstr_eq(plural, "nodes"))
        return write_node(w, node);
    if (cstr_eq(plural, "persistentvolumeclaims"))
        return write_claim(w, node);
    if (cstr_eq(plural, "serviceaccounts") && cstr_eq(w->subresource, "token"))
        return take_token(w, node);
    return 0;
}
