"""TLS: both ports, who may come, what certificates do, links to others. With openssl's certificates, Python's ssl,
redis-cli, redis-benchmark and redis-py."""

import os
import shutil
import socket
import ssl
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.support.certificates import Authority
from tests.support.pace import patience, wait_until
from tests.support.resp import Connection
from tests.support.secure import Secure, secure_server
from tests.support.server import Server


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    return Authority(tmp_path_factory.mktemp("authority"))


@pytest.fixture(scope="module", params=["1", "4"], ids=["alone", "threads"])
def secure(tmp_path_factory: pytest.TempPathFactory, authority: Authority,
           request: pytest.FixtureRequest) -> Iterator[Secure]:
    """With one I/O thread and with four."""
    server, port = secure_server(tmp_path_factory.mktemp("tls"), authority, io_threads=request.param)
    with server:
        yield Secure(server, port, authority, authority.issue("client"))


# ---- data

def test_requests_and_replies_of_all_sizes(secure: Secure) -> None:
    for size in (0, 1, 100, 16383, 16384, 16385, 100_000, 3_000_000):
        value = os.urandom(size)
        reply = secure.ask(b"*3\r\n$3\r\nSET\r\n$1\r\nk\r\n$%d\r\n%s\r\n" % (size, value), b"GET k\r\n")
        assert reply == b"+OK\r\n$%d\r\n%s\r\n" % (size, value)


def test_pipelines_larger_than_a_record(secure: Secure) -> None:
    counted = b"".join(b":%d\r\n" % n for n in range(1, 20001))
    assert secure.ask(b"SET n 0\r\n", b"INCR n\r\n" * 20000) == b"+OK\r\n" + counted


def test_a_reader_that_pauses_gets_everything(secure: Secure) -> None:
    with secure.connect() as stream:
        value = b"v" * 1_000_000
        stream.sendall(b"*3\r\n$3\r\nSET\r\n$4\r\nslow\r\n$1000000\r\n" + value + b"\r\n" + b"GET slow\r\n" * 20)
        wait_until(lambda: int(secure.server.info("clients")["client_recent_max_output_buffer"]) > 0, "it waits")
        wanted = 5 + 20 * (1_000_000 + len(b"$1000000\r\n\r\n"))
        got = 0
        while got < wanted:
            got += len(stream.recv(50_000))
        assert got == wanted


def test_bytes_that_come_one_by_one(secure: Secure) -> None:
    with secure.connect() as stream:
        for byte in b"*2\r\n$4\r\nECHO\r\n$2\r\nhi\r\n":
            stream.sendall(bytes([byte]))
        assert stream.recv(100) == b"$2\r\nhi\r\n"


def test_who_speaks_when_its_connection_is_home_and_who_speaks_sooner(secure: Secure) -> None:
    """A request may come with the end of the handshake, while the connection moves, or when all threads sleep."""
    with secure.connect() as quiet:
        wait_until(lambda: secure.server.info("tls")["tls_handshakes_under_way"] == "0", "it is home")
        quiet.sendall(b"PING\r\n")
        assert quiet.recv(100) == b"+PONG\r\n"
        for number in range(40):
            with secure.connect() as stream:
                if number % 2:
                    stream.sendall(b"PING\r\n" * 3)
                    assert len(receive(stream, 21)) == 21
                elif number % 4:
                    stream.sendall(b"ECHO ")
                    stream.sendall(b"hi\r\n")
                    assert receive(stream, 8) == b"$2\r\nhi\r\n"
        quiet.sendall(b"PING\r\n")
        assert quiet.recv(100) == b"+PONG\r\n"
    wait_until(lambda: secure.server.info("clients")["connected_clients"] == "1", "all are gone")


def waits_beside(server: Server) -> int:
    """How often threads other than the main one have gone to sleep."""
    others = [each for each in Path(f"/proc/{server.pid}/task").iterdir() if each.name != str(server.pid)]
    return sum([int((each / "status").read_text().partition("\nvoluntary_ctxt_switches:")[2].split()[0])
                for each in others])


@pytest.mark.skipif(not Path("/proc/self/task").exists(), reason="asks Linux")
@pytest.mark.parametrize("rsa", [True, False])
def test_who_shakes_hands(tmp_path: Path, authority: Authority, rsa: bool) -> None:
    """A thread of its own; the main thread too, where a key makes it short, as long as it has nothing else to do."""
    cert, key = authority.issue("one", rsa=rsa)
    server, port = secure_server(tmp_path, authority, tls_cert_file=cert, tls_key_file=key)
    with server:
        who = Secure(server, port, authority, authority.issue("client"))
        assert who.ask() == b""
        before = waits_beside(server)
        for _ in range(40):
            assert who.ask(b"SET a 1\r\n", b"GET a\r\n") == b"+OK\r\n$1\r\n1\r\n"
        assert int(who.info()["tls_handshakes"]) == 41
        waits = waits_beside(server) - before
        assert waits >= 20 if rsa else waits < 20      # on a busy machine one of them may not have slept


def receive(stream: ssl.SSLSocket, length: int) -> bytes:
    got = b""
    while len(got) < length and (more := stream.recv(length - len(got))):
        got += more
    return got


def test_records_that_come_together_and_one_behind_them(secure: Secure) -> None:
    """Nothing that comes while earlier records are served is forgotten."""
    incoming, outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
    stream = secure.context().wrap_bio(incoming, outgoing, server_hostname="localhost")
    with socket.create_connection(("127.0.0.1", secure.port), patience(10)) as plain:
        plain.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)

        def wait_for(step: Any) -> Any:
            while True:
                try:
                    return step()
                except ssl.SSLWantReadError:
                    plain.sendall(outgoing.read())
                    more = plain.recv(65536)
                    assert more
                    incoming.write(more)

        wait_for(stream.do_handshake)
        for _ in range(1000):
            for _ in range(3):
                stream.write(b"PING\r\n")
            together = outgoing.read()
            stream.write(b"PING\r\n")
            behind = outgoing.read()
            plain.sendall(together)
            plain.sendall(behind)
            got = b""
            while len(got) < 4 * len(b"+PONG\r\n"):
                got += wait_for(lambda: stream.read(65536))
            assert got == b"+PONG\r\n" * 4


@pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3])
def test_versions(secure: Secure, version: ssl.TLSVersion) -> None:
    with secure.connect(minimum_version=version, maximum_version=version) as stream:
        assert stream.version() == version.name.replace("_", ".")
        stream.sendall(b"PING\r\n")
        assert stream.recv(100) == b"+PONG\r\n"


def test_the_end_is_said(secure: Secure) -> None:
    """close_notify comes: a reader that insists on it does not call the end a truncation."""
    context = secure.context()
    plain = socket.create_connection(("127.0.0.1", secure.port), patience(10))
    with context.wrap_socket(plain, server_hostname="localhost", suppress_ragged_eofs=False) as stream:
        stream.sendall(b"QUIT\r\n")
        assert stream.recv(100) == b"+OK\r\n"
        assert stream.recv(100) == b""


def resumed(who: Secure, version: ssl.TLSVersion, times: int) -> list[bool]:
    """Whether each of so many connections in a row went on with the session of the one before."""
    context = who.context(maximum_version=version)
    session, found = None, []
    for _ in range(times):
        plain = socket.create_connection(("127.0.0.1", who.port), patience(10))
        with context.wrap_socket(plain, server_hostname="localhost", session=session) as stream:
            stream.sendall(b"PING\r\n")
            assert stream.recv(100) == b"+PONG\r\n"
            found.append(bool(stream.session_reused))
            session = stream.session
    return found


@pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3])
def test_sessions_are_resumed(secure: Secure, version: ssl.TLSVersion) -> None:
    """Again and again: of TLS 1.3 each handshake brings one ticket, the short ones, too."""
    assert resumed(secure, version, 4) == [False, True, True, True]


@pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3])
def test_sessions_are_not_resumed_when_they_shall_not(tmp_path: Path, authority: Authority,
                                                      version: ssl.TLSVersion) -> None:
    """Neither by a cache of ours nor by a ticket that the client keeps."""
    server, port = secure_server(tmp_path, authority, tls_session_caching=False)
    with server:
        assert resumed(Secure(server, port, authority, authority.issue("client")), version, 2) == [False, False]


# ---- who may come

def test_a_stranger_is_refused_and_told_of(secure: Secure) -> None:
    failures = int(secure.info()["tls_handshake_failures"])
    with pytest.raises((ssl.SSLError, ConnectionError)), secure.connect(shows=False) as stream:
        stream.sendall(b"PING\r\n")
        if stream.recv(100) == b"":
            raise ConnectionError
    wait_until(lambda: int(secure.info()["tls_handshake_failures"]) > failures, "the failure is counted")
    secure.server.wait_for_log("Error accepting a client connection: error:0A0000C7:SSL routines::peer did not return "
                               "a certificate (addr=127.0.0.1:")


def test_plain_talk_at_the_tls_port(secure: Secure) -> None:
    with socket.create_connection(("127.0.0.1", secure.port), patience(10)) as plain:
        plain.sendall(b"PING\r\n" * 100)
        while plain.recv(100):         # an alert, then the end
            pass
    secure.server.wait_for_log("SSL routines::wrong version number")
    assert secure.ask() == b""


def test_half_a_handshake_holds_nobody_up(secure: Secure) -> None:
    halves = []
    hello = ssl.MemoryBIO()
    stream = secure.context().wrap_bio(ssl.MemoryBIO(), hello, server_hostname="localhost")
    with pytest.raises(ssl.SSLWantReadError):
        stream.do_handshake()
    greeting = hello.read()
    for n in range(40):
        half = socket.create_connection(("127.0.0.1", secure.port), patience(10))
        half.sendall(greeting[: len(greeting) * n // 40])
        halves.append(half)
    wait_until(lambda: int(secure.info()["tls_handshakes_under_way"]) >= 40, "all have come")
    assert secure.ask() == b""
    with Connection(secure.server.port) as plain:
        killed = plain.ok("CLIENT", "KILL", "LADDR", f"127.0.0.1:{secure.port}")
        assert killed >= 40            # and who asked just now, maybe
    for half in halves:
        while half.recv(10000):
            pass
        half.close()
    wait_until(lambda: secure.info()["tls_handshakes_under_way"] == "0", "they are forgotten")


@pytest.mark.parametrize("verify", ["no", "optional"])
def test_certificates_of_clients_may_be_optional(tmp_path: Path, authority: Authority, verify: str) -> None:
    server, port = secure_server(tmp_path, authority, tls_auth_clients=verify)
    stranger = Authority(tmp_path / "stranger", "stranger").issue("client")
    with server:
        assert Secure(server, port, authority, stranger).ask(shows=False) == b""
        if verify == "optional":
            with pytest.raises((ssl.SSLError, ConnectionError, AssertionError)):
                Secure(server, port, authority, stranger).ask()


# ---- certificates

def test_certificates_change_while_connections_live(tmp_path: Path, authority: Authority) -> None:
    server, port = secure_server(tmp_path, authority)
    with server:
        who = Secure(server, port, authority, authority.issue("client"))
        with who.connect() as old, server.connect() as plain:
            first = old.getpeercert(binary_form=True)
            cert, key = authority.issue("another", days=1)
            plain.ok("CONFIG", "SET", "tls-cert-file", str(cert), "tls-key-file", str(key))
            with who.connect() as new:
                assert new.getpeercert(binary_form=True) != first
            old.sendall(b"PING\r\n")
            assert old.recv(100) == b"+PONG\r\n"
            assert who.info()["tls_certificate_days_left"] == "0"
            answer = plain("CONFIG", "SET", "tls-cert-file", str(tmp_path / "none.crt"))
            assert answer.text.endswith("Unable to update TLS configuration. Check server logs.")
            assert plain("CONFIG", "GET", "tls-cert-file") == [b"tls-cert-file", str(cert).encode()]
            server.wait_for_log("Failed to load certificate:")
            assert who.ask() == b""


def test_files_that_change_are_read_anew(tmp_path: Path, authority: Authority) -> None:
    server, port = secure_server(tmp_path, authority, tls_auto_reload_interval=1)
    with server:
        who = Secure(server, port, authority, authority.issue("client"))
        cert, key = (Path(server.directives[name]) for name in ("tls-cert-file", "tls-key-file"))
        key.write_text("no key")
        wait_until(lambda: who.info()["tls_reload_failures"] == "1", "what is broken is not taken")
        assert who.ask() == b""
        authority.issue("server", days=1)
        wait_until(lambda: who.info()["tls_reloads"] != "0" and who.info()["tls_certificate_days_left"] == "0",
                   "the new one is")
        assert who.ask() == b""
        assert cert.exists()


def test_a_key_with_a_password(tmp_path: Path, authority: Authority) -> None:
    cert, key = authority.issue("guarded", password="open sesame")
    server, port = secure_server(tmp_path, authority, tls_cert_file=cert, tls_key_file=key,
                                 tls_key_file_pass="open sesame")
    with server:
        assert Secure(server, port, authority, authority.issue("client")).ask() == b""


@pytest.mark.parametrize(("directives", "line"), [
    ({"tls_cert_file": ""}, "No tls-cert-file configured!"),
    ({"tls_key_file": ""}, "No tls-key-file configured!"),
    ({"tls_ca_cert_file": ""}, "Either tls-ca-cert-file or tls-ca-cert-dir must be specified when"),
    ({"tls_cert_file": "/none.crt"}, "Failed to load certificate: /none.crt: error:"),
    ({"tls_key_file": "/none.key"}, "Failed to load private key: /none.key: error:"),
    ({"tls_ca_cert_file": "/none.crt"}, "Failed to configure CA certificate(s) file/directory: error:"),
    ({"tls_ciphers": "NOPE"}, "Failed to configure ciphers: NOPE"),
    ({"tls_ciphersuites": "NOPE"}, "Failed to configure ciphersuites: NOPE"),
    ({"tls_protocols": "SSLv2"}, "Invalid tls-protocols specified. Use a combination of"),
    ({"tls_dh_params_file": "/none.dh"}, "Failed to load /none.dh: error:"),
], ids=lambda value: next(iter(value)) if isinstance(value, dict) else "")
def test_what_cannot_be_honoured_stops_the_start(tmp_path: Path, authority: Authority, directives: dict[str, str],
                                                 line: str) -> None:
    server, _ = secure_server(tmp_path, authority, start=False, **directives)
    server.start(wait=False)
    assert server.wait_exit() == 1
    assert line in server.log()
    assert "Failed to configure TLS. Check logs for more info." in server.log()


# ---- ports

def test_the_port_comes_and_goes(tmp_path: Path, authority: Authority) -> None:
    server, port = secure_server(tmp_path, authority, tls_port=0)
    with server, server.connect() as plain:
        assert b"listener1" not in plain("INFO", "server")
        plain.ok("CONFIG", "SET", "tls-port", str(port))
        who = Secure(server, port, authority, authority.issue("client"))
        assert who.ask() == b""
        assert b"listener1:name=tls,bind=*,bind=-::*,port=%d\r\n" % port in plain("INFO", "server")
        plain.ok("CONFIG", "SET", "port", "0")
        assert b"tcp_port:%d\r\n" % port in who.ask(b"INFO server\r\n")
        plain.ok("CONFIG", "SET", "tls-port", "0", "port", str(server.port))
        with pytest.raises(ConnectionError):
            who.connect()
        server.connect().ok("PING")


# ---- programs of others

def test_redis_cli_and_redis_benchmark(secure: Secure) -> None:
    if shutil.which("redis-cli") is None:
        pytest.skip("no redis-cli")
    done = subprocess.run(["redis-cli", *secure.words(), "SET", "of", "cli"], capture_output=True, text=True,
                          timeout=patience(20), check=True)
    assert done.stdout == "OK\n"
    done = subprocess.run(["redis-benchmark", *secure.words(), "-n", "2000", "-P", "16", "-t", "set,get", "--csv"],
                          capture_output=True, text=True, timeout=patience(60), check=True)
    assert done.stdout.count("\n") >= 2


def test_redis_py(secure: Secure) -> None:
    import redis

    cert, key = secure.client
    shown = {"ssl_ca_certs": str(secure.authority.file), "ssl_certfile": str(cert), "ssl_keyfile": str(key)}
    with redis.Redis("localhost", secure.port, ssl=True, **shown, socket_timeout=patience(10)) as client:
        with client.pipeline() as pipe:
            for n in range(1000):
                pipe.set(f"key:{n}", n)
            assert pipe.execute() == [True] * 1000
        assert client.mget("key:1", "key:999") == [b"1", b"999"]


@pytest.mark.parametrize("second", ["no", "yes"])
def test_a_replica_follows_over_tls(tmp_path: Path, authority: Authority, second: str) -> None:
    """By one connection, and by two."""
    sync = {"repl_diskless_sync_delay": 0, "dual_channel_replication_enabled": second}
    server, port = secure_server(tmp_path / "master", authority, **sync)
    replica, _ = secure_server(tmp_path / "replica", authority, tls_replication=True, replicaof=[f"localhost {port}"],
                               **sync)  # fmt: skip
    with server, replica, server.connect() as to_master, replica.connect() as to_replica:
        wait_until(lambda: replica.info("replication")["master_link_status"] == "up", "the link is up")
        for n in range(1000):
            to_master("SET", f"k{n}", "v" * n)
        assert to_master("WAIT", "1", "10000") == 1
        assert to_replica("DBSIZE") == 1000
        assert to_master("DEBUG", "DIGEST") == to_replica("DEBUG", "DIGEST")
        assert ("by two connections" in replica.log()) == (second == "yes")


def test_migrate_over_tls(tmp_path: Path, authority: Authority) -> None:
    """MIGRATE goes as the cluster's links do."""
    source, _ = secure_server(tmp_path / "source", authority, tls_cluster=True)
    target, port = secure_server(tmp_path / "target", authority)
    with source, target, source.connect() as there, target.connect() as here:
        there("SET", "k", "v")
        there.ok("MIGRATE", "127.0.0.1", str(port), "k", "0", "5000")
        assert here("GET", "k") == b"v"
        assert there("GET", "k") is None


@pytest.mark.parametrize("io_threads", ["2", "1"])
def test_a_handshake_goes_on_wherever_its_connection_is(tmp_path: Path, authority: Authority, io_threads: str) -> None:
    """One begun on an I/O thread is over on the main thread, when that I/O thread has ended meanwhile."""
    server, port = secure_server(tmp_path, authority, io_threads="4", io_threads_always_active="no")
    with server:
        who = Secure(server, port, authority, authority.issue("client"))
        plain = [socket.create_connection(("127.0.0.1", port), patience(10)) for _ in range(6)]
        wait_until(lambda: int(who.info()["tls_handshakes_under_way"]) >= len(plain), "all have come")
        server.connect().ok("CONFIG", "SET", "io-threads", io_threads)
        for each in plain:
            with who.context().wrap_socket(each, server_hostname="localhost") as stream:
                stream.sendall(b"PING\r\n")
                assert stream.recv(100) == b"+PONG\r\n"
        assert server.connect()("PING") == "PONG"
