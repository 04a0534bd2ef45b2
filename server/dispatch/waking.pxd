# cython: language_level=3
from iothreads.message cimport Batch, Request
from server.clients.client cimport Client

# 1: it was one, and all is done
cdef bint waiting_step(Client client, Batch* b, Request* r) except -1
cdef bint waking_step(Client client, Batch* b, Request* r) except -1
