#!/usr/bin/env python3
# timeout: 90
"""The audit log: which requests the policy asks for, how much of each, and where it is read."""

import json
import os
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.dirname(os.path.abspath(__file__))), "lib"))
import cluster  # noqa: E402
from control import KEELSON, Control, expect, run  # noqa: E402
import subprocess  # noqa: E402

POLICY = """\
api:
  audit:
    omitStages: [RequestReceived]
    rules:
      - {level: None, userGroups: ["system:serviceaccounts:kube-system"]}
      - {level: None, nonResourceURLs: ["/readyz*", "/logs/*"]}
      - {level: Metadata, resources: [{group: "", resources: [secrets]}]}
      - {level: RequestResponse, verbs: [create, update, patch], resources: [{group: "", resources: [configmaps, "pods/status"]}], omitManagedFields: true}
      - {level: Request, namespaces: [audited]}
      - {level: Metadata, omitStages: [ResponseStarted], verbs: [watch]}
      - {level: Metadata, users: [kubernetes-admin, jane]}
      - {level: None}
"""


def start(c):
    config = os.path.join(c.data, "keelson.yaml")
    with open(config, "w") as f:
        f.write(POLICY)
    c.options = ("--config", config)
    c.start()


def events(c, count=1, **want):
    """Those of the log whose members are as wanted ("user.username" and the like), once there are enough."""
    def get(e, path):
        for part in path.split("."):
            e = (e or {}).get(part)
        return e

    def look():
        lines = c.k("get", "--raw", "/logs/audit.log").splitlines()
        found = [e for e in map(json.loads, lines) if all(get(e, k.replace("__", ".")) == v for k, v in want.items())]
        expect(len(found) >= count, f"{len(found)} events of {want}; the last: {lines[-1:]}")
        return found
    return cluster.retry(look, 10)


def whole_objects(c):
    c.k("create", "configmap", "told", "--from-literal=a=b")
    e = events(c, verb="create", objectRef__name=None, objectRef__resource="configmaps", level="RequestResponse")[-1]
    expect((e["kind"], e["apiVersion"], e["stage"]) == ("Event", "audit.k8s.io/v1", "ResponseComplete"), e)
    expect(e["requestObject"]["data"] == {"a": "b"} and e["responseObject"]["metadata"]["name"] == "told", e)
    expect("managedFields" not in e["responseObject"]["metadata"], "left out")
    expect(e["responseStatus"]["code"] == 201 and e["user"]["groups"] and e["sourceIPs"] == ["127.0.0.1"], e)
    expect(e["userAgent"].startswith("kubectl/") and e["annotations"]["authorization.k8s.io/decision"] == "allow", e)
    expect(e["requestReceivedTimestamp"] <= e["stageTimestamp"] and len(e["stageTimestamp"]) == 27, e)
    c.k("create", "configmap", "told", check=False)
    e = events(c, verb="create", objectRef__resource="configmaps", responseStatus__code=409)[-1]
    expect(e["responseStatus"]["reason"] == "AlreadyExists" and "already exists" in e["responseStatus"]["message"], e)


def secrets_stay_secret(c):
    c.k("create", "secret", "generic", "s", "--from-literal=password=hunter2")
    e = events(c, verb="create", objectRef__resource="secrets")[-1]
    expect(e["level"] == "Metadata" and "requestObject" not in e and "responseObject" not in e, e)
    expect("aHVudGVyMg" not in c.k("get", "--raw", "/logs/audit.log"), "no trace of it")


def one_namespace(c):
    c.k("create", "namespace", "audited")
    c.k("-n", "audited", "create", "serviceaccount", "a")
    e = events(c, level="Request", verb="create", objectRef__resource="serviceaccounts")[-1]
    expect(e["requestObject"]["kind"] == "ServiceAccount" and "responseObject" not in e, e)
    c.k("create", "serviceaccount", "not-there", "--as=nobody-listed", check=False)
    c.k("get", "pods", "--as=jane", check=False)
    e = events(c, objectRef__resource="pods", impersonatedUser__username="jane")[-1]
    expect(e["user"]["username"] == "kubernetes-admin" and e["responseStatus"]["code"] == 403, e)
    expect(e["annotations"]["authorization.k8s.io/decision"] == "forbid", e)


def watches(c):
    c.request("GET", "/api/v1/configmaps?watch=1&timeoutSeconds=1", audit_id="my-own-id")
    mine = events(c, auditID="my-own-id")
    expect([e["stage"] for e in mine] == ["ResponseComplete"], "the rule leaves out the start")
    expect(mine[0]["requestURI"] == "/api/v1/configmaps?watch=1&timeoutSeconds=1", mine)
    status, headers, _ = c.request("GET", "/api/v1/configmaps", audit_id="another")
    expect(headers["audit-id"] == "another", headers)
    status, headers, _ = c.request("GET", "/readyz")
    expect("audit-id" not in headers, "nothing is told of it")


def pod_security(c):
    """A pod that a namespace's audit mode does not like is let in, and told of."""
    c.k("label", "namespace", "audited", "pod-security.kubernetes.io/audit=baseline")
    pod = {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "p"}, "spec": {"hostNetwork": True, "containers": [{"name": "c", "image": "i"}]}}
    c.k("-n", "audited", "wait", "--for=create", "serviceaccount/default", "--timeout=20s")
    c.k("-n", "audited", "create", "-f", "-", input=json.dumps(pod))
    notes = events(c, verb="create", objectRef__resource="pods", responseStatus__code=201)[-1]["annotations"]
    expect(notes["pod-security.kubernetes.io/enforce-policy"] == "privileged:latest", notes)
    expect('would violate PodSecurity "baseline:latest": host namespaces' in notes["pod-security.kubernetes.io/audit-violations"], notes)


def silence(c):
    users = {e["user"]["username"] for e in events(c)}
    expect(not any(u.startswith("system:serviceaccount:kube-system:") for u in users), users)
    expect(not any(e["requestURI"].startswith("/readyz") for e in events(c)), "left out")
    told = len(events(c))
    counted = [line for line in c.k("get", "--raw", "/metrics").splitlines() if line.startswith("apiserver_audit_")]
    expect(float(counted[0].split()[1]) >= told and counted[1] == "apiserver_audit_error_total 0", counted)


def outlives(c):
    before = len(events(c))
    c.stop()
    c.start()
    expect(len(events(c, before)) >= before, "what was told stays")
    c.k("create", "serviceaccount", "reader")
    token = c.k("create", "token", "reader").strip()
    out = subprocess.run(["kubectl", "--kubeconfig=/dev/null", f"--server=https://127.0.0.1:{c.port}", "--insecure-skip-tls-verify",
                          f"--token={token}", "get", "--raw", "/logs/audit.log"], capture_output=True, text=True, timeout=20)
    expect("forbidden" in out.stderr.lower(), f"not everybody's to read: {out}")


def rotates(c):
    """More than a file holds: two files at most, and no line is cut."""
    big = json.dumps({"metadata": {"name": "big"}, "data": {"x": "y" * 900000}})
    c.request("POST", "/api/v1/namespaces/default/configmaps", big, content_type="application/json")
    for i in range(12):
        patch = json.dumps({"data": {"i": str(i)}})
        c.request("PATCH", "/api/v1/namespaces/default/configmaps/big", patch, content_type="application/merge-patch+json")
    for i in range(12):
        o = json.dumps({"metadata": {"name": "big"}, "data": {"x": "z" * 900000, "i": str(i)}})
        c.request("PUT", "/api/v1/namespaces/default/configmaps/big", o, content_type="application/json")
    def sizes():
        found = {}
        for root, _, names in os.walk(c.data):
            found.update({n: os.path.getsize(os.path.join(root, n)) for n in names if n.startswith("audit.log")})
        expect(set(found) == {"audit.log", "audit.log.1"}, found)
        return found
    found = cluster.retry(sizes, 10)
    expect(all(n < 24 << 20 for n in found.values()) and found["audit.log.1"] >= 16 << 20, found)
    for line in c.k("get", "--raw", "/logs/audit.log").splitlines():
        json.loads(line)


def wrong_policies(c):
    for text, why in (("rules: [{level: Loud}]", "None, Metadata, Request or RequestResponse"), ("rules: []", "at least one rule"),
                      ("rules: [{level: None, omitStages: [Never]}]", "omitStages"),
                      ("rules: [{level: None, nonResourceURLs: [/x], namespaces: [z]}]", "cannot apply to both")):
        config = os.path.join(c.data, "wrong.yaml")
        with open(config, "w") as f:
            f.write("api:\n  audit:\n    " + text + "\n")
        out = subprocess.run([KEELSON, "run", "--data", os.path.join(c.data, "none"), "--role", "control", "--config", config],
                             capture_output=True, text=True, timeout=20)
        expect(out.returncode != 0 and why in out.stderr + out.stdout and "line 2" in out.stderr + out.stdout, f"{text}: {out}")


run(Control(), (
    ("the control plane starts with a policy", start),
    ("requests and answers, whole", whole_objects),
    ("secrets by their metadata only", secrets_stay_secret),
    ("rules for a namespace, and for somebody who acts as another", one_namespace),
    ("watches", watches),
    ("what a namespace wants told of its pods", pod_security),
    ("what the policy does not ask for", silence),
    ("the log outlives a restart and is not everybody's", outlives),
    ("the log is rotated", rotates),
    ("policies that are wrong are refused, with their line", wrong_policies),
))
