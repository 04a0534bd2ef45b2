# cython: language_level=3, boundscheck=False, wraparound=False, cdivision=True
from libc.stddef cimport size_t
from libc.stdint cimport uint32_t
from libc.string cimport memchr, memcpy

from cpython.bytes cimport PyBytes_AS_STRING, PyBytes_FromStringAndSize, PyBytes_GET_SIZE
from cpython.ref cimport PyObject

from iothreads.message cimport arg_at, arg_length
from iothreads.resp_writer cimport write_error
from server.acl.denials cimport Denials
from server.acl.log cimport AclLog, Entry
from server.acl.permissions cimport OF_COMMAND, OF_KEY, refusal
from server.clients.client cimport SLOW_ASKING, SLOW_LINK, SLOW_MULTI, SLOW_REPLY_MODE, SLOW_RESTRICTED, SLOW_TRACKING
from server.clients.client_list cimport line_of
from server.dispatch.conditions cimport SLOW_CLUSTER, state
from server.dispatch.door cimport fits
from server.dispatch.record cimport RULE_GATED, Record
from server.registry.clock cimport clock_state
from server.structures.table cimport KEY_LENGTH_MASK

from server.acl.log import CHANNEL, COMMAND, KEY, TOPLEVEL
from server.acl.selector import Denial, Denied
from server.acl.user import denial_text
from server.registry.errors import unknown_subcommand_text, wrong_arity_text

cdef enum:
    SHOWN = 128                        # bytes of the name, and of all other words together with what is around them
    TEXT = 2 * SHOWN + 80              # of the whole error
    NOT_PLAIN = SLOW_MULTI | SLOW_REPLY_MODE | SLOW_ASKING | SLOW_LINK | SLOW_TRACKING # more follows from a refusal than a reply

cdef const char* _BEFORE = "ERR unknown command '"
cdef const char* _BETWEEN = "', with args beginning with: "


cdef struct Text:
    char bytes[TEXT]
    size_t used


cdef inline void _say(Text* text, const char* s, size_t length) noexcept:
    memcpy(text.bytes + text.used, s, length)
    text.used += length


cdef inline void _show(Text* text, const char* word, size_t length, size_t most) noexcept:
    """So much of a word as C would: up to its first NUL."""
    cdef const char* end
    length = min(length, most)
    end = <const char*>memchr(word, 0, length)
    _say(text, word, length if end == NULL else end - word)


cdef inline void _begin(Text* text, const char* name, size_t length) noexcept:
    text.used = 0
    _say(text, _BEFORE, 21)
    _show(text, name, length, SHOWN)
    _say(text, _BETWEEN, 29)


cdef inline bint _add(Text* text, size_t first, const char* word, size_t length) noexcept:
    """One more word, when there is room; first: where words begin."""
    cdef size_t shown = text.used - first
    if shown >= SHOWN:
        return False
    _say(text, "'", 1)
    _show(text, word, length, SHOWN - shown)
    _say(text, "' ", 2)
    return True


cdef void _name_unknown(Text* text, Batch* b, Request* r) noexcept:
    cdef size_t first
    cdef uint32_t i
    _begin(text, arg_at(b, r, 0), arg_length(b, r, 0))
    first = text.used
    for i in range(1, r.arg_count):
        if not _add(text, first, arg_at(b, r, i), arg_length(b, r, i)):
            break


cdef bytes unknown_command(list argv):
    cdef Text text
    cdef bytes word = argv[0]
    cdef size_t first
    cdef Py_ssize_t i
    _begin(&text, PyBytes_AS_STRING(word), PyBytes_GET_SIZE(word))
    first = text.used
    for i in range(1, len(argv)):
        word = argv[i]
        if not _add(&text, first, PyBytes_AS_STRING(word), PyBytes_GET_SIZE(word)):
            break
    return PyBytes_FromStringAndSize(text.bytes, text.used)


cdef inline bint _may_be_http(Batch* b, Request* r) noexcept:
    """POST or Host: (clients.cross_protocol)."""
    cdef char first = arg_at(b, r, 0)[0] | 32
    return (arg_length(b, r, 0) == 4 and first == c'p') or (arg_length(b, r, 0) == 5 and first == c'h')


# ---- what a user may not do
cdef AclLog _log = None
cdef Denials _denials = None
cdef dict _DENIED = {kind: Denied(kind, 0) for kind in (Denial.COMMAND, Denial.KEY, Denial.CHANNEL)}
cdef bytes _NO_KEY = b"NOPERM " + denial_text(None, None, (), _DENIED[Denial.KEY])
cdef bytes _NO_CHANNEL = b"NOPERM " + denial_text(None, None, (), _DENIED[Denial.CHANNEL])


def use(AclLog log, Denials denials) -> None:
    """Where refusals are noted: ACL LOG, and who counts them by user."""
    global _log, _denials
    _log, _denials = log, denials


cdef bytes _deny(Client client, command, int denial, bytes what):
    """It is noted; the error. what: the key or channel."""
    cdef object user = client.user
    cdef bytes name = user.name, text = _NO_KEY if denial == OF_KEY else _NO_CHANNEL
    cdef str reason = KEY if denial == OF_KEY else CHANNEL
    if denial == OF_COMMAND:
        reason, what = COMMAND, (<str>command.name).encode()
        text = b"NOPERM " + denial_text(user, command, (), _DENIED[denial])
    note_denial(client, reason, what, name)
    return text


cdef int note_denial(Client client, str reason, bytes what, bytes name) except -1:
    _denials.add(name, reason)
    return _log.add(Entry(reason, TOPLEVEL, what, name), line_of(client), clock_state().unix_ms)


cdef bint _denial_step(ErrorCounts errors, Client client, Batch* b, Request* r, Record record) except -1:
    """What the user may not do is refused before anything else is asked, but for what concerns few commands."""
    cdef uint32_t at = 0
    cdef int denial
    cdef bytes text
    if state.all & ~<uint32_t>SLOW_CLUSTER or record.rules & RULE_GATED or client.user is None:
        return False
    denial = refusal(client.permissions, &record.needs, b, r, &at)
    if not denial:
        return False
    client.command = record.command
    text = _deny(client, record.command, denial, PyBytes_FromStringAndSize(arg_at(b, r, at), arg_length(b, r, at)))
    record.rejected += 1
    errors.count(text)
    write_error(&client.out, PyBytes_AS_STRING(text), PyBytes_GET_SIZE(text))
    return True


cdef bint _subcommand_step(ErrorCounts errors, Client client, Batch* b, Request* r, Record record) except -1:
    """Of a container: none of that name. One that is a command by itself decides what the word is."""
    cdef bytes word, text
    if r.arg_count < 2 or record.function is not None:
        return False
    word = PyBytes_FromStringAndSize(arg_at(b, r, 1), arg_length(b, r, 1))
    if word in record.subcommands or word.lower() in record.subcommands:
        return False
    text = unknown_subcommand_text(word, record.command.name)
    write_error(&client.out, PyBytes_AS_STRING(text), PyBytes_GET_SIZE(text))
    errors.count_plain()
    return True


cdef bint refusal_step(ErrorCounts errors, Client client, Batch* b, Request* r) except -1:
    cdef Record record
    cdef Text text
    cdef bytes known
    if client.slow & NOT_PLAIN:
        return False
    if r.record == NULL:
        if _may_be_http(b, r) or b.used > KEY_LENGTH_MASK:     # in the latter case it may be known (long_names)
            return False
        _name_unknown(&text, b, r)
        write_error(&client.out, text.bytes, text.used)
        errors.count_plain()
        return True
    record = <Record>r.record
    if client.slow == SLOW_RESTRICTED and record.function is not None and fits(<PyObject*>record, r.arg_count):
        return _denial_step(errors, client, b, r, record)
    if record.subcommands is not None:
        return _subcommand_step(errors, client, b, r, record)
    if fits(<PyObject*>record, r.arg_count):
        return False
    record.rejected += 1
    known = wrong_arity_text(record.command.name)
    write_error(&client.out, PyBytes_AS_STRING(known), PyBytes_GET_SIZE(known))
    errors.count_plain()
    return True
