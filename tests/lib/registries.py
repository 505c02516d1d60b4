"""Registries for tests of pulling: Debian's docker-registry behind HTTPS, basic and token
authentication, and a small server that forwards to it, or lies."""

import base64
import hashlib
import http.client
import http.server
import json
import os
import socket
import ssl
import struct
import subprocess
import threading
import time

TOP = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))


def free_port():
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]


def openssl(*args, stdin=None):
    return subprocess.run(("openssl",) + args, input=stdin, check=True, capture_output=True, timeout=30).stdout


def make_certificates(folder):
    """ca.pem, and server.pem/server.key for 127.0.0.1 and registry.test below it."""
    at = lambda name: os.path.join(folder, name)
    openssl("req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-subj", "/CN=test CA",
            "-keyout", at("ca.key"), "-out", at("ca.pem"))
    openssl("req", "-newkey", "rsa:2048", "-nodes", "-subj", "/CN=registry", "-keyout", at("server.key"),
            "-out", at("server.csr"))
    with open(at("ext"), "w", encoding="ascii") as f:
        f.write("subjectAltName=IP:127.0.0.1,DNS:registry.test\nextendedKeyUsage=serverAuth\n")
    openssl("x509", "-req", "-in", at("server.csr"), "-CA", at("ca.pem"), "-CAkey", at("ca.key"), "-days", "2",
            "-extfile", at("ext"), "-out", at("server.pem"))


def start_registry(folder, name, data, tls=False, auth=""):
    """A docker-registry over the files in `data`; the process and its port."""
    port = free_port()
    config = os.path.join(folder, name + ".yml")
    with open(config, "w", encoding="ascii") as f:
        f.write(f"version: 0.1\nlog: {{level: warn}}\nstorage: {{filesystem: {{rootdirectory: {data}}}}}\n"
                f"http:\n  addr: 127.0.0.1:{port}\n")
        if tls:
            f.write(f"  tls: {{certificate: {folder}/server.pem, key: {folder}/server.key}}\n")
        f.write(auth)
    with open(os.path.join(folder, name + ".log"), "wb") as log:
        process = subprocess.Popen(["docker-registry", "serve", config], stdout=log, stderr=log)
    for _ in range(100):
        try:
            socket.create_connection(("127.0.0.1", port), 1).close()
            return process, port
        except OSError:
            time.sleep(0.1)
    raise RuntimeError(f"{name} does not answer")


def password_file(path, user, password):
    salt = "$2b$05$" + "abcdefghijklmnopqrstuu"
    line = subprocess.run(["perl", "-e", "print crypt($ARGV[0], $ARGV[1])", password, salt], check=True,
                          capture_output=True, text=True, timeout=30).stdout
    assert line.startswith("$2b$"), "this machine's crypt has no bcrypt"
    with open(path, "w", encoding="ascii") as f:
        f.write(f"{user}:{line}\n")


def token(folder, scope):
    """What a token server signs for distribution."""
    flat = lambda b: base64.urlsafe_b64encode(b).rstrip(b"=")
    der = openssl("x509", "-in", folder + "/server.pem", "-outform", "DER")
    kind, name, actions = scope.split(":")
    now = int(time.time())
    head = {"typ": "JWT", "alg": "RS256", "x5c": [base64.b64encode(der).decode()]}
    claims = {"iss": "test", "sub": "user", "aud": "registry", "exp": now + 300, "nbf": now - 10, "iat": now,
              "jti": "1", "access": [{"type": kind, "name": name, "actions": actions.split(",")}]}
    text = flat(json.dumps(head).encode()) + b"." + flat(json.dumps(claims).encode())
    return (text + b"." + flat(openssl("dgst", "-sha256", "-sign", folder + "/server.key", stdin=text))).decode()


class Server:
    """An HTTP server whose answers are one function: rule(handler) answers, or returns False and the
    request is forwarded to the registry on `behind`. `seen` has (path, Authorization) of each."""

    def __init__(self, rule, behind=None, tls=None):
        outer = self
        self.seen = []

        class Handler(http.server.BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_GET(self):
                outer.seen.append((self.path, self.headers.get("Authorization")))
                try:
                    if rule(self) is False:
                        self.give(*forward(behind, self.path, self.headers))
                except OSError:
                    self.close_connection = True

            def do_POST(self):
                self.form = self.rfile.read(int(self.headers["Content-Length"])).decode()
                self.do_GET()

            def give(self, status, headers, body):
                self.send_response(status)
                for name, value in {"Content-Length": str(len(body)), **headers}.items():
                    self.send_header(name, value)
                self.end_headers()
                self.wfile.write(body)
                return True

            def log_message(self, *_):
                pass

        self.http = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.http.daemon_threads = True
        if tls:
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            context.load_cert_chain(tls + "/server.pem", tls + "/server.key")
            self.http.socket = context.wrap_socket(self.http.socket, server_side=True,
                                                   do_handshake_on_connect=False)
        self.port = self.http.server_address[1]
        threading.Thread(target=self.http.serve_forever, daemon=True).start()

    def close(self):
        self.http.shutdown()
        self.http.server_close()


def forward(port, path, headers):
    c = http.client.HTTPConnection("127.0.0.1", port, timeout=20)
    c.request("GET", path, headers={k: headers[k] for k in ("Accept", "Range") if headers.get(k)})
    r = c.getresponse()
    keep = ("Content-Type", "Docker-Content-Digest", "Content-Range")
    answer = r.status, {k: r.headers[k] for k in keep if r.headers.get(k)}, r.read()
    c.close()
    return answer


def digest_of(data):
    return "sha256:" + hashlib.sha256(data).hexdigest()


class Names:
    """A DNS server that knows one name."""

    def __init__(self, name, address):
        self.name = b"".join(bytes([len(p)]) + p.encode() for p in name.split(".")) + b"\0"
        self.address = socket.inet_aton(address)
        self.asked = 0
        self.socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.socket.bind(("127.0.0.1", 0))
        self.port = self.socket.getsockname()[1]
        threading.Thread(target=self.serve, daemon=True).start()

    def serve(self):
        while True:
            query, peer = self.socket.recvfrom(512)
            self.asked += 1
            end = query.index(b"\0", 12) + 5
            known = query[12:end - 4].lower() == self.name
            is_a = query[end - 4:end - 2] == b"\0\1"
            head = query[:2] + struct.pack(">HHHHH", 0x8180 | (0 if known else 3), 1, known and is_a, 0, 0)
            answer = b"\xc0\x0c\0\1\0\1\0\0\0\x3c\0\4" + self.address if known and is_a else b""
            self.socket.sendto(head + query[12:end] + answer, peer)
