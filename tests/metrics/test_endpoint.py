"""The metrics port: who may read it, when it listens, and what it costs the rest."""

import base64
import http.client
import shutil
import socket
import ssl
import subprocess
import threading
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest

from metrics.connections import CONNECTIONS_MAX
from tests.support.resp import RespError
from tests.support.server import Server, free_port, wait_until


def get(url: str, *, user: str = "", context: ssl.SSLContext | None = None) -> tuple[int, str]:
    """(status, body)."""
    request = urllib.request.Request(url)
    if user:
        request.add_header("Authorization", "Basic " + base64.b64encode(user.encode()).decode())
    try:
        with urllib.request.urlopen(request, timeout=20, context=context) as reply:
            return reply.status, reply.read().decode()
    except urllib.error.HTTPError as error:
        with error:
            return error.code, error.read().decode()


def listens(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


@pytest.fixture
def port() -> int:
    return free_port()


@pytest.fixture
def url(port: int) -> str:
    return f"http://127.0.0.1:{port}"


def test_paths(new_server: Callable[..., Server], port: int, url: str) -> None:
    new_server(metrics_port=port)
    status, body = get(f"{url}/metrics")
    assert status == 200 and "\nredis_up 1.0\n" in body
    assert get(f"{url}/")[0] == 200
    assert get(f"{url}/other")[0] == 404


def test_off_by_default_and_changed_while_running(new_server: Callable[..., Server], port: int, url: str) -> None:
    server, other = new_server(), free_port()
    c = server.connect()
    assert not listens(port)
    c.ok("CONFIG", "SET", "metrics-port", port)
    assert get(f"{url}/metrics")[0] == 200
    c.ok("CONFIG", "SET", "metrics-port", other)
    assert get(f"http://127.0.0.1:{other}/metrics")[0] == 200 and not listens(port)
    c.ok("CONFIG", "SET", "metrics-port", other)
    assert get(f"http://127.0.0.1:{other}/metrics")[0] == 200
    c.ok("CONFIG", "SET", "metrics-port", 0)
    assert not listens(other)


def test_a_port_in_use_is_refused_and_the_old_one_goes_on(
    new_server: Callable[..., Server], port: int, url: str
) -> None:
    server = new_server(metrics_port=port)
    c = server.connect()
    reply = c("CONFIG", "SET", "metrics-port", server.port)
    assert isinstance(reply, RespError) and "Cannot listen" in reply.text
    assert c.ok("CONFIG", "GET", "metrics-port") == [b"metrics-port", str(port).encode()]
    assert get(f"{url}/metrics")[0] == 200


def test_a_port_in_use_ends_the_start(new_server: Callable[..., Server]) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        server = new_server(metrics_port=taken.getsockname()[1], start=False)
        server.start(wait=False)
        assert server.wait_exit() == 1
    assert "Cannot listen" in server.log()


def test_password(new_server: Callable[..., Server], port: int, url: str) -> None:
    server = new_server(metrics_port=port, metrics_user="prom", metrics_password="s3cret")
    assert get(f"{url}/metrics")[0] == 401
    assert get(f"{url}/")[0] == 401
    assert get(f"{url}/metrics", user="prom:wrong")[0] == 401
    assert get(f"{url}/metrics", user="other:s3cret")[0] == 401
    assert get(f"{url}/metrics", user="prom:s3cret")[0] == 200
    server.connect().ok("CONFIG", "SET", "metrics-password", "")
    assert get(f"{url}/metrics")[0] == 200


def certificate(folder: Path, name: str) -> tuple[Path, Path]:
    """A self-signed certificate for 127.0.0.1 and its key."""
    if shutil.which("openssl") is None:
        pytest.skip("no openssl")
    cert, key = folder / f"{name}.crt", folder / f"{name}.key"
    subprocess.run(
        ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-days", "2",
         "-keyout", key, "-out", cert, "-subj", f"/CN={name}", "-addext", "subjectAltName=IP:127.0.0.1",
         "-addext", "keyUsage=critical,digitalSignature,keyCertSign"],
        check=True, capture_output=True,
    )  # fmt: skip
    return cert, key


def test_tls(new_server: Callable[..., Server], port: int, tmp_path: Path) -> None:
    cert, key = certificate(tmp_path, "server")
    client_cert, client_key = certificate(tmp_path, "client")
    server = new_server(metrics_port=port, metrics_tls_cert_file=cert, metrics_tls_key_file=key)
    context = ssl.create_default_context(cafile=str(cert))
    silent = socket.create_connection(("127.0.0.1", port))  # shakes no hands, and holds nobody up
    assert get(f"https://127.0.0.1:{port}/metrics", context=context)[0] == 200
    silent.close()
    c = server.connect()
    c.ok("CONFIG", "SET", "metrics-tls-ca-cert-file", client_cert)
    with pytest.raises((urllib.error.URLError, ConnectionError, ssl.SSLError)):
        get(f"https://127.0.0.1:{port}/metrics", context=context)
    context.load_cert_chain(client_cert, client_key)
    assert get(f"https://127.0.0.1:{port}/metrics", context=context)[0] == 200
    reply = c("CONFIG", "SET", "metrics-tls-cert-file", tmp_path / "missing")
    assert isinstance(reply, RespError) and "certificate" in reply.text


def test_a_renewed_certificate_is_shown(new_server: Callable[..., Server], port: int, tmp_path: Path) -> None:
    """tls-auto-reload-interval counts for this port, too. What is broken is not taken."""
    cert, key = certificate(tmp_path, "server")
    server = new_server(metrics_port=port, metrics_tls_cert_file=cert, metrics_tls_key_file=key,
                        tls_auto_reload_interval=1)  # fmt: skip
    first = ssl.get_server_certificate(("127.0.0.1", port))
    cert.write_text("no certificate")
    server.wait_for_log("The metrics port keeps its certificate")
    assert ssl.get_server_certificate(("127.0.0.1", port)) == first
    certificate(tmp_path, "server")
    wait_until(lambda: ssl.get_server_certificate(("127.0.0.1", port)) == cert.read_text(), "the new one is shown")
    assert first != cert.read_text()


def test_scrapes_while_the_server_works(new_server: Callable[..., Server], port: int, url: str) -> None:
    server = new_server(metrics_port=port, io_threads=2)
    done = threading.Event()
    failures: list[Any] = []

    def load() -> None:
        with server.connect() as c:
            while not done.is_set():
                for reply in c.pipeline([("INCR", "n"), ("LPUSH", "l", "x"), ("LTRIM", "l", "0", "99")] * 50):
                    if isinstance(reply, RespError):
                        failures.append(reply)

    threads = [threading.Thread(target=load) for _ in range(2)]
    for thread in threads:
        thread.start()
    try:
        totals = []
        for _ in range(20):
            lines = get(f"{url}/metrics")[1].splitlines()
            totals.append(next(float(x.split()[1]) for x in lines if x.startswith("redis_commands_processed_total ")))
    finally:
        done.set()
        for thread in threads:
            thread.join()
    assert totals == sorted(totals) and totals[0] < totals[-1]
    assert not failures


def test_any_number_of_slow_ones_keeps_no_scrape_out(new_server: Callable[..., Server], port: int, url: str) -> None:
    """More than there are places, silent, in the middle of a request, or not reading; none of them is ever closed."""
    new_server(metrics_port=port)
    slow = []
    for number in range(3 * CONNECTIONS_MAX):
        slow.append(socket.create_connection(("127.0.0.1", port)))
        with suppress(OSError):
            slow[-1].sendall((b"", b"GET /met", b"GET /metrics HTTP/1.1\r\nHost: x\r\n", WHOLE)[number % 4])
    for _ in range(5):
        assert get(f"{url}/metrics")[0] == 200
    for one in slow:
        one.close()


def test_a_password_is_no_matter_of_a_free_thread(new_server: Callable[..., Server], port: int, url: str) -> None:
    """Strangers are refused while the main thread keeps every answer waiting that is allowed at a time."""
    server = new_server(metrics_port=port, metrics_password="s3cret", enable_debug_command="yes")
    busy = server.connect()
    busy.send("DEBUG", "SLEEP", "1")
    asking = [threading.Thread(target=get, args=(f"{url}/metrics",), kwargs={"user": ":s3cret"}) for _ in range(20)]
    for each in asking:
        each.start()
    assert get(f"{url}/metrics")[0] == 401
    for each in asking:
        each.join()
    assert get(f"{url}/metrics", user=":s3cret")[0] == 200


WHOLE = b"GET /metrics HTTP/1.1\r\nHost: localhost\r\n\r\n"
STRANGE = [
    b"\x16\x03\x01" + bytes(range(200)), b"\0" * 3000, b"*1\r\n$4\r\nPING\r\n", b"GET\r\n\r\n", b"GET / HTTP/9.9\n\n",
    b"POST / HTTP/1.1\r\nHost: localhost\r\nContent-Length: 99\r\n\r\nhello", b"GET / HTTP/1.1\r\n\r\n",
    b"GET / HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n", b"GET / HTTP/1.1\r\nX: " + b"x" * 60000 + b"\r\n\r\n",
    b"GET /\xff HTTP/1.1\r\nHost: \xff\r\n\r\n", b"GET /none HTTP/1.0\r\n\r\n", b"HEAD / HTTP/1.0\r\n\r\n",
    b"GET / HTTP/1.1\r\nHost: evil.example\r\n\r\n", b"GET /" + b"%" * 9000, b"G", b"", WHOLE[:-2], WHOLE * 50,
]  # fmt: skip


def throw(port: int, data: bytes, wait: bool) -> bytes:
    """Send that and nothing more; the first line of what comes back, b"" for none."""
    with socket.create_connection(("127.0.0.1", port), 20) as s, suppress(OSError):
        s.sendall(data)
        s.shutdown(socket.SHUT_WR)
        return s.recv(4096).partition(b"\r\n")[0] if wait else b""
    return b""


@pytest.mark.parametrize("number", range(len(STRANGE)))
def test_what_is_strange_is_refused_or_dropped(shown: int, number: int) -> None:
    told = throw(shown, STRANGE[number], True)
    assert told in (b"", b"HTTP/1.1 200 OK") or told.startswith((b"HTTP/1.1 4", b"HTTP/1.1 505"))
    assert get(f"http://127.0.0.1:{shown}/metrics")[0] == 200


@pytest.fixture(scope="module")
def shown(tmp_path_factory: pytest.TempPathFactory) -> Iterator[int]:
    """The metrics port of a server for several tests."""
    port = free_port()
    with Server(tmp_path_factory.mktemp("shown"), metrics_port=port):
        yield port


def test_a_long_head_is_told_so(shown: int) -> None:
    """... although its sender was not done: what it had not sent must not destroy the reply."""
    assert throw(shown, b"GET / HTTP/1.1\r\nX: " + b"x" * 60000, True).startswith(b"HTTP/1.1 431 ")


@pytest.mark.parametrize("path", ["/", "/metrics", "/keys.json", "/slowlog.json", "/none"])
def test_what_browsers_are_told(shown: int, path: str) -> None:
    connection = http.client.HTTPConnection("127.0.0.1", shown, timeout=20)
    headers = []
    for method in ("GET", "HEAD"):
        connection.request(method, path)
        reply = connection.getresponse()
        body = reply.read()
        assert (len(body) == int(reply.headers["Content-Length"]) > 0) == (method == "GET")
        headers.append({name: value for name, value in reply.headers.items() if name not in ("Date", "Content-Length")})
        connection.close()
    assert headers[0] == headers[1]
    assert headers[0]["X-Content-Type-Options"] == "nosniff" and headers[0]["X-Frame-Options"] == "DENY"
    assert "default-src 'none'; frame-ancestors 'none'" in headers[0]["Content-Security-Policy"]
    assert headers[0]["Cross-Origin-Resource-Policy"] == "same-origin" and "Server" not in headers[0]


@pytest.mark.slow
def test_ten_thousand_bad_connections_leave_nothing(new_server: Callable[..., Server], port: int, url: str) -> None:
    psutil = pytest.importorskip("psutil")
    process = psutil.Process(new_server(metrics_port=port).pid)

    def many(count: int) -> int:
        for number in range(count):
            throw(port, STRANGE[number % len(STRANGE)], number % 3 == 0)
        assert get(f"{url}/metrics")[0] == 200
        wait_until(lambda: process.num_fds() <= descriptors, "the connections are closed")
        return process.memory_info().rss

    get(f"{url}/metrics")
    wait_until(lambda: len(process.net_connections()) <= 3, "the connection is closed")
    descriptors = process.num_fds() + 1
    before = many(2000)
    assert many(10_000) - before < 2_500_000, "a connection left behind is a thousand bytes"


def test_scrapes_leak_nothing(new_server: Callable[..., Server], port: int, url: str) -> None:
    psutil = pytest.importorskip("psutil")
    server = new_server(metrics_port=port)
    process = psutil.Process(server.pid)

    def many(count: int) -> tuple[int, int, int]:
        for _ in range(count):
            get(f"{url}/metrics")
        wait_until(lambda: process.num_threads() <= threads, "the connections' threads end")
        return process.memory_info().rss, process.num_fds(), process.num_threads()

    get(f"{url}/metrics")
    threads = process.num_threads() + 1
    before = many(50)
    after = many(200)
    assert after[0] - before[0] < 200 * 4096, "a snapshot is ten times as large"
    assert after[1] <= before[1] + 1  # one may just be closing


def test_a_busy_main_thread_is_not_waited_for_for_ever(monkeypatch: pytest.MonkeyPatch) -> None:
    """Without a loop that answers, redis_up is 0 and the process is still described."""
    pytest.importorskip("prometheus_client")
    from prometheus_client import CollectorRegistry, generate_latest

    from metrics import collector
    from metrics.mailbox import Mailbox

    class Deaf:
        class loop:
            attend = staticmethod(lambda hook, yes=True: None)

            class io:
                wake_fd = -1

    monkeypatch.setattr(collector, "ANSWER_SECONDS", 0.01)
    registry = CollectorRegistry()
    registry.register(collector.Collector(Mailbox(Deaf())))
    text = generate_latest(registry).decode()
    assert "\nredis_up 0.0\n" in text
    assert 'redis_exporter_last_scrape_error{err="no answer' in text
    assert "\nprocess_resident_memory_bytes " in text
