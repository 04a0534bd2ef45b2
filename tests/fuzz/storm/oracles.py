"""What must be true between two rounds, when nobody else speaks."""

import re
import time
from typing import Any, NamedTuple

from tests.fuzz.storm.findings import Finding, History
from tests.support.pace import Deadline, wait_until
from tests.support.resp import Connection, RespError
from tests.support.server import Process

SOON_MS = 3_600_000  # a key that goes earlier than so is kept for ever, or it would go between two looks
DYING_SECONDS = 1.0  # between the last byte of a server that crashes and its end: it writes a report
REWRITES = [("CONFIG", "SET", "aof-use-rdb-preamble", preamble) for preamble in ("no", "yes")]
BAD_WORDS = re.compile(r"Traceback|BUG REPORT|internal error|Internal error|AddressSanitizer|runtime error")


class Keyspace(NamedTuple):
    """All data, as far as it must survive. keys: (database, key) -> what is known of it."""

    digest: str
    keys: dict[tuple[int, bytes], tuple[Any, ...]]
    functions: list[bytes]


def settle(control: Connection) -> None:
    """No key is about to go, none has expired and is still there, no child runs. No score is -0: a listpack makes it 0,
    in Redis too.
    """
    wait_until(lambda: idle(control), "the children end")
    control.ok("DEBUG", "SET-ACTIVE-EXPIRE", 1)
    for db in databases(control):
        control.ok("SELECT", db)
        for key in control.ok("KEYS", "*"):
            settle_key(control, db, key)
        wait_until(lambda: control.ok("DBSIZE") == len(control.ok("KEYS", "*")), "all expired keys go")
    control.ok("DEBUG", "SET-ACTIVE-EXPIRE", 0)
    control.ok("SELECT", 0)


def settle_key(control: Connection, db: int, key: bytes) -> None:
    left = control("PTTL", key)
    if not isinstance(left, int) or left < -2:
        raise Finding("PTTL", f"{key!r} in database {db} answers {left!r}", [key])
    if 0 <= left < SOON_MS:
        control("PERSIST", key)
    if control.ok("TYPE", key) == "zset":
        zeros = control.ok("ZRANGEBYSCORE", key, 0, 0)
        control.pipeline([("ZADD", key, score, member) for member in zeros for score in (1, 0)])


def idle(control: Connection) -> bool:
    info = control.ok("INFO", "persistence")
    words = (b"rdb_bgsave_in_progress", b"aof_rewrite_in_progress", b"aof_rewrite_scheduled")
    return not any(word + b":1\r" in info for word in words)


def databases(control: Connection) -> list[int]:
    return [int(number) for number in re.findall(rb"^db(\d+):", control.ok("INFO", "keyspace"), re.M)]


def look(control: Connection) -> Keyspace:
    keys: dict[tuple[int, bytes], tuple[Any, ...]] = {}
    for db in databases(control):
        control.ok("SELECT", db)
        for key in sorted(control.ok("KEYS", "*")):
            answers = control.pipeline([("TYPE", key), ("PEXPIRETIME", key), ("DEBUG", "DIGEST-VALUE", key),
                                        ("OBJECT", "ENCODING", key), ("DUMP", key)])
            keys[db, key] = tuple(answers)
    control.ok("SELECT", 0)
    functions = sorted(library[1] for library in control.ok("FUNCTION", "LIST"))
    return Keyspace(str(control.ok("DEBUG", "DIGEST")), keys, functions)


def compare(before: Keyspace, after: Keyspace, deed: str) -> None:
    """Equal but for encodings, which a reload may choose anew."""
    if before.functions != after.functions:
        raise Finding(deed, f"libraries {before.functions} became {after.functions}")
    names = [name for name in {**before.keys, **after.keys} if known(before, name) != known(after, name)]
    if names:
        told = "; ".join(
            f"{key!r} in database {db}: {before.keys.get((db, key))!r:.700} became {after.keys.get((db, key))!r:.700}"
            for db, key in names[:3]
        )
        raise Finding(deed, f"{len(names)} keys differ: {told}", [key for _, key in names])
    if before.digest != after.digest:
        raise Finding(deed, f"digest {before.digest} became {after.digest}, though each key is equal")


def known(keyspace: Keyspace, name: tuple[int, bytes]) -> tuple[Any, ...]:
    return keyspace.keys.get(name, ())[:3]


class Oracles:
    """Those of one server. digests: how many were compared."""

    def __init__(self, server: Process, history: History) -> None:
        self.server = server
        self.history = history
        self.digests = 0
        self._log_seen = 0

    def no_mistakes(self, control: Connection) -> None:
        """Neither counted nor logged."""
        log = self.server.log()
        new, self._log_seen = log[self._log_seen :], len(log)
        if found := BAD_WORDS.search(new):
            raise Finding("log", mistake(new[max(0, found.start() - 300) :][:6000]))
        stats = control.ok("INFO", "stats").decode()
        for field in ("internal_errors", "gc_cycles_found"):
            if f"{field}:0\r" not in stats:
                raise Finding("INFO", next(line for line in stats.splitlines() if line.startswith(field)))

    def data_survives(self, control: Connection) -> None:
        """A reload, a replay of the AOF as it grew, and of the AOF as it is written anew, as commands and as RDB."""
        settle(control)
        before = look(control)
        for deed in (("DEBUG", "RELOAD"), ("DEBUG", "LOADAOF"), *REWRITES):
            reply = control(*deed)
            if deed in REWRITES:
                control("BGREWRITEAOF")
                wait_until(lambda: idle(control), "the rewrite ends")
                reply = control("DEBUG", "LOADAOF")
            if isinstance(reply, RespError):
                raise Finding(" ".join(deed), reply.text)
            self._compare(before, control, " ".join(deed))

    def survives_kill(self, control: Connection) -> Connection:
        """What was answered under `appendfsync always` is there after kill -9; the connection to the new process."""
        settle(control)
        before = look(control)
        self.server.kill()
        self.server.start()
        control = self.server.connect(timeout=30)
        self._compare(before, control, "kill -9")
        return control

    def _compare(self, before: Keyspace, control: Connection, deed: str) -> None:
        self.history.add("oracle", [deed.encode()])
        compare(before, look(control), deed)
        self.digests += 1


def told_of(error: Exception, *servers: Process) -> Finding:
    """What a broken connection means: where a server crashed, or else what was seen of it."""
    deadline = Deadline(DYING_SECONDS)
    while all(server.alive() for server in servers) and not deadline.passed():
        time.sleep(0.01)
    for server in servers:
        if not server.alive():
            place = re.search(r"most recent call first\):\n\s*(.*)", server.log())
            return Finding("a server died", (place[1] + "\n" if place else "") + server.last_words())
    return error if isinstance(error, Finding) else Finding(type(error).__name__, str(error))


def mistake(text: str) -> str:
    """The last line of a traceback first: that names it."""
    ends = re.findall(r"^(\w*(?:Error|Exception|Interrupt)\b.*)$", text, re.M)
    return (ends[0] + "\n" if ends else "") + text
