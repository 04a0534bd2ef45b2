# cython: language_level=3
from iothreads.message cimport Batch, Request
from server.clients.client cimport Client
from server.dispatch.executor cimport Executor

cdef bint waking_step(Executor executor, Client client, Batch* b, Request* r) except -1        # 1: it was one, and all is done
