"""Signals as redis-server treats them: SIGTERM and SIGINT shut down, SIGHUP and SIGPIPE are ignored, crashes reported.

Handlers only set a flag and wake the loop; the loop's main thread does the work.
"""

import os
from types import FrameType

from server.persistence import rdb_file
from server.registry.light import TYPE_CHECKING, signal

if TYPE_CHECKING:
    from server.server import Server


def install(server: "Server") -> None:
    """Take over the process's signals for a server."""
    signal.signal(signal.SIGHUP, signal.SIG_IGN)
    signal.signal(signal.SIGPIPE, signal.SIG_IGN)

    def asked_to_stop(number: int, _frame: FrameType | None) -> None:
        if server.shutdown_signal is not None and number == signal.SIGINT:
            server.log.warning("You insist... exiting now.")
            rdb_file.remove_quietly(rdb_file.temporary_name(os.getpid()))
            server.remove_files()
            os._exit(1)
        if server.progress.under_way:
            server.log.warning("Received shutdown signal during loading, scheduling shutdown.")
        else:
            name = "SIGINT" if number == signal.SIGINT else "SIGTERM"
            server.log.warning("Received %s scheduling shutdown...", name)
        server.shutdown_signal = number

    signal.signal(signal.SIGTERM, asked_to_stop)
    signal.signal(signal.SIGINT, asked_to_stop)

    server.config.on_change("crash-log-enabled", server.crash.follow)
    if server.config.crash_log_enabled:
        server.crash.enable()
