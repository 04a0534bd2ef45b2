"""Signals as redis-server treats them: SIGTERM and SIGINT shut down, SIGHUP and SIGPIPE are ignored, a crash is reported.

Handlers only set a flag and wake the loop; the loop's main thread does the work.
"""

import faulthandler
import os
import signal
import sys
from typing import Any

FATAL = ("SIGSEGV", "SIGBUS", "SIGFPE", "SIGILL", "SIGABRT")


def install(server: Any) -> None:
    """Take over the process's signals for a server."""
    signal.signal(signal.SIGHUP, signal.SIG_IGN)
    signal.signal(signal.SIGPIPE, signal.SIG_IGN)

    def asked_to_stop(number: int, _frame: Any) -> None:
        name = signal.Signals(number).name
        if server.shutdown_signal is not None and number == signal.SIGINT:
            server.log.warning("You insist... exiting now.")
            server.remove_files()
            os._exit(1)
        server.log.warning("Received %s scheduling shutdown...", name)
        server.shutdown_signal = number

    signal.signal(signal.SIGTERM, asked_to_stop)
    signal.signal(signal.SIGINT, asked_to_stop)
    if server.config.crash_log_enabled:
        enable_crash_report(server)


def enable_crash_report(server: Any) -> None:
    """Have a fatal signal leave a stack trace in the log file (or on standard error)."""
    path = server.log.path
    try:
        server.crash_file = open(path, "ab", buffering=0) if path else sys.stdout  # noqa: SIM115 - lives as long as the process
        faulthandler.enable(server.crash_file)
    except (OSError, ValueError, AttributeError):
        faulthandler.enable()
