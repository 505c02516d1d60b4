"""The control plane alone on the host, as tests drive it, and the loop over a test's steps."""

import base64
import http.client
import json
import os
import re
import shutil
import signal
import ssl
import subprocess
import sys
import tempfile

import cluster

TOP = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
KEELSON = os.path.abspath(os.environ.get("KEELSON", os.path.join(TOP, "build", "keelson")))


class Control:
    def __init__(self, *options):
        self.options = options
        self.data = tempfile.mkdtemp(prefix="keelson-control-")
        self.port = cluster.free_port()
        self.log = open(os.path.join(self.data, "log"), "w")
        self.process = None
        # As nobody in particular, where we may choose: the control plane needs no rights.
        self.binary = os.path.join(self.data, "keelson")
        shutil.copy(KEELSON, self.binary)
        self.become = []
        if os.geteuid() == 0:
            os.chown(self.data, 65534, 65534)
            self.become = ["setpriv", "--reuid=65534", "--regid=65534", "--clear-groups"]

    def start(self):
        self.process = subprocess.Popen(
            [*self.become, self.binary, "run", "--data", self.data, "--role", "control", "--listen", f"127.0.0.1:{self.port}", *self.options],
            stdin=subprocess.DEVNULL, stdout=self.log, stderr=self.log)
        cluster.retry(lambda: self.k("get", "--raw", "/readyz"), 20)

    def stop(self, how=signal.SIGTERM):
        if self.process:
            self.process.send_signal(how)
            self.process.wait(20)
            self.process = None

    def k(self, *words, input=None, check=True, timeout=30):
        argv = ["kubectl", "--kubeconfig", os.path.join(self.data, "admin.kubeconfig"), *words]
        stdin = {"input": input} if input is not None else {"stdin": subprocess.DEVNULL}
        r = subprocess.run(argv, capture_output=True, text=True, timeout=timeout, **stdin)
        if check and r.returncode:
            raise RuntimeError(f"{' '.join(words)}: {r.stdout}{r.stderr}")
        return r.stdout if check else r.stdout + r.stderr

    def certificates(self):
        """The administrator's credentials as files: certificate, key, CA."""
        with open(os.path.join(self.data, "admin.kubeconfig")) as f:
            text = f.read()
        paths = []
        for name, key in (("c.crt", "client-certificate-data"), ("c.key", "client-key-data"), ("ca.crt", "certificate-authority-data")):
            paths.append(os.path.join(self.data, name))
            with open(paths[-1], "wb") as f:
                f.write(base64.b64decode(re.search(key + r": *\"?([A-Za-z0-9+/=]+)", text).group(1)))
        return paths

    def tls(self):
        """An SSL context that is the administrator."""
        crt, key, ca = self.certificates()
        context = ssl.create_default_context(cafile=ca)
        context.load_cert_chain(crt, key)
        return context

    def request(self, method, path, body=None, **headers):
        """An HTTP/1.1 request as the administrator: status, headers, body. Header names with _ for -."""
        h = http.client.HTTPSConnection("127.0.0.1", self.port, context=self.tls(), timeout=30)
        h.request(method, path, body, {k.replace("_", "-"): v for k, v in headers.items()})
        r = h.getresponse()
        out = r.status, r.headers, r.read()
        h.close()
        return out

    def json(self, *words):
        return json.loads(self.k("get", *words, "-o", "json"))

    def roles(self):
        """Process ids by role name."""
        found = {}
        out = subprocess.run(["ps", "-o", "pid=,args=", "--ppid", str(self.process.pid)],
                             capture_output=True, text=True).stdout
        for line in out.splitlines():
            m = re.match(r"\s*(\d+) keelson: (\w+)", line)
            if m:
                found[m.group(2)] = int(m.group(1))
        return found


def expect(truth, what):
    if not truth:
        raise AssertionError(what)


def run(c, steps):
    """Runs (name, function of c) in turn, says `ok` or `not ok` for each, takes c down and exits."""
    failed = 0
    try:
        for name, fn in steps:
            try:
                fn(c)
                print(f"ok {name}", flush=True)
            except Exception as e:
                failed += 1
                print(f"not ok {name}: {str(e)[:1500]}", flush=True)
                if not c.process:
                    break
    finally:
        c.stop()
        c.log.close()
        if failed:
            with open(os.path.join(c.data, "log"), errors="replace") as f:
                print("".join("# " + line for line in f.readlines()[-40:]))
        shutil.rmtree(c.data, ignore_errors=True)
    sys.exit(1 if failed else 0)
