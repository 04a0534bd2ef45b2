from server.registry.reply_writer import WrittenReply
from server.types.sorted_set import SortedSet

CIRCLE: int
BOX: int

class Points:
    def __init__(
        self,
        zset: SortedSet,
        kind: int,
        centre: tuple[float, float],
        conversion: float,
        first: float,
        second: float,
        limit: int,
    ) -> None:
        """Members inside a circle (first: its radius) or a box (first, second: width and height), in Redis's order.
        conversion: metres in the unit of the lengths; limit: how many are enough, 0 for all. Complexity: O(log N + members
        in the squares around the shape)."""

    def __len__(self) -> int: ...
    def order(self, farthest: bool, most: int) -> None: ...
    def keep(self, most: int) -> None: ...
    def pairs(self, metres: float) -> list[tuple[bytes, float]]: ...
    def reply(self, distances: bool, hashes: bool, positions: bool, metres: float, resp: int) -> WrittenReply: ...
