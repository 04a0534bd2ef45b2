# cython: language_level=3
"""A native I/O thread: it runs one lane, has never had the GIL and never asks for it."""
from iothreads.lane cimport Lane

cdef void* lane_main(void* lane) noexcept nogil        # serves a lane until TO_LANE_STOP

# any native thread; `run` gets `argument`. 0, or errno; all signals stay with the main thread
cdef int thread_start(unsigned long* thread, void* (*run)(void*) noexcept nogil, void* argument) noexcept nogil
cdef void thread_join(unsigned long thread) noexcept nogil     # until it has returned; call it without the GIL
