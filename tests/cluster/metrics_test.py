#!/usr/bin/env python3
# timeout: 60
"""What operators watch: /metrics in Prometheus' text form, and the named checks of /healthz, /livez, /readyz."""

import json
import os
import re
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.dirname(os.path.abspath(__file__))), "lib"))
from control import Control, expect, run  # noqa: E402

LINE = re.compile(r'([a-zA-Z_:][a-zA-Z0-9_:]*)(?:\{((?:[a-zA-Z_]\w*="(?:[^"\\\n]|\\["\\n])*",?)*)\})? (-?[0-9.]+(?:e[+-]?[0-9]+)?|\+Inf|NaN)')
LABEL = re.compile(r'([a-zA-Z_]\w*)="((?:[^"\\\n]|\\["\\n])*)"')


def metrics(c):
    """Everything, as {(name, frozen labels): value}; any line that the format does not have is an error."""
    status, headers, body = c.request("GET", "/metrics")
    expect(status == 200 and headers["content-type"].startswith("text/plain; version=0.0.4"), f"{status} {headers}")
    found, types = {}, {}
    for line in body.decode().splitlines():
        if line.startswith("# TYPE "):
            name, kind = line[7:].split(" ")
            expect(name not in types and kind in ("counter", "gauge", "histogram"), line)
            types[name] = kind
        elif not line.startswith("# HELP "):
            m = LINE.fullmatch(line)
            expect(m, f"no such line: {line}")
            family = re.sub("_(bucket|sum|count)$", "", m[1])
            expect(m[1] in types or types.get(family) == "histogram", f"no type: {line}")
            key = m[1], frozenset(LABEL.findall(m[2] or ""))
            expect(key not in found, f"twice: {line}")
            found[key] = float(m[3])
    for (name, labels), value in found.items():
        if types.get(name.removesuffix("_count")) == "histogram" and name.endswith("_count"):
            expect(found[name[:-6] + "_bucket", labels | {("le", "+Inf")}] == value, f"the last bucket of {name} {labels}")
    return found


def of(found, name, **labels):
    return sum(v for (n, have), v in found.items() if n == name and set(labels.items()) <= have)


def counts(c):
    before = metrics(c)
    for i in range(3):
        c.k("create", "configmap", f"m-{i}")
    c.k("create", "configmap", "m-1", check=False)
    c.k("get", "configmap", "none", check=False)
    c.request("GET", "/api/v1/namespaces/default/configmaps/m-1")
    c.request("GET", "/apis/made/up/many/times")
    after = metrics(c)

    def more(name, **labels):
        return of(after, name, **labels) - of(before, name, **labels)

    what = {"group": "", "version": "v1", "resource": "configmaps"}
    expect(more("apiserver_request_total", verb="POST", code="201", scope="namespace", **what) == 3, "creates")
    expect(more("apiserver_request_total", verb="POST", code="409", **what) == 1, "a conflict")
    expect(more("apiserver_request_total", verb="GET", code="404", scope="resource", **what) == 1, "not found")
    expect(more("apiserver_request_duration_seconds_count", verb="POST", **what) == 4, "durations")
    expect(more("apiserver_storage_objects", resource="configmaps") == 3, "objects")
    expect(of(after, "apiserver_storage_objects", resource="clusterroles.rbac.authorization.k8s.io") > 40, "objects of groups")
    expect(more("keelson_store_commits_total") >= 3 and more("keelson_store_syncs_total") >= 1, "the store's")
    expect(of(after, "apiserver_current_inflight_requests", request_kind="readOnly") >= 1, "this very request")
    expect(of(after, "apiserver_longrunning_requests", verb="WATCH") > 3, "the controllers' watches")
    expect(not any("made" in str(labels) for _, labels in after), "clients do not make labels up")
    expect(of(after, "kubernetes_build_info", major="1", minor="35") == 1, "the version")
    expect(1.7e9 < of(after, "process_start_time_seconds") < 4e9 and of(after, "process_cpu_seconds_total") > 0, "the process")


def who_may(c):
    """As upstream: no stranger; those whom the role system:monitoring is given to."""
    c.k("create", "serviceaccount", "prometheus")
    token = c.k("create", "token", "prometheus").strip()

    def get(path):
        import http.client
        import ssl
        context = ssl.create_default_context(cafile=c.certificates()[2])
        h = http.client.HTTPSConnection("127.0.0.1", c.port, context=context, timeout=20)
        h.request("GET", path, headers={"Authorization": "Bearer " + token})
        return h.getresponse().status

    expect(get("/metrics") == 403, "no right yet")
    c.k("create", "clusterrolebinding", "prometheus", "--clusterrole=system:monitoring", "--serviceaccount=default:prometheus")
    expect(get("/metrics") == 200, "the role has it")
    expect(get("/api/v1/configmaps") == 403, "and nothing else")


def checks(c):
    for path in ("healthz", "livez", "readyz"):
        out = c.k("get", "--raw", f"/{path}?verbose")
        for name in ("ping", "log", "etcd", "poststarthook/crd-informer-synced", "poststarthook/rbac/bootstrap-roles"):
            expect(f"[+]{name} ok\n" in out, f"{name} of {out}")
        expect(out.endswith(f"{path} check passed\n"), out)
        expect(("[+]informer-sync ok" in out) == (path == "readyz"), out)
        expect(c.k("get", "--raw", f"/{path}") == "ok", "one word")
    expect(c.k("get", "--raw", "/readyz/etcd") == "ok", "one check")
    expect("NotFound" in c.k("get", "--raw", "/readyz/none", check=False), "no such check")
    out = c.k("get", "--raw", "/readyz?verbose&exclude=etcd&exclude=nonsense")
    expect("[+]etcd excluded: ok\n" in out and 'no matches for "nonsense"' in out, out)
    answer = json.loads(c.request("POST", "/readyz", b"")[2])
    expect(answer["code"] == 405, answer)


run(Control(), (
    ("the control plane starts", Control.start),
    ("requests, objects, the store and the process are counted", counts),
    ("only those who may read them", who_may),
    ("health has names", checks),
))
