"""What is said about value sizes and keys on the command line, and what the engine needs to draw them."""

import math
from dataclasses import dataclass, field

LARGEST = 512 * 1024 * 1024  # bytes of a value
KEY_SPACE = 100_000  # of a distribution that is given without one
GREATEST_KEY_SPACE = 10**12  # a number has 12 digits
THETA = 0.99


@dataclass(frozen=True)
class Sizes:
    """Bytes of a value: `fixed`, or drawn from `least..most`: even (`range`), by weight (`list`), or `lognormal`."""

    kind: str
    least: int
    most: int
    mu: float = 0.0
    sigma: float = 0.0
    choices: list[tuple[float, int]] = field(default_factory=list)  # (weight, size)

    def native(self) -> tuple[str, int, int, float, float, list[tuple[float, int]]]:
        return self.kind, self.least, self.most, self.mu, self.sigma, self.choices


def parse_sizes(given: int | str) -> Sizes:
    """`100`, `10-1000`, `16:8,256:2,4096:1` (size:weight) or `lognormal:MEDIAN:SIGMA[:MOST]`; ValueError otherwise."""
    text = str(given).strip().lower()
    try:
        made = _sizes(text)
    except ValueError:
        raise ValueError(
            f"value size {text!r}: want 100, 10-1000, 16:8,4096:1 (size:weight), or lognormal:MEDIAN:SIGMA[:MOST]"
        ) from None
    if not 0 <= made.least <= made.most <= LARGEST:
        raise ValueError(f"value size {text!r}: want 0 to {LARGEST} bytes, the lesser first")
    return made


def _sizes(text: str) -> Sizes:
    if text.startswith("lognormal:"):
        median, sigma, *limits = map(float, text.split(":")[1:])
        if median < 1 or not 0 <= sigma <= 10 or len(limits) > 1:
            raise ValueError
        limit = limits[0] if limits else min(median * math.exp(5 * sigma), LARGEST)
        return Sizes("lognormal", 1, math.ceil(limit), math.log(median), sigma)
    if ":" in text:
        choices = [(float(weight), int(size)) for size, _, weight in (part.partition(":") for part in text.split(","))]
        if min(weight for weight, _ in choices) < 0 or not sum(weight for weight, _ in choices) > 0:
            raise ValueError
        bounds = [size for _, size in choices]
        return Sizes("list", min(bounds), max(bounds), choices=choices)
    if "-" in text.strip("-"):
        least, most = map(int, text.split("-"))
        return Sizes("range", least, most)
    return Sizes("fixed", int(text), int(text))


def parse_keys(distribution: str, space: int) -> tuple[str, int, float]:
    """(`uniform` | `zipf` | `sequential`, space, theta) from `uniform`, `zipf`, `zipf:THETA` or `sequential`."""
    kind, _, parameter = distribution.strip().lower().partition(":")
    if not 0 <= space <= GREATEST_KEY_SPACE:
        raise ValueError(f"key space {space}: want 1 to {GREATEST_KEY_SPACE}")
    try:
        theta = float(parameter) if parameter else THETA
    except ValueError:
        theta = 0.0
    if kind not in ("uniform", "zipf", "sequential") or (parameter and kind != "zipf") or not 0 < theta <= 10:
        raise ValueError(f"keys {distribution!r}: want uniform, sequential, zipf or zipf:THETA (0 < THETA <= 10)")
    return kind, max(space, 1), theta


def parse_weights(text: str) -> dict[str, float]:
    """`get:9,set:1` -> {"get": 9.0, "set": 1.0}; a name alone weighs 1."""
    weights: dict[str, float] = {}
    for part in text.split(","):
        name, colon, weight = part.strip().partition(":")
        try:
            number = float(weight) if colon else 1.0
        except ValueError:
            number = math.nan
        if not name or not 0 <= number < math.inf:
            raise ValueError(f"mix {text!r}: want NAME:WEIGHT,NAME:WEIGHT...")
        weights[name] = weights.get(name, 0.0) + number
    if not sum(weights.values()) > 0:
        raise ValueError(f"mix {text!r}: all weights are 0")
    return weights
