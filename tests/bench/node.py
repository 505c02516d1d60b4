"""What a node in QEMU does: times of its boot, memory and CPU of its roles, idle and with pods. The
first pod sees the node's processes and is asked for their figures."""

import base64
import http.client
import json
import os
import re
import shutil
import ssl
import sys
import tempfile
import threading
import time

import host

sys.path.insert(0, os.path.join(host.TOP, "tests", "lib"))
import cluster  # noqa: E402

PODS = 20
IDLE_SECONDS = 30
CLOCK_READINGS = 7
# A line a process of ours: name, resident and proportional KB, ticks. Others have another program.
LOOK = """look() { for p in /proc/[0-9]*; do
  [ "$(readlink $p/exe)" = "$(readlink /proc/1/exe)" ] || continue
  read -r stat < $p/stat; set -- ${stat##*) }
  echo "PROC $(cat $p/comm) $(awk '/^Rss:/ { r = $2 } /^Pss:/ { s = $2 } END { print r + 0, s + 0 }' $p/smaps_rollup) $((${12} + ${13}))"
done; }; """
DEPLOYMENT = """
apiVersion: apps/v1
kind: Deployment
metadata: {name: many}
spec:
  replicas: COUNT
  selector: {matchLabels: {app: many}}
  template:
    metadata: {labels: {app: many}}
    spec:
      containers:
      - name: many
        image: IMAGE
        command: [sh, -c, "sleep 100000"]
"""


class Api:
    """A connection that is kept, so that asking often costs the node little."""

    def __init__(self, kubeconfig):
        with open(kubeconfig) as f:
            text = f.read()
        self.server = re.search(r"server: \"?https://([0-9.]+):(\d+)", text).groups()
        self.context = ssl.create_default_context(cadata=self.decoded(text, "certificate-authority-data"))
        with tempfile.NamedTemporaryFile("w", suffix=".pem") as f:
            f.write(self.decoded(text, "client-certificate-data") + "\n" + self.decoded(text, "client-key-data"))
            f.flush()
            self.context.load_cert_chain(f.name)
        self.connection = None

    @staticmethod
    def decoded(text, key):
        return base64.b64decode(re.search(key + r": \"?([A-Za-z0-9+/=]+)", text).group(1)).decode()

    def ask(self, method, path, body=None):
        """Status and answer; 0 while there is none."""
        try:
            if not self.connection:
                self.connection = http.client.HTTPSConnection(*self.server, timeout=2, context=self.context)
            self.connection.request(method, path, body, {"Content-Type": "application/yaml"} if body else {})
            r = self.connection.getresponse()
            return r.status, r.read().decode()
        except OSError:
            self.close()
        except http.client.HTTPException:
            self.close()
        return 0, ""

    def close(self):
        if self.connection:
            self.connection.close()
        self.connection = None


def until(fn, seconds, what, pause=0.05):
    end = time.time() + seconds
    while True:
        found = fn()
        if found:
            return time.time(), found
        if time.time() > end:
            raise RuntimeError(f"{what}: not within {seconds} s")
        time.sleep(pause)


def is_ready(nodes):
    return any(c["type"] == "Ready" and c["status"] == "True" for item in json.loads(nodes or "{}").get("items", [])
               for c in item.get("status", {}).get("conditions", []))


def is_running(pod):
    return json.loads(pod or "{}").get("status", {}).get("phase") == "Running"


class Node:
    def __init__(self):
        self.c = cluster.Cluster(os.path.join(host.BUILD, "bench-node"))
        self.failure = None

    def boot(self):
        try:
            self.c.tool("up", "--memory", str(self.c.memory), "--timeout", "300")
        except Exception as e:
            self.failure = e

    def still_booting(self):
        if self.failure:
            raise self.failure
        return False

    def times(self):
        """Host clock at: QEMU started, API answers, node Ready, first pod Running."""
        pod = self.c.INSPECTOR.replace("IMAGE", f"{self.c.registry}/busybox:latest")
        nodes, pods = "/api/v1/nodes", "/api/v1/namespaces/default/pods"
        booting = threading.Thread(target=self.boot)
        booting.start()
        pid = os.path.join(self.c.dir, "node1", "pid")
        until(lambda: self.still_booting() or os.path.exists(pid), 60, "QEMU")
        api = Api(os.path.join(self.c.dir, "kubeconfig"))
        answers, _ = until(lambda: self.still_booting() or api.ask("GET", "/readyz")[0] == 200, 120, "the API")
        until(lambda: api.ask("POST", pods, pod)[0] == 201, 60, "creating a pod")
        seen = {}

        def both():
            if "ready" not in seen and is_ready(api.ask("GET", nodes)[1]):
                seen["ready"] = time.time()
            if "running" not in seen and is_running(api.ask("GET", pods + "/inspector")[1]):
                seen["running"] = time.time()
            return len(seen) == 2
        until(both, 120, "node Ready and first pod Running")
        api.close()
        booting.join()
        self.still_booting()
        return {"qemu": os.stat(pid).st_mtime, "api": answers, **seen}

    def inside(self, script, timeout=60):
        return self.c.kubectl("exec", "inspector", "--", "sh", "-c", script, timeout=timeout)

    def kernel_start(self):
        """Host clock at the start of the guest's kernel, and seconds from there to PID 1."""
        best = None
        for _ in range(CLOCK_READINGS):
            before = time.time()
            uptime = self.inside("cat /proc/uptime")
            window = time.time() - before
            if best is None or window < best[0]:
                best = (window, before + window / 2 - float(uptime.split()[0]))
        return best[1], float(re.search(r"\[ *([0-9.]+)\] Run /", self.inside("dmesg")).group(1))

    def own_times(self):
        """Milliseconds since PID 1's first instruction, as the node tells them on its console."""
        lines = re.findall(r"Keelson: boot ms: ([^\r\n]*)", self.c.console())
        return {k: int(v) for k, v in re.findall(r"(\w+) (\d+)", lines[-1])} if lines else {}

    def look(self, seconds=0):
        """Per process: name, resident KB, proportional KB, ticks; with seconds, two looks so far apart."""
        script = LOOK + (f"look; echo; sleep {seconds}; look" if seconds else "look")
        looks = [{}]
        for line in self.inside(script, timeout=60 + seconds).splitlines():
            if not line.strip():
                looks.append({})
            elif line.startswith("PROC "):
                _, name, rss, pss, ticks = line.split()
                old = looks[-1].get(name, (0, 0, 0, 0))
                looks[-1][name] = tuple(a + int(b) for a, b in zip(old, (1, rss, pss, ticks)))
        return looks

    def many_pods(self):
        self.c.kubectl("apply", "-f", "-", input=DEPLOYMENT.replace("COUNT", str(PODS - 1))
                       .replace("IMAGE", f"{self.c.registry}/busybox:latest"))
        self.c.kubectl("rollout", "status", "deployment/many", "--timeout=200s", timeout=220)


def measure():
    n = Node()
    n.c.start_registry()
    try:
        at = n.times()
        start, pid1 = n.kernel_start()
        if start > at["api"]:
            raise RuntimeError("the node has restarted by itself while it was measured")
        time.sleep(10)
        idle, later = n.look(IDLE_SECONDS)
        ticks = sum(later[k][3] - idle[k][3] for k in idle if k in later)
        began = time.time()
        n.many_pods()
        took = time.time() - began
        time.sleep(10)
        return {"at": {k: v - start for k, v in at.items()}, "pid1": pid1, "own": n.own_times(), "idle": idle, "pods": n.look()[0],
                "cpu": ticks / 100 / IDLE_SECONDS * 100, "pods_seconds": took}
    except Exception:
        n.c.show_console()
        raise
    finally:
        console = os.path.join(n.c.dir, "node1", "console.log")
        if os.path.exists(console):
            shutil.copy(console, os.path.join(host.BUILD, "bench-node-console.log"))
        n.c.down()


def rows(t):
    f = measure()
    accel = os.environ.get("ACCEL", "tcg")
    t.title(f"**A node in QEMU** ({accel}, 2 CPUs, 1 GiB, disk image, UEFI), seconds from kernel start (from PID 1; from PID 1 by the node's own clock)")
    t.row("QEMU's start to kernel start: the firmware", f"{-f['at']['qemu']:.1f} s")
    t.row("kernel start to PID 1", f"{f['pid1']:.1f} s")
    for what, key, own in (("API answers", "api", "API"), ("node Ready", "ready", "Ready"),
                           ("first pod Running, its image pulled", "running", "pod")):
        told = f"; {f['own'][own] / 1000:.2f} s" if own in f["own"] else ""
        t.row(what, f"{f['at'][key]:.1f} s ({f['at'][key] - f['pid1']:.1f} s{told})")
    t.row(f"{PODS - 1} more pods ready", f"{f['pods_seconds']:.1f} s")
    t.row(f"CPU of all processes, idle for {IDLE_SECONDS} s", f"{f['cpu']:.2f} % of a core", f["cpu"], "control plane CPU, idle", True)
    t.title(f"Resident memory (shared pages once), 1 pod / {PODS} pods")
    for name in sorted(set(f["idle"]) | set(f["pods"])):
        a, b = (f[k].get(name, (0, 0, 0, 0)) for k in ("idle", "pods"))
        number = f" x {a[0]} / {b[0]}" if max(a[0], b[0]) > 1 else ""
        t.row(name + number, " / ".join(f"{x[1] / 1024:.1f} MB ({x[2] / 1024:.1f})" for x in (a, b)))
    sums = [[sum(v[i] for v in f[k].values()) / 1024 for i in (1, 2)] for k in ("idle", "pods")]
    t.row("all", " / ".join(f"{r:.1f} MB ({p:.1f})" for r, p in sums), sums[0][0], "control plane resident, idle", True)
