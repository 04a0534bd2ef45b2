# cython: language_level=3, boundscheck=False, wraparound=False, cdivision=True
"""One fsync for more writers, under `appendfsync always`.

Clients that wait for their replies send their next commands while the replies of the turn are still being written, so a
turn finds the first few of them, and the others find the server in the fsync for those few: twice as many fsyncs as
needed. So, before a turn's commands are written and synced, this looks for what has come meanwhile, executes that too,
and looks again. It ends when as many commands have come as in the turns before and no more are there, when nothing has
come during two naps, and in any case after half of the time of an fsync. A client that writes alone is not waited for:
what is expected is what came lately. Where an fsync is as short as a nap there are none.
"""
from libc.stdint cimport int64_t, uint64_t

from server.dispatch.door cimport door
from server.dispatch.loop cimport Loop
from server.registry.clock cimport clock_refresh, monotonic_us

cdef extern from "unistd.h" nogil:
    int usleep(unsigned int us)

cdef enum:
    LONGEST_US = 2000                  # from the first look to the fsync, however slow the disk is
    NAP_US = 30                        # what is asked for
    NAP_TAKES_US = 100                 # what the kernel makes of it
    NAPS = 2                           # one after the other without a command


cdef class GroupCommit:
    """What stands before the loop's sleep (Loop.attend) while every turn is synced. `sync_us`: what an fsync costs."""

    cdef Loop loop
    cdef public int64_t sync_us
    cdef uint64_t seen                 # commands executed until the last fsync
    cdef uint64_t expected             # commands for one fsync, as it was lately

    def __cinit__(self, Loop loop):
        self.loop = loop
        self.sync_us = 0
        self.expected = 0
        self.seen = 0

    cdef uint64_t commands(self) noexcept:
        """All commands executed so far."""
        return door.commands + <uint64_t>self.loop.executor.commands

    def __call__(self) -> bool:
        """Gather commands. True when there were some: what they have left to do before sleep is done in the next turn."""
        cdef uint64_t first = self.commands(), now = first, got
        if self.loop.propagation.out.bytes == 0:
            self.seen = first
            return False
        now = self.gather(first)
        got = now - self.seen
        if got >= self.expected:
            self.expected = got
        else:
            self.expected -= (self.expected - got + 3) // 4
        self.seen = now
        return now != first

    cdef uint64_t gather(self, uint64_t now) except? 0:
        """Execute what comes; how many commands there are then."""
        cdef Loop loop = self.loop
        cdef int64_t at = monotonic_us()
        cdef int64_t end = at + min(self.sync_us // 2, <int64_t>LONGEST_US)
        cdef uint64_t before
        cdef int naps = 0
        while at < end and not loop.stopping:
            before = now
            loop.io.poll(0)
            clock_refresh()
            loop.handle_events()
            now = self.commands()
            at = monotonic_us()
            if now != before:
                naps = 0
            elif now - self.seen >= self.expected or naps == NAPS or end - at < NAP_TAKES_US:
                break
            else:
                naps += 1
                with nogil:
                    usleep(NAP_US)
        return now
