"""A run of pytest inside the run: with the fixtures and hooks of tests/conftest.py, on a file that a test writes."""

import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.support.guard import MARK
from tests.support.server import ROOT

Start = Callable[..., "subprocess.Popen[str]"]


@pytest.fixture
def run_of_tests(tmp_path: Path) -> Iterator[Start]:
    """`run_of_tests(text, *options)` starts it; its temporary folder is tmp_path/runs/run or of another name."""
    children: list[subprocess.Popen[str]] = []

    def start(text: str, *options: str, folder: str = "run") -> subprocess.Popen[str]:
        file = tmp_path / f"test_{folder}.py"
        file.write_text(text)
        (tmp_path / "runs").mkdir(exist_ok=True)
        child = subprocess.Popen(
            [sys.executable, "-m", "pytest", "-q", "-p", "tests.conftest", "-p", "no:cacheprovider", "-c",
             str(ROOT / "pyproject.toml"), "--rootdir", str(ROOT), f"--basetemp={tmp_path}/runs/{folder}", *options,
             str(file)],
            cwd=ROOT, text=True, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
            env={name: value for name, value in os.environ.items() if name != MARK},
        )  # fmt: skip
        children.append(child)
        return child

    yield start
    for child in children:
        child.kill()
        child.communicate()
