/* Ingresses, IngressClasses, NetworkPolicies, IPAddresses, ServiceCIDRs. */
#include "cases.h"

#define API       "/apis/networking.k8s.io/v1/"
#define INGRESSES API "namespaces/default/ingresses"
#define CLASSES   API "ingressclasses"
#define POLICIES  API "namespaces/default/networkpolicies"
#define ADDRESSES API "ipaddresses"
#define CIDRS     API "servicecidrs"
#define SPEC(...) J({"metadata":{"name":"n"},"spec":{__VA_ARGS__}})
#define BACKEND   "backend":{"service":{"name":"s","port":{"number":80}}}
#define PATH(...) SPEC("rules":[{"http":{"paths":[{__VA_ARGS__}]}}])
#define CLASS(...) SPEC("controller":"a.io/b","parameters":{__VA_ARGS__})
#define PORT(...) SPEC("podSelector":{},"ingress":[{"ports":[{__VA_ARGS__}]}])
#define PEER(...) SPEC("podSelector":{},"egress":[{"to":[{__VA_ARGS__}]}])
#define SUBDOMAIN "a lowercase RFC 1123 subdomain must consist of lower case alphanumeric characters, '-' or '.', " \
    "and must start and end with an alphanumeric character (e.g. 'example.com', regex used for " \
    "validation is '[a-z0-9]([-a-z0-9]*[a-z0-9])?(\\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*')"

static const struct invalid_case ingresses[] = {
    {PATH("path":"/","pathType":"Prefix",BACKEND), ""},
    {PATH("pathType":"ImplementationSpecific",BACKEND), ""},
    {SPEC(), "Invalid spec: Invalid value: null: either `defaultBackend` or `rules` must be specified"},
    {SPEC("defaultBackend":{}), "Invalid spec.defaultBackend: Invalid value: \"\": resource or service backend "
     "is required"},
    {SPEC("defaultBackend":{"service":{"name":"s"},"resource":{}}),
     "Invalid spec.defaultBackend: Invalid value: \"\": cannot set both resource and service backends"},
    {SPEC("defaultBackend":{"service":{"name":"","port":{"name":"a","number":1}}}),
     "Required spec.defaultBackend.service.name: Required value\n"
     "Invalid spec.defaultBackend: Invalid value: \"\": cannot set both port name & port number"},
    {SPEC("defaultBackend":{"service":{"name":"s","port":{"number":65536}}}),
     "Invalid spec.defaultBackend.service.port.number: Invalid value: 65536: must be between 1 and 65535, "
     "inclusive"},
    {SPEC("defaultBackend":{"service":{"name":"s"}}),
     "Required spec.defaultBackend: Required value: port name or number is required"},
    {SPEC("defaultBackend":{"resource":{"apiGroup":"A","kind":"","name":"a/b"}}),
     "Invalid spec.defaultBackend.resource.apiGroup: Invalid value: \"A\": " SUBDOMAIN "\n"
     "Required spec.defaultBackend.resource.kind: Required value: kind is required\n"
     "Invalid spec.defaultBackend.resource.name: Invalid value: \"a/b\": may not contain '/'"},
    {PATH("path":"/",BACKEND),
     "Required spec.rules[0].http.paths[0].pathType: Required value: pathType must be specified"},
    {PATH("path":"x//y/.","pathType":"Exact",BACKEND),
     "Invalid spec.rules[0].http.paths[0].path: Invalid value: \"x//y/.\": must be an absolute path\n"
     "Invalid spec.rules[0].http.paths[0].path: Invalid value: \"x//y/.\": must not contain '//'\n"
     "Invalid spec.rules[0].http.paths[0].path: Invalid value: \"x//y/.\": cannot end with '/.'"},
    {PATH("path":"/","pathType":"Regex",BACKEND),
     "NotSupported spec.rules[0].http.paths[0].pathType: Unsupported value: \"Regex\": supported values: "
     "\"Exact\", \"ImplementationSpecific\", \"Prefix\""},
    {SPEC("rules":[{"host":"1.2.3.4"},{"host":"*.b"},{"host":"a*b","http":{"paths":[]}}]),
     "Invalid spec.rules[0].host: Invalid value: \"1.2.3.4\": must be a DNS name, not an IP address\n"
     "Invalid spec.rules[2].host: Invalid value: \"a*b\": a wildcard DNS-1123 subdomain must start with '*.', "
     "followed by a valid DNS subdomain, which must consist of lower case alphanumeric characters, '-' or '.' "
     "and end with an alphanumeric character (e.g. '*.example.com', regex used for validation is "
     "'\\*\\.[a-z0-9]([-a-z0-9]*[a-z0-9])?(\\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*')\n"
     "Required spec.rules[2].http.paths: Required value"},
    {SPEC("defaultBackend":{"service":{"name":"s","port":{"name":"http"}}},"tls":[{"hosts":["A"],"secretName":"B"}],
          "ingressClassName":"C"),
     "Invalid spec.tls[0].hosts[0]: Invalid value: \"A\": " SUBDOMAIN "\n"
     "Invalid spec.tls[0].secretName: Invalid value: \"B\": " SUBDOMAIN "\n"
     "Invalid spec.ingressClassName: Invalid value: \"C\": " SUBDOMAIN},
    {J({"metadata":{"name":"n","annotations":{"kubernetes.io/ingress.class":"x"}},
        "spec":{"ingressClassName":"y","rules":[{}]}}),
     "Invalid annotations.kubernetes.io/ingress.class: Invalid value: \"x\": must match `ingressClassName` when "
     "both are specified"},
    {NULL, NULL},
};

static const struct invalid_case classes[] = {
    {SPEC("controller":"a.io/b"), ""},
    {CLASS("kind":"K","name":"n"), ""},
    {SPEC(), "Required spec.controller: Required value"},
    {SPEC("controller":"b"), "Invalid spec.controller: Invalid value: \"b\": must be a domain-prefixed path (such "
     "as \"acme.io/foo\")"},
    {SPEC("controller":"A/b c"),
     "Invalid spec.controller: Invalid value: \"A\": " SUBDOMAIN "\n"
     "Invalid spec.controller: Invalid value: \"b c\": Invalid path (regex used for validation is "
     "'[A-Za-z0-9/\\-._~%!$&'()*+,;=:]+')"},
    {CLASS("kind":"K","name":"n","scope":"World"),
     "NotSupported spec.parameters.scope: Unsupported value: \"World\": supported values: \"Cluster\", "
     "\"Namespace\""},
    {CLASS("kind":"K","name":"n","scope":"Namespace"),
     "Required spec.parameters.namespace: Required value: `parameters.scope` is set to 'Namespace'"},
    {CLASS("kind":"K","name":"n","namespace":"d"),
     "Forbidden spec.parameters.namespace: Forbidden: `parameters.scope` is set to 'Cluster'"},
    {NULL, NULL},
};

static const struct invalid_case policies[] = {
    {SPEC("podSelector":{}), ""},
    {PORT("port":"http"), ""},
    {PORT("protocol":"ICMP","port":0),
     "NotSupported spec.ingress[0].ports[0].protocol: Unsupported value: \"ICMP\": supported values: \"TCP\", "
     "\"UDP\", \"SCTP\"\n"
     "Invalid spec.ingress[0].ports[0].port: Invalid value: 0: must be between 1 and 65535, inclusive"},
    {PORT("port":5,"endPort":4),
     "Invalid spec.ingress[0].ports[0].endPort: Invalid value: 5: must be greater than or equal to `port`"},
    {PORT("endPort":4),
     "Invalid spec.ingress[0].ports[0].endPort: Invalid value: 4: may not be specified when `port` is not "
     "specified"},
    {PORT("port":"http","endPort":4),
     "Invalid spec.ingress[0].ports[0].endPort: Invalid value: 4: may not be specified when `port` is "
     "non-numeric"},
    {SPEC("podSelector":{},"egress":[{"to":[{}]}]),
     "Required spec.egress[0].to[0]: Required value: must specify a peer"},
    {PEER("podSelector":{},"ipBlock":{"cidr":"10.0.0.0/8"}),
     "Forbidden spec.egress[0].to[0]: Forbidden: may not specify both ipBlock and another peer"},
    {PEER("ipBlock":{}), "Required spec.egress[0].to[0].ipBlock.cidr: Required value"},
    {PEER("ipBlock":{"cidr":"10.0.0.0/33"}),
     "Invalid spec.egress[0].to[0].ipBlock.cidr: Invalid value: \"10.0.0.0/33\": must be a valid CIDR value, "
     "(e.g. 10.9.8.0/24 or 2001:db8::/64)"},
    {PEER("ipBlock":{"cidr":"10.0.0.0/8","except":["10.1.0.0/16","11.0.0.0/16","10.0.0.0/8"]}),
     "Invalid spec.egress[0].to[0].ipBlock.except[1]: Invalid value: \"11.0.0.0/16\": must be a strict subset "
     "of `cidr`\n"
     "Invalid spec.egress[0].to[0].ipBlock.except[2]: Invalid value: \"10.0.0.0/8\": must be a strict subset of "
     "`cidr`"},
    {SPEC("podSelector":{},"policyTypes":["Ingress","Both"]),
     "NotSupported spec.policyTypes[1]: Unsupported value: \"Both\": supported values: \"Ingress\", \"Egress\""},
    {SPEC("podSelector":{},"policyTypes":["Ingress","Egress","Egress"]),
     "Invalid spec.policyTypes: Invalid value: [\"Ingress\",\"Egress\",\"Egress\"]: may not specify more than two "
     "policyTypes"},
    {NULL, NULL},
};

#define ADDRESS(name_, ...) J({"metadata":{"name":name_},"spec":{"parentRef":{__VA_ARGS__}}})
static const struct invalid_case addresses[] = {
    {ADDRESS("10.0.0.1","resource":"services","namespace":"a","name":"b"), ""},
    {ADDRESS("fd00::1","resource":"services","name":"b"), ""},
    {ADDRESS("abc","resource":"services","name":"b"),
     "Invalid metadata.name: Invalid value: \"abc\": ParseAddr(\"abc\"): unable to parse IP"},
    {ADDRESS("fd00::01","resource":"services","name":"b"),
     "Invalid metadata.name: Invalid value: \"fd00::01\": not a valid ip in canonical format"},
    {J({"metadata":{"name":"10.0.0.1"},"spec":{}}), "Required spec.parentRef: Required value"},
    {ADDRESS("10.0.0.1","group":"A"),
     "Invalid spec.parentRef.group: Invalid value: \"A\": " SUBDOMAIN "\n"
     "Required spec.parentRef.resource: Required value\n"
     "Required spec.parentRef.name: Required value"},
    {NULL, NULL},
};

static const struct invalid_case cidrs[] = {
    {SPEC("cidrs":["10.1.0.0/16","fd00::/112"]), ""},
    {SPEC(), "Required spec.cidrs: Required value: at least one CIDR required"},
    {SPEC("cidrs":["10.1.0.0/16","10.2.0.0/16"]),
     "Invalid spec.cidrs: Invalid value: {\"CIDRs\":[\"10.1.0.0/16\",\"10.2.0.0/16\"]}: may specify no more than "
     "one IP for each IP family, i.e 192.168.0.0/24 and 2001:db8::/96"},
    {SPEC("cidrs":["a","b","c"]),
     "Invalid spec.cidrs: Invalid value: {\"CIDRs\":[\"a\",\"b\",\"c\"]}: may only hold up to 2 values"},
    {SPEC("cidrs":["10.1.0.1/16"]),
     "Invalid spec.cidrs[0]: Invalid value: \"10.1.0.1/16\": must not have bits set beyond the prefix length"},
    {SPEC("cidrs":["FD00::/112"]),
     "Invalid spec.cidrs[0]: Invalid value: \"FD00::/112\": must be in canonical form (\"fd00::/112\")"},
    {NULL, NULL},
};

static void what_they_refuse(void **state)
{
    struct fixture *f = *state;
    check_created(f, INGRESSES, ingresses);
    check_created(f, CLASSES, classes);
    check_created(f, POLICIES, policies);
    check_created(f, ADDRESSES, addresses);
    check_created(f, CIDRS, cidrs);
}

static void defaults_and_generations(void **state)
{
    struct fixture *f = *state;
    struct answer *a = ask(f, "POST", POLICIES, SPEC("podSelector":{},"egress":[{"ports":[{"port":1}]}]));
    expect(a, 201);
    assert_int_equal(json_count(json_path(a->json, "spec.policyTypes")), 2);
    assert_int_equal(int_at(a, "metadata.generation"), 1);
    a = ask(f, "PATCH", POLICIES "/n", J({"spec":{"policyTypes":["Egress"]}}));
    assert_int_equal(int_at(a, "metadata.generation"), 2);
    a = ask(f, "POST", CLASSES,
            J({"metadata":{"name":"n","annotations":{"ingressclass.kubernetes.io/is-default-class":"true"}},
               "spec":{"controller":"a.io/b","parameters":{"kind":"K","name":"n"}}}));
    expect(a, 201);
    assert_string_equal(at(a, "spec.parameters.scope"), "Cluster");
    a = ask(f, "POST", INGRESSES, PATH("path":"/","pathType":"Prefix",BACKEND));
    expect(a, 201);
    assert_string_equal(at(a, "spec.ingressClassName"), "n");
    a = ask(f, "PATCH", INGRESSES "/n/status",
            J({"status":{"loadBalancer":{"ingress":[{"ip":"x"},{"hostname":"1.2.3.4"}]}}}));
    expect_message(a, 422,
                   "Ingress.networking.k8s.io \"n\" is invalid: [status.loadBalancer.ingress[0].ip: Invalid value: "
                   "\"x\": must be a valid IP address, (e.g. 10.9.8.7 or 2001:db8::ffff), "
                   "status.loadBalancer.ingress[1].hostname: Invalid value: \"1.2.3.4\": must be a DNS name, not an "
                   "IP address]");
}

static void odd_networks_are_warned_of(void **state)
{
    struct fixture *f = *state;
    struct answer *a = ask(f, "POST", POLICIES, PEER("ipBlock":{"cidr":"10.0.0.1/8"}));
    expect(a, 201);
    assert_non_null(strstr(a->warning, "spec.egress[0].to[0].ipBlock.cidr: CIDR value \\\"10.0.0.1/8\\\" is ambiguous in "
                                       "this context (should be \\\"10.0.0.0/8\\\" or \\\"10.0.0.1/32\\\"?)"));
    a = ask(f, "POST", POLICIES "?dryRun=All",
            J({"metadata":{"name":"m"},"spec":{"podSelector":{},"egress":[{"to":[{"ipBlock":{"cidr":"FD00::/8"}}]}]}}));
    expect(a, 201);
    assert_non_null(strstr(a->warning, "should be in RFC 5952 canonical format"));
}

static void what_does_not_change(void **state)
{
    struct fixture *f = *state;
    expect(ask(f, "POST", CLASSES, SPEC("controller":"a.io/b")), 201);
    check_patched(f, CLASSES "/n",
                  (const struct invalid_case[]){
                      {J({"spec":{"controller":"a.io/c"}}),
                       "Invalid spec.controller: Invalid value: \"a.io/c\": field is immutable"},
                      {NULL, NULL}});
    expect(ask(f, "POST", ADDRESSES, ADDRESS("10.0.0.1","resource":"services","namespace":"a","name":"b")), 201);
    check_patched(f, ADDRESSES "/10.0.0.1",
                  (const struct invalid_case[]){
                      {J({"metadata":{"labels":{"a":"b"}}}), ""},
                      {J({"spec":{"parentRef":{"name":"c"}}}),
                       "Invalid spec.parentRef: Invalid value: "
                       "{\"Group\":\"\",\"Resource\":\"services\",\"Namespace\":\"a\",\"Name\":\"c\"}: field is "
                       "immutable"},
                      {NULL, NULL}});
    expect(ask(f, "POST", CIDRS, SPEC("cidrs":["10.1.0.0/16"])), 201);
    check_patched(f, CIDRS "/n",
                  (const struct invalid_case[]){
                      {J({"spec":{"cidrs":["10.1.0.0/16","fd00::/112"]}}), ""},
                      {J({"spec":{"cidrs":["10.2.0.0/16"]}}),
                       "Invalid spec.cidrs[0]: Invalid value: \"10.2.0.0/16\": field is immutable"},
                      {J({"spec":{"cidrs":[]}}),
                       "Invalid spec.cidrs: Invalid value: null: field is immutable"},
                      {NULL, NULL}});
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(what_they_refuse, fixture_setup_boot, fixture_teardown),
        cmocka_unit_test_setup_teardown(defaults_and_generations, fixture_setup_boot, fixture_teardown),
        cmocka_unit_test_setup_teardown(odd_networks_are_warned_of, fixture_setup_boot, fixture_teardown),
        cmocka_unit_test_setup_teardown(what_does_not_change, fixture_setup, fixture_teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
