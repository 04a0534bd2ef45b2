"""The pictures of a tuning sweep: small drawings, one for each pipeline depth, as SVG whose colours are the page's.

matplotlib draws (the extra `plots`); `pictures` raises ImportError without it. It knows no CSS, so it is given colours
that stand for those of the page's style sheet, and they are replaced: the page is light or dark as its reader's system.
"""

import io
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

from perf.tables import number
from perf.tune_advice import is_crowded, quiet
from perf.tune_point import LIMITS, Point, limit

# What is drawn in -> the variable of the style sheet.
INK, FAINT, GRID = "#334155", "#475569", "#e2e8f0"
MAIN, LANES, GENERATOR, PROCESSORS = "#0b1e33", "#38bdf8", "#cbd5e1", "#f59e0b"
LINES = ("#0284c7", "#ea580c", "#7c3aed", "#16a34a", "#be123c", "#a16207", "#0f766e", "#64748b")
VARIABLES = {
    INK: "--ink", FAINT: "--faint", GRID: "--line", MAIN: "--main", LANES: "--io", GENERATOR: "--load",
    PROCESSORS: "--all", **{color: f"--line-{n}" for n, color in enumerate(LINES)},
}  # fmt: skip
SIZE = (3.7, 2.75)  # inches of one drawing


class Picture(NamedTuple):
    """Drawings that belong together. key: what each colour means, (label, variable of the style sheet)."""

    title: str
    note: str
    key: list[tuple[str, str]]
    drawings: list[str]


def pictures(points: Sequence[Point], processors: int) -> list[Picture]:
    """All that can be drawn of these; `processors` of the server's machine."""
    import matplotlib

    matplotlib.use("svg")
    with matplotlib.rc_context({"svg.fonttype": "none", "font.family": "sans-serif", "font.size": 9}):
        drawn = [rate_picture(points, processors), latency_picture(points)]
        if any(point.main_cpu for point in points):
            drawn.append(cost_picture(points))
        if any(point.busy for point in points):
            drawn.append(full_picture(points))
    return drawn


def rate_picture(points: Sequence[Point], processors: int) -> Picture:
    """The rates that the answer is based on."""
    title, note = "Requests per second", "Higher is better."
    if is_crowded(points):
        title = "Requests per second that a quiet machine would allow"
        note = "Reckoned from processor times, as others kept the machine busy; the table has the measured rates, too."
        points = quiet(points, processors)
    return Picture(title, note, lines_key(points), each_depth(points, rates))


def latency_picture(points: Sequence[Point]) -> Picture:
    """p99."""
    note = "The latency that one request in a hundred exceeds. Lower is better; the axis is logarithmic."
    return Picture("p99, milliseconds", note, lines_key(points), each_depth(points, latencies))


def cost_picture(points: Sequence[Point]) -> Picture:
    """Processor time."""
    note = (
        "What the main thread, the I/O threads and the load generator need for one request. The main thread's part is "
        "the end of what more threads can bring."
    )
    key = [(label, VARIABLES[color]) for label, color, _ in PARTS]
    return Picture("Processor time per request, microseconds", note, key, each_depth(points, costs))


def full_picture(points: Sequence[Point]) -> Picture:
    """Who held the rate back."""
    met = [LIMITS[who] for who in LIMITS if who in {limit(point) for point in points}]
    note = "The share of its time that each was on a processor; below each number of threads, who held the rate back. "
    note += "Here " + "; ".join(met) + "."
    key = [(label, VARIABLES[color]) for label, color, _ in SHARES]
    return Picture("Who was full", note, key, each_depth(points, shares))


# ---- one drawing
def each_depth(points: Sequence[Point], draw: Callable[[Any, Sequence[Point]], None]) -> list[str]:
    """The drawing of each pipeline depth."""
    from matplotlib.figure import Figure

    drawings = []
    for depth in sorted({point.pipeline for point in points}):
        figure = Figure(figsize=SIZE, layout="constrained")
        ax = figure.subplots()
        ax.set_title(f"pipeline {depth}", fontsize=10, loc="left", color=INK)
        ax.patch.set_visible(False)
        ax.spines[["top", "right"]].set_visible(False)
        ax.spines[["left", "bottom"]].set_color(FAINT)
        ax.tick_params(colors=FAINT, length=3)
        ax.grid(axis="y", color=GRID)
        ax.set_axisbelow(True)
        draw(ax, [point for point in points if point.pipeline == depth])
        drawings.append(svg_of(figure))
    return drawings


def svg_of(figure: Any) -> str:
    """The drawing as an <svg> element in the colours of the page."""
    out = io.StringIO()
    figure.savefig(out, format="svg", transparent=True, metadata={"Date": None, "Creator": None})
    text = out.getvalue()
    for color, variable in VARIABLES.items():
        text = text.replace(color, f"var({variable})")
    return text[text.index("<svg") :]


def lines_key(points: Sequence[Point]) -> list[tuple[str, str]]:
    """A colour for each number of threads."""
    numbers = sorted({point.threads for point in points})
    return [(f"io-threads {threads}", VARIABLES[color]) for threads, color in zip(numbers, LINES * len(numbers))]


def lines(ax: Any, points: Sequence[Point], what: str) -> None:
    """Over the number of clients, one for each number of threads."""
    numbers = sorted({point.threads for point in points})
    for threads, color in zip(numbers, LINES * len(numbers)):
        line = sorted((point.clients, getattr(point, what)) for point in points if point.threads == threads)
        ax.plot(*zip(*line), marker="o", markersize=4, color=color, linewidth=1.8)
    clients = sorted({point.clients for point in points})
    ax.set_xscale("log")
    ax.set_xticks(clients, [str(count) for count in clients])
    ax.minorticks_off()
    ax.set_xlabel("clients", color=FAINT)


def rates(ax: Any, points: Sequence[Point]) -> None:
    lines(ax, points, "rate")
    ax.set_ylim(0, 1.08 * max(point.rate for point in points))
    ax.yaxis.set_major_formatter(lambda value, _: thousands(value))


def latencies(ax: Any, points: Sequence[Point]) -> None:
    from matplotlib.ticker import LogLocator, NullLocator

    lines(ax, points, "p99")
    ax.set_yscale("log")
    ax.set_ylim(*around([point.p99 for point in points]))
    ax.yaxis.set_major_locator(LogLocator(subs=(1, 2, 5)))
    ax.yaxis.set_minor_locator(NullLocator())
    ax.yaxis.set_major_formatter(lambda value, _: number(value))


PARTS = (
    ("main thread", MAIN, "main_cpu"),
    ("I/O threads", LANES, "lane_cpu"),
    ("load generator", GENERATOR, "generator_cpu"),
)


def costs(ax: Any, points: Sequence[Point]) -> None:
    """Stacked bars, one for each number of threads."""
    chosen = middle(points)
    names = [str(point.threads) for point in chosen]
    floor = [0.0] * len(chosen)
    for _, color, attribute in PARTS:
        heights = [getattr(point, attribute) for point in chosen]
        ax.bar(names, heights, bottom=floor, color=color, width=0.6)
        floor = [a + b for a, b in zip(floor, heights)]
    ax.set_xlabel(f"io-threads ({chosen[0].clients} clients)", color=FAINT)


SHARES = (
    ("main thread", MAIN, "main_share"),
    ("I/O threads, in the mean", LANES, "lane_share"),
    ("load generator", GENERATOR, "generator_share"),
    ("all processors", PROCESSORS, "used"),
)


def shares(ax: Any, points: Sequence[Point]) -> None:
    """Bars of how full each was, one group for each number of threads."""
    chosen = middle(points)
    width = 0.8 / len(SHARES)
    for index, (_, color, attribute) in enumerate(SHARES):
        places = [place + (index - (len(SHARES) - 1) / 2) * width for place in range(len(chosen))]
        ax.bar(places, [100 * getattr(point, attribute) for point in chosen], width, color=color)
    ax.set_xticks(range(len(chosen)), [f"{point.threads}\n{limit(point)}" for point in chosen], fontsize=8)
    ax.set_ylim(0, 105)
    ax.yaxis.set_major_formatter(lambda value, _: f"{value:.0f} %")
    ax.set_xlabel(f"io-threads ({chosen[0].clients} clients), and the limit", color=FAINT)


def middle(points: Sequence[Point]) -> list[Point]:
    """Those with the middle number of clients, by threads."""
    clients = sorted({point.clients for point in points})
    chosen = clients[len(clients) // 2]
    return sorted((point for point in points if point.clients == chosen), key=lambda point: point.threads)


# ---- axes
def around(values: Sequence[float]) -> tuple[float, float]:
    """The steps 1, 2, 5, 10... below and above all values: a logarithmic axis between them has two ticks at least."""
    least, most = max(min(values), 1e-6), max([*values, 1e-6])
    steps = [digit * 10.0**power for power in range(-7, 8) for digit in (1, 2, 5)]
    return max(step for step in steps if step < least), min(step for step in steps if step > most)


def thousands(value: float) -> str:
    """1500000 as 1.5 M, 80000 as 80 k."""
    if value >= 1e6:
        return f"{value / 1e6:g} M"
    return f"{value / 1e3:g} k" if value else "0"
