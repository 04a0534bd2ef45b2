"""A primary with its replica, for tests of programs that read from replicas or live through a failover."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from remus_server import RemusServer


class Replicated:
    """Two servers. `primary` and `replica` change places with `failover()`."""

    def __init__(self, primary: RemusServer, replica: RemusServer) -> None:
        self.primary = primary
        self.replica = replica

    def wait_in_sync(self, timeout: float = 30.0) -> None:
        """Return once the replica has all that the primary has written. Error: TimeoutError."""
        offset = _replication(self.primary)["master_repl_offset"]

        def has_it() -> bool:
            told = _replication(self.replica)
            return told.get("master_link_status") == "up" and int(told["slave_repl_offset"]) >= int(offset)

        _wait(has_it, "a replica in sync", timeout)

    def failover(self, timeout: float = 30.0) -> None:
        """The replica takes over as planned: nothing is lost, and the former primary follows it."""
        self.wait_in_sync(timeout)
        self.primary.control.command("FAILOVER")
        _wait(lambda: _replication(self.replica)["role"] == "master", "the end of the failover", timeout)
        self.primary, self.replica = self.replica, self.primary
        _wait(lambda: _replication(self.replica).get("master_link_status") == "up", "the former primary", timeout)

    def kill_primary(self) -> None:
        """The primary goes without a word (SIGKILL), and the replica is promoted: what it had not yet heard is lost.
        `replica` is then a server that has ended."""
        self.primary.kill()
        self.replica.control.command("REPLICAOF", "NO", "ONE")
        self.primary, self.replica = self.replica, self.primary

    def stop(self) -> None:
        """Both."""
        self.replica.stop()
        self.primary.stop()

    def __enter__(self) -> Replicated:
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()


def start(**directives: Any) -> Replicated:
    """A primary and a replica in sync. directives: of both, as of `remus_server.start`."""
    import remus_server

    directives = {"repl_diskless_sync_delay": 0, **directives}
    if directives.get("requirepass"):
        directives.setdefault("masterauth", directives["requirepass"])
    primary = remus_server.start(**directives)
    try:
        replica = remus_server.start(replicaof=[f"{primary.host} {primary.port}"], **directives)
    except BaseException:
        primary.stop()
        raise
    pair = Replicated(primary, replica)
    try:
        pair.wait_in_sync()
    except BaseException:
        pair.stop()
        raise
    return pair


def _replication(server: RemusServer) -> dict[str, str]:
    lines = server.control.command("INFO", "replication").splitlines()
    return dict(line.split(":", 1) for line in lines if ":" in line)


def _wait(condition: Callable[[], bool], what: str, timeout: float) -> None:
    deadline = time.monotonic() + timeout
    while not condition():
        if time.monotonic() > deadline:
            raise TimeoutError(f"{what}: not within {timeout} s")
        time.sleep(0.01)
