# cython: language_level=3, boundscheck=False, wraparound=False, cdivision=True
from libc.stdint cimport int64_t, uint32_t
from libc.stdio cimport snprintf
from posix.time cimport CLOCK_REALTIME, clock_gettime, timespec

from cpython.bytes cimport PyBytes_AS_STRING, PyBytes_GET_SIZE

from iothreads.message cimport arg_at, arg_length
from iothreads.resp_writer cimport write_raw
from server.clients.client cimport (CLIENT_CLOSE_ASAP, CLIENT_REPLY_OFF, CLIENT_REPLY_SKIP, CLIENT_SCRIPT, CLIENT_UNIX_SOCKET)
from server.dispatch.call cimport Call
from server.registry.text_writer cimport (Text, text_add, text_add_number, text_add_quoted, text_add_value, text_begin,
                                          text_end, text_made)

from server.registry.reply import Encoded

cdef enum:
    UNHEARING = CLIENT_REPLY_OFF | CLIENT_REPLY_SKIP       # of a monitor that wants no replies: lines are none to it either

cdef list _monitors = []
cdef object _config = None


def use(list monitors, config) -> None:
    """Who monitors: the server's list, which changes; its configuration knows the path of the unix socket."""
    global _monitors, _config
    _monitors, _config = monitors, config


cdef int _begin(Text* text, Client client) except -1:
    cdef timespec now
    cdef char time[48]
    clock_gettime(CLOCK_REALTIME, &now)
    text_begin(text)
    text_add(text, time, snprintf(time, sizeof(time), "+%lld.%06ld [", <long long>now.tv_sec, now.tv_nsec // 1000))
    text_add_number(text, client.db.index)
    if client.state & CLIENT_SCRIPT:
        text_add(text, " lua]", 5)
        return 0
    text_add(text, " ", 1)
    if client.state & CLIENT_UNIX_SOCKET:
        text_add(text, "unix:", 5)
        text_add_value(text, _config.unixsocket)
    else:
        text_add_value(text, client.named())
    return text_add(text, "]", 1)


cdef inline int _add_word(Text* text, const char* word, size_t length) except -1:
    text_add(text, " ", 1)
    return text_add_quoted(text, word, length)


cdef int _show(Text* text) except -1:
    cdef Client monitor
    text_add(text, "\r\n", 2)
    for monitor in _monitors:
        if monitor.state & (UNHEARING | CLIENT_CLOSE_ASAP):
            continue
        if monitor.held is not None:               # its own command: the reply comes first
            monitor.held.append(Encoded(text_made(text)))
            continue
        write_raw(&monitor.out, text.bytes, text.used)
        if not monitor.queued:
            monitor.has_output()
    return 0


cdef int show_request(Client client, Batch* b, Request* r) except -1:
    cdef Text text
    cdef uint32_t i
    text.bytes = NULL
    try:
        _begin(&text, client)
        for i in range(r.arg_count):
            _add_word(&text, arg_at(b, r, i), arg_length(b, r, i))
        return _show(&text)
    finally:
        text_end(&text)


def show(Call call) -> None:
    """A call that its definition has answered. Complexity: O(size of the command + number of monitors)."""
    cdef Text text
    cdef bytes word
    text.bytes = NULL
    try:
        _begin(&text, call.client)
        for word in call.argv:
            _add_word(&text, PyBytes_AS_STRING(word), PyBytes_GET_SIZE(word))
        _show(&text)
    finally:
        text_end(&text)
