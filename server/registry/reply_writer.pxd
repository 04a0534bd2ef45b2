# cython: language_level=3
"""Python values to RESP, appended to an Output (see `registry.reply` for what each value means)."""
from iothreads.message cimport Output

cdef int write_reply(Output* out, object value, int resp) except -1
cdef int write_bytes(Output* out, bytes value) except -1        # a bulk string; a large one leaves without a copy
cpdef bytes encode_reply(object value, int resp)                # the same into bytes, for pushes to many and for tests


cdef class NativeReply:                # a reply that needs no Python object per element; the base of such classes
    cdef int write(self, Output* out, int resp) except -1       # once. EXEC writes after later commands ran: hold no Entry

cdef class WrittenReply(NativeReply):  # RESP bytes made when the command ran, in the protocol of the client that called
    cdef Output output                 # filled by whoever makes the object; handed over whole by `write`
