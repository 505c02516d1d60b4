#!/usr/bin/env python3
# timeout: 300
"""Custom resources with the real kubectl against the control plane on the host: definitions, every verb, schemas,
subresources, columns, selectors, versions, discovery, explain, and what deleting a definition does."""

import http.client
import json
import os
import sys

TOP = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
sys.path.insert(0, os.path.join(TOP, "tests", "lib"))
import cluster  # noqa: E402
from control import Control, expect, run  # noqa: E402

CRONTABS = """
apiVersion: apiextensions.k8s.io/v1
kind: CustomResourceDefinition
metadata: {name: crontabs.stable.example.com}
spec:
  group: stable.example.com
  scope: Namespaced
  names: {plural: crontabs, kind: CronTab, shortNames: [ct], categories: [all]}
  versions:
  - name: v1
    served: true
    storage: true
    subresources:
      status: {}
      scale: {specReplicasPath: .spec.replicas, statusReplicasPath: .status.replicas, labelSelectorPath: .status.labelSelector}
    selectableFields: [{jsonPath: .spec.image}]
    additionalPrinterColumns:
    - {name: Spec, type: string, description: The cron spec, jsonPath: .spec.cronSpec}
    - {name: Replicas, type: integer, jsonPath: .spec.replicas}
    - {name: Ready, type: string, jsonPath: '.status.conditions[?(@.type=="Ready")].status', priority: 1}
    - {name: Age, type: date, jsonPath: .metadata.creationTimestamp}
    schema:
      openAPIV3Schema:
        type: object
        description: A table of jobs.
        properties:
          spec:
            type: object
            description: What is wanted.
            required: [cronSpec]
            properties:
              cronSpec: {type: string, pattern: '^(\\d+|\\*)(/\\d+)?(\\s+(\\d+|\\*)(/\\d+)?){4}$', description: When.}
              image: {type: string, maxLength: 10}
              replicas: {type: integer, minimum: 1, maximum: 10, default: 1}
              mode: {type: string, enum: [a, b], nullable: true}
              port: {x-kubernetes-int-or-string: true}
              raw: {type: object, x-kubernetes-preserve-unknown-fields: true}
              labels: {type: object, additionalProperties: {type: string}}
              tags: {type: array, x-kubernetes-list-type: set, maxItems: 3, items: {type: string}}
              ports:
                type: array
                x-kubernetes-list-type: map
                x-kubernetes-list-map-keys: [name]
                items: {type: object, required: [name], properties: {name: {type: string}, v: {type: integer, default: 7}}}
              one:
                type: object
                properties: {a: {type: string}, b: {type: string}}
                oneOf: [{required: [a]}, {required: [b]}]
          status:
            type: object
            properties:
              replicas: {type: integer}
              labelSelector: {type: string}
              conditions: {type: array, items: {type: object, properties: {type: {type: string}, status: {type: string}}}}
"""


def definition(plural, kind, versions, scope="Namespaced", group="example.com", more=""):
    return f"""
apiVersion: apiextensions.k8s.io/v1
kind: CustomResourceDefinition
metadata: {{name: {plural}.{group}}}
spec:
  group: {group}
  scope: {scope}
  names: {{plural: {plural}, kind: {kind}}}
  versions: {versions}
  {more}
"""


LOOSE = "{openAPIV3Schema: {type: object, x-kubernetes-preserve-unknown-fields: true}}"


def one_version(schema=LOOSE, more=""):
    return f"[{{name: v1, served: true, storage: true, schema: {schema}{more}}}]"


def tab(spec, name="a"):
    return f"apiVersion: stable.example.com/v1\nkind: CronTab\nmetadata: {{name: {name}}}\nspec: {spec}\n"


def create(c, text, check=True):
    return c.k("create", "-f", "-", input=text, check=check)


def get(c, *what):
    return json.loads(c.k("get", *what, "-o", "json"))


def established(c):
    create(c, CRONTABS)
    c.k("wait", "--for=condition=Established", "--timeout=5s", "crd/crontabs.stable.example.com")
    d = get(c, "crd", "crontabs.stable.example.com")
    expect(d["spec"]["names"]["listKind"] == "CronTabList" and d["spec"]["names"]["singular"] == "crontab", d["spec"])
    expect(d["spec"]["conversion"] == {"strategy": "None"}, d["spec"])
    expect(d["status"]["storedVersions"] == ["v1"] and d["status"]["acceptedNames"] == d["spec"]["names"], d["status"])
    expect([(x["type"], x["reason"]) for x in d["status"]["conditions"]] == [("NamesAccepted", "NoConflicts"), ("Established", "InitialNamesAccepted")], d["status"])


def discovered(c):
    out = c.k("api-resources", "--api-group=stable.example.com", "--no-headers").split()
    expect(out == ["crontabs", "ct", "stable.example.com/v1", "true", "CronTab"], out)
    expect("stable.example.com/v1" in c.k("api-versions").split(), "group version")
    old = json.loads(c.k("get", "--raw", "/apis/stable.example.com/v1"))
    expect([r["name"] for r in old["resources"]] == ["crontabs", "crontabs/status", "crontabs/scale"], old)
    expect(old["resources"][2]["group"] == "autoscaling" and old["resources"][2]["kind"] == "Scale", old)
    expect(old["resources"][0]["categories"] == ["all"], old)


def verbs(c):
    create(c, tab('{cronSpec: "* * * * */5", image: x}'))
    o = get(c, "ct", "a")
    expect(o["spec"] == {"cronSpec": "* * * * */5", "image": "x", "replicas": 1} and o["metadata"]["generation"] == 1, o)
    expect("status" not in o, o)
    c.k("patch", "ct", "a", "--type=merge", "-p", '{"spec":{"mode":"a"}}')
    c.k("patch", "ct", "a", "--type=json", "-p", '[{"op":"add","path":"/spec/raw","value":{"k":[1,{"z":2}]}}]')
    out = c.k("patch", "ct", "a", "--type=strategic", "-p", "{}", check=False)
    expect("application/strategic-merge-patch+json is not supported by stable.example.com/v1, Kind=CronTab" in out, out)
    o = get(c, "ct", "a")
    expect(o["spec"]["raw"] == {"k": [1, {"z": 2}]} and o["metadata"]["generation"] == 3, o)
    c.k("label", "ct", "a", "app=x")
    expect(get(c, "ct", "a")["metadata"]["generation"] == 3, "metadata is no new generation")
    expect(c.k("get", "ct", "-l", "app=x", "-o", "name").strip() == "crontab.stable.example.com/a", "by label")
    expect("crontab.stable.example.com/a" in c.k("get", "all"), "by category")
    create(c, tab('{cronSpec: "* * * * *"}', "b"))
    expect(len(get(c, "ct")["items"]) == 2, "list")
    c.k("delete", "ct", "b")


def applied(c):
    text = tab('{cronSpec: "1 1 1 1 1", ports: [{name: x, v: 1}]}', "s")
    expect(c.k("apply", "--server-side", "-f", "-", input=text).strip() == "crontab.stable.example.com/s serverside-applied", "apply")
    c.k("apply", "--server-side", "--field-manager=other", "-f", "-", input=tab("{ports: [{name: other}]}", "s"))
    ports = get(c, "ct", "s")["spec"]["ports"]
    expect(ports == [{"name": "x", "v": 1}, {"name": "other", "v": 7}], ports)
    out = c.k("apply", "--server-side", "--field-manager=other", "-f", "-", input=tab("{ports: [{name: x, v: 2}]}", "s"), check=False)
    expect('conflict with "kubectl": .spec.ports[name="x"].v' in out, out)
    c.k("apply", "-f", "-", input=tab('{cronSpec: "2 2 2 2 2"}', "t"))
    c.k("apply", "-f", "-", input=tab('{cronSpec: "2 2 2 2 3"}', "t"))
    expect(get(c, "ct", "t")["spec"]["cronSpec"] == "2 2 2 2 3", "client-side apply")
    c.k("delete", "ct", "s", "t")


WRONG = [
    ('{image: x}', "spec.cronSpec: Required value"),
    ('{cronSpec: "x"}', 'spec.cronSpec: Invalid value: "x": spec.cronSpec in body should match \'^(\\d+|\\*)(/\\d+)?(\\s+(\\d+|\\*)(/\\d+)?){4}$\''),
    ('{cronSpec: "* * * * *", image: aaaaaaaaaaa}', "spec.image: Too long: may not be more than 10 bytes"),
    ('{cronSpec: "* * * * *", replicas: 11}', "spec.replicas: Invalid value: 11: spec.replicas in body should be less than or equal to 10"),
    ('{cronSpec: "* * * * *", replicas: 0}', "spec.replicas: Invalid value: 0: spec.replicas in body should be greater than or equal to 1"),
    ('{cronSpec: "* * * * *", replicas: x}', 'spec.replicas: Invalid value: "string": spec.replicas in body must be of type integer: "string"'),
    ('{cronSpec: "* * * * *", mode: c}', 'spec.mode: Unsupported value: "c": supported values: "a", "b"'),
    ('{cronSpec: "* * * * *", tags: [a, b, c, d]}', "spec.tags: Too many: 4: must have at most 3 items"),
    ('{cronSpec: "* * * * *", tags: [a, a]}', 'spec.tags[1]: Duplicate value: "a"'),
    ('{cronSpec: "* * * * *", ports: [{name: a}, {name: a}]}', 'spec.ports[1]: Duplicate value: {"name":"a"}'),
    ('{cronSpec: "* * * * *", labels: {a: 1}}', 'spec.labels.a: Invalid value: "integer": spec.labels.a in body must be of type string: "integer"'),
    ('{cronSpec: "* * * * *", one: {}}', '<nil>: Invalid value: "": "spec.one" must validate one and only one schema (oneOf). Found none valid'),
]


def validated(c):
    for spec, message in WRONG:
        out = create(c, tab(spec, "w"), check=False)
        expect('The CronTab "w" is invalid: ' in out and message in out, out)
    for spec in ('{cronSpec: "* * * * *", port: 1, mode: null}', '{cronSpec: "* * * * *", port: http, one: {a: x}, labels: {a: b}}'):
        create(c, tab(spec, "w"))
        c.k("delete", "ct", "w")
    out = create(c, tab('{cronSpec: "* * * * *", foo: 1}', "w"), check=False)
    expect('unknown field "spec.foo"' in out, out)
    out = c.k("create", "--validate=warn", "-f", "-", input=tab('{cronSpec: "* * * * *", foo: 1}', "w"), check=False)
    expect('Warning: unknown field "spec.foo"' in out, out)
    expect("foo" not in get(c, "ct", "w")["spec"], "pruned")
    c.k("delete", "ct", "w")


def shown(c):
    lines = c.k("get", "ct", "a").splitlines()
    expect(lines[0].split() == ["NAME", "SPEC", "REPLICAS", "AGE"], lines)
    expect(lines[1].split()[:-1] == ["a", "*", "*", "*", "*", "*/5", "1"], lines)
    expect(c.k("get", "ct", "a", "-o", "wide").split()[:5] == ["NAME", "SPEC", "REPLICAS", "READY", "AGE"], "wide")
    out = c.k("explain", "ct.spec.cronSpec")
    expect("FIELD: cronSpec <string>" in out and "When." in out, out)
    out = c.k("explain", "crontab", "--recursive")
    expect("A table of jobs." in out and "ports\t<[]Object>" in out, out)
    v2 = json.loads(c.k("get", "--raw", "/openapi/v2"))
    expect("com.example.stable.v1.CronTab" in v2["definitions"] and "/apis/stable.example.com/v1/namespaces/{namespace}/crontabs/{name}/scale" in v2["paths"], "v2")


def selected(c):
    expect(c.k("get", "ct", "--field-selector", "spec.image=x", "-o", "name").strip() == "crontab.stable.example.com/a", "by field")
    expect(c.k("get", "ct", "--field-selector", "spec.image=y", "-o", "name").strip() == "", "by field")
    out = c.k("get", "ct", "--field-selector", "spec.mode=a", check=False)
    expect("field label not supported: spec.mode" in out, out)


def subresources(c):
    c.k("patch", "ct", "a", "--type=merge", "-p", '{"status":{"replicas":9}}')
    expect("status" not in get(c, "ct", "a"), "the main resource leaves status alone")
    before = get(c, "ct", "a")["metadata"]["generation"]
    c.k("patch", "ct", "a", "--subresource=status", "--type=merge", "-p", '{"spec":{"mode":"b"},"status":{"replicas":2,"labelSelector":"app=x","conditions":[{"type":"Ready","status":"True"}]}}')
    o = get(c, "ct", "a")
    expect(o["status"]["replicas"] == 2 and o["spec"]["mode"] == "a" and o["metadata"]["generation"] == before, o)
    out = c.k("patch", "ct", "a", "--subresource=status", "--type=merge", "-p", '{"status":{"replicas":"x"}}', check=False)
    expect("status.replicas in body must be of type integer" in out, out)
    expect("True" in c.k("get", "ct", "a", "-o", "wide"), "filter in a column")
    c.k("scale", "ct", "a", "--replicas=3")
    s = json.loads(c.k("get", "--raw", "/apis/stable.example.com/v1/namespaces/default/crontabs/a/scale"))
    expect(s["kind"] == "Scale" and s["spec"]["replicas"] == 3 and s["status"] == {"replicas": 2, "selector": "app=x"}, s)
    out = c.k("scale", "ct", "a", "--replicas=30", check=False)
    expect("spec.replicas in body should be less than or equal to 10" in out, out)


def refused(c):
    schema = "{openAPIV3Schema: {type: object, properties: {a: {}, b: {type: array}, c: {type: strin}, d: {type: string, pattern: '('}, e: {type: integer, default: x}, f: {type: object, oneOf: [{type: object}]}}}}"
    out = create(c, definition("wrongs", "Wrong", one_version(schema)), check=False)
    at = "spec.validation.openAPIV3Schema.properties"
    for message in (f"{at}[a].type: Required value: must not be empty for specified object fields", f"{at}[b].items: Required value: must be specified",
                    f'{at}[c].type: Unsupported value: "strin"', f'{at}[d].pattern: Invalid value: "("', f"{at}[e].default: Invalid value",
                    f"{at}[f].oneOf[0].type: Forbidden: must be empty to be structural"):
        expect(message in out, (message, out))
    out = create(c, definition("wrongs", "Wrong", "[{name: v1, served: true, storage: true}]"), check=False)
    expect("spec.versions[0].schema.openAPIV3Schema: Required value: schemas are required" in out, out)
    out = create(c, definition("wrongs", "Wrong", one_version()).replace("wrongs.example.com", "other.example.com"), check=False)
    expect('metadata.name: Invalid value: "other.example.com": must be spec.names.plural+"."+spec.group' in out, out)
    out = create(c, definition("wrongs", "Wrong", one_version(), group="x.k8s.io"), check=False)
    expect('protected groups must have approval annotation "api-approved.kubernetes.io"' in out, out)
    out = c.k("patch", "crd", "crontabs.stable.example.com", "--type=merge", "-p", '{"spec":{"scope":"Cluster"}}', check=False)
    expect("spec.scope: Invalid value: \"Cluster\": field is immutable" in out, out)


def conflicting(c):
    create(c, definition("firsts", "First", one_version()))
    create(c, definition("seconds", "First", one_version()).replace("kind: First}", "kind: First, listKind: SecondList}"))
    d = get(c, "crd", "seconds.example.com")
    conditions = {x["type"]: (x["status"], x["reason"], x["message"]) for x in d["status"]["conditions"]}
    expect(conditions["NamesAccepted"] == ("False", "KindConflict", '"First" is already in use'), conditions)
    expect(conditions["Established"] == ("False", "NotAccepted", "not all names are accepted"), conditions)
    expect("NotFound" in c.k("get", "--raw", "/apis/example.com/v1/seconds", check=False), "not served")
    c.k("delete", "crd", "firsts.example.com")
    c.k("wait", "--for=condition=Established", "--timeout=10s", "crd/seconds.example.com")
    c.k("delete", "crd", "seconds.example.com")


def scoped(c):
    """CVE-2019-11247: a cluster resource is not reached through a namespace, nor the other way round."""
    create(c, definition("planets", "Planet", one_version(), scope="Cluster"))
    create(c, "apiVersion: example.com/v1\nkind: Planet\nmetadata: {name: mars}\n")
    c.k("get", "--raw", "/apis/example.com/v1/planets/mars")
    for path in ("/apis/example.com/v1/namespaces/default/planets/mars", "/apis/example.com/v1/namespaces/default/planets", "/apis/stable.example.com/v1/crontabs/a"):
        status, _, body = c.request("GET", path)
        expect(status == 404, (path, status, body))
    c.k("delete", "crd", "planets.example.com")


def versions(c):
    both = f"[{{name: v1, served: true, storage: true, schema: {LOOSE}}}, {{name: v2beta1, served: true, storage: false, deprecated: true, schema: {LOOSE}}}]"
    create(c, definition("things", "Thing", both))
    create(c, "apiVersion: example.com/v1\nkind: Thing\nmetadata: {name: t}\nspec: {a: 1}\n")
    o = json.loads(c.k("get", "--raw", "/apis/example.com/v2beta1/namespaces/default/things/t"))
    expect(o["apiVersion"] == "example.com/v2beta1" and o["spec"] == {"a": 1}, o)
    expect("Warning: example.com/v2beta1 Thing is deprecated" in c.k("get", "things.v2beta1.example.com", check=False), "warning")
    group = json.loads(c.k("get", "--raw", "/apis/example.com"))
    expect([v["version"] for v in group["versions"]] == ["v1", "v2beta1"] and group["preferredVersion"]["version"] == "v1", group)
    c.k("patch", "crd", "things.example.com", "--type=json", "-p", '[{"op":"replace","path":"/spec/versions/0/storage","value":false},{"op":"replace","path":"/spec/versions/1/storage","value":true}]')
    expect(get(c, "crd", "things.example.com")["status"]["storedVersions"] == ["v1", "v2beta1"], "stored versions")
    out = c.k("patch", "crd", "things.example.com", "--type=json", "-p", '[{"op":"remove","path":"/spec/versions/0"}]', check=False)
    expect('status.storedVersions[0]: Invalid value: "v1": missing from spec.versions' in out, out)
    c.k("delete", "crd", "things.example.com")


def watched(c):
    """A watch sees what happens, and ends with its definition; the definition waits for its objects."""
    create(c, definition("sights", "Sight", one_version()))
    h = http.client.HTTPSConnection("127.0.0.1", c.port, context=c.tls(), timeout=20)
    h.request("GET", "/apis/example.com/v1/sights?watch=1&allowWatchBookmarks=true")
    r = h.getresponse()
    create(c, "apiVersion: example.com/v1\nkind: Sight\nmetadata: {name: s, finalizers: [example.com/hold]}\n")
    e = json.loads(r.readline())
    expect(e["type"] == "ADDED" and e["object"]["kind"] == "Sight" and e["object"]["apiVersion"] == "example.com/v1", e)
    c.k("delete", "crd", "sights.example.com", "--wait=false")
    terminating = [x for x in get(c, "crd", "sights.example.com")["status"]["conditions"] if x["type"] == "Terminating"]
    expect(terminating and terminating[0]["status"] == "True", terminating)
    cluster.retry(lambda: get(c, "sights", "s")["metadata"]["deletionTimestamp"], 10)
    out = create(c, "apiVersion: example.com/v1\nkind: Sight\nmetadata: {name: late}\n", check=False)
    expect("create not allowed while custom resource definition is terminating" in out, out)
    c.k("patch", "sights", "s", "--type=merge", "-p", '{"metadata":{"finalizers":null}}')
    c.k("wait", "--for=delete", "--timeout=10s", "crd/sights.example.com")
    rest = r.read()
    h.close()
    expect(b"DELETED" in rest or b"MODIFIED" in rest or rest == b"", rest)


def deleted(c):
    c.k("delete", "crd", "crontabs.stable.example.com", "--timeout=10s")
    status, _, _ = c.request("GET", "/apis/stable.example.com/v1/namespaces/default/crontabs")
    expect(status == 404, status)
    create(c, CRONTABS)
    expect(get(c, "ct")["items"] == [], "objects went with their definition")


def kept(c):
    create(c, tab('{cronSpec: "* * * * *"}', "k"))
    c.stop()
    c.start()
    expect(get(c, "ct", "k")["spec"]["replicas"] == 1, "there after a restart")


RULES = """{openAPIV3Schema: {type: object, properties: {spec: {type: object, x-kubernetes-validations: [
  {rule: 'self.min <= self.max', message: min is above max},
  {rule: 'self.max < 100', messageExpression: '"max is not below " + "100"', reason: FieldValueForbidden, fieldPath: .max},
  {rule: 'self.items.all(i, i.size() < 5)'},
  {rule: 'has(self.free) == has(oldSelf.free)', message: free comes or stays away}],
 required: [min, max, items], properties: {min: {type: integer}, max: {type: integer}, free: {type: string},
  items: {type: array, maxItems: 10, items: {type: string, maxLength: 20}},
  once: {type: string, x-kubernetes-validations: [{rule: self == oldSelf, message: once is set once}]},
  keyed: {type: array, maxItems: 5, x-kubernetes-list-type: map, x-kubernetes-list-map-keys: [k], items: {type: object, required: [k], properties: {k: {type: string}, v: {type: integer, x-kubernetes-validations: [{rule: 'self >= oldSelf', message: v only grows}]}}}}}}}}}"""


def rule(spec, name="r"):
    return f"apiVersion: example.com/v1\nkind: Rule\nmetadata: {{name: {name}}}\nspec: {spec}\n"


def rules(c):
    create(c, definition("rules", "Rule", one_version(RULES)))
    for spec, message in (
            ("{min: 3, max: 2, items: []}", 'spec: Invalid value: "object": min is above max'),
            ("{min: 3, max: 200, items: []}", "spec.max: Forbidden: max is not below 100"),
            ("{min: 3, max: 4, items: [abcdef]}", 'spec: Invalid value: "object": failed rule: self.items.all(i, i.size() < 5)'),
            ("{min: x, max: 2, items: []}", "some validation rules were not checked because the object was invalid; correct the existing errors to complete validation")):
        out = create(c, rule(spec), check=False)
        expect('The Rule "r" is invalid: ' in out and message in out, out)
    create(c, rule("{min: 1, max: 2, items: [], once: a, keyed: [{k: x, v: 3}]}"))
    for change, message in (
            ('{"once":"b"}', 'spec.once: Invalid value: "string": once is set once'),
            ('{"free":"b"}', 'spec: Invalid value: "object": free comes or stays away'),
            ('{"keyed":[{"k":"y","v":1},{"k":"x","v":2}]}', 'spec.keyed[1].v: Invalid value: "integer": v only grows')):
        out = c.k("patch", "rules", "r", "--type=merge", "-p", '{"spec":' + change + "}", check=False)
        expect(message in out, out)
    c.k("patch", "rules", "r", "--type=merge", "-p", '{"spec":{"keyed":[{"k":"y","v":1},{"k":"x","v":4}]}}')


def ratcheted(c):
    """What does not change may stay, even if the schema would not have it any more."""
    add = '[{"op":"add","path":"/spec/versions/0/schema/openAPIV3Schema/properties/spec/properties/once/pattern","value":"^z"}]'
    c.k("patch", "crd", "rules.example.com", "--type=json", "-p", add)
    c.k("patch", "rules", "r", "--type=merge", "-p", '{"spec":{"max":9}}')
    out = create(c, rule("{min: 1, max: 2, items: [], once: a}", "new"), check=False)
    expect("spec.once in body should match '^z'" in out, out)


def rules_refused(c):
    schema = "{openAPIV3Schema: {type: object, properties: {spec: {type: object, properties: {a: {type: string}, l: {type: array, items: {type: array, items: {type: string, x-kubernetes-validations: [{rule: 'self.matches(self)'}]}}}}, x-kubernetes-validations: [{rule: 'self.b == 1'}, {rule: 'self.a'}]}}}}"
    out = create(c, definition("bads", "Bad", one_version(schema)), check=False)
    at = "spec.validation.openAPIV3Schema.properties[spec]"
    expect(f"{at}.x-kubernetes-validations[0].rule: Invalid value" in out and "compilation failed: ERROR: <input>:1:5: undefined field 'b'" in out, out)
    expect(f"{at}.x-kubernetes-validations[1].rule: Invalid value" in out and "must evaluate to bool" in out, out)
    expect(f"{at}.properties[l].items.items.x-kubernetes-validations[0].rule: Forbidden: estimated rule cost exceeds budget by factor of more than 100x" in out, out)



def owned(kind, name, uid):
    return f"ownerReferences: [{{apiVersion: example.com/v1, kind: {kind}, name: {name}, uid: {uid}}}]"


def embedded(c):
    inner = "{type: object, x-kubernetes-embedded-resource: true, x-kubernetes-preserve-unknown-fields: true}"
    schema = "{openAPIV3Schema: {type: object, properties: {spec: {type: object, properties: {template: " + inner + "}}}}}"
    create(c, definition("wraps", "Wrap", one_version(schema)))
    c.k("wait", "--for=condition=Established", "--timeout=5s", "crd/wraps.example.com")

    def wrap(more):
        return ("apiVersion: example.com/v1\nkind: Wrap\nmetadata: {name: w}\n"
                f"spec: {{template: {{apiVersion: v1, kind: Any, metadata: {{name: inner, namespace: x{more}}}, other: 1}}}}\n")
    out = create(c, wrap(", odd: 1"), check=False)
    expect('unknown field "spec.template.metadata.odd"' in out and '"spec.template.metadata.namespace"' not in out, out)
    c.k("create", "--validate=false", "-f", "-", input=wrap(", odd: 1"))
    expect(get(c, "wraps", "w")["spec"]["template"]["metadata"] == {"name": "inner", "namespace": "x"}, "pruned")
    c.k("delete", "crd", "wraps.example.com")


def collected(c):
    """Garbage collection through custom resources, and namespaces that hold some."""
    create(c, definition("trees", "Tree", one_version()))
    create(c, "apiVersion: example.com/v1\nkind: Tree\nmetadata: {name: root}\n")
    uid = get(c, "tree", "root")["metadata"]["uid"]
    create(c, f"apiVersion: example.com/v1\nkind: Tree\nmetadata: {{name: leaf, {owned('Tree', 'root', uid)}}}\n")
    leaf = get(c, "tree", "leaf")["metadata"]["uid"]
    create(c, f"apiVersion: v1\nkind: ConfigMap\nmetadata: {{name: fruit, {owned('Tree', 'leaf', leaf)}}}\n")
    create(c, "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: stone}\n")
    c.k("delete", "tree", "root")
    c.k("wait", "--for=delete", "--timeout=20s", "tree/leaf", "cm/fruit")
    c.k("get", "cm", "stone")
    c.k("create", "namespace", "wood")
    create(c, "apiVersion: example.com/v1\nkind: Tree\nmetadata: {name: oak, namespace: wood, finalizers: [example.com/hold]}\n")
    c.k("delete", "namespace", "wood", "--wait=false")
    cluster.retry(lambda: get(c, "-n", "wood", "tree", "oak")["metadata"]["deletionTimestamp"], 20)
    expect(get(c, "ns", "wood")["status"]["phase"] == "Terminating", "waits for its objects")
    c.k("patch", "-n", "wood", "tree", "oak", "--type=merge", "-p", '{"metadata":{"finalizers":null}}')
    c.k("wait", "--for=delete", "--timeout=20s", "ns/wood")
    c.k("delete", "crd", "trees.example.com", "--timeout=10s")


run(Control(), (
    ("the control plane starts", lambda c: c.start()),
    ("a definition is established at once", established),
    ("both forms of discovery show it", discovered),
    ("create, get, patch, label, list, delete", verbs),
    ("server-side and client-side apply", applied),
    ("objects are held against the schema, unknown fields pruned", validated),
    ("columns, explain, OpenAPI", shown),
    ("selectable fields", selected),
    ("status and scale", subresources),
    ("definitions that are wrong are refused", refused),
    ("names that are taken wait until they are free", conflicting),
    ("rules hold objects, transitions too", rules),
    ("what was there before a rule may stay", ratcheted),
    ("rules that do not compile or cost too much are refused", rules_refused),
    ("metadata of embedded resources has its type", embedded),
    ("scope is no detour around authorization", scoped),
    ("several versions", versions),
    ("watches, finalizers and the end of a definition", watched),
    ("garbage collection and namespaces", collected),
    ("objects go with their definition", deleted),
    ("all is there after a restart", kept),
))
