"""Sentinels and the servers that they watch, ours and real ones.

    with Watch(tmp_path, sentinels=[OurSentinel] * 3, servers=[Server, Peer, Server]) as watch:
        watch.ready()                           # all know each other and both replicas
        watch.master.kill()
        watch.moved()                           # until all sentinels name another master; which is that now
"""

import shutil
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, Self

from tests.support.pace import patience, wait_until
from tests.support.peer import require_peer
from tests.support.resp import ConnectionClosed, RespError
from tests.support.server import ROOT, Process, Server

NAME = "mymaster"
DOWN_AFTER_MS = 500  # of a quiet machine: on a slow one who lives is slow to answer
FAILOVER_TIMEOUT_MS = 4000
HURRY = ("info-period", 500, "ping-period", 200, "publish-period", 200, "ask-period", 200)


class Sentinel(Process):
    """One sentinel; `lines` go into its file."""

    defaults: dict[str, Any] = {"bind": "127.0.0.1"}

    def last_arguments(self) -> list[str]:
        return ["--sentinel"]

    @property
    def config_file(self) -> Path:
        return self.folder / "sentinel.conf"

    def start_again(self) -> None:
        """Start it with what it knew."""
        super().start_again()
        self.ask("SENTINEL", "DEBUG", *HURRY)

    def ask(self, *words: Any) -> Any:
        with self.connect() as c:
            return c(*words)

    def address(self) -> tuple[str, int]:
        host, port = self.ask("SENTINEL", "GET-MASTER-ADDR-BY-NAME", NAME)
        return host.decode(), int(port)

    def master_fields(self) -> dict[str, str]:
        return pairs(self.ask("SENTINEL", "MASTER", NAME))

    def described(self, what: str) -> list[dict[str, str]]:
        """SENTINEL REPLICAS or SENTINELS."""
        return [pairs(one) for one in self.ask("SENTINEL", what, NAME)]


class OurSentinel(Sentinel):
    """Ours."""

    def command_line(self) -> list[str]:
        return [sys.executable, str(ROOT / "remus_server.py")]


class RealSentinel(Sentinel):
    """The peer's."""

    def command_line(self) -> list[str]:
        return [require_peer()]


class OldServer(Server):
    """Ours, beside one of Redis 7.0."""

    defaults = {**Server.defaults, "rdb-version": 10}


def pairs(reply: Sequence[bytes]) -> dict[str, str]:
    words = [word.decode() for word in reply]
    return dict(zip(words[::2], words[1::2], strict=True))


class Watch:
    """servers: the first is the master at first. lines: more of each sentinel.conf."""

    def __init__(self, folder: Path, sentinels: Sequence[type[Sentinel]], servers: Sequence[type[Process]],
                 quorum: int = 2, lines: Sequence[str] = (), **directives: Any) -> None:
        if any(kind is RealSentinel for kind in sentinels) and shutil.which("redis-sentinel") is None:
            require_peer()
        self.servers: list[Process] = []
        self.sentinels: list[Sentinel] = []
        for number, kind in enumerate(servers):
            server = kind(folder / f"server{number}", start=False, repl_diskless_sync_delay=0, **directives)
            self.servers.append(server)
            self.place(number, server)
            if number:
                server.directives["replicaof"] = f"127.0.0.1 {self.port_of(self.servers[0])}"
            server.start()
        conf = "\n".join([
            f"sentinel monitor {NAME} 127.0.0.1 {self.port_of(self.servers[0])} {quorum}",
            f"sentinel down-after-milliseconds {NAME} {round(patience(DOWN_AFTER_MS))}",
            f"sentinel failover-timeout {NAME} {round(patience(FAILOVER_TIMEOUT_MS))}", *lines])
        for number, sort in enumerate(sentinels):
            sentinel = sort(folder / f"sentinel{number}", start=False, config=conf)
            self.sentinels.append(sentinel)
            self.place(number, sentinel)
            sentinel.start()

    def place(self, number: int, process: Process) -> None:
        """Before one is started: the server or sentinel of that number."""

    def port_of(self, process: Process) -> int:
        """By which the others reach it."""
        return process.port

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        for process in (*self.sentinels, *self.servers):
            process.kill()

    def by_port(self, port: int) -> Process:
        return next(server for server in self.servers if self.port_of(server) == port)

    @property
    def master(self) -> Process:
        """As the sentinels that run say."""
        first = next(one for one in self.sentinels if one.alive())
        return self.by_port(first.address()[1])

    def all_say(self, what: Callable[[Sentinel], object], name: str, seconds: float = 20) -> None:
        wait_until(lambda: all(answers(what, one) for one in self.sentinels if one.alive()), name, seconds)

    def ready(self) -> None:
        """All know each other and the replicas, whose links are up."""
        self.hurry()
        others, replicas = len(self.sentinels) - 1, len(self.servers) - 1

        def knows(one: Sentinel) -> bool:
            fields = one.master_fields()
            told = one.described("REPLICAS")
            return (int(fields["num-other-sentinels"]) == others and fields["flags"] == "master"
                    and len(told) == replicas and all(each["flags"] == "slave" for each in told)
                    and all(each["flags"] == "sentinel" for each in one.described("SENTINELS"))
                    and all(each["master-link-status"] == "ok" for each in told))

        self.all_say(knows, "sentinels that know all", 30)

    def hurry(self) -> None:
        """Have them look and tell more often than once in ten seconds, or two."""
        for one in self.sentinels:
            assert one.ask("SENTINEL", "DEBUG", *HURRY) == "OK"

    def moved(self, old: int, seconds: float = 30) -> Process:
        """All sentinels that run name the same master, which is not that one."""
        said: set[int] = set()

        def agree() -> bool:
            said.clear()
            said.update(one.address()[1] for one in self.sentinels if one.alive())
            return len(said) == 1 and old not in said

        wait_until(lambda: answers(lambda _: agree(), self.sentinels[0]), "another master", seconds)
        return self.by_port(said.pop())

    def follow(self, master: Process, seconds: float = 30) -> None:
        """Every other server that runs follows that master."""
        def does(server: Process) -> bool:
            fields = server.info("replication")
            return fields.get("master_port") == str(self.port_of(master)) and fields.get("master_link_status") == "up"

        wait_until(lambda: all(answers(does, one) for one in self.servers if one is not master and one.alive()),
                   f"all to follow {master.port}", seconds)


def answers(what: Callable[[Any], object], process: Process) -> bool:
    """Whether it is so; who does not answer has not said."""
    return bool(told(what, process))


def told(what: Callable[[Any], Any], process: Any) -> Any:
    """What it says; None of a server that closes connections, as those do that change their role."""
    try:
        return what(process)
    except (ConnectionError, ConnectionClosed, TimeoutError, RespError, KeyError, ValueError):
        return None
