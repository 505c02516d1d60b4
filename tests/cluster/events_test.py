#!/usr/bin/env python3
"""Events: one storage, two groups, series; each group's own rules."""

import json
import os
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "lib"))
import cluster
from control import Control, expect, run

OLD, NEW = "/api/v1/namespaces/default/events", "/apis/events.k8s.io/v1/namespaces/default/events"
ABOUT = {"kind": "Pod", "namespace": "default", "name": "p", "apiVersion": "v1"}
STRATEGIC = {"Content_Type": "application/strategic-merge-patch+json"}


def send(c, method, path, body=None, **headers):
    headers.setdefault("Content_Type", "application/json")
    status, _, out = c.request(method, path, json.dumps(body) if body is not None else None, **headers)
    return status, json.loads(out)


def new_event(name, **more):
    return {"metadata": {"name": name, "labels": {"testevent-constant": "true"}}, "regarding": ABOUT, "eventTime": "2026-11-23T10:00:00.123456Z",
            "note": "This is a note", "type": "Normal", "reason": "Test", "action": "Do", "reportingController": "test-controller", "reportingInstance": "test-node", **more}


def invalid(answer, message):
    status, out = answer
    expect(status == 422 and out["message"] == message, f"{status}: {out.get('message')!r}, not {message!r}")


def both(c):
    status, e = send(c, "POST", NEW, new_event("a"))
    expect(status == 201 and e["note"] == "This is a note" and e["apiVersion"] == "events.k8s.io/v1", f"{e}")
    _, e = send(c, "GET", OLD + "/a")
    expect(e["apiVersion"] == "v1" and e["message"] == "This is a note" and e["involvedObject"] == ABOUT and e["reportingComponent"] == "test-controller"
           and e["eventTime"] == "2026-11-23T10:00:00.123456Z" and "regarding" not in e and "note" not in e, f"{e}")
    status, e = send(c, "POST", OLD, {"metadata": {"name": "b"}, "involvedObject": ABOUT, "message": "old", "count": 3, "type": "Normal", "reason": "R",
                                      "source": {"component": "kubelet", "host": "n"}, "firstTimestamp": "2026-11-23T10:00:00Z", "lastTimestamp": "2026-11-23T10:00:05Z"})
    expect(status == 201, f"{e}")
    _, e = send(c, "GET", NEW + "/b")
    expect(e["note"] == "old" and e["regarding"] == ABOUT and e["deprecatedCount"] == 3 and e["deprecatedSource"] == {"component": "kubelet", "host": "n"}
           and e["deprecatedFirstTimestamp"] == "2026-11-23T10:00:00Z" and e["deprecatedLastTimestamp"] == "2026-11-23T10:00:05Z" and "message" not in e, f"{e}")
    for path in (OLD, NEW):
        names = {i["metadata"]["name"] for i in send(c, "GET", path)[1]["items"]}
        expect({"a", "b"} <= names, f"{path}: {names}")
    expect([i["metadata"]["name"] for i in send(c, "GET", OLD + "?fieldSelector=source%3Dkubelet,involvedObject.name%3Dp")[1]["items"]] == ["b"], "by source")
    expect([i["metadata"]["name"] for i in send(c, "GET", NEW + "?fieldSelector=reportingController%3Dtest-controller,regarding.kind%3DPod")[1]["items"]] == ["a"], "by controller")
    out = c.k("get", "events")
    expect("Normal" in out and "pod/p" in out and "This is a note" in out, out)


def series(c):
    invalid(send(c, "PATCH", NEW + "/a", {"series": {"count": 1, "lastObservedTime": "2026-11-23T10:00:01.000000Z"}}, **STRATEGIC),
            'Event.events.k8s.io "a" is invalid: series.count: Invalid value: "": should be at least 2')
    status, e = send(c, "PATCH", NEW + "/a", {"series": {"count": 2, "lastObservedTime": "2026-11-23T10:00:01.000000Z"}}, **STRATEGIC)
    expect(status == 200 and e["series"] == {"count": 2, "lastObservedTime": "2026-11-23T10:00:01.000000Z"}, f"{e}")
    _, e = send(c, "GET", OLD + "/a")
    expect(e["series"] == {"count": 2, "lastObservedTime": "2026-11-23T10:00:01.000000Z"}, f"{e}")
    e["series"]["count"] = 7
    status, e = send(c, "PUT", OLD + "/a", e)
    expect(status == 200 and send(c, "GET", NEW + "/a")[1]["series"]["count"] == 7, "through the other group")
    # An event from before series gets one.
    status, e = send(c, "POST", NEW, new_event("c", series={"count": 2, "lastObservedTime": "2026-11-23T10:00:01.000000Z"}))
    expect(status == 201, f"{e}")


def rules(c):
    invalid(send(c, "POST", NEW, new_event("x", eventTime=None)), 'Event.events.k8s.io "x" is invalid: eventTime: Required value')
    invalid(send(c, "POST", NEW, new_event("x", type="Odd", deprecatedCount=1)),
            'Event.events.k8s.io "x" is invalid: [type: Invalid value: "": has invalid value: Odd, count: Invalid value: "": needs to be unset]')
    invalid(send(c, "POST", NEW, new_event("x", action="", reportingInstance="i" * 129)),
            'Event.events.k8s.io "x" is invalid: [reportingInstance: Invalid value: "": can have at most 128 characters, action: Required value]')
    invalid(send(c, "POST", NEW, new_event("x", note="n" * 1025)), 'Event.events.k8s.io "x" is invalid: message: Invalid value: "": can have at most 1024 characters')
    expect(send(c, "POST", NEW, new_event("elsewhere", regarding={"kind": "Pod", "namespace": "other"}))[0] == 201, "timed events may be about another namespace")
    invalid(send(c, "POST", OLD, {"metadata": {"name": "x"}, "involvedObject": {"namespace": "other"}}),
            'Event "x" is invalid: involvedObject.namespace: Invalid value: "other": does not match event.namespace')
    expect(send(c, "POST", OLD, {"metadata": {"name": "bare"}, "involvedObject": {}, "type": "Odd", "count": 1})[0] == 201, "core takes more")
    invalid(send(c, "PATCH", NEW + "/a", {"note": "another"}, **STRATEGIC),
            'Event.events.k8s.io "a" is invalid: message: Invalid value: "another": field is immutable')
    expect(send(c, "PATCH", OLD + "/a", {"message": "another"}, **STRATEGIC)[0] == 200, "core lets it change")


def deleted(c):
    out = send(c, "DELETE", NEW + "?labelSelector=testevent-constant%3Dtrue")
    expect(out[0] == 200 and send(c, "GET", OLD + "?labelSelector=testevent-constant%3Dtrue")[1]["items"] == [], "both are gone")
    c.k("create", "deployment", "d", "--image=x")
    cluster.retry(lambda: expect("ScalingReplicaSet" in c.k("events", "--for", "deployment/d"), "controllers tell"), 15)


run(Control(), (
    ("the control plane starts", lambda c: c.start()),
    ("both groups see each other's events", both),
    ("series", series),
    ("each group's rules", rules),
    ("collections, and what controllers tell", deleted),
))
