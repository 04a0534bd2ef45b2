"""No module is longer than docs/architecture.md wants it; those that are may only shrink."""

import re

from tests.architecture.test_imports import ROOT

FOLDERS = ("remus_embedded", "server", "iothreads", "scripting", "metrics", "perf")
SUFFIXES = (".py", ".pyx", ".pxd", ".pyi")
(LIMIT,) = (int(n) for n in re.findall(r"past\s+(\d+)\s+look again", (ROOT / "docs/architecture.md").read_text()))
# At most so many lines, and why it is one file. Only ever lowered: a file that has lost SHRUNK lines lowers its number.
SHRUNK = 40
LONGER = {
    "iothreads/handoff.pyx": (1080, "the rules of the hand-off are kept by both of its sides, read together"),
    "iothreads/lane.pyx": (620, "a poller, and the reading and writing of what lives on it"),
    "iothreads/selftest.pyx": (510, "a server without Remus above the lanes, for their tests alone"),
    "perf/micro/structures.pyx": (530, "a table of loops, one kind of structure after the other"),
    "server/dispatch/loop.pyx": (768, "a turn; batches of clients and of our master: what runs per command is inlined"),
    "server/dispatch/shapes.pyx": (506, "all shapes of fast paths: what each says once is inlined into the others"),
    "server/keyspace/database.pyx": (930, "every way to a key: a native class has one module"),
    "server/structures/hyperloglog.pyx": (580, "two representations of one value, and what turns one into the other"),
    "server/structures/listpack.pyx": (550, "an encoding whose writers and readers share its layout"),
    "server/structures/memory.pyx": (810, "one allocator: size classes, pages, and what moves between pages"),
    "server/structures/ordered_index.pyx": (900, "one B+-tree: splitting, joining and counting hang together"),
    "server/structures/quicklist.pyx": (1030, "one list of packed nodes; what writes shares how nodes are split"),
    "server/structures/rax.pyx": (610, "one B+-tree: splitting, joining and walks hang together"),
    "server/structures/table.pyx": (1110, "the keyspace's table: look-up, rehash, SCAN and random picks share buckets"),
    "server/types/hash.pyx": (560, "a value with two encodings in each of its methods"),
    "server/types/list.pyx": (530, "a value with two encodings in each of its methods"),
    "server/types/set.pyx": (610, "a value with three encodings in each of its methods"),
    "server/types/sorted_set.pyx": (1030, "a value with two encodings in each of its methods, by rank, score and name"),
    "server/types/stream.pyx": (560, "a value: its log, its groups and its limits behind one face"),
    "server/types/stream_log.pyx": (780, "entries packed into nodes: appending, trimming and walks share the layout"),
}  # fmt: skip


def lengths() -> dict[str, int]:
    files = [path for folder in FOLDERS for path in (ROOT / folder).rglob("*") if path.suffix in SUFFIXES]
    files += ROOT.glob("*.py")
    return {path.relative_to(ROOT).as_posix(): len(path.read_bytes().splitlines()) for path in files}


def test_no_module_is_too_long():
    wrong = [
        f"{name}: {lines} lines, {LONGER.get(name, (LIMIT,))[0]} are allowed"
        for name, lines in lengths().items()
        if lines > LONGER.get(name, (LIMIT,))[0]
    ]
    assert wrong == []


def test_what_is_longer_shrinks():
    lines = lengths()
    assert LONGER.keys() - lines.keys() == set(), "gone"
    assert [name for name in LONGER if lines[name] <= LIMIT] == [], "an exception no longer"
    assert [name for name, (most, _) in LONGER.items() if lines[name] <= most - SHRUNK] == [], "lower its number"
