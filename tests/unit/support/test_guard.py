"""A run of pytest that is killed leaves neither servers nor folders."""

import signal
import subprocess
from pathlib import Path

import psutil
import pytest

from tests.support.guard import MARK, NOTE
from tests.support.pace import patience, wait_until

HANGS = """
import subprocess, sys, time
from pathlib import Path
import remus_server

def test_hangs(new_server, new_peer, raw):
    helper = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(1000)"], cwd="/", start_new_session=True)
    theirs = remus_server.start()
    raw.ok("SET", "k", 1)
    daemon = new_server(daemonize=True, start=False)
    daemon.start(wait=False)
    pids = [new_server().pid, new_peer().pid, theirs.pid, helper.pid]
    while not (daemon.folder / "pid").exists():
        time.sleep(0.01)
    pids.append(int((daemon.folder / "pid").read_text()))
    Path({told!r}).write_text(" ".join(map(str, pids)))
    time.sleep(1000)
"""
HANGS = HANGS.replace("daemonize=True", 'daemonize=True, pidfile="pid"')


@pytest.fixture
def hanging(run_of_tests, tmp_path) -> tuple["subprocess.Popen[str]", list[int], Path]:
    """A run with servers, other processes and folders: (itself, their process ids, its folder)."""
    told = tmp_path / "pids"
    child = run_of_tests(HANGS.format(told=str(told)))
    wait_until(lambda: (told.exists() and told.read_text()) or child.poll() is not None, "the servers run")
    assert child.poll() is None, child.communicate()[0]
    return child, [int(pid) for pid in told.read_text().split()], tmp_path / "runs/run"


def alive(pid: int) -> bool:
    return psutil.pid_exists(pid) and psutil.Process(pid).status() != psutil.STATUS_ZOMBIE


@pytest.mark.peer
def test_sigterm_takes_down_what_was_set_up(hanging):
    child, pids, folder = hanging
    child.terminate()
    assert child.wait(patience(60)) == 128 + signal.SIGTERM
    assert not any(map(alive, pids))
    assert not (folder / NOTE).exists()


@pytest.mark.peer
def test_sigkill_leaves_nothing(hanging):
    child, pids, folder = hanging
    assert all(map(alive, pids)) and (folder / NOTE).exists()
    child.kill()
    wait_until(lambda: not any(map(alive, pids)), "the servers end")
    wait_until(lambda: not folder.exists(), "the folder is removed")


@pytest.mark.peer
def test_the_next_run_removes_what_a_killed_watcher_could_not(hanging, run_of_tests):
    child, pids, folder = hanging
    watcher = next(p for p in psutil.Process(child.pid).children() if "guard.py" in " ".join(p.cmdline()))
    assert MARK not in watcher.environ()
    watcher.kill()
    child.kill()
    child.wait()
    assert folder.exists()
    another = run_of_tests("def test_one(tmp_path): pass\n", folder="another")
    assert "1 passed" in another.communicate(timeout=patience(60))[0]
    assert not any(map(alive, pids)) and not folder.exists()


@pytest.mark.peer
def test_a_run_that_lasts_is_left_alone(hanging, run_of_tests):
    child, pids, folder = hanging
    another = run_of_tests("def test_one(tmp_path): pass\n", folder="another")
    assert "1 passed" in another.communicate(timeout=patience(60))[0]
    assert all(map(alive, pids)) and folder.exists() and child.poll() is None
