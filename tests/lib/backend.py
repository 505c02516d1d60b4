"""A TLS server of a test's own, for what the API server calls: webhooks, other API servers."""

import base64
import http.server
import json
import os
import ssl
import subprocess
import tempfile
import threading

import cluster


class Backend:
    """Answers POSTs by serve(handler, path, body), which a test defines. Certified by its own authority for
    127.0.0.1, localhost and the service `hook` in `default`; a second authority, `other`, knows nothing of it."""

    def __init__(self):
        self.dir = tempfile.mkdtemp(prefix="keelson-webhook-")
        self.port = cluster.free_port()
        self.seen = []
        self.start()

    def start(self):
        self.stopped = False
        if not os.path.exists(self.path("server.crt")):
            self.make_certificates()
        backend = self

        class Handler(http.server.BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def log_message(self, *words):
                pass

            def do_POST(self):
                if backend.stopped:  # a connection that was kept
                    self.close_connection = True
                    return
                body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
                backend.serve(self, self.path.partition("?")[0], body)

        self.server = http.server.ThreadingHTTPServer(("0.0.0.0", self.port), Handler)
        self.server.daemon_threads = True
        self.server.handle_error = lambda *why: None  # callers that do not trust us hang up
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(self.path("server.crt"), self.path("server.key"))
        self.server.socket = context.wrap_socket(self.server.socket, server_side=True,
                                                 do_handshake_on_connect=False)
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    def path(self, name):
        return os.path.join(self.dir, name)

    def make_certificates(self):
        def openssl(*words):
            subprocess.run(["openssl", *words], check=True, capture_output=True, timeout=60)

        for ca in ("ca", "other"):
            openssl("req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "2",
                    "-subj", f"/CN={ca}", "-keyout", self.path(ca + ".key"), "-out", self.path(ca + ".crt"))
        openssl("req", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-subj", "/CN=hook",
                "-keyout", self.path("server.key"), "-out", self.path("server.csr"))
        with open(self.path("ext"), "w") as f:
            f.write("subjectAltName=DNS:localhost,IP:127.0.0.1,DNS:hook.default.svc\n")
        openssl("x509", "-req", "-in", self.path("server.csr"), "-CA", self.path("ca.crt"), "-CAkey", self.path("ca.key"),
                "-CAcreateserial", "-days", "2", "-extfile", self.path("ext"), "-out", self.path("server.crt"))

    def bundle(self, ca="ca"):
        with open(self.path(ca + ".crt"), "rb") as f:
            return base64.b64encode(f.read()).decode()

    def stop(self):
        self.stopped = True
        self.server.shutdown()
        self.server.server_close()

    def serve(self, h, path, body):
        raise NotImplementedError

    @staticmethod
    def answer(h, status, out, **headers):
        out = out if isinstance(out, bytes) else json.dumps(out).encode()
        try:
            h.send_response(status)
            for name, value in headers.items():
                h.send_header(name, value)
            h.send_header("Content-Length", str(len(out)))
            h.end_headers()
            h.wfile.write(out)
        except OSError:
            pass  # the caller did not wait
