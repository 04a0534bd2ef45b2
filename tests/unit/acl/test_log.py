"""ACL LOG by itself: time comes in as an argument."""

from types import SimpleNamespace

from server.acl.log import KEY, TOPLEVEL, AclLog, Entry
from server.config.config import Config


def log(max_len: int = 128) -> tuple[AclLog, SimpleNamespace]:
    config, counters = Config(), SimpleNamespace(acl_access_denied_key=0)
    config.set([("acllog-max-len", str(max_len))])
    return AclLog(config, counters), counters


def refuse(told: AclLog, what: bytes, now_ms: int, user: bytes = b"u", context: str = TOPLEVEL) -> None:
    told.add(Entry(KEY, context, what, user), b"client at %d" % now_ms, now_ms)


def shown(told: AclLog) -> list[tuple[bytes, int, int, int, int]]:
    return [(e.object, e.count, e.id, e.created_ms, e.updated_ms) for e in told.entries]


def test_equal_refusals_within_a_minute_are_one_entry() -> None:
    told, counted = log()
    refuse(told, b"a", 1000)
    refuse(told, b"b", 2000)
    refuse(told, b"a", 61000)
    assert shown(told) == [(b"a", 2, 0, 1000, 61000), (b"b", 1, 1, 2000, 2000)]
    assert told.entries[0].client == b"client at 61000"
    assert counted.acl_access_denied_key == 3


def test_later_it_is_another() -> None:
    told, _ = log()
    refuse(told, b"a", 1000)
    refuse(told, b"a", 61001)
    assert shown(told) == [(b"a", 1, 1, 61001, 61001), (b"a", 1, 0, 1000, 1000)]


def test_another_user_or_context_is_another() -> None:
    told, _ = log()
    refuse(told, b"a", 0)
    refuse(told, b"a", 0, user=b"v")
    refuse(told, b"a", 0, context="multi")
    assert [entry.id for entry in told.entries] == [2, 1, 0]


def test_only_the_newest_ten_are_looked_at() -> None:
    told, _ = log()
    for number in range(11):
        refuse(told, b"%d" % number, 0)
    refuse(told, b"1", 0)
    refuse(told, b"0", 0)
    assert [entry.object for entry in told.entries][:3] == [b"0", b"1", b"10"]
    assert [entry.id for entry in told.entries][:2] == [11, 1]


def test_length_and_reset() -> None:
    told, _ = log(2)
    for what in (b"a", b"b", b"c"):
        refuse(told, what, 0)
    assert [entry.object for entry in told.entries] == [b"c", b"b"]
    told.reset()
    refuse(told, b"d", 0)
    assert shown(told) == [(b"d", 1, 3, 0, 0)]
