"""Modules that do nothing but declare (fields of INFO, subcommands of DEBUG), loaded when that is asked for first: no
start waits for what most servers of a moment are never asked."""

import gc
import importlib


class Later:
    """Those of one kind of declarations."""

    def __init__(self) -> None:
        self._modules: list[str] = []

    def add(self, *modules: str) -> None:
        """Their names, in the order in which they are to declare."""
        self._modules += modules

    def __bool__(self) -> bool:
        """Whether there are some that are not loaded yet."""
        return bool(self._modules)

    def load(self) -> None:
        """All declarations are there when this returns."""
        if not self._modules:
            return
        modules, self._modules = self._modules, []
        for name in modules:
            importlib.import_module(name)
        if not gc.isenabled():              # in a server: they stay, as what it had when it started
            gc.freeze()
