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


run(Control(), (
    ("the control plane starts", lambda c: c.start()),
    ("status is calculated promptly", prompt),
    ("the life of a service", life_of_service),
    ("the life of a secret and a config map", life_of_config),
    ("the life of a pod", life_of_pod),
    ("the life of a replica set and a replication controller", life_of_sets),
    ("the life of a claim", life_of_claim),
))
