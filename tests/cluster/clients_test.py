#!/usr/bin/env python3
# timeout: 300
"""Clients that others wrote against a real node on the host: the JavaScript client from npm (pinned in
tests/clients/package-lock.json) and Debian's Python client. Each lists and watches, lists again after
410, applies, execs, forwards a port and reads logs."""

import hashlib
import os
import shutil
import subprocess
import sys

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "lib"))
import cluster  # noqa: E402
import host_node  # noqa: E402
import streams_test  # noqa: E402
from control import run  # noqa: E402

SOURCES = os.path.join(cluster.TOP, "tests", "clients")
MODULES = os.path.join(cluster.BUILD, "test-clients")


def install():
    """npm checks each package against the sum in the lock file. Done once for each lock file."""
    with open(os.path.join(SOURCES, "package-lock.json"), "rb") as f:
        wanted = hashlib.sha256(f.read()).hexdigest()
    stamp = os.path.join(MODULES, "installed")
    if not os.path.exists(stamp) or open(stamp).read() != wanted:
        shutil.rmtree(MODULES, ignore_errors=True)
        os.makedirs(MODULES)
        for name in ("package.json", "package-lock.json"):
            shutil.copy(os.path.join(SOURCES, name), MODULES)
        r = subprocess.run(["npm", "ci", "--ignore-scripts", "--no-audit", "--no-fund"], cwd=MODULES, capture_output=True,
                           text=True, timeout=200, stdin=subprocess.DEVNULL)
        if r.returncode:
            print(f"not ok the JavaScript client is installed: {r.stdout[-1000:]}{r.stderr[-1000:]}")
            sys.exit(1)
        with open(stamp, "w") as f:
            f.write(wanted)
    shutil.copy(os.path.join(SOURCES, "client.mjs"), MODULES)


def client(argv, what):
    def step(c):
        r = subprocess.run([*argv, what], capture_output=True, text=True, timeout=60, stdin=subprocess.DEVNULL,
                           env=dict(os.environ, KUBECONFIG=os.path.join(c.data, "admin.kubeconfig")))
        if r.returncode:
            raise RuntimeError(f"{r.stdout[-700:]}{r.stderr[-1400:]}")
    return step


JS = ["node", os.path.join(MODULES, "client.mjs")]
PY = ["/usr/bin/python3", os.path.join(SOURCES, "client.py")]
WHAT = (("informer", "list, watch, list again after 410"), ("apply", "server-side apply and its conflict"),
        ("exec", "exec with input, both outputs, exit code"), ("portForward", "port-forward"), ("log", "logs"))

if __name__ == "__main__":
    if not os.environ.get("HOST_NODE_NAMESPACE"):
        install()
    host_node.enter_namespace()
    run(host_node.HostNode(),
        [("a node on the host runs pods", streams_test.boot)] +
        [(f"JavaScript: {words}", client(JS, what)) for what, words in WHAT] +
        [("WebSocket protocols in their own words", client(JS, "protocols"))] +
        [(f"Python: {words}", client(PY, what)) for what, words in WHAT])
