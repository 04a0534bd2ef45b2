# cython: language_level=3, boundscheck=False, wraparound=False, cdivision=True
"""Fast paths of client-side caching: TRACKING ON and OFF without options, CACHING of who may say it, GETREDIR and
TRACKINGINFO."""
from libc.stdint cimport int64_t
from libc.string cimport strlen

from cpython.bytes cimport PyBytes_AS_STRING, PyBytes_GET_SIZE

from iothreads.message cimport Output
from iothreads.resp_writer cimport write_bulk, write_header, write_integer, write_raw
from server.clients.client cimport Client
from server.clients.tracking cimport Tracker, Tracking
from server.dispatch.loop cimport Loop
from server.dispatch.record cimport Op
from server.dispatch.shapes cimport ANY_TYPE, DECLINED, FREE, UNKEYED, is_word, row


cdef int64_t _tracking(Op* op) except -1:
    cdef Client c = <Client>op.client
    if op.r.arg_count != 3 or not isinstance(c.loop, Loop):
        return DECLINED
    if is_word(op, 2, "off", 3):
        if c.tracking is not None:
            (<Tracking>(<Loop>c.loop).server.tracking).stop(c)
    elif is_word(op, 2, "on", 2) and c.tracking is None:
        (<Tracking>(<Loop>c.loop).server.tracking).start_plainly(c)
    else:
        return DECLINED
    write_raw(op.out, "+OK\r\n", 5)
    return 0


cdef int64_t _caching(Op* op) except -1:
    """After it the door leaves `caching` alone: it is for the next command."""
    cdef Tracker tracker = (<Client>op.client).tracking
    if tracker is None or not (tracker.opt_in and is_word(op, 2, "yes", 3) or tracker.opt_out and is_word(op, 2, "no", 2)):
        return DECLINED
    tracker.caching = True
    write_raw(op.out, "+OK\r\n", 5)
    return 0


cdef int64_t _getredir(Op* op) except -1:
    cdef Tracker tracker = (<Client>op.client).tracking
    write_integer(op.out, -1 if tracker is None else <int64_t>tracker.redirect)
    return 0


# ---- TRACKINGINFO
cdef inline void _say(Output* out, const char* word) noexcept:
    write_bulk(out, word, strlen(word))


cdef inline int _say_if(Output* out, bint yes, const char* flag) noexcept:
    if yes and out != NULL:
        _say(out, flag)
    return yes


cdef int _flags(Output* out, Tracker tracker) noexcept:
    """How many it has; out NULL: they are only counted."""
    return (_say_if(out, True, "on") + _say_if(out, tracker.broadcasts, "bcast") + _say_if(out, tracker.opt_in, "optin")
            + _say_if(out, tracker.opt_in and tracker.caching, "caching-yes") + _say_if(out, tracker.opt_out, "optout")
            + _say_if(out, tracker.opt_out and tracker.caching, "caching-no") + _say_if(out, tracker.no_loop, "noloop")
            + _say_if(out, tracker.broken, "broken_redirect"))


cdef int64_t _trackinginfo(Op* op) except -1:
    cdef Client c = <Client>op.client
    cdef Tracker tracker = c.tracking
    cdef list prefixes = [] if tracker is None else tracker.prefixes
    cdef bytes prefix
    write_header(op.out, c'%' if c.resp == 3 else c'*', 3 if c.resp == 3 else 6)
    _say(op.out, "flags")
    write_header(op.out, c'~' if c.resp == 3 else c'*', 1 if tracker is None else _flags(NULL, tracker))
    if tracker is None:
        _say(op.out, "off")
    else:
        _flags(op.out, tracker)
    _say(op.out, "redirect")
    write_integer(op.out, -1 if tracker is None else <int64_t>tracker.redirect)
    _say(op.out, "prefixes")
    write_header(op.out, c'*', len(prefixes))
    for prefix in prefixes:
        write_bulk(op.out, PyBytes_AS_STRING(prefix), PyBytes_GET_SIZE(prefix))
    return 0


row("client|tracking", FREE | UNKEYED, ANY_TYPE, _tracking)
row("client|caching", FREE | UNKEYED, ANY_TYPE, _caching)
row("client|getredir", FREE | UNKEYED, ANY_TYPE, _getredir)
row("client|trackinginfo", FREE | UNKEYED, ANY_TYPE, _trackinginfo)
