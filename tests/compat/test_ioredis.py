"""ioredis, the client of many Node programs. Skipped unless it is there:

    npm install --prefix /some/folder ioredis
    REMUS_IOREDIS=/some/folder ./dev test tests/compat/test_ioredis.py
"""

import os
import shutil
import subprocess
from pathlib import Path

import pytest

NODE = shutil.which("node")
FOLDER = os.environ.get("REMUS_IOREDIS", "")
pytestmark = [
    pytest.mark.skipif(NODE is None, reason="no node on PATH"),
    pytest.mark.skipif(not Path(FOLDER, "node_modules", "ioredis").is_dir(),
                       reason="REMUS_IOREDIS names no folder with node_modules/ioredis"),
]


@pytest.mark.parametrize("threads", [1, 4])
def test_ioredis(new_server, threads):
    server = new_server(io_threads=threads)
    done = subprocess.run([NODE or "", str(Path(__file__).with_name("ioredis.cjs")), str(server.port)],
                          env={**os.environ, "NODE_PATH": str(Path(FOLDER, "node_modules"))},
                          capture_output=True, text=True, timeout=60)
    assert (done.returncode, done.stdout, done.stderr) == (0, "ok\n", "")
