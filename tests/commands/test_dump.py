"""DUMP and RESTORE through the socket; payloads exchanged with a real server both ways; historic encodings."""

import struct
import time
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from server.structures.crc64 import crc64_of
from tests.support.differential import Pair
from tests.support.every_type import contents, fill
from tests.support.peer import Peer, peer_version
from tests.support.resp import Connection, RespError

REFUSED = "ERR Bad data format"


def payload(kind: int, body: bytes, version: int = 11) -> bytes:
    """A DUMP payload of this type."""
    text = bytes([kind]) + body + struct.pack("<H", version)
    return text + struct.pack("<Q", crc64_of(text))


def blob(data: bytes) -> bytes:
    """A string as RDB has it."""
    return b"\x80" + struct.pack(">I", len(data)) + data


def ziplist(*entries: bytes, count: int | None = None, before: int | None = None) -> bytes:
    """Entries are encoding and value; the sizes are added here."""
    body, last = b"", 0
    for entry in entries:
        head = bytes([last]) if last < 254 else b"\xfe" + struct.pack("<I", last)
        if before is not None:
            head = bytes([before])
        body += head + entry
        last = len(head + entry)
    tail = 10 + len(body) - last
    return struct.pack("<IIH", 11 + len(body), tail, len(entries) if count is None else count) + body + b"\xff"


def text(value: bytes) -> bytes:
    """A string entry of a ziplist."""
    if len(value) < 64:
        return bytes([len(value)]) + value
    if len(value) < 16384:
        return struct.pack(">H", 0x4000 | len(value)) + value
    return b"\x80" + struct.pack(">I", len(value)) + value


NUMBERS = (b"\xf1", b"\xfd", b"\xfe\x85", b"\xc0\x00\x80", b"\xf0\x00\x00\x80", b"\xd0\x00\x00\x00\x80",
           b"\xe0\x00\x00\x00\x00\x00\x00\x00\x80", b"\xf0\xff\xff\x7f")
THEIR_TEXT = [b"0", b"12", b"-123", b"-32768", b"-8388608", b"-2147483648", b"-9223372036854775808", b"8388607"]


# ---- round trips
def test_every_value_comes_back(raw: Connection) -> None:
    fill(raw)
    for key in sorted(raw("KEYS", "*")):
        for compressed in ("yes", "no"):
            raw.ok("CONFIG", "SET", "rdbcompression", compressed)
            raw.ok("RESTORE", "copy", 0, raw("DUMP", key), "REPLACE")
            assert contents(raw, "copy") == contents(raw, key)
            assert raw("OBJECT", "ENCODING", "copy") == raw("OBJECT", "ENCODING", key)
        raw.ok("CONFIG", "SET", "rdbcompression", "yes")
    assert raw("DUMP", "none") is None


@pytest.mark.parametrize("version", [10, 9])
def test_values_travel_to_an_older_server_and_back(
    both: Pair, configure: Callable[[str, Any], None], version: int
) -> None:
    ours, theirs = both.ours, both.theirs
    configure("rdb-version", version)
    fill(ours)
    fill(theirs)
    for key in sorted(ours("KEYS", "*")):
        theirs.ok("RESTORE", "from_us", 0, ours("DUMP", key), "REPLACE")
        ours.ok("RESTORE", "from_them", 0, theirs("DUMP", key), "REPLACE")
        if not key.startswith(b"stream"):
            assert contents(theirs, "from_us") == contents(theirs, key)
            assert contents(ours, "from_them") == contents(ours, key)
            continue
        assert theirs("XRANGE", "from_us", "-", "+") == theirs("XRANGE", key, "-", "+")
        assert ours("XRANGE", "from_them", "-", "+") == ours("XRANGE", key, "-", "+")
        assert len(theirs("XINFO", "GROUPS", "from_us")) == len(theirs("XINFO", "GROUPS", key))
        ours.ok("RESTORE", "back", 0, theirs("DUMP", "from_us"), "REPLACE")
        if version == 10:
            assert contents(ours, "back")[1:2] == contents(ours, key)[1:2]


def test_payloads_are_a_real_servers_bytes(both: Pair, configure: Callable[[str, Any], None]) -> None:
    """Uncompressed; what has no order of its own, or holds times or floats as 7.0 wrote them, aside."""
    if peer_version() < (7, 2):
        configure("rdb-version", 10)
    configure("rdbcompression", "no")
    both.theirs.ok("CONFIG", "SET", "rdbcompression", "no")
    fill(both.ours)
    fill(both.theirs)
    compared = 0
    for key in sorted(both.ours("KEYS", "*")):
        same_form = both.ours("OBJECT", "ENCODING", key) == both.theirs("OBJECT", "ENCODING", key)
        kind = both.ours("OBJECT", "ENCODING", key)
        aside = kind == b"hashtable" or key in (b"stream129", b"stream3") or key.startswith((b"set", b"zset"))
        if aside or not (same_form or kind == b"listpack"):
            continue
        assert both.ours("DUMP", key) == both.theirs("DUMP", key), key
        compared += 1
    both.theirs.ok("CONFIG", "SET", "rdbcompression", "yes")
    assert compared > 20


# ---- options
def test_times_to_live(raw: Connection) -> None:
    raw.ok("SET", "k", "v")
    dump = raw("DUMP", "k")
    raw.ok("RESTORE", "relative", 50000, dump)
    raw.ok("RESTORE", "absolute", int(time.time() * 1000) + 50000, dump, "ABSTTL")
    raw.ok("RESTORE", "never", 0, dump)
    assert 0 < raw("PTTL", "relative") <= 50000
    assert 0 < raw("PTTL", "absolute") <= 51000
    assert raw("PTTL", "never") == -1
    raw.ok("RESTORE", "past", 1, dump, "ABSTTL")
    assert raw("EXISTS", "past") == 0
    raw.ok("RESTORE", "never", 1, dump, "ABSTTL", "REPLACE")
    assert raw("EXISTS", "never") == 0


def test_access_history(raw: Connection, configure: Callable[[str, Any], None]) -> None:
    raw.ok("SET", "k", "v")
    dump = raw("DUMP", "k")
    raw.ok("RESTORE", "idle", 0, dump, "IDLETIME", 1000)
    assert 1000 <= raw("OBJECT", "IDLETIME", "idle") <= 1001
    raw.ok("RESTORE", "ancient", 0, dump, "IDLETIME", 2**62)
    configure("maxmemory-policy", "allkeys-lfu")
    raw.ok("RESTORE", "often", 0, dump, "FREQ", 100)
    assert raw("OBJECT", "FREQ", "often") == 100


def test_a_key_that_is_there(raw: Connection) -> None:
    raw.ok("SET", "k", "v")
    dump = raw("DUMP", "k")
    raw("RPUSH", "l", "x")
    raw("EXPIRE", "l", 100)
    assert raw("RESTORE", "l", 0, dump).code == "BUSYKEY"
    raw.ok("RESTORE", "l", 0, dump, "replace")
    assert raw("GET", "l") == b"v"
    assert raw("TTL", "l") == -1


ERRORS = [
    ("0", "REPLACE", "X"), ("x",), ("-1",), ("0", "IDLETIME"), ("0", "IDLETIME", "-1"), ("0", "IDLETIME", "x"),
    ("0", "FREQ", "256"), ("0", "FREQ", "-1"), ("0", "FREQ", "x"), ("0", "FREQ", "1", "IDLETIME", "1"), ("0", "TTL"),
]  # fmt: skip


@pytest.mark.parametrize("words", ERRORS, ids=" ".join)
def test_errors_agree_with_a_real_server(both: Pair, words: tuple[str, ...]) -> None:
    both("SET", "k", "v")
    dump = both.theirs("DUMP", "k")
    both("RESTORE", "new", words[0], dump, *words[1:])
    both("RESTORE", "k", words[0], dump, *words[1:])
    both("RESTORE", "k", words[0], "abc", *words[1:])
    both("EXISTS", "new")


def test_footer(raw: Connection) -> None:
    raw.ok("SET", "k", "v")
    dump = raw("DUMP", "k")
    told = "ERR DUMP payload version or checksum are wrong"
    for wrong in (dump[:-1] + b"x", dump[:9], b"", payload(0, b"\x01v", 12), dump + b"\x00"):
        assert str(raw("RESTORE", "new", 0, wrong)) == told
    raw.ok("DEBUG", "SET-SKIP-CHECKSUM-VALIDATION", 1)
    raw.ok("RESTORE", "new", 0, dump[:-1] + b"x")
    raw.ok("DEBUG", "SET-SKIP-CHECKSUM-VALIDATION", 0)
    assert raw("GET", "new") == b"v"


def test_what_is_propagated(raw: Connection) -> None:
    raw.ok("SET", "k", "v")
    dump = raw("DUMP", "k")
    raw.ok("DEBUG", "PROPAGATED", "START")
    raw.ok("RESTORE", "a", 0, dump)
    raw.ok("RESTORE", "b", 100000, dump)
    raw.ok("RESTORE", "b", 1, dump, "REPLACE", "ABSTTL")
    raw.ok("RESTORE", "none", 1, dump, "REPLACE", "ABSTTL")
    stream = raw("DEBUG", "PROPAGATED", "GET")
    raw.ok("DEBUG", "PROPAGATED", "STOP")
    assert stream.count(b"RESTORE") == 2
    assert stream.count(b"ABSTTL") == 1
    assert b"DEL\r\n$1\r\nb" in stream
    assert b"none" not in stream


def test_restore_asking(both: Pair) -> None:
    """The same for a node of a cluster whose slot is still on its way."""
    both("SET", "k", "v")
    dump = both.theirs("DUMP", "k")
    both("RESTORE-ASKING", "new", 0, dump)
    both("RESTORE-ASKING", "new", 0, dump)
    both("RESTORE-ASKING", "new", 0, dump, "REPLACE", "IDLETIME", 10)
    both("RESTORE-ASKING", "new", 0, "abc")
    both("RESTORE-ASKING", "new", 0)
    both("GET", "new")


# ---- historic encodings
def test_lists_of_old(raw: Connection) -> None:
    entries = [*NUMBERS, text(b"abc"), text(b"x" * 300), text(b"y" * 20000), text(b"")]
    expected = [*THEIR_TEXT, b"abc", b"x" * 300, b"y" * 20000, b""]
    raw.ok("RESTORE", "ziplist", 0, payload(10, blob(ziplist(*entries)), 6))
    raw.ok("RESTORE", "quicklist", 0, payload(14, b"\x02" + blob(ziplist(*entries)) + blob(ziplist(text(b"z"))), 7))
    raw.ok("RESTORE", "plain", 0, payload(1, b"\x03\x01a\xc0\xff\x00", 1))
    assert raw("LRANGE", "ziplist", 0, -1) == expected
    assert raw("LRANGE", "quicklist", 0, -1) == [*expected, b"z"]
    assert raw("LRANGE", "plain", 0, -1) == [b"a", b"-1", b""]


def test_hashes_of_old(raw: Connection) -> None:
    zipmap = b"\x02\x01a\x02\x00xy\x02bb\x01\x03z...\xff"
    raw.ok("RESTORE", "zipmap", 0, payload(9, blob(zipmap), 2))
    raw.ok("RESTORE", "ziplist", 0, payload(13, blob(ziplist(text(b"a"), NUMBERS[2], text(b"b"), text(b"v"))), 4))
    assert raw("HGETALL", "zipmap") == [b"a", b"xy", b"bb", b"z"]
    assert raw("HGETALL", "ziplist") == [b"a", b"-123", b"b", b"v"]
    long = b"\xfe\x01\x01\x00\x00" + b"f" * 257 + b"\x01\x00v"
    raw.ok("RESTORE", "long", 0, payload(9, blob(b"\x01" + long + b"\xff"), 2))
    assert raw("HGET", "long", "f" * 257) == b"v"
    assert raw("OBJECT", "ENCODING", "long") == b"hashtable"


def test_sorted_sets_of_old(raw: Connection) -> None:
    raw.ok("RESTORE", "ziplist", 0, payload(12, blob(ziplist(text(b"m"), text(b"1.5"), text(b"n"), b"\xf3")), 6))
    raw.ok("RESTORE", "text", 0, payload(3, b"\x04\x01a\x031.5\x01b\xfe\x01c\xff\x01d\x04-2e3", 1))
    assert raw("ZRANGE", "ziplist", 0, -1, "WITHSCORES") == [b"m", b"1.5", b"n", b"2"]
    assert raw("ZRANGE", "text", 0, -1, "WITHSCORES") == [b"c", b"-inf", b"d", b"-2000", b"a", b"1.5", b"b", b"inf"]


def test_streams_of_old(raw: Connection) -> None:
    raw("XADD", "s", "5-1", "f", "v")
    raw("XADD", "s", "6-1", "f", "v")
    raw.ok("XGROUP", "CREATE", "s", "g", "0")
    raw("XREADGROUP", "GROUP", "g", "alice", "COUNT", 1, "STREAMS", "s", ">")
    for version, kind in ((9, 15), (10, 19), (11, 21)):
        raw.ok("CONFIG", "SET", "rdb-version", version)
        dump = raw("DUMP", "s")
        assert dump[0] == kind
        raw.ok("RESTORE", "copy", 0, dump, "REPLACE")
        assert contents(raw, "copy") == contents(raw, "s")
        info = raw("XINFO", "STREAM", "copy")
        assert info[info.index(b"entries-added") + 1] == 2
    raw.ok("CONFIG", "SET", "rdb-version", 11)


# ---- payloads that are none
INTSET = struct.pack("<II", 2, 2)
PAIR = text(b"a"), text(b"1")
DAMAGED = {
    "nothing": b"",
    "unknown type": b"\x16\x01a", "module": b"\x07\x01", "opcode": b"\xff",
    "string too short": b"\x00\x05abc", "string without end": b"\x00\x80\xff\xff\xff\xff",
    "64 bits": b"\x00\x81" + b"\xff" * 8,
    "unknown encoding": b"\x00\xc4", "unknown length": b"\x00\x82", "lzf of nothing": b"\x00\xc3\x00\x05",
    "lzf too long": b"\x00\xc3\x03\x80\x7f\xff\xff\xff\x00a\x00", "lzf damaged": b"\x00\xc3\x03\x05\xe0\xff\xff",
    "empty list": b"\x01\x00", "empty set": b"\x02\x00", "empty hash": b"\x04\x00", "empty zset": b"\x05\x00",
    "count beyond the bytes": b"\x01\x80\x7f\xff\xff\xff\x01a", "list of nodes without nodes": b"\x12\x00",
    "same member": b"\x02\x02\x01a\x01a", "same number": b"\x02\x02\xc0\x05\x015",
    "same field": b"\x04\x02\x01a\x01b\x01a\x01c",
    "same element": b"\x05\x02\x01a" + bytes(8) + b"\x01a" + bytes(8),
    "nan": b"\x05\x01\x01a" + struct.pack("<d", float("nan")),
    "nan as text": b"\x03\x01\x01a\xfd", "no number": b"\x03\x01\x01a\x01x",
    "intset unsorted": b"\x0b" + blob(INTSET + b"\x02\x00\x01\x00"),
    "intset short": b"\x0b" + blob(INTSET + b"\x02\x00"),
    "intset of nothing": b"\x0b" + blob(struct.pack("<II", 2, 0)),
    "listpack empty": b"\x10" + blob(struct.pack("<IH", 7, 0) + b"\xff"), "listpack short": b"\x10" + blob(b"\x07\x00"),
    "listpack odd": b"\x10" + blob(struct.pack("<IH", 9, 1) + b"\x01\x01\xff"),
    "listpack miscounted": b"\x14" + blob(struct.pack("<IH", 9, 2) + b"\x01\x01\xff"),
    "listpack twice": b"\x14" + blob(struct.pack("<IH", 11, 2) + b"\x01\x01\x01\x01\xff"),
    "listpack and text twice": b"\x14" + blob(struct.pack("<IH", 12, 2) + b"\x01\x01\x811\x02\xff"),
    "zset of words": b"\x11" + blob(struct.pack("<IH", 13, 2) + b"\x81a\x02\x81b\x02\xff"),
    "ziplist odd": b"\x0d" + blob(ziplist(text(b"a"))), "ziplist twice": b"\x0d" + blob(ziplist(*PAIR, *PAIR)),
    "ziplist empty": b"\x0d" + blob(ziplist()), "ziplist miscounted": b"\x0d" + blob(ziplist(*PAIR, count=3)),
    "ziplist wrong before": b"\x0d" + blob(ziplist(*PAIR, before=7)),
    "ziplist cut": b"\x0d" + blob(ziplist(*PAIR)[:-1]),
    "zipmap cut": b"\x09" + blob(b"\x01\x01a\x05\x00x\xff"), "zipmap empty": b"\x09" + blob(b"\x00\xff"),
    "zipmap twice": b"\x09" + blob(b"\x02\x01a\x01\x00x\x01a\x01\x00y\xff"),
    "container": b"\x12\x01\x03\x01a", "plain node of nothing": b"\x12\x01\x01\x00",
}  # fmt: skip


@pytest.mark.parametrize("body", DAMAGED.values(), ids=DAMAGED.keys())
def test_damage_is_refused(raw: Connection, body: bytes) -> None:
    nothing = struct.pack("<HQ", 11, crc64_of(b"\x0b\x00"))
    reply = raw("RESTORE", "k", 0, payload(body[0], body[1:]) if body else nothing)
    assert isinstance(reply, RespError)
    assert str(reply) == REFUSED
    assert raw("EXISTS", "k") == 0


def test_damage_is_refused_by_a_real_server_too(both: Pair) -> None:
    """With its own deep checks on. Aside: types that 7.0 does not know, scores that it does not look at, and a string
    that it reads out of the footer."""
    both.theirs.ok("CONFIG", "SET", "sanitize-dump-payload", "yes")
    for name, body in DAMAGED.items():
        if body and body[0] < 20 and name not in ("zset of words", "string too short"):
            assert str(both.theirs("RESTORE", "k", 0, payload(body[0], body[1:], 10))) == REFUSED, name
    both.theirs.ok("CONFIG", "SET", "sanitize-dump-payload", "no")


@pytest.fixture(scope="session")
def newer(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Connection]:
    """A real server, if it is 7.2: REMUS_PEER names one."""
    with Peer(tmp_path_factory.mktemp("newer")) as peer, peer.connect() as c:
        if b"redis_version:7.2" not in c("INFO", "server"):
            pytest.skip("7.2 only")
        yield c


def test_all_payloads_are_those_of_7_2(
    raw: Connection, newer: Connection, configure: Callable[[str, Any], None]
) -> None:
    configure("rdbcompression", "no")
    newer.ok("CONFIG", "SET", "rdbcompression", "no")
    fill(raw)
    fill(newer)
    for key in sorted(raw("KEYS", "*")):
        assert raw("OBJECT", "ENCODING", key) == newer("OBJECT", "ENCODING", key), key
        if raw("OBJECT", "ENCODING", key) != b"hashtable" and key != b"stream129":      # no order; times
            assert raw("DUMP", key) == newer("DUMP", key), key
        newer.ok("RESTORE", "copy", 0, raw("DUMP", key), "REPLACE")
        assert contents(newer, "copy") == contents(newer, key)


def test_a_negative_zero_score_survives(both: Pair, configure: Callable[..., None]) -> None:
    configure("rdb-version", 10)
    both("ZADD", "z", 0, "a", 0, "b" * 65, "-0", "c")
    payload = both.ours("DUMP", "z")  # not compared: LZF may find other ways
    both("RESTORE", "copy", 0, payload)
    assert both("ZSCORE", "copy", "c") == b"-0"
    both("OBJECT", "ENCODING", "copy")


def test_a_time_to_live_that_overflows_has_passed(raw: Connection) -> None:
    raw.ok("SET", "k", "v")
    payload = raw("DUMP", "k")
    assert raw("RESTORE", "new", 2**63 - 1, payload) == "OK"
    assert raw("RESTORE", "k", 2**63 - 1, payload, "REPLACE") == "OK"
    assert raw("EXISTS", "new", "k") == 0
    assert raw("RESTORE", "k", 2**63 - 1, payload, "ABSTTL") == "OK"
    assert raw("PEXPIRETIME", "k") == 2**63 - 1
