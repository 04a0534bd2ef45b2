"""DEBUG FAIL: makes a mistake of ours, so that tests (and whoever set up an alert) see what becomes of one."""

from collections.abc import Callable, Iterator

from server.dispatch.call import Call
from server.registry.clock import monotonic_now_us
from server.registry.debug import Subcommands
from server.registry.errors import CommandError
from server.registry.light import Any
from server.registry.reply import OK, Streamed


class Mistake(Exception):
    """What is raised on purpose."""


def _fail(*_: object) -> Any:
    raise Mistake


def _pieces() -> Iterator[list[bytes]]:
    yield [b"written"] * 1000
    _fail()


def _hook(call: Call) -> str:
    loop = call.server.loop

    def hook() -> bool:
        loop.attend(hook, False)
        return bool(_fail())

    loop.attend(hook)
    return OK


def _timer(call: Call) -> str:
    timers = call.server.loop.timers

    def run() -> None:
        timers.remove(timer)
        _fail()

    timer = timers.add(monotonic_now_us(), 0, run)
    return OK


def _job(call: Call) -> str:
    jobs = call.server.cron.jobs

    def run() -> None:
        jobs.pop()
        _fail()

    call.server.cron.every(0, run)
    return OK


_PLACES: dict[bytes, Callable[[Call], Any]] = {
    b"command": _fail,
    b"number": lambda call: [1, 2**70],                        # what no protocol's integer can hold
    b"reply": lambda call: [b"first", {"second": object()}],   # after a part of it was written
    b"stream": lambda call: Streamed(1001, _pieces()),
    b"hook": _hook,
    b"timer": _timer,
    b"job": _job,
}


@Subcommands(Call)("FAIL", 1, 1, "<command|number|reply|stream|hook|timer|job>", "Make a mistake of the server there.")
def fail(call: Call, place: bytes) -> Any:
    """It is counted in internal_errors, logged, and answered where somebody asked."""
    make = _PLACES.get(place.lower())
    if make is None:
        raise CommandError("ERR unknown place")
    return make(call)
