# cython: language_level=3
"""Reading a stream from RDB bytes: its nodes, what it remembers, its consumer groups. `object_reader` reads all else.

    nodes: ID of the first entry (16 bytes), listpack ... | length | last ID
    from version 10 on   first ID | greatest deleted ID | entries ever added
    groups: name | last ID | (from version 10 on) entries read
            pending: raw ID, time, deliveries ...       consumers: name, seen, (11) active, raw IDs of its pending ...
"""
from server.persistence.rdb_input cimport RdbInput
from server.structures.table cimport Entry

cdef void take_stream(RdbInput* input, int type, Entry* e) noexcept     # type: RDB_STREAM...; the value in a loose entry
