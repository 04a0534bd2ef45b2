def parse_requests(loops: int, requests: bytes, commands: int) -> float:
    """Parse a buffer of whole requests, again and again. `commands` is how many there must be in it."""

def write_replies(loops: int, kind: str, value: bytes, replies: int) -> float:
    """Write so many replies of a kind: bulk, integer, double, null, status; array is one array of bulks."""
