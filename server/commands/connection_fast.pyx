# cython: language_level=3, boundscheck=False, wraparound=False, cdivision=True
"""Fast paths of connections: PING and ECHO, SELECT, and what clients say and ask of themselves when they come: HELLO, AUTH,
CLIENT ID, SETINFO, SETNAME, GETNAME, INFO, LIST ID. RESET of who has nothing to be taken back but its name, its protocol
and its database. CLIENT NO-EVICT and NO-TOUCH, and UNPAUSE where nothing is paused."""
from libc.limits cimport INT_MAX
from libc.stddef cimport size_t
from libc.stdint cimport int64_t, uint32_t, uint64_t

from cpython.bytes cimport PyBytes_AS_STRING, PyBytes_FromStringAndSize, PyBytes_GET_SIZE

from iothreads.decimal cimport parse_int64
from iothreads.message cimport Batch, Request, arg_at, arg_length
from iothreads.resp_writer cimport format_signed, write_bulk, write_integer, write_null, write_raw, write_verbatim
from server.clients.client cimport (CLIENT_FAKE, CLIENT_KEPT, CLIENT_MULTI, CLIENT_NO_EVICT, CLIENT_NO_TOUCH, CLIENT_UNIX_SOCKET,
                                    SLOW_NO_TOUCH, SLOW_SUBSCRIBED, Client)
from server.clients.client_list cimport add_line
from server.dispatch.conditions cimport SLOW_CLUSTER, SLOW_PAUSED, state
from server.dispatch.error_texts cimport no_such_db
from server.dispatch.loop cimport Loop
from server.dispatch.record cimport Op, Record
from server.dispatch.refusals cimport note_denial
from server.dispatch.shapes cimport (
    ANY_TYPE, DECLINED, FREE, UNKEYED, by_hand, integer_at, is_word, length_at, refuse, refuse_call, row, word_at)
from server.registry.clock cimport monotonic_us
from server.registry.text_writer cimport Text, text_add, text_begin, text_end

from server.acl.log import AUTH
from server.acl.users import DEFAULT_USER
from server.clients.authentication import WRONG_PASSWORD
from server.clients.greeting import around_id

cdef bytes _DEFAULT_USER = DEFAULT_USER
cdef bytes _WRONG_PASSWORD = WRONG_PASSWORD.encode()


cdef enum:
    FEW_IDS = 64                       # words of CLIENT LIST ID


cdef int _ping(Client c, Batch* b, Request* r) except -1:
    if r.arg_count > 2:
        return 0
    if c.slow & SLOW_SUBSCRIBED:       # in the form of a message
        write_raw(&c.out, "*2\r\n$4\r\npong\r\n", 14)
        if r.arg_count == 1:
            write_raw(&c.out, "$0\r\n\r\n", 6)
            return 1
    if r.arg_count == 2:
        write_bulk(&c.out, arg_at(b, r, 1), arg_length(b, r, 1))
    else:
        write_raw(&c.out, "+PONG\r\n", 7)
    return 1


cdef int _echo(Client c, Batch* b, Request* r) except -1:
    write_bulk(&c.out, arg_at(b, r, 1), arg_length(b, r, 1))
    return 1


cdef int _select(Client c, Batch* b, Request* r) except -1:
    """A node of a cluster has one database, and an error for who asks for another."""
    cdef list databases = c.db.keyspace.databases
    cdef int64_t number
    if c.state & CLIENT_FAKE or state.all & SLOW_CLUSTER or not parse_int64(arg_at(b, r, 1), arg_length(b, r, 1), &number):
        return 0
    if not 0 <= number < len(databases):
        return -INT_MAX < number < INT_MAX and refuse_call(c, r, no_such_db)
    c.db = databases[number]
    write_raw(&c.out, "+OK\r\n", 5)
    return 1


# ---- HELLO, AUTH, RESET
cdef int _hello(Client c, Batch* b, Request* r) except -1:
    """Without options, of a server with keys."""
    cdef int resp = c.resp
    cdef bytes before, behind
    cdef char digits[24]
    if (r.arg_count > 2 or not c.authenticated or c.subscriptions is not None or not isinstance(c.loop, Loop)
            or c.state & (CLIENT_FAKE | CLIENT_MULTI)):
        return 0
    if r.arg_count == 2:
        resp = arg_at(b, r, 1)[0] - c'0' if arg_length(b, r, 1) == 1 else 0
        if not 2 <= resp <= 3:
            return 0
    config = (<Loop>c.loop).server.config
    if config.sentinel_mode:
        return 0
    before, behind = around_id(resp, b"cluster" if config.cluster_enabled else b"standalone",
                               b"replica" if config.replicaof else b"master")
    c.resp = resp
    write_raw(&c.out, PyBytes_AS_STRING(before), PyBytes_GET_SIZE(before))
    write_raw(&c.out, digits, format_signed(digits, c.id) - digits)
    write_raw(&c.out, PyBytes_AS_STRING(behind), PyBytes_GET_SIZE(behind))
    return 1


cdef int64_t _auth(Op* op) except -1:
    """Of whom nothing is queued. No password is kept by who keeps requests: RULE_SECRET."""
    cdef Client c = <Client>op.client
    cdef bytes name, word
    if op.r.arg_count > 3 or c.state & (CLIENT_FAKE | CLIENT_MULTI) or not isinstance(c.loop, Loop):
        return DECLINED
    authentication = (<Loop>c.loop).server.authentication
    if op.r.arg_count == 2:
        if authentication.open:
            return DECLINED
        name = _DEFAULT_USER
    else:
        name = PyBytes_FromStringAndSize(word_at(op, 1), length_at(op, 1))
    word = PyBytes_FromStringAndSize(word_at(op, op.r.arg_count - 1), length_at(op, op.r.arg_count - 1))
    c.command = (<Record>op.r.record).command
    if not authentication.let_in(c, name, word):
        note_denial(c, AUTH, PyBytes_FromStringAndSize(word_at(op, 0), length_at(op, 0)), name)
        return refuse(op, _WRONG_PASSWORD)
    write_raw(op.out, "+OK\r\n", 5)
    return 0


cdef int _reset(Client c, Batch* b, Request* r) except -1:
    """In a transaction, as a subscriber ... the door is shut."""
    if (c.slow or c.state & ~<uint64_t>(CLIENT_UNIX_SOCKET | CLIENT_KEPT) or c.subscriptions is not None or c.watching is not None
            or c.tracking is not None or not isinstance(c.loop, Loop)):
        return 0
    default = (<Loop>c.loop).server.users.default
    if c.user is not default or not default.no_password or not default.enabled:
        return 0
    c.db = c.db.keyspace.databases[0]
    c.resp = 2
    c.name = b""
    write_raw(&c.out, "+RESET\r\n", 8)
    return 1


# ---- CLIENT
cdef bint _is_printable(Op* op, uint32_t at) noexcept:
    """As it may stand in CLIENT LIST: ASCII from ! to ~ only."""
    cdef const unsigned char* text = <unsigned char*>word_at(op, at)
    cdef size_t i
    for i in range(length_at(op, at)):
        if not 33 <= text[i] <= 126:
            return False
    return True


cdef int64_t _client_id(Op* op) except -1:
    write_integer(op.out, (<Client>op.client).id)
    return 0


cdef int64_t _client_getname(Op* op) except -1:
    cdef bytes name = (<Client>op.client).name
    if name:
        write_bulk(op.out, PyBytes_AS_STRING(name), PyBytes_GET_SIZE(name))
    else:
        write_null(op.out, (<Client>op.client).resp)
    return 0


cdef int64_t _client_setname(Op* op) except -1:
    if not _is_printable(op, 2):
        return DECLINED
    (<Client>op.client).name = PyBytes_FromStringAndSize(word_at(op, 2), length_at(op, 2))
    write_raw(op.out, "+OK\r\n", 5)
    return 0


cdef int64_t _client_setinfo(Op* op) except -1:
    """is_word is for letters: to it a carriage return would be the hyphen, too, so that what is not printable is not asked."""
    cdef Client c = <Client>op.client
    cdef bint names
    if not _is_printable(op, 2) or not _is_printable(op, 3):
        return DECLINED
    names = is_word(op, 2, "lib-name", 8)
    if not names and not is_word(op, 2, "lib-ver", 7):
        return DECLINED
    if names:
        c.library_name = PyBytes_FromStringAndSize(word_at(op, 3), length_at(op, 3))
    else:
        c.library_version = PyBytes_FromStringAndSize(word_at(op, 3), length_at(op, 3))
    write_raw(op.out, "+OK\r\n", 5)
    return 0


cdef inline int _choice(Op* op) noexcept:
    """1: ON, 0: OFF, -1: something else."""
    return 1 if is_word(op, 2, "on", 2) else 0 if is_word(op, 2, "off", 3) else -1


cdef int64_t _client_no_evict(Op* op) except -1:
    cdef Client c = <Client>op.client
    cdef int on = _choice(op)
    if on < 0:
        return DECLINED
    c.state = c.state | CLIENT_NO_EVICT if on else c.state & ~<uint64_t>CLIENT_NO_EVICT
    write_raw(op.out, "+OK\r\n", 5)
    return 0


cdef int64_t _client_no_touch(Op* op) except -1:
    cdef Client c = <Client>op.client
    cdef int on = _choice(op)
    if on < 0:
        return DECLINED
    c.state = c.state | CLIENT_NO_TOUCH if on else c.state & ~<uint64_t>CLIENT_NO_TOUCH
    c.slow = c.slow | SLOW_NO_TOUCH if on else c.slow & ~<uint32_t>SLOW_NO_TOUCH
    write_raw(op.out, "+OK\r\n", 5)
    return 0


cdef int64_t _client_unpause(Op* op) except -1:
    if state.all & SLOW_PAUSED:
        return DECLINED
    write_raw(op.out, "+OK\r\n", 5)
    return 0


cdef int _add_shown(Op* op, Text* text, Client client) except -1:
    """A line; of who asks, with the words that it asks by."""
    cdef size_t words = 0
    cdef uint32_t i
    if client is <Client>op.client:
        client.command = (<Record>op.r.record).command
        for i in range(op.r.arg_count):
            words += length_at(op, i)
    add_line(text, client, words, monotonic_us())
    return text_add(text, "\n", 1)


cdef int64_t _client_info(Op* op) except -1:
    cdef Text text
    text.bytes = NULL
    try:
        text_begin(&text)
        _add_shown(op, &text, <Client>op.client)
        write_verbatim(op.out, text.bytes, text.used, (<Client>op.client).resp)
        return 0
    finally:
        text_end(&text)


cdef int64_t _client_list(Op* op) except -1:
    """By their ids, a few at a time."""
    cdef Client c = <Client>op.client
    cdef int64_t id
    cdef uint32_t i
    cdef Text text
    if not 4 <= op.r.arg_count <= FEW_IDS or not is_word(op, 2, "id", 2) or not isinstance(c.loop, Loop):
        return DECLINED
    for i in range(3, op.r.arg_count):
        if not integer_at(op, i, &id):
            return DECLINED
    text.bytes = NULL
    try:
        text_begin(&text)
        find = (<Loop>c.loop).server.clients.get
        for i in range(3, op.r.arg_count):
            integer_at(op, i, &id)
            client = find(id)
            if client is not None:
                _add_shown(op, &text, client)
        write_verbatim(op.out, text.bytes, text.used, (<Client>op.client).resp)
        return 0
    finally:
        text_end(&text)


by_hand("ping", _ping, False)
by_hand("echo", _echo, False)
by_hand("select", _select, False)
by_hand("hello", _hello, False)
by_hand("reset", _reset, False)
row("auth", FREE | UNKEYED, ANY_TYPE, _auth)
row("client|id", FREE | UNKEYED, ANY_TYPE, _client_id)
row("client|info", FREE | UNKEYED, ANY_TYPE, _client_info)
row("client|list", FREE | UNKEYED, ANY_TYPE, _client_list)
row("client|getname", FREE | UNKEYED, ANY_TYPE, _client_getname)
row("client|setname", FREE | UNKEYED, ANY_TYPE, _client_setname)
row("client|setinfo", FREE | UNKEYED, ANY_TYPE, _client_setinfo)
row("client|no-evict", FREE | UNKEYED, ANY_TYPE, _client_no_evict)
row("client|no-touch", FREE | UNKEYED, ANY_TYPE, _client_no_touch)
row("client|unpause", FREE | UNKEYED, ANY_TYPE, _client_unpause)
