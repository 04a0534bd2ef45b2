"""For unittest, and what is made of it (Django's test cases)."""

from __future__ import annotations

import unittest
from typing import TYPE_CHECKING, Any, ClassVar

if TYPE_CHECKING:
    from remus_embedded.clients import Remus
    from remus_server import RemusServer


class RemusMixin:
    """Put it before the TestCase: a server for the class, `self.remus_server`, and before each test an empty one with a
    client, `self.remus`. The class may name `remus_directives`."""

    remus_directives: ClassVar[dict[str, Any]] = {}
    remus_server: RemusServer
    remus: Remus

    @classmethod
    def setUpClass(cls) -> None:
        """Start it."""
        import remus_server

        cls.remus_server = remus_server.start(**{"enable_debug_command": "local", **cls.remus_directives})
        cls.addClassCleanup(cls.remus_server.stop)  # type: ignore[attr-defined]
        super().setUpClass()  # type: ignore[misc]

    def setUp(self) -> None:
        """Empty it."""
        from remus_embedded.clients import Remus

        self.remus_server.control.pipeline(("FLUSHALL",), ("FUNCTION", "FLUSH"), ("SCRIPT", "FLUSH"))
        self.remus = Remus.of(self.remus_server)
        self.addCleanup(self.remus_server.control.reset)  # type: ignore[attr-defined]
        self.addCleanup(self.remus.close)  # type: ignore[attr-defined]
        super().setUp()  # type: ignore[misc]


class RemusTestCase(RemusMixin, unittest.TestCase):
    """unittest.TestCase with a server."""
