#!/usr/bin/env python3
# timeout: 60
"""kube-public/cluster-info: who holds a bootstrap token reads where the cluster is and what its CA
is, and can tell by the token's signature that it is so. By hand: tests/cluster/cluster_info_test.py
(with build/keelson made)."""
import base64
import hashlib
import hmac
import http.client
import json
import os
import ssl
import sys
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "lib"))
import cluster
from control import Control, expect, run

PATH = "/api/v1/namespaces/kube-public/configmaps/cluster-info"


def url64(data):
    return base64.urlsafe_b64encode(data).rstrip(b"=")


def signature(token, text):
    """RFC 7515, appendix F, by Python's own HMAC."""
    name, secret = token.split(".")
    header = url64(b'{"alg":"HS256","kid":"%s"}' % name.encode())
    mac = hmac.new(secret.encode(), header + b"." + url64(text.encode()), hashlib.sha256).digest()
    return (header + b".." + url64(mac)).decode()


def ask(c, path, **headers):
    """Without the administrator's certificate."""
    context = ssl.create_default_context(cafile=c.certificates()[2])
    h = http.client.HTTPSConnection("127.0.0.1", c.port, context=context, timeout=30)
    h.request("GET", path, headers=headers)
    r = h.getresponse()
    out = r.status, r.read()
    h.close()
    return out


def data(c):
    return c.json("configmap", "-n", "kube-public", "cluster-info")["data"]


def address(c):
    """Where default/kubernetes says that the API is."""
    return c.k("get", "endpointslice", "kubernetes", "-o", "jsonpath={.endpoints[0].addresses[0]}:{.ports[0].port}")


def make(c, token, *more):
    name, secret = token.split(".")
    c.k("create", "secret", "generic", f"bootstrap-token-{name}", "-n", "kube-system", "--type=bootstrap.kubernetes.io/token",
        f"--from-literal=token-id={name}", f"--from-literal=token-secret={secret}", *(f"--from-literal={m}" for m in more))


def signed(c, token):
    d = data(c)
    expect(d.get("jws-kubeconfig-" + token[:6]) == signature(token, d["kubeconfig"]), d)


def unsigned(c, token):
    expect("jws-kubeconfig-" + token[:6] not in data(c), "a signature that should not be")


def it_says_where_and_who(c):
    text = data(c)["kubeconfig"]
    with open(c.certificates()[2], "rb") as f:
        expect("certificate-authority-data: " + base64.b64encode(f.read()).decode() in text, text)
    expect(f"server: https://{address(c)}\n" in text, text)
    path = os.path.join(c.data, "info.kubeconfig")
    with open(path, "w") as f:
        f.write(text)
    out = c.k("config", "view", "--kubeconfig", path, "-o", "jsonpath={.clusters[0].cluster.server}")
    expect(out == f"https://{address(c)}", out)


def a_token_reads_it_and_nothing_else(c):
    make(c, "reader.0123456789abcdef", "usage-bootstrap-authentication=true")
    token = {"Authorization": "Bearer reader.0123456789abcdef"}
    status, body = cluster.retry(lambda: ask(c, PATH, **token), 5)
    expect(status == 200 and json.loads(body)["data"] == data(c), body)
    for path in (os.path.dirname(PATH), PATH.replace("cluster-info", "kube-root-ca.crt"), PATH.replace("kube-public", "default")):
        status, body = ask(c, path, **token)
        expect(status == 403, (path, status, body))
    expect(ask(c, PATH)[0] == 401, "nobody in particular")
    expect(ask(c, PATH, Authorization="Bearer reader.fedcba9876543210")[0] == 401, "a wrong token")


def each_token_signs(c):
    make(c, "abcdef.0123456789abcdef", "usage-bootstrap-signing=true")
    make(c, "second.fedcba9876543210", "usage-bootstrap-signing=true")
    for token in ("abcdef.0123456789abcdef", "second.fedcba9876543210"):
        cluster.retry(lambda: signed(c, token), 10)


def only_tokens_for_it_sign(c):
    make(c, "logins.0123456789abcdef", "usage-bootstrap-authentication=true")
    make(c, "passed.0123456789abcdef", "usage-bootstrap-signing=true", "expiration=2001-01-01T00:00:00Z")
    make(c, "behind.0123456789abcdef", "usage-bootstrap-signing=true")
    cluster.retry(lambda: signed(c, "behind.0123456789abcdef"), 10)  # the others were seen before it
    unsigned(c, "logins.")
    unsigned(c, "passed.")


def it_ends_with_the_token(c):
    c.k("delete", "secret", "-n", "kube-system", "bootstrap-token-second")
    cluster.retry(lambda: unsigned(c, "second."), 10)
    soon = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(time.time() + 3))
    make(c, "sooner.0123456789abcdef", "usage-bootstrap-signing=true", f"expiration={soon}")
    cluster.retry(lambda: signed(c, "sooner.0123456789abcdef"), 3)
    cluster.retry(lambda: unsigned(c, "sooner."), 15)
    signed(c, "abcdef.0123456789abcdef")


def what_is_written_is_what_is_signed(c):
    text = data(c)["kubeconfig"].replace(address(c), "keelson.example:6443")
    expect("keelson.example" in text, text)
    c.k("patch", "configmap", "-n", "kube-public", "cluster-info", "-p", json.dumps({"data": {"kubeconfig": text}}))
    cluster.retry(lambda: expect(data(c)["jws-kubeconfig-abcdef"] == signature("abcdef.0123456789abcdef", text), "signed anew"), 10)


def after_a_restart(c):
    c.stop()
    c.start()
    cluster.retry(lambda: signed(c, "abcdef.0123456789abcdef"), 10)
    expect(f"server: https://{address(c)}\n" in data(c)["kubeconfig"], "this machine's address")


c = Control()
c.start()
run(c, [(f.__name__.replace("_", " "), f) for f in (
    it_says_where_and_who, a_token_reads_it_and_nothing_else, each_token_signs, only_tokens_for_it_sign, it_ends_with_the_token,
    what_is_written_is_what_is_signed, after_a_restart)])
