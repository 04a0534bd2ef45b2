"""Figures as tables: text for a terminal, markdown for the README."""

from collections.abc import Iterable, Sequence

from perf.results import Figure

Rows = list[list[str]]


def number(value: float) -> str:
    """Short and readable: 1234567 as 1,234,567; 12.3; 1.23; 0.0012."""
    size = abs(value)
    if size >= 1000:
        return f"{value:,.0f}"
    if size >= 100:
        return f"{value:.0f}"
    if size >= 10:
        return f"{value:.1f}"
    return f"{value:.2f}" if size >= 0.01 or value == 0 else f"{value:.4f}"


def load_rows(figures: Iterable[Figure]) -> Rows:
    """One row for each test, depth and number of I/O threads, under a head; empty when nothing was loaded."""
    by_name: dict[str, dict[str, Figure]] = {}
    for figure in figures:
        if figure.part == "load":
            by_name.setdefault(figure.name, {})[figure.what] = figure
    rows = [["test", "cpu us/request", "peer", "ratio", "requests/s", "peer", "ratio", "p99 ms", "peer"]]
    for name, found in by_name.items():
        cpu, rate, p99 = found["cpu us/request"], found["requests/s"], found["p99 ms"]
        row = [label(name)]
        for figure in (cpu, rate):
            row += [number(figure.ours), number(figure.peer), f"{figure.ratio:.2f}"]
        rows.append([*row, number(p99.ours), number(p99.peer)])
    return rows if len(rows) > 1 else []


def latency_rows(figures: Iterable[Figure]) -> Rows:
    """One row for each test under an open loop; empty when nothing was."""
    by_name: dict[str, dict[str, Figure]] = {}
    for figure in figures:
        if figure.part == "latency":
            by_name.setdefault(figure.name, {})[figure.what] = figure
    rows = [["half the peak rate", "p50 ms", "peer", "ratio", "p99 ms", "peer", "ratio", "p99.9 ms", "peer", "ratio"]]
    for name, found in by_name.items():
        row = [label(name)]
        for what in ("p50 ms", "p99 ms", "p99.9 ms"):
            row += [number(found[what].ours), number(found[what].peer), f"{found[what].ratio:.2f}"]
        rows.append(row)
    return rows if len(rows) > 1 else []


def other_rows(figures: Iterable[Figure]) -> Rows:
    """Memory, start-up, files and idle cost, one figure a row."""
    rows = [["what", "unit", "ours", "peer", "ratio"]]
    for figure in figures:
        if figure.part not in ("load", "latency"):
            rows.append([figure.name, figure.what, number(figure.ours), number(figure.peer), f"{figure.ratio:.2f}"])
    return rows if len(rows) > 1 else []


def ratio_rows(figures: Iterable[Figure]) -> Rows:
    """The README's form: tests down, depths and I/O threads across, each cell `cpu ratio / rate ratio`."""
    cells: dict[str, dict[str, list[str]]] = {}
    depths: list[str] = []
    for figure in figures:
        if figure.part == "load" and figure.what in ("cpu us/request", "requests/s"):
            test, _, depth = figure.name.partition(" ")
            if depth not in depths:
                depths.append(depth)
            cells.setdefault(test, {}).setdefault(depth, []).append(f"{figure.ratio:.2f}")
    if not cells:
        return []
    body = [[test.upper(), *(" / ".join(row.get(depth, [])) for depth in depths)] for test, row in cells.items()]
    return [["test", *map(label, depths)], *body]


def label(name: str) -> str:
    """A case with the I/O threads of both sides: `get P=1 io-threads=2 peer=2` as `get P=1, 2:2`."""
    case, threads, numbers = name.partition(" io-threads=")
    ours, _, peer = numbers.partition(" peer=")
    return f"{case}, {ours}:{peer or 1}" if threads else case


def text(rows: Sequence[Sequence[str]]) -> str:
    """Columns of equal width, the first to the left, the others to the right."""
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))] if rows else []
    lines = []
    for row in rows:
        cells = [cell.rjust(width) for cell, width in zip(row, widths)]
        cells[0] = row[0].ljust(widths[0])
        lines.append("  ".join(cells).rstrip())
    return "\n".join(lines)


def markdown(rows: Sequence[Sequence[str]]) -> str:
    """The same as a markdown table."""
    if not rows:
        return ""
    rule = ["---", *["---:"] * (len(rows[0]) - 1)]
    return "\n".join("| " + " | ".join(row) + " |" for row in [rows[0], rule, *rows[1:]])
