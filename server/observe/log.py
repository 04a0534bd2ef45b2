"""The server log, as tools that read Redis's log expect it: `pid:role day month year h:m:s.ms level text`."""

import os
import sys
import time

from server.registry.light import TextIO

LEVELS = ("debug", "verbose", "notice", "warning", "nothing")
DEBUG, VERBOSE, NOTICE, WARNING, NOTHING = range(5)
_MARKS = ".-*#"
_SYSLOG_PRIORITY = (7, 6, 5, 4)
_MONTHS = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")


class Log:
    """Writes lines to `logfile` (opened for each, so that it can be rotated) or to standard output, and to syslog."""

    def __init__(self, path: str = "", level: int = NOTICE, stream: TextIO | None = None) -> None:
        self.path = path
        self.level = level
        self.role = "M"  # M master, S replica, C forked child, X sentinel
        self._stream = stream
        self._syslog = False

    def use_syslog(self, ident: str, facility: str) -> None:
        """syslog-enabled: every line goes there too."""
        import syslog

        syslog.openlog(
            ident,
            syslog.LOG_PID | syslog.LOG_NDELAY | syslog.LOG_NOWAIT,
            getattr(syslog, "LOG_" + facility.upper(), syslog.LOG_LOCAL0),
        )
        self._syslog = True

    def write(self, level: int, text: str) -> None:
        """One line, if `loglevel` lets it through."""
        if level < self.level:
            return
        now = time.time()
        local = time.localtime(now)
        line = (
            f"{os.getpid()}:{self.role} {local.tm_mday:02d} {_MONTHS[local.tm_mon - 1]} {local.tm_year} "
            f"{local.tm_hour:02d}:{local.tm_min:02d}:{local.tm_sec:02d}.{int(now * 1000) % 1000:03d} "
            f"{_MARKS[level]} {text}\n"
        )
        self.raw(line)
        if self._syslog:
            import syslog

            syslog.syslog(_SYSLOG_PRIORITY[level], text)

    def raw(self, text: str) -> None:
        """Text without the line's head (the crash report, the logo)."""
        try:
            if self.path:
                with open(self.path, "a", encoding="utf-8", errors="surrogateescape") as file:
                    file.write(text)
            else:
                stream = self._stream or sys.stdout
                stream.write(text)
                stream.flush()
        except (OSError, ValueError, UnicodeError):
            pass  # a full disk must not stop the server

    def debug(self, text: str, *values: object) -> None:
        """Level debug; values are put in with %."""
        self.write(DEBUG, text % values if values else text)

    def verbose(self, text: str, *values: object) -> None:
        """Level verbose."""
        self.write(VERBOSE, text % values if values else text)

    def notice(self, text: str, *values: object) -> None:
        """Level notice."""
        self.write(NOTICE, text % values if values else text)

    def warning(self, text: str, *values: object) -> None:
        """Level warning."""
        self.write(WARNING, text % values if values else text)
