"""What figures of forms come to: a line for each, how many are how cheap, medians by group."""

import statistics
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from perf.forms.contest import Measured
from perf.results import Figure
from perf.tables import Rows, number

DOUBTFUL, USELESS = 0.15, 0.40  # spread of the pairs from which a figure is marked ~, and !
LIMITS = (0.5, 0.8, 1.0)
HEAD = f"{'ratio':>6}  {'ours us':>10} {'peer us':>10}  form (median of pairs; ~ spread above 15 %, ! above 40 %)"


@dataclass(frozen=True)
class Group:
    """The ratios of a group's cells, ascending."""

    name: str
    ratios: list[float]
    worst: str

    @property
    def median(self) -> float:
        return statistics.median(self.ratios)


def mark(spread: float) -> str:
    return "!" if spread > USELESS else "~" if spread > DOUBTFUL else " "


def line(measured: Measured) -> str:
    """One cell; replies of other lengths than the peer's are told, for then other work was measured."""
    figure, (ours, peer) = measured.figure, measured.reply_bytes
    text = f"{figure.ratio:6.2f}{mark(measured.spread)} {figure.ours:10.3f} {figure.peer:10.3f}  {figure.name}"
    if measured.remark:
        text += f"  [{measured.remark}]"
    if max(ours, peer) > 1.1 * min(ours, peer) + 8:
        text += f"  [replies of {ours:.0f} and {peer:.0f} bytes]"
    return text


def counts(ratios: Iterable[float]) -> str:
    """How many lie below what."""
    found = list(ratios)
    below = [f"{sum(ratio <= limit for ratio in found)} at most {limit:g}" for limit in LIMITS]
    above = [f"{sum(ratio > limit for ratio in found)} above {limit:g}" for limit in (1.0, 2.0, 3.0)]
    return f"{len(found)} forms, median {statistics.median(found):.2f}: {', '.join(below + above)}"


def groups(figures: Iterable[Figure], group_of: Mapping[str, str]) -> list[Group]:
    """In the order of the table. Figures of forms that it no longer has are left out."""
    found: dict[str, list[Figure]] = {}
    for figure in figures:
        if figure.name in group_of:
            found.setdefault(group_of[figure.name], []).append(figure)
    order = list(dict.fromkeys(group_of.values()))
    return [
        Group(name, sorted(figure.ratio for figure in found[name]), max(found[name], key=lambda f: f.ratio).name)
        for name in sorted(found, key=order.index)
    ]


def group_rows(found: Iterable[Group]) -> Rows:
    """A row for each group."""
    rows = [["group", "forms", "median", "at most 1.0", "highest", "of"]]
    for group in found:
        count, cheap = len(group.ratios), sum(ratio <= 1 for ratio in group.ratios)
        median, highest = f"{group.median:.2f}", f"{group.ratios[-1]:.2f}"
        rows.append([group.name, str(count), median, str(cheap), highest, group.worst])
    return rows


def dear_rows(figures: Iterable[Figure]) -> Rows:
    """What costs more than at the peer, the dearest first."""
    rows = [["form", "ratio", "ours us", "peer us"]]
    for figure in sorted(figures, key=lambda f: -f.ratio):
        if figure.ratio > 1:
            rows.append([figure.name, f"{figure.ratio:.2f}", number(figure.ours), number(figure.peer)])
    return rows
