"""What INFO reads in its place is what its reader says: of every field, of a server that has done something."""

import json
import subprocess
import sys

import pytest

from server.observe.now import Now
from server.registry.info import Section
from server.registry.info_writer import FOR_PEOPLE, Line, Page, write_sections
from server.registry.number_places import place_of, told
from server.registry.parts import Parts

# Two looks at each number with the reader between them: what goes by itself may be anything in between.
PROGRAM = """
import json, sys
from server.config.config import Config
from server.registry.info import InfoField, _place, sections
from server.registry.info_writer import Line, Page, write_sections
from server.server import Server

server = Server(Config.from_argv(["server", "--port", "0", "--save", ""]))
db = server.keyspace.databases[0]
for number in range(100):
    db.set(b"key%d" % number, b"x" * number)
server.keyspace.hits, server.keyspace.misses, server.keyspace.expired_keys = 3, 4, 5
server.executor.commands, server.loop.cycles, server.loop.duration_us, server.loop.command_us = 6, 7, 8, 9
server.stats.error_counts.count(b"WRONG x")
server.clients.counts.blocked, server.clients.counts.with_timeout, server.clients.counts.on_no_key = 10, 11, 12
server.keyspace.lazyfree.freed = 13
server.pubsub.channels[b"c"] = server.pubsub.patterns[b"p"] = server.pubsub.shard_channels[b"s"] = {}
server.defrag.total_us = 1234567
db.blocking[b"key"] = []
found = []
for section in sections().values():
    for part, what, _ in section.declared:
        place = _place(part, what) if isinstance(what, InfoField) and not what.constant else None
        if place is not None:
            page = Page([Line(b"", digits=what.digits, part=part, place=place)], ())
            looks = []
            for _ in range(2):
                looks.append(write_sections([page], server.parts.where, server.parts.kept).decode().strip())
                read = what.read(server.parts.get(part))
            shown = [f"{read:.{what.digits}f}" if what.digits >= 0 else str(int(read)), looks, what.digits]
            found.append([section.name, what.name, *shown])
json.dump(found, sys.stdout)
"""
GO_BY_THEMSELVES = {"server_time_usec", "uptime_in_seconds", "used_cpu_user", "used_cpu_sys", "lru_clock",
                    "used_cpu_user_main_thread", "used_cpu_sys_main_thread"}
NOT_ZERO = {"keyspace_hits", "keyspace_misses", "expired_keys", "total_commands_processed", "eventloop_cycles",
            "eventloop_duration_sum", "eventloop_duration_cmd_sum", "total_error_replies", "blocked_clients",
            "clients_in_timeout_table", "total_blocking_keys_on_nokey", "lazyfreed_objects", "pubsub_channels",
            "pubsub_patterns", "pubsubshard_channels", "total_active_defrag_time", "total_blocking_keys", "used_memory",
            "used_memory_dataset", "allocator_frag_ratio"}


def test_each_number_is_what_its_reader_says() -> None:
    ran = subprocess.run([sys.executable, "-c", PROGRAM], stdout=subprocess.PIPE, check=True, timeout=300)
    fields = {name: (section, read, looks, digits) for section, name, read, looks, digits in json.loads(ran.stdout)}
    assert len(fields) > 70 and fields.keys() >= NOT_ZERO
    for name, (section, read, looks, digits) in fields.items():
        if digits == FOR_PEOPLE or "rss" in name or "fragmentation" in name:
            continue                   # used_memory stands beside it as a number; what the system says changes
        if name in GO_BY_THEMSELVES:
            assert float(looks[0]) <= float(read) + 1e-6, (section, name)
        else:
            assert looks[0] == looks[1] == read, (section, name)
        assert name not in NOT_ZERO or float(read) > 0, name


def test_what_is_told_names_what_there_is() -> None:
    """Of a class that any attribute is told of, that is there (a form like len(channels) names its attribute)."""
    for part, names in told().items():
        for name in names:
            attribute = name.removeprefix("len(").rstrip(")").split(".")[0]
            assert attribute == "self" or hasattr(part, attribute), (part, name)


class Later(Now):
    """A part that has a number from its base, and one of its own in place of one."""

    @property
    def lru(self) -> int:
        return 5


def test_a_base_tells_for_those_made_of_it_unless_they_know_better() -> None:
    assert place_of(Later, "uptime") is place_of(Now, "uptime") is not None
    assert place_of(Later, "lru") is None
    section, parts = Section("garage", "Garage"), Parts()
    parts.keep(Later, Later(0))
    section.of(Later).field("lru", lambda now: now.lru)
    section.of(Later).field("up", lambda now: now.uptime_days)
    shown = write_sections([section.page()], parts.where, parts.kept)
    assert shown.startswith(b"# Garage\r\nlru:5\r\nup:")


@pytest.mark.parametrize("keep", [True, False])
def test_numbers_are_read_from_no_other_object(keep: bool) -> None:
    """It would be memory of something else."""
    page, parts = Page([Line(b"x:", part=Now, place=place_of(Now, "uptime"))], ()), Parts()
    for other in (object(), 5, None, Parts):
        if keep:
            parts = Parts()
            parts.kept[Now] = other
        parts.where[Now] = lambda other=other: other
        with pytest.raises(TypeError):
            write_sections([page], parts.where, parts.kept)
    parts.keep(Now, Now(0))
    parts.kept = dict(parts.kept)
    assert write_sections([page], parts.where, parts.kept).startswith(b"x:")


def test_a_reader_that_says_too_little_is_a_mistake() -> None:
    page = Page([Line(b"x:"), Line(b"y:")], (int,), lambda _: (1,))
    with pytest.raises(ValueError, match="1 values for 2 lines"):
        write_sections([page], {int: int}, {})


def test_who_is_idle_is_not_asked() -> None:
    class Engine:
        """A part."""

        speed, busy = 7, 0

    asked = []

    def read(engine: Engine) -> int:
        asked.append(engine)
        return engine.speed

    section, parts, engine = Section("garage", "Garage"), Parts(), Engine()
    parts.keep(Engine, engine)
    section.of(Engine).field("speed", read, busy=lambda engine: engine.busy, idle=-1)

    @section.of(Engine).family_while(lambda engine: engine.busy)
    def lines(engine: Engine) -> list[tuple[str, int]]:
        return [("line", read(engine))]

    assert write_sections([section.page()], parts.where, parts.kept) == b"# Garage\r\nspeed:-1\r\n" and not asked
    engine.busy = 1
    assert write_sections([section.page()], parts.where, parts.kept) == b"# Garage\r\nspeed:7\r\nline:7\r\n"
