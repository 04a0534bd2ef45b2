"""Client-side caching beside a real server: the same words from several connections, each hears the same, in order."""

import pytest

from tests.support.command_forms import KEYS, MISSING, command_forms, fill
from tests.support.resp import Push, as_bytes

NAMES = (*sorted(set(KEYS.values())), MISSING, b"v", b"new")
# What waits, what would end the test's own ways, and what differs by chance.
ASIDE = {*b"flushall flushdb swapdb migrate randomkey spop blmove blmpop blpop brpop brpoplpush bzmpop".split(),
         *b"bzpopmax bzpopmin xread xreadgroup eval_ro evalsha_ro fcall_ro".split()}


class Ensemble:
    """Named connections to one server; the ids of clients are told by their names."""

    def __init__(self, server, protocols):
        self.connections = {}
        self.ids = {}
        for name, protocol in protocols.items():
            connection = server.connect(protocol=protocol)
            self.ids[connection("CLIENT", "ID")] = name
            self.connections[name] = connection
        self.ids_by_name = {f"@{name}": number for number, name in self.ids.items()}

    def play(self, script):
        """Each line is (name, words...); "@x" is the id of x. What each connection was sent, in order."""
        heard = {name: [] for name in self.connections}
        for name, *words in script:
            self.connections[name].send(*(self.ids_by_name.get(word, word) for word in words))
            while self.hear(name, heard):
                pass
        for name, connection in self.connections.items():
            connection.send("PING", "end")
            while heard[name][-1:] not in ([("bytes", b"end")], [("list", [("bytes", b"pong"), ("bytes", b"end")])]):
                self.hear(name, heard)
        return heard

    def hear(self, name, heard):
        """One more; whether it was a push that is no reply."""
        reply = self.connections[name].read()
        heard[name].append(self.shown(reply))
        return isinstance(reply, Push) and reply[0] != b"subscribe"

    def shown(self, reply):
        if isinstance(reply, dict):
            return {key: self.shown(value) for key, value in reply.items()}
        if isinstance(reply, list):
            return (type(reply).__name__, [self.shown(part) for part in reply])
        return (type(reply).__name__, self.ids.get(reply, reply))

    def close(self):
        for connection in self.connections.values():
            connection.close()


@pytest.fixture
def compare(server, peer):
    """Plays a script on both and asserts that everybody hears the same."""
    made = []

    def play(script, **protocols):
        pair = [Ensemble(each, protocols) for each in (server, peer)]
        made.extend(pair)
        ours, theirs = (ensemble.play(script) for ensemble in pair)
        assert ours == theirs
        return ours

    yield play
    for ensemble in made:
        ensemble.close()


def new_enough(peer):
    """7.0 tells the caller of a command in the middle of it."""
    if peer.version < (7, 2):
        pytest.skip("7.2 only")


def test_default_mode(compare, peer):
    new_enough(peer)
    compare([
        ("a", "CLIENT", "TRACKING", "ON"), ("a", "GET", "k"), ("b", "SET", "k", 1), ("b", "SET", "k", 2),
        ("a", "MGET", "k", "j"), ("b", "MSET", "j", 1, "k", 2), ("a", "GET", "k"), ("a", "SET", "k", 3),
        ("a", "EXISTS", "k", "k"), ("a", "DEL", "k"), ("a", "LPUSH", "l", 1), ("a", "LRANGE", "l", 0, -1),
        ("a", "LPOP", "l"),
        ("a", "GET", "l"), ("b", "RPUSH", "l", 1), ("a", "GET", "l"), ("b", "DEL", "l"),
        ("a", "CLIENT", "TRACKINGINFO"),
        ("a", "HELLO", 2), ("a", "GET", "k"), ("b", "SET", "k", 1), ("a", "HELLO", 3), ("a", "CLIENT", "GETREDIR"),
        ("a", "GET", "k"), ("a", "RESET"), ("b", "SET", "k", 2), ("a", "GET", "k"),
    ], a=3, b=2)  # fmt: skip


def test_transactions_and_scripts(compare, peer):
    new_enough(peer)
    script = "redis.call('get', KEYS[1]); redis.call('set', KEYS[2], 'x'); return redis.call('get', KEYS[2])"
    compare([
        ("a", "CLIENT", "TRACKING", "ON"), ("a", "GET", "k"), ("a", "MULTI"), ("a", "SET", "k", 1), ("a", "GET", "k"),
        ("a", "GET", "j"), ("a", "SET", "k", 2), ("a", "EXEC"), ("b", "MSET", "k", 3, "j", 4),
        ("a", "EVAL", script, 2, "one", "two"), ("b", "MSET", "one", 1, "two", 1), ("a", "GET", "two"),
        ("a", "EVAL", script, 2, "one", "two"), ("a", "MULTI"), ("a", "EVAL", script, 2, "one", "two"), ("a", "PING"),
        ("a", "EXEC"), ("b", "SET", "two", 1), ("a", "WATCH", "two"), ("a", "MULTI"), ("a", "GET", "two"),
        ("a", "DISCARD"), ("b", "SET", "two", 2), ("a", "EVAL_RO", "return redis.call('get', KEYS[1])", 1, "k"),
        ("b", "SET", "k", 1), ("a", "MULTI"), ("a", "FLUSHALL"), ("a", "SET", "k", 1), ("a", "EXEC"),
    ], a=3, b=2)  # fmt: skip


def test_opt_in_and_out(compare):
    reads = [("a", "GET", key) for key in "xyz"]
    writes = [("b", "SET", key, 1) for key in "xyz"]
    for mode, answer in (("OPTIN", "YES"), ("OPTOUT", "NO")):
        compare([
            ("a", "CLIENT", "TRACKING", "ON", mode), *reads, *writes, ("a", "CLIENT", "CACHING", answer), *reads,
            *writes,
            ("a", "CLIENT", "CACHING", answer), ("a", "CLIENT", "TRACKINGINFO"), ("a", "CLIENT", "ID"), *reads, *writes,
            ("a", "CLIENT", "CACHING", answer), ("a", "MULTI"), *reads, ("a", "EXEC"), *writes, *reads, *writes,
            ("a", "MULTI"), ("a", "GET", "x"), ("a", "CLIENT", "CACHING", answer), ("a", "GET", "y"), ("a", "EXEC"),
            *writes, ("a", "CLIENT", "CACHING", answer), ("a", "GET"), *reads, *writes,
            ("a", "CLIENT", "CACHING", answer), ("a", "NO-SUCH"), *reads, *writes,
            ("a", "CLIENT", "TRACKING", "OFF"), *writes,
        ], a=3, b=2)  # fmt: skip


def test_no_loop(compare):
    compare([
        ("a", "CLIENT", "TRACKING", "ON", "NOLOOP"), ("a", "GET", "k"), ("a", "SET", "k", 1), ("b", "SET", "k", 2),
        ("a", "GET", "k"), ("b", "SET", "k", 2), ("a", "GET", "k"), ("a", "EVAL", "redis.call('set', 'k', 1)", 0),
        ("b", "SET", "k", 1), ("a", "GET", "k"), ("a", "FLUSHALL"), ("a", "CLIENT", "TRACKINGINFO"),
    ], a=3, b=2)  # fmt: skip


def test_broadcasting(compare):
    compare([
        ("a", "CLIENT", "TRACKING", "ON", "BCAST", "PREFIX", "x", "PREFIX", "yy"),
        ("c", "CLIENT", "TRACKING", "ON", "BCAST"),
        ("b", "MSET", "xb", 1, "xa", 1, "y", 1, "yyz", 1), ("a", "SET", "xc", 1), ("a", "GET", "xc"),
        ("a", "CLIENT", "TRACKING", "ON", "BCAST", "PREFIX", "z", "NOLOOP"), ("a", "SET", "xc", 2),
        ("b", "SET", "z", 2),
        ("a", "EVAL", "redis.call('set', 'xd', 1)", 0), ("a", "MULTI"), ("a", "SET", "xe", 1), ("a", "EXEC"),
        ("a", "CLIENT", "TRACKINGINFO"), ("b", "FLUSHALL"), ("c", "CLIENT", "TRACKING", "OFF"), ("b", "SET", "xz", 1),
    ], a=3, b=2, c=3)  # fmt: skip


def test_beside_keyspace_events(compare, peer):
    """Of one command: its reply, what its client listens to, and what is stale."""
    new_enough(peer)
    compare([
        ("a", "CONFIG", "SET", "notify-keyspace-events", "KEA"), ("a", "SUBSCRIBE", "__keyevent@0__:set"),
        ("a", "CLIENT", "TRACKING", "ON"), ("a", "GET", "k"), ("a", "SET", "k", 1), ("a", "GET", "k"),
        ("b", "SET", "k", 1), ("a", "GET", "k"), ("a", "MULTI"), ("a", "SET", "k", 2), ("a", "EXEC"),
        ("a", "CLIENT", "TRACKING", "ON", "NOLOOP"), ("a", "GET", "k"), ("a", "SET", "k", 3),
    ], a=3, b=2)  # fmt: skip


@pytest.mark.parametrize("protocol", [2, 3])
def test_redirection(compare, protocol):
    compare([
        ("r", "SUBSCRIBE", "__redis__:invalidate"), ("a", "CLIENT", "TRACKING", "ON", "REDIRECT", "@r"),
        ("a", "CLIENT", "GETREDIR"), ("a", "GET", "k"), ("b", "SET", "k", 1), ("a", "GET", "k"), ("a", "SET", "k", 2),
        ("b", "CLIENT", "TRACKING", "ON", "BCAST", "PREFIX", "p", "REDIRECT", "@r"), ("a", "MSET", "p1", 1, "p2", 2),
        ("a", "CLIENT", "TRACKINGINFO"), ("a", "GET", "p1"), ("b", "SET", "p1", 2),
    ], a=2, b=2, r=protocol)  # fmt: skip


@pytest.mark.parametrize("fast", ["yes", "no"])
def test_what_each_command_invalidates_and_remembers(server, peer, fast):
    """Of the keys that somebody has read, and of those that a command itself reads."""
    servers = (server, peer)
    with server.connect() as c:
        c.ok("DEBUG", "FAST-PATHS", fast)
        about_keys = {command[0] for command in c("COMMAND") if {"write", "readonly"} & set(command[2])}
        forms = [form for form in command_forms(c("COMMAND", "DOCS"))
                 if form.kind in ("plain", "all options", "missing key") and form.name.encode() in about_keys - ASIDE]
    assert len(forms) > 300
    readers, writers = [[each.connect(protocol=3) for each in servers] for _ in range(2)]
    known = {name.decode() for name in writers[1]("COMMAND", "LIST")}
    known -= {"zrank", "zrevrank"} if peer.version < (7, 2) else set()     # they got an option
    for connection in readers:
        connection.ok("CLIENT", "TRACKING", "ON")
    differ = []
    for form in forms:
        if form.name not in known:
            continue
        outcome = []
        for reader, writer in zip(readers, writers, strict=True):
            writer.ok("FLUSHALL")
            fill(writer)
            writer.ok("CLIENT", "TRACKING", "ON")
            reader("EXISTS", *NAMES)
            reader.pushes = []
            writer(*form.words)
            reader("ECHO", "fence")
            invalidated = [push[1] for push in reader.pushes]
            writer.pushes = []
            reader("UNLINK", *NAMES)
            writer("ECHO", "fence")
            outcome.append((invalidated, sorted(str(push[1]) for push in writer.pushes)))
            writer.ok("CLIENT", "TRACKING", "OFF")
            reader.pushes = []
        if [sorted(map(str, part)) for part in outcome[0]] != [sorted(map(str, part)) for part in outcome[1]]:
            differ.append((b" ".join(map(as_bytes, form.words)), *outcome))
    assert differ == []
    for connection in (*readers, *writers):
        connection.close()
