# cython: language_level=3, boundscheck=False, wraparound=False, cdivision=True
"""Fast paths of connections: PING and ECHO."""
from iothreads.message cimport Batch, Request, arg_at, arg_length
from iothreads.resp_writer cimport write_bulk, write_raw
from server.clients.client cimport Client
from server.dispatch.shapes cimport by_hand


cdef int _ping(Client c, Batch* b, Request* r) except -1:
    if r.arg_count > 2:
        return 0
    if r.arg_count == 2:
        write_bulk(&c.out, arg_at(b, r, 1), arg_length(b, r, 1))
    else:
        write_raw(&c.out, "+PONG\r\n", 7)
    return 1


cdef int _echo(Client c, Batch* b, Request* r) except -1:
    write_bulk(&c.out, arg_at(b, r, 1), arg_length(b, r, 1))
    return 1


by_hand("ping", _ping, False)
by_hand("echo", _echo, False)
