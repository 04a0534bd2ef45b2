"""ioredis and node-redis, the clients of many Node programs, over TCP and over TLS. Skipped unless they are there:

    npm install --prefix /some/folder ioredis redis
    REMUS_IOREDIS=/some/folder ./dev test tests/compat/test_ioredis.py
"""

import os
import shutil
import subprocess
from pathlib import Path

import pytest

from tests.support.certificates import Authority
from tests.support.pace import patience
from tests.support.secure import secure_server

NODE = shutil.which("node")
FOLDER = os.environ.get("REMUS_IOREDIS", "")
pytestmark = pytest.mark.skipif(NODE is None, reason="no node on PATH")
PROGRAMS = pytest.mark.parametrize(("script", "package"), [("ioredis.cjs", "ioredis"), ("node_redis.cjs", "redis")])


def run(script, package, port, *files):
    if not Path(FOLDER, "node_modules", package).is_dir():
        pytest.skip(f"REMUS_IOREDIS names no folder with node_modules/{package}")
    done = subprocess.run([NODE or "", str(Path(__file__).with_name(script)), str(port), *map(str, files)],
                          env={**os.environ, "NODE_PATH": str(Path(FOLDER, "node_modules"))},
                          capture_output=True, text=True, timeout=patience(60))
    assert (done.returncode, done.stdout, done.stderr) == (0, "ok\n", "")


@PROGRAMS
@pytest.mark.parametrize("threads", [1, 4])
def test_over_tcp(new_server, script, package, threads):
    run(script, package, new_server(io_threads=threads).port)


@PROGRAMS
@pytest.mark.parametrize("threads", [1, 4])
def test_over_tls(tmp_path, script, package, threads):
    authority = Authority(tmp_path / "authority")
    server, port = secure_server(tmp_path / "server", authority, io_threads=threads)
    with server:
        run(script, package, port, authority.file, *authority.issue("client"))
