"""TLS of one server: what it shows and whom it trusts, read from the tls- directives; contexts for those who come to us
and for links that we open. A context that is replaced lives on in the connections that it made.

`iothreads.tls` does the work, with the OpenSSL of this machine.
"""

import time
from collections.abc import Callable

from iothreads.openssl import NoOpenSSL
from iothreads.tls import TlsContext, TlsError
from server.clients.client import KEPT, Client
from server.config.config import Config
from server.config.watched_files import WatchedFiles
from server.observe.log import Log
from server.registry.info_sections import TLS
from server.registry.light import Any

DIRECTIVES = (
    "tls-cert-file", "tls-key-file", "tls-key-file-pass", "tls-client-cert-file", "tls-client-key-file",
    "tls-client-key-file-pass", "tls-dh-params-file", "tls-ca-cert-file", "tls-ca-cert-dir", "tls-auth-clients",
    "tls-protocols", "tls-ciphers", "tls-ciphersuites", "tls-prefer-server-ciphers", "tls-session-caching",
    "tls-session-cache-size", "tls-session-cache-timeout", "tls-replication", "tls-cluster",
)
REFUSED = "Unable to update TLS configuration. Check server logs."
TICK_MS = 1000
DAY = 86400


class Tls:
    """The contexts, who is shaking hands, and how often that went well."""

    def __init__(self, config: Config, log: Log) -> None:
        self._config = config
        self._log = log
        self._accepting: TlsContext | None = None
        self._linking: TlsContext | None = None
        self._of_nodes: TlsContext | None = None
        self._files = WatchedFiles()
        self.on_context: Callable[[TlsContext | None], object] = lambda context: None
        self.shaking: set[Client] = set()
        self._through: set[Client] = set()
        self.reset_statistics()

    def reset_statistics(self) -> None:
        """CONFIG RESETSTAT."""
        self.handshakes = self.failures = self.reloads = self.reload_failures = 0

    # ---- contexts
    @property
    def wanted(self) -> bool:
        """Whether anything here speaks TLS."""
        config = self._config
        return bool(config.tls_port or config.tls_replication or config.tls_cluster)

    def for_replication(self) -> TlsContext | None:
        """Of the link to our master; None: it is plain."""
        return self._links() if self._config.tls_replication else None

    def for_cluster(self) -> TlsContext | None:
        """Of links between nodes, MIGRATE's among them; None: they are plain."""
        return self._links() if self._config.tls_cluster else None

    def for_nodes(self) -> TlsContext | None:
        """Of other nodes that come to the bus port, who must show a certificate whatever clients must; None: plain."""
        return self._of_nodes if self._config.tls_cluster else None

    def _links(self) -> TlsContext:
        assert self._linking is not None, "TLS is wanted, so prepare() or follow() has made it"
        return self._linking

    def prepare(self) -> bool:
        """At start, and before a TLS port is opened: whether there are contexts, if any are wanted."""
        return not self.wanted or self._accepting is not None or self._make()

    def follow(self, config: Config) -> str | None:
        """CONFIG SET of one of DIRECTIVES. A reason: nothing changes."""
        return REFUSED if self.wanted and not self._make() else None

    def _make(self) -> bool:
        """Read everything anew; the log says why that does not do."""
        try:
            accepting, linking = contexts(self._config)
            of_nodes = accepting_context(self._config, "yes") if self._config.tls_cluster else None
        except (TlsError, NoOpenSSL) as error:
            self._log.warning("%s", error)
            return False
        self._accepting, self._linking, self._of_nodes = accepting, linking, of_nodes
        self._files.read(files_of(self._config))
        self.on_context(accepting)
        return True

    # ---- files that change
    def tick(self) -> None:
        """From the cron: read certificates anew whose files have changed (tls-auto-reload-interval)."""
        every = self._config.tls_auto_reload_interval
        if self._accepting is None or not self._files.changed(files_of(self._config), every, time.monotonic()):
            return
        if self._make():
            self.reloads += 1
            self._log.notice("TLS certificates were read anew: their files have changed")
        else:
            self.reload_failures += 1
            self._log.warning("The TLS certificates that were read before stay in use")

    # ---- clients
    def shakes_hands(self, client: Client) -> None:
        """It has come to the TLS port."""
        self.shaking.add(client)
        client.set(KEPT)

    def secured(self, client: Client) -> None:
        """It is through its handshake."""
        self.shaking.discard(client)
        self._through.add(client)
        self.handshakes += 1

    def transport_failed(self, client: Client, reason: str) -> None:
        """Its connection ends, and TLS says why."""
        if client in self.shaking:
            self.failures += 1
            self._log.warning("Error accepting a client connection: %s (addr=%s laddr=%s)", reason, client.address,
                              client.local_address)
        else:
            self._log.verbose("Reading from client: %s", reason)

    def forget(self, client: Client) -> None:
        """It is gone."""
        self.shaking.discard(client)
        self._through.discard(client)

    def carries(self, client: Client) -> bool:
        """Whether the client speaks TLS; of one without a connection, whether the nodes of the cluster do."""
        return client in self._through or client.fd < 0 and self._config.tls_cluster

    # ---- for INFO
    def days_left(self) -> int:
        """Whole days until the server's certificate ends; -1 without one, also when it has ended."""
        if self._accepting is None or not self._accepting.expires:
            return -1
        return max(-1, int((self._accepting.expires - time.time()) // DAY))

    @property
    def expires(self) -> int:
        """When it ends, Unix seconds; 0 without one."""
        return int(self._accepting.expires) if self._accepting is not None else 0


def files_of(config: Config) -> tuple[str, ...]:
    """All that is read for contexts; "" where there is none."""
    return (config.tls_cert_file, config.tls_key_file, config.tls_client_cert_file, config.tls_client_key_file,
            config.tls_ca_cert_file, config.tls_ca_cert_dir, config.tls_dh_params_file)


def contexts(config: Config) -> tuple[TlsContext, TlsContext]:
    """Of those who come, and of links that we open. Errors: TlsError, NoOpenSSL."""
    if not config.tls_cert_file:
        raise TlsError("No tls-cert-file configured!")
    if not config.tls_key_file:
        raise TlsError("No tls-key-file configured!")
    verifies = config.tls_auth_clients != "no" or config.tls_cluster or config.tls_replication
    if verifies and not config.tls_ca_cert_file and not config.tls_ca_cert_dir:
        raise TlsError("Either tls-ca-cert-file or tls-ca-cert-dir must be specified when tls-cluster, tls-replication "
                       "or tls-auth-clients are enabled!")
    own = (config.tls_cert_file, config.tls_key_file, config.tls_key_file_pass)
    if config.tls_client_cert_file and config.tls_client_key_file:
        own = (config.tls_client_cert_file, config.tls_client_key_file, config.tls_client_key_file_pass)
    linking = TlsContext(accepting=False, certificate=own[0], key=own[1], key_password=own[2], **_common(config))
    return accepting_context(config, config.tls_auth_clients), linking


def accepting_context(config: Config, verify: str) -> TlsContext:
    """Of those who come. verify: as tls-auth-clients. Errors: TlsError, NoOpenSSL."""
    return TlsContext(
        accepting=True, certificate=config.tls_cert_file, key=config.tls_key_file,
        key_password=config.tls_key_file_pass, verify=verify, server_prefers=config.tls_prefer_server_ciphers,
        sessions=config.tls_session_cache_size,
        session_seconds=config.tls_session_cache_timeout if config.tls_session_caching else 0,
        dh_parameters=config.tls_dh_params_file, **_common(config))


def _common(config: Config) -> dict[str, Any]:
    return {
        "authorities": config.tls_ca_cert_file, "authorities_folder": config.tls_ca_cert_dir,
        "protocols": config.tls_protocols, "ciphers": config.tls_ciphers, "ciphersuites": config.tls_ciphersuites,
    }


# ---- INFO
tls = TLS.of(Tls)
tls.field("tls_handshakes", lambda t: t.handshakes)
tls.field("tls_handshake_failures", lambda t: t.failures)
tls.field("tls_handshakes_under_way", lambda t: len(t.shaking))
tls.field("tls_certificate_days_left", lambda t: t.days_left())
tls.field("tls_certificate_expires", lambda t: t.expires)
tls.field("tls_reloads", lambda t: t.reloads)
tls.field("tls_reload_failures", lambda t: t.reload_failures)
