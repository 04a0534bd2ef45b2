"""A server under a test's control: its time, and faults on demand. All of it needs `enable-debug-command`."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from typing import Any

from remus_embedded.wire import RemusError, Wire

_NOT_ENABLED = "DEBUG command not allowed"


class Faults:
    """What a client must survive. A command is named as in the protocol: "get", "config|set", "*" for any (redis-py's
    `incr` sends INCRBY). There is one plan for each name, and the latest counts. `times` counts commands of all
    clients; scripts are not concerned."""

    def __init__(self, control: Control) -> None:
        self._control = control

    def fail(self, command: str, error: str = "ERR a fault on demand", *, times: int = 1) -> None:
        """The next commands of that name are not run and answer this error, its code first ("LOADING ...")."""
        self._control.debug("FAULT", "ERROR", command, times, error)

    def delay(self, command: str, seconds: float, *, times: int = 1) -> None:
        """They are run, and answered, so much later. Other clients do not wait."""
        self._control.debug("FAULT", "DELAY", command, times, round(seconds * 1000))

    def drop(self, command: str = "*", *, times: int = 1) -> None:
        """Their connection is closed, and they are not run."""
        self._control.debug("FAULT", "DROP", command, times)

    def lose_reply(self, command: str = "*", *, times: int = 1) -> None:
        """They are run, but instead of the reply the connection is closed: did it happen or not?"""
        self._control.debug("FAULT", "LOSE", command, times)

    def clear(self) -> None:
        """None of these any more; who waits goes on."""
        self._control.debug("FAULT", "CLEAR")

    @contextmanager
    def disk_full(self) -> Iterator[None]:
        """No snapshot and no append only file finds room, which refuses writes where the server has either."""
        self._control.debug("DISK-FULL", 1)
        try:
            yield
        finally:
            self._control.debug("DISK-FULL", 0)

    @contextmanager
    def out_of_memory(self) -> Iterator[None]:
        """The limit of memory is reached and nothing may be evicted: writes answer -OOM."""
        names = ("maxmemory", "maxmemory-policy")
        before = [self._control.command("CONFIG", "GET", name) for name in names]
        self._control.command("CONFIG", "SET", names[0], 1, names[1], "noeviction")
        try:
            yield
        finally:
            self._control.command("CONFIG", "SET", *(word for pair in before for word in pair))


class Control:
    """One server, over a connection of its own."""

    def __init__(self, wire: Wire) -> None:
        self._wire = wire
        self.touched = False  # whether time or faults may be other than at the start
        self.faults = Faults(self)

    def command(self, *words: object) -> Any:
        """Send a command: its reply. RemusError for an error reply."""
        return self._wire(*words)

    def pipeline(self, *commands: tuple[object, ...]) -> list[Any]:
        """Several at once: their replies, error replies as values."""
        return self._wire.all_of(*commands)

    def debug(self, *words: object) -> Any:
        """DEBUG, which a server has to permit."""
        self.touched = True
        try:
            return self._wire("DEBUG", *words)
        except RemusError as error:
            if _NOT_ENABLED not in str(error):
                raise
            text = "start the server with enable_debug_command='local' to move its time or plan faults"
            raise RemusError(text) from None

    # ---- time
    def fast_forward(self, seconds: float) -> float:
        """So much time passes at once, for all that the server counts: expiry, IDs of streams, idle times, clients that
        wait with a timeout. What becomes due is done when this returns: Unix time at the server, seconds."""
        if seconds < 0:
            raise ValueError("time passes forward; set_time() sets it back")
        return float(self.debug("CLOCK", "FORWARD", round(seconds * 1000))) / 1000

    def set_time(self, when: float | datetime, *, stopped: bool = False) -> float:
        """Set Unix time, as somebody who sets a clock does: keys expire and streams count by it, while timeouts of
        clients that wait go on. stopped: it stands still from then on, so that IDs of streams and TTLs are exact."""
        unix = when.timestamp() if isinstance(when, datetime) else when
        words = ("STOPPED",) if stopped else ()
        return float(self.debug("CLOCK", "SET", round(unix * 1000), *words)) / 1000

    def stop_time(self) -> float:
        """Unix time stands still; fast_forward() still moves it."""
        return float(self.debug("CLOCK", "STOP")) / 1000

    def resume_time(self) -> float:
        """It goes on from where it stands."""
        return float(self.debug("CLOCK", "GO")) / 1000

    def reset(self) -> None:
        """The system's time again, and no faults."""
        if self.touched:
            self.debug("FAULT", "CLEAR")
            self.debug("DISK-FULL", 0)
            self.debug("CLOCK", "RESET")
            self.touched = False

    def close(self) -> None:
        """The connection; the next call opens it again."""
        self._wire.close()
