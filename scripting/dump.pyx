# cython: language_level=3, boundscheck=False, wraparound=False, cdivision=True
"""FUNCTION DUMP's payload: libraries as an RDB file holds them, then what ends every payload (as DUMP's).

    FUNCTION2 | string      for each library; the string is its text
    version, CRC-64         of everything before it
"""
from cpython.bytes cimport PyBytes_AS_STRING, PyBytes_FromStringAndSize, PyBytes_GET_SIZE

from server.persistence.rdb_format cimport RDB_FOOTER
from server.persistence.rdb_input cimport RdbInput, RdbText, input_init, input_left, take_raw, take_text, text_free
from server.persistence.rdb_save cimport OP_FUNCTION2, OP_FUNCTION_PRE_GA
from server.persistence.rdb_sink cimport RdbSink, put_byte, put_footer, put_string, sink_free, sink_init

from server.observe.debug_settings import settings
from server.persistence.object_reader import check_footer
from server.registry.errors import CommandError


def dumped(texts, *, bint compress, int version) -> bytes:
    """The payload of these libraries."""
    cdef RdbSink sink
    cdef bytes text, result
    sink_init(&sink, version, compress)
    for text in texts:
        put_byte(&sink, OP_FUNCTION2)
        put_string(&sink, PyBytes_AS_STRING(text), PyBytes_GET_SIZE(text))
    put_footer(&sink, 0)
    result = PyBytes_FromStringAndSize(<char*>sink.data, sink.length)
    sink_free(&sink)
    return result


cdef class _Reader:
    """The libraries of a payload whose footer was checked, one after the other."""

    cdef bytes payload                 # what input looks at
    cdef RdbInput input

    def __cinit__(self, bytes payload):
        self.payload = payload
        input_init(&self.input, PyBytes_AS_STRING(payload), PyBytes_GET_SIZE(payload) - RDB_FOOTER)

    def __iter__(self):
        return self

    def __next__(self) -> bytes:
        cdef const unsigned char* opcode
        cdef RdbText text
        cdef bytes result
        if not input_left(&self.input):
            raise StopIteration
        opcode = take_raw(&self.input, 1)
        if opcode[0] == OP_FUNCTION_PRE_GA:
            raise CommandError("ERR Pre-GA function format not supported")
        if opcode[0] != OP_FUNCTION2:
            raise CommandError("ERR given type is not a function")
        if not take_text(&self.input, &text):
            raise CommandError("ERR Failed loading library payload")
        result = PyBytes_FromStringAndSize(text.s, text.n)
        text_free(&text)
        return result


def texts_of(bytes payload):
    """The libraries in a payload. Errors: a wrong version or checksum at once, what is no library
    when its turn comes."""
    if not check_footer(payload, settings.skip_checksum_validation):
        raise CommandError("ERR DUMP payload version or checksum are wrong")
    return _Reader(payload)
