"""Bytes of requests: a command of the table with the numbers filled in, pipelines of a form, batches of a set-up."""

import hashlib
import random
import re
import shlex
import string
from collections.abc import Callable, Iterable
from dataclasses import dataclass

from perf.forms.table import KEY_BASE, UNLIMITED, Form, Table, repeat

SERIAL_BASE, GENERATION_BASE = 10_000_000, 1000
GENERATION = b"~ge~"  # stands for __g__ until a slice begins: as long as its number
DISTINCT = 65_536  # requests of a form; then they are said again
LARGEST_BYTES = 64 << 20  # of them
SETUP_PIPELINE = 64
TEXT = "".join(random.Random(7).choices(string.ascii_letters + string.digits, k=1_000_000))
TEXT_BYTES = TEXT.encode()
RANDOM_BYTES = 16  # that __x__ stands for
PLACE = re.compile(r"__([irncx])__")
Draw = Callable[[], int]
Dump = Callable[[str], bytes]  # what DUMP says of a key


def nothing_dumped(key: str) -> bytes:
    raise ValueError(f"<dump:{key}> stands where no server can be asked")


@dataclass(frozen=True)
class Words:
    """What stands for the words in angle brackets."""

    scripts: dict[str, str]
    dump: Dump = nothing_dumped

    def value(self, word: str) -> str | bytes:
        """Text in which numbers may still be missing, or bytes that stay as they are."""
        kind, _, name = word.strip("<>").partition(":")
        if word.startswith("<") and kind == "lua":
            return self.scripts[name].encode()
        if word.startswith("<") and kind == "sha":
            return hashlib.sha1(self.scripts[name].encode()).hexdigest().encode()
        if word.startswith("<") and kind == "dump":
            return self.dump(name)
        return re.sub(r"<(\d+)>", lambda found: TEXT[: int(found[1])], word)


class Template:
    """A command as RESP in which only numbers are missing. base: the lowest number of a key, for their width."""

    def __init__(self, command: str, base: int, words: Words) -> None:
        key, serial, connection = (len(str(lowest)) for lowest in (base, SERIAL_BASE, KEY_BASE))
        self.width = {"i": key, "r": key, "n": serial, "c": connection, "x": RANDOM_BYTES}
        parts = shlex.split(command) if set(command) & set("\"'") else command.split()
        self.places = ""
        self.frame = b"*%d\r\n" % len(parts) + b"".join(self.bulk(words.value(part)) for part in parts)

    def bulk(self, word: str | bytes) -> bytes:
        """A word as a bulk string, with % signs where numbers go."""
        if isinstance(word, bytes):
            return b"$%d\r\n%b\r\n" % (len(word), word.replace(b"%", b"%%"))
        kinds = PLACE.findall(word)
        self.places += "".join(kinds)
        word = word.replace("__g__", GENERATION.decode())
        length = len(PLACE.sub("", word).encode()) + sum(self.width[kind] for kind in kinds)
        text = PLACE.sub("%d", word.replace("%", "%%").replace("__x__", "%b"))
        return b"$%d\r\n%b\r\n" % (length, text.encode())

    def fill(self, key: int = 0, serial: int = 0, draw: Draw = int, connection: int = 0) -> bytes:
        """The request."""
        numbers: list[int | bytes] = []
        for place in self.places:
            if place == "i":
                numbers.append(key)
            elif place == "r":
                numbers.append(draw())
            elif place == "n":
                numbers.append(serial)
            else:
                numbers.append(some_text() if place == "x" else KEY_BASE + connection)
        return self.frame % tuple(numbers)


def some_text() -> bytes:
    at = int(random.random() * (len(TEXT_BYTES) - RANDOM_BYTES))
    return TEXT_BYTES[at : at + RANDOM_BYTES]


class Payload:
    """The pipelines of a form, made as far as they are needed."""

    def __init__(self, form: Form, pipeline: int, words: Words) -> None:
        self.form = form
        self.templates = [Template(command, form.base, words) for command in form.commands]
        self.cycles = max(1, pipeline // len(self.templates))  # of the form, in one pipeline
        self.commands = self.cycles * len(self.templates)  # in one pipeline
        self.random = random.Random(1)
        self.order = list(range(form.base, form.base + form.keys))
        self.random.shuffle(self.order)
        self.data, self.offsets, self.serial = bytearray(), [0], 0
        cycle = b"".join(template.frame for template in self.templates)
        self.by_generation = GENERATION in cycle
        if form.limit < UNLIMITED:
            self.most = max(1, form.limit // self.commands)
        else:
            distinct = DISTINCT * (4 if form.keys > DISTINCT else 1)
            self.most = min(max(1, distinct // self.commands), max(4, LARGEST_BYTES // (len(cycle) * self.cycles)))

    def draw(self) -> int:
        return self.form.base + int(self.random.random() * self.form.members)

    def grow(self, pipelines: int) -> None:
        """Have at least so many, or as many as there may be."""
        while len(self.offsets) <= min(pipelines, self.most):
            for _ in range(self.cycles):
                key = self.order[self.serial % len(self.order)]
                for template in self.templates:
                    self.data += template.fill(key, SERIAL_BASE + self.serial, self.draw)
                self.serial += 1
            self.offsets.append(len(self.data))

    def bytes_of(self, generation: int) -> bytes:
        """All of them, for the slice of that number."""
        data = bytes(self.data)
        return data.replace(GENERATION, b"%d" % (GENERATION_BASE + generation)) if self.by_generation else data


@dataclass(frozen=True)
class Batch:
    """Pipelines of one length; `line` is the set-up line they are of."""

    line: str
    data: bytes
    offsets: list[int]
    commands: int  # in each pipeline


def set_up(lines: Iterable[str], base: int, members: int, table: Table) -> list[Batch]:
    """Lines "N x COMMAND", in order."""
    batches, random_numbers = [], random.Random(3)
    for line in lines:
        count, _, command = line.partition(" x ")
        template = Template(repeat(command, base), base, Words(table.scripts))
        data, offsets = bytearray(), [0]
        for number in range(int(count)):
            data += template.fill(
                base + number, SERIAL_BASE + number, lambda: base + int(random_numbers.random() * members)
            )
            if number % SETUP_PIPELINE == SETUP_PIPELINE - 1:
                offsets.append(len(data))
        if len(offsets) > 1:
            batches.append(Batch(line, bytes(data[: offsets[-1]]), offsets, SETUP_PIPELINE))
        if rest := int(count) % SETUP_PIPELINE:
            tail = bytes(data[offsets[-1] :])
            batches.append(Batch(line, tail, [0, len(tail)], rest))
    return batches
