"""What a fast path knows of its command's words is what the definition knows."""

import importlib
import pkgutil

import pytest
from hypothesis import given, strategies as st

import server.commands
from server.dispatch import option_words
from server.registry.command import COMMANDS

for module in pkgutil.iter_modules(server.commands.__path__):
    importlib.import_module(f"server.commands.{module.name}")

READ_BY_FAST_PATHS = ("set", "getex", "expire", "zadd", "xadd", "xtrim")


@pytest.fixture(autouse=True, scope="module")
def compiled():
    option_words.compile_words(COMMANDS)


@pytest.mark.parametrize("command", READ_BY_FAST_PATHS)
def test_every_word_is_known_to_both(command):
    for word in COMMANDS[command].option_words.words:
        for spelling in (word.name, word.name.lower(), word.name.capitalize()):
            found = option_words.look_up(command, spelling.encode())
            assert found is not None, spelling
            assert found[:3] == (word.bit, word.rivals, word.valued)


@given(
    st.sampled_from(READ_BY_FAST_PATHS),
    st.one_of(st.binary(max_size=18), st.text("nNxXgGtTeEpPaA=~*", max_size=4).map(str.encode)),
)
def test_nothing_else_is(command, argument):
    known = COMMANDS[command].option_words.name_of(argument) != ""
    assert (option_words.look_up(command, argument) is not None) == known


def test_what_is_left_to_the_definitions():
    without = {
        command: [
            word.name
            for word in COMMANDS[command].option_words.words
            if option_words.look_up(command, word.name.encode())[3] == 0
        ]
        for command in READ_BY_FAST_PATHS
    }
    assert without == {
        "set": [],
        "getex": [],
        "expire": [],
        "zadd": [],
        "xadd": ["LIMIT"],
        "xtrim": ["LIMIT"],
    }


def test_a_command_without_words_of_its_own():
    with pytest.raises(KeyError):
        option_words.look_up("get", b"NX")
