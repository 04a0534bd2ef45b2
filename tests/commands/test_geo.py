"""Geo commands, held to a real server."""

import random
from typing import Any

import pytest

from tests.support.resp import RespError

SICILY = (
    13.361389,
    38.115556,
    "Palermo",
    15.087269,
    37.502669,
    "Catania",
    12.758489,
    38.788135,
    "edge 1",
    17.241510,
    38.788135,
    "edge 2",
    14.015482,
    37.7341,
    12345,
)


def scatter(send: Any, count: int, key: str = "map") -> None:
    """Positions around the world, some of them near each other."""
    chance = random.Random(count)
    words: list[Any] = []
    for i in range(count):
        x, y = chance.choice([(0, 0), (179.9, 10), (-179.9, -80), (15, 38)]) if i % 2 else (0, 0)
        spread = 1 if i % 2 else 80
        longitude = min(180, max(-180, x + chance.uniform(-spread, spread)))
        words += [f"{longitude:.6f}", f"{min(85, max(-85, y + chance.uniform(-spread, spread))):.6f}", f"place {i}"]
    send("GEOADD", key, *words)


@pytest.mark.parametrize("protocol", [2, 3])
def test_positions(both, protocol):
    if protocol == 3:
        both.resp3()
    both("GEOADD", "Sicily", *SICILY)
    both("GEOPOS", "Sicily", "Palermo", "none", "Catania", 12345)
    both("GEOHASH", "Sicily", "Palermo", "none", "Catania")
    both("GEOPOS", "none", "Palermo")
    both("GEOHASH", "none", "Palermo", "x")
    both("GEOPOS", "Sicily")
    for unit in ("m", "km", "ft", "mi", "KM", "inch"):
        both("GEODIST", "Sicily", "Palermo", "Catania", unit)
    both("GEODIST", "Sicily", "Palermo", "Palermo")
    both("GEODIST", "Sicily", "Palermo", "none")
    both("GEODIST", "none", "Palermo", "Catania")
    both("GEODIST", "Sicily", "Palermo", "Catania", "m", "m")
    both("ZRANGE", "Sicily", 0, -1, "WITHSCORES")


def test_geoadd(both):
    both("SET", "string", "x")
    for options in ((), ("NX",), ("XX",), ("CH",), ("XX", "CH"), ("NX", "XX"), ("CH", "CH", "CH"), ("INCR",), ("GT",)):
        both("GEOADD", "k", *options, 1, 2, "a")
        both("GEOADD", "k", *options, 1.5, 2, "a", 3, 4, "b")
        both("GEOADD", "string", *options, 1, 2, "a")
    for words in (
        (181, 0, "a"),
        (0, 86, "a"),
        (-180, "-85.05112878", "a"),
        ("x", 0, "a"),
        (0, 0),
        (0, 0, "a", 1),
        ("nan", 0, "a"),
    ):
        both("GEOADD", "k", *words)
    both.same_keyspace()


@pytest.mark.parametrize("count", [20, 1000])
def test_searches(both, count):
    both.resp3()  # 7.0 writes more digits of a double
    scatter(both, count)
    centres = (
        ("FROMLONLAT", 15, 38),
        ("FROMMEMBER", "place 3"),
        ("FROMLONLAT", "179.9", 10),
        ("FROMMEMBER", "place 5"),
        ("FROMLONLAT", 0, 84),
    )
    areas = (
        ("BYRADIUS", 100, "km"),
        ("BYRADIUS", 5000, "mi"),
        ("BYBOX", 200, 500, "km"),
        ("BYBOX", 30000, 10000, "km"),
        ("BYRADIUS", 0, "m"),
        ("BYBOX", 1e6, 100, "ft"),
    )
    for centre in centres:
        for area in areas:
            both("GEOSEARCH", "map", *centre, *area, "ASC", "WITHDIST")
            both("GEOSEARCH", "map", *area, *centre, "DESC", "WITHCOORD", "WITHDIST", "WITHHASH")
            both("GEOSEARCH", "map", *centre, *area, "COUNT", 3)
            both("GEOSEARCH", "map", *centre, *area, "COUNT", 4, "ANY")
            both("GEOSEARCH", "map", *centre, *area, unordered=True)
            for more in ((), ("STOREDIST",), ("STOREDIST", "COUNT", 2)):
                both("GEOSEARCHSTORE", "to", "map", *centre, *area, *more)
                both("ZRANGE", "to", 0, -1, "WITHSCORES")
                both("OBJECT", "ENCODING", "to")


def test_the_older_generation(both):
    both.resp3()  # 7.0 writes more digits of a double
    both("GEOADD", "Sicily", *SICILY)
    for more in (
        (),
        ("WITHDIST", "WITHHASH", "WITHCOORD"),
        ("ASC",),
        ("desc", "COUNT", 2),
        ("COUNT", 1, "ANY"),
        ("STORE", "to"),
        ("STOREDIST", "to"),
        ("STORE", "to", "WITHDIST"),
        ("STORE",),
        ("COUNT", 0),
        ("COUNT", "x"),
        ("ANY",),
        ("STORE", "x", "STOREDIST", "to", "COUNT", 1),
        ("BYRADIUS", 1, "m"),
        ("FROMMEMBER", "Palermo"),
    ):
        for key in ("Sicily", "none"):
            for name in ("GEORADIUS", "GEORADIUS_RO"):
                both(name, key, 15, 37, 200, "km", *more)
            for name in ("GEORADIUSBYMEMBER", "GEORADIUSBYMEMBER_RO"):
                both(name, key, "Catania", 200, "km", *more)
            both("ZRANGE", "to", 0, -1, "WITHSCORES")
    both("GEORADIUS", "Sicily", 15, 37, -1, "km")
    both("GEORADIUS", "Sicily", 15, 37, "x", "km")
    both("GEORADIUS", "Sicily", 15, 37, 1, "inch")
    both("GEORADIUS", "Sicily", 185, 37, 1, "m")
    both("GEORADIUSBYMEMBER", "Sicily", "none", 1, "m")


def test_search_errors(both):
    both("GEOADD", "Sicily", *SICILY)
    both("SET", "string", "x")
    for words in (
        ("FROMMEMBER", "Palermo", "FROMLONLAT", 1, 2, "BYRADIUS", 1, "m"),
        ("FROMMEMBER", "Palermo", "ASC", "DESC"),
        ("BYRADIUS", 1, "m", "ASC", "COUNT", 5),
        ("FROMLONLAT", 1, 2, "FROMMEMBER", "Palermo", "BYRADIUS", 1, "m"),
        ("FROMMEMBER", "Palermo", "BYRADIUS", 1, "m", "BYBOX", 1, 1, "m"),
        ("FROMMEMBER", "none", "BYRADIUS", 1, "m"),
        ("FROMMEMBER", "Palermo", "BYBOX", 1, -1, "m"),
        ("FROMMEMBER", "Palermo", "BYBOX", 1, "x", "m"),
        ("FROMMEMBER", "Palermo", "BYRADIUS", 1, "m", "ANY"),
        ("FROMMEMBER", "Palermo", "BYRADIUS", 1, "m", "STORE", "k"),
        ("FROMMEMBER", "Palermo", "BYRADIUS", 1, "m", "STOREDIST"),
        ("FROMLONLAT", 1, 90, "BYRADIUS", 1, "m"),
        ("FROMMEMBER", "Palermo", "BYRADIUS", 1, "m", "WITHDIST"),
    ):
        for key in ("Sicily", "none", "string"):
            both("GEOSEARCH", key, *words)
            both("geosearchstore", "to", key, *words)


def test_keys_of_georadius(raw):
    words = ("GEORADIUS", "k", 1, 2, 3, "m", "STORE", "a", "STOREDIST", "b")
    assert raw("COMMAND", "GETKEYS", *words) in (
        [b"k", b"b"],
        RespError("ERR unknown subcommand 'GETKEYS'. Try COMMAND HELP."),
    )
