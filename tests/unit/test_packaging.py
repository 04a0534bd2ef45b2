"""How the distribution is built, on a small tree with the real setup.py and setup.cfg; and what the clone holds."""

import ast
import configparser
import os
import re
import shutil
import subprocess
import sys
import tarfile
import tomllib
import zipfile
from pathlib import Path

import pytest

from server.version import VERSION

ROOT = Path(__file__).resolve().parents[2]
BUILD_FILES = {
    "setup.py", "setup.cfg", "pyproject.toml", "MANIFEST.in", "LICENSE", "README.md", "dev", "remus_server.py",
    "redis.conf", "server/version.py", "server/loader.py", "server/native.pyx", "server/native.pyi",
}  # fmt: skip
ROOMS = ("server", "iothreads", "scripting", "metrics")

SMALL_TREE = {
    "server/__init__.py": '"""server"""\n',
    "server/__main__.py": "from server.depot import box\ndef main():\n    print('answer', box.answer())\n",
    "server/depot/__init__.py": '"""depot"""\n',
    "server/depot/box.pxd": "cdef inline int number() noexcept nogil:\n    return 41\n",
    "server/depot/box.pyi": "def answer() -> int: ...\n",
    "server/depot/box.pyx": "# cython: language_level=3\ndef answer():\n    return number()\n",
    "server/depot/user.pyx": "from server.depot.box cimport number\ndef twice():\n    return 2 * number()\n",
    "server/depot/box_probe.pyx": "def probe():\n    return 3\n",
    "perf/__init__.py": '"""perf"""\n',
    "perf/micro/__init__.py": '"""micro"""\n',
    "perf/micro/loops.pyx": "def loops():\n    return 4\n",
    "iothreads/__init__.py": '"""iothreads"""\n',
    "iothreads/lane.pyx": "def lane():\n    return 1\n",
}


def run(*command: object, cwd: Path, fails: bool = False, **env: str) -> str:
    env = {name: value for name, value in os.environ.items() if name != "REMUS_PORTABLE"} | env
    done = subprocess.run(
        [str(part) for part in command], cwd=cwd, env=env, capture_output=True, text=True, timeout=300
    )
    assert (done.returncode != 0) == fails, done.stdout + done.stderr
    return done.stdout + done.stderr


def python(code: str, cwd: Path) -> str:
    return run(sys.executable, "-c", code, cwd=cwd).strip()


def build(tree: Path, fails: bool = False, **env: str) -> str:
    return run(sys.executable, "setup.py", "-q", "build_ext", "--inplace", cwd=tree, fails=fails, **env)


def plant(tree: Path, *without: str) -> Path:
    """The real build files around a small tree."""
    pytest.importorskip("Cython")
    pytest.importorskip("setuptools")
    (tree / "server").mkdir()
    for name in BUILD_FILES:
        shutil.copy(ROOT / name, tree / name)
    for name in SMALL_TREE.keys() - set(without):
        (tree / name).parent.mkdir(parents=True, exist_ok=True)
        (tree / name).write_text(SMALL_TREE[name])
    return tree


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A small tree, built in place once for this file."""
    tree = plant(tmp_path_factory.mktemp("tree"))
    build(tree)
    return tree


def modules(tree: Path) -> dict[str, int]:
    return {path.name.split(".")[0]: path.stat().st_mtime_ns for room in ROOMS for path in (tree / room).rglob("*.so")}


def test_every_pyx_becomes_a_module_beside_it(built):
    assert set(modules(built)) == {"box", "box_probe", "user", "lane", "native"}
    assert python("import server.depot.user as u; print(u.twice())", built) == "82"


def test_nothing_changed_nothing_built(built):
    before = modules(built)
    assert "native modules" not in build(built)
    assert modules(built) == before


def loaded(tree: Path, code: str) -> str:
    """What a process prints that takes its modules as a server does."""
    return python(f"from server import loader; loader.install({str(tree)!r}); {code}", tree)


def test_modules_come_out_of_one_shared_object_and_one_file(built):
    code = "import server.depot.user as u, server.__main__ as m; print(u.twice(), u.__file__, type(m.__loader__))"
    answer, file, loader = loaded(built, code).split(maxsplit=2)
    assert answer == "82" and Path(file).name.startswith("native.") and "loader.Loader" in loader
    assert loaded(built, "import server.__main__ as m; print(m.main.__code__.co_filename)").startswith(str(built))


@pytest.mark.parametrize("part", [0, 0.1, 0.9])
def test_a_file_that_was_cut_short_is_passed_over(built, part):
    (file,) = (built / "server").glob("modules.*.bin")
    whole = file.read_bytes()
    file.write_bytes(whole[:max(int(len(whole) * part), 30 if part else 0)])
    try:
        assert loaded(built, "import server.depot as d; print(type(d.__loader__).__name__)") == "SourceFileLoader"
        build(built)                    # and is made anew
        assert loaded(built, "import server.depot as d; print(type(d.__loader__).__name__)") == "Loader"
    finally:
        file.write_bytes(whole)


def test_a_source_that_was_changed_is_taken_itself(built):
    source = built / "server/depot/__init__.py"
    before = source.read_text()
    source.write_text(before + "CHANGED = 1\n")
    try:
        assert loaded(built, "import server.depot; print(server.depot.CHANGED)") == "1"
        build(built)
        code = "import server.depot as d; print(d.CHANGED, type(d.__loader__).__name__, d.__path__)"
        assert loaded(built, code) == f"1 Loader ['{built}/server/depot']"
    finally:
        source.write_text(before)


def test_a_process_keeps_what_there_was_when_it_started(built):
    """Also after a build, of what it loads later."""
    build(built)
    source = built / "server/depot/__init__.py"
    before = source.read_text()
    new = before + "CHANGED = 1\n"
    code = (f"import subprocess; open({str(source)!r}, 'w').write({new!r}); "
            "subprocess.run([sys.executable, 'setup.py', '-q', 'build_ext', '--inplace'], check=True); "
            "import server.depot as d; print(hasattr(d, 'CHANGED'), type(d.__loader__).__name__)")
    try:
        assert loaded(built, f"import sys; {code}") == "False Loader"
        assert loaded(built, "import server.depot as d; print(d.CHANGED, type(d.__loader__).__name__)") == "1 Loader"
    finally:
        source.write_text(before)


DOCUMENTED = '''"""Of a module."""
from typing import NamedTuple
class Box(NamedTuple):
    """Of a class."""
    size: int
def plain(a: nowhere, *rest: nowhere) -> nowhere:
    """Of a function."""
@staticmethod
def decorated() -> None:
    """Of a command."""
'''


def test_the_code_is_without_docstrings_and_annotations_but_for_what_is_told(built):
    module = built / "server/depot/documented.py"
    module.write_text(DOCUMENTED)
    try:
        build(built)
        code = ("import server.depot.documented as d; print([d.__doc__, d.plain.__doc__, "
                "d.plain.__annotations__, d.plain(1), d.Box(1).size, d.decorated.__doc__])")
        assert loaded(built, code) == "[None, None, {}, None, 1, 'Of a command.']"
    finally:
        module.unlink()


def test_a_changed_pxd_rebuilds_those_that_cimport_it(built):
    before = modules(built)
    sheet = built / "server/depot/box.pxd"
    sheet.write_text(sheet.read_text().replace("41", "40"))
    output = build(built)
    assert "native modules: 0 of 2, less than a minute left\n" in output  # those that are stale are counted
    assert "native modules: 2 of 2\n" in output
    assert python("import server.depot.user as u; print(u.twice())", built) == "80"
    assert loaded(built, "import server.depot.user as u; print(u.twice())") == "80"
    assert modules(built)["lane"] == before["lane"]


def test_other_directives_rebuild_all(built):
    setup = built / "setup.py"
    setup.write_text(setup.read_text().replace('"auto_pickle": False', '"auto_pickle": None'))
    assert "native modules: 5 of 5\n" in build(built)


def test_what_does_not_compile_leaves_no_old_modules_together(built):
    twice = "import server.depot.user as u; print(u.twice())"
    before = loaded(built, twice)
    broken = built / "server/depot/broken.pyx"
    broken.write_text("def f(:\n")
    try:
        build(built, fails=True)
        assert "native" not in modules(built)
        assert loaded(built, twice) == before
    finally:
        broken.unlink()
    build(built)
    assert "native" in modules(built)


@pytest.mark.parametrize(
    ("name", "bad"),
    [("does_not_cythonize", "def f(:\n"), ("does_not_compile", 'cdef extern from "no_such_file.h":\n    int x\n')],
)
def test_keep_going_builds_the_others(built, name, bad):
    broken = built / f"server/depot/{name}.pyx"
    lane = built / "iothreads/lane.pyx"
    broken.write_text(bad)
    lane.write_text(lane.read_text() + f"def {name}():\n    return 2\n")
    try:
        assert name in build(built, fails=True)
        output = build(built, fails=True, REMUS_BUILD_KEEP_GOING="1")
        assert f"not built: server.depot.{name}" in output
    finally:
        broken.unlink()
    assert python(f"from iothreads.lane import {name} as f; print(f())", built) == "2"


@pytest.mark.parametrize(["asked", "linux"], [("", sys.platform == "linux"), ("1", False)])
def test_a_portable_build_takes_nothing_of_linux(tmp_path, asked, linux):
    tree = plant(tmp_path, "server/depot/user.pyx", "server/depot/box.pyx")
    text = "#ifdef REMUS_LINUX\n#define WAY 1\n#else\n#define WAY 0\n#endif\n"
    asks = f'cdef extern from *:\n    """\n    {text}    """\n    int WAY\ndef way():\n    return WAY\n'
    (tree / "iothreads/lane.pyx").write_text(asks)
    build(tree, REMUS_PORTABLE=asked)
    assert python("import iothreads.lane as lane; print(lane.way())", tree) == str(int(linux))


def test_sanitized_code_stays_out_of_the_tree(tmp_path):
    tree = plant(tmp_path, "server/depot/user.pyx", "server/depot/box.pyx")
    assert "setup.py build" in build(tree, fails=True, REMUS_SANITIZE="address,undefined")
    run(sys.executable, "setup.py", "-q", "build", cwd=tree, REMUS_SANITIZE="undefined")
    library = tree / "build/sanitize-undefined/lib"
    assert (library / "server/depot/__init__.py").exists()
    assert list((library / "iothreads").glob("lane.*.so"))
    assert modules(tree) == {}


def test_sdist_and_the_wheel_made_from_it(tmp_path):
    (tmp_path / "tree").mkdir()
    left_out = {"server/depot/user.pyx", "iothreads/lane.pyx"}
    tree = plant(tmp_path / "tree", *left_out)
    page = {"REMUS_REPOSITORY": "https://forge.example/remus/blob/v1"}
    run(sys.executable, "setup.py", "-q", "sdist", "-d", tmp_path, cwd=tree, **page)
    sdist = tmp_path / f"remus_server-{VERSION}.tar.gz"
    with tarfile.open(sdist) as archive:
        held = {name.partition("/")[2] for name in archive.getnames()}
    assert SMALL_TREE.keys() - left_out | BUILD_FILES <= held
    assert not [name for name in held if name.endswith((".so", ".c"))]

    pip = [sys.executable, "-m", "pip", "-q", "--disable-pip-version-check"]
    run(*pip, "wheel", "--no-build-isolation", "--no-deps", "-w", tmp_path, sdist, cwd=tmp_path, **page)
    (wheel,) = tmp_path.glob(f"remus_server-{VERSION}-*.whl")
    with zipfile.ZipFile(wheel) as archive:
        names = archive.namelist()
        about = archive.read(f"remus_server-{VERSION}.dist-info/METADATA").decode()
    assert "](https://forge.example/remus/blob/v1/docs/testing.md)" in about and "](docs/" not in about
    home = "remus_server_home"
    assert {"remus_server.py", f"{home}/server/depot/__init__.py"} <= set(names)
    assert not [name for name in names if name.endswith((".pyx", ".pxd", ".pyi", ".c"))]
    assert not [name for name in names if "_probe" in name or "/micro/" in name]
    assert [name.split(".")[0] for name in names if name.endswith(".so")] == [f"{home}/server/native"]
    assert f"{home}/server/modules.{sys.implementation.cache_tag}.bin" in names

    # A user's own `server` package, on PYTHONPATH too, is not in the way of the console script's module.
    site, other = tmp_path / "site", tmp_path / "other"
    run(*pip, "install", "--no-deps", "--target", site, wheel, cwd=tmp_path)
    (other / "server").mkdir(parents=True)
    (other / "server/__init__.py").write_text("raise SystemExit('the wrong server')\n")
    code = "import sys; sys.path.append(sys.argv[1]); import remus_server; remus_server.main()"
    for path in ("", "."):
        assert "answer 4" in run(sys.executable, "-S", "-c", code, site, cwd=other, PYTHONPATH=path)


# ---- the clone itself


def declared_dependencies() -> tuple[list[str], dict[str, list[str]]]:
    """Those of the product, and those of each extra, in setup.cfg's order."""
    setup = configparser.ConfigParser()
    setup.read(ROOT / "setup.cfg")

    def names(text: str) -> list[str]:
        return [re.split("[<>=!~;]", line)[0].strip() for line in text.splitlines() if line.strip()]

    extras = {name: names(text) for name, text in setup["options.extras_require"].items()}
    return names(setup["options"].get("install_requires", "")), extras


def third_party_imports(*folders: str) -> set[str]:
    """Top-level names that the .py and .pyx files import from outside the clone and the standard library. Those of
    tests/compat that end in _program are other people's programs, with an environment of their own."""
    found = set()
    for path in (path for folder in folders for path in (ROOT / folder).rglob("*.py")):
        if path.stem.endswith("_program"):
            continue
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Import):
                found |= {alias.name.split(".")[0] for alias in node.names}
            elif isinstance(node, ast.ImportFrom) and node.level == 0:
                found.add(str(node.module).split(".")[0])
    for path in (path for folder in folders for path in (ROOT / folder).rglob("*.pyx")):
        found |= set(re.findall(r"^\s*(?:import|from) (\w+)[\w.]*(?: import .*)?$", path.read_text(), re.MULTILINE))
    return found - set(sys.stdlib_module_names) - {*ROOMS, "remus_server", "remus_embedded", "tests", "perf"}


def test_each_dependency_is_explained_in_the_readme_in_order():
    runtime, extras = declared_dependencies()
    section = (ROOT / "README.md").read_text().partition("## Dependencies")[2].partition("\n## ")[0]
    explained = re.findall(r"^\| `([\w-]+)` \|", section, re.MULTILINE)
    assert explained == [*runtime, *(name for extra in extras.values() for name in extra)]


def test_the_product_imports_what_it_declares_and_nothing_else():
    assert {name.replace("-", "_") for name in declared_dependencies()[0]} == third_party_imports(*ROOMS)


def test_the_tests_import_what_is_declared():
    runtime, extras = declared_dependencies()
    declared = {name.replace("-", "_") for name in [*runtime, *extras["test"]]}
    assert third_party_imports("tests") - declared <= {"setuptools", "Cython"}


def test_the_map_shows_the_rooms_that_exist():
    section = (ROOT / "docs/map.md").read_text().partition("## The map")[2].partition("\n## ")[0]
    shown = set(re.findall(r"^\| `([\w/]+)` \|", section, re.MULTILINE))
    packages = [path.parent for room in ROOMS for path in (ROOT / room).glob("**/__init__.py")]
    rooms = {path.relative_to(ROOT).as_posix() for path in packages if path.name != "server"}
    top = {folder for folder in ("perf", "tests") if (ROOT / folder).is_dir()}
    assert shown == {room for room in rooms if room.count("/") == 1 or room in ROOMS} | top


def test_dev_lists_its_commands():
    listed = run("sh", ROOT / "dev", cwd=ROOT)
    for command in ("run", "test", "check", "bench", "build", "sanitize"):
        assert f"./dev {command}" in listed
    assert "unknown: dance" in run("sh", ROOT / "dev", "dance", cwd=ROOT, fails=True)


def test_version_line_is_what_tools_expect():
    line = run(sys.executable, "-m", "server", "--version", cwd=ROOT)
    assert re.fullmatch(r"Redis server v=7\.2\.\d+ sha=\w+:\d malloc=\S+ bits=(64|32) build=\S+\n", line)
    assert run(sys.executable, ROOT / "remus_server.py", "--version", cwd=Path("/")) == line


def test_ci_runs_each_python_that_is_promised():
    setup = configparser.ConfigParser()
    setup.read(ROOT / "setup.cfg")
    promised = re.findall(r"Python :: (3\.\d+)$", setup["metadata"]["classifiers"], re.MULTILINE)
    workflow = (ROOT / ".github/workflows/ci.yml").read_text()
    (matrix,) = re.findall(r"^ +python: \[(.*)\]$", workflow, re.MULTILINE)
    assert re.findall(r"[\d.]+", matrix) == promised
    assert setup["options"]["python_requires"] == f">={promised[0]}"
    assert os.access(ROOT / re.findall(r"^ +- run: (\S+)$", workflow, re.MULTILINE)[0], os.X_OK)


def test_wheels_are_made_for_each_python_that_is_promised():
    setup = configparser.ConfigParser()
    setup.read(ROOT / "setup.cfg")
    promised = re.findall(r"Python :: 3\.(\d+)$", setup["metadata"]["classifiers"], re.MULTILINE)
    wheels = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["cibuildwheel"]
    assert wheels["build"].split() == [f"cp3{minor}-*" for minor in promised]
    for path in re.findall(r"\{project\}/(\S+)", wheels["test-command"]):
        assert (ROOT / path).exists()


def test_the_version_stands_in_one_place():
    setup = configparser.ConfigParser()
    setup.read(ROOT / "setup.cfg")
    assert setup["metadata"]["version"] == "attr: server.version.VERSION"
    assert f"\n## {VERSION}\n" in (ROOT / "CHANGELOG.md").read_text()
    assert f"\nversion: {VERSION}\n" in (ROOT / "CITATION.cff").read_text()
