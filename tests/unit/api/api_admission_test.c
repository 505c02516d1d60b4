/* Policies and webhooks, as far as they go without a network. */
#include "api_fixture.h"

#include <stdio.h>

#define GROUP "/apis/admissionregistration.k8s.io/v1/"
#define MAPS  "/api/v1/namespaces/default/configmaps"

static const char policy[] =
    "{\"metadata\":{\"name\":\"p\"},\"spec\":{\"matchConstraints\":{\"resourceRules\":[{\"apiGroups\":[\"\"],"
    "\"apiVersions\":[\"v1\"],\"operations\":[\"*\"],\"resources\":[\"configmaps\"]}]},"
    "\"variables\":[{\"name\":\"o\",\"expression\":\"object == null ? oldObject : object\"}],"
    "\"validations\":[{\"expression\":\"variables.o.metadata.name != 'kept'\",\"message\":\"it is kept\"}]}}";

static void bind_policy(struct fixture *f)
{
    expect(ask(f, "POST", GROUP "validatingadmissionpolicies", policy), 201);
    expect(ask(f, "POST", MAPS, "{\"metadata\":{\"name\":\"kept\"}}"), 201);
    expect(ask(f, "POST", GROUP "validatingadmissionpolicybindings",
               "{\"metadata\":{\"name\":\"b\"},\"spec\":{\"policyName\":\"p\",\"validationActions\":[\"Deny\"]}}"),
           201);
}

static void a_bound_policy_refuses_every_way_to_change_it(void **state)
{
    static const char why[] = "configmaps \"kept\" is forbidden: ValidatingAdmissionPolicy 'p' with "
                              "binding 'b' denied request: it is kept";
    struct fixture *f = *state;
    bind_policy(f);
    expect_message(ask(f, "DELETE", MAPS "/kept", NULL), 422, why);
    expect_message(ask(f, "DELETE", MAPS, NULL), 422, why);
    expect_message(ask_with(f, NULL, "PATCH", MAPS "/kept", "application/merge-patch+json", NULL,
                            "{\"data\":{\"a\":\"b\"}}"),
                   422, why);
    expect_message(ask(f, "PUT", MAPS "/kept", "{\"metadata\":{\"name\":\"kept\"}}"), 422, why);
    expect(ask(f, "POST", MAPS, "{\"metadata\":{\"name\":\"other\"}}"), 201);
    expect(ask(f, "DELETE", MAPS "/other", NULL), 200);
    expect(ask(f, "DELETE", GROUP "validatingadmissionpolicybindings/b", NULL), 200);
    expect(ask(f, "DELETE", MAPS "/kept", NULL), 200);
}

static void a_collection_stops_at_what_is_refused(void **state)
{
    struct fixture *f = *state;
    bind_policy(f);
    expect(ask(f, "POST", MAPS, "{\"metadata\":{\"name\":\"a\"}}"), 201);
    expect(ask(f, "DELETE", MAPS, NULL), 422);
    expect(ask(f, "GET", MAPS "/a", NULL), 404);
    expect(ask(f, "GET", MAPS "/kept", NULL), 200);
}

static struct answer *add_webhook(struct fixture *f, const char *more)
{
    char text[900];
    snprintf(text, sizeof text,
             "{\"metadata\":{\"name\":\"h\"},\"webhooks\":[{\"name\":\"x.example.com\",\"sideEffects\":\"None\","
             "\"admissionReviewVersions\":[\"v1\"],\"clientConfig\":{\"url\":\"https://127.0.0.1:1/\"},\"rules\":"
             "[{\"apiGroups\":[\"*\"],\"apiVersions\":[\"*\"],\"operations\":[\"*\"],\"resources\":[\"*/*\"]}]%s}]}",
             more);
    return ask(f, "POST", GROUP "mutatingwebhookconfigurations", text);
}

static void an_unreachable_webhook_fails_or_is_ignored(void **state)
{
    struct fixture *f = *state;
    struct answer *a = add_webhook(f, "");
    expect(a, 201);
    assert_string_equal(json_path_cstr(json_at(json_get(a->json, "webhooks"), 0), "matchPolicy"),
                        "Equivalent");
    a = ask(f, "POST", MAPS, "{\"metadata\":{\"name\":\"a\"}}");
    expect(a, 500);
    assert_true(str_starts(str_of(at(a, "message")),
                           STR("Internal error occurred: failed calling webhook \"x.example.com\": ")));
    /* Its own configuration is not its business. */
    expect(ask(f, "DELETE", GROUP "mutatingwebhookconfigurations/h", NULL), 200);
    expect(add_webhook(f, ",\"failurePolicy\":\"Ignore\""), 201);
    expect(ask(f, "POST", MAPS, "{\"metadata\":{\"name\":\"a\"}}"), 201);
}

static void configurations_are_checked(void **state)
{
    struct fixture *f = *state;
    expect(add_webhook(f, ",\"timeoutSeconds\":31"), 422);
    expect(add_webhook(f, ",\"sideEffects\":\"Some\""), 422);
    expect(add_webhook(f, ",\"failurePolicy\":\"Maybe\""), 422);
    expect(add_webhook(f, ",\"matchConditions\":[{\"name\":\"a\",\"expression\":\"1\"}]"), 422);
    expect(ask(f, "POST", GROUP "validatingadmissionpolicies", "{\"metadata\":{\"name\":\"p\"},\"spec\":{}}"), 422);
}

int main(void)
{
#define T(x) cmocka_unit_test_setup_teardown(x, fixture_setup_boot, fixture_teardown)
    const struct CMUnitTest tests[] = {
        T(a_bound_policy_refuses_every_way_to_change_it),
        T(a_collection_stops_at_what_is_refused),
        T(an_unreachable_webhook_fails_or_is_ignored),
        T(configurations_are_checked),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
