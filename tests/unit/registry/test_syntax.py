"""The argument grammar, read into trees."""

import pytest

from server.registry.command import Command
from server.registry.keys import NO_KEYS, RO, every_key, one_key
from server.registry.syntax import arguments


def tree(syntax, keys=NO_KEYS, name="x"):
    return form(arguments(Command(name, None, -1, "generic", syntax=syntax, keys=keys)))


def form(found):
    shown = []
    for one in found:
        parts = [one.name, one.type, *([one.token] if one.token else []), *one.flags]
        shown.append((" ".join(parts), form(one.arguments)) if one.arguments else " ".join(parts))
    return shown


def test_names_types_and_keys():
    assert tree("key seconds", one_key(RO)) == ["key key", "seconds integer"]
    assert tree("key value [key value ...]", every_key(RO, step=2)) == [
        ("data block multiple", ["key key", "value string"])
    ]


def test_choices():
    assert tree("[NX | XX] [EX seconds | KEEPTTL]") == [
        ("condition oneof optional", ["nx pure-token NX", "xx pure-token XX"]),
        ("seconds oneof optional", ["seconds integer EX", "keepttl pure-token KEEPTTL"]),
    ]


def test_words_with_values():
    assert tree("[LIMIT offset count] [COUNT count [ANY]] [GET pattern [GET pattern ...]]") == [
        ("limit block LIMIT optional", ["offset integer", "count integer"]),
        ("count-block block optional", ["count integer COUNT", "any pure-token ANY optional"]),
        "pattern pattern GET optional multiple multiple_token",
    ]
    assert tree("<BYRADIUS radius <M | KM> | BYBOX width height <M | KM>>")[0][1][1][1][:2] == [
        "width double BYBOX",
        "height double",
    ]


def test_unbalanced():
    with pytest.raises(ValueError, match="unbalanced"):
        tree("key [value]]")
