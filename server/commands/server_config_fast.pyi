from typing import Any

from server.config.config import Config

def use(config: Config, answers: dict[tuple[bytes, ...], Any]) -> None: ...
