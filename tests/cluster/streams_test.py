#!/usr/bin/env python3
# timeout: 240
"""Streams of a real node on the host: exec, attach, port-forward and logs as kubectl asks for them,
over WebSocket and over SPDY; the proxies; cp, debug, top."""

import http.server
import os
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


def exec_over(**env):
    def step(c):
        code, out, err = kubectl(c, "exec", "web", "--", "sh", "-c", "echo out; echo err >&2; exit 3", env=env)
        expect((code, out) == (3, "out\n") and err.startswith("err\n"), f"{code} {out} {err}")
        text = "x" * 1000000
        code, out, err = kubectl(c, "exec", "-i", "web", "--", "cat", input=text, env=env)
        expect(code == 0 and out == text, f"{code} {len(out)} {err}")
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


SPDY = {"KUBECTL_REMOTE_COMMAND_WEBSOCKETS": "false", "KUBECTL_PORT_FORWARD_WEBSOCKETS": "false"}
SOCKETS = {"KUBECTL_REMOTE_COMMAND_WEBSOCKETS": "true", "KUBECTL_PORT_FORWARD_WEBSOCKETS": "true"}
STEPS = [
    ("a node on the host runs pods", boot),
    ("exec over WebSocket; a container that does not run is said", exec_over(**SOCKETS)),
    ("exec over SPDY; a container that does not run is said", exec_over(**SPDY)),
    ("attach over WebSocket", attach_over(**SOCKETS)),
    ("attach over SPDY", attach_over(**SPDY)),
    ("port-forward over SPDY inside WebSocket", forward_over(**SOCKETS)),
    ("port-forward over SPDY", forward_over(**SPDY)),
    ("cp", cp),
]

if __name__ == "__main__":
    host_node.enter_namespace()
    run(host_node.HostNode(), STEPS)
