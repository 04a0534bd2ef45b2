from typing import Any

def attach(records: dict[str, Any]) -> None:
    """Give the sorted set commands their fast paths."""
