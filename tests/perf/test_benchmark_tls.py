"""remus-benchmark over TLS: redis-benchmark's options, what is counted, and what is told when it cannot be."""

import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from perf.benchmark.command_line import main
from perf.benchmark.options import Options
from perf.benchmark.result import Result
from perf.benchmark.session import BenchmarkFailed, run
from tests.support.certificates import Authority
from tests.support.peer import require_peer
from tests.support.secure import Secure, secure_server
from tests.support.server import ROOT, free_port


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    return Authority(tmp_path_factory.mktemp("authority"))


@pytest.fixture(scope="module")
def secure(tmp_path_factory: pytest.TempPathFactory, authority: Authority) -> Iterator[Secure]:
    server, port = secure_server(tmp_path_factory.mktemp("tls"), authority)
    with server:
        yield Secure(server, port, authority, authority.issue("client"))


@pytest.fixture
def load(secure: Secure) -> Callable[..., Result]:
    """Run with these options against its TLS port."""
    certificate, key = secure.client
    shown = {"certificate": str(certificate), "key": str(key), "authorities": str(secure.authority.file)}

    def loaded(**options: Any) -> Result:
        return run(Options(**{"port": secure.port, "tls": True, **shown, **options}))

    return loaded


def calls(secure: Secure, command: str) -> int:
    line = secure.server.info("commandstats").get(f"cmdstat_{command}", "calls=0,")
    return int(line.partition("calls=")[2].partition(",")[0])


@pytest.mark.parametrize(
    "options",
    [
        {"requests": 1003, "pipeline": 16, "threads": 2, "clients": 7},
        {"requests": 1003, "poll": True},
        {"requests": 53, "keep_alive": False, "clients": 5},
        {"requests": 53, "keep_alive": False, "pipeline": 4, "protocol": 3, "database": 2, "poll": True},
        {"requests": 603, "value_size": "0-40000", "pipeline": 5, "database": 1},
        {"requests": 301, "rate": 50_000, "pipeline": 7, "threads": 2},
    ],
    ids=str,
)
def test_counts_are_exact(load: Callable[..., Result], secure: Secure, options: dict[str, Any]) -> None:
    before = calls(secure, "set")
    result = load(test="set", key_space=100, **options)
    assert (result.requests, result.errors, result.latency.total) == (options["requests"], 0, options["requests"])
    assert calls(secure, "set") - before == options["requests"]


def test_large_values_both_ways(load: Callable[..., Result]) -> None:
    assert load(test="set", value_size=300_000, requests=40, pipeline=8, clients=3).errors == 0
    result = load(test="get", requests=100, pipeline=10, clients=3)
    assert result.received_bytes == 100 * (300_000 + len(b"$300000\r\n\r\n"))


def test_a_new_connection_for_each_batch_is_a_new_handshake(load: Callable[..., Result], secure: Secure) -> None:
    before = int(secure.info()["tls_handshakes"])
    assert load(test="get", requests=40, keep_alive=False, clients=4).errors == 0
    assert int(secure.info()["tls_handshakes"]) - before == 41      # the first tells the address


def test_pushes_over_tls_are_no_replies(load: Callable[..., Result]) -> None:
    result = load(mix="set:1,get:9", key_space=5, requests=1000, protocol=3, tracking=True, clients=5)
    assert (result.requests, result.errors) == (1000, 0)


# ---- the options


def test_the_options_of_redis_benchmark(secure: Secure, capsys: pytest.CaptureFixture[str]) -> None:
    suites = ["--tls-ciphersuites", "TLS_CHACHA20_POLY1305_SHA256", "--tls-ciphers", "ECDHE+AESGCM", "--sni", "here"]
    assert main([*secure.words(), *suites, "-n", "200", "-t", "set,get", "-q"]) == 0
    assert capsys.readouterr().out.startswith("SET: ")
    words = secure.words()[secure.words().index("--cacert"):]
    assert main(["-u", f"rediss://localhost:{secure.port}", *words, "-n", "50", "-t", "get", "-q"]) == 0


def test_whom_to_trust(secure: Secure, load: Callable[..., Result], tmp_path: Path) -> None:
    stranger = Authority(tmp_path / "stranger", "stranger")
    with pytest.raises(BenchmarkFailed, match=r"No TLS with 127\.0\.0\.1:\d+: .*certificate verify failed"):
        load(authorities=str(stranger.file), requests=10)
    with pytest.raises(BenchmarkFailed, match="certificate verify failed"):
        load(authorities="", requests=10)                           # whom this machine trusts: not them
    assert load(authorities="", insecure=True, requests=10).errors == 0
    folder = tmp_path / "folder"
    folder.mkdir()
    (folder / "a.pem").write_bytes(secure.authority.file.read_bytes())
    subprocess.run(["openssl", "rehash", folder], check=True, capture_output=True)
    assert load(authorities="", authorities_folder=str(folder), requests=10).errors == 0


def test_a_server_that_wants_a_certificate_says_so(load: Callable[..., Result]) -> None:
    """With TLS 1.3 only behind our own handshake: the alert comes in place of replies."""
    for keep_alive in (True, False):
        with pytest.raises(BenchmarkFailed, match="certificate required"):
            load(certificate="", key="", requests=10, protocol=3, keep_alive=keep_alive)
        with pytest.raises(BenchmarkFailed, match="certificate required"):
            load(certificate="", key="", requests=10, keep_alive=keep_alive)


def test_a_plain_port_is_no_tls(secure: Secure, load: Callable[..., Result], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("perf.benchmark.session.CONNECT_SECONDS", 0.1)      # it waits for the end of the line
    with pytest.raises(BenchmarkFailed, match=r"No TLS with .*: timed out"):
        load(port=secure.server.port)
    with pytest.raises(BenchmarkFailed, match="Could not connect"):
        load(port=free_port())


def test_a_server_that_is_killed_ends_the_run(tmp_path: Path, authority: Authority) -> None:
    server, port = secure_server(tmp_path, authority, tls_auth_clients="no")
    with server:
        options = Options(port=port, tls=True, insecure=True, duration=60.0, clients=10)
        with pytest.raises(BenchmarkFailed, match=r"closed a connection|failed") as failed:
            run(options, progress=lambda seen: server.kill() if seen.replies else None)
        assert failed.value.result is not None


def test_idle_connections_wait_through_the_records_of_tls(secure: Secure) -> None:
    """Session tickets come after the handshake: there is something to read, and nothing said."""
    command = [sys.executable, "-m", "perf.benchmark", *secure.words(), "-I", "-c", "3"]
    child = subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    try:
        assert child.stdout is not None
        assert child.stdout.readline() == "3 idle connections; Ctrl-C ends them\n"
        with secure.server.connect() as c:
            assert c("CLIENT", "KILL", "LADDR", f"127.0.0.1:{secure.port}") == 3
        assert child.stdout.readline() == "the server closed a connection\n"
    finally:
        child.kill()
        child.communicate()


@pytest.mark.parametrize(
    ("arguments", "complaint"),
    [
        (["--cacert", "x"], "authorities: is of TLS"),
        (["--insecure"], "insecure: is of TLS"),
        (["--tls", "--cert", "x"], "a certificate and its key go together"),
    ],
)
def test_what_does_not_go_together(arguments: list[str], complaint: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as stopped:
        main(["-n", "1", "-t", "get", *arguments])
    assert stopped.value.code == 2
    assert complaint in capsys.readouterr().err


@pytest.mark.parametrize(
    ("arguments", "complaint"),
    [
        (["--cacert", "/none"], "Failed to configure CA certificate"),
        (["--cert", "/none", "--key", "/none"], "Failed to load certificate: /none"),
        (["--tls-ciphersuites", "NOPE"], "Failed to configure ciphersuites: NOPE"),
    ],
)
def test_files_and_words_that_are_wrong(arguments: list[str], complaint: str,
                                        capsys: pytest.CaptureFixture[str]) -> None:  # fmt: skip
    assert main(["--tls", "-n", "1", "-t", "get", *arguments]) == 1
    assert complaint in capsys.readouterr().err


def test_a_real_redis_server(tmp_path: Path, authority: Authority) -> None:
    """One that was built with TLS; else this says nothing."""
    cert, key = authority.issue("peer")
    port = free_port()
    command = [require_peer(), "--port", "0", "--tls-port", str(port), "--tls-cert-file", str(cert), "--tls-key-file",
               str(key), "--tls-ca-cert-file", str(authority.file), "--save", "", "--dir", str(tmp_path)]
    child = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    try:
        assert child.stdout is not None
        if not any("Ready to accept connections" in line for line in child.stdout):
            pytest.skip("the redis-server here knows no TLS")
        options = Options(port=port, tls=True, authorities=str(authority.file), certificate=str(cert), key=str(key))
        options.requests, options.pipeline, options.test = 1003, 16, "set"
        assert (run(options).requests, run(options).errors) == (1003, 0)
        options.keep_alive, options.requests = False, 20
        assert run(options).errors == 0
    finally:
        child.kill()
        child.wait()
