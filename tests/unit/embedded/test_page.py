"""docs/testing.md and the tutorials: what they show is run."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

import remus_server

ROOT = Path(__file__).resolve().parents[3]
PAGE = (ROOT / "docs/testing.md").read_text()
FILES = re.findall(r"^```python\n# (test_\w+\.py)\n(.*?)^```", PAGE, re.DOTALL | re.MULTILINE)


def test_its_examples_pass(tmp_path):
    pytest.importorskip("redis")
    pytest.importorskip("pytest_asyncio")
    (tmp_path / "pytest.ini").write_text(re.search(r"^```ini\n(.*?)^```", PAGE, re.DOTALL | re.MULTILINE).group(1))
    for name, text in FILES:
        (tmp_path / name).write_text(text)
    (tmp_path / "test_without_pytest.py").write_text(
        re.search(r"^```python\n(import remus_server\n.*?)^```", PAGE, re.DOTALL | re.MULTILINE).group(1))
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "-p", "remus_server", "-p",
               "pytest_asyncio.plugin", "-o", "asyncio_default_fixture_loop_scope=function"]
    done = subprocess.run(command, cwd=tmp_path, env={**os.environ, "PYTHONPATH": str(ROOT),
                                                      "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1"},
                          capture_output=True, text=True, timeout=120)
    functions = PAGE.count("def test_")
    assert f"{functions} passed" in done.stdout, done.stdout + done.stderr
    assert len(FILES) >= 5


@pytest.mark.parametrize("name", ["job-queue", "rate-limiter"])
def test_a_tutorial(tmp_path, name):
    pytest.importorskip("redis")
    page = (ROOT / f"docs/tutorial-{name}.md").read_text()
    for file, text in re.findall(r"^```python\n# (\w+\.py)\n(.*?)^```", page, re.DOTALL | re.MULTILINE):
        (tmp_path / file).write_text(text)
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "-p", "remus_server"]
    environment = {**os.environ, "PYTHONPATH": f"{ROOT}{os.pathsep}{tmp_path}", "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1"}
    done = subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, text=True, timeout=120)
    assert f"{page.count('def test_')} passed" in done.stdout, done.stdout + done.stderr


def test_it_tells_of_each_fixture_and_fault():
    plugin = (ROOT / "remus_embedded/pytest_plugin.py").read_text()
    fixtures = set(re.findall(r"^ *(?:async )?def (remus\w*)\(", plugin, re.MULTILINE))
    assert fixtures == set(re.findall(r"^\| `(remus\w*)` \|", PAGE, re.MULTILINE))
    control = (ROOT / "remus_embedded/control.py").read_text().partition("class Control")[0]
    faults = set(re.findall(r"^    def ([a-z]\w*)\(", control, re.MULTILINE))
    assert faults == set(re.findall(r"remus\.faults\.(\w+)\(", PAGE.partition("## Faults")[2].partition("```")[0]))


def test_the_scripting_tutorial(tmp_path, monkeypatch):
    pytest.importorskip("redis")
    tutorial = (ROOT / "docs/scripting.md").read_text().partition("## A first script")[2].partition("\n## ")[0]
    (source,) = re.findall(r"^```lua\n(.*?)^```", tutorial, re.DOTALL | re.MULTILINE)
    monkeypatch.chdir(tmp_path)
    Path("stock.lua").write_text(source)
    first, second = re.findall(r"^```python\n(.*?)^```", tutorial, re.DOTALL | re.MULTILINE)
    with remus_server.start() as server:
        names = {}
        exec(first.replace("6379", str(server.port)), names)
        client = names["client"]
        assert client.eval("return redis.call('INCRBY', KEYS[1], ARGV[1])", 1, "counter", 5) == 5
        assert client.function_load(source) == "stock"
        assert client.fcall("stock_sell", 1, "stock:chairs", 2) == 4
        assert client.fcall_ro("stock_left", 1, "stock:chairs") == 4
        exec(second, names)
        client.close()
