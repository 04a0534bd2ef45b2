"""A master and two replicas, and who is which. All reach a node through proxies: clients by one, nodes by another."""

from collections.abc import Callable
from pathlib import Path
from threading import Lock
from typing import Any

from tests.support.pace import wait_until
from tests.support.proxy import Proxy
from tests.support.resp import Connection
from tests.support.server import Process, Server

SETTINGS: dict[str, Any] = {
    "appendonly": "yes", "appendfsync": "always", "repl-diskless-sync-delay": 0, "replica-announce-ip": "127.0.0.1",
    "shutdown-timeout": 10,
}  # fmt: skip
LINK_SECONDS = 60.0


class Node:
    """A server behind its proxies. master: whom it follows, None when it is one itself."""

    def __init__(self, name: str, folder: Path, make: Callable[..., Process], **directives: Any) -> None:
        self.name = name
        self.server = make(folder, start=False, **directives)
        self.for_clients = Proxy(self.server.port)
        self.for_nodes = Proxy(self.server.port)
        self.server.directives["replica-announce-port"] = self.for_nodes.port
        self.master: Node | None = None

    def start(self) -> None:
        self.server.directives.pop("replicaof", None)
        if self.master is not None:
            self.server.directives["replicaof"] = f"127.0.0.1 {self.master.for_nodes.port}"
        self.server.start()

    def call(self, *words: Any) -> Any:
        """Past all proxies."""
        with Connection(self.server.port) as c:
            return c(*words)

    def follow(self, master: "Node | None") -> None:
        self.master = master
        words = ("NO", "ONE") if master is None else ("127.0.0.1", str(master.for_nodes.port))
        answer = str(self.call("REPLICAOF", *words))
        assert answer.startswith("OK"), answer  # or "OK Already connected to specified master"

    def info(self) -> dict[str, str]:
        return self.server.info("replication")

    def heal(self) -> None:
        """Whatever was done to its links is over."""
        self.for_clients.release()
        self.for_nodes.release()

    def close(self) -> None:
        self.server.stop()
        self.for_clients.close()
        self.for_nodes.close()


class Trio:
    """Three nodes. `master`, `branch` and `readable` are what clients go by; they change together, under `lock`."""

    def __init__(self, folder: Path, **directives: Any) -> None:
        self.nodes = [Node(name, folder / name, Server, **{**SETTINGS, **directives}) for name in "abc"]
        self.lock = Lock()
        self.branch = 0
        self.forks: list[int] = []  # branches whose master was lost
        self.master: Node | None = None
        self.readable: list[Node] = []

    def start(self) -> None:
        first, *others = self.nodes
        first.start()
        for node in others:
            node.master = first
            node.start()
        self.settle(first)

    def settle(self, master: Node) -> None:
        """It is the master from now on; clients go on when both others have what it has."""
        with self.lock:
            self.master = master
        self.wait_linked()
        with self.lock:
            self.readable = list(self.nodes)

    def fork(self, *, may_lose: bool) -> None:
        """The master is gone, and with it what only it knew: may_lose says whether that may be something that was
        answered. Nobody is to be asked until `settle`."""
        with self.lock:
            if may_lose:
                self.forks.append(self.branch)
            self.branch += 1
            self.master = None
            self.readable = []

    def replicas(self) -> list[Node]:
        return [node for node in self.nodes if node is not self.master]

    def wait_linked(self) -> None:
        """All links are whole, and everybody is in the master's history."""
        def linked() -> bool:
            assert self.master is not None
            told = [node.info() for node in self.nodes]
            if any(one["role"] == "slave" and one["master_link_status"] != "up" for one in told):
                return False
            return len({one["master_replid"] for one in told}) == 1

        wait_until(linked, "whole links", LINK_SECONDS)

    def wait_in_step(self) -> None:
        """Replicas have everything. Only while nobody writes."""
        self.wait_linked()

        def offsets() -> bool:
            return len({node.info()["master_repl_offset"] for node in self.nodes}) == 1

        wait_until(offsets, "replicas that have everything", LINK_SECONDS)
        wait_until(lambda: len({node.call("DEBUG", "DIGEST") for node in self.nodes}) == 1, "the same data")

    def heal(self) -> None:
        for node in self.nodes:
            node.heal()

    def close(self) -> None:
        self.heal()
        for node in self.nodes:
            node.close()
