"""The page of a tuning sweep: the answer, then pictures, then the table; one file without anything to load.

matplotlib draws (the extra `plots`); without it the page has the answer and the table.
"""

import io
from collections.abc import Sequence
from html import escape
from typing import Any

from perf.tables import Rows, number
from perf.tune_advice import Advice, is_crowded, quiet
from perf.tune_point import LIMITS, Point, limit

COLORS = ("#334155", "#0284c7", "#ea580c", "#7c3aed", "#16a34a", "#be123c", "#a16207", "#0f766e")
MAIN, LANES, GENERATOR = "#334155", "#38bdf8", "#cbd5e1"
STYLE = """
:root { color-scheme: light; }
body { font: 16px/1.5 system-ui, sans-serif; color: #0f172a; background: #f8fafc; margin: 0; }
main { max-width: 1080px; margin: 0 auto; padding: 32px 24px 64px; }
h1 { font-size: 22px; margin: 0 0 4px; } h2 { font-size: 18px; margin: 40px 0 4px; }
p.what, p.note { color: #64748b; margin: 0 0 16px; font-size: 14px; }
.answer { background: #fff; border: 1px solid #e2e8f0; border-left: 6px solid #0284c7; border-radius: 8px;
          padding: 20px 24px; margin: 20px 0; }
.answer strong { font-size: 28px; line-height: 1.3; display: block; }
.answer ul { margin: 12px 0 0; padding-left: 20px; } .answer li { margin: 4px 0; }
.warning { color: #9a3412; background: #fff7ed; border-radius: 8px; padding: 10px 16px; margin: 8px 0;
           font-size: 14px; }
figure { background: #fff; border: 1px solid #e2e8f0; border-radius: 8px; margin: 12px 0; padding: 12px; }
figure svg { width: 100%; height: auto; display: block; }
.scroll { overflow-x: auto; } table { border-collapse: collapse; font-size: 14px; background: #fff; width: 100%; }
th, td { text-align: right; padding: 5px 10px; border-bottom: 1px solid #e2e8f0; white-space: nowrap;
         font-variant-numeric: tabular-nums; }
th { color: #64748b; font-weight: 600; }
tr.group td { border-top: 2px solid #94a3b8; } tr.best td { background: #f0f9ff; }
td:last-child, th:last-child { text-align: left; }
"""


def page(title: str, points: Sequence[Point], rows: Rows, advice: Advice, processors: int) -> str:
    """The whole page; `processors` of the server's machine."""
    parts = [answer(advice), *pictures(points, processors), "<h2>All figures</h2>", table(points, rows, advice)]
    return (
        '<!doctype html>\n<html lang="en"><head><meta charset="utf-8"><title>io-threads</title>'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        f"<style>{STYLE}</style></head><body><main><h1>How many io-threads?</h1>"
        f'<p class="what">{escape(title)}</p>{"".join(parts)}</main></body></html>\n'
    )


def answer(advice: Advice) -> str:
    """The recommendation in large letters, the reasons below it."""
    elsewhere = ""
    if advice.alone is not None and advice.alone != advice.threads:
        elsewhere = f"<br>io-threads {advice.alone} when the load comes from other machines"
    reasons = "".join(f"<li>{escape(reason)}</li>" for reason in advice.reasons)
    warned = "".join(f'<p class="warning">{escape(warning)}</p>' for warning in advice.warnings)
    head = f"<strong>io-threads {advice.threads}{elsewhere}</strong>"
    return f'<div class="answer">{head}<ul>{reasons}</ul></div>{warned}'


def table(points: Sequence[Point], rows: Rows, advice: Advice) -> str:
    """The figures; a line above each workload, the recommended number of threads shaded."""
    head = "".join(f"<th>{escape(cell)}</th>" for cell in rows[0])
    body, place = [], None
    for point, row in zip(points, rows[1:]):
        group = (point.pipeline, point.clients)
        kind = f"{'group ' * (group != place)}{'best' * (point.threads == advice.threads)}".strip()
        cells = "".join(f"<td>{escape(cell)}</td>" for cell in row)
        body.append(f'<tr class="{kind}">{cells}</tr>')
        place = group
    return f'<div class="scroll"><table><thead><tr>{head}</tr></thead><tbody>{"".join(body)}</tbody></table></div>'


# ---- pictures
def pictures(points: Sequence[Point], processors: int) -> list[str]:
    """Headings, a sentence of how to read each, and the drawings."""
    try:
        import matplotlib
    except ImportError:
        return ['<p class="note">No pictures: matplotlib is missing (pip install matplotlib).</p>']
    matplotlib.use("svg")
    with matplotlib.rc_context({"svg.fonttype": "none", "font.family": "sans-serif", "font.size": 11}):
        drawn = [
            rate_picture(points, processors),
            ("p99 latency, ms", "Lower is better; the axis is logarithmic.", rates(points, "p99")),
        ]
        if any(point.main_cpu for point in points):
            drawn.append(
                ("Processor time per request, µs", "What the main thread, the I/O threads and the load generator need "
                 "for a request. The main thread's part is the end of what more threads can bring.", costs(points))
            )  # fmt: skip
        if any(point.busy for point in points):
            drawn.append(
                ("Who was full", "The share of its time that each was on a processor. The fullest one holds the rate "
                 "back: " + "; ".join(f"{who} {why}" for who, why in LIMITS.items()) + ".", shares(points))
            )  # fmt: skip
    return [f'<h2>{name}</h2><p class="note">{escape(note)}</p><figure>{svg}</figure>' for name, note, svg in drawn]


def rate_picture(points: Sequence[Point], processors: int) -> tuple[str, str, str]:
    """Heading, note and drawing of the rates that the answer is based on."""
    if is_crowded(points):
        note = "Reckoned from processor times, as others kept the machine busy; the table has the measured rates, too."
        return "Requests per second that a quiet machine would allow", note, rates(quiet(points, processors), "rate")
    return "Requests per second", "Higher is better. One panel for each pipeline depth.", rates(points, "rate")


def panels(points: Sequence[Point], height: float) -> tuple[Any, dict[int, Any]]:
    """A figure with one set of axes for each pipeline depth."""
    from matplotlib.figure import Figure as Drawing

    depths = sorted({point.pipeline for point in points})
    drawing = Drawing(figsize=(11, height), layout="constrained")
    axes = drawing.subplots(1, len(depths), squeeze=False)[0]
    for depth, ax in zip(depths, axes):
        ax.set_title(f"pipeline {depth}", fontsize=12, loc="left", color="#334155")
        ax.spines[["top", "right"]].set_visible(False)
        ax.spines[["left", "bottom"]].set_color("#94a3b8")
        ax.tick_params(colors="#475569", length=3)
        ax.grid(axis="y", color="#e2e8f0")
        ax.set_axisbelow(True)
    return drawing, dict(zip(depths, axes))


def legend(drawing: Any, axes: dict[int, Any]) -> None:
    """One for all panels, above them."""
    handles, labels = next(iter(axes.values())).get_legend_handles_labels()
    drawing.legend(handles, labels, loc="outside upper left", ncols=len(labels), frameon=False, fontsize=10)


def svg_of(drawing: Any) -> str:
    """The drawing as an <svg> element."""
    out = io.StringIO()
    drawing.savefig(out, format="svg", metadata={"Date": None, "Creator": None})
    text = out.getvalue()
    return text[text.index("<svg") :]


def around(values: Sequence[float]) -> tuple[float, float]:
    """The steps 1, 2, 5, 10... below and above all values: a logarithmic axis between them has two ticks at least."""
    least, most = max(min(values), 1e-6), max([*values, 1e-6])
    steps = [digit * 10.0**power for power in range(-7, 8) for digit in (1, 2, 5)]
    return max(step for step in steps if step < least), min(step for step in steps if step > most)


def rates(points: Sequence[Point], what: str) -> str:
    """Lines over the number of clients, one for each number of threads."""
    from matplotlib.ticker import LogLocator, NullLocator

    drawing, axes = panels(points, 3.6)
    numbers = sorted({point.threads for point in points})
    for depth, ax in axes.items():
        for threads, color in zip(numbers, COLORS * len(numbers)):
            on_line = [point for point in points if (point.pipeline, point.threads) == (depth, threads)]
            of_line = sorted((point.clients, getattr(point, what)) for point in on_line)
            ax.plot(*zip(*of_line), marker="o", color=color, label=f"io-threads {threads}", linewidth=2)
        clients = sorted({point.clients for point in points})
        ax.set_xscale("log")
        ax.set_xticks(clients, [str(count) for count in clients])
        ax.minorticks_off()
        ax.set_xlabel("clients", color="#475569")
        if what == "rate":
            ax.set_ylim(0, 1.08 * max(point.rate for point in points if point.pipeline == depth))
            ax.yaxis.set_major_formatter(lambda value, _: thousands(value))
        else:
            ax.set_yscale("log")
            ax.set_ylim(*around([getattr(point, what) for point in points if point.pipeline == depth]))
            ax.yaxis.set_major_locator(LogLocator(subs=(1, 2, 5)))
            ax.yaxis.set_minor_locator(NullLocator())
            ax.yaxis.set_major_formatter(lambda value, _: number(value))
    legend(drawing, axes)
    return svg_of(drawing)


def thousands(value: float) -> str:
    """1500000 as 1.5 M, 80000 as 80 k."""
    if value >= 1e6:
        return f"{value / 1e6:g} M"
    return f"{value / 1e3:g} k" if value else "0"


def middle(points: Sequence[Point], depth: int) -> list[Point]:
    """The points of a depth with the middle number of clients, by threads."""
    clients = sorted({point.clients for point in points})
    chosen = clients[len(clients) // 2]
    return sorted((p for p in points if (p.pipeline, p.clients) == (depth, chosen)), key=lambda p: p.threads)


def costs(points: Sequence[Point]) -> str:
    """Stacked bars of processor time, one for each number of threads."""
    drawing, axes = panels(points, 3.4)
    for depth, ax in axes.items():
        chosen = middle(points, depth)
        names = [str(point.threads) for point in chosen]
        floor = [0.0] * len(chosen)
        for label, color, attribute in (
            ("main thread", MAIN, "main_cpu"),
            ("I/O threads", LANES, "lane_cpu"),
            ("load generator", GENERATOR, "generator_cpu"),
        ):
            heights = [getattr(point, attribute) for point in chosen]
            ax.bar(names, heights, bottom=floor, color=color, label=label, width=0.6)
            floor = [a + b for a, b in zip(floor, heights)]
        ax.set_xlabel(f"io-threads ({chosen[0].clients} clients)", color="#475569")
    legend(drawing, axes)
    return svg_of(drawing)


def shares(points: Sequence[Point]) -> str:
    """Bars of how full each thread was, one group for each number of threads."""
    drawing, axes = panels(points, 3.4)
    kinds = (
        ("main thread", MAIN, "main_share"),
        ("I/O threads", LANES, "lane_share"),
        ("load generator", GENERATOR, "generator_share"),
        ("all processors", "#f59e0b", "used"),
    )
    width = 0.8 / len(kinds)
    for depth, ax in axes.items():
        chosen = middle(points, depth)
        for index, (label, color, attribute) in enumerate(kinds):
            places = [place + (index - (len(kinds) - 1) / 2) * width for place in range(len(chosen))]
            ax.bar(places, [100 * getattr(point, attribute) for point in chosen], width, color=color, label=label)
        ax.set_xticks(range(len(chosen)), [f"{point.threads}\n{limit(point)}" for point in chosen], fontsize=9)
        ax.set_ylim(0, 105)
        ax.set_xlabel(f"io-threads ({chosen[0].clients} clients), and the limit", color="#475569")
    legend(drawing, axes)
    return svg_of(drawing)
