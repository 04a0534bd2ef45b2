"""Active defragmentation beside what a test does to a keyspace in its own process: everything is moved, in pieces."""

from server.keyspace.database import Keyspace
from server.keyspace.defrag_walk import DefragWalk
from server.structures import defrag_plan


class Mover:
    """A walk that moves every block it meets, a few at a time, and begins again at the end."""

    def __init__(self, keyspace: Keyspace) -> None:
        self._walk = DefragWalk(keyspace)

    def piece(self, most: int = 1) -> bool:
        """One key, or so many elements of one; True when that was the last."""
        defrag_plan.move_all(True)
        try:
            return self._walk.run(0, most)
        finally:
            defrag_plan.move_all(False)

    def everything(self, most: int = 1 << 30) -> None:
        """The rest of this walk, and the next."""
        for _ in range(2):
            while not self.piece(most):
                pass
