"""./dev torture chains: chains of ours and real ones, which hold the same data whatever happens to links and nodes.

Writes of all types go to the first node, in batches; while each is under way something is done to a link or a node.
Every now and then, and in the end, all nodes must have the same digest and the same functions.
"""

import argparse
import random
import secrets
import signal
import sys
import tempfile
from collections import Counter
from collections.abc import Callable, Iterator
from itertools import islice
from pathlib import Path
from typing import Any

from tests.support.following import PEERS_RDB, TYPES, Words, in_step, libraries, linked, random_writes
from tests.support.guard import guarded
from tests.support.pace import wait_until
from tests.support.peer import Peer, peer_version, require_peer
from tests.support.proxy import Proxy
from tests.support.resp import Connection, ConnectionClosed, encode
from tests.support.server import Process, Server

CHAINS = ("ours real ours", "real ours real")
LOOK_EVERY = 20  # disturbances between two comparisons
SHOWN = 20  # errors that replicas told of, when data differ
SETTINGS: dict[str, Any] = {"save": "3600 1000000", "repl-backlog-size": "1mb"}  # an RDB file at an orderly end
SCRIPT = "redis.call('set', KEYS[1], ARGV[1]) redis.call('append', KEYS[1], 'x') redis.call('expire', KEYS[1], 99)"
LIBRARY = "#!lua name=lib{0}\nredis.register_function('f{0}', function(keys) return redis.call('incr', keys[1]) end)"


def parts_from_its_replicas(words: Words) -> bool:
    """Whether a Redis that executes this may differ from replicas of its own: it lengthens a string for a BITFIELD that
    then fails for its OVERFLOW, and tells nobody; 7.0 accepts an XSETID below what was deleted, which 7.2 refuses."""
    if words[0] == b"XSETID":
        return peer_version() < (7, 2)
    return words[0] == b"BITFIELD" and b"FAIL" in words


class Node:
    """A server, and the proxy by which the next one follows it."""

    def __init__(self, kind: str, folder: Path, master: "Node | None") -> None:
        more: dict[str, Any] = {"appendonly": "yes"} if master is None else {}
        settings = {name.replace("-", "_"): value for name, value in {**SETTINGS, **more}.items()}
        self.server: Process
        if kind == "ours":
            self.server = Server(folder, start=False, **{**PEERS_RDB, **settings})
        else:
            self.server = Peer(folder, start=False, repl_diskless_sync_delay=0, **settings)
        if master is not None:
            self.server.directives["replicaof"] = f"127.0.0.1 {master.proxy.port}"
        self.master = master
        self.proxy: Proxy = Proxy(self.server.port)
        self.server.start()

    def close(self) -> None:
        self.server.stop()
        self.proxy.close()


class Chain:
    """kinds: `ours` or `real`, from the master on."""

    def __init__(self, folder: Path, kinds: str, seed: int) -> None:
        self.chosen = random.Random(seed)
        self.done: Counter[str] = Counter()
        self.writes = 0
        self.comparisons = 0
        self.nodes: list[Node] = []
        for number, kind in enumerate(kinds.split()):
            self.nodes.append(Node(kind, folder / f"{number}-{kind}", self.nodes[-1] if self.nodes else None))
        self.head = self.nodes[0].server
        self.connection = Connection(self.head.port)
        commands = self._commands()
        self.stream = (words for words in commands if kinds.startswith("ours") or not parts_from_its_replicas(words))
        self.disturbances: list[Callable[[], None]] = [
            self.cut, self.cut, self.cut, self.kill, self.stop, self.restart, self.kill_the_head,
        ]  # fmt: skip

    def close(self) -> None:
        for node in reversed(self.nodes):
            node.close()

    def play(self, writes: int, disturbances: int) -> None:
        """So many writes; the disturbances are spread over them."""
        self.connection.pipeline(TYPES)
        for number in range(1, disturbances + 1):
            batch = list(islice(self.stream, writes // disturbances))
            half = len(batch) // 2
            self._send(batch[:half], self.chosen.choice(self.disturbances))
            self._send(batch[half:], lambda: None)
            if number % LOOK_EVERY == 0 or number == disturbances:
                self.compare()

    def compare(self) -> None:
        """All nodes hold the same."""
        first, *others = (node.server for node in self.nodes)
        try:
            in_step(first, *others)
        except AssertionError as error:
            errors = [line for server in others for line in server.log().splitlines() if "CRITICAL" in line]
            raise AssertionError("\n".join([str(error), *errors[-SHOWN:], str(self)])) from error
        wanted = libraries(first)
        assert wanted and all(libraries(server) == wanted for server in others)
        self.comparisons += 1

    # ---- writes
    def _commands(self) -> Iterator[Words]:
        """Writes of all types, alone and in transactions; scripts, functions, and keys that expire soon."""
        plain, chosen = random_writes(self.connection, self.chosen), self.chosen
        while True:
            yield from islice(plain, chosen.randrange(30))
            key = f"extra{chosen.randrange(20)}"
            match chosen.randrange(6):
                case 0:
                    yield from (("MULTI",), *islice(plain, chosen.randrange(1, 6)), ("EXEC",))
                case 1:
                    yield ("EVAL", SCRIPT, 1, key, chosen.randrange(1000))
                case 2:
                    yield ("FUNCTION", "LOAD", "REPLACE", LIBRARY.format(chosen.randrange(5)))
                case 3:
                    yield ("FCALL", f"f{chosen.randrange(5)}", 1, f"counter{chosen.randrange(5)}")
                case 4:
                    yield ("SET", key, "soon", "PX", chosen.randrange(1, 500))
                case 5:
                    yield ("SET", key, "later", "EX", chosen.randrange(1000, 2000))

    def _send(self, batch: list[Words], disturb: Callable[[], None]) -> None:
        """The replies are read when it is done: until then the stream flows."""
        try:
            self.connection.send_raw(b"".join(encode(*words) for words in batch))
            disturb()
            self.connection.read_many(len(batch))
        except (ConnectionError, ConnectionClosed):
            wait_until(self.head.alive, "the head")
            self.connection = Connection(self.head.port)
        self.writes += len(batch)

    # ---- what is done
    def _replica(self, what: str) -> Node:
        self.done[what] += 1
        return self.chosen.choice(self.nodes[1:])

    def cut(self) -> None:
        """A link, in the middle of whatever it carries."""
        master = self._replica("cut").master
        assert master is not None
        master.proxy.cut(reset=self.chosen.random() < 0.5)

    def kill(self) -> None:
        """A replica, which comes back with nothing, or with an old file."""
        server = self._replica("kill -9").server
        server.kill()
        server.start()

    def stop(self) -> None:
        """A node stands still until a batch was sent."""
        self.done["stop"] += 1
        server = self.chosen.choice(self.nodes).server
        server.signal(signal.SIGSTOP)
        if server is not self.head:
            self._send(list(islice(self.stream, 100)), lambda: None)
        server.signal(signal.SIGCONT)

    def restart(self) -> None:
        """In an orderly way: it goes on where it was."""
        server = self._replica("restart").server
        wait_until(lambda: linked(server), "a link", 60)
        server.stop()
        server.start()

    def kill_the_head(self) -> None:
        """It comes back with its append only file, and with another history."""
        self.done["kill -9 of the head"] += 1
        self.head.kill()
        self.head.start()

    def __str__(self) -> str:
        done = ", ".join(f"{times} {what}" for what, times in self.done.most_common())
        return f"{self.writes} writes, {self.done.total()} disturbances ({done}), {self.comparisons} comparisons"


def play(folder: Path, kinds: str, seed: int, writes: int, disturbances: int) -> Chain:
    """AssertionError when nodes differ, or do not come together again."""
    chain = Chain(folder, kinds, seed)
    try:
        chain.play(writes, disturbances)
    finally:
        chain.close()
    return chain


def main(arguments: list[str]) -> int:
    parser = argparse.ArgumentParser(prog="./dev torture chains", description="Ours and real ones in a row.")
    parser.add_argument("--writes", type=int, default=100_000, help="for each chain (100000)")
    parser.add_argument("--disturbances", type=int, default=200, help="for each chain (200)")
    parser.add_argument("--chain", action="append", help="such as 'ours real ours' (both of three)")
    parser.add_argument("--seed", type=int, default=None, help="a random one without")
    chosen = parser.parse_args(arguments)
    seed = secrets.randbits(24) if chosen.seed is None else chosen.seed
    require_peer()
    with tempfile.TemporaryDirectory(prefix="chains-") as name, guarded(Path(name)):
        for kinds in chosen.chain or CHAINS:
            chain = play(Path(name) / kinds.replace(" ", "-"), kinds, seed, chosen.writes, chosen.disturbances)
            print(f"{kinds}, seed {seed}: {chain}", flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
