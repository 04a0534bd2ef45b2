"""What this server wants to be, in processor time per request beside Redis: a promise that each run can be held to."""

from collections.abc import Iterable

from perf.results import Figure

# Commands on one key whose cost does not depend on how much it holds, by pipeline depth; all others cost no more.
SINGLE_KEY = {1: 0.9, 16: 0.6, 50: 0.5}
ANY = 1.0
OF_ONE_KEY = {"set", "get", "incr", "lpush", "rpush", "lpop", "rpop", "sadd", "hset", "spop"}
LATENCY = 1.0  # p99 and p99.9 at half the peak rate


def goal(figure: Figure) -> float | None:
    """The highest ratio that is good enough; None where nothing is promised."""
    if figure.part == "latency" and figure.what in ("p99 ms", "p99.9 ms"):
        return LATENCY
    if figure.part != "load" or figure.what != "cpu us/request":
        return None
    test, depth = figure.name.split()[:2]
    return SINGLE_KEY.get(int(depth.removeprefix("P=")), ANY) if test in OF_ONE_KEY else ANY


def missed(figures: Iterable[Figure]) -> list[str]:
    """A line for each figure above its goal, after one that counts them; nothing when nothing was promised."""
    judged = [(figure, wanted) for figure in figures if (wanted := goal(figure)) is not None]
    above = [
        f"  {figure.part} {figure.name}, {figure.what}: {figure.ratio:.2f}, the goal is {wanted}"
        for figure, wanted in judged
        if figure.ratio > wanted
    ]
    return [f"\n{len(above)} of {len(judged)} ratios are above their goal", *above] if judged else []
