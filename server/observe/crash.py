"""Crash reports: what a fatal signal, a panic or a failed assertion leaves in the log.

A signal is reported by native code (observe.crash_handler); a panic by Python, which can say more. Both end the process
in a way that its parent sees: by the signal, by SIGABRT, or with status 1 if use-exit-on-panic.
"""

import faulthandler
import os
import sys
import time
from collections.abc import Callable

from server.config.config import Config
from server.observe import crash_handler
from server.observe.log import Log
from server.registry.light import Any, BinaryIO, NoReturn, Protocol, TextIO, signal
from server.registry.text_writer import quoted
from server.version import REDIS_VERSION, VERSION

START = "\n\n=== REDIS BUG REPORT START: Cut & paste starting from here ===\n"
END = "\n=== REDIS BUG REPORT END. Make sure to include from START to END. ===\n"
_WORDS_SHOWN = 32


class RunningCommand(Protocol):
    """A command under way."""

    @property
    def client(self) -> Any:
        """Who called it."""

    @property
    def argv(self) -> list[bytes]:
        """All words, names included."""


class CrashReports:
    """Those of one server. facts: lines that can be said beforehand; info(): the text of INFO everything."""

    def __init__(self, config: Config, log: Log, run_id: str, start_time: float, info: Callable[[], bytes]) -> None:
        self._config = config
        self._log = log
        self._run_id = run_id
        self._start_time = start_time
        self._info = info
        self._file: BinaryIO | TextIO | None = None     # kept for the process's life: faulthandler writes to it

    def follow(self, config: Config) -> None:
        """crash-log-enabled: report fatal signals, or not."""
        if config.crash_log_enabled:
            self.enable()
        else:
            disable()

    def enable(self) -> None:
        """Report fatal signals."""
        path = self._log.path
        crash_handler.report_to(path)
        crash_handler.prepare(REDIS_VERSION, self._facts())
        try:
            self._file = open(path, "ab", buffering=0) if path else sys.stdout  # noqa: SIM115
            crash_handler.install_tail()
            faulthandler.enable(self._file)
        except (OSError, ValueError, AttributeError):
            faulthandler.disable()
        crash_handler.install_head()

    def _facts(self) -> str:
        """What can be said of the server beforehand."""
        config = self._config
        system = " ".join(os.uname()[i] for i in (0, 2, 4))
        return (f"redis_version:{REDIS_VERSION}\nremus_version:{VERSION}\npython_version:{sys.version.split()[0]}\n"
                f"os:{system}\nprocess_id:{os.getpid()}\nrun_id:{self._run_id}\n"
                f"tcp_port:{config.port}\nio_threads:{config.io_threads}\nconfig_file:{config.configfile or ''}\n"
                f"started_at:{int(self._start_time)}\n")

    def panic(self, text: str, call: RunningCommand | None = None) -> NoReturn:
        """Software failure: report and end. `call` is the command that was running."""
        self._log.raw(START)
        self._log.warning("------------------------------------------------")
        self._log.warning("!!! Software Failure. Press left mouse button to continue")
        self._log.warning("Guru Meditation: %s", text)
        self._report_and_end(call)

    def assertion_failed(self, text: str, call: RunningCommand | None = None) -> NoReturn:
        """A condition that must hold does not: report and end."""
        self._log.raw(START)
        self._log.warning("=== ASSERTION FAILED ===")
        self._log.warning("==> %s is not true", text)
        self._report_and_end(call)

    def _report_and_end(self, call: RunningCommand | None) -> NoReturn:
        if self._config.crash_log_enabled:
            import traceback

            self._log.raw("\n------ STACK TRACE ------\n" + "".join(traceback.format_stack()[:-2]))
            info = self._info().decode("utf-8", "surrogateescape").replace("\r\n", "\n")
            self._log.raw("\n------ INFO OUTPUT ------\n" + info)
            if call is not None:
                self._log.raw(_command(call))
        self._log.raw(END)
        disable()
        if self._config.use_exit_on_panic:
            os._exit(1)
        signal.signal(signal.SIGABRT, signal.SIG_DFL)
        os.abort()


def disable() -> None:
    """crash-log-enabled no."""
    faulthandler.disable()
    crash_handler.remove()


def _command(call: RunningCommand) -> str:
    shown = "".join(f"argv[{at}]: '{quoted(word[:128]).decode()}'\n"
                    for at, word in enumerate(call.argv[:_WORDS_SHOWN]))
    client = call.client
    return (f"\n------ CURRENT CLIENT INFO ------\nid={client.id} addr={client.address} db={client.db.index}\n"
            f"argc: '{len(call.argv)}'\n{shown}")


def panic_text(what: str) -> str:
    """The words of DEBUG PANIC."""
    return f"{what} called at Unix time {int(time.time())}"
