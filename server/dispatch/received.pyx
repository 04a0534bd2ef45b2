# cython: language_level=3, boundscheck=False, wraparound=False, cdivision=True
"""Commands that came before their client has a connection: those of a master that waited for its snapshot."""
from libc.stddef cimport size_t
from libc.stdint cimport int64_t
from libc.string cimport memcpy

from cpython.bytes cimport PyBytes_AS_STRING, PyBytes_GET_SIZE

from iothreads.message cimport Batch, BatchPool, batch_free, batch_new, batch_room
from iothreads.resp_reader cimport Reader, parse, reader_reset
from server.clients.client cimport Client
from server.dispatch.loop cimport Loop

cdef BatchPool _no_pool                # of batches that no lane fills


def run_received(Loop loop, Client client, bytes data) -> int:
    """Execute what is whole of these bytes. Returns how many bytes are done with; the others are the beginning of a
    command. -1: the client holds commands of the last call still, and nothing was done."""
    cdef Batch* b
    cdef Reader reader
    cdef size_t length = PyBytes_GET_SIZE(data), done
    if client.batch != NULL:
        return -1
    b = batch_new(&_no_pool)
    b.connection = 0                   # nobody's: whoever gives it back frees it
    batch_room(b, length + 1)
    memcpy(b.buffer, PyBytes_AS_STRING(data), length)
    b.used = length
    reader_reset(&reader)
    parse(&reader, b, <int64_t>1 << 62, True)          # a master sends what it has
    done = reader.command_start if reader.remaining else reader.position
    if b.command_count == 0 and not b.error:
        batch_free(b)
        return done
    client.batch = b
    client.bytes_in += done
    loop.warm_buckets(client)
    loop.run_batch(client)
    return done
