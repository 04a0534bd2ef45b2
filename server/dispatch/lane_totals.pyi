from server.dispatch.loop import Loop

class LaneTotals:
    """Sums over the lanes; `threaded`: without lane 0, which is the main thread's."""

    bytes_in: int
    bytes_out: int
    reads: int
    writes: int
    threaded_reads: int
    threaded_writes: int

def lane_totals(loop: Loop) -> LaneTotals:
    """What the lanes of this loop have done so far. Complexity: O(lanes)."""
