# cython: language_level=3, boundscheck=False, wraparound=False, cdivision=True
from libc.stdint cimport int64_t
from libc.string cimport memcpy

from cpython.bytes cimport PyBytes_AS_STRING, PyBytes_FromStringAndSize, PyBytes_GET_SIZE
from cpython.ref cimport Py_DECREF, Py_INCREF, PyObject
from cpython.unicode cimport PyUnicode_DATA, PyUnicode_GET_LENGTH

from iothreads.message cimport REFERENCE_MIN, Chunk, Output, output_clear, output_init, output_reference, output_splice
from iothreads.resp_writer cimport (write_bulk, write_double, write_error, write_header, write_integer, write_null,
                                    write_null_array, write_raw, write_status)
from server.registry.command_error cimport CommandError

from server.registry.reply import (Attributed, BigNumber, Encoded, NoReply, NullArray, Pairs, Push, Several, SetOf,
                                   Verbatim)

cdef extern from "Python.h":
    bint PyUnicode_IS_COMPACT_ASCII(object text)


cdef class NativeReply:
    """A reply that writes itself."""

    cdef int write(self, Output* out, int resp) except -1:
        raise NotImplementedError(type(self).__name__)


cdef class WrittenReply(NativeReply):
    """A reply that was written when the command ran: a long array straight from the value, without a Python object per
    element. It stays right whatever happens to the key before the reply leaves (EXEC)."""

    def __dealloc__(self):
        output_clear(&self.output)

    cdef int write(self, Output* out, int resp) except -1:
        output_splice(out, &self.output)
        return 0


cdef void _release_object(void* owner) noexcept:
    Py_DECREF(<object>owner)


cdef int write_bytes(Output* out, bytes value) except -1:
    cdef Py_ssize_t length = PyBytes_GET_SIZE(value)
    if length < REFERENCE_MIN:
        write_bulk(out, PyBytes_AS_STRING(value), length)
        return 0
    write_header(out, c'$', length)
    Py_INCREF(value)
    output_reference(out, PyBytes_AS_STRING(value), length, <PyObject*>value, _release_object)
    write_raw(out, "\r\n", 2)
    return 0


cdef int _write_array(Output* out, object values, int resp, char kind) except -1:
    write_header(out, kind, len(values))
    for value in values:
        write_reply(out, value, resp)
    return 0


cdef int _write_pairs(Output* out, object pairs, Py_ssize_t count, int resp, char kind) except -1:
    if resp == 3:
        write_header(out, kind, count)
    else:
        write_header(out, c'*', 2 * count)
    for key, value in pairs:
        write_reply(out, key, resp)
        write_reply(out, value, resp)
    return 0


cdef int _write_named(Output* out, object value, int resp) except -1:
    """The classes of registry.reply, and subclasses of plain types."""
    cdef bytes text
    if isinstance(value, CommandError):
        text = (<CommandError>value).text
        write_error(out, PyBytes_AS_STRING(text), PyBytes_GET_SIZE(text))
    elif isinstance(value, NoReply):
        pass
    elif isinstance(value, NativeReply):
        (<NativeReply>value).write(out, resp)
    elif isinstance(value, NullArray):
        write_null_array(out, resp)
    elif isinstance(value, Pairs):
        _write_pairs(out, value.items, len(value.items), resp, c'%')
    elif isinstance(value, SetOf):
        _write_array(out, value.members, resp, c'~' if resp == 3 else c'*')
    elif isinstance(value, Push):
        _write_array(out, value.items, resp, c'>' if resp == 3 else c'*')
    elif isinstance(value, Several):
        for reply in value.replies:
            write_reply(out, reply, resp)
    elif isinstance(value, Verbatim):
        text = value.text
        if resp == 3:
            write_header(out, c'=', PyBytes_GET_SIZE(text) + 4)
            write_raw(out, <bytes>value.format, 3)
            write_raw(out, ":", 1)
            write_raw(out, PyBytes_AS_STRING(text), PyBytes_GET_SIZE(text))
            write_raw(out, "\r\n", 2)
        else:
            write_bytes(out, text)
    elif isinstance(value, Encoded):
        text = value.wire
        write_raw(out, PyBytes_AS_STRING(text), PyBytes_GET_SIZE(text))
    elif isinstance(value, BigNumber):
        text = value.digits
        if resp == 3:
            write_raw(out, "(", 1)
            write_raw(out, PyBytes_AS_STRING(text), PyBytes_GET_SIZE(text))
            write_raw(out, "\r\n", 2)
        else:
            write_bytes(out, text)
    elif isinstance(value, Attributed):
        if resp == 3:
            pairs = value.attributes.items() if isinstance(value.attributes, dict) else value.attributes.items
            _write_pairs(out, pairs, len(pairs), resp, c'|')
        write_reply(out, value.value, resp)
    elif isinstance(value, (bytearray, memoryview)):
        write_bytes(out, bytes(value))
    elif isinstance(value, int):
        write_integer(out, <int64_t>int(value))
    elif hasattr(value, "__iter__"):
        values = list(value)
        _write_array(out, values, resp, c'*')
    else:
        raise TypeError(f"not a reply: {value!r}")
    return 0


cdef int write_reply(Output* out, object value, int resp) except -1:
    cdef bytes text
    cdef type kind = type(value)
    if kind is bytes:
        write_bytes(out, <bytes>value)
    elif kind is int:
        write_integer(out, <int64_t>value)
    elif value is None:
        write_null(out, resp)
    elif kind is str:
        if PyUnicode_IS_COMPACT_ASCII(value):
            write_status(out, <const char*>PyUnicode_DATA(value), PyUnicode_GET_LENGTH(value))
        else:
            text = (<str>value).encode("utf-8", "surrogateescape")
            write_status(out, PyBytes_AS_STRING(text), PyBytes_GET_SIZE(text))
    elif kind is list or kind is tuple:
        _write_array(out, value, resp, c'*')
    elif kind is dict:
        _write_pairs(out, (<dict>value).items(), len(<dict>value), resp, c'%')
    elif kind is float:
        write_double(out, <double>value, resp)
    elif kind is bool:
        if resp == 3:
            write_raw(out, "#t\r\n" if value else "#f\r\n", 4)
        else:
            write_integer(out, 1 if value else 0)
    elif kind is set or kind is frozenset:
        _write_array(out, value, resp, c'~' if resp == 3 else c'*')
    else:
        _write_named(out, value, resp)
    return 0


cpdef bytes encode_reply(object value, int resp):
    """The RESP bytes of a value, for a client that speaks protocol `resp` (2 or 3)."""
    cdef Output out
    cdef Chunk* chunk
    cdef bytes wire
    cdef char* at
    output_init(&out)
    try:
        write_reply(&out, value, resp)
        wire = PyBytes_FromStringAndSize(NULL, out.bytes)
        at = PyBytes_AS_STRING(wire)
        chunk = out.head
        while chunk != NULL:
            memcpy(at, chunk.bytes, chunk.used)
            at += chunk.used
            chunk = chunk.next
        return wire
    finally:
        output_clear(&out)
