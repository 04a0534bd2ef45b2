"""A master, its replicas and sentinels over them, for tests of programs that ask sentinels where the master is."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import remus_server
from remus_embedded.directives import password_in, quoted
from remus_embedded.server_process import asked, free_port, logging_in, start_on, wait_for

if TYPE_CHECKING:
    from remus_server import RemusServer


class RemusSentinels:
    """A master, its replicas and sentinels over them, each a RemusServer. `stop()` them, or use it in a `with`."""

    def __init__(self, name: str, servers: list[RemusServer], sentinels: list[RemusServer]) -> None:
        self.name = name  # what sentinels call the master
        self.servers = servers  # the first is the master at the start
        self.sentinels = sentinels

    @property
    def addresses(self) -> list[tuple[str, int]]:
        """Of the sentinels, as clients want them."""
        return [(sentinel.host, sentinel.port) for sentinel in self.sentinels]

    def stop(self) -> None:
        """End all of them. Harmless the second time."""
        for process in (*self.sentinels, *self.servers):
            process.stop()

    def __enter__(self) -> RemusSentinels:
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()


def start(
    sentinels: int,
    replicas: int,
    name: str,
    down_after: int,
    failover_timeout: int,
    timeout: float,
    directives: dict[str, Any],
) -> RemusSentinels:
    """As remus_server.start_sentinels."""
    servers: list[RemusServer] = []
    watching: list[RemusServer] = []
    started = RemusSentinels(name, servers, watching)
    password = password_in(directives)
    if password:
        directives.setdefault("masterauth", password)
    try:
        servers.append(remus_server.start(timeout=timeout, **directives))
        for _ in range(replicas):
            servers.append(remus_server.start(timeout=timeout, replicaof=f"127.0.0.1 {servers[0].port}", **directives))
        lines = [
            f"monitor {name} 127.0.0.1 {servers[0].port} {sentinels // 2 + 1}",
            f"down-after-milliseconds {name} {down_after}",
            f"failover-timeout {name} {failover_timeout}",
            *([f"auth-pass {name} {quoted(password)}"] if password else []),
        ]
        connected = b"\r\nconnected_slaves:%d\r\n" % replicas
        wait_for([servers[0]], timeout, lambda server: connected in asked(
            server, logging_in(server) + b"INFO replication\r\n", rb"second_repl_offset:"))
        for _ in range(sentinels):
            port = free_port()
            watching.append(start_on(port, timeout, {"sentinel": lines}, "--sentinel"))
        expected = b",status=ok,address=127.0.0.1:%d,slaves=%d,sentinels=%d\r\n" % (
            servers[0].port, replicas, sentinels)
        wait_for(watching, timeout, lambda server: expected in asked(
            server, b"INFO sentinel\r\n", rb"sentinels=\d+\r"))
    except BaseException:
        started.stop()
        raise
    return started
