"""INFO load: what batches wait for the main thread, and how large requests and replies are. Kept by dispatch.loop.

Percentiles are upper bounds of classes that are powers of two; `INFO load` shows them since the start or RESETSTAT.
"""

from collections.abc import Iterator

from server.dispatch.loop import Loop
from server.registry.info import section

load = section("load", "Load", default=False).of(Loop)


@load.family
def wait_lines(loop: Loop) -> Iterator[tuple[str, str]]:
    """main_thread_wait_usec: from the hand-over of a batch to its first command."""
    yield "main_thread_wait_usec", loop.wait_summary()


@load.family
def queue_lines(loop: Loop) -> Iterator[tuple[str, str]]:
    """io_thread_1_queue: messages that the main thread finds when it turns to a thread (0: ready sockets)."""
    for number, lane in enumerate(loop.lane_stats()):
        mean = lane["queue_found"] / lane["queue_looks"] if lane["queue_looks"] else 0.0
        yield f"io_thread_{number}_queue", f"depth={lane['queue_depth']},max={lane['queue_most']},mean={mean:.2f}"


@load.family
def payload_lines(loop: Loop) -> list[tuple[str, str]]:
    """request_bytes_read, reply_bytes_write, ...: by what commands do with keys."""
    return loop.payload_summaries()
