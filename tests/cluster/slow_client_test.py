#!/usr/bin/env python3
# timeout: 90
"""Clients that take their time: silent TLS, heads and bodies byte by byte. Each is let go, others are served."""

import os
import socket
import sys
import threading
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.dirname(os.path.abspath(__file__))), "lib"))
from control import Control, expect, run  # noqa: E402

MOST = 40  # seconds until the server must have let go


def connect(c):
    return socket.create_connection(("127.0.0.1", c.port), timeout=MOST)


def trickle(s, text, seen):
    """Byte by byte for as long as it is taken; then what came back."""
    end = time.monotonic() + MOST
    try:
        for byte in text:
            s.sendall(bytes([byte]))
            time.sleep(0.25)
            if time.monotonic() > end:
                return
        while time.monotonic() < end:
            if not s.recv(4096):
                break
    except OSError:
        pass
    seen.append(time.monotonic() < end)


def let_go(c):
    head = b"GET /api HTTP/1.1\r\nHost: x\r\n" + b"X-Slow: " + b"a" * 400
    body = b"POST /api/v1/namespaces/default/configmaps HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: 1000\r\n\r\n"
    context = c.tls()
    seen, threads = [], []
    for kind in ("silent", "head", "body") * 3:
        s = connect(c)
        if kind != "silent":
            s = context.wrap_socket(s, server_hostname="127.0.0.1")
        if kind == "body":
            s.sendall(body)
        text = {"silent": b"", "head": head, "body": b" " * 400}[kind]
        threads.append(threading.Thread(target=trickle, args=(s, text, seen)))
        threads[-1].start()
    for _ in range(20):
        status, _, _ = c.request("GET", "/api/v1/namespaces")
        expect(status == 200, "others are served meanwhile")
    for t in threads:
        t.join()
    expect(seen == [True] * 9, f"{len(seen)} of 9 were let go: {seen}")


run(Control(), (
    ("the control plane starts", Control.start),
    ("slow clients are let go, and others are served", let_go),
))
