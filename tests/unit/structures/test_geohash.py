"""Geohashes by known positions, and the invariants of a search area."""

import math

import pytest

from server.structures.geohash import Shape, decode, distance, encode, string

PALERMO = (13.361389, 38.115556)
CATANIA = (15.087269, 37.502669)


def test_the_positions_of_redis_documentation() -> None:
    assert encode(*PALERMO) == 3479099956230698
    assert encode(*CATANIA) == 3479447370796909
    assert string(encode(*PALERMO)) == b"sqc8b49rny0"
    assert string(encode(*CATANIA)) == b"sqdtr74hyu0"
    assert decode(3479099956230698) == (13.36138933897018433, 38.11555639549629859)
    metres = distance(*decode(encode(*PALERMO)), *decode(encode(*CATANIA)))
    assert f"{metres:.4f}" == "166274.1516"


def test_the_corners_of_the_map() -> None:
    assert encode(-180, -85.05112878) == 0
    for longitude in (-180.0, 180.0):
        for latitude in (-85.05112878, 85.05112878):
            x, y = decode(encode(longitude, latitude))
            assert -180 <= x <= 180
            assert -85.05112878 <= y <= 85.05112878
    for outside in [(180.1, 0), (-180.1, 0), (0, 85.06), (0, -85.06), (math.nan, 0), (0, math.inf)]:
        with pytest.raises(ValueError, match="invalid"):
            encode(*outside)


@pytest.mark.parametrize("score", [0.0, -1.0, 1e300, -1e300, math.inf, -math.inf, math.nan, 2.0**63, 2.0**64, 0.5])
def test_any_score_decodes_to_some_place(score: float) -> None:
    """Any sorted set can be asked for positions."""
    longitude, latitude = decode(score)
    assert -180 <= longitude <= 180
    assert -85.05112878 <= latitude <= 85.05112878
    assert len(string(score)) == 11
    Shape.circle(0, 0, 100).within(score)


def test_distance_along_a_meridian_and_to_itself() -> None:
    assert distance(10, 0, 10, 1) == pytest.approx(6372797.560856 * math.pi / 180)
    assert distance(10, 20, 10, 20) == 0


def test_a_circle_and_a_box_hold_what_is_near() -> None:
    circle = Shape.circle(15, 37, 200, conversion=1000)
    found = circle.within(encode(*CATANIA))
    assert found is not None
    assert f"{found[2] / 1000:.4f}" == "56.4413"
    assert circle.within(encode(2.35, 48.85)) is None
    box = Shape.box(15, 37, 400, 400, conversion=1000)
    assert box.within(encode(*PALERMO)) is not None
    assert Shape.box(15, 37, 20, 400, conversion=1000).within(encode(*PALERMO)) is None
    assert Shape.box(15, 37, 400, 20, conversion=1000).within(encode(*PALERMO)) is None


def test_a_radius_of_zero_finds_the_cell_itself() -> None:
    score = encode(*PALERMO)
    shape = Shape.circle(*decode(score), 0)
    assert any(low <= score < high for low, high in shape.ranges())
    assert shape.within(score) is not None


def test_a_search_of_the_whole_earth_looks_at_each_square() -> None:
    ranges = Shape.circle(0, 0, 1e8).ranges()
    assert (0.0, 2.0**50) in ranges
    assert max(high for _, high in ranges) == 2.0**52
