#!/usr/bin/env python3
# timeout: 300
"""Who may do what, with the real kubectl: users with certificates from the certificates API,
service-account tokens, impersonation, roles, access reviews, bootstrap tokens, the issuer's documents."""

import base64
import http.client
import json
import os
import ssl
import subprocess
import sys
import time

TOP = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
sys.path.insert(0, os.path.join(TOP, "tests", "lib"))
import cluster  # noqa: E402
from control import Control, expect, run  # noqa: E402


def openssl(*words):
    r = subprocess.run(["openssl", *words], capture_output=True, text=True, timeout=30)
    if r.returncode:
        raise RuntimeError(f"openssl {' '.join(words)}: {r.stderr}")
    return r.stdout


def path(c, name):
    return os.path.join(c.data, name)


def request_yaml(c, name, subject, signer="kubernetes.io/kube-apiserver-client", usages=("client auth",), key="ec", extra="", names=""):
    kind = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256"] if key == "ec" else ["-newkey", "rsa:2048"]
    openssl("req", "-new", *kind, "-nodes", "-keyout", path(c, name + ".key"), "-out", path(c, name + ".csr"), "-subj", subject,
            *(["-addext", names] if names else []))
    with open(path(c, name + ".csr"), "rb") as f:
        request = base64.b64encode(f.read()).decode()
    return (f"apiVersion: certificates.k8s.io/v1\nkind: CertificateSigningRequest\nmetadata: {{name: {name}}}\n"
            f"spec:\n  request: {request}\n  signerName: {signer}\n  usages: {json.dumps(list(usages))}\n{extra}")


def certificate(c, name):
    """The issued certificate, once it is there."""
    def there():
        status = c.json("csr", name).get("status", {})
        expect(status.get("certificate"), f"a certificate: {status}")
        return base64.b64decode(status["certificate"])
    pem = cluster.retry(there, 15)
    with open(path(c, name + ".crt"), "wb") as f:
        f.write(pem)
    return openssl("x509", "-in", path(c, name + ".crt"), "-noout", "-text")


def kubectl(c, credentials, *words, input=None, check=True):
    """kubectl with nothing but these credentials."""
    ca = c.certificates()[2]
    argv = ["kubectl", "--kubeconfig=/dev/null", f"--server=https://127.0.0.1:{c.port}", f"--certificate-authority={ca}",
            *credentials, *words]
    r = subprocess.run(argv, capture_output=True, text=True, timeout=30, **({"input": input} if input is not None else {"stdin": subprocess.DEVNULL}))
    if check and r.returncode:
        raise RuntimeError(f"{' '.join(words)}: {r.stdout}{r.stderr}")
    return r.stdout if check else r.stdout + r.stderr


def user(c, name):
    return [f"--client-certificate={path(c, name + '.crt')}", f"--client-key={path(c, name + '.key')}"]


def certificates_for_users(c):
    c.k("create", "-f", "-", input=request_yaml(c, "jane", "/O=developers/O=testers/CN=jane", key="rsa"))
    expect("Pending" in c.k("get", "csr", "jane"), "pending")
    c.k("certificate", "approve", "jane")
    text = certificate(c, "jane")
    for word in ("O = developers, O = testers, CN = jane", "TLS Web Client Authentication"):
        expect(word in text or word.replace(" = ", "=") in text, f"{word} in {text}")
    expect("Approved,Issued" in c.k("get", "csr", "jane"), "issued")
    out = kubectl(c, user(c, "jane"), "auth", "whoami")
    der = openssl("x509", "-in", path(c, "jane.crt"), "-noout", "-fingerprint", "-sha256").split("=")[1].strip().replace(":", "").lower()
    for word in ("jane", "developers", "testers", "system:authenticated", "X509SHA256=" + der):
        expect(word in out, out)
    out = kubectl(c, user(c, "jane"), "get", "pods", check=False)
    expect('pods is forbidden: User "jane" cannot list resource "pods" in API group "" in the namespace "default"' in out, out)


def denied_and_refused_requests(c):
    c.k("create", "-f", "-", input=request_yaml(c, "denied", "/CN=denied"))
    c.k("certificate", "deny", "denied")
    time.sleep(1)
    expect("certificate" not in c.json("csr", "denied").get("status", {}), "none for who was denied")
    c.k("patch", "csr", "denied", "--subresource=approval", "--type=merge", "-p",
        '{"metadata":{"annotations":{"seen":"yes"}},"spec":{"username":"root"}}')
    csr = c.json("csr", "denied")
    expect(csr["metadata"]["annotations"] == {"seen": "yes"} and csr["spec"]["username"] == "kubernetes-admin", csr)
    out = c.k("patch", "csr", "denied", "--subresource=approval", "--type=merge", "-p", '{"status":{"conditions":[]}}', check=False)
    expect('updates may not remove a condition of type "Denied"' in out, out)
    out = c.k("create", "-f", "-", input=request_yaml(c, "root", "/O=system:masters/CN=root"), check=False)
    expect("use of kubernetes.io/kube-apiserver-client signer with system:masters group is not allowed" in out, out)
    c.k("create", "-f", "-", input=request_yaml(c, "server", "/CN=server", usages=("server auth",)))
    c.k("certificate", "approve", "server")
    cluster.retry(lambda: expect("Failed" in c.k("get", "csr", "server"), "failed"), 10)
    out = c.k("create", "-f", "-", check=False, input=request_yaml(c, "short", "/CN=short", extra="  expirationSeconds: 5\n"))
    expect("may not specify a duration less than 600 seconds" in out, out)
    broken = request_yaml(c, "broken", "/CN=broken").splitlines()
    broken[4] = "  request: " + base64.b64encode(b"no request").decode()
    out = c.k("create", "-f", "-", input="\n".join(broken), check=False)
    expect("spec.request: Invalid value" in out, out)


def approval_needs_the_signer(c):
    c.k("create", "clusterrole", "csr-writer", "--verb=create,get,list,update,patch",
        "--resource=certificatesigningrequests.certificates.k8s.io,certificatesigningrequests.certificates.k8s.io/approval")
    c.k("create", "clusterrolebinding", "csr-writer", "--clusterrole=csr-writer", "--user=jane")
    kubectl(c, user(c, "jane"), "create", "-f", "-", input=request_yaml(c, "joe", "/CN=joe"))
    expect(c.json("csr", "joe")["spec"]["username"] == "jane", "who asked")
    out = kubectl(c, user(c, "jane"), "certificate", "approve", "joe", check=False)
    expect('user not permitted to approve requests with signerName "kubernetes.io/kube-apiserver-client"' in out, out)
    c.k("create", "clusterrolebinding", "approver", "--clusterrole=system:certificates.k8s.io:kube-apiserver-client-approver", "--user=jane")
    kubectl(c, user(c, "jane"), "certificate", "approve", "joe")
    certificate(c, "joe")
    expect("joe" in kubectl(c, user(c, "joe"), "auth", "whoami"), "joe")


def bootstrap_token_to_node(c):
    secret = {"apiVersion": "v1", "kind": "Secret", "type": "bootstrap.kubernetes.io/token",
              "metadata": {"name": "bootstrap-token-abcdef", "namespace": "kube-system"},
              "stringData": {"token-id": "abcdef", "token-secret": "0123456789abcdef", "usage-bootstrap-authentication": "true",
                             "auth-extra-groups": "system:bootstrappers:kubeadm:default-node-token"}}
    token = ["--token=abcdef.0123456789abcdef"]
    expect("Unauthorized" in kubectl(c, token, "get", "csr", check=False) or
           "must be logged in" in kubectl(c, token, "get", "csr", check=False), "no such token yet")
    c.k("create", "-f", "-", input=json.dumps(secret))
    out = kubectl(c, token, "auth", "whoami")
    for word in ("system:bootstrap:abcdef", "system:bootstrappers:kubeadm:default-node-token"):
        expect(word in out, out)
    kubectl(c, token, "create", "-f", "-", input=request_yaml(
        c, "node9", "/O=system:nodes/CN=system:node:node9", "kubernetes.io/kube-apiserver-client-kubelet", ("digital signature", "client auth")))
    certificate(c, "node9")
    expect("Auto approving kubelet client certificate" in c.k("get", "csr", "node9", "-o", "yaml"), "by itself")
    out = kubectl(c, user(c, "node9"), "get", "secrets", "-A", check=False)
    expect("forbidden" in out, out)
    kubectl(c, user(c, "node9"), "create", "-f", "-", input="apiVersion: v1\nkind: Node\nmetadata: {name: node9}\n")
    out = kubectl(c, user(c, "node9"), "label", "node/node9", "node-role.kubernetes.io/control-plane=", check=False)
    expect("is not allowed to modify labels" in out, out)
    # A certificate for serving is none for asking (CVE-2018-16886), whatever its name.
    kubectl(c, user(c, "node9"), "create", "-f", "-", input=request_yaml(
        c, "serving9", "/O=system:nodes/CN=system:node:node9", "kubernetes.io/kubelet-serving", ("digital signature", "server auth"),
        names="subjectAltName=DNS:node9,IP:192.0.2.9"))
    c.k("certificate", "approve", "serving9")
    text = certificate(c, "serving9")
    expect("DNS:node9, IP Address:192.0.2.9" in text and "TLS Web Server Authentication" in text, text)
    out = kubectl(c, user(c, "serving9"), "get", "nodes", "node9", check=False)
    expect("node9" in kubectl(c, user(c, "node9"), "get", "nodes", "node9") and ("Unauthorized" in out or "logged in" in out), out)
    soon = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(time.time() + 3))
    c.k("patch", "secret", "-n", "kube-system", "bootstrap-token-abcdef", "-p", json.dumps({"stringData": {"expiration": soon}}))
    cluster.retry(lambda: expect("NotFound" in c.k("get", "secret", "-n", "kube-system", "bootstrap-token-abcdef", check=False), "cleaned up"), 15)
    out = kubectl(c, token, "auth", "whoami", check=False)
    expect("Unauthorized" in out or "logged in" in out or "provide credentials" in out, out)


def service_accounts(c):
    c.k("create", "serviceaccount", "robot")
    token = c.k("create", "token", "robot", "--duration=10m").strip()
    robot = [f"--token={token}"]
    out = kubectl(c, robot, "get", "configmaps", check=False)
    expect('User "system:serviceaccount:default:robot" cannot list resource "configmaps"' in out, out)
    c.k("create", "rolebinding", "robot", "--clusterrole=view", "--serviceaccount=default:robot")
    cluster.retry(lambda: kubectl(c, robot, "get", "configmaps"), 5)
    expect("forbidden" in kubectl(c, robot, "get", "secrets", check=False), "view shows no secrets")
    expect("forbidden" in kubectl(c, robot, "get", "configmaps", "-n", "kube-system", check=False), "only its namespace")
    review = json.loads(c.k("create", "-f", "-", "-o", "json", input=json.dumps(
        {"apiVersion": "authentication.k8s.io/v1", "kind": "TokenReview", "spec": {"token": token}})))
    expect(review["status"]["user"]["username"] == "system:serviceaccount:default:robot", review)
    other = c.k("create", "token", "robot", "--audience=vault").strip()
    out = kubectl(c, [f"--token={other}"], "get", "configmaps", check=False)
    expect("Unauthorized" in out or "logged in" in out, out)
    review = json.loads(c.k("create", "-f", "-", "-o", "json", input=json.dumps(
        {"apiVersion": "authentication.k8s.io/v1", "kind": "TokenReview", "spec": {"token": other, "audiences": ["x", "vault"]}})))
    expect(review["status"].get("authenticated") and review["status"]["audiences"] == ["vault"], review)
    c.k("create", "secret", "generic", "bound")
    bound = c.k("create", "token", "robot", "--bound-object-kind=Secret", "--bound-object-name=bound").strip()
    kubectl(c, [f"--token={bound}"], "get", "configmaps")
    c.k("delete", "secret", "bound")
    out = kubectl(c, [f"--token={bound}"], "get", "configmaps", check=False)
    expect("Unauthorized" in out or "logged in" in out, out)
    c.k("delete", "serviceaccount", "robot")
    out = kubectl(c, robot, "get", "configmaps", check=False)
    expect("Unauthorized" in out or "logged in" in out, out)


def tokens_in_secrets(c):
    c.k("create", "serviceaccount", "ci")
    secret = {"apiVersion": "v1", "kind": "Secret", "type": "kubernetes.io/service-account-token",
              "metadata": {"name": "ci-token", "annotations": {"kubernetes.io/service-account.name": "ci"}}}
    c.k("create", "-f", "-", input=json.dumps(secret))
    def filled():
        data = c.json("secret", "ci-token").get("data", {})
        expect("token" in data, "a token")
        return {k: base64.b64decode(v).decode() for k, v in data.items()}
    data = cluster.retry(filled, 10)
    expect(data["namespace"] == "default" and "BEGIN CERTIFICATE" in data["ca.crt"], data)
    ci = [f"--token={data['token']}"]
    expect("system:serviceaccount:default:ci" in kubectl(c, ci, "auth", "whoami"), "ci")
    c.k("delete", "serviceaccount", "ci")
    out = kubectl(c, ci, "auth", "whoami", check=False)
    expect("Unauthorized" in out or "logged in" in out, out)
    cluster.retry(lambda: expect("NotFound" in c.k("get", "secret", "ci-token", check=False), "its secret goes too"), 10)


def issuer_documents(c):
    c.k("create", "serviceaccount", "reader")
    token = c.k("create", "token", "reader").strip()
    document = json.loads(kubectl(c, [f"--token={token}"], "get", "--raw", "/.well-known/openid-configuration"))
    keys = json.loads(kubectl(c, [f"--token={token}"], "get", "--raw", "/openid/v1/jwks"))["keys"]
    head, claims = (json.loads(base64.urlsafe_b64decode(p + "==")) for p in token.split(".")[:2])
    expect(document["issuer"] == claims["iss"] and document["jwks_uri"].endswith("/openid/v1/jwks"), document)
    expect(head["kid"] in [k["kid"] for k in keys] and keys[0]["kty"] == "EC", keys)
    expect("forbidden" in c.k("get", "--raw", "/openid/v1/jwks", "--as=jane", check=False), "not for everybody")


def rotated_key(c):
    def kid(token):
        return json.loads(base64.urlsafe_b64decode(token.split(".")[0] + "=="))["kid"]
    c.k("create", "serviceaccount", "old")
    before = c.k("create", "token", "old").strip()
    with open(os.path.join(c.data, "keys", "sa.rotate"), "w"):
        pass
    os.kill(c.roles()["keys"], 9)
    def another():
        token = c.k("create", "token", "old").strip()
        expect(kid(token) != kid(before), "another key")
        return token
    after = cluster.retry(another, 20)
    for token in (before, after):
        expect("system:serviceaccount:default:old" in kubectl(c, [f"--token={token}"], "auth", "whoami"), kid(token))
    keys = [k["kid"] for k in json.loads(c.k("get", "--raw", "/openid/v1/jwks"))["keys"]]
    expect(keys == [kid(after), kid(before)], keys)


def impersonation(c):
    out = c.k("auth", "whoami", "--as=alice", "--as-group=a", "--as-uid=7")
    for word in ("alice", "system:authenticated"):
        expect(word in out, out)
    out = c.k("get", "secrets", "--as=alice", check=False)
    expect('User "alice" cannot list resource "secrets"' in out, out)
    out = kubectl(c, user(c, "jane"), "get", "pods", "--as=alice", check=False)
    expect('users "alice" is forbidden: User "jane" cannot impersonate resource "users" in API group "" at the cluster scope' in out, out)
    c.k("create", "clusterrole", "impersonator", "--verb=impersonate", "--resource=users", "--resource-name=alice")
    c.k("create", "clusterrolebinding", "impersonator", "--clusterrole=impersonator", "--user=jane")
    expect("alice" in kubectl(c, user(c, "jane"), "auth", "whoami", "--as=alice"), "alice")
    expect('users "bob" is forbidden' in kubectl(c, user(c, "jane"), "get", "pods", "--as=bob", check=False), "not bob")
    out = kubectl(c, user(c, "jane"), "get", "pods", "--as=alice", "--as-group=system:masters", check=False)
    expect('cannot impersonate resource "groups"' in out, out)


def can_i(c):
    c.k("create", "rolebinding", "alice", "--clusterrole=edit", "--user=alice")
    cluster.retry(lambda: expect(c.k("auth", "can-i", "create", "deployments", "--as=alice").strip() == "yes", "edit"), 10)
    for words, answer in ((("delete", "pods/p"), "yes"), (("get", "nodes"), "no"), (("create", "roles"), "no"),
                          (("get", "/healthz"), "yes"), (("get", "/metrics"), "no"), (("list", "pods", "-n", "kube-system"), "no")):
        out = c.k("auth", "can-i", *words, "--as=alice", check=False)
        expect(answer in out.splitlines(), f"{words}: {out}")
    out = c.k("auth", "can-i", "--list", "--as=alice")
    for word in ("deployments.apps", "selfsubjectreviews.authentication.k8s.io", "[/healthz]"):
        expect(word in out, f"{word} in {out}")
    expect("*.*" in c.k("auth", "can-i", "--list"), "an administrator")


def aggregation(c):
    role = {"apiVersion": "rbac.authorization.k8s.io/v1", "kind": "ClusterRole",
            "metadata": {"name": "crontabs", "labels": {"rbac.authorization.k8s.io/aggregate-to-view": "true"}},
            "rules": [{"apiGroups": ["stable.example.com"], "resources": ["crontabs"], "verbs": ["get"]}]}
    def resources(name):
        return [r for rule in c.json("clusterrole", name).get("rules") or [] for r in rule["resources"]]
    cluster.retry(lambda: expect("pods" in resources("view") and "roles" in resources("admin"), "gathered"), 10)
    c.k("create", "-f", "-", input=json.dumps(role))
    for name in ("view", "edit", "admin"):
        cluster.retry(lambda: expect("crontabs" in resources(name), name), 10)
    c.k("delete", "clusterrole", "crontabs")
    cluster.retry(lambda: expect("crontabs" not in resources("admin"), "and gone"), 10)


def reconcile(c):
    manifest = ("apiVersion: rbac.authorization.k8s.io/v1\nkind: Role\nmetadata: {name: rec, namespace: default}\n"
                "rules:\n- {apiGroups: [''], resources: [pods], verbs: [get%s]}\n")
    expect("reconciled" in c.k("auth", "reconcile", "-f", "-", input=manifest % ""), "made")
    expect("reconciled" in c.k("auth", "reconcile", "-f", "-", input=manifest % ", list"), "widened")
    verbs = [v for r in c.json("role", "rec")["rules"] for v in r["verbs"]]
    expect("list" in verbs, verbs)


def escalation(c):
    c.k("create", "role", "granter", "--verb=create", "--resource=roles,rolebindings")
    c.k("create", "rolebinding", "granter", "--role=granter", "--user=jane")
    out = cluster.retry(lambda: kubectl(c, user(c, "jane"), "create", "role", "r", "--verb=get", "--resource=secrets", check=False), 5)
    expect("is attempting to grant RBAC permissions not currently held" in out and 'Resources:["secrets"]' in out, out)
    out = kubectl(c, user(c, "jane"), "create", "rolebinding", "r", "--clusterrole=cluster-admin", "--user=jane", check=False)
    expect("is attempting to grant RBAC permissions not currently held" in out, out)


def strangers(c):
    def ask(target):
        h = http.client.HTTPSConnection("127.0.0.1", c.port, context=ssl.create_default_context(cafile=c.certificates()[2]), timeout=10)
        h.request("GET", target)
        status = h.getresponse().status
        h.close()
        return status
    for target, status in (("/livez", 200), ("/readyz", 200), ("/version", 200), ("/api", 401), ("/apis", 401),
                           ("/metrics", 401), ("/openid/v1/jwks", 401), ("/api/v1/pods", 401)):
        expect(ask(target) == status, f"{target}: {ask(target)}")
    c.k("delete", "clusterrolebinding", "system:public-info-viewer")
    cluster.retry(lambda: expect(ask("/version") == 403, "a role decides even that"), 5)


run(Control(), (
    ("the control plane starts", lambda c: c.start()),
    ("strangers see health and nothing else", strangers),
    ("the certificates API makes users", certificates_for_users),
    ("requests are denied, refused and failed", denied_and_refused_requests),
    ("who approves needs the right for the signer", approval_needs_the_signer),
    ("a bootstrap token becomes a node by itself", bootstrap_token_to_node),
    ("service accounts do what roles allow, and nothing without their token's ground", service_accounts),
    ("a secret holds an account's token for as long as both are there", tokens_in_secrets),
    ("others can verify our tokens", issuer_documents),
    ("a new signing key leaves old tokens good", rotated_key),
    ("only who may acts as somebody else", impersonation),
    ("kubectl auth can-i tells the truth", can_i),
    ("cluster roles are aggregated", aggregation),
    ("kubectl auth reconcile works", reconcile),
    ("nobody grants what they do not have", escalation),
))
