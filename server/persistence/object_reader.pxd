# cython: language_level=3
"""Reading values of every RDB type, versions 1 to 11, into what the types keep them as.

A value is built in a loose entry: type and encoding in its header, the native value as its word. Strings have no entry
here; whoever reads type RDB_STRING takes a text from the input itself.

    stream   nodes (ID as a string of 16 bytes, listpack blob) | length | last ID | [first ID, highest deleted ID, added]
             | groups: name, last ID, [entries read], pending (ID: 16 bytes, delivered ms, deliveries),
               consumers: name, seen ms, [active ms], pending (ID)            IDs elsewhere: two lengths; [...] by version
"""
from server.persistence.rdb_input cimport RdbInput
from server.types.value cimport LooseEntry

cdef bint footer_is_known(const void* payload, size_t n) noexcept nogil        # it ends with a version that we read
cdef bint footer_is_right(const void* payload, size_t n) noexcept nogil        # ... and with the checksum of what is before it
cdef bint take_value(RdbInput* input, int type, LooseEntry* value) noexcept
    # 0: input.fault says why, or input.empty: nothing to keep. On success the value is the caller's
