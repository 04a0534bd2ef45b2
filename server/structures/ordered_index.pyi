class OrderedIndexProbe:
    """An ordered index with its own entries: what the type layer does with a table, seen from Python."""

    def insert(self, score: float, member: bytes) -> None:
        """Add a member that is not there yet."""

    def update(self, member: bytes, score: float) -> None:
        """Give a member another score."""

    def delete(self, member: bytes) -> None:
        """Remove a member that is there."""

    def pop_min(self) -> tuple[float, bytes] | None:
        """Remove and return the lowest element."""

    def pop_max(self) -> tuple[float, bytes] | None:
        """Remove and return the highest element."""

    def rank(self, member: bytes) -> int:
        """How many elements are before this one."""

    def at(self, rank: int) -> tuple[float, bytes] | None:
        """The element of a rank, None beyond the end."""

    def score_range(self, low: float, low_exclusive: bool, high: float, high_exclusive: bool) -> tuple[int, int]:
        """Ranks [first, end) of the scores between low and high."""

    def lex_range(self, low: bytes, high: bytes) -> tuple[int, int]:
        """Ranks [first, end) of the members between two bounds as ZRANGEBYLEX writes them."""

    def delete_range(self, first: int, end: int) -> list[tuple[float, bytes]]:
        """Remove the ranks [first, end); returns them in order."""

    def walk(self, rank: int, backwards: bool = False) -> list[tuple[int, float, bytes]]:
        """Rank, score and member from a rank on, by a cursor."""

    def free_in_steps(self, nodes: int) -> int:
        """Free everything, so many nodes at a time; returns the number of steps. An empty index is there afterwards."""

    def memory(self) -> int:
        """Bytes of the index without entries."""

    def check(self) -> None:
        """Assert the invariants. O(n)."""

    def __len__(self) -> int: ...
