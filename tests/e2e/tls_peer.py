#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-2-Clause
"""A program that makes TLS handshakes with OpenSSL, as server and as client, without blocking,
and keeps books of how each of them ended. Loads OpenSSL when it is told to.

It takes orders line by line and answers each with one line that begins with "= ":
    load                    maps OpenSSL
    serve CERTS             a port at which it asks for certificates of clients
    connect CERTS PORT KIND a handshake as client; KIND: any, 1.3, bare (has no certificate), again
                            (a second one, which resumes the first)
    books                   {"ROLE VERSION RESULT CERTIFICATE": count, …}, seconds in all, and what OpenSSL
                            said of failures: alerts that came, and errors of its own
"""

import collections
import gc
import json
import select
import socket
import sys
import threading
import time

PATIENCE = 0.5  # seconds that a peer may be silent
CERTIFICATES = {9: "not_yet_valid", 10: "expired", 2: "unknown_issuer", 18: "unknown_issuer", 19: "unknown_issuer",
                20: "unknown_issuer", 21: "unknown_issuer"}


class Books:
    def __init__(self):
        self.lock = threading.Lock()
        self.counts = collections.Counter()
        self.alerts = collections.Counter()
        self.errors = collections.Counter()
        self.seconds = 0.0
        self.running = 0

    def book(self, role, version, result, certificate, seconds):
        with self.lock:
            self.counts[f"{role} {version} {result} {certificate}"] += 1
            self.seconds += seconds

    def fault(self, error):
        reason = getattr(error, "reason", None)  # an alert is called TLSV1_ALERT_UNKNOWN_CA
        if reason:
            _, alert, name = reason.partition("_ALERT_")
            with self.lock:
                (self.alerts if alert else self.errors)[(name or reason).lower()] += 1

    def enter(self, n):
        with self.lock:
            self.running += n

    def text(self):
        with self.lock:
            return json.dumps({"counts": self.counts, "seconds": self.seconds, "running": self.running,
                               "alerts": self.alerts, "errors": self.errors})


BOOKS = Books()


def steps(tls):
    """(version, result, certificate) of a handshake; the socket does not block."""
    import ssl
    until = time.monotonic() + PATIENCE
    while True:
        try:
            tls.do_handshake()
            return tls.version().removeprefix("TLSv"), "resumed" if tls.session_reused else "success", "ok"
        except ssl.SSLWantReadError:
            ready = select.select([tls], [], [], max(0, until - time.monotonic()))
        except ssl.SSLWantWriteError:
            ready = select.select([], [tls], [], max(0, until - time.monotonic()))
        except ssl.SSLCertVerificationError as error:
            BOOKS.fault(error)
            return "none", "tls_error", CERTIFICATES.get(error.verify_code, "unknown")
        except ssl.SSLError as error:
            BOOKS.fault(error)
            return "none", "tls_error", "ok"
        except OSError:
            return "none", "connection_error", "ok"
        if not any(ready):
            return "none", "abandoned", "ok"


def keep(tls, version):
    """The session, which in TLS 1.3 comes when the handshake is over."""
    import ssl
    if version == "1.3" and select.select([tls], [], [], PATIENCE)[0]:
        try:
            tls.recv(1)
        except ssl.SSLWantReadError:
            pass
        except ssl.SSLError as error:  # it also comes when the server has judged our certificate
            BOOKS.fault(error)
    return tls.session if version != "none" else None


def handshake(sock, context, role, name=None, session=None):
    """One handshake and the end of its connection; returns what another one can resume."""
    sock.setblocking(False)
    began = time.monotonic()
    try:
        tls = context.wrap_socket(sock, server_side=role == "server", do_handshake_on_connect=False,
                                  suppress_ragged_eofs=False, server_hostname=name, session=session)
    except OSError:
        return None
    if tls._sslobj is None:  # the peer went away: there is nothing of OpenSSL, and no handshake
        return None
    version, result, certificate = steps(tls)
    if version != "none" and role == "server":
        tls.setblocking(True)
        tls.settimeout(PATIENCE)
        try:  # also calls that succeed and fail when all is over
            tls.sendall(b"welcome")
            tls.do_handshake()
            tls.recv(100)
        except OSError as error:
            BOOKS.fault(error)
    kept = keep(tls, version) if role == "client" else None
    tls.close()
    del tls
    gc.collect()
    BOOKS.book(role, version, result, certificate, time.monotonic() - began)
    return kept


def serve(listener, context):
    def one(sock):
        try:
            handshake(sock, context, "server")
        finally:
            sock.close()
            BOOKS.enter(-1)

    while True:
        sock, _ = listener.accept()
        BOOKS.enter(1)
        threading.Thread(target=one, args=(sock,), daemon=True).start()


def server_context(certs):
    import ssl
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.load_cert_chain(f"{certs}/server.pem", f"{certs}/server.key")
    context.load_verify_locations(f"{certs}/ca.pem")
    context.verify_mode = ssl.CERT_REQUIRED
    return context


def client_context(certs, kind):
    import ssl
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.load_verify_locations(f"{certs}/ca.pem")
    if kind != "bare":
        context.load_cert_chain(f"{certs}/client.pem", f"{certs}/client.key")
    if kind == "1.3":
        context.minimum_version = ssl.TLSVersion.TLSv1_3
    return context


def obey(order, words):
    if order == "load":
        import ssl
        return ssl.OPENSSL_VERSION
    if order == "serve":
        listener = socket.create_server(("127.0.0.1", 0), backlog=100)
        threading.Thread(target=serve, args=(listener, server_context(words[0])), daemon=True).start()
        return listener.getsockname()[1]
    if order == "connect":
        certs, port, kind = words
        context, session = client_context(certs, kind), None
        for _ in range(2 if kind == "again" else 1):
            with socket.create_connection(("127.0.0.1", int(port)), timeout=PATIENCE) as sock:
                session = handshake(sock, context, "client", "localhost", session)
        return "done"
    return BOOKS.text()


for line in sys.stdin:
    print("=", obey(line.split()[0], line.split()[1:]), flush=True)
