# cython: language_level=3
"""What the commands of each slot of a cluster used: processor time, and bytes of requests and replies.

Owner: the main thread."""
from libc.stdint cimport uint32_t, uint64_t

cdef struct SlotUse:
    uint64_t ns
    uint64_t bytes_in                  # as they came, in RESP
    uint64_t bytes_out                 # of replies

cdef class SlotUses:
    cdef SlotUse* of                   # [CLUSTER_SLOTS]

    cdef inline void note(self, uint32_t slot, uint64_t ns, uint64_t bytes_in, uint64_t bytes_out) noexcept:
        cdef SlotUse* use = &self.of[slot]
        use.ns += ns
        use.bytes_in += bytes_in
        use.bytes_out += bytes_out
