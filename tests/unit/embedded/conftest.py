"""Other people's test suites, run by a pytest of their own with our plugin."""

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[3]


@pytest.fixture
def their_tests(tmp_path: Path) -> Callable[..., str]:
    """`their_tests(text_of_a_test_file, *options, ini="...")`: what that run prints."""
    pytest.importorskip("redis")

    def run(text: str, *options: str, ini: str = "", status: int = 0) -> str:
        (tmp_path / "test_theirs.py").write_text(text)
        (tmp_path / "pytest.ini").write_text(f"[pytest]\n{ini}\n")
        done = subprocess.run(
            [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "-p", "remus_server", *options, "."],
            cwd=tmp_path, env={**os.environ, "PYTHONPATH": str(ROOT), "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1"},
            capture_output=True, text=True, timeout=120,
        )
        assert done.returncode == status, done.stdout + done.stderr
        return done.stdout + done.stderr

    return run
