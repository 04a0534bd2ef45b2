"""Who may import whom: the order of the rooms, over .py, .pyx and .pxd alike (import-linter sees .py only).

From the top down, never up. Imports for type checkers only (`if TYPE_CHECKING:`) do not count: nothing runs them.
"""

import ast
import re
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import NamedTuple

import pytest

ROOT = Path(__file__).resolve().parents[2]
PACKAGES = ("server", "iothreads", "scripting", "metrics")
ORDER = (  # top to bottom; rooms on one line do not know each other
    ("server.__main__",),
    ("server.server", "server.sentinel_mode"),
    ("server.wiring",),
    ("server.about",),
    ("server.config_changes",),
    ("server.front", "server.whole"),
    ("server.process",),
    ("server.kernel",),
    ("scripting", "metrics", "server.sentinel"),
    ("server.commands",),
    ("server.dispatch",),
    ("server.cluster",),
    ("server.replication",),
    ("server.persistence",),
    ("server.clients",),
    ("server.acl",),
    ("server.keyspace",),
    ("server.types",),
    ("server.structures",),
    ("server.observe",),
    ("server.config",),
    ("server.registry",),
    ("iothreads",),
    ("server.loader",),
    ("server.native", "server.version"),
)
LEVEL = {room: level for level, rooms in enumerate(ORDER) for room in rooms}
# The hand-off has one user; the server makes it and hands it over.
HANDOFF_USERS = {"server.dispatch.loop", "server.server", "server.sentinel_mode"}

CYTHON_FROM = re.compile(r"^[ \t]*from[ \t]+([\w.]+)[ \t]+c?import[ \t]+(\([^)]*\)|(?:[^\\\n#]|\\\n)+)", re.MULTILINE)
CYTHON_IMPORT = re.compile(r"^[ \t]*c?import[ \t]+([^#\n]+)", re.MULTILINE)


class Edge(NamedTuple):
    importer: str  # dotted module
    imported: str  # dotted module or name in one
    where: str  # path, for the message


def module_of(path: Path) -> str:
    parts = path.relative_to(ROOT).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


def source_files() -> Iterator[Path]:
    for package in PACKAGES:
        for path in sorted((ROOT / package).rglob("*")):
            if path.suffix in (".py", ".pyx", ".pxd", ".pyi") and path.is_file():
                yield path


def without_strings(text: str) -> str:
    """The text without triple-quoted strings, whose words are no imports."""
    return re.sub(r'"""(?:[^\\]|\\.)*?"""', '""', text, flags=re.DOTALL)


def imports_of_cython(text: str) -> Iterator[str]:
    """What a .pyx or .pxd imports or cimports, as dotted names."""
    text = without_strings(text)
    for match in CYTHON_FROM.finditer(text):
        for name in re.sub(r"[()\\]|#[^\n]*", " ", match[2]).replace("\n", " ").split(","):
            if name.strip():
                yield f"{match[1]}.{name.split()[0]}"
    for match in CYTHON_IMPORT.finditer(text):
        for name in match[1].split(","):
            if name.strip():
                yield name.split()[0]


def imports_of_python(text: str) -> Iterator[str]:
    """What a .py imports, anywhere but under `if TYPE_CHECKING:`, as dotted names."""
    waiting: list[ast.AST] = [ast.parse(text)]
    while waiting:
        node = waiting.pop()
        if isinstance(node, ast.If) and "TYPE_CHECKING" in ast.unparse(node.test):
            waiting.extend(node.orelse)
            continue
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, "relative imports hide the room"
            yield from (f"{node.module}.{alias.name}" for alias in node.names)
        waiting.extend(ast.iter_child_nodes(node))


@cache
def edges() -> tuple[Edge, ...]:
    """All imports of ours by ours."""
    found = []
    for path in source_files():
        if path.suffix == ".pyi":
            continue
        text = path.read_text()
        names = imports_of_python(text) if path.suffix == ".py" else imports_of_cython(text)
        importer = module_of(path)
        found += [
            Edge(importer, name, str(path.relative_to(ROOT))) for name in names if name.split(".")[0] in PACKAGES
        ]
    return tuple(found)


def room_of(name: str) -> str:
    """`server.types.hash.Hash` -> `server.types`; `iothreads.ring` -> `iothreads`."""
    parts = name.split(".")
    return ".".join(parts[:2]) if parts[0] == "server" and len(parts) > 1 else parts[0]


def test_every_module_is_in_a_room_of_the_order():
    rooms = {room_of(module_of(path)) for path in source_files()} - {"server"}
    assert not rooms - set(LEVEL)


def test_the_order():
    wrong = []
    for edge in edges():
        importer, imported = room_of(edge.importer), room_of(edge.imported)
        if importer == imported or imported == "server":
            continue
        if LEVEL.get(importer, -1) >= LEVEL.get(imported, 99):
            wrong.append(f"{edge.where}: {importer} may not import {edge.imported}")
    assert not wrong, "\n".join(wrong)


def test_command_files_are_strangers():
    wrong = [
        f"{edge.where} imports {edge.imported}"
        for edge in edges()
        if room_of(edge.importer) == "server.commands" == room_of(edge.imported)
        and not (edge.imported + ".").startswith(edge.importer + ".")  # a .pyx and its own .pxd
    ]
    assert not wrong, "\n".join(wrong)


def test_only_the_loop_uses_the_handoff():
    wrong = [
        f"{edge.where} imports {edge.imported}"
        for edge in edges()
        if (edge.imported + ".").startswith("iothreads.handoff.")
        and room_of(edge.importer) != "iothreads"
        and edge.importer not in HANDOFF_USERS
    ]
    assert not wrong, "\n".join(wrong)


def test_io_threads_never_take_the_gil():
    wrong = []
    for path in source_files():
        if path.is_relative_to(ROOT / "iothreads") and path.suffix in (".pyx", ".pxd"):
            code = re.sub(r"#[^\n]*", "", without_strings(path.read_text()))
            wrong += [f"{path.relative_to(ROOT)}: {m[0]}" for m in re.finditer(r"\bwith gil\b", code)]
    assert not wrong, "\n".join(wrong)


def test_door_plates_hold_no_code():
    wrong = []
    for path in source_files():
        if path.name == "__init__.py":
            body = ast.parse(path.read_text()).body
            if any(not (isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant)) for node in body):
                wrong.append(str(path.relative_to(ROOT)))
    assert not wrong


def test_native_modules_include_no_source():
    wrong = [
        str(path.relative_to(ROOT))
        for path in source_files()
        if path.suffix in (".pyx", ".pxd") and re.search(r"^include\s+[\"']", path.read_text(), re.MULTILINE)
    ]
    assert not wrong


def test_native_modules_that_python_calls_have_their_types_beside_them():
    called = {edge.imported for edge in edges() if edge.where.endswith(".py")}
    called |= {name.rpartition(".")[0] for name in called}
    missing = [
        str(path.relative_to(ROOT))
        for path in source_files()
        if path.suffix == ".pyx" and module_of(path) in called and not path.with_suffix(".pyi").exists()
    ]
    assert not missing


@pytest.mark.parametrize(
    ("text", "names"),
    [
        ("from iothreads.ring cimport Ring, put as p\n", ["iothreads.ring.Ring", "iothreads.ring.put"]),
        ("from server.types cimport (\n    a,  # one\n    b,\n)\n", ["server.types.a", "server.types.b"]),
        ("cimport server.keyspace.database as d, cython\n", ["server.keyspace.database", "cython"]),
        ("def f():\n    import server.clients\n    from server import types\n", ["server.types", "server.clients"]),
        ('"""\nimport server.doc\n"""\nfrom server.a import \\\n    b\n', ["server.a.b"]),
    ],
)
def test_the_reader_of_cython_imports(text, names):
    assert list(imports_of_cython(text)) == names
