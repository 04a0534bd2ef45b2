"""Several servers that are one cluster from their start: nodes.conf is written before it.

    with Cluster(tmp_path, masters=3, replicas=1) as cluster:
        cluster[0]                          # a Server; masters first, then the replicas of each in turns
        cluster.names[0]                    # as CLUSTER MYID says
        cluster.cli("--cluster", "check", cluster.place(0))

kinds: a class for each node, ours if there are none left: `kinds=[Server, Peer]`.
"""

import shutil
import subprocess
from collections.abc import Sequence
from pathlib import Path
from random import Random
from typing import Any

import pytest

from server.cluster.founding import Place, founded
from tests.support.pace import patience, wait_until
from tests.support.server import Process, Server

NODE_TIMEOUT_MS = 2000


class Cluster:
    """masters 0: as many nodes as there are kinds, that know only themselves."""

    def __init__(self, folder: Path, *, masters: int = 3, replicas: int = 0, kinds: Sequence[type[Process]] = (),
                 **directives: Any) -> None:
        count = masters * (1 + replicas) or len(kinds)
        made = [*kinds, *[Server] * (count - len(kinds))]
        directives = {"cluster_enabled": "yes", "cluster_node_timeout": NODE_TIMEOUT_MS, "repl_diskless_sync_delay": 0,
                      **directives}
        self.nodes: list[Process] = [kind(folder / f"node-{number}", start=False, **directives)
                                     for number, kind in enumerate(made)]
        if masters:
            places = [self.announced(node) for node in self.nodes]
            for node, text in zip(self.nodes, founded(places, masters, Random()), strict=True):
                (node.folder / "nodes.conf").write_text(text)
        for node in self.nodes:
            node.start(wait=False)
        for node in self.nodes:
            node.wait_ready()
        self.names = [node.connect().ok("CLUSTER", "MYID").decode() for node in self.nodes]
        if masters:
            self.wait_for_state("ok")

    def __getitem__(self, number: int) -> Process:
        return self.nodes[number]

    def __len__(self) -> int:
        return len(self.nodes)

    def __enter__(self) -> "Cluster":
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    def stop(self) -> None:
        for node in self.nodes:
            node.stop()

    def announced(self, node: Process) -> Place:
        """Where the others will look for it."""
        return Place("127.0.0.1", node.port)

    def place(self, number: int) -> str:
        return f"127.0.0.1:{self.nodes[number].port}"

    # ---- looking
    def alive(self) -> list[Process]:
        return [node for node in self.nodes if node.alive()]

    def state(self, node: Process) -> dict[str, str]:
        """CLUSTER INFO."""
        text = node.connect().ok("CLUSTER", "INFO").decode()
        return dict(line.split(":", 1) for line in text.splitlines())

    def lines(self, node: Process) -> dict[str, list[str]]:
        """CLUSTER NODES: the words of each line behind its name."""
        text = node.connect().ok("CLUSTER", "NODES").decode()
        return {line.split()[0]: line.split()[1:] for line in text.splitlines()}

    def flags(self, seen_by: Process, number: int) -> list[str]:
        """Of a node as another one sees it; [] when it does not know it."""
        words = self.lines(seen_by).get(self.names[number])
        return words[1].split(",") if words else []

    def wait_for_agreement(self) -> None:
        """All nodes that live say the same of who serves which slots."""
        def said(node: Process) -> dict[str, list[str]]:
            return {name: words[7:] for name, words in self.lines(node).items() if words[7:]}

        wait_until(lambda: len({repr(sorted(said(node).items())) for node in self.alive()}) == 1, "nodes agree", 20)

    def wait_for_state(self, state: str) -> None:
        wait_until(lambda: all(self.state(node)["cluster_state"] == state for node in self.alive()),
                   f"all nodes say {state}", 20)

    def wait_for_flag(self, number: int, flag: str, *, yes: bool = True) -> None:
        """All nodes that live see it."""
        wait_until(lambda: all((flag in self.flags(node, number)) == yes for node in self.alive()),
                   f"node {number} is {'' if yes else 'not '}{flag}", 20)

    def wait_for_replication(self, number: int) -> None:
        """A replica's link to its master is up."""
        wait_until(lambda: self.nodes[number].info("replication").get("master_link_status") == "up", "the link is up")

    # ---- programs of others
    def cli(self, *arguments: str, seconds: float = 60, answers: str = "") -> str:
        """redis-cli; skips without one. answers: what somebody types when it asks."""
        path = shutil.which("redis-cli")
        if path is None:
            pytest.skip("no redis-cli on PATH")
        done = subprocess.run([path, *arguments], input=answers, capture_output=True, text=True,
                              timeout=patience(seconds), check=False)
        assert done.returncode == 0, f"{arguments}:\n{done.stdout}\n{done.stderr}"
        return done.stdout
