"""DEBUG CLOCK: time as a test wants it.

Unix time (expiry, IDs of streams, TIME) can be set, stopped and moved. FORWARD has time pass for everything that counts
with it: the clocks of LRU and LFU, clients that wait with a timeout, and CLIENT PAUSE move as well. What a step makes
due is done before its reply: keys are deleted with their events, clients get their answers. How long something took,
and links to other servers, are measured by the real clock as ever.
"""

from server.dispatch.call import Call
from server.registry import args, clock
from server.registry.debug import Subcommands, WrongWords
from server.registry.errors import CommandError, syntax

LIMIT_MS = 1 << 52  # of Unix time: microseconds, and expiry some way ahead, stay within 64 bits


def _milliseconds(word: bytes) -> int:
    value = args.integer(word)
    if not 0 <= value < LIMIT_MS:
        raise CommandError("ERR value is out of range")
    return value


def _forward(call: Call, milliseconds: int) -> None:
    clock.refresh()
    if clock.unix_ms() + milliseconds >= LIMIT_MS:
        raise CommandError("ERR value is out of range")
    by_us = milliseconds * 1000
    clock.move_wall_clock(by_us)
    clock.move_access_clock(by_us)
    call.server.expiry.everything()
    call.server.pause.hasten(by_us)
    call.server.blocking.hasten(by_us)


def _set(call: Call, unix_ms: int) -> None:
    clock.refresh()
    clock.move_wall_clock(unix_ms * 1000 - clock.unix_us())
    call.server.expiry.everything()


@Subcommands(Call)(
    "CLOCK", 1, 3, "<FORWARD <milliseconds>|SET <unix-milliseconds> [STOPPED]|STOP|GO|RESET>",
    "Let time pass, set Unix time, have it stand still, go on, or be the system's again.",
    "The reply is Unix time in milliseconds.",
)
def clock_(call: Call, name: bytes, *words: bytes) -> int:
    """For tests that do not want to wait."""
    what = name.upper(), len(words)
    if what == (b"FORWARD", 1):
        _forward(call, _milliseconds(words[0]))
    elif what in ((b"SET", 1), (b"SET", 2)):
        if words[1:] and words[1].upper() != b"STOPPED":
            raise syntax()
        unix_ms = _milliseconds(words[0])
        clock.resume_wall_clock()
        if words[1:]:
            clock.stop_wall_clock()
        _set(call, unix_ms)
    elif what == (b"STOP", 0):
        clock.stop_wall_clock()
    elif what == (b"GO", 0):
        clock.resume_wall_clock()
    elif what == (b"RESET", 0):
        clock.set_wall_clock(0)
    else:
        raise WrongWords
    clock.refresh()
    return clock.unix_ms()
