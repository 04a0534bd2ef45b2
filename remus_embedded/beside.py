"""A server beside this process, as if it were a part of it: it listens at a Unix socket, nobody else knows of it, and
it ends with the process. `remus_server.Redis()`, `.AsyncRedis()` and `.url()` are made of this.

It is a child and not a thread: a server is one per process, for its native parts keep their state in statics, and
beside a program it would share that one's lock. A round trip through the socket costs some ten microseconds more than a
call would.
"""

from __future__ import annotations

import fcntl
import os
import threading
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from remus_server import RemusServer

LOCK = "remus.lock"
_places: dict[str, Place] = {}
_lock = threading.Lock()
_own: RemusServer | None = None  # of url() without a path
_own_pid = 0


class Place:
    """A folder whose data a server of this process serves, for as many users as have taken it."""

    def __init__(self, path: str, directives: dict[str, Any]) -> None:
        import remus_server

        self.path = path
        self.users = 0
        self._held = os.open(Path(path, LOCK), os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            try:
                fcntl.flock(self._held, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                raise RuntimeError(f"{path} is in use by another process, which knows the URL of its server") from None
            self.server = remus_server.start(0, **{"appendonly": True, **directives, "dir": path})
        except BaseException:
            os.close(self._held)
            raise

    def release(self) -> None:
        """One user less; the last one ends the server."""
        with _lock:
            self.users -= 1
            if self.users == 0 and _places.get(self.path) is self:
                del _places[self.path]
                self.server.stop()
                os.close(self._held)


def place_at(path: str | os.PathLike[str], directives: dict[str, Any]) -> Place:
    """The place of that folder, which is made, with one more user. directives: for a server that is started now.

    Errors: RuntimeError, when another process has it or the server does not start.
    """
    os.makedirs(path, exist_ok=True)
    real = os.path.realpath(path)
    with _lock:
        place = _places.get(real)
        if place is None or not place.server.is_running():
            place = _places[real] = Place(real, directives)
        place.users += 1
        return place


def server_for(path: str | os.PathLike[str] | None, directives: dict[str, Any] | None) -> tuple[RemusServer, Any]:
    """A server, and what to call when its client is closed."""
    import remus_server

    if path is not None:
        place = place_at(path, directives or {})
        return place.server, place.release
    server = remus_server.start(0, **(directives or {}))
    return server, server.stop


def own_server(directives: dict[str, Any] | None) -> RemusServer:
    """The one server of this process that has no path; it ends with the process. A fork has one of its own."""
    global _own, _own_pid
    import remus_server

    with _lock:
        if _own is None or _own_pid != os.getpid() or not _own.is_running():
            _own, _own_pid = remus_server.start(0, **(directives or {})), os.getpid()
        return _own
