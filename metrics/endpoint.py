"""The HTTP server of metrics-port: prometheus-client's server and registry, behind a password and TLS if asked for.

    endpoint = Endpoint(server)
    endpoint.follow(config)         # begin, move or end as metrics-* say; the reason why not, or None
    endpoint.close()

One thread accepts, one per connection answers; none of them touches the server (see metrics.mailbox). Signals are left
to the main thread. A scrape competes with the main thread for the interpreter while it formats its reply, so the
interpreter is told to hand over after half a millisecond instead of five.
"""

import base64
import hmac
import json
import signal
import socket
import socketserver
import ssl
import sys
import threading
import time
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any
from wsgiref.simple_server import WSGIRequestHandler

from prometheus_client import CollectorRegistry
from prometheus_client.exposition import ThreadingWSGIServer

from metrics import exposition
from metrics.collector import ANSWER_SECONDS, Collector
from metrics.keys import notable
from metrics.mailbox import Mailbox, NoAnswer
from metrics.snapshot import newest_slow

CONNECTIONS_MAX = 16  # at a time; more are closed
SECONDS_MAX = 15.0  # that a connection may stay silent
SWITCH_SECONDS = 0.0005
OUT_OF_FILES_SECONDS = 0.1  # between attempts to accept when that fails
SYNCHRONOUS = {signal.SIGSEGV, signal.SIGBUS, signal.SIGFPE, signal.SIGILL, signal.SIGABRT}

StartResponse = Callable[[str, list[tuple[str, str]]], Any]
Application = Callable[[dict[str, Any], StartResponse], Iterable[bytes]]

PAGE_DATA: dict[str, Callable[[Any], Any]] = {"/slowlog.json": newest_slow, "/keys.json": notable}
PAGE = Path(__file__).with_name("live.html")
PAGE_HEADERS = [
    ("Content-Type", "text/html; charset=utf-8"),
    ("Content-Security-Policy", "default-src 'none'; style-src 'unsafe-inline'; script-src 'unsafe-inline'; "
                                "connect-src 'self'; frame-ancestors 'none'"),
]  # fmt: skip


class Handler(WSGIRequestHandler):
    """One connection; nothing is logged."""

    timeout = SECONDS_MAX
    disable_nagle_algorithm = True  # headers and body are written one by one

    def log_message(self, format: str, *args: Any) -> None:
        """Say nothing."""


class Listener(ThreadingWSGIServer):
    """The listening socket and its connections."""

    request_queue_size = 64

    def __init__(self, address: str, port: int, tls: ssl.SSLContext | None) -> None:
        self.address_family = socket.AF_INET6 if ":" in address else socket.AF_INET
        self._free = threading.BoundedSemaphore(CONNECTIONS_MAX)
        self._ending = False
        super().__init__((address, port), Handler)
        if tls is not None:
            # The handshake is left to the connection's thread: a silent peer must not hold up the others.
            self.socket = tls.wrap_socket(self.socket, server_side=True, do_handshake_on_connect=False)

    def server_bind(self) -> None:
        """Bind without asking the DNS for our name."""
        socketserver.TCPServer.server_bind(self)
        self.server_name, self.server_port = str(self.server_address[0]), int(self.server_address[1])
        self.setup_environ()

    def process_request(self, request: Any, client_address: Any) -> None:
        """A thread for the connection, if one is free."""
        if self._free.acquire(blocking=False):
            super().process_request(request, client_address)
        else:
            self.shutdown_request(request)

    def process_request_thread(self, request: Any, client_address: Any) -> None:
        """The connection's thread."""
        try:
            super().process_request_thread(request, client_address)
        finally:
            self._free.release()

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A peer that went away, or speaks something else, is its own affair."""

    def serve(self) -> None:
        """The accepting thread."""
        signal.pthread_sigmask(signal.SIG_BLOCK, signal.valid_signals() - SYNCHRONOUS)
        while not self._ending:
            try:
                request, address = self.get_request()
            except OSError:
                time.sleep(0 if self._ending else OUT_OF_FILES_SECONDS)
                continue
            self.process_request(request, address)

    def end(self) -> None:
        """Stop listening, at once; connections that are being answered end by themselves."""
        self._ending = True
        try:
            self.socket.shutdown(socket.SHUT_RDWR)  # wakes the thread
        except OSError:
            pass
        self.server_close()


class Endpoint:
    """The metrics port of a server."""

    def __init__(self, server: Any) -> None:
        self.server = server
        self.registry = CollectorRegistry(auto_describe=False)
        self.mailbox = Mailbox(server)
        self.registry.register(Collector(self.mailbox))
        self.listener: Listener | None = None
        self._at: tuple[Any, ...] = ()

    def follow(self, config: Any) -> str | None:
        """Listen as the directives say. The old socket stays until the new one is open, unless it has its port."""
        if not config.metrics_port:
            self.close()
            return None
        try:
            tls = tls_context(config)
        except (OSError, ssl.SSLError) as error:
            return f"Cannot use the certificate of the metrics port: {error}"
        at = (config.metrics_bind, config.metrics_port)
        if self._at[1:] == at[1:]:
            self.close()
        try:
            listener = Listener(config.metrics_bind, config.metrics_port, tls)
        except (OSError, OverflowError) as error:
            return f"Cannot listen on {config.metrics_bind}:{config.metrics_port} for metrics: {error}"
        self.close()
        listener.set_app(self.application())
        self.listener, self._at = listener, at
        sys.setswitchinterval(SWITCH_SECONDS)
        threading.Thread(target=listener.serve, name="metrics", daemon=True).start()
        self.server.log.notice("Metrics on port %d", config.metrics_port)
        return None

    def close(self) -> None:
        """Stop listening."""
        listener, self.listener, self._at = self.listener, None, ()
        if listener is not None:
            listener.end()

    def application(self) -> Application:
        """/metrics, the live page and what it asks for, and the password before all of them."""

        def serve(environ: dict[str, Any], start_response: StartResponse) -> Iterable[bytes]:
            if not self.admits(environ.get("HTTP_AUTHORIZATION", "")):
                start_response("401 Unauthorized", [("WWW-Authenticate", 'Basic realm="metrics"')])
                return [b""]
            path = environ["PATH_INFO"]
            if path == "/metrics":
                headers, body = exposition.response(environ, self.registry.collect())
                start_response("200 OK", headers)
                return [body]
            if path == "/":
                start_response("200 OK", PAGE_HEADERS)
                return [PAGE.read_bytes()]
            if path in PAGE_DATA:
                return self.answer(PAGE_DATA[path], start_response)
            start_response("404 Not Found", [("Content-Type", "text/plain")])
            return [b""]

        return serve

    def answer(self, question: Callable[[Any], Any], start_response: StartResponse) -> Iterable[bytes]:
        """What the live page shows beside metrics."""
        try:
            found = self.mailbox.ask(question, ANSWER_SECONDS)
        except NoAnswer:
            start_response("503 Service Unavailable", [("Content-Type", "application/json")])
            return [b"null"]
        start_response("200 OK", [("Content-Type", "application/json"), ("Cache-Control", "no-store")])
        return [json.dumps(found).encode()]

    def admits(self, authorization: str) -> bool:
        """Whether a request shows metrics-user and metrics-password; anyone is welcome without a password."""
        config = self.server.config
        if not config.metrics_password:
            return True
        expected = config.metrics_user.encode("utf-8", "surrogateescape") + b":" + config.metrics_password
        scheme, _, shown = authorization.partition(" ")
        try:
            given = base64.b64decode(shown, validate=True)
        except ValueError:
            return False
        return scheme.lower() == "basic" and hmac.compare_digest(given, expected)


def tls_context(config: Any) -> ssl.SSLContext | None:
    """The certificate of metrics-tls-cert-file; with metrics-tls-ca-cert-file scrapers must show one of theirs."""
    if not config.metrics_tls_cert_file:
        return None
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(config.metrics_tls_cert_file, config.metrics_tls_key_file or None)
    if config.metrics_tls_ca_cert_file:
        context.load_verify_locations(config.metrics_tls_ca_cert_file)
        context.verify_mode = ssl.CERT_REQUIRED
    return context
