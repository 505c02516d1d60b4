#!/usr/bin/env python3
# timeout: 300
"""The control plane alone on the host, without root's rights, driven by the real kubectl: what a user
does to objects, what is refused and how, and that killed roles come back with nothing lost."""

import json
import os
import re
import signal
import subprocess
import sys
import time
import urllib.request

TOP = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
sys.path.insert(0, os.path.join(TOP, "tests", "lib"))
import cluster  # noqa: E402
from control import KEELSON, Control, expect, run  # noqa: E402

WEB = """
apiVersion: apps/v1
kind: Deployment
metadata: {name: web}
spec:
  replicas: 3
  selector: {matchLabels: {app: web}}
  template:
    metadata: {labels: {app: web}}
    spec:
      containers: [{name: web, image: registry/web:v1, ports: [{containerPort: 8080, name: http}]}]
---
apiVersion: v1
kind: Service
metadata: {name: web}
spec:
  type: NodePort
  selector: {app: web}
  ports: [{port: 80, targetPort: http, nodePort: 30080}]
"""


def defaults(c):
    for ns in ("default", "kube-system", "kube-public", "kube-node-lease"):
        cluster.retry(lambda: c.k("-n", ns, "get", "serviceaccount/default", "configmap/kube-root-ca.crt"), 10)
    s = c.json("service", "kubernetes")
    expect(s["spec"]["clusterIP"] == "10.96.0.1", s)
    expect(c.json("endpointslice", "kubernetes")["endpoints"], "an endpoint of the API")
    names = [p["metadata"]["name"] for p in c.json("priorityclass")["items"]]
    expect("system-node-critical" in names and "system-cluster-critical" in names, names)
    expect("v1.35" in c.k("version", check=False), "the version")
    expect(len(c.k("api-resources").splitlines()) > 50, "api-resources")


def rollout(c):
    c.k("apply", "-f", "-", input=WEB)
    cluster.retry(lambda: expect(len(c.json("pods", "-l", "app=web")["items"]) == 3, "three pods"), 20)
    c.k("scale", "deployment/web", "--replicas=5")
    cluster.retry(lambda: expect(len(c.json("pods", "-l", "app=web")["items"]) == 5, "five pods"), 20)
    c.k("set", "image", "deployment/web", "web=registry/web:v2")
    cluster.retry(lambda: expect(len(c.json("rs", "-l", "app=web")["items"]) == 2, "two sets"), 20)
    sizes = sum(r["spec"]["replicas"] for r in c.json("rs", "-l", "app=web")["items"])
    expect(sizes <= 7, f"surge: {sizes}")
    history = c.k("rollout", "history", "deployment/web")
    expect(re.search(r"^1 ", history, re.M) and re.search(r"^2 ", history, re.M), history)
    c.k("rollout", "undo", "deployment/web")
    cluster.retry(lambda: expect("3" in c.k("rollout", "history", "deployment/web"), "revision 3"), 20)
    out = c.k("describe", "deployment/web")
    expect("ScalingReplicaSet" in out, out)
    events = c.k("get", "events")
    expect("no nodes available to schedule pods" in events, events)


def deletion_takes_what_is_owned(c):
    c.k("delete", "deployment/web")
    cluster.retry(lambda: expect(not c.json("rs,pods", "-l", "app=web")["items"], "all gone"), 30)
    expect(not c.json("endpointslices", "-l", "kubernetes.io/service-name=web")["items"][0].get("endpoints"), "no endpoints")
    c.k("delete", "service/web")
    cluster.retry(lambda: expect(not c.json("endpointslices", "-l", "kubernetes.io/service-name=web")["items"], "slices gone"), 30)


def namespaces(c):
    c.k("create", "-f", "-", input="apiVersion: v1\nkind: Namespace\nmetadata: {name: tmp}\n")
    cluster.retry(lambda: c.k("-n", "tmp", "get", "serviceaccount/default"), 10)
    c.k("-n", "tmp", "apply", "-f", "-", input=WEB.replace("nodePort: 30080", "nodePort: 30082"))
    c.k("delete", "namespace/tmp", "--timeout=60s", timeout=70)
    expect("NotFound" in c.k("get", "namespace/tmp", check=False), "the namespace is gone")
    expect(not c.json("pods", "-A")["items"], "its pods too")


def patches(c):
    c.k("create", "-f", "-", input='{"apiVersion":"v1","kind":"ConfigMap","metadata":{"name":"m"},"data":{"a":"1","b":"2"}}')
    c.k("patch", "configmap/m", "--type=json", "-p", '[{"op":"replace","path":"/data/a","value":"one"}]')
    c.k("patch", "configmap/m", "--type=merge", "-p", '{"data":{"b":null}}')
    c.k("label", "configmap/m", "x=y")
    m = c.json("configmap/m")
    expect(m["data"] == {"a": "one"} and m["metadata"]["labels"] == {"x": "y"}, m)
    stale = dict(m, data={"a": "two"})
    c.k("annotate", "configmap/m", "touched=yes")
    out = c.k("replace", "-f", "-", input=json.dumps(stale), check=False)
    expect("the object has been modified" in out, out)
    expect(c.k("get", "configmap", "-l", "x=y", "-o", "name").strip() == "configmap/m", "label selector")
    expect(c.k("get", "configmap", "--field-selector", "metadata.name=m", "-o", "name").strip() == "configmap/m", "field selector")


def refusals(c):
    for body, word in (
        ("apiVersion: v1\nkind: Pod\nmetadata: {name: p}\nspec: {containers: [{name: a, image: b, wrong: 1}]}", 'unknown field "spec.containers[0].wrong"'),
        ("apiVersion: v1\nkind: Pod\nmetadata: {name: P}\nspec: {containers: [{name: a, image: b}]}", "RFC 1123"),
        ("apiVersion: v1\nkind: Pod\nmetadata: {name: p}\nspec: {containers: [{name: a}]}", "spec.containers[0].image: Required value"),
        ("apiVersion: v1\nkind: Service\nmetadata: {name: s}\nspec: {ports: [{port: 99999}]}", "spec.ports[0].port"),
        ("apiVersion: apps/v1\nkind: Deployment\nmetadata: {name: d}\nspec: {selector: {matchLabels: {a: b}}, template: {metadata: {labels: {c: d}}, spec: {containers: [{name: a, image: b}]}}}", "selector"),
        ("apiVersion: v1\nkind: ConfigMap\nmetadata: {name: m}", "AlreadyExists"),
    ):
        out = c.k("create", "-f", "-", input=body, check=False)
        expect(word in out, f"{word!r} not in {out}")
    depth = '{"apiVersion":"v1","kind":"ConfigMap","metadata":{"name":"deep"},"data":' + "[" * 100000 + "]" * 100000 + "}"
    out = c.k("create", "--validate=false", "-f", "-", input=depth, check=False)
    expect("created" not in out, out[:300])
    out = c.k("create", "--validate=false", "-f", "-", check=False,
              input=json.dumps({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "big"}, "data": {"x": "y" * 4000000}}))
    expect("too large" in out or "TooLarge" in out, out[:300])
    expect("NotFound" in c.k("get", "configmap/deep", "configmap/big", check=False), "nothing stored")


def strangers(c):
    import ssl
    context = ssl._create_unverified_context()
    try:
        urllib.request.urlopen(f"https://127.0.0.1:{c.port}/api/v1/pods", context=context, timeout=10)
        raise AssertionError("an unknown client was answered")
    except urllib.error.HTTPError as e:
        expect(e.code == 401, e.code)
        expect(json.load(e)["reason"] == "Unauthorized", "a Status")
    for path in ("/healthz", "/livez", "/readyz", "/version"):
        expect(urllib.request.urlopen(f"https://127.0.0.1:{c.port}{path}", context=context, timeout=10).status == 200, path)
    token = c.k("create", "token", "default")
    request = urllib.request.Request(f"https://127.0.0.1:{c.port}/api/v1/pods", headers={"Authorization": "Bearer " + token.strip()})
    try:
        urllib.request.urlopen(request, context=context, timeout=10)
        raise AssertionError("a service account was let in")
    except urllib.error.HTTPError as e:
        text = e.read().decode()
        expect(e.code == 403 and "system:serviceaccount:default:default" in text, f"{e.code} {text}")


def watching(c):
    p = subprocess.Popen(["kubectl", "--kubeconfig", os.path.join(c.data, "admin.kubeconfig"), "get", "configmap",
                          "--watch", "-o", "name"], stdout=subprocess.PIPE, text=True)
    try:
        time.sleep(1)
        c.k("create", "-f", "-", input='{"apiVersion":"v1","kind":"ConfigMap","metadata":{"name":"seen"}}')
        end = time.time() + 20
        while time.time() < end:
            if p.stdout.readline().strip() == "configmap/seen":
                return
        raise AssertionError("the watch did not show the new object")
    finally:
        p.terminate()
        p.wait(10)


def killed_roles_return(c):
    for role in ("front", "keys", "control"):
        before = c.roles()
        os.kill(before[role], signal.SIGKILL)
        cluster.retry(lambda: expect(c.roles().get(role, before[role]) != before[role], f"{role} is back"), 5, pause=0.05)
        cluster.retry(lambda: c.k("get", "configmap/m"), 20)
        after = c.roles()
        expect(all(after[r] == before[r] for r in before if r != role), f"the others were left alone: {before} {after}")
        c.k("create", "-f", "-", input=json.dumps({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": f"after-{role}"}}))


def restart_keeps_everything(c):
    before = {o["metadata"]["name"]: o["metadata"]["resourceVersion"] for o in c.json("configmap")["items"]}
    c.stop(signal.SIGKILL)
    c.start()
    after = {o["metadata"]["name"]: o["metadata"]["resourceVersion"] for o in c.json("configmap")["items"]}
    expect(before == after, f"{before} {after}")
    c.stop(signal.SIGTERM)
    c.start()
    expect({o["metadata"]["name"] for o in c.json("configmap")["items"]} == set(before), "the same objects")


def words(c):
    for argv, code in ((["version"], 0), (["help"], 0), (["nonsense"], 2), (["run", "--nonsense"], 2), (["run"], 2)):
        r = subprocess.run([KEELSON, *argv], capture_output=True, text=True, timeout=10)
        expect(r.returncode == code, f"{argv}: {r.returncode} {r.stderr}")
        if code == 2:
            expect(len(r.stderr.strip().splitlines()) == 1, f"one line: {r.stderr}")


run(Control(), (
    ("unknown words and options end with one line and status 2", words),
    ("the control plane starts without root's rights", lambda c: c.start()),
    ("clients find what they take for granted", defaults),
    ("deployments roll, scale and roll back", rollout),
    ("deleting an owner deletes what it owns", deletion_takes_what_is_owned),
    ("a namespace is deleted with everything in it", namespaces),
    ("patches, selectors and optimistic concurrency", patches),
    ("bad input is refused with the path of the field", refusals),
    ("strangers get 401, service accounts 403", strangers),
    ("a watch shows what is created", watching),
    ("each killed role returns alone", killed_roles_return),
    ("nothing is lost by killing and restarting all", restart_keeps_everything),
))
