"""Geohashes: round trips, searches that miss nothing, and the same answers as a real redis-server's."""

import random

from hypothesis import assume, given, settings, strategies as st

from server.structures.geohash import Shape, decode, degrees, distance, encode, string
from tests.support.peer import Peer

LONGITUDES = st.floats(-180, 180, exclude_max=True)  # 180 itself takes a bit more, which a score may lose, as in Redis
LATITUDES = st.floats(-85.05112878, 85.05112878)
POSITIONS = st.tuples(LONGITUDES, LATITUDES)
METRES = {b"m": 1.0, b"km": 1000.0, b"mi": 1609.34, b"ft": 0.3048}


@given(POSITIONS)
def test_a_position_is_near_the_middle_of_its_cell(position: tuple[float, float]) -> None:
    assume(position[0] < 180 - 1e-9)    # nearer to the end a cell's number overflows, in Redis as here
    score = encode(*position)
    longitude, latitude = decode(score)
    assert abs(longitude - position[0]) <= 360 / 2**26
    assert abs(latitude - position[1]) <= 171 / 2**26


@given(
    st.floats(-180, 180) | st.floats(-1e-12, 1e-12) | st.integers(-180 * 2**17, 180 * 2**17).map(lambda n: n / 2**18)
)
def test_degrees_have_seventeen_decimals(value: float) -> None:
    """All that a double says is in the rounding: halves go to the even digit."""
    text = f"{value:.17f}".rstrip("0").rstrip(".")
    assert degrees(value) == (b"0" if text == "-0" else text.encode())


@settings(max_examples=300)
@given(
    centre=st.tuples(st.floats(-178, 178), st.floats(-60, 60)),
    metres=st.floats(0.5, 100_000),
    angle=st.tuples(st.floats(-1, 1), st.floats(-1, 1)),
)
def test_the_ranges_cover_the_circle(centre: tuple[float, float], metres: float, angle: tuple[float, float]) -> None:
    """Whatever is within the circle is in one of its ranges (away from the poles and from the edge of the map)."""
    shape = Shape.circle(*centre, metres)
    west, south, east, north = shape.bounding_box()
    longitude = centre[0] + angle[0] * (east - west) / 2
    latitude = centre[1] + angle[1] * (north - south) / 2
    if not -180 <= longitude <= 180:
        return
    score = encode(longitude, latitude)
    if shape.within(score):
        assert any(low <= score < high for low, high in shape.ranges())


def cloud(seed: int, count: int) -> dict[bytes, tuple[float, float]]:
    """Positions in clusters, some at the edges of the map."""
    rng = random.Random(seed)
    centres = [(rng.uniform(-180, 180), rng.uniform(-85, 85)) for _ in range(4)] + [(179.9, 10), (0, 84.9), (0, 0)]
    positions = {}
    for i in range(count):
        x, y = rng.choice(centres)
        spread = rng.choice([0.01, 1, 30])
        positions[b"p%d" % i] = (
            min(max(rng.gauss(x, spread), -180.0), 180.0),
            min(max(rng.gauss(y, spread), -85.05112878), 85.05112878),
        )
    return positions


def search(scores: dict[bytes, float], shape: Shape) -> list[tuple[bytes, float]]:
    """What a geo command does: members with their distance, in the order of the scan."""
    ordered = sorted((score, member) for member, score in scores.items())
    found = []
    for low, high in shape.ranges():
        for score, member in ordered:
            if low <= score < high and (inside := shape.within(score)):
                found.append((member, inside[2]))
    return found


def test_the_same_answers_as_a_real_server(peer: Peer) -> None:
    seed = random.randrange(10**6)
    print("seed", seed)
    rng = random.Random(seed)
    positions = cloud(seed, 400)
    with peer.connect() as theirs:
        theirs.ok("GEOADD", "g", *(part for name, (x, y) in positions.items() for part in (repr(x), repr(y), name)))
        scores = {name: float(encode(*position)) for name, position in positions.items()}
        names = list(positions)
        answers = theirs.ok("ZMSCORE", "g", *names)
        assert [float(answer) for answer in answers] == [scores[name] for name in names]
        assert theirs.ok("GEOHASH", "g", *names) == [string(scores[name]) for name in names]
        for name, answer in zip(names, theirs.ok("GEOPOS", "g", *names)):
            assert [f"{value:.17f}".rstrip("0").rstrip(".") for value in decode(scores[name])] == [
                text.decode() for text in answer
            ]
        for _ in range(100):
            a, b = rng.choice(names), rng.choice(names)
            answer = float(theirs.ok("GEODIST", "g", a, b))
            assert abs(distance(*decode(scores[a]), *decode(scores[b])) - answer) <= 0.00006
        for _ in range(150):
            x, y = positions[rng.choice(names)]
            unit = rng.choice(list(METRES))
            size = 10 ** rng.uniform(0, 7.2) / METRES[unit]
            if rng.random() < 0.5:
                shape = Shape.circle(x, y, size, METRES[unit])
                by: tuple[object, ...] = ("BYRADIUS", repr(size), unit)
            else:
                height = size * rng.uniform(0.1, 3)
                shape = Shape.box(x, y, size, height, METRES[unit])
                by = ("BYBOX", repr(size), repr(height), unit)
            answer = theirs.ok("GEOSEARCH", "g", "FROMLONLAT", repr(x), repr(y), *by, "WITHDIST")
            found = search(scores, shape)
            assert [name for name, _ in found] == [name for name, _ in answer]
            for (_, ours), (_, text) in zip(found, answer):
                assert abs(ours / METRES[unit] - float(text)) <= 0.00006
