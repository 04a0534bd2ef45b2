"""Numbers at the edges, in every place of every command, to us and to a real server: equal replies, equal keyspace.

The commands with their options are those of COMMAND DOCS (tests.support.command_forms.variants). Each of their values
is replaced by each of EDGES, then all of them at once; and pairs of edges go through SEQUENCES, where one is what is
stored and the other what is done to it. Every example starts from the same keys. Of replies that are random, or that
tell of the server itself, only the kind is compared.

`REMUS_PEER=.../redis-server` names a 7.2. A 7.0 is compared in what it has, and REMUS_EDGES=1 sends all pairs.
"""

import os
import re
from collections.abc import Iterator
from itertools import product
from random import Random
from typing import Any

import pytest

from tests.support.command_forms import KEYS, Variant, fill, variants
from tests.support.differential import READ_ALL, Pair, same, unordered_form
from tests.support.peer import peer_path, peer_version
from tests.support.resp import RespError

MAX = 2**63 - 1
SECONDS_MAX = MAX // 1000  # the last time in seconds that fits in milliseconds
NUMBERS = [
    0, 1, -1, 2, 1000000, 2**31 - 1, 2**31, -2**31, -2**31 - 1, 2**32 - 1, 2**32, 2**53, 2**53 + 1,
    SECONDS_MAX - 10**11, SECONDS_MAX - 1, SECONDS_MAX, SECONDS_MAX + 1, -SECONDS_MAX, -SECONDS_MAX - 1,
    2**62 - 1, 2**62, -2**62, -2**62 - 1, MAX - 10**13, MAX - 1000, MAX - 499, MAX - 1, MAX, MAX + 1, -MAX,
    -MAX - 1, -MAX - 2, 2**64 - 1, 2**64, 10**30,
]  # fmt: skip
NEARLY = [
    b"", b" 1", b"1 ", b"+1", b"-0", b"01", b"0x10", b"1e3", b"1.5", b"0.1", b"-0.0", b"nan", b"inf", b"-inf", b"(1",
    b"1e15", b"1e17", b"1e19", b"1e308", b"1e400", b"-1e400", b"1e-400", b"1e5000", b"4.9e-324", b"9007199254740993.0",
    b"9223372036854775807.5", b"3.0", b"1_0", b"\xd9\xa1",
]  # fmt: skip
EDGES = [str(number).encode() for number in NUMBERS] + NEARLY
STREAM_IDS = [
    b"18446744073709551615-18446744073709551615", b"18446744073709551615-*", b"18446744073709551616-1", b"1-*", b"1-",
    b"1-18446744073709551616", b"9223372036854775808-1", b"0-0", b"0-1", b"-", b"+", b"(1-1", b"(0-0", b"$", b">", b"*",
    b"(18446744073709551615-18446744073709551615", b"-1-1", b"1--1",
]  # fmt: skip

NOT_RUN = {  # they end the session or the server, wait, or change what the others need
    "auth", "hello", "quit", "reset", "select", "client|kill", "client|reply", "client|pause", "client|unblock",
    "monitor", "shutdown", "config|set", "config|rewrite", "config|resetstat", "debug", "save", "bgsave",
    "bgrewriteaof", "multi", "exec", "discard", "watch", "unwatch", "subscribe", "unsubscribe", "psubscribe",
    "punsubscribe", "ssubscribe", "sunsubscribe", "module|loadex", "module|load", "module|unload", "latency|reset",
    "slowlog|reset", "lolwut", "swapdb", "script|debug", "time", "lastsave", "info", "pfselftest", "pfdebug", "acl",
    "cluster", "replicaof", "slaveof", "failover", "psync", "sync", "replconf", "migrate", "sentinel", "hotkeys",
    "memory", "scan",
}  # fmt: skip
OF_THE_SERVER = ("client|", "command", "latency|", "slowlog|", "config|", "function|", "role", "object|idletime")
RANDOM = {"spop", "srandmember", "hrandfield", "zrandmember", "randomkey"}
UNORDERED = {
    "hgetall", "hkeys", "hvals", "hscan", "smembers", "sinter", "sunion", "sdiff", "sscan", "zscan", "keys",
}  # fmt: skip
WAITS = {
    "blpop", "brpop", "blmove", "blmpop", "brpoplpush", "bzpopmin", "bzpopmax", "bzmpop", "xread", "xreadgroup", "wait",
    "waitaof",
}  # fmt: skip
REPEATS = {"srandmember", "hrandfield", "zrandmember"}
EXTENDS = {"setbit", "bitfield", "setrange"}
OLDER = peer_path() is not None and peer_version() < (7, 2)
OTHERWISE_IN_7_0 = {b"OBJECT", b"COMMAND", b"LPOS", b"XADD", b"XINFO", b"SSCAN"}  # encodings, errors, consumers
LARGE = 10**9  # what is larger may be a time
AUTOMATIC_ID = re.compile(rb"1[0-9]{12}-[0-9]+")

Words = tuple[bytes, ...]


class Start(list[Words]):
    """Commands that make the keys an example begins with."""

    def __init__(self) -> None:
        fill(self)
        self.ok("XREADGROUP", "GROUP", "v", "c", "STREAMS", "a-stream", ">")
        self.ok("XCLAIM", "a-stream", "v", "c", 0, "1-1", "TIME", 1000)

    def ok(self, *words: Any) -> None:
        self.append(tuple(str(word).encode() for word in words))

    def for_key(self, key: bytes) -> list[Words]:
        """What makes that key, and it alone."""
        return [(b"FLUSHALL",), *(words for words in self if key in words)]


def is_heavy(name: str, edge: bytes) -> bool:
    """Whether a server would rightly be busy with it, or allocate hundreds of megabytes."""
    try:
        number = int(edge)
    except ValueError:
        return False
    return (name in REPEATS and -MAX <= number < -1000) or (name in EXTENDS and 2**20 < number < 2**32)


def examples(variant: Variant) -> Iterator[Words]:
    """Each value of its own replaced by each edge, then all values."""
    words = variant.words
    for edge in EDGES + (STREAM_IDS if variant.name.startswith("x") else []):
        if is_heavy(variant.name, edge):
            continue
        for at in variant.own:
            yield (*words[:at], edge, *words[at + 1 :])
        if len(variant.values) > 1 and variant.own:
            yield tuple(edge if at in variant.values else word for at, word in enumerate(words))


def questions(key: bytes, variant: Variant) -> list[Words]:
    """What is there afterwards."""
    asked: list[Words] = []
    kind = {b"a-geo": "zset", b"an-hll": "string"}.get(key) or key.split(b"-")[1].decode()
    for each in (key, b"new") if b"new" in variant.words else (key,):
        asked += [(b"TYPE", each), (b"PEXPIRETIME", each), (b"EXPIRETIME", each), (b"OBJECT", b"ENCODING", each)]
        asked.append(tuple(each if word is None else str(word).encode() for word in READ_ALL[kind]))
    if key == KEYS["stream"]:
        asked += [(b"XPENDING", key, b"v", b"-", b"+", b"10"), (b"XINFO", b"STREAM", key), (b"XINFO", b"GROUPS", key)]
    return asked


# ---- what must be equal
def steady(value: Any) -> Any:
    """Without the IDs that streams made from the time, and how long ago something was delivered just now."""
    if isinstance(value, list):
        if len(value) == 4 and type(value[2]) is int and 0 <= value[2] < 60000:
            value = [*value[:2], "just now", value[3]]
        return [steady(one) for one in value]
    return b"now" if type(value) is bytes and AUTOMATIC_ID.fullmatch(value) else value


def near(ours: Any, theirs: Any) -> bool:
    """Equal, or times from now that are a little apart."""
    if isinstance(ours, list) and isinstance(theirs, list) and len(ours) == len(theirs):
        return all(near(a, b) for a, b in zip(ours, theirs, strict=True))
    if type(ours) is int is type(theirs) and ours != theirs:
        return min(ours, theirs) > LARGE and abs(ours - theirs) < 60000
    if OLDER and type(ours) is bytes is type(theirs):
        return ours == theirs or is_same_number(ours, theirs)
    return same(ours, theirs)


def is_same_number(ours: bytes, theirs: bytes) -> bool:
    """7.0 writes scores with 17 digits."""
    try:
        return float(ours) == float(theirs)
    except ValueError:
        return False


def agree(name: str, ours: Any, theirs: Any, exactly: bool) -> bool:
    """name: of the command that was asked, for what may differ in its replies; exactly: no time is from now."""
    if isinstance(ours, RespError) or isinstance(theirs, RespError):
        return same(ours, theirs)
    if name in RANDOM and isinstance(ours, list) and isinstance(theirs, list):
        return len(ours) == len(theirs)
    if name.startswith(OF_THE_SERVER) or name in RANDOM:
        return type(ours) is type(theirs)
    if name in UNORDERED:
        return bool(unordered_form(ours) == unordered_form(theirs))
    return same(ours, theirs) if exactly else near(steady(ours), steady(theirs))


def is_excused(words: Words, ours: Any, theirs: Any) -> bool:
    """Where Redis casts to 32 bits, has no memory for a large count, or keeps an integer as a string."""
    name = words[0]
    if OLDER and (name in OTHERWISE_IN_7_0 or ours == [RespError("ERR timeout is out of range")]):
        return True
    if name == b"OBJECT":
        return bool(ours == b"int" and theirs in (b"embstr", b"raw"))
    if name == b"XAUTOCLAIM":
        return isinstance(theirs, RespError) and "COUNT too high" in theirs.text
    if name.startswith(b"BITFIELD"):
        return ours == RespError("ERR bit offset is not an integer or out of range")
    return name == b"LSET" and ours == RespError("ERR index out of range")


# ---- each value of each command
def played(pair: Pair, start: Start, variant: Variant, some: list[Words]) -> None:
    """Some examples, each from the start, in one pipeline."""
    key = next((word for word in variant.words if word in KEYS.values()), KEYS["string"])
    asked = questions(key, variant)
    exactly = variant.name in ("expireat", "pexpireat") or bool({b"EXAT", b"PXAT", b"ABSTTL"} & set(variant.words))
    batch: list[Words] = []
    parts: list[slice] = []
    for words in some:
        batch += start.for_key(key)
        said: list[Words] = [(b"MULTI",), words, (b"EXEC",)] if variant.name in WAITS else [words]
        parts.append(slice(len(batch), len(batch) + len(said) + len(asked)))
        batch += [*said, *asked, (b"SELECT", b"0")]
    ours, theirs = pair.ours.pipeline(batch), pair.theirs.pipeline(batch)
    for words, part in zip(some, parts, strict=True):
        for question, a, b in zip(batch[part], ours[part], theirs[part], strict=True):
            of_the_command = question not in asked
            if of_the_command and is_excused(words, a, b):
                break
            asks = variant.name if of_the_command else question[0].decode().lower()
            if not agree(asks, a, b, exactly) and not is_excused(question, a, b):
                raise AssertionError(f"{words}\n{question}\n ours:   {a!r}\n theirs: {b!r}")
            if variant.name in RANDOM:
                break


def test_every_value_of_every_command(both: Pair) -> None:
    start = Start()
    payload = made_by_theirs(both)
    known = set(both.theirs("COMMAND", "LIST"))
    for variant in variants(both.ours("COMMAND", "DOCS")):
        if {variant.name, variant.name.split("|")[0]} & NOT_RUN or variant.name.encode() not in known:
            continue
        if variant.name == "restore":
            variant = variant._replace(words=tuple(payload if word == b"v" else word for word in variant.words))
        every = list(dict.fromkeys(examples(variant)))
        for at in range(0, len(every), 50):
            played(both, start, variant, every[at : at + 50])


def made_by_theirs(pair: Pair) -> bytes:
    """What DUMP of theirs says of a string, which ours reads too."""
    pair.theirs.ok("SET", "dumped", "x")
    payload = pair.theirs.ok("DUMP", "dumped")
    assert isinstance(payload, bytes)
    return payload


# ---- pairs: what is stored, and what is done to it
SEQUENCES = """
SET k {0} | INCRBY k {1} | DECRBY k {1} | INCR k | DECR k | GET k
SET k {0} | INCRBYFLOAT k {1} | GET k
HSET h f {0} | HINCRBY h f {1} | HGET h f
HSET h f {0} | HINCRBYFLOAT h f {1} | HGET h f
ZADD z {0} m | ZINCRBY z {1} m | ZADD z INCR {0} m | ZRANGE z 0 -1 WITHSCORES
ZADD z {0} m {1} n | ZRANGE z 0 -1 WITHSCORES | ZUNION 2 z z WEIGHTS {0} {1} WITHSCORES | ZRANGEBYSCORE z {0} {1} | ZCOUNT z {1} {0}
SET k v | PEXPIREAT k {0} | EXPIRETIME k | PEXPIREAT k {1} GT | PEXPIRETIME k | EXPIREAT k {1} LT | EXPIRETIME k | GETEX k PXAT {1}
SET k v PXAT {0} | EXPIRETIME k | COPY k j | PEXPIRETIME j | SET k w KEEPTTL | SET k w XX GET PXAT {1} | PEXPIRETIME k
SET k hello | GETRANGE k {0} {1} | SUBSTR k {1} {0} | BITCOUNT k {0} {1} | BITCOUNT k {0} {1} BIT | BITPOS k 1 {0} {1} | BITPOS k 0 {0} {1} BIT
RPUSH l a b c a | LRANGE l {0} {1} | LPOS l a RANK {0} MAXLEN {1} | LPOS l a RANK {0} COUNT {1} | LREM l {0} a | LTRIM l {0} {1} | LRANGE l 0 -1
RPUSH l a b c | LINDEX l {0} | LPOP l {1} | RPOP l {0} | LLEN l
ZADD z 1 a 2 b 3 c | ZRANGE z {0} {1} | ZREVRANGE z {0} {1} | ZRANGEBYSCORE z -inf +inf LIMIT {0} {1} | ZRANGE z - + BYLEX LIMIT {0} {1}
ZADD z 1 a 2 b 3 c | ZRANGESTORE y z {0} {1} | ZREMRANGEBYRANK z {0} {1} | ZPOPMIN z {0} | ZPOPMAX z {1} | ZREMRANGEBYSCORE z {0} {1}
RPUSH l 3 1 2 | SORT l LIMIT {0} {1} | SORT l LIMIT {0} {1} STORE j | LRANGE j 0 -1
XADD x {0}-{1} f v | XADD x {0}-* f v | XRANGE x {1}-{0} + | XRANGE x - + COUNT {1} | XTRIM x MINID {0}-{1} | XLEN x
XADD x {0} f v | XTRIM x MAXLEN ~ {0} LIMIT {1} | XSETID x {1}-{0} ENTRIESADDED {0} MAXDELETEDID {0}-{1} | XINFO STREAM x
XADD x 5-5 f v | XGROUP CREATE x g {0}-{1} ENTRIESREAD {1} | XINFO GROUPS x | XREAD COUNT {0} STREAMS x {1}-{0} | XDEL x {0}-{1}
XADD x 5-5 f v | XGROUP CREATE x g 0 | XREADGROUP GROUP g c STREAMS x > | XCLAIM x g c 0 5-5 RETRYCOUNT {0} TIME 1 | XCLAIM x g d 0 5-5 TIME 1 | XPENDING x g - + 5 | XPENDING x g IDLE {0} - + {1} | XINFO STREAM x FULL
XADD x 5-5 f v | XGROUP CREATE x g 0 | XREADGROUP GROUP g c STREAMS x > | XCLAIM x g c 0 5-5 TIME {0} | XCLAIM x g c 0 5-5 IDLE {1} | XPENDING x g - + 5 | XAUTOCLAIM x g d 0 {0} COUNT {1} | XCLAIM x g c 0 5-5 LASTID {0}-{1} TIME 1 | XINFO GROUPS x
SET k abc | GETBIT k {0} | BITFIELD_RO k GET u8 {0} GET i5 {1} | BITFIELD_RO k GET u{0} 0 | BITFIELD_RO k GET i{0} #{1}
BITFIELD k OVERFLOW SAT SET i64 0 {0} INCRBY i64 0 {1} | BITFIELD k OVERFLOW FAIL INCRBY i64 0 {0} | BITFIELD k INCRBY i64 0 {1} INCRBY u63 0 {0}
GEOADD g {0} {1} m | GEOPOS g m | GEOSEARCH g FROMLONLAT {0} {1} BYRADIUS {1} m ASC COUNT {0} | GEOSEARCH g FROMLONLAT 1 1 BYBOX {0} {1} km ASC
SADD s {0} {1} | OBJECT ENCODING s | SMISMEMBER s {0} {1} | SINTERCARD 1 s LIMIT {0}
HSET h {0} {1} | HSTRLEN h {0} | HEXISTS h {1} | HSCAN h {0} COUNT {1}
EVAL {0} {1} a b | EVAL redis.call('INCRBY','q',ARGV[1]);redis.call('INCRBYFLOAT','q2',ARGV[2]) 0 {0} {1} | MGET q q2
SELECT {0} | SELECT 0 | MOVE k {0} | SWAPDB {0} {1} | SWAPDB 0 0 | COPY k j DB {1}
""".strip().splitlines()  # noqa: E501
SOME = 250  # pairs of each sequence, of about 4,000


@pytest.mark.parametrize("sequence", SEQUENCES, ids=lambda sequence: sequence.split(" ")[0].lower())
def test_what_is_stored_and_what_is_done_to_it(both: Pair, sequence: str) -> None:
    pairs = list(product(EDGES, EDGES))
    if not os.environ.get("REMUS_EDGES"):
        pairs = Random(sequence).sample(pairs, SOME)
    templates = [[word.encode() for word in command.split(" ")] for command in sequence.split(" | ")]
    for at in range(0, len(pairs), 100):
        batch: list[Words] = []
        for first, second in pairs[at : at + 100]:
            batch.append((b"FLUSHALL",))
            batch += [tuple(w.replace(b"{0}", first).replace(b"{1}", second) for w in words) for words in templates]
        ours, theirs = both.ours.pipeline(batch), both.theirs.pipeline(batch)
        excused = False
        for index, (words, a, b) in enumerate(zip(batch, ours, theirs, strict=True)):
            excused = words != (b"FLUSHALL",) and (excused or is_excused(words, a, b))
            if not excused and not agree("", a, b, "PEXPIRETIME" in sequence):
                story = batch[index - batch[index::-1].index((b"FLUSHALL",)) : index + 1]
                raise AssertionError(f"{story}\n ours:   {a!r}\n theirs: {b!r}")


# ---- directives
FIXED = {  # they end the server or our connection to it, take much memory, or cannot be set
    "port", "maxclients", "bind-source-addr", "io-threads", "tls-port", "tcp-backlog", "metrics-port", "databases",
    "cluster-port", "repl-backlog-size", "maxmemory-clients",
}  # fmt: skip
SIZES = [
    b"1gb",
    b"5k",
    b"1mb1",
    b"9223372036854775807b",
    b"9223372036854775807k",
    b"17179869184gb",
    b"-1mb",
    b"100%",
    b"-1%",
]


def test_directives(both: Pair) -> None:
    """Every number that may be set is one that all commands can live with."""
    values, known = (flat_pairs(side("CONFIG", "GET", "*")) for side in (both.ours, both.theirs))
    asked: list[Words] = [
        (b"SET", b"k", b"v", b"EX", b"100"), (b"GET", b"k"), (b"DEL", b"k"), (b"PUBLISH", b"c", b"m"), (b"PING",),
    ]  # fmt: skip
    for name in sorted(values.keys() & known.keys()):
        if name.decode() in FIXED or not known[name].lstrip(b"-").isdigit():
            continue
        batch: list[Words] = []
        for edge in EDGES + SIZES:
            if name != b"maxmemory" or edge not in (b"1", b"2", b"1000000", b"5k"):
                batch += [(b"CONFIG", b"SET", name, edge), (b"CONFIG", b"GET", name), *asked]
        ours, theirs = (
            side.pipeline([*batch, (b"CONFIG", b"SET", name, before[name])])
            for side, before in ((both.ours, values), (both.theirs, known))
        )
        for words, a, b in zip(batch, ours[:-1], theirs[:-1], strict=True):
            assert same(a, b) or (OLDER and words[0] == b"CONFIG"), f"{name} {words}\n ours:   {a!r}\n theirs: {b!r}"


def flat_pairs(flat: list[bytes]) -> dict[bytes, bytes]:
    return dict(zip(flat[::2], flat[1::2], strict=True))
