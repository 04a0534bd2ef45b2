"""Fixtures for every test. Most tests want `raw` or `client`: one server runs for the whole session and is emptied
before each test.

    client       redis-py on the session's server (bytes; `client.execute_command(...)` for the rest)
    raw          a raw connection to it (tests.support.resp), RESP2;  raw3: the same in RESP3
    another      a function that opens one more raw connection to it: `another()`, `another(protocol=3)`
    configure    `configure("maxmemory", "1mb")` sets a directive there and restores it after the test
    server       that server itself (tests.support.server): log, port, info()
    new_server   a function that starts a server of the test's own: `new_server(appendonly=True)`; kill, restart at will
    peer         a real redis-server for the session (skips without one);  new_peer: one of the test's own
    both         ours and theirs, sent the same and compared (tests.support.differential)

A test that kills the session's server fails with its log, and the next test gets a new one.
"""

from collections.abc import Callable, Iterator
from typing import Any

import pytest

from tests.support.differential import Pair
from tests.support.peer import Peer, require_peer
from tests.support.resp import Connection, RespError
from tests.support.server import Process, Server


def emptied(server: Process) -> None:
    """Back to how it started: no keys, no scripts, counters at zero. Commands not there yet do not matter."""
    with Connection(server.port) as c:
        c.pipeline([("FLUSHALL",), ("SCRIPT", "FLUSH"), ("FUNCTION", "FLUSH"), ("CONFIG", "RESETSTAT")])


@pytest.fixture(scope="session")
def _session_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    with Server(tmp_path_factory.mktemp("server"), start=False) as server:
        yield server


@pytest.fixture
def server(_session_server: Server) -> Iterator[Server]:
    """The session's server, emptied."""
    if not _session_server.alive():
        _session_server.start()
    emptied(_session_server)
    yield _session_server
    if not _session_server.alive():
        pytest.fail(f"the server ended during this test:\n{_session_server.log()[-8000:]}")


@pytest.fixture
def raw(server: Server) -> Iterator[Connection]:
    with server.connect() as connection:
        yield connection


@pytest.fixture
def raw3(server: Server) -> Iterator[Connection]:
    with server.connect(protocol=3) as connection:
        yield connection


@pytest.fixture
def another(server: Server) -> Iterator[Callable[..., Connection]]:
    opened: list[Connection] = []

    def connect(**options: Any) -> Connection:
        opened.append(server.connect(**options))
        return opened[-1]

    yield connect
    for connection in opened:
        connection.close()


@pytest.fixture
def client(server: Server) -> Iterator[Any]:
    pytest.importorskip("redis")
    client = server.redis()
    yield client
    client.close()


@pytest.fixture
def configure(server: Server) -> Iterator[Callable[[str, Any], None]]:
    """CONFIG SET now, and the value from before after the test."""
    before: dict[str, bytes] = {}

    def set_directive(name: str, value: Any) -> None:
        with Connection(server.port) as c:
            old = dict(zip(*[iter(c.ok("CONFIG", "GET", name))] * 2, strict=True))
            before.setdefault(name, old[name.encode()])
            c.ok("CONFIG", "SET", name, value)

    yield set_directive
    if server.alive():
        with Connection(server.port) as c:
            for name, value in before.items():
                c.ok("CONFIG", "SET", name, value)


@pytest.fixture
def new_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Callable[..., Server]]:
    started: list[Server] = []

    def start(**options: Any) -> Server:
        wanted = options.pop("start", True)
        started.append(Server(tmp_path_factory.mktemp("own"), start=False, **options))
        if wanted:
            started[-1].start()
        return started[-1]

    yield start
    for server in started:
        server.stop()


@pytest.fixture(scope="session")
def _session_peer(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Peer]:
    require_peer()
    with Peer(tmp_path_factory.mktemp("peer")) as peer:
        yield peer


@pytest.fixture
def peer(_session_peer: Peer) -> Peer:
    """The session's redis-server, emptied."""
    if not _session_peer.alive():
        _session_peer.start()
    emptied(_session_peer)
    return _session_peer


@pytest.fixture
def new_peer(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Callable[..., Peer]]:
    require_peer()
    started: list[Peer] = []

    def start(**options: Any) -> Peer:
        started.append(Peer(tmp_path_factory.mktemp("peer"), **options))
        return started[-1]

    yield start
    for peer in started:
        peer.stop()


@pytest.fixture
def both(raw: Connection, peer: Peer) -> Iterator[Pair]:
    """Ours and theirs, emptied; RESP2 until `both.resp3()`."""
    with peer.connect() as theirs:
        yield Pair(raw, theirs)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Whatever uses a real server is marked `peer`."""
    for item in items:
        if {"both", "peer", "new_peer"} & set(getattr(item, "fixturenames", ())):
            item.add_marker(pytest.mark.peer)


def pytest_assertrepr_compare(op: str, left: object, right: object) -> list[str] | None:
    if op == "==" and isinstance(left, RespError) and not isinstance(right, RespError):
        return [f"error reply {left.text!r}, expected {right!r}"]
    return None
