# cython: language_level=3
"""A native I/O thread: it runs one lane, has never had the GIL and never asks for it."""
from iothreads.lane cimport Lane

cdef int thread_start(Lane* lane) noexcept nogil       # 0, or errno; all signals stay with the main thread
cdef void thread_join(Lane* lane) noexcept nogil       # after TO_LANE_STOP; call it without the GIL
