"""Crash reports: what a fatal signal, a panic or a failed assertion leaves in the log.

A signal is reported by native code (observe.crash_handler); a panic by Python, which can say more. Both end the process
in a way that its parent sees: by the signal, by SIGABRT, or with status 1 if use-exit-on-panic.
"""

import faulthandler
import os
import signal
import sys
import time
import traceback
from typing import Any, NoReturn

from server.observe import crash_handler
from server.observe.monitor import quoted
from server.registry.info import render
from server.version import REDIS_VERSION, VERSION

START = "\n\n=== REDIS BUG REPORT START: Cut & paste starting from here ===\n"
END = "\n=== REDIS BUG REPORT END. Make sure to include from START to END. ===\n"
_WORDS_SHOWN = 32


def enable(server: Any) -> None:
    """crash-log-enabled yes: report fatal signals."""
    path = server.log.path
    crash_handler.prepare(path, REDIS_VERSION, _facts(server))
    try:
        server.crash_file = open(path, "ab", buffering=0) if path else sys.stdout  # noqa: SIM115 - kept for the process's life
        crash_handler.install_tail()
        faulthandler.enable(server.crash_file)
    except (OSError, ValueError, AttributeError):
        faulthandler.disable()
    crash_handler.install_head()


def disable() -> None:
    """crash-log-enabled no."""
    faulthandler.disable()
    crash_handler.remove()


def _facts(server: Any) -> str:
    """What can be said of the server beforehand."""
    config = server.config
    return (f"redis_version:{REDIS_VERSION}\nremus_version:{VERSION}\npython_version:{sys.version.split()[0]}\n"
            f"os:{' '.join(os.uname()[i] for i in (0, 2, 4))}\nprocess_id:{os.getpid()}\nrun_id:{server.run_id}\n"
            f"tcp_port:{config.port}\nio_threads:{config.io_threads}\nconfig_file:{config.configfile or ''}\n"
            f"started_at:{int(server.start_time)}\n")


def panic(server: Any, text: str, call: Any = None) -> NoReturn:
    """Software failure: report and end. `call` is the command that was running."""
    server.log.raw(START)
    server.log.warning("------------------------------------------------")
    server.log.warning("!!! Software Failure. Press left mouse button to continue")
    server.log.warning("Guru Meditation: %s", text)
    _report_and_end(server, call)


def assertion_failed(server: Any, text: str, call: Any = None) -> NoReturn:
    """A condition that must hold does not: report and end."""
    server.log.raw(START)
    server.log.warning("=== ASSERTION FAILED ===")
    server.log.warning("==> %s is not true", text)
    _report_and_end(server, call)


def _report_and_end(server: Any, call: Any) -> NoReturn:
    if server.config.crash_log_enabled:
        server.log.raw("\n------ STACK TRACE ------\n" + "".join(traceback.format_stack()[:-2]))
        server.log.raw("\n------ INFO OUTPUT ------\n" + render(server, ["everything"]).replace("\r\n", "\n"))
        if call is not None:
            server.log.raw(_command(call))
    server.log.raw(END)
    disable()
    if server.config.use_exit_on_panic:
        os._exit(1)
    signal.signal(signal.SIGABRT, signal.SIG_DFL)
    os.abort()


def _command(call: Any) -> str:
    shown = "".join(f"argv[{at}]: '{quoted(word[:128]).decode()}'\n"
                    for at, word in enumerate(call.argv[:_WORDS_SHOWN]))
    return (f"\n------ CURRENT CLIENT INFO ------\nid={call.client.id} addr={call.client.address} db={call.db.index}\n"
            f"argc: '{len(call.argv)}'\n{shown}")


def panic_text(what: str) -> str:
    """The words of DEBUG PANIC."""
    return f"{what} called at Unix time {int(time.time())}"
