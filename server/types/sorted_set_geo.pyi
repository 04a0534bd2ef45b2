from server.types.sorted_set import SortedSet

CIRCLE: int
BOX: int

def search(
    zset: SortedSet,
    kind: int,
    centre: tuple[float, float],
    conversion: float,
    first: float,
    second: float,
    limit: int,
) -> list[tuple[float, float, float, float, bytes]]:
    """Members inside a circle (first: its radius) or a box (first, second: width and height), in Redis's order: (metres
    from the centre, score, longitude, latitude, member). conversion: metres in the unit of the lengths; limit: how many
    are enough, 0 for all. Complexity: O(log N + members in the squares around the shape)."""
