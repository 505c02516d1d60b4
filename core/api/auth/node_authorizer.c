/*
 * What nodes may do (plugin/pkg/auth/authorizer/node): what the rules of system:node say, but of
 * secrets, config maps, claims, volumes and tokens only those that their own pods name, and of
 * pods, leases and nodes only their own. Admission (NodeRestriction) narrows writes further.
 *
 * The name of a user of system:nodes is system:node:NAME; one that is not is no node here.
 */
#include "api/auth/auth.h"
#include "api/auth/node_graph.h"

static const char user_prefix[] = "system:node:";

const char *node_of_user(const struct user *u)
{
    if (!user_in(u, "system:nodes"))
        return NULL;
    struct str name = str_of(u->name);
    return str_starts(name, str_of(user_prefix)) ? u->name + sizeof user_prefix - 1 : "";
}

static bool refuse(struct buf *reason, const char *why)
{
    if (reason)
        buf_puts(reason, why);
    return false;
}

static bool refuse_unrelated(struct buf *reason, const char *node)
{
    if (reason)
        buf_printf(reason, "no relationship found between node '%s' and this object", node);
    return false;
}

static bool verb_in(const struct auth_ask *ask, const char *verbs)
{
    struct str rest = str_of(verbs), verb;
    while (str_split(&rest, ' ', &verb))
        if (str_is(verb, ask->verb))
            return true;
    return false;
}

static bool selects(const struct auth_ask *ask, const char *field, const char *value)
{
    struct arena a CLEANUP_ARENA;
    arena_init(&a, LIMIT_REQUEST_ARENA);
    return str_is(auth_selected(&a, ask->field_selector, field), value);
}

static bool reach(struct api *api, const struct auth_ask *ask, const char *node,
                  enum node_reach what, struct buf *reason)
{
    if (!ask->name[0])
        return refuse(reason, "No Object name found");
    if (api->node_graph && node_graph_reaches(api->node_graph, str_of(node), what,
                                              str_of(ask->ns), str_of(ask->name)))
        return true;
    return refuse_unrelated(reason, node);
}

static bool read_own(struct api *api, const struct auth_ask *ask, const char *node,
                     enum node_reach what, struct buf *reason)
{
    if (!verb_in(ask, "get list watch"))
        return refuse(reason, "can only read resources of this type");
    if (ask->subresource[0])
        return refuse(reason, "cannot read subresource");
    if (!ask->ns[0])
        return refuse(reason, "can only read namespaced object of this type");
    return reach(api, ask, node, what, reason);
}

static bool get_only(const struct auth_ask *ask, struct buf *reason)
{
    if (!cstr_eq(ask->verb, "get"))
        return refuse(reason, "can only get individual resources of this type");
    return ask->subresource[0] ? refuse(reason, "cannot get subresource") : true;
}

static bool allow_claim(struct api *api, const struct auth_ask *ask, const char *node,
                        struct buf *reason)
{
    if (!cstr_eq(ask->subresource, "status"))
        return get_only(ask, reason) && reach(api, ask, node, NODE_CLAIM, reason);
    if (!verb_in(ask, "update patch"))
        return refuse(reason, "can only get/update/patch this type");
    return reach(api, ask, node, NODE_CLAIM, reason);
}

/* Objects of the cluster that say themselves to whom they belong. */
static bool field_is_node(struct api *api, const struct auth_ask *ask, const char *path,
                          const char *node)
{
    struct arena a CLEANUP_ARENA;
    arena_init(&a, LIMIT_REQUEST_ARENA);
    const struct json *o = object_load(api, &a, ask->group, ask->resource, STR(""),
                                       str_of(ask->name), NULL);
    return o && str_is(json_path_str(o, path), node);
}

static bool allow_volume(struct api *api, const struct auth_ask *ask, const char *node,
                         struct buf *reason)
{
    struct arena a CLEANUP_ARENA;
    arena_init(&a, LIMIT_REQUEST_ARENA);
    if (!get_only(ask, reason))
        return false;
    const struct json *o =
        object_load(api, &a, "", "persistentvolumes", STR(""), str_of(ask->name), NULL);
    if (o && api->node_graph &&
        node_graph_reaches(api->node_graph, str_of(node), NODE_CLAIM,
                           json_path_str(o, "spec.claimRef.namespace"),
                           json_path_str(o, "spec.claimRef.name")))
        return true;
    return refuse_unrelated(reason, node);
}

static bool allow_token(struct api *api, const struct auth_ask *ask, const char *node,
                        struct buf *reason)
{
    if (!cstr_eq(ask->verb, "create") || !ask->name[0])
        return refuse(reason, "can only create tokens for individual service accounts");
    if (!cstr_eq(ask->subresource, "token"))
        return refuse(reason, "can only create token subresource of serviceaccount");
    return reach(api, ask, node, NODE_ACCOUNT, reason);
}

static bool allow_lease(const struct auth_ask *ask, const char *node, struct buf *reason)
{
    if (!verb_in(ask, "get create update patch delete"))
        return refuse(reason, "can only get, create, update, patch, or delete a node lease");
    if (!cstr_eq(ask->ns, "kube-node-lease"))
        return refuse(reason,
                      "can only access leases in the \"kube-node-lease\" system namespace");
    if (!cstr_eq(ask->verb, "create") && !cstr_eq(ask->name, node))
        return refuse(reason,
                      "can only access node lease with the same name as the requesting node");
    return true;
}

static bool allow_csi_node(const struct auth_ask *ask, const char *node, struct buf *reason)
{
    if (!verb_in(ask, "get create update patch delete"))
        return refuse(reason, "can only get, create, update, patch, or delete a CSINode");
    if (ask->subresource[0])
        return refuse(reason, "cannot authorize CSINode subresources");
    if (!cstr_eq(ask->verb, "create") && !cstr_eq(ask->name, node))
        return refuse(reason, "can only access CSINode with the same name as the requesting node");
    return true;
}

static bool allow_slice(struct api *api, const struct auth_ask *ask, const char *node,
                        struct buf *reason)
{
    if (ask->subresource[0])
        return refuse(reason, "cannot authorize ResourceSlice subresources");
    if (cstr_eq(ask->verb, "create"))
        return true;
    if (verb_in(ask, "list watch deletecollection"))
        return selects(ask, "spec.nodeName", node) ||
               refuse(reason, "can only list/watch/deletecollection resourceslices with nodeName "
                              "field selector");
    return field_is_node(api, ask, "spec.nodeName", node) || refuse_unrelated(reason, node);
}

static bool allow_node(const struct auth_ask *ask, const char *node, struct buf *reason)
{
    if (cstr_eq(ask->subresource, "status"))
        return verb_in(ask, "update patch");
    if (ask->subresource[0])
        return false;
    if (verb_in(ask, "create update patch"))
        return true;
    if (!verb_in(ask, "get list watch"))
        return false;
    if (cstr_eq(ask->name, node) || selects(ask, "metadata.name", node))
        return true;
    if (reason && ask->name[0])
        buf_printf(reason, "node '%s' cannot read '%s', only its own Node object", node, ask->name);
    else if (reason)
        buf_printf(reason, "node '%s' cannot read all nodes, only its own Node object", node);
    return false;
}

static bool pod_is_mine(struct api *api, const struct auth_ask *ask, const char *node)
{
    struct arena a CLEANUP_ARENA;
    arena_init(&a, LIMIT_REQUEST_ARENA);
    const struct json *pod =
        object_load(api, &a, "", "pods", str_of(ask->ns), str_of(ask->name), NULL);
    return pod && str_is(json_path_str(pod, "spec.nodeName"), node);
}

static bool allow_pod(struct api *api, const struct auth_ask *ask, const char *node,
                      struct buf *reason)
{
    if (cstr_eq(ask->subresource, "status"))
        return verb_in(ask, "update patch");
    if (cstr_eq(ask->subresource, "eviction"))
        return cstr_eq(ask->verb, "create");
    if (ask->subresource[0])
        return false;
    if (verb_in(ask, "create delete"))
        return true;
    if (verb_in(ask, "list watch") && selects(ask, "spec.nodeName", node))
        return true;
    if (verb_in(ask, "get list watch") && ask->name[0])
        return pod_is_mine(api, ask, node) || refuse_unrelated(reason, node);
    return verb_in(ask, "list watch")
               ? refuse(reason, "can only list/watch pods with spec.nodeName field selector")
               : false;
}

static bool allow_core(struct api *api, const struct auth_ask *ask, const char *node,
                       struct buf *reason, bool *ret_decided)
{
    const char *resource = ask->resource;
    *ret_decided = true;
    if (cstr_eq(resource, "secrets"))
        return read_own(api, ask, node, NODE_SECRET, reason);
    if (cstr_eq(resource, "configmaps"))
        return read_own(api, ask, node, NODE_CONFIG_MAP, reason);
    if (cstr_eq(resource, "persistentvolumeclaims"))
        return allow_claim(api, ask, node, reason);
    if (cstr_eq(resource, "persistentvolumes"))
        return allow_volume(api, ask, node, reason);
    if (cstr_eq(resource, "serviceaccounts"))
        return allow_token(api, ask, node, reason);
    if (cstr_eq(resource, "nodes"))
        return allow_node(ask, node, reason);
    if (cstr_eq(resource, "pods"))
        return allow_pod(api, ask, node, reason);
    *ret_decided = false;
    return false;
}

static bool allow_other(struct api *api, const struct auth_ask *ask, const char *node,
                        struct buf *reason, bool *ret_decided)
{
    const char *group = ask->group, *resource = ask->resource;
    *ret_decided = true;
    if (cstr_eq(group, "coordination.k8s.io") && cstr_eq(resource, "leases"))
        return allow_lease(ask, node, reason);
    if (cstr_eq(group, "storage.k8s.io") && cstr_eq(resource, "csinodes"))
        return allow_csi_node(ask, node, reason);
    if (cstr_eq(group, "storage.k8s.io") && cstr_eq(resource, "volumeattachments"))
        return get_only(ask, reason) && (field_is_node(api, ask, "spec.nodeName", node) ||
                                         refuse_unrelated(reason, node));
    if (cstr_eq(group, "resource.k8s.io") && cstr_eq(resource, "resourceclaims"))
        return get_only(ask, reason) && reach(api, ask, node, NODE_RESOURCE_CLAIM, reason);
    if (cstr_eq(group, "resource.k8s.io") && cstr_eq(resource, "resourceslices"))
        return allow_slice(api, ask, node, reason);
    *ret_decided = false;
    return false;
}

bool node_authorizer_allows(struct api *api, const struct auth_ask *ask, struct buf *reason)
{
    const char *node = node_of_user(ask->user);
    bool decided = false, allowed = false;
    if (!node)
        return false;
    if (!node[0]) {
        if (reason)
            buf_printf(reason, "unknown node for user \"%s\"", ask->user->name);
        return false;
    }
    if (ask->is_resource)
        allowed = ask->group[0] ? allow_other(api, ask, node, reason, &decided)
                                : allow_core(api, ask, node, reason, &decided);
    for (size_t i = 0; i < api->node_rules.count && !decided && !allowed; i++)
        allowed = rule_allows(&api->node_rules.at[i], ask);
    return allowed;
}
