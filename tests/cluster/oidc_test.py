#!/usr/bin/env python3
# timeout: 120
"""ID tokens of an OpenID Connect issuer, a real one over HTTPS: its keys are fetched, its users are let
in with prefixed groups, roles decide what they may, and other tokens are refused."""

import base64
import http.server
import json
import os
import re
import ssl
import subprocess
import sys
import tempfile
import threading
import time

TOP = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
sys.path.insert(0, os.path.join(TOP, "tests", "lib"))
import cluster  # noqa: E402
from control import Control, expect, run  # noqa: E402

HOME = tempfile.mkdtemp(prefix="keelson-oidc-")
PORT = cluster.free_port()
ISSUER = f"https://localhost:{PORT}/realm"


def openssl(*words, data=None):
    r = subprocess.run(["openssl", *words], capture_output=True, input=data, timeout=30)
    if r.returncode:
        raise RuntimeError(f"openssl {' '.join(words)}: {r.stderr.decode()}")
    return r.stdout


def home(name):
    return os.path.join(HOME, name)


def b64(data):
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def jwk(name, kid):
    modulus = re.search(rb"Modulus=([0-9A-F]+)", openssl("rsa", "-in", home(name), "-noout", "-modulus")).group(1)
    return {"kty": "RSA", "use": "sig", "alg": "RS256", "kid": kid, "n": b64(bytes.fromhex(modulus.decode())), "e": "AQAB"}


def token(key="a.key", kid="a", alg="RS256", **claims):
    body = {"iss": ISSUER, "aud": "kube", "exp": int(time.time()) + 600, "sub": "7", "email": "ann@example.org",
            "groups": ["dev", "system:masters"], **claims}
    text = b64(json.dumps({"alg": alg, "kid": kid}).encode()) + "." + b64(json.dumps(body).encode())
    return text + "." + b64(openssl("dgst", "-sha256", "-sign", home(key), data=text.encode()))


KEYS = []


class Issuer(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        answers = {"/realm/.well-known/openid-configuration": {"issuer": ISSUER, "jwks_uri": f"{ISSUER}/keys"},
                   "/realm/keys": {"keys": KEYS}}
        body = json.dumps(answers.get(self.path, {})).encode()
        self.send_response(200 if self.path in answers else 404)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *words):
        pass


def start(c):
    for name in ("a.key", "b.key"):
        openssl("genrsa", "-out", home(name), "2048")
    openssl("req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "2", "-subj", "/CN=localhost",
            "-addext", "subjectAltName=DNS:localhost", "-keyout", home("tls.key"), "-out", home("tls.crt"))
    KEYS.append(jwk("a.key", "a"))
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(home("tls.crt"), home("tls.key"))
    server = http.server.ThreadingHTTPServer(("127.0.0.1", PORT), Issuer)
    server.socket = context.wrap_socket(server.socket, server_side=True)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    with open(home("tls.crt")) as f:
        ca = f.read().replace("\n", "\n      ")
    config = os.path.join(c.data, "keelson.yaml")
    with open(config, "w") as f:
        f.write(f"api:\n  oidc:\n    issuer: {ISSUER}\n    client_id: kube\n    username_claim: email\n"
                f"    groups_claim: groups\n    ca: |\n      {ca.rstrip()}\n")
    c.options = ("--config", config)
    c.start()


def ask(c, bearer, *words, check=True):
    ca = c.certificates()[2]
    r = subprocess.run(["kubectl", "--kubeconfig=/dev/null", f"--server=https://127.0.0.1:{c.port}", f"--certificate-authority={ca}",
                        f"--token={bearer}", *words], capture_output=True, text=True, timeout=30, stdin=subprocess.DEVNULL)
    if check and r.returncode:
        raise RuntimeError(f"{' '.join(words)}: {r.stdout}{r.stderr}")
    return r.stdout + r.stderr


def users(c):
    out = cluster.retry(lambda: ask(c, token(), "auth", "whoami"), 20)
    for word in ("ann@example.org", "oidc:dev", "oidc:system:masters", "system:authenticated"):
        expect(word in out, out)
    expect("forbidden" in ask(c, token(), "get", "pods", check=False), "no role yet")
    c.k("create", "rolebinding", "dev", "--clusterrole=view", "--group=oidc:dev")
    cluster.retry(lambda: ask(c, token(), "get", "pods"), 10)
    expect("forbidden" in ask(c, token(groups=["other"]), "get", "pods", check=False), "another group")


def strangers(c):
    for name, bearer in (("another key", token(key="b.key")), ("an unknown key", token(key="b.key", kid="b")),
                         ("expired", token(exp=1000)), ("another client", token(aud="other")),
                         ("another issuer", token(iss="https://other")), ("another algorithm", token(alg="none")),
                         ("unverified", token(email_verified=False)), ("no name", token(email=""))):
        out = ask(c, bearer, "get", "pods", check=False)
        expect("Unauthorized" in out or "logged in" in out or "provide credentials" in out, f"{name}: {out}")


def new_keys(c):
    KEYS[:] = [jwk("b.key", "b")]
    os.kill(c.roles()["control"], 9)
    cluster.retry(lambda: ask(c, token(key="b.key", kid="b"), "auth", "whoami"), 30)
    out = ask(c, token(), "get", "pods", check=False)
    expect("Unauthorized" in out or "logged in" in out, out)


run(Control(), (
    ("an issuer is configured", start),
    ("its users act with prefixed groups and what roles allow", users),
    ("any other token is refused", strangers),
    ("its keys are fetched anew", new_keys),
))
