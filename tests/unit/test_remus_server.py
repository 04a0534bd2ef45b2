"""Starting a server from other programs and from other people's tests."""

import os
import signal
import subprocess
import sys
import threading
from pathlib import Path

import pytest

import remus_server
from remus_embedded.wire import Wire
from tests.support.resp import Connection, RespError
from tests.support.server import wait_until

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


@pytest.mark.parametrize("given", ["a b", ["first", '"a b"']], ids=["a-value", "lines"])
def test_a_password_of_each_form(given):
    with remus_server.start(requirepass=given) as server:
        assert server.password == "a b" and server.control.command("PING") == "PONG"


def test_a_password_that_is_a_number():
    with remus_server.start(requirepass=1234) as server:
        assert server.url == f"redis://:1234@{server.host}:{server.port}/0"
        assert server.control.command("PING") == "PONG"


def test_who_is_interrupted_amid_a_reply_does_not_get_it_later(monkeypatch):
    with remus_server.start() as server:
        command = server.control.command
        assert command("SET", "k", "old") == "OK"

        def interrupted(*_):
            raise KeyboardInterrupt

        with monkeypatch.context() as patch:
            patch.setattr(Wire, "_receive", interrupted)
            with pytest.raises(KeyboardInterrupt):
                command("BLPOP", "nothing", 1)
        assert command("GET", "k") == "old"


def test_a_bad_directive_raises_with_the_log():
    with pytest.raises(RuntimeError, match="no-such-directive"):
        remus_server.start(no_such_directive=1)


def test_a_promise_that_nothing_keeps_raises():
    with pytest.raises(RuntimeError, match=r"FATAL CONFIG FILE ERROR(.|\n)*at line \d+\n>>> '(.|\n)*does not have"):
        remus_server.start(socket_mark_id=1)


def test_a_taken_port_raises():
    with remus_server.start() as server, pytest.raises(RuntimeError, match="Address already in use"):
        remus_server.start(server.port)


def test_stop_of_one_that_was_killed():
    server = remus_server.start()
    os.kill(server.pid, signal.SIGKILL)
    server.stop()
    assert "Ready to accept connections" in server.log()


def test_what_it_says_of_itself():
    server = remus_server.start(requirepass="a/b c@:")
    assert server.url == f"redis://:a%2Fb%20c%40%3A@127.0.0.1:{server.port}/0"
    redis = pytest.importorskip("redis")
    with redis.Redis.from_url(server.url) as client:
        assert client.ping()
    assert repr(server) == f"<RemusServer 127.0.0.1:{server.port}, pid {server.pid}, running>"
    server.stop()
    assert repr(server) == f"<RemusServer 127.0.0.1:{server.port}, pid {server.pid}, ended>"
    assert "Ready to accept connections" in server.log()
    assert "bye bye" in server.log()


PARENT = f"""
import sys; sys.path.append({str(ROOT)!r}); import remus_server
server = remus_server.start(save="900 1")
print(server.pid, server.port, server.folder, flush=True)
sys.stdin.read()
"""


@pytest.mark.skipif(sys.platform != "linux", reason="the kernel's signal for a pipe is Linux's")
@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM])
def test_it_ends_with_the_process_that_started_it(number):
    command = [sys.executable, "-c", PARENT]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as p:
        pid, port, folder = p.stdout.readline().split()
        with Connection(int(port)) as c:
            assert c("SET", "k", "v") == "OK"
        p.send_signal(number)
        p.wait()
    wait_until(lambda: not alive(int(pid)), "the end of the server", seconds=20)
    assert not Path(folder).exists()


def test_where_the_kernel_does_not_tell_a_thread_waits_for_the_parent():
    hear, held = os.pipe()
    code = (f"import sys; sys.path.append({str(ROOT)!r}); import remus_server, time; "
            f"remus_server._end_with({hear}); print('waits', flush=True); time.sleep(100)")
    with subprocess.Popen([sys.executable, "-c", code], pass_fds=[hear], stdout=subprocess.PIPE) as child:
        os.close(hear)
        assert child.stdout.readline() == b"waits\n" and child.poll() is None
        os.close(held)
        assert child.wait(20) == -signal.SIGTERM


def test_it_outlives_the_thread_that_started_it_and_a_fork_of_the_process():
    started = []
    thread = threading.Thread(target=lambda: started.append(remus_server.start()))
    thread.start()
    thread.join()
    (server,) = started
    with server:
        if (child := os.fork()) == 0:
            server.stop()                       # of a fork: not its server
            os._exit(0)
        assert os.waitpid(child, 0)[1] == 0
        with Connection(server.port) as c:
            assert c("PING") == "PONG"
        assert server.folder.exists()


def alive(pid):
    """Whether that process runs; one that has ended and waits for its parent does not."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except (FileNotFoundError, ProcessLookupError):
        return False


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


def test_sentinels_over_a_master_and_its_replica():
    redis = pytest.importorskip("redis")
    with remus_server.start_sentinels(replicas=1, name="pond", down_after=700, maxmemory="10mb") as watched:
        master = watched.servers[0]
        asked = redis.sentinel.Sentinel(watched.addresses)
        assert asked.discover_master("pond") == (master.host, master.port)
        assert asked.discover_slaves("pond") == [(watched.servers[1].host, watched.servers[1].port)]
        assert asked.master_for("pond").set("k", "v")
        pids = [process.pid for process in (*watched.servers, *watched.sentinels)]
    for pid in pids:
        with pytest.raises(ProcessLookupError):
            os.kill(pid, 0)


@pytest.mark.parametrize(("broken", "told"), [
    ("raise ImportError('cannot import name x', name='server.config.config')", True),
    ("raise ValueError('server.types.x.X size changed, may indicate binary incompatibility. Expected 1')", True),
    ("raise TypeError('C function server.x.f has wrong signature (expected int, got void)')", True),
    ("import no_such_package", False),
    ("raise ValueError('something else')", False),
])
def test_modules_that_do_not_fit_one_another_are_told_of(tmp_path, broken, told):
    (tmp_path / "server").mkdir()
    (tmp_path / "server/__init__.py").write_text("")
    (tmp_path / "server/loader.py").write_text("def install(home): ...\n")
    (tmp_path / "server/__main__.py").write_text(f"def main():\n    {broken}\n")
    (tmp_path / "remus_server.py").write_text((ROOT / "remus_server.py").read_text())
    program = str(tmp_path / "remus_server.py")
    done = subprocess.run([sys.executable, program], capture_output=True, text=True, timeout=60)
    assert done.returncode == 1
    assert ("./dev build" in done.stderr) == told and ("Traceback" in done.stderr) != told
