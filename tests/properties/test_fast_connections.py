"""What changes how a connection is answered (HELLO, RESET, subscriptions, MULTI, CLIENT REPLY), with fast paths on and
off: the same bytes to whoever says it, and the same lines to whoever monitors."""

import re
import socket
from collections.abc import Iterator

import pytest
from hypothesis import HealthCheck, given, settings, strategies as st

from tests.properties.test_fast_paths import NAMED, OF_CONNECTIONS, words
from tests.support.resp import Connection, encode
from tests.support.server import Server, wait_until

PASSWORD = st.sampled_from([b"", b"", b"secret"])     # requirepass
NAME = st.sampled_from([b"a", b"b", b"__keyevent@0__:set", b"*", b"__key*", b""])
CONNECTED = st.one_of(
    words((b"SUBSCRIBE", b"psubscribe", b"SSUBSCRIBE"), [NAME]),
    words((b"UNSUBSCRIBE", b"punsubscribe", b"SUNSUBSCRIBE"), [NAME]),
    words((b"UNSUBSCRIBE", b"PUNSUBSCRIBE", b"SUNSUBSCRIBE", b"SUBSCRIBE")),
    words((b"PUBLISH", b"SPUBLISH"), NAME, NAME),
    words(b"PUBSUB", (b"NUMSUB", b"SHARDNUMSUB"), NAME),
    words(b"PUBSUB", (b"CHANNELS", b"shardchannels")),
    words(b"PUBSUB", (b"channels", b"SHARDCHANNELS"), NAME),
    words((b"PING", b"ping", b"HELLO", b"RESET", b"MULTI", b"EXEC", b"DISCARD", b"UNWATCH")),
    words(b"PING", st.sampled_from([b"text", b"q\"\\\n\r\t\a\b\x00\xff "])),
    words(b"PING", b"two", b"words"),
    words(b"HELLO", st.sampled_from([b"2", b"3", b"4", b"x", b""])),
    words(b"HELLO", b"3", b"SETNAME", st.sampled_from([b"me", b"a b"])),
    words(b"CLIENT", b"REPLY", st.sampled_from([b"ON", b"SKIP", b"OFF"])),
    words(b"CLIENT", (b"GETNAME", b"INFO", b"info")),
    words(b"CLIENT", b"LIST", st.sampled_from([b"ID", b"id", b"TYPE"]), st.sampled_from([b"1", b"99999", b"x"])),
    words(b"CLIENT", b"TRACKING", st.sampled_from([b"ON", b"OFF", b"on", b"x"])),
    words(b"CLIENT", b"TRACKING", b"ON", st.sampled_from([b"OPTIN", b"OPTOUT", b"BCAST", b"NOLOOP", b"x"])),
    words(b"CLIENT", b"CACHING", st.sampled_from([b"YES", b"no", b"x"])),
    words(b"CLIENT", (b"TRACKINGINFO", b"GETREDIR", b"UNPAUSE")),
    words(b"CLIENT", (b"NO-EVICT", b"NO-TOUCH"), st.sampled_from([b"ON", b"off", b"x"])),
    words(b"WATCH", b"k"),
    words(b"SET", b"k", NAME),
    words(b"GET", b"k"),
    words(b"SELECT", st.sampled_from([b"0", b"1"])),
    words(b"AUTH", st.sampled_from([b"default", b"bob", b"nobody"]), st.sampled_from([b"secret", b"other"])),
    words(b"auth", b"secret"),
    words(b"AUTH", b"default", b"two", b"words"),
    words(b"ACL", b"WHOAMI"),
)


@pytest.fixture(scope="module")
def servers(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Server, Server]]:
    """One with fast paths, one without."""
    with Server(tmp_path_factory.mktemp("fast")) as fast, Server(tmp_path_factory.mktemp("plain")) as plain:
        for server, on in ((fast, "yes"), (plain, "no")):
            with server.connect() as c:
                c.ok("DEBUG", "FAST-PATHS", on)
                c.ok("CONFIG", "SET", "notify-keyspace-events", "KEA")
                c.ok("ACL", "SETUSER", "bob", "on", ">secret", "allkeys", "allchannels", "+@all", "-echo")
        yield fast, plain


def timeless(said: bytes) -> bytes:
    """Ids of clients, when and from where a monitor saw something, and what of CLIENT LIST is of the moment."""
    said = re.sub(rb"(id|addr|laddr|fd|age|idle|qbuf|qbuf-free|rbp|obl|oll|omem|tot-mem|events)=\S*", rb"\1=", said)
    said = re.sub(rb"([$=])\d{3}\r\n", rb"\1N\r\n", said)
    said = re.sub(rb"(\$2\r\nid\r\n:)\d+", rb"\1ID", said)
    return re.sub(rb"\+\d+\.\d{6} \[(\d+) [^]]*\]", rb"+T [\1 A]", said)


def said_by(server: Server, pieces: list[bytes]) -> bytes:
    """All that a new connection hears that sends these pieces, and QUIT."""
    heard = b""
    with socket.create_connection(("127.0.0.1", server.port)) as mine:
        for piece in (*pieces, encode("QUIT")):
            mine.sendall(piece)
        while more := mine.recv(65536):
            heard += more
    return timeless(heard)


def refused(c: Connection) -> list[dict[bytes, object]]:
    """ACL LOG without what is of the moment."""
    entries = [dict(zip(entry[::2], entry[1::2], strict=True)) for entry in c("ACL", "LOG")]
    for entry in entries:
        entry[b"client-info"] = timeless(entry[b"client-info"])
    said = (b"count", b"reason", b"context", b"object", b"username", b"client-info")
    return [{name: entry[name] for name in said} for entry in entries]


@settings(max_examples=300, deadline=None, suppress_health_check=list(HealthCheck))
@given(st.lists(CONNECTED, min_size=1, max_size=20), st.booleans(), st.booleans(), PASSWORD)
def test_on_and_off_agree(
    servers: tuple[Server, Server], commands: list[tuple[bytes, ...]], pipelined: bool, monitored: bool, password: bytes
) -> None:
    seen = []
    for server in servers:
        with server.connect() as monitor, server.connect() as other:
            monitor("FLUSHALL")
            other.ok("CONFIG", "SET", "requirepass", password)
            monitor("ACL", "LOG", "RESET")
            wait_until(lambda: not monitor("CLIENT", "LIST", "TYPE", "pubsub"))
            if monitored:
                monitor("MONITOR")
            requests = [encode(*command) for command in commands]
            heard = said_by(server, [b"".join(requests)] if pipelined else requests)
            lines = b""
            other.ok("CONFIG", "SET", "requirepass", "")
            if monitored:
                monitor.send("PING")
                monitor.send("RESET")
                while (line := monitor.read()) != "RESET":
                    lines += str(line).encode() + b"\n"
            seen.append((heard, timeless(b"+" + lines.replace(b"\n", b"\n+")), refused(monitor)))
    assert seen[0] == seen[1]


def test_the_grammar_has_them() -> None:
    """Those that the grammar of test_fast_paths leaves to this one."""
    assert set(OF_CONNECTIONS) <= NAMED
