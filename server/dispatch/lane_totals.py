"""The counters of all lanes together."""

from server.dispatch.loop import Loop
from server.registry.light import NamedTuple


class LaneTotals(NamedTuple):
    """Sums over the lanes; `threaded`: without lane 0, which is the main thread's."""

    bytes_in: int
    bytes_out: int
    reads: int
    writes: int
    threaded_reads: int
    threaded_writes: int


def lane_totals(loop: Loop) -> LaneTotals:
    """What the lanes of this loop have done so far. Complexity: O(lanes)."""
    own, *others = loop.lane_stats()
    reads, writes = sum(lane["reads"] for lane in others), sum(lane["writes"] for lane in others)
    return LaneTotals(
        bytes_in=own["bytes_in"] + sum(lane["bytes_in"] for lane in others),
        bytes_out=own["bytes_out"] + sum(lane["bytes_out"] for lane in others),
        reads=own["reads"] + reads,
        writes=own["writes"] + writes,
        threaded_reads=reads,
        threaded_writes=writes,
    )
