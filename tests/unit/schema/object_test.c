/* Strict checking, defaults, strategic merge, tables. */
#include "tests/lib/tree.h"

#include <stdio.h>

#include "schema/printers.h"

static const struct schema_type *type_of(const char *kind)
{
    const struct schema_type *t = schema_type_of_kind(STR(""), STR("v1"), str_of(kind));
    return t ? t : schema_type_of_kind(STR("apps"), STR("v1"), str_of(kind));
}

static void expect_equal(const struct json *j, const char *yaml)
{
    if (json_equal(j, parse_yaml(yaml)))
        return;
    CLEANUP_BUF struct buf b;
    buf_init(&b, 1 << 20);
    yaml_write(&b, j);
    fail_msg("got:\n%s\nexpected:\n%s", buf_cstr(&b), yaml);
}

static void expect_checked(const char *kind, const char *in, const char *out)
{
    struct json *j = parse_yaml(in);
    if (schema_check(&arena, type_of(kind), j, SCHEMA_STRICT, NULL, &err))
        fail_msg("%s: %s", in, err.text);
    expect_equal(j, out);
}

static void expect_refused(const char *kind, const char *in, const char *message)
{
    assert_int_equal(schema_check(&arena, type_of(kind), parse_yaml(in), SCHEMA_STRICT, NULL, &err),
                     -E_BAD_REQUEST);
    assert_string_equal(err.text, message);
}

static void unknown_fields_are_named_by_path(void **state)
{
    (void)state;
    const char *in = "metadata: {name: a, q: 1}\nspec: {foo: 1, containers: [{name: c, bar: 2}]}\n";
    expect_refused(
        "Pod", in,
        "strict decoding error: unknown field \"metadata.q\", unknown field \"spec.foo\", "
        "unknown field \"spec.containers[0].bar\"");
    struct schema_problems p = {0};
    struct json *j = parse_yaml(in);
    assert_int_equal(schema_check(&arena, type_of("Pod"), j, SCHEMA_WARN, &p, &err), 0);
    assert_int_equal(p.count, 3);
    assert_string_equal(p.first->text, "unknown field \"metadata.q\"");
    assert_null(json_path(j, "spec.foo"));
    p = (struct schema_problems){0};
    assert_int_equal(schema_check(&arena, type_of("Pod"), parse_yaml(in), SCHEMA_IGNORE, &p, &err), 0);
    assert_int_equal(p.count, 0);
}

static void wrong_types_are_refused_as_upstream_words_it(void **state)
{
    (void)state;
    expect_refused("Pod", "spec: {containers: x}",
                   "json: cannot unmarshal string into Go struct field PodSpec.spec.containers of "
                   "type []v1.Container");
    expect_refused("Pod", "spec: {containers: [{ports: [{containerPort: '80'}]}]}",
                   "json: cannot unmarshal string into Go struct field "
                   "ContainerPort.spec.containers.ports.containerPort of type int32");
    expect_refused("Pod", "spec: {containers: [{ports: [{containerPort: 4294967296}]}]}",
                   "json: cannot unmarshal number 4294967296 into Go struct field "
                   "ContainerPort.spec.containers.ports.containerPort of type int32");
    expect_refused("Pod", "metadata: {labels: {a: 1}}",
                   "json: cannot unmarshal number into Go struct field ObjectMeta.metadata.labels "
                   "of type string");
    expect_refused("Pod", "[]", "json: cannot unmarshal array into Go value of type v1.Pod");
    expect_refused(
        "Pod", "spec: {hostNetwork: 'x'}",
        "json: cannot unmarshal string into Go struct field PodSpec.spec.hostNetwork of type bool");
    expect_refused("Pod", "metadata: {creationTimestamp: x}",
                   "parsing time \"x\" as \"2006-01-02T15:04:05Z07:00\": cannot parse");
    expect_refused("Secret", "data: {a: '*'}", "illegal base64 data in data.a");
}

static void quantities_must_be_quantities(void **state)
{
    (void)state;
    struct json *j = parse_yaml("spec: {containers: [{name: c, resources: {limits: {cpu: 1x}}}]}");
    assert_int_equal(schema_check(&arena, type_of("Pod"), j, SCHEMA_IGNORE, NULL, &err),
                     -E_BAD_REQUEST);
    assert_non_null(strstr(err.text, "spec.containers[0].resources.limits.cpu"));
    assert_non_null(strstr(err.text, "quantities must match the regular expression"));
}

static void objects_get_upstreams_form(void **state)
{
    (void)state;
    expect_checked(
        "Pod",
        "{metadata: {name: a, creationTimestamp: null, labels: {}, annotations: {x: ''}}, spec: "
        "{nodeName: '', "
        "terminationGracePeriodSeconds: 0, volumes: [], containers: [{name: c, env: [], resources: "
        "{limits: {cpu: "
        "0.5, memory: 1024Mi}}, livenessProbe: {httpGet: {port: 80}, initialDelaySeconds: 0}}]}}",
        "{metadata: {name: a, annotations: {x: ''}}, spec: {terminationGracePeriodSeconds: 0, "
        "containers: "
        "[{name: c, resources: {limits: {cpu: 500m, memory: 1Gi}}, livenessProbe: {httpGet: {port: "
        "80}}}]}, "
        "status: {}}");
    expect_checked("Deployment", "{spec: {replicas: 0, selector: {}, template: {}}}",
                   "{metadata: {}, spec: {replicas: 0, selector: {}, strategy: {}, template: "
                   "{metadata: {}, spec: {}}}, "
                   "status: {}}");
    expect_checked("ConfigMap", "{data: {a: null}, immutable: false}",
                   "{metadata: {}, data: {a: ''}, immutable: false}");
    expect_checked("Secret", "{data: {a: \"YQ=\\n=\"}}", "{metadata: {}, data: {a: YQ==}}");
    expect_checked(
        "Event",
        "{eventTime: '2026-01-01T00:00:00.5Z', lastTimestamp: '2026-01-01T01:00:00+01:00'}",
        "{metadata: {}, involvedObject: {}, source: {}, reportingComponent: '', reportingInstance: "
        "'', eventTime: "
        "'2026-01-01T00:00:00.500000Z', lastTimestamp: '2026-01-01T00:00:00Z'}");
}

static void checking_twice_changes_nothing(void **state)
{
    (void)state;
    struct json *j = parse_yaml("{spec: {template: {spec: {containers: [{name: c, image: x}]}}}}");
    assert_int_equal(schema_check(&arena, type_of("Deployment"), j, SCHEMA_STRICT, NULL, &err), 0);
    struct json *once = json_clone(&arena, j);
    assert_int_equal(schema_check(&arena, type_of("Deployment"), j, SCHEMA_STRICT, NULL, &err), 0);
    assert_true(json_equal(once, j));
}

/* What a patch has grown past the reader's bounds must not be stored: nobody could read it back. */
static void objects_that_could_not_be_read_back_are_refused(void **state)
{
    (void)state;
    struct json *j = parse_yaml("{kind: ConfigMap}"), *data = json_object_at(&arena, j, "data");
    for (int i = 0; i <= JSON_OBJECT_MEMBERS; i++) {
        char key[16];
        snprintf(key, sizeof(key), "k%d", i);
        /* linked by hand: setting by key looks at all that is there */
        struct json *m = json_new_cstr(&arena, "v");
        m->key = arena_str(&arena, str_of(key));
        *(data->list.first ? &data->list.last->next : &data->list.first) = m;
        data->list.last = m;
        data->list.count++;
    }
    assert_int_equal(schema_check(&arena, type_of("ConfigMap"), j, SCHEMA_IGNORE, NULL, &err),
                     -E_LIMIT);
    struct json *deep = json_new(&arena, JSON_OBJECT), *top = deep;
    for (int i = 0; i < 100; i++)
        deep = json_object_at(&arena, deep, "x");
    assert_int_equal(schema_check(&arena, type_of("ConfigMap"), top, SCHEMA_IGNORE, NULL, &err),
                     -E_LIMIT);
}

static void presets_are_set_where_the_parent_is(void **state)
{
    (void)state;
    struct json *j = parse_yaml(
        "{spec: {containers: [{ports: [{containerPort: 1}, {containerPort: 2, protocol: UDP}]}]}}");
    assert_int_equal(schema_default(&arena, type_of("Pod"), j), 0);
    expect_equal(j, "{spec: {containers: [{ports: [{containerPort: 1, protocol: TCP}, "
                    "{containerPort: 2, protocol: UDP}]}]}}");
}

static void expect_merged(const char *kind, const char *object, const char *patch,
                          const char *result)
{
    struct json *merged;
    if (schema_strategic_merge(&arena, type_of(kind), parse_yaml(object), parse_yaml(patch), &merged, &err))
        fail_msg("%s: %s", patch, err.text);
    expect_equal(merged, result);
}

static void lists_merge_by_their_key(void **state)
{
    (void)state;
    expect_merged(
        "Pod", "{spec: {containers: [{name: a, image: x}, {name: b, image: u}]}}",
        "{spec: {containers: [{name: b, image: z}, {name: c, image: w}]}}",
        "{spec: {containers: [{name: a, image: x}, {name: b, image: z}, {name: c, image: w}]}}");
    expect_merged("Pod", "{spec: {tolerations: [{key: a}]}}", "{spec: {tolerations: [{key: b}]}}",
                  "{spec: {tolerations: [{key: b}]}}");
    expect_merged("Pod", "{metadata: {finalizers: [a, b]}}", "{metadata: {finalizers: [b, c]}}",
                  "{metadata: {finalizers: [a, b, c]}}");
    expect_merged("Pod", "{metadata: {labels: {a: '1', b: '2'}}}",
                  "{metadata: {labels: {b: null, c: '3'}}}",
                  "{metadata: {labels: {a: '1', c: '3'}}}");
    expect_merged(
        "Pod", "{spec: {containers: [{name: a, env: [{name: U, value: '1'}]}]}}",
        "{spec: {containers: [{name: a, env: [{name: V, value: '2'}]}]}}",
        "{spec: {containers: [{name: a, env: [{name: V, value: '2'}, {name: U, value: '1'}]}]}}");
}

static void directives_are_followed(void **state)
{
    (void)state;
    expect_merged("Pod", "{spec: {containers: [{name: a}, {name: b}]}}",
                  "{spec: {containers: [{name: a, $patch: delete}]}}",
                  "{spec: {containers: [{name: b}]}}");
    expect_merged("Pod", "{spec: {containers: [{name: a}, {name: b}]}}",
                  "{spec: {containers: [{$patch: replace}, {name: z}]}}",
                  "{spec: {containers: [{name: z}]}}");
    expect_merged("Pod", "{metadata: {labels: {a: '1'}}}",
                  "{metadata: {labels: {$patch: replace, b: '2'}}}",
                  "{metadata: {labels: {b: '2'}}}");
    expect_merged("Pod", "{metadata: {labels: {a: '1'}}}", "{metadata: {labels: {$patch: delete}}}",
                  "{metadata: {labels: {}}}");
    expect_merged("Pod", "{metadata: {finalizers: [a, b, c]}}",
                  "{metadata: {$deleteFromPrimitiveList/finalizers: [b]}}",
                  "{metadata: {finalizers: [a, c]}}");
    expect_merged("Deployment",
                  "{spec: {strategy: {type: RollingUpdate, rollingUpdate: {maxSurge: 1}}}}",
                  "{spec: {strategy: {$retainKeys: [type], type: Recreate}}}",
                  "{spec: {strategy: {type: Recreate}}}");
}

static void element_order_is_followed(void **state)
{
    (void)state;
    expect_merged("Pod", "{spec: {containers: [{name: a}, {name: b}, {name: c}]}}",
                  "{spec: {$setElementOrder/containers: [{name: c}, {name: a}, {name: d}], "
                  "containers: [{name: d}]}}",
                  "{spec: {containers: [{name: b}, {name: c}, {name: a}, {name: d}]}}");
    expect_merged("Pod", "{spec: {containers: [{name: a}, {name: b}]}}",
                  "{spec: {$setElementOrder/containers: [{name: b}, {name: a}]}}",
                  "{spec: {containers: [{name: b}, {name: a}]}}");
}

static void bad_patches_are_refused_and_leave_the_object_alone(void **state)
{
    (void)state;
    static const char *const wrong[] = {"{spec: {containers: [{image: x}]}}",
                                        "{spec: {containers: [x]}}",
                                        "{spec: {$patch: burn}}",
                                        "{spec: {containers: [{$patch: delete}]}}",
                                        "{metadata: {$deleteFromPrimitiveList/finalizers: x}}",
                                        "{spec: {$setElementOrder/nothing: []}}",
                                        "{spec: {$retainKeys: [a], b: 1}}"};
    struct json *object = parse_yaml("{metadata: {finalizers: [a]}, spec: {containers: [{name: a}]}}"),
                *merged = NULL;
    struct json *before = json_clone(&arena, object);
    for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++)
        if (schema_strategic_merge(&arena, type_of("Pod"), object, parse_yaml(wrong[i]), &merged,
                                   &err) != -E_BAD_REQUEST)
            fail_msg("accepted: %s", wrong[i]);
    assert_null(merged);
    assert_true(json_equal(object, before));
}

/* ---- tables ---- */

static void expect_cells(const char *resource, const char *object, const char *cells)
{
    const struct printers_options o = {.now_ms = 1000000000000, .include = PRINTERS_NONE};
    const struct schema_resource *r = schema_resource_find(STR(""), STR("v1"), str_of(resource));
    r = r ? r : schema_resource_find(STR("apps"), STR("v1"), str_of(resource));
    r = r ? r : schema_resource_find(STR("discovery.k8s.io"), STR("v1"), str_of(resource));
    struct json *row = printers_row(&arena, r, parse_yaml(object), &o);
    assert_int_equal(json_count(json_get(row, "cells")), json_count(printers_columns(&arena, r)));
    CLEANUP_BUF struct buf b;
    buf_init(&b, 10000);
    for (const struct json *c = json_first(json_get(row, "cells")); c; c = c->next) {
        buf_puts(&b, c == json_first(json_get(row, "cells")) ? "" : "|");
        if (c->type == JSON_STRING)
            buf_append_str(&b, c->string);
        else
            json_write(&b, c);
    }
    assert_string_equal(buf_cstr(&b), cells);
}

static void pods_are_shown_as_kubectl_users_know_them(void **state)
{
    (void)state;
    expect_cells("pods",
                 "{metadata: {name: a, creationTimestamp: '2001-09-09T01:41:40Z'}, spec: "
                 "{nodeName: m, containers: "
                 "[{}, {}]}, status: {phase: Running, podIP: 10.1.1.1, containerStatuses: [{ready: "
                 "true, restartCount: 2, "
                 "state: {running: {}}, lastState: {terminated: {finishedAt: "
                 "'2001-09-09T01:46:35Z'}}}, {ready: false, "
                 "restartCount: 1, state: {waiting: {reason: CrashLoopBackOff}}}]}}",
                 "a|1/2|CrashLoopBackOff|3 (5s ago)|5m|10.1.1.1|m|<none>|<none>");
    expect_cells("pods",
                 "{metadata: {name: a}, spec: {containers: [{}], initContainers: [{name: i}, "
                 "{name: j}]}, status: "
                 "{phase: Pending, initContainerStatuses: [{name: i, state: {terminated: "
                 "{exitCode: 0}}}, {name: j, state: "
                 "{running: {}}}]}}",
                 "a|0/1|Init:1/2|0|<unknown>|<none>|<none>|<none>|<none>");
    expect_cells("pods",
                 "{metadata: {name: a}, spec: {containers: [{}], initContainers: [{name: i}]}, "
                 "status: {phase: Pending, "
                 "initContainerStatuses: [{name: i, restartCount: 1, state: {terminated: "
                 "{exitCode: 3, reason: Error}}}]}}",
                 "a|0/1|Init:Error|1|<unknown>|<none>|<none>|<none>|<none>");
    expect_cells("pods",
                 "{metadata: {name: a, deletionTimestamp: '2001-09-09T01:46:40Z'}, spec: "
                 "{containers: [{}]}, status: "
                 "{phase: Running, containerStatuses: [{ready: true, state: {running: {}}}]}}",
                 "a|1/1|Terminating|0|<unknown>|<none>|<none>|<none>|<none>");
    expect_cells("pods",
                 "{metadata: {name: a}, spec: {containers: [{}]}, status: {phase: Succeeded, "
                 "containerStatuses: "
                 "[{state: {terminated: {exitCode: 0, reason: Completed}}}]}}",
                 "a|0/1|Completed|0|<unknown>|<none>|<none>|<none>|<none>");
    expect_cells("pods",
                 "{metadata: {name: a}, spec: {containers: [{}], initContainers: [{name: s, "
                 "restartPolicy: Always}]}, "
                 "status: {phase: Running, conditions: [{type: Initialized, status: 'True'}], "
                 "initContainerStatuses: [{name: s, "
                 "started: true, ready: true, state: {running: {}}}], containerStatuses: [{ready: "
                 "true, state: {running: {}}}]}}",
                 "a|2/2|Running|0|<unknown>|<none>|<none>|<none>|<none>");
}

static void common_kinds_have_upstreams_columns(void **state)
{
    (void)state;
    expect_cells("deployments",
                 "{metadata: {name: d}, spec: {replicas: 3, selector: {matchLabels: {a: b}}, "
                 "template: {spec: "
                 "{containers: [{name: x, image: i}, {name: z, image: k}]}}}, status: "
                 "{readyReplicas: 1, updatedReplicas: 2, "
                 "availableReplicas: 1}}",
                 "d|1/3|2|1|<unknown>|x,z|i,k|a=b");
    expect_cells("services",
                 "{metadata: {name: s}, spec: {type: NodePort, clusterIP: 10.96.0.1, clusterIPs: "
                 "[10.96.0.1], ports: "
                 "[{port: 80, nodePort: 30080, protocol: TCP}, {port: 53, protocol: UDP}], "
                 "selector: {b: c, a: d}}}",
                 "s|NodePort|10.96.0.1|<none>|80:30080/TCP,53/UDP|<unknown>|a=d,b=c");
    expect_cells(
        "nodes",
        "{metadata: {name: m, labels: {node-role.kubernetes.io/control-plane: ''}}, spec: "
        "{unschedulable: "
        "true}, status: {conditions: [{type: Ready, status: 'True'}], addresses: [{type: "
        "InternalIP, address: 10.0.0.1}], "
        "nodeInfo: {kubeletVersion: v1.35.0, osImage: o, kernelVersion: k, "
        "containerRuntimeVersion: c}}}",
        "m|Ready,SchedulingDisabled|control-plane|<unknown>|v1.35.0|10.0.0.1|<none>|o|k|c");
    expect_cells("configmaps", "{metadata: {name: c}, data: {a: '', b: ''}}", "c|2|<unknown>");
    expect_cells("endpointslices",
                 "{metadata: {name: e}, addressType: IPv4, ports: [{port: 80}], endpoints: "
                 "[{addresses: [a]}, "
                 "{addresses: [b]}, {addresses: [c]}, {addresses: [d]}]}",
                 "e|IPv4|80|a,b,c + 1 more...|<unknown>");
    expect_cells("events",
                 "{metadata: {name: e}, type: Normal, reason: R, involvedObject: {kind: Pod, name: "
                 "p}, source: "
                 "{component: k, host: h}, message: ' m ', lastTimestamp: '2001-09-09T01:46:30Z', "
                 "firstTimestamp: "
                 "'2001-09-09T01:45:00Z', count: 3}",
                 "10s|Normal|R|pod/p||k, h|m|100s|3|e");
}

static void every_resource_has_a_cell_for_each_column(void **state)
{
    (void)state;
    const struct printers_options o = {.now_ms = 1000000000000, .include = PRINTERS_METADATA};
    for (size_t i = 0; i < schema_resource_count(); i++) {
        const struct schema_resource *r = schema_resource_at(i);
        struct json *table = printers_table(&arena, r, parse_yaml("{metadata: {name: x}}"), &o);
        const struct json *row = json_first(json_get(table, "rows"));
        if (json_count(json_get(row, "cells")) != json_count(json_get(table, "columnDefinitions")))
            fail_msg("%s: %u cells, %u columns", schema_resource_name(r),
                     json_count(json_get(row, "cells")),
                     json_count(json_get(table, "columnDefinitions")));
        assert_string_equal(json_path_cstr(row, "object.kind"), "PartialObjectMetadata");
    }
}

static void ages_are_human(void **state)
{
    (void)state;
    static const struct {
        int64_t seconds;
        const char *text;
    } ages[] = {{0, "0s"},
                {119, "119s"},
                {120, "2m"},
                {125, "2m5s"},
                {599, "9m59s"},
                {660, "11m"},
                {3 * 3600, "3h"},
                {3 * 3600 + 60, "3h1m"},
                {9 * 3600 + 60, "9h"},
                {47 * 3600, "47h"},
                {49 * 3600, "2d1h"},
                {8 * 86400, "8d"},
                {400 * 86400, "400d"},
                {731 * 86400, "2y1d"},
                {9 * 365 * 86400, "9y"},
                {-5, "<invalid>"}};
    char text[16];
    for (size_t i = 0; i < sizeof(ages) / sizeof(ages[0]); i++) {
        printers_age(text, ages[i].seconds * 1000);
        assert_string_equal(text, ages[i].text);
    }
}

int main(void)
{
#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
    const struct CMUnitTest tests[] = {
        T(unknown_fields_are_named_by_path),
        T(wrong_types_are_refused_as_upstream_words_it),
        T(quantities_must_be_quantities),
        T(objects_get_upstreams_form),
        T(checking_twice_changes_nothing),
        T(objects_that_could_not_be_read_back_are_refused),
        T(presets_are_set_where_the_parent_is),
        T(lists_merge_by_their_key),
        T(directives_are_followed),
        T(element_order_is_followed),
        T(bad_patches_are_refused_and_leave_the_object_alone),
        T(pods_are_shown_as_kubectl_users_know_them),
        T(common_kinds_have_upstreams_columns),
        T(every_resource_has_a_cell_for_each_column),
        T(ages_are_human),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
