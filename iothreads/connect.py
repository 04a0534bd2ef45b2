"""Outgoing sockets, made as `iothreads.listen` makes listening ones: non-blocking, with connect() under way. And what
somebody must be able to hear who has a link (iothreads.link) made of one.

Sockets take addresses, no names: finding the address of a name may take seconds, in which nobody is served. `numeric`
says what is one, `look_up` finds it.
"""

import errno
import os
from collections import namedtuple

TYPE_CHECKING = False       # of typing, which a start is without
if TYPE_CHECKING:
    import socket
    from typing import NamedTuple

    from iothreads.link import Link

    class Fields(NamedTuple):
        """Of an address."""

        family: int
        host: str
        port: int = 0
        scope: int = 0

else:
    import _socket as socket  # as in iothreads.listen

    Fields = namedtuple("Fields", "family host port scope", defaults=(0, 0))

UNDER_WAY = (0, errno.EINPROGRESS)


class Address(Fields):
    """Where to: an IPv4 or IPv6 address and a port, or the path of a unix socket (and port 0). scope: of a link-local
    IPv6 address."""

    __slots__ = ()

    def __str__(self) -> str:
        if self.family == socket.AF_UNIX:
            return self.host
        return f"[{self.host}]:{self.port}" if self.family == socket.AF_INET6 else f"{self.host}:{self.port}"

    @property
    def native(self) -> str | tuple[str, int] | tuple[str, int, int, int]:
        """What the socket module takes."""
        if self.family == socket.AF_UNIX:
            return self.host
        return (self.host, self.port, 0, self.scope) if self.family == socket.AF_INET6 else (self.host, self.port)


class LinkProtocol:
    """Who hears what happens to a link, on the main thread and in order: connection_made, then messages as the link is
    read (whole replies, whole requests, or bytes), then connection_lost. What is of no interest need not be defined."""

    def connection_made(self, link: "Link") -> None:
        """It is open."""

    def reply_received(self, link: "Link", value: object) -> None:
        """A whole reply, as a command would have returned it (server.registry.reply); an error is a value, too."""

    def command_received(self, link: "Link", argv: list[bytes]) -> None:
        """A whole request."""

    def data_received(self, link: "Link", data: bytes) -> int:
        """Bytes. Returns how many of them it took; the others come again, with those behind them. It may have the link
        read no further for now (Link.hold, Link.resume)."""
        return len(data)

    def connection_lost(self, link: "Link | None", reason: str) -> None:
        """It is gone; or it could not be opened, if connection_made was not called: then there may never have been a
        link. The last call."""


class ConnectError(Exception):
    """It failed at once; str() is why, in the system's words."""


def numeric(host: str, port: int) -> Address | None:
    """The address that `host` spells out: a path (with a `/`), IPv4 or IPv6 (in brackets or not); None for a name."""
    if "/" in host:
        return Address(socket.AF_UNIX, host)
    found = look_up(host.strip("[]"), port, socket.AI_NUMERICHOST)
    return found[0] if found else None


def look_up(host: str, port: int, flags: int = 0) -> list[Address]:
    """All addresses of a name, in the order in which to try them; none when there is no such name. May take seconds."""
    if not 0 < port < 1 << 16:
        return []
    # A text would be written in IDNA, whose codec brings modules (`re`, `enum`) that leave cycles behind.
    name = host.encode() if host.isascii() else host
    try:
        found = socket.getaddrinfo(name, port, type=socket.SOCK_STREAM, flags=flags)
    except (OSError, UnicodeError, ValueError):
        return []
    scopes = ((*at, 0, 0) for *_, at in found)
    return [
        Address(family, str(at[0]), port, int(at[3]) if family == socket.AF_INET6 else 0)
        for (family, *_), at in zip(found, scopes, strict=True)
        if family in (socket.AF_INET, socket.AF_INET6)
    ]


def begin_connecting(to: Address, source: str = "") -> int:
    """The descriptor of a socket that is connecting or connected already. Who takes it learns the end from the poller.

    source: an address of ours to come from (bind-source-addr), "" for the system's choice.

    Errors: ConnectError.
    """
    step = ""
    sock = None
    try:
        sock = socket.socket(to.family, socket.SOCK_STREAM)
        sock.setblocking(False)
        if source and to.family != socket.AF_UNIX:
            step = f"bind to {source}: "
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            sock.bind((source, 0))
        step = ""
        code = sock.connect_ex(to.native)
        if code not in UNDER_WAY:
            raise OSError(code, os.strerror(code))
    except (OSError, OverflowError, ValueError) as error:
        if sock is not None:
            sock.close()
        number = (error.errno or 0) if isinstance(error, OSError) else 0
        reason = os.strerror(number) if number > 0 else str(error)
        raise ConnectError(f"{step}{reason}") from None
    return sock.detach()
