"""DEBUG: looking inside a server and provoking what is rare, for tests and for those who develop it.

One command with many subcommands, which is how COMMAND shows it. Other rooms declare theirs (registry.debug). What the
crashing ones do to a server in use is the caller's doing: enable-debug-command keeps all of them off by default.
"""

import gc
import os
import random
import sys
import time
from collections import Counter
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from server.clients import client_list
from server.dispatch import appending, conditions, saving
from server.dispatch.call import Call
from server.observe import crash, crash_handler
from server.observe.debug_settings import DEFAULT_PEAK_RESET_MS, settings
from server.registry import args
from server.registry.command import ADMIN, LOADING, NOSCRIPT, PROTECTED, STALE, group
from server.registry.debug import SUBCOMMANDS, subcommand
from server.registry.errors import CommandError, syntax, wrong_subcommand
from server.registry.reply import OK, Attributed, BigNumber, Encoded, Pairs, Push, SetOf, Several, Verbatim
from server.structures.glob import match

if TYPE_CHECKING:
    pass

command = group("server")
_MANY = 1 << 20


@command("DEBUG", arity=-2, flags=ADMIN | NOSCRIPT | LOADING | STALE | PROTECTED, since="1.0.0", system=True)
def debug(call: Call, name: bytes, *words: bytes) -> Any:
    """Look inside the server, or make it do what it otherwise would not.

    Complexity: Depends on subcommand.
    """
    found = SUBCOMMANDS.get(name.decode("latin-1").lower())
    if found is None or not found.least <= len(words) <= found.most:
        raise wrong_subcommand(call.argv)
    return found.run(call, *words)


@subcommand("HELP")
def help_(call: Call) -> list[str]:
    """The subcommands with what they do."""
    lines = ["DEBUG <subcommand> [<arg> [value] [opt] ...]. Subcommands are:"]
    for name, entry in SUBCOMMANDS.items():
        if entry.help:
            lines += [f"{name.upper()} {entry.help[0]}".rstrip(), *(f"    {line}" for line in entry.help[1:])]
    return [*lines, "HELP", "    Print this help."]


def _text(word: bytes) -> str:
    return word.decode("utf-8", "surrogateescape")


# ---- data out and in again
@subcommand(
    "RELOAD", 0, _MANY, "[option ...]", "Save the RDB file, empty the databases, load the file. Options:",
    "* MERGE: keys of the file replace those that are there.", "* NOFLUSH: leave the databases as they are.",
    "* NOSAVE: load the file that is there.",
)
def reload(call: Call, *words: bytes) -> str:
    """Whether a snapshot holds everything."""
    options = {word.upper() for word in words}
    if not options <= {b"MERGE", b"NOFLUSH", b"NOSAVE"}:
        raise CommandError("ERR DEBUG RELOAD only supports the MERGE, NOFLUSH and NOSAVE options.")
    saving.reload(
        call.server, save=b"NOSAVE" not in options, flush=b"NOFLUSH" not in options, merge=b"MERGE" in options
    )
    return OK


@subcommand("LOADAOF", 0, 0, "", "Write out the AOF buffer, empty the databases, load the AOF.")
def loadaof(call: Call) -> str:
    """Whether the append only file holds everything."""
    call.propagate_nothing()
    appending.reload(call.server)
    return OK


# ---- ends of the server
@subcommand("SEGFAULT", 0, _MANY, "", "Crash by an access to memory that is not ours to write.")
def segfault(call: Call, *words: bytes) -> None:
    """SIGSEGV."""
    crash_handler.segfault()


@subcommand("PANIC", 0, _MANY, "", "Crash as if a software failure had been found.")
def panic(call: Call, *words: bytes) -> None:
    """Report, SIGABRT."""
    call.server.crash.panic(crash.panic_text("DEBUG PANIC"), call)


@subcommand("ASSERT", 0, _MANY, "", "Crash by an assertion that fails.")
def assert_(call: Call, *words: bytes) -> None:
    """Report, SIGABRT."""
    call.server.crash.assertion_failed("DEBUG ASSERT '1 == 2'", call)


@subcommand("OOM", 0, _MANY, "", "Crash as if memory had run out.")
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


@subcommand("SET-ACTIVE-EXPIRE", 1, 1, "<0|1>", "Remove expired keys that nobody asks for, or leave them.")
def set_active_expire(call: Call, yes: bytes) -> str:
    """Those that somebody asks for go at once in any case."""
    call.server.expiry.enabled = bool(args.leading_integer(yes))
    return OK


@subcommand("PAUSE-CRON", 1, 1, "<0|1>", "Stop what the server does by itself, or go on with it.")
def pause_cron(call: Call, yes: bytes) -> str:
    """Shutdown by a signal waits, too."""
    call.server.cron.paused = bool(args.leading_integer(yes))
    return OK


# ---- strings
@subcommand("STRINGMATCH-LEN", 2, 2, "<pattern> <string>", "Show whether a glob-style pattern matches: 1 or 0.")
def stringmatch_len(call: Call, pattern: bytes, text: bytes) -> int:
    """As KEYS would see it."""
    return int(match(pattern, text))


@subcommand("STRINGMATCH-TEST", 0, 0, "", "Try random patterns.")
def stringmatch_test(call: Call) -> str:
    """A crash would be a failure; the answers do not matter."""
    for _ in range(20000):
        match(random.randbytes(random.randrange(16)), random.randbytes(random.randrange(16)))
    return "Apparently Redis did not crash: test passed"


# ---- switches
@subcommand(
    "FAST-PATHS", 1, 1, "<yes|no>", "Let native short cuts serve plain commands, or have Python serve everything."
)
def fast_paths(call: Call, word: bytes) -> str:
    """Replies and effects are the same; tests hold the server to that."""
    if word.lower() not in (b"yes", b"no", b"1", b"0"):
        raise syntax()
    conditions.slow_because("off", word.lower() in (b"no", b"0"))
    return OK


def _switch(name: str, attribute: str, convert: Callable[[bytes], Any], *help_lines: str) -> None:
    """Declare DEBUG name <value>, which sets one of the debug settings."""

    def switch(call: Call, word: bytes) -> str:
        setattr(settings, attribute, convert(word))
        return OK

    subcommand(name, 1, 1, *help_lines)(switch)


def _yes(word: bytes) -> bool:
    return bool(args.leading_integer(word))


_switch(
    "SET-SKIP-CHECKSUM-VALIDATION",
    "skip_checksum_validation",
    _yes,
    "<0|1>",
    "Skip or check checksums of RDB files and of RESTORE.",
)
_switch(
    "SET-DISABLE-DENY-SCRIPTS", "disable_deny_scripts", _yes, "<0|1>", "Let scripts call what they may not, or not."
)
_switch(
    "AOF-FLUSH-SLEEP", "aof_flush_sleep_us", args.leading_integer, "<microsec>", "Sleep before each write of the AOF."
)
_switch("DICT-RESIZING", "dict_resizing", _yes, "<0|1>", "Let tables grow and shrink, or not.")
_switch(
    "DROP-CLUSTER-PACKET-FILTER",
    "drop_cluster_packet_filter",
    args.integer,
    "<packet-type>",
    "Drop bus messages of a type; -1 none.",
)
_switch(
    "CLIENT-ENFORCE-REPLY-LIST",
    "reply_buffer_resizing",
    lambda word: settings.reply_buffer_resizing,
    "<0|1>",
    "Accepted: replies are always kept in a list here.",
)


@subcommand(
    "REPLYBUFFER",
    2,
    2,
    "<PEAK-RESET-TIME <NEVER|RESET|milliseconds>|RESIZING <0|1>>",
    "When the peak use of reply buffers is forgotten, and whether they shrink.",
)
def replybuffer(call: Call, what: bytes, value: bytes) -> str:
    """Chunks of replies are returned when they are sent, so this is only noted."""
    if what.upper() == b"PEAK-RESET-TIME":
        special = {b"NEVER": -1, b"RESET": DEFAULT_PEAK_RESET_MS}
        wanted = special.get(value.upper())
        settings.reply_buffer_peak_reset_ms = args.integer(value) if wanted is None else wanted
    elif what.upper() == b"RESIZING":
        settings.reply_buffer_resizing = _yes(value)
    else:
        raise wrong_subcommand(call.argv)
    return OK


@subcommand("CONFIG-REWRITE-FORCE-ALL", 0, 0, "", "CONFIG REWRITE with every directive, even those at their default.")
def config_rewrite_force_all(call: Call) -> str:
    """Errors: what the system says of the file."""
    call.config.force_rewrite = True
    try:
        call.config.rewrite()
    except OSError as failure:
        raise CommandError(f"ERR CONFIG-REWRITE-FORCE-ALL failed: {failure.strerror}") from None
    finally:
        call.config.force_rewrite = False
    return OK


_FIRST_CLASS_LOG = 15  # classes of client memory: below 32 KB, then by powers of two
_CLASSES = 19


@subcommand("CLIENT-EVICTION", 0, 0, "", "Show clients by how much memory they use (maxmemory-clients).")
def client_eviction(call: Call) -> Verbatim:
    """One line per class of memory use."""
    if not call.config.maxmemory_clients:
        raise CommandError("ERR maxmemory-clients is disabled.")
    memory = [0] * _CLASSES
    count = [0] * _CLASSES
    for client in call.server.clients:
        used = client_list.query_of(client)[0] + client.output_memory
        at = min(_CLASSES - 1, max(0, used.bit_length() - _FIRST_CLASS_LOG))
        memory[at] += used
        count[at] += 1
    lines = []
    for at in range(_CLASSES):
        low = 0 if at == 0 else 1 << (at - 1 + _FIRST_CLASS_LOG)
        high = "+            : " if at == _CLASSES - 1 else f" - {(1 << (at + _FIRST_CLASS_LOG)) - 1:10d}: "
        lines.append(f"bucket {low:10d}{high}tot-mem: {memory[at]:10d}, clients: {count[at]}\n")
    return Verbatim("".join(lines))
