# cython: language_level=3
"""Python values to RESP, appended to an Output (see `registry.reply` for what each value means)."""
from iothreads.message cimport Output

cdef int write_reply(Output* out, object value, int resp) except -1
cdef int write_bytes(Output* out, bytes value) except -1        # a bulk string; a large one leaves without a copy
cpdef bytes encode_reply(object value, int resp)                # the same into bytes, for pushes to many and for tests
