"""nodes.conf: files of real nodes, read and written; broken ones; the lock."""

import errno
import os
import random
import threading
from pathlib import Path
from threading import Event

import pytest

from server.cluster import slots
from server.cluster.conf_file import ConfFile, ConfInUse
from server.cluster.conf_format import BrokenConf, conf_of, node_line, parse, view_of, write
from server.cluster.messages import FAIL, HANDSHAKE, MASTER, MYSELF, NOADDR, REPLICA
from server.cluster.node import Node
from tests.support.pace import wait_until

# Written by redis-server 7.2.6: a master with a replica, another one that has a slot coming; then one that failed.
CONF_7_2 = (
    "405f0babe03a8e398091cf663c2ef6024c5f3c1b 127.0.0.1:21801@21851,one.example,tls-port=0,nodename=first"
    ",shard-id=e10f1659817f999aee5d1710b4362bfc8bd95fc6 myself,master - 0 1795957549000 2 connected "
    "0-16383 [7->-c0ffeec0ffeec0ffeec0ffeec0ffeec0ffeeabcd]\n"
    "c0ffeec0ffeec0ffeec0ffeec0ffeec0ffeeabcd "
    "127.0.0.1:21810@21860,,tls-port=0,shard-id=c0ffeec0ffeec0ffeec0ffeec0ffeec0ffeeabcd slave "
    "405f0babe03a8e398091cf663c2ef6024c5f3c1b 0 1795957554876 2 connected\n"
    "3fd45541a9ec64c576a0f20b40c6ac68436f7aaf "
    "127.0.0.1:21802@21852,,tls-port=0,shard-id=e10f1659817f999aee5d1710b4362bfc8bd95fc6 slave "
    "405f0babe03a8e398091cf663c2ef6024c5f3c1b 0 1795957554978 2 connected\n"
    "vars currentEpoch 3 lastVoteEpoch 3\n"
)
CONF_7_2_FAIL = (
    "405f0babe03a8e398091cf663c2ef6024c5f3c1b 127.0.0.1:21801@21851,one.example,tls-port=0,nodename=first"
    ",shard-id=e10f1659817f999aee5d1710b4362bfc8bd95fc6 myself,master - 0 1795957549000 2 connected "
    "0-16383 [7->-c0ffeec0ffeec0ffeec0ffeec0ffeec0ffeeabcd]\n"
    "c0ffeec0ffeec0ffeec0ffeec0ffeec0ffeeabcd "
    "127.0.0.1:21810@21860,,tls-port=0,shard-id=c0ffeec0ffeec0ffeec0ffeec0ffeec0ffeeabcd slave "
    "405f0babe03a8e398091cf663c2ef6024c5f3c1b 1795957558002 1795957556999 2 connected\n"
    "3fd45541a9ec64c576a0f20b40c6ac68436f7aaf "
    "127.0.0.1:21802@21852,,tls-port=0,shard-id=e10f1659817f999aee5d1710b4362bfc8bd95fc6 slave,fail "
    "405f0babe03a8e398091cf663c2ef6024c5f3c1b 1795957555982 1795957554978 2 connected\n"
    "vars currentEpoch 3 lastVoteEpoch 3\n"
)
CONF_7_0 = (
    "d5e6bf5143925922e486ec74a0367d90bae5b14c 127.0.0.1:21802@21852 slave "
    "56eb1e6b2a12db05047a58b5a7c56c28cb5bb43a 0 1795957572776 1 connected\n"
    "c0ffeec0ffeec0ffeec0ffeec0ffeec0ffeeabcd 127.0.0.1:21810@21860 slave "
    "56eb1e6b2a12db05047a58b5a7c56c28cb5bb43a 0 1795957572776 1 connected\n"
    "56eb1e6b2a12db05047a58b5a7c56c28cb5bb43a 127.0.0.1:21801@21851,one.example myself,master - 0 "
    "1795957572000 1 connected 0-16383 [7->-c0ffeec0ffeec0ffeec0ffeec0ffeec0ffeeabcd]\n"
    "vars currentEpoch 2 lastVoteEpoch 2\n"
)
NODES_7_2 = (
    "405f0babe03a8e398091cf663c2ef6024c5f3c1b 127.0.0.1:21801@21851,one.example myself,master - 0 "
    "1795957549000 2 connected 0-16383 [7->-c0ffeec0ffeec0ffeec0ffeec0ffeec0ffeeabcd]\n"
    "c0ffeec0ffeec0ffeec0ffeec0ffeec0ffeeabcd 127.0.0.1:21810@21860 slave "
    "405f0babe03a8e398091cf663c2ef6024c5f3c1b 0 1795957554876 2 connected\n"
    "3fd45541a9ec64c576a0f20b40c6ac68436f7aaf 127.0.0.1:21802@21852 slave "
    "405f0babe03a8e398091cf663c2ef6024c5f3c1b 0 1795957554978 2 connected\n"
)
NOW = 1_800_000_000_000
A, B, C = "a" * 40, "b" * 40, "c" * 40
LINE = f"{A} 10.0.0.1:7000@17000 myself,master - 0 0 1 connected"


def rng() -> random.Random:
    return random.Random(1)


@pytest.mark.parametrize("text", [CONF_7_2, CONF_7_2_FAIL], ids=["fine", "one failed"])
def test_a_file_of_7_2_is_written_again_byte_for_byte(text: str) -> None:
    assert write(parse(text)) == text


def test_cluster_nodes_is_the_same_without_what_clients_are_not_told() -> None:
    """Of the same node at the same moment."""
    assert "".join(f"{node_line(record)}\n" for record in parse(CONF_7_2).records) == NODES_7_2


def test_what_is_in_a_file_of_7_2() -> None:
    me, peer, replica = parse(CONF_7_2).records
    assert (me.hostname, me.nodename, me.ip) == ("one.example", "first", "127.0.0.1")
    assert (me.port, me.bus_port) == (21801, 21851)
    assert (me.flags, me.slots, me.other_port) == (MYSELF | MASTER, slots.ALL, 0)
    assert me.migrating == {7: peer.name} and not me.importing
    assert (replica.flags, replica.master, replica.shard_id) == (REPLICA, me.name, me.shard_id)
    assert parse(CONF_7_2_FAIL).records[2].flags == REPLICA | FAIL


def test_a_file_of_7_0() -> None:
    conf = parse(CONF_7_0)
    assert (conf.current_epoch, conf.last_vote_epoch, len(conf.records)) == (2, 2, 3)
    assert [record.hostname for record in conf.records] == ["", "", "one.example"]
    view = view_of(conf, NOW, rng())
    view.check()
    assert {node.shard_id for node in view.nodes.values()} == {view.myself.shard_id}


@pytest.mark.parametrize("text", [CONF_7_2, CONF_7_2_FAIL, CONF_7_0])
def test_the_tables_are_what_is_kept(text: str) -> None:
    view = view_of(parse(text), NOW, rng())
    view.check()
    assert view.myself.slots == slots.ALL and view.size == 1
    again = conf_of(view)
    assert parse(write(again)) == again
    assert [(r.name, r.flags, r.slots, r.master, r.config_epoch) for r in again.records] == [
        (r.name, r.flags, r.slots, r.master, r.config_epoch) for r in parse(text).records]
    assert (again.current_epoch, again.last_vote_epoch) == (parse(text).current_epoch, parse(text).last_vote_epoch)


def test_handshakes_are_not_kept() -> None:
    view = view_of(parse(LINE), NOW, rng())
    view.add(Node(B, C, HANDSHAKE, NOW))
    assert [record.name for record in conf_of(view).records] == [A]


def test_nodes_that_are_only_referred_to_are_known_by_name() -> None:
    view = view_of(parse(f"{LINE} 1-2 [1->-{B}] [9-<-{C}]"), NOW, rng())
    view.check()
    assert view.migrating[1] is view.nodes[B] and view.importing[9] is view.nodes[C]
    assert view.nodes[B].flags == NOADDR
    assert write(conf_of(view)).splitlines()[0].endswith(f"1 connected 1-2 [1->-{B}] [9-<-{C}]")


def test_an_epoch_that_somebody_edited_away_comes_back() -> None:
    conf = parse(f"{LINE.replace(' 1 c', ' 7 c')}\nvars currentEpoch 3 lastVoteEpoch 0\n")
    assert view_of(conf, NOW, rng()).current_epoch == 7


@pytest.mark.parametrize(
    ("address", "expected"),
    [
        ("10.0.0.1:7000@17000", (7000, 0, 17000)),
        ("10.0.0.1:7000", (7000, 0, 17000)),
        ("::1:7000@1,,tls-port=7443", (7000, 7443, 1)),
        ("h:7443@1,,tcp-port=7000", (7000, 7443, 1)),
    ],
)
def test_addresses(address: str, expected: tuple[int, int, int]) -> None:
    me = view_of(parse(LINE.replace("10.0.0.1:7000@17000", address)), NOW, rng()).myself
    assert (me.port, me.tls_port, me.bus_port) == expected


def test_a_file_of_a_bus_with_tls() -> None:
    text = f"{LINE.replace('@17000', '@17000,,tcp-port=6999,shard-id=' + C)}\nvars currentEpoch 1 lastVoteEpoch 0\n"
    assert write(parse(text, tls=True)) == text
    me = view_of(parse(text, tls=True), NOW, rng()).myself
    assert (me.port, me.tls_port) == (6999, 7000)


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("", "not one node is myself"),
        (f"{LINE}\n{LINE}", "a node has two lines"),
        (f"{LINE}\n{LINE.replace(A, B)}", "not one node is myself"),
        (LINE[1:], "line 1: '.*' is no name of a node"),
        (f"\n{LINE} 16384", "line 2: '16384' is no number up to 16383"),
        (f"{LINE} -1", "'' is no number"),
        (f"{LINE} 5-3", "are no slots"),
        (f"{LINE} 1-3 2", "some twice"),
        (f"{LINE} 1\n{LINE.replace(A, B).replace('myself,', '')} 1", "two nodes serve one slot"),
        (f"{LINE} [1", "no slot that is on its way"),
        (f"{LINE} [1->-{B[1:]}]", "no name"),
        (f"{LINE} [x->-{B}]", "no number"),
        (LINE.replace("master", "boss"), "'boss' is no flag"),
        (LINE.replace("7000@", "x@"), "'x' is no number up to 65535"),
        (LINE.replace("@17000", "@17000,,shard-id=1"), "no name"),
        (LINE.replace("@17000", "@17000,,colour=red"), "'colour' is not known"),
        (LINE.replace("@17000", "@17000,,red"), "no key=value"),
        (LINE.replace(":", "-"), "is no address"),
        (" ".join(LINE.split()[:7]), "fewer than eight words"),
        (LINE.replace("0 0 1", "0 0 x"), "'x' is no number"),
        (f"{LINE}\nvars currentEpoch", "without a value"),
        (LINE.replace("master -", f"slave {A}"), "replicates itself"),
    ],
)
def test_broken_files_are_refused_with_the_reason(text: str, why: str) -> None:
    with pytest.raises(BrokenConf, match=why):
        parse(text)


def test_a_file_is_one_nodes_alone(tmp_path: Path) -> None:
    path = tmp_path / "nodes.conf"
    mine, theirs = ConfFile(path), ConfFile(path)
    assert mine.open() == ""
    with pytest.raises(ConfInUse, match="already used by a different node"):
        theirs.open()
    mine.write("one\n", fsync=True)
    with pytest.raises(ConfInUse):
        theirs.open()
    mine.write("two\n", fsync=False)
    mine.close()
    assert theirs.open() == "two\n"
    theirs.close()
    assert os.listdir(tmp_path) == ["nodes.conf"]


@pytest.mark.skipif(not Path("/proc/self/fd").exists(), reason="asks Linux what a descriptor is")
def test_who_does_not_wait_has_the_last_file_on_the_disk_soon(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """One sync at a time: of what was written during one the last file alone is synced, then its name."""
    begun, go_on = Event(), Event()
    synced: list[str] = []

    def fsync(descriptor: int) -> None:
        begun.set()
        assert go_on.wait(20)
        synced.append(os.readlink(f"/proc/self/fd/{descriptor}"))

    monkeypatch.setattr(os, "fsync", fsync)
    file = ConfFile(tmp_path / "nodes.conf")
    file.open()
    for text in ("one", "two", "three"):
        file.write(text, fsync=False)
        file.sync_soon()
        assert begun.wait(20)
    go_on.set()
    last = [str(tmp_path / "nodes.conf"), str(tmp_path)]
    wait_until(lambda: synced[2:] == last, "the last one is on the disk")
    assert (tmp_path / "nodes.conf").read_text() == "three" and file.failed is None
    file.close()


def test_a_disk_that_fails_beside_the_loop_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def fsync(descriptor: int) -> None:
        raise OSError(errno.EIO, "no")

    file = ConfFile(tmp_path / "nodes.conf")
    file.open()
    file.write("one", fsync=False)
    monkeypatch.setattr(os, "fsync", fsync)
    file.sync_soon()
    wait_until(lambda: file.failed is not None and file.failed.errno == errno.EIO, "the thread says so")
    file.close()


def test_without_a_thread_the_disk_is_waited_for(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def start(thread: threading.Thread) -> None:
        raise RuntimeError("can't start new thread")

    synced: list[int] = []
    file = ConfFile(tmp_path / "nodes.conf")
    file.open()
    monkeypatch.setattr(threading.Thread, "start", start)
    monkeypatch.setattr(os, "fsync", synced.append)
    for times in (1, 2):
        file.write("one", fsync=False)
        file.sync_soon()
        assert len(synced) == 2 * times  # the file and its folder
    file.close()


def test_a_write_that_fails_leaves_the_old_file(tmp_path: Path) -> None:
    path = tmp_path / "nodes.conf"
    file = ConfFile(path)
    file.open()
    file.write("old\n", fsync=False)
    with pytest.raises(UnicodeEncodeError):
        file.write("\u20ac" * 100, fsync=False)
    assert path.read_text() == "old\n" and os.listdir(tmp_path) == ["nodes.conf"]
    with pytest.raises(ConfInUse):
        ConfFile(path).open()
    file.close()
