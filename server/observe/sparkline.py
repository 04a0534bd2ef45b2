"""A small graph in plain characters, for LATENCY GRAPH: four rows of bars, and a label written downwards under each."""

from collections.abc import Sequence

COLUMNS = 80
ROWS = 4
_LEVELS = "_o#"                # how high a bar reaches within one row
_BELOW = "|"


def render(samples: Sequence[tuple[float, str]]) -> str:
    """Draw (value, label) pairs, oldest first; more than 80 are drawn below one another. Complexity: O(N)."""
    if not samples:
        return ""
    values = [value for value, _ in samples]
    low, span = min(values), (max(values) - min(values)) or 1
    parts = [_part(samples[at:at + COLUMNS], low, span) for at in range(0, len(samples), COLUMNS)]
    return "\n".join(parts)


def _part(samples: Sequence[tuple[float, str]], low: float, span: float) -> str:
    steps = len(_LEVELS) * ROWS
    heights = [min(steps - 1, int((value - low) * steps / span)) for value, _ in samples]
    lines = ["".join(_cell(height - (ROWS - row - 1) * len(_LEVELS)) for height in heights) for row in range(ROWS)]
    lines.append(" " * len(samples))
    longest = max(len(label) for _, label in samples)
    lines += ["".join(label[at] if at < len(label) else " " for _, label in samples) for at in range(longest)]
    return "".join(line + "\n" for line in lines)


def _cell(level: int) -> str:
    if level < 0:
        return " "
    return _LEVELS[level] if level < len(_LEVELS) else _BELOW
