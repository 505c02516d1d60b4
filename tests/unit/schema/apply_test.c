/* Server-side apply without a server: sets of places, what differs, merging, and who owns what. */
#include "tests/lib/tree.h"

#include <stdio.h>

#include "schema/managed.h"

static const char *text_of(const struct json *j)
{
    struct buf b CLEANUP_BUF;
    buf_init(&b, 1 << 20);
    json_write(&b, j);
    char *text = arena_strdup(&arena, buf_cstr(&b));
    assert_non_null(text);
    return text;
}

static void assert_json(const struct json *j, const char *yaml)
{
    assert_string_equal(text_of(j), text_of(parse_yaml(yaml)));
}

static struct apply_node type_of(const char *group, const char *version, const char *kind)
{
    const struct schema_type *t = schema_type_of_kind(str_of(group), str_of(version), str_of(kind));
    assert_non_null(t);
    return apply_node_of_type(t);
}

static struct fieldset set_of(const char *yaml)
{
    struct fieldset s;
    if (fieldset_read(&arena, parse_yaml(yaml), &s, &err))
        fail_msg("%s: %s", yaml, err.text);
    return s;
}

static void assert_set(const struct fieldset *s, const char *yaml)
{
    assert_json(fieldset_write(&arena, s), yaml);
}

/* ---- sets ---- */

static void test_a_set_is_read_and_written_in_canonical_form(void **state)
{
    (void)state;
    struct fieldset s = set_of("{'v:\"b\"': {}, 'f:b': {'f:c': {}, '.': {}}, 'f:a': {},"
                               " 'k:{\"b\": 1, \"a\":  \"x\"}': {'f:n': {}}, 'i:3': {}}");
    assert_set(&s, "{'f:a': {}, 'f:b': {'.': {}, 'f:c': {}},"
                   " 'k:{\"a\":\"x\",\"b\":1}': {'f:n': {}}, 'v:\"b\"': {}, 'i:3': {}}");
}

static void test_keys_are_sorted_by_number(void **state)
{
    (void)state;
    struct fieldset s = set_of("{'k:{\"p\":443}': {}, 'k:{\"p\":80}': {}, 'k:{\"p\":8080}': {}}");
    assert_set(&s, "{'k:{\"p\":80}': {}, 'k:{\"p\":443}': {}, 'k:{\"p\":8080}': {}}");
}

static void test_one_element_in_two_spellings_is_one(void **state)
{
    (void)state;
    struct fieldset s = set_of("{'k:{\"a\":1,\"b\":2}': {'f:x': {}},"
                               " 'k:{\"b\":2,\"a\":1}': {'f:y': {}}}");
    assert_set(&s, "{'k:{\"a\":1,\"b\":2}': {'f:x': {}, 'f:y': {}}}");
}

static void test_what_is_no_set_is_refused(void **state)
{
    static const char *const bad[] = {"[]",           "{a: {}}",       "{'x:a': {}}",
                                      "{'f:a': 1}",   "{'k:[]': {}}",  "{'k:{': {}}",
                                      "{'v:{}': {}}", "{'i:one': {}}", "{'f:a': {'f:b': []}}"};
    (void)state;
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        struct fieldset s;
        assert_int_equal(fieldset_read(&arena, parse_yaml(bad[i]), &s, &err), -E_SYNTAX);
    }
}

static void test_sets_combine(void **state)
{
    static const struct {
        const char *x, *y, *all, *both, *left, *without;
    } cases[] = {
        {"{'f:a': {}}", "{'f:b': {}}", "{'f:a': {}, 'f:b': {}}", "{}", "{'f:a': {}}",
         "{'f:a': {}}"},
        {"{'f:a': {'.': {}, 'f:x': {}}}", "{'f:a': {}}", "{'f:a': {'.': {}, 'f:x': {}}}",
         "{'f:a': {}}", "{'f:a': {'f:x': {}}}", "{}"},
        {"{'f:a': {'f:x': {}, 'f:y': {}}}", "{'f:a': {'f:y': {}, 'f:z': {}}}",
         "{'f:a': {'f:x': {}, 'f:y': {}, 'f:z': {}}}", "{'f:a': {'f:y': {}}}",
         "{'f:a': {'f:x': {}}}", "{'f:a': {'f:x': {}}}"},
        {"{}", "{'f:a': {}}", "{'f:a': {}}", "{}", "{}", "{}"},
    };
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct fieldset x = set_of(cases[i].x), y = set_of(cases[i].y), s;
        assert_int_equal(fieldset_union(&arena, &x, &y, &s), 0);
        assert_set(&s, cases[i].all);
        assert_int_equal(fieldset_intersection(&arena, &x, &y, &s), 0);
        assert_set(&s, cases[i].both);
        assert_int_equal(fieldset_difference(&arena, &x, &y, &s), 0);
        assert_set(&s, cases[i].left);
        assert_int_equal(fieldset_without(&arena, &x, &y, &s), 0);
        assert_set(&s, cases[i].without);
    }
}

static int gather(void *ctx, const char *path)
{
    buf_printf(ctx, "%s\n", path);
    return 0;
}

static void test_paths_read_as_upstream_writes_them(void **state)
{
    (void)state;
    struct buf b CLEANUP_BUF;
    buf_init(&b, 10000);
    struct fieldset s =
        set_of("{'f:spec': {'f:ports': {'k:{\"port\":80,\"protocol\":\"TCP\"}': {'f:name': {}}},"
               " 'f:finalizers': {'v:\"a/b\"': {}}, 'f:replicas': {}}}");
    assert_int_equal(fieldset_each(&arena, &s, gather, &b), 0);
    assert_string_equal(buf_cstr(&b), ".spec.finalizers[=\"a/b\"]\n"
                                      ".spec.ports[port=80,protocol=\"TCP\"].name\n"
                                      ".spec.replicas\n");
}

/* ---- places and differences ---- */

#define DEPLOYMENT "apps", "v1", "Deployment"

static void test_places_of_an_object_follow_its_type(void **state)
{
    struct fieldset s;
    (void)state;
    struct json *o = parse_yaml(
        "{metadata: {name: a, labels: {x: y}, finalizers: [p/q]}, spec: {replicas: 1,"
        " selector: {matchLabels: {a: b}}, template: {spec: {containers: [{name: c, args: [z],"
        " resources: {}, ports: [{containerPort: 80}], env: [{name: E, value: v}]}],"
        " nodeSelector: {k: v}}}}}");
    assert_int_equal(apply_places(&arena, type_of(DEPLOYMENT), o, &s), 0);
    assert_set(&s, "{'f:metadata': {'f:finalizers': {'v:\"p/q\"': {}}, 'f:labels': {'f:x': {}},"
                   " 'f:name': {}}, 'f:spec': {'f:replicas': {}, 'f:selector': {}, 'f:template':"
                   " {'f:spec': {'f:containers': {'k:{\"name\":\"c\"}': {'.': {}, 'f:args': {},"
                   " 'f:env': {'k:{\"name\":\"E\"}': {'.': {}, 'f:name': {}, 'f:value': {}}},"
                   " 'f:name': {}, 'f:ports': {'k:{\"containerPort\":80,\"protocol\":\"TCP\"}':"
                   " {'.': {}, 'f:containerPort': {}}}, 'f:resources': {}}},"
                   " 'f:nodeSelector': {}}}}}");
}

static void assert_difference(struct apply_node n, const char *old, const char *now,
                              const char *removed, const char *modified, const char *added)
{
    struct apply_difference d;
    assert_int_equal(apply_compare(&arena, n, old ? parse_yaml(old) : NULL, parse_yaml(now), &d), 0);
    assert_set(&d.removed, removed);
    assert_set(&d.modified, modified);
    assert_set(&d.added, added);
}

static void test_differences_name_containers_that_came_and_went(void **state)
{
    struct apply_node n = type_of("", "v1", "ConfigMap");
    (void)state;
    assert_difference(n, NULL, "{data: {a: b}}", "{}", "{}", "{'f:data': {'.': {}, 'f:a': {}}}");
    assert_difference(n, "{data: {a: b}}", "{data: {a: c, d: e}}", "{}", "{'f:data': {'f:a': {}}}",
                      "{'f:data': {'f:d': {}}}");
    assert_difference(n, "{data: {a: b}}", "{}", "{'f:data': {'.': {}, 'f:a': {}}}", "{}", "{}");
    assert_difference(n, "{data: {a: b}, metadata: {name: x}}",
                      "{metadata: {name: x}, data: {a: b}}", "{}", "{}", "{}");
    assert_difference(n, "{data: {}}", "{}", "{'f:data': {}}", "{}", "{}");
}

static void test_duplicates_are_one_place(void **state)
{
    struct apply_node n = type_of("", "v1", "Pod");
    (void)state;
    assert_difference(n, "{spec: {containers: [{name: c, env: [{name: A, value: x}]}]}}",
                      "{spec: {containers: [{name: c, env: [{name: A, value: x},"
                      " {name: A, value: y}]}]}}",
                      "{'f:spec': {'f:containers': {'k:{\"name\":\"c\"}': {'f:env':"
                      " {'k:{\"name\":\"A\"}': {'.': {}, 'f:name': {}, 'f:value': {}}}}}}}",
                      "{}",
                      "{'f:spec': {'f:containers': {'k:{\"name\":\"c\"}': {'f:env':"
                      " {'k:{\"name\":\"A\"}': {}}}}}}");
}

static void test_large_maps_are_compared_in_time(void **state)
{
    struct buf b CLEANUP_BUF, c CLEANUP_BUF;
    struct json *x, *y;
    struct apply_difference d;
    (void)state;
    buf_init(&b, 1 << 22);
    buf_init(&c, 1 << 22);
    buf_puts(&b, "{\"data\":{");
    buf_puts(&c, "{\"data\":{");
    for (int i = 0; i < 16000; i++) {
        buf_printf(&b, "%s\"k%d\":\"v\"", i ? "," : "", i);
        buf_printf(&c, "%s\"k%d\":\"v\"", i ? "," : "", 15999 - i);
    }
    buf_puts(&b, "}}");
    buf_puts(&c, "}}");
    assert_int_equal(json_parse(&arena, buf_str(&b), NULL, &x, &err), 0);
    assert_int_equal(json_parse(&arena, buf_str(&c), NULL, &y, &err), 0);
    assert_int_equal(apply_compare(&arena, type_of("", "v1", "ConfigMap"), x, y, &d), 0);
    assert_true(apply_same(&d));
}

/* ---- merging ---- */

static void test_configurations_merge(void **state)
{
#define C(list) "{spec: {containers: [" list "]}}"
    static const struct {
        const char *live, *config, *merged;
    } cases[] = {
        {"{spec: {nodeName: a}}", "{spec: {hostname: h}}", "{spec: {nodeName: a, hostname: h}}"},
        {"{metadata: {labels: {a: b}}}", "{metadata: {labels: {c: d}}}",
         "{metadata: {labels: {a: b, c: d}}}"},
        {"{metadata: {labels: {a: b}}}", "{metadata: {labels: {}}}",
         "{metadata: {labels: {a: b}}}"},
        {"{metadata: {labels: {a: b}}}", "{metadata: {labels: null}}",
         "{metadata: {labels: {a: b}}}"},
        {"{spec: {hostname: x}}", "{spec: {hostname: null}}", "{spec: {hostname: null}}"},
        {"{spec: {nodeSelector: {a: b}}}", "{spec: {nodeSelector: {c: d}}}",
         "{spec: {nodeSelector: {c: d}}}"},
        {C("{name: a, image: i}, {name: b}"), C("{name: b, image: j}"),
         C("{name: a, image: i}, {name: b, image: j}")},
        {C("{name: a}, {name: b}, {name: c}"), C("{name: c}, {name: a}"),
         C("{name: b}, {name: c}, {name: a}")},
        {C("{name: a}, {name: b}"), C("{name: x}, {name: b}"),
         C("{name: a}, {name: x}, {name: b}")},
        {C("{name: a}"), C("{name: x}"), C("{name: a}, {name: x}")},
        {C("{name: a, command: [x, y]}"), C("{name: a, command: [z]}"),
         C("{name: a, command: [z]}")},
        {"{metadata: {finalizers: [a/a, b/b]}}", "{metadata: {finalizers: [c/c, a/a]}}",
         "{metadata: {finalizers: [c/c, a/a, b/b]}}"},
    };
#undef C
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct json *live = parse_yaml(cases[i].live);
        assert_int_equal(
            apply_merge(&arena, type_of("", "v1", "Pod"), live, parse_yaml(cases[i].config), &err), 0);
        assert_json(live, cases[i].merged);
    }
}

static void test_what_does_not_fit_its_type_is_named(void **state)
{
    static const struct {
        const char *config, *problem;
    } cases[] = {
        {"{spec: {foo: 1}}", ".spec.foo: field not declared in schema"},
        {"{spec: {replicas: two}}", ".spec.replicas: expected numeric (int or float), got string"},
        {"{spec: {paused: 1}}", ".spec.paused: expected boolean, got &{1}"},
        {"{metadata: {labels: {a: 1}}}",
         ".metadata.labels.a: expected string, got &value.valueUnstructured{Value:1}"},
        {"{spec: {template: {spec: {containers: [{name: a}, {name: a}]}}}}",
         ".spec.template.spec.containers: duplicate entries for key [name=\"a\"]"},
        {"{spec: {template: {spec: {containers: [{name: a, image: 1}]}}}, x: 1}",
         "errors:\n  .spec.template.spec.containers[name=\"a\"].image: expected string, got "
         "&value.valueUnstructured{Value:1}\n  .x: field not declared in schema"},
        {"{spec: [1]}", ".spec: expected map, got &{[...]}"},
    };
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        const char *problems = NULL;
        assert_int_equal(
            apply_check(&arena, type_of(DEPLOYMENT), parse_yaml(cases[i].config), &problems),
            -E_INVALID);
        assert_string_equal(problems, cases[i].problem);
    }
    const char *none = NULL;
    assert_int_equal(
        apply_check(&arena, type_of(DEPLOYMENT), parse_yaml("{spec: {replicas: null}}"), &none), 0);
}

/* ---- custom types ---- */

static const char crd[] =
    "{type: object, properties: {spec: {type: object, properties: {"
    " size: {type: integer}, mode: {x-kubernetes-int-or-string: true},"
    " tags: {type: array, x-kubernetes-list-type: set, items: {type: string}},"
    " plain: {type: array, items: {type: object, properties: {a: {type: string}}}},"
    " parts: {type: array, x-kubernetes-list-type: map, x-kubernetes-list-map-keys: [id],"
    "   items: {type: object, properties: {id: {type: string}, v: {type: integer}}}},"
    " whole: {type: object, x-kubernetes-map-type: atomic, additionalProperties:"
    "   {type: string}},"
    " free: {type: object, x-kubernetes-preserve-unknown-fields: true}}}}}";

static void test_structural_schemas_are_followed(void **state)
{
    struct fieldset s;
    const char *problems = NULL;
    (void)state;
    struct apply_node n = apply_node_of_custom(parse_yaml(crd));
    struct json *o = parse_yaml("{apiVersion: a/v1, kind: A, metadata: {name: x, labels: {l: m}},"
                           " spec: {size: 1, mode: 5, tags: [t], plain: [{a: b}], parts:"
                           " [{id: p, v: 1}], whole: {k: v}, free: {deep: {er: [1]}}}}");
    assert_int_equal(apply_check(&arena, n, o, &problems), 0);
    assert_int_equal(apply_places(&arena, n, o, &s), 0);
    assert_set(&s, "{'f:apiVersion': {}, 'f:kind': {}, 'f:metadata': {'f:labels': {'f:l': {}},"
                   " 'f:name': {}}, 'f:spec': {'f:free': {'f:deep': {'.': {}, 'f:er': {}}},"
                   " 'f:mode': {}, 'f:parts': {'k:{\"id\":\"p\"}': {'.': {}, 'f:id': {},"
                   " 'f:v': {}}}, 'f:plain': {}, 'f:size': {}, 'f:tags': {'v:\"t\"': {}},"
                   " 'f:whole': {}}}");
    assert_int_equal(apply_check(&arena, n, parse_yaml("{spec: {siz: 1}}"), &problems), -E_INVALID);
    assert_string_equal(problems, ".spec.siz: field not declared in schema");
    assert_int_equal(apply_check(&arena, n, parse_yaml("{spec: {parts: [{v: 1}]}}"), &problems),
                     -E_INVALID);
    assert_string_equal(problems,
                        ".spec.parts: element 0: associative list with keys has an element "
                        "that omits all key fields [\"id\"] (and doesn't have default "
                        "values for any key fields)");
}

static void test_without_a_schema_maps_are_granular_and_lists_atomic(void **state)
{
    struct fieldset s;
    (void)state;
    struct apply_node n = apply_node_of_custom(NULL);
    assert_int_equal(apply_places(&arena, n,
                                  parse_yaml("{metadata: {labels: {a: b}}, spec: {x: [1], w: {z: 1}}}"),
                                  &s),
                     0);
    assert_set(&s, "{'f:metadata': {'f:labels': {'f:a': {}}}, 'f:spec': {'.': {},"
                   " 'f:w': {'.': {}, 'f:z': {}}, 'f:x': {}}}");
    assert_difference(n, "{spec: {x: 1}}", "{spec: {x: {w: 2}}}", "{}", "{'f:spec': {'f:x': {}}}",
                      "{'f:spec': {'f:x': {'f:w': {}}}}");
}

static void test_sets_follow_types_that_became_atomic(void **state)
{
    (void)state;
    struct fieldset s = set_of("{'f:metadata': {'f:labels': {'f:a': {}}}, 'f:spec': {'f:plain':"
                               " {'k:{\"a\":\"b\"}': {'.': {}, 'f:a': {}}}, 'f:size': {},"
                               " 'f:whole': {'.': {}, 'f:x': {}}, 'f:free': {'f:y': {}}}}");
    assert_int_equal(apply_reconcile(&arena, apply_node_of_custom(parse_yaml(crd)), &s, &s), 0);
    assert_set(&s, "{'f:metadata': {'f:labels': {'f:a': {}}}, 'f:spec': {'f:free': {'f:y': {}},"
                   " 'f:plain': {}, 'f:size': {}, 'f:whole': {}}}");
}

int main(void)
{
#define T(name) cmocka_unit_test_setup_teardown(test_##name, setup, teardown)
    const struct CMUnitTest tests[] = {
        T(a_set_is_read_and_written_in_canonical_form),
        T(keys_are_sorted_by_number),
        T(one_element_in_two_spellings_is_one),
        T(what_is_no_set_is_refused),
        T(sets_combine),
        T(paths_read_as_upstream_writes_them),
        T(places_of_an_object_follow_its_type),
        T(differences_name_containers_that_came_and_went),
        T(duplicates_are_one_place),
        T(large_maps_are_compared_in_time),
        T(configurations_merge),
        T(what_does_not_fit_its_type_is_named),
        T(structural_schemas_are_followed),
        T(sets_follow_types_that_became_atomic),
        T(without_a_schema_maps_are_granular_and_lists_atomic),
    };
#undef T
    return cmocka_run_group_tests(tests, NULL, NULL);
}
