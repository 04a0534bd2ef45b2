# cython: language_level=3, boundscheck=False, wraparound=False, cdivision=True
"""The fast path of CONFIG GET of what was asked for before: monitors ask for the same again and again."""
from libc.stdint cimport int64_t, uint32_t

from cpython.bytes cimport PyBytes_AS_STRING, PyBytes_FromStringAndSize, PyBytes_GET_SIZE

from iothreads.resp_writer cimport write_raw
from server.clients.client cimport Client
from server.dispatch.evicting cimport has_room
from server.dispatch.record cimport Op
from server.dispatch.shapes cimport ANY_TYPE, DECLINED, FREE, UNKEYED, length_at, row, word_at

cdef enum:
    WORDS_MOST = 8

cdef object _config = None
cdef dict _answers = {}


def use(config, dict answers) -> None:
    """What the answers are about, and those that there are: by patterns."""
    global _config, _answers
    _config, _answers = config, answers


cdef int64_t _get(Op* op) except -1:
    cdef bytes wire
    cdef uint32_t i
    if _config is None or not 3 <= op.r.arg_count <= WORDS_MOST or not has_room():
        return DECLINED
    answer = _answers.get(tuple([PyBytes_FromStringAndSize(word_at(op, i), length_at(op, i))
                                 for i in range(2, op.r.arg_count)]))
    if answer is None:
        return DECLINED
    wire = answer.now(_config, (<Client>op.client).resp).wire
    write_raw(op.out, PyBytes_AS_STRING(wire), PyBytes_GET_SIZE(wire))
    return 0


row("config|get", FREE | UNKEYED, ANY_TYPE, _get)
