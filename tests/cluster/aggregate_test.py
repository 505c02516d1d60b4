#!/usr/bin/env python3
# timeout: 120
"""An API server beside ours: found through its APIService, asked over TLS with a certificate that it verifies, told
who asks; a small one here keeps Flunders in memory and serves discovery, CRUD and watches."""

import http.server
import json
import os
import ssl
import sys
import threading
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "lib"))
import cluster
from backend import Backend
from control import Control, expect, run

GROUP = "wardle.example.com"
APIS = f"/apis/{GROUP}/v1"
FLUNDERS = APIS + "/namespaces/default/flunders"


class Wardle(Backend):
    """Believes X-Remote-User only from who has a certificate of the CA, with the right name."""

    def __init__(self):
        self.flunders, self.revision, self.watchers, self.asked = {}, 100, [], []
        self.refuses = None
        super().__init__()

    def start(self):
        self.stopped = False
        if not os.path.exists(self.path("server.crt")):
            self.make_certificates()
        backend = self

        class Handler(http.server.BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def log_message(self, *words):
                pass

            def do_GET(self):
                backend.handle(self)

            do_POST = do_PUT = do_DELETE = do_PATCH = do_GET

        self.server = http.server.ThreadingHTTPServer(("0.0.0.0", self.port), Handler)
        self.server.daemon_threads = True
        self.server.handle_error = lambda *why: None
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    def secure(self, client_ca):
        """From now on over TLS; client_ca: as published in the cluster."""
        with open(self.path("clients.crt"), "w") as f:
            f.write(client_ca)
        context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH, cafile=self.path("clients.crt"))
        context.verify_mode = ssl.CERT_REQUIRED
        context.load_cert_chain(self.path("server.crt"), self.path("server.key"))
        self.context = context
        self.server.socket = context.wrap_socket(self.server.socket, server_side=True, do_handshake_on_connect=False)

    def handle(self, h):
        body = h.rfile.read(int(h.headers.get("Content-Length") or 0))
        subject = dict(x[0] for x in h.connection.getpeercert()["subject"])
        user = {"cn": subject["commonName"], "name": h.headers["X-Remote-User"], "groups": h.headers.get_all("X-Remote-Group") or [],
                "extra": {k.lower(): v for k, v in h.headers.items() if k.lower().startswith("x-remote-extra-")}}
        path, _, query = h.path.partition("?")
        self.asked.append((h.command, h.path, user, h.headers["Authorization"]))
        if self.refuses and self.refuses < 400 and path != APIS:
            self.answer(h, self.refuses, b"", Location="https://169.254.169.254/latest")
        elif self.refuses and self.refuses >= 400:
            self.answer(h, self.refuses, {"kind": "Status", "apiVersion": "v1", "status": "Failure", "message": "I am unwell", "code": self.refuses})
        elif path == APIS:
            verbs = ["create", "delete", "get", "list", "update", "watch"]
            self.answer(h, 200, {"kind": "APIResourceList", "apiVersion": "v1", "groupVersion": f"{GROUP}/v1", "resources": [
                {"name": "flunders", "singularName": "flunder", "namespaced": True, "kind": "Flunder", "verbs": verbs, "shortNames": ["fl"]},
                {"name": "flunders/status", "singularName": "", "namespaced": True, "kind": "Flunder", "verbs": ["get", "update"]}]},
                **{"Content-Type": "application/json"})
        elif path == FLUNDERS and "watch=" in query:
            self.watch(h)
        elif path.startswith(FLUNDERS) or path == APIS + "/flunders":
            self.serve_objects(h, path[len(FLUNDERS):].strip("/"), body)
        else:
            self.answer(h, 404, {"kind": "Status", "apiVersion": "v1", "status": "Failure", "reason": "NotFound", "message": "no such path", "code": 404})

    def serve_objects(self, h, name, body):
        reply = {"Content-Type": "application/json"}
        if h.command == "POST":
            o = json.loads(body)
            self.revision += 1
            o["metadata"].update(uid=f"u{self.revision}", resourceVersion=str(self.revision), namespace="default", creationTimestamp="2026-11-01T00:00:00Z")
            self.flunders[o["metadata"]["name"]] = o
            for w in self.watchers:
                w.append({"type": "ADDED", "object": o})
            self.answer(h, 201, o, **reply)
        elif h.command == "DELETE":
            self.answer(h, 200, self.flunders.pop(name), **reply)
        elif name:
            o = self.flunders.get(name)
            self.answer(h, 200 if o else 404, o or {"kind": "Status", "apiVersion": "v1", "status": "Failure", "reason": "NotFound", "code": 404,
                                                    "message": f'flunders.{GROUP} "{name}" not found'}, **reply)
        else:
            self.answer(h, 200, {"kind": "FlunderList", "apiVersion": f"{GROUP}/v1", "metadata": {"resourceVersion": str(self.revision)},
                                 "items": list(self.flunders.values())}, **reply)

    def watch(self, h):
        queue = []
        self.watchers.append(queue)
        h.send_response(200)
        h.send_header("Content-Type", "application/json")
        h.send_header("Transfer-Encoding", "chunked")
        h.end_headers()
        try:
            for _ in range(100):
                while queue:
                    line = json.dumps(queue.pop(0)).encode() + b"\n"
                    h.wfile.write(b"%x\r\n%s\r\n" % (len(line), line))
                    h.wfile.flush()
                time.sleep(0.05)
            h.wfile.write(b"0\r\n\r\n")
        except OSError:
            pass


wardle = Wardle()


def condition(c, status, reason):
    def look():
        found = {x["type"]: x for x in c.json("apiservice", f"v1.{GROUP}").get("status", {}).get("conditions", [])}
        a = found.get("Available", {})
        expect((a.get("status"), a.get("reason")) == (status, reason), a)
        return a
    return cluster.retry(look, 15)


def own(c):
    """What we serve ourselves has APIServices too, which come and go with what is served."""
    def look():
        found = {o["metadata"]["name"]: o for o in c.json("apiservices")["items"]}
        expect({"v1.", "v1.apps", "v2.autoscaling", "v1.rbac.authorization.k8s.io"} <= set(found), set(found))
        expect(all(o.get("status", {}).get("conditions", [{}])[0].get("reason") == "Local" for o in found.values()), found)
        return found
    found = cluster.retry(look, 10)
    expect(found["v1."]["spec"] == {"version": "v1", "groupPriorityMinimum": 18000, "versionPriority": 1}, found["v1."])
    c.k("create", "-f", "-", input=json.dumps({
        "apiVersion": "apiextensions.k8s.io/v1", "kind": "CustomResourceDefinition", "metadata": {"name": "cups.tea.example.com"},
        "spec": {"group": "tea.example.com", "scope": "Cluster", "names": {"plural": "cups", "kind": "Cup"},
                 "versions": [{"name": "v1", "served": True, "storage": True, "schema": {"openAPIV3Schema": {"type": "object"}}}]}}))
    o = cluster.retry(lambda: c.json("apiservice", "v1.tea.example.com"), 10)
    expect(o["metadata"]["labels"]["kube-aggregator.kubernetes.io/automanaged"] == "true", o)
    c.k("delete", "crd", "cups.tea.example.com")
    cluster.retry(lambda: expect("NotFound" in c.k("get", "apiservice", "v1.tea.example.com", check=False), "still there"), 10)


def registered(c):
    m = c.json("configmap", "extension-apiserver-authentication", "-n", "kube-system")["data"]
    expect(json.loads(m["requestheader-allowed-names"]) == ["front-proxy-client"] and json.loads(m["requestheader-group-headers"]) == ["X-Remote-Group"], m)
    wardle.secure(m["requestheader-client-ca-file"])
    bad = {"apiVersion": "apiregistration.k8s.io/v1", "kind": "APIService", "metadata": {"name": "wrong"},
           "spec": {"group": GROUP, "version": "v1", "groupPriorityMinimum": 0, "versionPriority": 5000, "insecureSkipTLSVerify": True}}
    out = c.k("create", "-f", "-", input=json.dumps(bad), check=False)
    for why in (f'must be `spec.version+"."+spec.group`: "v1.{GROUP}"', "must be positive and less than 20000", "must be positive and less than 1000",
                "local APIServices may not have insecureSkipTLSVerify"):
        expect(why in out, out)
    service = {"apiVersion": "apiregistration.k8s.io/v1", "kind": "APIService", "metadata": {"name": f"v1.{GROUP}"},
               "spec": {"group": GROUP, "version": "v1", "groupPriorityMinimum": 2000, "versionPriority": 200, "caBundle": wardle.bundle(),
                        "service": {"namespace": "default", "name": "hook", "port": 443}}}
    c.k("create", "-f", "-", input=json.dumps(service))
    a = condition(c, "False", "ServiceNotFound")
    expect(a["message"] == 'service/hook in "default" is not present', a)
    expect("ServiceUnavailable" in c.k("get", "--raw", APIS, check=False), "not available")
    c.k("create", "-f", "-", input=json.dumps({"apiVersion": "v1", "kind": "Service", "metadata": {"name": "hook"}, "spec": {"ports": [{"port": 443}]}}))
    condition(c, "False", "EndpointsNotFound")
    c.k("create", "-f", "-", input=json.dumps({
        "apiVersion": "discovery.k8s.io/v1", "kind": "EndpointSlice", "metadata": {"name": "hook-1", "labels": {"kubernetes.io/service-name": "hook"}},
        "addressType": "IPv4", "endpoints": [{"addresses": [cluster.own_address()]}], "ports": [{"name": "", "port": wardle.port, "protocol": "TCP"}]}))
    a = condition(c, "True", "Passed")
    expect(a["message"] == "all checks passed", a)


def discovered(c):
    out = c.k("api-resources", "--api-group", GROUP)
    expect("flunders" in out and "fl " in out and "Flunder" in out, out)
    expect(f"{GROUP}/v1\n" in c.k("api-versions"), "its version")
    groups = json.loads(c.k("get", "--raw", "/apis"))["groups"]
    expect(any(g["name"] == GROUP for g in groups), "in the old form too")
    out = json.loads(c.request("GET", "/apis", accept="application/json;as=APIGroupDiscoveryList;v=v2;g=apidiscovery.k8s.io")[2])
    found = [g for g in out["items"] if g["metadata"]["name"] == GROUP][0]["versions"][0]["resources"][0]
    expect(found["resource"] == "flunders" and found["verbs"] == ["create", "delete", "get", "list", "update", "watch"], found)
    expect(found["subresources"][0]["subresource"] == "status", found)
    expect(json.loads(c.k("get", "--raw", f"/apis/{GROUP}"))["preferredVersion"]["version"] == "v1", "its group")


def used(c):
    flunder = {"apiVersion": f"{GROUP}/v1", "kind": "Flunder", "metadata": {"name": "one"}, "spec": {"reference": "x"}}
    c.k("create", "--validate=false", "-f", "-", input=json.dumps(flunder))
    expect(c.json("flunders", "one")["spec"] == {"reference": "x"}, "read back")
    expect([o["metadata"]["name"] for o in c.json("fl")["items"]] == ["one"], "listed by its short name")
    expect(f'flunders.{GROUP} "none" not found' in c.k("get", "flunders", "none", check=False), "its own errors")
    command, path, user, authorization = wardle.asked[-1]
    expect(user["cn"] == "front-proxy-client" and authorization is None, f"our certificate, not the client's credentials: {user}")
    expect(user["name"] == "kubernetes-admin" and "system:masters" in user["groups"] and "system:authenticated" in user["groups"], user)
    expect(any("credential-id" in k for k in user["extra"]), user)
    c.k("delete", "flunder", "one", "--wait=false")
    expect(not wardle.flunders, "deleted")


def watched(c):
    lines = []

    def follow():
        _, _, body = c.request("GET", FLUNDERS + "?watch=1")
        lines.extend(json.loads(line) for line in body.splitlines())

    t = threading.Thread(target=follow)
    t.start()
    cluster.retry(lambda: expect(wardle.watchers, "not yet"), 10)
    for name in ("a", "b"):
        ask = {"apiVersion": f"{GROUP}/v1", "kind": "Flunder", "metadata": {"name": name}}
        c.request("POST", FLUNDERS, json.dumps(ask), content_type="application/json")
    t.join(20)
    expect([e["object"]["metadata"]["name"] for e in lines] == ["a", "b"], lines)


def allowed(c):
    """Who may is decided here, before the other server is asked."""
    before = len(wardle.asked)
    out = c.k("get", "flunders", "--as=jane", check=False)
    expect(f'User "jane" cannot list resource "flunders" in API group "{GROUP}"' in out, out)
    expect(not any(path.startswith(FLUNDERS) for _, path, _, _ in wardle.asked[before:]), "not asked")
    c.k("create", "role", "fl", "--verb=get,list", f"--resource=flunders.{GROUP}")
    c.k("create", "rolebinding", "fl", "--role=fl", "--user=jane")
    c.k("get", "flunders", "--as=jane", "--as-group=team")
    user = wardle.asked[-1][2]
    expect(user["name"] == "jane" and user["groups"] == ["team", "system:authenticated"], user)


def redirects(c):
    """CVE-2022-3172: a client is sent nowhere by another API server."""
    wardle.refuses = 302
    status, headers, body = c.request("GET", FLUNDERS)
    expect(status == 502 and headers["location"] is None and b"attempted to redirect this request, which is not permitted" in body, f"{status} {headers} {body}")
    wardle.refuses = None


def gone(c):
    wardle.refuses = 503
    condition(c, "False", "FailedDiscoveryCheck")
    expect("ServiceUnavailable" in c.k("get", "--raw", FLUNDERS, check=False), "said so")
    c.k("get", "configmaps")
    c.k("create", "namespace", "elsewhere")
    wardle.refuses = None
    condition(c, "True", "Passed")
    c.k("get", "flunders")
    c.k("delete", "apiservice", f"v1.{GROUP}")
    expect("NotFound" in c.k("get", "--raw", APIS, check=False), "nobody's any more")
    expect(GROUP not in c.k("api-versions"), "gone from discovery")


def not_trusted(c):
    """Another authority than the one it was certified by: it is not asked anything."""
    before = len(wardle.asked)
    service = {"apiVersion": "apiregistration.k8s.io/v1", "kind": "APIService", "metadata": {"name": f"v1.{GROUP}"},
               "spec": {"group": GROUP, "version": "v1", "groupPriorityMinimum": 2000, "versionPriority": 200, "caBundle": wardle.bundle("other"),
                        "service": {"namespace": "default", "name": "hook"}}}
    c.k("create", "-f", "-", input=json.dumps(service))
    a = condition(c, "False", "FailedDiscoveryCheck")
    expect(f"https://hook.default.svc:443/apis/{GROUP}/v1" in a["message"] and "certificate" in a["message"], a)
    expect(len(wardle.asked) == before, "no request reached it")


run(Control(), (
    ("the control plane starts", Control.start),
    ("what is served here is registered", own),
    ("an APIService becomes available when its server is", registered),
    ("what it serves is in discovery", discovered),
    ("kubectl works with it", used),
    ("watches stream", watched),
    ("who may is decided here", allowed),
    ("redirects are not passed on", redirects),
    ("a server that is gone says so and blocks nothing else", gone),
    ("a server that is not trusted is not asked", not_trusted),
))
