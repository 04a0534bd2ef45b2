"""The same commands to ours and to a redis-server: equal replies and equal data (tests.support.agreement says how).

A *duel* is a number of bouts, each from empty databases: requests of one connection, as requests.py makes them, without
what tells of the server rather than of data, and without what time or chance decides. A bout in which they differ is
played again with fewer and fewer requests.
"""

import random
from collections.abc import Callable
from pathlib import Path
from typing import Any

from tests.fuzz.storm.findings import BROKEN, Finding, History, shown, whole
from tests.fuzz.storm.grammar import Grammar
from tests.fuzz.storm.oracles import told_of
from tests.fuzz.storm.requests import LOAD, Request, pipeline
from tests.support.agreement import agree
from tests.support.differential import READ_ALL
from tests.support.peer import Peer, peer_version
from tests.support.resp import as_bytes
from tests.support.server import Server

BOUTS = 60
WITHOUT = frozenset({
    "info", "time", "client", "config", "latency", "slowlog", "memory", "command", "lolwut", "hotkeys", "module",
    "randomkey", "spop", "srandmember", "hrandfield", "zrandmember", "dump", "restore", "lastsave", "save", "bgsave",
    "bgrewriteaof", "role", "auth", "hello", "reset", "scan", "sscan", "hscan", "zscan", "xinfo|consumers",
    "wait", "waitaof", "restore-asking", "function|dump", "function|restore", "function|stats", "object|refcount",
    "object|freq", "object|idletime", "object|help", "acl",
    "function|help", "script|help", "xinfo|help", "xgroup|help", "pubsub|help", "pfdebug", "object|encoding",
})  # fmt: skip
BLOCKING = {b"BLPOP", b"BRPOP", b"BLMOVE", b"BLMPOP", b"BZPOPMIN", b"BZPOPMAX", b"BZMPOP", b"BRPOPLPUSH"}
CENTURIES = 1 << 62  # milliseconds
LOWEST = -(1 << 63)
RANKS = (b"ZRANK", b"ZREVRANK")
SCRIPT = (b"EVAL", b"EVAL_RO", b"FCALL", b"FCALL_RO")
SOON = 1_000_000  # milliseconds or seconds; a time to live below that may end in the middle
OF_TIME = {b"XADD", b"XAUTOCLAIM", b"XCLAIM"}


def decided_by_time(words: Request) -> bool:
    """Whether the time at which it is executed may show."""
    name = words[0].upper()
    if name in OF_TIME:
        return b"*" in words or any(word.endswith(b"-*") for word in words) or (name != b"XADD" and b"1" in words)
    if name == b"XINFO" and b"FULL" in words:
        return True
    expires = b"EXPIRE" in name or name in (b"SETEX", b"PSETEX") or bool({b"EX", b"PX"} & set(words))
    return expires and any(0 < number < SOON for number in map(integer, words[1:]))


def integer(word: bytes) -> int:
    try:
        return int(word)
    except ValueError:
        return 0


def waits(words: Request) -> bool:
    return words[0].upper() in BLOCKING or b"BLOCK" in words


def new_in_7_2(command: Request, request: Request) -> bool:
    """Where 7.0 sees something else first: it refuses to wait in scripts, and the words of ZRANK that may be WITHSCORE;
    it does not see that the end of a wait is beyond all times, nor that a RANK of LPOS has no positive.
    """
    if command[0].upper() in RANKS:
        return len(command) > 3
    if command[0].upper() == b"LPOS":
        return LOWEST in map(integer, command)
    return waits(command) and (request[0] in SCRIPT or any(abs(integer(word)) > CENTURIES for word in command))


def still_queueing(before: bool, words: Request) -> bool:
    return words == [b"MULTI"] or (before and words not in ([b"EXEC"], [b"DISCARD"]))


def never_waits(requests: list[Request]) -> bool:
    """Whether what would wait stands in transactions only."""
    queueing = False
    for words in requests:
        if waits(words) and not queueing:
            return False
        queueing = still_queueing(queueing, words)
    return True


class Duel:
    """Number `number` of a seed, as Episode; digests counts compared keyspaces."""

    def __init__(self, seed: int, number: int, folder: Path) -> None:
        self.chance = random.Random(f"duel {seed} {number}")
        self.history = History()
        self.digests = 0
        options: dict[str, Any] = {"start": False, "proto_max_bulk_len": "2mb", "databases": 10}
        self.server = Server(folder / "ours", **options)
        self.peer = Peer(folder / "theirs", **options)

    def play(self) -> None:
        with self.server, self.peer:
            try:
                self.server.start()
                self.peer.start()
                self.sides = (self.server.connect(timeout=30), self.peer.connect(timeout=30))
                # Theirs: an older server has fewer commands and fewer options.
                docs = self.sides[1].ok("COMMAND", "DOCS")
                grammar = Grammar(docs, self.chance.choice((0.01, 0.1)), WITHOUT)
                for _ in range(BOUTS):
                    self._play(grammar)
            except BROKEN as error:
                raise told_of(error, self.server, self.peer) from error

    def _play(self, grammar: Grammar) -> None:
        protocol = self.chance.choice((2, 3))
        requests = [request for _ in range(3) for request in self._requests(grammar)]
        for request in requests:
            self.history.add("both", request)
        if difference := self._bout(requests, protocol):
            requests = shrunk(requests, lambda fewer: never_waits(fewer) and self._bout(fewer, protocol))
            difference = self._bout(requests, protocol) or difference
            told = "\n  ".join(" ".join(map(whole, request)) for request in requests)
            raise Finding("differs", f"{difference}\nafter, in RESP{protocol}:\n  {told}")

    def _requests(self, grammar: Grammar) -> list[Request]:
        requests: list[Request] = []
        queueing = False
        for words in pipeline(self.chance, grammar):
            if any(told_otherwise(part) for part in parts(words)):
                continue
            if peer_version() < (7, 2) and any(new_in_7_2(part, words) for part in parts(words)):
                continue
            requests += [[b"MULTI"], words, [b"EXEC"]] if waits(words) and not queueing else [words]
            queueing = still_queueing(queueing, words)
        return requests

    def _bout(self, requests: list[Request], protocol: int) -> str:
        """What differs, or nothing."""
        start: list[Any] = [("HELLO", protocol), ("FLUSHALL",), ("FUNCTION", "FLUSH"), ("SCRIPT", "FLUSH"), LOAD]
        end: list[Any] = [("DISCARD",), ("HELLO", 2)]
        ours, theirs = (side.pipeline([*start, *requests, *end])[len(start) : -len(end)] for side in self.sides)
        queued: list[Request] = []
        for words, a, b in zip(requests, ours, theirs, strict=True):
            rows = [(words, a, b)]
            if a == "QUEUED":
                queued.append(words)
            elif words == [b"EXEC"] and isinstance(a, list) and isinstance(b, list) and len(a) == len(b) == len(queued):
                rows = list(zip(queued, a, b, strict=True))
            if words in ([b"EXEC"], [b"DISCARD"]):
                queued = []
            for each, x, y in (part for row in rows for part in in_script(*row)):
                if not agree(requests, each, x, y):
                    return f"{' '.join(map(shown, each))}\n ours:   {x!r:.1000}\n theirs: {y!r:.1000}"
        self.digests += 1
        return self._data()

    def _data(self) -> str:
        for db in (0, 1, 9):
            lists = [sorted(side.pipeline([("SELECT", db), ("KEYS", "*")])[1]) for side in self.sides]
            if lists[0] != lists[1]:
                return f"keys of database {db}\n ours:   {lists[0]!r:.1000}\n theirs: {lists[1]!r:.1000}"
            for key in lists[0]:
                if difference := self._value(key):
                    return f"database {db}: {difference}"
        return ""

    def _value(self, key: bytes) -> str:
        looks = [side.pipeline([("TYPE", key), ("PTTL", key)]) for side in self.sides]
        (kind, ttl), (kind2, ttl2) = looks
        if kind != kind2 or abs(ttl - ttl2) > 2000:
            return f"{key!r}\n ours:   {looks[0]}\n theirs: {looks[1]}"
        read = [key if word is None else as_bytes(word) for word in READ_ALL.get(str(kind), ("TYPE", None))]
        a, b = (side(*read) for side in self.sides)
        return "" if agree([], read, a, b) else f"{read!r}\n ours:   {a!r:.1000}\n theirs: {b!r:.1000}"


def parts(words: Request) -> list[Request]:
    """The commands that a request carries: itself, or those that its script is to call."""
    if words[0] not in SCRIPT:
        return [words]
    found: list[Request] = []
    at = 3
    while at < len(words):
        count = int(words[at])
        found.append(words[at + 1 : at + 1 + count])
        at += count + 1
    return found


def told_otherwise(words: Request) -> bool:
    """Whether nothing can be said of its reply."""
    return decided_by_time(words) or left_unsorted(words) or by_member(words) or cut_to_an_int(words)


def cut_to_an_int(words: Request) -> bool:
    """LSET of an index of which Redis sees the low 32 bits alone, and sets that element: here none has it."""
    return words[0].upper() == b"LSET" and any(abs(integer(word)) >= 1 << 31 for word in words[2:3])


def left_unsorted(words: Request) -> bool:
    """SORT that may leave elements of a set in any order: by nothing, or by texts that are missing."""
    names = [word.lower() for word in words]
    if names[0] not in (b"sort", b"sort_ro") or b"by" not in names[:-1]:
        return False
    return b"alpha" in names or b"*" not in words[names.index(b"by") + 1]


def by_member(words: Request) -> bool:
    """A range by members: what it is when scores differ, nobody says, and here they do."""
    return b"LEX" in words[0].upper() or b"BYLEX" in map(bytes.upper, words)


def in_script(words: Request, a: Any, b: Any) -> list[tuple[Request, Any, Any]]:
    """The commands of a script that returns their replies, with these; anything else as it is."""
    called = parts(words)
    if words[0] in SCRIPT and all(isinstance(reply, list) and len(reply) == len(called) for reply in (a, b)):
        return list(zip(called, a, b, strict=True))
    return [(words, a, b)]


def shrunk(requests: list[Request], fails: Callable[[list[Request]], object]) -> list[Request]:
    """As few of them as still fail."""
    size = len(requests) // 2
    while size:
        at = 0
        while at < len(requests):
            fewer = requests[:at] + requests[at + size :]
            if fewer and fails(fewer):
                requests = fewer
            else:
                at += size
        size //= 2
    return requests
