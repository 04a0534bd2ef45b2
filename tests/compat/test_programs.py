"""Programs that live on scripts and blocking commands, each against a server of its own.

Skipped where they are not installed; README.md beside this file says how to have them.
"""

import os
import shutil
import subprocess
from pathlib import Path

import pytest

HERE = Path(__file__).parent
NODE = os.environ.get("REMUS_NODE_PROGRAMS", "")         # a folder with node_modules
PYTHON = os.environ.get("REMUS_PYTHON_PROGRAMS", "")     # an interpreter with the packages
SECONDS = 300

BULLMQ = (
    "add_and_results", "bulk_with_concurrency_loses_none", "delayed", "priorities", "retries_with_backoff",
    "repeated_by_schedulers", "flows", "children_added_while_working", "rate_limited", "paused_and_resumed",
    "events_and_their_trimming", "counts_ranges_and_removal", "stalled_jobs_are_recovered", "deduplication_and_locks",
    "many_queues_with_large_data",
)  # fmt: skip


def run(command, server, env=None):
    """What the program printed; it must end with 0."""
    done = subprocess.run(command, env={**os.environ, **(env or {})}, capture_output=True, text=True, timeout=SECONDS)
    assert done.returncode == 0, f"{done.stdout}\n{done.stderr}\n{server.log()[-4000:]}"
    assert "failed" not in server.log() and "Traceback" not in server.log()
    return done.stdout


def node(server, script, package, *scenarios):
    if not shutil.which("node") or not Path(NODE, "node_modules", package).is_dir():
        pytest.skip(f"REMUS_NODE_PROGRAMS names no folder with node_modules/{package}")
    out = run(["node", str(HERE / script), str(server.port), *scenarios], server, {"NODE_PATH": f"{NODE}/node_modules"})
    assert [line for line in out.splitlines() if line.startswith("ok ")] == [f"ok {name}" for name in scenarios]


def python(server, script, package, *names):
    if not PYTHON or subprocess.run([PYTHON, "-c", f"import {package}"], capture_output=True).returncode:
        pytest.skip(f"REMUS_PYTHON_PROGRAMS names no interpreter with {package}")
    return run([PYTHON, str(HERE / script), str(server.port), *names], server).split()


@pytest.mark.parametrize("threads", [1, 4])
@pytest.mark.parametrize("scenario", BULLMQ)
def test_bullmq(new_server, scenario, threads):
    node(new_server(io_threads=threads), "bullmq.cjs", "bullmq", scenario)


@pytest.mark.parametrize("package, scenario", [("bee-queue", "bee_queue"), ("bull", "bull")])
def test_other_queues_of_node(new_server, package, scenario):
    node(new_server(), "queues.cjs", package, scenario)


@pytest.mark.parametrize(
    "package, scenario",
    [("ioredis", "define_command"), ("redlock", "redlock"), ("redis-semaphore", "redis_semaphore"),
     ("rate-limiter-flexible", "rate_limiter_flexible")],
)  # fmt: skip
def test_scripts_of_node(new_server, package, scenario):
    node(new_server(), "locks.cjs", package, scenario)


@pytest.mark.parametrize("name", ["redis_py", "redlock", "pottery", "redis_lock", "limits", "huey", "dramatiq"])
def test_scripts_of_python(new_server, name):
    assert python(new_server(), "locks_program.py", "redis" if name == "redis_py" else name, name)[-2:] == ["ok", name]


@pytest.mark.parametrize("threads", [1, 4])
@pytest.mark.parametrize("package", ["rq", "celery"])
def test_task_queues_of_python(new_server, package, threads):
    assert python(new_server(io_threads=threads), f"{package}_program.py", package)[-1] == "ok"


def test_sidekiq(new_server):
    if not shutil.which("ruby") or subprocess.run(["ruby", "-e", "require 'sidekiq'"], capture_output=True).returncode:
        pytest.skip("no ruby with sidekiq")
    server = new_server()
    assert run(["ruby", str(HERE / "sidekiq_program.rb"), str(server.port)], server).split()[-1] == "ok"
