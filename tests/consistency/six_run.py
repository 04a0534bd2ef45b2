"""One history of a cluster: clients and faults on six nodes of its own, and what is wrong with what was seen."""

from collections import Counter
from pathlib import Path
from typing import Any

from tests.consistency import lists
from tests.consistency.history import Anomaly
from tests.consistency.run import Figures, judge, lists_in
from tests.consistency.six import Six
from tests.consistency.six_clients import load_on
from tests.consistency.six_nemesis import SixNemesis, Void
from tests.support.resp import Connection, RespError


def play(folder: Path, seed: int, faults: int, **directives: Any) -> Figures:
    """So many faults, in an order that the seed says. A history with `Void` counts as none, and says so."""
    six = Six(folder, **directives)
    try:
        load = load_on(six, seed)
        nemesis = SixNemesis(six, load, seed)
        load.start()
        try:
            nemesis.meanwhile()
            for _ in range(faults):
                nemesis.strike()
        except Void:
            return Figures(faults=Counter({"a history that is void": 1}))
        finally:
            six.heal()
            load.stop()
        six.wait_in_step()
        final, strays = _final(six)
        history = load.history
        unknown = set(history.branches) - nemesis.known  # began and ended within one fault
        end = lists.End(final, {history.branch(shard.branch) for shard in six.shards},
                        {history.branch(name) for name in nemesis.may_lose | unknown})  # fmt: skip
        figures = judge(load, nemesis.done, end)
        figures.anomalies += strays
        return figures
    finally:
        six.stop()


def _final(six: Six) -> tuple[lists.Lists, list[Anomaly]]:
    """All lists, read from the masters, and the keys that are where their slot is not served."""
    found: lists.Lists = {}
    strays = []
    for shard in six.shards:
        with Connection(shard.master.port) as c:
            keys = c.ok("KEYS", "*")
            elsewhere = {key for key in keys if isinstance(c("EXISTS", key), RespError)}
            strays += [Anomaly("stray", f"{key!r} is at {shard.master.port}, which does not serve it")
                       for key in elsewhere]  # fmt: skip
            found |= lists_in(c, (key for key in keys if b"list" in key and key not in elsewhere))
    return found, strays
