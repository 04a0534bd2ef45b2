# cython: language_level=3
"""MULTI, what is queued, and EXEC, without a Python object per command."""
from iothreads.message cimport Batch, Request
from server.clients.client cimport Client
from server.dispatch.executor cimport Executor

cdef int transaction_step(Executor executor, Client client, Batch* b, Request* r) except -1
    # a client in MULTI says r: queue it, or run EXEC. 0: declined
