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
    bytes_in, bytes_out, reads, writes = own["bytes_in"], own["bytes_out"], 0, 0
    for lane in others:
        bytes_in += lane["bytes_in"]
        bytes_out += lane["bytes_out"]
        reads += lane["reads"]
        writes += lane["writes"]
    return LaneTotals(bytes_in, bytes_out, own["reads"] + reads, own["writes"] + writes, reads, writes)
