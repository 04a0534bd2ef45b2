"""DEBUG: looking inside a server and provoking what is rare, for tests and for those who develop it.

One command with many subcommands, which is how COMMAND shows it. Every room declares those that look into its parts
(registry.debug, the `debug` modules); here are those about the process, the interpreter and replies. What the crashing
ones do to a server in use is the caller's doing: enable-debug-command keeps all of them off by default.
"""

import gc
import os
import sys
import time
from collections import Counter
from collections.abc import Callable

from server.dispatch.call import Call
from server.keyspace.database import Database
from server.observe import crash, crash_handler
from server.registry import args
from server.registry.command import ADMIN, LOADING, NOSCRIPT, PROTECTED, STALE, group
from server.registry.debug import MANY, Subcommands, WrongWords, help_lines, subcommands
from server.registry.errors import CommandError, wrong_subcommand
from server.registry.light import Any
from server.registry.parts import Part
from server.registry.reply import OK, Attributed, BigNumber, Encoded, Pairs, Push, SetOf, Several, Verbatim
from server.structures.glob import match

command = group("server")
subcommand = Subcommands(Call)


@command("DEBUG", arity=-2, flags=ADMIN | NOSCRIPT | LOADING | STALE | PROTECTED, since="1.0.0", system=True)
def debug(call: Call, name: bytes, *words: bytes) -> Any:
    """Look inside the server, or make it do what it otherwise would not.

    Complexity: Depends on subcommand.
    """
    found = subcommands().get(name.decode("latin-1").lower())
    if found is None or not found.least <= len(words) <= found.most:
        raise wrong_subcommand(call.argv)
    try:
        return found.run(part_of(call, found.part), *words)
    except WrongWords:
        raise wrong_subcommand(call.argv) from None


def part_of(call: Call, part: Part[Any]) -> Any:
    """What a subcommand looks into: the call itself, its database, or a part of the server."""
    if part is Call:
        return call
    return call.db if part is Database else call.server.parts.get(part)


@subcommand("HELP")
def help_(call: Call) -> list[str]:
    """The subcommands with what they do."""
    return help_lines()


def _text(word: bytes) -> str:
    return word.decode("utf-8", "surrogateescape")


# ---- ends of the server
@subcommand("SEGFAULT", 0, MANY, "", "Crash by an access to memory that is not ours to write.")
def segfault(call: Call, *words: bytes) -> None:
    """SIGSEGV."""
    crash_handler.segfault()


@subcommand("PANIC", 0, MANY, "", "Crash as if a software failure had been found.")
def panic(call: Call, *words: bytes) -> None:
    """Report, SIGABRT."""
    call.server.crash.panic(crash.panic_text("DEBUG PANIC"), call)


@subcommand("ASSERT", 0, MANY, "", "Crash by an assertion that fails.")
def assert_(call: Call, *words: bytes) -> None:
    """Report, SIGABRT."""
    call.server.crash.assertion_failed("DEBUG ASSERT '1 == 2'", call)


@subcommand("OOM", 0, MANY, "", "Crash as if memory had run out.")
def oom(call: Call, *words: bytes) -> None:
    """Report, SIGABRT."""
    wanted = sys.maxsize
    call.server.log.warning("Out Of Memory allocating %d bytes!", wanted)
    call.server.crash.panic(f"Redis aborting for OUT OF MEMORY. Allocating {wanted} bytes!", call)


@subcommand("RESTART", 0, 1, "[<milliseconds>]", "Save the configuration and start the process anew.")
def restart(call: Call, delay: bytes = b"0") -> None:
    """As after a stop by hand. Only the pid stays."""
    pause_ms = max(0, args.integer(delay))
    if call.config.configfile:
        call.config.rewrite()
    _start_anew(call, pause_ms)


@subcommand("CRASH-AND-RECOVER", 0, 1, "[<milliseconds>]", "Start the process anew without saving anything.")
def crash_and_recover(call: Call, delay: bytes = b"0") -> None:
    """As after kill -9."""
    _start_anew(call, max(0, args.integer(delay)))


def _start_anew(call: Call, pause_ms: int) -> None:
    time.sleep(pause_ms / 1000)
    call.server.log.warning("Restarting by DEBUG")
    try:
        os.closerange(3, 65536)
        os.execv(sys.executable, [sys.executable, *sys.orig_argv[1:]])
    except OSError:
        os._exit(1)


# ---- the interpreter
@subcommand("JMAP", 0, 0, "", "Count the interpreter's objects by type.")
def jmap(call: Call) -> Verbatim:
    """The twenty most frequent, most of them first."""
    counts = Counter(type(each).__name__ for each in gc.get_objects())
    return Verbatim("".join(f"{name}:{count}\n" for name, count in counts.most_common(20)))


@subcommand("BLOCKS", 0, 0, "", "Count the interpreter's allocations: what leaks shows in it.")
def blocks(call: Call) -> int:
    """Of all objects small enough for its own allocator."""
    return sys.getallocatedblocks()


@subcommand("STRUCTSIZE", 0, 0, "", "Show the sizes of basic structures.")
def structsize(call: Call) -> bytes:
    """Ours: an entry without key and value, and a bucket."""
    return b"bits:%d robj:0 dictentry:8 bucket:8 " % (64 if sys.maxsize > 2**32 else 32)


@subcommand("LEAK", 1, 1, "<string>", "Lose the memory of a copy of a string.")
def leak(call: Call, text: bytes) -> str:
    """Kept where nobody finds it."""
    _leaked.append(bytearray(text))
    return OK


_leaked: list[bytearray] = []


# ---- replies
_WORDS = "string|integer|double|bignum|null|array|set|map|attrib|push|verbatim|true|false"
_SAMPLES: dict[bytes, Callable[[], Any]] = {
    b"string": lambda: b"Hello World",
    b"integer": lambda: 12345,
    b"double": lambda: 3.141,
    b"bignum": lambda: BigNumber(b"1234567999999999999999999999999999999"),
    b"null": lambda: None,
    b"array": lambda: [0, 1, 2],
    b"set": lambda: SetOf([0, 1, 2]),
    b"map": lambda: Pairs([(0, False), (1, True), (2, False)]),
    b"attrib": lambda: Attributed(
        Pairs([(b"key-popularity", [b"key:123", 90])]), b"Some real reply following the attribute"
    ),
    b"push": lambda: Several([Push(b"server-cpu-usage", 42), b"Some real reply following the push reply"]),
    b"verbatim": lambda: Verbatim("This is a verbatim\nstring"),
    b"true": lambda: True,
    b"false": lambda: False,
}


@subcommand("PROTOCOL", 1, 1, "<type>", f"Reply with a sample of a type: {_WORDS.replace('|', ', ')}.")
def protocol(call: Call, name: bytes) -> Any:
    """What client libraries are tested with."""
    sample = _SAMPLES.get(name.lower())
    if sample is None:
        raise CommandError(f"ERR Wrong protocol type name. Please use one of the following: {_WORDS}")
    if name.lower() == b"push" and call.client.resp == 2:
        raise CommandError("ERR RESP2 is not supported by this command")
    return sample()


@subcommand("ERROR", 1, 1, "<string>", "Reply with an error of this text.")
def error(call: Call, text: bytes) -> Encoded:
    """As it is, line ends excepted; it counts in no statistics."""
    return Encoded(b"-%s\r\n" % text.replace(b"\r", b" ").replace(b"\n", b" "))


@subcommand("LOG", 1, 1, "<message>", "Write a line to the log.")
def log(call: Call, message: bytes) -> str:
    """At level warning."""
    call.server.log.warning("DEBUG LOG: %s", _text(message))
    return OK


# ---- time
@subcommand("SLEEP", 1, 1, "<seconds>", "Do nothing for so long, decimals allowed.")
def sleep(call: Call, seconds: bytes) -> str:
    """Nobody else is served meanwhile."""
    time.sleep(max(0.0, args.parse_float(seconds) or 0.0))
    return OK


# ---- strings
@subcommand("STRINGMATCH-LEN", 2, 2, "<pattern> <string>", "Show whether a glob-style pattern matches: 1 or 0.")
def stringmatch_len(call: Call, pattern: bytes, text: bytes) -> int:
    """As KEYS would see it."""
    return int(match(pattern, text))


@subcommand("STRINGMATCH-TEST", 0, 0, "", "Try random patterns.")
def stringmatch_test(call: Call) -> str:
    """A crash would be a failure; the answers do not matter."""
    import random

    for _ in range(20000):
        match(random.randbytes(random.randrange(16)), random.randbytes(random.randrange(16)))
    return "Apparently Redis did not crash: test passed"
