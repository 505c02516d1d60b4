#!/usr/bin/env python3
# timeout: 60
"""How long a request may take: ?timeout=, what is answered after it, and what goes on for longer."""

import json
import os
import sys
import threading

sys.path.insert(0, os.path.join(os.path.dirname(os.path.dirname(os.path.abspath(__file__))), "lib"))
import cluster  # noqa: E402
from backend import Backend  # noqa: E402
from control import Control, expect, run  # noqa: E402

MAPS = "/api/v1/namespaces/default/configmaps"


class Silent(Backend):
    """Says nothing before the test is over."""

    over = threading.Event()

    def serve(self, h, path, body):
        self.seen.append(path)
        self.over.wait(30)


backend = Silent()


def create(c, name, query=""):
    return c.request("POST", MAPS + query, json.dumps({"metadata": {"name": name}}), content_type="application/json")


def wrong_values(c):
    status, _, text = c.request("GET", MAPS + "?timeout=soon")
    expect(status == 400 and b"invalid timeout specified in the request URL" in text, (status, text))
    for good in ("0s", "5s", "1h"):
        status, _, text = c.request("GET", MAPS + "?timeout=" + good)
        expect(status == 200, (good, text))


def late(c):
    hook = {"apiVersion": "admissionregistration.k8s.io/v1", "kind": "ValidatingWebhookConfiguration", "metadata": {"name": "silent"}, "webhooks": [{
        "name": "silent.example.com", "clientConfig": {"url": f"https://127.0.0.1:{backend.port}/silent", "caBundle": backend.bundle()},
        "rules": [{"operations": ["CREATE"], "apiGroups": [""], "apiVersions": ["v1"], "resources": ["configmaps"]}],
        "failurePolicy": "Fail", "sideEffects": "None", "admissionReviewVersions": ["v1"], "timeoutSeconds": 20}]}
    c.k("create", "-f", "-", input=json.dumps(hook))

    def asked():
        status, _, text = create(c, "late", "?timeout=1s")
        expect(backend.seen, "the webhook is not known yet")
        return status, json.loads(text)
    status, answer = cluster.retry(asked, 10)
    expect(status == 504, answer)
    expect(answer == {"kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Failure", "reason": "Timeout", "details": {}, "code": 504,
                      "message": "Timeout: request did not complete within requested timeout - context deadline exceeded"}, answer)
    expect("NotFound" in c.k("get", "configmap", "late", check=False), "nothing was stored")


def goes_on(c):
    """Nothing is left of what timed out: the same name can be had."""
    c.k("delete", "validatingwebhookconfiguration", "silent")

    def there():
        status, _, text = create(c, "late", "?timeout=1s")
        expect(status == 201, text)
    cluster.retry(there, 10)


def watches_have_their_own(c):
    """`timeout` is not about them, `timeoutSeconds` is."""
    status, _, text = c.request("GET", MAPS + "?watch=1&timeout=1ms&timeoutSeconds=2")
    expect(status == 200 and b'"ADDED"' in text, (status, text))


def end(c):
    backend.over.set()
    backend.stop()


run(Control(), (
    ("the control plane starts", Control.start),
    ("values of timeout", wrong_values),
    ("a request that takes too long is answered 504", late),
    ("and leaves nothing behind", goes_on),
    ("watches last as long as they ask for", watches_have_their_own),
    ("the backend stops", end),
))
