# cython: language_level=3, boundscheck=False, wraparound=False, cdivision=True
"""The counters of all lanes together."""
from libc.stdint cimport uint64_t

from iothreads.ring cimport load_relaxed64
from server.dispatch.loop cimport Loop
from server.registry.number_places cimport integers_at


cdef class LaneTotals:
    """Sums over the lanes; `threaded`: without lane 0, which is the main thread's."""

    cdef readonly uint64_t bytes_in, bytes_out, reads, writes, threaded_reads, threaded_writes


cdef LaneTotals _model = LaneTotals.__new__(LaneTotals)
integers_at(_model, {
    "bytes_in": <size_t>&_model.bytes_in, "bytes_out": <size_t>&_model.bytes_out,
    "reads": <size_t>&_model.reads, "writes": <size_t>&_model.writes,
    "threaded_reads": <size_t>&_model.threaded_reads, "threaded_writes": <size_t>&_model.threaded_writes})


def lane_totals(Loop loop) -> LaneTotals:
    """What the lanes of this loop have done so far. Complexity: O(lanes)."""
    cdef LaneTotals totals = LaneTotals.__new__(LaneTotals)
    cdef int i
    for i in range(loop.io.lane_count):
        totals.bytes_in += load_relaxed64(&loop.io.lanes[i].stats.bytes_in)
        totals.bytes_out += load_relaxed64(&loop.io.lanes[i].stats.bytes_out)
        totals.reads += load_relaxed64(&loop.io.lanes[i].stats.reads)
        totals.writes += load_relaxed64(&loop.io.lanes[i].stats.writes)
    totals.threaded_reads = totals.reads - load_relaxed64(&loop.io.lanes[0].stats.reads)
    totals.threaded_writes = totals.writes - load_relaxed64(&loop.io.lanes[0].stats.writes)
    return totals
