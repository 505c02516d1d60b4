"""A QEMU cluster under test: qemu/cluster, kubectl, and a registry on loopback that the guest sees."""

import json
import os
import socket
import subprocess
import time

TOP = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
BUILD = os.environ.get("BUILD", os.path.join(TOP, "build"))
HOST = "10.0.2.2"  # the host, as QEMU's user network shows it to the guest


def free_port():
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]


def own_address():
    """An address of this machine that others would reach it by."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as s:
        s.connect(("192.0.2.1", 9))  # sends nothing; says which address would
        return s.getsockname()[0]


def retry(fn, seconds, pause=0.5):
    """Calls fn until it does not raise; the last error when the time is over."""
    end = time.time() + seconds
    while True:
        try:
            return fn()
        except Exception:
            if time.time() > end:
                raise
            time.sleep(pause)


class Cluster:
    def __init__(self, directory, memory=1024, disk="4G"):
        self.dir = directory
        self.memory = memory
        self.disk = disk
        self.registry_process = None
        self.registry_port = None
        self.booted = False

    # ---- the registry ----
    @property
    def registry(self):
        return f"{HOST}:{self.registry_port}"

    def start_registry(self):
        tools = os.path.join(TOP, "tests", "lib", "images")
        self.registry_port = free_port()
        self.registry_log = open(self.dir + "-registry.log", "w")
        self.registry_process = subprocess.Popen(
            [os.path.join(tools, "registry"), self.dir + "-registry", str(self.registry_port)],
            stdin=subprocess.DEVNULL, stdout=self.registry_log, stderr=self.registry_log)
        retry(lambda: socket.create_connection(("127.0.0.1", self.registry_port), 2).close(), 15)
        r = subprocess.run([os.path.join(tools, "make"), os.path.join(BUILD, "test-images"), "push",
                            f"127.0.0.1:{self.registry_port}"], capture_output=True, text=True, timeout=120,
                           stdin=subprocess.DEVNULL)
        if r.returncode:
            raise RuntimeError(f"test images: {r.stdout}{r.stderr}")

    # ---- the node ----
    def tool(self, *words, timeout=400):
        argv = [os.path.join(TOP, "qemu", "cluster"), *words, "--dir", self.dir]
        r = subprocess.run(argv, capture_output=True, text=True, timeout=timeout, stdin=subprocess.DEVNULL,
                           env=dict(os.environ, EXTRA_CONFIG=self.extra_config(), DISK=self.disk))
        if r.returncode:
            raise RuntimeError(f"{' '.join(words)}: {r.stdout[-1500:]}{r.stderr[-1500:]}")
        return r.stdout

    def extra_config(self):
        path = self.dir + "-extra.yaml"
        with open(path, "w") as f:
            f.write(f"registries:\n  - host: \"{self.registry}\"\n    plain_http: true\n")
        return path

    def up(self):
        self.start_registry()
        self.tool("up", "--memory", str(self.memory), "--timeout", "300")
        self.booted = True

    def down(self):
        try:
            if os.path.exists(os.path.join(self.dir, "env")):
                self.tool("down")
        finally:
            if self.registry_process:
                self.registry_process.terminate()
                self.registry_process.wait(20)
                self.registry_log.close()

    def kill(self):
        self.tool("kill", "node1")

    def start(self, seconds=300):
        self.tool("start", "node1", "--timeout", str(seconds))

    # ---- the disk of a node that is off ----
    @property
    def image(self):
        return os.path.join(self.dir, "node1", "disk.img")

    def partition(self, number):
        """First byte and size of a partition."""
        out = subprocess.run(["sfdisk", "--json", self.image], capture_output=True, text=True, check=True,
                             env=dict(os.environ, PATH=os.environ["PATH"] + ":/usr/sbin:/sbin")).stdout
        table = json.loads(out)["partitiontable"]
        found = table["partitions"][number - 1]
        return found["start"] * table.get("sectorsize", 512), found["size"] * table.get("sectorsize", 512)

    def debugfs(self, *commands):
        """What debugfs says about the state partition."""
        path = self.image + ".state"
        start, size = self.partition(2)
        with open(self.image, "rb") as disk, open(path, "wb") as part:
            disk.seek(start)
            left = size
            while left:
                piece = disk.read(min(left, 1 << 20))
                if not piece:
                    break
                left -= len(piece)
                if piece.strip(b"\0"):
                    part.write(piece)
                else:
                    part.seek(len(piece), 1)
            part.truncate(size)
        env = dict(os.environ, PATH=os.environ["PATH"] + ":/usr/sbin:/sbin")
        subprocess.run(["e2fsck", "-fy", path], capture_output=True, env=env)
        out = [subprocess.run(["debugfs", "-R", c, path], capture_output=True, text=True, env=env).stdout for c in commands]
        os.unlink(path)
        return out

    def console(self):
        with open(os.path.join(self.dir, "node1", "console.log"), errors="replace") as f:
            return f.read()

    def env(self):
        with open(os.path.join(self.dir, "env")) as f:
            return dict(line.strip().split("=", 1) for line in f if "=" in line)

    def node_port(self, guest):
        for pair in self.env()["NODE_PORTS"].strip("'\"").split():
            host, port = pair.split(":")
            if port == str(guest):
                return int(host)
        raise RuntimeError(f"no forwarded port for {guest}")

    # ---- kubectl ----
    def kubectl_argv(self, *words):
        tool = os.path.join(BUILD, "tools", "kubectl")
        return [tool if os.path.exists(tool) else "kubectl", "--kubeconfig", os.path.join(self.dir, "kubeconfig"), *words]

    def kubectl(self, *words, input=None, timeout=60, check=True):
        stdin = {"input": input} if input is not None else {"stdin": subprocess.DEVNULL}
        r = subprocess.run(self.kubectl_argv(*words), capture_output=True, text=True, timeout=timeout, **stdin)
        if r.returncode and check:
            raise RuntimeError(f"kubectl {' '.join(words)}: {r.stdout[-800:]}{r.stderr[-800:]}")
        return r.stdout if check else r.stdout + r.stderr

    # ---- looking inside ----
    INSPECTOR = """
apiVersion: v1
kind: Pod
metadata: {name: inspector}
spec:
  hostNetwork: true
  hostPID: true
  containers:
  - name: inspector
    image: IMAGE
    command: [sh, -c, "sleep 100000"]
    securityContext: {privileged: true}
    volumeMounts: [{name: host, mountPath: /host, readOnly: true}]
  volumes:
  - name: host
    hostPath: {path: /}
"""

    def inspect(self, image):
        """A privileged pod that sees the node's processes, mounts, cgroups and links."""
        self.kubectl("apply", "-f", "-", input=self.INSPECTOR.replace("IMAGE", image))
        self.kubectl("wait", "--for=condition=Ready", "pod/inspector", "--timeout=60s", timeout=70)

    def leftovers(self, uids):
        """Lines of the node's tables that still speak of these pods, and pod links without a pod."""
        look = ("cat /proc/1/mountinfo; cat /proc/[0-9]*/cgroup 2>/dev/null; "
                "find /host/sys/fs/cgroup/kubepods -type d; ls -d /host/var/*/pods/* /host/state/*/pods/* 2>/dev/null; "
                "ls /sys/class/net")
        lines = self.kubectl("exec", "inspector", "--", "sh", "-c", look).splitlines()
        links = [line for line in lines if line.startswith("veth")]
        return [line for line in lines if any(uid in line for uid in uids)] + links

    def show_console(self):
        path = os.path.join(self.dir, "node1", "console.log")
        if os.path.exists(path):
            with open(path, errors="replace") as f:
                print("".join("# " + line for line in f.readlines()[-80:]))
