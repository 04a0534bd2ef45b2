"""What is left of a MIGRATE that went wrong: nothing. And which keys a target has, by its replies."""

import gc
from collections.abc import Iterator
from typing import Any

import pytest

from server.clients.client import Client
from server.cluster.migrate_target import Broken, outcome
from server.config.config import Config
from server.dispatch.call import Call
from server.registry.command import COMMANDS
from server.registry.errors import CommandError
from server.server import Server
from tests.support.bad_peer import BadPeer, close, hang, say
from tests.support.server import free_port

ERROR = CommandError("BUSYKEY no")


@pytest.mark.parametrize(
    ("replies", "head", "restored", "refused"),
    [
        (["OK", "OK", "OK"], 1, [b"a", b"b"], False),
        (["OK", ERROR, "OK"], 1, [b"b"], True),
        ([ERROR, "OK", "OK"], 1, [], True),
        (["OK", ERROR, "OK", "OK"], 2, [], True),
        (["OK", "OK"], 1, [b"a"], False),
        (["OK"], 1, [], False),
        ([], 0, [], False),
    ],
)
def test_outcome(replies: list[Any], head: int, restored: list[bytes], refused: bool) -> None:
    broken = Broken("reading to target instance", retry=False)
    assert outcome(replies, head, [b"a", b"b"], broken) == (restored, ERROR if refused else None, broken)


@pytest.fixture
def server() -> Iterator[Server]:
    server = Server(Config.from_argv(["remus", "--port", "0", "--save", ""]))
    server.loop.io.start()
    yield server
    server.loop.io.stop()


def test_failures_form_no_cycles(server: Server) -> None:
    """The collector is off while serving."""
    client = Client(1, server.keyspace.databases[0], server.loop)

    def fail(host: str, port: int) -> str:
        client.db.set(b"k", b"v")
        argv = [b"MIGRATE", host.encode(), b"%d" % port, b"k", b"0", b"30"]
        try:
            return str(COMMANDS["migrate"].function(Call(client, server, COMMANDS["migrate"], argv), *argv[1:]))
        except CommandError as error:
            return error.bare().code

    gc.collect()
    gc.disable()
    gc.set_debug(gc.DEBUG_SAVEALL)
    try:
        assert fail("127.0.0.1", free_port()) == "IOERR"
        assert fail("no-such-name.invalid", 1) == "IOERR"
        for behaviour, reply in ((close, "IOERR"), (hang, "IOERR"), (say(b"+OK\r\n", b"-BUSYKEY no\r\n"), "ERR"),
                                 (say(b"garbage\r\n"), "IOERR"), (say(b"+OK\r\n", b"+OK\r\n"), "OK")):  # fmt: skip
            with BadPeer(behaviour) as peer:
                assert fail(peer.host, peer.port) == reply
                server.migrate_targets.drop(peer.host.encode(), b"%d" % peer.port)
            server.loop.turn_once(10)
        gc.collect()
        ours = [thing for thing in gc.garbage if type(thing).__module__.startswith(("iothreads", "server"))]
        assert ours == []
    finally:
        gc.set_debug(0)
        gc.garbage.clear()
        gc.enable()
