#!/usr/bin/env python3
# timeout: 120
"""Every resource that discovery names, through every verb that it names: create, get, list, watch, update, the
four patches, status, tables, metadata, dry run, deletecollection. kinds.json has a small object for each; a
resource without one is an error, so none is forgotten."""

import base64
import http.client
import json
import os
import subprocess
import sys
import tempfile

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "lib"))
from control import Control, expect, run

HERE = os.path.dirname(os.path.abspath(__file__))
with open(os.path.join(HERE, "kinds.json")) as f:
    SAMPLES = json.load(f)
ONE_WAY = "create get list watch update patch delete deletecollection".split()
# Resources with other verbs, each with a test of its own.
ELSEWHERE = {"v1/bindings", "v1/componentstatuses", "authentication.k8s.io/v1/selfsubjectreviews", "authentication.k8s.io/v1/tokenreviews",
             "authorization.k8s.io/v1/localsubjectaccessreviews", "authorization.k8s.io/v1/selfsubjectaccessreviews",
             "authorization.k8s.io/v1/selfsubjectrulesreviews", "authorization.k8s.io/v1/subjectaccessreviews",
             "metrics.k8s.io/v1beta1/nodes", "metrics.k8s.io/v1beta1/pods"}


def request_pem():
    with tempfile.TemporaryDirectory() as d:
        subprocess.run(["openssl", "req", "-new", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-subj", "/CN=it",
                        "-keyout", d + "/k", "-out", d + "/r"], check=True, capture_output=True, timeout=60)
        with open(d + "/r", "rb") as f:
            return base64.b64encode(f.read()).decode()


def discovered(c):
    """(group version, resource as discovery describes it, names of its subresources)."""
    found = []
    versions = [("v1", "/api/v1")] + [(v["groupVersion"], "/apis/" + v["groupVersion"])
                                      for g in json.loads(c.k("get", "--raw", "/apis"))["groups"] for v in g["versions"]]
    for version, path in versions:
        resources = json.loads(c.k("get", "--raw", path))["resources"]
        for r in resources:
            if "/" not in r["name"]:
                subs = {s["name"].split("/")[1]: s for s in resources if s["name"].startswith(r["name"] + "/")}
                found.append((version, path, r, subs))
    return found


class Kind:
    def __init__(self, c, version, path, r, subs):
        self.c, self.version, self.r, self.subs = c, version, r, subs
        self.all = path + "/" + r["name"]
        self.here = path + "/namespaces/default/" + r["name"] if r["namespaced"] else self.all
        sample = json.loads(json.dumps(SAMPLES[version + "/" + r["name"]]))
        if r["name"] == "certificatesigningrequests":
            sample["spec"]["request"] = request_pem()
        self.object = {"apiVersion": version, "kind": r["kind"], **sample}
        self.object.setdefault("metadata", {}).setdefault("name", "it")
        self.object["metadata"].setdefault("labels", {})["every"] = "kind"
        self.name = self.object["metadata"]["name"]

    def ask(self, method, path, body=None, status=200, kind="application/json", accept="application/json"):
        got, _, out = self.c.request(method, path, None if body is None else json.dumps(body), content_type=kind, accept=accept)
        expect(got == status, f"{method} {path}: {got} instead of {status}: {out[:500]}")
        return json.loads(out) if out.startswith(b"{") else out

    def one(self, sub=""):
        return f"{self.here}/{self.name}" + (f"/{sub}" if sub else "")

    def create(self):
        self.ask("POST", self.here + "?dryRun=All", self.object, 201)
        self.ask("GET", self.one(), status=404)
        got = self.ask("POST", self.here + "?fieldValidation=Strict", self.object, 201)
        for field in ("uid", "creationTimestamp", "resourceVersion", "managedFields"):
            expect(got["metadata"].get(field), f"{field} of {got}")
        expect((got["apiVersion"], got["kind"]) == (self.version, self.r["kind"]), got)
        self.ask("POST", self.here, self.object, 409)
        wrong = {**self.object, "metadata": {**self.object["metadata"], "name": "other"}, "nonsense": 1}
        out = self.ask("POST", self.here + "?fieldValidation=Strict&dryRun=All", wrong, 400)
        expect('unknown field "nonsense"' in out["message"], out)

    def get(self):
        expect(self.ask("GET", self.one())["metadata"]["name"] == self.name, "its name")
        table = self.ask("GET", self.one(), accept="application/json;as=Table;g=meta.k8s.io;v=v1")
        expect(table["kind"] == "Table" and len(table["rows"]) == 1, table)
        expect(len(table["rows"][0]["cells"]) == len(table["columnDefinitions"]), table)
        part = self.ask("GET", self.one(), accept="application/json;as=PartialObjectMetadata;g=meta.k8s.io;v=v1")
        expect(part["kind"] == "PartialObjectMetadata" and "spec" not in part, part)

    def list(self):
        for path in {self.here, self.all}:
            got = self.ask("GET", path + "?labelSelector=every%3Dkind")
            expect(got["kind"] == self.r["kind"] + "List" and [o["metadata"]["name"] for o in got["items"]] == [self.name], got)
        got = self.ask("GET", self.here + f"?fieldSelector=metadata.name%3D{self.name}&limit=1")
        expect(len(got["items"]) == 1, got)
        self.ask("GET", self.here + "?fieldSelector=no.such%3Dx", status=400)

    def watch(self):
        h = http.client.HTTPSConnection("127.0.0.1", self.c.port, context=self.c.tls(), timeout=20)
        h.request("GET", self.all + "?watch=1&labelSelector=every%3Dkind")
        first = json.loads(h.getresponse().readline())
        h.close()
        expect(first["type"] == "ADDED" and first["object"]["metadata"]["name"] == self.name, first)

    def update(self):
        got = self.ask("GET", self.one())
        got["metadata"].setdefault("annotations", {})["updated"] = "yes"
        new = self.ask("PUT", self.one(), got)
        expect(new["metadata"]["annotations"]["updated"] == "yes" and new["metadata"]["uid"] == got["metadata"]["uid"], new)
        expect(new["metadata"].get("generation") == got["metadata"].get("generation"), "annotations are no new generation")
        self.ask("PUT", self.one(), got, 409)
        expect(self.ask("PUT", self.one(), new)["metadata"]["resourceVersion"] == new["metadata"]["resourceVersion"], "nothing changed")

    def patch(self):
        mark = {"metadata": {"annotations": {"merged": "yes"}}}
        self.ask("PATCH", self.one(), mark, kind="application/merge-patch+json")
        mark = {"metadata": {"annotations": {"strategic": "yes"}}}
        self.ask("PATCH", self.one(), mark, kind="application/strategic-merge-patch+json")
        self.ask("PATCH", self.one(), [{"op": "add", "path": "/metadata/annotations/json", "value": "yes"}], kind="application/json-patch+json")
        applied = {"apiVersion": self.version, "kind": self.r["kind"], "metadata": {"name": self.name, "annotations": {"applied": "yes"}}}
        got = self.ask("PATCH", self.one() + "?fieldManager=it&force=true", applied, kind="application/apply-patch+yaml")
        expect(set(got["metadata"]["annotations"]) >= {"merged", "strategic", "json", "applied"}, got["metadata"])
        expect(any(m["manager"] == "it" and m["operation"] == "Apply" for m in got["metadata"]["managedFields"]), got["metadata"])

    def status(self):
        if "status" not in self.subs:
            return
        got = self.ask("GET", self.one("status"))
        got["metadata"].setdefault("annotations", {})["ours"] = "yes"
        self.ask("PUT", self.one("status"), got)
        self.ask("PATCH", self.one("status"), {"metadata": {"annotations": {"x": "y"}}}, kind="application/merge-patch+json")

    def scale(self):
        if "scale" in self.subs:
            self.ask("PATCH", self.one("scale"), {"spec": {"replicas": 0}}, kind="application/merge-patch+json")
            expect(self.ask("GET", self.one("scale"))["kind"] == "Scale", "a Scale")

    def delete(self):
        self.ask("DELETE", self.one() + "?dryRun=All")
        self.ask("GET", self.one())
        self.ask("DELETE", self.one(), {"preconditions": {"uid": "another"}}, 409)
        if "deletecollection" in self.r["verbs"]:
            self.ask("DELETE", self.here + "?labelSelector=every%3Dkind")
        else:
            self.ask("DELETE", self.one())
        # Finalizers of its own may hold it a moment; ours to lift where no controller does.
        got, _, out = self.c.request("GET", self.one())
        if got == 200:
            o = json.loads(out)
            expect(o["metadata"].get("deletionTimestamp"), f"neither gone nor going: {o['metadata']}")


def every_kind(c):
    expected = {v + "/" + r["name"] for v, _, r, _ in discovered(c)}
    expect(expected == set(SAMPLES) | ELSEWHERE, f"without a sample: {expected - set(SAMPLES) - ELSEWHERE}; not served: {(set(SAMPLES) | ELSEWHERE) - expected}")


def through(kind):
    def step(c):
        k = kind(c)
        expect(set(k.r["verbs"]) >= set(ONE_WAY) - {"deletecollection"}, k.r["verbs"])
        for verb in ("create", "get", "list", "watch", "update", "patch", "status", "scale", "delete"):
            try:
                getattr(k, verb)()
            except AssertionError as e:
                raise AssertionError(f"{verb}: {e}") from e
    return step


def find(name):
    def kind(c):
        if not hasattr(c, "discovered"):
            c.discovered = {v + "/" + r["name"]: (v, p, r, s) for v, p, r, s in discovered(c)}
        return Kind(c, *c.discovered[name])
    return kind


if __name__ == "__main__":
    run(Control(), [("the control plane starts", Control.start), ("each resource has a sample", every_kind)]
        + [(name, through(find(name))) for name in SAMPLES if not sys.argv[1:] or name in sys.argv[1:]])
