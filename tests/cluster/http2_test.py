#!/usr/bin/env python3
# timeout: 120
"""HTTP/2 at the API's port: a real client (curl with nghttp2), and a client of our own that writes frames
by hand to flood, to trickle and to lie. After each attack the API still answers others."""

import json
import os
import socket
import ssl
import struct
import subprocess
import sys
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.dirname(os.path.abspath(__file__))), "lib"))
from control import Control, expect, run  # noqa: E402

DATA, HEADERS, RST, SETTINGS, PING, GOAWAY, WINDOW, CONTINUATION = 0, 1, 3, 4, 6, 7, 8, 9
END_STREAM, END_HEADERS, ACK = 1, 4, 1


def literal(name, value):
    """HPACK: a literal field without indexing, no Huffman; lengths below 127."""
    return b"\0" + bytes([len(name)]) + name + bytes([len(value)]) + value


def head(path=b"/healthz", method=b"GET", extra=b""):
    return (literal(b":method", method) + literal(b":scheme", b"https") + literal(b":path", path) +
            literal(b":authority", b"localhost") + extra)


class Client:
    """A connection on which frames are written as they come to mind."""

    def __init__(self, c, window=65535):
        context = c.tls()
        context.set_alpn_protocols(["h2"])
        self.s = context.wrap_socket(socket.create_connection(("127.0.0.1", c.port), 10), server_hostname="localhost")
        expect(self.s.selected_alpn_protocol() == "h2", "HTTP/2 is offered")
        self.s.settimeout(10)
        self.buffer = b""
        self.s.sendall(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + self.frame(SETTINGS, 0, 0, struct.pack(">HI", 4, window)))

    @staticmethod
    def frame(kind, flags, stream, payload=b""):
        return struct.pack(">I", len(payload))[1:] + bytes([kind, flags]) + struct.pack(">I", stream) + payload

    def send(self, *args):
        self.s.sendall(self.frame(*args))

    def read(self):
        """One frame, or None at the end of the connection."""
        while len(self.buffer) < 9 or len(self.buffer) < 9 + int.from_bytes(self.buffer[:3], "big"):
            try:
                got = self.s.recv(65536)
            except (ConnectionError, ssl.SSLError):
                got = b""
            if not got:
                return None
            self.buffer += got
        n = int.from_bytes(self.buffer[:3], "big")
        f = self.buffer[3], self.buffer[4], int.from_bytes(self.buffer[5:9], "big"), self.buffer[9:9 + n]
        self.buffer = self.buffer[9 + n:]
        return f

    def until_end(self):
        """Frames until the server ends the connection; fails when it does not."""
        frames = []
        while (f := self.read()) is not None:
            frames.append(f)
        return frames

    def answer(self, stream):
        """The body of a stream's answer; None when it was reset."""
        body = b""
        while True:
            f = self.read()
            expect(f is not None, "the connection lives")
            if f[2] != stream:
                continue
            if f[0] == RST:
                return None
            body += f[3] if f[0] == DATA else b""
            if f[1] & END_STREAM:
                return body


def alive(c):
    x = Client(c)
    x.send(HEADERS, END_STREAM | END_HEADERS, 1, head())
    expect(x.answer(1) == b"ok", "the API answers others")
    x.s.close()


def start(c):
    c.start()
    c.certificates()


def curl(c, path, *words, input=None):
    d = c.data
    out = subprocess.run(["curl", "-sS", "-m", "20", "--http2", "--cacert", f"{d}/ca.crt", "--cert", f"{d}/c.crt", "--key", f"{d}/c.key",
                          "-w", "\n%{http_version} %{http_code}", *words, f"https://127.0.0.1:{c.port}{path}"],
                         capture_output=True, text=True, input=input, timeout=30)
    body, _, tail = out.stdout.rpartition("\n")
    return body, tail


def real_client(c):
    body, tail = curl(c, "/api/v1/namespaces/default")
    expect(tail == "2 200" and json.loads(body)["kind"] == "Namespace", tail + body)
    big = json.dumps({"kind": "ConfigMap", "apiVersion": "v1", "metadata": {"name": "big"}, "data": {"a": "x" * 900000}})
    body, tail = curl(c, "/api/v1/namespaces/default/configmaps", "-H", "content-type: application/json", "--data-binary", "@-", input=big)
    expect(tail == "2 201", tail + body[:300])
    body, tail = curl(c, "/api/v1/namespaces/default/configmaps/big")
    expect(tail == "2 200" and len(json.loads(body)["data"]["a"]) == 900000, tail)
    body, tail = curl(c, "/api/v1/namespaces/default/configmaps", "-H", "content-type: application/json", "--data-binary", "@-",
                      input="{" + " " * 4000000)
    expect(tail == "2 413", tail + body[:300])
    body, tail = curl(c, "/api/v1/namespaces/default/configmaps?watch=1&timeoutSeconds=1")
    expect(tail == "2 200" and '"ADDED"' in body, tail + body[:300])
    body, tail = curl(c, "/version", "-I")
    expect(tail == "2 200", tail + body)


def many_streams(c):
    x = Client(c)
    for i in range(100):
        x.send(HEADERS, END_STREAM | END_HEADERS, 2 * i + 1, head())
    ended = set()
    while len(ended) < 100:
        f = x.read()
        expect(f is not None, "the connection lives")
        if f[0] == DATA and f[1] & END_STREAM:
            ended.add(f[2])
    x.s.close()


def slow_reader(c):
    """A stream whose answer is not taken holds up itself only."""
    x = Client(c, window=0)
    x.send(HEADERS, END_STREAM | END_HEADERS, 1, head(b"/api/v1/namespaces/default/configmaps/big"))
    expect(x.read() is not None, "its head comes")
    x.send(HEADERS, END_STREAM | END_HEADERS, 3, head())
    x.send(WINDOW, 0, 3, struct.pack(">I", 1000))
    expect(x.answer(3) == b"ok", "another stream of the connection is answered")
    alive(c)
    x.send(SETTINGS, 0, 0, struct.pack(">HI", 4, 4000000))
    x.send(WINDOW, 0, 0, struct.pack(">I", 4000000))
    expect(len(x.answer(1)) > 900000, "and then it gets all of it")
    x.s.close()


def attack(c, what):
    x = Client(c)
    try:
        what(x)
        frames = x.until_end()
    except (ConnectionError, ssl.SSLError):
        frames = []
    except socket.timeout:
        raise AssertionError("the connection was left open")
    alive(c)
    return frames


def rapid_reset(c):
    def flood(x):
        for i in range(20000):
            x.s.sendall(x.frame(HEADERS, END_STREAM | END_HEADERS, 2 * i + 1, head(b"/api/v1/namespaces/default/configmaps/big")) +
                        x.frame(RST, 0, 2 * i + 1, struct.pack(">I", 8)))
    attack(c, flood)


def continuation_flood(c):
    def flood(x):
        x.send(HEADERS, END_STREAM, 1, head())
        for i in range(20000):
            x.send(CONTINUATION, 0, 1, literal(b"x-%d" % i, b"y" * 100))
    attack(c, flood)


def many_headers(c):
    x = Client(c)
    fields = b"".join(literal(b"x-%d" % i, b"y" * 100) for i in range(130))
    x.send(HEADERS, END_STREAM | END_HEADERS, 1, (head() + fields)[:16384])
    got = x.read()
    while got is not None and not (got[2] == 1 and got[0] in (HEADERS, RST)):
        got = x.read()
    expect(got is None or got[0] == RST or b"431" in got[3] or got[0] == HEADERS, f"refused: {got}")
    alive(c)


def ping_and_settings_floods(c):
    attack(c, lambda x: [x.s.sendall(x.frame(PING, 0, 0, b"12345678") * 100) for _ in range(2000)])
    attack(c, lambda x: [x.s.sendall(x.frame(SETTINGS, 0, 0) * 100) for _ in range(2000)])


def lies(c):
    attack(c, lambda x: x.send(DATA, 0, 0, b"x"))  # data without a stream
    attack(c, lambda x: x.send(HEADERS, END_HEADERS | END_STREAM, 2, head()))  # a stream of the server's kind
    attack(c, lambda x: x.send(HEADERS, END_HEADERS | END_STREAM, 1, b"\xff\xff\xff\xff\xff\xff"))  # no HPACK
    for bad in (head(extra=literal(b"connection", b"close")), head(extra=literal(b"X-Upper", b"1")),
                head(extra=literal(b":path", b"/again")), literal(b":method", b"GET"),
                head(method=b"POST", extra=literal(b"content-length", b"5"))):
        x = Client(c)
        x.send(HEADERS, END_HEADERS | END_STREAM, 1, bad)
        expect(x.answer(1) is None, f"{bad} is reset")
        x.s.close()
    alive(c)


def abandoned_watches(c):
    """Streams that are reset leave nothing behind: the next watches still work."""
    x = Client(c)
    x.send(WINDOW, 0, 0, struct.pack(">I", 1 << 30))
    path = b"/api/v1/namespaces/default/configmaps?watch=1"
    for i in range(200):
        x.send(HEADERS, END_STREAM | END_HEADERS, 2 * i + 1, head(path))
        x.send(RST, 0, 2 * i + 1, struct.pack(">I", 8))
        time.sleep(0.002)
    x.send(HEADERS, END_STREAM | END_HEADERS, 1001, head(path))
    while True:
        f = x.read()
        expect(f is not None, "the connection lives")
        if f[2] == 1001 and f[0] == DATA:
            expect(b'"ADDED"' in f[3], f[3][:200])
            break
    x.s.close()


run(Control(), (
    ("the control plane starts", start),
    ("a real client reads, writes and watches", real_client),
    ("a hundred streams on one connection", many_streams),
    ("a stream that is not read holds up itself only", slow_reader),
    ("a flood of resets ends the connection", rapid_reset),
    ("a flood of CONTINUATION frames ends the connection", continuation_flood),
    ("too many headers are refused", many_headers),
    ("floods of PING and SETTINGS end the connection", ping_and_settings_floods),
    ("malformed frames and requests are refused", lies),
    ("abandoned watches leave nothing behind", abandoned_watches),
))
