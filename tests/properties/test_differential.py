"""Random sequences of all data commands, to us and to a real redis-server: equal replies, equal keyspace.

Each example is up to LENGTH commands (tests.support.generators), sent as one pipeline to both. Compared are
- every reply, in RESP2 or RESP3, errors included: in order, unless the order is a hash table's; times to live
  within two seconds; random replies by their shape; what EXEC returns by the rules of the commands in it
  (tests.support.agreement);
- afterwards, in both databases: the keys, TYPE, OBJECT ENCODING, expire times, the contents;
- DUMP: byte for byte, where nothing random decides; and each side RESTOREs what the other dumped.

The limits of the compact encodings are tiny on both, so that conversions happen all the time; `rdb-version 10` makes us
write what 7.0 reads; `rdbcompression no`, for LZF output may differ. Where 7.0 and 7.2 differ by intent, less is
compared with a 7.0 peer (`REMUS_PEER=.../redis-server` names a 7.2).

The seed is printed, and REMUS_SEED=N plays those of N, 0 new ones; REMUS_EXAMPLES says how many. A failure prints the
shortest sequence of commands that still fails.
"""

import os
import secrets
from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import HealthCheck, Phase, given, seed, settings, strategies as st

from tests.support.agreement import Command, agree, known
from tests.support.differential import READ_ALL, same, unordered_form
from tests.support.generators import FIRST, FOCI, RECORD, command_from
from tests.support.peer import Peer, peer_version, require_peer
from tests.support.server import Process, Server

LENGTH = 40  # commands in a sequence; shrinking makes records of zeros, which are left out
EXAMPLES = int(os.environ.get("REMUS_EXAMPLES", "1500"))
SEED = int(os.environ.get("REMUS_SEED", "1")) or secrets.randbits(32)

LIMITS = {
    "hash-max-listpack-entries": 4,
    "hash-max-listpack-value": 16,
    "set-max-intset-entries": 4,
    "set-max-listpack-entries": 5,
    "set-max-listpack-value": 16,
    "zset-max-listpack-entries": 4,
    "zset-max-listpack-value": 8,
    "list-max-listpack-size": 3,
    "stream-node-max-entries": 3,
    "stream-node-max-bytes": 4096,
    "hll-sparse-max-bytes": 40,
    "rdbcompression": "no",
}
ONLY_7_2 = {"set-max-listpack-entries", "set-max-listpack-value"}

BLOCKING = {b"BLPOP", b"BRPOP", b"BLMOVE", b"BLMPOP", b"BZPOPMIN", b"BZPOPMAX", b"BZMPOP"}


def sent(focus: int, drawn: list[bytes], with_consumers: bool = False) -> list[Command]:
    """The commands; one that would wait is put between MULTI and EXEC, where it does not. 7.0 creates a consumer when
    there is something for it, 7.2 always: `with_consumers` creates it before.
    """
    commands: list[Command] = [*FIRST.get(focus, [])]
    queueing = False
    for data in drawn:
        if not any(data):
            continue
        command = command_from(data, focus)
        name = command[0]
        if with_consumers and name in (b"XREADGROUP", b"XCLAIM", b"XAUTOCLAIM"):
            stream = command[command.index(b"STREAMS") + 1] if name == b"XREADGROUP" else command[1]
            commands.append([b"XGROUP", b"CREATECONSUMER", stream, *command[2:4]])
        waits = name in BLOCKING or command[:2] == [b"XREAD", b"BLOCK"]
        commands += [[b"MULTI"], command, [b"EXEC"]] if waits and not queueing else [command]
        queueing = name == b"MULTI" or (queueing and name not in (b"EXEC", b"DISCARD"))
    return [*commands, [b"DISCARD"], [b"UNWATCH"]]


class Compared:
    """The two servers of the run, and how an example is played on them."""

    def __init__(self, ours: Process, theirs: Process) -> None:
        self.version = peer_version()
        self.connections = (ours.connect(), theirs.connect())
        self.limits: list[Any] = ["CONFIG", "SET"]
        for name, value in LIMITS.items():
            if name not in ONLY_7_2 or self.version >= (7, 2):
                self.limits += [name, value]
            else:
                self.connections[0].ok("CONFIG", "SET", name, value)
        if self.version < (7, 2):
            self.connections[0].ok("CONFIG", "SET", "rdb-version", 10)

    def both(self, commands: list[Any]) -> tuple[list[Any], list[Any]]:
        """All commands to both; their replies."""
        ours, theirs = self.connections
        return ours.pipeline(commands), theirs.pipeline(commands)

    def play(self, commands: list[Command], protocol: int) -> None:
        """One example."""
        start = [self.limits, ("HELLO", protocol), ("SELECT", 1), ("FLUSHDB",), ("SELECT", 0), ("FLUSHDB",)]
        for replies in self.both(start):
            assert replies[0] == "OK", replies
        ours, theirs = self.both(commands)
        queued: list[Command] = []
        for at, (command, a, b) in enumerate(zip(commands, ours, theirs, strict=True)):
            rows = [(command, a, b)]
            if a == "QUEUED":
                queued.append(command)
            elif command == [b"EXEC"]:
                if isinstance(a, list) and isinstance(b, list) and len(a) == len(b) == len(queued):
                    rows = list(zip(queued, a, b, strict=True))
            if command[0] in (b"EXEC", b"DISCARD"):
                queued = []
            for each, x, y in rows:
                if not agree(commands, each, x, y):
                    raise AssertionError(told(commands[: at + 1], each, x, y))
        self.both([("HELLO", 2)])
        for db in (0, 1):
            self.compare_database(commands, db)

    def compare_database(self, commands: list[Command], db: int) -> None:
        found, theirs = self.both([("SELECT", db), ("KEYS", "*")])
        keys = sorted(found[1])
        if keys != sorted(theirs[1]):
            raise AssertionError(told(commands, [b"KEYS", b"*"], keys, sorted(theirs[1])))
        if not keys:
            return
        questions: list[Any] = []
        for key in keys:
            questions += [("TYPE", key), ("OBJECT", "ENCODING", key), ("PTTL", key), ("DUMP", key)]
        ours, theirs = self.both(questions)
        restores: list[list[Any]] = [[], []]
        reads: list[Any] = []
        for at, key in enumerate(keys):
            (kind, encoding, ttl, dump), (kind2, encoding2, ttl2, dump2) = (
                side[at * 4 : at * 4 + 4] for side in (ours, theirs)
            )
            about = [b"(at the end)", b"db%d" % db, key]
            if kind != kind2 or abs(ttl - ttl2) > 2000:
                raise AssertionError(told(commands, about, (kind, ttl), (kind2, ttl2)))
            if self.encodings_count(kind) and encoding != encoding2 and not known(commands, encoding, encoding2):
                raise AssertionError(told(commands, about, encoding, encoding2))
            # SORT ... STORE makes one node of any size there.
            sorted_list = kind == "list" and any(b"STORE" in command for command in commands)
            decided = self.dumps_count(kind, encoding) and not sorted_list and not self.has_consumers(kind, key)
            if decided and encoding == encoding2 and dump != dump2:
                raise AssertionError(told(commands, [*about, encoding], dump, dump2))
            lifetime = 10**9 if ttl > 0 else 0
            restores[0].append(("RESTORE", b"copy:" + key, lifetime, dump2, "REPLACE"))
            restores[1].append(("RESTORE", b"copy:" + key, lifetime, dump, "REPLACE"))
            for name in (key, b"copy:" + key):
                reads.append([name if word is None else word for word in READ_ALL[str(kind)]])
                reads.append(("DEBUG", "DIGEST-VALUE", name))
                reads.append(("OBJECT", "ENCODING", name))
        answers = [side.pipeline(part + reads) for side, part in zip(self.connections, restores, strict=True)]
        for at, (a, b) in enumerate(zip(*answers, strict=True)):
            question = (restores[0] + reads)[at]
            ordered = question[0] not in ("SMEMBERS", "HGETALL")
            if question[0] == "OBJECT":
                kind = ours[4 * ((at - len(keys)) // 6)]
                if not self.encodings_count(kind) or known(commands, a, b):
                    continue
            if question[0] == "DEBUG":
                continue  # each has a digest of its own
            if not same(a, b) if ordered else unordered_form(a) != unordered_form(b):
                raise AssertionError(told(commands, list(question), a, b))
        for at in range(len(keys)):  # the copy is the original
            first = answers[0][len(keys) + 6 * at + 1], answers[0][len(keys) + 6 * at + 4]
            if first[0] != first[1]:
                raise AssertionError(told(commands, [b"copy of", keys[at]], *first))

    def encodings_count(self, kind: str) -> bool:
        """Sets may be listpacks and lists are, when small, from 7.2 on."""
        return self.version >= (7, 2) or kind not in ("set", "list")

    def dumps_count(self, kind: str, encoding: bytes) -> bool:
        """Whether the payload has an order of its own."""
        if self.version < (7, 2) and kind == "list":
            return False
        return encoding != b"hashtable" and (kind != "set" or encoding == b"intset")  # a listpack may come from a table

    def has_consumers(self, kind: str, key: bytes) -> bool:
        """Consumers have times."""
        if kind != "stream":
            return False
        return any(group[3] for group in self.connections[0].ok("XINFO", "GROUPS", key))


def told(commands: list[Command], about: list[Any], a: Any, b: Any) -> str:
    """What a failure prints."""
    lines = "\n  ".join(" ".join(shown(word) for word in command) for command in commands)
    return f"{about}\n ours:   {a!r}\n theirs: {b!r}\nafter:\n  {lines}"


def shown(word: Any) -> str:
    """As redis-cli would be given it."""
    text = repr(word)[2:-1] if isinstance(word, bytes) else str(word)
    return text if text and not set(text) & set(" \\'\"*$[(<>|#~") else f'"{text}"'


@pytest.fixture(scope="module")
def compared(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Compared]:
    require_peer()
    with Server(tmp_path_factory.mktemp("ours")) as ours, Peer(tmp_path_factory.mktemp("theirs")) as theirs:
        yield Compared(ours, theirs)


@pytest.mark.peer
@pytest.mark.slow
def test_same_replies_same_keyspace(compared: Compared) -> None:
    print(f"REMUS_SEED={SEED} REMUS_EXAMPLES={EXAMPLES}")

    @seed(SEED)
    @settings(
        max_examples=EXAMPLES,
        deadline=None,
        database=None,
        print_blob=True,
        suppress_health_check=list(HealthCheck),
        phases=(Phase.generate, Phase.shrink),
    )
    @given(
        st.sampled_from([2, 3]),
        st.integers(0, FOCI - 1),
        st.lists(st.binary(min_size=RECORD, max_size=RECORD), min_size=LENGTH, max_size=LENGTH),
    )
    def played(protocol: int, focus: int, drawn: list[bytes]) -> None:
        commands = sent(focus, drawn, with_consumers=compared.version < (7, 2))
        if compared.version < (7, 2):  # 7.0 lets XSETID go below what was deleted
            commands = [command for command in commands if command[0].upper() != b"XSETID"]
        compared.play(commands, protocol)

    played()
