#!/usr/bin/env python3
# timeout: 120
"""Priority and fairness: a flood is turned away while leases of nodes are renewed, and what answers say of it."""

import http.client
import json
import os
import ssl
import sys
import threading

sys.path.insert(0, os.path.join(os.path.dirname(os.path.dirname(os.path.abspath(__file__))), "lib"))
import cluster  # noqa: E402
from control import Control, expect, run  # noqa: E402

FLOW = "flowcontrol.apiserver.k8s.io/v1"
CLIENTS = 24

LEVEL = {"apiVersion": FLOW, "kind": "PriorityLevelConfiguration", "metadata": {"name": "narrow"}, "spec": {"type": "Limited", "limited": {
    "nominalConcurrencyShares": 1, "lendablePercent": 0, "borrowingLimitPercent": 0,
    "limitResponse": {"type": "Queue", "queuing": {"queues": 2, "handSize": 1, "queueLengthLimit": 1}}}}}
SCHEMA = {"apiVersion": FLOW, "kind": "FlowSchema", "metadata": {"name": "flood"}, "spec": {
    "priorityLevelConfiguration": {"name": "narrow"}, "matchingPrecedence": 300, "distinguisherMethod": {"type": "ByUser"},
    "rules": [{"subjects": [{"kind": "ServiceAccount", "serviceAccount": {"namespace": "default", "name": "flood"}}],
               "resourceRules": [{"verbs": ["*"], "apiGroups": ["*"], "resources": ["*"], "namespaces": ["*"], "clusterScope": True}]}]}}


def uid(c, kind, name):
    return c.json(kind, name)["metadata"]["uid"]


def answers_name_their_level(c):
    _, headers, _ = c.request("GET", "/api/v1/namespaces")
    expect(headers["X-Kubernetes-PF-FlowSchema-UID"] == uid(c, "flowschema", "exempt"), headers)
    expect(headers["X-Kubernetes-PF-PriorityLevel-UID"] == uid(c, "prioritylevelconfiguration", "exempt"), headers)
    status, headers, _ = c.request("GET", "/api/v1/namespaces", Impersonate_User="jane")
    expect(status == 403, "a refusal of authorization has its level too")
    expect(headers["X-Kubernetes-PF-FlowSchema-UID"] == uid(c, "flowschema", "global-default"), headers)


def which_schema(c, path, **headers):
    _, headers, _ = c.request("GET", path, **headers)
    names = {s["metadata"]["uid"]: s["metadata"]["name"] for s in c.json("flowschemas")["items"]}
    return names[headers["X-Kubernetes-PF-FlowSchema-UID"]]


def requests_find_their_schema(c):
    node = {"Impersonate_User": "system:node:n1", "Impersonate_Group": "system:nodes"}
    lease = "/apis/coordination.k8s.io/v1/namespaces/kube-node-lease/leases/n1"
    expect(which_schema(c, lease, **node) == "system-node-high", "leases of nodes")
    expect(which_schema(c, "/api/v1/nodes/n1", **node) == "system-node-high", "nodes")
    expect(which_schema(c, "/api/v1/pods", **node) == "system-nodes", "what else nodes do")
    expect(which_schema(c, "/api/v1/pods", Impersonate_User="system:kube-scheduler") == "kube-scheduler", "the scheduler")
    account = "system:serviceaccount:kube-system:x"
    expect(which_schema(c, "/api/v1/pods", Impersonate_User=account) == "kube-system-service-accounts", "kube-system")
    expect(which_schema(c, "/livez", Impersonate_User="jane") == "probes", "health checks")


class Client(threading.Thread):
    """One connection that sends the same request again and again."""

    def __init__(self, c, token, stop):
        super().__init__()
        self.context = ssl.create_default_context(cafile=c.certificates()[2])
        self.c, self.token, self.stop = c, token, stop
        self.seen = {}
        self.refusal = None

    def run(self):
        h = http.client.HTTPSConnection("127.0.0.1", self.c.port, context=self.context, timeout=30)
        while not self.stop.is_set():
            body = json.dumps({"metadata": {"generateName": "flood-"}})
            h.request("POST", "/api/v1/namespaces/default/configmaps", body, {"authorization": "Bearer " + self.token, "content-type": "application/json"})
            r = h.getresponse()
            text = r.read()
            self.seen[r.status] = self.seen.get(r.status, 0) + 1
            if r.status == 429:
                self.refusal = dict((k.lower(), v) for k, v in r.headers.items()), text
        h.close()


def a_flood(c, during):
    """The answers of many clients while during() runs."""
    token = c.k("create", "token", "flood").strip()
    stop = threading.Event()
    clients = [Client(c, token, stop) for _ in range(CLIENTS)]
    for one in clients:
        one.start()
    try:
        cluster.retry(lambda: expect(any(429 in one.seen for one in clients), [one.seen for one in clients]), 20)
        during()
    finally:
        stop.set()
        for one in clients:
            one.join(60)
    return clients


def leases_survive_a_flood(c):
    c.k("create", "serviceaccount", "flood")
    c.k("create", "clusterrolebinding", "flood", "--clusterrole=edit", "--serviceaccount=default:flood")
    for o in LEVEL, SCHEMA:
        c.k("create", "-f", "-", input=json.dumps(o))
    node = {"Impersonate_User": "system:node:n1", "Impersonate_Group": "system:nodes"}
    leases = "/apis/coordination.k8s.io/v1/namespaces/kube-node-lease/leases"
    lease = {"apiVersion": "coordination.k8s.io/v1", "kind": "Lease", "metadata": {"name": "n1"}, "spec": {"holderIdentity": "n1"}}
    status, _, text = c.request("POST", leases, json.dumps(lease), content_type="application/json", **node)
    expect(status == 201, text)
    at = [json.loads(text)]

    def renew():
        for i in range(30):
            lease = at[0]
            lease["spec"]["leaseDurationSeconds"] = 40 + i
            status, headers, text = c.request("PUT", leases + "/n1", json.dumps(lease), content_type="application/json", **node)
            expect(status == 200, (i, status, text))
            at[0] = json.loads(text)
            expect(headers["X-Kubernetes-PF-FlowSchema-UID"] == high, headers)
    high = uid(c, "flowschema", "system-node-high")
    clients = a_flood(c, renew)
    total = {}
    for one in clients:
        for status, n in one.seen.items():
            total[status] = total.get(status, 0) + n
    expect(set(total) == {201, 429} and total[201] > 0, f"some are served, the others turned away, nothing else: {total}")
    headers, text = next(one.refusal for one in clients if one.refusal)
    expect(text == b"Too many requests, please try again later.\n", text)
    expect(headers["retry-after"] == "1" and headers["content-type"] == "text/plain; charset=utf-8", headers)
    expect(headers["x-kubernetes-pf-prioritylevel-uid"] == uid(c, "prioritylevelconfiguration", "narrow"), headers)
    c.refused = total[429]


def counted(c):
    text = c.k("get", "--raw", "/metrics")
    at = {line.rsplit(" ", 1)[0]: float(line.rsplit(" ", 1)[1]) for line in text.splitlines() if line.startswith("apiserver_flowcontrol_")}
    full = at['apiserver_flowcontrol_rejected_requests_total{flow_schema="flood",priority_level="narrow",reason="queue-full"}']
    expect(full == c.refused, (full, c.refused))
    expect(at['apiserver_flowcontrol_nominal_limit_seats{priority_level="narrow"}'] == 3, "600 seats, one of 246 shares, rounded up")
    expect(at['apiserver_flowcontrol_current_inqueue_requests{priority_level="narrow"}'] == 0, "nothing is left behind")

    def idle():
        text = c.k("get", "--raw", "/metrics")
        expect('apiserver_flowcontrol_current_executing_seats{priority_level="narrow"} 0\n' in text, "all seats came back")
    cluster.retry(idle, 10)


def a_level_without_seats_refuses(c):
    c.k("patch", "prioritylevelconfiguration", "narrow", "--type=merge", "-p", json.dumps(
        {"spec": {"limited": {"nominalConcurrencyShares": 0, "limitResponse": {"type": "Reject", "queuing": None}}}}))
    account = "system:serviceaccount:default:flood"
    groups = "system:serviceaccounts"

    def refused():
        status, _, _ = c.request("GET", "/api/v1/namespaces/default/pods", Impersonate_User=account, Impersonate_Group=groups)
        expect(status == 429, status)
    cluster.retry(refused, 10)
    c.k("delete", "flowschema", "flood")

    def served():
        status, _, _ = c.request("GET", "/api/v1/namespaces/default/pods", Impersonate_User=account, Impersonate_Group=groups)
        expect(status == 200, status)
    cluster.retry(served, 10)


def restarts(c):
    c.stop()
    c.start()
    expect(which_schema(c, "/api/v1/pods", Impersonate_User="jane") == "global-default", "as before")


run(Control(), (
    ("the control plane starts", Control.start),
    ("answers name their flow schema and priority level", answers_name_their_level),
    ("requests find their flow schema", requests_find_their_schema),
    ("leases of nodes survive a flood", leases_survive_a_flood),
    ("what was turned away is counted, and all seats come back", counted),
    ("a level without seats refuses", a_level_without_seats_refuses),
    ("the same after a restart", restarts),
))
