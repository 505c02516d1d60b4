#!/usr/bin/env python3
# timeout: 120
"""Owners and dependents with the real kubectl: circles, owners that wait, and a ReplicationController's pods."""

import json
import os
import sys

TOP = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
sys.path.insert(0, os.path.join(TOP, "tests", "lib"))
import cluster  # noqa: E402
from control import Control, expect, run  # noqa: E402


def own(c, dependent, *owners):
    refs = [{"apiVersion": "v1", "kind": "ConfigMap", "name": o, "uid": c.json("cm", o)["metadata"]["uid"],
             "blockOwnerDeletion": True} for o in owners]
    c.k("patch", "cm", dependent, "--type=merge", "-p", json.dumps({"metadata": {"ownerReferences": refs}}))


def names(c, *what):
    return [i["metadata"]["name"] for i in c.json(*what)["items"]]


def circle(c):
    for name in ("c1", "c2", "c3"):
        c.k("create", "cm", name)
    for dependent, owner in (("c1", "c3"), ("c2", "c1"), ("c3", "c2")):
        own(c, dependent, owner)
    c.k("delete", "cm", "c1", "--cascade=foreground", "--timeout=20s")

    def gone():
        expect(not [n for n in names(c, "cm") if n.startswith("c")], "the circle is still there")
    cluster.retry(gone, 20)


def second_owner(c):
    for name in ("going", "staying", "both", "only"):
        c.k("create", "cm", name)
    own(c, "both", "going", "staying")
    own(c, "only", "going")
    c.k("delete", "cm", "going", "--cascade=foreground", "--timeout=20s")
    left = names(c, "cm")
    expect("both" in left and "staying" in left and "only" not in left, f"left: {left}")
    refs = c.json("cm", "both")["metadata"]["ownerReferences"]
    expect([r["name"] for r in refs] == ["staying"], f"owners: {refs}")


DEFINITION = """
apiVersion: apiextensions.k8s.io/v1
kind: CustomResourceDefinition
metadata: {name: owners.test.example.com}
spec:
  group: test.example.com
  scope: Namespaced
  names: {plural: owners, kind: Owner}
  versions:
  - name: v1
    served: true
    storage: true
    schema: {openAPIV3Schema: {type: object, x-kubernetes-preserve-unknown-fields: true}}
"""


def custom(c):
    """Custom resources are orphaned too, though they know no strategic merge."""
    c.k("create", "-f", "-", input=DEFINITION)
    c.k("wait", "--for=condition=Established", "crd/owners.test.example.com", "--timeout=10s")
    owner = {"apiVersion": "test.example.com/v1", "kind": "Owner", "metadata": {"name": "o"}}
    cluster.retry(lambda: c.k("create", "-f", "-", input=json.dumps(owner)), 10)
    ref = {"apiVersion": "test.example.com/v1", "kind": "Owner", "name": "o", "uid": c.json("owner", "o")["metadata"]["uid"]}
    c.k("create", "-f", "-", input=json.dumps({**owner, "metadata": {"name": "d", "ownerReferences": [ref]}}))
    c.k("delete", "owner", "o", "--cascade=orphan", "--timeout=20s")
    expect("ownerReferences" not in c.json("owner", "d")["metadata"], "the orphan still has an owner")


def replication_controller(c):
    c.k("create", "-f", "-", input="""
apiVersion: v1
kind: ReplicationController
metadata: {name: rc}
spec:
  replicas: 2
  selector: {app: rc}
  template:
    metadata: {labels: {app: rc}}
    spec: {containers: [{name: c, image: i}]}
""")

    def count(n):
        def check():
            expect(c.json("rc", "rc")["status"].get("replicas") == n, "status.replicas")
            expect(len(names(c, "pods", "-l", "app=rc")) == n, "pods")
        cluster.retry(check, 20)
    count(2)
    owner = c.json("pods", "-l", "app=rc")["items"][0]["metadata"]["ownerReferences"][0]
    expect(owner["apiVersion"] == "v1" and owner["kind"] == "ReplicationController" and owner["controller"], owner)
    c.k("scale", "rc", "rc", "--replicas=3")
    count(3)
    c.k("delete", "rc", "rc", "--cascade=orphan")
    expect(len(names(c, "pods", "-l", "app=rc")) == 3, "orphans")


def main():
    c = Control()
    c.start()
    run(c, [("a circle of owners is deleted in the foreground", circle),
            ("a dependent with another owner loses the one that waits", second_owner),
            ("custom resources are orphaned", custom),
            ("a ReplicationController keeps its pods", replication_controller)])


if __name__ == "__main__":
    main()
