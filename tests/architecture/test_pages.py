"""docs/architecture.md: the walks name files and functions that are there; docs/commands.md: the commands that are."""

import re
from pathlib import Path

import pytest

from tests.support import command_page, reference_pages

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs/architecture.md").read_text()
STEPS = sorted(set(re.findall(r"((?:server|iothreads|scripting)/[\w/]+\.(?:pyx|pxd|py))(?::(\w+))?", PAGE)))


def test_there_are_walks() -> None:
    assert len(STEPS) > 25


@pytest.mark.parametrize(("path", "function"), STEPS)
def test_a_step_is_where_the_page_says(path: str, function: str) -> None:
    text = (ROOT / path).read_text()
    assert not function or re.search(rf"^\s*(?:async )?(?:def|cdef|cpdef)\b[^=\n]*\b{function}\(", text, re.MULTILINE)


def test_rooms_on_the_page_are_there() -> None:
    tree = PAGE.split("## 3. The rooms")[1].split("```")[1]
    rooms = re.findall(r"^  (\w+)/ ", tree, re.MULTILINE)
    assert len(rooms) >= 9
    for room in rooms:
        assert (ROOT / "server" / room / "__init__.py").is_file(), room


def test_the_table_of_commands_is_that_of_the_declarations() -> None:
    names = {command.name for command in command_page.declared()}
    assert command_page.NOTES.keys() <= names
    assert command_page.PAGE.read_text() == command_page.render(), "./dev python -m tests.support.command_page"


@pytest.mark.parametrize("page", reference_pages.PAGES)
def test_the_tables_of_directives_and_metrics_are_those_of_the_declarations(page: str) -> None:
    made = reference_pages.PAGES[page]()
    assert (reference_pages.DOCS / page).read_text() == made, "./dev python -m tests.support.reference_pages"


PAGES = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *sorted((ROOT / "docs").glob("*.md"))]


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_links_lead_somewhere(page: Path) -> None:
    for target, anchor in re.findall(r"\]\((?!https?:)([^)#]*)(?:#([^)]*))?\)", page.read_text()):
        found = (page.parent / target).resolve() if target else page
        assert found.exists(), target
        if anchor:
            titles = re.findall(r"^#+ (.*)$", found.read_text(), re.MULTILINE)
            assert anchor in {re.sub(r"[^\w -]", "", title.lower()).replace(" ", "-") for title in titles}, anchor


def test_the_site_has_what_pages_beside_docs_link_to() -> None:
    beside = set(re.findall(r'"(\w+\.md)": "\w+\.md"', (ROOT / "docs/site.py").read_text()))
    assert "README.md" in beside
    for page in beside:
        linked = re.findall(r"\]\((?!https?:|docs/)([^)#]+\.md)", (ROOT / page).read_text())
        assert set(linked) <= beside, page
