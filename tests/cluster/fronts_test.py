#!/usr/bin/env python3
# timeout: 60
"""Several fronts share the listening socket: connections spread over them, and one that is killed takes only its own."""

import http.client
import os
import signal
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.dirname(os.path.abspath(__file__))), "lib"))
import cluster  # noqa: E402
from control import Control, expect, run  # noqa: E402

FRONTS = ("front", "front2", "front3")
held = []


def start(c):
    config = os.path.join(c.data, "keelson.yaml")
    with open(config, "w") as f:
        f.write("api:\n  fronts: 3\n")
    c.options = ("--config", config)
    c.start()
    cluster.retry(lambda: expect(set(FRONTS) <= set(c.roles()), c.roles()), 10)


def serves(h):
    try:
        h.request("GET", "/api/v1/namespaces/default")
        r = h.getresponse()
        r.read()
        return r.status == 200
    except (OSError, http.client.HTTPException):
        return False


def sockets(pid):
    found = 0
    for fd in os.listdir(f"/proc/{pid}/fd"):
        try:
            found += os.readlink(f"/proc/{pid}/fd/{fd}").startswith("socket:")
        except OSError:
            pass
    return found


def spread(c):
    before = {name: sockets(c.roles()[name]) for name in FRONTS}
    for _ in range(200):
        h = http.client.HTTPSConnection("127.0.0.1", c.port, context=c.tls(), timeout=10)
        expect(serves(h), "answered")
        h.sock_kept = h.sock
        h.auto_open = 0  # what is lost stays lost
        held.append(h)
    have = {name: sockets(c.roles()[name]) - before[name] for name in FRONTS}
    expect(sum(have.values()) >= 200 and sum(n > 0 for n in have.values()) >= 2, f"who has how many connections: {have}")
    return have


def killed(c):
    pids = c.roles()
    counts = {name: sockets(pids[name]) for name in FRONTS}
    victim = max(counts, key=counts.get)
    os.kill(pids[victim], signal.SIGKILL)
    alive = sum(serves(h) for h in held)
    expect(0 < alive < 200, f"{alive} of 200 connections live on")
    for _ in range(20):
        expect(c.k("get", "--raw", "/readyz") == "ok", "new connections are taken")
    cluster.retry(lambda: expect(c.roles().get(victim) not in (None, pids[victim]), "it is back"), 10)
    expect(all(c.roles()[n] == pids[n] for n in FRONTS + ("control", "keys") if n != victim), "nobody else was touched")
    expect(sum(serves(h) for h in held) == alive, "and the others still have theirs")


def watches(c):
    """Fronts know nothing of each other: what is written through one is seen through all."""
    for i in range(12):
        c.request("POST", "/api/v1/namespaces/default/configmaps", '{"metadata":{"name":"m%d"}}' % i, content_type="application/json")
        status, _, _ = c.request("GET", f"/api/v1/namespaces/default/configmaps/m{i}")
        expect(status == 200, "written and read")


run(Control(), (
    ("three fronts start", start),
    ("connections spread over them", spread),
    ("one that is killed takes only its own connections", killed),
    ("all of them tell the same", watches),
))
