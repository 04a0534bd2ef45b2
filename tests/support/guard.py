"""A run that is killed leaves no process and no folder behind.

    with guarded(folder):           # conftest does it for pytest, the storm for itself
        ...

`guarded` starts a watcher: this file as a process in a session of its own, which no Ctrl-C and no signal to the process
group reaches. It waits for the end of a pipe that only the run holds. When the run ends without having said that it is
done, whatever the reason, the watcher ends all processes of the run and removes its folder. Where the watcher was
killed, too, the next run with a folder beside it does the same.

A process is of the run when it carries MARK in its environment, or when it works in the run's folder: servers write
their title over their environment. TMPDIR is that folder, so what helpers and programs under test make for a moment is
in there as well. A person's shell in the folder is spared: it has a terminal, and leads its session.
"""

import contextlib
import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import psutil

MARK = "REMUS_TEST_RUN"
NOTE = "run.json"  # in the folder while the run lasts: {"pid": ..., "created": ...}
DONE = b"done"
CLOCK_SECONDS = 60  # the time of creation is reckoned by a clock that may be set


@contextlib.contextmanager
def guarded(folder: Path) -> Iterator[None]:
    """Watch over this process and `folder`; at the orderly end only processes that were forgotten are ended."""
    folder = folder.resolve()
    sweep(folder.parent)
    me = psutil.Process()
    (folder / NOTE).write_text(json.dumps({"pid": me.pid, "created": me.create_time()}))
    watcher = subprocess.Popen(
        [sys.executable, "-P", __file__, str(folder)],
        stdin=subprocess.PIPE, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, cwd="/", start_new_session=True,
    )  # fmt: skip
    before = {name: os.environ.get(name) for name in (MARK, "TMPDIR")}
    os.environ.update({MARK: str(folder), "TMPDIR": str(folder)})
    tempfile.tempdir = None
    try:
        yield
    finally:
        for name, value in before.items():
            os.environ.pop(name, None)
            if value is not None:
                os.environ[name] = value
        tempfile.tempdir = None
        end_processes(folder)
        (folder / NOTE).unlink(missing_ok=True)
        watcher.communicate(DONE)


def processes(folder: Path) -> list[psutil.Process]:
    """Those of the run with this folder, without this process."""
    return [process for process in psutil.process_iter() if process.pid != os.getpid() and belongs(process, folder)]


def belongs(process: psutil.Process, folder: Path) -> bool:
    try:
        if process.environ().get(MARK) == str(folder):
            return True
        if not Path(process.cwd()).is_relative_to(folder):
            return False
        return process.terminal() is None or os.getsid(process.pid) != process.pid
    except (psutil.Error, OSError):  # gone, or somebody else's
        return False


def end_processes(folder: Path) -> None:
    """kill -9 to all of them; again for what they have started meanwhile."""
    for _ in range(10):
        found = processes(folder)
        for process in found:
            with contextlib.suppress(psutil.Error):
                process.kill()
        if not psutil.wait_procs(found, timeout=2)[1] and not found:
            return


def remove(folder: Path) -> None:
    """The processes and the folder of a run that is over."""
    end_processes(folder)
    shutil.rmtree(folder, ignore_errors=True)


def sweep(parent: Path) -> None:
    """Remove the runs in `parent` whose process is dead."""
    for note in parent.glob(f"*/{NOTE}"):
        try:
            told = json.loads(note.read_text())
            alive = abs(psutil.Process(told["pid"]).create_time() - told["created"]) < CLOCK_SECONDS
        except psutil.NoSuchProcess:
            alive = False
        except (OSError, ValueError):  # somebody else is at it
            continue
        if not alive:
            remove(note.parent)


def watch(folder: Path) -> None:
    """The watcher's life."""
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, signal.SIG_IGN)
    if sys.stdin.buffer.read() != DONE:
        remove(folder)


if __name__ == "__main__":
    watch(Path(sys.argv[1]))
