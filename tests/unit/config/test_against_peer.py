"""Our configuration beside a real redis-server's: names, defaults, error texts, command lines, rewritten files.

Written against Config, not against a running server of ours: the socket is not what is tested here. REMUS_PEER names
another redis-server; a 7.2 is compared in everything, a 7.0 in what it has.
"""

import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from server.config import metrics
from server.config.config import Config, ConfigSetError
from server.config.reader import ConfigError
from server.config.table import BY_NAME
from server.registry.directive import Flag
from tests.support.peer import Peer, peer_path, peer_version, require_peer
from tests.support.resp import Connection, RespError

pytestmark = pytest.mark.peer

# Names of 7.2 that 7.0 lacks, one that 7.0 shows and 7.2 hides, and what 7.2 says with one more word.
OURS = {
    "rdb-version", "io-threads-always-active", "replica-refuse-empty-master", "tls-auto-reload-interval",
    "dual-channel-replication-enabled", "cluster-slot-migration-log-max-len", "cluster-slot-stats-enabled",
    "slot-migration-max-failover-repl-bytes",
    *(directive.name for directive in metrics.DIRECTIVES),
}  # fmt: skip
ONLY_7_2 = {
    "cluster-announce-human-nodename", "locale-collate",
    "set-max-listpack-entries", "set-max-listpack-value",
}  # fmt: skip
SHOWN_BY_7_0 = {"aof-disable-auto-gc"}
IS_7_0 = peer_path() is not None and peer_version() < (7, 2)
# What depends on how the peer was started or on the machine.
STARTED_WITH = {"port", "dir", "save", "enable-debug-command", "maxclients", "configfile", "pidfile"}


@pytest.fixture(scope="module")
def bare(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Peer]:
    with Peer(tmp_path_factory.mktemp("bare")) as peer:
        yield peer


@pytest.fixture
def theirs(bare: Peer) -> Iterator[Connection]:
    with Connection(bare.port) as connection:
        yield connection


def test_names_and_defaults(theirs: Connection) -> None:
    reply = theirs("CONFIG", "GET", "*")
    values = {reply[at].decode(): reply[at + 1].decode() for at in range(0, len(reply), 2)}
    ours = Config().get(["*"])
    missing = set(ours) - set(values) - OURS
    assert set(values) - set(ours) == (SHOWN_BY_7_0 if IS_7_0 else set())
    assert missing == (ONLY_7_2 if IS_7_0 else set())
    common = set(values) & set(ours) - STARTED_WITH
    assert {name: ours[name] for name in common} == {name: values[name] for name in common}


SETS = [
    ("maxmemory", "x"), ("maxmemory", "-1"), ("maxmemory", "1mb"), ("maxmemory", ""), ("maxmemory", "9" * 30),
    ("maxmemory-clients", "101%"), ("maxmemory-clients", "%"), ("maxmemory-clients", "7%"), ("maxmemory-clients", "a"),
    ("timeout", "-1"), ("timeout", "01"), ("timeout", "+1"), ("timeout", " 1"), ("timeout", "2147483648"),
    ("timeout", "1 2"), ("hz", "0"), ("hz", "1000"), ("port", "65536"), ("maxclients", "0"),
    ("appendfsync", "often"), ("loglevel", "WARNING"), ("appendfsync", ""), ("maxmemory-policy", "lru"),
    ("oom-score-adj", "relative"), ("oom-score-adj", "no"), ("oom-score-adj-values", "1 2"),
    ("oom-score-adj-values", "1 2 3000"), ("oom-score-adj-values", "1 2 3"), ("oom-score-adj-values", "1  3"),
    ("shutdown-on-sigint", ""), ("shutdown-on-sigint", "save nosave"), ("shutdown-on-sigint", "NOW save"),
    ("shutdown-on-sigint", "default"), ("save", "1"), ("save", "1 2"), ("save", "0 2"), ("save", "1  2"), ("save", ""),
    ("save", "1 2 3 4"), ("save", "x y"), ("notify-keyspace-events", "KEA"), ("notify-keyspace-events", "q"),
    ("notify-keyspace-events", "mnlK"), ("notify-keyspace-events", "An"), ("notify-keyspace-events", ""),
    ("client-output-buffer-limit", "normal 1 2"), ("client-output-buffer-limit", "master 1 2 3"),
    ("client-output-buffer-limit", "replica 1mb 1kb 3"), ("client-output-buffer-limit", "normal 1 2 x"),
    ("client-output-buffer-limit", ""), ("client-output-buffer-limit", "pubsub x 2 3"),
    ("latency-tracking-info-percentiles", "50 100.0 99.999"), ("latency-tracking-info-percentiles", "101"),
    ("latency-tracking-info-percentiles", "a"), ("latency-tracking-info-percentiles", ""),
    ("latency-tracking-info-percentiles", "1e1 .5"), ("latency-tracking-info-percentiles", "50  99"),
    ("daemonize", "yes"), ("dir", "/"), ("dbfilename", "x"), ("nope", "1"), ("io-threads-do-reads", "yes"),
    ("proto-max-bulk-len", "1"), ("repl-backlog-size", "0"), ("list-max-listpack-size", "-5"),
    ("cluster-announce-hostname", "a_b"), ("cluster-announce-hostname", "a" * 300), ("proc-title-template", "{x}"),
    ("proc-title-template", ""), ("proc-title-template", "{title"), ("proc-title-template", "{{ {title} {port}"),
    ("lua-time-limit", "-1"), ("lua-time-limit", "77"), ("hash-max-ziplist-entries", "-1"),
    ("bind-source-addr", "x"), ("masterauth", "\udcff x"), ("locale-collate", "nowhere"), ("MaxMemory", "y"),
    ("unixsocketperm", "777"), ("replicaof", "no one"), ("slaveof", "no one"), ("watchdog-period", "x"),
]  # fmt: skip


@pytest.mark.parametrize(("name", "text"), SETS, ids=lambda value: ascii(value)[:40])
def test_set_says_and_does_the_same(theirs: Connection, name: str, text: str) -> None:
    if IS_7_0 and name in ONLY_7_2:
        pytest.skip("7.2 only")
    config = Config()
    before = theirs("CONFIG", "GET", name)
    if before:
        directive = BY_NAME[name.lower()]
        if not directive.flags & (Flag.IMMUTABLE | Flag.PROTECTED):
            config.set([(name, before[1].decode("utf-8", "surrogateescape"))])
    expected = theirs("CONFIG", "SET", name, text.encode("utf-8", "surrogateescape"))
    try:
        config.set([(name, text)])
    except ConfigSetError as error:
        assert RespError(str(error)) == expected
    else:
        assert expected == "OK"
        after = theirs("CONFIG", "GET", name)[1].decode("utf-8", "surrogateescape")
        assert config.get([name]) == {name: after}
    if before:
        theirs("CONFIG", "SET", name, before[1])


@pytest.mark.parametrize("pairs", [
    ("timeout", "1", "nope", "2", "daemonize", "yes"), ("daemonize", "yes", "nope", "1"),
    ("timeout", "1", "timeout", "2"), ("timeout", "5", "hz", "x"), ("dir", "/", "timeout", "1", "timeout", "2"),
    ("hash-max-listpack-entries", "5", "hash-max-ziplist-entries", "6"),
], ids=str)  # fmt: skip
def test_set_of_several(theirs: Connection, pairs: tuple[str, ...]) -> None:
    config = Config()
    config.set([("timeout", "0")])
    theirs("CONFIG", "SET", "timeout", "0")
    expected = theirs("CONFIG", "SET", *pairs)
    try:
        config.set(list(zip(pairs[0::2], pairs[1::2], strict=True)))
    except ConfigSetError as error:
        assert RespError(str(error)) == expected
    else:
        assert expected == "OK"
    for name in set(pairs[0::2]) - {"nope", "dir"}:
        assert config.get([name])[name].encode() == theirs("CONFIG", "GET", name)[1]


GLOBS = ["*max-*", "h?", "[hp]o*", "[^a-y]*", "SLAVE*", "\\hz*", "h[]z]*", "*-[", "[z-s]*-max*"]


@pytest.mark.parametrize("glob", GLOBS)
def test_globs(theirs: Connection, glob: str) -> None:
    found = {name.decode() for name in theirs("CONFIG", "GET", glob)[0::2]}
    assert set(Config().get([glob])) - found - OURS <= ONLY_7_2
    assert found - set(Config().get([glob])) <= SHOWN_BY_7_0


FATAL = [
    ("--port", "x"), ("--port",), ("--port", "1", "2"), ("--nope", "1"), ("--save", "1"),
    ("--replicaof", "127.0.0.1", "abc"), ("--replicaof", "--127.0.0.1", "abc"), ("--dir", "/no/such"),
    ("--appendfsync", "often", "--port", "1"), ("--maxmemory", "1x"), ("--appendonly", "--port", "1"),
    ("--shutdown-on-sigint", "now force", "--shutdown-on-sigterm"), ("--port '1",), ("--logfile", "/no/such/x.log"),
    ("--cluster-enabled", "yes", "--replicaof", "a", "1"), ("--rename-command", "x"),
    ("--include",), ("--x.y",), ("--unixsocketperm", "9"), ("--client-output-buffer-limit", "a", "1", "2", "3"),
]  # fmt: skip


@pytest.mark.usefixtures("everything_built")
@pytest.mark.parametrize("words", FATAL, ids=str)
def test_fatal_mistakes_read_the_same(words: tuple[str, ...], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    Path("a.conf").write_text("port 0\n# x\n")
    argv = ["x", "a.conf", *words]
    command = [require_peer(), *argv[1:]]
    run = subprocess.run(command, capture_output=True, text=True, timeout=10, stdin=subprocess.DEVNULL)
    with pytest.raises(ConfigError) as caught:
        Config.from_argv(argv)
    hints = ("The nearest known", "On the command line")
    ours = [line for line in caught.value.text.splitlines() if not line.startswith(hints)]
    theirs = run.stderr.splitlines()
    assert run.returncode == 1
    assert ours[2:] == theirs[2:]
    assert [line.split("(")[0] for line in ours[:2]] == [line.split("(")[0] for line in theirs[:2]]


STARTS = [
    ("--save",), ("--save", "--hz", "20"), ("--save", ""), ("--save", "5", "6", "--timeout 9"),
    ("--timeout 7", "--hz 30"),
    ("--requirepass", ""), ("--masterauth", "--pass"), ("--proc-title-template", "--my--{title}"),
    ("--client-output-buffer-limit", "replica 1mb 2 3", "--bind", "127.0.0.1 -::1"), ("--save", "5 6 7 8"),
    ("--shutdown-on-sigterm", "now", "force"), ("--hash-max-ziplist-value", "7", "--lua-time-limit", "8"),
]  # fmt: skip


@pytest.mark.parametrize("words", STARTS, ids=str)
def test_command_lines_mean_the_same(words: tuple[str, ...], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    with Peer(tmp_path, arguments=words, save=["900 1"]) as peer:
        config = Config.from_argv(["x", "redis.conf", *words])
        assert isinstance(config, Config)
        reply = peer.connect()("CONFIG", "GET", "*")
        values = {reply[at].decode(): reply[at + 1].decode() for at in range(0, len(reply), 2)}
    ours = config.get(["*"])
    names = set(values) & set(ours) - {"maxclients"}
    assert {name: ours[name] for name in names} == {name: values[name] for name in names}


REWRITES = [
    ("", [("timeout", "5"), ("maxmemory", "3mb")]),
    ("# c\n\n\n\nmaxmemory 1mb\n# d\nmaxmemory 2mb\ntimeout 0\nhash-max-ziplist-entries 9\n", [("maxmemory", "1000")]),
    ("save 900 1\nsave 60 5\n# x", [("save", "1 2"), ("notify-keyspace-events", "KEA")]),
    ("save 900 1", [("save", ""), ("bind", "127.0.0.1 -::1"), ("requirepass", "")]),
    ('client-output-buffer-limit replica 1mb 2kb 3\nloglevel "notice"\nPROTECTED-mode  no  \n',
     [("client-output-buffer-limit", "pubsub 0 0 0"), ("oom-score-adj-values", "1 2 3")]),
    ("rename-command FLUSHALL x\ninclude b*.conf\nproc-title-template \"a {title}\"\n",
     [("maxmemory-clients", "5%"), ("masterauth", "a \"b\"")]),
]  # fmt: skip


@pytest.mark.parametrize(("text", "sets"), REWRITES)
def test_rewrite_writes_the_same(
    text: str, sets: list[tuple[str, str]], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    with Peer(tmp_path, config=text, save=[]) as peer:
        original = Path("redis.conf").read_text()
        config = Config.from_argv(["x", "redis.conf"])
        assert isinstance(config, Config)
        connection = peer.connect()
        for name, value in sets:
            assert connection("CONFIG", "SET", name, value) == "OK"
            config.set([(name, value)])
        assert connection("CONFIG", "REWRITE") == "OK"
        theirs = Path("redis.conf").read_text().split("# Generated by CONFIG REWRITE\n")
    Path("redis.conf").write_text(original)
    config.rewrite()
    ours = Path("redis.conf").read_text().split("# Generated by CONFIG REWRITE\n")
    # A real server's users are known, ours are not asked here; the order of what is appended is a hash table's.
    kept = [[line for line in part[-1].splitlines() if not line.startswith("user ")] for part in (ours, theirs)]
    assert sorted(kept[0]) == sorted(kept[1])
    assert ours[0] == theirs[0]
