"""The Python-visible face of the `redis` table: whose calls they are, and where redis.log writes."""
from typing import Any

from scripting.run_context import Run

def begin(run: Run | None) -> None: ...
def log_to(log: Any) -> None: ...
