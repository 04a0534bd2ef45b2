"""DEBUG about propagation: what AOF and replicas are told, shown, and made up."""

from server.dispatch.call import Call
from server.dispatch.propagate import Propagation
from server.registry.debug import MANY, Subcommands
from server.registry.errors import syntax
from server.registry.light import TYPE_CHECKING, Any
from server.registry.reply import OK
from server.structures.block_stream import AOF, REPLICAS, Sink

if TYPE_CHECKING:
    from server.server import Server

subcommand = Subcommands(Call)


@subcommand("REPLICATE", 1, MANY, "<word> [<word> ...]", "Send replicas a command that is not executed here.")
def replicate(call: Call, *words: bytes) -> str:
    """Makes data diverge, on purpose. The append only file does not hear of it."""
    call.server.propagation.to_replicas(call.db, list(words))
    return OK


@subcommand(
    "PROPAGATED", 1, 2, "<START [AOF|REPLICAS]|GET|STOP>", "Collect what AOF (or replicas) would be sent, and show it."
)
def propagated(call: Call, what: bytes, whom: bytes = b"AOF") -> str | bytes:
    """GET shows the stream since START and goes on collecting."""
    server, word = call.server, what.upper()
    server.propagation.flush()
    if word == b"START":
        _stop_collecting(server)
        _collector[server] = Collector(server.propagation, REPLICAS if whom.upper() == b"REPLICAS" else AOF)
        return OK
    if word == b"GET":
        return _collector[server].collected() if server in _collector else b""
    if word != b"STOP":
        raise syntax()
    _stop_collecting(server)
    return OK


def _stop_collecting(server: "Server") -> None:
    if server in _collector:
        _collector.pop(server).stop()


class Collector:
    """A listener that keeps what is propagated."""

    def __init__(self, propagation: Propagation, kind: int) -> None:
        self._propagation = propagation
        self._sink = Sink(kind)
        self._seen: list[bytes] = []
        propagation.subscribe(self._sink)

    def collected(self) -> bytes:
        """All since the beginning."""
        self._seen.append(self._sink.read())
        return b"".join(self._seen)

    def stop(self) -> None:
        """The end."""
        self._propagation.unsubscribe(self._sink)


_collector: dict[Any, Collector] = {}
