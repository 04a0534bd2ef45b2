"""ioredis and node-redis through sentinels of ours: they go on writing. Skipped unless they are there:

    npm install --prefix /some/folder ioredis redis
    REMUS_IOREDIS=/some/folder ./dev test tests/compat/test_sentinel_clients.py

(redis-py does so in every run: tests/sentinel/test_mixed.py.)
"""

import os
import shutil
import subprocess
from pathlib import Path

import pytest

from tests.support.pace import wait_until
from tests.support.sentinels import NAME, OurSentinel, Watch
from tests.support.server import Server

NODE = shutil.which("node")
FOLDER = Path(os.environ.get("REMUS_IOREDIS", ""), "node_modules")
pytestmark = pytest.mark.skipif(NODE is None, reason="no node on PATH")


@pytest.mark.timeout(180)
@pytest.mark.parametrize("client", ["ioredis", "redis"])
def test_it_goes_on_writing(tmp_path: Path, client: str) -> None:
    if not os.environ.get("REMUS_IOREDIS") or not (FOLDER / client).is_dir():
        pytest.skip(f"REMUS_IOREDIS names no folder with node_modules/{client}")
    with Watch(tmp_path / "watch", [OurSentinel] * 3, [Server] * 2) as watch:
        watch.ready()
        told = tmp_path / "told"
        with open(told, "w") as out:
            program = subprocess.Popen(
                [NODE or "", str(Path(__file__).with_name("sentinels.cjs")), client, NAME,
                 *(str(one.port) for one in watch.sentinels)],
                env={**os.environ, "NODE_PATH": str(FOLDER)}, stdout=out, stderr=subprocess.STDOUT)

        def answered() -> int:
            lines = told.read_text().split("\n")[:-1]
            return int(lines[-1]) if lines else 0

        def goes_on() -> None:
            before = answered()
            wait_until(lambda: answered() > before + 10, f"writes that go on after {before}", 30)

        try:
            goes_on()
            first = watch.master
            first.kill()
            second = watch.moved(first.port)
            goes_on()
            first.start()
            watch.follow(second)
            assert watch.sentinels[0].ask("SENTINEL", "FAILOVER", NAME) == "OK"
            watch.moved(second.port)
            goes_on()
        finally:
            program.kill()
            program.wait()
