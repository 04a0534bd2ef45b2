# cython: language_level=3, boundscheck=False, wraparound=False, cdivision=True
from cpython.bytes cimport PyBytes_AS_STRING, PyBytes_FromStringAndSize, PyBytes_GET_SIZE

from iothreads.resp_writer cimport write_bulk, write_raw
from server.clients.client cimport CLIENT_CLOSE_ASAP, Client

from server.clients.pubsub import may_match
from server.keyspace.effects import EVENT_CLASS, KEYEVENT, KEYSPACE
from server.registry.reply import Encoded, Push
from server.registry.reply_writer import encode_reply
from server.structures.glob import match

cdef object _KEYSPACE_CHANNEL = b"__keyspace@%d__:%s"
cdef object _KEYEVENT_CHANNEL = b"__keyevent@%d__:%s"


cdef class KeyEvents:
    """Of one server. pubsub: clients.pubsub.PubSub; databases: how many."""

    def __cinit__(self, pubsub, int databases):
        self.pubsub = pubsub
        self.databases = databases
        self.flags = self.classes = ""
        self.hearers = [{} for _ in range(databases)]

    # ---- who may hear of what
    def set_flags(self, str letters) -> None:
        """notify-keyspace-events, expanded (no A)."""
        self.flags = letters
        self.listeners_changed()

    def listeners_changed(self) -> None:
        """A name among those that the channels of keys match came to be listened to, or does not any more. Complexity:
        O(names of that kind * databases * events)."""
        channels, patterns = self.pubsub.of_keys()
        self.to_keyspace = KEYSPACE in self.flags and any(name.startswith(b"__keyspace@") for name in channels)
        self.to_keyspace |= KEYSPACE in self.flags and any(may_match(pattern, b"__keyspace@") for pattern in patterns)
        self.to_keyevent = KEYEVENT in self.flags
        for known in self.hearers:
            known.clear()
        if self.to_keyspace:
            classes = self.flags
        elif self.to_keyevent and (channels or patterns):
            classes = "".join(letter for letter in self.flags if self._hears_class(letter, channels, patterns))
        else:
            classes = ""
        if classes != self.classes:
            self.classes = classes
            if self.on_audience is not None:
                self.on_audience(classes)

    def _hears_class(self, str letter, channels, patterns) -> bool:
        """Whether somebody listens to an event of this class by its name."""
        for event, its_class in EVENT_CLASS.items():
            if its_class != letter:
                continue
            for db in range(self.databases):
                channel = _KEYEVENT_CHANNEL % (db, event.encode())
                if channel in channels or any(match(pattern, channel) for pattern in patterns):
                    return True
        return False

    # ---- an event
    def notify(self, int db, str event, bytes key) -> None:
        """Something happened to a key: tell who listens. The class of the event is one of `classes`."""
        self.tell(db, event, PyBytes_AS_STRING(key), PyBytes_GET_SIZE(key))

    cdef int tell(self, int db, str event, const char* key, size_t length) except -1:
        cdef Hearers hearers
        cdef Client client
        cdef bytes old, new, beginning
        if self.to_keyspace:
            self.pubsub.publish(_KEYSPACE_CHANNEL % (db, PyBytes_FromStringAndSize(key, length)), event.encode())
        if not self.to_keyevent:
            return 0
        hearers = (<dict>self.hearers[db]).get(event)
        if hearers is None:
            hearers = self._find(db, event)
        for old, new, clients in hearers.listening:
            for client in <dict>clients:
                beginning = new if client.resp > 2 else old
                if client.held is not None:
                    text = PyBytes_FromStringAndSize(key, length)
                    client.held.append(Encoded(beginning + b"$%d\r\n%b\r\n" % (length, text)))
                elif not client.state & CLIENT_CLOSE_ASAP:
                    write_raw(&client.out, PyBytes_AS_STRING(beginning), PyBytes_GET_SIZE(beginning))
                    write_bulk(&client.out, key, length)
                    if not client.queued:
                        client.has_output()
        return 0

    cdef Hearers _find(self, int db, str event):
        """Who hears of it, kept for the next time: first those who named the channel, then pattern by pattern."""
        cdef Hearers found = Hearers.__new__(Hearers)
        channel = _KEYEVENT_CHANNEL % (db, event.encode())
        found.listening = []
        if channel in self.pubsub.channels:
            found.listening.append((*_beginnings(b"message", channel), self.pubsub.channels[channel]))
        for pattern, clients in self.pubsub.patterns.items():
            if match(pattern, channel):
                found.listening.append((*_beginnings(b"pmessage", pattern, channel), clients))
        self.hearers[db][event] = found
        return found


cdef class Hearers:
    """Who hears of one event in one database."""


def _beginnings(*parts: bytes) -> list[bytes]:
    """What stands before the text of a message of these parts, in RESP2 and in RESP3."""
    return [encode_reply(Push(*parts, b""), protocol)[: -len(b"$0\r\n\r\n")] for protocol in (2, 3)]
