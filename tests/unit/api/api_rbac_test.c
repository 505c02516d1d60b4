/* Roles, bindings, escalation, impersonation; what nodes may. */
#include "api_fixture.h"

#include <stdio.h>
#include <string.h>

#define RBAC     "/apis/rbac.authorization.k8s.io/v1"
#define ROLES    RBAC "/namespaces/default/roles"
#define BINDINGS RBAC "/namespaces/default/rolebindings"
#define PODS     "/api/v1/namespaces/default/pods"
#define SECRETS  "/api/v1/namespaces/default/secrets"
#define REF(kind, name)                                                                            \
    "\"roleRef\":{\"apiGroup\":\"rbac.authorization.k8s.io\",\"kind\":\"" kind "\",\"name\":\"" name \
    "\"}"
#define USER(name)                                                                                 \
    "\"subjects\":[{\"apiGroup\":\"rbac.authorization.k8s.io\",\"kind\":\"User\",\"name\":\"" name \
    "\"}]"
#define META(name) "{\"metadata\":{\"name\":\"" name "\"},"

static struct api_peer user(const char *name)
{
    static const char *const none[] = {NULL};
    return (struct api_peer){.has_cert = true, .cert_user = name, .cert_groups = none};
}

static struct api_peer node(const char *name)
{
    static const char *const groups[] = {"system:nodes", NULL};
    return (struct api_peer){.has_cert = true, .cert_user = name, .cert_groups = groups};
}

static struct answer *as(struct fixture *f, const char *name, const char *method,
                         const char *target, const char *body)
{
    struct api_peer peer = user(name);
    return ask_with(f, &peer, method, target, NULL, NULL, body);
}

static struct answer *as_node(struct fixture *f, const char *name, const char *method,
                              const char *target, const char *body)
{
    struct api_peer peer = node(name);
    return ask_with(f, &peer, method, target, NULL, NULL, body);
}

static void bind(struct fixture *f, const char *body)
{
    expect(ask(f, "POST", BINDINGS, body), 201);
}

static void a_binding_counts_from_its_answer_on_until_it_is_gone(void **state)
{
    struct fixture *f = *state;
    expect(as(f, "jane", "GET", PODS, NULL), 403);
    bind(f, META("b") REF("ClusterRole", "view") "," USER("jane") "}");
    expect(ask(f, "PUT", RBAC "/clusterroles/view",
               META("view") "\"rules\":[{\"verbs\":[\"get\",\"list\"],\"apiGroups\":[\"\"],"
                            "\"resources\":[\"pods\"]}]}"),
           200);
    expect(as(f, "jane", "GET", PODS, NULL), 200);
    expect(as(f, "joe", "GET", PODS, NULL), 403);
    expect(as(f, "jane", "GET", "/api/v1/namespaces/kube-system/pods", NULL), 403);
    expect(as(f, "jane", "GET", "/api/v1/pods", NULL), 403);
    expect(as(f, "jane", "GET", SECRETS, NULL), 403);
    expect(as(f, "jane", "DELETE", PODS "/x", NULL), 403);
    expect(ask(f, "DELETE", BINDINGS "/b", NULL), 200);
    expect(as(f, "jane", "GET", PODS, NULL), 403);
}

static void a_role_can_be_bound_before_it_exists(void **state)
{
    struct fixture *f = *state;
    bind(f, META("b") REF("Role", "later") "," USER("jane") "}");
    expect_message(as(f, "jane", "GET", PODS, NULL), 403,
                   "pods is forbidden: User \"jane\" cannot list resource \"pods\" in API group "
                   "\"\" in the namespace \"default\": RBAC: role.rbac.authorization.k8s.io "
                   "\"later\" not found");
    expect(ask(f, "POST", ROLES,
               META("later") "\"rules\":[{\"verbs\":[\"list\"],\"apiGroups\":[\"\"],"
                             "\"resources\":[\"pods\"]}]}"),
           201);
    expect(as(f, "jane", "GET", PODS, NULL), 200);
}

static void names_subresources_and_paths_are_told_apart(void **state)
{
    struct fixture *f = *state;
    expect(ask(f, "POST", ROLES,
               META("r") "\"rules\":[{\"verbs\":[\"get\",\"list\",\"watch\"],\"apiGroups\":[\"\"],"
                         "\"resources\":[\"secrets\"],\"resourceNames\":[\"one\"]},"
                         "{\"verbs\":[\"get\"],\"apiGroups\":[\"*\"],\"resources\":[\"*/scale\"]}]}"),
           201);
    bind(f, META("b") REF("Role", "r") "," USER("jane") "}");
    expect(as(f, "jane", "GET", SECRETS "/one", NULL), 404);
    expect(as(f, "jane", "GET", SECRETS "/two", NULL), 403);
    expect(as(f, "jane", "GET", SECRETS, NULL), 403);
    expect(as(f, "jane", "GET", SECRETS "?fieldSelector=metadata.name%3Done", NULL), 200);
    expect(as(f, "jane", "GET", SECRETS "?fieldSelector=metadata.name%3Dtwo", NULL), 403);
    /* An escaped comma does not begin another term: this would select everything else. */
    expect(as(f, "jane", "GET", SECRETS "?fieldSelector=type!%3D%5C%2Cmetadata.name%3Done", NULL), 403);
    expect(as(f, "jane", "GET", SECRETS "?fieldSelector=type!%3D%5C%2Cmetadata.name%5C%3Done", NULL), 403);
    expect(as(f, "jane", "GET", SECRETS "?fieldSelector=metadata.name!%3Done", NULL), 403);
    expect(as(f, "jane", "GET", SECRETS "?fieldSelector=x%3Dy&fieldSelector=metadata.name%3Done", NULL), 403);
    expect(as(f, "jane", "GET", SECRETS "?watch=1&fieldSelector=metadata.name%3Dtwo", NULL), 403);
    expect(as(f, "jane", "GET", "/apis/apps/v1/namespaces/default/deployments/x/scale", NULL), 404);
    expect(as(f, "jane", "GET", "/apis/apps/v1/namespaces/default/deployments/x", NULL), 403);
    expect(as(f, "jane", "GET", "/apis/apps/v1", NULL), 200);
    expect_message(as(f, "jane", "GET", "/metrics", NULL), 403,
                   "forbidden: User \"jane\" cannot get path \"/metrics\"");
    expect_message(as(f, "ja<n>e", "GET", "/metrics", NULL), 403,
                   "forbidden: User \"ja&lt;n&gt;e\" cannot get path \"/metrics\"");
}

/* A right in a namespace reaches nothing of the cluster, however the path is written
 * (CVE-2019-11247, CVE-2022-3162). */
static void rights_in_a_namespace_stay_in_it(void **state)
{
    struct fixture *f = *state;
    static const char *const paths[] = {
        "/api/v1/nodes",
        "/api/v1/nodes/n",
        "/api/v1/namespaces/default/nodes/n",
        "/api/v1/namespaces/default/persistentvolumes/v",
        RBAC "/clusterroles/admin",
        RBAC "/namespaces/default/clusterroles/admin",
        "/api/v1/namespaces/default/../kube-system/secrets/x",
        "/api/v1/namespaces/default%2f..%2fkube-system/secrets/x",
        "/api/v1/namespaces/default/secrets/%2e%2e",
        "/api/v1/namespaces/kube-system/secrets/x",
        "/api/v1/secrets",
        "/api/v1/watch/secrets",
        "/api/v1/namespaces",
        "/api/v1/namespaces/kube-system",
    };
    expect(ask(f, "POST", ROLES,
               META("all") "\"rules\":[{\"verbs\":[\"*\"],\"apiGroups\":[\"*\"],"
                           "\"resources\":[\"*\"]}]}"),
           201);
    bind(f, META("b") REF("Role", "all") "," USER("jane") "}");
    expect(as(f, "jane", "GET", SECRETS, NULL), 200);
    expect(as(f, "jane", "GET", "/api/v1/namespaces/default", NULL), 200);
    for (size_t i = 0; i < sizeof paths / sizeof paths[0]; i++) {
        struct answer *a = as(f, "jane", "GET", paths[i], NULL);
        if (a->status != 403 && a->status != 404 && a->status != 400)
            fail_msg("%s: %d", paths[i], a->status);
        a = as(f, "jane", "DELETE", paths[i], NULL);
        if (a->status != 403 && a->status != 404 && a->status != 400 && a->status != 405)
            fail_msg("DELETE %s: %d", paths[i], a->status);
    }
}

static void nobody_grants_what_they_do_not_have(void **state)
{
    struct fixture *f = *state;
    static const char grant[] =
        META("wide") "\"rules\":[{\"verbs\":[\"get\",\"delete\"],\"apiGroups\":[\"\"],"
                     "\"resources\":[\"secrets\"]}]}";
    expect(ask(f, "POST", ROLES,
               META("granter") "\"rules\":[{\"verbs\":[\"create\",\"update\",\"get\"],\"apiGroups\":"
                               "[\"rbac.authorization.k8s.io\"],\"resources\":[\"roles\","
                               "\"rolebindings\"]},{\"verbs\":[\"get\"],\"apiGroups\":[\"\"],"
                               "\"resources\":[\"secrets\"]}]}"),
           201);
    bind(f, META("b") REF("Role", "granter") "," USER("jane") "}");
    expect_message(as(f, "jane", "POST", ROLES, grant), 403,
                   "roles.rbac.authorization.k8s.io \"wide\" is forbidden: user \"jane\" "
                   "(groups=[\"system:authenticated\"]) is attempting to grant RBAC permissions "
                   "not currently held:\n{APIGroups:[\"\"], Resources:[\"secrets\"], "
                   "Verbs:[\"delete\"]}");
    expect(as(f, "jane", "POST", ROLES,
              META("narrow") "\"rules\":[{\"verbs\":[\"get\"],\"apiGroups\":[\"\"],\"resources\":["
                             "\"secrets\"],\"resourceNames\":[\"one\"]}]}"),
           201);
    expect(ask(f, "POST", ROLES, grant), 201);
    struct answer *a =
        as(f, "jane", "POST", BINDINGS, META("c") REF("Role", "wide") "," USER("joe") "}");
    expect(a, 403);
    assert_non_null(strstr(at(a, "message"), "rolebindings.rbac.authorization.k8s.io \"c\" is "
                                             "forbidden: user \"jane\""));
    expect(as(f, "jane", "POST", BINDINGS, META("c") REF("Role", "narrow") "," USER("joe") "}"),
           201);
    expect_message(
        as(f, "jane", "POST", BINDINGS, META("d") REF("ClusterRole", "none") "," USER("joe") "}"),
        404, "clusterroles.rbac.authorization.k8s.io \"none\" not found");
    /* The verbs "escalate" and "bind" lift it. */
    expect(ask(f, "POST", ROLES,
               META("lift") "\"rules\":[{\"verbs\":[\"escalate\",\"bind\"],\"apiGroups\":["
                            "\"rbac.authorization.k8s.io\"],\"resources\":[\"roles\"]}]}"),
           201);
    bind(f, META("e") REF("Role", "lift") "," USER("jane") "}");
    expect(as(f, "jane", "POST", BINDINGS, META("c2") REF("Role", "wide") "," USER("joe") "}"), 201);
    expect(as(f, "jane", "PUT", ROLES "/narrow",
              META("narrow") "\"rules\":[{\"verbs\":[\"*\"],\"apiGroups\":[\"*\"],\"resources\":["
                             "\"*\"]}]}"),
           200);
}

static void roles_and_bindings_are_validated(void **state)
{
    struct fixture *f = *state;
    expect_message(ask(f, "POST", ROLES, META("r") "\"rules\":[{\"verbs\":[]}]}"), 422,
                   "Role.rbac.authorization.k8s.io \"r\" is invalid: [rules[0].verbs: Required "
                   "value: verbs must contain at least one value, rules[0].apiGroups: Required "
                   "value: resource rules must supply at least one api group, rules[0].resources: "
                   "Required value: resource rules must supply at least one resource]");
    expect(ask(f, "POST", ROLES,
               META("r") "\"rules\":[{\"verbs\":[\"get\"],\"nonResourceURLs\":[\"/x\"]}]}"),
           422);
    expect(ask(f, "POST", BINDINGS, META("b") REF("Pod", "x") "," USER("jane") "}"), 422);
    bind(f, META("b") REF("ClusterRole", "view") ",\"subjects\":[{\"kind\":\"User\",\"name\":\"j\"}]}");
    struct answer *a = ask(f, "GET", BINDINGS "/b", NULL);
    assert_string_equal(json_path_cstr(json_at(json_get(a->json, "subjects"), 0), "apiGroup"),
                        "rbac.authorization.k8s.io");
    a = ask(f, "PUT", BINDINGS "/b", META("b") REF("ClusterRole", "edit") "," USER("jane") "}");
    expect(a, 422);
    assert_non_null(strstr(at(a, "message"), "cannot change roleRef"));
    expect(ask(f, "POST", RBAC "/clusterrolebindings", META("b") REF("Role", "x") "}"), 422);
}

static void the_default_roles_are_there_and_mended(void **state)
{
    struct fixture *f = *state;
    static const char *const names[] = {
        "cluster-admin", "admin", "edit", "view", "system:discovery", "system:basic-user",
        "system:node", "system:kube-scheduler", "system:controller:deployment-controller",
        "system:aggregate-to-view", "system:service-account-issuer-discovery"};
    char path[200];
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        snprintf(path, sizeof path, RBAC "/clusterroles/%s", names[i]);
        struct answer *a = ask(f, "GET", path, NULL);
        expect(a, 200);
        assert_string_equal(json_cstr(json_get(json_path(a->json, "metadata.labels"),
                                               "kubernetes.io/bootstrapping")),
                            "rbac-defaults");
    }
    /* A rule that was taken away comes back at the next start; more than the default stays. */
    expect(ask(f, "PUT", RBAC "/clusterroles/system:basic-user",
               META("system:basic-user") "\"rules\":[{\"verbs\":[\"list\"],\"apiGroups\":[\"x\"],"
                                         "\"resources\":[\"y\"]}]}"),
           200);
    expect(ask(f, "DELETE", RBAC "/clusterrolebindings/system:basic-user", NULL), 200);
    expect(as(f, "jane", "POST", "/apis/authentication.k8s.io/v1/selfsubjectreviews", "{}"), 403);
    fixture_restart(f);
    expect(as(f, "jane", "POST", "/apis/authentication.k8s.io/v1/selfsubjectreviews", "{}"), 201);
    struct answer *a = ask(f, "GET", RBAC "/clusterroles/system:basic-user", NULL);
    assert_string_equal(
        json_cstr(json_at(json_get(json_at(json_get(a->json, "rules"), 0), "verbs"), 0)), "list");
    assert_true(json_count(json_get(a->json, "rules")) > 2);
}

/* ---- nodes ---- */

#define POD(name, node, more)                                                                      \
    META(name) "\"spec\":{\"nodeName\":\"" node "\",\"containers\":[{\"name\":\"c\",\"image\":\"i\"" \
    more "}]}}"

static void a_node_reads_what_its_pods_name(void **state)
{
    struct fixture *f = *state;
    expect(ask(f, "POST", PODS,
               POD("p", "n1",
                   ",\"envFrom\":[{\"secretRef\":{\"name\":\"mine\"}},{\"configMapRef\":{\"name\":"
                   "\"conf\"}}]")),
           201);
    expect(ask(f, "POST", PODS, POD("q", "n2", ",\"envFrom\":[{\"secretRef\":{\"name\":\"theirs\"}}]")),
           201);
    expect(as_node(f, "system:node:n1", "GET", SECRETS "/mine", NULL), 404);
    expect(as_node(f, "system:node:n1", "GET", "/api/v1/namespaces/default/configmaps/conf", NULL),
           404);
    expect(as_node(f, "system:node:n1", "GET", SECRETS "?fieldSelector=metadata.name%3Dmine", NULL),
           200);
    expect_message(as_node(f, "system:node:n1", "GET", SECRETS "/theirs", NULL), 403,
                   "secrets \"theirs\" is forbidden: User \"system:node:n1\" cannot get resource "
                   "\"secrets\" in API group \"\" in the namespace \"default\": no relationship "
                   "found between node 'n1' and this object");
    expect(as_node(f, "system:node:n1", "GET", SECRETS, NULL), 403);
    expect(as_node(f, "system:node:n1", "GET", PODS "?fieldSelector=spec.nodeName%3Dn1", NULL), 200);
    expect(as_node(f, "system:node:n1", "GET",
                   PODS "?fieldSelector=status.phase!%3D%5C%2Cspec.nodeName%5C%3Dn1", NULL),
           403);
    expect(as_node(f, "system:node:n1", "GET", PODS "?fieldSelector=spec.nodeName!%3Dn1", NULL), 403);
    expect(as_node(f, "system:node:n1", "DELETE", SECRETS "/mine", NULL), 403);
    expect(as_node(f, "system:node:n2", "GET", SECRETS "/mine", NULL), 403);
    expect(as_node(f, "nobody", "GET", SECRETS "/mine", NULL), 403);
    expect(as_node(f, "system:node:n1", "GET", PODS "/p", NULL), 200);
    expect(as_node(f, "system:node:n1", "GET", PODS "/q", NULL), 403);
    /* With the pod the relation ends. */
    expect(ask(f, "DELETE", PODS "/p?gracePeriodSeconds=0", NULL), 200);
    expect(as_node(f, "system:node:n1", "GET", SECRETS "/mine", NULL), 403);
    /* And it is there again after a start. */
    fixture_restart(f);
    expect(as_node(f, "system:node:n2", "GET", SECRETS "/theirs", NULL), 404);
}

static void a_node_writes_only_what_is_its_own(void **state)
{
    struct fixture *f = *state;
    expect(as_node(f, "system:node:n1", "POST", "/api/v1/nodes", META("n2") "\"spec\":{}}"), 403);
    expect(as_node(f, "system:node:n1", "POST", "/api/v1/nodes", META("n1") "\"spec\":{}}"), 201);
    expect(ask(f, "POST", "/api/v1/nodes", META("n2") "\"spec\":{}}"), 201);
    expect(as_node(f, "system:node:n1", "PATCH", "/api/v1/nodes/n2", "{\"spec\":{}}"), 403);
    expect(as_node(f, "system:node:n1", "PATCH", "/api/v1/nodes/n2/status", "{\"status\":{}}"), 403);
    expect(as_node(f, "system:node:n1", "DELETE", "/api/v1/nodes/n1", NULL), 403);
    expect(as_node(f, "system:node:n1", "GET", "/api/v1/nodes/n1", NULL), 200);
    expect(as_node(f, "system:node:n1", "PATCH", "/api/v1/nodes/n1",
                   "{\"metadata\":{\"labels\":{\"kubernetes.io/hostname\":\"n1\",\"own\":\"x\"}}}"),
           200);
    expect_message(
        as_node(f, "system:node:n1", "PATCH", "/api/v1/nodes/n1",
                "{\"metadata\":{\"labels\":{\"node-role.kubernetes.io/control-plane\":\"\"}}}"),
        403,
        "nodes \"n1\" is forbidden: is not allowed to modify labels: "
        "node-role.kubernetes.io/control-plane");
    expect(as_node(f, "system:node:n1", "PATCH", "/api/v1/nodes/n1",
                   "{\"metadata\":{\"labels\":{\"a.node-restriction.kubernetes.io/b\":\"\"}}}"),
           403);
    expect_message(as_node(f, "system:node:n1", "PATCH", "/api/v1/nodes/n1",
                           "{\"spec\":{\"taints\":[{\"key\":\"a\",\"effect\":\"NoSchedule\"}]}}"),
                   403, "nodes \"n1\" is forbidden: node \"n1\" is not allowed to modify taints");
    expect(as_node(f, "system:node:n1", "POST", "/apis/coordination.k8s.io/v1/namespaces/default/leases",
                   META("n1") "\"spec\":{}}"),
           403);
    expect(as_node(f, "system:node:n1", "POST",
                   "/apis/coordination.k8s.io/v1/namespaces/kube-node-lease/leases",
                   META("n2") "\"spec\":{}}"),
           403);
    expect(as_node(f, "system:node:n1", "POST",
                   "/apis/coordination.k8s.io/v1/namespaces/kube-node-lease/leases",
                   META("n1") "\"spec\":{}}"),
           201);
}

/* CVE-2025-5187: through an owner that is not there the garbage collector would delete it. */
static void a_node_cannot_have_itself_deleted(void **state)
{
    struct fixture *f = *state;
    static const char owners[] = "{\"metadata\":{\"ownerReferences\":[{\"apiVersion\":\"v1\",\"kind\":"
                                 "\"Namespace\",\"name\":\"gone\",\"uid\":\"1\"}]}}";
    expect(ask(f, "POST", "/api/v1/nodes", META("n1") "\"spec\":{}}"), 201);
    static const char *const targets[] = {"/api/v1/nodes/n1", "/api/v1/nodes/n1/status"};
    for (size_t i = 0; i < 2; i++) {
        as_node(f, "system:node:n1", "PATCH", targets[i], owners);
        struct answer *a = ask(f, "GET", "/api/v1/nodes/n1", NULL);
        assert_int_equal(json_count(json_path(a->json, "metadata.ownerReferences")), 0);
    }
    expect_message(as_node(f, "system:node:n1", "PATCH", "/api/v1/nodes/n1", owners), 403,
                   "nodes \"n1\" is forbidden: node \"n1\" is not allowed to modify "
                   "ownerReferences");
    expect(as_node(f, "system:node:n1", "DELETE", "/api/v1/nodes", NULL), 403);
}

static void a_node_touches_only_its_own_pods(void **state)
{
    struct fixture *f = *state;
    expect(ask(f, "POST", PODS, POD("p", "n1", "")), 201);
    expect(ask(f, "POST", PODS, POD("q", "n2", "")), 201);
    expect(as_node(f, "system:node:n1", "PATCH", PODS "/p/status",
                   "{\"status\":{\"phase\":\"Running\"}}"),
           200);
    expect_message(as_node(f, "system:node:n1", "PATCH", PODS "/q/status",
                           "{\"status\":{\"phase\":\"Running\"}}"),
                   403,
                   "pods \"q\" is forbidden: node \"n1\" can only update pod status for pods with "
                   "spec.nodeName set to itself");
    expect(as_node(f, "system:node:n1", "PATCH", PODS "/p", "{\"metadata\":{\"labels\":{\"a\":\"b\"}}}"),
           403);
    expect(as_node(f, "system:node:n1", "DELETE", PODS "/q", NULL), 403);
    expect(as_node(f, "system:node:n1", "POST", PODS, POD("r", "n1", "")), 403);
    expect(as_node(f, "system:node:n1", "POST", PODS "/q/eviction", META("q") "\"kind\":\"Eviction\"}"),
           403);
    expect(as_node(f, "system:node:n1", "DELETE", PODS "/p?gracePeriodSeconds=0", NULL), 200);
}

static void a_node_takes_tokens_only_for_its_own_pods(void **state)
{
    struct fixture *f = *state;
    char body[400], uid[2][40];
    static const char token[] = "/api/v1/namespaces/default/serviceaccounts/default/token";
    static const char *const names[] = {"p", "q"};
    expect(ask(f, "POST", PODS, POD("p", "n1", "")), 201);
    expect(ask(f, "POST", PODS, POD("q", "n2", "")), 201);
    for (size_t i = 0; i < 2; i++) {
        struct answer *a = ask(f, "GET", i ? PODS "/q" : PODS "/p", NULL);
        snprintf(uid[i], sizeof uid[i], "%s", at(a, "metadata.uid"));
    }
    for (size_t i = 0; i < 2; i++) {
        snprintf(body, sizeof body,
                 "{\"spec\":{\"audiences\":[],\"boundObjectRef\":{\"kind\":\"Pod\",\"apiVersion\":"
                 "\"v1\",\"name\":\"%s\",\"uid\":\"%s\"}}}",
                 names[i], uid[i]);
        expect(as_node(f, "system:node:n1", "POST", token, body), i ? 403 : 201);
    }
    expect_message(as_node(f, "system:node:n1", "POST", token, "{\"spec\":{\"audiences\":[]}}"), 403,
                   "serviceaccounts \"default\" is forbidden: node requested token not bound to a "
                   "pod");
    expect(as_node(f, "system:node:n3", "POST", token, "{\"spec\":{\"audiences\":[]}}"), 403);
}

int main(void)
{
#define T(x) cmocka_unit_test_setup_teardown(x, fixture_setup_boot, fixture_teardown)
    const struct CMUnitTest tests[] = {
        T(a_binding_counts_from_its_answer_on_until_it_is_gone),
        T(a_role_can_be_bound_before_it_exists),
        T(names_subresources_and_paths_are_told_apart),
        T(rights_in_a_namespace_stay_in_it),
        T(nobody_grants_what_they_do_not_have),
        T(roles_and_bindings_are_validated),
        T(the_default_roles_are_there_and_mended),
        T(a_node_reads_what_its_pods_name),
        T(a_node_writes_only_what_is_its_own),
        T(a_node_cannot_have_itself_deleted),
        T(a_node_touches_only_its_own_pods),
        T(a_node_takes_tokens_only_for_its_own_pods),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
