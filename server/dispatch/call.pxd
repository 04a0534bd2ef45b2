# cython: language_level=3
"""One running command, as its definition sees it."""
from libc.stdint cimport int64_t

from server.clients.client cimport Client
from server.dispatch.record cimport Record
from server.keyspace.database cimport Database

cdef class Call:
    cdef readonly Client client
    cdef readonly object server        # the assembled server: .config .keyspace .clients .pubsub .stats ...
    cdef readonly object command       # the registry Command (a subcommand's own)
    cdef readonly list argv            # all words, names included
    cdef public Database db            # the client's database; SELECT-free code may point it elsewhere
    cdef public int64_t dirty          # changes this call reported
    cdef public object propagated      # None: as called; a list of argv lists: instead; []: nothing

cdef Call new_call(Client client, object server, Record record, list argv)
