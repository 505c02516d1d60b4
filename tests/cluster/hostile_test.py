#!/usr/bin/env python3
# timeout: 120
"""Clients that mean harm, or behave as if: watchers that never read, bodies that grow when they are understood, lists
of everything. Others go on being served, memory stays bounded, the answer says what was wrong."""

import json
import os
import socket
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.dirname(os.path.abspath(__file__))), "lib"))
import cluster  # noqa: E402
from control import Control, expect, run  # noqa: E402

MAPS = "/api/v1/namespaces/default/configmaps"
MB = 1 << 20


def resident(c):
    """Bytes of all roles together."""
    total = 0
    for pid in c.roles().values():
        with open(f"/proc/{pid}/statm") as f:
            total += int(f.read().split()[1]) * os.sysconf("SC_PAGE_SIZE")
    return total


def post(c, body, kind="application/json", path=MAPS):
    status, _, out = c.request("POST", path, body, content_type=kind)
    return status, out


def refused(c, body, statuses, kind="application/json", path=MAPS):
    before = resident(c)
    status, out = post(c, body, kind, path)
    expect(status in statuses, f"{status} {out[:300]}")
    expect(json.loads(out)["message"], "it says why")
    grown = resident(c) - before
    expect(grown < 100 * MB, f"{grown // MB} MB for a body of {len(body) // 1024} KB")
    expect(c.k("get", "--raw", "/readyz") == "ok", "still there")


def deep(c):
    for body in (b'{"a":' * 500000, b"[" * 1000000, b'{"metadata":{"name":"x"},"data":' + b'{"a":' * 100000 + b"1" + b"}" * 100001):
        refused(c, body, (400, 413))
    refused(c, b"a: " + b"[" * 100000, (400, 413), "application/yaml")


def huge(c):
    refused(c, b'{"metadata":{"name":"x"},"data":{"a":"' + b"x" * (4 * MB) + b'"}}', (413,))
    refused(c, json.dumps({"metadata": {"name": "x"}, "data": {"a": "x" * (2 * MB)}}).encode(), (413, 422))
    many = ",".join(f'"k{i}":"v"' for i in range(200000))
    refused(c, ('{"metadata":{"name":"x","labels":{' + many + "}}}").encode(), (400, 413, 422))
    c.request("POST", MAPS, json.dumps({"metadata": {"name": "m"}, "data": {"a": "x" * 1000}}), content_type="application/json")
    copies = [{"op": "copy", "from": "/data", "path": f"/data/{'b' * (i + 1)}"} for i in range(40)]
    before = resident(c)
    status, _, out = c.request("PATCH", MAPS + "/m", json.dumps(copies), content_type="application/json-patch+json")
    expect(400 <= status < 500 and resident(c) - before < 100 * MB, f"CVE-2019-11254's cousin: {status} {out[:200]}")


def bombs(c):
    laughs = "a: &a [x,x,x,x,x,x,x,x,x]\n" + "".join(f"{chr(98 + i)}: &{chr(98 + i)} [{','.join(['*' + chr(97 + i)] * 9)}]\n" for i in range(9))
    refused(c, laughs.encode(), (400, 413), "application/yaml")
    refused(c, ("a: " + "&a " * 50000).encode(), (400, 413), "application/yaml")


def deaf_watchers(c):
    """Twenty that ask and never read: what is written goes on, theirs ends, and memory is given back."""
    deaf = []
    for _ in range(20):
        s = socket.socket()
        s.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        s.connect(("127.0.0.1", c.port))
        t = c.tls().wrap_socket(s, server_hostname="127.0.0.1")
        t.sendall(f"GET {MAPS}?watch=1 HTTP/1.1\r\nHost: x\r\n\r\n".encode())
        deaf.append(t)
    before = resident(c)
    for i in range(60):
        o = {"metadata": {"name": "loud"}, "data": {"a": "x" * 500000, "i": str(i)}}
        c.request("PUT" if i else "POST", MAPS + ("/loud" if i else ""), json.dumps(o), content_type="application/json")
    # 20 watchers of 30 MB of events would be 600 MB; kept history is the server's own.
    expect(resident(c) - before < 330 * MB, f"{(resident(c) - before) // MB} MB")
    _, _, body = c.request("GET", MAPS + "/loud")
    expect(json.loads(body)["data"]["i"] == "59", "written all the same")
    for t in deaf:
        t.close()
    cluster.retry(lambda: expect(resident(c) - before < 200 * MB, f"{(resident(c) - before) // MB} MB kept"), 20)


run(Control(), (
    ("the control plane starts", Control.start),
    ("documents that nest without end", deep),
    ("bodies that are too large, or become so", huge),
    ("YAML that multiplies", bombs),
    ("watchers that never read", deaf_watchers),
))
