"""Nothing that a request makes outlives it: every command in every form that its documentation lets one make, over and
over, leaves as many allocations of the interpreter and bytes of keys behind as before. In plain, inside EXEC, from a
script, and by a stranger who has not logged in. What comes and goes otherwise, clients, scripts and the like, is in
test_growth_of_what_goes.py.

REMUS_GROWTH_TIMES: how often each form runs between two looks (CI: 40).
"""

import os
import time
from collections import Counter
from collections.abc import Callable, Iterator

import pytest

from tests.support.command_forms import Form, command_forms, fill
from tests.support.pace import patience
from tests.support.resp import Connection
from tests.support.server import Server

TIMES = int(os.environ.get("REMUS_GROWTH_TIMES", "40"))
FREE_OBJECTS = 2500  # the interpreter keeps 2,000 of a kind, at most
RUN_SECONDS = 4
SUSPECT_SECONDS = 60  # of what is suspected, and may be slow
WINDOWS = 8  # in each of which a leak leaves something
SLACK = TIMES // 2  # blocks: one kept for each call is what a leak is
# What would end the server or the connection, mute it, hold it up, or change what later forms mean.
NOT_RUN = {
    "shutdown", "debug", "monitor", "quit", "reset", "auth", "hello", "subscribe", "psubscribe", "ssubscribe",
    "unsubscribe", "punsubscribe", "sunsubscribe", "client|kill", "client|pause", "client|reply", "client|no-evict",
    "client|no-touch", "failover", "replicaof", "slaveof", "sync", "psync", "replconf", "save", "bgsave",
    "bgrewriteaof", "config|rewrite", "config|set", "wait", "waitaof", "multi", "exec", "discard", "watch",
    "unwatch", "select", "swapdb", "acl|load", "acl|save", "memory|purge", "script|kill", "function|kill",
    "migrate", "cluster", "client|setname", "module|load", "module|loadex",
}  # fmt: skip


def plain(form: Form) -> list[tuple[bytes, ...]]:
    return [form.words]


def in_exec(form: Form) -> list[tuple[bytes, ...]]:
    return [(b"MULTI",), form.words, (b"EXEC",)]


def in_script(form: Form) -> list[tuple[bytes, ...]]:
    return [(b"EVAL", b"return redis.pcall(unpack(ARGV))", b"0", *form.words)]


@pytest.fixture
def quiet(new_server: Callable[..., Server]) -> Iterator[Connection]:
    """A server in which nothing happens by itself: it has encoded all that it would after a minute."""
    server = new_server(save="", hz=1, slowlog_log_slower_than=-1, enable_debug_command="yes")
    with server.connect() as c:
        for protocol in (3, 2):
            c.ok("HELLO", protocol)
            c.ok("COMMAND", "DOCS")
            c.ok("COMMAND", "INFO")
        yield c


def reset(c: Connection) -> None:
    c.pipeline([("FLUSHALL",), ("SCRIPT", "FLUSH"), ("FUNCTION", "FLUSH"), ("CONFIG", "RESETSTAT"),
                ("SLOWLOG", "RESET"), ("CLIENT", "TRACKING", "OFF")])
    fill(c)


def blocks(c: Connection) -> int:
    reset(c)
    found = c("DEBUG", "BLOCKS")
    assert isinstance(found, int)
    return found


def run(c: Connection, commands: list[tuple[bytes, ...]], times: int, seconds: float = RUN_SECONDS) -> int:
    """Run them so often, or what these seconds allow; how often that was."""
    done = 0
    end = time.monotonic() + patience(seconds)
    while done < times and time.monotonic() < end:
        some = min(20, times - done)
        c.pipeline(commands * some)
        done += some
    return done


def forms(c: Connection) -> list[Form]:
    found = [form for form in command_forms(c("COMMAND", "DOCS"))
             if form.name not in NOT_RUN and form.name.split("|")[0] not in NOT_RUN]
    assert len(found) > 1500
    return found


def growing(c: Connection, form: Form, commands: list[tuple[bytes, ...]]) -> int:
    """Blocks that as many runs left behind. A suspicion is looked at again after so many runs that the interpreter's
    lists of free objects are full: those count as allocated."""
    run(c, commands, 3)
    before = blocks(c)
    run(c, commands, TIMES)
    if blocks(c) - before <= SLACK:
        return 0
    run(c, commands, FREE_OBJECTS, SUSPECT_SECONDS)
    for _ in range(WINDOWS):            # what happened by itself, and once, is no growth; nor is what ends
        before = blocks(c)
        done = run(c, commands, TIMES * 10)
        left = blocks(c) - before
        if left <= max(10, done // 2):
            return 0
    return left


@pytest.mark.slow
@pytest.mark.timeout(900)
@pytest.mark.parametrize("way", [plain, in_exec, in_script])
def test_no_form_leaves_anything(quiet: Connection, way: Callable[[Form], list[tuple[bytes, ...]]]) -> None:
    left = +Counter({f"{' '.join(map(repr, form.words))[:120]} ({form.kind})": growing(quiet, form, way(form))
                     for form in forms(quiet)})
    assert not left, "blocks left behind:\n" + "\n".join(f"{count} {what}" for what, count in left.most_common(40))
    assert b"internal_errors:0\r" in quiet.ok("INFO", "stats")


def test_strangers_leave_nothing(new_server: Callable[..., Server]) -> None:
    server = new_server(save="", hz=1, requirepass="secret", enable_debug_command="yes")
    with server.connect() as c, server.connect() as stranger:
        c.ok("AUTH", "secret")
        said = [form.words for form in forms(c)] + [(b"AUTH", b"x" * 16_000), (b"AUTH", b"a", b"b"), (b"HELLO", b"9"),
                                                    (b"HELLO", b"3", b"AUTH", b"a", b"b"), (b"EXEC",), (b"NOPE",)]
        said = [words for words in said if len(words) <= 10]  # more of them, or longer ones, end the connection
        run(stranger, said, 1)
        before = blocks(c)
        run(stranger, said, 3)
        assert blocks(c) - before < len(said)
