"""The pytest plugin: servers, clients and keyspaces as fixtures.

    remus_server          one server for the session, under pytest-xdist one for each worker
    remus                 a redis-py client on it, emptied for each test
    remus_async           the same of redis.asyncio (with pytest-asyncio or anyio)
    remus_client          a function that makes one more client: `remus_client(protocol=3, decode_responses=True)`
    remus_keyspace        a database of the session's server that is this test's own; its .url, .db, .client()
    remus_module_server   one server for each test module
    remus_new_server      a function that starts a server of the test's own: `remus_new_server(appendonly=True)`
    remus_replica         a primary and a replica of the test's own
    remus_cluster         one cluster for the session, which nobody empties
    remus_sentinels       a master, a replica and three sentinels over them, for the session; nobody empties them

What a test did to the session's server by `fast_forward`, `set_time` and `faults` is taken back after it. Clients that
a test leaves waiting (BLPOP ...) are named in a warning and disconnected, or they would take what the next test pushes.
A server that ends shows its log in the report of the test.
"""

from __future__ import annotations

import contextlib
import warnings
from collections.abc import AsyncIterator, Callable, Generator, Iterator
from types import ModuleType
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from remus_embedded.clients import AsyncRemus, Remus
    from remus_embedded.replicas import Replicated
    from remus_server import RemusCluster, RemusSentinels, RemusServer

DATABASES = 256
LOG_LINES = 60  # of a server, in a report
DEFAULTS: dict[str, Any] = {"databases": DATABASES, "enable_debug_command": "local"}
EMPTY = (("CLIENT", "UNPAUSE"), ("FLUSHALL",), ("FUNCTION", "FLUSH"), ("SCRIPT", "FLUSH"))
_leftover_keys: dict[str, int] = {}


def pytest_addoption(parser: pytest.Parser) -> None:
    """Options for pytest.ini and pyproject.toml."""
    parser.addini("remus_directives", "of the session's and modules' servers, as in redis.conf", "linelist")
    parser.addini("remus_leftovers", "keys that a test leaves: ignore, report or fail", default="ignore")


def pytest_configure(config: pytest.Config) -> None:
    """The asynchronous fixture, in the way of the plugin that runs asynchronous tests here."""
    leftovers = config.getini("remus_leftovers")
    if leftovers not in ("ignore", "report", "fail"):
        raise pytest.UsageError(f"remus_leftovers is ignore, report or fail, not {leftovers!r}")
    if any(map(config.pluginmanager.has_plugin, ("asyncio", "pytest_asyncio.plugin"))):
        import pytest_asyncio

        fixture: Callable[..., Any] = pytest_asyncio.fixture
    elif config.pluginmanager.has_plugin("anyio"):
        fixture = pytest.fixture
    else:
        return                                          # a test that asks for it hears which fixtures there are
    config.pluginmanager.register(_asynchronous(fixture), "remus-async")


def _asynchronous(fixture: Callable[..., Any]) -> ModuleType:
    """A plugin of one fixture."""

    @fixture
    async def remus_async(remus_server: RemusServer, _remus_after: None) -> AsyncIterator[AsyncRemus]:
        """A redis.asyncio client on the session's server, which is emptied first."""
        from remus_embedded.clients import AsyncRemus

        _empty(remus_server)
        async with AsyncRemus.of(remus_server) as client:
            yield client

    plugin = ModuleType("remus_embedded.asynchronous")
    vars(plugin)["remus_async"] = remus_async
    return plugin


# ---- servers
def _start(config: pytest.Config) -> RemusServer:
    import remus_server

    return remus_server.start(**{**DEFAULTS, **_directives(config.getini("remus_directives"))})


def _directives(lines: list[str]) -> dict[str, list[str]]:
    """Lines of redis.conf as `remus_server.start` takes them."""
    found: dict[str, list[str]] = {}
    for line in lines:
        name, _, value = line.strip().partition(" ")
        found.setdefault(name.replace("-", "_"), []).append(value.strip())
    return found


@pytest.fixture(scope="session")
def remus_server(request: pytest.FixtureRequest) -> Iterator[RemusServer]:
    """One server for the session; a RemusServer with .port, .host, .url, .pid, .fast_forward(), .faults."""
    with _start(request.config) as server:
        yield server


@pytest.fixture(scope="module")
def remus_module_server(request: pytest.FixtureRequest) -> Iterator[RemusServer]:
    """One server for the tests of a module; nobody empties it."""
    with _start(request.config) as server:
        yield server


@pytest.fixture
def remus_new_server() -> Iterator[Callable[..., RemusServer]]:
    """A function that starts a server of the test's own: `remus_server.start` with DEBUG for local connections."""
    import remus_server

    with contextlib.ExitStack() as started:
        yield lambda **directives: started.enter_context(
            remus_server.start(**{"enable_debug_command": "local", **directives}))


@pytest.fixture
def remus_replica() -> Iterator[Replicated]:
    """A primary and a replica in sync, the test's own: .primary, .replica, .failover(), .kill_primary()."""
    from remus_embedded import replicas

    with replicas.start(enable_debug_command="local") as pair:
        yield pair


@pytest.fixture(scope="session")
def remus_cluster() -> Iterator[RemusCluster]:
    """Three masters with a replica each; a RemusCluster with .nodes, .port, .url."""
    import remus_server

    with remus_server.start_cluster() as cluster:
        yield cluster


@pytest.fixture(scope="session")
def remus_sentinels() -> Iterator[RemusSentinels]:
    """A master, a replica and three sentinels; a RemusSentinels with .addresses and .name."""
    import remus_server

    with remus_server.start_sentinels() as watched:
        yield watched


# ---- clients
@pytest.fixture
def remus(remus_server: RemusServer, _remus_after: None) -> Iterator[Remus]:
    """A redis-py client on the session's server, which is emptied first."""
    pytest.importorskip("redis")
    from remus_embedded.clients import Remus

    _empty(remus_server)
    with contextlib.closing(Remus.of(remus_server)) as client:
        yield client


@pytest.fixture
def remus_client(remus_server: RemusServer, _remus_after: None) -> Iterator[Callable[..., Remus]]:
    """A function that makes clients on the session's server, with options of redis.Redis. It empties nothing."""
    pytest.importorskip("redis")
    from remus_embedded.clients import Remus

    with contextlib.ExitStack() as opened:
        yield lambda **options: opened.enter_context(contextlib.closing(Remus.of(remus_server, **options)))


class Keyspace:
    """A database of a server that a test has for itself."""

    def __init__(self, server: RemusServer, db: int) -> None:
        self.server = server
        self.db = db
        self.url = server.url_of(db)
        self._clients: list[Remus] = []

    def client(self, **options: Any) -> Remus:
        """A redis-py client on it, closed after the test."""
        from remus_embedded.clients import Remus

        self._clients.append(Remus.of(self.server, db=self.db, **options))
        return self._clients[-1]

    def close(self) -> None:
        """Its clients."""
        for client in self._clients:
            client.close()


@pytest.fixture(scope="session")
def _remus_databases(remus_server: RemusServer) -> Iterator[Iterator[int]]:
    """Numbers of databases, from 1 on and round again: nobody else's for as long as possible."""
    (_, count) = remus_server.control.command("CONFIG", "GET", "databases")

    def numbers() -> Iterator[int]:
        while True:
            yield from range(1, int(count)) if int(count) > 1 else [0]

    yield numbers()


@pytest.fixture
def remus_keyspace(
    remus_server: RemusServer, _remus_databases: Iterator[int], _remus_after: None
) -> Iterator[Keyspace]:
    """A database of the session's server that is this test's own, empty; what is late of an earlier test lands in that
    one's. remus_directives may ask for more `databases`."""
    db = next(_remus_databases)
    remus_server.control.pipeline(("SELECT", db), ("FLUSHDB",), ("SELECT", 0))
    with contextlib.closing(Keyspace(remus_server, db)) as keyspace:
        yield keyspace


# ---- after a test
@pytest.fixture
def _remus_after(request: pytest.FixtureRequest, remus_server: RemusServer) -> Iterator[None]:
    """Its traces on the session's server, once its clients are closed."""
    if not remus_server.is_running():
        pytest.fail(f"the session's remus-server has ended:\n{_tail(remus_server)}", pytrace=False)
    yield
    if not remus_server.is_running():
        return                                          # the report says so
    remus_server.control.reset()
    _note_waiting(remus_server)
    _note_keys(request, remus_server)


def _note_waiting(server: RemusServer) -> None:
    """Clients that still wait are named, and disconnected."""
    if "\r\nblocked_clients:0\r\n" in server.control.command("INFO", "clients"):
        return
    waiting = []
    for line in server.control.command("CLIENT", "LIST").splitlines():
        fields = dict(word.partition("=")[::2] for word in line.split())
        if "b" in fields["flags"]:
            waiting.append(f"{fields['cmd'].upper()} from {fields['addr']}")
            server.control.pipeline(("CLIENT", "KILL", "ID", fields["id"]))
    if waiting:
        warnings.warn(pytest.PytestWarning(f"left waiting at remus-server: {', '.join(waiting)}"), stacklevel=1)


def _note_keys(request: pytest.FixtureRequest, server: RemusServer) -> None:
    leftovers = request.config.getini("remus_leftovers")
    if leftovers == "ignore":
        return
    told = server.control.command("INFO", "keyspace").split("keys=")[1:]
    count = sum(int(text.split(",")[0]) for text in told)
    if count and leftovers == "fail":
        server.control.pipeline(*EMPTY)
        pytest.fail(f"keys left at remus-server: {count}", pytrace=False)
    if count:
        _leftover_keys[request.node.nodeid] = count


def _empty(server: RemusServer) -> None:
    server.control.pipeline(*EMPTY)


def pytest_sessionfinish(session: pytest.Session) -> None:
    """A worker of pytest-xdist has no terminal: what it found goes to the process that has."""
    told: dict[str, Any] | None = getattr(session.config, "workeroutput", None)
    if told is not None:
        told["remus_leftover_keys"] = dict(_leftover_keys)


@pytest.hookimpl(optionalhook=True)
def pytest_testnodedown(node: Any) -> None:
    """Such a worker has ended."""
    _leftover_keys.update(getattr(node, "workeroutput", {}).get("remus_leftover_keys", {}))


def pytest_terminal_summary(terminalreporter: Any) -> None:
    """remus_leftovers = report."""
    if _leftover_keys:
        terminalreporter.section("keys left at remus-server")
        for test, count in _leftover_keys.items():
            terminalreporter.write_line(f"{count:6} {test}")
        _leftover_keys.clear()


# ---- reports
def _tail(server: RemusServer) -> str:
    return "\n".join(server.log().splitlines()[-LOG_LINES:])


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item, call: pytest.CallInfo[None]) -> Generator[None, Any, Any]:
    """A failure shows the log of each server that has ended by itself, or has written something during it."""
    report: Any = yield
    if report.failed:
        import remus_server

        for server in remus_server.running():
            ended = not server.is_running()
            if ended or server.wrote_since(call.start):
                what = "has ended" if ended else "wrote"
                report.sections.append((f"{server!r} {what}", _tail(server)))
    return report
