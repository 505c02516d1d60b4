/* The generated tables, and the documents made from them. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "schema/openapi.h"

static void resources_are_found_by_name(void **state)
{
    (void)state;
    const struct schema_resource *r = schema_resource_find(STR(""), STR("v1"), STR("pods"));
    assert_non_null(r);
    assert_string_equal(schema_resource_kind(r), "Pod");
    assert_string_equal(schema_resource_list_kind(r), "PodList");
    assert_string_equal(schema_resource_singular(r), "pod");
    assert_string_equal(schema_resource_short_names(r)[0], "po");
    assert_string_equal(schema_resource_categories(r)[0], "all");
    assert_true(schema_resource_namespaced(r));
    assert_int_equal(schema_resource_verbs(r), 0xff);
    r = schema_resource_find(STR("apps"), STR("v1"), STR("deployments/scale"));
    assert_string_equal(schema_resource_kind(r), "Scale");
    assert_string_equal(schema_resource_kind_group(r), "autoscaling");
    assert_string_equal(schema_resource_subresource(r), "scale");
    assert_string_equal(schema_type_name(schema_resource_type(r)),
                        "io.k8s.api.autoscaling.v1.Scale");
    r = schema_resource_find(STR(""), STR("v1"), STR("pods/exec"));
    assert_int_equal(schema_resource_verbs(r), SCHEMA_CONNECT);
    assert_null(schema_resource_type(r));
    assert_null(schema_resource_find(STR("apps"), STR("v1"), STR("pods")));
    assert_null(schema_resource_find(STR(""), STR("v1"), STR("")));
}

static void every_kind_that_is_served_has_a_type(void **state)
{
    (void)state;
    for (size_t i = 0; i < schema_resource_count(); i++) {
        const struct schema_resource *r = schema_resource_at(i);
        if (!schema_resource_type(r) && !(schema_resource_verbs(r) & SCHEMA_CONNECT))
            fail_msg("%s has no type", schema_resource_name(r));
        if ((schema_resource_verbs(r) & SCHEMA_LIST) &&
            !schema_type_of_kind(str_of(schema_resource_kind_group(r)),
                                 str_of(schema_resource_kind_version(r)),
                                 str_of(schema_resource_list_kind(r))))
            fail_msg("%s has no list type", schema_resource_name(r));
    }
}

static void groups_come_in_the_order_of_discovery(void **state)
{
    (void)state;
    assert_int_equal(schema_group_version_count(), 23);
    assert_string_equal(schema_group_version_at(0).group, "");
    for (size_t i = 0; i + 1 < schema_group_version_count(); i++)
        if (cstr_eq(schema_group_version_at(i).group, "autoscaling")) {
            assert_string_equal(schema_group_version_at(i).version, "v2");
            assert_string_equal(schema_group_version_at(i + 1).version, "v1");
            return;
        }
    fail_msg("autoscaling is missing");
}

static void every_field_is_found_by_its_name(void **state)
{
    (void)state;
    for (size_t i = 0; i < schema_type_count(); i++) {
        const struct schema_type *t = schema_type_at(i);
        assert_ptr_equal(schema_type_find(str_of(schema_type_name(t))), t);
        for (size_t k = 0; k < schema_type_field_count(t); k++) {
            const struct schema_field *f = schema_type_field_at(t, k);
            assert_ptr_equal(schema_type_field(t, str_of(schema_field_name(f))), f);
        }
        assert_null(schema_type_field(t, STR("noSuchField")));
        assert_null(schema_type_field(t, STR("")));
    }
}

static void fields_carry_their_merge_rules(void **state)
{
    (void)state;
    const struct schema_type *t = schema_type_find(STR("io.k8s.api.core.v1.Container"));
    const struct schema_field *f = schema_type_field(t, STR("ports"));
    assert_int_equal(schema_field_wrap(f), SCHEMA_ARRAY);
    assert_int_equal(schema_field_list_type(f), SCHEMA_LIST_MAP);
    assert_string_equal(schema_field_list_keys(f), "containerPort+protocol");
    assert_string_equal(schema_field_patch_key(f), "containerPort");
    assert_int_equal(schema_field_patch(f), SCHEMA_PATCH_MERGE);
    assert_string_equal(schema_type_go_name(schema_field_type(f)), "v1.ContainerPort");
    t = schema_type_find(STR("io.k8s.api.apps.v1.DeploymentSpec"));
    assert_true(schema_field_pointer(schema_type_field(t, STR("replicas"))));
    assert_false(schema_field_pointer(schema_type_field(t, STR("minReadySeconds"))));
    assert_int_equal(schema_field_patch(schema_type_field(t, STR("strategy"))),
                     SCHEMA_PATCH_RETAIN_KEYS);
}

static void every_openapi_v3_document_is_json_with_what_kubectl_needs(void **state)
{
    (void)state;
    for (size_t i = 0; i < schema_group_version_count(); i++) {
        struct schema_group_version v = schema_group_version_at(i);
        struct arena a;
        struct json *j;
        struct err err;
        CLEANUP_BUF struct buf b;
        buf_init(&b, 8 << 20);
        arena_init(&a, 64 << 20);
        assert_int_equal(openapi_v3(str_of(v.group), str_of(v.version), &b), 0);
        if (json_parse(&a, buf_str(&b), NULL, &j, &err))
            fail_msg("%s/%s: %s", v.group, v.version, err.text);
        for (const struct json *p = json_first(json_get(j, "paths")); p; p = p->next) {
            const struct json *patch = json_get(p, "patch");
            bool found = !patch;
            for (const struct json *q = json_first(json_get(patch, "parameters")); q; q = q->next)
                found = found || str_is(json_str(json_get(q, "name")), "fieldValidation");
            if (!found ||
                (patch &&
                 !*json_cstr(json_get(json_get(patch, "x-kubernetes-group-version-kind"), "kind"))))
                fail_msg("%s lacks what kubectl looks for", p->key.p);
        }
        arena_done(&a);
    }
    CLEANUP_BUF struct buf none;
    buf_init(&none, 1000000);
    assert_int_equal(openapi_v3(STR("no.such"), STR("v1"), &none), -E_NOT_FOUND);
}

/* Every length in the message fits into what surrounds it, down to the fields of the top message.
 */
static void openapi_v2_is_a_well_formed_message(void **state)
{
    (void)state;
    CLEANUP_BUF struct buf b;
    size_t at = 0, seen = 0;
    buf_init(&b, 8 << 20);
    assert_int_equal(openapi_v2_protobuf(&b), 0);
    while (at < buf_len(&b)) {
        unsigned tag = (unsigned char)b.data[b.head + at++];
        uint64_t length = 0;
        int shift = 0;
        assert_int_equal(tag & 7, 2);
        do {
            assert_true(at < buf_len(&b));
            length |= (uint64_t)(b.data[b.head + at] & 0x7f) << shift;
            shift += 7;
        } while (b.data[b.head + at++] & 0x80);
        assert_true(length <= buf_len(&b) - at);
        if (tag >> 3 == 9) /* definitions */
            assert_true(length > 200000);
        at += length;
        seen |= 1u << (tag >> 3);
    }
    assert_int_equal(seen, 1u << 1 | 1u << 2 | 1u << 8 | 1u << 9);
}

static void a_full_buffer_is_an_error(void **state)
{
    (void)state;
    CLEANUP_BUF struct buf b;
    buf_init(&b, 10000);
    assert_int_equal(openapi_v2_json(&b), -E_NOMEM);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(resources_are_found_by_name),
        cmocka_unit_test(every_kind_that_is_served_has_a_type),
        cmocka_unit_test(groups_come_in_the_order_of_discovery),
        cmocka_unit_test(every_field_is_found_by_its_name),
        cmocka_unit_test(fields_carry_their_merge_rules),
        cmocka_unit_test(every_openapi_v3_document_is_json_with_what_kubectl_needs),
        cmocka_unit_test(openapi_v2_is_a_well_formed_message),
        cmocka_unit_test(a_full_buffer_is_an_error),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
