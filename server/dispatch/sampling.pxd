# cython: language_level=3
"""Hot keys: of one command in so many it is noted which keys it was about, how long it took and how many bytes it moved.

Which command comes next is a countdown that the loop decrements once per command; that is all that the others cost. The
gaps are drawn at random around the ratio asked for, so that no rhythm of a client hides its keys; with 1 each command is
noted. There are two clocks behind the one countdown:

    always       directive hot-keys-sample; accesses, which fade: half of a count is gone after HALF_LIFE seconds
    session      HOTKEYS START; processor time and bytes, until HOTKEYS STOP

With cluster-slot-stats-enabled every command is noted, for its slot.
"""
from libc.stdint cimport int64_t, uint32_t, uint64_t

from iothreads.message cimport Batch, Request
from server.clients.client cimport Client
from server.observe.hot_keys cimport HotKeys
from server.observe.slot_uses cimport SlotUses

cdef struct Countdown:
    uint64_t left                      # commands until the next that is noted, itself included

cdef Countdown* sampling_countdown() noexcept nogil

cdef class Sampling:
    cdef readonly HotKeys accesses
    cdef readonly HotKeys cpu          # of the session, nanoseconds; None: not asked for
    cdef readonly HotKeys net          # of the session, bytes; None: not asked for
    cdef uint64_t every                # commands per note, 0 = off
    cdef uint64_t session_every
    cdef uint64_t always_left          # at the time when the countdown was set ...
    cdef uint64_t session_left
    cdef uint64_t set_to               # ... to this
    cdef uint64_t random
    cdef object slots                  # of the session: a set of cluster slots, or None for all
    cdef readonly double sampled_ns    # of commands that the session noted, in selected slots
    cdef readonly double sampled_bytes
    cdef double age_seconds            # since counting began, for rates
    cdef SlotUses slot_uses            # None: nobody counts them
    cdef int note(self, Client client, Batch* b, Request* r, uint64_t ns, uint64_t bytes, int judged) except -1
    cdef int note_keys(self, Client client, Batch* b, Request* r, uint64_t ns, uint64_t bytes, int due) except -1
    cdef int note_slot(self, Batch* b, Request* r, uint64_t ns, uint64_t bytes, int judged) except -1
    cdef list found_in(self, Batch* b, Request* r)
    cdef int note_key(self, Client client, const char* key, size_t length, double share, uint64_t ns, uint64_t bytes, int due) except -1
    cdef uint64_t gap(self, uint64_t every) noexcept
    cdef void settle(self) noexcept
    cdef void arm(self) noexcept
