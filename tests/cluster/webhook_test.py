#!/usr/bin/env python3
"""Admission webhooks and policies of the control plane, with a real TLS backend and kubectl."""

import base64
import json
import os
import sys
import threading
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "lib"))
import cluster
from backend import Backend
from control import Control, expect, run


class Reviewer(Backend):
    """An admission webhook server: answers by path, keeps what it was asked."""

    def serve(self, h, path, review):
        request = review["request"]
        self.seen.append((path, request))
        response = {"uid": request["uid"], "allowed": True}
        status, raw = 200, None

        def patch(*ops):
            response["patchType"] = "JSONPatch"
            response["patch"] = base64.b64encode(json.dumps(ops).encode()).decode()

        o = request["object"] or {}
        if path == "/deny":
            response.update(allowed=False, status={"message": "not like this", "code": 403, "reason": "Forbidden"})
        elif path == "/deny-silently":
            response.update(allowed=False)
        elif path == "/warn":
            response["warnings"] = ["that is an odd name"]
        elif path == "/label":
            if "hooked" not in o["metadata"].get("labels", {}):
                patch({"op": "add", "path": "/metadata/labels", "value": {**o["metadata"].get("labels", {}), "hooked": "yes"}})
        elif path == "/count":
            n = str(int(o.get("data", {}).get("count", "0")) + 1)
            patch({"op": "add", "path": "/data/count", "value": n})
        elif path == "/after":
            if o.get("data", {}).get("after") != "yes":
                patch({"op": "add", "path": "/data/after", "value": "yes"})
        elif path == "/scale":
            patch({"op": "replace", "path": "/spec/replicas", "value": 3})
        elif path == "/wrong-uid":
            response["uid"] = "another"
        elif path == "/bad-patch":
            patch({"op": "remove", "path": "/no/such/place"})
        elif path == "/slow":
            time.sleep(2.5)
        elif path == "/redirect":
            status = 302
        elif path == "/broken":
            status, raw = 500, b"oh no"
        elif path == "/garbage":
            raw = b"not json"
        elif path == "/huge":
            raw = b"x" * (4 << 20)
        review = {"apiVersion": "admission.k8s.io/v1", "kind": "AdmissionReview", "response": response}
        to = {"Location": f"https://127.0.0.1:{self.port}/warn"} if status == 302 else {}
        self.answer(h, status, review if raw is None else raw, **to)


backend = Reviewer()


def hook(name, path, operations, resources, **more):
    group = more.pop("group", "")
    ca = more.pop("ca", "ca")
    return {"name": name, "clientConfig": more.pop("clientConfig", None) or {"url": f"https://127.0.0.1:{backend.port}{path}", "caBundle": backend.bundle(ca)},
            "rules": [{"apiGroups": [group], "apiVersions": more.pop("versions", ["*"]), "operations": operations, "resources": resources}],
            "sideEffects": more.pop("sideEffects", "None"), "admissionReviewVersions": ["v1"], "timeoutSeconds": more.pop("timeoutSeconds", 5), **more}


class Hooks:
    """Configurations that are there for one step."""

    def __init__(self, c, *hooks, kind="Validating", name="it"):
        self.c, self.what, self.name = c, kind.lower() + "webhookconfiguration", name
        self.object = {"apiVersion": "admissionregistration.k8s.io/v1", "kind": kind + "WebhookConfiguration",
                       "metadata": {"name": name}, "webhooks": list(hooks)}

    def __enter__(self):
        self.c.k("create", "-f", "-", input=json.dumps(self.object))
        del backend.seen[:]
        return self

    def __exit__(self, *why):
        self.c.k("delete", self.what, self.name)


def refused(c, wanted, *words, input=None):
    out = c.k(*words, input=input, check=False)
    expect(wanted in out, f"{words}: wanted {wanted!r}, got {out!r}")


def cleaned(c, *names):
    for n in names:
        c.k("delete", "configmap", n, "--ignore-not-found")


def denies(c):
    with Hooks(c, hook("deny.example.com", "/deny", ["CREATE"], ["configmaps"])):
        refused(c, 'error: failed to create configmap: admission webhook "deny.example.com" denied the request: not like this',
                "create", "configmap", "a")
        path, q = backend.seen[0]
        expect(q["operation"] == "CREATE" and q["kind"] == {"group": "", "version": "v1", "kind": "ConfigMap"} and
               q["resource"] == {"group": "", "version": "v1", "resource": "configmaps"} and q["namespace"] == "default" and
               q["name"] == "a" and q["object"]["metadata"]["name"] == "a" and q["oldObject"] is None and
               q["dryRun"] is False and q["userInfo"]["username"] and q["options"]["kind"] == "CreateOptions", q)
        status, _, body = c.request("POST", "/api/v1/namespaces/default/configmaps", json.dumps({"metadata": {"name": "a"}}), Content_Type="application/json")
        expect(status == 403 and json.loads(body)["reason"] == "Forbidden", body)
    with Hooks(c, hook("deny.example.com", "/deny-silently", ["CREATE"], ["configmaps"])):
        refused(c, 'admission webhook "deny.example.com" denied the request without explanation', "create", "configmap", "a")
    c.k("create", "configmap", "a")
    cleaned(c, "a")


def warns(c):
    with Hooks(c, hook("warn.example.com", "/warn", ["CREATE"], ["configmaps"])):
        refused(c, "Warning: that is an odd name", "create", "configmap", "w")
    cleaned(c, "w")


def mutates(c):
    with Hooks(c, hook("label.example.com", "/label", ["CREATE"], ["pods", "configmaps"]), kind="Mutating"):
        c.k("create", "configmap", "m")
        expect(c.json("configmap", "m")["metadata"]["labels"] == {"hooked": "yes"}, "the label is missing")
        c.k("run", "m", "--image=x", "--dry-run=server")
    cleaned(c, "m")
    with Hooks(c, hook("bad.example.com", "/bad-patch", ["CREATE"], ["configmaps"]), kind="Mutating"):
        refused(c, "Internal error occurred", "create", "configmap", "m")


def reinvokes(c):
    for policy, count in (("Never", "1"), ("IfNeeded", "2")):
        with Hooks(c, hook("count.example.com", "/count", ["CREATE"], ["configmaps"], reinvocationPolicy=policy),
                   hook("after.example.com", "/after", ["CREATE"], ["configmaps"]), kind="Mutating"):
            c.k("create", "configmap", "n", "--from-literal=x=y")
            data = c.json("configmap", "n")["data"]
            expect(data == {"x": "y", "count": count, "after": "yes"}, f"{policy}: {data}")
            cleaned(c, "n")
    with Hooks(c, hook("label.example.com", "/label", ["CREATE"], ["configmaps"]), kind="Mutating", name="b"):
        with Hooks(c, hook("count.example.com", "/count", ["CREATE"], ["configmaps"]), kind="Mutating", name="a"):
            c.k("create", "configmap", "n", "--from-literal=x=y")
            expect([p for p, _ in backend.seen] == ["/count", "/label"], "configurations are not called in the order of their names")
    cleaned(c, "n")


def fails(c):
    says = 'Internal error occurred: failed calling webhook "x.example.com": '
    for path, why in (("/broken", 'failed to call webhook: an error on the server ("oh no") has prevented the request from succeeding'),
                      ("/wrong-uid", 'received invalid webhook response: expected response.uid='),
                      ("/redirect", "failed to call webhook: the server responded with the status code 302 but did not return more information"),
                      ("/garbage", "received invalid webhook response: "),
                      ("/huge", "failed to call webhook: "),
                      ("/slow", f'failed to call webhook: Post "https://127.0.0.1:{backend.port}/slow?timeout=1s": context deadline exceeded')):
        with Hooks(c, hook("x.example.com", path, ["CREATE"], ["configmaps"], timeoutSeconds=1)):
            refused(c, says + why, "create", "configmap", "f")
            expect([p for p, _ in backend.seen] == [path], f"{path}: asked {backend.seen}")
    with Hooks(c, hook("x.example.com", "/deny", ["CREATE"], ["configmaps"], ca="other")):
        refused(c, says + "failed to call webhook: ", "create", "configmap", "f")
        expect(not backend.seen, "a server that is not trusted was asked")
    with Hooks(c, hook("x.example.com", "/broken", ["CREATE"], ["configmaps"], failurePolicy="Ignore")):
        c.k("create", "configmap", "f")
    cleaned(c, "f")


def dry_run(c):
    with Hooks(c, hook("x.example.com", "/warn", ["CREATE"], ["configmaps"], sideEffects="NoneOnDryRun")):
        c.k("create", "configmap", "d", "--dry-run=server")
        expect(backend.seen[0][1]["dryRun"] is True, "dryRun is not said")
    expect("NotFound" in c.k("get", "configmap", "d", check=False), "a dry run left something behind")


POD = {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "p"}, "spec": {"containers": [{"name": "c", "image": "x"}]}}
DEPLOYMENT = {"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": "d"},
              "spec": {"replicas": 0, "selector": {"matchLabels": {"a": "b"}},
                       "template": {"metadata": {"labels": {"a": "b"}}, "spec": {"containers": [{"name": "c", "image": "x"}]}}}}


def every_verb(c):
    """Each way to change something is refused, and seen as the right operation."""
    c.k("create", "-f", "-", input=json.dumps(POD))
    c.k("create", "-f", "-", input=json.dumps(DEPLOYMENT))
    c.k("create", "-f", "-", input=json.dumps({"apiVersion": "v1", "kind": "Node", "metadata": {"name": "n9"}}))
    c.k("create", "configmap", "v")

    def api(method, path, body, kind="application/json"):
        status, _, out = c.request(method, path, json.dumps(body), Content_Type=kind)
        expect(status == 403 and b'admission webhook \\"x.example.com\\" denied the request: not like this' in out, f"{method} {path}: {status} {out}")

    merge, ns, pods = "application/merge-patch+json", "/api/v1/namespaces/default", "/api/v1/namespaces/default/pods/p"
    pod = c.json("pod", "p")
    cases = [
        ("UPDATE", "configmaps", "", lambda: api("PUT", ns + "/configmaps/v", c.json("configmap", "v"))),
        ("UPDATE", "configmaps", "", lambda: api("PATCH", ns + "/configmaps/v", {"data": {"a": "b"}}, merge)),
        ("UPDATE", "configmaps", "", lambda: api("PATCH", ns + "/configmaps/v?fieldManager=m", {"apiVersion": "v1", "kind": "ConfigMap", "data": {"a": "b"}}, "application/apply-patch+yaml")),
        ("CREATE", "configmaps", "", lambda: api("PATCH", ns + "/configmaps/new?fieldManager=m", {"apiVersion": "v1", "kind": "ConfigMap"}, "application/apply-patch+yaml")),
        ("DELETE", "configmaps", "", lambda: api("DELETE", ns + "/configmaps/v", {})),
        ("DELETE", "configmaps", "", lambda: api("DELETE", ns + "/configmaps", {})),
        ("UPDATE", "pods", "status", lambda: api("PATCH", pods + "/status", {"status": {"phase": "Failed"}}, merge)),
        ("UPDATE", "pods", "ephemeralcontainers", lambda: api("PATCH", pods + "/ephemeralcontainers", {"spec": {"ephemeralContainers": [{"name": "e", "image": "x"}]}}, merge)),
        ("UPDATE", "pods", "resize", lambda: api("PATCH", pods + "/resize", {"metadata": {"labels": {"q": "r"}}}, merge)),
        ("CREATE", "pods", "eviction", lambda: api("POST", pods + "/eviction", {"apiVersion": "policy/v1", "kind": "Eviction", "metadata": {"name": "p"}})),
        ("CREATE", "pods", "binding", lambda: api("POST", pods + "/binding", {"apiVersion": "v1", "kind": "Binding", "metadata": {"name": "p"}, "target": {"name": "n9"}})),
        ("CREATE", "serviceaccounts", "token", lambda: api("POST", ns + "/serviceaccounts/default/token", {"apiVersion": "authentication.k8s.io/v1", "kind": "TokenRequest"})),
        ("CONNECT", "pods", "exec", lambda: api("POST", pods + "/exec?command=x&container=c", {})),
        ("CONNECT", "pods", "attach", lambda: api("POST", pods + "/attach?container=c", {})),
        ("CONNECT", "pods", "portforward", lambda: api("POST", pods + "/portforward", {})),
        ("CONNECT", "pods", "proxy", lambda: api("GET", pods + "/proxy/", {})),
        ("UPDATE", "nodes", "", lambda: api("PATCH", "/api/v1/nodes/n9", {"metadata": {"labels": {"a": "b"}}}, merge)),
        ("UPDATE", "nodes", "status", lambda: api("PATCH", "/api/v1/nodes/n9/status", {"status": {"phase": "Running"}}, merge)),
        ("UPDATE", "deployments", "scale", lambda: api("PATCH", "/apis/apps/v1/namespaces/default/deployments/d/scale", {"spec": {"replicas": 2}}, merge)),
    ]
    problems = []
    for operation, resource, sub, do in cases:
        name = resource + ("/" + sub if sub else "")
        try:
            with Hooks(c, hook("x.example.com", "/deny", [operation], [name], group="*")):
                do()
                q = backend.seen[-1][1]
                expect(q["operation"] == operation and q["resource"]["resource"] == resource and q.get("subResource", "") == sub, q)
                if operation == "DELETE":
                    expect(q["object"] is None and q["oldObject"]["metadata"]["name"], q)
                if sub == "scale":
                    expect(q["kind"]["kind"] == "Scale" and q["object"]["spec"]["replicas"] == 2 and q["oldObject"]["spec"].get("replicas", 0) == 0, q)
                if sub in ("binding", "eviction"):
                    expect(q["kind"]["kind"] == sub.capitalize() and q["object"]["kind"] == sub.capitalize(), q)
        except Exception as e:
            problems.append(f"{operation} {name}: {e}")
    expect(not problems, "\n".join(problems))
    now = c.json("pod", "p")
    expect(now["spec"] == pod["spec"] and now["metadata"].get("labels") == pod["metadata"].get("labels") and now["status"]["phase"] == "Pending", "something was changed")
    with Hooks(c, hook("s.example.com", "/scale", ["UPDATE"], ["deployments/scale"], group="apps"), kind="Mutating"):
        c.k("scale", "deployment", "d", "--replicas=1")
    expect(c.json("deployment", "d")["spec"]["replicas"] == 3, "the changed scale was not taken")
    c.k("delete", "configmap/v", "deployment/d", "node/n9")
    c.k("delete", "pod", "p", "--force", "--grace-period=0")


def selects(c):
    c.k("create", "namespace", "gated")
    c.k("label", "namespace", "gated", "gate=on")
    chosen = {"namespaceSelector": {"matchLabels": {"gate": "on"}}}
    with Hooks(c, hook("x.example.com", "/deny", ["*"], ["configmaps"], **chosen)):
        c.k("create", "configmap", "s")
        refused(c, "denied the request", "-n", "gated", "create", "configmap", "s")
    labelled = {"objectSelector": {"matchLabels": {"look": "here"}}}
    with Hooks(c, hook("x.example.com", "/deny", ["UPDATE"], ["configmaps"], **labelled)):
        c.k("annotate", "configmap", "s", "a=b")
        refused(c, "denied the request", "label", "configmap", "s", "look=here")
    c.k("label", "configmap", "s", "look=here")
    with Hooks(c, hook("x.example.com", "/deny", ["UPDATE"], ["configmaps"], **labelled)):
        refused(c, "denied the request", "label", "configmap", "s", "look-")
    conditions = {"matchConditions": [{"name": "not-named-t", "expression": "object.metadata.name != 't'"},
                                      {"name": "by-admin", "expression": "request.userInfo.username != '' && authorizer.requestResource.check('create').allowed()"}]}
    with Hooks(c, hook("x.example.com", "/deny", ["CREATE"], ["configmaps"], **conditions)):
        c.k("create", "configmap", "t")
        refused(c, "denied the request", "create", "configmap", "u")
    wrong = {"matchConditions": [{"name": "wrong", "expression": "object.nothing == 1"}]}
    with Hooks(c, hook("x.example.com", "/warn", ["CREATE"], ["configmaps"], **wrong)):
        refused(c, 'configmaps "u" is forbidden: ', "create", "configmap", "u")
    refused(c, "undeclared reference to 'nothing'", "create", "-f", "-", input=json.dumps(
        {"apiVersion": "admissionregistration.k8s.io/v1", "kind": "ValidatingWebhookConfiguration", "metadata": {"name": "w"},
         "webhooks": [hook("x.example.com", "/warn", ["CREATE"], ["configmaps"], matchConditions=[{"name": "a", "expression": "nothing"}])]}))
    for policy, denied in (("Exact", False), ("Equivalent", True)):
        with Hooks(c, hook("x.example.com", "/deny", ["CREATE"], ["horizontalpodautoscalers"], group="autoscaling", versions=["v1"], matchPolicy=policy)):
            out = c.k("create", "-f", "-", check=False, input=json.dumps(
                {"apiVersion": "autoscaling/v2", "kind": "HorizontalPodAutoscaler", "metadata": {"name": "h"},
                 "spec": {"maxReplicas": 2, "scaleTargetRef": {"kind": "Deployment", "name": "d", "apiVersion": "apps/v1"}}}))
            expect(("denied the request" in out) == denied, f"{policy}: {out}")
            if denied:
                q = backend.seen[-1][1]
                expect(q["kind"]["version"] == "v1" and q["requestKind"]["version"] == "v2" and q["object"]["apiVersion"] == "autoscaling/v1", q)
            else:
                c.k("delete", "hpa", "h")
    with Hooks(c, hook("x.example.com", "/deny", ["*"], ["*/*"], group="*")):
        pass  # its own removal is not asked about
    cleaned(c, "s", "t")


def restarts(c):
    """Other requests go on while one waits, and a change meanwhile starts it again."""
    c.k("create", "configmap", "r", "--from-literal=a=1")
    with Hooks(c, hook("x.example.com", "/slow", ["UPDATE"], ["configmaps"], objectSelector={"matchLabels": {"slow": "yes"}})):
        waiting = threading.Thread(target=lambda: c.k("label", "configmap", "r", "slow=yes"))
        waiting.start()
        cluster.retry(lambda: expect(backend.seen, "not asked"), 5)
        at = time.time()
        c.k("annotate", "configmap", "r", "meanwhile=1")
        expect(time.time() - at < 1.5, "a waiting write holds up others")
        waiting.join(20)
        expect(len(backend.seen) == 2, f"asked {len(backend.seen)} times")
    o = c.json("configmap", "r")["metadata"]
    expect(o["labels"] == {"slow": "yes"} and o["annotations"] == {"meanwhile": "1"}, o)
    cleaned(c, "r")


def through_a_service(c):
    """clientConfig.service: the API server finds an endpoint itself."""
    address = cluster.own_address()
    client = {"service": {"namespace": "default", "name": "hook", "path": "/deny", "port": 8443}, "caBundle": backend.bundle()}
    with Hooks(c, hook("x.example.com", "", ["CREATE"], ["configmaps"], clientConfig=client)):
        says = 'failed calling webhook "x.example.com": failed to call webhook: '
        refused(c, says + 'service "hook" not found', "create", "configmap", "s")
        c.k("create", "-f", "-", input=json.dumps({"apiVersion": "v1", "kind": "Service", "metadata": {"name": "hook"}, "spec": {"ports": [{"port": 8443}]}}))
        refused(c, says + 'no endpoints available for service "hook"', "create", "configmap", "s")
        c.k("create", "-f", "-", input=json.dumps(
            {"apiVersion": "discovery.k8s.io/v1", "kind": "EndpointSlice", "metadata": {"name": "hook", "labels": {"kubernetes.io/service-name": "hook"}},
             "addressType": "IPv4", "ports": [{"name": "", "port": backend.port}], "endpoints": [{"addresses": [address]}]}))
        refused(c, 'admission webhook "x.example.com" denied the request: not like this', "create", "configmap", "s")
    c.k("delete", "service", "hook")


def policy(name, **spec):
    spec.setdefault("matchConstraints", {"resourceRules": [{"apiGroups": [""], "apiVersions": ["v1"], "operations": ["CREATE", "UPDATE"], "resources": ["configmaps"]}]})
    return {"apiVersion": "admissionregistration.k8s.io/v1", "kind": "ValidatingAdmissionPolicy", "metadata": {"name": name}, "spec": spec}


def binding(name, of, *actions, **spec):
    return {"apiVersion": "admissionregistration.k8s.io/v1", "kind": "ValidatingAdmissionPolicyBinding", "metadata": {"name": name},
            "spec": {"policyName": of, "validationActions": list(actions) or ["Deny"], **spec}}


class Policies:
    def __init__(self, c, *objects):
        self.c, self.objects = c, objects

    def __enter__(self):
        for o in self.objects:
            self.c.k("create", "-f", "-", input=json.dumps(o))

    def __exit__(self, *why):
        for o in reversed(self.objects):
            self.c.k("delete", "-f", "-", input=json.dumps(o))


def policies(c):
    short = policy("short", validations=[{"expression": "size(object.metadata.name) < 4", "reason": "Forbidden"}])
    c.k("create", "-f", "-", input=json.dumps(short))
    c.k("create", "configmap", "unbound")
    c.k("delete", "-f", "-", input=json.dumps(short))
    with Policies(c, short, binding("everywhere", "short")):
        refused(c, "configmaps \"quite-long\" is forbidden: ValidatingAdmissionPolicy 'short' with binding 'everywhere' denied request: failed expression: size(object.metadata.name) < 4",
                "create", "configmap", "quite-long")
        refused(c, "denied request", "create", "configmap", "quite-long", "--dry-run=server")
        refused(c, "denied request", "label", "configmap", "unbound", "a=b")
        c.k("create", "configmap", "abc")
        status, _, body = c.request("POST", "/api/v1/namespaces/default/configmaps", json.dumps({"metadata": {"name": "quite-long"}}), Content_Type="application/json")
        answer = json.loads(body)
        expect(status == 403 and answer["reason"] == "Forbidden" and answer["details"]["causes"][0]["message"].startswith("ValidatingAdmissionPolicy 'short'"), body)
    with Policies(c, short, binding("warns", "short", "Warn")):
        refused(c, "Warning: Validation failed for ValidatingAdmissionPolicy 'short' with binding 'warns': failed expression", "create", "configmap", "warned")
    with Policies(c, short, binding("elsewhere", "short", matchResources={"namespaceSelector": {"matchLabels": {"no": "such"}}})):
        c.k("create", "configmap", "elsewhere")
    said = policy("said", variables=[{"name": "count", "expression": "size(object.data)"}, {"name": "odd", "expression": "variables.count % 2 == 1"}],
                  validations=[{"expression": "!variables.odd", "messageExpression": "'there are ' + string(variables.count) + ' in ' + namespaceObject.metadata.name"}],
                  matchConditions=[{"name": "has-data", "expression": "has(object.data)"}])
    with Policies(c, said, binding("b", "said")):
        refused(c, "denied request: there are 1 in default", "create", "configmap", "x", "--from-literal=a=b")
        c.k("create", "configmap", "x", "--from-literal=a=b", "--from-literal=c=d")
        c.k("create", "configmap", "y")
    broken = policy("broken", validations=[{"expression": "object.data.nothing == 'x'"}])
    with Policies(c, broken, binding("b", "broken")):
        refused(c, "denied request: expression 'object.data.nothing == 'x'' resulted in error: no such key: data", "create", "configmap", "z")
    broken["spec"]["failurePolicy"] = "Ignore"
    with Policies(c, broken, binding("b", "broken")):
        c.k("create", "configmap", "z")
    refused(c, "undeclared reference to 'nothing'", "create", "-f", "-", input=json.dumps(policy("w", validations=[{"expression": "nothing"}])))
    refused(c, "must not contain both Deny and Warn", "create", "-f", "-", input=json.dumps(binding("w", "w", "Deny", "Warn")))
    cleaned(c, "unbound", "abc", "warned", "elsewhere", "x", "y", "z")


def parameters(c):
    c.k("create", "-f", "-", input=json.dumps(
        {"apiVersion": "apiextensions.k8s.io/v1", "kind": "CustomResourceDefinition", "metadata": {"name": "limits.example.com"},
         "spec": {"group": "example.com", "scope": "Namespaced", "names": {"plural": "limits", "kind": "Limit"},
                  "versions": [{"name": "v1", "served": True, "storage": True, "schema": {"openAPIV3Schema": {"type": "object", "properties": {"most": {"type": "integer"}}}}}]}}))
    cluster.retry(lambda: c.k("create", "-f", "-", input=json.dumps({"apiVersion": "example.com/v1", "kind": "Limit", "metadata": {"name": "l", "labels": {"a": "b"}}, "most": 5})), 10)
    c.k("create", "configmap", "how", "--from-literal=most=4")
    cases = (("v1", "ConfigMap", "how", "int(params.data.most)"), ("example.com/v1", "Limit", "l", "params.most"))
    for version, kind, name, most in cases:
        limit = policy("limit", paramKind={"apiVersion": version, "kind": kind}, validations=[{"expression": f"size(object.metadata.name) <= {most}"}])
        with Policies(c, limit, binding("b", "limit", paramRef={"name": name, "parameterNotFoundAction": "Deny"})):
            refused(c, "denied request: failed expression", "create", "configmap", "abcdef")
            c.k("create", "configmap", "abc")
        for action, denied in (("Deny", True), ("Allow", False)):
            with Policies(c, limit, binding("b", "limit", paramRef={"name": "missing", "parameterNotFoundAction": action})):
                out = c.k("create", "configmap", "abcdef", check=False)
                expect(("no params found for policy binding with `Deny` parameterNotFoundAction" in out) == denied, out)
        cleaned(c, "abc", "abcdef")
    with Policies(c, limit, binding("b", "limit", paramRef={"selector": {"matchLabels": {"a": "b"}}, "parameterNotFoundAction": "Deny"})):
        refused(c, "denied request: failed expression", "create", "configmap", "abcdef")


control = Control()
control.start()
only = sys.argv[1:]
run(control, [(fn.__name__, fn) for fn in (denies, warns, mutates, reinvokes, fails, dry_run, selects, restarts, through_a_service, policies, parameters, every_verb) if not only or fn.__name__ in only])
