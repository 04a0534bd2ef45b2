"""The page of a tuning sweep: the answer, then pictures, then the table; one file without anything to load.

Light or dark as its reader's system is, and readable on a phone. Without matplotlib it has the answer and the table.
"""

from collections.abc import Sequence
from html import escape

from perf.tables import Rows
from perf.tune_advice import Advice
from perf.tune_pictures import Picture, pictures
from perf.tune_point import Point

STYLE = """
:root { color-scheme: light dark; --ink: #0f172a; --faint: #55606f; --line: #dfe5ec; --strong: #94a3b8;
  --ground: #f6f8fa; --card: #fff; --accent: #0284c7; --best: #e8f4fd; --warn: #9a3412; --warn-ground: #fff3e2;
  --main: #334155; --io: #38bdf8; --load: #cbd5e1; --all: #f59e0b;
  --line-0: #0284c7; --line-1: #ea580c; --line-2: #7c3aed; --line-3: #16a34a;
  --line-4: #be123c; --line-5: #a16207; --line-6: #0f766e; --line-7: #64748b; }
@media (prefers-color-scheme: dark) { :root { --ink: #e6e9ec; --faint: #9aa4ae; --line: #30363d; --strong: #56606b;
  --ground: #111417; --card: #1a1e22; --accent: #38bdf8; --best: #10293a; --warn: #fdba74; --warn-ground: #33210d;
  --main: #cbd5e1; --io: #0ea5e9; --load: #4b5563; --all: #f59e0b;
  --line-0: #38bdf8; --line-1: #fb923c; --line-2: #a78bfa; --line-3: #4ade80;
  --line-4: #fb7185; --line-5: #facc15; --line-6: #2dd4bf; --line-7: #94a3b8; } }
* { box-sizing: border-box; }
body { font: 16px/1.5 system-ui, sans-serif; color: var(--ink); background: var(--ground); margin: 0; }
main { max-width: 1180px; margin: 0 auto; padding: 24px 16px 48px; }
h1 { font-size: 22px; margin: 0 0 4px; } h2 { font-size: 18px; margin: 36px 0 4px; }
p.what, p.note { color: var(--faint); margin: 0 0 12px; font-size: 14px; overflow-wrap: anywhere; }
.answer { background: var(--card); border: 1px solid var(--line); border-left: 6px solid var(--accent);
  border-radius: 8px; padding: 16px 20px; margin: 16px 0; }
.answer strong { font-size: 28px; line-height: 1.3; display: block; } .answer small { font-size: 18px; }
.answer ul { margin: 12px 0 0; padding-left: 20px; } .answer li { margin: 4px 0; }
.warning { color: var(--warn); background: var(--warn-ground); border-radius: 8px; padding: 10px 16px; margin: 8px 0;
  font-size: 14px; }
.key { display: flex; flex-wrap: wrap; gap: 0 18px; font-size: 14px; margin: 0 0 8px; }
.key i { display: inline-block; width: 11px; height: 11px; border-radius: 2px; margin-right: 6px; }
figure { display: grid; gap: 12px; margin: 0; grid-template-columns: repeat(auto-fit, minmax(min(100%, 290px), 1fr)); }
figure div { background: var(--card); border: 1px solid var(--line); border-radius: 8px; padding: 10px; }
figure svg { width: 100%; height: auto; max-width: 560px; display: block; margin: 0 auto; }
.scroll { overflow-x: auto; border: 1px solid var(--line); border-radius: 8px; }
table { border-collapse: collapse; font-size: 13px; background: var(--card); width: 100%; }
th, td { text-align: right; padding: 5px 8px; border-bottom: 1px solid var(--line); white-space: nowrap;
  font-variant-numeric: tabular-nums; }
th { color: var(--faint); font-weight: 600; }
tr.group td { border-top: 2px solid var(--strong); } tr.best td { background: var(--best); }
td:last-child, th:last-child { text-align: left; }
"""


def page(title: str, points: Sequence[Point], rows: Rows, advice: Advice, processors: int) -> str:
    """The whole page; `processors` of the server's machine."""
    parts = [answer(advice), *drawn(points, processors), "<h2>All figures</h2>", table(points, rows, advice)]
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
        elsewhere = f" <small>while the load comes from this machine; {advice.alone} when it comes from others</small>"
    reasons = "".join(f"<li>{escape(reason)}</li>" for reason in advice.reasons)
    warned = "".join(f'<p class="warning">{escape(warning)}</p>' for warning in advice.warnings)
    head = f"<strong>io-threads {advice.threads}{elsewhere}</strong>"
    return f'<div class="answer">{head}<ul>{reasons}</ul></div>{warned}'


def drawn(points: Sequence[Point], processors: int) -> list[str]:
    """The pictures, or why there are none."""
    try:
        return [figure(picture) for picture in pictures(points, processors)]
    except ImportError:
        return ['<p class="note">No pictures: matplotlib is missing (pip install matplotlib).</p>']


def figure(picture: Picture) -> str:
    """Heading, a sentence of how to read it, what the colours mean, and the drawings."""
    key = "".join(
        f'<span><i style="background: var({variable})"></i>{escape(label)}</span>' for label, variable in picture.key
    )
    drawings = "".join(f"<div>{drawing}</div>" for drawing in picture.drawings)
    return (
        f'<h2>{escape(picture.title)}</h2><p class="note">{escape(picture.note)}</p>'
        f'<p class="key">{key}</p><figure>{drawings}</figure>'
    )


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
