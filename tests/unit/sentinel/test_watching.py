"""What a sentinel sends, when it takes somebody for down, and what it makes of INFO and hello."""

import pytest

from server.sentinel.instance import MASTER_REBOOT, O_DOWN, S_DOWN, SCRIPT_KILL_SENT, SUBSCRIBE
from server.sentinel.state import KNOWN_MAX, CannotCreate
from server.sentinel.words import text_of
from tests.support.one_sentinel import OTHER, THIRD, OneSentinel, error


def test_what_is_said_first() -> None:
    one = OneSentinel()
    one.master.auth_user, one.master.auth_pass = "bob", "secret"
    one.pass_time(100)
    assert one.commands(one.master) == [
        b"AUTH bob secret", b"CLIENT SETNAME sentinel-aaaaaaaa-cmd", b"PING",
        b"AUTH bob secret", b"CLIENT SETNAME sentinel-aaaaaaaa-pubsub", b"SUBSCRIBE __sentinel__:hello", b"INFO",
    ]


def test_what_is_said_now_and_then() -> None:
    one = OneSentinel()
    one.pass_time(1000)
    one.sent.clear()
    one.pass_time(22_000)
    said = one.commands(one.master)
    assert said.count(b"PING") == 20                         # more than a second apart, by ticks
    assert said.count(b"INFO") == 2                          # ... and each time together with a PING, as hello is
    assert all(said[at - 1] == b"PING" for at, words in enumerate(said) if words == b"INFO")
    assert said.count(b"PUBLISH __sentinel__:hello 10.0.0.100,26379," + b"a" * 40 + b",0,m,10.0.0.1,6379,0") == 10
    one.state.check()


def test_commands_by_their_new_names_at_masters_and_replicas_alone() -> None:
    one = OneSentinel()
    one.master.renamed["PING"] = ("PING", "gnip")
    one.pass_time(100)
    other = one.meet(OTHER)
    one.pass_time(100)
    assert b"gnip" in one.commands(one.master) and b"PING" not in one.commands(one.master)
    assert b"PING" in one.commands(other)


def test_who_does_not_answer_is_down_and_up_again() -> None:
    one = OneSentinel(quorum=2)
    one.pass_time(2000)
    one.silent.add(("10.0.0.1", 6379))
    one.pass_time(3000)
    assert one.events.count("+sdown master m 10.0.0.1 6379") == 1
    assert one.master.flags & S_DOWN and not one.master.flags & O_DOWN
    one.silent.clear()
    one.pass_time(200)
    assert one.events[-1] == "-sdown master m 10.0.0.1 6379"


def test_who_refuses_connections_is_down() -> None:
    one = OneSentinel(quorum=2)
    one.refuses.add(("10.0.0.1", 6379))
    one.pass_time(1500)
    assert "+sdown master m 10.0.0.1 6379" in one.events
    assert one.master.link.disconnected


def test_a_wire_that_is_silent_is_opened_anew() -> None:
    one = OneSentinel(quorum=9, down_after=20_000)
    one.pass_time(16_000)
    wire = one.master.link.commands
    one.silent.add(("10.0.0.1", 6379))
    one.pass_time(12_000)
    assert wire is not None and one.master.link.commands is not wire
    assert not one.master.flags & S_DOWN
    one.pass_time(10_000)
    assert one.master.flags & S_DOWN                         # time counts from the first PING without an answer


def test_a_wire_by_which_nothing_will_be_heard_is_given_up() -> None:
    one = OneSentinel()
    reply = one.reply
    one.reply = lambda kind, instance: error("NOAUTH x") if kind == SUBSCRIBE else reply(kind, instance)  # type: ignore
    one.pass_time(100)
    assert one.master.link.disconnected and one.master.link.pubsub is None
    one.reply = reply
    one.pass_time(1500)
    assert not one.master.link.disconnected


def test_a_busy_script_is_killed_once() -> None:
    one = OneSentinel(quorum=9)
    one.pass_time(1000)
    one.reply = lambda kind, instance: error("BUSY Redis is busy running a script.")
    one.pass_time(5000)
    assert one.commands(one.master).count(b"SCRIPT KILL") == 1
    assert one.master.flags & SCRIPT_KILL_SENT


def test_a_master_that_calls_itself_a_replica_for_long_is_down() -> None:
    one = OneSentinel(quorum=9)
    one.knows(("10.0.0.1", 6379), role="slave", master_host="10.0.0.3", master_port=1)
    one.pass_time(20_000)
    assert not one.master.flags & S_DOWN
    one.pass_time(5000)
    assert one.master.flags & S_DOWN


def test_a_master_that_came_back_empty_is_down_after_its_own_period() -> None:
    one = OneSentinel(quorum=9)
    one.master.reboot_down_after = 3000
    one.master_with()
    one.knows(("10.0.0.1", 6379), run_id="2" * 40, role="master")
    reply = one.reply
    one.reply = lambda kind, instance: (
        error("LOADING x") if reply(kind, instance) == "PONG" else reply(kind, instance))
    one.pass_time(11_000)
    assert "+reboot master m 10.0.0.1 6379" in one.events
    one.pass_time(3000)
    assert one.master.flags & MASTER_REBOOT and one.master.flags & S_DOWN
    one.reply = reply
    one.pass_time(1500)
    assert not one.master.flags & (MASTER_REBOOT | S_DOWN)


def test_replicas_are_found_by_info() -> None:
    one = OneSentinel()
    one.master_with(7001, 7002)
    assert sorted(one.master.replicas) == ["10.0.0.2:7001", "10.0.0.2:7002"]
    assert one.replica(7001).offset == 100 and one.replica(7001).link_up
    one.state.check()


def test_replicas_as_servers_of_old_tell_them() -> None:
    one = OneSentinel()
    one.knows(("10.0.0.1", 6379), role="master", slave0="10.0.0.2,7001,online")
    one.pass_time(200)
    assert list(one.master.replicas) == ["10.0.0.2:7001"]


def test_a_replica_is_asked_more_often_while_its_link_is_down() -> None:
    one = OneSentinel()
    one.master_with(7001)
    one.follows(7001, "10.0.0.1", 6379, master_link_status="down", master_link_down_since_seconds=3)
    one.pass_time(11_000)
    one.sent.clear()
    one.pass_time(5000)
    assert one.commands(one.replica(7001)).count(b"INFO") == 5
    assert one.replica(7001).master_link_down_ms == 3000


# ---- hello
def test_sentinels_are_found_by_hello_and_kept() -> None:
    one = OneSentinel()
    one.pass_time(100)
    saves = one.saves
    other = one.meet(OTHER)
    assert one.events[-1] == f"+sentinel sentinel {OTHER} 10.0.0.9 26379 @ m 10.0.0.1 6379" and one.saves == saves + 1
    one.meet(OTHER)
    assert one.saves == saves + 1 and one.master.sentinels == {OTHER: other}
    one.hears(one.master, "10.0.0.9,26379," + "a" * 40 + ",0,m,10.0.0.1,6379,0")     # our own
    one.hears(one.master, "10.0.0.9,26379,x,0,nobody's,10.0.0.1,6379,0")
    one.hears(one.master, "what is this")
    assert list(one.master.sentinels) == [OTHER]


def test_a_sentinel_that_moved() -> None:
    one = OneSentinel()
    one.state.add_master("n", "10.0.0.5", 6379, 1)
    one.pass_time(100)
    first = one.meet(OTHER)
    one.hears(one.master, f"10.0.0.9,26379,{OTHER},0,n,10.0.0.5,6379,0")
    second = one.state.masters["n"].sentinels[OTHER]
    assert first.link is second.link and first.link.owners == 2
    one.meet(OTHER, "10.0.0.10")
    moved = one.master.sentinels[OTHER]
    assert first.gone and moved.address.ip == second.address.ip == "10.0.0.10"
    assert f"+sentinel-address-switch master m 10.0.0.1 6379 ip 10.0.0.10 port 26379 for {OTHER}" in one.events
    assert any("1 additional matching instances" in event for event in one.events)
    one.pass_time(2000)
    one.state.check()


def test_another_sentinel_at_the_same_address_takes_the_place() -> None:
    one = OneSentinel()
    one.pass_time(100)
    one.meet(OTHER)
    one.meet(THIRD)
    assert list(one.master.sentinels) == [THIRD]
    assert f"+sentinel-invalid-addr sentinel {OTHER} 10.0.0.9 26379 @ m 10.0.0.1 6379" in one.events


def test_a_later_configuration_is_followed_and_an_older_one_is_not() -> None:
    one = OneSentinel()
    one.master_with(7001)
    one.meet(OTHER, epoch=5, master="10.0.0.2,7001", config_epoch=5)
    assert one.events[-4:] == [
        "+new-epoch 5", f"+config-update-from sentinel {OTHER} 10.0.0.9 26379 @ m 10.0.0.1 6379",
        "+switch-master m 10.0.0.1 6379 10.0.0.2 7001", "+slave slave 10.0.0.1:6379 10.0.0.1 6379 @ m 10.0.0.2 7001"]
    assert one.state.current_epoch == one.master.config_epoch == 5
    one.pass_time(100)
    one.meet(THIRD, "10.0.0.11", master="10.0.0.1,6379", config_epoch=4)
    assert one.master.address.ip == "10.0.0.2"
    one.state.check()


# ---- what a replica does that it should not
def test_a_replica_that_claims_to_be_a_master_is_told_otherwise_after_a_while() -> None:
    one = OneSentinel()
    one.master_with(7001)
    one.knows(("10.0.0.2", 7001), run_id=f"{7001:040}", role="master")
    while not any(event.startswith("-role-change") for event in one.events):
        one.pass_time(100)
    one.pass_time(9000)
    assert b"SLAVEOF 10.0.0.1 6379" not in one.commands(one.replica(7001))
    one.pass_time(2000)
    said = one.commands(one.replica(7001))
    at = said.index(b"SLAVEOF 10.0.0.1 6379")
    assert said[at - 1:at + 5] == [b"MULTI", b"SLAVEOF 10.0.0.1 6379", b"CONFIG REWRITE", b"CLIENT KILL TYPE normal",
                                   b"CLIENT KILL TYPE pubsub", b"EXEC"]
    assert "+convert-to-slave slave 10.0.0.2:7001 10.0.0.2 7001 @ m 10.0.0.1 6379" in one.events


def test_a_replica_that_follows_another_master_is_told_otherwise_after_failover_timeout() -> None:
    one = OneSentinel(timeout=12_000)
    one.master_with(7001)
    one.follows(7001, "10.0.0.3", 6379)
    one.pass_time(22_000)
    assert not any("+fix-slave-config" in event for event in one.events)
    one.pass_time(11_000)
    assert "+fix-slave-config slave 10.0.0.2:7001 10.0.0.2 7001 @ m 10.0.0.1 6379" in one.events


# ---- tilt
@pytest.mark.parametrize("jump", [5000, -3000])
def test_a_clock_that_jumps(jump: int) -> None:
    one = OneSentinel(quorum=1)
    one.master_with()
    one.now += jump
    one.silent.add(("10.0.0.1", 6379))
    one.pass_time(29_000)
    assert one.events == ["+tilt #tilt mode entered"] and one.state.tilt
    one.pass_time(2500)
    assert one.events[1] == "-tilt #tilt mode exited"
    assert one.master.flags & S_DOWN


# ---- names
def test_names_are_looked_up_only_if_that_is_wanted() -> None:
    one = OneSentinel()
    one.names.known["db"] = "10.0.0.7"
    with pytest.raises(CannotCreate, match=r"Can't resolve instance hostname\."):
        one.state.add_master("n", "db", 1, 1)
    one.state.settings.resolve_hostnames = True
    assert one.state.add_master("n", "db", 1, 1).address == ("db", "10.0.0.7", 1)
    assert one.state.add_master("later", "nobody", 1, 1).address == ("nobody", "", 1)
    with pytest.raises(CannotCreate, match=r"Invalid port number\."):
        one.state.add_master("x", "db", 65536, 1)
    with pytest.raises(CannotCreate, match=r"Duplicate master name\."):
        one.state.add_master("n", "db", 2, 1)


def test_a_name_that_has_moved_is_found_again() -> None:
    one = OneSentinel()
    one.state.settings.resolve_hostnames = one.state.settings.announce_hostnames = True
    one.names.known["db"] = "10.0.0.7"
    master = one.state.add_master("n", "db", 6379, 9)
    one.pass_time(1000)
    assert one.state.announced(master.address) == "db"
    one.names.known["db"] = "10.0.0.8"
    assert master.link.commands is not None
    one.protocol.lost(master.link.commands, one.now)
    one.pass_time(2000)
    assert master.address.ip == "10.0.0.8"


def test_words_that_are_no_utf_8() -> None:
    one = OneSentinel()
    name = b"\xff\xc3".decode("utf-8", "surrogateescape")
    master = one.state.add_master(name, "10.0.0.5", 6379, 1)
    master.auth_pass = name
    one.pass_time(5000)
    said = one.commands(master)
    assert said[0] == b"AUTH \xff\xc3" and any(b",\xff\xc3,10.0.0.5,6379,0" in line for line in said)
    assert master.link.commands is not None and master.link.pubsub is not None
    one.protocol.received(master.link.pubsub, [b"message", b"__sentinel__:hello", b"10.0.0.9,1,%s,0,\xff\xc3,10.0.0.5,"
                                               b"6379,0" % OTHER.encode()], one.now)
    assert list(master.sentinels) == [OTHER]


# ---- what cannot be true
BAD_HELLOS = [
    pytest.param(f"10.0.0.9,26379,{'c' * 41},0,m,10.0.0.1,6379,0", id="a-long-id"),
    pytest.param("10.0.0.9,26379,,0,m,10.0.0.1,6379,0", id="no-id"),
    pytest.param("10.0.0.9,26379,x\nsentinel myid y,0,m,10.0.0.1,6379,0", id="an-id-of-two-lines"),
    pytest.param("10.0.0.9,26379,\udcff,0,m,10.0.0.1,6379,0", id="an-id-that-is-no-text"),
    pytest.param(f"ten\nsentinel myid y,26379,{OTHER},0,m,10.0.0.1,6379,0", id="a-host-of-two-lines"),
    pytest.param(f"/run/a.sock,26379,{OTHER},0,m,10.0.0.1,6379,0", id="a-path"),
    pytest.param(f"{'x' * 256},26379,{OTHER},0,m,10.0.0.1,6379,0", id="a-long-host"),
    pytest.param(f"10.0.0.9,65536,{OTHER},0,m,10.0.0.1,6379,0", id="a-port-too-far"),
    pytest.param(f"10.0.0.9,26379,{OTHER},9223372036854775807,m,10.0.0.1,6379,0", id="the-last-epoch"),
    pytest.param(f"10.0.0.9,26379,{OTHER},0,m,10.0.0.2,6379,9223372036854775807", id="the-last-configuration"),
]


@pytest.mark.parametrize("text", BAD_HELLOS)
@pytest.mark.parametrize("by_name", [False, True])
def test_a_hello_that_cannot_be_true_changes_nothing(text: str, by_name: bool) -> None:
    one = OneSentinel()
    one.state.settings.resolve_hostnames = by_name
    one.pass_time(100)
    one.meet(THIRD, "10.0.0.10")
    before = one.saves, list(one.events)
    one.protocol.hello(text.encode("utf-8", "surrogateescape"), one.now)
    one.take()
    assert (one.saves, one.events) == before and list(one.master.sentinels) == [THIRD]
    assert one.state.current_epoch == one.master.config_epoch == 0


def test_a_configuration_whose_place_is_not_found_waits_until_it_is() -> None:
    one = OneSentinel()
    one.pass_time(100)
    one.meet(OTHER, master="no.name,6379", config_epoch=5)
    one.meet(OTHER, master="10.0.0.2,0", config_epoch=5)
    assert one.master.address.ip == "10.0.0.1" and one.master.config_epoch == 0
    assert not any(event.startswith("+switch-master") for event in one.events)
    one.meet(OTHER, master="10.0.0.2,7001", config_epoch=5)
    assert one.master.address.ip == "10.0.0.2" and one.master.config_epoch == 5


def test_invented_instances_have_an_end() -> None:
    one = OneSentinel()
    one.pass_time(100)
    for n in range(KNOWN_MAX + 5):
        one.protocol.hello(f"10.1.{n // 250}.{n % 250},26379,{n:040},0,m,10.0.0.1,6379,0".encode(), one.now)
    one.protocol.observed.receive(one.master, b"role:master\r\n" + b"".join(
        b"slave%d:ip=10.2.%d.%d,port=7001,state=online\r\n" % (n, n // 250, n % 250) for n in range(KNOWN_MAX + 5)))
    one.take()
    assert len(one.master.sentinels) == len(one.master.replicas) == KNOWN_MAX
    assert one.notes.count(f"{KNOWN_MAX} sentinels of master m: no others will be watched") == 1
    assert one.notes.count(f"{KNOWN_MAX} slaves of master m: no others will be watched") == 1
    one.state.check()


def test_a_vote_for_what_is_no_id_is_none() -> None:
    one = OneSentinel()
    one.pass_time(100)
    other = one.meet(OTHER)
    for leader in (b"x" * 41, b"a\nb", b"", b"\xff"):
        one.protocol.down.told(other, [1, leader, 7])
        assert (other.leader, other.leader_epoch) == ("", 0)
        assert one.protocol.is_master_down("10.0.0.1", 6379, 7, text_of(leader), one.now) == (False, "*", 0)
    one.protocol.down.told(other, [1, THIRD.encode(), 7])
    assert (other.leader, other.leader_epoch) == (THIRD, 7)
    assert one.protocol.is_master_down("10.0.0.1", 6379, 2**63 - 1, OTHER, one.now) == (False, "*", 0)
    assert one.state.current_epoch == 0


def test_a_replica_whose_info_says_nothing_is_left_alone() -> None:
    one = OneSentinel()
    one.master_with(7001)
    one.follows(7001, "10.0.0.77", 6379)
    one.pass_time(11_000)
    one.knows(("10.0.0.2", 7001), run_id="1" * 40)
    one.pass_time(120_000)
    assert not any(b"SLAVEOF" in line for line in one.commands(one.replica(7001)))
