"""What INFO tells of a server as a whole, which no room owns: with keys, or a sentinel."""

from collections.abc import Sequence
from functools import lru_cache

from iothreads.listen import Listener
from server.config.config import Config
from server.process import Process
from server.registry.clock import monotonic_now_us
from server.registry.info_sections import CLIENTS, SERVER, STATS
from server.registry.light import Protocol


class Whole(Protocol):
    """The server, as far as this page asks."""

    run_id: str
    start_us: int
    config: Config
    process: Process

    @property
    def listeners(self) -> Sequence[Listener]: ...
    @property
    def commands_processed(self) -> int: ...
    @property
    def connected_clients(self) -> int: ...


server_ = SERVER.of(Whole)
server_.field("process_supervised", lambda s: s.process.supervised or "no")
server_.field("run_id", lambda s: s.run_id)
server_.field("uptime_in_seconds", lambda s: uptime(s), metric="uptime_in_seconds")
server_.field("uptime_in_days", lambda s: uptime(s) // 86400)

CLIENTS.of(Whole).field("connected_clients",           # replicas are told of in their own section
                        lambda s: s.connected_clients, metric="connected_clients")
STATS.of(Whole).field("total_commands_processed", lambda s: s.commands_processed, metric="commands_processed_total",
                      counter=True)


def uptime(s: Whole) -> int:
    """Whole seconds since the start."""
    return (monotonic_now_us() - s.start_us) // 1000000


@server_.family
def listeners(s: Whole) -> tuple[tuple[str, str], ...]:
    """listener0:name=tcp,bind=127.0.0.1,port=6379."""
    config = s.config
    kinds = tuple([listener.kind for listener in s.listeners])
    return _told(kinds, tuple(config.bind), config.port, config.tls_port, config.unixsocket)


@lru_cache(maxsize=1)
def _told(kinds: tuple[str, ...], bind: tuple[str, ...], port: int, tls_port: int,
          unixsocket: str) -> tuple[tuple[str, str], ...]:
    """The same object as long as nothing changes: INFO does not write it again."""
    binds = "".join([f"bind={name}," for name in bind])
    told = {"tcp": f"{binds}port={port}", "tls": f"{binds}port={tls_port}", "unix": f"bind={unixsocket}"}
    return tuple([(f"listener{number}", f"name={kind},{told[kind]}")
                  for number, kind in enumerate(dict.fromkeys(kinds))])
