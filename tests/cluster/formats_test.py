#!/usr/bin/env python3
# timeout: 60
"""What clients may ask for: protobuf as client-go's typed clients do (objects, lists, watches, errors, and the
same bytes sent back), beside JSON and YAML."""

import json
import os
import struct
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.dirname(os.path.abspath(__file__))), "lib"))
from control import Control, expect, run  # noqa: E402

PROTOBUF = "application/vnd.kubernetes.protobuf"
MAPS = "/api/v1/namespaces/default/configmaps"


def fields(message):
    """Number, value of each field; the wire types that Kubernetes uses."""
    at = 0

    def varint():
        nonlocal at
        value = shift = 0
        while True:
            byte = message[at]
            at += 1
            value |= (byte & 0x7F) << shift
            shift += 7
            if byte < 0x80:
                return value

    found = []
    while at < len(message):
        key = varint()
        if key & 7 == 0:
            found.append((key >> 3, varint()))
        else:
            expect(key & 7 == 2, f"wire type {key & 7}")
            size = varint()
            expect(at + size <= len(message), "a field within its message")
            found.append((key >> 3, message[at:at + size]))
            at += size
    return found


def one(message, number):
    return [v for n, v in fields(message) if n == number][0]


def opened(body):
    """apiVersion, kind, message of an enveloped object."""
    expect(body[:4] == b"k8s\0", body[:20])
    meta = one(body[4:], 1)
    return one(meta, 1).decode(), one(meta, 2).decode(), one(body[4:], 2)


def objects(c):
    c.k("create", "configmap", "m", "--from-literal=a=b")
    status, headers, body = c.request("GET", MAPS + "/m", accept=PROTOBUF + ", */*")
    expect(status == 200 and headers["content-type"] == PROTOBUF, f"{status} {headers}")
    version, kind, message = opened(body)
    expect((version, kind) == ("v1", "ConfigMap") and one(one(message, 1), 1) == b"m", body)
    entry = one(message, 2)
    expect((one(entry, 1), one(entry, 2)) == (b"a", b"b"), entry)
    status, headers, again = c.request("PUT", MAPS + "/m", body, content_type=PROTOBUF, accept=PROTOBUF)
    expect(status == 200 and again == body, "the same bytes change nothing")
    status, headers, body = c.request("GET", MAPS + "/m", accept="application/json;as=Table;v=v1;g=meta.k8s.io," + PROTOBUF)
    expect(json.loads(body)["kind"] == "Table", "the first form in the list wins")


def every_kind(c):
    """Every kind that can be listed is, in protobuf, under the envelope of its list."""
    groups = [("v1", "/api/v1")] + [(v["groupVersion"], "/apis/" + v["groupVersion"])
                                    for g in json.loads(c.k("get", "--raw", "/apis"))["groups"] for v in g["versions"]
                                    if g["name"] != "metrics.k8s.io"]  # asked of the nodes
    seen = 0
    for version, path in groups:
        for r in json.loads(c.k("get", "--raw", path))["resources"]:
            if "list" not in r["verbs"]:
                continue
            status, headers, body = c.request("GET", f"{path}/{r['name']}", accept=PROTOBUF)
            expect(status == 200 and headers["content-type"] == PROTOBUF, f"{r['name']}: {status} {headers} {body[:200]}")
            got = opened(body)
            expect(got[:2] == (version, r["kind"] + "List"), f"{got[:2]} of {r['name']}")
            seen += 1
    expect(seen > 40, f"{seen} kinds")


def lists(c):
    for i in range(30):
        c.request("POST", MAPS, json.dumps({"metadata": {"name": f"list-{i:02}", "labels": {"x": "y"}}}), content_type="application/json")
    status, headers, body = c.request("GET", MAPS + "?labelSelector=x%3Dy&limit=20", accept=PROTOBUF)
    version, kind, message = opened(body)
    items = [v for n, v in fields(message) if n == 2]
    expect(kind == "ConfigMapList" and len(items) == 20, f"{kind} {len(items)}")
    token = one(one(message, 1), 3).decode()
    status, headers, body = c.request("GET", f"{MAPS}?labelSelector=x%3Dy&limit=20&continue={token}", accept=PROTOBUF)
    items += [v for n, v in fields(opened(body)[2]) if n == 2]
    expect([one(one(i, 1), 1).decode() for i in items] == [f"list-{i:02}" for i in range(30)], "all of them, in order")


def watches(c):
    status, headers, body = c.request("GET", MAPS + "?watch=1&timeoutSeconds=1&labelSelector=x%3Dy&allowWatchBookmarks=true"
                                      "&sendInitialEvents=true&resourceVersionMatch=NotOlderThan", accept=PROTOBUF)
    expect(status == 200 and headers["content-type"] == PROTOBUF + ";stream=watch", f"{status} {headers}")
    events = []
    while body:
        size = struct.unpack(">I", body[:4])[0]
        frame, body = body[4:4 + size], body[4 + size:]
        expect(len(frame) == size, "whole frames")
        events.append((one(frame, 1).decode(), opened(one(one(frame, 2), 1))))
    expect([e[0] for e in events[:31]] == ["ADDED"] * 30 + ["BOOKMARK"], [e[0] for e in events])
    expect(b"k8s.io/initial-events-end" in events[30][1][2], events[30])


def metadata_only(c):
    """What client-go's metadata client asks for: of built-in and of custom resources."""
    asked = PROTOBUF + ";as={};g=meta.k8s.io;v=v1"
    status, headers, body = c.request("GET", MAPS + "/m", accept=asked.format("PartialObjectMetadata"))
    expect(status == 200 and headers["content-type"].startswith(PROTOBUF), f"{status} {headers}")
    version, kind, message = opened(body)
    expect((version, kind) == ("meta.k8s.io/v1", "PartialObjectMetadata"), f"{version} {kind}")
    expect([n for n, _ in fields(message)] == [1] and one(one(message, 1), 1) == b"m", "metadata and nothing else")
    c.k("apply", "-f", "-", input=json.dumps({"apiVersion": "apiextensions.k8s.io/v1", "kind": "CustomResourceDefinition", "metadata": {"name": "cups.example.com"},
             "spec": {"group": "example.com", "scope": "Namespaced", "names": {"plural": "cups", "kind": "Cup"},
                      "versions": [{"name": "v1", "served": True, "storage": True,
                                    "schema": {"openAPIV3Schema": {"type": "object", "x-kubernetes-preserve-unknown-fields": True}}}]}}))
    c.k("wait", "--for=condition=Established", "crd/cups.example.com", "--timeout=20s")
    c.k("apply", "-f", "-", input=json.dumps({"apiVersion": "example.com/v1", "kind": "Cup", "metadata": {"name": "tea", "namespace": "default"}, "size": 3}))
    cups = "/apis/example.com/v1/namespaces/default/cups"
    status, headers, body = c.request("GET", cups, accept=asked.format("PartialObjectMetadataList"))
    version, kind, message = opened(body)
    expect((status, version, kind) == (200, "meta.k8s.io/v1", "PartialObjectMetadataList"), f"{status} {version} {kind}")
    expect([one(one(v, 1), 1) for n, v in fields(message) if n == 2] == [b"tea"], message)
    status, headers, body = c.request("GET", cups + "?watch=1&timeoutSeconds=1", accept=asked.format("PartialObjectMetadata"))
    event = opened(one(one(body[4:4 + struct.unpack(">I", body[:4])[0]], 2), 1))
    expect(event[1] == "PartialObjectMetadata" and one(one(event[2], 1), 1) == b"tea", event)
    status, headers, body = c.request("GET", cups, accept=PROTOBUF)
    expect(status == 406, "custom resources themselves have no protobuf")
    c.k("delete", "crd", "cups.example.com")


def errors(c):
    status, headers, body = c.request("GET", MAPS + "/none", accept=PROTOBUF)
    expect(status == 404 and opened(body)[:2] == ("v1", "Status") and b'configmaps "none" not found' in body, f"{status} {body}")
    status, headers, body = c.request("GET", MAPS + "/m", accept="text/html")
    expect(status == 406 and json.loads(body)["reason"] == "NotAcceptable", f"{status} {body}")
    status, headers, body = c.request("POST", MAPS, b"k8s\0\x0a\xff", content_type=PROTOBUF)
    expect(status == 400 and b"malformed protobuf" in body, f"{status} {body}")


def others(c):
    status, headers, body = c.request("GET", MAPS + "/m", accept="application/yaml")
    expect(headers["content-type"] == "application/yaml" and b"\nkind: ConfigMap\n" in b"\n" + body, body)
    status, headers, body = c.request("GET", MAPS + "/m?pretty=true")
    expect(body.startswith(b'{\n  "kind": "ConfigMap",\n  "apiVersion": "v1",'), body)


run(Control(), (
    ("the control plane starts", lambda c: c.start()),
    ("an object in protobuf, and sent back", objects),
    ("metadata alone in protobuf", metadata_only),
    ("every kind can be listed in protobuf", every_kind),
    ("lists in chunks", lists),
    ("watches", watches),
    ("errors are in the form that was asked for", errors),
    ("YAML, and indented JSON", others),
))
