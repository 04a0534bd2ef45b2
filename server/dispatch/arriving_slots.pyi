from collections.abc import Callable
from typing import Any

from server.clients.client import Client
from server.dispatch.loop import Loop

def run_import(on_error: Callable[[Client, bytes], Any], brought: Callable[[Client], bytes], loop: Loop,
               client: Client) -> int: ...
