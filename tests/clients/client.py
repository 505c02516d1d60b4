#!/usr/bin/python3
"""Debian's Python client against a node: what is done is named by the first argument. Says nothing and
ends with 0, or raises. KUBECONFIG names the cluster; pods `web` and `half` run in it."""

import json
import sys

from kubernetes import client, config, watch
from kubernetes.client.rest import ApiException
from kubernetes.stream import portforward, stream

config.load_kube_config()
core = client.CoreV1Api()
NAMESPACE = "default"


def config_map(name, data=None):
    return client.V1ConfigMap(metadata=client.V1ObjectMeta(name=name, labels={"by": "py"}), data=data or {})


def create(name):
    return core.create_namespaced_config_map(NAMESPACE, config_map(name))


def remove(name):
    core.delete_namespaced_config_map(name, NAMESPACE)


def forget_history():
    """More than the store keeps for watches."""
    create("bulk-py")
    for i in range(12):
        core.replace_namespaced_config_map("bulk-py", NAMESPACE, config_map("bulk-py", {"text": str(i)[-1] * 700000}))
    remove("bulk-py")


def informer():
    create("first")
    listed = core.list_namespaced_config_map(NAMESPACE, label_selector="by=py")
    assert [o.metadata.name for o in listed.items] == ["first"]
    old = listed.metadata.resource_version
    create("second")
    remove("second")
    w, seen = watch.Watch(), []
    for e in w.stream(core.list_namespaced_config_map, NAMESPACE, label_selector="by=py", resource_version=old, timeout_seconds=10):
        seen.append((e["type"], e["object"].metadata.name))
        if len(seen) == 2:
            w.stop()
    assert seen == [("ADDED", "second"), ("DELETED", "second")], seen
    forget_history()
    try:
        for e in watch.Watch().stream(core.list_namespaced_config_map, NAMESPACE, resource_version=old, timeout_seconds=10):
            raise AssertionError(f"an event of forgotten history: {e}")
    except ApiException as e:
        assert e.status == 410 and "too old resource version" in e.reason, e
    listed = core.list_namespaced_config_map(NAMESPACE, label_selector="by=py")
    create("third")
    for e in w.stream(core.list_namespaced_config_map, NAMESPACE, label_selector="by=py",
                      resource_version=listed.metadata.resource_version, timeout_seconds=10):
        assert (e["type"], e["object"].metadata.name) == ("ADDED", "third")
        w.stop()
    remove("first")
    remove("third")


def apply():
    api = client.ApiClient()

    def one(manager, force, data):
        return api.call_api(
            "/api/v1/namespaces/{namespace}/configmaps/applied-py", "PATCH", {"namespace": NAMESPACE},
            [("fieldManager", manager), ("force", str(force).lower())],
            {"Content-Type": "application/apply-patch+yaml", "Accept": "application/json"},
            body=json.dumps({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "applied-py"}, "data": data}),
            response_type="V1ConfigMap", auth_settings=["BearerToken"], _return_http_data_only=True)

    assert one("one", False, {"a": "1", "b": "1"}).metadata.managed_fields[0].operation == "Apply"
    try:
        one("two", False, {"a": "2"})
        raise AssertionError("no conflict")
    except ApiException as e:
        assert e.status == 409, e
    one("two", True, {"a": "2"})
    assert one("one", False, {"b": "3"}).data == {"a": "2", "b": "3"}
    remove("applied-py")


def exec_():
    s = stream(core.connect_get_namespaced_pod_exec, "web", NAMESPACE, command=["sh", "-c", "read a; echo got $a; echo oops >&2; exit 5"],
               stdin=True, stdout=True, stderr=True, tty=False, _preload_content=False)
    s.write_stdin("words\n")
    s.run_forever(timeout=15)
    assert s.read_stdout() == "got words\n" and s.read_stderr() == "oops\n"
    assert s.returncode == 5, s.returncode


def port_forward():
    pf = portforward(core.connect_get_namespaced_pod_portforward, "web", NAMESPACE, ports="8080")
    s = pf.socket(8080)
    s.setblocking(True)
    s.settimeout(15)
    s.sendall(b"GET / HTTP/1.0\r\n\r\n")
    answer = b""
    while b"v1" not in answer:
        part = s.recv(4096)
        assert part, answer
        answer += part
    assert answer.startswith(b"HTTP/1."), answer
    assert pf.error(8080) is None
    s.close()


def log():
    assert core.read_namespaced_pod_log("half", NAMESPACE, container="ended") == "finished\n"


{"informer": informer, "apply": apply, "exec": exec_, "portForward": port_forward, "log": log}[sys.argv[1]]()
