# cython: language_level=3, boundscheck=False, wraparound=False, cdivision=True
"""What the loop counts of its load, for INFO and /metrics: how long batches wait for it, how large requests and replies
are, how long its turns are. The loop owns the numbers, which stand where it reaches them without a look-up."""
from libc.stdint cimport uint64_t
from libc.string cimport memset

from server.observe.histogram cimport Histogram, histogram_shown
from server.observe.percentiles cimport histogram_summary

_KINDS = ("read", "write", "other")


cdef Load load_of(Histogram* waits, Payload* payloads, uint64_t* turns):
    cdef Load load = Load.__new__(Load)
    load.waited, load.carried, load.turned = waits, payloads, turns
    return load


cdef class Load:
    """A view of the numbers of a loop. Histograms are (counts by class of server.observe.histogram, sum)."""

    def turns(self) -> list[int]:
        """Turns by how long they worked: item n counts those of 2**(n-1) to 2**n - 1 us, the last one also longer ones."""
        return [self.turned[n] for n in range(TURN_CLASSES)]

    def waits(self) -> tuple[list[int], int]:
        """Batches by microseconds from hand-over to first command."""
        return histogram_shown(self.waited)

    def payloads(self) -> dict[tuple[str, str], tuple[list[int], int]]:
        """(request or reply, read or write or other) -> commands by bytes."""
        return ({("request", kind): histogram_shown(&self.carried[n].requests) for n, kind in enumerate(_KINDS)}
                | {("reply", kind): histogram_shown(&self.carried[n].replies) for n, kind in enumerate(_KINDS)})

    def lines(self) -> list[tuple[str, str]]:
        """Waits and payloads as INFO shows them."""
        return ([("main_thread_wait_usec", histogram_summary(self.waited))]
                + [(f"request_bytes_{kind}", histogram_summary(&self.carried[n].requests)) for n, kind in enumerate(_KINDS)]
                + [(f"reply_bytes_{kind}", histogram_summary(&self.carried[n].replies)) for n, kind in enumerate(_KINDS)])

    def reset(self) -> None:
        """CONFIG RESETSTAT."""
        memset(self.waited, 0, sizeof(Histogram))
        memset(self.carried, 0, KINDS * sizeof(Payload))
        memset(self.turned, 0, TURN_CLASSES * sizeof(uint64_t))
