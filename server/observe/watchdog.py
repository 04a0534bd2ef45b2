"""watchdog-period: what keeps the server busy for so long in one turn is told to the log while it lasts.

Each tick of the cron sets an alarm anew; when no tick comes in time, SIGALRM interrupts whatever runs, and native code
(observe.crash_handler) writes the Python stack and the command. Meant for finding a stall, not for every day: what
waits in a system call is interrupted, too.
"""

import faulthandler
import sys
from collections.abc import Callable

from server.config.config import Config
from server.observe import crash_handler
from server.observe.log import Log
from server.registry.light import BinaryIO, TextIO, signal

TICKS_LEAST = 2             # of the cron in a period: one that is shorter would end between two of them


class Watchdog:
    """The one of a server. hz(): ticks of the cron per second."""

    def __init__(self, config: Config, log: Log, hz: Callable[[], int]) -> None:
        self._config = config
        self._log = log
        self._hz = hz
        self._file: BinaryIO | TextIO | None = None     # while there is a period: where the stack goes
        self._seconds = 0.0

    def follow(self, config: Config) -> str | None:
        """watchdog-period: begin, end, or wait for another time. One that is too short becomes the shortest."""
        if not config.watchdog_period:
            self._stop()
            return None
        least = 1000 // self._hz() * TICKS_LEAST
        if config.watchdog_period < least:
            config.store("watchdog-period", least)
        self._seconds = config.watchdog_period / 1000
        try:
            self._begin()
        except (OSError, ValueError, AttributeError) as error:
            return f"the watchdog has nowhere to report to: {error}"
        self.tick()
        return None

    def _begin(self) -> None:
        if self._file is not None:
            return
        path = self._log.path
        file = open(path, "ab", buffering=0) if path else sys.stdout  # noqa: SIM115
        crash_handler.report_to(path)
        faulthandler.register(signal.SIGALRM, file, all_threads=False)
        crash_handler.install_alarm(file.fileno())
        self._file = file

    def _stop(self) -> None:
        if self._file is None:
            return
        self._seconds = 0.0
        signal.setitimer(signal.ITIMER_REAL, 0)
        faulthandler.unregister(signal.SIGALRM)
        signal.signal(signal.SIGALRM, signal.SIG_IGN)    # one may be under way
        if self._log.path:
            self._file.close()
        self._file = None

    def tick(self) -> None:
        """From the cron: it is not stuck."""
        if self._seconds:
            signal.setitimer(signal.ITIMER_REAL, self._seconds)
