"""Fixtures for every test. Most tests want `raw` or `client`: one server runs for the whole session and is emptied
before each test.

    client       redis-py on the session's server (bytes; `client.execute_command(...)` for the rest)
    raw          a raw connection to it (tests.support.resp), RESP2;  raw3: the same in RESP3
    another      a function that opens one more raw connection to it: `another()`, `another(protocol=3)`
    configure    `configure("maxmemory", "1mb")` sets a directive there
    server       that server itself (tests.support.server): log, port, info()
    new_server   a function that starts a server of the test's own: `new_server(appendonly=True)`; kill, restart at will
    peer         a real redis-server for the session (skips without one);  new_peer: one of the test's own
    both         ours and theirs, sent the same and compared (tests.support.differential)

A test may do to the session's server what it likes: afterwards data, configuration, users, scripts, functions and DEBUG
switches are put back (tests.support.original); one that ends it fails with its log, and the next test gets a new one.

A test has so many seconds of a quiet machine as `timeout` in pyproject.toml says, or its own mark; on a slow one the
limit grows, as all waits of tests.support do (tests.support.pace). Servers and folders go with the run, also when it is
killed (tests.support.guard).
"""

import os
import random
import signal
import subprocess
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from tests.support.differential import Pair
from tests.support.guard import guarded
from tests.support.original import Original
from tests.support.pace import patience
from tests.support.peer import Peer, require_peer
from tests.support.resp import Connection, RespError
from tests.support.server import Process, Server

DYING_SECONDS = 2  # that a server which was told to end may need


@pytest.fixture(scope="session", autouse=True)
def _guarded(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    with guarded(tmp_path_factory.getbasetemp()):
        yield


@pytest.fixture(autouse=True)
def _same_chance(request: pytest.FixtureRequest) -> None:
    """In CI a test that leaves something to chance does the same in each run, as Hypothesis's do there."""
    if os.environ.get("CI"):
        random.seed(request.node.nodeid)


class Shared:
    """A server of the whole session, which each test finds as it was started."""

    def __init__(self, process: Process) -> None:
        self.process = process
        self._original: Original | None = None

    def for_a_test(self) -> Iterator[Any]:
        """The body of a fixture."""
        process = self.process
        if self._original is None or not process.alive():
            process.start()
            self._original = Original(process)
        yield process
        process.disconnect()
        try:
            if self._original.restore():
                return
            told = ""
        except TimeoutError:
            told = f"the server does not answer after this test: {process.last_words()}"
        except ConnectionError:
            told = f"the server ended during this test: {process.last_words()}" if ended(process) else ""
        self._give_up()
        if told:
            pytest.fail(told)

    def _give_up(self) -> None:
        """The next test gets another one, without the data of this."""
        self.process.kill()
        self._original = None
        for file in self.process.folder.glob("*.rdb"):
            file.unlink()


def ended(process: Process) -> bool:
    """Whether it ends, or has."""
    try:
        process.wait_exit(DYING_SECONDS)
    except subprocess.TimeoutExpired:
        return False
    return True


@pytest.fixture(scope="session")
def _session_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Shared]:
    with Server(tmp_path_factory.mktemp("server"), start=False) as server:
        yield Shared(server)


@pytest.fixture
def server(_session_server: Shared) -> Iterator[Server]:
    """The session's server, as it was started."""
    yield from _session_server.for_a_test()


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
def configure(server: Server) -> Callable[[str, Any], None]:
    """CONFIG SET."""

    def set_directive(name: str, value: Any) -> None:
        with Connection(server.port) as c:
            c.ok("CONFIG", "SET", name, value)

    return set_directive


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
def _session_peer(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Shared]:
    require_peer()
    with Peer(tmp_path_factory.mktemp("peer"), start=False) as peer:
        yield Shared(peer)


@pytest.fixture
def peer(_session_peer: Shared) -> Iterator[Peer]:
    """The session's redis-server, as it was started."""
    yield from _session_peer.for_a_test()


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


def pytest_configure() -> None:
    """SIGTERM and SIGHUP end a run as Ctrl-C does: what was set up is taken down. A run in the background of a script
    inherits that SIGINT is ignored, and would hand it on to programs that are tested for what they do about it."""

    def end(number: int, _: object) -> None:
        pytest.exit(f"ended by {signal.Signals(number).name}", returncode=128 + number)

    for number in (signal.SIGTERM, signal.SIGHUP):
        if signal.getsignal(number) == signal.SIG_DFL:
            signal.signal(number, end)
    if signal.getsignal(signal.SIGINT) == signal.SIG_IGN:
        signal.signal(signal.SIGINT, signal.default_int_handler)


@pytest.hookimpl(wrapper=True, tryfirst=True)
def pytest_runtest_protocol(item: pytest.Item) -> Iterator[None]:
    """The limit of each test grows with the machine's slowness, as it is when the test begins."""
    own = item.get_closest_marker("timeout")
    limit = float(own.args[0] if own else item.config.getini("timeout") or 0)
    if item.config.getoption("timeout") is None and limit:
        item.add_marker(pytest.mark.timeout(patience(limit)), append=False)
    return (yield)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item, call: pytest.CallInfo[None]) -> Iterator[pytest.TestReport]:
    """A failure shows the log of each server that has written something during it."""
    report = yield
    if report.failed:
        for process in list(Process.known):
            if process.log_file.exists() and process.log_file.stat().st_mtime >= call.start:
                report.sections.append(("Log of a server", process.last_words()))
    return report


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Whatever uses a real server is marked `peer`."""
    for item in items:
        if {"both", "peer", "new_peer"} & set(getattr(item, "fixturenames", ())):
            item.add_marker(pytest.mark.peer)


def pytest_assertrepr_compare(op: str, left: object, right: object) -> list[str] | None:
    if op == "==" and isinstance(left, RespError) and not isinstance(right, RespError):
        return [f"error reply {left.text!r}, expected {right!r}"]
    return None
