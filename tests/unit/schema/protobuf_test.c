/* Bodies as client-go's typed clients encode them. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "schema/protobuf.h"

/* ---- a little encoder ---- */

static void put_varint(struct buf *b, uint64_t v)
{
    for (; v >= 0x80; v >>= 7)
        buf_putc(b, (char)(v | 0x80));
    buf_putc(b, (char)v);
}

static void put_int(struct buf *b, unsigned number, uint64_t v)
{
    put_varint(b, number << 3);
    put_varint(b, v);
}

static void put_bytes(struct buf *b, unsigned number, struct str s)
{
    put_varint(b, number << 3 | 2);
    put_varint(b, s.n);
    buf_append_str(b, s);
}

static void put_text(struct buf *b, unsigned number, const char *s)
{
    put_bytes(b, number, str_of(s));
}

/* Closes the message: b becomes field `number` of out. */
static void put_message(struct buf *out, unsigned number, struct buf *b)
{
    put_bytes(out, number, buf_str(b));
    buf_done(b);
    buf_init(b, 1 << 20);
}

static void envelope(struct buf *out, const char *version, const char *kind, struct buf *message)
{
    struct buf meta;
    buf_init(&meta, 1 << 20);
    put_text(&meta, 1, version);
    put_text(&meta, 2, kind);
    buf_append(out, "k8s", 4);
    put_message(out, 1, &meta);
    put_bytes(out, 2, buf_str(message));
    buf_done(&meta);
}

struct fixture {
    struct arena arena;
    struct buf a, b, c, d, body;
    struct err err;
};

static int setup(void **state)
{
    static struct fixture f;
    f = (struct fixture){.err = {0}};
    arena_init(&f.arena, 16 << 20);
    buf_init(&f.a, 1 << 20);
    buf_init(&f.b, 1 << 20);
    buf_init(&f.c, 1 << 20);
    buf_init(&f.d, 1 << 20);
    buf_init(&f.body, 1 << 20);
    *state = &f;
    return 0;
}

static int teardown(void **state)
{
    struct fixture *f = *state;
    buf_done(&f->a);
    buf_done(&f->b);
    buf_done(&f->c);
    buf_done(&f->d);
    buf_done(&f->body);
    arena_done(&f->arena);
    return 0;
}

static struct json *decode(struct fixture *f)
{
    struct json *j = NULL;
    int rc = protobuf_decode(&f->arena, buf_str(&f->body), &j, &f->err);
    if (rc)
        fail_msg("%s", f->err.text);
    return j;
}

static void expect_json(struct fixture *f, const struct json *j, const char *text)
{
    struct json *wanted;
    assert_int_equal(json_parse(&f->arena, str_of(text), NULL, &wanted, NULL), 0);
    struct buf got;
    buf_init(&got, 1 << 20);
    json_write(&got, j);
    if (!json_equal(j, wanted))
        fail_msg("%s", buf_cstr(&got));
    buf_done(&got);
}

static void maps_times_and_numbers_are_read(void **state)
{
    struct fixture *f = *state;
    put_text(&f->a, 1, "a"); /* metadata */
    put_int(&f->a, 7, 5);
    put_int(&f->b, 1, 1700000000);
    put_message(&f->a, 8, &f->b);
    put_text(&f->b, 1, "k");
    put_text(&f->b, 2, "v");
    put_message(&f->a, 11, &f->b);
    put_message(&f->c, 1, &f->a);
    put_text(&f->b, 1, "key"); /* data */
    put_text(&f->b, 2, "value");
    put_message(&f->c, 2, &f->b);
    put_text(&f->b, 1, "bin");
    put_text(&f->b, 2, "hello");
    put_message(&f->c, 3, &f->b);
    put_int(&f->c, 4, 1);
    put_text(&f->c, 99, "of a later version");
    envelope(&f->body, "v1", "ConfigMap", &f->c);
    expect_json(f, decode(f),
                "{\"kind\":\"ConfigMap\",\"apiVersion\":\"v1\",\"metadata\":{\"name\":\"a\","
                "\"generation\":5,"
                "\"creationTimestamp\":\"2023-11-14T22:13:20Z\",\"labels\":{\"k\":\"v\"}},\"data\":"
                "{\"key\":"
                "\"value\"},\"binaryData\":{\"bin\":\"aGVsbG8=\"},\"immutable\":true}");
}

static void embedded_messages_lie_flat(void **state)
{
    struct fixture *f = *state;
    put_text(&f->a, 1, "secret"); /* LocalObjectReference of a SecretKeySelector... */
    put_message(&f->b, 1, &f->a);
    put_text(&f->b, 2, "key");
    put_message(&f->a, 4, &f->b); /* EnvVarSource.secretKeyRef */
    put_text(&f->b, 1, "ENV");
    put_message(&f->b, 3, &f->a);
    put_message(&f->c, 7, &f->b); /* Container.env */
    put_text(&f->a, 1, "main");
    buf_append_str(&f->c, buf_str(&f->a));
    put_message(&f->d, 2, &f->c); /* PodSpec.containers */
    buf_done(&f->a);
    buf_init(&f->a, 1 << 20);
    put_text(&f->b, 1, "x"); /* Volume{name, VolumeSource{configMap{LocalObjectReference}}} */
    put_message(&f->a, 1, &f->b);
    struct buf source;
    buf_init(&source, 1 << 20);
    put_message(&source, 19, &f->a);
    put_text(&f->b, 1, "vol");
    put_message(&f->b, 2, &source);
    put_message(&f->d, 1, &f->b);
    put_message(&f->c, 2, &f->d);
    envelope(&f->body, "v1", "Pod", &f->c);
    buf_done(&source);
    struct json *j = decode(f);
    const struct json *container = json_at(json_path(j, "spec.containers"), 0);
    assert_string_equal(json_path_cstr(container, "name"), "main");
    const struct json *env = json_at(json_get(container, "env"), 0);
    assert_string_equal(json_path_cstr(env, "valueFrom.secretKeyRef.name"), "secret");
    assert_string_equal(json_path_cstr(env, "valueFrom.secretKeyRef.key"), "key");
    assert_string_equal(json_path_cstr(json_at(json_path(j, "spec.volumes"), 0), "configMap.name"),
                        "x");
}

static void quantities_and_ports_have_their_own_messages(void **state)
{
    struct fixture *f = *state;
    put_int(&f->a, 1, 1); /* IntOrString "http" */
    put_text(&f->a, 3, "http");
    put_int(&f->b, 3, 80);
    put_message(&f->b, 4, &f->a);
    put_message(&f->c, 1, &f->b); /* ServiceSpec.ports */
    put_int(&f->a, 1, 0);
    put_int(&f->a, 2, 8080);
    put_int(&f->b, 3, 81);
    put_message(&f->b, 4, &f->a);
    put_message(&f->c, 1, &f->b);
    put_message(&f->d, 2, &f->c);
    envelope(&f->body, "v1", "Service", &f->d);
    struct json *j = decode(f);
    const struct json *ports = json_path(j, "spec.ports");
    assert_string_equal(json_path_cstr(json_at(ports, 0), "targetPort"), "http");
    assert_int_equal(json_path_i64(json_at(ports, 1), "targetPort", 0), 8080);
}

static void malformed_bodies_are_refused(void **state)
{
    struct fixture *f = *state;
    struct json *j;
    static const struct str bodies[] = {
        STR(""),
        STR("{}"),
        STR("k8s"),
        STR("k8s\0\x0a"),
        STR("k8s\0\x0a\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01"),
        STR("k8s\0\x0a\x05\x0a\x01v\x12\x00\x12\x00"),
        STR("k8s\0\x03")};
    for (size_t i = 0; i < sizeof(bodies) / sizeof(bodies[0]); i++)
        assert_true(protobuf_decode(&f->arena, bodies[i], &j, &f->err) < 0);
    put_int(&f->a, 2, 7); /* a number where a map entry belongs */
    envelope(&f->body, "v1", "ConfigMap", &f->a);
    assert_int_equal(protobuf_decode(&f->arena, buf_str(&f->body), &j, &f->err), -E_SYNTAX);
    buf_clear(&f->body);
    buf_clear(&f->a);
    put_text(&f->b, 1, "\xff\xfe");
    put_message(&f->a, 1, &f->b);
    envelope(&f->body, "v1", "ConfigMap", &f->a);
    assert_int_equal(protobuf_decode(&f->arena, buf_str(&f->body), &j, &f->err), -E_SYNTAX);
}

static void messages_within_embedded_messages_lie_flat(void **state)
{
    struct fixture *f = *state;
    put_text(&f->a, 1, "apps"); /* Rule */
    put_text(&f->a, 3, "deployments");
    put_text(&f->b, 1, "CREATE"); /* RuleWithOperations */
    put_message(&f->b, 2, &f->a);
    put_text(&f->c, 1, "one"); /* NamedRuleWithOperations */
    put_message(&f->c, 2, &f->b);
    put_message(&f->d, 3, &f->c); /* MatchResources.resourceRules */
    put_message(&f->b, 2, &f->d); /* matchConstraints */
    put_message(&f->c, 2, &f->b); /* spec */
    envelope(&f->body, "admissionregistration.k8s.io/v1", "ValidatingAdmissionPolicy", &f->c);
    expect_json(f, json_path(decode(f), "spec.matchConstraints"),
                "{\"resourceRules\":[{\"resourceNames\":[\"one\"],\"operations\":[\"CREATE\"],"
                "\"apiGroups\":[\"apps\"],\"resources\":[\"deployments\"]}]}");
}

static void a_deployment_keeps_its_probe_and_resources(void **state)
{
    struct fixture *f = *state;
    put_int(&f->a, 1, 0); /* IntOrString 8080 */
    put_int(&f->a, 2, 8080);
    put_text(&f->b, 1, "/healthz"); /* HTTPGetAction */
    put_message(&f->b, 2, &f->a);
    put_message(&f->a, 2, &f->b); /* ProbeHandler.httpGet */
    put_message(&f->b, 1, &f->a); /* Probe{handler, periodSeconds} */
    put_int(&f->b, 4, 7);
    put_text(&f->c, 1, "main"); /* Container */
    put_message(&f->c, 10, &f->b);
    put_text(&f->a, 1, "250m"); /* Quantity */
    put_text(&f->b, 1, "cpu");
    put_message(&f->b, 2, &f->a);
    put_message(&f->a, 1, &f->b); /* limits */
    put_message(&f->c, 8, &f->a);
    put_message(&f->d, 2, &f->c); /* PodSpec.containers */
    put_message(&f->a, 2, &f->d); /* PodTemplateSpec.spec */
    put_int(&f->b, 1, 3);         /* DeploymentSpec{replicas, template} */
    put_message(&f->b, 3, &f->a);
    put_message(&f->c, 2, &f->b);
    envelope(&f->body, "apps/v1", "Deployment", &f->c);
    expect_json(f, json_get(decode(f), "spec"),
                "{\"replicas\":3,\"template\":{\"spec\":{\"containers\":[{\"name\":\"main\","
                "\"livenessProbe\":{\"httpGet\":{\"path\":\"/healthz\",\"port\":8080},"
                "\"periodSeconds\":7},\"resources\":{\"limits\":{\"cpu\":\"250m\"}}}]}}}");
}

static void reviews_and_their_extra_values_are_read(void **state)
{
    struct fixture *f = *state;
    put_text(&f->a, 1, "ns"); /* ResourceAttributes */
    put_text(&f->a, 2, "create");
    put_text(&f->a, 5, "pods");
    put_message(&f->b, 1, &f->a);
    put_message(&f->c, 2, &f->b);
    envelope(&f->body, "authorization.k8s.io/v1", "SelfSubjectAccessReview", &f->c);
    expect_json(f, json_path(decode(f), "spec.resourceAttributes"),
                "{\"namespace\":\"ns\",\"verb\":\"create\",\"resource\":\"pods\"}");
    buf_clear(&f->body);
    buf_clear(&f->c);
    put_text(&f->a, 1, "x"); /* ExtraValue */
    put_text(&f->a, 1, "y");
    put_text(&f->b, 1, "k");
    put_message(&f->b, 2, &f->a);
    put_message(&f->d, 5, &f->b);
    put_message(&f->c, 2, &f->d);
    envelope(&f->body, "authorization.k8s.io/v1", "SubjectAccessReview", &f->c);
    expect_json(f, json_path(decode(f), "spec.extra"), "{\"k\":[\"x\",\"y\"]}");
}

static void schemas_of_custom_resources_take_either_form(void **state)
{
    struct fixture *f = *state;
    const double half = 0.5;
    uint64_t bits;
    memcpy(&bits, &half, sizeof(bits));
    put_int(&f->b, 1, 1); /* JSONSchemaPropsOrBool{allows} */
    put_message(&f->a, 33, &f->b);
    put_text(&f->c, 5, "string"); /* ...{schema} */
    put_message(&f->b, 2, &f->c);
    put_message(&f->a, 30, &f->b);
    put_text(&f->c, 5, "integer"); /* JSONSchemaPropsOrArray{schema} */
    put_message(&f->b, 1, &f->c);
    put_message(&f->a, 24, &f->b);
    put_text(&f->c, 2, "other"); /* JSONSchemaPropsOrStringArray{property} */
    put_text(&f->b, 1, "key");
    put_message(&f->b, 2, &f->c);
    put_message(&f->a, 32, &f->b);
    put_text(&f->b, 1, "{\"z\":1}"); /* JSON */
    put_message(&f->a, 8, &f->b);
    put_varint(&f->a, 9 << 3 | 1); /* maximum */
    for (int i = 0; i < 8; i++)
        buf_putc(&f->a, (char)(bits >> 8 * i));
    put_message(&f->b, 1, &f->a); /* CustomResourceValidation */
    put_message(&f->c, 4, &f->b); /* version{schema, subresources{status}} */
    put_message(&f->a, 1, &f->d);
    put_message(&f->c, 5, &f->a);
    put_message(&f->b, 7, &f->c);
    put_message(&f->a, 2, &f->b);
    envelope(&f->body, "apiextensions.k8s.io/v1", "CustomResourceDefinition", &f->a);
    expect_json(f, json_at(json_path(decode(f), "spec.versions"), 0),
                "{\"schema\":{\"openAPIV3Schema\":{\"additionalItems\":true,"
                "\"additionalProperties\":{\"type\":\"string\"},\"items\":{\"type\":\"integer\"},"
                "\"dependencies\":{\"key\":[\"other\"]},\"default\":{\"z\":1},\"maximum\":0.5}},"
                "\"subresources\":{\"status\":{}}}");
}

static void a_key_without_a_time_stays(void **state)
{
    struct fixture *f = *state;
    put_text(&f->a, 1, "pod");
    put_message(&f->a, 2, &f->d);
    put_message(&f->b, 2, &f->a); /* status.disruptedPods */
    put_message(&f->c, 3, &f->b);
    envelope(&f->body, "policy/v1", "PodDisruptionBudget", &f->c);
    expect_json(f, json_get(decode(f), "status"), "{\"disruptedPods\":{\"pod\":null}}");
}

static void a_refusal_tells_the_path(void **state)
{
    struct fixture *f = *state;
    struct json *j = NULL;
    put_text(&f->a, 1, "good");
    put_message(&f->b, 2, &f->a);
    put_text(&f->a, 2, "\xff");
    put_message(&f->b, 2, &f->a);
    put_message(&f->c, 2, &f->b);
    envelope(&f->body, "v1", "Pod", &f->c);
    assert_int_equal(protobuf_decode(&f->arena, buf_str(&f->body), &j, &f->err), -E_SYNTAX);
    assert_string_equal(f->err.text, "spec.containers[1].image: malformed protobuf: a string is "
                                     "not UTF-8");
    assert_null(j);
}

static void deep_and_wide_bodies_are_refused(void **state)
{
    struct fixture *f = *state;
    struct json *j;
    for (int i = 0; i < 120; i++) { /* JSONSchemaProps.not within itself */
        put_message(&f->b, 28, &f->a);
        buf_append_str(&f->a, buf_str(&f->b));
        buf_clear(&f->b);
    }
    put_message(&f->b, 1, &f->a);
    put_message(&f->c, 4, &f->b);
    put_message(&f->b, 7, &f->c);
    put_message(&f->a, 2, &f->b);
    envelope(&f->body, "apiextensions.k8s.io/v1", "CustomResourceDefinition", &f->a);
    assert_int_equal(protobuf_decode(&f->arena, buf_str(&f->body), &j, &f->err), -E_LIMIT);
    buf_clear(&f->body);
    buf_clear(&f->a);
    for (int i = 0; i <= JSON_OBJECT_MEMBERS; i++) {
        char key[16];
        snprintf(key, sizeof(key), "%d", i);
        put_text(&f->b, 1, key);
        put_message(&f->a, 2, &f->b);
    }
    envelope(&f->body, "v1", "ConfigMap", &f->a);
    assert_int_equal(protobuf_decode(&f->arena, buf_str(&f->body), &j, &f->err), -E_LIMIT);
}

int main(void)
{
#define T(x) cmocka_unit_test_setup_teardown(x, setup, teardown)
    const struct CMUnitTest tests[] = {
        T(maps_times_and_numbers_are_read),
        T(embedded_messages_lie_flat),
        T(quantities_and_ports_have_their_own_messages),
        T(malformed_bodies_are_refused),
        T(messages_within_embedded_messages_lie_flat),
        T(a_deployment_keeps_its_probe_and_resources),
        T(reviews_and_their_extra_values_are_read),
        T(schemas_of_custom_resources_take_either_form),
        T(a_key_without_a_time_stays),
        T(a_refusal_tells_the_path),
        T(deep_and_wide_bodies_are_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
