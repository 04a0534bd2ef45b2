"""Starting a server from other programs and from other people's tests."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

import remus_server
from tests.support.resp import Connection, RespError

ROOT = Path(__file__).resolve().parents[2]


def test_start_and_stop():
    with remus_server.start(maxmemory="100mb", save=["900 1", "60 5"], appendonly=False) as server:
        with Connection(server.port) as c:
            assert c("PING") == "PONG"
            assert c("CONFIG", "GET", "maxmemory") == [b"maxmemory", b"104857600"]
            assert c("CONFIG", "GET", "save") == [b"save", b"900 1 60 5"]
            assert c("CONFIG", "GET", "dir") == [b"dir", str(server.folder.resolve()).encode()]
        assert server.url == f"redis://127.0.0.1:{server.port}/0"
        os.kill(server.pid, 0)
        folder = server.folder
        assert "Ready to accept connections" in server.log()
    assert not folder.exists()
    with pytest.raises(ConnectionRefusedError):
        Connection(server.port)
    server.stop()


def test_a_password_is_an_answer():
    with remus_server.start(requirepass='a "quoted" word') as server, Connection(server.port) as c:
        reply = c("GET", "k")
        assert isinstance(reply, RespError)
        assert reply.code == "NOAUTH"
        assert c("AUTH", 'a "quoted" word') == "OK"


def test_a_bad_directive_raises_with_the_log():
    with pytest.raises(RuntimeError, match="no-such-directive"):
        remus_server.start(no_such_directive=1)


@pytest.mark.parametrize(
    "directives",
    [
        {"user": ["default on >secret ~* &* +@all"]}, {"user": "alice on >secret ~* +@all"}, {"tls_port": 6390},
        {"replicaof": ["127.0.0.1 6379"]}, {"aclfile": "users.acl"}, {"cluster_enabled": True},
    ],
)  # fmt: skip
def test_a_promise_that_nothing_keeps_raises(directives):
    with pytest.raises(RuntimeError, match=r"FATAL CONFIG FILE ERROR(.|\n)*at line \d+\n>>> '(.|\n)*does not have"):
        remus_server.start(**directives)


def test_a_taken_port_raises():
    with remus_server.start() as server, pytest.raises(RuntimeError, match="Address already in use"):
        remus_server.start(server.port)


def test_stop_of_one_that_was_killed():
    server = remus_server.start()
    os.kill(server.pid, signal.SIGKILL)
    server.stop()


@pytest.mark.parametrize("path", ["", ".", str(ROOT)])
def test_beside_another_package_named_server(tmp_path, path):
    (tmp_path / "server").mkdir()
    (tmp_path / "server/__init__.py").write_text("raise SystemExit('the wrong server')\n")
    code = (
        f"import sys; sys.path.append({str(ROOT)!r}); import remus_server\n"
        "with remus_server.start() as s: print('started', s.pid)\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", code],
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": path},
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert done.stdout.startswith("started"), done.stderr


def test_fixtures_for_other_peoples_tests(tmp_path):
    pytest.importorskip("redis")
    (tmp_path / "test_theirs.py").write_text(
        "def test_one(remus):\n    assert remus.incr('n') == 1\n"
        "def test_two(remus, remus_server):\n    assert remus.incr('n') == 1\n    assert remus_server.port\n"
    )
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "-p", "remus_server", str(tmp_path)],
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": str(ROOT), "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1"},
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert "2 passed" in done.stdout, done.stdout + done.stderr
