#!/usr/bin/env python3
# timeout: 300
"""Server-side apply with the real kubectl against the control plane on the host: creation, ownership, conflicts, force,
diff, dry run, subresources, and the way from client-side apply to server-side apply."""

import json
import os
import sys

TOP = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
sys.path.insert(0, os.path.join(TOP, "tests", "lib"))
import cluster  # noqa: E402
from control import Control, expect, run  # noqa: E402

SSA = ("apply", "--server-side", "-f", "-")


def web(replicas=2, image="registry/web:v1", env=None, more=""):
    env = "".join(f"\n        - {{name: {k}, value: '{v}'}}" for k, v in (env or {"A": "1"}).items())
    return f"""
apiVersion: apps/v1
kind: Deployment
metadata:
  name: web
  labels: {{app: web}}
spec:
  {'' if replicas is None else f'replicas: {replicas}'}
  selector: {{matchLabels: {{app: web}}}}
  template:
    metadata: {{labels: {{app: web}}}}
    spec:
      containers:
      - name: web
        image: {image}
        ports: [{{containerPort: 8080, name: http}}]
        env:{env}{more}
"""


def entries(o):
    return {(e["manager"], e["operation"], e.get("subresource", "")): e["fieldsV1"] for e in o["metadata"].get("managedFields", [])}


def managed(c, what):
    return json.loads(c.k("get", what, "-o", "json", "--show-managed-fields"))


def creates(c):
    out = c.k(*SSA, input=web())
    expect(out.strip() == "deployment.apps/web serverside-applied", out)
    d = managed(c, "deployment/web")
    own = entries(d)[("kubectl", "Apply", "")]
    expect("f:replicas" in own["f:spec"], own)
    containers = own["f:spec"]["f:template"]["f:spec"]["f:containers"]
    expect(set(containers['k:{"name":"web"}']) == {".", "f:name", "f:image", "f:ports", "f:env"}, containers)
    expect('k:{"containerPort":8080,"protocol":"TCP"}' in containers['k:{"name":"web"}']["f:ports"], containers)
    expect("managedFields" not in json.loads(c.k("get", "deployment/web", "-o", "json"))["metadata"], "hidden unless asked for")


def again(c):
    cluster.retry(lambda: expect(c.json("deployment/web")["status"].get("replicas") == 2, "the controller has seen it"), 20)
    cluster.retry(lambda: expect(("deployment-controller" in str(entries(managed(c, "deployment/web")))) or
                                 any(k[2] == "status" for k in entries(managed(c, "deployment/web"))), "who writes status"), 10)

    def steady():
        before = c.json("deployment/web")["metadata"]["resourceVersion"]
        out = c.k(*SSA, input=web())
        expect("serverside-applied" in out, out)
        after = c.json("deployment/web")["metadata"]["resourceVersion"]
        expect(before == after, f"{before} {after}")
    cluster.retry(steady, 20)


def conflicts(c):
    c.k("scale", "deployment/web", "--replicas=4")
    own = entries(managed(c, "deployment/web"))
    expect(own[("kubectl", "Update", "scale")] == {"f:spec": {"f:replicas": {}}}, own)
    out = c.k(*SSA, input=web(), check=False)
    expect('Apply failed with 1 conflict: conflict with "kubectl" with subresource "scale" using apps/v1: .spec.replicas' in out, out)
    expect("--force-conflicts" in out, out)
    expect(c.json("deployment/web")["spec"]["replicas"] == 4, "nothing was changed")
    c.k(*SSA, "--force-conflicts", input=web())
    expect(c.json("deployment/web")["spec"]["replicas"] == 2, "taken over")
    expect(("kubectl", "Update", "scale") not in entries(managed(c, "deployment/web")), "the scale lost it")


def removal(c):
    c.k(*SSA, input=web(env={"A": "1", "B": "2"}))
    c.k("set", "env", "deployment/web", "C=3")
    c.k(*SSA, input=web(env={"B": "2"}))
    env = c.json("deployment/web")["spec"]["template"]["spec"]["containers"][0]["env"]
    expect({e["name"]: e["value"] for e in env} == {"B": "2", "C": "3"}, env)
    # A manager that stops naming the replicas leaves them to whoever takes them.
    c.k("apply", "--server-side", "--field-manager=hand", "-f", "-", input="apiVersion: apps/v1\nkind: Deployment\nmetadata: {name: web}\nspec: {replicas: 2}\n")
    c.k(*SSA, input=web(replicas=None))
    expect(c.json("deployment/web")["spec"]["replicas"] == 2, "shared, so it stays")
    c.k("apply", "--server-side", "--field-manager=hand", "-f", "-", input="apiVersion: apps/v1\nkind: Deployment\nmetadata: {name: web}\n")
    expect(c.json("deployment/web")["spec"]["replicas"] == 1, "nobody's: the default")


def difference(c):
    c.k(*SSA, input=web(env={"B": "2"}))
    out = c.k("diff", "--server-side", "-f", "-", input=web(env={"B": "2"}), check=False)
    expect("image:" not in out and "replicas" not in out, out)
    out = c.k("diff", "--server-side", "-f", "-", input=web(image="registry/web:v9", env={"B": "2"}), check=False)
    expect("-        image: registry/web:v1" in out.replace("- image", "  image") or "registry/web:v9" in out, out)
    out = c.k(*SSA, "--dry-run=server", "-o", "jsonpath={.spec.replicas}", input=web(replicas=9))
    expect(out == "9", out)
    expect(c.json("deployment/web")["spec"]["replicas"] != 9, "a dry run")


def from_client_side(c):
    service = "apiVersion: v1\nkind: Service\nmetadata: {name: s}\nspec: {selector: {a: b}, ports: [%s]}\n"
    c.k("apply", "-f", "-", input=service % "{port: 80, name: a}, {port: 80, protocol: UDP, name: b}")
    before = entries(managed(c, "service/s"))
    expect(("kubectl-client-side-apply", "Update", "") in before, before)
    # What was a default then belongs to it too, and was not in what kubectl noted.
    out = c.k(*SSA, input=service % "{port: 80, name: a, targetPort: 8080}", check=False)
    expect('conflict with "kubectl-client-side-apply" using v1: .spec.ports[port=80,protocol="TCP"].targetPort' in out, out)
    out = c.k(*SSA, input=service % "{port: 80, name: z}")
    s = managed(c, "service/s")
    expect("serverside-applied" in out, out)
    own = entries(s)
    expect(("kubectl-client-side-apply", "Update", "") not in own, own)
    expect(("kubectl", "Apply", "") in own, own)
    ports = s["spec"]["ports"]
    expect([(p["port"], p["protocol"], p["name"]) for p in ports] == [(80, "TCP", "z")], ports)
    # And what client-side apply remembers goes on being true.
    note = s["metadata"]["annotations"]["kubectl.kubernetes.io/last-applied-configuration"]
    expect(json.loads(note)["spec"]["ports"] == [{"name": "z", "port": 80}], note)
    c.k("apply", "-f", "-", input=service % "{port: 81, name: a}")
    expect(c.json("service/s")["spec"]["ports"][0]["port"] == 81, "client-side apply still works")


def subresources(c):
    out = c.k("apply", "--server-side", "--subresource=status", "--field-manager=probe", "-f", "-", check=False,
              input="apiVersion: v1\nkind: Service\nmetadata: {name: s}\nstatus: {loadBalancer: {ingress: [{ip: 192.0.2.1}]}}\n")
    if "unknown flag" in out:  # an older kubectl
        status, _, body = c.request("PATCH", "/api/v1/namespaces/default/services/s/status?fieldManager=probe",
                                    "apiVersion: v1\nkind: Service\nmetadata: {name: s}\nstatus: {loadBalancer: {ingress: [{ip: 192.0.2.1}]}}\n",
                                    Content_Type="application/apply-patch+yaml")
        expect(status == 200, body)
    s = managed(c, "service/s")
    own = entries(s)
    expect(("probe", "Apply", "status") in own, own)
    expect(set(own[("probe", "Apply", "status")]) == {"f:status"}, own)


def names(c):
    body = json.dumps({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "named"}, "data": {"a": "b"}})
    status, _, out = c.request("POST", "/api/v1/namespaces/default/configmaps", body, Content_Type="application/json", User_Agent="my-operator/v1.2 (linux/amd64) x")
    expect(status == 201, out)
    expect(("my-operator", "Update", "") in entries(json.loads(out)), out)
    status, _, out = c.request("PATCH", "/api/v1/namespaces/default/configmaps/named?fieldManager=other", '{"data":{"c":"d"}}',
                               Content_Type="application/merge-patch+json", User_Agent="my-operator/v1.2")
    expect(entries(json.loads(out))[("other", "Update", "")] == {"f:data": {"f:c": {}}}, out)
    c.k("create", "deployment", "owned", "--image=registry/x:v1")
    cluster.retry(lambda: expect(("kube-controller-manager", "Update", "status") in entries(managed(c, "deployment/owned")), "the controller's name"), 20)
    c.k("delete", "deployment/owned")


def patch_types(c):
    v2 = json.loads(c.k("get", "--raw", "/openapi/v2"))
    consumes = v2["paths"]["/api/v1/namespaces/{namespace}/configmaps/{name}"]["patch"]["consumes"]
    expect("application/apply-patch+yaml" in consumes, consumes)
    v3 = json.loads(c.k("get", "--raw", "/openapi/v3/api/v1"))
    content = v3["paths"]["/api/v1/namespaces/{namespace}/configmaps/{name}"]["patch"]["requestBody"]["content"]
    expect("application/apply-patch+yaml" in content, content)


PORTS = {"type": "array", "x-kubernetes-list-type": "map", "x-kubernetes-list-map-keys": ["containerPort", "protocol"],
         "items": {"type": "object", "required": ["containerPort", "protocol"], "properties": {
             "containerPort": {"type": "integer"}, "protocol": {"type": "string"}, "name": {"type": "string"}}}}
SPEC = {"type": "object", "x-kubernetes-preserve-unknown-fields": True, "properties": {"cron": {"type": "string"}, "ports": PORTS}}
CRD = {"apiVersion": "apiextensions.k8s.io/v1", "kind": "CustomResourceDefinition", "metadata": {"name": "tabs.example.com"},
       "spec": {"group": "example.com", "scope": "Cluster", "names": {"plural": "tabs", "singular": "tab", "kind": "Tab", "listKind": "TabList"},
                "versions": [{"name": v, "served": True, "storage": v == "v1",
                              "schema": {"openAPIV3Schema": {"type": "object", "properties": {"spec": SPEC}}}} for v in ("v1", "v1beta1")]}}


def custom(c):
    c.k("create", "-f", "-", input=json.dumps(CRD))
    cluster.retry(lambda: c.k("get", "tabs"), 10)

    def tab(spec, version="v1", manager="one", query="", top=""):
        status, _, body = c.request("PATCH", f"/apis/example.com/{version}/tabs/t?fieldManager={manager}{query}",
                                    f"apiVersion: example.com/{version}\nkind: Tab\nmetadata:\n  name: t\n  finalizers: [x/a]\n{top}spec:\n{spec}",
                                    Content_Type="application/apply-patch+yaml")
        return status, json.loads(body)
    full = "  cron: a\n  replicas: 1\n  ports:\n  - {name: x, containerPort: 80, protocol: TCP}\n"
    expect(tab(full)[0] == 201, "created")
    status, o = tab(full, version="v1beta1")
    expect(status == 200 and len(entries(o)) == 1 and o["metadata"]["managedFields"][0]["apiVersion"] == "example.com/v1beta1", o)
    c.k("patch", "tab/t", "--type=merge", "-p", '{"metadata":{"finalizers":["x/a","x/b"]},"spec":{"replicas":5}}')
    status, o = tab(full)
    expect(status == 409 and [x["field"] for x in o["details"]["causes"]] == [".spec.replicas"], o)
    status, o = tab(full, query="&force=true")
    expect(status == 200 and o["spec"]["replicas"] == 1 and o["metadata"]["finalizers"] == ["x/a", "x/b"], o)
    status, o = tab("  ports:\n  - {name: z, containerPort: 80, protocol: TCP}\n", manager="two")
    expect(status == 409 and [x["field"] for x in o["details"]["causes"]] == ['.spec.ports[containerPort=80,protocol="TCP"].name'], o)
    status, o = tab("  ports:\n  - {name: z, containerPort: 81, protocol: TCP}\n", manager="two")
    expect(status == 200 and len(o["spec"]["ports"]) == 2, o)
    status, o = tab(full, top="unknown: 1\n")
    expect(".unknown: field not declared in schema" in o["message"], o)
    status, o = tab(full + "  cron: b\n", query="&fieldValidation=Strict")
    expect(status == 400 and 'key "cron" already set in map' in o["message"], o)
    c.k("patch", "tab/t", "--type=merge", "-p", '{"metadata":{"finalizers":null}}')
    c.k("delete", "tab/t")


def refusals(c):
    out = c.k(*SSA, "--validate=false", input=web(more="\n        wrong: 1"), check=False)
    expect('failed to create typed patch object (default/web; apps/v1, Kind=Deployment): .spec.template.spec.containers[name="web"].wrong: '
           "field not declared in schema" in out, out)
    out = c.k(*SSA, "--validate=false", input=web(replicas="two"), check=False)
    expect(".spec.replicas: expected numeric (int or float), got string" in out, out)
    out = c.k(*SSA, input=web(env={"A": "1"}, more="\n        - {name: A, value: '2'}"), check=False)
    expect('duplicate entries for key [name="A"]' in out, out)


run(Control(), (
    ("the control plane starts", lambda c: c.start()),
    ("what is applied is created and owned by kubectl", creates),
    ("applying it again changes nothing, not even the revision", again),
    ("another owner is a conflict, until forced", conflicts),
    ("what is no longer applied goes, unless shared", removal),
    ("diff and dry run show what would be", difference),
    ("client-side apply migrates", from_client_side),
    ("subresources are applied", subresources),
    ("managers are named by option, user agent and account", names),
    ("custom resources are applied, in each of their versions", custom),
    ("the documents announce apply patches", patch_types),
    ("bad configurations are refused as upstream words it", refusals),
))
