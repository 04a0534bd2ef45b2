"""CONTRIBUTING.md: its recipes are followed, on a copy of the tree, and what they make works."""

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.support.resp import Connection
from tests.support.server import free_port, wait_until

ROOT = Path(__file__).parents[2]
ROOMS = ("server", "iothreads", "scripting", "metrics", "perf")
BLOCKS = re.findall(r"```(?:python|cython)\n# (\S+?)(?:, (in \w+|at the end))?\n(.*?)```",
                    (ROOT / "CONTRIBUTING.md").read_text(), re.DOTALL)


def linked_tree(to: Path) -> None:
    """The rooms as links to the real files, in folders of their own."""
    for room in ROOMS:
        for folder, _, names in os.walk(ROOT / room):
            here = to / Path(folder).relative_to(ROOT)
            if "__pycache__" in here.parts:
                continue
            here.mkdir()
            for name in names:
                (here / name).symlink_to(Path(folder) / name)
    (to / "remus_server.py").symlink_to(ROOT / "remus_server.py")


def follow(tree: Path) -> None:
    for path, where, text in BLOCKS:
        file = tree / path
        if not where:
            file.write_text(text)
            continue
        old = file.read_text()
        file.unlink()
        if where == "at the end":
            file.write_text(old + text)
        else:
            mark = f"{where.split()[1]} = (\n"
            assert mark in old
            file.write_text(old.replace(mark, mark + text))


def build(tree: Path) -> None:
    script = ("from setuptools import Extension, setup\nfrom Cython.Build import cythonize\n"
              "setup(name='x', packages=[], ext_modules=cythonize([Extension('server.commands.greeting_fast',"
              " ['server/commands/greeting_fast.pyx'])], quiet=True))\n")
    done = subprocess.run([sys.executable, "-c", script, "-q", "build_ext", "--inplace"], cwd=tree, capture_output=True,
                          text=True, env={**os.environ, "CFLAGS": "-O1"})
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.fixture(scope="module")
def port(tmp_path_factory):
    tree = tmp_path_factory.mktemp("tree")
    linked_tree(tree)
    follow(tree)
    build(tree)
    port = free_port()
    code = "import sys; sys.path.insert(0, '.'); import server.__main__ as m; sys.exit(m.main())"
    server = subprocess.Popen([sys.executable, "-c", code, "--port", str(port), "--save", "", "--enable-debug-command",
                               "yes"], cwd=tree, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)

    def up():
        assert server.poll() is None, server.stdout.read()
        try:
            Connection(port).close()
        except OSError:
            return False
        return True

    try:
        wait_until(up, seconds=30)
        yield port
    finally:
        server.kill()
        server.wait()
        shutil.rmtree(tree)


def test_all_recipes_were_read():
    assert [path for path, _, _ in BLOCKS] == ["server/commands/greeting.py", "server/commands/greeting_fast.pyx",
                                               "server/config/observability.py", "server/observe/info.py"]


@pytest.mark.parametrize("fast", ["yes", "no"])
def test_the_command_and_its_fast_path(port, fast):
    with Connection(port) as c:
        c.ok("DEBUG", "FAST-PATHS", fast)
        c.ok("CONFIG", "RESETSTAT")
        assert c("GREETLEN", "k") == 0
        assert c("GREET", "k", "wolf") == 11
        assert c("GREETLEN", "k") == 11
        assert c("GET", "k") == b"hello, wolf"
        assert c("DEL", "k") == 1
        passed = int(re.search(rb"fast_path_commands:(\d+)", c("INFO", "debug")).group(1))
        assert passed == (4 if fast == "yes" else 0)


def test_the_directive_and_the_metric(port):
    with Connection(port) as c:
        assert c("CONFIG", "GET", "greeting-max-len") == [b"greeting-max-len", b"100"]
        assert b"greetings:0\r\n" in c("INFO", "stats")
