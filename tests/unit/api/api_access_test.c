/* Who may ask: certificates, tokens, nobody; reviews; what is open; discovery. */
#include "api_fixture.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define PODS  "/api/v1/namespaces/default/pods"
#define TOKEN "/api/v1/namespaces/default/serviceaccounts/default/token"

static const char *const none[] = {NULL};
static const struct api_peer nobody = {.address = "192.0.2.1"};

static struct api_peer bearer(const char *token, char *header, size_t size)
{
    snprintf(header, size, "Bearer %s", token);
    return (struct api_peer){.authorization = header, .address = "192.0.2.1"};
}

static void strangers_are_told_to_authenticate(void **state)
{
    struct fixture *f = *state;
    char header[200];
    expect_message(ask_with(f, &nobody, "GET", PODS, NULL, NULL, NULL), 401, "Unauthorized");
    expect(ask_with(f, &nobody, "GET", "/api", NULL, NULL, NULL), 401);
    struct api_peer bad = {.has_cert = false, .cert_problem = "expired"};
    expect(ask_with(f, &bad, "GET", "/version", NULL, NULL, NULL), 401);
    struct api_peer junk = bearer("abc.def.ghi", header, sizeof header);
    expect(ask_with(f, &junk, "GET", PODS, NULL, NULL, NULL), 401);
    /* health and version are open */
    expect(ask_with(f, &nobody, "GET", "/version", NULL, NULL, NULL), 200);
    expect(ask_with(f, &nobody, "GET", "/livez", NULL, NULL, NULL), 200);
    expect(ask_with(f, &nobody, "GET", "/versions", NULL, NULL, NULL), 401);
}

static void other_certificates_are_forbidden(void **state)
{
    struct fixture *f = *state;
    struct api_peer user = {.has_cert = true, .cert_user = "jane", .cert_groups = none};
    struct answer *a = ask_with(f, &user, "GET", PODS, NULL, NULL, NULL);
    expect_message(a, 403,
                   "pods is forbidden: User \"jane\" cannot list resource \"pods\" in API group "
                   "\"\" in the namespace \"default\"");
    assert_string_equal(at(a, "reason"), "Forbidden");
    a = ask_with(f, &user, "GET", "/apis/apps/v1/namespaces/default/deployments/x/scale", NULL,
                 NULL, NULL);
    expect_message(a, 403,
                   "deployments.apps \"x\" is forbidden: User \"jane\" cannot get resource "
                   "\"deployments/scale\" in API group \"apps\" in the namespace \"default\"");
    a = ask_with(f, &user, "DELETE", "/api/v1/nodes/n", NULL, NULL, NULL);
    expect_message(a, 403,
                   "nodes \"n\" is forbidden: User \"jane\" cannot delete resource \"nodes\" in "
                   "API group \"\" at the cluster scope");
    static const char *const nodes[] = {"system:nodes", NULL};
    struct api_peer node = {
        .has_cert = true, .cert_user = "system:node:node-1", .cert_groups = nodes};
    expect(ask_with(f, &node, "GET", PODS "?fieldSelector=spec.nodeName%3Dnode-1", NULL, NULL, NULL),
           200);
    expect(ask_with(f, &node, "GET", PODS, NULL, NULL, NULL), 403);
    struct api_peer dns = {.has_cert = true, .cert_user = "system:coredns", .cert_groups = none};
    expect(ask_with(f, &dns, "GET", "/api/v1/services", NULL, NULL, NULL), 200);
    expect(ask_with(f, &dns, "GET", "/api/v1/secrets", NULL, NULL, NULL), 403);
    expect(ask_with(f, &dns, "DELETE", "/api/v1/namespaces/default/services/kubernetes", NULL, NULL,
                    NULL),
           403);
}

static void a_pods_token_is_recognised_and_refused(void **state)
{
    struct fixture *f = *state;
    char header[4096], token[3000], uid[40], body[400];
    struct answer *a = ask(f, "POST", PODS,
                           "{\"metadata\":{\"name\":\"p\"},\"spec\":{\"containers\":[{\"name\":"
                           "\"c\",\"image\":\"i\"}]}}");
    expect(a, 201);
    snprintf(uid, sizeof uid, "%s", at(a, "metadata.uid"));
    snprintf(body, sizeof body,
             "{\"spec\":{\"expirationSeconds\":3607,\"boundObjectRef\":{\"kind\":\"Pod\","
             "\"apiVersion\":\"v1\",\"name\":\"p\",\"uid\":\"%s\"}}}",
             uid);
    a = ask(f, "POST", TOKEN, body);
    expect(a, 201);
    assert_string_equal(at(a, "kind"), "TokenRequest");
    assert_true(at(a, "status.expirationTimestamp")[0]);
    snprintf(token, sizeof token, "%s", at(a, "status.token"));
    struct api_peer pod = bearer(token, header, sizeof header);
    expect_message(ask_with(f, &pod, "GET", PODS, NULL, NULL, NULL), 403,
                   "pods is forbidden: User \"system:serviceaccount:default:default\" cannot list "
                   "resource \"pods\" in API group \"\" in the namespace \"default\"");
    expect(ask_with(f, &pod, "GET", "/apis", NULL, NULL, NULL), 200);
    a = ask_with(f, &pod, "POST", "/apis/authentication.k8s.io/v1/selfsubjectreviews", NULL, NULL,
                 "{}");
    expect(a, 201);
    assert_string_equal(at(a, "status.userInfo.username"), "system:serviceaccount:default:default");
    snprintf(body, sizeof body, "{\"spec\":{\"token\":\"%.*s\"}}", 10, token);
    a = ask(f, "POST", "/apis/authentication.k8s.io/v1/tokenreviews", body);
    expect(a, 201);
    assert_false(json_path_bool(a->json, "status.authenticated", true));
    /* With its pod the token dies. */
    expect(ask(f, "DELETE", PODS "/p", NULL), 200);
    expect(ask_with(f, &pod, "GET", PODS, NULL, NULL, NULL), 401);
}

static void only_our_own_valid_tokens_count(void **state)
{
    static const char es256[] = "{\"alg\":\"ES256\",\"typ\":\"JWT\"}";
    struct fixture *f = *state;
    char header[5000], claims[1500], uid[40];
    struct answer *a = ask(f, "GET", "/api/v1/namespaces/default/serviceaccounts/default", NULL);
    snprintf(uid, sizeof uid, "%s", at(a, "metadata.uid"));
    struct {
        const char *head, *iss, *aud, *sub;
        long long exp, nbf;
        int status;
    } cases[] = {
        {es256, "https://kubernetes.default.svc.cluster.local",
         "https://kubernetes.default.svc.cluster.local", "default", 4000000000, 0, 403},
        {es256, "https://other", "https://kubernetes.default.svc.cluster.local", "default",
         4000000000, 0, 401},
        {es256, "https://kubernetes.default.svc.cluster.local", "vault", "default", 4000000000, 0,
         401},
        {es256, "https://kubernetes.default.svc.cluster.local",
         "https://kubernetes.default.svc.cluster.local", "other", 4000000000, 0, 401},
        {es256, "https://kubernetes.default.svc.cluster.local",
         "https://kubernetes.default.svc.cluster.local", "default", 1000, 0, 401},
        {es256, "https://kubernetes.default.svc.cluster.local",
         "https://kubernetes.default.svc.cluster.local", "default", 4000000000, 3900000000, 401},
        {"{\"alg\":\"none\"}", "https://kubernetes.default.svc.cluster.local",
         "https://kubernetes.default.svc.cluster.local", "default", 4000000000, 0, 401},
        {"{\"alg\":\"HS256\"}", "https://kubernetes.default.svc.cluster.local",
         "https://kubernetes.default.svc.cluster.local", "default", 4000000000, 0, 401},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        snprintf(claims, sizeof claims,
                 "{\"iss\":\"%s\",\"aud\":[\"%s\"],\"sub\":\"system:serviceaccount:default:%s\","
                 "\"exp\":%lld,\"nbf\":%lld,"
                 "\"kubernetes.io\":{\"namespace\":\"default\",\"serviceaccount\":{\"name\":"
                 "\"default\",\"uid\":\"%s\"}}}",
                 cases[i].iss, cases[i].aud, cases[i].sub, cases[i].exp, cases[i].nbf, uid);
        struct api_peer pod = bearer(forge(f, cases[i].head, claims), header, sizeof header);
        a = ask_with(f, &pod, "GET", PODS, NULL, NULL, NULL);
        if (a->status != cases[i].status)
            fail_msg("case %zu: %d", i, a->status);
        header[strlen(header) - 20] ^= 1; /* another signature */
        expect(ask_with(f, &pod, "GET", PODS, NULL, NULL, NULL), 401);
    }
}

static void access_reviews_tell_the_truth(void **state)
{
    struct fixture *f = *state;
    struct answer *a = ask(f, "POST", "/apis/authorization.k8s.io/v1/selfsubjectaccessreviews",
                           "{\"spec\":{\"resourceAttributes\":{\"namespace\":\"default\",\"verb\":"
                           "\"get\",\"resource\":\"pods\"}}}");
    expect(a, 201);
    assert_true(json_path_bool(a->json, "status.allowed", false));
    a = ask(f, "POST", "/apis/authorization.k8s.io/v1/subjectaccessreviews",
            "{\"spec\":{\"user\":\"jane\",\"resourceAttributes\":{\"verb\":\"get\",\"resource\":"
            "\"pods\"}}}");
    expect(a, 201);
    assert_false(json_path_bool(a->json, "status.allowed", true));
    expect(
        ask(f, "POST", "/apis/authorization.k8s.io/v1/selfsubjectaccessreviews", "{\"spec\":{}}"),
        422);
    expect(ask_with(f, NULL, "POST", "/apis/authorization.k8s.io/v1/selfsubjectaccessreviews",
                    NULL, "application/json;as=Table;v=v1;g=meta.k8s.io",
                    "{\"spec\":{\"nonResourceAttributes\":{\"path\":\"/\",\"verb\":\"get\"}}}"),
           406);
    a = ask(f, "POST", "/apis/authorization.k8s.io/v1/selfsubjectrulesreviews",
            "{\"spec\":{\"namespace\":\"default\"}}");
    expect(a, 201);
    const struct json *first = json_first(json_path(a->json, "status.resourceRules"));
    assert_string_equal(json_cstr(json_at(json_get(first, "verbs"), 0)), "*");
}

static void an_administrator_may_ask_as_somebody_else(void **state)
{
    struct fixture *f = *state;
    static const char *const groups[] = {NULL};
    struct api_peer jane = {.has_cert = true, .cert_user = "jane", .cert_groups = groups};
    f->impersonate = "joe";
    expect_message(ask(f, "GET", PODS, NULL), 403,
                   "pods is forbidden: User \"joe\" cannot list resource \"pods\" in API group "
                   "\"\" in the namespace \"default\"");
    expect_message(ask_with(f, &jane, "GET", PODS, NULL, NULL, NULL), 403,
                   "users \"joe\" is forbidden: User \"jane\" cannot impersonate resource "
                   "\"users\" in API group \"\" at the cluster scope");
    f->impersonate = NULL;
    expect(ask(f, "GET", PODS, NULL), 200);
}

static void discovery_shows_what_is_served(void **state)
{
    struct fixture *f = *state;
    struct answer *a = ask(f, "GET", "/api", NULL);
    expect(a, 200);
    assert_string_equal(at(a, "kind"), "APIVersions");
    a = ask(f, "GET", "/apis", NULL);
    expect(a, 200);
    assert_string_equal(at(a, "kind"), "APIGroupList");
    a = ask(f, "GET", "/apis/apps", NULL);
    expect(a, 200);
    assert_string_equal(at(a, "preferredVersion.groupVersion"), "apps/v1");
    a = ask(f, "GET", "/apis/autoscaling", NULL);
    assert_int_equal(json_count(json_get(a->json, "versions")), 2);
    assert_string_equal(at(a, "preferredVersion.version"), "v2");
    a = ask(f, "GET", "/api/v1", NULL);
    expect(a, 200);
    bool pods = false;
    for (const struct json *r = json_first(json_get(a->json, "resources")); r; r = r->next)
        if (!strcmp(json_path_cstr(r, "name"), "pods")) {
            pods = true;
            assert_string_equal(json_cstr(json_at(json_get(r, "shortNames"), 0)), "po");
            assert_int_equal(json_count(json_get(r, "verbs")), 8);
        }
    assert_true(pods);
    expect(ask(f, "GET", "/apis/none", NULL), 404);
    expect(ask(f, "GET", "/apis/none/v1", NULL), 404);
    a = ask_with(
        f, NULL, "GET", "/apis", NULL,
        "application/json;g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList,application/json",
        NULL);
    expect(a, 200);
    assert_string_equal(a->type,
                        "application/json;g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList");
    const struct json *group = json_at(json_get(a->json, "items"), 0);
    assert_true(json_count(json_get(a->json, "items")) > 15);
    assert_string_equal(json_path_cstr(json_at(json_get(group, "versions"), 0), "freshness"),
                        "Current");
    a = ask_with(f, NULL, "GET", "/api", NULL,
                 "application/json;g=apidiscovery.k8s.io;v=v2beta1;as=APIGroupDiscoveryList", NULL);
    assert_string_equal(at(a, "apiVersion"), "apidiscovery.k8s.io/v2beta1");
    assert_true(a->etag[0]);
}

static void openapi_documents_are_served(void **state)
{
    struct fixture *f = *state;
    char target[300];
    struct answer *a = ask(f, "GET", "/openapi/v3", NULL);
    expect(a, 200);
    snprintf(
        target, sizeof target, "%s",
        json_path_cstr(json_get(json_get(a->json, "paths"), "apis/apps/v1"), "serverRelativeURL"));
    assert_int_equal(strncmp(target, "/openapi/v3/apis/apps/v1?hash=", 30), 0);
    a = ask(f, "GET", target, NULL);
    expect(a, 200);
    assert_non_null(json_get(json_get(a->json, "paths"),
                             "/apis/apps/v1/namespaces/{namespace}/deployments/{name}"));
    a = ask_with(f, NULL, "GET", "/openapi/v2", NULL,
                 "application/com.github.proto-openapi.spec.v2@v1.0+protobuf", NULL);
    expect(a, 200);
    assert_string_equal(a->type, "application/com.github.proto-openapi.spec.v2.v1.0+protobuf");
    assert_true(buf_len(&a->body) > 100000);
    expect(ask(f, "GET", "/openapi/v3/apis/none/v1", NULL), 404);
}

static void health_is_one_word_or_a_list(void **state)
{
    struct fixture *f = *state;
    struct answer *a = ask(f, "GET", "/readyz", NULL);
    expect(a, 200);
    assert_true(str_is(buf_str(&a->body), "ok"));
    a = ask(f, "GET", "/readyz?verbose", NULL);
    assert_true(str_starts(buf_str(&a->body), STR("[+]ping ok\n[+]log ok\n[+]etcd ok\n")));
    assert_true(str_ends(buf_str(&a->body), STR("readyz check passed\n")));
    expect(ask(f, "GET", "/healthz/ping", NULL), 200);
    expect(ask(f, "GET", "/healthz/none", NULL), 404);
    a = ask(f, "GET", "/version", NULL);
    assert_string_equal(at(a, "gitVersion"), "v1.35.0+keelson");
}

static void clients_find_what_they_take_for_granted(void **state)
{
    struct fixture *f = *state;
    static const char *const paths[] = {
        "/api/v1/namespaces/default",
        "/api/v1/namespaces/kube-system",
        "/api/v1/namespaces/kube-public",
        "/api/v1/namespaces/kube-node-lease",
        "/api/v1/namespaces/default/serviceaccounts/default",
        "/api/v1/namespaces/kube-system/configmaps/kube-root-ca.crt",
        "/api/v1/namespaces/default/endpoints/kubernetes",
        "/apis/scheduling.k8s.io/v1/priorityclasses/system-node-critical"};
    for (size_t i = 0; i < sizeof paths / sizeof paths[0]; i++)
        expect(ask(f, "GET", paths[i], NULL), 200);
    struct answer *a = ask(f, "GET", "/api/v1/namespaces/default/services/kubernetes", NULL);
    assert_string_equal(at(a, "spec.clusterIP"), "10.96.0.1");
    a = ask(f, "GET", "/api/v1/namespaces/kube-system/services/kube-dns", NULL);
    assert_string_equal(at(a, "spec.clusterIP"), "10.96.0.10");
    a = ask(f, "GET", "/apis/discovery.k8s.io/v1/namespaces/default/endpointslices/kubernetes",
            NULL);
    assert_string_equal(
        json_cstr(json_at(json_get(json_at(json_get(a->json, "endpoints"), 0), "addresses"), 0)),
        "10.0.2.15");
    /* A second start finds everything there and changes nothing. */
    fixture_turn(f, 500); /* the flow schemas' conditions */
    int64_t before = store_revision(f->node.store);
    fixture_restart(f);
    fixture_turn(f, 500);
    assert_int_equal(store_revision(f->node.store), before);
}

int main(void)
{
#define T(x) cmocka_unit_test_setup_teardown(x, fixture_setup_boot, fixture_teardown)
    const struct CMUnitTest tests[] = {
        T(strangers_are_told_to_authenticate),     T(other_certificates_are_forbidden),
        T(a_pods_token_is_recognised_and_refused), T(only_our_own_valid_tokens_count),
        T(access_reviews_tell_the_truth),          T(an_administrator_may_ask_as_somebody_else),
        T(discovery_shows_what_is_served),         T(openapi_documents_are_served),
        T(health_is_one_word_or_a_list),           T(clients_find_what_they_take_for_granted),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
