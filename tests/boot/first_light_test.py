#!/usr/bin/env python3
# timeout: 1500
"""A node boots from its disk image in QEMU and does what a user of Kubernetes does first, with the
real kubectl and images from a real registry. Then the plug is pulled, and everything returns by
itself. Each step prints a TAP line; a step that needs an earlier one is not run when that failed."""

import json
import os
import re
import subprocess
import sys
import threading
import time
import urllib.request

TOP = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
BUILD = os.environ.get("BUILD", os.path.join(TOP, "build"))
sys.path.insert(0, os.path.join(TOP, "tests", "lib"))
import cluster  # noqa: E402

WEB = """
apiVersion: v1
kind: ConfigMap
metadata: {name: web-config}
data: {greeting: "hello from the config map"}
---
apiVersion: apps/v1
kind: Deployment
metadata: {name: web}
spec:
  replicas: 2
  selector: {matchLabels: {app: web}}
  strategy: {rollingUpdate: {maxSurge: 1, maxUnavailable: 0}}
  template:
    metadata: {labels: {app: web}}
    spec:
      terminationGracePeriodSeconds: 10
      containers:
      - name: web
        image: REGISTRY/web:v1
        command: [sh, -c, "trap 'kill $!; exit 0' TERM; echo serving; httpd -f -p 8080 -h /www & wait $!"]
        env:
        - name: GREETING
          valueFrom: {configMapKeyRef: {name: web-config, key: greeting}}
        - name: POD_NAME
          valueFrom: {fieldRef: {fieldPath: metadata.name}}
        ports: [{containerPort: 8080, name: http}]
        resources:
          requests: {cpu: 10m, memory: 8Mi}
          limits: {cpu: 500m, memory: 64Mi}
        readinessProbe: {httpGet: {path: /, port: http}, periodSeconds: 1}
        livenessProbe: {tcpSocket: {port: http}, periodSeconds: 5}
        startupProbe: {exec: {command: [test, -e, /www/index.html]}, periodSeconds: 1, failureThreshold: 60}
        lifecycle: {preStop: {sleep: {seconds: 3}}}
        volumeMounts: [{name: config, mountPath: /config}]
      volumes:
      - name: config
        configMap: {name: web-config}
---
apiVersion: v1
kind: Service
metadata: {name: web}
spec:
  type: NodePort
  selector: {app: web}
  ports: [{port: 80, targetPort: http, nodePort: 30080}]
"""

CLIENT = """
apiVersion: v1
kind: Pod
metadata: {name: client}
spec:
  containers:
  - name: client
    image: REGISTRY/web:v1
    command: [sh, -c, "sleep 100000"]
"""


class Steps:
    def __init__(self):
        self.failed = False

    def run(self, name, fn):
        if self.failed:
            print(f"not ok {name}: not run, an earlier step failed", flush=True)
            return
        start = time.time()
        try:
            fn()
            print(f"ok {name}", flush=True)
            print(f"# {time.time() - start:.1f} s", flush=True)
        except Exception as e:  # a failed step is a result, not a crash
            self.failed = True
            print(f"not ok {name}: {e}", flush=True)


class FirstLight:
    def __init__(self):
        self.node = cluster.Cluster(os.path.join(BUILD, "test-first-light"))
        self.k = self.node.kubectl

    # ---- helpers ----
    def get(self, port, path="/", timeout=10):
        # one connection a request
        with urllib.request.urlopen(f"http://127.0.0.1:{port}{path}", timeout=timeout) as r:
            return r.read().decode()

    def pods(self, selector="app=web"):
        items = json.loads(self.k("get", "pods", "-l", selector, "-o", "json"))["items"]
        return [p for p in items if "deletionTimestamp" not in p["metadata"]]

    def node_port(self):
        return self.node.node_port(30080)

    # ---- steps ----
    def boot(self):
        self.node.up()

    def nothing_is_wrong_with_the_node(self):
        out = self.k("get", "nodes")
        assert re.search(r"\bReady\b", out), out
        assert "ok" in self.k("get", "--raw", "/readyz")
        for ns in ("default", "kube-system", "kube-public", "kube-node-lease"):
            self.k("get", "namespace", ns)
            self.k("-n", ns, "get", "serviceaccount", "default")
            self.k("-n", ns, "get", "configmap", "kube-root-ca.crt")

    def apply(self):
        self.k("apply", "-f", "-", input=WEB.replace("REGISTRY", self.node.registry))
        self.k("rollout", "status", "deployment/web", "--timeout=180s", timeout=200)
        assert len(self.pods()) == 2

    def curl_from_outside(self):
        body = cluster.retry(lambda: self.get(self.node_port()), 20)
        assert "v1" in body, body

    def by_name_from_another_pod(self):
        self.k("apply", "-f", "-", input=CLIENT.replace("REGISTRY", self.node.registry))
        self.k("wait", "--for=condition=Ready", "pod/client", "--timeout=90s", timeout=100)
        # A static busybox has a resolver of its own in nslookup only; what wget would do is two steps.
        fetch = ("ip=$(nslookup NAME | awk '/^Address: / { print $2 }' | tail -n 1); "
                 r"printf 'GET / HTTP/1.0\r\n\r\n' | nc -w 5 $ip 80")
        for name in ("web.default.svc.cluster.local", "web"):
            out = cluster.retry(lambda: self.k("exec", "client", "--", "sh", "-c", fetch.replace("NAME", name)), 20)
            assert "v1" in out, out
        out = self.k("exec", "client", "--", "nslookup", "kubernetes.default.svc.cluster.local")
        assert "10.96.0.1" in out, out

    def logs(self):
        name = self.pods()[0]["metadata"]["name"]
        out = self.k("logs", name)
        assert "serving" in out, out
        assert len(self.k("logs", "--tail=1", name).strip().splitlines()) == 1
        self.k("logs", "deployment/web", "--timestamps")

    def exec_(self):
        name = self.pods()[0]["metadata"]["name"]
        assert self.k("exec", name, "--", "cat", "/config/greeting") == "hello from the config map"
        assert self.k("exec", name, "--", "sh", "-c", "echo $GREETING $POD_NAME").split()[-1] == name
        assert self.k("exec", "-i", name, "--", "cat", input="through stdin") == "through stdin"
        code = subprocess.run(self.node.kubectl_argv("exec", name, "--", "sh", "-c", "exit 7"),
                              capture_output=True, timeout=60).returncode
        assert code == 7, f"exit code {code}"

    def terminal(self):
        name = self.pods()[0]["metadata"]["name"]
        out = subprocess.run(["script", "-qec", " ".join(self.node.kubectl_argv("exec", "-it", name, "--", "tty")), "/dev/null"],
                             capture_output=True, timeout=60, text=True, stdin=subprocess.DEVNULL).stdout
        assert "/dev/pts/" in out, out

    def port_forward(self):
        port = cluster.free_port()
        p = subprocess.Popen(self.node.kubectl_argv("port-forward", "service/web", f"{port}:80"),
                             stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
        try:
            line = p.stdout.readline()
            assert "Forwarding from" in line, line
            for _ in range(3):
                assert "v1" in self.get(port)
        finally:
            p.terminate()
            p.wait(20)

    def scale(self):
        self.k("scale", "deployment/web", "--replicas=4")
        self.k("rollout", "status", "deployment/web", "--timeout=120s", timeout=130)
        assert len(self.pods()) == 4
        self.k("scale", "deployment/web", "--replicas=2")
        cluster.retry(lambda: self.expect(len(self.pods()) == 2, "two pods"), 60)

    @staticmethod
    def expect(truth, what):
        if not truth:
            raise AssertionError(what)

    def rolling_update_loses_no_request(self):
        stop, failures, answers = threading.Event(), [], []

        def ask():
            while not stop.is_set():
                try:
                    answers.append(self.get(self.node_port(), timeout=20))
                except Exception as e:
                    failures.append(str(e))
                time.sleep(0.05)

        t = threading.Thread(target=ask)
        t.start()
        try:
            self.k("set", "image", "deployment/web", f"web={self.node.registry}/web:v2")
            self.k("rollout", "status", "deployment/web", "--timeout=180s", timeout=200)
            cluster.retry(lambda: self.expect("v2" in self.get(self.node_port()), "v2 answers"), 30)
        finally:
            stop.set()
            t.join()
        assert not failures, f"{len(failures)} of {len(answers) + len(failures)} requests failed: {failures[:3]}"
        assert any("v1" in a for a in answers) and any("v2" in a for a in answers)

    def rollback(self):
        self.k("rollout", "undo", "deployment/web")
        self.k("rollout", "status", "deployment/web", "--timeout=180s", timeout=200)
        cluster.retry(lambda: self.expect("v1" in self.get(self.node_port()), "v1 answers"), 60)
        out = self.k("rollout", "history", "deployment/web")
        assert "3" in out, out

    def a_killed_container_restarts(self):
        name = self.pods()[0]["metadata"]["name"]
        self.k("exec", name, "--", "sh", "-c", "kill -9 $(pidof httpd)", check=False)

        def restarted():
            p = json.loads(self.k("get", "pod", name, "-o", "json"))
            s = p["status"]["containerStatuses"][0]
            assert s["restartCount"] >= 1 and s["ready"], s

        cluster.retry(restarted, 90)
        assert "serving" in self.k("logs", "--previous", name)

    def a_bad_image_says_why(self):
        self.k("run", "bad", f"--image={self.node.registry}/nothing:here", "--restart=Never")

        def waiting():
            p = json.loads(self.k("get", "pod", "bad", "-o", "json"))
            w = p["status"]["containerStatuses"][0]["state"]["waiting"]
            assert w["reason"] in ("ErrImagePull", "ImagePullBackOff") and w.get("message"), w

        cluster.retry(waiting, 60)
        self.k("delete", "pod", "bad", "--timeout=60s", timeout=70)

    def bad_input_is_refused(self):
        for body, words in (
            ("apiVersion: v1\nkind: Pod\nmetadata: {name: x}\nspec: {containers: [{name: a, image: b, nonsense: 1}]}", "nonsense"),
            ("apiVersion: v1\nkind: Pod\nmetadata: {name: BAD_NAME}\nspec: {containers: [{name: a, image: b}]}", "RFC 1123"),
            ("apiVersion: v1\nkind: Pod\nmetadata: {name: x}\nspec: {containers: []}", "spec.containers"),
        ):
            r = subprocess.run(self.node.kubectl_argv("create", "-f", "-"), input=body, text=True,
                               capture_output=True, timeout=60)
            assert r.returncode != 0 and words in r.stderr, r.stderr
        assert "NotFound" in self.k("get", "pod", "x", check=False)

    def power_cut_and_return(self):
        before = {p["metadata"]["uid"] for p in self.pods()}
        self.node.kill()
        self.node.start()
        self.k("rollout", "status", "deployment/web", "--timeout=240s", timeout=250)
        assert {p["metadata"]["uid"] for p in self.pods()} == before, "the same pods"
        cluster.retry(lambda: self.expect("v1" in self.get(self.node_port()), "v1 answers"), 60)

    def nothing_is_left_after_deletion(self):
        everything = json.loads(self.k("get", "pods", "-o", "json"))["items"]
        uids = [p["metadata"]["uid"] for p in everything]
        assert len(uids) >= 3
        self.node.inspect(f"{self.node.registry}/web:v1")
        assert self.node.leftovers(uids), "the inspector sees pods while they are there"
        self.k("delete", "deployment/web", "service/web", "configmap/web-config", "pod/client",
               "--timeout=120s", timeout=130)
        cluster.retry(lambda: self.expect(not self.pods(), "no pods"), 90)
        cluster.retry(lambda: self.expect(self.node.leftovers(uids) == [], f"left over: {self.node.leftovers(uids)}"), 30)
        try:
            self.get(self.node_port(), timeout=3)
        except Exception:
            return
        raise AssertionError("the node port still answers")

    def shutdown(self):
        self.node.down()


def main():
    t, s = FirstLight(), Steps()
    try:
        for name, fn in (
            ("the node boots and becomes Ready", t.boot),
            ("the cluster has what clients take for granted", t.nothing_is_wrong_with_the_node),
            ("a Deployment with probes, limits and a ConfigMap rolls out", t.apply),
            ("a NodePort is reached from outside", t.curl_from_outside),
            ("a Service is reached by name from another pod", t.by_name_from_another_pod),
            ("kubectl logs", t.logs),
            ("kubectl exec: output, input, exit code, environment, volumes", t.exec_),
            ("kubectl exec -it has a terminal", t.terminal),
            ("kubectl port-forward", t.port_forward),
            ("scale up and down", t.scale),
            ("a rolling update loses no request", t.rolling_update_loses_no_request),
            ("rollout undo", t.rollback),
            ("a killed container restarts", t.a_killed_container_restarts),
            ("a bad image says why", t.a_bad_image_says_why),
            ("bad input is refused with the field", t.bad_input_is_refused),
            ("the plug is pulled and everything returns", t.power_cut_and_return),
            ("nothing is left after deletion", t.nothing_is_left_after_deletion),
        ):
            s.run(name, fn)
        if s.failed:
            t.node.show_console()
    finally:
        t.shutdown()
    sys.exit(1 if s.failed else 0)


main()
