"""What INFO tells of a server as a whole, which no room owns: with keys, or a sentinel."""

from collections.abc import Sequence

from iothreads.listen import Listener
from server.config.config import Config
from server.process import Process
from server.registry.info_sections import CLIENTS, SERVER
from server.registry.light import Protocol


class Whole(Protocol):
    """The server, as far as this page asks."""

    run_id: str
    config: Config
    process: Process

    @property
    def listeners(self) -> Sequence[Listener]: ...
    @property
    def connected_clients(self) -> int: ...


server_ = SERVER.of(Whole)
server_.field("process_supervised", lambda s: s.process.supervised or "no")
server_.field("process_id", lambda s: s.process.pid, metric="process_id")
server_.field("run_id", lambda s: s.run_id)

CLIENTS.of(Whole).field("connected_clients",           # replicas are told of in their own section
                        lambda s: s.connected_clients, metric="connected_clients")


@server_.family
def listeners(s: Whole) -> tuple[tuple[str, str], ...]:
    """listener0:name=tcp,bind=127.0.0.1,port=6379. The same object as long as nothing changes: INFO does not write it
    again."""
    config = s.config
    # Each is another object when it has changed.
    now = s.listeners, config.bind, config.port, config.tls_port, config.unixsocket
    if now != _told.looked_at:
        _told.looked_at, _told.lines = now, _lines(s)
    return _told.lines


class _Told:
    """What `listeners` looked at last, and said."""

    looked_at: object = None
    lines: tuple[tuple[str, str], ...] = ()


_told = _Told()


def _lines(s: Whole) -> tuple[tuple[str, str], ...]:
    config = s.config
    binds = "".join([f"bind={name}," for name in config.bind])
    told = {"tcp": f"{binds}port={config.port}", "tls": f"{binds}port={config.tls_port}",
            "unix": f"bind={config.unixsocket}"}
    return tuple([(f"listener{number}", f"name={kind},{told[kind]}")
                  for number, kind in enumerate(dict.fromkeys([listener.kind for listener in s.listeners]))])
