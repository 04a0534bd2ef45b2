"""Run them, and print the table of docs/tutorial-job-queue.md.

    python3 -m venv others && others/bin/pip install rq celery redis packaging
    npm install --prefix others bullmq ioredis
    ./dev python -m perf.jobs --python others/bin/python --modules others/node_modules

Each program adds many jobs to a fresh server and does them all; what counts is the server's own processor time.
"""

import argparse
import os
import shlex
import shutil
import subprocess
import sys
from pathlib import Path
from statistics import median

from perf.server_under_test import ServerUnderTest, exit_on_sigterm

HERE = Path(__file__).parent
ROOT = HERE.parents[1]
JOBS = {"BullMQ": 20_000, "RQ": 3_000, "Celery": 3_000}
SECONDS = 600


def cost(server: str, program: list[str], jobs: int, env: dict[str, str]) -> float:
    """Microseconds of the server's processor time a job."""
    with ServerUnderTest("server", server) as under_test:
        before_us = under_test.cpu_us()
        subprocess.run([*program, str(under_test.port), str(jobs)], env=env, cwd=HERE, check=True, timeout=SECONDS)
        return (under_test.cpu_us() - before_us) / jobs


def programs(python: str, modules: str) -> dict[str, list[str]]:
    """The command line of each, which a port and a count follow; without those that are not installed."""
    found = {}
    if shutil.which("node") and Path(modules, "bullmq").is_dir():
        found["BullMQ"] = ["node", str(HERE / "bullmq_jobs.cjs")]
    for name in ("rq", "celery"):
        look = [python, "-c", f"import {name}"]
        if python and subprocess.run(look, capture_output=True, check=False).returncode == 0:
            found["RQ" if name == "rq" else "Celery"] = [python, str(HERE / f"{name}_program.py")]
    return found


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(prog="./dev python -m perf.jobs", description=__doc__.partition("\n")[0])
    parser.add_argument("--python", default="", help="an interpreter with rq and celery")
    parser.add_argument("--modules", default="node_modules", help="a folder with bullmq")
    parser.add_argument("--peer", default=shutil.which("redis-server") or "", help="command of the other server")
    parser.add_argument("--reps", type=int, default=3, help="runs of each, of which the median counts")
    parser.add_argument("--share", type=float, default=1.0, help="multiplies the numbers of jobs")
    options = parser.parse_args()
    env = {**os.environ, "NODE_PATH": os.path.abspath(options.modules)}
    servers = {"ours": shlex.join([sys.executable, str(ROOT / "remus_server.py")]), "peer": options.peer}
    print("| queue | jobs | microseconds a job, ours | peer | ours / peer |\n| --- | ---: | ---: | ---: | ---: |")
    for name, program in programs(options.python, options.modules).items():
        jobs = max(1, int(JOBS[name] * options.share))
        taken: dict[str, list[float]] = {"ours": [], "peer": []}
        for _ in range(options.reps):
            for side, server in servers.items():
                taken[side].append(cost(server, program, jobs, env))
        ours, peer = median(taken["ours"]), median(taken["peer"])
        ratio = median(a / b for a, b in zip(taken["ours"], taken["peer"]))
        print(f"| {name} | {jobs:,} | {ours:.0f} | {peer:.0f} | {ratio:.2f} |", flush=True)


if __name__ == "__main__":
    exit_on_sigterm()
    main()
