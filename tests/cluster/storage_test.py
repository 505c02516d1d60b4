#!/usr/bin/env python3
"""Storage, networking and flow control objects against the control plane with kubectl: what admission adds and refuses."""

import json
import os
import sys
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "lib"))
import cluster
from control import Control, expect, run


def make(c, *objects):
    for o in objects:
        c.k("create", "-f", "-", input=json.dumps(o))


def refused(c, message, o):
    out = c.k("create", "-f", "-", input=json.dumps(o), check=False)
    expect(message in out, f"{message!r} is not in {out!r}")


def patched(c, what, patch, *words):
    return c.k("patch", *what, "--type=merge", "-p", json.dumps(patch), *words, check=False)


def storage_class(name, default=False, **more):
    annotations = {"storageclass.kubernetes.io/is-default-class": "true"} if default else {}
    return {"apiVersion": "storage.k8s.io/v1", "kind": "StorageClass", "metadata": {"name": name, "annotations": annotations}, "provisioner": "example.com/p", **more}


def claim(name, size="1Gi", **spec):
    return {"apiVersion": "v1", "kind": "PersistentVolumeClaim", "metadata": {"name": name},
            "spec": {"accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": size}}, **spec}}


def pod(name, claim_name, node=None):
    spec = {"containers": [{"name": "c", "image": "i"}], "volumes": [{"name": "v", "persistentVolumeClaim": {"claimName": claim_name}}]}
    if node:
        spec["nodeName"] = node
    return {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": name}, "spec": spec}


def default_flow_schemas(c):
    names = c.k("get", "flowschemas,prioritylevelconfigurations", "-o", "name").split()
    for name in ("exempt", "catch-all", "system-nodes", "system-node-high", "probes", "system-leader-election", "service-accounts", "global-default"):
        expect(f"flowschema.flowcontrol.apiserver.k8s.io/{name}" in names, f"{name} of {names}")
    for name in ("exempt", "catch-all", "system", "node-high", "leader-election", "workload-high", "workload-low", "global-default"):
        expect(f"prioritylevelconfiguration.flowcontrol.apiserver.k8s.io/{name}" in names, f"{name} of {names}")

    def told(name, missing):
        row = c.k("get", "flowschemas", name, "--no-headers").split()
        expect(row[-1] == missing, row)

    cluster.retry(lambda: told("global-default", "False"), 10)
    make(c, {"apiVersion": "flowcontrol.apiserver.k8s.io/v1", "kind": "FlowSchema", "metadata": {"name": "lost"}, "spec": {"priorityLevelConfiguration": {"name": "nowhere"}}})
    cluster.retry(lambda: told("lost", "True"), 10)
    out = patched(c, ("prioritylevelconfiguration", "catch-all"), {"spec": {"limited": {"nominalConcurrencyShares": 6}}})
    expect("spec of 'catch-all' must equal the fixed value" in out, out)
    c.k("delete", "flowschema", "lost")


def default_class(c):
    make(c, claim("before"))
    make(c, storage_class("older", True))
    time.sleep(1.1)
    make(c, storage_class("newer", True), storage_class("other"))
    make(c, claim("after"), claim("chosen", storageClassName="other"), claim("none", storageClassName=""))
    classes = {o["metadata"]["name"]: o["spec"].get("storageClassName") for o in c.json("pvc")["items"]}
    expect(classes == {"before": None, "after": "newer", "chosen": "other", "none": ""}, classes)
    c.k("delete", "pvc", "--all")
    expect("(default)" in c.k("get", "sc"), "no default in kubectl get sc")


def in_use(c):
    make(c, claim("used"), pod("user", "used", "node1"), pod("waiting", "used"))
    expect(c.json("pvc", "used")["metadata"]["finalizers"] == ["kubernetes.io/pvc-protection"], "finalizers")
    c.k("delete", "pvc", "used", "--wait=false")
    time.sleep(1)
    expect(c.json("pvc", "used")["metadata"].get("deletionTimestamp"), "it is not being deleted")
    c.k("delete", "pod", "user", "--force", "--grace-period=0")
    cluster.retry(lambda: expect("not found" in c.k("get", "pvc", "used", check=False), "the claim stays"), 10)
    c.k("delete", "pod", "waiting", "--force", "--grace-period=0")


def bound_volumes_stay(c):
    volume = {"apiVersion": "v1", "kind": "PersistentVolume", "metadata": {"name": "v"},
              "spec": {"accessModes": ["ReadWriteOnce"], "capacity": {"storage": "1Gi"}, "nfs": {"server": "s", "path": "/p"}}}
    make(c, volume)
    patched(c, ("pv", "v"), {"status": {"phase": "Bound"}}, "--subresource=status")
    c.k("delete", "pv", "v", "--wait=false")
    time.sleep(0.5)
    expect("Terminating" in c.k("get", "pv", "v"), "it does not say that it is bound and going")
    patched(c, ("pv", "v"), {"status": {"phase": "Released"}}, "--subresource=status")
    cluster.retry(lambda: expect("not found" in c.k("get", "pv", "v", check=False), "the volume stays"), 10)


def used_attribute_classes_stay(c):
    make(c, {"apiVersion": "storage.k8s.io/v1", "kind": "VolumeAttributesClass", "metadata": {"name": "fast"}, "driverName": "d.example.com", "parameters": {"a": "b"}},
         claim("fast", volumeAttributesClassName="fast"))
    expect(c.json("vac", "fast")["metadata"]["finalizers"] == ["kubernetes.io/vac-protection"], "finalizers")
    c.k("delete", "vac", "fast", "--wait=false")
    time.sleep(1)
    expect(c.json("vac", "fast")["metadata"].get("deletionTimestamp"), "it is not being deleted")
    c.k("delete", "pvc", "fast")
    cluster.retry(lambda: expect("not found" in c.k("get", "vac", "fast", check=False), "the class stays"), 10)


def resize(c):
    make(c, storage_class("grows", allowVolumeExpansion=True), claim("g", storageClassName="grows"), claim("f", storageClassName="other"))
    bigger = {"spec": {"resources": {"requests": {"storage": "2Gi"}}}}
    out = patched(c, ("pvc", "g"), bigger)
    expect("spec is immutable after creation except resources.requests and volumeAttributesClassName for bound claims" in out and
           '-   "storage": "1Gi"\n+   "storage": "2Gi"\n' in out, out)
    for name in "gf":
        patched(c, ("pvc", name), {"status": {"phase": "Bound", "capacity": {"storage": "1Gi"}}}, "--subresource=status")
    out = patched(c, ("pvc", "f"), bigger)
    expect('persistentvolumeclaims "f" is forbidden: only dynamically provisioned pvc can be resized and the storageclass that provisions the pvc must support resize' in out, out)
    out = patched(c, ("pvc", "g"), bigger)
    expect("patched" in out, out)
    out = patched(c, ("pvc", "g"), {"spec": {"resources": {"requests": {"storage": "1Gi"}}}})
    expect("spec.resources.requests.storage: Forbidden: field can not be less than status.capacity" in out, out)
    c.k("delete", "pvc", "--all")


def default_ingress_class(c):
    def ingress(name, **spec):
        return {"apiVersion": "networking.k8s.io/v1", "kind": "Ingress", "metadata": {"name": name},
                "spec": {"defaultBackend": {"service": {"name": "s", "port": {"number": 80}}}, **spec}}

    def ingress_class(name, default):
        return {"apiVersion": "networking.k8s.io/v1", "kind": "IngressClass",
                "metadata": {"name": name, "annotations": {"ingressclass.kubernetes.io/is-default-class": default}}, "spec": {"controller": "example.com/c"}}

    make(c, ingress("before"), ingress_class("a", "true"), ingress_class("b", "false"), ingress("after"), ingress("chosen", ingressClassName="b"))
    classes = {o["metadata"]["name"]: o["spec"].get("ingressClassName") for o in c.json("ingress")["items"]}
    expect(classes == {"before": None, "after": "a", "chosen": "b"}, classes)
    out = c.k("create", "ingress", "bad", "--rule=a.b/x*=s:80,tls=A_B", check=False)
    expect("spec.tls[0].secretName: Invalid value" in out, out)


def service_cidrs(c):
    def ready(name):
        o = c.json("servicecidr", name)
        conditions = o.get("status", {}).get("conditions", [])
        return (o["metadata"].get("finalizers"), [(x["type"], x["status"]) for x in conditions])

    def settled(name, status):
        expect(ready(name) == (["networking.k8s.io/service-cidr-finalizer"], [("Ready", status)]), ready(name))

    expect("10.96.0.0/12" in c.k("get", "servicecidrs", "kubernetes"), "no default range")
    cluster.retry(lambda: settled("kubernetes", "True"), 10)
    make(c, {"apiVersion": "networking.k8s.io/v1", "kind": "ServiceCIDR", "metadata": {"name": "more"}, "spec": {"cidrs": ["10.1.0.0/16", "fd00::/112"]}},
         {"apiVersion": "networking.k8s.io/v1", "kind": "IPAddress", "metadata": {"name": "10.1.2.3"}, "spec": {"parentRef": {"resource": "services", "namespace": "a", "name": "b"}}})
    cluster.retry(lambda: settled("more", "True"), 10)
    c.k("delete", "servicecidr", "more", "--wait=false")
    cluster.retry(lambda: settled("more", "False"), 10)
    c.k("delete", "ipaddress", "10.1.2.3")
    cluster.retry(lambda: expect("not found" in c.k("get", "servicecidr", "more", check=False), "it stays"), 10)


def runtime_class(c):
    make(c, {"apiVersion": "node.k8s.io/v1", "kind": "RuntimeClass", "metadata": {"name": "small"}, "handler": "h", "overhead": {"podFixed": {"cpu": "50m"}},
             "scheduling": {"nodeSelector": {"kind": "small"}, "tolerations": [{"key": "small", "operator": "Exists"}]}})
    o = pod("r", "unused")
    o["spec"]["runtimeClassName"] = "small"
    make(c, o)
    spec = c.json("pod", "r")["spec"]
    expect(spec["overhead"] == {"cpu": "50m"} and spec["nodeSelector"] == {"kind": "small"}, spec)
    expect({"key": "small", "operator": "Exists"} in spec["tolerations"], spec)
    c.k("delete", "pod", "r", "--force", "--grace-period=0")
    o["spec"]["runtimeClassName"] = "none"
    refused(c, 'pods "r" is forbidden: pod rejected: RuntimeClass "none" not found', o)


control = Control()
control.start()
only = sys.argv[1:]
run(control, [(fn.__name__, fn) for fn in (default_flow_schemas, default_class, in_use, bound_volumes_stay, used_attribute_classes_stay, resize, default_ingress_class, service_cidrs, runtime_class) if not only or fn.__name__ in only])
