# cython: language_level=3
from iothreads.message cimport Batch, Request
from server.clients.client cimport Client
from server.dispatch.executor cimport Executor

cdef int acknowledgement_step(Executor executor, Client client, Batch* b, Request* r) except -1    # 1: that is what it was
