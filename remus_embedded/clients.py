"""redis-py clients that know their server: `remus.incr("n")`, and `remus.fast_forward(10)`."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from typing import TYPE_CHECKING, Any

import redis
import redis.asyncio

if TYPE_CHECKING:
    from remus_embedded.control import Faults
    from remus_server import RemusServer


def options_of(server: RemusServer, options: dict[str, Any]) -> dict[str, Any]:
    """What redis-py's constructors take to reach that server."""
    where: dict[str, Any] = {"host": server.host, "port": server.port}
    if not server.port:
        where = {"unix_socket_path": server.unix_socket}
    return {**where, "password": server.password or None, **options}


class Remus(redis.Redis):
    """A client of redis-py. `server` is who it talks to; `release` is called when it is closed."""

    server: RemusServer
    release: Callable[[], object] | None = None

    @classmethod
    def of(cls, server: RemusServer, release: Callable[[], object] | None = None, **options: Any) -> Remus:
        """options: of redis.Redis, such as db, protocol, decode_responses."""
        client = cls(**options_of(server, options))
        client.server = server
        client.release = release
        return client

    @property
    def faults(self) -> Faults:
        """Errors, lost connections, slow replies on demand."""
        return self.server.faults

    def fast_forward(self, seconds: float) -> float:
        """Let time pass at the server."""
        return self.server.fast_forward(seconds)

    def set_time(self, when: float | datetime, *, stopped: bool = False) -> float:
        """Set the server's clock."""
        return self.server.set_time(when, stopped=stopped)

    def close(self) -> None:
        """The connections, and the server that nobody else uses."""
        super().close()
        _release(self)


class AsyncRemus(redis.asyncio.Redis):
    """The same of redis.asyncio."""

    server: RemusServer
    release: Callable[[], object] | None = None

    @classmethod
    def of(cls, server: RemusServer, release: Callable[[], object] | None = None, **options: Any) -> AsyncRemus:
        """options: of redis.asyncio.Redis."""
        client = cls(**options_of(server, options))
        client.server = server
        client.release = release
        return client

    @property
    def faults(self) -> Faults:
        """Errors, lost connections, slow replies on demand; these calls are not awaited."""
        return self.server.faults

    async def fast_forward(self, seconds: float) -> float:
        """Let time pass at the server."""
        return self.server.fast_forward(seconds)

    async def set_time(self, when: float | datetime, *, stopped: bool = False) -> float:
        """Set the server's clock."""
        return self.server.set_time(when, stopped=stopped)

    async def aclose(self, close_connection_pool: bool | None = None) -> None:
        """The connections, and the server that nobody else uses."""
        await super().aclose(close_connection_pool)
        _release(self)


def _release(client: Remus | AsyncRemus) -> None:
    release, client.release = client.release, None
    if release is not None:
        release()
