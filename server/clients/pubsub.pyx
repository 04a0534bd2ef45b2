# cython: language_level=3, boundscheck=False, wraparound=False, cdivision=True
from libc.string cimport memcmp

from cpython.bytes cimport PyBytes_AS_STRING, PyBytes_GET_SIZE
from cpython.dict cimport PyDict_GetItem, PyDict_Size
from cpython.ref cimport PyObject

from iothreads.resp_writer cimport write_raw
from server.clients.client cimport CLIENT_CLOSE_ASAP, SLOW_SUBSCRIBED, Client
from server.registry.reply_writer cimport encode_reply
from server.structures.glob cimport glob_match

from server.registry.reply import Encoded

cdef enum:
    SUBSCRIPTIONS_BYTES = 500          # of the first subscription, for tot-mem: measured, like the next
    SUBSCRIPTION_OVERHEAD = 180        # bytes per channel or pattern, its name and its place among the listeners

cdef bytes _KEYSPACE = b"__keyspace@"  # what the channels of keyspace notifications begin with
cdef bytes _KEYEVENT = b"__keyevent@"


cdef class Subscriptions:

    def __cinit__(self):
        self.channels, self.patterns, self.shard_channels = {}, {}, {}

    @property
    def count(self) -> int:
        """Channels and patterns, as SUBSCRIBE and PSUBSCRIBE reply it."""
        return _count(self)

    def __len__(self):
        return _count(self) + PyDict_Size(self.shard_channels)

    @property
    def overhead(self) -> int:
        """Bytes it costs."""
        return SUBSCRIPTIONS_BYTES + SUBSCRIPTION_OVERHEAD * len(self)


cdef inline Py_ssize_t _count(Subscriptions mine) except -1:
    return PyDict_Size(mine.channels) + PyDict_Size(mine.patterns)


cdef Subscriptions _begun(Client client):
    """Those of the client, to add to."""
    if client.subscriptions is None:
        client.subscriptions = Subscriptions.__new__(Subscriptions)
    return <Subscriptions>client.subscriptions


cdef bint _join(dict listeners, dict mine, Client client, bytes name) except -1:
    """True: it is the first that listens to this name."""
    cdef PyObject* others = PyDict_GetItem(listeners, name)
    mine[name] = None
    if others != NULL:
        (<dict>others)[client] = None
        return False
    listeners[name] = {client: None}
    return True


cdef bint _part(dict listeners, dict mine, Client client, bytes name) except -1:
    """True: it was the last that listened to this name."""
    cdef dict clients
    if name not in mine:
        return False
    del mine[name]
    clients = listeners[name]
    del clients[client]
    if clients:
        return False
    del listeners[name]
    return True


cdef class PubSub:

    def __cinit__(self):
        self.channels, self.patterns, self.shard_channels = {}, {}, {}
        self.on_key_listeners = int

    # ---- one client
    cpdef Py_ssize_t subscribe(self, Client client, bytes channel) except -1:
        cdef Subscriptions mine = _begun(client)
        if _join(self.channels, mine.channels, client, channel) and _is_of_keys(channel):
            self.count_of_keys(1)
        return _count(mine)

    cpdef Py_ssize_t psubscribe(self, Client client, bytes pattern) except -1:
        cdef Subscriptions mine = _begun(client)
        if _join(self.patterns, mine.patterns, client, pattern) and _may_match_keys(pattern):
            self.count_of_keys(1)
        return _count(mine)

    cpdef Py_ssize_t ssubscribe(self, Client client, bytes channel) except -1:
        cdef Subscriptions mine = _begun(client)
        _join(self.shard_channels, mine.shard_channels, client, channel)
        return PyDict_Size(mine.shard_channels)

    cpdef Py_ssize_t unsubscribe(self, Client client, bytes channel) except -1:
        cdef Subscriptions mine = client.subscriptions
        if mine is None:
            return 0
        if _part(self.channels, mine.channels, client, channel) and _is_of_keys(channel):
            self.count_of_keys(-1)
        return _count(mine)

    cpdef Py_ssize_t punsubscribe(self, Client client, bytes pattern) except -1:
        cdef Subscriptions mine = client.subscriptions
        if mine is None:
            return 0
        if _part(self.patterns, mine.patterns, client, pattern) and _may_match_keys(pattern):
            self.count_of_keys(-1)
        return _count(mine)

    cpdef Py_ssize_t sunsubscribe(self, Client client, bytes channel) except -1:
        cdef Subscriptions mine = client.subscriptions
        if mine is None:
            return 0
        _part(self.shard_channels, mine.shard_channels, client, channel)
        return PyDict_Size(mine.shard_channels)

    cdef int count_of_keys(self, Py_ssize_t by) except -1:
        self.of_keys_count += by
        self.on_key_listeners()
        return 0

    cpdef int settle(self, Client client) except -1:
        cdef Subscriptions mine = client.subscriptions
        if mine is not None and len(mine) == 0:
            client.subscriptions = mine = None
        client.slow_because(SLOW_SUBSCRIBED, client.resp == 2 and mine is not None)
        return 0

    def forget(self, Client client) -> None:
        """The client is gone, or starts anew (RESET): it listens to nothing. Complexity: O(its subscriptions)."""
        cdef Subscriptions mine = client.subscriptions
        if mine is None:
            return
        for channel in list(mine.channels):
            self.unsubscribe(client, channel)
        for pattern in list(mine.patterns):
            self.punsubscribe(client, pattern)
        for channel in list(mine.shard_channels):
            self.sunsubscribe(client, channel)
        self.settle(client)

    # ---- sending
    cpdef Py_ssize_t publish(self, bytes channel, bytes text) except -1:
        cdef PyObject* found = PyDict_GetItem(self.channels, channel)
        cdef Py_ssize_t receivers = 0
        cdef bytes pattern
        cdef dict listeners
        if found != NULL:
            receivers = _send(<dict>found, (b"message", channel, text))
        for pattern, listeners in self.patterns.items():
            if glob_match(PyBytes_AS_STRING(pattern), PyBytes_GET_SIZE(pattern),
                          PyBytes_AS_STRING(channel), PyBytes_GET_SIZE(channel), False):
                receivers += _send(listeners, (b"pmessage", pattern, channel, text))
        return receivers

    cpdef Py_ssize_t spublish(self, bytes channel, bytes text) except -1:
        cdef PyObject* found = PyDict_GetItem(self.shard_channels, channel)
        return _send(<dict>found, (b"smessage", channel, text)) if found != NULL else 0

    # ---- looking
    def of_keys(self) -> tuple[set[bytes], list[bytes]]:
        """Channels of keys that somebody listens to, and patterns that may match one, in the order of messages."""
        if not self.of_keys_count:
            return set(), []
        return ({channel for channel in self.channels if _is_of_keys(channel)},
                [pattern for pattern in self.patterns if _may_match_keys(pattern)])

    def subscribers(self, bytes channel) -> int:
        """PUBSUB NUMSUB of one channel."""
        return len(self.channels.get(channel, ()))

    def shard_subscribers(self, bytes channel) -> int:
        """PUBSUB SHARDNUMSUB of one channel."""
        return len(self.shard_channels.get(channel, ()))

    def check(self) -> None:
        """Assert that both sides of every subscription agree."""
        for listeners, own in ((self.channels, "channels"), (self.patterns, "patterns"),
                               (self.shard_channels, "shard_channels")):
            for name, clients in listeners.items():
                assert clients, f"{name!r} is listed without a listener"
                for client in clients:
                    assert name in getattr(client.subscriptions, own), f"{name!r}: the client does not know"
        channels, patterns = self.of_keys()
        assert self.of_keys_count == len(channels) + len(patterns)


cdef Py_ssize_t _send(dict listeners, tuple parts) except -1:
    """Push byte strings as one message to these clients; how many they are. Complexity: O(clients), and a copy for each."""
    cdef Client client
    cdef bytes wire = encode_reply(parts, 2)
    cdef const char* rest = PyBytes_AS_STRING(wire) + 1
    cdef size_t length = PyBytes_GET_SIZE(wire) - 1
    for client in listeners:
        if client.held is not None:
            client.held.append(Encoded((b">" if client.resp > 2 else b"*") + wire[1:]))
        elif not client.state & CLIENT_CLOSE_ASAP:
            write_raw(&client.out, ">" if client.resp > 2 else "*", 1)
            write_raw(&client.out, rest, length)
            if not client.queued:
                client.has_output()
    return PyDict_Size(listeners)


# ---- which names are of keys
cdef inline bint _begins_alike(bytes text, Py_ssize_t length, bytes beginning) noexcept:
    """Whether the shorter one of the text's first `length` bytes and `beginning` begins the other."""
    return memcmp(PyBytes_AS_STRING(text), PyBytes_AS_STRING(beginning), min(length, PyBytes_GET_SIZE(beginning))) == 0


cdef bint _is_of_keys(bytes channel) noexcept:
    cdef Py_ssize_t length = PyBytes_GET_SIZE(channel)
    return length >= PyBytes_GET_SIZE(_KEYSPACE) and (_begins_alike(channel, length, _KEYSPACE)
                                                       or _begins_alike(channel, length, _KEYEVENT))


cdef bint _may_match_keys(bytes pattern) noexcept:
    return may_match(pattern, _KEYSPACE) or may_match(pattern, _KEYEVENT)


cpdef bint may_match(bytes pattern, bytes beginning) noexcept:
    cdef const char* text = PyBytes_AS_STRING(pattern)
    cdef Py_ssize_t plain = 0
    while plain < PyBytes_GET_SIZE(pattern) and text[plain] not in (c'*', c'?', c'[', c'\\'):
        plain += 1
    return _begins_alike(pattern, plain, beginning)
