"""A hook of mkdocs: pages that stand beside docs/ are on the site, too, and links lead to them there."""

import re
from pathlib import Path
from typing import Any

from mkdocs.structure.files import File, Files

ROOT = Path(__file__).parents[1]
BESIDE = {"README.md": "index.md", "CHANGELOG.md": "CHANGELOG.md", "CONTRIBUTING.md": "CONTRIBUTING.md",
          "CODE_OF_CONDUCT.md": "CODE_OF_CONDUCT.md", "SECURITY.md": "SECURITY.md"}  # fmt: skip


def on_files(files: Files, config: Any) -> Files:
    """Add them."""
    for name, page in BESIDE.items():
        text = re.sub(r"\]\(docs/", "](", (ROOT / name).read_text())
        files.append(File.generated(config, page, content=re.sub(r"\]\(README\.md", "](index.md", text)))
    return files


def on_page_markdown(markdown: str, **_: Any) -> str:
    """A page of docs/ names them as its neighbours above."""
    for name, page in BESIDE.items():
        markdown = markdown.replace(f"](../{name}", f"]({page}")
    return markdown
