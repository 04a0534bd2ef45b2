from collections.abc import Callable

def in_order(
    elements: list[bytes], texts: list[bytes], number: Callable[[bytes], float], descending: bool
) -> list[bytes]:
    """The elements by the numbers that their texts are, equal ones by their bytes. number: reads what is no plain integer,
    and may raise. O(N log N)."""
