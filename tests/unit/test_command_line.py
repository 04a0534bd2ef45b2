"""The server as a program: what it answers on the command line, and what it owes as a process."""

import os
import re
import shutil
import signal
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from server import kernel
from tests.support.resp import Connection, ConnectionClosed
from tests.support.server import ROOT, free_port, wait_until

PROGRAM = [sys.executable, str(ROOT / "remus_server.py")]


def run(*arguments: str, given: str = "", timeout: float = 20.0) -> subprocess.CompletedProcess[str]:
    """A server that ends by itself."""
    return subprocess.run([*PROGRAM, *arguments], input=given, capture_output=True, text=True, timeout=timeout,
                          env={**os.environ, "PYTHONDONTWRITEBYTECODE": ""})


def test_a_python_without_its_lock_is_refused() -> None:
    pretended = "import sys; sys._is_gil_enabled = lambda: False; import remus_server; sys.exit(remus_server.main())"
    done = subprocess.run([sys.executable, "-c", pretended], cwd=ROOT, capture_output=True, text=True, timeout=60)
    assert done.returncode == 1 and "PYTHON_GIL=0" in done.stderr and "Traceback" not in done.stderr


def answers(port: int) -> bool:
    try:
        with Connection(port) as c:
            return c("PING") == "PONG"
    except (OSError, ConnectionClosed):
        return False


@pytest.fixture
def running(tmp_path: Path) -> Iterator[Callable[..., subprocess.Popen[str]]]:
    """Start a server by words of the command line; stdout is in tmp_path/out."""
    children: list[subprocess.Popen[str]] = []

    def start(*arguments: str, given: str = "", **environment: str) -> subprocess.Popen[str]:
        with open(tmp_path / "out", "ab") as out:
            child = subprocess.Popen(
                [*PROGRAM, *arguments], stdin=subprocess.PIPE, stdout=out, stderr=out, text=True, cwd=tmp_path,
                env={**os.environ, "PYTHONDONTWRITEBYTECODE": "", **environment},
            )
        children.append(child)
        assert child.stdin is not None
        child.stdin.write(given)
        child.stdin.close()
        return child

    yield start
    for child in children:
        if child.poll() is None:
            child.send_signal(signal.SIGCONT)
            child.kill()
        child.wait()


# ---- answers in place of a server
@pytest.mark.parametrize("word", ["-v", "--version"])
def test_version_reads_as_tools_expect_it(word):
    done = run(word)
    assert re.fullmatch(r"Redis server v=7\.2\.\d+ sha=[0-9a-f]{8}:\d malloc=\S+ bits=(64|32) build=\S+\n", done.stdout)
    assert done.returncode == 0


@pytest.mark.parametrize("word", ["-h", "--help"])
def test_help(word):
    done = run(word)
    assert "Usage:" in done.stderr and "--directive value" in done.stderr
    files = re.findall(r"^  (/\S+)    ", done.stderr, re.MULTILINE)
    assert [Path(file).name for file in files] == ["redis.conf", "prometheus.yml", "alerts.yml", "dashboards"]
    assert all(Path(file).exists() for file in files)
    assert done.returncode == 1


@pytest.mark.parametrize("tool", ["check_rdb", "check_aof"])
@pytest.mark.parametrize("word", ["-h", "--help"])
def test_help_of_the_check_tools(tool, word, tmp_path):
    done = subprocess.run([sys.executable, "-m", f"server.persistence.{tool}", word], capture_output=True, text=True,
                          cwd=tmp_path, env={**os.environ, "PYTHONPATH": str(ROOT)}, timeout=20)
    assert done.returncode == 0
    assert done.stdout.startswith(f"Usage: {tool}.py ") and not done.stderr


# ---- configuration that cannot be
@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--port", "abc"], "argument couldn't be parsed into an integer"),
        (["--port", "6379", "6380"], 'port "6379" "6380"'),
        (["--port", "6379", "6380"], "wrong number of arguments"),
        (["--loglevel", "loud"], "argument(s) must be one of the following"),
        (["--replicaof", "127.0.0.1", "abc"], "Invalid master port"),
        (["--nonsense", "1"], "Bad directive or wrong number of arguments"),
        (["--logfile", "/nonexistent/folder/log"], "Can't open the log file: No such file or directory"),
        (["--dir", "/nonexistent/folder"], "No such file or directory"),
    ],
)
def test_a_bad_directive_ends_it(words, message):
    done = run(*words)
    assert done.returncode == 1
    assert "*** FATAL CONFIG FILE ERROR (Redis 7.2" in done.stderr
    assert message in done.stderr


def test_a_bad_line_is_shown_with_its_number_and_the_nearest_directive(tmp_path):
    file = tmp_path / "redis.conf"
    file.write_text("port 0\n# a comment\nmaxmemry 10mb\n")
    done = run(str(file))
    assert done.returncode == 1
    assert "Reading the configuration file, at line 3\n" in done.stderr
    assert ">>> 'maxmemry 10mb'\n" in done.stderr
    assert "Bad directive or wrong number of arguments" in done.stderr
    assert "maxmemory" in done.stderr


def test_a_missing_file(tmp_path):
    done = run(str(tmp_path / "none.conf"))
    assert done.returncode == 1
    assert "can't open config file" in done.stderr


def test_a_busy_port():
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        done = run("--port", str(port), "--bind", "127.0.0.1")
    assert done.returncode == 1
    assert f"Failed listening on port {port}" in done.stdout
    assert "already in use" not in done.stdout.splitlines()[0]


def test_nowhere_to_listen():
    done = run("--port", "0")
    assert done.returncode == 1
    assert "Configured to not listen anywhere, exiting." in done.stdout


def test_an_unknown_locale():
    assert run("--locale-collate", "no_SUCH").returncode == 1


# ---- where configuration comes from
def test_file_standard_input_and_words_the_last_one_wins(running, tmp_path):
    port = free_port()
    (tmp_path / "redis.conf").write_text(f"port {port}\nmaxmemory 1mb\nhz 20\ntimeout 1\n")
    running("redis.conf", "--timeout", "3", "-", given="hz 30\ntimeout 2\n")
    wait_until(lambda: answers(port))
    with Connection(port) as c:
        got = [c("CONFIG", "GET", name)[1] for name in ("maxmemory", "hz", "timeout")]
    assert got == [b"1048576", b"30", b"3"]


def test_standard_input_alone(running):
    port = free_port()
    running("-", given=f"port {port}\nbind 127.0.0.1\n")
    wait_until(lambda: answers(port))


# ---- the log
def test_the_log_is_a_file_that_may_be_moved_away(running, tmp_path):
    port = free_port()
    log = tmp_path / "own.log"
    child = running("--port", str(port), "--logfile", str(log), "--always-show-logo", "yes")
    wait_until(lambda: answers(port))
    text = log.read_text()
    assert re.search(rf" PID: {child.pid}\b(?s:.*)Server initialized\n(?s:.*)Ready to accept connections tcp\n", text)
    line = re.compile(rf"{child.pid}:M \d\d [A-Z][a-z]{{2}} \d{{4}} \d\d:\d\d:\d\d\.\d{{3}} [.\-*#] .+")
    assert line.fullmatch(text.splitlines()[-1])
    assert (tmp_path / "out").read_text() == ""
    log.rename(tmp_path / "old.log")
    child.terminate()
    assert child.wait(10) == 0
    assert "ready to exit, bye bye" in log.read_text()


# ---- a daemon
def test_daemonize_leaves_the_terminal_and_a_pid_file(tmp_path):
    port, pidfile, log = free_port(), tmp_path / "remus.pid", tmp_path / "log"
    words = ["--port", str(port), "--daemonize", "yes", "--pidfile", str(pidfile), "--logfile", str(log)]
    done = run(*words)
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
    wait_until(lambda: answers(port))
    with Connection(port) as c:
        pid = int(re.search(rb"process_id:(\d+)", c("INFO", "server"))[1])
        assert int(pidfile.read_text()) == pid
        assert os.getsid(pid) == pid != os.getsid(0)
        c.send("SHUTDOWN", "NOSAVE")
        assert c.is_closed()
    wait_until(lambda: not pidfile.exists())


def test_the_pid_file_of_a_server_that_cannot_listen_is_left_alone(tmp_path):
    pidfile = tmp_path / "pid"
    pidfile.write_text("1\n")
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        done = run("--port", str(taken.getsockname()[1]), "--bind", "127.0.0.1", "--pidfile", str(pidfile))
    assert done.returncode == 1
    assert pidfile.read_text() == "1\n"


def test_a_pid_file_that_cannot_be_written_is_no_reason_to_stop(new_server):
    server = new_server(pidfile="/nonexistent/folder/pid")
    server.wait_for_log("Failed to write PID file: No such file or directory")
    assert server.connect()("PING") == "PONG"


# ---- signals
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_ends_it(new_server, number):
    server = new_server(unixsocket="s")
    server.signal(number)
    assert server.wait_exit() == 0
    assert f"Received {number.name} scheduling shutdown..." in server.log()
    assert "User requested shutdown..." in server.log()
    assert "Redis is now ready to exit, bye bye..." in server.log()
    assert not (server.folder / "s").exists()


def test_sighup_and_sigpipe_are_ignored(new_server):
    server = new_server()
    for number in (signal.SIGHUP, signal.SIGPIPE):
        server.signal(number)
        assert server.connect()("PING") == "PONG"


def test_it_can_be_stopped_and_continued(new_server):
    server = new_server()
    server.signal(signal.SIGSTOP)
    status = Path(f"/proc/{server.pid}/status")
    if status.exists():
        wait_until(lambda: "State:\tT" in status.read_text())
    server.signal(signal.SIGCONT)
    assert server.connect()("PING") == "PONG"


# ---- supervisors
def test_systemd_hears_when_it_is_ready_and_when_it_stops(running, tmp_path):
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as systemd:
        systemd.bind(str(tmp_path / "notify"))
        systemd.settimeout(20)
        port = free_port()
        child = running("--port", str(port), "--supervised", "auto", "--daemonize", "yes",
                        NOTIFY_SOCKET=str(tmp_path / "notify"))
        heard = [systemd.recv(1000) for _ in range(3)]
        assert heard == [b"STATUS=Redis is loading...\n", b"STATUS=Ready to accept connections\n", b"READY=1\n"]
        assert child.poll() is None, "a supervised server stays the process that was started"
        with Connection(port) as c:
            assert b"process_supervised:systemd\r\n" in c("INFO", "server")
        child.terminate()
        assert systemd.recv(1000) == b"STOPPING=1\n"
        assert child.wait(10) == 0


def test_upstart_sees_it_stop_and_continues_it(running):
    port = free_port()
    child = running("--port", str(port), "--supervised", "upstart", UPSTART_JOB="redis")
    _, status = os.waitpid(child.pid, os.WUNTRACED)
    assert os.WIFSTOPPED(status)
    child.send_signal(signal.SIGCONT)
    wait_until(lambda: answers(port))


def test_a_supervisor_that_is_not_there(new_server):
    server = new_server(supervised="systemd", env={"NOTIFY_SOCKET": ""})
    server.wait_for_log("systemd supervision error: NOTIFY_SOCKET not found!")
    assert server.info("server")["process_supervised"] == "no"


# ---- the process list
linux = pytest.mark.skipif(not kernel.LINUX, reason="what only Linux has, or a build without it")


def title(pid: int) -> str:
    return Path(f"/proc/{pid}/cmdline").read_bytes().rstrip(b"\0").decode()


@linux
def test_the_title_names_server_address_and_mode(new_server):
    server = new_server(bind="127.0.0.1")
    wait_until(lambda: title(server.pid) == f"remus-server/redis-server 127.0.0.1:{server.port}")
    assert Path(f"/proc/{server.pid}/comm").read_text() == "remus-server\n"
    with server.connect() as c:
        c.ok("CONFIG", "SET", "proc-title-template", "TEST {title} {listen-addr} {port} {config-file} {{")
        words = title(server.pid).split()
        assert words[0] == "TEST" and words[1] == "remus-server/redis-server"
        assert words[2:] == [f"127.0.0.1:{server.port}", str(server.port), str(server.config_file), "{"]
        c.ok("CONFIG", "SET", "proc-title-template", "x" * 1000)
        assert set(title(server.pid)) == {"x"}
        error = c("CONFIG", "SET", "proc-title-template", "{invalid-var}")
        assert "template format is invalid" in error.text


@linux
def test_no_title_when_not_wanted(new_server):
    server = new_server(set_proc_title="no")
    assert "remus_server.py" in title(server.pid)


@linux
def test_children_and_restarts_get_the_environment_that_the_title_was_written_over(new_server):
    server = new_server(env={"REMUS_TEST_VARIABLE": "kept"})
    pid = server.pid
    server.connect().send("DEBUG", "RESTART")
    wait_until(lambda: server.log().count("Ready to accept") == 2)
    with Connection(server.port) as c:
        assert int(re.search(rb"process_id:(\d+)", c("INFO", "server"))[1]) == pid
    assert title(pid).endswith(str(server.port))


# ---- out of memory, huge pages, limits
@linux
def test_the_out_of_memory_score_follows_its_directives(new_server):
    score = Path("/proc/self/oom_score_adj")
    base = int(score.read_text())
    server = new_server(oom_score_adj="yes", oom_score_adj_values=["10 20 30"])
    score = Path(f"/proc/{server.pid}/oom_score_adj")
    assert int(score.read_text()) == min(1000, base + 10)
    with server.connect() as c:
        c.ok("CONFIG", "SET", "oom-score-adj-values", "15 20 30")
        assert int(score.read_text()) == min(1000, base + 15)
        c.ok("REPLICAOF", "127.0.0.1", "1")
        assert int(score.read_text()) == min(1000, base + 20)
        c.ok("REPLICAOF", "NO", "ONE")
        assert int(score.read_text()) == min(1000, base + 15)
        c.ok("CONFIG", "SET", "oom-score-adj", "absolute", "oom-score-adj-values", f"{base + 7} 0 0")
        assert int(score.read_text()) == base + 7
        c.ok("CONFIG", "SET", "oom-score-adj", "no")
        assert int(score.read_text()) == base
        c.ok("CONFIG", "SET", "oom-score-adj-values", "99 99 99")
        assert int(score.read_text()) == base
        score.write_text(f"{base + 22}\n")
        c.ok("CONFIG", "SET", "oom-score-adj-values", "9 9 9", "oom-score-adj", "yes")
        assert int(score.read_text()) == base + 31
        c.ok("CONFIG", "SET", "oom-score-adj", "no")
        assert int(score.read_text()) == base + 22


def test_a_low_limit_of_open_files_lowers_maxclients(running, tmp_path):
    resource = pytest.importorskip("resource")
    port = free_port()
    shell = shutil.which("sh") or "/bin/sh"
    with open(tmp_path / "out", "ab") as out:
        child = subprocess.Popen(
            [shell, "-c", 'ulimit -n 200; exec "$@"', "sh", *PROGRAM, "--port", str(port)],
            stdout=out, stderr=out, cwd=tmp_path,
        )
    try:
        wait_until(lambda: answers(port))
        with Connection(port) as c:
            assert c("CONFIG", "GET", "maxclients")[1] == b"168"
        text = (tmp_path / "out").read_text()
        assert "You requested maxclients of 10000 requiring at least 10032 max file descriptors." in text
        assert "Current maximum open files is 200. maxclients has been reduced to 168" in text
    finally:
        child.terminate()
        child.wait()
    assert resource.getrlimit(resource.RLIMIT_NOFILE)[0] > 200


def test_a_tiny_maxmemory_is_remarked(new_server):
    server = new_server(maxmemory=1000)
    server.wait_for_log("You specified a maxmemory value that is less than 1MB (current value is 1000 bytes)")


def test_cpus(new_server):
    if not hasattr(os, "sched_getaffinity"):
        pytest.skip("no CPU affinity here")
    first = min(os.sched_getaffinity(0))
    server = new_server(config=f"server_cpulist {first}")
    assert os.sched_getaffinity(server.pid) == {first}


def test_lists_of_cpus():
    from server.process import parse_cpulist

    good = {"0": {0}, "0,2,3": {0, 2, 3}, "0,2-3": {0, 2, 3}, "0-6:2": {0, 2, 4, 6}, "1-1,5": {1, 5}}
    for text, cpus in good.items():
        assert parse_cpulist(text) == cpus, text
    for text in ("", "a", "1-", "-1", "3-1", "0-4:0", "0:2", "1,", "0-4:"):
        assert parse_cpulist(text) is None, text
