"""The distribution of the ratios as SVG: a row for each group, a dot for each form, a bar at the median.

The scale is logarithmic: half as dear and twice as dear lie as far from 1. Colours serve on light and on dark pages.
"""

import math
from collections.abc import Iterable
from xml.sax.saxutils import escape

from perf.forms.verdict import Group

LEFT, WIDTH, ROW, TOP, BOTTOM, RADIUS = 170, 640, 22, 30, 34, 3.2  # pixels
LOWEST, HIGHEST = 0.1, 10.0
TICKS = (0.1, 0.2, 0.5, 1, 2, 5, 10)
STYLE = """
text { font: 12px sans-serif; fill: #64748b } .right { text-anchor: end } .middle { text-anchor: middle }
line { stroke: #94a3b8; stroke-width: 0.5 } .one { stroke-width: 1.5 }
.cheap { fill: #0284c7; fill-opacity: 0.45 } .dear { fill: #ea580c; fill-opacity: 0.6 }
.median { stroke: #16a34a; stroke-width: 2.5 }
"""


def place(ratio: float) -> float:
    """Pixels from the left; what lies off the scale stands at its edge."""
    share = math.log(min(max(ratio, LOWEST), HIGHEST) / LOWEST) / math.log(HIGHEST / LOWEST)
    return round(LEFT + share * WIDTH, 1)


def svg(found: Iterable[Group], title: str) -> str:
    """A document of its own."""
    rows = list(found)
    bottom = TOP + ROW * len(rows)
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {LEFT + WIDTH + 20} {bottom + BOTTOM}" role="img">',
        f"<title>{escape(title)}</title><style>{STYLE}</style>",
        f'<text x="{LEFT}" y="16">{escape(title)}</text>',
    ]
    for tick in TICKS:
        x, kind = place(tick), ' class="one"' if tick == 1 else ""
        parts.append(f'<line{kind} x1="{x}" x2="{x}" y1="{TOP - 4}" y2="{bottom}"/>')
        parts.append(f'<text class="middle" x="{x}" y="{bottom + 16}">{tick:g}</text>')
    for number, group in enumerate(rows):
        parts += row(group, TOP + ROW * number + ROW / 2)
    parts.append(f'<text class="right" x="{LEFT - 10}" y="{bottom + 16}">ours / peer</text></svg>')
    return "\n".join(parts) + "\n"


def row(group: Group, y: float) -> list[str]:
    """Its name, dots and median."""
    median = place(group.median)
    dots = [
        f'<circle class="{"cheap" if ratio <= 1 else "dear"}" cx="{place(ratio)}" cy="{y}" r="{RADIUS}"/>'
        for ratio in group.ratios
    ]
    return [
        f'<text class="right" x="{LEFT - 10}" y="{y + 4}">{escape(group.name)}</text>',
        *dots,
        f'<line class="median" x1="{median}" x2="{median}" y1="{y - 8}" y2="{y + 8}"/>',
    ]
