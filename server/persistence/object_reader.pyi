"""The Python-visible face of reading values."""
from typing import Any

class BadPayload(ValueError):
    """The bytes are no value."""

def check_footer(payload: bytes, skip_checksum: bool) -> bool: ...
def read_payload(payload: bytes) -> Any: ...
