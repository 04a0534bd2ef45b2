"""What the metrics port serves: /metrics, the live page and what that asks for, files for Prometheus and Grafana.

    endpoint = Endpoint(server)
    endpoint.follow(config)         # begin, move or end as metrics-* say; the reason why not, or None
    endpoint.close()

Each is for those who are admitted (metrics.admission). None of its threads touches the server (metrics.mailbox). A
scrape competes with the main thread for the interpreter while it formats its reply, so the interpreter is told to hand
over after half a millisecond instead of five.
"""

import json
import ssl
import sys
import threading
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from prometheus_client import CollectorRegistry

from metrics import exposition
from metrics.admission import Admission
from metrics.collector import ANSWER_SECONDS, Collector
from metrics.keys import notable
from metrics.listener import Listener
from metrics.mailbox import Mailbox, NoAnswer
from metrics.request import HTML, JSON, NOTHING_LOADS, PLAIN, Reply, Request, told
from metrics.snapshot import newest_slow
from server.config.config import Config
from server.config.watched_files import WatchedFiles

if TYPE_CHECKING:
    from server.server import Server

SWITCH_SECONDS = 0.0005
ROOM = Path(__file__).parent
PAGE_LOADS = f"{NOTHING_LOADS}; style-src 'self'; script-src 'self'; connect-src 'self'"
KINDS = {".html": HTML, ".css": "text/css; charset=utf-8", ".js": "text/javascript; charset=utf-8", ".json": JSON}
# The live page, and what Prometheus and Grafana want to have, for who does not know where the package was installed.
FILES = {f"/{file.name}": file for kind in ("page/*", "*.yml", "dashboards/*.json") for file in ROOM.glob(kind)}
FILES["/"] = FILES.pop("/index.html")


class Endpoint:
    """The metrics port of a server."""

    def __init__(self, server: "Server") -> None:
        self.server = server
        self.registry = CollectorRegistry(auto_describe=False)
        self.mailbox = Mailbox(server)
        self.registry.register(self.collector())
        self.admission = Admission(server)
        self.listener: Listener | None = None
        self._at: tuple[Any, ...] = ()
        self._files = WatchedFiles()

    def collector(self) -> Collector:
        """What /metrics shows."""
        return Collector(self.mailbox)

    def file(self, path: str) -> Path | None:
        """The file that stands at a path."""
        return FILES.get(path)

    def answers(self, request: Request) -> dict[str, Callable[[], Reply]]:
        """What is computed, by path."""
        return {
            "/metrics": lambda: self.metrics(request),
            "/slowlog.json": lambda: self.told_by_server(newest_slow),
            "/keys.json": lambda: self.told_by_server(notable),
        }

    def follow(self, config: Config) -> str | None:
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
            listener = Listener(config.metrics_bind, config.metrics_port, tls, self.judge)
        except (OSError, OverflowError) as error:
            return f"Cannot listen on {config.metrics_bind}:{config.metrics_port} for metrics: {error}"
        self.close()
        self.listener, self._at = listener, at
        self._files.read(files_of(config))
        sys.setswitchinterval(SWITCH_SECONDS)
        threading.Thread(target=listener.serve, name="metrics", daemon=True).start()
        self.server.log.notice("Metrics on port %d", config.metrics_port)
        return None

    def tick(self, config: Config, now: float) -> None:
        """From the cron: read the certificate anew when its files have changed (tls-auto-reload-interval)."""
        if self.listener is None or not self._files.changed(files_of(config), config.tls_auto_reload_interval, now):
            return
        try:
            tls = tls_context(config)
        except (OSError, ssl.SSLError) as error:
            self.server.log.warning("The metrics port keeps its certificate: the new one cannot be used: %s", error)
            return
        if tls is not None:
            self.listener.secure(tls)
            self.server.log.notice("The certificate of the metrics port was read anew: its files have changed")

    def close(self) -> None:
        """Stop listening."""
        listener, self.listener, self._at = self.listener, None, ()
        if listener is not None:
            listener.end()

    def judge(self, request: Request) -> Reply | Callable[[], Reply]:
        """The reply to a request, or what computes it: who is refused costs no thread."""
        if (refusal := self.admission.refusal(request)) is not None:
            return refusal
        if request.path == "/keys.json" and (why := self.admission.names_keys()):
            return Reply(403, JSON, json.dumps({"refused": why}).encode())
        if (file := self.file(request.path)) is not None:
            return partial(content, file)
        nothing = "There is nothing here. / and /metrics are what there is."
        return self.answers(request).get(request.path) or told(404, nothing)

    def metrics(self, request: Request) -> Reply:
        """The text for Prometheus."""
        accepted = request.headers.get("accept-encoding", "")
        try:
            headers, body = exposition.response(accepted, request.query, self.registry.collect())
        except NoAnswer as error:  # in the middle: the rest of a scrape would be missing without a word
            return told(503, str(error))
        return Reply(200, exposition.CONTENT_TYPE, body, headers)

    def told_by_server(self, question: Callable[[Any], Any]) -> Reply:
        """What the live page shows beside metrics."""
        try:
            found = self.mailbox.ask(question, ANSWER_SECONDS)
        except NoAnswer as error:
            return Reply(503, JSON, json.dumps({"refused": str(error)}).encode())
        return Reply(200, JSON, json.dumps(found).encode())


def content(file: Path) -> Reply:
    """A file as it is."""
    return Reply(200, KINDS.get(file.suffix, PLAIN), file.read_bytes(), policy=PAGE_LOADS)


def files_of(config: Config) -> tuple[str, ...]:
    """What tls_context reads; "" where there is none."""
    return config.metrics_tls_cert_file, config.metrics_tls_key_file, config.metrics_tls_ca_cert_file


def tls_context(config: Config) -> ssl.SSLContext | None:
    """The certificate of metrics-tls-cert-file; with metrics-tls-ca-cert-file scrapers must show one of theirs."""
    if not config.metrics_tls_cert_file:
        return None
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(config.metrics_tls_cert_file, config.metrics_tls_key_file or None)
    if config.metrics_tls_ca_cert_file:
        context.load_verify_locations(config.metrics_tls_ca_cert_file)
        context.verify_mode = ssl.CERT_REQUIRED
    return context
