"""Damaged append only files: what the reader makes of one is what a plain parser makes of it, command for command.

Mutations hit the counts, lengths and line ends as well as what stands between them. REMUS_FUZZ_ROUNDS says how many
files (2000); the seed is printed.
"""

import io
import random

import pytest

from server.persistence.aof_reader import AofReader, BadFormat, Torn
from tests.fuzz.test_restore import ROUNDS, mutated

LONGEST_LINE = 1024
NUMBERS = (b"0", b"1", b"3", b"-1", b"007", b"+1", b"", b"2147483647", b"2147483648", b"99999999999", b"9" * 18,
           b"9" * 30)  # fmt: skip
END, TORN, BAD = "end", "torn", "bad"


class Damage(Exception):
    """TORN or BAD."""


@pytest.fixture
def chance() -> random.Random:
    seed = random.randrange(2**32)
    print("seed", seed)
    return random.Random(seed)


# ---- the plain parser
def line(data: bytes, at: int) -> tuple[bytes, int]:
    end = data.find(b"\n", at, at + LONGEST_LINE)
    if end < 0:
        raise Damage(BAD if len(data) - at >= LONGEST_LINE else TORN)
    return data[at:end].removesuffix(b"\r"), end + 1


def number(data: bytes, at: int, mark: bytes) -> tuple[int, int]:
    if at >= len(data):
        raise Damage(TORN)
    if data[at:at + 1] != mark:
        raise Damage(BAD)
    text, after = line(data, at)
    if not text[1:].isdigit():
        raise Damage(BAD)
    return int(text[1:]), after


def command(data: bytes, at: int) -> tuple[list[bytes] | None, int]:
    """The command at `at` (None: an annotation) and the place after it."""
    if data[at:at + 1] == b"#":
        return None, line(data, at)[1]
    count, at = number(data, at, b"*")
    if count >= 10**18 or (count + 2**31) % 2**32 - 2**31 < 1:
        raise Damage(BAD)
    words = []
    while len(words) < count:
        length, at = number(data, at, b"$")
        if len(data) - at < length + 2:
            raise Damage(BAD if length < len(data) - at and data[at + length:] != b"\r" else TORN)
        if data[at + length:at + length + 2] != b"\r\n":
            raise Damage(BAD)
        words.append(data[at:at + length])
        at += length + 2
    return words, at


def parse(data: bytes) -> tuple[list[list[bytes]], int, str]:
    """All commands, how far the file is good, and how it ends. An end of zeros counts as torn."""
    commands, at = [], 0
    while at < len(data):
        try:
            words, at = command(data, at)
        except Damage as damage:
            rest = data[at:].rstrip(b"\0")
            return commands, at, ending(rest) if damage.args[0] == BAD and data.endswith(b"\0") else damage.args[0]
        if words is not None:
            commands.append(words)
    return commands, at, END


def ending(rest: bytes) -> str:
    """Of a file that goes on with zeros after `rest`."""
    try:
        if rest:
            command(rest, 0)
    except Damage as damage:
        return str(damage.args[0])
    return BAD if rest else TORN


# ---- files
def some_file(chance: random.Random) -> bytes:
    data = b""
    for _ in range(chance.choice((1, 2, 5))):
        words = [bytes(chance.choices(b"ab\0\r\n$*1", k=chance.choice((0, 1, 3, 10, 200))))
                 for _ in range(chance.randint(1, 4))]
        data += chance.choice((b"", b"", b"#TS:1700000000\r\n"))
        data += b"*%d\r\n" % len(words) + b"".join(b"$%d\r\n%s\r\n" % (len(word), word) for word in words)
    return data


def damaged(chance: random.Random, data: bytes) -> bytes:
    what = chance.randrange(6)
    if what == 0:
        return data[:chance.randrange(len(data) + 1)] + bytes(chance.choice((0, 1, 5, 100, 5000)))
    if what == 1:
        return data + chance.choice((b"*", b"$", b"#")) + chance.choice(NUMBERS) + chance.choice((b"\r\n", b"\n", b""))
    if what == 2:
        marks = [at for at, byte in enumerate(data) if byte in b"*$"]
        at = chance.choice(marks) + 1
        return data[:at] + chance.choice(NUMBERS) + data[data.find(b"\r", at):]
    return mutated(chance, data)


def test_mutated_files(chance: random.Random) -> None:
    seen = set()
    for _ in range(ROUNDS):
        data = damaged(chance, some_file(chance))
        reader = AofReader(io.BytesIO(data))
        commands, how = [], END
        try:
            while (words := reader.next()) is not None:
                commands.append(words)
        except (Torn, BadFormat) as error:
            how = TORN if isinstance(error, Torn) else BAD
        assert (commands, reader.offset, how) == parse(data), data
        seen.add(how)
    assert seen == {END, TORN, BAD}
