"""Our `dataclass` beside that of the standard library."""

import dataclasses
from typing import Any, ClassVar

import pytest

from server.registry import dataclass as ours


def classes(module: Any, **options: bool) -> Any:
    """The same class, made by either."""

    @module.dataclass(**options)
    class Base:
        first: int
        second: str = "b"

    @module.dataclass(**options)
    class Thing(Base):
        """A thing."""

        third: list[int] = module.field(default_factory=list)
        fourth: float = module.field(default=0.5, repr=False)
        fifth: int = module.field(default=5, compare=False)
        KIND: ClassVar[str] = "thing"

        def __post_init__(self) -> None:
            if not options.get("frozen"):
                self.first += 1

    return Thing


OPTIONS = [{}, {"frozen": True}, {"slots": True}, {"frozen": True, "slots": True}, {"eq": False}]


@pytest.mark.parametrize("options", OPTIONS)
def test_it_does_what_that_one_does(options):
    one, other = classes(ours, **options), classes(dataclasses, **options)
    for args, named in (((1,), {}), ((1, "x", [2]), {}), ((1,), {"fourth": 2.0, "fifth": 7}), ((), {"first": 3})):
        a, b = one(*args, **named), other(*args, **named)
        assert repr(a) == repr(b)
        assert (a.first, a.second, a.third, a.fourth, a.fifth) == (b.first, b.second, b.third, b.fourth, b.fifth)
        assert (a == one(*args, **named)) == (b == other(*args, **named))
        assert (a == one(9)) == (b == other(9)) and (a != b)
        assert hasattr(a, "__dict__") == hasattr(b, "__dict__")
        assert repr(ours.replace(a, second="y")) == repr(dataclasses.replace(b, second="y"))
    assert one(1).third is not one(1).third
    assert one.__match_args__ == other.__match_args__
    assert one.KIND == "thing" and one.__doc__ == "A thing."
    assert one(1, fifth=1) == one(1, fifth=2) or options == {"eq": False}


@pytest.mark.parametrize("options", OPTIONS)
def test_what_it_refuses(options):
    one, other = classes(ours, **options), classes(dataclasses, **options)
    for wrong in (lambda cls: cls(), lambda cls: cls(1, first=2), lambda cls: cls(1, sixth=2)):
        for cls in (one, other):
            with pytest.raises(TypeError):
                wrong(cls)
    if options.get("frozen"):
        for cls in (one, other):
            with pytest.raises(AttributeError):
                cls(1).first = 2
            with pytest.raises(AttributeError):
                del cls(1).first


def test_what_is_frozen_is_a_key():
    @ours.dataclass(frozen=True)
    class Key:
        name: str
        note: str = ours.field(default="", compare=False)

    assert {Key("a"): 1}[Key("a", "x")] == 1
    with pytest.raises(TypeError):
        hash(classes(ours)(1))
