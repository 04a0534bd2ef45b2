# cython: language_level=3
"""How a client is shown: a line of CLIENT LIST."""
from libc.stddef cimport size_t
from libc.stdint cimport int64_t

from server.clients.client cimport Client
from server.registry.text_writer cimport Text

cdef enum:
    STATIC_REPLY_BYTES = 16384         # waiting replies up to this are the client's own buffer (obl), beyond a list (oll, omem)

cpdef size_t memory_of(Client client, size_t argv_bytes=*) except? 0
cdef int add_line(Text* text, Client client, size_t argv_bytes, int64_t now) except -1
    # argv_bytes: of the words of the command that it runs at the moment; now: monotonic us. Without a line break. O(1)
cpdef bytes line_of(Client client)     # one, without the end of the line
