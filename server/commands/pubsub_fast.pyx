# cython: language_level=3, boundscheck=False, wraparound=False, cdivision=True
"""Fast paths of publish and subscribe: SUBSCRIBE and its kin, PUBLISH, SPUBLISH, and what PUBSUB counts.

Who listens is kept by clients.pubsub; what is saved is the way there. Scripts go through the definitions, which know the
read-only ones, and so does who publishes and has subscriptions: its own messages come after its reply.
"""
from libc.stdint cimport int64_t, uint32_t
from libc.string cimport strlen

from cpython.bytes cimport PyBytes_AS_STRING, PyBytes_FromStringAndSize, PyBytes_GET_SIZE
from cpython.dict cimport PyDict_GetItem, PyDict_Size
from cpython.ref cimport PyObject

from iothreads.resp_writer cimport write_bulk, write_header, write_integer
from server.clients.client cimport CLIENT_DENY_BLOCKING, CLIENT_MULTI, CLIENT_SCRIPT, SLOW_REPLY_MODE, Client
from server.clients.pubsub cimport PubSub
from server.clients.tracking cimport speaker
from server.dispatch.loop cimport Loop
from server.dispatch.record cimport Op
from server.dispatch.shapes cimport ANY_TYPE, DECLINED, FREE, UNKEYED, is_passed_on, length_at, row, word_at

cdef enum:                             # Op.how: what a command does with names
    SUBSCRIBE
    PSUBSCRIBE
    SSUBSCRIBE
    UNSUBSCRIBE
    PUNSUBSCRIBE
    SUNSUBSCRIBE
    KINDS

cdef enum:                             # ... and which channels it is about
    CHANNELS
    SHARD_CHANNELS

ctypedef const char* name_t

cdef name_t[KINDS] _NAMES = ["subscribe", "psubscribe", "ssubscribe", "unsubscribe", "punsubscribe", "sunsubscribe"]


cdef inline bytes _bytes_at(Op* op, uint32_t at):
    return PyBytes_FromStringAndSize(word_at(op, at), length_at(op, at))


cdef inline PubSub _pubsub_of(Client c):
    """None for who has no connection."""
    return (<Loop>c.loop).server.pubsub if isinstance(c.loop, Loop) else None


# ---- listening
cdef Py_ssize_t _apply(PubSub pubsub, Client c, int how, bytes name) except -1:
    if how == SUBSCRIBE:
        return pubsub.subscribe(c, name)
    if how == UNSUBSCRIBE:
        return pubsub.unsubscribe(c, name)
    if how == PSUBSCRIBE:
        return pubsub.psubscribe(c, name)
    if how == PUNSUBSCRIBE:
        return pubsub.punsubscribe(c, name)
    return pubsub.ssubscribe(c, name) if how == SSUBSCRIBE else pubsub.sunsubscribe(c, name)


cdef int64_t _listen(Op* op) except -1:
    """Names, each of which gets a reply. Not in EXEC, and not for who wants no replies: it gets these as pushes."""
    cdef Client c = <Client>op.client
    cdef PubSub pubsub = _pubsub_of(c)
    cdef Py_ssize_t count
    cdef uint32_t at
    if (pubsub is None or op.r.arg_count == 1 or c.slow & SLOW_REPLY_MODE
            or c.state & (CLIENT_MULTI | CLIENT_DENY_BLOCKING | CLIENT_SCRIPT)):
        return DECLINED
    for at in range(1, op.r.arg_count):
        count = _apply(pubsub, c, op.how, _bytes_at(op, at))
        write_header(op.out, c'>' if c.resp == 3 else c'*', 3)
        write_bulk(op.out, _NAMES[op.how], strlen(_NAMES[op.how]))
        write_bulk(op.out, word_at(op, at), length_at(op, at))
        write_integer(op.out, count)
    pubsub.settle(c)
    return 0


# ---- sending
cdef int64_t _publish(Op* op) except -1:
    """Replicas hear of it, listened to or not, or the nodes of our cluster; the append only file does not."""
    cdef Client c = <Client>op.client
    cdef bint sharded = op.how == SHARD_CHANNELS
    cdef PubSub pubsub
    if c.state & CLIENT_SCRIPT and speaker.client != NULL:
        c = <Client>speaker.client     # a script's caller, for it has no connection itself
    pubsub = _pubsub_of(c)
    if pubsub is None or c.subscriptions is not None:
        return DECLINED
    channel, message = _bytes_at(op, 1), _bytes_at(op, 2)
    receivers = pubsub.spublish(channel, message) if sharded else pubsub.publish(channel, message)
    cluster = (<Loop>c.loop).server.cluster
    if cluster is not None:
        cluster.publish(channel, message, sharded=sharded)
    elif is_passed_on():
        (<Loop>c.loop).propagation.to_replicas(c.db, [_bytes_at(op, 0), channel, message])
    write_integer(op.out, receivers)
    return 0


# ---- looking
cdef int64_t _channels(Op* op) except -1:
    """All of them; a pattern is the definition's."""
    cdef PubSub pubsub = _pubsub_of(<Client>op.client)
    cdef dict channels
    cdef bytes name
    if pubsub is None or op.r.arg_count != 2:
        return DECLINED
    channels = pubsub.shard_channels if op.how == SHARD_CHANNELS else pubsub.channels
    write_header(op.out, c'*', PyDict_Size(channels))
    for name in channels:
        write_bulk(op.out, PyBytes_AS_STRING(name), PyBytes_GET_SIZE(name))
    return 0


cdef int64_t _numsub(Op* op) except -1:
    cdef PubSub pubsub = _pubsub_of(<Client>op.client)
    cdef PyObject* listeners
    cdef dict channels
    cdef uint32_t at
    if pubsub is None:
        return DECLINED
    channels = pubsub.shard_channels if op.how == SHARD_CHANNELS else pubsub.channels
    write_header(op.out, c'*', 2 * (op.r.arg_count - 2))
    for at in range(2, op.r.arg_count):
        listeners = PyDict_GetItem(channels, _bytes_at(op, at))
        write_bulk(op.out, word_at(op, at), length_at(op, at))
        write_integer(op.out, PyDict_Size(<dict>listeners) if listeners != NULL else 0)
    return 0


cdef int64_t _numpat(Op* op) except -1:
    cdef PubSub pubsub = _pubsub_of(<Client>op.client)
    if pubsub is None:
        return DECLINED
    write_integer(op.out, PyDict_Size(pubsub.patterns))
    return 0


row("subscribe", FREE | UNKEYED, ANY_TYPE, _listen, "", SUBSCRIBE)
row("psubscribe", FREE | UNKEYED, ANY_TYPE, _listen, "", PSUBSCRIBE)
row("ssubscribe", FREE | UNKEYED, ANY_TYPE, _listen, "", SSUBSCRIBE)
row("unsubscribe", FREE | UNKEYED, ANY_TYPE, _listen, "", UNSUBSCRIBE)
row("punsubscribe", FREE | UNKEYED, ANY_TYPE, _listen, "", PUNSUBSCRIBE)
row("sunsubscribe", FREE | UNKEYED, ANY_TYPE, _listen, "", SUNSUBSCRIBE)
row("publish", FREE | UNKEYED, ANY_TYPE, _publish, "", CHANNELS)
row("spublish", FREE | UNKEYED, ANY_TYPE, _publish, "", SHARD_CHANNELS)
row("pubsub|channels", FREE | UNKEYED, ANY_TYPE, _channels, "", CHANNELS)
row("pubsub|shardchannels", FREE | UNKEYED, ANY_TYPE, _channels, "", SHARD_CHANNELS)
row("pubsub|numsub", FREE | UNKEYED, ANY_TYPE, _numsub, "", CHANNELS)
row("pubsub|shardnumsub", FREE | UNKEYED, ANY_TYPE, _numsub, "", SHARD_CHANNELS)
row("pubsub|numpat", FREE | UNKEYED, ANY_TYPE, _numpat)
