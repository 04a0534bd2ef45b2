"""The installed distribution, in an environment of its own, beside a project whose folders have the names of our rooms.

The wheel holds the modules as they are built in place. What it depends on is linked from this environment.
"""

import os
import subprocess
import sys
import sysconfig
import venv
import zipfile
from pathlib import Path

import pytest

from tests.support.server import free_port

ROOT = Path(__file__).resolve().parents[2]
ROOMS = ("server", "iothreads", "scripting", "metrics", "perf")
PIP = (sys.executable, "-m", "pip", "-q", "--disable-pip-version-check")


def run(*command: object, cwd: Path, **env: str) -> str:
    without = {name: value for name, value in os.environ.items() if name not in ("PYTHONPATH", "VIRTUAL_ENV")}
    done = subprocess.run(
        [str(part) for part in command], cwd=cwd, env=without | env, capture_output=True, text=True, timeout=120
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout + done.stderr


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    pytest.importorskip("setuptools")
    folder = tmp_path_factory.mktemp("wheel")
    steps = ("egg_info", "-e", folder, "build", "-b", folder / "build", "bdist_wheel", "-b", folder / "b", "-d", folder)
    run(sys.executable, "setup.py", "-q", *steps, cwd=ROOT, REMUS_PREBUILT="1")
    (found,) = folder.glob("*.whl")
    return found


class Environment:
    """A fresh virtual environment that has everything but us; `install` and `uninstall` as a user does."""

    def __init__(self, folder: Path) -> None:
        venv.create(folder, with_pip=False, symlinks=True)
        self.bin = folder / "bin"
        self.python = self.bin / "python"
        version = f"python{sys.version_info.major}.{sys.version_info.minor}"
        self.site = folder / "lib" / version / "site-packages"
        others = folder / "others"
        others.mkdir()
        for path in {sysconfig.get_path(kind) for kind in ("purelib", "platlib")}:
            for entry in Path(path).iterdir():
                if "remus" not in entry.name and entry.suffix != ".pth" and not (others / entry.name).exists():
                    (others / entry.name).symlink_to(entry)
        (self.site / "others.pth").write_text(f"{others}\n")

    def install(self, wheel: Path) -> None:
        run(*PIP, "--python", self.python, "install", "--no-deps", "--no-index", wheel, cwd=wheel.parent)

    def uninstall(self) -> None:
        run(*PIP, "--python", self.python, "uninstall", "-y", "remus-server", cwd=self.bin)

    def files(self) -> set[str]:
        """What is in its site-packages and its scripts, folders too."""
        return {path.as_posix() for folder in (self.site, self.bin) for path in folder.rglob("*")}


@pytest.fixture(scope="module")
def environment(tmp_path_factory: pytest.TempPathFactory, wheel: Path) -> Environment:
    found = Environment(tmp_path_factory.mktemp("environment"))
    found.install(wheel)
    return found


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """A stranger's project, its folders named as ours."""
    for room in ROOMS:
        (tmp_path / room).mkdir()
        (tmp_path / room / "__init__.py").write_text("")
        (tmp_path / room / "app.py").write_text(f"NAME = 'their {room}'\n")
    checks = "\n".join(f"    import {room}.app\n    assert {room}.app.NAME == 'their {room}'" for room in ROOMS)
    (tmp_path / "test_theirs.py").write_text(
        f"def test_names():\n{checks}\n"
        "def test_server(remus, remus_server):\n    assert remus.incr('n') == 1\n    assert remus_server.port\n"
    )
    return tmp_path


def test_the_wheel_holds_names_of_ours_alone(wheel: Path) -> None:
    with zipfile.ZipFile(wheel) as archive:
        names = archive.namelist()
        top_level = next(name for name in names if name.endswith("/top_level.txt"))
        assert archive.read(top_level) == b"remus_server\nremus_embedded\n"
    assert {name.split("/")[0].partition("-")[0] for name in names} == {
        "remus_server.py", "remus_server_home", "remus_embedded", "remus_server",            # the last: .dist-info
    }  # fmt: skip
    assert "remus_embedded/py.typed" in names
    assert {name.split("/")[1] for name in names if name.startswith("remus_server_home/")} == {*ROOMS, "redis.conf"}
    shared = {name.split(".")[0] for name in names if name.endswith(".so")}
    assert "remus_server_home/server/native" in shared
    ours = {path.relative_to(ROOT).as_posix()[:-4] for room in ROOMS for path in (ROOT / room).rglob("*.pyx")}
    together = {name for name in ours if name.split("/")[0] in ("server", "iothreads", "scripting")}
    of_a_clone = {name for name in ours if name.startswith(("perf/micro/", "perf/forms/"))}
    assert shared == {f"remus_server_home/{name}" for name in ours - together - of_a_clone | {"server/native"}}


@pytest.mark.parametrize("path", ["", "."])
def test_their_tests_with_our_fixtures(environment: Environment, project: Path, path: str) -> None:
    pytest.importorskip("redis")
    command = (environment.python, "-m", "pytest", "-q", "-p", "no:cacheprovider")
    assert "2 passed" in run(*command, cwd=project, PYTHONPATH=path)


def test_no_room_can_be_imported_by_its_name(environment: Environment, tmp_path: Path) -> None:
    code = "import importlib.util as u, sys, remus_server; print([n for n in sys.argv[1:] if u.find_spec(n)])"
    assert run(environment.python, "-c", code, *ROOMS, cwd=tmp_path) == "[]\n"


@pytest.mark.parametrize("path", ["", "."])
def test_the_programs_beside_folders_of_those_names(environment: Environment, project: Path, path: str) -> None:
    def says(*command: object) -> str:
        return run(*command, cwd=project, PYTHONPATH=path)

    assert "Redis server v=7.2" in says(environment.bin / "remus-server", "--version")
    assert "Redis server v=7.2" in says(environment.python, "-m", "remus_server", "--version")
    quick = ("--seconds", "0.1", "--threads", "1", "--pipeline", "1", "--clients", "2", "--page", "")
    assert "io-threads" in says(environment.bin / "remus-tune", *quick)
    assert "--peer" in says(environment.bin / "remus-bench", "--help")
    program = (
        "import remus_server, subprocess, sys\n"
        "with remus_server.start(save='900 1') as remus:\n"
        "    load = [sys.argv[1], '-p', str(remus.port), '-n', '100', '-c', '1', '-t', 'set', '-q']\n"
        "    subprocess.run(load, check=True)\n"
        "    import socket\n"
        "    with socket.create_connection((remus.host, remus.port)) as c:\n"
        "        c.sendall(b'SAVE\\r\\n')\n"
        "        assert c.recv(100) == b'+OK\\r\\n'\n"
        "    subprocess.run([sys.argv[2], str(remus.folder / 'dump.rdb')], check=True)\n"
    )
    output = says(environment.python, "-c", program, environment.bin / "remus-benchmark",
                  environment.bin / "remus-check-rdb")
    assert "SET: " in output and "RDB looks OK" in output


def test_nothing_is_left_of_it(wheel: Path, tmp_path: Path) -> None:
    (tmp_path / "elsewhere").mkdir()
    environment = Environment(tmp_path / "environment")
    before = environment.files()
    environment.install(wheel)
    port = free_port()
    code = f"import remus_server\nwith remus_server.start({port}): pass"           # Python writes what it compiled
    run(environment.python, "-c", code, cwd=tmp_path / "elsewhere", PYTHONDONTWRITEBYTECODE="")
    assert any("__pycache__" in name and "remus_server_home" in name for name in environment.files())
    environment.uninstall()
    assert environment.files() - before == set()
