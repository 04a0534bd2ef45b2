"""The addresses of host names. The first time that a name is asked for, everybody waits; later answers come from what
is known, which is looked up anew beside the loop, so that a slow name server does not make masters seem down."""

import threading
import time

from iothreads.connect import look_up, numeric

FRESH_SECONDS = 1.0                 # a known answer is not looked up again before that
KNOWN_MAX = 10_000                  # then all are forgotten: so many are invented ones


class HostNames:
    """What is known of names."""

    def __init__(self) -> None:
        self._known: dict[str, tuple[str | None, float]] = {}      # name: (ip, when that was found)
        self._asked: set[str] = set()

    def look_up(self, host: str, *, numeric: bool) -> str | None:
        """The ip of a host; numeric: a name has none. None: it has none."""
        ip = spelled_out(host)
        if ip is not None or numeric:
            return ip
        known = self._known.get(host)
        if known is None:
            return self._ask(host)
        if time.monotonic() - known[1] > FRESH_SECONDS and host not in self._asked:
            self._asked.add(host)
            threading.Thread(target=self._ask, args=(host,), name="look_up", daemon=True).start()
        return known[0]

    def _ask(self, host: str) -> str | None:
        found = look_up(host, 1)
        ip = found[0].host if found else None
        if len(self._known) >= KNOWN_MAX:
            self._known.clear()
        self._known[host] = ip, time.monotonic()
        self._asked.discard(host)
        return ip


def spelled_out(host: str) -> str | None:
    """The ip that `host` is; None for a name."""
    if not host or "/" in host:
        return None
    address = numeric(host, 1)
    return address.host if address is not None else None
