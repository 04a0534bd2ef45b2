"""DEBUG's subcommands: each room declares those about its own parts, and HELP is made of that."""

import importlib

import pytest

from server.observe.debug_settings import DebugSettings
from server.registry.debug import Subcommands, subcommands as all_subcommands
from tests.architecture.test_imports import room_of


def subcommands():
    importlib.import_module("server.server")
    importlib.import_module("server.commands.server_debug")
    importlib.import_module("server.commands.server_debug_keys")
    return all_subcommands()


def test_a_room_declares_what_looks_into_its_own_parts():
    """Those who get the whole call are in dispatch or above; the settings are everybody's."""
    about_parts = 0
    for name, entry in subcommands().items():
        ours, its = room_of(entry.run.__module__), room_of(entry.part.__module__)
        if its == "server.dispatch":
            assert ours in (its, "server.commands"), name
        elif entry.part is not DebugSettings:
            about_parts += 1
            assert ours == its, name
    assert about_parts > 10


def test_help_shows_every_subcommand_once_by_name(raw):
    lines = [str(line) for line in raw("DEBUG", "HELP")]
    shown = [line.split()[0] for line in lines[1:-2] if not line.startswith("    ")]
    assert shown == sorted(name.upper() for name, entry in subcommands().items() if entry.help)
    assert len(shown) > 30
    assert lines[-2:] == ["HELP", "    Print this help."]
    at = lines.index("SET-ACTIVE-EXPIRE <0|1>")
    assert lines[at + 1] == "    Remove expired keys that nobody asks for, or leave them."


def test_a_subcommand_is_declared_once():
    with pytest.raises(ValueError, match="DEBUG POPULATE is declared already"):
        Subcommands(DebugSettings)("populate".upper())(lambda settings: None)


def test_wrong_words_are_answered_as_redis_does(both):
    both("DEBUG", "REPLYBUFFER", "nonsense", 1)
    both("DEBUG", "replybuffer", "nonsense", 1)
    both("DEBUG", "OBJECT")
