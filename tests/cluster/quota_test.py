#!/usr/bin/env python3
"""ResourceQuota as upstream's end-to-end suite looks at it, and many clients against one quota."""

import http.client
import json
import os
import sys
import threading
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "lib"))
import cluster
from control import Control, expect, run

HARD = {"pods": "5", "services": "10", "services.nodeports": "1", "services.loadbalancers": "1", "replicationcontrollers": "10",
        "resourcequotas": "1", "cpu": "1", "memory": "500Mi", "configmaps": "10", "secrets": "10", "persistentvolumeclaims": "10",
        "requests.storage": "10Gi", "ephemeral-storage": "50Gi", "gold.storageclass.storage.k8s.io/persistentvolumeclaims": "10",
        "gold.storageclass.storage.k8s.io/requests.storage": "10Gi", "count/replicasets.apps": "5", "requests.example.com/dongle": "3"}


class Space:
    """A namespace of its own with a client that sends JSON."""

    def __init__(self, c, name):
        self.c, self.name = c, name
        c.k("create", "namespace", name)
        cluster.retry(lambda: c.k("get", "-n", name, "cm", "kube-root-ca.crt"), 20)

    def send(self, method, path, body=None, group="api/v1", **headers):
        headers.setdefault("Content_Type", "application/json")
        status, _, out = self.c.request(method, f"/{group}/namespaces/{self.name}/{path}", json.dumps(body) if body is not None else None, **headers)
        return status, json.loads(out)

    def create(self, resource, o, group="api/v1"):
        status, out = self.send("POST", resource, o, group)
        expect(status == 201, f"create {resource}: {status} {out.get('message')}")
        return out

    def refused(self, resource, o, message, status=403, group="api/v1"):
        got, out = self.send("POST", resource, o, group)
        expect(got == status and out["message"] == message, f"{got}: {out.get('message')!r}, not {message!r}")

    def delete(self, path, group="api/v1"):
        status, out = self.send("DELETE", path, {"gracePeriodSeconds": 0, "propagationPolicy": "Background"}, group)
        expect(status == 200, f"delete {path}: {status} {out.get('message')}")

    def quota(self, name="test-quota", hard=HARD, **spec):
        self.create("resourcequotas", {"metadata": {"name": name}, "spec": {"hard": hard, **spec}})
        cluster.retry(lambda: self.used(name).keys() == hard.keys() or 1 // 0, 10)

    def used(self, name="test-quota"):
        return self.send("GET", f"resourcequotas/{name}")[1]["status"].get("used", {})

    def wait(self, name="test-quota", within=10, **used):
        """used: names with _ for . and __ for /."""
        want = {k.replace("__", "/").replace("_", "."): v for k, v in used.items()}
        def same():
            now = self.used(name)
            expect(all(now.get(k) == v for k, v in want.items()), f"{name} uses {({k: now.get(k) for k in want})}, not {want}")
        cluster.retry(same, within)


def pod(name, requests=None, limits=None, **spec):
    return {"metadata": {"name": name}, "spec": {"containers": [{"name": "pause", "image": "pause", "resources": {"requests": requests or {}, "limits": limits or {}}}], **spec}}


def service(name, type="ClusterIP", **spec):
    return {"metadata": {"name": name}, "spec": {"type": type, "ports": [{"port": 80, "targetPort": 80}], **spec}}


def prompt(c):
    s = Space(c, "prompt")
    s.create("resourcequotas", {"metadata": {"name": "test-quota"}, "spec": {"hard": HARD}})
    s.wait(resourcequotas="1", pods="0", configmaps="1")
    status = s.send("GET", "resourcequotas/test-quota")[1]["status"]
    expect(status["hard"] == HARD and status["used"].keys() == HARD.keys(), f"status {status}")
    s.refused("resourcequotas", {"metadata": {"name": "second"}, "spec": {"hard": {"pods": "1"}}},
              'resourcequotas "second" is forbidden: exceeded quota: test-quota, requested: resourcequotas=1, used: resourcequotas=1, limited: resourcequotas=1')


def life_of_service(c):
    s = Space(c, "services")
    s.quota()
    s.create("services", service("test-service"))
    s.create("services", service("test-service-np", "NodePort"))
    s.refused("services", service("test-service-lb", "LoadBalancer"),
              'services "test-service-lb" is forbidden: exceeded quota: test-quota, requested: services.nodeports=1, used: services.nodeports=1, limited: services.nodeports=1')
    expect(s.used()["services"] == "2" and s.used()["services.nodeports"] == "1", f"charged with the write: {s.used()}")
    s.delete("services/test-service")
    s.delete("services/test-service-np")
    s.wait(services="0", services_nodeports="0", services_loadbalancers="0")
    s.create("services", service("turns"))
    status, out = s.send("PATCH", "services/turns", {"spec": {"type": "LoadBalancer", "allocateLoadBalancerNodePorts": False}}, Content_Type="application/merge-patch+json")
    expect(status == 200, f"change of type: {out.get('message')}")
    expect(s.used()["services.loadbalancers"] == "1" and s.used()["services"] == "1" and s.used()["services.nodeports"] == "0", f"only the difference: {s.used()}")
    status, out = s.send("PATCH", "services/turns", {"spec": {"type": "ClusterIP", "allocateLoadBalancerNodePorts": None}}, Content_Type="application/merge-patch+json")
    expect(status == 200, f"and back: {out.get('message')}")
    s.wait(services_loadbalancers="0", services="1")


def life_of_config(c):
    s = Space(c, "config")
    s.quota()
    for resource in ("secrets", "configmaps"):
        before = int(s.used()[resource])
        s.create(resource, {"metadata": {"name": "test"}})
        expect(s.used()[resource] == str(before + 1), f"{resource}: {s.used()}")
        s.delete(f"{resource}/test")
        s.wait(**{resource: str(before)})
    status, out = s.send("POST", "configmaps?dryRun=All", {"metadata": {"name": "dry"}})
    expect(status == 201 and s.used()["configmaps"] == "1", "a dry run is not charged")
    for i in range(9):
        s.create("configmaps", {"metadata": {"generateName": "many-"}})
    status, out = s.send("POST", "configmaps?dryRun=All", {"metadata": {"name": "dry"}})
    expect(status == 403 and "exceeded quota" in out["message"], "a dry run is refused")
    s.send("DELETE", "configmaps")
    s.wait(configmaps="1")  # the CA's comes back


def life_of_pod(c):
    s = Space(c, "pods")
    s.quota()
    s.refused("pods", pod("says-nothing"), 'pods "says-nothing" is forbidden: failed quota: test-quota: must specify cpu for: pause; memory for: pause')
    s.create("pods", pod("test-pod", {"cpu": "500m", "memory": "252Mi", "ephemeral-storage": "30Gi", "example.com/dongle": "2"}, {"example.com/dongle": "2"}))
    used = s.used()
    expect((used["pods"], used["cpu"], used["memory"], used["ephemeral-storage"], used["requests.example.com/dongle"]) == ("1", "500m", "252Mi", "30Gi", "2"), f"{used}")
    s.refused("pods", pod("fail-pod", {"cpu": "600m", "memory": "100Mi"}),
              'pods "fail-pod" is forbidden: exceeded quota: test-quota, requested: cpu=600m, used: cpu=500m, limited: cpu=1')
    s.refused("pods", pod("fail-pod-for-extended-resource", {"cpu": "500m", "memory": "100Mi", "ephemeral-storage": "30Gi", "example.com/dongle": "2"}, {"example.com/dongle": "2"}),
              'pods "fail-pod-for-extended-resource" is forbidden: exceeded quota: test-quota, requested: ephemeral-storage=30Gi,requests.example.com/dongle=2, '
              'used: ephemeral-storage=30Gi,requests.example.com/dongle=2, limited: ephemeral-storage=50Gi,requests.example.com/dongle=3')
    status, _ = s.send("PATCH", "pods/test-pod", {"metadata": {"labels": {"test": "label"}}}, Content_Type="application/merge-patch+json")
    expect(status == 200 and s.used() == used, "a label costs nothing")
    status, out = s.send("PATCH", "pods/test-pod/resize", {"spec": {"containers": [{"name": "pause", "resources": {"requests": {"cpu": "800m"}}}]}},
                         Content_Type="application/strategic-merge-patch+json")
    expect(status == 200 and s.used()["cpu"] == "800m", f"a resize: {out.get('message')} {s.used()}")
    status, out = s.send("PATCH", "pods/test-pod/resize", {"spec": {"containers": [{"name": "pause", "resources": {"requests": {"cpu": "1100m"}}}]}},
                         Content_Type="application/strategic-merge-patch+json")
    expect(status == 403 and "exceeded quota: test-quota, requested: cpu=300m, used: cpu=800m, limited: cpu=1" in out["message"], f"too large: {out}")
    s.delete("pods/test-pod")
    s.wait(pods="0", cpu="0", memory="0", **{"ephemeral-storage": "0", "requests_example_com__dongle": "0"})
    s.create("pods", pod("ends", {"cpu": "500m", "memory": "252Mi"}))
    s.send("PATCH", "pods/ends/status", {"status": {"phase": "Succeeded"}}, Content_Type="application/merge-patch+json")
    s.wait(pods="0", cpu="0")


def life_of_sets(c):
    s = Space(c, "sets")
    s.quota()
    template = {"metadata": {"labels": {"name": "x"}}, "spec": {"containers": [{"name": "x", "image": "x"}]}}
    s.create("replicationcontrollers", {"metadata": {"name": "test-rc"}, "spec": {"replicas": 0, "selector": {"name": "x"}, "template": template}})
    s.create("replicasets", {"metadata": {"name": "test-rs"}, "spec": {"replicas": 0, "selector": {"matchLabels": {"name": "x"}}, "template": template}}, "apis/apps/v1")
    expect(s.used()["replicationcontrollers"] == "1" and s.used()["count/replicasets.apps"] == "1", f"{s.used()}")
    s.delete("replicationcontrollers/test-rc")
    s.delete("replicasets/test-rs", "apis/apps/v1")
    s.wait(replicationcontrollers="0", count__replicasets_apps="0")


def claim(name, storage="1Gi", **spec):
    return {"metadata": {"name": name}, "spec": {"accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": storage}}, **spec}}


def life_of_claim(c):
    s = Space(c, "claims")
    s.quota()
    gold = "gold.storageclass.storage.k8s.io/"
    s.create("persistentvolumeclaims", claim("plain"))
    s.create("persistentvolumeclaims", claim("golden", storageClassName="gold"))
    used = s.used()
    expect((used["persistentvolumeclaims"], used["requests.storage"], used[gold + "persistentvolumeclaims"], used[gold + "requests.storage"]) == ("2", "2Gi", "1", "1Gi"), f"{used}")
    s.refused("persistentvolumeclaims", claim("large", "9Gi"),
              'persistentvolumeclaims "large" is forbidden: exceeded quota: test-quota, requested: requests.storage=9Gi, used: requests.storage=2Gi, limited: requests.storage=10Gi')
    s.delete("persistentvolumeclaims/plain")
    s.delete("persistentvolumeclaims/golden")
    s.wait(persistentvolumeclaims="0", requests_storage="0", gold_storageclass_storage_k8s_io__persistentvolumeclaims="0")


def life_of_custom_resource(c):
    s = Space(c, "custom")
    c.k("create", "-f", "-", input=json.dumps({"apiVersion": "apiextensions.k8s.io/v1", "kind": "CustomResourceDefinition", "metadata": {"name": "noxus.example.com"}, "spec": {
        "group": "example.com", "scope": "Namespaced", "names": {"plural": "noxus", "kind": "Noxu"},
        "versions": [{"name": "v1", "served": True, "storage": True, "schema": {"openAPIV3Schema": {"type": "object", "x-kubernetes-preserve-unknown-fields": True}}}]}}))
    c.k("wait", "--for=condition=Established", "crd/noxus.example.com")
    s.quota(hard={"count/noxus.example.com": "1"})
    noxu = lambda name: {"apiVersion": "example.com/v1", "kind": "Noxu", "metadata": {"name": name}}
    s.create("noxus", noxu("test-cr-1"), "apis/example.com/v1")
    expect(s.used() == {"count/noxus.example.com": "1"}, f"{s.used()}")
    s.refused("noxus", noxu("test-cr-2"), 'noxus.example.com "test-cr-2" is forbidden: exceeded quota: test-quota, requested: count/noxus.example.com=1, '
              "used: count/noxus.example.com=1, limited: count/noxus.example.com=1", group="apis/example.com/v1")
    status, _ = s.send("PATCH", "noxus/applied?fieldManager=t", noxu("applied"), "apis/example.com/v1", Content_Type="application/apply-patch+yaml")
    expect(status == 403, "what is applied is charged too")
    s.delete("noxus/test-cr-1", "apis/example.com/v1")
    s.wait(count__noxus_example_com="0")
    c.k("delete", "crd", "noxus.example.com", "--timeout=20s")


COMPUTE = {"pods": "5", "requests.cpu": "1", "requests.memory": "500Mi", "limits.cpu": "2", "limits.memory": "1Gi"}
REQUESTS, LIMITS = {"cpu": "500m", "memory": "200Mi"}, {"cpu": "1", "memory": "400Mi"}


def terminating(c):
    s = Space(c, "terminating")
    s.quota("quota-terminating", COMPUTE, scopes=["Terminating"])
    s.quota("quota-not-terminating", COMPUTE, scopes=["NotTerminating"])
    for name, more, inside, outside in (("long", {}, "quota-not-terminating", "quota-terminating"), ("short", {"activeDeadlineSeconds": 3600}, "quota-terminating", "quota-not-terminating")):
        s.create("pods", pod(name, REQUESTS, LIMITS, **more))
        expect(s.used(inside) == {"pods": "1", "requests.cpu": "500m", "requests.memory": "200Mi", "limits.cpu": "1", "limits.memory": "400Mi"}, f"{inside}: {s.used(inside)}")
        expect(set(s.used(outside).values()) == {"0"}, f"{outside}: {s.used(outside)}")
        s.delete(f"pods/{name}")
        s.wait(inside, pods="0", requests_cpu="0", limits_memory="0")
    s.create("pods", pod("turns", REQUESTS, LIMITS))
    s.send("PATCH", "pods/turns", {"spec": {"activeDeadlineSeconds": 100}}, Content_Type="application/merge-patch+json")
    s.wait("quota-not-terminating", pods="0")
    s.wait("quota-terminating", pods="1", requests_cpu="500m")


def best_effort(c):
    s = Space(c, "besteffort")
    s.quota("quota-besteffort", {"pods": "5"}, scopes=["BestEffort"])
    s.quota("quota-not-besteffort", {"pods": "5"}, scopes=["NotBestEffort"])
    for name, made, inside, outside in (("best", pod("best"), "quota-besteffort", "quota-not-besteffort"), ("burst", pod("burst", REQUESTS, LIMITS), "quota-not-besteffort", "quota-besteffort")):
        s.create("pods", made)
        expect(s.used(inside) == {"pods": "1"} and s.used(outside) == {"pods": "0"}, f"{s.used(inside)} {s.used(outside)}")
        s.delete(f"pods/{name}")
        s.wait(inside, pods="0")


def selectors(c):
    s = Space(c, "selectors")
    for name in ("high", "low"):
        c.k("create", "priorityclass", name, "--value=1000")
    match = lambda scope, operator, *values: {"matchExpressions": [{"scopeName": scope, "operator": operator, **({"values": list(values)} if values else {})}]}
    s.quota("high", {"pods": "1"}, scopeSelector=match("PriorityClass", "In", "high"))
    s.quota("not-high", {"pods": "1"}, scopeSelector=match("PriorityClass", "NotIn", "high"))
    s.quota("abroad", {"pods": "0"}, scopeSelector=match("CrossNamespacePodAffinity", "Exists"))
    s.quota("vac", {"persistentvolumeclaims": "1"}, scopeSelector=match("VolumeAttributesClass", "In", "gold"))
    s.create("pods", pod("first", priorityClassName="high"))
    expect(s.used("high") == {"pods": "1"} and s.used("not-high") == {"pods": "0"}, f"{s.used('high')} {s.used('not-high')}")
    s.refused("pods", pod("second", priorityClassName="high"), 'pods "second" is forbidden: exceeded quota: high, requested: pods=1, used: pods=1, limited: pods=1')
    s.create("pods", pod("third", priorityClassName="low"))
    s.refused("pods", pod("fourth"), 'pods "fourth" is forbidden: exceeded quota: not-high, requested: pods=1, used: pods=1, limited: pods=1')
    term = {"topologyKey": "x", "namespaceSelector": {}}
    s.delete("pods/third")
    s.wait("not-high", pods="0")
    s.refused("pods", pod("far", affinity={"podAntiAffinity": {"requiredDuringSchedulingIgnoredDuringExecution": [term]}}),
              'pods "far" is forbidden: exceeded quota: abroad, requested: pods=1, used: pods=0, limited: pods=0')
    s.create("persistentvolumeclaims", claim("plain"))
    s.create("persistentvolumeclaims", claim("gold", volumeAttributesClassName="gold"))
    s.refused("persistentvolumeclaims", claim("more", volumeAttributesClassName="gold"),
              'persistentvolumeclaims "more" is forbidden: exceeded quota: vac, requested: persistentvolumeclaims=1, used: persistentvolumeclaims=1, limited: persistentvolumeclaims=1')


def status_applies(c):
    s = Space(c, "status")
    s.quota("q", {"cpu": "500m", "memory": "500Mi"})
    patch = {"Content_Type": "application/strategic-merge-patch+json"}
    status, o = s.send("PATCH", "resourcequotas/q", {"spec": {"hard": {"cpu": "1", "memory": "1Gi"}}}, **patch)
    expect(status == 200 and o["spec"]["hard"] == {"cpu": "1", "memory": "1Gi"}, f"{o}")
    cluster.retry(lambda: expect(s.send("GET", "resourcequotas/q/status")[1]["status"]["hard"] == {"cpu": "1", "memory": "1Gi"}, "status follows"), 10)
    status, o = s.send("PATCH", "resourcequotas/q/status", {"metadata": {"labels": {"a": "b"}}, "spec": {"hard": {"cpu": "9"}}, "status": {"hard": {"cpu": "2", "memory": "2Gi"}}}, **patch)
    expect(status == 200 and o["status"]["hard"] == {"cpu": "2", "memory": "2Gi"} and o["spec"]["hard"]["cpu"] == "1" and o["metadata"]["labels"] == {"a": "b"}, f"{o}")
    cluster.retry(lambda: expect(s.send("GET", "resourcequotas/q")[1]["status"]["hard"] == {"cpu": "1", "memory": "1Gi"}, "status is reset"), 10)
    status, o = s.send("PATCH", "resourcequotas/q/status", {"status": {"used": {"foo": "1"}}}, **patch)
    expect(status == 422 and o["message"] == 'ResourceQuota "q" is invalid: [status.used[foo]: Invalid value: "foo": must be a standard resource type or fully qualified, '
           'status.used[foo]: Invalid value: "foo": must be a standard resource for quota]', f"{o}")


def lifecycle(c):
    s = Space(c, "lifecycle")
    o = s.create("resourcequotas", {"metadata": {"name": "e2e", "labels": {"e2e": "x"}}, "spec": {"hard": {"cpu": "1", "memory": "500Mi"}}})
    cluster.retry(lambda: s.used("e2e")["cpu"], 10)
    _, o = s.send("GET", "resourcequotas/e2e")
    o["spec"]["hard"]["memory"] = "750Mi"
    status, o = s.send("PUT", "resourcequotas/e2e", o)
    expect(status == 200 and o["spec"]["hard"]["memory"] == "750Mi", f"{o}")
    s.send("DELETE", "resourcequotas?labelSelector=e2e%3Dx")
    expect(s.send("GET", "resourcequotas/e2e")[0] == 404, "gone with the collection")
    def bad(why, **spec):
        s.refused("resourcequotas", {"metadata": {"name": "bad"}, "spec": spec}, f'ResourceQuota "bad" is invalid: {why}', 422)
    bad('spec.hard[pods]: Invalid value: "-1": must be greater than or equal to 0', hard={"pods": "-1"})
    bad('spec.hard[pods]: Invalid value: "500m": must be an integer', hard={"pods": "500m"})
    bad('spec.scopes: Invalid value: ["Best"]: unsupported scope', hard={"pods": "1"}, scopes=["Best"])
    bad('spec.scopes: Invalid value: ["BestEffort"]: unsupported scope applied to resource', hard={"cpu": "1"}, scopes=["BestEffort"])
    bad('spec.scopes: Invalid value: ["Terminating","NotTerminating"]: conflicting scopes', hard={"pods": "1"}, scopes=["Terminating", "NotTerminating"])
    bad("spec.scopeSelector.matchExpressions.values: Required value: must be at least one value when `operator` is 'In' or 'NotIn' for scope selector",
        hard={"pods": "1"}, scopeSelector={"matchExpressions": [{"scopeName": "PriorityClass", "operator": "In"}]})
    s.create("resourcequotas", {"metadata": {"name": "scoped"}, "spec": {"hard": {"pods": "1"}, "scopes": ["BestEffort"]}})
    status, o = s.send("PATCH", "resourcequotas/scoped", {"spec": {"scopes": ["NotBestEffort"]}}, Content_Type="application/merge-patch+json")
    expect(status == 422 and o["message"] == 'ResourceQuota "scoped" is invalid: spec.scopes: Invalid value: ["NotBestEffort"]: field is immutable', f"{o}")


def contended(c, connections=64, limit=40):
    s = Space(c, "contended")
    s.quota(hard={"count/configmaps": str(limit), "configmaps": "1000"})
    have = int(s.used()["count/configmaps"])
    context = c.tls()
    clients = [http.client.HTTPSConnection("127.0.0.1", c.port, context=context, timeout=60) for _ in range(connections)]
    results, gate, lock = [], threading.Barrier(connections), threading.Lock()

    def create(h, i):
        h.connect()
        gate.wait()
        for k in range(3):
            h.request("POST", f"/api/v1/namespaces/{s.name}/configmaps", json.dumps({"metadata": {"name": f"m-{i}-{k}"}}), {"Content-Type": "application/json"})
            r = h.getresponse()
            body = r.read()
            with lock:
                results.append((r.status, body))
        h.close()

    before = time.monotonic()
    threads = [threading.Thread(target=create, args=(h, i)) for i, h in enumerate(clients)]
    for t in threads:
        t.start()
    for t in threads:
        t.join()
    took = time.monotonic() - before
    made = sum(status == 201 for status, _ in results)
    other = {status for status, _ in results} - {201, 403}
    expect(made == limit - have and not other, f"{made} made of {limit - have}, {other} {[b for st, b in results if st in other][:1]}")
    used = s.used()
    expect(used == {"count/configmaps": str(limit), "configmaps": str(limit)}, f"used {used}")
    expect(len(c.json("-n", s.name, "cm")["items"]) == limit, "and so many are there")
    print(f"# {connections} clients, {len(results)} creates, {made} of them made, in {took:.2f} s", flush=True)
    s.send("DELETE", "configmaps")
    s.wait(configmaps="1", count__configmaps="1")


def long_lists(c, count=520):
    s = Space(c, "long")
    s.quota(hard={"pods": "1000", "cpu": "100"})
    clients = [http.client.HTTPSConnection("127.0.0.1", c.port, context=c.tls(), timeout=60) for _ in range(8)]

    def create(h, i):
        for k in range(i, count, len(clients)):
            h.request("POST", f"/api/v1/namespaces/{s.name}/pods", json.dumps(pod(f"p{k}", {"cpu": "10m"})), {"Content-Type": "application/json"})
            h.getresponse().read()

    threads = [threading.Thread(target=create, args=(h, i)) for i, h in enumerate(clients)]
    for t in threads:
        t.start()
    for t in threads:
        t.join()
    expect(s.used() == {"pods": str(count), "cpu": f"{count * 10}m"}, f"charged {s.used()}")
    s.send("PATCH", "resourcequotas/test-quota/status", {"status": {"used": {"pods": "3"}, "hard": {"pods": "1"}}}, Content_Type="application/merge-patch+json")
    s.wait(pods=str(count), cpu=f"{count * 10}m")
    s.send("DELETE", "pods?gracePeriodSeconds=0")
    s.wait(pods="0", cpu="0", within=20)


def surfaced(c):
    s = Space(c, "surfaced")
    s.quota("condition-test", {"pods": "2"})
    template = {"metadata": {"labels": {"name": "x"}}, "spec": {"containers": [{"name": "x", "image": "x"}]}}
    s.create("deployments", {"metadata": {"name": "d"}, "spec": {"replicas": 3, "selector": {"matchLabels": {"name": "d"}}, "template": {**template, "metadata": {"labels": {"name": "d"}}}}}, "apis/apps/v1")
    failures = lambda: [x for x in s.send("GET", "deployments/d", group="apis/apps/v1")[1]["status"].get("conditions", []) if x["type"] == "ReplicaFailure"]
    cluster.retry(lambda: expect("exceeded quota" in failures()[0]["message"] and failures()[0]["lastUpdateTime"], "the deployment too"), 10)
    s.send("PATCH", "deployments/d", {"spec": {"replicas": 2}}, "apis/apps/v1", Content_Type="application/merge-patch+json")
    cluster.retry(lambda: expect(not failures(), "and no longer"), 10)
    s.delete("deployments/d", "apis/apps/v1")
    cluster.retry(lambda: (s.send("DELETE", "pods?gracePeriodSeconds=0"), expect(s.used("condition-test") == {"pods": "0"}, "all are gone")), 20)
    for path, group, selector in (("replicationcontrollers", "api/v1", {"name": "x"}), ("replicasets", "apis/apps/v1", {"matchLabels": {"name": "x"}})):
        s.create(path, {"metadata": {"name": "condition-test"}, "spec": {"replicas": 3, "selector": selector, "template": template}}, group)
        status = lambda: s.send("GET", f"{path}/condition-test", group=group)[1]["status"]
        cluster.retry(lambda: expect(len(status()["conditions"]) == 1, f"{status()}"), 10)
        condition = status()["conditions"][0]
        expect(condition["type"] == "ReplicaFailure" and condition["status"] == "True" and condition["reason"] == "FailedCreate"
               and "is forbidden: exceeded quota: condition-test, requested: pods=1, used: pods=2, limited: pods=2" in condition["message"], f"{condition}")
        cluster.retry(lambda: expect("Error creating: pods" in c.k("events", "-n", s.name, "--types=Warning"), "an event"), 10)
        s.send("PATCH", f"{path}/condition-test", {"spec": {"replicas": 2}}, group, Content_Type="application/merge-patch+json")
        cluster.retry(lambda: expect(not status().get("conditions") and status()["replicas"] == 2, f"{status()}"), 10)
        s.delete(f"{path}/condition-test", group)
        cluster.retry(lambda: (s.send("DELETE", "pods?gracePeriodSeconds=0"), expect(s.used("condition-test") == {"pods": "0"}, "all are gone")), 20)


run(Control(), (
    ("the control plane starts", lambda c: c.start()),
    ("status is calculated promptly", prompt),
    ("the life of a service", life_of_service),
    ("the life of a secret and a config map", life_of_config),
    ("the life of a pod", life_of_pod),
    ("the life of a replica set and a replication controller", life_of_sets),
    ("the life of a claim", life_of_claim),
    ("the life of a custom resource", life_of_custom_resource),
    ("terminating scopes", terminating),
    ("best-effort scopes", best_effort),
    ("scope selectors", selectors),
    ("changes to a quota's status", status_applies),
    ("the life of a quota, and what is no quota", lifecycle),
    ("of many clients at once exactly as many get through as may", contended),
    ("more objects than one list holds", long_lists),
    ("controllers tell what a quota refuses them", surfaced),
))
