"""INFO load: what batches wait for the main thread, and how large requests and replies are. Kept by dispatch.load.

Percentiles are upper bounds of classes that are powers of two; `INFO load` shows them since the start or RESETSTAT.
"""

from collections.abc import Iterator

from server.dispatch.load import Load
from server.dispatch.loop import Loop
from server.registry.info import section

load = section("load", "Load", default=False)

# main_thread_wait_usec: from the hand-over of a batch to its first command. Then request_bytes_read, reply_bytes_write
# and so on, by what commands do with keys.
load.of(Load).family(lambda load: load.lines())


@load.of(Loop).family
def queue_lines(loop: Loop) -> Iterator[tuple[str, str]]:
    """io_thread_1_queue: messages that the main thread finds when it turns to a thread (0: ready sockets)."""
    for number, lane in enumerate(loop.lane_stats()):
        mean = lane["queue_found"] / lane["queue_looks"] if lane["queue_looks"] else 0.0
        yield f"io_thread_{number}_queue", f"depth={lane['queue_depth']},max={lane['queue_most']},mean={mean:.2f}"
