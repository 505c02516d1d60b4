#!/usr/bin/env python3
# timeout: 240
"""Streams of a real node on the host: exec, attach, port-forward and logs as kubectl asks for them,
over WebSocket and over SPDY; the proxies; cp, debug, top."""

import http.server
import json
import os
import signal
import socket
import ssl
import subprocess
import sys
import threading
import time
import urllib.request

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "lib"))
import cluster  # noqa: E402
import host_node  # noqa: E402
from control import expect, run  # noqa: E402

PODS = """
apiVersion: v1
kind: Pod
metadata: {name: web, labels: {app: web}}
spec:
  terminationGracePeriodSeconds: 0
  containers:
  - {name: web, image: "web:v1", imagePullPolicy: IfNotPresent, ports: [{containerPort: 8080, name: http}]}
---
apiVersion: v1
kind: Service
metadata: {name: web}
spec: {selector: {app: web}, ports: [{port: 80, targetPort: http, name: http}]}
---
apiVersion: v1
kind: Pod
metadata: {name: half}
spec:
  restartPolicy: Never
  terminationGracePeriodSeconds: 0
  containers:
  - {name: ended, image: "busybox:latest", imagePullPolicy: IfNotPresent, command: [sh, -c, "echo finished"]}
  - {name: runs, image: "busybox:latest", imagePullPolicy: IfNotPresent, command: [sh, -c, "sleep 10000"]}
"""


def kubectl(c, *words, input=None, env=None, timeout=30):
    """Exit code, output, errors."""
    argv = ["kubectl", "--kubeconfig", os.path.join(c.data, "admin.kubeconfig"), *words]
    stdin = {"input": input} if input is not None else {"stdin": subprocess.DEVNULL}
    r = subprocess.run(argv, capture_output=True, text=True, timeout=timeout, env=dict(os.environ, **(env or {})), **stdin)
    return r.returncode, r.stdout, r.stderr


def boot(c):
    c.start()
    c.load_images()
    c.k("apply", "-f", "-", input=PODS)
    c.k("wait", "--for=condition=Ready", "pod/web", "--timeout=20s")
    cluster.retry(lambda: expect("finished" in c.k("logs", "half", "-c", "ended"), "the container ends"), 20)


def attach_ends(c):
    """An attach ends with its input where the container's own stays open, and the container runs on."""
    out = c.k("run", "stay", "--image=busybox", "--restart=Never", "--attach", "--stdin", "--leave-stdin-open", "--image-pull-policy=Never",
              "--", "sh", "-c", "cat && echo closed", input="abcd\n", check=False, timeout=40)
    cluster.retry(lambda: expect(c.k("logs", "stay") == "abcd\n", out), 10)
    expect(c.json("pod", "stay")["status"]["phase"] == "Running", out)
    c.k("delete", "pod", "stay", "--grace-period=1")


def exec_over(**env):
    def step(c):
        code, out, err = kubectl(c, "exec", "web", "--", "sh", "-c", "echo out; echo err >&2; exit 3", env=env)
        expect((code, out) == (3, "out\n") and "err\n" in err, f"{code} {out} {err}")
        text = "x" * 1000000
        code, out, err = kubectl(c, "exec", "-i", "web", "--", "cat", input=text, env=env)
        expect(code == 0 and out == text, f"{code} {len(out)} {err}")
        code, out, err = kubectl(c, "exec", "web", "--", "echo", "a" * 20000, env=env)
        expect(code == 0 and out == "a" * 20000 + "\n", f"a long command: {code} {len(out)} {err[-300:]}")
        out = subprocess.run(["script", "-qec", f"kubectl --kubeconfig {c.data}/admin.kubeconfig exec -it web -- tty", "/dev/null"],
                             capture_output=True, timeout=30, text=True, stdin=subprocess.DEVNULL, env=dict(os.environ, **env)).stdout
        expect("/dev/pts/" in out, out)
        code, out, err = kubectl(c, "exec", "half", "-c", "ended", "--", "ls", env=env)
        expect(code == 1 and 'container not found ("ended")' in err, err)
        code, out, err = kubectl(c, "attach", "half", "-c", "ended", env=env)
        expect(code == 1 and 'container not found ("ended")' in err, err)
    return step


def attach_over(**env):
    def step(c):
        code, out, err = kubectl(c, "run", "-i", "--rm", "x", "--image=busybox:latest", "--image-pull-policy=IfNotPresent",
                                 "--restart=Never", "--", "sh", "-c", "sleep 1; cat; echo end", input="through attach\n", env=env)
        expect(code == 0 and "through attach" in out and "end" in out, f"{code} {out} {err}")
    return step


def forward_over(**env):
    def step(c):
        port = cluster.free_port()
        p = subprocess.Popen(["kubectl", "--kubeconfig", os.path.join(c.data, "admin.kubeconfig"), "port-forward", "service/web", f"{port}:80"],
                             stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, env=dict(os.environ, **env))
        try:
            line = p.stdout.readline()
            expect("Forwarding from" in line, line)
            for _ in range(3):
                with urllib.request.urlopen(f"http://127.0.0.1:{port}/", timeout=10) as r:
                    expect(b"v1" in r.read(), "the page")
        finally:
            p.terminate()
            p.wait(20)
    return step


def cp(c):
    path = os.path.join(c.data, "big")
    with open(path, "wb") as f:
        f.write(os.urandom(3 << 20))
    expect(kubectl(c, "cp", path, "web:/tmp/big")[0] == 0, "copies in")
    expect(kubectl(c, "cp", "web:/tmp/big", path + "2")[0] == 0, "copies out")
    with open(path, "rb") as a, open(path + "2", "rb") as b:
        expect(a.read() == b.read(), "the same bytes")


class Backend(http.server.BaseHTTPRequestHandler):
    """What a service without a selector sends its clients to: says what it was asked."""
    protocol_version = "HTTP/1.1"

    def answer(self):
        body = self.rfile.read(int(self.headers.get("content-length", 0)))
        self.server.seen.append((self.command, self.path, dict((k.lower(), v) for k, v in self.headers.items()), body))
        to = {"/away": "http://127.0.0.1:10250/", "/here": "/there", "/self": f"http://{self.headers['host']}/there",
              "/link-local": "http://169.254.169.254/latest"}.get(self.path.split("?")[0])
        self.send_response(302 if to else 200)
        if to:
            self.send_header("location", to)
        self.send_header("x-answer", "own")
        self.send_header("content-length", "4")
        self.end_headers()
        self.wfile.write(b"body" if self.command != "HEAD" else b"")

    do_GET = do_POST = do_PUT = do_PATCH = do_DELETE = do_OPTIONS = do_HEAD = answer

    def log_message(self, *words):
        pass


BACKEND = """
apiVersion: v1
kind: Service
metadata: {name: outside}
spec: {ports: [{name: plain, port: 80}, {name: secure, port: 443}]}
---
apiVersion: discovery.k8s.io/v1
kind: EndpointSlice
metadata: {name: outside-1, labels: {kubernetes.io/service-name: outside}}
addressType: IPv4
endpoints: [{addresses: [ADDRESS], conditions: {ready: true}}]
ports: [{name: plain, port: PLAIN}, {name: secure, port: SECURE}]
"""


def serve(c, tls):
    s = http.server.ThreadingHTTPServer((host_node.LINK, 0), Backend)
    s.seen, s.daemon_threads = [], True
    if tls:
        crt, key = os.path.join(c.data, "b.crt"), os.path.join(c.data, "b.key")
        subprocess.run(["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-subj",
                        "/CN=nobody", "-keyout", key, "-out", crt], check=True, capture_output=True, timeout=30)
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(crt, key)
        s.socket = context.wrap_socket(s.socket, server_side=True)
    threading.Thread(target=s.serve_forever, daemon=True).start()
    return s


def proxies(c):
    c.plain, c.secure = serve(c, False), serve(c, True)
    text = BACKEND.replace("ADDRESS", host_node.LINK).replace("PLAIN", str(c.plain.server_port))
    c.k("apply", "-f", "-", input=text.replace("SECURE", str(c.secure.server_port)))
    base = "/api/v1/namespaces/default/"
    for name in ("pods/web", "pods/web:8080", "pods/http:web:8080", "services/web", "services/web:http", "services/http:web:80"):
        cluster.retry(lambda: expect("v1" in c.k("get", "--raw", f"{base}{name}/proxy/"), name), 10)
    own = base + "services/outside:plain/proxy"
    for method in ("GET", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"):
        sent = b"x" * 100000 if method not in ("GET", "OPTIONS") else None
        status, headers, body = c.request(method, own + "/a/b%20c?q=1&r=%2F", sent, x_mine="yes", cookie="a=b", x_forwarded_for="10.9.9.9")
        expect((status, body, headers["x-answer"]) == (200, b"body", "own"), f"{method} {status} {body}")
        m, path, got, received = c.plain.seen[-1]
        expect((m, path, received) == (method, "/a/b%20c?q=1&r=%2F", sent or b""), f"{m} {path} {len(received)}")
        expect(got["x-mine"] == "yes" and got["cookie"] == "a=b" and "authorization" not in got, str(got))
        expect(got["host"] == f"{host_node.LINK}:{c.plain.server_port}", got["host"])
        expect(got["x-forwarded-for"] == "10.9.9.9, 127.0.0.1" and got["x-forwarded-uri"] == own + "/a/b%20c", str(got))
    expect(c.request("HEAD", own + "/")[0] == 200, "HEAD")
    expect(c.request("GET", base + "services/https:outside:secure/proxy/x")[0] == 200 and c.secure.seen[-1][1] == "/x", "https")
    status, headers, _ = c.request("GET", own + "?q=1")
    expect((status, headers["location"]) == (301, own + "/?q=1"), f"{status} {headers['location']}")


def redirects(c):
    own = "/api/v1/namespaces/default/services/outside:plain/proxy"
    for path, seen in (("/away", "http://127.0.0.1:10250/"), ("/link-local", "http://169.254.169.254/latest"),
                       ("/here", own + "/there"), ("/self", own + "/there")):
        before = len(c.plain.seen)
        status, headers, body = c.request("GET", own + path)
        expect((status, headers["location"], body) == (302, seen, b"body"), f"{path}: {status} {headers['location']}")
        expect(len(c.plain.seen) == before + 1, "asked once")


def no_second_request_behind_a_refused_upgrade(c):
    """CVE-2018-1002105: the backend does not upgrade; what follows on the connection goes nowhere."""
    s = c.tls().wrap_socket(socket.create_connection(("127.0.0.1", c.port), 10), server_hostname="127.0.0.1")
    own = "/api/v1/namespaces/default/services/outside:plain/proxy"
    before = len(c.plain.seen)
    s.sendall((f"GET {own}/x HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n"
               "Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"
               "GET /smuggled HTTP/1.1\r\nHost: a\r\n\r\n").encode())
    got = b""
    try:
        while part := s.recv(4096):
            got += part
    except (ssl.SSLError, ConnectionError):
        pass
    expect(got.startswith(b"HTTP/1.1 200") and got.count(b"HTTP/1.1") == 1, got.decode())
    time.sleep(0.5)
    expect([x[1] for x in c.plain.seen[before:]] == ["/x"], str(c.plain.seen[before:]))


def addresses(c):
    """CVE-2022-3294, CVE-2020-8555: objects that others write lead nowhere near this machine's own services."""
    name = c.json("nodes")["items"][0]["metadata"]["name"]
    status = {"addresses": [{"type": "InternalIP", "address": "127.0.0.1"}], "daemonEndpoints": {"kubeletEndpoint": {"Port": 6443}}}
    for address in ("127.0.0.1", "169.254.169.254", "::1", host_node.LINK):
        status["addresses"][0]["address"] = address
        node = {"apiVersion": "v1", "kind": "Node", "metadata": {"name": "false"}}
        c.k("apply", "-f", "-", input=json.dumps(node))
        c.k("patch", "node", "false", "--subresource=status", "--type=merge", "-p", json.dumps({"status": status}))
        code, _, body = c.request("GET", "/api/v1/nodes/false/proxy/api/v1/secrets")
        expect(code == 400 and b"address not allowed" in body, f"{address}: {code} {body}")
    c.k("delete", "node", "false")
    expect("podRef" in c.k("get", "--raw", f"/api/v1/nodes/{name}/proxy/stats/summary"), "the real one")


def kubectl_proxy(c):
    port = cluster.free_port()
    p = subprocess.Popen(["kubectl", "--kubeconfig", os.path.join(c.data, "admin.kubeconfig"), "proxy", f"--port={port}"],
                         stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    try:
        expect("Starting to serve" in p.stdout.readline(), "starts")
        for path, words in (("/api/v1/namespaces/default/services/web/proxy/", "v1"), ("/version", "gitVersion")):
            with urllib.request.urlopen(f"http://127.0.0.1:{port}{path}", timeout=10) as r:
                expect(words in r.read().decode(), path)
    finally:
        p.terminate()
        p.wait(20)


def debug(c):
    """Ephemeral containers: one that answers through standard input, one with a terminal, one that ends."""
    image = ["--image=busybox:latest", "--image-pull-policy=IfNotPresent", "--profile=general"]
    code, out, err = kubectl(c, "debug", "web", "-i", "-q", "-c", "ask", *image, "--", "sh", "-c", "sleep 1; read line; echo got $line; hostname",
                             input="through debug\n")
    expect(code == 0 and "got through debug" in out and "\nweb\n" in out, f"{code} {out} {err}")
    out = subprocess.run(["script", "-qec", f"kubectl --kubeconfig {c.data}/admin.kubeconfig debug web -it -q -c term {' '.join(image)} -- sh -c 'sleep 1; tty'", "/dev/null"],
                         capture_output=True, timeout=30, text=True, stdin=subprocess.DEVNULL).stdout
    expect("/dev/" in out, out)
    c.k("debug", "web", "-c", "gone", *image, "--", "sh", "-c", "echo said; exit 3")

    def ended():
        pod = c.json("pod", "web")
        by_name = {s["name"]: s for s in pod["status"]["ephemeralContainerStatuses"]}
        expect(set(by_name) == {"ask", "term", "gone"}, str(by_name))
        expect(by_name["gone"]["state"]["terminated"]["exitCode"] == 3 and not by_name["gone"]["ready"], str(by_name))
        expect(pod["status"]["phase"] == "Running" and pod["status"]["containerStatuses"][0]["ready"], "the pod goes on")
    cluster.retry(ended, 10)
    expect("said" in c.k("logs", "web", "-c", "gone"), "its log")
    c.k("delete", "pod", "web", "--timeout=10s")
    c.k("apply", "-f", "-", input=PODS)
    c.k("wait", "--for=condition=Ready", "pod/web", "--timeout=20s")


BUSY = """
apiVersion: v1
kind: Pod
metadata: {name: busy, labels: {app: busy}}
spec:
  terminationGracePeriodSeconds: 0
  containers:
  - {name: works, image: "busybox:latest", imagePullPolicy: IfNotPresent, command: [sh, -c, "while :; do :; done"]}
  - {name: idles, image: "busybox:latest", imagePullPolicy: IfNotPresent, command: [sh, -c, "sleep 10000"]}
"""


def top(c):
    c.k("apply", "-f", "-", input=BUSY)
    c.k("wait", "--for=condition=Ready", "pod/busy", "--timeout=20s")
    time.sleep(3)
    lines = c.k("top", "pods", "-l", "app=busy", "--containers", "--no-headers").splitlines()
    used = {line.split()[1]: int(line.split()[2].rstrip("m")) for line in lines}
    expect(set(used) == {"works", "idles"} and used["works"] > 100 and used["idles"] < 50, str(lines))
    expect({line.split()[0] for line in c.k("top", "pods", "--no-headers").splitlines()} >= {"busy", "web"}, "all pods")
    expect(int(c.k("top", "nodes", "--no-headers").split()[1].rstrip("m")) > 100, "the node")
    one = json.loads(c.k("get", "--raw", "/apis/metrics.k8s.io/v1beta1/namespaces/default/pods/busy"))
    expect(one["kind"] == "PodMetrics" and len(one["containers"]) == 2 and one["window"].endswith("s"), str(one))
    expect(c.request("GET", "/apis/metrics.k8s.io/v1beta1/namespaces/default/pods/none")[0] == 404, "no such pod")
    code, _, err = kubectl(c, "get", "po", "busy")
    expect(code == 0 and not err, err)
    c.k("delete", "pod", "busy", "--timeout=10s")


def memory(c, role):
    with open(f"/proc/{c.roles()[role]}/status") as f:
        return int(next(line for line in f if line.startswith("VmRSS")).split()[1])


def endless_output(c):
    """CVE-2022-31030: a client that reads nothing of an output without end costs a bounded amount."""
    argv = ["kubectl", "--kubeconfig", os.path.join(c.data, "admin.kubeconfig"), "exec", "web", "--", "sh", "-c", "yes 0123456789012345678901234567890123456789"]
    before = {role: memory(c, role) for role in ("front", "node")}
    p = subprocess.Popen(argv, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
    try:
        p.stdout.read(1000)
        os.kill(p.pid, signal.SIGSTOP)
        time.sleep(4)
        grown = {role: memory(c, role) - before[role] for role in before}
        expect(all(g < 16 * 1024 for g in grown.values()), f"KiB: {grown}")
        expect("ok" in c.k("get", "--raw", "/readyz"), "others are served")
    finally:
        p.kill()
        p.wait()


SPDY = {"KUBECTL_REMOTE_COMMAND_WEBSOCKETS": "false", "KUBECTL_PORT_FORWARD_WEBSOCKETS": "false"}
SOCKETS = {"KUBECTL_REMOTE_COMMAND_WEBSOCKETS": "true", "KUBECTL_PORT_FORWARD_WEBSOCKETS": "true"}
STEPS = [
    ("a node on the host runs pods", boot),
    ("an attach ends with its input", attach_ends),
    ("exec over WebSocket; a container that does not run is said", exec_over(**SOCKETS)),
    ("exec over SPDY; a container that does not run is said", exec_over(**SPDY)),
    ("attach over WebSocket", attach_over(**SOCKETS)),
    ("attach over SPDY", attach_over(**SPDY)),
    ("port-forward over SPDY inside WebSocket", forward_over(**SOCKETS)),
    ("port-forward over SPDY", forward_over(**SPDY)),
    ("cp", cp),
    ("pods and services are reached through the proxy, with bodies, queries, headers, https", proxies),
    ("redirects of a proxied server are passed on, not followed", redirects),
    ("a refused upgrade ends the connection", no_second_request_behind_a_refused_upgrade),
    ("a node's address is checked", addresses),
    ("kubectl proxy", kubectl_proxy),
    ("kubectl debug: ephemeral containers", debug),
    ("kubectl top: what containers and the node use", top),
    ("output without end to a client that does not read", endless_output),
]

if __name__ == "__main__":
    host_node.enter_namespace()
    run(host_node.HostNode(), STEPS)
