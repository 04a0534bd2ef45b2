"""docs/backup.md: its commands are run, in their order."""

import os
import shutil
import subprocess
from pathlib import Path

import pytest

from tests.support.pages import programs, script
from tests.support.server import ROOT, free_port


def test_every_command_of_the_page_works(tmp_path: Path) -> None:
    if shutil.which("redis-cli") is None:
        pytest.skip("no redis-cli")
    programs(tmp_path / "bin")
    for name in ("data", "backup"):
        (tmp_path / name).mkdir()
    ports = [str(free_port()), str(free_port())]
    text = script((ROOT / "docs/backup.md").read_text())
    for named, here in (("/var/lib/remus", tmp_path / "data"), ("/backup", tmp_path / "backup"), ("6379", ports[0]),
                        ("6380", ports[1])):
        text = text.replace(named, str(here))
    environment = {**os.environ, "PATH": f"{tmp_path / 'bin'}:{os.environ['PATH']}", "PYTHONPATH": str(ROOT)}
    try:
        done = subprocess.run(["sh", "-c", text], cwd=tmp_path, env=environment, capture_output=True, text=True,
                              timeout=120)
    finally:
        for port in ports:
            subprocess.run(["redis-cli", "-p", port, "SHUTDOWN", "NOSAVE"], capture_output=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    assert done.stdout.count("\nhello") == 3, done.stdout          # after each of the three ways back
    assert "RDB looks OK" in done.stdout and "All AOF files and manifest are valid" in done.stdout
    assert "Successfully truncated AOF" in done.stdout, done.stdout
    assert (tmp_path / "data/dump.rdb").read_bytes().startswith(b"REDIS0010")
