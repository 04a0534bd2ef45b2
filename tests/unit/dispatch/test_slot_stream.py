"""What of the stream of commands is of a slot: noted, passed on, and in whole units."""

import importlib
import pkgutil
import random

import pytest

import server.commands
from server.dispatch import record
from server.dispatch.slot_stream import SlotStream
from server.structures.block_stream import AOF, Stream
from server.structures.crc16 import hash_slot

for module in pkgutil.iter_modules(server.commands.__path__):
    importlib.import_module(f"server.commands.{module.name}")
record.build_records()

A, B = b"{a}", b"{b}"
SLOT_A, SLOT_B = hash_slot(A), hash_slot(B)


def resp(*words: bytes | str) -> bytes:
    made = [word.encode() if isinstance(word, str) else word for word in words]
    return b"*%d\r\n" % len(made) + b"".join(b"$%d\r\n%s\r\n" % (len(word), word) for word in made)


@pytest.fixture
def stream() -> Stream:
    return Stream()


@pytest.fixture
def sink(stream: Stream) -> SlotStream:
    """Slot a is passed on, slot b is noted."""
    made = SlotStream()
    stream.attach(made)
    made.pass_on(SLOT_A)
    made.note(SLOT_B)
    return made


def test_commands_go_by_the_slot_of_their_keys(stream, sink):
    passed = [
        resp("SET", A + b"1", "v"), resp("mset", A + b"1", "v", A + b"2", "w"), resp("BITOP", "AND", A, A + b"1"),
        resp("XGROUP", "CREATE", A, "g", "$"), resp("ZUNIONSTORE", A, "1", A + b"1"), resp("LMPOP", "1", A, "LEFT"),
    ]
    for command in passed:
        stream.write(command)
        stream.write(resp("SET", "elsewhere", "v"))
    for words in (("SELECT", "0"), ("PING",), ("FLUSHALL",), ("PUBLISH", A, "m"), ("SPUBLISH", A, "m"), ("NOSUCH", A)):
        stream.write(resp(*words))
    stream.write(resp("DEL", A), AOF)
    stream.write(b"\n")
    sink.drain()
    assert sink.take() == b"".join(passed) and sink.take() == b""
    assert sink.take_noted() == [] and sink.pending == 0


def test_keys_that_are_noted(stream, sink):
    for words in (("SET", B, "v"), ("RENAME", B + b"1", B + b"2"), ("XGROUP", "CREATE", B + b"3", "g", "$"),
                  ("LMPOP", "2", B + b"4", B + b"5", "LEFT"), ("SET", "elsewhere", "v")):
        stream.write(resp(*words))
    sink.drain()
    assert sorted(sink.take_noted()) == [B, *(B + b"%d" % number for number in range(1, 6))]
    assert sink.take_noted() == [] and sink.take() == b""


def test_a_unit_stays_whole(stream, sink):
    unit = [resp("INCR", A), resp("DEL", A + b"1")]
    stream.write(resp("MULTI") + resp("SET", "elsewhere", "v") + unit[0] + resp("SET", B, "v") + unit[1] + resp("EXEC"))
    stream.write(resp("MULTI") + resp("SET", "elsewhere", "v") + resp("SET", "other", "v") + resp("EXEC"))
    sink.drain()
    assert sink.take() == resp("MULTI") + b"".join(unit) + resp("EXEC")
    assert sink.take_noted() == [B]


@pytest.mark.parametrize("seed", range(4))
def test_commands_come_in_pieces(stream, sink, seed):
    rng = random.Random(seed)
    commands = [resp("SET", A + b"%d" % n, b"x" * rng.choice((0, 5, 300, 70_000)))
                if rng.random() < 0.7 else resp("SET", b"k%d" % n, b"y" * rng.randrange(900)) for n in range(150)]
    wire, taken = b"".join(commands), b""
    while wire:
        size = rng.choice((1, 3, 40, 5000, 200_000))
        stream.write(wire[:size])
        wire = wire[size:]
        sink.drain()
        taken += sink.take()
        stream.check()
    assert taken == b"".join(command for command in commands if A in command)
