# cython: language_level=3
"""The slot of each request's first argument, found by the lane that parsed it: for nearly every command that is its key."""
from iothreads.message cimport Batch

cdef void note_slots(Batch* b) noexcept nogil      # Request.slot of all requests of a batch; any lane
