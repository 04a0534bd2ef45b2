class RaxProbe:
    """A Rax whose values are plain numbers, seen from Python. Keys are (ms, seq)."""

    def insert(self, key: tuple[int, int], value: int) -> int | None:
        """Set a key; returns the value that it had."""

    def find(self, key: tuple[int, int]) -> int | None:
        """The value of a key."""

    def remove(self, key: tuple[int, int]) -> int | None:
        """Remove a key; returns the value that it had."""

    def seek(self, key: tuple[int, int], where: str) -> tuple[tuple[int, int], int] | None:
        """The nearest key that is `where` (">=", ">", "<=", "<") the given one, and its value."""

    def walk(self, backwards: bool = False) -> list[tuple[tuple[int, int], int]]:
        """All keys and values, by a cursor."""

    def free_in_steps(self, keys: int) -> tuple[int, list[int]]:
        """Free everything, about so many keys at a time; returns the number of steps and the values freed.

        An empty map is there afterwards.
        """

    def nodes(self) -> int:
        """Nodes of Redis's radix tree of the same keys."""

    def memory(self) -> int:
        """Bytes of the map, without what values point to."""

    def check(self) -> None:
        """Assert the invariants. O(n)."""

    def __len__(self) -> int: ...
