"""Listening sockets, made as Redis makes them: which addresses, which errors are forgiven, what the log then says.

A `Listener` is what `IOThreads.listen` takes. All or nothing: if one address cannot be had, those already open are
closed again and `ListenError` carries the log lines.
"""

from __future__ import annotations

import array
import errno
import fcntl
import os
import stat
import termios

TYPE_CHECKING = False       # of typing, which a start is without
if TYPE_CHECKING:
    import socket
    from typing import Any
else:
    import _socket as socket  # what `socket` adds makes eight enums: 13 of a start's 350 million instructions

# A kind of address that this host does not speak is skipped, whoever asked for it.
FORGIVEN = {errno.ENOPROTOOPT, errno.EPROTONOSUPPORT, errno.ESOCKTNOSUPPORT, errno.EPFNOSUPPORT, errno.EAFNOSUPPORT}


class ListenError(Exception):
    """Listening failed; str() is the lines for the log, oldest first."""


class Listener:
    """One listening socket. kind: "tcp", "tls", "unix", "cluster" (the bus); path: of a unix one; warnings: on
    addresses left out."""

    def __init__(self, sock: socket.socket, kind: str, path: str = "") -> None:
        self.socket = sock
        self.family = sock.family
        self.kind = kind
        self.path = path
        self.warnings: list[str] = []

    def fileno(self) -> int:
        """The descriptor; -1 once closed."""
        return self.socket.fileno()

    def close(self) -> None:
        """Stop listening. The socket file of a unix listener is left to whoever shuts the server down."""
        self.socket.close()


def open_listeners(config: Any) -> list[Listener]:
    """All listeners of a configuration: port and tls_port (0 = none), bind, tcp_backlog, unixsocket ("" = none),
    unixsocketperm."""
    listeners: list[Listener] = []
    for kind, port in (("tcp", config.port), ("tls", config.tls_port)):
        try:
            listeners += open_tcp(list(config.bind), port, config.tcp_backlog, kind) if port else []
        except ListenError:
            close_listeners(listeners)
            raise
    if config.unixsocket:
        try:
            listeners.append(open_unix(config.unixsocket, config.unixsocketperm, config.tcp_backlog))
        except ListenError:
            close_listeners(listeners)
            raise
    if not listeners:
        raise ListenError("Configured to not listen anywhere, exiting.")
    return listeners


def close_listeners(listeners: list[Listener]) -> None:
    """Close them all."""
    for listener in listeners:
        listener.close()


def open_tcp(addresses: list[str], port: int, backlog: int, kind: str = "tcp") -> list[Listener]:
    """A listener per address. `*` is every IPv4 address, `::*` every IPv6 one, a leading `-` makes one optional.

    kind: what is spoken there, "tcp", "tls" or "cluster".
    """
    listeners: list[Listener] = []
    lines: list[str] = []
    for word in addresses:
        optional = word.startswith("-")
        address = word[1:] if optional else word
        try:
            listeners.append(Listener(bind_tcp(address, port, backlog), kind))
        except OSError as error:
            what = f"{getattr(error, 'step', 'socket')}: {text_of(error)}"
            lines.append(f"Warning: Could not create server TCP listening socket {address}:{port}: {what}")
            if (error.errno == errno.EADDRNOTAVAIL and optional) or error.errno in FORGIVEN:
                continue
            close_listeners(listeners)
            lines.append(f"Failed listening on port {port} ({kind}), aborting.")
            raise ListenError("\n".join(lines)) from None
    if listeners:
        listeners[0].warnings = lines
    elif lines:
        raise ListenError("\n".join([*lines, "Configured to not listen anywhere, exiting."]))
    return listeners


def text_of(error: OSError) -> str:
    """The system's words for it."""
    return os.strerror(error.errno) if error.errno and error.errno > 0 else str(error.strerror)


def bind_tcp(address: str, port: int, backlog: int) -> socket.socket:
    """One non-blocking TCP socket; the OSError of a failure has the failed call's name in `.step`."""
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    host = {"*": "", "::*": "::"}.get(address, address)
    step = "socket"
    sock = None
    try:
        sock = socket.socket(family, socket.SOCK_STREAM)
        if family == socket.AF_INET6:
            step = "setsockopt"
            sock.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
        step = "setsockopt SO_REUSEADDR"
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        step = "bind"
        sock.bind((host, port))
        step = "listen"
        sock.listen(backlog)
        sock.setblocking(False)
    except OSError as error:
        if sock is not None:
            sock.close()
        error.step = step  # type: ignore[attr-defined]
        raise
    return sock


def open_unix(path: str, permissions: int, backlog: int) -> Listener:
    """The unix socket at `path`. A socket file that is there already is from a dead server and makes way.

    permissions: unixsocketperm as a number, 0 = what the umask leaves. Until they are set nobody but us may connect:
    the file is made under a umask that takes everything else away.
    """
    step = "socket"
    sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    try:
        if os.path.lexists(path) and stat.S_ISSOCK(os.lstat(path).st_mode):
            os.unlink(path)
        step = "bind"
        before = os.umask(0o777 & ~permissions) if permissions else None
        try:
            sock.bind(path)
        finally:
            if before is not None:
                os.umask(before)
        if permissions:
            os.chmod(path, permissions)
        step = "listen"
        sock.listen(backlog)
        sock.setblocking(False)
    except OSError as error:
        sock.close()
        reason = text_of(error) if error.errno else str(error)
        raise ListenError(
            f"Failed opening Unix socket: {step}: {reason}\nFailed listening on port 0 (unix), aborting."
        ) from None
    return Listener(sock, "unix", path)


def gather_small_writes(fd: int) -> None:
    """Let the system put small writes of this connection together into fewer packets, which come later then
    (TCP_NODELAY off). Not of a unix socket, which has no packets."""
    try:
        sock = socket.socket(fileno=os.dup(fd))
    except OSError:                    # it is gone already
        return
    try:
        if sock.family != socket.AF_UNIX:
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 0)
    except OSError:
        pass
    finally:
        sock.close()


def unread_bytes(fd: int) -> int:
    """What has come to a socket and was not read yet; 0 for one that is gone."""
    size = array.array("i", [0])
    try:
        fcntl.ioctl(fd, termios.FIONREAD, size)
    except OSError:
        return 0
    return size[0]
