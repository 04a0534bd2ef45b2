"""Parts take parts: below dispatch nobody knows the whole server, and nobody takes one without a type."""

import re
from pathlib import Path

import pytest

from tests.architecture.test_imports import LEVEL, ROOT, module_of, room_of, source_files

FILES = [path for path in source_files() if path.suffix in (".py", ".pyi")]


def name_of(path: Path) -> str:
    return str(path.relative_to(ROOT))


def takes_anything(text: str) -> bool:
    return re.search(r"\bserver: Any\b", text) is not None


def knows_the_server(text: str) -> bool:
    return takes_anything(text) or re.search(r"^\s*(?:from|import) server\.server\b", text, re.MULTILINE) is not None


def test_nobody_takes_a_server_without_a_type() -> None:
    assert not [name_of(path) for path in FILES if takes_anything(path.read_text())]


def test_below_dispatch_nobody_knows_the_server() -> None:
    below = [path for path in FILES if LEVEL.get(room_of(module_of(path)), 0) > LEVEL["server.dispatch"]]
    assert len(below) > 100
    assert not [name_of(path) for path in below if knows_the_server(path.read_text())]


def test_no_room_plants_attributes_in_the_server() -> None:
    planted = [
        f"{name_of(path)}: {match[0]}"
        for path in FILES
        for match in re.finditer(r"^def wire\(", path.read_text(), re.MULTILINE)
        if name_of(path) != "server/wiring.py"
    ]
    assert not planted


@pytest.mark.parametrize(
    ("text", "knows"),
    [
        ("def f(server: Any) -> None: ...", True),
        ("if TYPE_CHECKING:\n    from server.server import Server\n", True),
        ("from server.server_mode import x\n", False),
        ("def f(config: Config) -> None: ...", False),
    ],
)
def test_the_reader(text: str, knows: bool) -> None:
    assert knows_the_server(text) == knows
