"""Refusals by user: few labels, whoever comes."""

from server.acl.denials import NOBODY, OTHERS, USERS_MAX, Denials, denials
from server.acl.log import AUTH, CHANNEL, COMMAND, KEY
from server.acl.users import Users
from server.config.config import Config


def counting(*names: bytes) -> Denials:
    users = Users(Config())
    for name in names:
        users.set(name, [b"on"])
    return Denials(users)


def test_by_user_and_reason() -> None:
    counts = counting(b"app")
    for name, reason in ((b"app", KEY), (b"app", KEY), (b"app", COMMAND), (b"default", CHANNEL), (b"app", AUTH)):
        counts.add(name, reason)
    assert dict(counts) == {
        b"app": {"auth": 1, "cmd": 1, "key": 2, "channel": 0},
        b"default": {"auth": 0, "cmd": 0, "key": 0, "channel": 1},
    }
    counts.reset_statistics()
    assert dict(counts) == {}


def test_a_name_that_a_stranger_made_up_is_no_label() -> None:
    counts = counting()
    for n in range(1000):
        counts.add(b"my-password-%d" % n, AUTH)
    assert dict(counts) == {NOBODY: {"auth": 1000, "cmd": 0, "key": 0, "channel": 0}}


def test_users_beyond_the_limit_count_together() -> None:
    names = [b"u%d" % n for n in range(USERS_MAX + 10)]
    counts = counting(*names)
    for name in names:
        counts.add(name, KEY)
        counts.add(name, KEY)
    found = dict(counts)
    assert len(found) == USERS_MAX + 1
    assert found[OTHERS]["key"] == 20
    assert sum(each["key"] for each in found.values()) == 2 * len(names)
    assert len(dict(counts.shown())) <= USERS_MAX + 2


def test_zeros_are_shown_for_who_was_refused_nothing() -> None:
    counts = counting(b"app")
    counts.add(b"app", KEY)
    shown = dict(counts.shown())
    assert shown.keys() == {b"app", b"default", NOBODY, OTHERS}
    assert shown[b"app"]["key"] == 1
    assert sum(shown[b"default"].values()) == 0


def test_a_line_of_info_can_be_read_whatever_the_name() -> None:
    counts = counting(b"a,b=c:d")
    counts.add(b"a,b=c:d", KEY)
    [(name, line)] = denials(counts)
    assert (name, line) == ("acl_denied0", "user=a_b_c_d,auth=0,cmd=0,key=1,channel=0")
