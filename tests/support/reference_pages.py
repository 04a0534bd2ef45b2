"""docs/directives.md and docs/metrics.md, made of the declarations: `./dev python -m tests.support.reference_pages`
writes them."""

import importlib
from collections.abc import Callable, Iterator
from pathlib import Path

from metrics.names import ALIASES, OURS
from server.config import table
from server.config.table import NOT_BUILT
from server.registry.directive import Directive, Flag
from server.registry.info import InfoField, in_order

DOCS = Path(__file__).parents[2] / "docs"
TYPES = {"Bool": "yes or no", "Number": "number", "Octal": "octal number", "Memory": "bytes",
         "MemoryOrPercent": "bytes or %"}
MADE = """Made of the declarations by `./dev python -m tests.support.reference_pages`; a test holds the two together."""


def _cell(text: str) -> str:
    return " ".join(text.split()).replace("|", "\\|")


# ---- directives
DIRECTIVES_HEAD = f"""# Directives

{MADE}

They are those of Redis 7.2, and `metrics-*`, `io-threads-always-active` and others of ours. In `redis.conf` each
stands with its comment; `CONFIG GET`, `SET` and `REWRITE` know all of them, and the command line takes them as
`--name value`. *Fixed* are those that only the file or the command line can set.
"""


def _kind(directive: Directive) -> str:
    choices = getattr(directive, "choices", None)
    if choices:
        return ", ".join(f"`{choice}`" for choice in choices)
    return TYPES.get(type(directive).__name__, "text")


def _directive_rows(directives: tuple[Directive, ...]) -> Iterator[str]:
    for directive in directives:
        if directive.flags & Flag.HIDDEN:
            continue
        default = "" if directive.name == "dir" else directive.format(directive.default)     # where it was started
        told = [directive.summary.rstrip(".")]
        if directive.aliases:
            told.append(f"also called {', '.join(f'`{alias}`' for alias in directive.aliases)}")
        if directive.part in NOT_BUILT:
            told.append(f"**not built** ({NOT_BUILT[directive.part]})")
        fixed = "fixed" if directive.flags & Flag.IMMUTABLE else ""
        shown = f"`{default}`" if default.strip() else ""
        cells = (f"`{directive.name}`", _cell(_kind(directive)), _cell(shown), fixed, _cell("; ".join(told)))
        yield f"| {' | '.join(cells)} |"


def directives() -> str:
    """The page."""
    text = [DIRECTIVES_HEAD]
    for room in table.ROOMS:
        title = (room.__doc__ or "").splitlines()[0].removeprefix("Directives about ").split(":")[0].split(".")[0]
        text.append(f"## {title[0].upper()}{title[1:]}\n\n| Directive | Takes | Default | | What it does |\n")
        text[-1] += "|---|---|---|---|---|\n" + "\n".join(_directive_rows(room.DIRECTIVES)) + "\n"
    return "\n".join(text)


# ---- metrics
METRICS_HEAD = f"""# Metrics

{MADE}

A server with `metrics-port` serves `/metrics` for Prometheus ([monitoring](monitoring.md)). Names are those of
redis_exporter where it has one, and `remus_...` otherwise; each mirrors a field of INFO. Those that carry labels (by
command, database, lane, replica, group of keys) say what they are in their HELP line.
"""


def _names(field: InfoField[object]) -> list[str]:
    if field.metric:
        return [f"redis_{name}" for name in (field.metric, *ALIASES.get(field.metric, ()))]
    return [f"remus_{OURS[field.name]}"] if field.name in OURS else []


def metrics() -> str:
    """The page."""
    importlib.import_module("server.server")
    text = [METRICS_HEAD]
    for section in in_order():
        rows = [
            f"| `{name}` | {'counter' if one.what.counter else 'gauge'} | `{one.what.name}` |"
            for one in section.declared if isinstance(one.what, InfoField) for name in _names(one.what)
        ]
        if rows:
            text.append(f"## {section.title}\n\n| Metric | Type | Field of INFO {section.name} |\n|---|---|---|\n")
            text[-1] += "\n".join(rows) + "\n"
    return "\n".join(text)


PAGES: dict[str, Callable[[], str]] = {"directives.md": directives, "metrics.md": metrics}


if __name__ == "__main__":
    for page, render in PAGES.items():
        (DOCS / page).write_text(render())
