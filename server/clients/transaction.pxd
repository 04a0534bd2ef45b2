# cython: language_level=3
"""What one client has queued since MULTI."""
from libc.stddef cimport size_t
from libc.stdint cimport uint32_t

from iothreads.message cimport Batch, Request
from server.clients.client cimport Client

cdef class Transaction:
    cdef Batch batch                   # the commands, in the form that fast paths read; its arrays are ours. Request.record: the
                                       # dispatcher's record (a PyObject that lives as long as the server)
    cdef readonly size_t memory        # bytes: multi-mem of CLIENT LIST
    cdef readonly bint spreads         # whether EXEC waits while writes are paused
    cdef readonly bint plain           # all were queued natively: none of them changes how the client is answered
    cdef bint writes                   # one of them is a write command
    cdef bint slow                     # one of them has no fast path
    cdef object declared               # flags that any script among them declares, or None ...
    cdef object every_declared         # ... and those that all do
    cdef void add(self, const Batch* b, const Request* r) noexcept       # one more, copied; r.record is kept
    cdef list words(self, uint32_t index)                                # the words of a queued command

cdef void begin_transaction(Client client)                               # MULTI
cdef void end_transaction(Client client)                                 # leave MULTI; what is watched stays watched
