"""What a server that starts does without: modules that cost time or memory, and that it may never need."""

import subprocess
import sys

from tests.architecture.test_imports import ROOT

WITHOUT = {
    "asyncio", "calendar", "ctypes", "dataclasses", "datetime", "email", "hashlib", "http", "inspect", "ipaddress",
    "json", "logging", "metrics.endpoint", "pathlib", "platform", "prometheus_client", "psutil", "pytest", "random",
    "redis", "remus_embedded", "secrets", "shutil", "ssl", "subprocess", "tempfile", "tokenize", "traceback",
    "urllib.parse", "locale", "queue", "threading", "typing", "re", "enum", "socket", "selectors", "signal",
    "server.dispatch.clustering", "server.cluster.view", "server.dispatch.debug", "server.keyspace.info",
    "server.replication.info",
}  # fmt: skip
CODE = """
import sys
import remus_server
remus_server._come_home()
from server.config.config import Config
from server.server import Server
server = Server(Config.from_argv(["x", "--port", "0", "--save", "", "--maxmemory", "10mb"]))
assert server.process.prepare()
print(*sys.modules)
"""


def test_it_loads_none_of_them() -> None:
    # Without `site`, which loads what it likes; lupa has to be found all the same.
    paths = [str(ROOT), *(path for path in sys.path if path.endswith("site-packages"))]
    code = f"import sys; sys.path += {paths!r}\n{CODE}"
    done = subprocess.run([sys.executable, "-S", "-c", code], capture_output=True, text=True, timeout=60, check=True)
    assert WITHOUT & set(done.stdout.split()) == set()
