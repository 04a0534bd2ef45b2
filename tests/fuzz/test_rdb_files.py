"""Damaged RDB files: one is refused with a reason, or gives keys that can be read, changed, written and freed.

Files hold a few keys of every type, historic encodings too, and what stands between keys: times, accesses, databases,
AUX fields, functions. The checksum is not looked at, or no mutation would come far. With REMUS_FUZZ_FILES, a folder,
the files in it are mutated as well. REMUS_FUZZ_ROUNDS says how many mutations (2000); the seed is printed.
"""

import gc
import os
import random
import struct
from pathlib import Path
from typing import Any

import pytest

from server.keyspace.database import Keyspace
from server.keyspace.digest import keyspace_digest
from server.persistence.command_writer import CommandWriter
from server.persistence.object_reader import BadPayload
from server.persistence.rdb_load import BadFile, RdbReader
from server.persistence.rdb_save import RdbWriter
from server.structures import memory
from tests.fuzz.test_restore import KEY, ROUNDS, change, length, mutated, some_payload, string, use

DATABASES = 16
KEPT_OF_SCRATCH = 4096  # bytes: the tables in which good values are made


@pytest.fixture
def chance() -> random.Random:
    seed = random.randrange(2**32)
    print("seed", seed)
    return random.Random(seed)


def between(chance: random.Random) -> bytes:
    """What may stand before a key."""
    return chance.choice((
        b"", b"", b"\xfc" + struct.pack("<q", chance.choice((1, 33177117420000))),
        b"\xfd" + struct.pack("<i", chance.choice((1, 2**31 - 1))),
        b"\xf9" + bytes([chance.randrange(256)]), b"\xf8" + length(chance.randrange(100000)),
        b"\xfe" + length(chance.randrange(3)), b"\xfb" + length(chance.randrange(70)) + length(1),
        b"\xfa" + string(b"name") + string(b"value"), b"\xf5" + string(b"#!lua name=lib\n"),
    ))


def some_file(chance: random.Random, db: Any) -> bytes:
    """A good file of a few keys."""
    data = b"REDIS%04d" % chance.choice((9, 10, 11))
    for number in range(chance.choice((1, 1, 2, 4))):
        kind_and_value = some_payload(chance, db)
        data += between(chance) + kind_and_value[:1] + string(b"key:%d" % number) + kind_and_value[1:]
    return data + b"\xff" + bytes(8)


def folder_files() -> list[bytes]:
    """Files that somebody else has."""
    folder = os.environ.get("REMUS_FUZZ_FILES")
    return [path.read_bytes() for path in sorted(Path(folder).glob("*.rdb"))] if folder else []


def load(data: bytes, trusted: bool) -> tuple[Keyspace, str]:
    """What a file gives, and why it ended early, "" when it did not."""
    keyspace = Keyspace(DATABASES)
    reader = RdbReader(keyspace, data, on_field=lambda name, value: None, on_library=lambda source: None,
                       checksum=False, drop_expired=True, replace=False, trusted=trusted)
    try:
        reader.begin()
        while reader.step(64):
            pass
    except BadFile as error:
        assert str(error)
        return keyspace, str(error)
    finally:
        reader.close()
    return keyspace, ""


def load_in_pieces(data: bytes, trusted: bool, chance: random.Random) -> tuple[Keyspace, str]:
    """The same when its bytes come by and by."""
    keyspace = Keyspace(DATABASES)
    reader = RdbReader(keyspace, None, on_field=lambda name, value: None, on_library=lambda source: None,
                       checksum=False, drop_expired=True, trusted=trusted, total=chance.choice((0, len(data))))
    at = 0
    try:
        more = True
        while more:
            if reader.starved and at == len(data):
                reader.end()
            elif reader.starved:
                end = at + chance.choice((1, 1, 7, 40, 300))
                reader.feed(data[at:end])
                at = min(end, len(data))
            more = reader.step(64)
    except BadFile as error:
        return keyspace, str(error)
    finally:
        reader.close()
    return keyspace, ""


def write_all(keyspace: Keyspace, chance: random.Random) -> None:
    """As both kinds of file."""
    sink = os.open(os.devnull, os.O_WRONLY)
    try:
        rdb = RdbWriter(keyspace, sink, chance.choice((9, 10, 11)), compress=bool(chance.randrange(2)), checksum=True,
                        sync=False, access=chance.choice(("", "lru", "lfu")))
        rdb.begin([(b"a", b"b")])
        while rdb.step(1):
            pass
        rdb.finish()
    finally:
        os.close(sink)
    commands = CommandWriter(keyspace, lambda wire: None)
    commands.begin()
    while commands.step(1):
        pass
    commands.finish()


def use_all(keyspace: Keyspace, chance: random.Random, trusted: bool) -> None:
    """Read, write and change every value. A trusted file may have brought the same member twice: then values need not
    be what they should be, but nothing may be read or written that is not theirs."""
    keyspace_digest(keyspace)
    write_all(keyspace, chance)
    for db in keyspace.databases:
        for key in list(db.all_keys()):
            if db.type_of(key) == "string":
                db.peek(key)
                continue
            db.put(KEY, db.duplicate(key))
            try:
                if trusted:
                    change(db, db.lookup_write(KEY, type(db.view(KEY))), chance)
                else:
                    use(db, chance)
            except (AssertionError, BadPayload):
                if not trusted:
                    raise
            db.delete(KEY)
            db.delete(key)


@pytest.mark.parametrize("trusted", [False, True])
def test_mutated_files(chance: random.Random, trusted: bool) -> None:
    """Most are refused; the others are as good as any. Neither leaves keys behind."""
    scratch = Keyspace(1).databases[0]
    files = folder_files()
    good = b""
    accepted = before = 0
    for round_ in range(ROUNDS):
        if round_ == ROUNDS // 2:      # by now there is what structures make once and keep
            gc.collect()
            before = memory.used()
        if round_ % 10 == 0:
            good = chance.choice(files) if files and chance.randrange(2) else some_file(chance, scratch)
            assert load(good, trusted)[1] == ""
        keyspace, why = load(good[:9] + mutated(chance, good[9:]), trusted)
        accepted += not why
        use_all(keyspace, chance, trusted)
    del keyspace
    gc.collect()
    assert memory.used() - before < KEPT_OF_SCRATCH
    assert accepted > ROUNDS // 50


def test_the_same_key_twice_leaves_nothing(chance: random.Random) -> None:
    """The value that is not taken is freed, a string as well."""
    scratch = Keyspace(1).databases[0]
    values = [b"\0" + string(b"x" * 5000), *(some_payload(chance, scratch) for _ in range(20))]
    for value in values:
        record = value[:1] + string(b"key") + value[1:]
        data = b"REDIS0011" + record * 2 + b"\xff" + bytes(8)
        load(data, True)
        gc.collect()
        before = memory.used()
        assert load(data, True)[1] == "the same key twice"
        gc.collect()
        assert memory.used() == before


def test_what_comes_behind_an_empty_key_is_kept() -> None:
    """Redis had bugs that left such keys in files; they go, and nothing else does."""
    empty = b"\x02" + string(b"empty") + b"\x00"
    full = b"\x02" + string(b"full") + b"\x01" + string(b"member")
    data = b"REDIS0011" + empty + full + empty + full.replace(b"full", b"next") + b"\xff" + bytes(8)
    whole, why = load(data, True)
    fed, why_fed = load_in_pieces(data, True, random.Random(1))
    assert (why, why_fed) == ("", "")
    assert sorted(whole.databases[0].all_keys()) == sorted(fed.databases[0].all_keys()) == [b"full", b"next"]


@pytest.mark.parametrize("trusted", [False, True])
def test_pieces_are_as_good_as_the_whole(chance: random.Random, trusted: bool) -> None:
    """A file that comes in pieces of any size gives the same keys, or ends for the same reason; a cut one, too."""
    scratch = Keyspace(1).databases[0]
    for round_ in range(ROUNDS):
        if round_ % 10 == 0:
            good = some_file(chance, scratch)
        data = chance.choice((good, good[:9] + mutated(chance, good[9:]), good[: chance.randrange(len(good))]))
        whole, why = load(data, trusted)
        fed, why_fed = load_in_pieces(data, trusted, chance)
        assert (keyspace_digest(fed), why_fed) == (keyspace_digest(whole), why)
