"""Making listening sockets, and what is said when it fails."""

import os
import socket
import stat
from types import SimpleNamespace

import pytest

from iothreads import ends, listen


def config(port=0, bind=("127.0.0.1",), unixsocket="", unixsocketperm=0, tls_port=0):
    return SimpleNamespace(port=port, tls_port=tls_port, bind=bind, tcp_backlog=16,
                           unixsocket=unixsocket, unixsocketperm=unixsocketperm)


@pytest.fixture
def port():
    with socket.create_server(("127.0.0.1", 0)) as sock:
        return sock.getsockname()[1]


def test_address_in_use_is_told_in_redis_words():
    with socket.create_server(("127.0.0.1", 0)) as sock:
        port = sock.getsockname()[1]
        with pytest.raises(listen.ListenError) as failure:
            listen.open_listeners(config(port))
    assert str(failure.value).splitlines() == [
        f"Warning: Could not create server TCP listening socket 127.0.0.1:{port}: bind: Address already in use",
        f"Failed listening on port {port} (tcp), aborting.",
    ]


def test_optional_addresses_may_be_missing(port):
    listeners = listen.open_listeners(config(port, ("127.0.0.1", "-192.0.2.1")))
    assert [one.kind for one in listeners] == ["tcp"]
    assert "192.0.2.1" in listeners[0].warnings[0]
    listen.close_listeners(listeners)
    with pytest.raises(listen.ListenError):
        listen.open_listeners(config(port, ("127.0.0.1", "192.0.2.1")))


def test_every_address_of_both_kinds(port):
    listeners = listen.open_listeners(config(port, ("*", "-::*")))
    assert listeners[0].family == socket.AF_INET
    with socket.create_connection(("127.0.0.1", port)):
        pass
    listen.close_listeners(listeners)


def test_unix_socket_permissions_and_stale_file(tmp_path):
    path = str(tmp_path / "s.sock")
    for _ in range(2):                 # the second finds the first one's file
        [one] = listen.open_listeners(config(unixsocket=path, unixsocketperm=0o600))
        assert stat.S_IMODE(os.stat(path).st_mode) == 0o600 and one.kind == "unix"
        one.close()
    os.unlink(path)
    (tmp_path / "s.sock").write_text("not a socket")
    with pytest.raises(listen.ListenError, match="Address already in use"):
        listen.open_listeners(config(unixsocket=path))


def test_nothing_to_listen_on():
    with pytest.raises(listen.ListenError, match="Configured to not listen anywhere, exiting"):
        listen.open_listeners(config())


def test_unix_socket_serves(tmp_path):
    from iothreads.selftest import Echo

    path = str(tmp_path / "s.sock")
    [listener] = listen.open_listeners(config(unixsocket=path))
    echo = Echo([listener], 2)
    echo.start()
    with socket.socket(socket.AF_UNIX) as peer:
        peer.connect(path)
        peer.sendall(b"PING\r\n")
        assert peer.recv(100) == b"+PONG\r\n"
    echo.stop()
    listener.close()


def test_small_writes_are_gathered_on_tcp_alone():
    with socket.create_server(("127.0.0.1", 0)) as listening, socket.create_connection(listening.getsockname()) as sock:
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        listen.gather_small_writes(sock.fileno())
        assert sock.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY) == 0
    one, other = socket.socketpair()
    with one, other:
        listen.gather_small_writes(one.fileno())
        one.send(b"x")
        assert other.recv(1) == b"x", "it is open still"


@pytest.mark.parametrize(("host", "shown"), [("127.0.0.1", "127.0.0.1"), ("::1", "[::1]")])
def test_what_ends_are_called(host, shown):
    try:
        listening = socket.create_server((host, 0), family=socket.AF_INET6 if ":" in host else socket.AF_INET)
    except OSError:
        pytest.skip(f"no {host} here")
    with listening, socket.create_connection(listening.getsockname()[:2]) as there:
        here, _ = listening.accept()
        with here:
            peer, local = (f"{shown}:{sock.getsockname()[1]}" for sock in (there, here))
            assert ends.ends_of(here.fileno()) == (peer, local)
            assert ends.ends_of(there.fileno()) == (local, peer)
    assert ends.ends_of(-1) == (ends.UNKNOWN, ends.UNKNOWN)


def test_a_peer_without_a_name():
    one, other = socket.socketpair()
    with one, other:
        assert ends.ends_of(one.fileno()) == (ends.UNKNOWN, ends.UNKNOWN)
