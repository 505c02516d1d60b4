#!/usr/bin/env python3
"""Admission from within: who may set owners, who may sign, the taint of new nodes, what pods may."""

import base64
import json
import os
import subprocess
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "lib"))
import cluster
from control import Control, expect, run

CM = "/api/v1/namespaces/default/configmaps"


def send(c, method, path, body=None, user=None, **headers):
    """As a user whom only this request knows."""
    if user:
        headers["Impersonate_User"] = user
    headers.setdefault("Content_Type", "application/json")
    status, _, out = c.request(method, path, json.dumps(body) if body is not None else None, **headers)
    return status, json.loads(out)


def allow(c, user, *rules):
    """rules: (verbs, group, resources)"""
    c.k("apply", "-f", "-", input=json.dumps({"apiVersion": "rbac.authorization.k8s.io/v1", "kind": "ClusterRole", "metadata": {"name": user},
        "rules": [{"verbs": v.split(","), "apiGroups": [g], "resources": r.split(",")} for v, g, r in rules]}))
    c.k("create", "clusterrolebinding", user, f"--clusterrole={user}", f"--user={user}", check=False)


def refused(answer, message):
    status, out = answer
    expect(status == 403 and out["message"] == message, f"{status}: {out.get('message')!r}, not {message!r}")


def owner(name, uid, kind="ConfigMap", version="v1", **more):
    return {"apiVersion": version, "kind": kind, "name": name, "uid": uid, **more}


def owners(c):
    status, boss = send(c, "POST", CM, {"metadata": {"name": "boss"}})
    ref = owner("boss", boss["metadata"]["uid"])
    child = lambda name, *refs: {"metadata": {"name": name, "ownerReferences": list(refs)}}
    allow(c, "writer", ("create,update,patch,get", "", "configmaps"))
    cluster.retry(lambda: expect(send(c, "POST", CM, child("free"), "writer")[0] == 201, "may create"), 10)
    refused(send(c, "POST", CM, child("a", ref), "writer"), 'configmaps "a" is forbidden: cannot set an ownerRef on a resource you can\'t delete: , <nil>')
    patch = {"Content_Type": "application/merge-patch+json"}
    refused(send(c, "PATCH", CM + "/free", {"metadata": {"ownerReferences": [ref]}}, "writer", **patch),
            'configmaps "free" is forbidden: cannot set an ownerRef on a resource you can\'t delete: , <nil>')
    send(c, "POST", CM, child("owned", ref))
    expect(send(c, "PATCH", CM + "/owned", {"data": {"a": "b"}}, "writer", **patch)[0] == 200, "what owns it stays")
    refused(send(c, "PATCH", CM + "/owned", {"metadata": {"ownerReferences": None}}, "writer", **patch),
            'configmaps "owned" is forbidden: cannot set an ownerRef on a resource you can\'t delete: , <nil>')
    refused(send(c, "PATCH", CM + "/applied?fieldManager=x", {"apiVersion": "v1", "kind": "ConfigMap", **child("applied", ref)}, "writer", Content_Type="application/apply-patch+yaml"),
            'configmaps "applied" is forbidden: cannot set an ownerRef on a resource you can\'t delete: , <nil>')

    allow(c, "writer", ("create,update,patch,get,delete", "", "configmaps"))
    cluster.retry(lambda: expect(send(c, "POST", CM, child("a", ref), "writer")[0] == 201, "may delete"), 10)
    blocking = {**ref, "blockOwnerDeletion": True}
    refused(send(c, "POST", CM, child("b", blocking), "writer"),
            'configmaps "b" is forbidden: cannot set blockOwnerDeletion if an ownerReference refers to a resource you can\'t set finalizers on: , <nil>')
    refused(send(c, "PATCH", CM + "/a", {"metadata": {"ownerReferences": [blocking]}}, "writer", **patch),
            'configmaps "a" is forbidden: cannot set blockOwnerDeletion if an ownerReference refers to a resource you can\'t set finalizers on: , <nil>')
    refused(send(c, "POST", CM, child("b", owner("x", "1", "Ghost", "example.com/v1", blockOwnerDeletion=True)), "writer"),
            'configmaps "b" is forbidden: cannot set blockOwnerDeletion in this case because cannot find RESTMapping for APIVersion example.com/v1 Kind Ghost: '
            'no matches for kind "Ghost" in version "example.com/v1"')
    send(c, "PATCH", CM + "/owned", {"metadata": {"ownerReferences": [blocking]}}, **patch)
    expect(send(c, "PATCH", CM + "/owned", {"metadata": {"ownerReferences": [{**blocking, "controller": True}]}}, "writer", **patch)[0] == 200, "it blocked before")
    allow(c, "writer", ("create,update,patch,get,delete", "", "configmaps"), ("update", "", "configmaps/finalizers"))
    cluster.retry(lambda: expect(send(c, "POST", CM, child("b", blocking), "writer")[0] == 201, "may set finalizers"), 10)


def custom_owners(c):
    c.k("create", "-f", "-", input=json.dumps({"apiVersion": "apiextensions.k8s.io/v1", "kind": "CustomResourceDefinition", "metadata": {"name": "apps.example.com"}, "spec": {
        "group": "example.com", "scope": "Cluster", "names": {"plural": "apps", "kind": "App"},
        "versions": [{"name": "v1", "served": True, "storage": True, "schema": {"openAPIV3Schema": {"type": "object"}}}]}}))
    c.k("wait", "--for=condition=Established", "crd/apps.example.com")
    ref = owner("x", "1", "App", "example.com/v1", blockOwnerDeletion=True)
    body = {"metadata": {"name": "c", "ownerReferences": [ref]}}
    refused(send(c, "POST", CM, body, "writer"),
            'configmaps "c" is forbidden: cannot set blockOwnerDeletion if an ownerReference refers to a resource you can\'t set finalizers on: , <nil>')
    allow(c, "writer", ("create,delete", "", "configmaps"), ("update", "example.com", "apps/finalizers"))
    cluster.retry(lambda: expect(send(c, "POST", CM, body, "writer")[0] == 201, "of its definition's resource"), 10)


def new_nodes(c):
    status, node = send(c, "POST", "/api/v1/nodes?dryRun=All", {"metadata": {"name": "n1"}})
    expect(status == 201 and node["spec"]["taints"] == [{"key": "node.kubernetes.io/not-ready", "effect": "NoSchedule"}], f"{node}")
    own = [{"key": "a", "effect": "NoExecute"}, {"key": "node.kubernetes.io/not-ready", "effect": "NoSchedule"}]
    status, node = send(c, "POST", "/api/v1/nodes?dryRun=All", {"metadata": {"name": "n1"}, "spec": {"taints": own}})
    expect(status == 201 and node["spec"]["taints"] == own, f"once: {node}")
    send(c, "POST", "/api/v1/nodes", {"metadata": {"name": "n1"}, "status": {"conditions": [{"type": "Ready", "status": "True"}]}})
    cluster.retry(lambda: expect(not c.json("node", "n1")["spec"].get("taints"), "a node that is ready"), 10)


def signing(c):
    csr = "/apis/certificates.k8s.io/v1/certificatesigningrequests"
    key, request = os.path.join(c.data, "s.key"), os.path.join(c.data, "s.csr")
    subprocess.run(["openssl", "req", "-new", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-keyout", key, "-out", request, "-subj", "/CN=s"], check=True, capture_output=True)
    with open(request, "rb") as f:
        pem = base64.b64encode(f.read()).decode()
    send(c, "POST", csr, {"metadata": {"name": "s"}, "spec": {"request": pem, "signerName": "example.com/own", "usages": ["client auth"]}})
    allow(c, "signer", ("update,patch", "certificates.k8s.io", "certificatesigningrequests/status,certificatesigningrequests/approval"))
    patch = {"Content_Type": "application/merge-patch+json"}
    failed = {"status": {"conditions": [{"type": "Failed", "status": "True", "reason": "r", "message": "m"}]}}
    cluster.retry(lambda: refused(send(c, "PATCH", csr + "/s/status", failed, "signer", **patch),
            'certificatesigningrequests.certificates.k8s.io "s" is forbidden: user not permitted to sign requests with signerName "example.com/own"'), 10)
    refused(send(c, "PATCH", csr + "/s/approval", {"metadata": {"labels": {"a": "b"}}}, "signer", **patch),
            'certificatesigningrequests.certificates.k8s.io "s" is forbidden: user not permitted to approve requests with signerName "example.com/own"')
    allow(c, "signer", ("update,patch", "certificates.k8s.io", "certificatesigningrequests/status,certificatesigningrequests/approval"), ("sign", "certificates.k8s.io", "signers"))
    cluster.retry(lambda: expect(send(c, "PATCH", csr + "/s/status", failed, "signer", **patch)[0] == 200, "may sign"), 10)


def topology(c):
    labels = {"topology.kubernetes.io/zone": "z1", "topology.kubernetes.io/region": "r1", "other": "x"}
    send(c, "POST", "/api/v1/nodes", {"metadata": {"name": "n2", "labels": labels}})
    pods = "/api/v1/namespaces/default/pods"
    send(c, "POST", pods, {"metadata": {"name": "tp", "labels": {"a": "b", "topology.kubernetes.io/region": "own"}}, "spec": {"schedulerName": "nobody", "containers": [{"name": "x", "image": "x"}]}})
    status, out = send(c, "POST", pods + "/tp/binding", {"metadata": {"name": "tp", "annotations": {"by": "hand"}}, "target": {"kind": "Node", "name": "n2"}})
    expect(status == 201, f"{out}")
    meta = send(c, "GET", pods + "/tp")[1]["metadata"]
    expect(meta["labels"] == {"a": "b", "topology.kubernetes.io/zone": "z1", "topology.kubernetes.io/region": "r1"} and meta["annotations"]["by"] == "hand", f"{meta}")
    status, out = send(c, "POST", pods + "/tp/binding", {"metadata": {"name": "tp"}, "target": {"kind": "Node", "name": "n2"}})
    expect(status == 409 and out["message"] == 'Operation cannot be fulfilled on pods/binding "tp": pod tp is already assigned to node "n2"', f"{out}")
    status, out = send(c, "POST", pods, {"metadata": {"name": "direct"}, "spec": {"nodeName": "n2", "containers": [{"name": "x", "image": "x"}]}})
    expect(out["metadata"]["labels"] == {"topology.kubernetes.io/zone": "z1", "topology.kubernetes.io/region": "r1"}, f"{out}")


def warned(c, method, path, body, **headers):
    """Status, answer, texts of the warnings."""
    headers.setdefault("Content_Type", "application/json")
    status, got, out = c.request(method, path, json.dumps(body), **headers)
    return status, json.loads(out), [w.split('"', 1)[1][:-1].replace('\\"', '"') for w in got.get_all("Warning") or []]


def level(c, ns, **modes):
    labels = {f"pod-security.kubernetes.io/{k.replace('_', '-')}": v for k, v in modes.items()}
    return warned(c, "PATCH", f"/api/v1/namespaces/{ns}", {"metadata": {"labels": labels}}, Content_Type="application/merge-patch+json")


def pod_of(name, **spec):
    return {"metadata": {"name": name}, "spec": {"containers": [{"name": "x", "image": "x"}], **spec}}


PLAIN = ('allowPrivilegeEscalation != false (container "x" must set securityContext.allowPrivilegeEscalation=false), '
         'unrestricted capabilities (container "x" must set securityContext.capabilities.drop=["ALL"]), '
         'runAsNonRoot != true (pod or container "x" must set securityContext.runAsNonRoot=true), '
         'seccompProfile (pod or container "x" must set securityContext.seccompProfile.type to "RuntimeDefault" or "Localhost")')


def pod_security(c):
    c.k("create", "namespace", "guarded")
    pods, patch = "/api/v1/namespaces/guarded/pods", {"Content_Type": "application/strategic-merge-patch+json"}
    cluster.retry(lambda: expect(send(c, "POST", pods, pod_of("before", hostPID=True))[0] == 201, "pods"), 10)
    for name in ("b2", "b1"):
        send(c, "POST", pods, pod_of(name, hostNetwork=True))
    status, out, warnings = level(c, "guarded", enforce="odd", warn_version="v1.x")
    expect(status == 422 and out["message"] == 'Namespace "guarded" is invalid: [metadata.labels[pod-security.kubernetes.io/enforce]: Invalid value: "odd": must be one of privileged, baseline, restricted, '
           'metadata.labels[pod-security.kubernetes.io/warn-version]: Invalid value: "v1.x": must be "latest" or "v1.x"]', f"{out}")
    status, out, warnings = level(c, "guarded", enforce="baseline")
    expect(status == 200 and warnings == ['existing pods in namespace "guarded" violate the new PodSecurity enforce level "baseline:latest"',
           "b1 (and 2 other pods): host namespaces"], f"{warnings}")
    expect(level(c, "guarded", enforce="baseline", x="y")[2] == [], "only when it becomes stricter")

    refused(send(c, "POST", pods, pod_of("a", hostPID=True)), 'pods "a" is forbidden: violates PodSecurity "baseline:latest": host namespaces (hostPID=true)')
    status, out, warnings = warned(c, "POST", pods, pod_of("a"))
    expect(status == 201 and warnings == [], f"{warnings}")
    level(c, "guarded", warn="restricted", warn_version="v1.30")
    status, out, warnings = warned(c, "POST", pods, pod_of("b"))
    expect(status == 201 and warnings == [f'would violate PodSecurity "restricted:v1.30": {PLAIN}'], f"{warnings}")
    expect(warned(c, "PATCH", pods + "/b", {"metadata": {"labels": {"a": "b"}}}, **patch)[2] == [], "what does not matter")
    expect(len(warned(c, "PATCH", pods + "/b", {"spec": {"containers": [{"name": "x", "image": "y"}]}}, **patch)[2]) == 1, "another image does")
    refused(send(c, "PATCH", pods + "/before", {"spec": {"containers": [{"name": "x", "image": "y"}]}}, **patch),
            'pods "before" is forbidden: violates PodSecurity "baseline:latest": host namespaces (hostPID=true)')
    refused(send(c, "PATCH", pods + "/b/ephemeralcontainers", {"spec": {"ephemeralContainers": [{"name": "e", "image": "e", "securityContext": {"privileged": True}}]}}, **patch),
            'pods "b" is forbidden: violates PodSecurity "baseline:latest": privileged (container "e" must not set securityContext.privileged=true)')


def pod_makers(c):
    c.k("create", "namespace", "makers")
    level(c, "makers", enforce="baseline")
    template = {"metadata": {"labels": {"a": "b"}}, "spec": {"hostPID": True, "containers": [{"name": "x", "image": "x"}]}}
    selector = {"matchLabels": {"a": "b"}}
    job = {**template, "spec": {**template["spec"], "restartPolicy": "Never"}}
    makers = (("/api/v1", "replicationcontrollers", {"spec": {"replicas": 0, "selector": {"a": "b"}, "template": template}}),
              ("/api/v1", "podtemplates", {"template": template}),
              ("/apis/apps/v1", "deployments", {"spec": {"replicas": 0, "selector": selector, "template": template}}),
              ("/apis/apps/v1", "replicasets", {"spec": {"replicas": 0, "selector": selector, "template": template}}),
              ("/apis/apps/v1", "statefulsets", {"spec": {"replicas": 0, "selector": selector, "template": template, "serviceName": "s"}}),
              ("/apis/apps/v1", "daemonsets", {"spec": {"selector": selector, "template": template}}),
              ("/apis/batch/v1", "jobs", {"spec": {"parallelism": 0, "template": job}}),
              ("/apis/batch/v1", "cronjobs", {"spec": {"schedule": "0 0 1 1 *", "jobTemplate": {"spec": {"template": job}}}}))
    for group, plural, body in makers:
        status, out, warnings = warned(c, "POST", f"{group}/namespaces/makers/{plural}?dryRun=All", {"metadata": {"name": "m"}, **body})
        expect(status == 201 and warnings == ['would violate PodSecurity "baseline:latest": host namespaces (hostPID=true)'], f"{plural}: {status} {warnings} {out.get('message')}")
    level(c, "makers", warn="privileged", audit="restricted")
    group, plural, body = makers[2]
    status, out, warnings = warned(c, "POST", f"{group}/namespaces/makers/{plural}?dryRun=All", {"metadata": {"name": "m"}, **body})
    expect(status == 201 and warnings == [], f"audit and enforce say nothing here: {warnings}")


run(Control(), (
    ("the control plane starts", lambda c: c.start()),
    ("owners are set by those who may delete", owners),
    ("owners that clients defined", custom_owners),
    ("a new node takes no pods before it is ready", new_nodes),
    ("pods bear their node's zone and region", topology),
    ("certificates are signed and approved by those who may for the signer", signing),
    ("pods keep their namespace's level", pod_security),
    ("what makes pods is warned of", pod_makers),
))
