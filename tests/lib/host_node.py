"""A whole node on the host: all roles, in a network namespace of its own with one made-up link. Needs
root. Containers run without limits where the host's cgroups have none; what is about limits is
tested in QEMU."""

import os
import shutil
import signal
import subprocess
import sys
import tempfile

import cluster
import control

LINK = "10.91.0.2"
IMAGES = ("busybox", "web-v1")


def enter_namespace():
    """Runs this program again in a network namespace of its own; returns there."""
    if os.environ.get("HOST_NODE_NAMESPACE"):
        return
    if os.geteuid() != 0:
        print("ok not run: a node on the host needs root # SKIP")
        sys.exit(0)
    os.environ["HOST_NODE_NAMESPACE"] = "1"
    os.execvp("unshare", ["unshare", "-n", "-m", sys.executable, *sys.argv])


class HostNode(control.Control):
    def __init__(self, *options):
        super().__init__(*options)
        os.chmod(self.data, 0o711)
        os.chown(self.data, 0, 0)
        self.become = []
        self.port = 6443
        os.environ["KUBECACHEDIR"] = os.path.join(self.data, "cache")  # another test's API may be remembered

    def start(self):
        if not os.path.exists("/sys/class/net/kl0"):
            for words in ("link set lo up", "link add kl0 type veth peer name kl1", f"addr add {LINK}/24 dev kl0",
                          "link set kl0 up", "link set kl1 up", "route add default via 10.91.0.1"):
                subprocess.run(["ip", *words.split()], check=True)
        self.process = subprocess.Popen(
            [self.binary, "run", "--data", os.path.join(self.data, "node"), "--listen", f"0.0.0.0:{self.port}", *self.options],
            stdin=subprocess.DEVNULL, stdout=self.log, stderr=self.log)
        link = os.path.join(self.data, "admin.kubeconfig")
        if not os.path.islink(link):
            os.symlink("node/admin.kubeconfig", link)
        cluster.retry(lambda: self.k("wait", "--for=condition=Ready", "node", "--all", "--timeout=5s"), 40)

    def load_images(self):
        images = os.path.join(cluster.BUILD, "test-images")
        subprocess.run([os.path.join(cluster.TOP, "tests", "lib", "images", "make"), images], check=True,
                       stdout=subprocess.DEVNULL, stdin=subprocess.DEVNULL, timeout=120)
        for name in IMAGES:
            archive = os.path.join(self.data, name + ".tar")
            subprocess.run(["tar", "-C", os.path.join(images, name), "-cf", archive, "."], check=True)
            subprocess.run([self.binary, "image", "load", "--kubeconfig", os.path.join(self.data, "admin.kubeconfig"), archive],
                           check=True, stdout=subprocess.DEVNULL, timeout=60)

    def stop(self, how=signal.SIGTERM):
        if self.process:
            self.k("delete", "pods", "--all", "-A", "--grace-period=0", "--force", "--timeout=10s", check=False)
        super().stop(how)
