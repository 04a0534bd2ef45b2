"""INFO's sections, whoever declares them first."""

from tests.support.resp import Connection


def titles(raw: Connection, *sections: str) -> list[str]:
    return [line[2:] for line in raw.ok("INFO", *sections).decode().splitlines() if line.startswith("# ")]


def test_sections_come_in_the_order_of_redis(raw):
    plain = ["Server", "Clients", "Memory", "Persistence", "Stats", "Replication", "CPU", "Modules", "Errorstats",
             "Cluster", "Keyspace"]
    assert titles(raw) == plain
    everything = titles(raw, "everything")
    assert [title for title in everything if title in plain] == plain
    assert everything.index("Commandstats") == everything.index("Errorstats") - 1
    assert everything.index("Latencystats") == everything.index("Errorstats") + 1


def test_sections_may_be_chosen(raw):
    assert titles(raw, "keyspace", "server") == ["Server", "Keyspace"]
    assert titles(raw, "nonsense") == []
