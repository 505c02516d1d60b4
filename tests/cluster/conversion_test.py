#!/usr/bin/env python3
# timeout: 120
"""Custom resources whose versions a webhook converts: read, written, listed and watched in either, stored in
one; with a real TLS backend that also fails and lies. v1 has `host: "a:1"`, v2 has `host: a` and `port: "1"`."""

import json
import os
import sys
import threading
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "lib"))
import cluster
from backend import Backend
from control import Control, expect, run

GROUP = "stable.example.com"
BASE = f"/apis/{GROUP}"


class Converter(Backend):
    mood = "good"

    @staticmethod
    def convert(o, to):
        o = json.loads(json.dumps(o))
        if o["apiVersion"].endswith("/v1") and to.endswith("/v2") and "host" in o:
            o["host"], _, o["port"] = o["host"].partition(":")
        elif o["apiVersion"].endswith("/v2") and to.endswith("/v1") and "host" in o:
            o["host"] = f"{o['host']}:{o.pop('port', '')}"
        o["apiVersion"] = to
        o["metadata"].setdefault("annotations", {})["converted"] = "yes"
        return o

    def serve(self, h, path, review):
        request = review["request"]
        self.seen.append(request)
        out = [self.convert(o, request["desiredAPIVersion"]) for o in request["objects"]]
        response = {"uid": request["uid"], "result": {"status": "Success"}, "convertedObjects": out}
        mood = self.mood
        if mood == "refuses":
            response["result"] = {"status": "Failed", "message": "I would rather not"}
        elif mood == "forgets":
            response["convertedObjects"] = out[1:]
        elif mood == "renames":
            out[0]["metadata"]["name"] = "another"
        elif mood == "other uid":
            response["uid"] = "17"
        elif mood == "other version":
            out[0]["apiVersion"] = GROUP + "/v7"
        elif mood == "touches":
            out[0]["metadata"]["finalizers"] = ["example.com/mine"]
            out[0]["metadata"]["creationTimestamp"] = None
        elif mood == "no review":
            self.answer(h, 200, b"[]")
            return
        elif mood == "error":
            self.answer(h, 500, b"oh no")
            return
        self.answer(h, 200, {"apiVersion": review["apiVersion"], "kind": "ConversionReview", "response": response})


backend = Converter()


def definition(storage="v1", client=None, plural="crontabs", kind="CronTab"):
    def version(name, properties):
        rules = [{"rule": "!has(self.port) || self.port != '0'", "message": "port 0 is nobody's"},
                 {"rule": "!has(oldSelf.port) || has(self.port)", "message": "a port stays"}] if name == "v2" else []
        return {"name": name, "served": True, "storage": name == storage, "subresources": {"status": {}},
                "schema": {"openAPIV3Schema": {"type": "object", "x-kubernetes-validations": rules, "properties": {
                    **properties, "replicas": {"type": "integer", "default": 1}, "status": {"type": "object", "x-kubernetes-preserve-unknown-fields": True}}}}}

    client = client or {"url": f"https://127.0.0.1:{backend.port}/convert", "caBundle": backend.bundle()}
    return {"apiVersion": "apiextensions.k8s.io/v1", "kind": "CustomResourceDefinition",
            "metadata": {"name": f"{plural}.{GROUP}"},
            "spec": {"group": GROUP, "scope": "Namespaced", "names": {"plural": plural, "kind": kind},
                     "conversion": {"strategy": "Webhook", "webhook": {"clientConfig": client, "conversionReviewVersions": ["v1", "v1beta1"]}},
                     "versions": [version("v1", {"host": {"type": "string"}}),
                                  version("v2", {"host": {"type": "string"}, "port": {"type": "string"}})]}}


def path(version, name="", plural="crontabs"):
    return f"{BASE}/{version}/namespaces/default/{plural}" + (f"/{name}" if name else "")


def ask(c, method, where, body=None, status=200, kind="application/json", **headers):
    got, _, out = c.request(method, where, json.dumps(body) if body is not None else None, content_type=kind, **headers)
    expect(got == status, f"{method} {where}: {got} {out[:600]}")
    return json.loads(out)


def make(c, version, name, status=201, **fields):
    return ask(c, "POST", path(version), {"apiVersion": f"{GROUP}/{version}", "kind": "CronTab", "metadata": {"name": name}, **fields}, status)


def sent_to_store(c, name):
    """The version that an object is stored as: the one in which reading asks nobody."""
    found = []
    for version in ("v1", "v2"):
        before = len(backend.seen)
        ask(c, "GET", path(version, name))
        if len(backend.seen) == before:
            found.append(version)
    expect(len(found) == 1, f"{name}: {found}")
    return found[0]


def defined(c):
    c.k("apply", "-f", "-", input=json.dumps(definition()))
    c.k("wait", "--for=condition=Established", f"crd/crontabs.{GROUP}", "--timeout=20s")
    bad = definition(plural="others", kind="Other")
    bad["spec"]["conversion"]["webhook"] = {"clientConfig": {"url": "http://x"}, "conversionReviewVersions": ["v9"]}
    out = c.k("apply", "-f", "-", input=json.dumps(bad), check=False)
    expect("'https' is the only allowed URL scheme" in out and "must include at least one of v1, v1beta1" in out, out)
    bad["spec"]["conversion"] = {"strategy": "None", "webhook": {"clientConfig": {"url": "https://x"}, "conversionReviewVersions": ["v1"]}}
    out = c.k("apply", "-f", "-", input=json.dumps(bad), check=False)
    expect("should not be set when strategy is not set to Webhook" in out, out)


def both_versions(c):
    one = make(c, "v1", "one", host="a.example:80")
    expect(one["host"] == "a.example:80" and one["apiVersion"] == GROUP + "/v1" and not backend.seen, one)
    two = ask(c, "GET", path("v2", "one"))
    expect((two["host"], two["port"], two["replicas"]) == ("a.example", "80", 1), two)
    expect(two["metadata"]["uid"] == one["metadata"]["uid"] and two["metadata"]["resourceVersion"] == one["metadata"]["resourceVersion"], two)
    expect(two["metadata"]["annotations"] == {"converted": "yes"}, "annotations are the webhook's to change")
    asked = backend.seen[-1]
    expect(asked["desiredAPIVersion"] == GROUP + "/v2" and asked["objects"][0]["kind"] == "CronTab"
           and asked["objects"][0]["apiVersion"] == GROUP + "/v1", asked)
    made = make(c, "v2", "two", host="b.example", port="81")
    expect((made["host"], made["port"], made["apiVersion"]) == ("b.example", "81", GROUP + "/v2"), made)
    expect(sent_to_store(c, "two") == "v1", "stored in the storage version")
    expect(ask(c, "GET", path("v1", "two"))["host"] == "b.example:81", "and read so")
    out = c.k("get", f"crontabs.v2.{GROUP}", "one", "-o", "jsonpath={.host} {.port}")
    expect(out == "a.example 80", out)


def changes(c):
    two = ask(c, "GET", path("v2", "one"))
    two["port"] = "8080"
    ask(c, "PUT", path("v2", "one"), two)
    expect(ask(c, "GET", path("v1", "one"))["host"] == "a.example:8080", "an update in v2 is read in v1")
    ask(c, "PUT", path("v2", "one"), two, 409)
    ask(c, "PATCH", path("v2", "one"), {"host": "c.example"}, kind="application/merge-patch+json")
    expect(ask(c, "GET", path("v1", "one"))["host"] == "c.example:8080", "a patch too")
    ask(c, "PATCH", path("v2", "one", ) + "/status", {"status": {"ok": True}}, kind="application/merge-patch+json")
    expect(ask(c, "GET", path("v1", "one"))["status"] == {"ok": True}, "and its status")
    config = {"apiVersion": GROUP + "/v2", "kind": "CronTab", "metadata": {"name": "applied"}, "host": "d", "port": "1"}
    ask(c, "PATCH", path("v2", "applied") + "?fieldManager=me", config, 201, "application/apply-patch+yaml")
    config["port"] = "2"
    ask(c, "PATCH", path("v2", "applied") + "?fieldManager=me", config, 200, "application/apply-patch+yaml")
    got = ask(c, "GET", path("v1", "applied"))
    expect(got["host"] == "d:2" and [m["manager"] for m in got["metadata"]["managedFields"]] == ["me"], got)
    answer = ask(c, "PATCH", path("v2", "applied") + "?fieldManager=you", {**config, "port": "3"}, 409, "application/apply-patch+yaml")
    expect('conflict with "me"' in answer["message"], answer)
    ask(c, "DELETE", path("v2", "applied"))
    ask(c, "GET", path("v1", "applied"), status=404)


def rules(c):
    """Rules are those of the version that is written, transitions too, whatever it is stored as."""
    config = {"apiVersion": GROUP + "/v2", "kind": "CronTab", "metadata": {"name": "ruled"}, "host": "r", "port": "0"}
    answer = ask(c, "PATCH", path("v2", "ruled") + "?fieldManager=me", config, 422, "application/apply-patch+yaml")
    expect("port 0 is nobody's" in answer["message"], answer)
    config["port"] = "7"
    ask(c, "PATCH", path("v2", "ruled") + "?fieldManager=me", config, 201, "application/apply-patch+yaml")
    del config["port"]
    answer = ask(c, "PATCH", path("v2", "ruled") + "?fieldManager=me", config, 422, "application/apply-patch+yaml")
    expect("a port stays" in answer["message"], answer)
    expect(ask(c, "GET", path("v1", "ruled"))["host"] == "r:7", "as it was")
    ask(c, "DELETE", path("v1", "ruled"))


def lists(c):
    """Some stored in v1 and, after the storage version changed, some in v2; a list asks about the others at once."""
    c.k("apply", "-f", "-", input=json.dumps(definition("v2")))
    make(c, "v1", "three", host="e.example:83")
    expect(sent_to_store(c, "three") == "v2" and sent_to_store(c, "two") == "v1", "each as its time was")
    expect(set(c.json("crd", f"crontabs.{GROUP}")["status"]["storedVersions"]) == {"v1", "v2"}, "stored versions")
    for version, hosts in (("v1", ["c.example:8080", "e.example:83", "b.example:81"]), ("v2", ["c.example", "e.example", "b.example"])):
        before = len(backend.seen)
        out = ask(c, "GET", path(version))
        expect([o["host"] for o in out["items"]] == hosts, out)
        expect({o["apiVersion"] for o in out["items"]} == {f"{GROUP}/{version}"}, "all in the version asked for")
        expect(len(backend.seen) == before + 1 and len(backend.seen[-1]["objects"]) == (1 if version == "v1" else 2), "one call")
    for i in range(30):
        make(c, "v2", f"many-{i:02}", host=f"h{i}", port="1")
    out = ask(c, "GET", path("v1") + "?limit=20")
    rest = ask(c, "GET", path("v1") + "?limit=20&continue=" + out["metadata"]["continue"])
    names = [o["metadata"]["name"] for o in out["items"] + rest["items"]]
    expect(len(names) == 33 and names == sorted(names), names)
    expect([o["host"] for o in out["items"][:2]] == ["h0:1", "h1:1"], out["items"][:2])
    expect("h7:1" in c.k("get", f"crontabs.v1.{GROUP}", "-o", "yaml"), "as YAML")
    before = len(backend.seen)
    c.request("GET", path("v1"), accept="application/json;as=PartialObjectMetadataList;g=meta.k8s.io;v=v1")
    expect(len(backend.seen) == before, "metadata asks nobody")
    c.k("delete", f"crontabs.v1.{GROUP}", "--all")
    expect(ask(c, "GET", path("v2"))["items"] == [], "a collection is deleted through the other version")


def watches(c):
    make(c, "v2", "seen", host="w", port="1")
    events = []

    def follow():
        _, _, body = c.request("GET", path("v1") + "?watch=1&timeoutSeconds=3")
        events.extend(json.loads(line) for line in body.splitlines())

    t = threading.Thread(target=follow)
    t.start()
    cluster.retry(lambda: expect(any(r["objects"][0]["metadata"]["name"] == "seen" for r in backend.seen), "not yet"), 10)
    for port in ("2", "3", "4"):
        ask(c, "PATCH", path("v2", "seen"), {"port": port}, kind="application/merge-patch+json")
    ask(c, "DELETE", path("v2", "seen"))
    t.join(20)
    expect([(e["type"], e["object"].get("host")) for e in events] ==
           [("ADDED", "w:1"), ("MODIFIED", "w:2"), ("MODIFIED", "w:3"), ("MODIFIED", "w:4"), ("DELETED", "w:4")], events)
    revisions = [int(e["object"]["metadata"]["resourceVersion"]) for e in events]
    expect(revisions == sorted(revisions), revisions)


def lies(c):
    make(c, "v2", "kept", host="k", port="1")
    before = f"conversion webhook for {GROUP}/v2, Kind=CronTab "
    for mood, why in (("refuses", "failed: I would rather not"), ("forgets", "returned 0 objects, expected 1"),
                      ("renames", "must have the same name: kept != another"), ("other uid", "expected response.uid="),
                      ("other version", "invalid groupVersion (expected stable.example.com/v1, received stable.example.com/v7)"),
                      ("error", 'failed: an error on the server ("oh no") has prevented the request from succeeding'),
                      ("no review", "failed: ")):
        backend.mood = mood
        for where in (path("v1", "kept"), path("v1")):
            got = ask(c, "GET", where, status=500)
            expect(got["message"].startswith(before) and why in got["message"], f"{mood}: {got}")
        ask(c, "PUT", path("v1", "kept"), {"apiVersion": GROUP + "/v1", "kind": "CronTab", "metadata": {"name": "kept"}}, 500)
        expect(ask(c, "GET", path("v2", "kept"))["host"] == "k", "in its own version it needs nobody")
    backend.mood = "touches"
    got = ask(c, "GET", path("v1", "kept"))
    expect("finalizers" not in got["metadata"] and got["metadata"]["creationTimestamp"], "other metadata is not the webhook's")
    backend.mood = "good"


def gone(c):
    """A webhook that is down blocks what needs it and nothing else, not even the end of its definition."""
    backend.stop()
    started = time.monotonic()
    got = ask(c, "GET", path("v1", "kept"), status=500)
    expect("conversion webhook for" in got["message"] and "refused" in got["message"], got)
    expect(time.monotonic() - started < 20, "at once")
    make(c, "v1", "none", status=500, host="x:1")
    ask(c, "GET", path("v2", "none"), status=404)
    c.k("create", "configmap", "others-work")
    c.k("create", "namespace", "leaving")
    c.k("delete", "namespace", "leaving", "--timeout=20s")
    c.k("delete", f"crd/crontabs.{GROUP}", "--timeout=25s")


def a_service(c):
    """Found as a service, which is not there."""
    backend.start()
    client = {"service": {"namespace": "default", "name": "missing", "path": "/convert"}, "caBundle": backend.bundle()}
    c.k("apply", "-f", "-", input=json.dumps(definition("v1", client)))
    c.k("wait", "--for=condition=Established", f"crd/crontabs.{GROUP}", "--timeout=20s")
    make(c, "v1", "one", host="a:1")
    got = ask(c, "GET", path("v2", "one"), status=500)
    expect('service "missing" not found' in got["message"], got)


run(Control(), (
    ("the control plane starts", Control.start),
    ("a definition with a conversion webhook, and bad ones refused", defined),
    ("either version reads what was written in the other", both_versions),
    ("updates, patches, status and apply in the version that is not stored", changes),
    ("rules of the version that is applied", rules),
    ("lists of objects stored in several versions", lists),
    ("watches convert, in order", watches),
    ("a webhook that lies is not believed", lies),
    ("a webhook that is gone blocks only what needs it", gone),
    ("a service that is not there is named", a_service),
))
