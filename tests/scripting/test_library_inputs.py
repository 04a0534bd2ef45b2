"""cjson, cmsgpack, struct and bit fed with what comes: a real server answers the same, results and error texts.

Known inputs are played unless asked for others: REMUS_SEED=N plays those of N, 0 new ones; REMUS_EXAMPLES says how many
of each library.
"""

import os
import random
import secrets
import struct
from collections.abc import Callable

import pytest

SEED = int(os.environ.get("REMUS_SEED", "1")) or secrets.randbits(32)
EXAMPLES = int(os.environ.get("REMUS_EXAMPLES", "600"))

# Shows any values as one text: kinds, keys ordered by their text, numbers with all their digits.
SHOW = """
local function show(v, depth)
  local kind = type(v)
  if kind == 'number' then return string.format('%.17g', v) end
  if kind == 'string' then return string.format('%q', v) end
  if kind ~= 'table' then return kind == 'userdata' and 'null' or tostring(v) end
  if depth > 40 then return '...' end
  local parts = {}
  for k, x in pairs(v) do parts[#parts + 1] = '[' .. show(k, depth + 1) .. ']=' .. show(x, depth + 1) end
  table.sort(parts)
  return '{' .. table.concat(parts, ',') .. '}'
end
local function all(...)
  local parts = {}
  for i = 1, select('#', ...) do parts[i] = show((select(i, ...)), 0) end
  return table.concat(parts, ' ')
end
"""


JSON_ATOMS = (
    b"null", b"true", b"false", b"0", b"-0", b"1.5", b"1e5", b"-1E+400", b"0x1f", b"nan", b"infinity", b'""', b'"a"',
    b'"\\u00e9"', b'"\\ud83d\\ude00"', b'"\\udead"', b'"\\n\\/"', b'"\xff\x00"', b"12345678901234567890", b"0123",
    b"1.", b".5",
)  # fmt: skip
JSON_KEYS = (b'"a":', b'"b":', b'"":', b'"\\u0000":')
HUGE = ("i2147483647", "c2147483647", "I99999999999999999999", "!2147483648", "c4294967295")
BIT_CALLS = ("tobit", "bnot", "band", "bor", "bxor", "lshift", "rshift", "arshift", "rol", "ror", "bswap", "tohex")


class Source(random.Random):
    """Values, and texts that the libraries read."""

    def bytes_up_to(self, most: int) -> bytes:
        return self.randbytes(self.randint(0, most))

    def number(self) -> float:
        kind = self.randrange(6)
        if kind == 0:
            return self.randint(-(2**54), 2**54)
        if kind == 1:
            return self.randint(-300, 300)
        if kind == 2:
            power = 2.0 ** self.choice((7, 8, 15, 16, 31, 32, 52, 53, 62, 63))
            return power * self.choice((1, -1)) + self.randint(-1, 1)
        if kind == 3:
            return struct.unpack(">d", self.randbytes(8))[0]
        if kind == 4:
            return self.choice((float("inf"), float("-inf"), float("nan"), -0.0, 0.1, 1e15, 1e16, 123456789012345678.0))
        return self.uniform(-1e6, 1e6)

    def word(self) -> bytes:
        if self.random() < 0.5:
            return self.bytes_up_to(40)
        return "".join(self.choices("ab /\\\"\n\x1f\x7fé€😀", k=self.randint(0, 8))).encode()

    def value(self, depth: int = 3):
        """For Lua: tables are lists and dicts (of one key, unless it is a number: order is a table's affair)."""
        kind = self.randrange(9 if depth else 6)
        if kind < 3:
            return self.number()
        if kind < 5:
            return self.word()
        if kind == 5:
            return self.choice((None, True, False))
        if kind == 6:
            return [self.value(depth - 1) for _ in range(self.randint(0, 5))]
        if kind == 7:
            return {self.randint(-2, 20): self.value(depth - 1) for _ in range(self.randint(0, 4))}
        return {self.word(): self.value(depth - 1)}

    def json(self, depth: int = 3) -> bytes:
        kind = self.randrange(6 if depth else 3)
        if kind < 3:
            return self.choice(JSON_ATOMS)
        items = [self.json(depth - 1) for _ in range(self.randint(0, 4))]
        if kind == 3:
            return b"[" + self.choice((b",", b", ", b" ,\n")).join(items) + b"]"
        return b"{" + b",".join(self.choice(JSON_KEYS) + item for item in items) + b"}"

    def msgpack(self, depth: int = 3) -> bytes:
        kind = self.randrange(9 if depth else 7)
        if kind == 0:
            return self.randbytes(1)
        if kind == 1:
            text = self.bytes_up_to(31)
            return bytes([0xA0 | len(text)]) + text
        if kind == 2:
            size = self.randrange(4)
            return bytes([self.choice((0xCC, 0xD0)) + size]) + self.randbytes(1 << size)
        if kind == 3:
            return self.choice((b"\xcb" + self.randbytes(8), b"\xca" + self.randbytes(4)))
        if kind == 4:
            text = self.bytes_up_to(50)
            size = self.randrange(3)
            return bytes([0xD9 + size]) + len(text).to_bytes(1 << size, "big") + text
        if kind == 5:
            size = self.choice((2, 4))
            return bytes([self.choice((0xDC, 0xDE)) + size // 4]) + self.randint(0, 3).to_bytes(size, "big")
        if kind == 6:
            return bytes([self.randrange(128)])
        items = [self.msgpack(depth - 1) for _ in range(self.randint(0, 6))]
        if kind == 7:
            return bytes([0x90 | len(items)]) + b"".join(items)
        return bytes([0x80 | len(items) // 2]) + b"".join(items)

    def format(self) -> str:
        """Of a structure."""
        parts = []
        for _ in range(self.randint(0, 8)):
            letter = self.choice("bBhHlLTfdsx ><!iIcq=")
            number = self.choice(("", "", "0", str(self.randint(0, 40)), str(self.randint(1, 8))))
            if letter == "i" and number.isdigit() and 8 < int(number) < 33:
                letter = "I"  # what is left of a signed number of so many bytes is an accident there
            parts.append(self.choice((letter + number if letter in "iIc!" else letter, "Bc0")))
        if self.random() < 0.05:
            parts.append(self.choice(HUGE))
        text = "".join(parts)
        if "c0" in text:  # the length that a huge number stands for is an accident there
            text = text.replace("f", "h").replace("d", "l")
        return text

    def spoilt(self, text: bytes) -> bytes:
        """Every other one with a part of it replaced."""
        if self.random() < 0.5:
            return text
        at = self.randint(0, len(text))
        return text[:at] + self.bytes_up_to(4) + text[at + self.randint(0, 8) :]


def quoted(text: bytes) -> str:
    """A Lua literal of these bytes."""
    return '"' + "".join(f"\\{byte:03d}" for byte in text) + '"'


def literal(value) -> str:
    """A Lua expression of a value."""
    if value is None or isinstance(value, bool):
        return {None: "nil", True: "true", False: "false"}[value]
    if isinstance(value, int):
        return str(value)
    if isinstance(value, float):
        return {"inf": "(1/0)", "-inf": "(-1/0)", "nan": "(0/0)"}.get(str(value), f"{value!r}")
    if isinstance(value, bytes):
        return quoted(value)
    if isinstance(value, list):
        return "{" + ",".join(map(literal, value)) + "}"
    return "{" + ",".join(f"[{literal(k)}]={literal(v)}" for k, v in value.items()) + "}"


Call = tuple[str, str, list[bytes]]      # a function, its arguments as Lua's text, ARGV


def json_decode(s: Source) -> Call:
    return "cjson.decode", "ARGV[1]", [s.spoilt(s.json())]


def json_encode(s: Source) -> Call:
    return "cjson.encode", literal(s.value()), []


def msgpack_unpack(s: Source) -> Call:
    text = s.spoilt(s.msgpack())
    kind = s.randrange(4)
    if kind == 0:
        return "cmsgpack.unpack_one", f"ARGV[1], {s.randint(-2, 20)}", [text]
    if kind == 1:
        return "cmsgpack.unpack_limit", f"ARGV[1], {s.randint(-2, 5)}, {s.randint(-2, 5)}", [text]
    return "cmsgpack.unpack", "ARGV[1]", [text]


def msgpack_pack(s: Source) -> Call:
    return "cmsgpack.pack", ", ".join(literal(s.value()) for _ in range(s.randint(1, 3))), []


def struct_unpack(s: Source) -> Call:
    if s.random() < 0.2:
        return "struct.size", f"'{s.format()}'", []
    at = s.choice(("", "", "", f", {s.randint(-3, 70)}"))
    return "struct.unpack", f"'{s.format()}', ARGV[1]{at}", [s.bytes_up_to(64)]


def struct_pack(s: Source) -> Call:
    values = [s.choice((s.randint(-(2**31), 2**53), s.uniform(-1e9, 1e9), s.bytes_up_to(20)))
              for _ in range(s.randint(0, 8))]  # fmt: skip
    return "struct.pack", ", ".join([f"'{s.format()}'", *map(literal, values)]), []


def bits(s: Source) -> Call:
    values = [s.choice((s.randint(-(2**33), 2**33), s.uniform(-1e15, 1e15), s.randint(-40, 40), b"12", b"x", b"0x10"))
              for _ in range(s.choice((0, 1, 1, 2, 2, 3)))]  # fmt: skip
    return f"bit.{s.choice(BIT_CALLS)}", ", ".join(map(literal, values)), []


KINDS: list[Callable[[Source], Call]] = [
    json_decode, json_encode, msgpack_unpack, msgpack_pack, struct_unpack, struct_pack, bits,
]  # fmt: skip


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.__name__)
def test_the_libraries_answer_as_a_real_server_s(both, kind):
    print(f"REMUS_SEED={SEED} REMUS_EXAMPLES={EXAMPLES}")
    source = Source(f"{SEED} {kind.__name__}")
    for function, arguments, data in (kind(source) for _ in range(EXAMPLES)):
        both("EVAL", f"{SHOW} return all(pcall({function}{', ' * bool(arguments)}{arguments}))", 0, *data)


def test_rubbish_harms_nothing(raw):
    script = """
      for _, f in ipairs{cjson.decode, cmsgpack.unpack, cmsgpack.unpack_one, loadstring, redis.sha1hex,
                         redis.error_reply, redis.status_reply, redis.call, redis.pcall} do
        pcall(f, ARGV[1])
      end
      pcall(struct.unpack, ARGV[1], ARGV[1])
      pcall(struct.unpack, 'Bc0>I4', ARGV[1])
      pcall(struct.pack, ARGV[1], 1, 2, ARGV[1], 3)
      pcall(string.format, ARGV[1], 1, ARGV[1], 2)
      pcall(string.find, ('aab'):rep(20), ARGV[1]:sub(1, 8))
      return 1"""
    source = Source(SEED)
    for make in (lambda: source.bytes_up_to(200), source.json, source.msgpack, lambda: source.format().encode()):
        texts = [source.spoilt(make()) for _ in range(EXAMPLES // 4)]
        assert raw.pipeline([("EVAL", script, 0, text) for text in texts]) == [1] * len(texts)
