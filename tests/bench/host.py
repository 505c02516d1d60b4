"""What the control plane does on this host: `keelson run --role control`, with real TLS and fsync."""

import ctypes
import os
import shutil
import signal
import socket
import statistics
import subprocess
import time

TOP = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
BUILD = os.environ.get("BUILD", os.path.join(TOP, "build"))
KEELSON = os.environ.get("KEELSON", os.path.join(BUILD, "keelson"))
IDLE_SECONDS = 20
REPEATS = 3
LIST_1000 = "list:/api/v1/namespaces/default/configmaps?limit=1000"
POD_COUNTS = [int(n) for n in os.environ.get("PODS", "1000 5000 10000").split()]
LIST_5000 = "list:/api/v1/pods?limit=5000"


def dies_with_us():
    ctypes.CDLL(None).prctl(1, signal.SIGTERM)  # PR_SET_PDEATHSIG


def free_port():
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]


def of_status(pid, field):
    with open(f"/proc/{pid}/status") as f:
        for line in f:
            if line.startswith(field + ":"):
                return int(line.split()[1])
    return 0


def pss_kb(pid):
    with open(f"/proc/{pid}/smaps_rollup") as f:
        return next(int(line.split()[1]) for line in f if line.startswith("Pss:"))


def ticks(pid):
    with open(f"/proc/{pid}/stat") as f:
        fields = f.read().rsplit(")", 1)[1].split()
    return int(fields[11]) + int(fields[12])


class ControlPlane:
    def __init__(self, name):
        self.dir = os.path.join(BUILD, f"bench-{name}.{os.getpid()}")
        self.kubeconfig = os.path.join(self.dir, "admin.kubeconfig")
        os.makedirs(self.dir)
        port = free_port()
        self.log = open(os.path.join(BUILD, f"bench-{name}.log"), "w")
        began = time.monotonic()
        self.process = subprocess.Popen(
            [KEELSON, "run", "--data", self.dir, "--role", "control", "--listen", f"127.0.0.1:{port}"],
            stdin=subprocess.DEVNULL, stdout=self.log, stderr=self.log, preexec_fn=dies_with_us)
        while not os.path.exists(self.kubeconfig) or "ok" not in self.kubectl("get", "--raw", "/readyz"):
            if self.process.poll() is not None or time.monotonic() > began + 30:
                raise RuntimeError(f"the control plane does not start: see {self.log.name}")
            time.sleep(0.02)
        self.ready_seconds = time.monotonic() - began
        self.kubectl("wait", "--for=create", "namespace/kube-public", "--timeout=20s")
        self.kubectl("-n", "default", "wait", "--for=create", "serviceaccount/default", "--timeout=20s")

    def kubectl(self, *words):
        tool = os.path.join(BUILD, "tools", "kubectl")
        return subprocess.run([tool if os.path.exists(tool) else "kubectl", "--kubeconfig", self.kubeconfig, *words],
                              capture_output=True, text=True, timeout=60, stdin=subprocess.DEVNULL).stdout

    def pids(self):
        out = subprocess.run(["ps", "-o", "pid=", "--ppid", str(self.process.pid)], capture_output=True, text=True)
        return [self.process.pid] + [int(p) for p in out.stdout.split()]

    def memory_kb(self):
        """Resident, and resident with shared pages counted once."""
        pids = self.pids()
        return sum(of_status(p, "VmRSS") for p in pids), sum(pss_kb(p) for p in pids)

    def idle_cpu(self):
        pids = self.pids()
        before, began = sum(map(ticks, pids)), time.monotonic()
        time.sleep(IDLE_SECONDS)
        used = (sum(map(ticks, pids)) - before) / os.sysconf("SC_CLK_TCK")
        return 100 * used / (time.monotonic() - began)

    def load(self, *rounds):
        """Figures of each round; the median of those that are given several times."""
        pids = ",".join(map(str, self.pids()))
        r = subprocess.run([os.path.join(BUILD, "bench", "api_bench"), self.kubeconfig, pids, *rounds],
                           stdout=subprocess.PIPE, text=True, timeout=900, preexec_fn=dies_with_us)
        lines = [line.split("\t") for line in r.stdout.splitlines()]
        if r.returncode or len(lines) != len(rounds):
            raise RuntimeError(f"api_bench ended with {r.returncode} after {len(lines)} of {len(rounds)} rounds")
        found = {}
        for name, *pairs in lines:
            for key, value in zip(pairs[::2], pairs[1::2]):
                found.setdefault(name, {}).setdefault(key, []).append(float(value))
        return {name: {k: statistics.median(v) for k, v in one.items()} for name, one in found.items()}

    def stop(self):
        self.process.send_signal(signal.SIGTERM)
        try:
            self.process.wait(20)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
        self.log.close()
        shutil.rmtree(self.dir, ignore_errors=True)


def with_config_maps():
    c = ControlPlane("objects")
    try:
        time.sleep(3)
        figures = {"ready_s": c.ready_seconds, "idle_kb": c.memory_kb(), "idle_cpu": c.idle_cpu()}
        sync = "sync:" + os.path.join(BUILD, f"bench-sync.{os.getpid()}")
        once = [sync, "create:1", "create:64", "get:1", "get:64", "patch:64", "apply:64", LIST_1000]
        figures.update(c.load(*once * REPEATS))
        figures["sync"] = figures.pop(sync)
        size = int(figures[LIST_1000]["bytes"])
        figures["encrypt_1000"] = c.load(f"encrypt:{size}")[f"encrypt:{size}"]
    finally:
        c.stop()
    return figures


def with_pods(watchers):
    c = ControlPlane("pods")
    try:
        time.sleep(3)
        figures = {"empty_kb": c.memory_kb()}
        have = 0
        for count in POD_COUNTS:
            # names go on where the last round ended
            figures["pods"] = c.load(f"serial:{have}", f"pods:{count - have}")[f"pods:{count - have}"]
            have = count
            time.sleep(2)
            figures[f"pods_{count}_kb"] = c.memory_kb()
            if count == 5000:
                figures.update(c.load(*[LIST_5000] * REPEATS))
                size = int(figures[LIST_5000]["bytes"])
                figures["encrypt_5000"] = c.load(f"encrypt:{size}")[f"encrypt:{size}"]
        figures["watch"] = c.load(f"watch:{watchers}")[f"watch:{watchers}"]
    finally:
        c.stop()
    return figures
