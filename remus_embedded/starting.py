"""What starts servers for other programs: the functions that `remus_server` offers."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any

from remus_embedded import beside
from remus_embedded.server_process import RemusServer, free_port, start_on

if TYPE_CHECKING:
    from remus_embedded.clients import AsyncRemus, Remus
    from remus_embedded.clusters import RemusCluster
    from remus_embedded.sentinels import RemusSentinels

ATTEMPTS = 5  # another process may take the free port before the server does


def start(port: int | None = None, *, timeout: float = 30.0, **directives: Any) -> RemusServer:
    """Start a server process and return when it answers PING.

    port        where to listen on 127.0.0.1; None for a free one, 0 for a Unix socket in its folder alone
    timeout     seconds until it must answer
    directives  of redis.conf, `_` for `-`: `start(appendonly=True, save=["900 1", "60 10"])`. A bool is yes or no, a
                list is the directive several times. Nothing is saved unless `save` or `appendonly` ask for it.

    Raises RuntimeError, with the server's log, when the server ends or does not answer in time.
    """
    for attempt in range(ATTEMPTS):
        chosen = port if port is not None else free_port()
        try:
            return start_on(chosen, timeout, directives)
        except RuntimeError as error:
            if port is not None or "Address already in use" not in str(error) or attempt == ATTEMPTS - 1:
                raise
    raise AssertionError("not reached")


def start_cluster(masters: int = 3, replicas: int = 1, *, ports: list[int] | None = None, timeout: float = 30.0,
                  **directives: Any) -> RemusCluster:
    """Start a cluster and return when all nodes say that it serves and every replica has its master's data.

    masters, replicas   how many masters, and how many replicas for each
    ports               of the nodes on 127.0.0.1, up to 55535, for the bus is 10,000 above; None for free ones
    timeout             seconds until it must serve
    directives          of each node, as for `start`

    Raises RuntimeError, with the log of the node that will not, when it does not serve in time.
    """
    from remus_embedded import clusters

    return clusters.start(masters, replicas, ports, timeout, directives)


def start_sentinels(
    sentinels: int = 3,
    replicas: int = 1,
    *,
    name: str = "mymaster",
    down_after: int = 1000,
    failover_timeout: int = 10_000,
    timeout: float = 60.0,
    **directives: Any,
) -> RemusSentinels:
    """Start a master, replicas of it and sentinels over them, and return when all know each other.

    name              what sentinels call the master
    down_after        ms without an answer, after which a sentinel takes a server for down
    failover_timeout  ms that a failover may take; twice as long must pass between two
    timeout           seconds until all must know each other
    directives        of the servers, as `start` takes them; with `requirepass` all of them use that password

    The quorum is the majority. Raises RuntimeError when they do not find each other in time.
    """
    from remus_embedded import sentinels as watchers

    return watchers.start(sentinels, replicas, name, down_after, failover_timeout, timeout, directives)


# ---- beside this process
def Redis(
    path: str | os.PathLike[str] | None = None, *, directives: dict[str, Any] | None = None, **options: Any
) -> Remus:
    """A redis-py client with a server of its own, a child of this process at a Unix socket. It ends when the client is
    closed, or with the process.

    path        a folder where the data is kept (by an append only file), made if need be; None: nothing is kept. All
                clients of this process with the same path share one server; another process cannot have it meanwhile
    directives  of redis.conf, as `start` takes them
    options     of redis.Redis, such as decode_responses
    """
    from remus_embedded import clients  # needs redis-py

    server, release = beside.server_for(path, directives)
    return clients.Remus.of(server, release, **options)


def AsyncRedis(
    path: str | os.PathLike[str] | None = None, *, directives: dict[str, Any] | None = None, **options: Any
) -> AsyncRemus:
    """The same with a client of redis.asyncio; `await client.aclose()` ends it. To start it blocks for a moment."""
    from remus_embedded import clients  # needs redis-py

    server, release = beside.server_for(path, directives)
    return clients.AsyncRemus.of(server, release, **options)


def url(
    path: str | os.PathLike[str] | None = None, *, db: int = 0, directives: dict[str, Any] | None = None
) -> str:
    """A URL for `redis.Redis.from_url` and other clients, of a server that lives as long as this process. Asked again,
    it is the same server: one for each path, and one without. A fork of this process that asks has one of its own."""
    server = beside.own_server(directives) if path is None else beside.place_at(path, directives or {}).server
    return server.url_of(db)
